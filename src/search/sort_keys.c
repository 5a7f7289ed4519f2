#include "search/sort_keys.h"

#include "base/random.h"
#include "mailbox/memory.h"
#include "search/key_blob.h"
#include "search/sort_items.h"

#define ACCOUNT_WIDE   0u    /* on the shelf: of no mailbox */
#define SLICE_MESSAGES 512u  /* digests read between two looks around */
#define FEW_PARTS      4u    /* less than this part of the columns: what is theirs alone */
#define SLACK_ROWS     4096u /* of dead bodies beside as many as there are messages */

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
        keys->n_rows += segments[i]->n;
        keys->thing.bytes += segments[i]->bytes + sizeof(void *) +
                             ((size_t) segments[i]->n_texts + segments[i]->n_ids) *
                                 sizeof(uint32_t); /* ranks and numbers to come */
    }
    return keys;
}

/* ---- ranks ---- */

static struct slice text_of(const struct key_rows *rows, uint32_t at, enum key_text text)
{
    const struct key_segment *segment = key_segment_of(rows, at);

    return key_segment_text(segment, segment->text[text][rows->places[at].row]);
}

static const uint32_t *all_ranks(struct sort_keys *keys)
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

/* Of a few rows: their texts alone are put in order, and the empty one. */
static uint32_t *few_ranks(const struct key_rows *rows, enum key_text text, uint32_t *out_n)
{
    AUTO(freep) struct slice *texts = xcalloc((size_t) rows->n + 1, sizeof(*texts));
    uint32_t *ranks = xcalloc((size_t) rows->n + 1, sizeof(*ranks));

    for (uint32_t i = 0; i < rows->n; i++)
        texts[i] = text_of(rows, i, text);
    texts[rows->n] = SLICE("");
    sort_ranks(texts, (size_t) rows->n + 1, ranks);
    *out_n = rows->n + 1;
    return ranks;
}

uint32_t *key_rows_ranks(const struct key_rows *rows, enum key_text text, uint32_t *out_n)
{
    const struct sort_keys *keys = rows->keys;
    const uint32_t *all;
    uint32_t *ranks;

    if ((uint64_t) rows->n * FEW_PARTS < keys->n_rows)
        return few_ranks(rows, text, out_n);
    all = all_ranks(rows->keys);
    ranks = xcalloc((size_t) rows->n + 1, sizeof(*ranks));
    for (uint32_t i = 0; i < rows->n; i++) {
        struct key_place place = rows->places[i];

        ranks[i] = all[keys->text_base[place.segment] +
                       keys->segments[place.segment]->text[text][place.row]];
    }
    *out_n = keys->n_texts;
    return ranks;
}

/* ---- numbers of ids ---- */

/* All zero. */
static struct key_numbers *numbers_new(const struct sort_keys *keys)
{
    struct key_numbers *numbers;
    size_t n = 0;

    for (uint32_t i = 0; i < keys->n_segments; i++)
        n += keys->segments[i]->n_ids;
    numbers = xcalloc(1, sizeof(*numbers) + (n + keys->n_segments + 1) * sizeof(uint32_t));
    numbers->base = &numbers->at[n];
    n = 0;
    for (uint32_t i = 0; i < keys->n_segments; i++) {
        numbers->base[i] = (uint32_t) n;
        n += keys->segments[i]->n_ids;
    }
    return numbers;
}

static void number_id(struct key_numbers *numbers, struct key_names *names,
                      const struct sort_keys *keys, uint32_t segment, uint32_t id)
{
    uint32_t *at = &numbers->at[numbers->base[segment] + id];
    bool is_new;

    if (*at == 0)
        *at = key_names_number(names, keys->segments[segment]->ids[id], &is_new) + 1;
}

static struct key_numbers *number_all(const struct sort_keys *keys)
{
    struct key_numbers *numbers = numbers_new(keys);
    struct key_names names;

    key_names_start(&names);
    for (uint32_t i = 0; i < keys->n_segments; i++)
        for (uint32_t k = 0; k < keys->segments[i]->n_ids; k++)
            number_id(numbers, &names, keys, i, k);
    numbers->n = names.n;
    key_names_done(&names);
    return numbers;
}

static struct key_numbers *number_few(const struct key_rows *rows)
{
    struct key_numbers *numbers = numbers_new(rows->keys);
    struct key_names names;

    key_names_start(&names);
    for (uint32_t i = 0; i < rows->n; i++) {
        struct key_place place = rows->places[i];
        const struct key_segment *segment = rows->keys->segments[place.segment];
        const uint32_t *references = segment->references + segment->reference_at[place.row];

        if (segment->message_id[place.row] != KEY_NO_ID)
            number_id(numbers, &names, rows->keys, place.segment,
                      segment->message_id[place.row]);
        for (uint32_t k = 0; k < segment->n_references[place.row]; k++)
            number_id(numbers, &names, rows->keys, place.segment, references[k]);
    }
    numbers->n = names.n;
    key_names_done(&names);
    return numbers;
}

