/*
 * mbox_write.c - changes of a mailbox's messages.
 *
 * The mailbox given is the writer's own; chunks below it may be shared and are copied where a
 * row that somebody can see changes. Counts, and what each slot says of its chunk, are kept
 * with every step, so nothing is ever counted again.
 */
#include <assert.h>

#include "account/mbox.h"

/* Neighbours that together hold no more than this are joined after an expunge, if the cold rows
 * of both are in memory, as those of the chunks that the expunge concerns are. So a mailbox of
 * m messages has at most 2 m / CHUNK_JOIN_MESSAGES + 1 chunks, whatever came and went since it
 * was loaded. */
#define CHUNK_JOIN_MESSAGES (CHUNK_MESSAGES / 2)

struct mbox_places *mbox_places_new(size_t n)
{
    struct mbox_places *places = xcalloc(1, sizeof(*places) + n * sizeof(struct page_place));

    counted_init(&places->counted);
    places->first_unseen = UNSEEN_NOT_KNOWN;
    places->n = n;
    return places;
}

size_t mbox_places_behind(const struct mbox_places *places)
{
    return places->n_expunged + places->n_overlays + places->n_annotations;
}

const struct page_place *mbox_places_last_chunk(const struct mbox_places *places)
{
    const struct page_place *at = places->at;

    if (places->n_chunks == 0)
        return NULL;
    for (size_t i = 1; i < places->n_chunks; i++)
        at += 1 + at->n_cold;
    return at;
}

static void places_unref(struct mbox_places *places)
{
    if (places != NULL && counted_drop(&places->counted))
        free(places);
}

struct mbox *mbox_new(struct info_object *info)
{
    struct mbox *mbox = xcalloc(1, sizeof(*mbox));

    counted_init(&mbox->counted);
    mbox->info = info;
    mbox->loaded = true;
    return mbox;
}

/* Give up what a loaded mailbox holds of its messages. */
static void drop_messages(struct mbox *mbox)
{
    for (size_t i = 0; i < mbox->n_slots; i++)
        chunk_unref(mbox->slots[i].chunk);
    free(mbox->slots);
    mbox->slots = NULL;
    mbox->n_slots = 0;
    expunged_done(&mbox->expunged);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        overlay_unref(mbox->overlays[i]);
    free(mbox->overlays);
    mbox->overlays = NULL;
    mbox->n_overlays = 0;
    annotations_unref(mbox->annotations);
    mbox->annotations = NULL;
}

void mbox_free_item(struct counted *item)
{
    struct mbox *mbox = (struct mbox *) (void *) item;

    drop_messages(mbox);
    places_unref(mbox->places);
    kept_log_unref(mbox->kept);
    info_object_unref(mbox->info);
    free(mbox);
}

struct mbox *mbox_ref(const struct mbox *mbox)
{
    union {
        const struct mbox *shared;
        struct mbox *counted;
    } same = {.shared = mbox};

    counted_take(&same.counted->counted);
    return same.counted;
}

void mbox_unref(struct mbox *mbox)
{
    if (mbox != NULL && counted_drop(&mbox->counted))
        mbox_free_item(&mbox->counted);
}

void mbox_unrefp(struct mbox **mbox)
{
    mbox_unref(*mbox);
    *mbox = NULL;
}

struct mbox *mbox_copy(const struct mbox *mbox)
{
    struct mbox *copy = xmalloc(sizeof(*copy));

