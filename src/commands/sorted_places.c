#include "commands/sorted_places.h"

#include "search/sort_items.h"

#define ROUND_ARENA_BYTES ((size_t) 1 << 30)
#define PIVOTS            16u /* of one new message, in one round */
#define MANY_PART         32u /* more new ones than this part of the old: one round with all */

void sorted_places_start(struct sorted_places *places, const struct mbox_view *view,
                         const struct sorting *sorting, const struct uid_order *order,
                         const uint32_t *uids, uint32_t n, struct arena *arena)
{
    *places = (struct sorted_places){
        .view = view,
        .sorting = sorting,
        .order = order,
        .arena = arena,
        .uids = uids,
        .n = n,
        .low = ARENA_ARRAY(arena, uint32_t, n),
        .high = ARENA_ARRAY(arena, uint32_t, n),
        .rank = ARENA_ARRAY(arena, uint32_t, n),
    };
    for (uint32_t i = 0; i < n; i++)
        places->high[i] = order->n;
}

void sorted_places_done(struct sorted_places *places)
{
    if (places->is_working)
        keys_work_done(&places->work);
    places->is_working = false;
    arena_free(places->round);
    places->round = NULL;
}

/* ---- a round ---- */

static bool takes_all(const struct sorted_places *places)
{
    return places->order->n <= PIVOTS || places->n > places->order->n / MANY_PART;
}

static bool is_narrow(const struct sorted_places *places, uint32_t at)
{
    return places->low[at] >= places->high[at];
}

/* Places of old messages to be sorted with the new ones, as keys; not yet each once. */
static uint32_t choose_pivots(struct sorted_places *places, struct sort_item *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; takes_all(places) && i < places->order->n; i++)
        out[n++].key = i;
    for (uint32_t i = 0; !takes_all(places) && i < places->n; i++) {
        uint32_t room = places->high[i] - places->low[i];

        if (is_narrow(places, i))
            continue;
        for (uint32_t k = 0; k < MIN(room, PIVOTS); k++)
            out[n++].key = places->low[i] + (uint64_t) room * k / MIN(room, PIVOTS);
    }
    return n;
}

static uint32_t room_for_pivots(const struct sorted_places *places)
{
    return takes_all(places) ? places->order->n : places->n * PIVOTS;
}

/* The rows of the round by uid: pivots, each once, and all new ones. */
static void choose_rows(struct sorted_places *places)
{
    size_t room = (size_t) room_for_pivots(places) + places->n;
    struct sort_item *items = ARENA_ARRAY(places->round, struct sort_item, room);
    struct sort_item *space = ARENA_ARRAY(places->round, struct sort_item, room);
    uint32_t n_pivots = choose_pivots(places, items), n = 0;
    uint32_t *list = NULL;

    if (takes_all(places)) {
        list = ARENA_ARRAY(places->round, uint32_t, places->order->n);
        uid_order_list(places->order, list);
    }
    sort_items(items, space, n_pivots);
    for (uint32_t i = 0; i < n_pivots; i++) {
        uint32_t at = (uint32_t) items[i].key;

        if (i > 0 && items[i].key == items[i - 1].key)
            continue;
        space[n++] =
            (struct sort_item){list != NULL ? list[at] : uid_order_at(places->order, at), at};
    }
    for (uint32_t i = 0; i < places->n; i++)
        space[n++] = (struct sort_item){places->uids[i], places->order->n + i};
    sort_items(space, items, n);
    places->rows = space;
    places->row_uids = ARENA_ARRAY(places->round, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        places->row_uids[i] = (uint32_t) space[i].key;
    places->n_rows = n;
}

static enum rc start_round(struct sorted_places *places, struct err *err)
{
    enum rc rc;

    arena_free(places->round);
    places->round = arena_new(ROUND_ARENA_BYTES);
    choose_rows(places);
    rc = keys_work_start(&places->work, places->view, places->row_uids, places->n_rows,
                         places->sorting->comparator.number, sorting_texts(places->sorting),
                         places->round, err);
    places->is_working = rc == RC_OK;
    return rc;
}

/* What the round says: each new one goes behind the old one sorted before it, and not behind
 * the next. */
static void narrow(struct sorted_places *places)
{
    struct key_rows rows = keys_work_rows(&places->work);
    uint32_t *sorted = ARENA_ARRAY(places->round, uint32_t, places->n_rows);
    uint32_t old = places->order->n, bound = 0, n_new = 0;

    sorting_order(places->sorting, places->view, &rows, places->row_uids, sorted);
    for (uint32_t i = 0; i < places->n_rows; i++) {
        uint32_t at = places->rows[sorted[i]].at;

        if (at < old) {
            bound = at + 1;
            continue;
        }
        places->low[at - old] = MAX(places->low[at - old], bound);
        places->rank[at - old] = n_new++;
    }
    bound = old;
    for (uint32_t i = places->n_rows; i > 0; i--) {
        uint32_t at = places->rows[sorted[i - 1]].at;

        if (at < old)
            bound = at;
        else
            places->high[at - old] = MIN(places->high[at - old], bound);
    }
}

static bool all_are_narrow(const struct sorted_places *places)
{
    for (uint32_t i = 0; i < places->n; i++)
        if (!is_narrow(places, i))
            return false;
    return true;
}

enum rc sorted_places_go(struct sorted_places *places, struct err *err)
{
    enum rc rc = RC_OK;

    do { /* the first round always: it ranks the new ones */
        if (!places->is_working)
            rc = start_round(places, err);
        if (rc == RC_OK)
            rc = keys_work_go(&places->work, err);
        if (rc)
            return rc;
        narrow(places);
        keys_work_done(&places->work);
        places->is_working = false;
    } while (!all_are_narrow(places));
    return RC_OK;
}

void sorted_places_take(const struct sorted_places *places, uint32_t *uids, uint32_t *positions)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < places->n; i++) {
        uids[places->rank[i]] = places->uids[i];
        positions[places->rank[i]] = places->low[i];
    }
    for (uint32_t i = 0; i < places->n; i++) { /* those behind are never before */
        before = MAX(before, positions[i]);
        positions[i] = MIN(before, places->order->n) + i;
    }
}
