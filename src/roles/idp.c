/*
 * idp.c - the process that asks other servers who somebody is: tokens' issuers, directories.
 *
 * It is the only one that goes out to the network, and holds neither credentials nor mail: a
 * question of auth comes with one user's password or token, which is wiped with it. The files
 * of the providers are read before the process is confined to the ports they name.
 *
 * Each provider has threads of its own, so that one that does not answer holds up nobody but
 * those who want it. Its queue is bounded; who does not fit, and who waited too long in it, is
 * told "unavailable". A question that nobody wants answered any more (IDP_CANCEL, an auth that
 * is gone) is not asked; one that a thread has begun ends within IDP_CHECK_SEC.
 */
#include <sodium.h>
#include <stdatomic.h>
#include <unistd.h>

#include "auth/hash_pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "idp/provider.h"
#include "roles/log_sink.h"
#include "roles/role.h"

#define PROVIDER_THREADS  4u
#define PROVIDER_JOBS_MAX 128u /* at 64 KiB for the longest token: 8 MiB */
#define LAST_LOG_MS       1000

struct idp_role;

struct idp_place {
    struct idp_role *idp;
    struct idp_provider provider;
    struct hash_pool *pool;
    size_t n_jobs;
};

struct idp_job {
    struct link link; /* in idp->jobs */
    struct idp_place *place;
    uint32_t auth; /* the instance that asked */
    uint64_t request;
    _Atomic bool cancelled; /* set by the loop, looked at by the thread before it asks */
    int64_t asked_us;
    struct arena *arena; /* of the question and the answer */
    struct idp_question question;
    struct idp_answer answer; /* written by the thread */
    struct hash_job job;
};

struct idp_role {
    struct role_start *start;
    struct loop *loop;
    struct channel *auth; /* NULL: gone */
    uint32_t auth_instance;
    struct loop_fd supervisor_watch, auth_watch;
    struct idp_place places[CONFIG_PROVIDERS_MAX];
    size_t n_places;
    struct list jobs;
};

static void job_cancel(struct idp_job *job)
{
    atomic_store(&job->cancelled, true);
    log_event(LEVEL_DEBUG, "idp.given_up", LOG_NUM("request", job->request));
}

/* Another auth, or none: nobody waits for what the one before it wanted to know. */
static void cancel_all(struct idp_role *idp)
{
    LIST_FOREACH(it, &idp->jobs)
    {
        job_cancel(LINK_OWNER(it, struct idp_job, link));
    }
}

static void auth_drop(struct idp_role *idp)
{
    if (idp->auth == NULL)
        return;
    cancel_all(idp);
    loop_remove(idp->loop, &idp->auth_watch);
    channel_free(TAKE(idp->auth));
}

/* While answers wait to be taken nothing more is read. */
static void auth_want(struct idp_role *idp)
{
    loop_want(idp->loop, &idp->auth_watch, channel_wants_write(idp->auth) ? LOOP_OUT : LOOP_IN);
}

static void say(struct idp_role *idp, uint64_t request, const struct idp_answer *answer)
{
    struct msg msg = {
        .type = MSG_IDP_RESULT,
        .idp_result = {.request = request,
                       .code = (uint8_t) answer->code,
                       .user = answer->user,
                       .groups = answer->groups,
                       .knows_groups = answer->knows_groups ? 1 : 0,
                       .again_sec = answer->again_sec,
                       .expires = (uint64_t) answer->expires,
                       .reason = slice_from_str(answer->reason)}
    };
    struct err err;

    if (idp->auth == NULL)
        return;
    if (channel_post(idp->auth, &msg, NULL, &err) != RC_OK)
        log_event(LEVEL_WARNING, "idp.auth_not_told", LOG_ERR(&err));
    auth_want(idp);
}

static void job_free(struct idp_job *job)
{
    struct slice secret = job->question.secret;

    if (secret.len > 0)
        sodium_memzero((char *) (uintptr_t) secret.ptr, secret.len);
    list_remove(&job->link);
    loop_cancel(job->place->idp->loop, &job->job.call);
    job->place->n_jobs--;
    arena_free(job->arena);
    free(job);
}

