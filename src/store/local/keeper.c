/*
 * keeper.c - makes segments ahead, recycles them behind, asks for checkpoints.
 *
 * Order of recycling: (1) what made a segment unneeded is durable in the state (checkpoints,
 * places in packs); (2) the superblock says that the journal starts behind it, and which serial
 * of the state must be there; (3) the file gets a spare's name. A crash between the steps
 * leaves a segment below the start, which recovery takes for a spare. The other order could
 * overwrite a segment that recovery still wants.
 *
 * Why the serial: LMDB falls back to the meta page before when the newest is damaged, silently.
 * Without the journal behind it such a state would be a store that lost mail; with the serial
 * it is an error that says so.
 */
#include "store/local/keeper.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "store/local/archive.h"
#include "store/local/ballast.h"
#include "store/local/hold.h"
#include "store/local/journal.h"

#define SEGMENT_GROWTH 4u   /* each segment is this much larger, up to segment_bytes */
#define WANTED_MAX     512u /* accounts asked in one pass */
#define RECYCLE_MAX    16u  /* segments let go of with one superblock */

struct keeper {
    struct local *local;
    struct journal_key key;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* something to do */
    pthread_cond_t ready; /* `next` is there */
    struct segment *next; /* lock */
    uint64_t next_number; /* lock: of the segment after those taken */
    uint64_t next_bytes;  /* lock: what a new segment should have */
    uint64_t need;        /* lock: what a waiting committer asks for; 0: nobody waits */
    struct keeper_spare spares[SPARES_MAX]; /* lock */
    size_t n_spares;                        /* lock */
    struct keeper_spare reserve;            /* lock: bytes 0: there is none */
    struct keeper_spare for_start;          /* lock: the same; left to the next start */
    uint64_t next_spare;                    /* lock */
    bool wants_next;                        /* lock */
    bool wants_reserve;                     /* lock: the store has outgrown its first segment */
    bool has_no_ballast;                    /* lock: it cannot be made in this run */
    bool is_poked;                          /* lock: look for segments to recycle */
    bool is_poked_wanted;                   /* lock: look for accounts to ask */
    bool is_full;                           /* lock */
    bool is_stopping;                       /* lock */
};

static void set_full(struct keeper *keeper, bool is_full)
{
    if (keeper->is_full == is_full)
        return;
    keeper->is_full = is_full;
    if (is_full) { /* what a backup keeps may be just what is missing */
        hold_break(keeper->local, "disk full");
        keeper->is_poked = true;
    }
    log_event(is_full ? LEVEL_ERROR : LEVEL_INFO, is_full ? "store.full" : "store.room",
              LOG_NUM("segment_bytes", keeper->next_bytes));
}

static void spare_name(char out[LAYOUT_NAME_BYTES], uint64_t number)
{
    layout_name(out, number, ".spare");
}

/*
 * May `bytes` be taken from the disk? What is made ahead leaves a share free, for the state,
 * packs, the account database and logs, and so that nothing given up by the ballast is grabbed
 * back. A batch that is accepted already takes what there is.
 */
static bool may_take(const struct keeper *keeper, uint64_t bytes)
{
    const struct local *local = keeper->local;

    return keeper->need > 0 || disk_has(local->layout.root, bytes + local->share);
}

/* Called with the lock held, gives it up meanwhile. */
static enum rc make_spare(struct keeper *keeper, uint64_t bytes, struct keeper_spare *out)
{
    struct keeper_spare spare = {keeper->next_spare++, bytes};
    char name[LAYOUT_NAME_BYTES];
    struct err err;
    enum rc rc;

    if (!may_take(keeper, bytes))
        return RC_FULL;
    (void) pthread_mutex_unlock(&keeper->lock);
    spare_name(name, spare.number);
    rc = segment_make_spare(keeper->local->layout.log, name, bytes,
                            keeper->local->options.buffered, &err);
    if (rc == RC_IO)
        local_fatal(keeper->local, &err);
    (void) pthread_mutex_lock(&keeper->lock);
    if (rc == RC_OK)
        *out = spare;
    return rc;
}

