#include "mailbox/background.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/pace.h"
#include "base/priority.h"
#include "mailbox/memory.h"
#include "mailbox/message.h"
#include "mailbox/open_account.h"
#include "mailbox/sweep.h"

#define DIGEST_QUEUE_MAX                                                                       \
    262144u /* 24 bytes each, used as they come: a large import waits for its digests */
#define DIGEST_URGENT     4096u                  /* waiting; from here on without a rest */
#define DIGEST_BURST      1024u                  /* made in a row, account by account */
#define DIGEST_REST_US    ((int64_t) 100 * 1000) /* at least, while jobs gather */
#define DIGEST_REST_PARTS 3 /* rest this many times as long as a burst took, ... */
#define DIGEST_REST_MAX_US                                                                     \
    ((int64_t) 1000000) /* ... and no longer: the last ones come soon                          \
                         */
#define CHECKPOINT_AFTER_US     ((int64_t) 30 * 1000000) /* dirty for so long */
#define BACKGROUND_TICK_US      ((int64_t) 1000000)
#define BACKGROUND_POKED_US     ((int64_t) 20000) /* between turns that are asked for */
#define BACKGROUND_ACCOUNTS_MAX 65536u            /* looked at in one turn */
#define CHECKPOINT_ARENA_BYTES  ((size_t) 4 << 30)

struct digest_job {
    uint64_t account, body_id;
    uint32_t size;
};

struct background {
    struct mail_store *store;
    struct sweeper *sweeper;
    pthread_t digests, checkpoints;

    pthread_mutex_t lock;
    pthread_cond_t digest_work; /* with lock */
    pthread_cond_t tick;        /* with lock */
    struct digest_job *queue;   /* lock; a ring of DIGEST_QUEUE_MAX */
    size_t head, n;             /* lock */
    struct map *wanted;         /* lock; ids of accounts to checkpoint */
    bool is_poked;              /* lock */
    bool stop;                  /* lock */
};

struct background *background_new(struct mail_store *store)
{
    struct background *background = xcalloc(1, sizeof(*background));
    pthread_condattr_t attr;

    background->store = store;
    background->sweeper = sweeper_new(store);
    background->wanted = map_new();
    background->queue = xcalloc(DIGEST_QUEUE_MAX, sizeof(*background->queue));
    (void) pthread_mutex_init(&background->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&background->digest_work, &attr);
    (void) pthread_cond_init(&background->tick, &attr);
    (void) pthread_condattr_destroy(&attr);
    return background;
}

void background_free(struct background *background)
{
    (void) pthread_mutex_destroy(&background->lock);
    (void) pthread_cond_destroy(&background->digest_work);
    (void) pthread_cond_destroy(&background->tick);
    map_free(background->wanted);
    sweeper_free(background->sweeper);
    free(background->queue);
    free(background);
}

void background_queue_digest(struct background *background, uint64_t account, uint64_t body_id,
                             uint32_t size)
{
    bool wakes = false;

    (void) pthread_mutex_lock(&background->lock);
    if (background->n < DIGEST_QUEUE_MAX) {
        background->queue[(background->head + background->n++) % DIGEST_QUEUE_MAX] =
            (struct digest_job){account, body_id, size};
        wakes = background->n == 1 || background->n == DIGEST_URGENT;
    }
    (void) pthread_mutex_unlock(&background->lock);
    if (wakes)
        (void) pthread_cond_signal(&background->digest_work);
}

/* ---- digests ---- */

/* Made already, mostly; what could not be made with the others is made alone. */
static void make_alone(struct message *message, const struct digest_job *job)
{
    const struct digest *digest;
    struct err err;
    enum rc rc = message_digest(message, &digest, &err);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "digest.failed", LOG_ID("account", job->account),
                  LOG_NUM("body", job->body_id), LOG_ERR(&err));
}

/* Of one account: DIGEST_GATHER_MAX at most. */
static void make_digests(struct background *background, const struct digest_job *jobs, size_t n)
{
    AUTO(account_closep)
    struct account *account = store_take_open(background->store, jobs[0].account);
    AUTO(arena_freep) struct arena *arena = arena_new(DIGEST_ARENA_BYTES);
    struct message *messages[DIGEST_GATHER_MAX];

    if (account == NULL)
        return;
    store_note(background->store, account->id, true);
    for (size_t i = 0; i < n; i++)
        messages[i] = message_open(account, jobs[i].body_id, jobs[i].size);
    if (n > 1)
        messages_make_digests(messages, n, arena);
    for (size_t i = 0; i < n; i++) {
        make_alone(messages[i], &jobs[i]);
        message_close(messages[i]);
    }
    store_note(background->store, account->id, false);
}

