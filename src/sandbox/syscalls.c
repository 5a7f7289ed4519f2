/* syscalls.c - which role may call what: the table, to be read by eye. */
#include <asm/ioctls.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/seccomp.h"

#define CLONE_NAMESPACES                                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
     CLONE_NEWPID | CLONE_NEWNET)

/* What SOCK_RDM and SOCK_SEQPACKET have and streams and datagrams have not. Control sockets are
 * of the latter kind, and take everybody of their own user for an administrator. */
#define SOCK_PACKETS 4

#define CALL(name, kinds)                                                                      \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_NONE, 0, 0,                                            \
        {                                                                                      \
            0                                                                                  \
        }                                                                                      \
    }
#define CALL_EQ1(name, kinds, arg, a)                                                          \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ, arg, 1,                                            \
        {                                                                                      \
            a                                                                                  \
        }                                                                                      \
    }
#define CALL_EQ2(name, kinds, arg, a, b)                                                       \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ, arg, 2,                                            \
        {                                                                                      \
            a, b                                                                               \
        }                                                                                      \
    }
#define CALL_EQ3(name, kinds, arg, a, b, c)                                                    \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ, arg, 3,                                            \
        {                                                                                      \
            a, b, c                                                                            \
        }                                                                                      \
    }
#define CALL_EQ3_ELSE(name, kinds, arg, a, b, c, bits, error)                                  \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ_ELSE, arg, 5,                                       \
        {                                                                                      \
            a, b, c, bits, error                                                               \
        }                                                                                      \
    }
#define CALL_BOTH(name, kinds, arg, a, b, next)                                                \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ_BOTH, arg, 3,                                       \
        {                                                                                      \
            a, b, next                                                                         \
        }                                                                                      \
    }
#define CALL_HAS(name, kinds, arg, bits)                                                       \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_HAS, arg, 1,                                           \
        {                                                                                      \
            bits                                                                               \
        }                                                                                      \
    }
#define CALL_NOT(name, kinds, arg, bits)                                                       \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_HAS_NOT, arg, 1,                                       \
        {                                                                                      \
            bits                                                                               \
        }                                                                                      \
    }
#define CALL_NULL(name, kinds, arg)                                                            \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_NULL, arg, 0,                                          \
        {                                                                                      \
            0                                                                                  \
        }                                                                                      \
    }
#define CALL_ERRNO(name, kinds, error)                                                         \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_ERRNO, 0, 1,                                           \
        {                                                                                      \
            error                                                                              \
        }                                                                                      \
    }

