#include "search/key_keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"
#include "base/random.h"
#include "mailbox/background.h"
#include "mailbox/memory.h"
#include "search/account_notes.h"
#include "search/key_blob.h"

#define FIRST_BODY   1u
#define TICK_MS      1000
#define SLICE_BODIES 256u                     /* read between two looks at the clock */
#define ACCOUNTS_MAX 65536u                   /* looked at in one turn */
#define RETRY_US     ((int64_t) 60 * 1000000) /* after a failure: a full disk, say */
#define SEGMENT_SPAN ((uint64_t) 1 << 20)     /* body ids of one segment as it is made */
#define SLACK_ROWS   4096u /* of dead bodies beside as many as there are messages */
#define WAIT_US      ((int64_t) 5 * 1000000) /* for digests that are not made yet */
#define WAITS_MAX    60u                     /* then what has none by now will have none */

/* What the thread remembers of an account. */
struct account_state {
    uint64_t next;    /* body id, when it was looked at last */
    uint64_t covered; /* ids below it are in blobs; 0: not looked yet */
    int64_t since_us; /* next has not changed since */
    int64_t retry_us; /* not before */
    unsigned waits;   /* in a row, for digests */
};

struct key_keeper {
    struct key_keeper_options options;
    struct engine *engine;
    struct pace pace;
    bool is_hasty;               /* catch_up: the thread's own */
    struct account_notes states; /* the thread's own: account_state */
    size_t noted;                /* the thread's own: bytes counted in the store's budget */
};

struct key_keeper *key_keeper_new(const struct key_keeper_options *options)
{
    struct key_keeper *keeper = xcalloc(1, sizeof(*keeper));

    keeper->options = *options;
    keeper->engine = mail_store_engine(options->store);
    account_notes_init(&keeper->states, sizeof(struct account_state), ACCOUNTS_MAX);
    pace_init(&keeper->pace);
    keeper->pace.front = mail_store_front(options->store);
    return keeper;
}

/* What it works with now, in the budget that accounts share. */
static void note_memory(struct key_keeper *keeper, size_t bytes)
{
    memory_note_work(keeper->options.store, &keeper->noted, bytes);
}

/* ---- a segment of bodies ---- */

struct making {
    struct key_maker maker;
    size_t beside; /* bytes of the segments there are */
    uint64_t from; /* id of the slice's first */
    uint32_t n;    /* rows so far */
    bool *is_told; /* of the slice */
};

static void note_told(void *ctx, size_t at, struct slice table)
{
    struct making *making = ctx;
    struct digest digest;
    struct err stale;

    if (digest_open_kept(table, &digest, &stale) != RC_OK || making->is_told[at])
        return;
    making->is_told[at] = true;
    key_maker_set(&making->maker, making->n + (uint32_t) at, making->from + at, &digest);
}

/* Rows were set by the place in the slice: those of bodies without a digest are closed up. */
static void close_up(struct making *making, size_t n)
{
    uint32_t kept = making->n;

    for (size_t i = 0; i < n; i++)
        if (making->is_told[i])
            key_maker_move(&making->maker, making->n + (uint32_t) i, kept++);
    making->n = kept;
}

static enum rc read_slice(struct key_keeper *keeper, uint64_t account, uint64_t from, size_t n,
                          struct making *making, struct err *err)
{
    uint64_t ids[SLICE_BODIES];
    bool is_told[SLICE_BODIES] = {false};
    const struct digest_scan scan = {.account = account,
                                     .version = DIGEST_VERSION,
                                     .ids = ids,
                                     .n = n,
                                     .seen = note_told,
                                     .ctx = making};

    for (size_t i = 0; i < n; i++)
        ids[i] = from + i;
    making->from = from;
    making->is_told = is_told;
    keeper->engine->ops->digest_scan(keeper->engine, &scan);
    close_up(making, n);
    making->is_told = NULL;
    note_memory(keeper, making->beside + key_maker_bytes(&making->maker));
    if (!pace_rest(&keeper->pace, keeper->is_hasty))
        return err_set(err, RC_UNAVAILABLE, "Server is shutting down", "sort keys: stopped");
    return RC_OK;
}

/* Of bodies from..to - 1, as far as they have a digest. */
static enum rc make_segment(struct key_keeper *keeper, uint64_t account, uint64_t from,
                            uint64_t to, uint64_t seed, size_t beside, struct key_segment **out,
                            struct err *err)
{
    struct making making = {.beside = beside};
    enum rc rc = RC_OK;

