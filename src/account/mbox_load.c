/*
 * mbox_load.c - a mailbox's messages from their pages: all of them, the last chunk, cold rows.
 *
 * What the pages say of each other must agree (messages with the counts, uids in order,
 * keywords in the table), so that everything state.h promises holds for what was loaded.
 *
 * Cold rows come apart, and any reader may ask for them: their store is shared by versions, and
 * the pieces it was made of do not change in its life (chunk.h), so two that ask at once read
 * the same rows, and one of the two keeps them.
 */
#include "account/mbox_load.h"

#include "account/all.h"
#include "account/annotation_pages.h"
#include "account/chunk_pages.h"
#include "account/kept_pages.h"
#include "account/page_loader.h"
#include "account/state_parts.h"

static void count_in(struct mbox *fresh, struct chunk *chunk, uint32_t n,
                     const struct chunk_sums *sums)
{
    mbox_add_slot(fresh, chunk, n, sums);
    fresh->counts.messages += n;
    fresh->counts.unseen += sums->unseen;
    fresh->counts.deleted += sums->deleted;
}

static enum rc uid_corrupt(const struct mbox *mbox, struct err *err)
{
    return err_set(err, RC_CORRUPT, "Damaged mail data", "mailbox %u: uids are not in order",
                   mbox_info(mbox)->id);
}

/* The chunks that are in memory already, behind those of the places. */
static enum rc take_slots(const struct mbox *from, uint32_t uid_before, struct mbox *fresh,
                          struct err *err)
{
    for (size_t i = 0; i < from->n_slots; i++) {
        const struct chunk_slot *slot = &from->slots[i];
        struct chunk_sums sums = chunk_sum(slot->chunk, slot->n);

        if (slot->chunk->uid[0] <= uid_before)
            return uid_corrupt(from, err);
        uid_before = slot->chunk->uid[slot->n - 1];
        chunk_ref(slot->chunk);
        count_in(fresh, slot->chunk, slot->n, &sums);
    }
    return uid_before < from->counts.uidnext ? RC_OK : uid_corrupt(from, err);
}

static struct chunk_rules rules_of(const struct mbox *mbox)
{
    return (struct chunk_rules){.modseq_max = mbox->counts.highestmodseq,
                                .n_keywords = mbox_info(mbox)->n_keywords};
}

/* All chunks, into fresh; its counts are then those of the messages. */
static enum rc load_chunks(struct page_loader *loader, const struct mbox *from,
                           struct mbox *fresh, struct err *err)
{
    const struct page_place *at = from->places->at;
    struct chunk_rules rules = rules_of(from);

    for (size_t i = 0; i < from->places->n_chunks; i++, at += 1 + at->n_cold) {
        struct chunk *chunk = NULL;
        struct chunk_sums sums;
        enum rc rc = chunk_load(loader, at, &rules, &chunk, &sums, err);

        if (rc || chunk == NULL)
            return rc;
        count_in(fresh, chunk, at->rows, &sums);
        rules.uid_before = chunk->uid[at->rows - 1];
    }
    return take_slots(from, rules.uid_before, fresh, err);
}

/* The place behind those of the chunks. */
static const struct page_place *places_behind_chunks(const struct mbox_places *places)
{
    return places->at + (places->n - mbox_places_behind(places));
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
    const struct page_place *at = places_behind_chunks(from->places);
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
    AUTO(freep) struct overlay_row *rows = NULL;
    size_t n;

    if (!scan_varint(sc, UINT64_MAX, &overlay->reader) || overlay->reader <= reader_before ||
        !scan_varint(sc, MODSEQ_MAX, &overlay->modseq) || !page_get_count(sc, MESSAGES_MAX, &n))
        return false;
    rows = n > 0 ? xmalloc(n * sizeof(*rows)) : NULL;
    for (size_t i = 0; i < n; i++)
        if (!get_overlay_row(sc, &rows[i], i > 0 ? rows[i - 1].uid : 0, overlay))
            return false;
    overlay_fill(overlay, rows, n);
    return scan_done(sc);
}