// clang-format off
const struct syscall_row syscall_table[] = {
    /* Letters: Gate, Auth, Mail, Digest, its Child, Log, Web, Keys, Idp, Ship, gss (Tickets), in this order. */

    /* bytes through descriptors that are open */
    CALL(read,            "GAMDCLWKIST"),
    CALL(write,           "GAMDCLWKIST"),
    CALL(readv,           "GAM....IS"),
    CALL(writev,          "GAMDCLWIS"),
    CALL(close,           "GAMDCLWKIST"),
    CALL(recvmsg,         "GAMDCLWKIST"),
    CALL(sendmsg,         "GAMDCLWKIST"),
    CALL(recvfrom,        "GAM...WIS"),
    CALL(sendto,          "GAM..LWIS"),
    CALL(shutdown,        "GAM...WIS"),
    CALL(fcntl,           "GAMDCLWKIST"),
    CALL_EQ3(ioctl,       "GAM..LWI", 1, FIONREAD, FIONBIO, TCGETS),
    CALL_EQ3(ioctl,       "S", 1, SIOCOUTQ, FIONBIO, TCGETS), /* what the receiver has not taken yet */
    CALL_EQ1(ioctl,       "T", 1, TCGETS), /* libc of /dev/null, where a configuration would be */
    CALL(poll,            "GAMDCLWKIST"),
    CALL(ppoll,           "GAMDCLWIS"),
    CALL(epoll_create1,   "GAMD.L.IS"),
    CALL(epoll_ctl,       "GAMD.LWIS"),
    CALL(epoll_pwait,     "GAMD.LWIS"),
    CALL(eventfd2,        "GAMD.L.IS"),
    CALL(dup,             "GAMD.L.IS"),
    CALL(lseek,           "GAMDCL.IST"),
    CALL(fstat,           "GAMDCLWIST"),

    /* sockets: none is made but pairs, and by idp, which goes out to servers that are configured (Landlock has
     * their ports) and to resolvers; getaddrinfo() does without the netlink socket it would like. The gate and the
     * control listeners accept */
    CALL(accept4,         "GAM...W"),
    CALL(accept,          "GAM...."),
    CALL_EQ1(socketpair,  "GAMD..WI", 0, AF_UNIX),
    CALL(getsockopt,      "GAMD.LWIS"),
    CALL(setsockopt,      "GAMD.LWIS"),
    CALL(getsockname,     "GAM...WIS"),
    CALL(getpeername,     "GAM...WIS"),
    CALL_EQ3_ELSE(socket, "I", 0, AF_UNIX, AF_INET, AF_INET6, SOCK_PACKETS, EAFNOSUPPORT),
    CALL(sendmmsg,        "I"), /* the resolver's two questions */
    CALL(connect,         ".....L.IS"), /* the syslog socket again, after syslog was restarted */

    /* TCP alone; to which port, Landlock says */
    CALL_BOTH(socket,     "S", 0, AF_INET, AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),

    /* memory: never executable */
    CALL(brk,             "GAMDCLWKIST"),
    CALL_NOT(mmap,        "GAMDCLWKIST", 2, PROT_EXEC),
    CALL_NOT(mprotect,    "GAMDCLWIS", 2, PROT_EXEC),
    CALL(munmap,          "GAMDCLWKIST"),
    CALL(mremap,          "GAMDCLWIST"),
    CALL(madvise,         "GAMDCLWIST"),
    CALL(mlock,           "GA.....IS"), /* secrets stay out of swap */
    CALL(munlock,         "GA.....IS"),
    CALL(msync,           "..M...."),
    CALL(mincore,         "..M...."),
    CALL(memfd_create,    "..MD..."),

    /* threads behind the acknowledgement, and of handshakes, make themselves less urgent, and nobody else; more
     * urgent needs a capability that nobody has */
    CALL_EQ1(sched_setattr, "G.M....", 0, 0),
    CALL_EQ1(ioprio_set,  "..M....", 1, 0),

    /* time and chance; most of it never leaves the vdso. The child has none: same mail, same table */
    CALL(clock_gettime,   "GAMD.LWKIST"),
    CALL(clock_getres,    "GAMD.LWIS"),
    CALL(clock_nanosleep, "GAMD.L.IS"),
    CALL(nanosleep,       "GAMD.L.IS"),
    CALL(gettimeofday,    "GAMD.LWIST"),
    CALL(getrandom,       "GAMD.LWKIST"),
    CALL(timerfd_create,  "GAM....I"),
    CALL(timerfd_settime, "GAM....I"),

    /* threads and signals of our own */
    CALL(futex,           "GAMDCLWKIST"),
    CALL_HAS(clone,       "GAM....I", 0, CLONE_THREAD),
    CALL_NOT(clone,       "...D...", 0, CLONE_NAMESPACES),
    CALL_ERRNO(clone3,    "GAMD...I", ENOSYS), /* its flags lie in memory: libc falls back to clone */
    CALL(set_robust_list, "GAMDC..I"),
    CALL(set_tid_address, "...DC.."),
    CALL(rseq,            "GAMDC..I"),
    CALL(sched_yield,     "GAMDCLWIS"),
    CALL(sched_getaffinity, "GAMDCLWIS"),
    CALL(getpid,          "GAMDCLWKIST"),
    CALL(gettid,          "GAMDCLWIST"),
    CALL(tgkill,          "GAMDCLWIST"), /* abort() */
    CALL(rt_sigaction,    "GAMDCLWIST"),
    CALL(rt_sigprocmask,  "GAMDCLWIST"),
    CALL(rt_sigreturn,    "GAMDCLWIST"),
    CALL(sigaltstack,     "GAMDCL.IS"),
    CALL(restart_syscall, "GAMDCLWIST"),
    CALL(exit,            "GAMDCLWIST"),
    CALL(exit_group,      "GAMDCLWKIST"),
    CALL(sysinfo,         "GAMDCLWIS"), /* qsort() asks how much memory there is */
    CALL(getrusage,       "GAMDCL.IS"),
    CALL_NULL(prlimit64,  "GAM..LWIS", 2),
    CALL_EQ2(prctl,       "GAM..L.I", 0, PR_SET_NAME, PR_GET_NAME),

    /* files: where Landlock allows a path */
    CALL(openat,          ".AM..L.IST"),
    CALL(newfstatat,      "GAMDCLWIST"), /* fstat() of libc; a path finds nothing in gate and digest */
    CALL(statx,           ".AM..L.IS"),
    CALL(statfs,          ".AM...."),
    CALL(fstatfs,         ".AM...."),
    CALL(pread64,         ".AM....IS"),
    CALL(pwrite64,        ".AM..L."),
    CALL(preadv,          "..M...."),
    CALL(pwritev,         "..M...."),
    CALL(preadv2,         "..M...."),
    CALL(pwritev2,        "..M...."),
    CALL(fsync,           ".AM..L.S"),
    CALL(fdatasync,       ".AM..L.S"),
    CALL(sync_file_range, "..M...."),
    CALL(fallocate,       ".AM...."),
    CALL(ftruncate,       ".AMD.L.S"),
    CALL(fadvise64,       "..M...."),
    CALL(flock,           ".AM...."),
    CALL(getdents64,      ".AM..L.IS"),
    CALL(faccessat,       ".AM....IT"),
    CALL(faccessat2,      ".AM....I"),
    CALL(readlinkat,      ".AM....I"),
    CALL(mkdirat,         ".AM...."),
    CALL(unlinkat,        ".AM..L.S"),
    CALL(renameat,        ".AM....S"),
    CALL(renameat2,       ".AM...."),
    CALL(linkat,          "..M...."),
    CALL(fchmod,          ".AM..L."),
    CALL(umask,           ".AM..L."),
    CALL(getcwd,          ".AM....I"),
    CALL(uname,           "..M....I"), /* LMDB looks at the kernel release before it trusts a file system */
    CALL(geteuid,         "GAMDCLWIST"),
    CALL(getuid,          "GAMDCLWIST"),
    CALL(getegid,         "GAMDCLWIS"),
    CALL(getgid,          "GAMDCLWIS"),
    CALL(fchown,          ".A....."), /* SQLite as root, for its journal; without capability it fails */

    /* the digest process makes its children and ends them */
    CALL(wait4,           "...D..."),
    CALL(kill,            "...D..."), /* Landlock keeps signals inside the sandbox */
    CALL(setrlimit,       "...D..."),
    CALL(getrlimit,       "...D..."),
    CALL_EQ1(prlimit64,   "...D...", 0, 0), /* its own */
    CALL(seccomp,         "...D..."),
    CALL_EQ1(prctl,       "...D...", 0, PR_SET_PDEATHSIG),
    CALL(getppid,         "...D..."),
    CALL(close_range,     "...D..."),

    /* calls that aarch64 never had */
#ifdef SYS_epoll_wait
    CALL(epoll_wait,      "GAMD.LWIS"),
    CALL(time,            "GAMD.LWIST"),
    CALL(dup2,            ".....L."),
    CALL(open,            ".AM..L.IST"),
    CALL(stat,            ".AM..L.IST"),
    CALL(lstat,           ".AM....I"),
    CALL(access,          ".AM....IT"),
    CALL(readlink,        ".AM....I"),
    CALL(mkdir,           ".AM...."),
    CALL(rmdir,           ".AM...."),
    CALL(unlink,          ".AM...."),
    CALL(rename,          ".AM....S"),
    CALL(link,            "..M...."),
#endif
};
const size_t syscall_table_len = COUNT(syscall_table);

const struct syscall_row syscall_wide_denied[] = {
    CALL_EQ2(socket,      "GAMDCLWKT", 0, AF_INET, AF_INET6),
    CALL(bind,            "GAMDCLWKIST"),
    CALL(listen,          "GAMDCLWKIST"),
    CALL(execve,          "GAMDCLWKIST"),
    CALL(execveat,        "GAMDCLWKIST"),
    CALL(mount,           "GAMDCLWKIST"),
    CALL(umount2,         "GAMDCLWKIST"),
    CALL(unshare,         "GAMDCLWKIST"),
    CALL(setns,           "GAMDCLWKIST"),
    CALL(bpf,             "GAMDCLWKIST"),
    CALL(io_uring_setup,  "GAMDCLWKIST"),
    CALL(init_module,     "GAMDCLWKIST"),
    CALL(finit_module,    "GAMDCLWKIST"),
    CALL(keyctl,          "GAMDCLWKIST"),
};
const size_t syscall_wide_denied_len = COUNT(syscall_wide_denied);
// clang-format on
