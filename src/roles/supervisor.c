#include "roles/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config/providers.h"
#include "roles/data_dir.h"
#include "roles/role_table.h"
#include "store/local/local.h"

#define STOP_STAGE_US     (30 * INT64_C(1000000)) /* mail flushes and seals within it */
#define STOP_FAST_US      (2 * INT64_C(1000000))
#define BACKOFF_FIRST_US  INT64_C(10000) /* one crash is not felt */
#define BACKOFF_SECOND_US INT64_C(200000)
#define BACKOFF_MAX_US    (30 * INT64_C(1000000))
#define STEADY_US         (60 * INT64_C(1000000)) /* lived so long: the next crash is a first one */
#define START_TRIES       3u                      /* before the server was ever up */
#define PATH_BYTES        4096u

/*
 * What ends together, in order. Gate and mail: a gate carries what mail says last (BYE) to its
 * clients, and ends when their sessions have. The log last, so that it hears all.
 */
static const unsigned stop_order[] = {
    1u << ROLE_GATE | 1u << ROLE_WEB | 1u << ROLE_MAIL,
    1u << ROLE_AUTH | 1u << ROLE_IDP | 1u << ROLE_GSS,
    1u << ROLE_DIGEST | 1u << ROLE_KEYS,
    1u << ROLE_LOG,
    1u << ROLE_SHIP, /* sends what the log wrote last */
};
/* The log first, for the same reason. */
static const enum role start_order[] = {ROLE_LOG, ROLE_SHIP, ROLE_KEYS, ROLE_DIGEST, ROLE_IDP,
                                        ROLE_GSS, ROLE_AUTH, ROLE_MAIL, ROLE_WEB,    ROLE_GATE};

/* ---- stopping ---- */

static bool lives_in(const struct child *child, unsigned roles)
{
    return child->pid != 0 && (1u << child->role & roles) != 0;
}

static bool any_alive(const struct supervisor *sup, unsigned roles)
{
    for (size_t i = 0; i < sup->n_children; i++) {
        if (lives_in(&sup->children[i], roles))
            return true;
    }
    return false;
}

static void stop_late(void *ctx)
{
    struct supervisor *sup = ctx;

    for (size_t i = 0; i < sup->n_children; i++) {
        const struct child *child = &sup->children[i];

        if (!lives_in(child, stop_order[sup->stop_stage]))
            continue;
        log_event(LEVEL_WARNING, "role.stop_late", LOG_STR("role", role_name(child->role)),
                  LOG_NUM("pid", child->pid));
        (void) kill(child->pid, SIGKILL); /* not reaped: the pid is its own */
    }
}

/* Ask the roles of the running stage to end; gates first, they take no more connections. */
static void stop_ask(struct supervisor *sup)
{
    struct msg msg = {.type = MSG_SHUTDOWN, .shutdown = {.fast = sup->stop_fast}};

    for (enum role role = 0; role < ROLE_COUNT; role++) {
        if ((1u << role & stop_order[sup->stop_stage]) != 0)
            children_post(sup, role, &msg);
    }
    timer_start(sup->loop, &sup->stop_timer, sup->stop_fast ? STOP_FAST_US : STOP_STAGE_US,
                stop_late, sup);
}

/* Go on to the next stage in which a role still lives; when none is left, we end. */
static void stop_next(struct supervisor *sup)
{
    if (sup->stop_stage < COUNT(stop_order) && any_alive(sup, stop_order[sup->stop_stage]))
        return;
    timer_stop(sup->loop, &sup->stop_timer);
    while (sup->stop_stage < COUNT(stop_order) && !any_alive(sup, stop_order[sup->stop_stage]))
        sup->stop_stage++;
    if (sup->stop_stage == COUNT(stop_order)) {
        loop_stop(sup->loop);
        return;
    }
    if (stop_order[sup->stop_stage] == 1u << ROLE_LOG)
        log_event(LEVEL_INFO, "server.stop", LOG_NUM("pid", getpid()));
    stop_ask(sup);
}

void supervisor_stop(struct supervisor *sup)
{
    if (sup->stopping)
        sup->stop_fast = true;
    sup->stopping = true;
    for (size_t i = 0; i < sup->n_children; i++)
        timer_stop(sup->loop, &sup->children[i].retry);
    if (sup->stop_stage < COUNT(stop_order))
        stop_ask(sup);
    stop_next(sup);
}

/* ---- processes that come and go ---- */

