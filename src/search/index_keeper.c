/*
 * index_keeper.c - what there is to do for an account's index, one step at a time.
 *
 * A step is the first of these that applies:
 *
 * 1. Bodies that are in no segment and below one that is: a segment is made of them.
 * 2. New bodies, INDEX_TAIL_BODIES of them, or INDEX_QUIET_BODIES and none came for a while.
 * 3. INDEX_FANOUT segments in a row that are of one size, or smaller: they become one.
 * 4. Most bodies of a segment are gone: it goes, and 1 makes it anew.
 *
 * Sizes are spans of ids, each four times the one below, so a message is written into segments
 * about once for each of six sizes, and an account of a million messages has some twenty.
 *
 * The new segment is durable before those it is made of go; a crash between leaves both, and
 * whoever looks first takes the longer one and removes the others.
 */
#include "search/index_keeper.h"

#include "account/live_bodies.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/pace.h"
#include "mailbox/background.h"
#include "mailbox/memory.h"
#include "mailbox/message.h"
#include "search/account_notes.h"
#include "search/text_segment_build.h"

#define FIRST_BODY_ID    1u
#define TICK_MS          1000
#define ACCOUNTS_MAX     65536u /* looked at in one turn */
#define WANTED_MAX       65536u
#define SMALLEST_SPAN    512u
#define SPAN_FACTOR      4u
#define SIZES            6u
#define MERGED_MOST      16u
#define RETRY_US         ((int64_t) 60 * 1000000)   /* after a failure: a full disk, say */
#define STALE_LOOK_US    ((int64_t) 3600 * 1000000) /* between counts of what lives */
#define STALE_BODIES_MIN 1024u
#define FEED_BODIES      32u /* read at once */

/* What the thread remembers of an account. */
struct account_state {
    uint64_t next;    /* body id, when it was looked at last */
    int64_t since_us; /* it has not changed since */
    int64_t retry_us; /* not before */
    int64_t stale_us; /* what lives was counted then; 0: never */
    int64_t done_us;  /* there was nothing to do then, and nothing has changed; 0: has */
    bool is_wanted;   /* whatever its size */
};

struct index_keeper {
    struct text_index *index;
    const struct text_index_options *options;
    struct engine *engine;
    struct pace pace;
    bool is_hasty;               /* catch_up: the thread's own */
    struct account_notes states; /* the thread's own: account_state */

    pthread_mutex_t lock;
    struct map *wanted; /* lock: accounts where somebody searched for long */
};

struct index_keeper *index_keeper_new(struct text_index *index,
                                      const struct text_index_options *options)
{
    struct index_keeper *keeper = xcalloc(1, sizeof(*keeper));

    keeper->index = index;
    keeper->options = options;
    keeper->engine = mail_store_engine(options->store);
    account_notes_init(&keeper->states, sizeof(struct account_state), ACCOUNTS_MAX);
    keeper->wanted = map_new();
    pace_init(&keeper->pace);
    keeper->pace.front = mail_store_front(options->store);
    (void) pthread_mutex_init(&keeper->lock, NULL);
    return keeper;
}

