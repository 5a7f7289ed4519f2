#include "mailbox/sweep.h"

#include "account/kept.h"
#include "account/live_bodies.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mailbox/background.h"
#include "mailbox/open_account.h"

/* What the engine is told: bodies that live, below an id. */
struct sweep_job {
    uint64_t account, below;
    uint64_t *ids;
    size_t n, cap;
};

struct sweeper {
    struct mail_store *store;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* with lock */
    struct sweep_job job; /* lock */
    bool has_job;         /* lock; until the engine has answered */
    struct map *wanted;   /* lock */
    bool hurries;         /* lock */
    bool stop;            /* lock */

    int64_t looked_us; /* the checkpoint thread's own */
};

struct sweeper *sweeper_new(struct mail_store *store)
{
    struct sweeper *sweeper = xcalloc(1, sizeof(*sweeper));

    sweeper->store = store;
    sweeper->wanted = map_new();
    (void) pthread_mutex_init(&sweeper->lock, NULL);
    (void) pthread_cond_init(&sweeper->work, NULL);
    return sweeper;
}

void sweeper_free(struct sweeper *sweeper)
{
    (void) pthread_cond_destroy(&sweeper->work);
    (void) pthread_mutex_destroy(&sweeper->lock);
    map_free(sweeper->wanted);
    free(sweeper->job.ids);
    free(sweeper);
}

void sweeper_want(struct sweeper *sweeper, uint64_t account)
{
    (void) pthread_mutex_lock(&sweeper->lock);
    if (map_count(sweeper->wanted) < SWEEP_WANTED_MAX)
        (void) map_put(sweeper->wanted, MAP_KEY(account), sweeper);
    (void) pthread_mutex_unlock(&sweeper->lock);
}

void sweeper_hurry(struct sweeper *sweeper)
{
    (void) pthread_mutex_lock(&sweeper->lock);
    sweeper->hurries = true;
    (void) pthread_mutex_unlock(&sweeper->lock);
}

/* ---- collecting; in the checkpoint thread ---- */

static enum rc add_ids(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    struct sweep_job *job = ctx;

    (void) err;
    if (job->cap - job->n < n) {
        job->cap = MAX(job->cap * 2, job->n + n);
        job->ids = xrealloc(job->ids, job->cap * sizeof(*job->ids));
    }
    memcpy(job->ids + job->n, ids, n * sizeof(*ids));
    job->n += n;
    return RC_OK;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* A message and its copies name one body. */
static void sort_once(struct sweep_job *job)
{
    size_t n = 0;

    if (job->n > 0)
        qsort(job->ids, job->n, sizeof(*job->ids), by_id);
    for (size_t i = 0; i < job->n; i++) {
        if (n == 0 || job->ids[n - 1] != job->ids[i])
            job->ids[n++] = job->ids[i];
    }
    job->n = n;
}

static struct acct_state *durable_of(struct account *account)
{
    struct acct_state *state;

    (void) pthread_mutex_lock(&account->watch);
    state = acct_ref(account->durable);
    (void) pthread_mutex_unlock(&account->watch);
    return state;
}

/* Messages and what is kept of them: each names a body. */
static uint64_t count_names(const struct acct_state *state)
{
    uint64_t n = acct_kept(state).messages;

    for (size_t i = 0; i < acct_mailbox_count(state); i++)
        n += mbox_counts(acct_mailbox_at(state, i))->messages;
    return n;
}

static void set_mark(struct account *account, const struct acct_state *state)
{
    account->sweep.names = count_names(state);
    account->sweep.next_body_id = acct_next_body_id(state);
    account->sweep.at_us = clock_mono_us();
}

/* Bodies that went since the mark: at least so many, for a copy that went counts against one.
 */
static uint64_t count_gone(const struct account *account, const struct acct_state *state)
{
    uint64_t now = count_names(state);
    uint64_t then =
        account->sweep.names + acct_next_body_id(state) - account->sweep.next_body_id;

    return then > now ? then - now : 0;
}

static bool is_due(struct account *account, const struct acct_state *state, bool hurries)
{
    int64_t age_us = clock_mono_us() - account->sweep.at_us;
    uint64_t gone;

    if (account->sweep.at_us == 0) { /* nothing is known yet: from here on it is */
        set_mark(account, state);
        return false;
    }
    gone = count_gone(account, state);
    return gone > 0 && (hurries || age_us >= SWEEP_ANY_US ||
                        (gone >= SWEEP_MANY && age_us >= SWEEP_MANY_US));
}

static void collect(struct sweeper *sweeper, struct account *account,
                    const struct acct_state *state)
{
    struct engine *engine = account_engine(account);
    struct sweep_job job = {.account = account->id, .below = acct_next_body_id(state)};
    struct err err;
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, account->id, &ctx);
    enum rc rc;

    store_note(sweeper->store, account->id, true);
    rc = acct_each_live_body(state, read, ctx, add_ids, &job, &err);
    store_note(sweeper->store, account->id, false);
    set_mark(account, state);
    if (rc) {
        log_event(LEVEL_WARNING, "sweep.skipped", LOG_ID("account", account->id),
                  LOG_ERR(&err));
        free(job.ids);
        return;
    }
    sort_once(&job);
    (void) pthread_mutex_lock(&sweeper->lock);
    sweeper->job = job;
    sweeper->has_job = true;
    (void) pthread_cond_signal(&sweeper->work);
    (void) pthread_mutex_unlock(&sweeper->lock);
}

