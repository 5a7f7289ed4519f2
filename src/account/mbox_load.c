/*
 * mbox_load.c - a mailbox's messages from their pages.
 *
 * What the pages say of each other must agree (messages with the counts, uids in order,
 * keywords in the table), so that everything state.h promises holds for what was loaded.
 */
#include "account/chunk_pages.h"
#include "account/page_loader.h"
#include "account/state_parts.h"

static enum rc load_chunk(struct page_loader *loader, const struct page_place at[2],
                          const struct chunk_rules *rules, struct chunk **out, struct err *err)
{
    struct chunk *chunk;
    struct page_id id;
    struct scan sc;
    enum rc rc = page_load(loader, PAGE_HOT, at[0].number, &id, &sc, err);

    if (rc)
        return rc;
    chunk = chunk_get_hot(&sc, at[0].rows, rules);
    if (chunk == NULL)
        return page_corrupt(err, &id, "hot columns");
    rc = page_load(loader, PAGE_COLD, at[1].number, &id, &sc, err);
    if (rc == RC_OK) {
        chunk->cold = chunk_get_cold(&sc, at[1].rows);
        if (chunk->cold == NULL || chunk_cold_needed(chunk, at[0].rows) > at[1].rows)
            rc = page_corrupt(err, &id, "cold rows");
    }
    if (rc || chunk->cold == NULL) {
        chunk_unref(chunk);
        return rc;
    }
    chunk->page = (struct page_ref){.number = at[0].number, .rows = at[0].rows};
    chunk->cold->page = (struct page_ref){.number = at[1].number, .rows = at[1].rows};
    *out = chunk;
    return RC_OK;
}

/* All chunks, into fresh; its counts are then those of the messages. */
static enum rc load_chunks(struct page_loader *loader, const struct mbox *from,
                           struct mbox *fresh, struct err *err)
{
    struct chunk_rules rules = {.modseq_max = from->counts.highestmodseq,
                                .n_keywords = mbox_info(from)->n_keywords};

    for (size_t i = 0; i < from->places->n_chunks; i++) {
        struct chunk *chunk = NULL;
        uint32_t n = from->places->at[2 * i].rows;
        enum rc rc = load_chunk(loader, &from->places->at[2 * i], &rules, &chunk, err);

        if (rc || chunk == NULL)
            return rc;
        mbox_add_slot(fresh, chunk, n);
        rules.uid_before = chunk->uid[n - 1];
        fresh->counts.messages += n;
        for (uint32_t row = 0; row < n; row++) {
            uint32_t size = chunk_cold(chunk, row)->size;
            bool deleted = (chunk->flags[row] & FLAG_DELETED) != 0;

            fresh->counts.bytes += size;
            fresh->counts.unseen += (chunk->flags[row] & FLAG_SEEN) == 0;
            fresh->counts.deleted += deleted;
            fresh->counts.bytes_deleted += deleted ? size : 0;
        }
    }
    if (rules.uid_before >= from->counts.uidnext)
        return err_set(err, RC_CORRUPT, "Damaged mail data", "mailbox %u: uid above uidnext",
                       mbox_info(from)->id);
    return RC_OK;
}

static bool get_expunged(struct scan *sc, struct expunged_block *block, uint32_t rows,
                         uint64_t before, uint64_t modseq_max)
{
    size_t n;

    if (!page_get_count(sc, EXPUNGED_BLOCK_RUNS, &n) || n == 0 || n != rows)
        return false;
    atomic_init(&block->filled, rows);
    for (uint32_t i = 0; i < rows; i++) {
        struct expunged_run *run = &block->runs[i];
        uint64_t last = i > 0 ? block->runs[i - 1].modseq : 0, gap;
        uint32_t more;

        if (!scan_varint(sc, modseq_max - last, &gap) ||
            !scan_varint32(sc, UID_MAX, &run->uids.first) || run->uids.first == 0 ||
            !scan_varint32(sc, UID_MAX - run->uids.first, &more))
            return false;
        run->modseq = last + gap;
        run->uids.last = run->uids.first + more;
    }
    return scan_done(sc) && block->runs[0].modseq >= before;
}

static enum rc load_expunged(struct page_loader *loader, const struct mbox *from,
                             struct mbox *fresh, struct err *err)
{
    const struct page_place *at = from->places->at + 2 * from->places->n_chunks;
    struct expunged *log = &fresh->expunged;
    uint64_t before = 0;

    log->slots = from->places->n_expunged > 0
                     ? xcalloc(from->places->n_expunged, sizeof(*log->slots))
                     : NULL;
    for (size_t i = 0; i < from->places->n_expunged; i++) {
        struct expunged_block *block;
        struct page_id id;
        struct scan sc;
        enum rc rc = page_load(loader, PAGE_EXPUNGED, at[i].number, &id, &sc, err);

        if (rc)
            return rc;
        block = expunged_block_new(chunk_fit(MIN(at[i].rows, EXPUNGED_BLOCK_RUNS)));
        if (!get_expunged(&sc, block, at[i].rows, before, from->counts.highestmodseq)) {
            expunged_block_unref(block);
            return page_corrupt(err, &id, "expunged runs");
        }
        block->page = (struct page_ref){.number = at[i].number, .rows = at[i].rows};
        log->slots[log->n_slots++] = (struct expunged_slot){block, at[i].rows};
        log->n_runs += at[i].rows;
        before = block->runs[at[i].rows - 1].modseq;
    }
    return RC_OK;
}