    *copy = (struct mbox){
        .loaded = mbox->loaded,
        .info = mbox->info,
        .counts = mbox->counts,
        .n_slots = mbox->n_slots,
        .expunged = expunged_copy(&mbox->expunged),
        .n_overlays = mbox->n_overlays,
        .places = mbox->places,
        .annotations = annotations_ref(mbox->annotations),
        .kept = kept_log_ref(mbox->kept),
        .end = mbox->end,
    };
    counted_init(&copy->counted);
    info_object_ref(copy->info);
    if (copy->places != NULL)
        counted_take(&copy->places->counted);
    if (copy->n_slots > 0)
        copy->slots = xmalloc(copy->n_slots * sizeof(*copy->slots));
    for (size_t i = 0; i < copy->n_slots; i++) {
        copy->slots[i] = mbox->slots[i];
        chunk_ref(copy->slots[i].chunk);
    }
    if (copy->n_overlays > 0)
        copy->overlays = xmalloc(copy->n_overlays * sizeof(struct overlay *));
    for (size_t i = 0; i < copy->n_overlays; i++) {
        copy->overlays[i] = mbox->overlays[i];
        overlay_ref(copy->overlays[i]);
    }
    return copy;
}

void mbox_forget_messages(struct mbox *mbox, struct mbox_places *places)
{
    drop_messages(mbox);
    places_unref(mbox->places);
    mbox->places = places;
    mbox->loaded = false;
}

void mbox_raise_modseq(struct mbox *mbox, uint64_t modseq)
{
    mbox->counts.highestmodseq = MAX(mbox->counts.highestmodseq, modseq);
}

/* Count a message in (or, with sign -1, out) of what depends on its flags. */
static void count_flags(struct mbox *mbox, struct chunk_slot *slot, uint8_t flags,
                        uint32_t size, bool in)
{
    bool unseen = (flags & FLAG_SEEN) == 0, deleted = (flags & FLAG_DELETED) != 0;

    if (in) {
        slot->unseen += unseen;
        mbox->counts.unseen += unseen;
        mbox->counts.deleted += deleted;
        mbox->counts.bytes_deleted += deleted ? size : 0;
    } else {
        slot->unseen -= unseen;
        mbox->counts.unseen -= unseen;
        mbox->counts.deleted -= deleted;
        mbox->counts.bytes_deleted -= deleted ? size : 0;
    }
}

static struct chunk_slot *new_slot(struct mbox *mbox, struct chunk *chunk)
{
    struct chunk_slot *slot;
    const struct chunk_slot *last = mbox->n_slots > 0 ? &mbox->slots[mbox->n_slots - 1] : NULL;
    uint32_t start = last != NULL ? last->start + last->n : mbox->counts.messages;

    mbox->slots = xrealloc(mbox->slots, (mbox->n_slots + 1) * sizeof(*mbox->slots));
    slot = &mbox->slots[mbox->n_slots++];
    *slot = (struct chunk_slot){.chunk = chunk, .start = start};
    return slot;
}

void mbox_add_slot(struct mbox *mbox, struct chunk *chunk, uint32_t n,
                   const struct chunk_sums *sums)
{
    struct chunk_slot *slot = new_slot(mbox, chunk);

    slot->n = n;
    slot->modseq = sums->modseq;
    slot->unseen = sums->unseen;
}

void mbox_take_tail(struct mbox *mbox, struct chunk *chunk, uint32_t n,
                    struct mbox_places *places)
{
    struct chunk_sums sums = chunk_sum(chunk, n);

    places_unref(mbox->places);
    mbox->places = places;
    mbox_add_slot(mbox, chunk, n, &sums);
    mbox->slots[mbox->n_slots - 1].start = mbox->counts.messages - n;
}

bool mbox_can_append(const struct mbox *mbox)
{
    const struct page_place *last;

    if (mbox->n_slots > 0) {
        const struct chunk_slot *slot = &mbox->slots[mbox->n_slots - 1];

        return slot->n == CHUNK_MESSAGES || chunk_cold_is_loaded(slot->chunk);
    }
    last = mbox->loaded ? NULL : mbox_places_last_chunk(mbox->places);
    return last == NULL || last->rows == CHUNK_MESSAGES;
}