void index_keeper_free(struct index_keeper *keeper)
{
    account_notes_done(&keeper->states);
    map_free(keeper->wanted);
    pace_done(&keeper->pace);
    (void) pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

void index_keeper_want(struct index_keeper *keeper, uint64_t account)
{
    (void) pthread_mutex_lock(&keeper->lock);
    if (map_count(keeper->wanted) < WANTED_MAX)
        (void) map_put(keeper->wanted, MAP_KEY(account), keeper);
    (void) pthread_mutex_unlock(&keeper->lock);
}

/* One of those, taken off the list. */
static bool next_wanted(struct index_keeper *keeper, uint64_t *out)
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

/* Between two small pieces of work. */
static bool goes_on(void *ctx)
{
    struct index_keeper *keeper = ctx;

    return pace_rest(&keeper->pace, keeper->is_hasty);
}

static enum rc stopped(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Stopped", "search index: stopped");
}

/* ---- a segment of bodies ---- */

static enum rc length_of(struct index_keeper *keeper, uint64_t account, uint64_t body_id,
                         uint64_t *out, struct err *err)
{
    struct body *body = NULL;
    enum rc rc = keeper->engine->ops->body_open(keeper->engine, account, body_id, &body, err);

    if (!rc)
        *out = keeper->engine->ops->body_length(body);
    keeper->engine->ops->body_close(body);
    return rc;
}

/* Bodies in a row on their way into a segment. */
struct feed {
    struct index_keeper *keeper;
    struct account *account;
    struct text_segment_build *build;
    uint64_t first; /* of those that are read at once */
    uint64_t next;  /* all below are in */
};

static bool is_full(const struct feed *feed)
{
    return text_segment_build_is_full(feed->build, feed->next);
}

/* The next, which is not kept and has to be made. A body that is gone, or cannot be read, is
 * one that the segment does not cover. */
static void add_other(struct feed *feed)
{
    AUTO(message_closep) struct message *message = NULL;
    uint64_t account = account_id(feed->account), body_id = feed->next++, length = 0;
    const struct digest *made;
    struct err err;

    if (length_of(feed->keeper, account, body_id, &length, &err) != RC_OK ||
        length > UINT32_MAX)
        return;
    message = message_open(feed->account, body_id, (uint32_t) length);
    if (message_digest_with_text(message, &made, &err) == RC_OK)
        text_segment_build_add(feed->build, body_id, made);
    (void) goes_on(feed->keeper); /* whoever reads these asks again */
}

/* Those before it that nothing was said of come first: a segment is made in order. */
static void see_digest(void *ctx, size_t at, struct slice table)
{
    struct feed *feed = ctx;
    struct digest digest;
    struct err stale;

    while (feed->next < feed->first + at && !is_full(feed))
        add_other(feed);
    if (feed->next != feed->first + at || is_full(feed) ||
        digest_open(table, &digest, &stale) != RC_OK || !digest.has_text)
        return;
    text_segment_build_add(feed->build, feed->next++, &digest);
    (void) goes_on(feed->keeper);
}

/* Some of the bodies from feed->next on, as far as `to` or as the segment goes. */
static void feed_some(struct feed *feed, uint64_t to)
{
    struct engine *engine = feed->keeper->engine;
    uint64_t ids[FEED_BODIES];
    struct digest_scan scan = {.account = account_id(feed->account),
                               .version = DIGEST_VERSION,
                               .wanted = DIGEST_GET_WHOLE,
                               .ids = ids,
                               .n = (size_t) MIN(to - feed->next, (uint64_t) FEED_BODIES),
                               .seen = see_digest,
                               .ctx = feed};

    feed->first = feed->next;
    for (size_t i = 0; i < scan.n; i++)
        ids[i] = feed->first + i;
    engine->ops->digest_scan(engine, &scan);
    while (feed->next < feed->first + scan.n && !is_full(feed))
        add_other(feed);
}

/* From `from` on, as far as `to` or as one segment goes. */
static enum rc make_segment(struct index_keeper *keeper, struct account *account, uint64_t from,
                            uint64_t to, struct err *err)
{
    AUTO(text_segment_build_freep)
    struct text_segment_build *build = text_segment_build_new(from);
    struct feed feed = {.keeper = keeper, .account = account, .build = build, .next = from};
    struct mail_store *store = keeper->options->store;
    size_t noted = 0;
    enum rc rc = RC_OK;

    while (feed.next < to && !is_full(&feed) && !rc) {
        feed_some(&feed, to);
        memory_note_work(store, &noted, text_segment_build_bytes(build));
        if (!goes_on(keeper))
            rc = stopped(err);
    }
    /* The pages that are written take less than the slots they are made of. */
    if (!rc) {
        memory_note_work(store, &noted, noted + noted / 2);
        rc = text_segment_build_write(build, keeper->engine, account_id(account), feed.next,
                                      goes_on, keeper, err);
    }
    memory_note_work(store, &noted, 0);
    if (rc == RC_UNAVAILABLE)
        return rc;
    if (!rc)
        log_event(LEVEL_DEBUG, "search.indexed", LOG_ID("account", account_id(account)),
                  LOG_NUM("from", from), LOG_NUM("to", feed.next));
    text_index_changed(keeper->index, account_id(account));
    return rc;
}

/* ---- segments that become one ---- */

static unsigned size_of(const struct text_segment *segment)
{
    uint32_t span = text_segment_span(segment), bound = SMALLEST_SPAN;
    unsigned size = 0;

    while (span > bound && size < SIZES) {
        bound *= SPAN_FACTOR;
        size++;
    }
    return size;
}

static uint64_t merged_bytes(const struct index_keeper *keeper)
{
    return keeper->options->merged_bytes != 0 ? keeper->options->merged_bytes
                                              : INDEX_MERGED_BYTES;
}

/* How many in a row, from first on, touch each other, are of this size at most and fit into
 * one. */
static size_t run_of(const struct index_keeper *keeper, const struct index_row *row,
                     size_t first, unsigned size)
{
    uint64_t span = 0, bytes = 0;
    size_t n = 0;

    while (first + n < row->n && n < MERGED_MOST) {
        const struct text_segment *segment = row->segments[first + n];

        span += text_segment_span(segment);
        bytes += text_segment_bytes(segment);
        if (size_of(segment) > size || span > SEGMENT_SPAN_MAX ||
            bytes > merged_bytes(keeper) ||
            (n > 0 && text_segment_name(segment)->from !=
                          text_segment_name(row->segments[first + n - 1])->to))
            break;
        n++;
    }
    return n;
}

/* The smallest first. *out_n 0: nothing to merge. */
static void find_run(const struct index_keeper *keeper, const struct index_row *row,
                     size_t *out_first, size_t *out_n)
{
    *out_n = 0;
    for (unsigned size = 0; size < SIZES; size++) {
        for (size_t first = 0; first < row->n; first++) {
            size_t n = run_of(keeper, row, first, size);

            if (n < INDEX_FANOUT)
                continue;
            *out_first = first;
            *out_n = n;
            return;
        }
    }
}

static enum rc merge(struct index_keeper *keeper, uint64_t account, const struct index_row *row,
                     size_t first, size_t n, struct err *err)
{
    enum rc rc = text_segment_merge(&row->segments[first], n, keeper->engine, account, goes_on,
                                    keeper, err);

    /* One of them is damaged, and which is not worth finding out: all are made again. */
    for (size_t i = first; (!rc || rc == RC_CORRUPT) && i < first + n; i++)
        text_index_remove(keeper->index, account, text_segment_name(row->segments[i]));
    if (!rc)
        log_event(LEVEL_DEBUG, "search.merged", LOG_ID("account", account),
                  LOG_NUM("segments", n));
    text_index_changed(keeper->index, account);
    return rc;
}

/* ---- segments of what is gone ---- */

struct living {
    const struct index_row *row;
    uint64_t *counts; /* of each segment; copies of a message count again */
};

static enum rc count_living(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    const struct living *living = ctx;
    size_t at = 0;

    (void) err;
    for (size_t i = 0; i < n; i++) {
        const struct derived_name *name = text_segment_name(living->row->segments[at]);

        if (ids[i] < name->from || ids[i] >= name->to) {
            for (at = 0; at + 1 < living->row->n; at++) {
                if (ids[i] < text_segment_name(living->row->segments[at])->to)
                    break;
            }
        }
        living->counts[at]++;
    }
    return RC_OK;
}

static uint64_t covered_by(const struct index_row *row)
{
    uint64_t covered = 0;

    for (size_t i = 0; i < row->n; i++)
        covered += text_segment_covered(row->segments[i]);
    return covered;
}

/* Has the engine let go of so many bodies that a segment made anew would be without them? */
static bool are_swept(struct index_keeper *keeper, uint64_t account,
                      const struct index_row *row)
{
    struct account_space space = {0};
    struct err err;

    return keeper->engine->ops->account_space(keeper->engine, account, &space, &err) == RC_OK &&
           covered_by(row) / 2 > space.bodies;
}

/* One with less than half of its bodies left; n: none. Pages that a checkpoint drops meanwhile
 * end the count: the next time, then. */
static size_t find_stale(struct index_keeper *keeper, struct account *account,
                         const struct index_row *row)
{
    AUTO(freep) uint64_t *counts = xcalloc(row->n + 1, sizeof(*counts));
    struct living living = {row, counts};
    struct acct_state *state;
    page_read_fn *read;
    struct err err;
    void *ctx;
    enum rc rc;

    if (!are_swept(keeper, account_id(account), row))
        return row->n;
    state = account_read(account, 0);
    read = keeper->engine->ops->page_reader(keeper->engine, account_id(account), &ctx);
    rc = acct_each_live_body(state, read, ctx, count_living, &living, &err);
    acct_unref(state);
    for (size_t i = 0; !rc && i < row->n; i++) {
        uint32_t covered = text_segment_covered(row->segments[i]);

        if (covered >= STALE_BODIES_MIN && counts[i] < covered / 2)
            return i;
    }
    return row->n;
}

/* ---- steps ---- */

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

/* The first bodies that are in no segment: from *out_from to *out_to - 1. */
static void find_gap(const struct index_row *row, uint64_t next, uint64_t *out_from,
                     uint64_t *out_to)
{
    uint64_t at = FIRST_BODY_ID;

    for (size_t i = 0; row != NULL && i < row->n; i++) {
        const struct derived_name *name = text_segment_name(row->segments[i]);

        if (name->from > at) {
            *out_from = at;
            *out_to = MIN(name->from, next);
            return;
        }
        at = name->to;
    }
    *out_from = at;
    *out_to = MAX(next, at);
}

static bool is_tail_due(const struct index_keeper *keeper, const struct account_state *known,
                        uint64_t n)
{
    if (keeper->is_hasty)
        return n > 0;
    return n >= MIN(INDEX_TAIL_BODIES,
                    (uint64_t) INDEX_TAIL_PARTS * keeper->options->min_messages) ||
           (n >= INDEX_QUIET_BODIES && clock_mono_us() - known->since_us >= INDEX_QUIET_US);
}

static bool is_stale_due(const struct account_state *known, const struct index_row *row,
                         uint64_t messages)
{
    return covered_by(row) / 2 > messages &&
           (known->stale_us == 0 || clock_mono_us() - known->stale_us >= STALE_LOOK_US);
}

/* *out_did: there may be more to do. */
static enum rc step(struct index_keeper *keeper, struct account *account,
                    struct account_state *known, bool *out_did, struct err *err)
{
    struct account_figures figures = figures_of(account);
    struct index_row *row = text_index_take(keeper->index, account_id(account));
    uint64_t from, to;
    size_t first = 0, n = 0;
    enum rc rc = RC_OK;

    *out_did = true;
    find_gap(row, figures.next, &from, &to);
    if (to > from && (to < figures.next || is_tail_due(keeper, known, to - from))) {
        rc = make_segment(keeper, account, from, to, err);
        index_row_unref(row);
        return rc;
    }
    if (row != NULL)
        find_run(keeper, row, &first, &n);
    if (n > 0) {
        rc = merge(keeper, account_id(account), row, first, n, err);
    } else if (row != NULL && is_stale_due(known, row, figures.messages)) {
        size_t stale = find_stale(keeper, account, row);

        known->stale_us = stale < row->n ? 0 : clock_mono_us();
        if (stale < row->n)
            text_index_remove(keeper->index, account_id(account),
                              text_segment_name(row->segments[stale]));
    } else {
        *out_did = false;
        known->done_us = to == from ? clock_mono_us() : 0;
    }
    index_row_unref(row);
    return rc;
}

static bool has_index(struct index_keeper *keeper, uint64_t account)
{
    struct index_row *row = text_index_take(keeper->index, account);
    bool has = row != NULL;

    index_row_unref(row);
    return has;
}

static struct account_state *state_of(struct index_keeper *keeper, uint64_t account)
{
    bool is_new;
    struct account_state *known = account_notes_get(&keeper->states, account, &is_new);

    if (is_new)
        known->is_wanted = has_index(keeper, account); /* it was, once */
    return known;
}

/* At the price of a few loads. */
static bool is_due(const struct index_keeper *keeper, struct account *account,
                   struct account_state *known)
{
    struct account_figures figures = figures_of(account);
    int64_t now_us = clock_mono_us();

    if (known->next != figures.next) {
        known->next = figures.next;
        known->since_us = now_us;
        known->done_us = 0;
    }
    if (figures.next <= FIRST_BODY_ID ||
        (figures.messages < keeper->options->min_messages && !known->is_wanted))
        return false;
    return now_us >= known->retry_us &&
           (known->done_us == 0 || now_us - known->done_us >= STALE_LOOK_US);
}

static void note(const struct index_keeper *keeper, uint64_t account, bool begins)
{
    if (keeper->options->note != NULL)
        keeper->options->note(keeper->options->note_ctx, account, begins);
}

/* All there is to do for one account. */
static void work_on(struct index_keeper *keeper, struct account *account,
                    struct account_state *known)
{
    bool did = true;
    struct err err;

    note(keeper, account_id(account), true);
    while (did && goes_on(keeper)) {
        enum rc rc = step(keeper, account, known, &did, &err);

        if (rc == RC_OK)
            continue;
        if (rc != RC_UNAVAILABLE)
            log_event(LEVEL_WARNING, "search.not_indexed",
                      LOG_ID("account", account_id(account)), LOG_ERR(&err));
        known->retry_us = clock_mono_us() + RETRY_US;
        break;
    }
    note(keeper, account_id(account), false);
}

static void take_wanted(struct index_keeper *keeper)
{
    uint64_t id;

    while (next_wanted(keeper, &id)) {
        struct account_state *known = state_of(keeper, id);

        known->is_wanted = true;
        known->done_us = 0;
    }
}

static void turn(struct index_keeper *keeper, uint64_t *ids)
{
    size_t n = store_open_accounts(keeper->options->store, ids, ACCOUNTS_MAX);

    take_wanted(keeper);
    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep)
        struct account *account = store_take_open(keeper->options->store, ids[i]);
        struct account_state *known = state_of(keeper, ids[i]);

        if (account != NULL && is_due(keeper, account, known))
            work_on(keeper, account, known);
    }
}

static void *run(void *ctx)
{
    AUTO(freep) uint64_t *ids = xcalloc(ACCOUNTS_MAX, sizeof(*ids));
    struct index_keeper *keeper = ctx;

    pace_lower_priority();
    while (!pace_is_stopping(&keeper->pace)) {
        turn(keeper, ids);
        pace_wait(&keeper->pace, TICK_MS);
    }
    return NULL;
}

void index_keeper_start(struct index_keeper *keeper)
{
    struct err err;

    if (keeper->engine->ops->derived_begin == NULL)
        return;
    if (pace_start(&keeper->pace, run, keeper, &err) != RC_OK)
        die("%s", err.detail);
}

void index_keeper_stop(struct index_keeper *keeper)
{
    pace_end(&keeper->pace);
}

enum rc index_keeper_catch_up(struct index_keeper *keeper, struct account *account,
                              struct err *err)
{
    struct account_state known = {0};
    enum rc rc = RC_OK;
    bool did = true;

    keeper->is_hasty = true;
    while (!rc && did)
        rc = step(keeper, account, &known, &did, err);
    keeper->is_hasty = false;
    return rc;
}