const struct key_numbers *key_rows_ids(const struct key_rows *rows, bool *is_own)
{
    struct key_numbers *numbers = atomic_load(&rows->keys->ids), *there = NULL;

    *is_own = numbers == NULL && (uint64_t) rows->n * FEW_PARTS < rows->keys->n_rows;
    if (*is_own)
        return number_few(rows);
    if (numbers != NULL)
        return numbers;
    numbers = number_all(rows->keys);
    if (atomic_compare_exchange_strong(&rows->keys->ids, &there, numbers))
        return numbers;
    free(numbers); /* somebody else was first */
    return there;
}

/* ---- joining segments ---- */

/* Each segment is at least twice as long as the next one: so each row is copied a few times at
 * most, whatever the number of mails that come. */
static struct sort_keys *extend(const struct sort_keys *have, struct key_segment *more)
{
    uint32_t n = have != NULL ? have->n_segments : 0;
    struct key_segment **segments = xcalloc((size_t) n + 1, sizeof(struct key_segment *));
    uint64_t seed = more->seed;

    for (uint32_t i = 0; i < n; i++)
        segments[i] = key_segment_ref(have->segments[i]);
    segments[n++] = more;
    while (n > 1 && (uint64_t) segments[n - 1]->n * 2 > segments[n - 2]->n) {
        struct key_segment *joined = key_segments_join(segments[n - 2], segments[n - 1]);

        key_segment_unref(segments[n - 2]);
        key_segment_unref(segments[n - 1]);
        segments[n-- - 2] = joined;
    }
    return keys_new(segments, n, seed);
}

/* ---- finding rows ---- */

/* hint: the row found last; the next message's is mostly behind it. */
static bool find_row(const struct sort_keys *keys, uint64_t body_id, struct key_place *hint)
{
    struct key_place place = {hint->segment, hint->row + 1};

    if (key_segment_find(keys->segments[place.segment], body_id, &place.row)) {
        *hint = place;
        return true;
    }
    for (place.segment = 0; place.segment < keys->n_segments; place.segment++) {
        if (place.segment == hint->segment ||
            !key_segment_find(keys->segments[place.segment], body_id, &place.row))
            continue;
        *hint = place;
        return true;
    }
    return false;
}

struct key_rows keys_work_rows(const struct keys_work *work)
{
    struct key_place *places = ARENA_ARRAY(work->arena, struct key_place, work->n);
    int64_t *sent = ARENA_ARRAY(work->arena, int64_t, work->n);
    int64_t *arrival = ARENA_ARRAY(work->arena, int64_t, work->n);
    uint32_t *size = ARENA_ARRAY(work->arena, uint32_t, work->n);
    struct key_place hint = {0, 0};

    for (uint32_t i = 0; i < work->n; i++) {
        const struct msg_cold *cold = work->cold[i];
        const struct key_segment *segment;

        if (!find_row(work->keys, cold->body_id, &hint))
            die("sort_keys: a message without a row");
        places[i] = hint;
        segment = work->keys->segments[hint.segment];
        arrival[i] = cold->internaldate;
        size[i] = cold->size;
        sent[i] = (segment->flags[hint.row] & KEY_HAS_SENT) != 0 ? segment->sent[hint.row]
                                                                 : cold->internaldate;
    }
    return (struct key_rows){work->n, work->keys, places, sent, arrival, size};
}

/* ---- the work ---- */

static uint64_t messages_in(const struct mbox_view *view)
{
    return acct_usage(view_state(view)).messages;
}

/* What is stored of them; NULL: nothing. */
static struct sort_keys *load_stored(const struct mbox_view *view)
{
    struct account *account = view_account(view);
    struct engine *engine = mail_store_engine(account_store(account));
    struct key_blob blobs[KEY_BLOBS_MAX + 1];
    size_t n = key_blobs_load(engine, account_id(account), false, blobs);
    struct key_segment **segments;
    struct sort_keys *keys;

    if (n == 0)
        return NULL;
    segments = xcalloc(n, sizeof(struct key_segment *));
    for (size_t i = 0; i < n; i++)
        segments[i] = blobs[i].segment;
    keys = keys_new(segments, (uint32_t) n, segments[0]->seed);
    shelf_put(account, ACCOUNT_WIDE, SHELF_SORT_KEYS, &keys->thing);
    return keys;
}

/* Columns that are mostly of bodies that are gone are as good as none. */
static struct sort_keys *take_kept(const struct mbox_view *view)
{
    struct shelf_thing *thing = shelf_take(view_account(view), ACCOUNT_WIDE, SHELF_SORT_KEYS);
    struct sort_keys *keys;

    if (thing == NULL)
        return load_stored(view);
    keys = LINK_OWNER(thing, struct sort_keys, thing);
    if (keys->n_rows <= 2 * messages_in(view) + SLACK_ROWS)
        return keys;
    shelf_unref(thing);
    return NULL;
}