void mbox_add(struct mbox *mbox, const struct chunk_row *row, const struct msg_cold *cold)
{
    struct chunk_slot *slot = mbox->n_slots > 0 ? &mbox->slots[mbox->n_slots - 1] : NULL;

    assert(mbox_can_append(mbox) && row->uid >= mbox->counts.uidnext);
    if (slot == NULL || slot->n == CHUNK_MESSAGES) {
        struct chunk *chunk = chunk_new(CHUNK_FIRST_ROWS, row->modseq);

        chunk->cold = cold_new(CHUNK_FIRST_ROWS);
        slot = new_slot(mbox, chunk);
    }
    chunk_append(&slot->chunk, slot->n, row, cold);
    slot->n++;
    slot->modseq = MAX(slot->modseq, row->modseq);
    count_flags(mbox, slot, row->flags, cold->size, true);
    mbox->counts.messages++;
    mbox->counts.bytes += cold->size;
    mbox->counts.uidnext = row->uid + 1;
    mbox_raise_modseq(mbox, row->modseq);
}

/* Where a walk over messages in uid order stands: it never goes back, so a record with many
 * runs costs one pass. */
struct row_cursor {
    size_t slot;
    uint32_t row;
};

/* Move to the message with this uid, which exists at or behind the cursor. */
static void cursor_seek(struct row_cursor *at, const struct mbox *mbox, uint32_t uid)
{
    const struct chunk_slot *slot = &mbox->slots[at->slot];

    while (slot->chunk->uid[slot->n - 1] < uid) {
        slot++;
        at->slot++;
        at->row = 0;
        assert(at->slot < mbox->n_slots);
    }
    if (slot->chunk->uid[at->row] < uid)
        at->row = chunk_lower_bound(slot->chunk, slot->n, uid);
    assert(slot->chunk->uid[at->row] == uid);
}

static void change_row(struct mbox *mbox, struct chunk_slot *slot, uint32_t row,
                       const struct record_flags *record, const uint64_t change[KEYWORD_WORDS])
{
    struct chunk *chunk = slot->chunk;
    uint8_t flags = flags_after(chunk->flags[row], record->op, record->flags);
    uint64_t words[KEYWORD_WORDS];

    if (((flags ^ chunk->flags[row]) & (FLAG_SEEN | FLAG_DELETED)) != 0) {
        bool counts_size = ((flags ^ chunk->flags[row]) & FLAG_DELETED) != 0;
        uint32_t size = counts_size ? chunk_cold(chunk, row)->size : 0;

        count_flags(mbox, slot, chunk->flags[row], size, false);
        count_flags(mbox, slot, flags, size, true);
    }
    chunk->flags[row] = flags;
    if (record->n_keywords > 0 || (record->op == FLAG_OP_REPLACE && chunk->keyword_words > 0)) {
        chunk_keywords(chunk, row, words);
        keywords_after(words, record->op, change);
        chunk_set_keywords(chunk, row, words);
    }
    chunk_set_modseq(chunk, slot->n, row, record->modseq);
}

/* The rows of one chunk from the cursor on that lie in first..last. The chunk becomes ours. */
static void change_chunk(struct mbox *mbox, struct row_cursor *at, uint32_t last,
                         const struct record_flags *record,
                         const uint64_t change[KEYWORD_WORDS])
{
    struct chunk_slot *slot = &mbox->slots[at->slot];

    chunk_own(&slot->chunk, slot->n);
    while (at->row < slot->n && slot->chunk->uid[at->row] <= last)
        change_row(mbox, slot, at->row++, record, change);
    slot->modseq = MAX(slot->modseq, record->modseq);
    if (at->row == slot->n)
        *at = (struct row_cursor){at->slot + 1, 0};
}

