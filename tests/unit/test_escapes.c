/*
 * test_escapes.c - somebody runs code of theirs in a confined process: what they would try
 * next.
 *
 * Each attempt is one raw system call, made in each kind of process. What works for an ordinary
 * process without privileges must end the process (K) or be refused by Landlock (F); nothing
 * but what a column says is done. tests/unit/test_sandbox.c has what each kind may do.
 */
// links: sandbox
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/test.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

#define SELF   (-1000) /* an argument: the process itself; PARENT: who started it */
#define PARENT (-1001)

enum outcome { DID, FAILED, KILLED, BROKEN };

static char folder[64];     /* writable by the rules */
static char link_path[80];  /* in it, made before: a symbolic link out of it */
static char inner_path[80]; /* in it: a file that the attempts may meet */
static char room[4096];     /* for structures that a call fills or reads */

#define PTR(pointer) ((long) (uintptr_t) (pointer))

struct attempt {
    const char *name;
    long number;
    long args[6];
    const char *kinds; /* for each kind: K killed, F an error, D done */
};

#define ALL "KKKKKKKKKKK"

// clang-format off
static const struct attempt attempts[] = {
    /* a way out by the network */
    {"socket inet6",        SYS_socket, {AF_INET6, SOCK_STREAM}, "KKKKKKKKDKK"},
    {"socket udp",          SYS_socket, {AF_INET, SOCK_DGRAM}, "KKKKKKKKDKK"},
    {"socket netlink",      SYS_socket, {AF_NETLINK, SOCK_RAW}, "KKKKKKKKFKK"},
    {"socket packet",       SYS_socket, {AF_PACKET, SOCK_RAW}, "KKKKKKKKFKK"},
    {"socket vsock",        SYS_socket, {AF_VSOCK, SOCK_STREAM}, "KKKKKKKKFKK"},
    {"socket alg",          SYS_socket, {AF_ALG, SOCK_SEQPACKET}, "KKKKKKKKFKK"},
    {"socket to a control", SYS_socket, {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC}, "KKKKKKKKFKK"},
    {"socket unix",         SYS_socket, {AF_UNIX, SOCK_STREAM}, "KKKKKKKKDKK"}, /* resolvers, databases */
    {"socket raw",          SYS_socket, {AF_INET, SOCK_RAW, 1}, "KKKKKKKKFKK"},
    {"socketpair inet",     SYS_socketpair, {AF_INET, SOCK_STREAM, 0, PTR(room)}, ALL},
    {"bind",                SYS_bind, {0, PTR(room), 16}, ALL},
    {"listen",              SYS_listen, {0, 1}, ALL},

    /* another program, another process */
    {"execve",              SYS_execve, {PTR("/bin/true")}, ALL},
    {"execveat",            SYS_execveat, {AT_FDCWD, PTR("/bin/true")}, ALL},
    {"memfd exec",          SYS_execveat, {0, PTR(""), 0, 0, AT_EMPTY_PATH}, ALL},
    {"clone newuser",       SYS_clone, {CLONE_NEWUSER | SIGCHLD}, ALL},
    {"clone newnet",        SYS_clone, {CLONE_NEWNET | SIGCHLD}, ALL},
    {"clone newpid",        SYS_clone, {CLONE_NEWPID | SIGCHLD}, ALL},
    {"ptrace traceme",      SYS_ptrace, {PTRACE_TRACEME}, ALL},
    {"ptrace attach",       SYS_ptrace, {PTRACE_ATTACH, PARENT}, ALL},
    {"ptrace seize",        SYS_ptrace, {PTRACE_SEIZE, PARENT}, ALL},
    {"process_vm_readv",    SYS_process_vm_readv, {PARENT, PTR(room), 1, PTR(room), 1}, ALL},
    {"process_vm_writev",   SYS_process_vm_writev, {PARENT, PTR(room), 1, PTR(room), 1}, ALL},
    {"kcmp",                SYS_kcmp, {PARENT, SELF, 0, 0, 0}, ALL},
    {"pidfd_open",          SYS_pidfd_open, {PARENT}, ALL},
    {"pidfd_getfd",         SYS_pidfd_getfd, {0, 0, 0}, ALL},
    {"pidfd_send_signal",   SYS_pidfd_send_signal, {0, 0, 0, 0}, ALL},
    {"kill the parent",     SYS_kill, {PARENT, 0}, "KKKFKKKKKKK"},
    {"kill init",           SYS_kill, {1, 0}, "KKKFKKKKKKK"},
    {"tgkill the parent",   SYS_tgkill, {PARENT, PARENT, 0}, "FFFFFFFKFFF"},
    {"sched_setattr",       SYS_sched_setattr, {PARENT, PTR(room), 0}, ALL},
    {"ioprio_set",          SYS_ioprio_set, {1, PARENT, 0}, ALL},
    {"prlimit64",           SYS_prlimit64, {PARENT, RLIMIT_NOFILE, PTR(room), 0}, ALL},
    {"tkill",               SYS_tkill, {PARENT, 0}, ALL},
    {"rt_sigqueueinfo",     SYS_rt_sigqueueinfo, {PARENT, 0, PTR(room)}, ALL},
    {"setpgid",             SYS_setpgid, {0, 0}, ALL},
    {"setsid",              SYS_setsid, {0}, ALL},

    /* more rights */
    {"setuid",              SYS_setuid, {0}, ALL},
    {"setgid",              SYS_setgid, {0}, ALL},
    {"setresuid",           SYS_setresuid, {0, 0, 0}, ALL},
    {"setgroups",           SYS_setgroups, {0, PTR(room)}, ALL},
    {"capset",              SYS_capset, {PTR(room), PTR(room)}, ALL},
    {"prctl dumpable",      SYS_prctl, {PR_SET_DUMPABLE, 1}, ALL},
    {"prctl ptracer",       SYS_prctl, {PR_SET_PTRACER, -1}, ALL},
    {"prctl keepcaps",      SYS_prctl, {PR_SET_KEEPCAPS, 1}, ALL},
    {"prctl mm",            SYS_prctl, {PR_SET_MM, PR_SET_MM_START_CODE}, ALL},
    {"personality",         SYS_personality, {0x0040000}, ALL},
    {"keyctl",              SYS_keyctl, {0, -3, 1}, ALL},
    {"add_key",             SYS_add_key, {PTR("user"), PTR("k"), PTR("v"), 1, -3}, ALL},
    {"request_key",         SYS_request_key, {PTR("user"), PTR("k"), 0, -3}, ALL},

    /* another view of the world */
    {"unshare newuser",     SYS_unshare, {CLONE_NEWUSER}, ALL},
    {"setns",               SYS_setns, {0, 0}, ALL},
    {"mount",               SYS_mount, {PTR("none"), PTR(folder), PTR("tmpfs"), 0, 0}, ALL},
    {"umount2",             SYS_umount2, {PTR("/"), 0}, ALL},
    {"pivot_root",          SYS_pivot_root, {PTR(folder), PTR(folder)}, ALL},
    {"chroot",              SYS_chroot, {PTR(folder)}, ALL},
    {"chdir",               SYS_chdir, {PTR("/")}, ALL},
    {"open_tree",           SYS_open_tree, {AT_FDCWD, PTR("/"), 1}, ALL},
    {"fsopen",              SYS_fsopen, {PTR("tmpfs"), 0}, ALL},
    {"move_mount",          SYS_move_mount, {0, PTR(""), 0, PTR("/"), 4}, ALL},

    /* the kernel's wide doors */
    {"io_uring_setup",      SYS_io_uring_setup, {8, PTR(room)}, ALL},
    {"io_uring_enter",      SYS_io_uring_enter, {0, 1, 0, 0, 0, 0}, ALL},
    {"bpf",                 SYS_bpf, {BPF_MAP_CREATE, PTR(room), 72}, ALL},
    {"perf_event_open",     SYS_perf_event_open, {PTR(room), 0, -1, -1, 0}, ALL},
    {"userfaultfd",         SYS_userfaultfd, {1}, ALL},
    {"init_module",         SYS_init_module, {PTR(room), 1, PTR("")}, ALL},
    {"finit_module",        SYS_finit_module, {0, PTR(""), 0}, ALL},
    {"kexec_load",          SYS_kexec_load, {0, 0, 0, 0}, ALL},
    {"reboot",              SYS_reboot, {0, 0, 0, 0}, ALL},
    {"swapoff",             SYS_swapoff, {PTR("/none")}, ALL},
    {"syslog",              SYS_syslog, {3, PTR(room), 100}, ALL},
    {"quotactl",            SYS_quotactl, {0, PTR("/"), 0, PTR(room)}, ALL},
    {"fanotify_init",       SYS_fanotify_init, {0, 0}, ALL},
    {"inotify_init1",       SYS_inotify_init1, {0}, ALL},
    {"open_by_handle_at",   SYS_open_by_handle_at, {0, PTR(room), 0}, ALL},
    {"name_to_handle_at",   SYS_name_to_handle_at, {AT_FDCWD, PTR("/"), PTR(room), PTR(room), 0}, ALL},
    {"shmget",              SYS_shmget, {0, 4096, 01600}, ALL},
    {"msgget",              SYS_msgget, {0, 01600}, ALL},
    {"semget",              SYS_semget, {0, 1, 01600}, ALL},
    {"mq_open",             SYS_mq_open, {PTR("roost"), O_CREAT, 0600, 0}, ALL},
    {"sched_setscheduler",  SYS_sched_setscheduler, {0, 0, PTR(room)}, ALL},
    {"clock_settime",       SYS_clock_settime, {0, PTR(room)}, ALL},
    {"sethostname",         SYS_sethostname, {PTR("x"), 1}, ALL},

    /* code in memory */
    {"mmap exec",           SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}, ALL},
    {"mprotect exec",       SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}, ALL},
    {"pkey_mprotect",       SYS_pkey_mprotect, {0, 4096, PROT_EXEC, -1}, ALL},
    {"remap_file_pages",    SYS_remap_file_pages, {PTR(room), 4096, 0, 0, 0}, ALL},

    /* files that are not ours */
    {"open /etc/shadow",    SYS_openat, {AT_FDCWD, PTR("/etc/shadow"), O_RDONLY}, "KFFKKFKKFFF"},
    {"open /etc/hostname",  SYS_openat, {AT_FDCWD, PTR("/etc/hostname"), O_RDONLY}, "KFFKKFKKFFF"},
    {"open /proc/self/mem", SYS_openat, {AT_FDCWD, PTR("/proc/self/mem"), O_RDWR}, "KFFKKFKKFFF"},
    {"open /proc/1/environ", SYS_openat, {AT_FDCWD, PTR("/proc/1/environ"), O_RDONLY}, "KFFKKFKKFFF"},
    {"open /dev/mem",       SYS_openat, {AT_FDCWD, PTR("/dev/mem"), O_RDWR}, "KFFKKFKKFFF"},
    {"open through a link", SYS_openat, {AT_FDCWD, PTR(link_path), O_RDONLY}, "KFFKKFKKFFF"},
    {"write /tmp",          SYS_openat, {AT_FDCWD, PTR("/tmp/roost-escape"), O_WRONLY | O_CREAT, 0600}, "KFFKKFKKFFF"},
    {"openat2",             SYS_openat2, {AT_FDCWD, PTR("/etc/hostname"), PTR(room), 24}, ALL},
    {"symlinkat",           SYS_symlinkat, {PTR("/etc/passwd"), AT_FDCWD, PTR("x")}, ALL},
    {"mknodat",             SYS_mknodat, {AT_FDCWD, PTR("x"), 0020600, 0}, ALL},
    {"fchmodat",            SYS_fchmodat, {AT_FDCWD, PTR(inner_path), 0777}, ALL},
    {"fchownat",            SYS_fchownat, {AT_FDCWD, PTR(inner_path), 0, 0, 0}, ALL},
    {"truncate by path",    SYS_truncate, {PTR(inner_path), 0}, ALL},
    {"setxattr",            SYS_setxattr, {PTR(inner_path), PTR("user.x"), PTR("y"), 1, 0}, ALL},
    {"acct",                SYS_acct, {PTR(inner_path)}, ALL},
    {"unlink outside",      SYS_unlinkat, {AT_FDCWD, PTR("/tmp/roost-escape"), 0}, "KFFKKFKKKFK"},
    {"sendfile",            SYS_sendfile, {1, 0, 0, 1}, ALL},
    {"copy_file_range",     SYS_copy_file_range, {0, 0, 1, 0, 1, 0}, ALL},
    {"splice",              SYS_splice, {0, 0, 1, 0, 1, 0}, ALL},
};
// clang-format on