/* The smallest spare with room for need bytes of batches, taken off the list. */
static bool take_spare(struct keeper *keeper, uint64_t need, struct keeper_spare *out)
{
    size_t best = keeper->n_spares;

    for (size_t i = 0; i < keeper->n_spares; i++) {
        if (keeper->spares[i].bytes >= need + SEGMENT_HEADER_BYTES &&
            (best == keeper->n_spares || keeper->spares[i].bytes < keeper->spares[best].bytes))
            best = i;
    }
    if (best == keeper->n_spares)
        return false;
    *out = keeper->spares[best];
    keeper->spares[best] = keeper->spares[--keeper->n_spares];
    return true;
}

static uint64_t new_segment_bytes(const struct keeper *keeper, uint64_t need)
{
    uint64_t least = need + SEGMENT_HEADER_BYTES;

    least = (least + JOURNAL_BLOCK_BYTES - 1) & ~(uint64_t) (JOURNAL_BLOCK_BYTES - 1);
    return MIN(MAX(keeper->next_bytes, least), MAX(keeper->local->share, least));
}

/* The spare for the next segment: a free one, a new one, or, the disk being full and a batch
 * being accepted already, the reserve. */
static bool find_spare(struct keeper *keeper, uint64_t need, struct keeper_spare *out)
{
    if (take_spare(keeper, need, out))
        return true;
    if (make_spare(keeper, new_segment_bytes(keeper, need), out) == RC_OK)
        return true;
    set_full(keeper, true);
    if (keeper->need == 0 || keeper->reserve.bytes < need + SEGMENT_HEADER_BYTES)
        return false;
    *out = keeper->reserve;
    keeper->reserve.bytes = 0;
    return true;
}

/*
 * A ready segment that is too small for the batch at hand gives its number to a larger one,
 * whose file takes the place of its own. So the number is never without a file: an epoch may
 * begin in it, and a start after a crash would take it for lost.
 */
static void give_up_next(struct keeper *keeper)
{
    keeper->next_number--;
    segment_free(TAKE(keeper->next));
}

static bool next_fits(const struct keeper *keeper)
{
    return keeper->next != NULL && keeper->next->bytes >= keeper->need + SEGMENT_HEADER_BYTES;
}

/* With the lock held. False: no space, try again later. */
static bool make_next(struct keeper *keeper)
{
    struct local *local = keeper->local;
    struct keeper_spare spare;
    struct segment *segment = NULL;
    char name[LAYOUT_NAME_BYTES];
    uint64_t number;
    struct err err;

    if (keeper->next != NULL)
        give_up_next(keeper);
    if (!find_spare(keeper, keeper->need, &spare))
        return false;
    number = keeper->next_number++;
    (void) pthread_mutex_unlock(&keeper->lock);
    spare_name(name, spare.number);
    if (segment_begin(local->layout.log, name, number, &keeper->key, local->super->uuid,
                      local->options.buffered, &segment, &err) != RC_OK)
        local_fatal(local, &err);
    (void) pthread_mutex_lock(&keeper->lock);
    keeper->next = segment;
    keeper->wants_next = false;
    keeper->next_bytes =
        MIN(MAX(segment->bytes, keeper->next_bytes) * SEGMENT_GROWTH, local->share);
    (void) pthread_cond_broadcast(&keeper->ready);
    return true;
}

struct segment *keeper_take(struct keeper *keeper, uint64_t need)
{
    struct segment *segment;

    (void) pthread_mutex_lock(&keeper->lock);
    keeper->need = need;
    while (!next_fits(keeper)) {
        keeper->wants_next = true;
        (void) pthread_cond_signal(&keeper->work);
        (void) pthread_cond_wait(&keeper->ready, &keeper->lock);
    }
    keeper->need = 0;
    segment = TAKE(keeper->next);
    (void) pthread_mutex_unlock(&keeper->lock);
    return segment;
}

void keeper_prepare(struct keeper *keeper)
{
    (void) pthread_mutex_lock(&keeper->lock);
    if (keeper->next == NULL && !keeper->wants_next) {
        keeper->wants_next = keeper->wants_reserve = true;
        (void) pthread_cond_signal(&keeper->work);
    }
    (void) pthread_mutex_unlock(&keeper->lock);
}

void keeper_poke(struct keeper *keeper)
{
    (void) pthread_mutex_lock(&keeper->lock);
    keeper->is_poked = true;
    (void) pthread_cond_signal(&keeper->work);
    (void) pthread_mutex_unlock(&keeper->lock);
}