void mbox_change_flags(struct mbox *mbox, const struct record_flags *record)
{
    struct row_cursor at = {0};
    uint64_t change[KEYWORD_WORDS];

    keywords_of(record->keywords, record->n_keywords, change);
    for (size_t i = 0; i < record->uids.n; i++) {
        uint32_t last = record->uids.runs[i].last;

        cursor_seek(&at, mbox, record->uids.runs[i].first);
        while (at.slot < mbox->n_slots && mbox->slots[at.slot].chunk->uid[at.row] <= last)
            change_chunk(mbox, &at, last, record, change);
    }
    mbox_raise_modseq(mbox, record->modseq);
}

void mbox_set_threadid(struct mbox *mbox, uint32_t uid, const struct object_id *threadid)
{
    struct row_cursor at = {0};
    struct chunk_slot *slot;
    struct msg_cold cold;

    at.slot = mbox_chunk_of(mbox, mbox_lower_bound(mbox, uid));
    cursor_seek(&at, mbox, uid);
    slot = &mbox->slots[at.slot];
    cold = *chunk_cold(slot->chunk, at.row);
    cold.threadid = *threadid;
    chunk_own(&slot->chunk, slot->n);
    chunk_set_cold(slot->chunk, slot->n, at.row, &cold);
}

static void keep_row(struct mbox *mbox, const struct chunk *chunk, uint32_t row,
                     uint64_t modseq, const struct expunge_end *end)
{
    struct kept_message message = {
        .uid = chunk->uid[row],
        .flags = chunk->flags[row],
        .modseq = modseq,
        .expunged_sec = end->sec,
        .expunged_by = end->by,
        .cold = *chunk_cold(chunk, row),
        .annotations = annotation_bundle_of(mbox->annotations, chunk->uid[row]),
    };

    chunk_keywords(chunk, row, message.keywords);
    kept_add(&mbox->kept, &message);
}

/* What an expunge does. */
struct expunge {
    const struct uid_set *uids;
    uint64_t modseq;
    const struct expunge_end *end; /* NULL: nothing is kept */
    size_t run;                    /* of uids, where the walk stands */
};

/* Take the rows of one slot that the set names out of the counts; the others are listed in
 * keep. */
static uint32_t split_rows(struct mbox *mbox, struct chunk_slot *slot, struct expunge *expunge,
                           uint16_t keep[CHUNK_MESSAGES])
{
    const struct uid_set *uids = expunge->uids;
    size_t *run = &expunge->run;
    const struct chunk *chunk = slot->chunk;
    uint32_t n_keep = 0;

    for (uint32_t row = 0; row < slot->n; row++) {
        uint32_t uid = chunk->uid[row];

        while (*run < uids->n && uids->runs[*run].last < uid)
            (*run)++;
        if (*run == uids->n || uids->runs[*run].first > uid) {
            keep[n_keep++] = (uint16_t) row;
        } else {
            uint32_t size = chunk_cold(chunk, row)->size;

            count_flags(mbox, slot, chunk->flags[row], size, false);
            mbox->counts.messages--;
            mbox->counts.bytes -= size;
            if (expunge->end != NULL)
                keep_row(mbox, chunk, row, expunge->modseq, expunge->end);
        }
    }
    return n_keep;
}

/* The slot with only the rows in keep. */
static void shrink_slot(struct chunk_slot *slot, const uint16_t *keep, uint32_t n_keep)
{
    struct chunk *chunk = n_keep > 0 ? chunk_select(slot->chunk, keep, n_keep) : NULL;

    chunk_unref(slot->chunk);
    slot->chunk = chunk;
    slot->n = n_keep;
    slot->modseq = chunk != NULL ? chunk_greatest_modseq(chunk, n_keep) : 0;
}