static bool get_overlay_row(struct scan *sc, struct overlay_row *row, uint32_t before,
                            const struct overlay *overlay)
{
    uint32_t gap;
    uint8_t words;

    *row = (struct overlay_row){0};
    if (!scan_varint32(sc, UID_MAX - before, &gap) || gap == 0 || !scan_le8(sc, &row->flags) ||
        (row->flags & ~FLAGS_ALL) != 0 || !scan_varint(sc, overlay->modseq, &row->modseq) ||
        row->modseq == 0 || !scan_le8(sc, &words) || words > KEYWORD_WORDS)
        return false;
    row->uid = before + gap;
    for (uint8_t word = 0; word < words; word++) {
        if (!scan_le64(sc, &row->keywords[word]))
            return false;
    }
    return true;
}

static bool get_overlay(struct scan *sc, struct overlay *overlay, uint64_t reader_before)
{
    size_t n;

    if (!scan_varint(sc, UINT64_MAX, &overlay->reader) || overlay->reader <= reader_before ||
        !scan_varint(sc, MODSEQ_MAX, &overlay->modseq) || !page_get_count(sc, MESSAGES_MAX, &n))
        return false;
    overlay->rows = n > 0 ? xmalloc(n * sizeof(*overlay->rows)) : NULL;
    for (; overlay->n < n; overlay->n++) {
        uint32_t before = overlay->n > 0 ? overlay->rows[overlay->n - 1].uid : 0;

        if (!get_overlay_row(sc, &overlay->rows[overlay->n], before, overlay))
            return false;
    }
    return scan_done(sc);
}

static enum rc load_overlays(struct page_loader *loader, const struct mbox *from,
                             struct mbox *fresh, struct err *err)
{
    const struct page_place *at =
        from->places->at + 2 * from->places->n_chunks + from->places->n_expunged;
    uint64_t reader = 0;

    fresh->overlays = from->places->n_overlays > 0
                          ? xcalloc(from->places->n_overlays, sizeof(struct overlay *))
                          : NULL;
    for (size_t i = 0; i < from->places->n_overlays; i++) {
        struct overlay *overlay;
        struct page_id id;
        struct scan sc;
        enum rc rc = page_load(loader, PAGE_OVERLAY, at[i].number, &id, &sc, err);

        if (rc)
            return rc;
        overlay = overlay_new(0);
        fresh->overlays[fresh->n_overlays++] = overlay;
        if (!get_overlay(&sc, overlay, reader))
            return page_corrupt(err, &id, "private flags");
        overlay->page.number = at[i].number;
        reader = overlay->reader;
    }
    return RC_OK;
}

static bool same_counts(const struct mbox_counts *a, const struct mbox_counts *b)
{
    return a->messages == b->messages && a->unseen == b->unseen && a->deleted == b->deleted &&
           a->bytes == b->bytes && a->bytes_deleted == b->bytes_deleted;
}

static enum rc load_messages(struct page_loader *loader, const struct mbox *from,
                             struct mbox *fresh, struct err *err)
{
    enum rc rc = load_chunks(loader, from, fresh, err);

    if (rc == RC_OK)
        rc = load_expunged(loader, from, fresh, err);
    if (rc == RC_OK)
        rc = load_overlays(loader, from, fresh, err);
    if (rc)
        return rc;
    if (!same_counts(&fresh->counts, &from->counts))
        return err_set(err, RC_CORRUPT, "Damaged mail data",
                       "mailbox %u: messages do not agree with the counts",
                       mbox_info(from)->id);
    fresh->counts = from->counts;
    expunged_forget(&fresh->expunged, fresh->counts.expunged_below);
    return RC_OK;
}

enum rc acct_mbox_load(struct acct_state *fork, uint32_t mbox_id, page_read_fn *read, void *ctx,
                       struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    AUTO(mbox_unrefp) struct mbox *fresh = NULL;
    struct page_loader loader = {fork->id, read, ctx, arena};
    const struct mbox *from = acct_mailbox_by_id(fork, mbox_id);
    size_t at = 0;
    enum rc rc;

    if (from == NULL || !state_find_mbox(fork, mbox_id, &at))
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    if (from->loaded)
        return RC_OK;
    info_object_ref(from->info);
    fresh = mbox_new(from->info);
    rc = load_messages(&loader, from, fresh, err);
    if (rc)
        return rc;
    sorted_replace(&fork->by_id, at, &TAKE(fresh)->counted);
    return RC_OK;
}