void keeper_poke_wanted(struct keeper *keeper)
{
    (void) pthread_mutex_lock(&keeper->lock);
    keeper->is_poked = keeper->is_poked_wanted = true;
    (void) pthread_cond_signal(&keeper->work);
    (void) pthread_mutex_unlock(&keeper->lock);
}

enum admission keeper_admits(struct keeper *keeper, uint64_t len, uint64_t left, bool is_moving,
                             bool has_bodies)
{
    uint64_t total = len + JOURNAL_BLOCK_BYTES; /* padding at most */
    uint64_t room = 0;
    bool is_full, has_next;

    (void) pthread_mutex_lock(&keeper->lock);
    is_full = keeper->is_full;
    has_next = keeper->next != NULL && !is_moving;
    if (has_next)
        room = keeper->next->bytes;
    if (!has_bodies)
        room = MAX(room, keeper->reserve.bytes);
    room = MAX(left, room > SEGMENT_HEADER_BYTES ? room - SEGMENT_HEADER_BYTES : 0);
    if (has_bodies && is_full && keeper->reserve.bytes == 0)
        room = 0; /* what is left is the reserve, or all that is left of it */
    (void) pthread_mutex_unlock(&keeper->lock);
    if (total <= room || (!is_full && (has_next || !has_bodies)))
        return ADMIT;
    return is_full ? ADMIT_NOT : ADMIT_WAIT;
}

bool keeper_is_full(struct keeper *keeper)
{
    bool is_full;

    (void) pthread_mutex_lock(&keeper->lock);
    is_full = keeper->is_full;
    (void) pthread_mutex_unlock(&keeper->lock);
    return is_full;
}

/* The prefix of live segments that nothing needs, taken off the list; where the journal starts
 * then. */
static size_t detach_free(struct local *local, struct segment **out,
                          struct journal_point *start)
{
    struct index *index = &local->index;
    struct segment *segment;
    size_t n = 0;

    (void) pthread_mutex_lock(&index->lock);
    while (n < RECYCLE_MAX && (segment = index_recyclable(index)) != NULL) {
        const struct segment *after;

        if (segment->live.next == &index->live.head)
            break; /* the last one tells where the journal starts */
        after = LINK_OWNER(segment->live.next, struct segment, live);
        *start = after->start;
        list_remove(&segment->live);
        index->n_live--;
        out[n++] = segment;
    }
    (void) pthread_mutex_unlock(&index->lock);
    return n;
}

/* Epochs that end before the journal starts have no segment any more. */
static void drop_old_epochs(struct local *local)
{
    struct super *super = local->super;
    uint32_t n = 0;

    while (n < super->n_epochs && super->epochs[n].is_closed &&
           super->epochs[n].end.segment < super->start.segment)
        n++;
    if (n > 0)
        archive_super(local->archive, local->layout.root, super->start.segment);
    memmove(super->epochs, super->epochs + n, (super->n_epochs - n) * sizeof(super->epochs[0]));
    super->n_epochs -= n;
}

/* A spare's bytes serve the superblock when the disk has none left. */
static bool give_up_spare(struct keeper *keeper)
{
    struct keeper_spare spare;
    char name[LAYOUT_NAME_BYTES];
    bool is_found;

    (void) pthread_mutex_lock(&keeper->lock);
    is_found = take_spare(keeper, 0, &spare);
    (void) pthread_mutex_unlock(&keeper->lock);
    if (!is_found)
        return false;
    spare_name(name, spare.number);
    return unlinkat(keeper->local->layout.log, name, 0) == 0;
}

/* What the list says must not lag behind segments that go (accounts.h). */
static void note_covered(struct local *local)
{
    uint64_t lsn;

    (void) pthread_mutex_lock(&local->index.lock);
    lsn = index_covered(&local->index);
    (void) pthread_mutex_unlock(&local->index.lock);
    if (lsn != UINT64_MAX)
        accounts_note_covered(local->accounts, lsn);
}

static void write_start(struct keeper *keeper, const struct journal_point *start)
{
    struct local *local = keeper->local;
    struct err err;
    enum rc rc;

    note_covered(local);
    do {
        rc = accounts_sync(local->accounts, &err);
    } while (rc == RC_FULL && (ballast_give(local->ballast) || give_up_spare(keeper)));
    if (rc)
        local_fatal(local, &err);
    local->super->start = *start;
    local->super->min_state_serial = state_serial(local->state);
    drop_old_epochs(local);
    do {
        rc = local_write_super(local, &err);
    } while (rc == RC_FULL && give_up_spare(keeper));
    /* Without the superblock the segments may not be reused, and they are off the list. */
    if (rc)
        local_fatal(local, &err);
}

