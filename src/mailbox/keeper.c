#include "mailbox/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mailbox/message.h"
#include "mailbox/open_account.h"

#define DIGEST_QUEUE_MAX       8192u
#define CHECKPOINT_AFTER_US    ((int64_t) 30 * 1000000) /* dirty for so long */
#define KEEPER_TICK_SEC        1
#define KEEPER_ACCOUNTS_MAX    65536u /* looked at in one turn */
#define CHECKPOINT_ARENA_BYTES ((size_t) 4 << 30)

struct digest_job {
    uint64_t account, body_id;
    uint32_t size;
};

struct keeper {
    struct mail_store *store;
    pthread_t digests, checkpoints;

    pthread_mutex_t lock;
    pthread_cond_t digest_work; /* with lock */
    pthread_cond_t tick;        /* with lock */
    struct digest_job *queue;   /* lock; a ring of DIGEST_QUEUE_MAX */
    size_t head, n;             /* lock */
    struct map *wanted;         /* lock; ids of accounts to checkpoint */
    bool stop;                  /* lock */
};

struct keeper *keeper_new(struct mail_store *store)
{
    struct keeper *keeper = xcalloc(1, sizeof(*keeper));
    pthread_condattr_t attr;

    keeper->store = store;
    keeper->wanted = map_new();
    keeper->queue = xcalloc(DIGEST_QUEUE_MAX, sizeof(*keeper->queue));
    (void) pthread_mutex_init(&keeper->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&keeper->digest_work, NULL);
    (void) pthread_cond_init(&keeper->tick, &attr);
    (void) pthread_condattr_destroy(&attr);
    return keeper;
}

void keeper_free(struct keeper *keeper)
{
    (void) pthread_mutex_destroy(&keeper->lock);
    (void) pthread_cond_destroy(&keeper->digest_work);
    (void) pthread_cond_destroy(&keeper->tick);
    map_free(keeper->wanted);
    free(keeper->queue);
    free(keeper);
}

void keeper_queue_digest(struct keeper *keeper, uint64_t account, uint64_t body_id,
                         uint32_t size)
{
    (void) pthread_mutex_lock(&keeper->lock);
    if (keeper->n < DIGEST_QUEUE_MAX) {
        keeper->queue[(keeper->head + keeper->n++) % DIGEST_QUEUE_MAX] =
            (struct digest_job){account, body_id, size};
        (void) pthread_cond_signal(&keeper->digest_work);
    }
    (void) pthread_mutex_unlock(&keeper->lock);
}

/* ---- digests ---- */

static void make_digest(struct keeper *keeper, const struct digest_job *job)
{
    AUTO(account_closep) struct account *account = store_take_open(keeper->store, job->account);
    AUTO(message_closep) struct message *message = NULL;
    const struct digest *digest;
    struct err err;
    enum rc rc;

    if (account == NULL)
        return;
    store_note(keeper->store, job->account, true);
    message = message_open(account, job->body_id, job->size);
    rc = message_digest(message, &digest, &err);
    store_note(keeper->store, job->account, false);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "digest.failed", LOG_NUM("account", job->account),
                  LOG_NUM("body", job->body_id), LOG_ERR(&err));
}

static bool next_job(struct keeper *keeper, struct digest_job *out)
{
    bool got;

    (void) pthread_mutex_lock(&keeper->lock);
    while (keeper->n == 0 && !keeper->stop)
        (void) pthread_cond_wait(&keeper->digest_work, &keeper->lock);
    got = !keeper->stop;
    if (got) {
        *out = keeper->queue[keeper->head];
        keeper->head = (keeper->head + 1) % DIGEST_QUEUE_MAX;
        keeper->n--;
    }
    (void) pthread_mutex_unlock(&keeper->lock);
    return got;
}

static void *run_digests(void *ctx)
{
    struct keeper *keeper = ctx;
    struct digest_job job;

    while (next_job(keeper, &job))
        make_digest(keeper, &job);
    return NULL;
}

/* ---- checkpoints ---- */