/* Tells systemd (sd_notify(3)) that the doors are open; without it there is nobody to tell. */
static void notify_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    AUTO(closep) int fd = -1;

    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof(sa.sun_path))
        return;
    memcpy(sa.sun_path, path, strlen(path));
    if (sa.sun_path[0] == '@')
        sa.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void) sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (const struct sockaddr *) &sa,
                      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path)));
}

static bool all_running(const struct supervisor *sup)
{
    for (size_t i = 0; i < sup->n_children; i++) {
        if (sup->children[i].state != CHILD_RUNNING)
            return false;
    }
    return true;
}

void supervisor_child_ready(struct child *child, struct slice sandbox)
{
    struct supervisor *sup = child->sup;

    if (child->state != CHILD_STARTING)
        return;
    child->state = CHILD_RUNNING;
    (void) snprintf(child->sandbox, sizeof(child->sandbox), "%.*s", SLICE_ARG(sandbox));
    log_event(LEVEL_INFO, "role.ready", LOG_STR("role", role_name(child->role)),
              LOG_NUM("index", child->index), LOG_NUM("pid", child->pid),
              LOG_TEXT("sandbox", sandbox));
    if (sup->started || !all_running(sup))
        return;
    sup->started = true;
    log_event(LEVEL_INFO, "server.ready", LOG_NUM("pid", getpid()),
              LOG_STR("data_dir", sup->config->data_dir));
    notify_ready();
}

/* Why `roost serve` ended, for scripts; docs/operating.md has the table. 2 is a wrong command
 * line. */
static int exit_code(enum rc rc)
{
    static const unsigned char codes[RC_COUNT] = {
        [RC_NOT_FOUND] = 4, /* no data directory, store, certificate, user */
        [RC_EXISTS] = 5,    /* somebody else has it */
        [RC_UNAVAILABLE] = 5, [RC_DENIED] = 6, [RC_INVALID] = 7, /* another version's */
        [RC_CORRUPT] = 8, /* damaged, missing, or another store's */
        [RC_FULL] = 9,        [RC_IO] = 10,
    };

    return (unsigned) rc < RC_COUNT && codes[rc] != 0 ? codes[rc] : 1;
}

void supervisor_child_refused(struct child *child, enum rc rc, struct slice text)
{
    (void) fprintf(stderr, "roost: %s cannot start: %.*s\n", role_name(child->role),
                   SLICE_ARG(text));
    child->sup->status = exit_code(rc);
    supervisor_stop(child->sup);
}

/*
 * In its first life a role that cannot run is a mistake of the set-up: say it and end. Mail is
 * ready, and the server started, before its store is open. Of others it is no such mistake once
 * they are ready, and who got hold of one does not end the server by it.
 */
void supervisor_child_failed(struct child *child, enum rc rc, struct slice text)
{
    struct supervisor *sup = child->sup;

    log_event(LEVEL_ERROR, "role.failed", LOG_STR("role", role_name(child->role)),
              LOG_TEXT("reason", text));
    if (child->state == CHILD_RUNNING && child->role != ROLE_MAIL)
        return;
    if (sup->stopping || (sup->started && child->restarts > 0))
        return;
    supervisor_child_refused(child, rc, text);
}

static void respawn(void *ctx)
{
    struct child *child = ctx;
    struct err err;

    if (child_spawn(child, &err) == RC_OK)
        return;
    log_event(LEVEL_ERROR, "role.spawn", LOG_STR("role", role_name(child->role)),
              LOG_ERR(&err));
    if (child->pid == 0)
        timer_start(child->sup->loop, &child->retry, BACKOFF_MAX_US, respawn, child);
}

static int64_t next_backoff(int64_t backoff_us, int64_t lived_us)
{
    if (backoff_us == 0 || lived_us >= STEADY_US)
        return BACKOFF_FIRST_US;
    return MIN(MAX(backoff_us * 2, BACKOFF_SECOND_US), BACKOFF_MAX_US);
}

/* Whom was the mail process working for when it died? */
static void look_at_crash_page(struct supervisor *sup, bool crashed)
{
    uint64_t named[CRASH_PAGE_SLOTS], fresh[CRASH_PAGE_SLOTS];
    size_t n = crash_page_read(sup->crash_page, named), n_fresh;

    crash_page_clear(sup->crash_page);
    if (!crashed)
        return;
    n_fresh = quarantine_crash(sup->quarantine, named, n, clock_mono_us(), fresh);
    for (size_t i = 0; i < n_fresh; i++)
        log_event(LEVEL_ERROR, "account.quarantine", LOG_ID("account", fresh[i]),
                  LOG_NUM("crashes", QUARANTINE_CRASHES));
}