/* On a thread: nobody waits any more for what waited too long. */
static void run_job(struct hash_job *hash_job)
{
    struct idp_job *job = LINK_OWNER(hash_job, struct idp_job, job);

    if (atomic_load(&job->cancelled))
        job->answer = idp_says(IDP_UNAVAILABLE, "given_up");
    else if (clock_mono_us() - job->asked_us >= (int64_t) IDP_CHECK_SEC * 1000000)
        job->answer = idp_says(IDP_UNAVAILABLE, "waited_too_long");
    else
        idp_check(&job->place->provider, &job->question, &job->answer);
}

static void job_done(struct hash_job *hash_job)
{
    struct idp_job *job = LINK_OWNER(hash_job, struct idp_job, job);
    struct idp_role *idp = job->place->idp;

    if (!atomic_load(&job->cancelled))
        say(idp, job->request, &job->answer);
    job_free(job);
}

static struct idp_job *job_new(struct idp_place *place, const struct msg_idp_check *msg)
{
    struct idp_job *job = xcalloc(1, sizeof(*job));

    job->place = place;
    job->auth = place->idp->auth_instance;
    job->request = msg->request;
    job->asked_us = clock_mono_us();
    job->arena = arena_new(IDP_ARENA_BYTES);
    job->question = (struct idp_question){
        .ask = (enum idp_ask) msg->ask,
        .user = arena_dup(job->arena, msg->user),
        .secret = arena_dup(job->arena, msg->secret),
        .service = (enum service) msg->service,
        .peer = msg->peer,
        .arena = job->arena,
    };
    job->job.run = run_job;
    job->job.done = job_done;
    list_push_back(&place->idp->jobs, &job->link);
    place->n_jobs++;
    return job;
}

static void on_check(struct idp_role *idp, const struct msg_idp_check *msg)
{
    static const char busy[] = "busy";
    const struct idp_answer unavailable = idp_says(IDP_UNAVAILABLE, busy);
    struct idp_place *place;
    struct idp_job *job;

    if (msg->provider >= idp->n_places || msg->ask == 0 || msg->ask >= IDP_ASK_COUNT) {
        say(idp, msg->request, &unavailable);
        return;
    }
    place = &idp->places[msg->provider];
    if (place->n_jobs >= PROVIDER_JOBS_MAX) {
        say(idp, msg->request, &unavailable);
        return;
    }
    job = job_new(place, msg);
    if (hash_pool_submit(place->pool, &job->job, NULL) != RC_OK) {
        say(idp, msg->request, &unavailable);
        job_free(job);
    }
}

static void on_cancel(struct idp_role *idp, uint64_t request)
{
    LIST_FOREACH(it, &idp->jobs)
    {
        struct idp_job *job = LINK_OWNER(it, struct idp_job, link);

        if (job->request == request && job->auth == idp->auth_instance)
            job_cancel(job);
    }
}

static void on_auth_ready(void *ctx, unsigned ready)
{
    struct idp_role *idp = ctx;
    struct packet *packet;
    struct err err;
    enum rc rc = RC_OK;

    if ((ready & LOOP_OUT) != 0)
        rc = channel_flush(idp->auth, &err);
    while (rc == RC_OK && !channel_wants_write(idp->auth)) {
        rc = channel_take(idp->auth, &packet, &err);
        if (rc != RC_OK)
            break;
        if (packet->msg.type == MSG_IDP_CHECK)
            on_check(idp, &packet->msg.idp_check);
        else if (packet->msg.type == MSG_IDP_CANCEL)
            on_cancel(idp, packet->msg.idp_cancel.request);
    }
    if (rc == RC_OK || rc == RC_MORE) {
        auth_want(idp);
        return;
    }
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "idp.peer_broken", LOG_STR("peer", "auth"), LOG_ERR(&err));
    auth_drop(idp);
}

/* A struct role_events function; also for those that were there at the start. */
static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct idp_role *idp = ctx;
    struct err err;

    if (peer->role != ROLE_AUTH) {
        (void) close(peer->fd); /* not one we talk to */
        return;
    }
    auth_drop(idp);
    idp->auth = channel_new(peer->fd, ROLE_IDP, ROLE_AUTH);
    idp->auth_instance = peer->instance;
    if (loop_add(idp->loop, &idp->auth_watch, channel_fd(idp->auth), LOOP_IN, on_auth_ready,
                 idp, &err) == RC_OK)
        return;
    log_event(LEVEL_ERROR, "idp.peer_broken", LOG_STR("peer", "auth"), LOG_ERR(&err));
    auth_drop(idp);
}

