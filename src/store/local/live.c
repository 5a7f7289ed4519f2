/*
 * live.c - the sweep of one account: its places against the set of bodies that live.
 *
 * Order: (1) places in memory go, so that the packer's transaction finds a dead body without
 * one and gives it none in its pack; (2) places in packs go, a slice at a time. A body that the
 * packer moves meanwhile is caught by the one or the other. A crash in between leaves bodies
 * that are dead and have a place: the next sweep finds them, as it does those that recovery
 * finds in the journal once more.
 *
 * A body that lives and is found nowhere is looked for twice, in memory and in the state, since
 * it may be on its way from the one to the other.
 */
#include "store/local/live.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/local/ballast.h"
#include "store/local/compact.h"
#include "store/local/digests.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"
#include "store/local/stage.h"

#define SLICE_PLACES    256u  /* looked at under one hold of the index lock */
#define SLICE_ROWS      4096u /* looked at in one read of the state */
#define MISSING_LOG_MAX 16u   /* lines for one account */

struct sweep {
    struct local *local;
    uint64_t account;
    const struct live_set *set;
    uint64_t from;  /* body id: the next row to look at */
    size_t next_id; /* of set->ids */
    size_t n_seen;  /* in this slice */
    bool is_done;
    uint64_t *dead; /* SLICE_ROWS */
    size_t n_dead;
    uint64_t *lost; /* SLICE_ROWS: live, and no place in the state */
    size_t n_lost;
    uint64_t n_missing;
};

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool is_live(const struct live_set *set, uint64_t id)
{
    return id >= set->below ||
           (set->n > 0 && bsearch(&id, set->ids, set->n, sizeof(id), by_id) != NULL);
}

/* ---- in memory ---- */

/* Looks at the first n of the account's places, which go to the end of the list if they live.
 * With the index lock held. A place whose batch is still being written stays. */
static size_t drop_some(struct sweep *sweep, size_t n, struct spill **spills, size_t *n_spills)
{
    struct index *index = &sweep->local->index;
    struct account_entry *account = index_find_account(index, sweep->account);
    size_t seen = 0;

    while (account != NULL && seen < n && !list_is_empty(&account->places)) {
        struct place *place = LINK_OWNER(account->places.head.next, struct place, of_account);

        seen++;
        if (place->segment == NULL || is_live(sweep->set, place->body_id)) {
            list_remove(&place->of_account);
            list_push_back(&account->places, &place->of_account);
            continue;
        }
        sweep->dead[sweep->n_dead++] = place->body_id;
        spills[*n_spills] = index_drop_place(index, place);
        *n_spills += spills[*n_spills] != NULL;
    }
    return seen;
}

static size_t count_places(struct sweep *sweep)
{
    const struct account_entry *account;
    size_t n;

    (void) pthread_mutex_lock(&sweep->local->index.lock);
    account = index_find_account(&sweep->local->index, sweep->account);
    n = account != NULL ? account->n_places : 0;
    (void) pthread_mutex_unlock(&sweep->local->index.lock);
    return n;
}

/* A full disk is what the dead are counted for: that is worth some of the last reserve. */
static enum rc drop_dead(struct sweep *sweep, struct err *err)
{
    struct local *local = sweep->local;
    enum rc rc;

    for (size_t i = 0; i < sweep->n_dead; i++)
        digests_drop(local->digests, sweep->account, sweep->dead[i]);
    do
        rc = pack_rows_drop(local->state, sweep->account, sweep->dead, sweep->n_dead, err);
    while (rc == RC_FULL && ballast_give(local->ballast));
    return rc;
}

static enum rc sweep_memory(struct sweep *sweep, struct err *err)
{
    size_t left = count_places(sweep);
    enum rc rc = RC_OK;
    bool any = false;