static bool is_idle(struct sweeper *sweeper)
{
    bool is_idle;

    (void) pthread_mutex_lock(&sweeper->lock);
    is_idle = !sweeper->has_job && !sweeper->stop;
    (void) pthread_mutex_unlock(&sweeper->lock);
    return is_idle;
}

static bool next_wanted(struct sweeper *sweeper, uint64_t *out)
{
    struct slice key;
    size_t at = 0;
    void *value;
    bool got;

    (void) pthread_mutex_lock(&sweeper->lock);
    got = map_next(sweeper->wanted, &at, &key, &value);
    if (got) {
        memcpy(out, key.ptr, sizeof(*out));
        (void) map_remove(sweeper->wanted, MAP_KEY(*out));
    }
    (void) pthread_mutex_unlock(&sweeper->lock);
    return got;
}

static bool turn_wanted(struct sweeper *sweeper)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct err err;
    uint64_t id;

    if (!next_wanted(sweeper, &id))
        return false;
    if (background_take_account(sweeper->store, id, &account, &err)) {
        log_event(LEVEL_WARNING, "sweep.skipped", LOG_ID("account", id), LOG_ERR(&err));
        return true;
    }
    state = durable_of(account);
    collect(sweeper, account, state);
    return true;
}

static bool take_hurry(struct sweeper *sweeper)
{
    bool hurries;

    (void) pthread_mutex_lock(&sweeper->lock);
    hurries = sweeper->hurries;
    sweeper->hurries = false;
    (void) pthread_mutex_unlock(&sweeper->lock);
    return hurries;
}

void sweeper_turn(struct sweeper *sweeper, const uint64_t *ids, size_t n)
{
    int64_t now_us = clock_mono_us();
    bool hurries, is_found = false;

    if (!is_idle(sweeper) || turn_wanted(sweeper))
        return;
    hurries = take_hurry(sweeper);
    if (!hurries && now_us - sweeper->looked_us < SWEEP_LOOK_US)
        return;
    for (size_t i = 0; i < n && !is_found; i++) {
        AUTO(account_closep)
        struct account *account = store_take_open(sweeper->store, ids[i]);
        AUTO(acct_unrefp)
        struct acct_state *state = account != NULL ? durable_of(account) : NULL;

        if (state == NULL || acct_position(state) == 0 || !is_due(account, state, hurries))
            continue;
        is_found = true;
        collect(sweeper, account, state);
    }
    if (!is_found)
        sweeper->looked_us = now_us; /* else the next turn looks for others */
    else if (hurries)
        sweeper_hurry(sweeper);
}

/* ---- telling; in a thread of its own ---- */

static void tell(struct sweeper *sweeper, const struct sweep_job *job)
{
    struct engine *engine = mail_store_engine(sweeper->store);
    uint64_t missing = 0;
    struct err err;
    enum rc rc = engine->ops->keep_bodies(engine, job->account, job->ids, job->n, job->below,
                                          &missing, &err);

    if (rc == RC_FULL) /* what it would give back is what is missing */
        sweeper_want(sweeper, job->account);
    if (rc && rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "sweep.failed", LOG_ID("account", job->account),
                  LOG_ERR(&err));
    else if (missing > 0)
        log_event(LEVEL_ERROR, "sweep.missing", LOG_ID("account", job->account),
                  LOG_NUM("bodies", missing));
    else if (!rc)
        log_event(LEVEL_DEBUG, "sweep.done", LOG_ID("account", job->account),
                  LOG_NUM("bodies", job->n));
}

static void *sweeper_main(void *ctx)
{
    struct sweeper *sweeper = ctx;

    (void) pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->stop) {
        struct sweep_job job;

        if (!sweeper->has_job) {
            (void) pthread_cond_wait(&sweeper->work, &sweeper->lock);
            continue;
        }
        job = sweeper->job;
        sweeper->job = (struct sweep_job){0};
        (void) pthread_mutex_unlock(&sweeper->lock);
        tell(sweeper, &job);
        free(job.ids);
        (void) pthread_mutex_lock(&sweeper->lock);
        sweeper->has_job = false;
    }
    (void) pthread_mutex_unlock(&sweeper->lock);
    return NULL;
}

void sweeper_start(struct sweeper *sweeper)
{
    int error = pthread_create(&sweeper->thread, NULL, sweeper_main, sweeper);

    if (error != 0)
        die("pthread_create: %s", strerror(error));
}

void sweeper_stop(struct sweeper *sweeper)
{
    (void) pthread_mutex_lock(&sweeper->lock);
    sweeper->stop = true;
    (void) pthread_cond_signal(&sweeper->work);
    (void) pthread_mutex_unlock(&sweeper->lock);
    (void) pthread_join(sweeper->thread, NULL);
}
