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
    /* Letters: Gate, Auth, Mail, Digest, its Child, Log, Web, Keys, in this order. */

    /* bytes through descriptors that are open */
    CALL(read,            "GAMDCLWK"),
    CALL(write,           "GAMDCLWK"),
    CALL(readv,           "GAM...W"),
    CALL(writev,          "GAMDCLW"),
    CALL(close,           "GAMDCLWK"),
    CALL(recvmsg,         "GAMDCLWK"),
    CALL(sendmsg,         "GAMDCLWK"),
    CALL(recvfrom,        "GAM...W"),
    CALL(sendto,          "GAM..LW"),
    CALL(shutdown,        "GAM...W"),
    CALL(fcntl,           "GAMDCLWK"),
    CALL_EQ3(ioctl,       "GAM..LW", 1, FIONREAD, FIONBIO, TCGETS),
    CALL(poll,            "GAMDCLWK"),
    CALL(ppoll,           "GAMDCLW"),
    CALL(epoll_create1,   "GAMD.LW"),
    CALL(epoll_ctl,       "GAMD.LW"),
    CALL(epoll_pwait,     "GAMD.LW"),
    CALL(eventfd2,        "GAMD.LW"),
    CALL(dup,             "GAMD.LW"),
    CALL(lseek,           "GAMDCLW"),
    CALL(fstat,           "GAMDCLW"),

    /* sockets: none is made but pairs; the gate and the control listeners accept */
    CALL(accept4,         "GAM...W"),
    CALL(accept,          "GAM...W"),
    CALL_EQ1(socketpair,  "GAMD..W", 0, AF_UNIX),
    CALL(getsockopt,      "GAMD.LW"),
    CALL(setsockopt,      "GAMD.LW"),
    CALL(getsockname,     "GAM...W"),
    CALL(getpeername,     "GAM...W"),
    CALL(connect,         ".....L."), /* the syslog socket again, after syslog was restarted */

    /* memory: never executable */
    CALL(brk,             "GAMDCLWK"),
    CALL_NOT(mmap,        "GAMDCLWK", 2, PROT_EXEC),
    CALL_NOT(mprotect,    "GAMDCLW", 2, PROT_EXEC),
    CALL(munmap,          "GAMDCLWK"),
    CALL(mremap,          "GAMDCLW"),
    CALL(madvise,         "GAMDCLW"),
    CALL(mlock,           "GA....W"), /* secrets stay out of swap */
    CALL(munlock,         "GA....W"),
    CALL(msync,           "..M...."),
    CALL(mincore,         "..M...."),
    CALL(memfd_create,    "..MD..."),

    /* threads behind the acknowledgement make themselves less urgent; more urgent needs a
     * capability that nobody has */
    CALL(setpriority,     "..M...."),
    CALL(ioprio_set,      "..M...."),

    /* time and chance; most of it never leaves the vdso. The child has none: same mail, same table */
    CALL(clock_gettime,   "GAMD.LWK"),
    CALL(clock_getres,    "GAMD.LW"),
    CALL(clock_nanosleep, "GAMD.LW"),
    CALL(nanosleep,       "GAMD.LW"),
    CALL(gettimeofday,    "GAMD.LW"),
    CALL(getrandom,       "GAMD.LWK"),
    CALL(timerfd_create,  "GAM...W"),
    CALL(timerfd_settime, "GAM...W"),

    /* threads and signals of our own */
    CALL(futex,           "GAMDCLWK"),
    CALL_HAS(clone,       ".AM....", 0, CLONE_THREAD),
    CALL_NOT(clone,       "...D...", 0, CLONE_NAMESPACES),
    CALL_ERRNO(clone3,    ".AMD...", ENOSYS), /* its flags lie in memory: libc falls back to clone */
    CALL(set_robust_list, ".AMDC.."),
    CALL(set_tid_address, "...DC.."),
    CALL(rseq,            ".AMDC.."),
    CALL(sched_yield,     "GAMDCLW"),
    CALL(sched_getaffinity, "GAMDCLW"),
    CALL(getpid,          "GAMDCLWK"),
    CALL(gettid,          "GAMDCLW"),
    CALL(tgkill,          "GAMDCLW"), /* abort() */
    CALL(rt_sigaction,    "GAMDCLW"),
    CALL(rt_sigprocmask,  "GAMDCLW"),
    CALL(rt_sigreturn,    "GAMDCLW"),
    CALL(sigaltstack,     "GAMDCLW"),
    CALL(restart_syscall, "GAMDCLW"),
    CALL(exit,            "GAMDCLW"),
    CALL(exit_group,      "GAMDCLWK"),
    CALL(sysinfo,         "GAMDCLW"), /* qsort() asks how much memory there is */
    CALL(getrusage,       "GAMDCLW"),
    CALL_NULL(prlimit64,  "GAM..LW", 2),
    CALL_EQ2(prctl,       "GAM..LW", 0, PR_SET_NAME, PR_GET_NAME),

    /* files: where Landlock allows a path */
    CALL(openat,          ".AM..L."),
    CALL(newfstatat,      "GAMDCLW"), /* fstat() of libc; a path finds nothing in gate and digest */
    CALL(statx,           ".AM..L."),
    CALL(statfs,          ".AM...."),
    CALL(fstatfs,         ".AM...."),
    CALL(pread64,         ".AM...."),
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
    CALL(getdents64,      ".AM..L."),
    CALL(faccessat,       ".AM...."),
    CALL(faccessat2,      ".AM...."),
    CALL(readlinkat,      ".AM...."),
    CALL(mkdirat,         ".AM...."),
    CALL(unlinkat,        ".AM..L."),
    CALL(renameat,        ".AM...."),
    CALL(renameat2,       ".AM...."),
    CALL(linkat,          "..M...."),
    CALL(fchmod,          ".AM..L."),
    CALL(umask,           ".AM..L."),
    CALL(getcwd,          ".AM...."),
    CALL(uname,           "..M...."), /* LMDB looks at the kernel release before it trusts a file system */
    CALL(geteuid,         "GAMDCLW"),
    CALL(getuid,          "GAMDCLW"),
    CALL(getegid,         "GAMDCLW"),
    CALL(getgid,          "GAMDCLW"),
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
    CALL(epoll_wait,      "GAMD.LW"),
    CALL(time,            "GAMD.LW"),
    CALL(dup2,            ".....L."),
    CALL(open,            ".AM..L."),
    CALL(stat,            ".AM..L."),
    CALL(lstat,           ".AM...."),
    CALL(access,          ".AM...."),
    CALL(readlink,        ".AM...."),
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
    CALL(bind,            "GAMDCLWK"),
    CALL(listen,          "GAMDCLWK"),
    CALL(execve,          "GAMDCLWK"),
    CALL(execveat,        "GAMDCLWK"),
    CALL(mount,           "GAMDCLWK"),
    CALL(umount2,         "GAMDCLWK"),
    CALL(unshare,         "GAMDCLWK"),
    CALL(setns,           "GAMDCLWK"),
    CALL(bpf,             "GAMDCLWK"),
    CALL(io_uring_setup,  "GAMDCLWK"),
    CALL(init_module,     "GAMDCLWK"),
    CALL(finit_module,    "GAMDCLWK"),
    CALL(keyctl,          "GAMDCLWK"),
};
const size_t syscall_wide_denied_len = COUNT(syscall_wide_denied);
// clang-format on