/*
 * A file that is used again is not written with zeros first, which would be a second time what
 * mail that comes fast takes of the disk; and a burst frees several at once. lock is held.
 */
static bool has_use(const struct keeper *keeper, size_t n_spares)
{
    const struct local *local = keeper->local;

    return n_spares < SPARES_LEAST ||
           (n_spares < SPARES_KEPT && disk_has(local->layout.root, SPARES_ROOM * local->share));
}

/* Where the disk has become small, others need it more. lock is held. */
static void drop_spares(struct keeper *keeper)
{
    char name[LAYOUT_NAME_BYTES];

    while (keeper->n_spares > 0 && !has_use(keeper, keeper->n_spares - 1)) {
        spare_name(name, keeper->spares[--keeper->n_spares].number);
        (void) unlinkat(keeper->local->layout.log, name, 0); /* found again at the next start */
    }
}

/* Keep the file as a spare while there is use for it. */
static void free_segment_file(struct keeper *keeper, struct segment *segment)
{
    int log = keeper->local->layout.log;
    struct keeper_spare spare = {.bytes = segment->bytes};
    char from[LAYOUT_NAME_BYTES], to[LAYOUT_NAME_BYTES];
    bool is_kept = false;

    (void) pthread_mutex_lock(&keeper->lock);
    spare.number = keeper->next_spare++;
    (void) pthread_mutex_unlock(&keeper->lock);
    layout_name(from, segment->number, ".seg");
    spare_name(to, spare.number);
    segment_free(segment);
    if (renameat(log, from, log, to) != 0)
        return; /* below the start: the next recovery deals with it */
    (void) pthread_mutex_lock(&keeper->lock);
    if (has_use(keeper, keeper->n_spares)) {
        keeper->spares[keeper->n_spares++] = spare;
        is_kept = true;
    }
    (void) pthread_mutex_unlock(&keeper->lock);
    if (!is_kept)
        (void) unlinkat(log, to, 0); /* found again at the next start */
}

/* Kept for the next backup, or used again. */
static void let_go(struct keeper *keeper, struct segment *segment, bool is_archived)
{
    if (!is_archived) {
        free_segment_file(keeper, segment);
        return;
    }
    archive_settle(keeper->local->archive, keeper->local->layout.log, segment);
    segment_free(segment);
}

static void recycle(struct keeper *keeper)
{
    const struct local *local = keeper->local;
    bool is_archived[RECYCLE_MAX];
    struct segment *free_ones[RECYCLE_MAX];
    struct journal_point start;
    size_t n;

    if (!hold_may_recycle(keeper->local))
        return;
    while ((n = detach_free(keeper->local, free_ones, &start)) > 0) {
        for (size_t i = 0; i < n; i++)
            is_archived[i] = archive_take(local->archive, local->layout.log, free_ones[i]);
        write_start(keeper, &start);
        for (size_t i = 0; i < n; i++)
            let_go(keeper, free_ones[i], is_archived[i]);
        archive_trim(local->archive);
    }
    hold_recycle_done(keeper->local);
}

/* Accounts that hold the older half of the journal when it is long, and those whose own tail
 * is. */
static size_t choose_wanted(struct local *local, uint64_t *out)
{
    struct index *index = &local->index;
    uint64_t below = 0;
    struct slice key;
    void *value;
    size_t n = 0;

    (void) pthread_mutex_lock(&index->lock);
    if (index_uncheckpointed(index) > local->options.uncheckpointed_max_bytes / 2 ||
        index->n_live > LIVE_SEGMENTS_WANTED) {
        const struct segment *first = LINK_OWNER(index->live.head.next, struct segment, live);
        const struct segment *last = LINK_OWNER(index->live.head.prev, struct segment, live);

        below = first->number + (last->number - first->number + 1) / 2;
        below = MAX(below, first->number + 1);
    }
    for (size_t at = 0; n < WANTED_MAX && map_next(index->accounts, &at, &key, &value);) {
        struct account_entry *account = value;

        if (account->n == 0)
            continue;
        if (account->tail[account->first].segment->number < below ||
            (account->tail_bytes > TAIL_WANTED_BYTES && !account->is_wanted)) {
            account->is_wanted = true;
            out[n++] = account->id;
        }
    }
    (void) pthread_mutex_unlock(&index->lock);
    return n;
}