/* Close the gaps of empty slots, join small neighbours, and number the rest again. */
static void tidy_slots(struct mbox *mbox)
{
    size_t n = 0;
    uint32_t start = 0;

    for (size_t i = 0; i < mbox->n_slots; i++) {
        struct chunk_slot *slot = &mbox->slots[i], *left = n > 0 ? &mbox->slots[n - 1] : NULL;

        if (slot->n == 0)
            continue;
        if (left != NULL && left->n + slot->n <= CHUNK_JOIN_MESSAGES &&
            chunk_cold_is_loaded(left->chunk) && chunk_cold_is_loaded(slot->chunk)) {
            struct chunk *joined = chunk_join(left->chunk, left->n, slot->chunk, slot->n);

            chunk_unref(left->chunk);
            chunk_unref(slot->chunk);
            left->chunk = joined;
            left->n += slot->n;
            left->unseen += slot->unseen;
            left->modseq = MAX(left->modseq, slot->modseq);
        } else {
            mbox->slots[n++] = *slot;
        }
    }
    mbox->n_slots = n;
    for (size_t i = 0; i < n; i++) {
        mbox->slots[i].start = start;
        start += mbox->slots[i].n;
    }
}

static void count_annotations(struct mbox *mbox)
{
    mbox->counts.annotation_bytes = mbox->annotations != NULL ? mbox->annotations->bytes : 0;
}

void mbox_expunge(struct mbox *mbox, const struct uid_set *uids, uint64_t modseq,
                  const struct expunge_end *end)
{
    struct expunge expunge = {.uids = uids, .modseq = modseq, .end = end};
    uint16_t keep[CHUNK_MESSAGES];
    uint32_t last_uid = uids->runs[uids->n - 1].last;
    size_t at = mbox_chunk_of(mbox, mbox_lower_bound(mbox, uids->runs[0].first));

    for (; at < mbox->n_slots && mbox->slots[at].chunk->uid[0] <= last_uid; at++) {
        struct chunk_slot *slot = &mbox->slots[at];
        uint32_t n_keep = split_rows(mbox, slot, &expunge, keep);

        if (n_keep < slot->n)
            shrink_slot(slot, keep, n_keep);
    }
    tidy_slots(mbox);
    expunged_add(&mbox->expunged, uids, modseq);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        overlay_expunge(&mbox->overlays[i], uids);
    annotations_expunge(&mbox->annotations, uids);
    count_annotations(mbox);
    mbox_raise_modseq(mbox, modseq);
}

void mbox_change_overlay(struct mbox *mbox, const struct record_flags *record)
{
    bool found;
    size_t at = mbox_overlay_at(mbox, record->reader, &found);

    if (!found) {
        mbox->overlays =
            xrealloc(mbox->overlays, (mbox->n_overlays + 1) * sizeof(struct overlay *));
        memmove(mbox->overlays + at + 1, mbox->overlays + at,
                (mbox->n_overlays - at) * sizeof(struct overlay *));
        mbox->overlays[at] = overlay_new(record->reader);
        mbox->n_overlays++;
    }
    overlay_change(&mbox->overlays[at], record);
}

/* What everybody sees raises the messages' MODSEQ as a change of flags does. */
void mbox_annotate(struct mbox *mbox, const struct record_annotate *record)
{
    annotations_change(&mbox->annotations, record);
    count_annotations(mbox);
    if (record->reader == 0)
        mbox_change_flags(mbox, &(struct record_flags){.mbox = record->mbox,
                                                       .op = FLAG_OP_ADD,
                                                       .uids = record->uids,
                                                       .modseq = record->modseq});
}

void mbox_add_annotations(struct mbox *mbox, struct annotation_row *row)
{
    assert(mbox->loaded);
    if (row == NULL)
        return;
    if (mbox->counts.annotation_bytes + row->bytes > ANNOTATIONS_MAILBOX_MAX_BYTES) {
        annotation_row_unref(row);
        return;
    }
    annotations_put(&mbox->annotations, row);
    count_annotations(mbox);
}

void mbox_purge(struct mbox *mbox, uint64_t expunged_below)
{
    mbox->counts.expunged_below = MAX(mbox->counts.expunged_below, expunged_below);
    expunged_forget(&mbox->expunged, mbox->counts.expunged_below);
}
