#include "search/sort_keys.h"

#include "base/random.h"
#include "mailbox/digest_scan.h"
#include "search/sort_items.h"

#define SLICE_MESSAGES 512u  /* digests read between two looks around */
#define FEW_PARTS      16u   /* less than this part of a mailbox: columns of those alone */
#define SLACK_ROWS     1024u /* of expunged messages beside as many as there are messages */

/* ---- what there is ---- */

static void keys_free(struct shelf_thing *thing)
{
    struct sort_keys *keys = LINK_OWNER(thing, struct sort_keys, thing);

    for (uint32_t i = 0; i < keys->n_segments; i++)
        key_segment_unref(keys->segments[i]);
    free(keys->segments);
    free(keys->text_base);
    free(atomic_load(&keys->ranks));
    free(atomic_load(&keys->ids));
    free(keys);
}

/* Takes the references over; of each segment the texts get a base. */
static struct sort_keys *keys_new(struct key_segment **segments, uint32_t n, uint64_t seed)
{
    struct sort_keys *keys = xcalloc(1, sizeof(*keys));

    atomic_init(&keys->thing.refs, 1);
    keys->thing.free = keys_free;
    keys->seed = seed;
    keys->segments = segments;
    keys->n_segments = n;
    keys->text_base = xcalloc((size_t) n + 1, sizeof(*keys->text_base));
    keys->thing.bytes = sizeof(*keys);
    for (uint32_t i = 0; i < n; i++) {
        keys->text_base[i] = keys->n_texts;
        keys->n_texts += segments[i]->n_texts;
        keys->thing.bytes += segments[i]->bytes + sizeof(void *) +
                             ((size_t) segments[i]->n_texts + segments[i]->n_ids) *
                                 sizeof(uint32_t); /* ranks and numbers to come */
    }
    return keys;
}

const uint32_t *sort_keys_ranks(struct sort_keys *keys)
{
    uint32_t *ranks = atomic_load(&keys->ranks), *there = NULL;
    AUTO(freep) struct slice *texts = NULL;

    if (ranks != NULL)
        return ranks;
    texts = xcalloc((size_t) keys->n_texts + 1, sizeof(*texts));
    ranks = xcalloc((size_t) keys->n_texts + 1, sizeof(*ranks));
    for (uint32_t i = 0; i < keys->n_segments; i++)
        for (uint32_t k = 0; k < keys->segments[i]->n_texts; k++)
            texts[keys->text_base[i] + k] = key_segment_text(keys->segments[i], k);
    sort_ranks(texts, keys->n_texts, ranks);
    if (atomic_compare_exchange_strong(&keys->ranks, &there, ranks))
        return ranks;
    free(ranks); /* somebody else was first */
    return there;
}

const struct key_numbers *sort_keys_ids(struct sort_keys *keys)
{
    struct key_numbers *numbers = atomic_load(&keys->ids), *there = NULL;
    struct key_names names;
    size_t n = 0;

    if (numbers != NULL)
        return numbers;
    for (uint32_t i = 0; i < keys->n_segments; i++)
        n += keys->segments[i]->n_ids;
    numbers = xmalloc(sizeof(*numbers) + (n + keys->n_segments + 1) * sizeof(uint32_t));
    numbers->base = &numbers->at[n];
    key_names_start(&names);
    n = 0;
    for (uint32_t i = 0; i < keys->n_segments; i++) {
        const struct key_segment *segment = keys->segments[i];
        bool is_new;

        numbers->base[i] = (uint32_t) n;
        for (uint32_t k = 0; k < segment->n_ids; k++)
            numbers->at[n++] = keys->n_segments == 1
                                   ? k + 1
                                   : key_names_number(&names, segment->ids[k], &is_new) + 1;
    }
    numbers->n = keys->n_segments == 1 ? keys->segments[0]->n_ids : names.n;
    key_names_done(&names);
    if (atomic_compare_exchange_strong(&keys->ids, &there, numbers))
        return numbers;
    free(numbers);
    return there;
}

/* ---- joining segments ---- */