    key_maker_start(&making.maker, (uint32_t) (to - from), seed);
    for (uint64_t at = from; !rc && at < to; at += SLICE_BODIES)
        rc = read_slice(keeper, account, at, (size_t) MIN(to - at, (uint64_t) SLICE_BODIES),
                        &making, err);
    if (rc) {
        key_maker_done(&making.maker);
        return rc;
    }
    *out = key_maker_finish(&making.maker, making.n);
    return RC_OK;
}

static void count_told(void *ctx, size_t at, struct slice table)
{
    size_t *n = ctx;

    (void) at;
    (void) table;
    *n += 1;
}

/* Digests are made in the order of bodies, behind them: have most of the last ones theirs? */
static bool has_digests(struct key_keeper *keeper, uint64_t account, uint64_t next)
{
    size_t n = (size_t) MIN(next - FIRST_BODY, (uint64_t) SLICE_BODIES), n_told = 0;
    uint64_t ids[SLICE_BODIES];
    const struct digest_scan scan = {.account = account,
                                     .version = DIGEST_VERSION,
                                     .ids = ids,
                                     .n = n,
                                     .seen = count_told,
                                     .ctx = &n_told};

    for (size_t i = 0; i < n; i++)
        ids[i] = next - n + i;
    keeper->engine->ops->digest_scan(keeper->engine, &scan);
    return n_told > n / 2;
}

/* ---- blobs ---- */

static size_t bytes_in(const struct key_blob *blobs, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += blobs[i].segment->bytes;
    return bytes;
}

/* What the last blobs and the new one become: each at least twice as long as the next. */
static void join_last(struct key_keeper *keeper, struct key_blob *blobs, size_t *n)
{
    while (*n > 1 && ((uint64_t) blobs[*n - 1].segment->n * 2 > blobs[*n - 2].segment->n ||
                      *n == KEY_BLOBS_MAX)) {
        struct key_blob *to = &blobs[*n - 2];
        struct key_segment *joined;

        note_memory(keeper, bytes_in(blobs, *n) + 2 * bytes_in(to, 2));
        joined = key_segments_join(to->segment, blobs[*n - 1].segment);
        key_segment_unref(to->segment);
        key_segment_unref(blobs[*n - 1].segment);
        *to = (struct key_blob){to->from, blobs[*n - 1].to, joined};
        *n -= 1;
    }
}

/* The blob is durable before those it is made of go. */
static enum rc store_last(struct key_keeper *keeper, uint64_t account,
                          const struct key_blob *before, size_t n_before,
                          const struct key_blob *blobs, size_t n, struct err *err)
{
    enum rc rc = key_blob_store(keeper->engine, account, &blobs[n - 1], err);

    for (size_t i = n - 1; !rc && i < n_before; i++)
        key_blob_remove(keeper->engine, account, &before[i]);
    return rc;
}

static uint64_t rows_in(const struct key_blob *blobs, size_t n)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < n; i++)
        rows += blobs[i].segment->n;
    return rows;
}

/* One segment more. *out_covered: ids below it are in blobs. */
static enum rc add_blob(struct key_keeper *keeper, uint64_t account, uint64_t next,
                        uint64_t messages, uint64_t *out_covered, struct err *err)
{
    struct key_blob blobs[KEY_BLOBS_MAX + 1], before[KEY_BLOBS_MAX];
    size_t n = key_blobs_load(keeper->engine, account, true, blobs), n_before = n;
    uint64_t from = n > 0 ? blobs[n - 1].to : FIRST_BODY;
    enum rc rc = RC_OK;

    if (rows_in(blobs, n) > 2 * messages + SLACK_ROWS) { /* mostly of what is gone */
        for (size_t i = 0; i < n; i++)
            key_blob_remove(keeper->engine, account, &blobs[i]);
        key_blobs_done(blobs, n);
        n = n_before = 0;
        from = FIRST_BODY;
    }
    *out_covered = from;
    if (from >= next) {
        key_blobs_done(blobs, n);
        return RC_OK;
    }
    next = MIN(next, from + SEGMENT_SPAN);
    memcpy(before, blobs, n * sizeof(*before));
    blobs[n] = (struct key_blob){from, next, NULL};
    rc = make_segment(keeper, account, from, next, n > 0 ? blobs[0].segment->seed : random_id(),
                      bytes_in(blobs, n), &blobs[n].segment, err);
    if (!rc) {
        n++;
        join_last(keeper, blobs, &n);
        note_memory(keeper, bytes_in(blobs, n) + 2 * bytes_in(&blobs[n - 1], 1)); /* printed */
        rc = store_last(keeper, account, before, n_before, blobs, n, err);
    }
    if (!rc)
        *out_covered = next;
    key_blobs_done(blobs, n);
    return rc;
}