    while (left > 0 && !rc) {
        struct spill *spills[SLICE_PLACES];
        size_t n_spills = 0, seen;

        sweep->n_dead = 0;
        (void) pthread_mutex_lock(&sweep->local->index.lock);
        seen = drop_some(sweep, MIN(left, (size_t) SLICE_PLACES), spills, &n_spills);
        (void) pthread_mutex_unlock(&sweep->local->index.lock);
        for (size_t i = 0; i < n_spills; i++)
            spill_remove(sweep->local, spills[i]);
        any = any || sweep->n_dead > 0;
        rc = drop_dead(sweep, err); /* a digest that was put in the state */
        left = seen == 0 ? 0 : left - seen;
    }
    if (any) {
        keeper_poke(sweep->local->keeper);
        journal_note_pressure(sweep->local->journal);
    }
    return rc;
}

/* ---- in packs ---- */

/* One row against the set; both ascend. Quick: a read transaction is open. */
static bool see_row(void *ctx, uint64_t id, const struct pack_place *place)
{
    struct sweep *sweep = ctx;
    const struct live_set *set = sweep->set;

    if (id >= set->below)
        return false;
    sweep->is_done = false;
    if (sweep->n_seen++ == SLICE_ROWS || sweep->n_lost == SLICE_ROWS)
        return false;
    while (sweep->next_id < set->n && set->ids[sweep->next_id] < id) {
        if (sweep->n_lost == SLICE_ROWS)
            return false;
        sweep->lost[sweep->n_lost++] = set->ids[sweep->next_id++];
    }
    sweep->from = id + 1;
    sweep->is_done = true;
    if (sweep->next_id == set->n || set->ids[sweep->next_id] != id)
        sweep->dead[sweep->n_dead++] = id;
    else if (place != NULL)
        sweep->next_id++;
    else
        sweep->lost[sweep->n_lost++] = set->ids[sweep->next_id++]; /* a damaged row */
    return true;
}

static bool is_somewhere(const struct sweep *sweep, uint64_t id)
{
    struct local *local = sweep->local;
    struct pack_place place;
    bool is_found;

    (void) pthread_mutex_lock(&local->index.lock);
    is_found = index_find_place(&local->index, sweep->account, id) != NULL;
    (void) pthread_mutex_unlock(&local->index.lock);
    return is_found ||
           checkpoint_find_place(local->state, sweep->account, id, &place, NULL) == RC_OK;
}

static void look_for_lost(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_lost; i++) {
        if (is_somewhere(sweep, sweep->lost[i]))
            continue;
        if (sweep->n_missing++ < MISSING_LOG_MAX)
            log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "place of a body"),
                      LOG_ID("account", sweep->account), LOG_NUM("body", sweep->lost[i]));
    }
}

static enum rc sweep_packs(struct sweep *sweep, struct err *err)
{
    enum rc rc;

    do {
        sweep->n_dead = sweep->n_lost = sweep->n_seen = 0;
        sweep->is_done = true;
        rc = checkpoint_each_place(sweep->local->state, sweep->account, sweep->from, see_row,
                                   sweep, err);
        if (!rc)
            rc = drop_dead(sweep, err);
        if (!rc)
            look_for_lost(sweep);
    } while (!rc && !sweep->is_done);
    return rc;
}

/* What is left of the set has ids above the last row. */
static void sweep_rest(struct sweep *sweep)
{
    const struct live_set *set = sweep->set;

    while (sweep->next_id < set->n) {
        sweep->n_lost = 0;
        while (sweep->next_id < set->n && sweep->n_lost < SLICE_ROWS)
            sweep->lost[sweep->n_lost++] = set->ids[sweep->next_id++];
        look_for_lost(sweep);
    }
}

static bool is_gone(struct local *local, uint64_t account)
{
    uint64_t lsn;

    return checkpoint_lsn(local->state, account, &lsn, NULL) == RC_NOT_FOUND &&
           checkpoint_is_removed(local->state, account);
}

