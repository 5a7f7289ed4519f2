/*
 * unload.c - what a version takes of memory, and how its messages are let go.
 *
 * Only what lies in pages as it is may go; the version keeps the places. What was let go comes
 * back by acct_mbox_load(), the same to the last column.
 */
#include "account/pages.h"
#include "account/state_parts.h"

/* Of a mailbox without messages: head, info, names, entries in the directory. */
#define MBOX_MEMORY_BYTES 512u

static bool lies_in(const struct page_ref *ref, uint32_t rows)
{
    return ref->number != 0 && ref->pending == 0 && ref->rows == rows;
}

static bool is_stored(const struct mbox *mbox)
{
    for (size_t i = 0; i < mbox->n_slots; i++) {
        const struct chunk_slot *slot = &mbox->slots[i];
        const struct cold_pages *cold = &slot->chunk->cold->pages;

        if (!lies_in(&slot->chunk->page, slot->n) || cold->pending != 0 ||
            cold_rows_in(cold->pieces, cold->n) < chunk_cold_needed(slot->chunk, slot->n))
            return false;
    }
    for (size_t i = 0; i < mbox->expunged.n_slots; i++) {
        if (!lies_in(&mbox->expunged.slots[i].block->page, mbox->expunged.slots[i].n))
            return false;
    }
    for (size_t i = 0; i < mbox->n_overlays; i++) {
        if (!lies_in(&mbox->overlays[i]->page, 0))
            return false;
    }
    for (size_t i = 0; mbox->annotations != NULL && i < mbox->annotations->n_leaves; i++) {
        const struct annotation_leaf *leaf = mbox->annotations->leaves[i];

        if (!lies_in(&leaf->page, leaf->n))
            return false;
    }
    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots; i++) {
        const struct kept_slot *slot = &mbox->kept->slots[i];

        if (slot->block != NULL && !lies_in(&slot->block->page, slot->n))
            return false;
    }
    return true;
}

/* Is anything in memory that could be let go? */
static bool has_messages(const struct mbox *mbox)
{
    bool has = mbox->loaded || mbox->n_slots > 0;

    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots && !has; i++)
        has = mbox->kept->slots[i].block != NULL;
    return has;
}

/* The head is ours; all of it is stored. */
static void forget_messages(struct mbox *head)
{
    mbox_forget_messages(head, mbox_places_now(head));
    kept_unload(&head->kept);
}

bool acct_mbox_unload(struct acct_state *fork, uint32_t mbox_id)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, mbox_id);

    if (mbox == NULL || !has_messages(mbox) || !is_stored(mbox))
        return false;
    forget_messages(state_own_mbox(fork, mbox_id));
    return true;
}

static bool is_kept(const uint32_t *keep, size_t n, uint32_t mbox_id)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (keep[mid] < mbox_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && keep[low] == mbox_id;
}

/* The mailbox with its messages let go. */
static struct mbox *without_messages(const struct mbox *mbox)
{
    struct mbox *head;

    if (!has_messages(mbox) || !is_stored(mbox))
        return mbox_ref(mbox);
    head = mbox_copy(mbox);
    forget_messages(head);
    return head;
}

/* What acct_unloaded() was given. */
struct forms {
    const struct acct_state *tip;
    const uint32_t *keep;
    size_t n_keep;
};

/* The form in which a mailbox is to stand in the new version; referenced. */
static struct mbox *form_of(const struct forms *forms, const struct mbox *mbox)
{
    uint32_t id = mbox_info(mbox)->id;
    const struct mbox *newest =
        is_kept(forms->keep, forms->n_keep, id) ? acct_mailbox_by_id(forms->tip, id) : NULL;

    return newest != NULL ? mbox_ref(newest) : without_messages(mbox);
}

static void exchange_all(struct sorted **set, const struct forms *forms)
{
    for (size_t at = 0; at < (*set)->n; at++) {
        const struct counted *item = sorted_at(*set, at);
        struct mbox *form = form_of(forms, (const struct mbox *) (const void *) item);

        if (&form->counted != item)
            sorted_exchange(set, at, &form->counted);
        else
            mbox_unref(form);
    }
}

struct acct_state *acct_unloaded(const struct acct_state *stored, const struct acct_state *tip,
                                 const uint32_t *keep, size_t n_keep)
{
    struct acct_state *fork = acct_fork(stored);
    struct forms forms = {tip, keep, n_keep};

    exchange_all(&fork->by_id, &forms);
    exchange_all(&fork->deleted, &(struct forms){.tip = tip});
    return fork;
}

static size_t chunk_memory(const struct chunk *chunk)
{
    size_t bytes =
        sizeof(*chunk) + (size_t) chunk->cap * CHUNK_HOT_BYTES + sizeof(*chunk->cold);

    if (chunk->modseq_full != NULL)
        bytes += (size_t) chunk->cap * sizeof(*chunk->modseq_full);
    if (chunk->cold_row != NULL)
        bytes += (size_t) chunk->cap * sizeof(*chunk->cold_row);
    if (chunk->twin != NULL)
        bytes += (size_t) chunk->cap * sizeof(*chunk->twin);
    bytes += (size_t) chunk->cap * chunk->keyword_words * sizeof(*chunk->keywords);
    if (chunk_cold_is_loaded(chunk))
        bytes += (size_t) chunk->cold->cap * CHUNK_COLD_BYTES;
    return bytes;
}

static size_t mbox_memory(const struct mbox *mbox)
{
    size_t bytes = MBOX_MEMORY_BYTES + mbox->n_slots * sizeof(*mbox->slots);

    for (size_t i = 0; i < mbox->n_slots; i++)
        bytes += chunk_memory(mbox->slots[i].chunk);
    for (size_t i = 0; i < mbox->expunged.n_slots; i++)
        bytes += mbox->expunged.slots[i].block->cap * sizeof(struct expunged_run);
    for (size_t i = 0; i < mbox->n_overlays; i++)
        bytes += overlay_memory(mbox->overlays[i]);
    if (mbox->annotations != NULL)
        bytes += mbox->annotations->bytes +
                 mbox->annotations->n_leaves * sizeof(struct annotation_leaf);
    for (size_t i = 0; mbox->kept != NULL && i < mbox->kept->n_slots; i++) {
        const struct kept_block *block = mbox->kept->slots[i].block;

        bytes += sizeof(struct kept_slot);
        bytes += block != NULL ? block->cap * sizeof(struct kept_message) : 0;
    }
    if (mbox->places != NULL)
        bytes += mbox->places->n * sizeof(struct page_place);
    return bytes;
}

static size_t set_memory(const struct sorted *mailboxes)
{
    size_t bytes = 0;

    for (size_t i = 0; i < mailboxes->n_leaves; i++) {
        const struct sorted_leaf *leaf = mailboxes->leaves[i].leaf;

        for (uint32_t row = 0; row < leaf->n; row++)
            bytes += mbox_memory((const struct mbox *) (const void *) leaf->items[row]);
    }
    return bytes;
}

size_t acct_memory(const struct acct_state *state)
{
    return sizeof(*state) + set_memory(state->by_id) + set_memory(state->deleted);
}