static void ask_for_checkpoints(struct keeper *keeper)
{
    AUTO(freep) uint64_t *accounts = xcalloc(WANTED_MAX, sizeof(*accounts));
    struct local *local = keeper->local;
    struct engine_events events;
    size_t n;

    (void) pthread_mutex_lock(&local->index.lock);
    events = local->events;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (events.checkpoint_wanted == NULL)
        return;
    n = choose_wanted(local, accounts);
    for (size_t i = 0; i < n; i++)
        events.checkpoint_wanted(events.ctx, accounts[i]);
}

/* With the lock held: until something is to do, or it is time to try for space again. */
static void wait_for_work(struct keeper *keeper, bool is_short_of_space)
{
    struct timespec until;

    if (!is_short_of_space) {
        (void) pthread_cond_wait(&keeper->work, &keeper->lock);
        return;
    }
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FULL_RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void) pthread_cond_timedwait(&keeper->work, &keeper->lock, &until);
}

static void run_pokes(struct keeper *keeper)
{
    bool asks = keeper->is_poked_wanted;

    keeper->is_poked = keeper->is_poked_wanted = false;
    drop_spares(keeper);
    (void) pthread_mutex_unlock(&keeper->lock);
    recycle(keeper);
    if (asks)
        ask_for_checkpoints(keeper);
    (void) pthread_mutex_lock(&keeper->lock);
}

static bool needs_reserve(const struct keeper *keeper)
{
    return keeper->wants_reserve &&
           (keeper->reserve.bytes == 0 || keeper->for_start.bytes == 0);
}

/* Commits may wait to hear which it is: a segment, or a full disk. */
static bool try_next(struct keeper *keeper)
{
    bool is_made = make_next(keeper);

    if (!is_made)
        set_full(keeper, true);
    (void) pthread_mutex_unlock(&keeper->lock);
    journal_note_room(keeper->local->journal);
    (void) pthread_mutex_lock(&keeper->lock);
    return is_made;
}

/* A recycled segment serves as well as a new one. */
static bool make_one(struct keeper *keeper, uint64_t bytes, struct keeper_spare *out)
{
    return out->bytes > 0 || take_spare(keeper, bytes - SEGMENT_HEADER_BYTES, out) ||
           make_spare(keeper, bytes, out) == RC_OK;
}

/* What is there when the disk is full: a segment for groups without bodies, and one for the
 * next start, which must not find everything used up. */
static bool make_reserve(struct keeper *keeper)
{
    const struct local *local = keeper->local;

    return make_one(keeper, local->share, &keeper->reserve) &&
           make_one(keeper, MIN(local->options.first_segment_bytes, local->share),
                    &keeper->for_start);
}

static bool needs_ballast(const struct keeper *keeper)
{
    return keeper->wants_reserve && !keeper->has_no_ballast &&
           !ballast_is_whole(keeper->local->ballast);
}

/* A file that is none of ours, for one, stands in its way: no mail is in danger yet. */
static void go_without_ballast(struct keeper *keeper, const struct err *err)
{
    keeper->has_no_ballast = true;
    log_event(LEVEL_WARNING, "store.ballast", LOG_ERR(err));
}

static bool make_ballast(struct keeper *keeper)
{
    struct err err;
    enum rc rc;

    if (!may_take(keeper, keeper->local->share))
        return false;
    (void) pthread_mutex_unlock(&keeper->lock);
    rc = ballast_fill(keeper->local->ballast, &err);
    (void) pthread_mutex_lock(&keeper->lock);
    if (rc != RC_OK && rc != RC_FULL)
        go_without_ballast(keeper, &err);
    return rc != RC_FULL;
}

/* Everything that is wanted and not there; false: space is missing. On a full disk the reserve
 * comes before the next segment, so that mail does not take what expunges will need. */
static bool make_wanted(struct keeper *keeper)
{
    if (keeper->wants_next && keeper->is_full && keeper->need == 0 && needs_reserve(keeper) &&
        !make_reserve(keeper))
        return false;
    if (keeper->wants_next && !try_next(keeper))
        return false;
    if (!keeper->wants_next && needs_reserve(keeper) && !make_reserve(keeper))
        return false;
    return keeper->wants_next || !needs_ballast(keeper) || make_ballast(keeper);
}

