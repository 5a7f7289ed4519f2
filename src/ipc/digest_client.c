#include "ipc/digest_client.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/scan.h"

#define KEEP_BYTES       ((size_t) 1 << 20) /* more shared memory than this is given back */
#define SHARED_MAX_BYTES ((uint64_t) 2 << 30)

struct worker {
    struct link link; /* in idle; listed or owned by the thread that uses it */
    struct channel *channel;
    char *in, *out; /* shared memory */
    size_t in_bytes, out_bytes;
    uint64_t account; /* unless fresh */
    bool fresh;       /* served nobody yet */
    uint32_t id;
    unsigned served;
    uint64_t requests;
};

struct digest_client {
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* idle grew */
    struct channel *digest; /* NULL: none now */
    struct list idle;       /* the least recently used first */
    size_t n_idle;
    uint32_t generation; /* of the digest role: workers of an old one are not taken back */
};

static void worker_free(struct worker *worker)
{
    channel_free(worker->channel); /* end of file ends the process */
    if (worker->in != NULL)
        (void) munmap(worker->in, worker->in_bytes);
    if (worker->out != NULL)
        (void) munmap(worker->out, worker->out_bytes);
    free(worker);
}

struct digest_client *digest_client_new(void)
{
    struct digest_client *client = xcalloc(1, sizeof(*client));
    pthread_condattr_t attr;

    list_init(&client->idle);
    if (pthread_condattr_init(&attr) != 0 ||
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&client->changed, &attr) != 0 ||
        pthread_mutex_init(&client->lock, NULL) != 0)
        die("digest: no mutex");
    (void) pthread_condattr_destroy(&attr);
    return client;
}

/* client->lock is held, or nobody else is there. */
static void drop_idle(struct digest_client *client)
{
    struct link *link;

    while ((link = list_pop_front(&client->idle)) != NULL)
        worker_free(LINK_OWNER(link, struct worker, link));
    client->n_idle = 0;
}

void digest_client_free(struct digest_client *client)
{
    if (client == NULL)
        return;
    drop_idle(client);
    channel_free(client->digest);
    (void) pthread_cond_destroy(&client->changed);
    (void) pthread_mutex_destroy(&client->lock);
    free(client);
}

void digest_client_attach(struct digest_client *client, int fd)
{
    struct channel *channel = fd >= 0 ? channel_new(fd, ROLE_MAIL, ROLE_DIGEST) : NULL;

    (void) pthread_mutex_lock(&client->lock);
    drop_idle(client);
    channel_free(client->digest);
    client->digest = channel;
    client->generation++;
    (void) pthread_mutex_unlock(&client->lock);
}

int digest_client_fd(struct digest_client *client)
{
    int fd;

    (void) pthread_mutex_lock(&client->lock);
    fd = client->digest != NULL ? channel_fd(client->digest) : -1;
    (void) pthread_mutex_unlock(&client->lock);
    return fd;
}

size_t digest_client_idle(struct digest_client *client)
{
    size_t n;

    (void) pthread_mutex_lock(&client->lock);
    n = client->n_idle;
    (void) pthread_mutex_unlock(&client->lock);
    return n;
}