static int make_folder(void **state)
{
    int fd;

    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/roost-escapes-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void) snprintf(link_path, sizeof(link_path), "%s/link", folder);
    (void) snprintf(inner_path, sizeof(inner_path), "%s/file", folder);
    fd = open(inner_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && close(fd) == 0 && symlink("/etc/hostname", link_path) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    return unlink(link_path) == 0 && unlink(inner_path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static long argument(long value)
{
    return value == SELF ? (long) getpid() : value == PARENT ? (long) getppid() : value;
}

/* Where only Landlock refuses, all of the sandbox is needed, with its self-test; else the
 * filter is enough. */
static enum rc enter(const struct attempt *attempt, const struct sandbox_rules *rules,
                     struct buf *state)
{
    return strchr(attempt->kinds, 'F') != NULL ? sandbox_enter(rules, state, NULL)
                                               : sandbox_enter_child(rules, state, NULL);
}

static enum outcome outcome_of(const struct attempt *attempt, enum sandbox_kind kind)
{
    struct sandbox_rules rules = {.kind = kind};
    pid_t pid;
    int status;

    if (kind == SANDBOX_AUTH || kind == SANDBOX_MAIL || kind == SANDBOX_LOG ||
        kind == SANDBOX_SHIP || kind == SANDBOX_GSS)
        sandbox_allow(&rules, folder, SANDBOX_WRITE);
    pid = fork();
    if (pid == 0) {
        AUTO(buf_done) struct buf state = {0};
        long args[6];
        long got;

        for (size_t i = 0; i < COUNT(args); i++)
            args[i] = argument(attempt->args[i]);
        buf_init(&state, 1024);
        if (sandbox_harden(NULL) || enter(attempt, &rules, &state))
            _exit(BROKEN);
        got = syscall(attempt->number, args[0], args[1], args[2], args[3], args[4], args[5]);
        _exit(got < 0 ? FAILED : DID);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
    return (enum outcome) WEXITSTATUS(status);
}

static void each_attempt_is_denied(void **state)
{
    static const char *const words[] = {"done", "refused", "killed", "broken"};
    unsigned bad = 0;

    (void) state;
    assert_true(COUNT(attempts) >= 60);
    for (size_t i = 0; i < COUNT(attempts); i++) {
        for (size_t kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
            char letter = attempts[i].kinds[kind];
            enum outcome want = letter == 'K' ? KILLED : letter == 'F' ? FAILED : DID;
            enum outcome got = outcome_of(&attempts[i], (enum sandbox_kind) kind);

            if (got == want)
                continue;
            printf("%s as %c: %s, not %s\n", attempts[i].name, SANDBOX_LETTERS[kind],
                   words[got], words[want]);
            bad++;
        }
    }
    printf("%zu attempts by %u kinds of process, %u not as they should be\n", COUNT(attempts),
           (unsigned) SANDBOX_KIND_COUNT, bad);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_attempt_is_denied)};

#ifdef ROOST_WIDE_SANDBOX
    printf("not tried: the filter of an instrumented build is a wide one\n");
    return 0;
#endif
    if (landlock_abi() == 0 || !seccomp_available()) {
        printf("skipped: this kernel lacks Landlock or seccomp\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
