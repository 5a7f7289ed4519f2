/* mbox_read.c - what a reader asks of a mailbox; the declarations are in state.h. */
#include <assert.h>

#include "account/mbox.h"

const struct mbox_info *mbox_info(const struct mbox *mbox)
{
    return &mbox->info->info;
}

const struct mbox_counts *mbox_counts(const struct mbox *mbox)
{
    return &mbox->counts;
}

bool mbox_is_loaded(const struct mbox *mbox)
{
    return mbox->loaded;
}

bool mbox_has_tail(const struct mbox *mbox)
{
    return mbox->loaded || mbox->n_slots > 0 || mbox->places->n_chunks == 0;
}

int mbox_keyword_index(const struct mbox *mbox, struct slice name)
{
    const struct mbox_info *info = mbox_info(mbox);

    for (size_t i = 0; i < info->n_keywords; i++) {
        if (slice_eq_nocase(info->keywords[i], name))
            return (int) i;
    }
    return -1;
}

/* The first slot whose last uid is not below this one; n_slots if there is none. */
static size_t slot_by_uid(const struct mbox *mbox, uint32_t uid)
{
    size_t low = 0, high = mbox->n_slots;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct chunk_slot *slot = &mbox->slots[mid];

        if (slot->chunk->uid[slot->n - 1] < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Of a mailbox that is not loaded: for uids that no chunk before the slots may have. */
static uint32_t lower_bound(const struct mbox *mbox, uint32_t uid)
{
    size_t at = slot_by_uid(mbox, uid);
    const struct chunk_slot *slot;

    if (at == mbox->n_slots)
        return mbox->counts.messages;
    slot = &mbox->slots[at];
    return slot->start + chunk_lower_bound(slot->chunk, slot->n, uid);
}

uint32_t mbox_lower_bound(const struct mbox *mbox, uint32_t uid)
{
    assert(mbox->loaded);
    return lower_bound(mbox, uid);
}

bool mbox_find(const struct mbox *mbox, uint32_t uid, uint32_t *out_index)
{
    uint32_t index = mbox_lower_bound(mbox, uid);

    if (index == mbox->counts.messages || mbox_uid(mbox, index) != uid)
        return false;
    *out_index = index;
    return true;
}

void mbox_slots_of(const struct mbox *mbox, struct uid_run run, size_t *out_first,
                   size_t *out_end)
{
    size_t end = slot_by_uid(mbox, run.last);

    *out_first = slot_by_uid(mbox, run.first);
    *out_end =
        end < mbox->n_slots && mbox->slots[end].chunk->uid[0] <= run.last ? end + 1 : end;
}

bool mbox_cold_is_loaded(const struct mbox *mbox, const struct uid_set *uids)
{
    size_t at, end;

    for (size_t i = 0; i < uids->n; i++) {
        for (mbox_slots_of(mbox, uids->runs[i], &at, &end); at < end; at++) {
            if (!chunk_cold_is_loaded(mbox->slots[at].chunk))
                return false;
        }
    }
    return true;
}

size_t mbox_chunk_count(const struct mbox *mbox)
{
    return mbox->n_slots;
}

/* Chunks are about as full as each other, so the place is mostly guessed right. */
size_t mbox_chunk_of(const struct mbox *mbox, uint32_t index)
{
    size_t low = 0, high = mbox->n_slots - 1, guess;

    assert(mbox->loaded && index < mbox->counts.messages);
    guess = (size_t) ((uint64_t) index * mbox->n_slots / mbox->counts.messages);
    if (index - mbox->slots[guess].start < mbox->slots[guess].n)
        return guess;
    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;

        if (mbox->slots[mid].start <= index)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

struct chunk_view mbox_chunk(const struct mbox *mbox, size_t chunk)
{
    const struct chunk_slot *slot = &mbox->slots[chunk];

    assert(chunk < mbox->n_slots);
    return (struct chunk_view){
        .n = slot->n,
        .uid = slot->chunk->uid,
        .flags = slot->chunk->flags,
        .modseq_base = slot->chunk->modseq_base,
        .modseq_delta = slot->chunk->modseq_delta,
        .keywords = slot->chunk->keywords,
        .keyword_words = slot->chunk->keyword_words,
        .cold = cold_rows(slot->chunk->cold),
        .cold_row = slot->chunk->cold_row,
    };
}

uint32_t chunk_rows_up_to(const struct chunk_view *chunk, uint32_t row, uint32_t last)
{
    uint32_t low = row + 1, high = chunk->n;

    if (chunk->uid[high - 1] <= last)
        return high - row;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (chunk->uid[mid] <= last)
            low = mid + 1;
        else
            high = mid;
    }
    return low - row;
}

uint32_t mbox_chunk_start(const struct mbox *mbox, size_t chunk)
{
    assert(chunk < mbox->n_slots);
    return mbox->slots[chunk].start;
}

uint64_t mbox_chunk_modseq(const struct mbox *mbox, size_t chunk)
{
    assert(chunk < mbox->n_slots);
    return mbox->slots[chunk].modseq;
}

/* The chunk of a message, and its row there. */
static const struct chunk *chunk_at(const struct mbox *mbox, uint32_t index, uint32_t *out_row)
{
    const struct chunk_slot *slot = &mbox->slots[mbox_chunk_of(mbox, index)];

    *out_row = index - slot->start;
    return slot->chunk;
}

uint32_t mbox_uid(const struct mbox *mbox, uint32_t index)
{
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);

    return chunk->uid[row];
}

uint8_t mbox_flags(const struct mbox *mbox, uint32_t index)
{
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);

    return chunk->flags[row];
}