/* A memfd of exactly the size that was said; sealed, so that it cannot shrink under us. */
static char *map_shared(int fd, uint64_t bytes, int prot)
{
    struct stat st;
    void *mem;

    if (bytes == 0 || bytes > SHARED_MAX_BYTES || fstat(fd, &st) != 0 ||
        (uint64_t) st.st_size < bytes || (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
        return NULL;
    mem = mmap(NULL, (size_t) bytes, prot, MAP_SHARED, fd, 0);
    return mem == MAP_FAILED ? NULL : mem;
}

static struct worker *worker_from(struct packet *packet)
{
    const struct msg_digest_worker *msg = &packet->msg.digest_worker;
    struct worker *worker = xcalloc(1, sizeof(*worker));

    worker->id = msg->worker;
    worker->fresh = true;
    worker->in_bytes = (size_t) msg->in_bytes;
    worker->out_bytes = (size_t) msg->out_bytes;
    worker->in = map_shared(packet->fds[1], msg->in_bytes, PROT_READ | PROT_WRITE);
    worker->out = map_shared(packet->fds[2], msg->out_bytes, PROT_READ | PROT_WRITE);
    worker->channel = channel_new(packet->fds[0], ROLE_MAIL, ROLE_DIGEST);
    packet->fds[0] = -1;
    if (worker->in == NULL || worker->out == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* client->lock is held. */
static enum rc take_in(struct digest_client *client, struct err *err)
{
    struct packet *packet;
    enum rc rc;

    if (client->digest == NULL)
        return RC_MORE;
    rc = channel_flush(client->digest, err);
    if (rc == RC_OK || rc == RC_MORE)
        rc = channel_take(client->digest, &packet, err);
    if (rc)
        return rc;
    if (packet->msg.type == MSG_DIGEST_WORKER && client->n_idle < DIGEST_WORKERS_MAX) {
        struct worker *worker = worker_from(packet);

        if (worker == NULL)
            return err_set(err, RC_INVALID, "Internal error",
                           "digest: a worker without memory");
        list_push_back(&client->idle, &worker->link);
        client->n_idle++;
        (void) pthread_cond_signal(&client->changed);
    }
    return RC_OK;
}

enum rc digest_client_ready(struct digest_client *client, struct err *err)
{
    enum rc rc;

    (void) pthread_mutex_lock(&client->lock);
    do
        rc = take_in(client, err);
    while (rc == RC_OK);
    if (rc != RC_MORE) {
        channel_free(client->digest);
        client->digest = NULL;
    }
    (void) pthread_mutex_unlock(&client->lock);
    return rc == RC_MORE ? RC_OK : rc;
}

/*
 * The best idle worker for this account: one that parses for it already, else a fresh one, else
 * the least recently used. client->lock is held.
 */
static struct worker *best_idle(struct digest_client *client, uint64_t account)
{
    struct worker *fresh = NULL, *used = NULL;

    LIST_FOREACH(it, &client->idle)
    {
        struct worker *worker = LINK_OWNER(it, struct worker, link);

        if (!worker->fresh && worker->account == account)
            return worker;
        if (worker->fresh && fresh == NULL)
            fresh = worker;
        else if (!worker->fresh && used == NULL)
            used = worker;
    }
    return fresh != NULL ? fresh : used;
}

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* Wait for a worker and take it out of the list. *out_generation: of the role it came from. */
static struct worker *worker_take(struct digest_client *client, uint64_t account,
                                  int64_t deadline_us, uint32_t *out_generation)
{
    struct timespec deadline = timespec_of(deadline_us);
    struct worker *worker;
    int rc = 0;

    (void) pthread_mutex_lock(&client->lock);
    while ((worker = best_idle(client, account)) == NULL && rc == 0)
        rc = pthread_cond_timedwait(&client->changed, &client->lock, &deadline);
    if (worker != NULL) {
        list_remove(&worker->link);
        client->n_idle--;
    }
    *out_generation = client->generation;
    (void) pthread_mutex_unlock(&client->lock);
    return worker;
}

/* Nothing of one account's mail may be found by a process that parses another's. */
static void empty_shared(struct worker *worker)
{
    (void) madvise(worker->in, worker->in_bytes, MADV_REMOVE);
    (void) madvise(worker->out, worker->out_bytes, MADV_REMOVE);
}

/* When every idle worker is used, one goes, so that a fresh one comes. client->lock is held. */
static struct worker *one_too_many(struct digest_client *client)
{
    struct worker *first;

    if (list_is_empty(&client->idle))
        return NULL;
    LIST_FOREACH(it, &client->idle)
    {
        if (LINK_OWNER(it, struct worker, link)->fresh)
            return NULL;
    }
    if (client->n_idle == 1)
        return NULL; /* the others are busy: this is the load that reuse is for */
    first = LINK_OWNER(list_pop_front(&client->idle), struct worker, link);
    client->n_idle--;
    return first;
}

/* A worker that did well goes back, unless its life is over. */
static void worker_give_back(struct digest_client *client, struct worker *worker,
                             uint32_t generation)
{
    struct worker *over = NULL;

    (void) pthread_mutex_lock(&client->lock);
    if (worker->served >= DIGEST_WORKER_MAILS || generation != client->generation) {
        over = worker;
    } else {
        list_push_back(&client->idle, &worker->link);
        client->n_idle++;
        (void) pthread_cond_signal(&client->changed);
        over = one_too_many(client);
    }
    (void) pthread_mutex_unlock(&client->lock);
    if (over != NULL)
        worker_free(over);
}

/* One that did not: it may be spinning, so the digest role ends it. */
static void worker_drop(struct digest_client *client, struct worker *worker,
                        uint32_t generation)
{
    struct msg msg = {.type = MSG_DIGEST_DROP, .digest_drop = {.worker = worker->id}};

    (void) pthread_mutex_lock(&client->lock);
    if (client->digest != NULL && generation == client->generation)
        (void) !channel_post(client->digest, &msg, NULL, NULL); /* else all its workers end */
    (void) pthread_mutex_unlock(&client->lock);
    worker_free(worker);
}

static int ms_left(int64_t deadline_us)
{
    return (int) MAX((deadline_us - clock_mono_us()) / 1000, 0);
}

/* Some messages that go to a worker together, and where their tables go. */
struct run {
    const struct slice *messages;
    size_t n;
    uint64_t bytes;
    struct slice *tables;
};

/* The first of n: at least one, and as many more as are short. */
static struct run first_run(const struct worker *worker, const struct slice *messages, size_t n,
                            struct slice *tables)
{
    size_t most = MIN(n, (size_t) (DIGEST_WORKER_MAILS - worker->served));
    struct run run = {.messages = messages, .n = 1, .bytes = messages[0].len, .tables = tables};

    most = MIN(most, (size_t) MSG_DIGESTS_MAX);
    while (run.n < most && run.bytes + messages[run.n].len <= DIGEST_RUN_BYTES)
        run.bytes += messages[run.n++].len;
    return run;
}

/* The messages lie one behind another. */
static enum rc send_run(struct worker *worker, const struct run *run, int64_t deadline_us,
                        struct err *err)
{
    AUTO(buf_done) struct buf lengths = {0};
    struct msg msg = {
        .type = MSG_DIGEST_REQUEST,
        .digest_request = {.request = ++worker->requests, .account = worker->account}
    };
    size_t at = 0;

    buf_init(&lengths, sizeof(uint64_t) * MSG_DIGESTS_MAX);
    for (size_t i = 0; i < run->n; i++) {
        struct slice message = run->messages[i];

        if (message.len > 0)
            memcpy(worker->in + at, message.ptr, message.len);
        at += message.len;
        buf_le64(&lengths, message.len);
    }
    msg.digest_request.lengths = buf_slice(&lengths);
    return channel_send(worker->channel, &msg, NULL, ms_left(deadline_us), err);
}

static enum rc no_table(struct err *err, enum rc told)
{
    return err_set(err, RC_CORRUPT, "Internal error", "digest: no table: rc %u", told);
}

/* Out of the shared memory, where they lie one behind another. */
static enum rc copy_tables(const struct worker *worker, const struct run *run,
                           struct slice lengths, struct arena *arena, struct err *err)
{
    struct scan sc = scan_of(lengths);
    uint64_t at = 0, len;

    for (size_t i = 0; i < run->n; i++) {
        char *room;

        if (!scan_le64(&sc, &len) || len > worker->out_bytes - at)
            return no_table(err, RC_INVALID);
        room = arena_try(arena, (size_t) len);
        if (room == NULL)
            return err_set(err, RC_LIMIT, "Internal error", "digest: table of %llu bytes",
                           (unsigned long long) len);
        memcpy(room, worker->out + at, (size_t) len);
        run->tables[i] = slice_of(room, (size_t) len);
        at += len;
    }
    return scan_done(&sc) ? RC_OK : no_table(err, RC_INVALID);
}

/* Ask, wait, and copy the answer out. */
static enum rc ask(struct worker *worker, const struct run *run, int64_t deadline_us,
                   struct arena *arena, struct err *err)
{
    const struct msg_digest_done *done;
    struct packet *packet;
    enum rc rc = send_run(worker, run, deadline_us, err);

    if (rc == RC_OK)
        rc = channel_wait(worker->channel, ms_left(deadline_us), &packet, err);
    if (rc == RC_MORE)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "digest: not done in time");
    if (rc)
        return err_set(err, RC_CORRUPT, "Internal error", "digest: the worker died: %s",
                       rc_name(rc));
    done = &packet->msg.digest_done;
    if (packet->msg.type != MSG_DIGEST_DONE || done->request != worker->requests ||
        done->rc != RC_OK)
        return no_table(err, done->rc);
    return copy_tables(worker, run, done->lengths, arena, err);
}

/* One request for the first of n messages; *out_n: how many it was for. */
static enum rc make_run(struct digest_client *client, uint64_t account,
                        const struct slice *messages, size_t n, struct arena *arena,
                        struct slice *tables, size_t *out_n, struct err *err)
{
    int64_t deadline_us = clock_mono_us() + (int64_t) DIGEST_TIMEOUT_MS * 1000;
    uint32_t generation;
    struct worker *worker = worker_take(client, account, deadline_us, &generation);
    struct run run;
    enum rc rc;

    if (worker == NULL)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "digest: no worker came free");
    run = first_run(worker, messages, n, tables);
    if (run.bytes > worker->in_bytes) {
        worker_give_back(client, worker, generation);
        return err_set(err, RC_LIMIT, "Internal error", "digest: message of %llu bytes",
                       (unsigned long long) run.bytes);
    }
    if (!worker->fresh && worker->account != account)
        empty_shared(worker);
    worker->account = account;
    worker->fresh = false;
    worker->served += (unsigned) run.n;
    rc = ask(worker, &run, deadline_us, arena, err);
    if (rc != RC_OK && rc != RC_LIMIT) {
        worker_drop(client, worker, generation);
        return rc;
    }
    if (run.bytes > KEEP_BYTES)
        empty_shared(worker);
    worker_give_back(client, worker, generation);
    *out_n = run.n;
    return rc;
}

enum rc digest_client_make(struct digest_client *client, uint64_t account,
                           const struct slice *messages, size_t n, struct arena *arena,
                           struct slice *tables, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t done = 0, run = 0; rc == RC_OK && done < n; done += run)
        rc = make_run(client, account, messages + done, n - done, arena, tables + done, &run,
                      err);
    return rc;
}