/* How many of the jobs, at least one, are made together. */
static size_t gather(const struct digest_job *jobs, size_t n)
{
    uint64_t bytes = jobs[0].size;
    size_t k = 1;

    while (k < MIN(n, (size_t) DIGEST_GATHER_MAX) && jobs[k].account == jobs[0].account &&
           bytes + jobs[k].size <= DIGEST_GATHER_BYTES)
        bytes += jobs[k++].size;
    return k;
}

static int by_account(const void *a, const void *b)
{
    const struct digest_job *x = a, *y = b;

    if (x->account != y->account)
        return x->account < y->account ? -1 : 1;
    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/*
 * The oldest jobs, those of one account together: a digest process serves one account, and
 * going over to another costs more than a digest.
 */
static size_t take_jobs(struct background *background, struct digest_job out[DIGEST_BURST])
{
    size_t n;

    (void) pthread_mutex_lock(&background->lock);
    n = MIN(background->n, (size_t) DIGEST_BURST);
    for (size_t i = 0; i < n; i++)
        out[i] = background->queue[(background->head + i) % DIGEST_QUEUE_MAX];
    background->head = (background->head + n) % DIGEST_QUEUE_MAX;
    background->n -= n;
    (void) pthread_mutex_unlock(&background->lock);
    qsort(out, n, sizeof(*out), by_account);
    return n;
}

static bool is_stopping(struct background *background)
{
    bool stops;

    (void) pthread_mutex_lock(&background->lock);
    stops = background->stop;
    (void) pthread_mutex_unlock(&background->lock);
    return stops;
}

static struct timespec time_after(int64_t us)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now); /* the condition's clock, in tests too */
    us += now.tv_nsec / 1000;
    now.tv_sec += us / 1000000;
    now.tv_nsec = us % 1000000 * 1000;
    return now;
}

/*
 * Until there are jobs and the rest is over. Digests are worth making ahead, but commands go
 * first: jobs gather, and the thread works a bounded part of the time unless it falls behind.
 * False: it is time to end.
 */
static bool rest(struct background *background, int64_t rest_us)
{
    struct timespec until;
    bool on;

    (void) pthread_mutex_lock(&background->lock);
    while (background->n == 0 && !background->stop)
        (void) pthread_cond_wait(&background->digest_work, &background->lock);
    until = time_after(rest_us);
    while (background->n < DIGEST_URGENT && !background->stop &&
           pthread_cond_timedwait(&background->digest_work, &background->lock, &until) == 0)
        ;
    on = !background->stop;
    (void) pthread_mutex_unlock(&background->lock);
    return on;
}

static void *run_digests(void *ctx)
{
    struct background *background = ctx;
    struct digest_job jobs[DIGEST_BURST];
    int64_t rest_us = DIGEST_REST_US;

    priority_behind(PACE_NICE);
    while (rest(background, rest_us)) {
        int64_t began_us = clock_mono_us();
        size_t n = take_jobs(background, jobs);

        for (size_t i = 0, k; i < n && !is_stopping(background); i += k) {
            k = gather(jobs + i, n - i);
            make_digests(background, jobs + i, k);
        }
        rest_us = MAX((clock_mono_us() - began_us) * DIGEST_REST_PARTS, DIGEST_REST_US);
        rest_us = MIN(rest_us, DIGEST_REST_MAX_US);
    }
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
        log_event(LEVEL_ERROR, "checkpoint.failed", LOG_ID("account", account->id),
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

/* ids: room for BACKGROUND_ACCOUNTS_MAX; the open accounts, how many. */
static size_t checkpoint_all(struct background *background, uint64_t *ids, bool all)
{
    size_t n = store_open_accounts(background->store, ids, BACKGROUND_ACCOUNTS_MAX);

    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep)
        struct account *account = store_take_open(background->store, ids[i]);

        if (account != NULL && is_due(account, all))
            checkpoint(account);
    }
    return n;
}