static void log_end(const struct child *child, int status)
{
    bool by_itself = WIFEXITED(status) && WEXITSTATUS(status) == 0; /* to begin anew */

    log_event(by_itself ? LEVEL_INFO : LEVEL_ERROR, "role.ended",
              LOG_STR("role", role_name(child->role)), LOG_NUM("index", child->index),
              LOG_NUM("pid", child->pid),
              WIFSIGNALED(status) ? LOG_NUM("signal", WTERMSIG(status))
                                  : LOG_NUM("exit", WEXITSTATUS(status)));
}

static void restart_later(struct child *child)
{
    struct supervisor *sup = child->sup;
    int64_t lived_us = clock_mono_us() - child->started_us;

    child->restarts++;
    if (!sup->started && child->restarts >= START_TRIES) {
        (void) fprintf(stderr, "roost: %s ends as soon as it starts\n", role_name(child->role));
        sup->status = 1;
        supervisor_stop(sup);
        return;
    }
    child->backoff_us = next_backoff(child->backoff_us, lived_us);
    timer_start(sup->loop, &child->retry, child->backoff_us, respawn, child);
}

/*
 * Did the process do it to itself? Signals that people and the kernel's memory killer send hit
 * whoever is worked on by chance, and a disk that fails is no account's doing
 * (docs/decisions/what-counts-as-a-crash.md).
 */
static bool is_crash(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != LOCAL_EXIT_FAILED;
    switch (WTERMSIG(status)) {
    case SIGKILL:
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
    case SIGHUP:
        return false;
    default:
        return true;
    }
}

static void on_child_end(struct supervisor *sup, pid_t pid, int status)
{
    if (supervisor_pam_ended(sup, pid, status))
        return;
    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (child->pid != pid)
            continue;
        if (!sup->stopping || status != 0)
            log_end(child, status);
        child_gone(child);
        if (child->role == ROLE_MAIL)
            look_at_crash_page(sup, is_crash(status));
        if (sup->stopping)
            stop_next(sup);
        else
            restart_later(child);
        return;
    }
}

static void reap(struct supervisor *sup)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_child_end(sup, pid, status);
}

static void on_signal(void *ctx, unsigned ready)
{
    struct supervisor *sup = ctx;
    struct signalfd_siginfo info;
    struct err err;

    (void) ready;
    while (read(sup->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(sup);
        else if (info.ssi_signo == SIGHUP)
            (void) supervisor_reload(sup, &err); /* what failed is in the log */
        else
            supervisor_stop(sup);
    }
}

/* ---- start ---- */

static enum rc open_signals(struct supervisor *sup, struct err *err)
{
    sigset_t set;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGCHLD);
    (void) sigaddset(&set, SIGHUP);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) signal(SIGPIPE, SIG_IGN); /* cannot fail for SIGPIPE */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_set(err, RC_IO, "Internal error", "sigprocmask: %s", strerror(errno));
    sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (sup->signal_fd < 0)
        return err_set(err, RC_IO, "Internal error", "signalfd: %s", strerror(errno));
    return loop_add(sup->loop, &sup->signals, sup->signal_fd, LOOP_IN, on_signal, sup, err);
}

/* The configuration as every role gets it: one memfd that nobody can change any more. */
static enum rc seal_config(struct supervisor *sup, struct err *err)
{
    AUTO(buf_done) struct buf blob = {0};

    buf_init(&blob, CONFIG_BLOB_MAX_BYTES);
    config_encode(sup->config, &blob);
    if (blob.overflow)
        return err_set(err, RC_LIMIT, "Internal error", "the configuration is too long");
    sup->config_fd = memfd_create("roost-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (sup->config_fd < 0 || write(sup->config_fd, blob.ptr, blob.len) != (ssize_t) blob.len ||
        fcntl(sup->config_fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return err_set(err, RC_IO, "Internal error", "configuration: %s", strerror(errno));
    sup->config_len = blob.len;
    return RC_OK;
}

/* Some are there only where a setting needs them. */
static bool is_wanted(const struct config *config, enum role role)
{
    return (role != ROLE_IDP || config_wants_idp(config)) &&
           (role != ROLE_GSS || config->gssapi_keytab[0] != '\0') &&
           (role != ROLE_WEB || config->web_listen.n > 0) &&
           (role != ROLE_SHIP || config->audit_ship[0] != '\0');
}

static void add_child(struct supervisor *sup, enum role role, uint16_t index)
{
    if (role_table[role] == NULL || !is_wanted(sup->config, role))
        return;
    sup->children[sup->n_children++] =
        (struct child){.sup = sup, .role = role, .index = index, .state = CHILD_DOWN};
}

static void list_children(struct supervisor *sup)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    sup->n_gates = (uint32_t) MAX(1, MIN(cores, (long) ROLE_GATES_MAX));
    for (size_t i = 0; i < COUNT(start_order); i++) {
        uint32_t n = start_order[i] == ROLE_GATE ? sup->n_gates : 1;

        for (uint32_t index = 0; index < n; index++)
            add_child(sup, start_order[i], (uint16_t) index);
    }
}

/* Keys are read here, so no core file and no tracing by others of the same user. */
static void harden_self(void)
{
    static const struct rlimit none = {0, 0};
    struct rlimit files;

    (void) setrlimit(RLIMIT_CORE, &none); /* can only lower it */
#ifndef ROOST_WIDE_SANDBOX
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no reason to fail */
#endif
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files); /* the lower limit then holds */
    }
}

