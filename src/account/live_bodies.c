#include "account/live_bodies.h"

#include "account/chunk_pages.h"
#include "account/kept_pages.h"
#include "account/state_parts.h"

struct walk {
    struct page_loader loader;
    live_bodies_fn *fn;
    void *ctx;
    uint64_t ids[LIVE_BODIES_BATCH_MAX];
    struct msg_cold *rows; /* room for the rows of one cold store */
};

static enum rc tell_chunk(struct walk *walk, const struct chunk *chunk, uint32_t n,
                          struct err *err)
{
    const struct msg_cold *rows = cold_rows(chunk->cold);

    if (rows == NULL) {
        enum rc rc = chunk_read_cold(&walk->loader, chunk->cold, walk->rows, err);

        if (rc) /* pieces may go once somebody else has the rows */
            rows = cold_rows(chunk->cold);
        if (rc && rows == NULL)
            return rc;
        if (rows == NULL)
            rows = walk->rows;
    }
    for (uint32_t row = 0; row < n; row++)
        walk->ids[row] = rows[chunk->cold_row != NULL ? chunk->cold_row[row] : row].body_id;
    return walk->fn(walk->ctx, walk->ids, n, err);
}

/* The chunks that are only in their pages. */
static enum rc tell_places(struct walk *walk, const struct mbox *mbox, struct err *err)
{
    const struct chunk_rules rules = {.modseq_max = mbox->counts.highestmodseq,
                                      .n_keywords = mbox_info(mbox)->n_keywords};
    const struct page_place *at = mbox->places->at;

    for (size_t i = 0; i < mbox->places->n_chunks; i++, at += 1 + at->n_cold) {
        struct chunk *chunk = NULL;
        enum rc rc = chunk_load(&walk->loader, at, &rules, &chunk, NULL, err);

        if (rc == RC_OK && chunk != NULL)
            rc = tell_chunk(walk, chunk, at->rows, err);
        chunk_unref(chunk);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* A mailbox that is not loaded may have its last chunk in memory all the same. */
static enum rc tell_messages(struct walk *walk, const struct mbox *mbox, struct err *err)
{
    enum rc rc = mbox->loaded ? RC_OK : tell_places(walk, mbox, err);

    for (size_t i = 0; rc == RC_OK && i < mbox->n_slots; i++)
        rc = tell_chunk(walk, mbox->slots[i].chunk, mbox->slots[i].n, err);
    return rc;
}

static enum rc tell_slot(struct walk *walk, const struct kept_slot *slot,
                         const struct kept_block *block, struct err *err)
{
    size_t n = 0;

    for (uint32_t row = slot->skip; row < slot->n; row++)
        walk->ids[n++] = block->rows[row].cold.body_id;
    return walk->fn(walk->ctx, walk->ids, n, err);
}

static enum rc tell_kept(struct walk *walk, const struct mbox *mbox, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && mbox->kept != NULL && i < mbox->kept->n_slots; i++) {
        const struct kept_slot *slot = &mbox->kept->slots[i];
        struct kept_block *read = NULL;

        if (slot->block == NULL)
            rc = kept_load_block(&walk->loader, slot, mbox_info(mbox)->n_keywords, &read, err);
        if (rc == RC_OK)
            rc = tell_slot(walk, slot, slot->block != NULL ? slot->block : read, err);
        kept_block_unref(read);
    }
    return rc;
}

static enum rc tell_set(struct walk *walk, const struct sorted *set, struct err *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct mbox *mbox = (const struct mbox *) (const void *) sorted_at(set, i);
        /* What is in All is told where it lives. */
        enum rc rc = mbox_info_is_all(mbox_info(mbox)) ? RC_OK : tell_messages(walk, mbox, err);

        if (rc == RC_OK)
            rc = tell_kept(walk, mbox, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc acct_each_live_body(const struct acct_state *state, page_read_fn *read, void *read_ctx,
                            live_bodies_fn *fn, void *ctx, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    struct walk *walk = xmalloc(sizeof(*walk));
    enum rc rc;

    walk->loader = (struct page_loader){state->id, read, read_ctx, arena};
    walk->fn = fn;
    walk->ctx = ctx;
    walk->rows = xmalloc(COLD_ROWS_MAX * sizeof(*walk->rows));
    rc = tell_set(walk, state->by_id, err);
    if (rc == RC_OK)
        rc = tell_set(walk, state->deleted, err);
    free(walk->rows);
    free(walk);
    return rc;
}
