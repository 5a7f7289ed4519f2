/* syscalls.c - which role may call what: the table, to be read by eye. */
#include <asm/ioctls.h>
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/seccomp.h"

#define CLONE_NAMESPACES                                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
     CLONE_NEWPID | CLONE_NEWNET)

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
#define CALL_EQ3_ELSE(name, kinds, arg, a, b, c, error)                                        \
    {                                                                                          \
#name, SYS_##name, kinds, CHECK_EQ_ELSE, arg, 4,                                       \
        {                                                                                      \
            a, b, c, error                                                                     \
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
    /* Letters: Gate, Auth, Mail, Digest, its Child, Log, Web, Keys, Idp, in this order. */

    /* bytes through descriptors that are open */
    CALL(read,            "GAMDCLWKI"),
    CALL(write,           "GAMDCLWKI"),
    CALL(readv,           "GAM...WI"),
    CALL(writev,          "GAMDCLWI"),
    CALL(close,           "GAMDCLWKI"),
    CALL(recvmsg,         "GAMDCLWKI"),
    CALL(sendmsg,         "GAMDCLWKI"),
    CALL(recvfrom,        "GAM...WI"),
    CALL(sendto,          "GAM..LWI"),
    CALL(shutdown,        "GAM...WI"),
    CALL(fcntl,           "GAMDCLWKI"),
    CALL_EQ3(ioctl,       "GAM..LWI", 1, FIONREAD, FIONBIO, TCGETS),
    CALL(poll,            "GAMDCLWKI"),
    CALL(ppoll,           "GAMDCLWI"),
    CALL(epoll_create1,   "GAMD.LWI"),
    CALL(epoll_ctl,       "GAMD.LWI"),
    CALL(epoll_pwait,     "GAMD.LWI"),
    CALL(eventfd2,        "GAMD.LWI"),
    CALL(dup,             "GAMD.LWI"),
    CALL(lseek,           "GAMDCLWI"),
    CALL(fstat,           "GAMDCLWI"),

    /* sockets: none is made but pairs, and by idp, which goes out to servers that are configured (Landlock has
     * their ports) and to resolvers; getaddrinfo() does without the netlink socket it would like. The gate and the
     * control listeners accept */
    CALL(accept4,         "GAM...W"),
    CALL(accept,          "GAM...W"),
    CALL_EQ1(socketpair,  "GAMD..WI", 0, AF_UNIX),
    CALL(getsockopt,      "GAMD.LWI"),
    CALL(setsockopt,      "GAMD.LWI"),
    CALL(getsockname,     "GAM...WI"),
    CALL(getpeername,     "GAM...WI"),
    CALL_EQ3_ELSE(socket, "I", 0, AF_UNIX, AF_INET, AF_INET6, EAFNOSUPPORT),
    CALL(sendmmsg,        "I"), /* the resolver's two questions */
    CALL(connect,         ".....L.I"), /* the syslog socket again, after syslog was restarted */

    /* memory: never executable */
    CALL(brk,             "GAMDCLWKI"),
    CALL_NOT(mmap,        "GAMDCLWKI", 2, PROT_EXEC),
    CALL_NOT(mprotect,    "GAMDCLWI", 2, PROT_EXEC),
    CALL(munmap,          "GAMDCLWKI"),
    CALL(mremap,          "GAMDCLWI"),
    CALL(madvise,         "GAMDCLWI"),
    CALL(mlock,           "GA....WI"), /* secrets stay out of swap */
    CALL(munlock,         "GA....WI"),
    CALL(msync,           "..M...."),
    CALL(mincore,         "..M...."),
    CALL(memfd_create,    "..MD..."),

    /* threads behind the acknowledgement make themselves less urgent; more urgent needs a
     * capability that nobody has */
    CALL(setpriority,     "..M...."),
    CALL(ioprio_set,      "..M...."),

    /* time and chance; most of it never leaves the vdso. The child has none: same mail, same table */
    CALL(clock_gettime,   "GAMD.LWKI"),
    CALL(clock_getres,    "GAMD.LWI"),
    CALL(clock_nanosleep, "GAMD.LWI"),
    CALL(nanosleep,       "GAMD.LWI"),
    CALL(gettimeofday,    "GAMD.LWI"),
    CALL(getrandom,       "GAMD.LWKI"),
    CALL(timerfd_create,  "GAM...WI"),
    CALL(timerfd_settime, "GAM...WI"),

    /* threads and signals of our own */
    CALL(futex,           "GAMDCLWKI"),
    CALL_HAS(clone,       ".AM....I", 0, CLONE_THREAD),
    CALL_NOT(clone,       "...D...", 0, CLONE_NAMESPACES),
    CALL_ERRNO(clone3,    ".AMD...I", ENOSYS), /* its flags lie in memory: libc falls back to clone */
    CALL(set_robust_list, ".AMDC..I"),
    CALL(set_tid_address, "...DC.."),
    CALL(rseq,            ".AMDC..I"),
    CALL(sched_yield,     "GAMDCLWI"),
    CALL(sched_getaffinity, "GAMDCLWI"),
    CALL(getpid,          "GAMDCLWKI"),
    CALL(gettid,          "GAMDCLWI"),
    CALL(tgkill,          "GAMDCLWI"), /* abort() */
    CALL(rt_sigaction,    "GAMDCLWI"),
    CALL(rt_sigprocmask,  "GAMDCLWI"),
    CALL(rt_sigreturn,    "GAMDCLWI"),
    CALL(sigaltstack,     "GAMDCLWI"),
    CALL(restart_syscall, "GAMDCLWI"),
    CALL(exit,            "GAMDCLWI"),
    CALL(exit_group,      "GAMDCLWKI"),
    CALL(sysinfo,         "GAMDCLWI"), /* qsort() asks how much memory there is */
    CALL(getrusage,       "GAMDCLWI"),
    CALL_NULL(prlimit64,  "GAM..LWI", 2),
    CALL_EQ2(prctl,       "GAM..LWI", 0, PR_SET_NAME, PR_GET_NAME),

    /* files: where Landlock allows a path */
    CALL(openat,          ".AM..L.I"),
    CALL(newfstatat,      "GAMDCLWI"), /* fstat() of libc; a path finds nothing in gate and digest */
    CALL(statx,           ".AM..L.I"),
    CALL(statfs,          ".AM...."),
    CALL(fstatfs,         ".AM...."),
    CALL(pread64,         ".AM....I"),
    CALL(pwrite64,        ".AM..L."),
    CALL(preadv,          "..M...."),
    CALL(pwritev,         "..M...."),
    CALL(preadv2,         "..M...."),
    CALL(pwritev2,        "..M...."),
    CALL(fsync,           ".AM..L."),
    CALL(fdatasync,       ".AM..L."),
    CALL(sync_file_range, "..M...."),
    CALL(fallocate,       ".AM...."),
    CALL(ftruncate,       ".AMD.L."),
    CALL(fadvise64,       "..M...."),
    CALL(flock,           ".AM...."),
    CALL(getdents64,      ".AM..L.I"),
    CALL(faccessat,       ".AM....I"),
    CALL(faccessat2,      ".AM....I"),
    CALL(readlinkat,      ".AM....I"),
    CALL(mkdirat,         ".AM...."),
    CALL(unlinkat,        ".AM..L."),
    CALL(renameat,        ".AM...."),
    CALL(renameat2,       ".AM...."),
    CALL(linkat,          "..M...."),
    CALL(fchmod,          ".AM..L."),
    CALL(umask,           ".AM..L."),
    CALL(getcwd,          ".AM....I"),
    CALL(uname,           "..M....I"), /* LMDB looks at the kernel release before it trusts a file system */
    CALL(geteuid,         "GAMDCLWI"),
    CALL(getuid,          "GAMDCLWI"),
    CALL(getegid,         "GAMDCLWI"),
    CALL(getgid,          "GAMDCLWI"),
    CALL(fchown,          ".A....."), /* SQLite as root, for its journal; without capability it fails */

    /* the digest process makes its children and ends them */
    CALL(wait4,           "...D..."),
    CALL(kill,            "...D..."), /* Landlock keeps signals inside the sandbox */
    CALL(setrlimit,       "...D..."),
    CALL(getrlimit,       "...D..."),
    CALL(prlimit64,       "...D..."),
    CALL(seccomp,         "...D..."),
    CALL_EQ1(prctl,       "...D...", 0, PR_SET_PDEATHSIG),
    CALL(getppid,         "...D..."),
    CALL(close_range,     "...D..."),

    /* calls that aarch64 never had */
#ifdef SYS_epoll_wait
    CALL(epoll_wait,      "GAMD.LWI"),
    CALL(time,            "GAMD.LWI"),
    CALL(dup2,            ".....L."),
    CALL(open,            ".AM..L.I"),
    CALL(stat,            ".AM..L.I"),
    CALL(lstat,           ".AM....I"),
    CALL(access,          ".AM....I"),
    CALL(readlink,        ".AM....I"),
    CALL(mkdir,           ".AM...."),
    CALL(rmdir,           ".AM...."),
    CALL(unlink,          ".AM...."),
    CALL(rename,          ".AM...."),
    CALL(link,            "..M...."),
#endif
};
const size_t syscall_table_len = COUNT(syscall_table);

const struct syscall_row syscall_wide_denied[] = {
    CALL_EQ2(socket,      "GAMDCLWK", 0, AF_INET, AF_INET6),
    CALL(bind,            "GAMDCLWKI"),
    CALL(listen,          "GAMDCLWKI"),
    CALL(execve,          "GAMDCLWKI"),
    CALL(execveat,        "GAMDCLWKI"),
    CALL(mount,           "GAMDCLWKI"),
    CALL(umount2,         "GAMDCLWKI"),
    CALL(unshare,         "GAMDCLWKI"),
    CALL(setns,           "GAMDCLWKI"),
    CALL(bpf,             "GAMDCLWKI"),
    CALL(io_uring_setup,  "GAMDCLWKI"),
    CALL(init_module,     "GAMDCLWKI"),
    CALL(finit_module,    "GAMDCLWKI"),
    CALL(keyctl,          "GAMDCLWKI"),
};
const size_t syscall_wide_denied_len = COUNT(syscall_wide_denied);
// clang-format on