uint64_t mbox_modseq(const struct mbox *mbox, uint32_t index)
{
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);

    return chunk_modseq(chunk, row);
}

const struct msg_cold *mbox_cold(const struct mbox *mbox, uint32_t index)
{
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);

    return chunk_cold(chunk, row);
}

bool mbox_has_cold(const struct mbox *mbox, uint32_t index)
{
    uint32_t row;

    return chunk_cold_is_loaded(chunk_at(mbox, index, &row));
}

bool mbox_has_keyword(const struct mbox *mbox, uint32_t index, uint16_t keyword)
{
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);

    return chunk_has_keyword(chunk, row, keyword);
}

size_t mbox_keywords(const struct mbox *mbox, uint32_t index, uint16_t *out)
{
    uint64_t words[KEYWORD_WORDS];
    uint32_t row;
    const struct chunk *chunk = chunk_at(mbox, index, &row);
    size_t n = 0;

    chunk_keywords(chunk, row, words);
    for (size_t word = 0; word < KEYWORD_WORDS; word++) {
        for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1)
            out[n++] = (uint16_t) (word * 64 + (size_t) __builtin_ctzll(bits));
    }
    return n;
}

bool mbox_count_run(const struct mbox *mbox, struct uid_run run, uint32_t *out)
{
    uint32_t messages = mbox->counts.messages, uids = mbox->counts.uidnext - 1;
    uint32_t first = MAX(run.first, 1u), last = MIN(run.last, uids);
    uint32_t inside = first <= last ? last - first + 1 : 0, most = MIN(inside, messages);

    if (mbox->loaded || (mbox->n_slots > 0 && first >= mbox->slots[0].chunk->uid[0]))
        *out = inside > 0 ? lower_bound(mbox, last + 1) - lower_bound(mbox, first) : 0;
    else if (messages - MIN(uids - inside, messages) == most)
        *out = most;
    else
        return false;
    return true;
}

struct uid_set mbox_expunged_since(const struct mbox *mbox, uint64_t modseq, uint32_t up_to_uid,
                                   struct arena *arena)
{
    assert(mbox->loaded);
    return expunged_since(&mbox->expunged, MAX(modseq, mbox->counts.expunged_below), up_to_uid,
                          arena);
}