/* The rows of both whose messages are still there, as one. */
static struct key_segment *join(const struct mbox *mbox, struct key_segment *const *from,
                                uint32_t n_from, uint64_t seed)
{
    struct key_maker maker;
    uint32_t rows = 0, n = 0, index;

    for (uint32_t i = 0; i < n_from; i++)
        rows += from[i]->n;
    key_maker_start(&maker, rows, seed);
    for (uint32_t i = 0; i < n_from; i++)
        for (uint32_t row = 0; row < from[i]->n; row++)
            if (mbox_find(mbox, from[i]->uid[row], &index))
                key_maker_copy(&maker, n++, from[i], row);
    return key_maker_finish(&maker, n);
}

/* The last `last` of n segments become one; the new number of segments. */
static uint32_t join_last(const struct mbox *mbox, struct key_segment **segments, uint32_t n,
                          uint32_t last, uint64_t seed)
{
    struct key_segment *joined = join(mbox, segments + n - last, last, seed);

    for (uint32_t i = n - last; i < n; i++)
        key_segment_unref(segments[i]);
    segments[n - last] = joined;
    return n - last + 1;
}

/* Each segment is at least twice as long as the next one: so each row is copied a few times at
 * most, whatever the number of mails that come. */
static struct sort_keys *extend(const struct sort_keys *have, struct key_segment *more,
                                const struct mbox *mbox, uint64_t seed)
{
    uint32_t n = have != NULL ? have->n_segments : 0, rows = more->n;
    struct key_segment **segments = xcalloc((size_t) n + 1, sizeof(struct key_segment *));

    for (uint32_t i = 0; i < n; i++) {
        segments[i] = key_segment_ref(have->segments[i]);
        rows += segments[i]->n;
    }
    segments[n++] = more;
    if (rows > 2 * (uint64_t) mbox_counts(mbox)->messages + SLACK_ROWS)
        n = join_last(mbox, segments, n, n, seed);
    while (n > 1 && (uint64_t) segments[n - 1]->n * 2 > segments[n - 2]->n)
        n = join_last(mbox, segments, n, 2, seed);
    return keys_new(segments, n, seed);
}

/* ---- finding rows ---- */

/* False: one of them has no row. out NULL: only asked. */
static bool find_places(const struct sort_keys *keys, const uint32_t *uids, uint32_t n,
                        struct key_place *out)
{
    struct key_place at = {0, 0};

    for (uint32_t i = 0; i < n; i++) {
        const struct key_segment *segment;

        for (;; at = (struct key_place){at.segment + 1, 0}) {
            if (at.segment == keys->n_segments)
                return false;
            segment = keys->segments[at.segment];
            if (segment->n > 0 && segment->uid[segment->n - 1] >= uids[i])
                break;
        }
        while (segment->uid[at.row] < uids[i])
            at.row++;
        if (segment->uid[at.row] != uids[i])
            return false;
        if (out != NULL)
            out[i] = at;
    }
    return true;
}

struct key_place *keys_work_places(const struct keys_work *work)
{
    struct key_place *places = ARENA_ARRAY(work->arena, struct key_place, work->n);
    bool found = find_places(work->keys, work->uids, work->n, places);

    if (!found)
        die("sort_keys: a message without a row");
    return places;
}

/* ---- the work ---- */

static struct sort_keys *take_kept(const struct mbox_view *view)
{
    struct shelf_thing *thing =
        shelf_take(view_account(view), view_mbox_id(view), SHELF_SORT_KEYS);
    struct sort_keys *keys;

    if (thing == NULL)
        return NULL;
    keys = LINK_OWNER(thing, struct sort_keys, thing);
    if (keys->uidvalidity == mbox_info(view_mbox(view))->uidvalidity)
        return keys;
    shelf_unref(thing);
    return NULL;
}

/* All that came behind what is kept. */
static void want_new(struct keys_work *work)
{
    const struct mbox *mbox = view_mbox(work->view);
    uint32_t n = mbox_counts(mbox)->messages, first = 0;

    if (work->keys != NULL && work->keys->upto_uid < UINT32_MAX)
        first = mbox_lower_bound(mbox, work->keys->upto_uid + 1);
    work->n_indexes = n - first;
    work->indexes = ARENA_ARRAY(work->arena, uint32_t, work->n_indexes);
    for (uint32_t i = 0; i < work->n_indexes; i++)
        work->indexes[i] = first + i;
    work->is_kept = true;
}

