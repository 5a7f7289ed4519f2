/* test_sandbox.c - what a confined process cannot do, tried by processes that are confined. */
// links: sandbox
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/test.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

enum outcome { DID, FAILED, KILLED, BROKEN };

static char folder[64];       /* of this run, writable by the rules that say so */
static char other_folder[64]; /* never named in rules */

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/roost-sandbox-XXXXXX");
    (void) snprintf(other_folder, sizeof(other_folder), "/tmp/roost-sandbox-XXXXXX");
    return mkdtemp(folder) != NULL && mkdtemp(other_folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[128];

    (void) state;
    (void) snprintf(path, sizeof(path), "%s/file", folder);
    (void) unlink(path);
    return rmdir(folder) == 0 && rmdir(other_folder) == 0 ? 0 : -1;
}

/* Confine a child with these rules, let it try, tell what became of it. */
static enum outcome outcome_of(const struct sandbox_rules *rules, bool (*attempt)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        AUTO(buf_done) struct buf state = {0};
        struct err err = {0};

        buf_init(&state, 1024);
        if (sandbox_harden(&err) || sandbox_enter(rules, &state, &err)) {
            (void) dprintf(STDERR_FILENO, "confine: %s\n", err.detail);
            _exit(BROKEN);
        }
        _exit(attempt() ? DID : FAILED);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
    return (enum outcome) WEXITSTATUS(status);
}

static bool open_passwd(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool read_other_folder(void)
{
    return open(other_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0;
}

static bool leave_by_dots(void)
{
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/../../etc/passwd", folder);
    return open(path, O_RDONLY | O_CLOEXEC) >= 0;
}

static bool write_own_folder(void)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/file", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1;
}

static bool make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0;
}

static bool make_udp_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool make_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool make_pair(void)
{
    int pair[2];

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
}

static bool bind_something(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};

    return bind(STDERR_FILENO, (const struct sockaddr *) &sa, sizeof(sa)) == 0;
}

static bool run_program(void)
{
    char *const argv[] = {NULL};

    (void) execv("/bin/true", argv);
    return false;
}

static bool trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool signal_parent(void)
{
    return kill(getppid(), 0) == 0;
}

static bool fork_once(void)
{
    return fork() >= 0;
}

static bool map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static void *nothing(void *arg)
{
    return arg;
}

static bool start_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static bool allocate(void)
{
    void *blocks[64];

    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = malloc((size_t) 1 << (i % 22));
        if (blocks[i] == NULL)
            return false;
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    return true;
}

/* What each kind meets; '.' is not tried. Landlock refuses (F) where the call is allowed. */
static const struct {
    const char *name;
    bool (*attempt)(void);
    const char *kinds; /* for each kind: K killed, F an error, D done */
    bool wide;         /* holds in widened builds too */
} attempts[] = {
    {"open /etc/passwd",     open_passwd,       "KFFKKFKKFFF", false},
    {"list another folder",  read_other_folder, "KFFKKFKKFFF", false},
    {"leave by ..",          leave_by_dots,     "KFFKKFKKFFF", false},
    {"write the own folder", write_own_folder,  "KDDKKDKKFDD", false},
    {"make a TCP socket",    make_socket,       "KKKKKKKKDDK", true },
    {"make a UDP socket",    make_udp_socket,   "KKKKKKKKDKK", false},
    {"make a unix socket",   make_unix_socket,  "KKKKKKKKDKK", false},
    {"make a pair",          make_pair,         "DDDDKKDKDKK", false},
    {"bind",                 bind_something,    "KKKKKKKKKKK", true },
    {"run a program",        run_program,       "KKKKKKKKKKK", true },
    {"trace the parent",     trace_parent,      "KKKKKKKKKKK", false},
    {"signal the parent",    signal_parent,     "KKKFKKKKKKK", false},
    {"fork",                 fork_once,         "KKKDKKKKKKK", false},
    {"map code",             map_code,          "KKKKKKKKKKK", false},
    {"start a thread",       start_thread,      "DDDDKKKKDKK", false},
    {"allocate",             allocate,          "DDDDDDDDDDD", true },
};

static enum outcome outcome_from(char letter)
{
    return letter == 'K' ? KILLED : letter == 'F' ? FAILED : DID;
}

static void each_kind_can_do_what_its_column_says(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(attempts); i++) {
        for (size_t kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
            struct sandbox_rules rules = {.kind = (enum sandbox_kind) kind};
            enum outcome want = outcome_from(attempts[i].kinds[kind]);
            enum outcome got;

#ifdef ROOST_WIDE_SANDBOX
            if (!attempts[i].wide)
                continue;
#endif
            if (kind == SANDBOX_AUTH || kind == SANDBOX_MAIL || kind == SANDBOX_LOG ||
                kind == SANDBOX_SHIP || kind == SANDBOX_GSS)
                sandbox_allow(&rules, folder, SANDBOX_WRITE);
            got = outcome_of(&rules, attempts[i].attempt);
            if (got != want)
                fail_msg("%s as %c: got %d, want %d", attempts[i].name, SANDBOX_LETTERS[kind],
                         (int) got, (int) want);
        }
    }
}