/* An engine's thread asks: only note it. */
void background_want_checkpoint(struct background *background, uint64_t id)
{
    (void) pthread_mutex_lock(&background->lock);
    (void) map_put(background->wanted, MAP_KEY(id), background);
    (void) pthread_cond_signal(&background->tick);
    (void) pthread_mutex_unlock(&background->lock);
}

void background_poke(struct background *background)
{
    (void) pthread_mutex_lock(&background->lock);
    background->is_poked = true;
    (void) pthread_cond_signal(&background->tick);
    (void) pthread_mutex_unlock(&background->lock);
}

void background_want_sweep(struct background *background, uint64_t id)
{
    sweeper_want(background->sweeper, id);
}

void background_want_space(struct background *background)
{
    sweeper_hurry(background->sweeper);
}

/* One of the accounts asked for, taken off the list. */
static bool next_wanted(struct background *background, uint64_t *out)
{
    struct slice key;
    size_t at = 0;
    void *value;
    bool got;

    (void) pthread_mutex_lock(&background->lock);
    got = map_next(background->wanted, &at, &key, &value);
    if (got) {
        memcpy(out, key.ptr, sizeof(*out));
        (void) map_remove(background->wanted, MAP_KEY(*out));
    }
    (void) pthread_mutex_unlock(&background->lock);
    return got;
}

static bool is_loaded(struct account *account)
{
    bool loaded;

    (void) pthread_mutex_lock(&account->watch);
    loaded = acct_position(account->durable) > 0;
    (void) pthread_mutex_unlock(&account->watch);
    return loaded;
}

/*
 * The account with one more user; a closed one is opened for it. One that is open is taken
 * without its writer's lock: the writer may hold it inside a commit that waits for just this
 * checkpoint.
 */
enum rc background_take_account(struct mail_store *store, uint64_t id, struct account **out,
                                struct err *err)
{
    struct account *account = store_take_open(store, id);

    if (account == NULL || !is_loaded(account)) {
        account_close(account);
        return account_open(store, id, false, out, err);
    }
    *out = account;
    return RC_OK;
}

/* Accounts whose journal the engine wants to let go. */
static void checkpoint_wanted(struct background *background)
{
    uint64_t id;

    while (next_wanted(background, &id)) {
        AUTO(account_closep) struct account *account = NULL;
        struct err err;

        if (background_take_account(background->store, id, &account, &err))
            log_event(LEVEL_WARNING, "checkpoint.skipped", LOG_ID("account", id),
                      LOG_ERR(&err));
        else if (is_due(account, true))
            checkpoint(account);
    }
}

/* Sleep until the next turn, or less if somebody asks; false when it is time to end. */
static bool wait_turn(struct background *background)
{
    struct timespec until;
    bool on;

    (void) pthread_mutex_lock(&background->lock);
    until = time_after(background->is_poked ? BACKGROUND_POKED_US : BACKGROUND_TICK_US);
    if (!background->stop && map_count(background->wanted) == 0)
        (void) pthread_cond_timedwait(&background->tick, &background->lock, &until);
    background->is_poked = false;
    on = !background->stop;
    (void) pthread_mutex_unlock(&background->lock);
    return on;
}

static void *run_checkpoints(void *ctx)
{
    AUTO(freep) uint64_t *ids = xcalloc(BACKGROUND_ACCOUNTS_MAX, sizeof(*ids));
    struct background *background = ctx;

    while (wait_turn(background)) {
        checkpoint_wanted(background);
        sweeper_turn(background->sweeper, ids, checkpoint_all(background, ids, false));
        memory_turn(background->store, checkpoint);
    }
    (void) checkpoint_all(background, ids, true);
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), struct background *background)
{
    int error = pthread_create(thread, NULL, run, background);

    if (error != 0)
        die("pthread_create: %s", strerror(error));
}

void background_start(struct background *background)
{
    start_thread(&background->digests, run_digests, background);
    start_thread(&background->checkpoints, run_checkpoints, background);
    sweeper_start(background->sweeper);
}

void background_stop(struct background *background)
{
    (void) pthread_mutex_lock(&background->lock);
    background->stop = true;
    (void) pthread_cond_broadcast(&background->digest_work);
    (void) pthread_cond_broadcast(&background->tick);
    (void) pthread_mutex_unlock(&background->lock);
    (void) pthread_join(background->digests, NULL);
    (void) pthread_join(background->checkpoints, NULL);
    sweeper_stop(background->sweeper);
}