static bool wants_nothing(const struct keeper *keeper)
{
    return !keeper->wants_next && !needs_reserve(keeper) && !needs_ballast(keeper);
}

/* Commits that wait hear whether the disk is full, and those with something to give that it is.
 * Called with the lock held, gives it up meanwhile. */
static void tell_of_space(struct keeper *keeper, bool is_short)
{
    struct local *local = keeper->local;
    struct engine_events events;

    (void) pthread_mutex_unlock(&keeper->lock);
    journal_note_room(local->journal);
    (void) pthread_mutex_lock(&local->index.lock);
    events = local->events;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (is_short && !archive_give(local->archive) && events.space_wanted != NULL)
        events.space_wanted(events.ctx);
    (void) pthread_mutex_lock(&keeper->lock);
}

static void *keeper_main(void *arg)
{
    struct keeper *keeper = arg;

    (void) pthread_mutex_lock(&keeper->lock);
    while (!keeper->is_stopping) {
        bool was_full = keeper->is_full, is_short;

        if (keeper->wants_next && next_fits(keeper) && keeper->need > 0)
            keeper->wants_next = false;
        if (keeper->is_poked || keeper->is_poked_wanted)
            run_pokes(keeper);
        is_short = !make_wanted(keeper);
        if (is_short)
            set_full(keeper, true);
        else if (wants_nothing(keeper))
            set_full(keeper, false);
        if (is_short || keeper->is_full != was_full)
            tell_of_space(keeper, is_short);
        if (!keeper->is_stopping && !keeper->is_poked && (is_short || wants_nothing(keeper)))
            wait_for_work(keeper, is_short);
    }
    (void) pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

/* A store that has grown wants its reserves from the start. */
static bool has_grown(struct local *local)
{
    uint64_t used = 0;

    (void) pthread_mutex_lock(&local->index.lock);
    LIST_FOREACH(it, &local->index.live)
    {
        used += LINK_OWNER(it, struct segment, live)->used;
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    return used > local->options.first_segment_bytes / 4 || atomic_load(&local->pack_bytes) > 0;
}

enum rc keeper_new(struct local *local, const struct keeper_start *start, struct keeper **out,
                   struct err *err)
{
    struct keeper *keeper = xcalloc(1, sizeof(*keeper));
    pthread_condattr_t attr;

    keeper->local = local;
    keeper->key = start->key;
    keeper->next = start->first;
    keeper->next_number = start->first->number + 1;
    keeper->next_bytes = MIN(start->first->bytes * SEGMENT_GROWTH, local->share);
    keeper->next_spare = start->next_spare;
    keeper->n_spares = MIN(start->n_spares, (size_t) SPARES_MAX);
    if (keeper->n_spares > 0)
        memcpy(keeper->spares, start->spares, keeper->n_spares * sizeof(keeper->spares[0]));
    (void) pthread_mutex_init(&keeper->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&keeper->work, &attr);
    (void) pthread_cond_init(&keeper->ready, NULL);
    (void) pthread_condattr_destroy(&attr);
    if (pthread_create(&keeper->thread, NULL, keeper_main, keeper) != 0) {
        keeper_free(keeper);
        return err_set(err, RC_UNAVAILABLE, "No threads left", "keeper: pthread_create");
    }
    keeper->has_thread = true;
    *out = keeper;
    return RC_OK;
}

void keeper_begin(struct keeper *keeper)
{
    bool is_wanted = has_grown(keeper->local);

    (void) pthread_mutex_lock(&keeper->lock);
    keeper->wants_reserve = keeper->wants_reserve || is_wanted;
    (void) pthread_cond_signal(&keeper->work);
    (void) pthread_mutex_unlock(&keeper->lock);
}

void keeper_stop(struct keeper *keeper)
{
    (void) pthread_mutex_lock(&keeper->lock);
    keeper->is_stopping = true;
    (void) pthread_cond_signal(&keeper->work);
    (void) pthread_mutex_unlock(&keeper->lock);
    if (keeper->has_thread)
        (void) pthread_join(keeper->thread, NULL);
    keeper->has_thread = false;
}

void keeper_free(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    segment_free(keeper->next);
    (void) pthread_cond_destroy(&keeper->work);
    (void) pthread_cond_destroy(&keeper->ready);
    (void) pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}