/* A listener that nobody confined made, and the port it has. */
static int listener_fd;
static struct sockaddr_in listener_address;

static bool connect_to_it(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *) &listener_address,
                              sizeof(listener_address)) == 0;
}

static void who_goes_out_reaches_the_ports_of_its_rules_only(void **state)
{
    struct sandbox_rules rules = {.kind = SANDBOX_IDP};
    socklen_t len = sizeof(listener_address);
    const int one = 1;

    (void) state;
    if (landlock_abi() < 4) {
        printf("skipped: this kernel's Landlock knows no ports\n");
        skip();
    }
    listener_address = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(listener_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(listener_fd, (const struct sockaddr *) &listener_address, len), 0);
    assert_int_equal(listen(listener_fd, 4), 0);
    assert_int_equal(getsockname(listener_fd, (struct sockaddr *) &listener_address, &len), 0);
    assert_int_equal(outcome_of(&rules, connect_to_it), FAILED);
    sandbox_allow_port(&rules, ntohs(listener_address.sin_port));
    sandbox_allow_port(&rules, ntohs(listener_address.sin_port));
    assert_int_equal(rules.n_ports, 1);
    assert_int_equal(outcome_of(&rules, connect_to_it), DID);
    assert_int_equal(close(listener_fd), 0);
}

static void a_folder_to_read_is_not_written(void **state)
{
    struct sandbox_rules rules = {.kind = SANDBOX_AUTH};

    (void) state;
    sandbox_allow(&rules, folder, SANDBOX_READ);
    assert_int_equal(outcome_of(&rules, write_own_folder), FAILED);
}

static void a_path_that_is_missing_stops_the_start(void **state)
{
    struct sandbox_rules rules = {.kind = SANDBOX_AUTH};

    (void) state;
    sandbox_allow(&rules, "/nonexistent/roost", SANDBOX_WRITE);
    assert_int_equal(outcome_of(&rules, allocate), BROKEN);
}

static void no_call_stands_twice_for_a_kind(void **state)
{
    (void) state;
    for (size_t i = 0; i < syscall_table_len; i++) {
        for (size_t j = i + 1; j < syscall_table_len; j++) {
            if (syscall_table[i].number != syscall_table[j].number)
                continue;
            for (size_t kind = 0; kind < SANDBOX_KIND_COUNT; kind++) {
                if (syscall_row_is_for(&syscall_table[i], (enum sandbox_kind) kind) &&
                    syscall_row_is_for(&syscall_table[j], (enum sandbox_kind) kind))
                    fail_msg("%s stands twice for kind %zu", syscall_table[i].name, kind);
            }
        }
    }
}

static void letters_are_known_and_stand_in_order(void **state)
{
    (void) state;
    for (size_t i = 0; i < syscall_table_len; i++) {
        const char *next = SANDBOX_LETTERS;

        for (const char *c = syscall_table[i].kinds; *c != '\0'; c++) {
            const char *at = *c == '.' ? next : strchr(next, *c);

            if (at == NULL)
                fail_msg("%s: '%c' is no kind, or not in its place", syscall_table[i].name, *c);
            next = *c == '.' ? next : at + 1;
        }
    }
}

static void the_child_may_call_nothing_its_zygote_may_not(void **state)
{
    (void) state;
    for (size_t i = 0; i < syscall_table_len; i++) {
        if (syscall_row_is_for(&syscall_table[i], SANDBOX_DIGEST_CHILD) &&
            !syscall_row_is_for(&syscall_table[i], SANDBOX_DIGEST))
            fail_msg("%s", syscall_table[i].name);
    }
}

static void hardening_takes_capabilities_and_core_files(void **state)
{
    pid_t pid = fork();
    int status;

    (void) state;
    if (pid == 0) {
        FILE *file;
        char line[256];
        bool none = false, no_new_privs = false;

        if (sandbox_harden(NULL))
            _exit(BROKEN);
        file = fopen("/proc/self/status", "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            none = none || strcmp(line, "CapEff:\t0000000000000000\n") == 0;
            no_new_privs = no_new_privs || strcmp(line, "NoNewPrivs:\t1\n") == 0;
        }
        _exit(none && no_new_privs ? DID : FAILED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_stands_twice_for_a_kind),
        cmocka_unit_test(letters_are_known_and_stand_in_order),
        cmocka_unit_test(the_child_may_call_nothing_its_zygote_may_not),
        cmocka_unit_test(hardening_takes_capabilities_and_core_files),
        cmocka_unit_test(each_kind_can_do_what_its_column_says),
        cmocka_unit_test(who_goes_out_reaches_the_ports_of_its_rules_only),
        cmocka_unit_test(a_folder_to_read_is_not_written),
        cmocka_unit_test(a_path_that_is_missing_stops_the_start),
    };

    if (landlock_abi() == 0 || !seccomp_available()) {
        printf("skipped: this kernel lacks Landlock or seccomp\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