static enum rc open_quarantine(struct supervisor *sup, struct err *err)
{
    char path[PATH_BYTES];

    (void) snprintf(path, sizeof(path), "%s/" ROLE_RUN_DIR "/quarantine",
                    sup->config->data_dir);
    return quarantine_open(path, &sup->quarantine, err);
}

static enum rc open_all(struct supervisor *sup, struct err *err)
{
    enum rc rc = data_dir_prepare(sup->config, err);

    if (rc == RC_OK)
        rc = data_dir_lock(sup->config, &sup->lock_fd, err);
    if (rc == RC_OK && certs_wanted(sup->config))
        rc = certs_read(sup, err);
    if (rc == RC_OK)
        rc = open_quarantine(sup, err);
    if (rc == RC_OK)
        rc = crash_page_new(&sup->crash_page, &sup->crash_page_fd, err);
    if (rc == RC_OK)
        rc = seal_config(sup, err);
    if (rc == RC_OK)
        rc = loop_new(&sup->loop, err);
    if (rc == RC_OK)
        rc = open_signals(sup, err);
    if (rc == RC_OK)
        rc = doors_open(sup->config, &sup->doors, err);
    if (rc == RC_OK)
        rc = supervisor_control_start(sup, err);
    return rc;
}

static enum rc spawn_all(struct supervisor *sup, struct err *err)
{
    enum rc rc = RC_OK;

    list_children(sup);
    for (size_t i = 0; i < sup->n_children && rc == RC_OK; i++)
        rc = child_spawn(&sup->children[i], err);
    return rc;
}

/* Only after a start that failed half-way is anybody left. */
static void kill_the_rest(struct supervisor *sup)
{
    supervisor_pam_kill(sup);
    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (child->pid == 0)
            continue;
        (void) kill(child->pid, SIGKILL);    /* not reaped: the pid is its own */
        (void) waitpid(child->pid, NULL, 0); /* it was killed; there is no more to learn */
        child_gone(child);
    }
}

static void close_all(struct supervisor *sup)
{
    kill_the_rest(sup);
    log_sink_attach(sup->sink, -1);
    if (sup->loop != NULL) {
        supervisor_control_stop(sup);
        doors_close(&sup->doors);
        loop_free(sup->loop);
    }
    quarantine_free(sup->quarantine);
    crash_page_free(sup->crash_page);
    certs_done(sup);
    closep(&sup->crash_page_fd);
    closep(&sup->config_fd);
    closep(&sup->signal_fd);
    log_sink_free(sup->sink);
    config_free(sup->reread);
    closep(&sup->lock_fd); /* last: then another server may start */
}

int supervisor_run(const struct config *config, const char *config_path)
{
    struct supervisor *sup = xcalloc(1, sizeof(*sup));
    struct err err;
    enum rc rc;
    int status;

    sup->config = config;
    sup->config_path = config_path;
    sup->crash_page_fd = sup->config_fd = sup->lock_fd = sup->signal_fd = -1;
    sup->started_us = clock_mono_us();
    list_init(&sup->control_conns);
    harden_self();
    tls_ticket_seed_make(&sup->tickets);
    sup->sink = log_sink_new(ROLE_SUPERVISOR);
    rc = open_all(sup, &err);
    if (rc == RC_OK)
        rc = spawn_all(sup, &err);
    if (rc == RC_OK)
        certs_watch(sup);
    if (rc == RC_OK)
        supervisor_alive_start(sup);
    if (rc == RC_OK)
        rc = log_sink_run_loop(sup->sink, sup->loop, &err);
    if (rc) {
        (void) fprintf(stderr, "roost: %s\n", err.detail);
        sup->status = exit_code(rc);
    }
    close_all(sup);
    status = sup->status;
    explicit_bzero(&sup->tickets, sizeof(sup->tickets));
    free(sup);
    return status;
}