/* Write the durable version's pages. Only this thread touches account->stored. */
static void checkpoint(struct account *account)
{
    AUTO(arena_freep) struct arena *arena = arena_new(CHECKPOINT_ARENA_BYTES);
    struct engine *engine = account_engine(account);
    struct acct_state *state;
    struct page_batch batch;
    struct err err;
    enum rc rc;

    (void) pthread_mutex_lock(&account->watch);
    account->dirty_since_us = list_is_empty(&account->pending) ? 0 : clock_mono_us();
    state = acct_ref(account->durable);
    (void) pthread_mutex_unlock(&account->watch);

    acct_pages_make(state, account->stored, arena, &batch);
    rc = engine->ops->write_pages(engine, account->id, acct_position(state), &batch, &err);
    if (rc) {
        log_event(LEVEL_ERROR, "checkpoint.failed", LOG_NUM("account", account->id),
                  LOG_ERR(&err));
        (void) pthread_mutex_lock(&account->watch);
        account->dirty_since_us = clock_mono_us();
        (void) pthread_mutex_unlock(&account->watch);
        acct_unref(state);
        return;
    }
    acct_pages_stored(state, &batch);
    acct_unref(account->stored);
    account->stored = state;
}

static bool is_due(struct account *account, bool all)
{
    bool due;

    (void) pthread_mutex_lock(&account->watch);
    due = account->dirty_since_us != 0 && acct_position(account->durable) > 0 &&
          (all || clock_mono_us() - account->dirty_since_us > CHECKPOINT_AFTER_US);
    (void) pthread_mutex_unlock(&account->watch);
    return due;
}

static void checkpoint_all(struct keeper *keeper, uint64_t *ids, bool all)
{
    size_t n = store_open_accounts(keeper->store, ids, KEEPER_ACCOUNTS_MAX);

    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep) struct account *account = store_take_open(keeper->store, ids[i]);

        if (account != NULL && is_due(account, all))
            checkpoint(account);
    }
}

/* An engine's thread asks: only note it. */
void keeper_want_checkpoint(struct keeper *keeper, uint64_t id)
{
    (void) pthread_mutex_lock(&keeper->lock);
    (void) map_put(keeper->wanted, MAP_KEY(id), keeper);
    (void) pthread_cond_signal(&keeper->tick);
    (void) pthread_mutex_unlock(&keeper->lock);
}

/* One of the accounts asked for, taken off the list. */
static bool next_wanted(struct keeper *keeper, uint64_t *out)
{
    struct slice key;
    size_t at = 0;
    void *value;
    bool got;

    (void) pthread_mutex_lock(&keeper->lock);
    got = map_next(keeper->wanted, &at, &key, &value);
    if (got) {
        memcpy(out, key.ptr, sizeof(*out));
        (void) map_remove(keeper->wanted, MAP_KEY(*out));
    }
    (void) pthread_mutex_unlock(&keeper->lock);
    return got;
}

/* Accounts whose journal the engine wants to let go; a closed one is opened for it. */
static void checkpoint_wanted(struct keeper *keeper)
{
    uint64_t id;

    while (next_wanted(keeper, &id)) {
        AUTO(account_closep) struct account *account = NULL;
        struct err err;

        if (account_open(keeper->store, id, false, &account, &err))
            log_event(LEVEL_WARNING, "checkpoint.skipped", LOG_NUM("account", id),
                      LOG_ERR(&err));
        else if (is_due(account, true))
            checkpoint(account);
    }
}

/* Sleep until the next turn, or less if somebody asks; false when it is time to end. */
static bool wait_turn(struct keeper *keeper)
{
    struct timespec until;
    bool on;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += KEEPER_TICK_SEC;
    (void) pthread_mutex_lock(&keeper->lock);
    if (!keeper->stop)
        (void) pthread_cond_timedwait(&keeper->tick, &keeper->lock, &until);
    on = !keeper->stop;
    (void) pthread_mutex_unlock(&keeper->lock);
    return on;
}

static void *run_checkpoints(void *ctx)
{
    AUTO(freep) uint64_t *ids = xcalloc(KEEPER_ACCOUNTS_MAX, sizeof(*ids));
    struct keeper *keeper = ctx;

    while (wait_turn(keeper)) {
        checkpoint_wanted(keeper);
        checkpoint_all(keeper, ids, false);
    }
    checkpoint_all(keeper, ids, true);
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), struct keeper *keeper)
{
    int error = pthread_create(thread, NULL, run, keeper);

    if (error != 0)
        die("pthread_create: %s", strerror(error));
}

void keeper_start(struct keeper *keeper)
{
    start_thread(&keeper->digests, run_digests, keeper);
    start_thread(&keeper->checkpoints, run_checkpoints, keeper);
}

void keeper_stop(struct keeper *keeper)
{
    (void) pthread_mutex_lock(&keeper->lock);
    keeper->stop = true;
    (void) pthread_cond_broadcast(&keeper->digest_work);
    (void) pthread_cond_broadcast(&keeper->tick);
    (void) pthread_mutex_unlock(&keeper->lock);
    (void) pthread_join(keeper->digests, NULL);
    (void) pthread_join(keeper->checkpoints, NULL);
}