size_t mbox_expunged_runs(const struct mbox *mbox)
{
    return mbox->expunged.n_runs;
}

uint64_t mbox_purge_due(const struct mbox *mbox)
{
    return mbox->expunged.n_runs > EXPUNGED_RUNS_MAX ? expunged_middle(&mbox->expunged) : 0;
}

/* Of the chunks that are in memory. */
static uint32_t unseen_in_slots(const struct mbox *mbox)
{
    for (size_t i = 0; i < mbox->n_slots; i++) {
        const struct chunk_slot *slot = &mbox->slots[i];

        for (uint32_t row = 0; slot->unseen > 0 && row < slot->n; row++) {
            if ((slot->chunk->flags[row] & FLAG_SEEN) == 0)
                return slot->start + row;
        }
    }
    return UNSEEN_NONE;
}

/* A mailbox that is not loaded only grows: what was the first stays it, and where there was
 * none it is among those that came. */
uint32_t mbox_find_unseen(const struct mbox *mbox)
{
    if (mbox->counts.unseen == 0)
        return UNSEEN_NONE;
    return mbox->loaded || mbox->places->first_unseen == UNSEEN_NONE
               ? unseen_in_slots(mbox)
               : mbox->places->first_unseen;
}

bool mbox_knows_first_unseen(const struct mbox *mbox)
{
    return mbox_find_unseen(mbox) != UNSEEN_NOT_KNOWN;
}

uint32_t mbox_first_unseen(const struct mbox *mbox)
{
    uint32_t index = mbox_find_unseen(mbox);

    assert(index != UNSEEN_NOT_KNOWN);
    return index != UNSEEN_NONE ? index : mbox->counts.messages;
}

size_t mbox_overlay_at(const struct mbox *mbox, uint64_t reader, bool *out_found)
{
    size_t low = 0, high = mbox->n_overlays;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (mbox->overlays[mid]->reader < reader)
            low = mid + 1;
        else
            high = mid;
    }
    *out_found = low < mbox->n_overlays && mbox->overlays[low]->reader == reader;
    return low;
}

size_t mbox_overlay_count(const struct mbox *mbox)
{
    return mbox->n_overlays;
}

uint64_t mbox_overlay_reader(const struct mbox *mbox, size_t at)
{
    assert(at < mbox->n_overlays);
    return mbox->overlays[at]->reader;
}

static const struct overlay *overlay_of(const struct mbox *mbox, uint64_t reader)
{
    bool found;
    size_t at = mbox_overlay_at(mbox, reader, &found);

    assert(mbox->loaded);
    return found ? mbox->overlays[at] : NULL;
}

const struct overlay_row *mbox_overlay_piece(const struct mbox *mbox, uint64_t reader,
                                             size_t at, size_t *out_count)
{
    const struct overlay *overlay = overlay_of(mbox, reader);

    *out_count = 0;
    if (overlay == NULL || at >= overlay->n_leaves)
        return NULL;
    *out_count = overlay->leaves[at]->n;
    return overlay->leaves[at]->rows;
}

size_t mbox_overlay_seen(const struct mbox *mbox, uint64_t reader)
{
    const struct overlay *overlay = overlay_of(mbox, reader);

    return overlay != NULL ? overlay->seen : 0;
}

const struct overlay_row *mbox_overlay_find(const struct mbox *mbox, uint64_t reader,
                                            uint32_t uid)
{
    const struct overlay *overlay = overlay_of(mbox, reader);

    return overlay != NULL ? overlay_find(overlay, uid) : NULL;
}

uint64_t mbox_overlay_modseq(const struct mbox *mbox, uint64_t reader)
{
    const struct overlay *overlay = overlay_of(mbox, reader);

    return overlay != NULL ? overlay->modseq : 0;
}
