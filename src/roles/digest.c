/*
 * digest.c - the digest role: forks the children that parse mail, and hands them to mail.
 *
 * It opens nothing and parses nothing itself. Converters and such are warmed up before the
 * sandbox closes, so that each fork has them at no cost.
 */
#include "mime/digest.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "mime/charset.h"
#include "net/loop.h"
#include "roles/digest_pool.h"
#include "roles/log_sink.h"
#include "roles/role.h"

#define CHILDREN_PER_CORE 2 /* one parses, one fresh is at hand */
#define RETRY_US          INT64_C(1000000)

struct digest_role {
    struct role_start *start;
    struct loop *loop;
    struct digest_pool *pool;
    struct loop_fd supervisor, mail, signals;
    struct timer retry;
    int signal_fd;
};

static void watch_mail(struct digest_role *digest);

/* No fork, no memory: again in a second; meanwhile mail waits or serves opaque. */
static void try_again(void *ctx)
{
    struct digest_role *digest = ctx;
    struct err err;

    if (digest_pool_reap(digest->pool, &err)) {
        log_event(LEVEL_ERROR, "digest.fork", LOG_ERR(&err));
        timer_start(digest->loop, &digest->retry, RETRY_US, try_again, digest);
    }
    watch_mail(digest);
}

static void on_mail(void *ctx, unsigned ready)
{
    struct digest_role *digest = ctx;
    struct err err;

    (void) ready;
    loop_remove(digest->loop, &digest->mail);
    if (digest_pool_ready(digest->pool, &err) && err.rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "digest.channel", LOG_ERR(&err));
    watch_mail(digest);
}

static void watch_mail(struct digest_role *digest)
{
    int fd = digest_pool_fd(digest->pool);
    unsigned wants = LOOP_IN | (digest_pool_wants_write(digest->pool) ? LOOP_OUT : 0u);
    struct err err;

    loop_remove(digest->loop, &digest->mail);
    if (fd >= 0 && loop_add(digest->loop, &digest->mail, fd, wants, on_mail, digest, &err))
        log_event(LEVEL_ERROR, "digest.channel", LOG_ERR(&err));
}

static void on_signal(void *ctx, unsigned ready)
{
    struct digest_role *digest = ctx;
    struct signalfd_siginfo info;

    (void) ready;
    while (read(digest->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
        continue;
    try_again(digest);
}

static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct digest_role *digest = ctx;
    struct err err;

    loop_remove(digest->loop, &digest->mail);
    if (digest_pool_attach(digest->pool, peer->fd, &err)) {
        log_event(LEVEL_ERROR, "digest.fork", LOG_ERR(&err));
        timer_start(digest->loop, &digest->retry, RETRY_US, try_again, digest);
    }
    watch_mail(digest);
}

static void on_shutdown(void *ctx, bool fast)
{
    struct digest_role *digest = ctx;

    (void) fast; /* nothing is kept here */
    loop_stop(digest->loop);
}

static const struct role_events events = {.peer = on_peer, .shutdown = on_shutdown};

static void on_supervisor(void *ctx, unsigned ready)
{
    struct digest_role *digest = ctx;

    (void) ready;
    role_supervisor_ready(digest->start, &events, digest);
}

static enum rc open_signals(struct digest_role *digest, struct err *err)
{
    sigset_t set;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_set(err, RC_IO, "Internal error", "sigprocmask: %s", strerror(errno));
    digest->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (digest->signal_fd < 0)
        return err_set(err, RC_IO, "Internal error", "signalfd: %s", strerror(errno));
    return loop_add(digest->loop, &digest->signals, digest->signal_fd, LOOP_IN, on_signal,
                    digest, err);
}

static struct digest_pool_options options_of(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return (struct digest_pool_options){
        .n = (size_t) MAX(2, cores * CHILDREN_PER_CORE),
        .message_max_bytes = config->message_max_bytes,
        .rules = {.kind = SANDBOX_DIGEST_CHILD,
                  .best_effort = config->sandbox == SANDBOX_BEST_EFFORT},
        .parse = digest_build,
    };
}

static enum rc open_all(struct digest_role *digest, struct err *err)
{
    struct role_start *start = digest->start;
    struct digest_pool_options options = options_of(start->config);
    enum rc rc = loop_new(&digest->loop, err);

    mime_warm_up();
    if (rc == RC_OK)
        rc = open_signals(digest, err);
    if (rc == RC_OK)
        rc = loop_add(digest->loop, &digest->supervisor, channel_fd(start->supervisor), LOOP_IN,
                      on_supervisor, digest, err);
    if (rc == RC_OK)
        digest->pool = digest_pool_new(&options);
    else
        role_failed(start, err);
    return rc;
}

static enum rc run(struct digest_role *digest, struct err *err)
{
    struct role_start *start = digest->start;
    enum rc rc = open_all(digest, err);

    if (rc == RC_OK)
        rc = role_confine(start, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < start->n_peers; i++)
        on_peer(digest, &start->peers[i]);
    return log_sink_run_loop(digest->start->sink, digest->loop, err);
}

int role_digest(struct role_start *start)
{
    struct digest_role digest = {.start = start, .signal_fd = -1};
    struct err err;
    enum rc rc = run(&digest, &err);

    digest_pool_free(digest.pool);
    closep(&digest.signal_fd);
    if (digest.loop != NULL)
        loop_free(digest.loop);
    return rc == RC_OK ? 0 : 1;
}
