#include "sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

/* Every system has it, and no role has a reason to read it. */
#define FORBIDDEN_FILE "/etc/passwd"

/* How a probe's child tells what it met; any other end is a failure of the test itself. */
enum probe_end { PROBE_REFUSED = 0, PROBE_WORKED = 10, PROBE_BROKEN = 11 };

void sandbox_allow(struct sandbox_rules *rules, const char *path, enum sandbox_access access)
{
    for (size_t i = 0; i < rules->n_paths; i++) {
        if (rules->paths[i].access == access && strcmp(rules->paths[i].path, path) == 0)
            return;
    }
    assert(rules->n_paths < SANDBOX_PATHS_MAX);
    rules->paths[rules->n_paths++] = (struct sandbox_path){path, access};
}

void sandbox_allow_port(struct sandbox_rules *rules, uint16_t port)
{
    for (size_t i = 0; i < rules->n_ports; i++) {
        if (rules->ports[i] == port)
            return;
    }
    assert(rules->n_ports < SANDBOX_PORTS_MAX);
    rules->ports[rules->n_ports++] = port;
}

/* What instrumented builds read and write besides. */
static void widen(struct sandbox_rules *rules)
{
#ifdef ROOST_WIDE_SANDBOX
    const char *cover = getenv("GCOV_PREFIX");

    sandbox_allow(rules, "/proc", SANDBOX_READ);
    sandbox_allow(rules, "/usr", SANDBOX_READ);
    if (cover != NULL)
        sandbox_allow(rules, cover, SANDBOX_WRITE);
#else
    (void) rules;
#endif
}

/* What a kernel lacks is done without if the rules say so; what it refuses is an error. */
static enum rc confine(const struct sandbox_rules *given, struct buf *state, struct err *err)
{
    struct sandbox_rules rules = *given;
    enum rc rc;

    widen(&rules);
    rc = landlock_confine(&rules, err);
    if (rc == RC_OK)
        buf_printf(state, "landlock abi %d, ", landlock_abi());
    else if (rc == RC_UNAVAILABLE && rules.best_effort)
        buf_str(state, "no landlock, ");
    else
        return rc;
    rc = seccomp_confine(rules.kind, err);
    if (rc == RC_OK)
        buf_printf(state, "seccomp %zu calls", seccomp_count(rules.kind));
    else if (rc == RC_UNAVAILABLE && rules.best_effort)
        buf_str(state, "no seccomp");
    else
        return rc;
#ifdef ROOST_WIDE_SANDBOX
    buf_str(state, " (widened for instruments)");
#endif
    return RC_OK;
}

static bool try_open(void)
{
    int fd = open(FORBIDDEN_FILE, O_RDONLY | O_CLOEXEC);

    return fd >= 0;
}

static bool try_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0;
}

/* Whoever goes out lets nobody in. */
static bool try_bind(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && bind(fd, (const struct sockaddr *) &any, sizeof(any)) == 0;
}

_Noreturn static void probe_child(const struct sandbox_rules *rules, bool (*attempt)(void))
{
    AUTO(buf_done) struct buf state = {0};
    struct err err;

    buf_init(&state, 1024);
    if (confine(rules, &state, &err) != RC_OK)
        _exit(PROBE_BROKEN);
    _exit(attempt() ? PROBE_WORKED : PROBE_REFUSED);
}

static enum rc probe(const struct sandbox_rules *rules, bool (*attempt)(void), const char *what,
                     struct err *err)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        probe_child(rules, attempt);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return err_set(err, RC_IO, "Internal error", "sandbox self-test: %s", strerror(errno));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return RC_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PROBE_REFUSED)
        return RC_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PROBE_WORKED)
        return err_set(err, RC_DENIED, "Internal error", "sandbox self-test: %s worked", what);
    return err_set(err, RC_IO, "Internal error", "sandbox self-test: %s: child ended with %#x",
                   what, (unsigned) status);
}

/* Landlock confines one thread only, so there may be no other yet. */
static bool has_one_thread(void)
{
#ifdef ROOST_WIDE_SANDBOX
    return true; /* a thread of the sanitizer may run, which opens nothing for us */
#else
    struct stat st;

    return stat("/proc/self/task", &st) != 0 || st.st_nlink == 3; /* ".", "..", one thread */
#endif
}

static enum rc self_test(const struct sandbox_rules *rules, struct err *err)
{
    enum rc rc;

    rc = probe(rules, try_open, "open " FORBIDDEN_FILE, err);
    if (rc == RC_OK && (rules->kind == SANDBOX_IDP || rules->kind == SANDBOX_SHIP))
        rc = probe(rules, try_bind, "bind", err);
    else if (rc == RC_OK)
        rc = probe(rules, try_socket, "socket", err);
    return rc;
}

enum rc sandbox_enter(const struct sandbox_rules *rules, struct buf *state, struct err *err)
{
    enum rc rc;

    if (!has_one_thread())
        return err_set(err, RC_INVALID, "Internal error", "sandbox: a thread runs already");
    if (landlock_abi() > 0 && seccomp_available()) {
        rc = self_test(rules, err);
        if (rc)
            return rc;
    } else if (!rules->best_effort) {
        return err_set(err, RC_UNAVAILABLE, "Internal error",
                       "the kernel lacks Landlock or seccomp; sandbox = \"best-effort\" does "
                       "without");
    }
    return confine(rules, state, err);
}

enum rc sandbox_enter_child(const struct sandbox_rules *rules, struct buf *state,
                            struct err *err)
{
    enum rc rc = seccomp_confine(rules->kind, err);

    if (rc == RC_UNAVAILABLE && rules->best_effort)
        return RC_OK;
    if (rc == RC_OK)
        buf_printf(state, "seccomp %zu calls", seccomp_count(rules->kind));
    return rc;
}