enum rc live_keep(struct local *local, uint64_t account, const struct live_set *set,
                  uint64_t *out_missing, struct err *err)
{
    AUTO(freep) uint64_t *dead = xcalloc(MAX(SLICE_ROWS, SLICE_PLACES), sizeof(*dead));
    AUTO(freep) uint64_t *lost = xcalloc(SLICE_ROWS + 1, sizeof(*lost));
    struct sweep sweep = {
        .local = local, .account = account, .set = set, .dead = dead, .lost = lost};
    enum rc rc;

    if (is_gone(local, account))
        return err_set(err, RC_NOT_FOUND, "No such data", "account %016llx was removed",
                       (unsigned long long) account);
    rc = sweep_memory(&sweep, err);
    if (!rc)
        rc = sweep_packs(&sweep, err);
    if (rc)
        return rc;
    sweep_rest(&sweep);
    if (is_gone(local, account))
        sweep.n_missing = 0; /* removed meanwhile */
    compactor_poke(local->compactor);
    rc = checkpoint_put_swept(local->state, account, err);
    if (rc)
        return rc;
    *out_missing = sweep.n_missing;
    return RC_OK;
}

/* ---- who was not judged for long ---- */

#define ASK_LOOK_MAX 1024u /* accounts looked at in one call */

struct ask_walk {
    uint64_t accounts[ASK_LOOK_MAX];
    size_t n;
};

static bool see_account(void *ctx, uint64_t account)
{
    struct ask_walk *walk = ctx;

    walk->accounts[walk->n++] = account;
    return walk->n < ASK_LOOK_MAX;
}

static bool is_due(struct local *local, uint64_t account)
{
    int64_t swept;

    return checkpoint_swept(local->state, account, &swept, NULL) != RC_OK ||
           clock_wall_sec() - swept > LIVE_MAX_AGE_SEC || swept > clock_wall_sec();
}

void live_ask(struct local *local, struct live_asker *asker)
{
    AUTO(freep) struct ask_walk *walk = xcalloc(1, sizeof(*walk));
    struct engine_events events;
    unsigned n_asked = 0;

    (void) pthread_mutex_lock(&local->index.lock);
    events = local->events;
    (void) pthread_mutex_unlock(&local->index.lock);
    if (events.live_wanted == NULL ||
        (asker->last_us != 0 && clock_mono_us() - asker->last_us < LIVE_ASK_MS * 1000))
        return;
    asker->last_us = clock_mono_us();
    if (checkpoint_list_from(local->state, asker->next_account, see_account, walk, NULL))
        return;
    asker->next_account = 0; /* the end was reached, if it is not set again */
    for (size_t i = 0; i < walk->n && n_asked < LIVE_ASK_MAX; i++) {
        if (is_due(local, walk->accounts[i])) {
            events.live_wanted(events.ctx, walk->accounts[i]);
            n_asked++;
        }
        if (i + 1 < walk->n || walk->n == ASK_LOOK_MAX)
            asker->next_account = walk->accounts[i] + 1;
        else
            asker->next_account = 0;
    }
}

/* ---- figures ---- */

struct space_walk {
    struct account_space space;
    uint64_t from;
    size_t n;
};

static bool add_place(void *ctx, uint64_t id, const struct pack_place *place)
{
    struct space_walk *walk = ctx;

    if (walk->n++ == SLICE_ROWS)
        return false;
    walk->from = id + 1;
    if (place == NULL)
        return true;
    if ((id & PACK_PART_BIT) == 0) {
        walk->space.bodies++;
        walk->space.raw_bytes += place->length;
    }
    walk->space.stored_bytes += place->stored;
    return true;
}

enum rc live_space(struct local *local, uint64_t account, struct account_space *out,
                   struct err *err)
{
    struct space_walk walk = {0};
    const struct account_entry *entry;

    do {
        enum rc rc;

        walk.n = 0;
        rc = checkpoint_each_place(local->state, account, walk.from, add_place, &walk, err);
        if (rc)
            return rc;
    } while (walk.n > SLICE_ROWS);
    (void) pthread_mutex_lock(&local->index.lock);
    entry = index_find_account(&local->index, account);
    if (entry != NULL) {
        walk.space.bodies += entry->n_places;
        walk.space.raw_bytes += entry->place_bytes;
        walk.space.stored_bytes += entry->place_bytes;
    }
    (void) pthread_mutex_unlock(&local->index.lock);
    *out = walk.space;
    return RC_OK;
}