static enum rc on_reload(void *ctx, struct err *err)
{
    struct idp_role *idp = ctx;

    for (size_t i = 0; i < idp->n_places; i++)
        idp_reload(&idp->places[i].provider);
    (void) err; /* what cannot be read is in the log, and asked for again */
    return RC_OK;
}

static void on_shutdown(void *ctx, bool fast)
{
    struct idp_role *idp = ctx;

    (void) fast; /* nothing is kept here */
    loop_stop(idp->loop);
}

static const struct role_events events = {
    .peer = on_peer,
    .reload = on_reload,
    .shutdown = on_shutdown,
};

static void on_supervisor_ready(void *ctx, unsigned ready)
{
    struct idp_role *idp = ctx;

    (void) ready;
    role_supervisor_ready(idp->start, &events, idp);
    loop_want(idp->loop, &idp->supervisor_watch,
              LOOP_IN | (channel_wants_write(idp->start->supervisor) ? LOOP_OUT : 0));
}

/* Everything that reads files, and from them what the process may open later. */
static enum rc open_all(struct idp_role *idp, struct sandbox_rules *needs, struct err *err)
{
    const struct config *config = idp->start->config;
    struct config_provider named[CONFIG_PROVIDERS_MAX];
    size_t n;
    enum rc rc = config_providers(config, named, &n, err);

    if (rc == RC_OK)
        rc = idp_init(err);
    if (rc)
        return rc;
    idp_needs_names(needs);
    for (size_t i = 0; i < n; i++) {
        struct idp_place *place = &idp->places[i];

        rc = idp_open(config->idp_folder, &named[i], &place->provider, err);
        if (rc)
            return rc;
        place->idp = idp;
        idp->n_places++;
        idp_needs(&place->provider, needs);
    }
    return RC_OK;
}

/* Everything that needs threads. */
static enum rc connect_all(struct idp_role *idp, struct err *err)
{
    for (size_t i = 0; i < idp->n_places; i++) {
        enum rc rc = hash_pool_new(idp->loop, PROVIDER_THREADS, &idp->places[i].pool, err);

        if (rc)
            return rc;
    }
    for (size_t i = 0; i < idp->start->n_peers; i++)
        on_peer(idp, &idp->start->peers[i]);
    return loop_add(idp->loop, &idp->supervisor_watch, channel_fd(idp->start->supervisor),
                    LOOP_IN, on_supervisor_ready, idp, err);
}

static enum rc run(struct idp_role *idp, struct err *err)
{
    struct sandbox_rules needs = {.kind = SANDBOX_IDP};
    enum rc rc = loop_new(&idp->loop, err);

    if (rc == RC_OK)
        rc = open_all(idp, &needs, err);
    if (rc) {
        role_failed(idp->start, err);
        return rc;
    }
    idp->start->needs = &needs;
    rc = role_confine(idp->start, err);
    idp->start->needs = NULL;
    if (rc == RC_OK)
        rc = connect_all(idp, err);
    return rc == RC_OK ? log_sink_run_loop(idp->start->sink, idp->loop, err) : rc;
}

/* Who waits for a server that is silent would hold up the end of everything, for nothing. */
static void leave_if_busy(const struct idp_role *idp)
{
    if (list_is_empty(&idp->jobs))
        return;
    log_sink_drain(idp->start->sink, LAST_LOG_MS);
    _exit(0);
}

int role_idp(struct role_start *start)
{
    struct idp_role *idp = xcalloc(1, sizeof(*idp));
    struct err err;
    enum rc rc;

    idp->start = start;
    list_init(&idp->jobs);
    rc = run(idp, &err);
    leave_if_busy(idp);
    for (size_t i = 0; i < idp->n_places; i++) {
        hash_pool_free(idp->places[i].pool);
        idp_close(&idp->places[i].provider);
    }
    auth_drop(idp);
    loop_remove(idp->loop, &idp->supervisor_watch);
    loop_free(idp->loop);
    free(idp);
    return rc == RC_OK ? 0 : 1;
}