/* ---- accounts ---- */

struct account_figures {
    uint64_t next, messages;
};

static struct account_figures figures_of(struct account *account)
{
    struct acct_state *state = account_read(account, 0);
    struct account_figures figures = {acct_next_body_id(state), acct_usage(state).messages};

    acct_unref(state);
    return figures;
}

static bool is_due(const struct account_state *known, const struct account_figures *figures)
{
    uint64_t n = figures->next - MIN(figures->next, MAX(known->covered, (uint64_t) FIRST_BODY));
    int64_t now_us = clock_mono_us();

    if (figures->messages < KEYS_MIN_MESSAGES || now_us < known->retry_us)
        return false;
    return n >= KEYS_TAIL_BODIES ||
           (n >= KEYS_QUIET_BODIES && now_us - known->since_us >= KEYS_QUIET_US);
}

static void note(const struct key_keeper *keeper, uint64_t account, bool begins)
{
    if (keeper->options.note != NULL)
        keeper->options.note(keeper->options.note_ctx, account, begins);
}

static void work_on(struct key_keeper *keeper, uint64_t account, struct account_state *known,
                    const struct account_figures *figures)
{
    struct err err;
    enum rc rc;

    if (known->waits < WAITS_MAX && !has_digests(keeper, account, figures->next)) {
        known->waits++;
        known->retry_us = clock_mono_us() + WAIT_US;
        return;
    }
    known->waits = 0;
    note(keeper, account, true);
    rc = add_blob(keeper, account, figures->next, figures->messages, &known->covered, &err);
    note(keeper, account, false);
    note_memory(keeper, 0);
    if (rc == RC_OK)
        return;
    known->retry_us = clock_mono_us() + RETRY_US;
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_WARNING, "search.no_sort_keys", LOG_ID("account", account),
                  LOG_ERR(&err));
}

static void look_at(struct key_keeper *keeper, uint64_t id)
{
    AUTO(account_closep) struct account *account = store_take_open(keeper->options.store, id);
    struct account_state *known;
    struct account_figures figures;
    bool is_new;

    if (account == NULL)
        return;
    known = account_notes_get(&keeper->states, id, &is_new);
    figures = figures_of(account);
    if (known->next != figures.next) {
        known->next = figures.next;
        known->since_us = clock_mono_us();
    }
    if (is_due(known, &figures))
        work_on(keeper, id, known, &figures);
}

static void *run(void *ctx)
{
    AUTO(freep) uint64_t *ids = xcalloc(ACCOUNTS_MAX, sizeof(*ids));
    struct key_keeper *keeper = ctx;

    pace_lower_priority();
    while (!pace_is_stopping(&keeper->pace)) {
        size_t n = store_open_accounts(keeper->options.store, ids, ACCOUNTS_MAX);

        for (size_t i = 0; i < n; i++)
            look_at(keeper, ids[i]);
        pace_wait(&keeper->pace, TICK_MS);
    }
    return NULL;
}

void key_keeper_start(struct key_keeper *keeper)
{
    struct err err;

    if (keeper->engine->ops->derived_begin == NULL)
        return;
    if (pace_start(&keeper->pace, run, keeper, &err) != RC_OK)
        die("%s", err.detail);
}

void key_keeper_free(struct key_keeper *keeper)
{
    if (keeper == NULL)
        return;
    pace_end(&keeper->pace);
    account_notes_done(&keeper->states);
    pace_done(&keeper->pace);
    free(keeper);
}

enum rc key_keeper_catch_up(struct key_keeper *keeper, struct account *account, struct err *err)
{
    struct account_figures figures = figures_of(account);
    uint64_t covered = 0;
    enum rc rc = RC_OK;

    keeper->is_hasty = true;
    while (!rc && covered < figures.next)
        rc = add_blob(keeper, account_id(account), figures.next, figures.messages, &covered,
                      err);
    note_memory(keeper, 0);
    keeper->is_hasty = false;
    return rc;
}