/* Only the messages asked for. */
static void want_those(struct keys_work *work)
{
    const struct mbox *mbox = view_mbox(work->view);

    work->indexes = ARENA_ARRAY(work->arena, uint32_t, work->n);
    for (uint32_t i = 0; i < work->n; i++)
        work->indexes[i] = mbox_lower_bound(mbox, work->uids[i]);
    work->n_indexes = work->n;
    work->is_kept = false;
}

/* Are those that are kept short of some message they should have? Then a session with an older
 * version asks, for a message that is expunged in a newer one. */
static bool lacks_old(const struct keys_work *work)
{
    uint32_t n = 0;

    while (n < work->n && work->uids[n] <= work->keys->upto_uid)
        n++;
    return !find_places(work->keys, work->uids, n, NULL);
}

void keys_work_start(struct keys_work *work, const struct mbox_view *view, const uint32_t *uids,
                     uint32_t n, struct arena *arena)
{
    uint32_t messages = mbox_counts(view_mbox(view))->messages;

    *work = (struct keys_work){.view = view, .uids = uids, .n = n, .arena = arena};
    work->keys = take_kept(view);
    if (work->keys != NULL && lacks_old(work)) {
        shelf_unref(&work->keys->thing);
        work->keys = NULL;
        want_those(work);
    } else if (work->keys == NULL && n < messages / FEW_PARTS) {
        want_those(work);
    } else {
        want_new(work);
    }
    if (work->n_indexes == 0 && work->keys != NULL)
        return;
    key_maker_start(&work->maker, work->n_indexes,
                    work->keys != NULL ? work->keys->seed : random_id());
    work->is_making = true;
}

struct slice_rows {
    struct keys_work *work;
    const struct mbox *mbox;
};

static void set_row(void *ctx, size_t at, const struct digest *digest)
{
    struct slice_rows *rows = ctx;
    struct keys_work *work = rows->work;
    uint32_t row = work->done + (uint32_t) at, index = work->indexes[row];

    key_maker_set(&work->maker, row, mbox_uid(rows->mbox, index), mbox_cold(rows->mbox, index),
                  digest);
}

static enum rc read_slice(struct keys_work *work, struct err *err)
{
    const struct mbox *mbox = view_mbox(work->view);
    struct account *account = view_account(work->view);
    uint32_t n = MIN(work->n_indexes - work->done, SLICE_MESSAGES);
    const uint32_t *indexes = work->indexes + work->done;
    struct digest_want wants[SLICE_MESSAGES];
    struct slice_rows rows = {work, mbox};
    enum rc rc = RC_OK;

    for (uint32_t i = 0; !rc && i < n; i++) {
        const struct msg_cold *cold;

        rc = account_need_rows(account, view_state(work->view), mbox, indexes[i], indexes[i],
                               err);
        if (rc)
            break;
        cold = mbox_cold(mbox, indexes[i]);
        wants[i] = (struct digest_want){cold->body_id, cold->size};
    }
    if (!rc)
        rc = account_scan_digests(account, wants, n, set_row, &rows, err);
    if (!rc)
        work->done += n;
    return rc;
}

static void keep(struct keys_work *work)
{
    const struct mbox *mbox = view_mbox(work->view);
    uint64_t seed = work->maker.seed;
    struct key_segment *segment = key_maker_finish(&work->maker, work->n_indexes);
    struct sort_keys *keys = extend(work->keys, segment, mbox, seed);

    work->is_making = false;
    keys->uidvalidity = mbox_info(mbox)->uidvalidity;
    keys->upto_uid = mbox_counts(mbox)->uidnext - 1;
    if (work->keys != NULL)
        shelf_unref(&work->keys->thing);
    work->keys = keys;
    if (work->is_kept)
        shelf_put(view_account(work->view), view_mbox_id(work->view), SHELF_SORT_KEYS,
                  &keys->thing);
}

enum rc keys_work_go(struct keys_work *work, struct err *err)
{
    enum rc rc = RC_OK;

    if (!work->is_making)
        return RC_OK;
    if (work->done < work->n_indexes)
        rc = read_slice(work, err);
    if (rc)
        return rc;
    if (work->done < work->n_indexes)
        return RC_MORE;
    keep(work);
    return RC_OK;
}

void keys_work_done(struct keys_work *work)
{
    if (work->is_making)
        key_maker_done(&work->maker);
    if (work->keys != NULL)
        shelf_unref(&work->keys->thing);
    work->keys = NULL;
    work->is_making = false;
}