static enum rc load_overlays(struct page_loader *loader, const struct mbox *from,
                             struct mbox *fresh, struct err *err)
{
    const struct page_place *at = places_behind_chunks(from->places) + from->places->n_expunged;
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

static enum rc load_annotations(struct page_loader *loader, const struct mbox *from,
                                struct mbox *fresh, struct err *err)
{
    const struct page_place *at = places_behind_chunks(from->places) +
                                  from->places->n_expunged + from->places->n_overlays;
    const struct annotation_row *last = NULL;

    for (size_t i = 0; i < from->places->n_annotations; i++) {
        struct annotation_leaf *leaf = NULL;
        enum rc rc =
            annotation_leaf_load(loader, &at[i], last, from->counts.uidnext, &leaf, err);

        if (rc)
            return rc;
        annotations_add_leaf(&fresh->annotations, leaf);
        last = leaf->rows[leaf->n - 1];
    }
    fresh->counts.annotation_bytes = fresh->annotations != NULL ? fresh->annotations->bytes : 0;
    return RC_OK;
}

static bool same_counts(const struct mbox_counts *a, const struct mbox_counts *b)
{
    return a->messages == b->messages && a->unseen == b->unseen && a->deleted == b->deleted &&
           a->annotation_bytes == b->annotation_bytes;
}

/* Not said by pages of a version that does not say it. */
static bool same_unseen(const struct mbox *fresh, const struct mbox *from)
{
    return !mbox_knows_first_unseen(from) ||
           mbox_first_unseen(from) == mbox_first_unseen(fresh);
}

static enum rc load_messages(struct page_loader *loader, const struct mbox *from,
                             struct mbox *fresh, struct err *err)
{
    enum rc rc = load_chunks(loader, from, fresh, err);