/* The rows of the messages themselves. */
static enum rc read_cold(struct keys_work *work, const uint32_t *uids, struct err *err)
{
    const struct mbox *mbox = view_mbox(work->view);
    struct account *account = view_account(work->view);
    uint32_t index = 0, n = mbox_counts(mbox)->messages;

    work->cold = ARENA_ARRAY(work->arena, const struct msg_cold *, work->n);
    for (uint32_t i = 0; i < work->n; i++, index++) {
        enum rc rc;

        if (index >= n || mbox_uid(mbox, index) != uids[i])
            index = mbox_lower_bound(mbox, uids[i]);
        rc = account_need_rows(account, view_state(work->view), mbox, index, index, err);
        if (rc)
            return rc;
        work->cold[i] = mbox_cold(mbox, index);
    }
    return RC_OK;
}

/* The bodies that have no row, each once. */
static void find_wants(struct keys_work *work)
{
    AUTO(freep) struct sort_item *items = xmalloc(((size_t) work->n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(((size_t) work->n + 1) * sizeof(*room));
    struct key_place hint = {0, 0};
    size_t n = 0;

    for (uint32_t i = 0; i < work->n; i++)
        if (work->keys == NULL || !find_row(work->keys, work->cold[i]->body_id, &hint))
            items[n++] = (struct sort_item){work->cold[i]->body_id, i};
    sort_items(items, room, n);
    work->wants = ARENA_ARRAY(work->arena, struct digest_want, n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || items[i].key != items[i - 1].key)
            work->wants[work->n_wants++] =
                (struct digest_want){items[i].key, work->cold[items[i].at]->size};
}

static enum rc start_comparison(struct keys_work *work, unsigned comparator, uint32_t texts,
                                struct err *err)
{
    work->is_own = comparator != COMPARATOR_DEFAULT;
    work->by = (struct key_comparison){.kind = comparator_kind(comparator), .texts = texts};
    return work->by.kind == COMPARATOR_LANGUAGE
               ? collator_open(comparator, &work->by.collator, err)
               : RC_OK;
}

/* `more`: beside what each message takes. */
static void note_work(struct keys_work *work, size_t more)
{
    memory_note_work(work->store, &work->noted, work->n * SORT_ROW_BYTES + more);
}

enum rc keys_work_start(struct keys_work *work, const struct mbox_view *view,
                        const uint32_t *uids, uint32_t n, unsigned comparator, uint32_t texts,
                        struct arena *arena, struct err *err)
{
    enum rc rc;

    *work = (struct keys_work){
        .view = view, .n = n, .arena = arena, .store = account_store(view_account(view))};
    rc = read_cold(work, uids, err);
    if (!rc)
        rc = start_comparison(work, comparator, texts, err);
    if (rc)
        return rc;
    if (!work->is_own)
        work->keys = take_kept(view);
    note_work(work, 0);
    find_wants(work);
    if (work->n_wants == 0 && work->keys != NULL)
        return RC_OK;
    key_maker_start(&work->maker, work->n_wants,
                    work->keys != NULL ? work->keys->seed : random_id());
    work->is_making = true;
    if (work->is_own)
        work->maker.by = &work->by;
    return RC_OK;
}

static void set_row(void *ctx, size_t at, const struct digest *digest)
{
    struct keys_work *work = ctx;
    uint32_t row = work->done + (uint32_t) at;

    key_maker_set(&work->maker, row, work->wants[row].body_id, digest);
}

static void keep(struct keys_work *work)
{
    struct key_segment *segment = key_maker_finish(&work->maker, work->n_wants);
    struct sort_keys *keys;

    work->is_making = false;
    note_work(work, 2 * (segment->bytes + (work->keys != NULL ? work->keys->thing.bytes : 0)));
    keys = extend(work->keys, segment);
    note_work(work, work->is_own ? keys->thing.bytes : 0); /* else they are the shelf's */
    if (work->keys != NULL)
        shelf_unref(&work->keys->thing);
    work->keys = keys;
    if (keys->n_rows > 0 && !work->is_own)
        shelf_put(view_account(work->view), ACCOUNT_WIDE, SHELF_SORT_KEYS, &keys->thing);
}

enum rc keys_work_go(struct keys_work *work, struct err *err)
{
    uint32_t n = MIN(work->n_wants - work->done, SLICE_MESSAGES);
    enum rc rc;

    if (!work->is_making)
        return RC_OK;
    rc = account_scan_digests(view_account(work->view), work->wants + work->done, n, set_row,
                              work, err);
    if (rc)
        return rc;
    work->done += n;
    note_work(work, key_maker_bytes(&work->maker));
    if (work->done < work->n_wants)
        return RC_MORE;
    keep(work);
    return RC_OK;
}

void keys_work_done(struct keys_work *work)
{
    if (work->is_making)
        key_maker_done(&work->maker);
    memory_note_work(work->store, &work->noted, 0);
    if (work->keys != NULL)
        shelf_unref(&work->keys->thing);
    collator_close(TAKE(work->by.collator));
    work->keys = NULL;
    work->is_making = false;
}
