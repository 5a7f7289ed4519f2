/* kept_read.c - what a reader asks of what is kept; the declarations are in kept.h. */
#include <assert.h>

#include "account/state_parts.h"

struct kept_counts mbox_kept(const struct mbox *mbox)
{
    const struct kept_log *log = mbox->kept;

    if (log == NULL)
        return (struct kept_counts){0};
    return (struct kept_counts){
        .messages = log->n, .bytes = log->bytes, .oldest_sec = log->slots[0].first_sec};
}

bool mbox_kept_is_loaded(const struct mbox *mbox, uint32_t at, uint32_t n)
{
    const struct kept_log *log = mbox->kept;
    struct kept_place place;
    uint64_t end = MIN((uint64_t) at + n, log != NULL ? log->n : 0);

    if (at >= end)
        return true;
    place = kept_find_place(log, at);
    for (uint64_t row = at - (place.row - log->slots[place.slot].skip); row < end;
         place.slot++) {
        const struct kept_slot *slot = &log->slots[place.slot];

        if (slot->block == NULL)
            return false;
        row += slot->n - slot->skip;
    }
    return true;
}

const struct kept_message *mbox_kept_at(const struct mbox *mbox, uint32_t at)
{
    struct kept_place place = kept_find_place(mbox->kept, at);
    const struct kept_block *block = mbox->kept->slots[place.slot].block;

    assert(block != NULL);
    return &block->rows[place.row];
}

bool mbox_kept_before(const struct mbox *mbox, int64_t sec, uint32_t *out)
{
    const struct kept_log *log = mbox->kept;
    uint32_t n = 0;

    for (size_t i = 0; log != NULL && i < log->n_slots; i++) {
        const struct kept_slot *slot = &log->slots[i];

        if (slot->last_sec < sec) {
            n += slot->n - slot->skip;
            continue;
        }
        if (slot->first_sec < sec && slot->block == NULL) {
            *out = n;
            return false;
        }
        for (uint32_t row = slot->skip;
             slot->first_sec < sec && slot->block->rows[row].expunged_sec < sec; row++)
            n++;
        break;
    }
    *out = n;
    return true;
}

size_t mbox_kept_find(const struct mbox *mbox, const struct uid_set *uids, uint64_t modseq,
                      struct arena *arena, const struct kept_message *const **out)
{
    return kept_collect(mbox->kept, uids, modseq, arena, out);
}

size_t acct_deleted_count(const struct acct_state *state)
{
    return state->deleted->n;
}

const struct mbox *acct_deleted_at(const struct acct_state *state, size_t at)
{
    return (const struct mbox *) (const void *) sorted_at(state->deleted, at);
}

const struct mbox *acct_deleted_by_id(const struct acct_state *state, uint32_t id)
{
    return (const struct mbox *) (const void *) sorted_find(state->deleted, compare_mbox_id,
                                                            &id, NULL);
}

const struct mbox *acct_deleted_oldest(const struct acct_state *state)
{
    const struct mbox *oldest = NULL;

    for (size_t i = 0; i < acct_deleted_count(state); i++) {
        const struct mbox *mbox = acct_deleted_at(state, i);

        if (oldest == NULL || mbox->end.deleted_sec < oldest->end.deleted_sec)
            oldest = mbox;
    }
    return oldest;
}

const struct mbox_end *mbox_end(const struct mbox *mbox)
{
    return &mbox->end;
}

struct acct_kept acct_kept(const struct acct_state *state)
{
    return state->kept;
}

const struct annotation *kept_annotations(const struct kept_message *kept, uint64_t reader,
                                          size_t *out_n)
{
    const struct annotation_bundle *bundle = kept->annotations;

    for (size_t i = 0; bundle != NULL && i < bundle->n; i++) {
        if (bundle->rows[i]->reader == reader) {
            *out_n = bundle->rows[i]->n;
            return bundle->rows[i]->entries;
        }
    }
    *out_n = 0;
    return NULL;
}