    if (rc == RC_OK)
        rc = load_expunged(loader, from, fresh, err);
    if (rc == RC_OK)
        rc = load_overlays(loader, from, fresh, err);
    if (rc == RC_OK)
        rc = load_annotations(loader, from, fresh, err);
    if (rc)
        return rc;
    if (!same_counts(&fresh->counts, &from->counts) || !same_unseen(fresh, from))
        return err_set(err, RC_CORRUPT, "Damaged mail data",
                       "mailbox %u: messages do not agree with the counts",
                       mbox_info(from)->id);
    fresh->counts = from->counts;
    expunged_forget(&fresh->expunged, fresh->counts.expunged_below);
    return RC_OK;
}

/* The last block of what is kept, if there is room in it: expunges fill it up then. Without it
 * they begin another one. */
static void load_kept_end(struct page_loader *loader, struct mbox *mbox)
{
    const struct kept_slot *last =
        mbox->kept != NULL ? &mbox->kept->slots[mbox->kept->n_slots - 1] : NULL;
    struct kept_block *block;
    struct err ignored;

    if (last != NULL && last->block == NULL && last->n < KEPT_BLOCK_ROWS &&
        kept_load_block(loader, last, mbox_info(mbox)->n_keywords, &block, &ignored) == RC_OK)
        kept_put_block(&mbox->kept, mbox->kept->n_slots - 1, block);
}

enum rc acct_mbox_load(struct acct_state *fork, uint32_t mbox_id, page_read_fn *read, void *ctx,
                       struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    AUTO(mbox_unrefp) struct mbox *fresh = NULL;
    struct page_loader loader = {fork->id, read, ctx, arena};
    const struct mbox *from = acct_mailbox_by_id(fork, mbox_id);
    const struct mbox *deleted = acct_deleted_by_id(fork, mbox_id);
    size_t at = 0;
    enum rc rc;

    if (from == NULL)
        from = deleted;
    if (from == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    if (from->loaded)
        return RC_OK;
    info_object_ref(from->info);
    fresh = mbox_new(from->info);
    rc = load_messages(&loader, from, fresh, err);
    if (rc)
        return rc;
    fresh->kept = kept_log_ref(from->kept);
    load_kept_end(&loader, fresh);
    fresh->end = from->end;
    (void) sorted_find(from == deleted ? fork->deleted : fork->by_id, compare_mbox_id, &mbox_id,
                       &at);
    sorted_replace(from == deleted ? &fork->deleted : &fork->by_id, at, &TAKE(fresh)->counted);
    return RC_OK;
}

/* ---- cold rows ---- */

static enum rc load_cold(struct page_loader *loader, struct cold_store *cold, struct err *err)
{
    AUTO(freep) struct msg_cold *rows = xmalloc(cold->cap * sizeof(*rows));
    enum rc rc = chunk_read_cold(loader, cold, rows, err);

    if (rc) /* pieces may go once somebody else has the rows */
        return cold_rows(cold) != NULL ? RC_OK : rc;
    cold_publish(cold, TAKE(rows));
    return RC_OK;
}

/* ---- the last chunk ---- */

/* The places without those of the last chunk. */
static struct mbox_places *places_before(const struct mbox_places *places,
                                         const struct page_place *last)
{
    size_t n_gone = 1 + last->n_cold, n_before = (size_t) (last - places->at);
    struct mbox_places *rest = mbox_places_new(places->n - n_gone);

    rest->first_unseen = places->first_unseen;
    rest->n_chunks = places->n_chunks - 1;
    rest->n_expunged = places->n_expunged;
    rest->n_overlays = places->n_overlays;
    rest->n_annotations = places->n_annotations;
    memcpy(rest->at, places->at, n_before * sizeof(*rest->at));
    memcpy(rest->at + n_before, last + n_gone, (rest->n - n_before) * sizeof(*rest->at));
    return rest;
}

/* There is such a mailbox, and its last chunk is not in memory. */
static enum rc take_last(struct page_loader *loader, struct acct_state *fork, uint32_t mbox_id,
                         bool cold, struct err *err)
{
    const struct mbox *from = acct_mailbox_by_id(fork, mbox_id);
    const struct page_place *last = mbox_places_last_chunk(from->places);
    struct chunk_rules rules = rules_of(from);
    struct chunk *chunk = NULL;
    struct mbox *mbox;
    enum rc rc = chunk_load(loader, last, &rules, &chunk, NULL, err);

    if (rc || chunk == NULL)
        return rc;
    if (chunk->uid[last->rows - 1] >= from->counts.uidnext)
        rc = uid_corrupt(from, err);
    else if (cold)
        rc = load_cold(loader, chunk->cold, err);
    if (rc) {
        chunk_unref(chunk);
        return rc;
    }
    mbox = state_own_mbox(fork, mbox_id);
    last = mbox_places_last_chunk(mbox->places);
    mbox_take_tail(mbox, chunk, last->rows, places_before(mbox->places, last));
    return RC_OK;
}

enum rc mbox_load_tail(struct page_loader *loader, struct acct_state *fork, uint32_t mbox_id,
                       struct err *err)
{
    const struct mbox *from = acct_mailbox_by_id(fork, mbox_id);

    if (from == NULL || mbox_can_append(from))
        return RC_OK;
    if (from->n_slots > 0)
        return load_cold(loader, from->slots[from->n_slots - 1].chunk->cold, err);
    return take_last(loader, fork, mbox_id, true, err);
}

enum rc acct_tail_load(struct acct_state *fork, uint32_t mbox_id, page_read_fn *read, void *ctx,
                       struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    struct page_loader loader = {fork->id, read, ctx, arena};
    const struct mbox *from = acct_mailbox_by_id(fork, mbox_id);

    if (from == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    return mbox_has_tail(from) ? RC_OK : take_last(&loader, fork, mbox_id, false, err);
}

enum rc mbox_load_cold_slots(struct page_loader *loader, const struct mbox *mbox, size_t first,
                             size_t end, struct err *err)
{
    for (size_t i = first; i < end; i++) {
        enum rc rc = RC_OK;

        if (!chunk_cold_is_loaded(mbox->slots[i].chunk))
            rc = load_cold(loader, mbox->slots[i].chunk->cold, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc acct_cold_load(const struct acct_state *state, const struct mbox *mbox, uint32_t first,
                       uint32_t last, page_read_fn *read, void *ctx, struct err *err)
{
    size_t at = mbox_chunk_of(mbox, first), end = mbox_chunk_of(mbox, last) + 1;
    AUTO(arena_freep) struct arena *arena = NULL;
    struct page_loader loader = {state->id, read, ctx, NULL};

    while (at < end && chunk_cold_is_loaded(mbox->slots[at].chunk))
        at++;
    if (at == end)
        return RC_OK;
    loader.arena = arena = arena_new(PAGE_ARENA_BYTES);
    return mbox_load_cold_slots(&loader, mbox, at, end, err);
}

static enum rc load_cold_of(struct page_loader *loader, const struct acct_state *state,
                            uint32_t mbox_id, const struct uid_set *uids, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, mbox_id);
    size_t first, end;
    enum rc rc = RC_OK;

    for (size_t i = 0; mbox != NULL && i < uids->n && rc == RC_OK; i++) {
        mbox_slots_of(mbox, uids->runs[i], &first, &end);
        rc = mbox_load_cold_slots(loader, mbox, first, end, err);
    }
    return rc;
}

/* ---- what a record needs ---- */

/* The messages of a mailbox, and the cold rows of those named; uids NULL: none. */
static enum rc load_named(struct page_loader *loader, struct acct_state *fork, uint32_t mbox_id,
                          const struct uid_set *uids, struct err *err)
{
    enum rc rc = RC_OK;

    if (acct_mailbox_by_id(fork, mbox_id) == NULL)
        return RC_OK;
    rc = acct_mbox_load(fork, mbox_id, loader->read, loader->ctx, err);
    return rc == RC_OK && uids != NULL ? load_cold_of(loader, fork, mbox_id, uids, err) : rc;
}

/* Rows of what a mailbox, a deleted one perhaps, keeps. */
static enum rc load_kept(struct page_loader *loader, struct acct_state *fork, uint32_t mbox_id,
                         uint32_t at, uint32_t n, struct err *err)
{
    if (acct_mailbox_by_id(fork, mbox_id) == NULL && acct_deleted_by_id(fork, mbox_id) == NULL)
        return RC_OK;
    return acct_kept_load(fork, mbox_id, at, n, loader->read, loader->ctx, err);
}

static enum rc load_for(struct page_loader *loader, struct acct_state *fork,
                        const struct record *record, struct err *err)
{
    struct uid_run run;
    enum rc rc;

    switch (record->type) {
    case RECORD_APPEND:
        return mbox_load_tail(loader, fork, record->append.mbox, err);
    case RECORD_FLAGS:
        return load_named(loader, fork, record->flags.mbox,
                          acct_flags_count_bytes(&record->flags) ? &record->flags.uids : NULL,
                          err);
    case RECORD_ANNOTATE:
        return load_named(loader, fork, record->annotate.mbox, NULL, err);
    case RECORD_EXPUNGE:
        return load_named(loader, fork, record->expunge.mbox, &record->expunge.uids, err);
    case RECORD_COPY:
    case RECORD_MOVE:
        rc = load_named(loader, fork, record->copy.src, &record->copy.uids, err);
        if (rc == RC_OK && (record->copy.annotations || record->copy.reader != 0))
            rc = load_named(loader, fork, record->copy.dst, NULL, err);
        return rc ? rc : mbox_load_tail(loader, fork, record->copy.dst, err);
    case RECORD_THREADID:
        run = (struct uid_run){record->threadid.uid, record->threadid.uid};
        return load_named(loader, fork, record->threadid.mbox, &(struct uid_set){&run, 1}, err);
    case RECORD_MAILBOX:
    case RECORD_SUBSCRIBE:
    case RECORD_ACL:
    case RECORD_METADATA:
    case RECORD_KEYWORD:
    case RECORD_QUOTA:
    case RECORD_PURGE:
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
    case RECORD_ACCOUNT:
        break;
    case RECORD_FORGET:
        return record->forget.op == FORGET_MESSAGES
                   ? load_kept(loader, fork, record->forget.mbox, record->forget.n, 1, err)
                   : RC_OK;
    case RECORD_RESTORE:
        if (record->restore.op != RESTORE_MESSAGES)
            break;
        rc = load_kept(loader, fork, record->restore.mbox, 0, UINT32_MAX, err);
        if (rc == RC_OK) /* annotations come back as well */
            rc = load_named(loader, fork, record->restore.dst, NULL, err);
        return rc ? rc : mbox_load_tail(loader, fork, record->restore.dst, err);
    }
    return RC_OK;
}

enum rc acct_record_load(struct acct_state *fork, const struct record *record,
                         page_read_fn *read, void *ctx, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    struct page_loader loader = {fork->id, read, ctx, arena};
    enum rc rc = load_for(&loader, fork, record, err);

    return rc ? rc : all_load_for(&loader, fork, record, err);
}
