/*
 * pages_load.c - a version from pages.
 *
 * Pages come from a disk: each is checked by its hash, then read within bounds, and what the
 * pages say of each other must agree (a mailbox's messages with its counts, uids in order,
 * keywords in the table), so that everything state.h promises holds for what was loaded. Memory
 * is linear in the pages: a row takes at least one byte of its page and becomes at most a
 * hundred.
 */
#include "account/page_frame.h"
#include "account/pages.h"
#include "account/state_parts.h"
#include "account/varint.h"
#include "base/utf8.h"

#define PAGE_ARENA_BYTES ((size_t) 1 << 30) /* above any page written */
#define ZONE_MAX_MIN     ((int64_t) 24 * 60)

struct loader {
    uint64_t account;
    page_read_fn *read;
    void *ctx;
    struct arena *arena; /* of one page at a time */
};

static enum rc read_page(struct loader *loader, enum page_kind kind, uint64_t number,
                         struct page_id *out_id, struct scan *out, struct err *err)
{
    struct slice bytes;
    enum rc rc;

    *out_id = (struct page_id){kind, loader->account, number};
    arena_reset(loader->arena);
    rc = loader->read(loader->ctx, number, loader->arena, &bytes, err);
    return rc ? rc : page_check(bytes, out_id, out, err);
}

static bool get_id(struct scan *sc, struct object_id *out)
{
    struct slice bytes;

    if (!scan_take(sc, sizeof(out->bytes), &bytes))
        return false;
    memcpy(out->bytes, bytes.ptr, sizeof(out->bytes));
    return true;
}

/* A count of things of which each takes at least one byte, and which are at most max. */
static bool get_count(struct scan *sc, uint64_t max, size_t *out)
{
    uint64_t n;

    if (!scan_varint(sc, MIN(max, (uint64_t) scan_left(sc)), &n))
        return false;
    *out = (size_t) n;
    return true;
}

/* Pairs in order of keys into an empty list. */
static bool get_pairs(struct scan *sc, size_t n_max, size_t key_max, size_t value_max,
                      struct text_pair **pairs, size_t *out_n)
{
    struct slice key, value;
    size_t n;

    if (!get_count(sc, n_max, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!scan_varint_bytes(sc, key_max, &key) ||
            !scan_varint_bytes(sc, value_max, &value) ||
            (i > 0 && slice_cmp((*pairs)[i - 1].key, key) >= 0))
            return false;
        *pairs = pairs_set(*pairs, out_n, key, &value);
    }
    return true;
}

/* ---- one mailbox's messages ---- */

static bool get_uids(struct scan *sc, struct chunk *chunk, uint32_t n, uint32_t before)
{
    uint32_t gap;

    for (uint32_t row = 0; row < n; row++) {
        uint32_t last = row > 0 ? chunk->uid[row - 1] : 0;

        if (!scan_varint32(sc, UID_MAX - last, &gap) || gap == 0)
            return false;
        chunk->uid[row] = last + gap;
    }
    return chunk->uid[0] > before;
}

static bool get_flags(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    struct slice flags;

    if (!scan_take(sc, n, &flags))
        return false;
    memcpy(chunk->flags, flags.ptr, n);
    for (uint32_t row = 0; row < n; row++) {
        if ((chunk->flags[row] & ~FLAGS_ALL) != 0)
            return false;
    }
    return true;
}

static bool get_modseqs(struct scan *sc, struct chunk *chunk, uint32_t n, uint64_t max)
{
    uint64_t delta;

    for (uint32_t row = 0; row < n; row++) {
        if (!scan_varint(sc, max - chunk->modseq_base, &delta))
            return false;
        chunk_set_modseq(chunk, row, row, chunk->modseq_base + delta);
    }
    return true;
}

static bool get_keywords(struct scan *sc, struct chunk *chunk, uint32_t n, size_t n_keywords)
{
    uint64_t words[KEYWORD_WORDS], known[KEYWORD_WORDS] = {0};
    uint8_t n_words;

    if (!scan_le8(sc, &n_words) || n_words > KEYWORD_WORDS)
        return false;
    for (size_t i = 0; i < n_keywords; i++)
        known[i / 64] |= (uint64_t) 1 << (i % 64);
    for (uint32_t row = 0; n_words > 0 && row < n; row++) {
        memset(words, 0, sizeof(words));
        for (uint8_t word = 0; word < n_words; word++) {
            if (!scan_le64(sc, &words[word]) || (words[word] & ~known[word]) != 0)
                return false;
        }
        chunk_set_keywords(chunk, row, words);
    }
    return true;
}

static bool get_cold_map(struct scan *sc, struct chunk *chunk, uint32_t n)
{
    uint8_t has_map;

    if (!scan_le8(sc, &has_map) || has_map > 1)
        return false;
    if (has_map == 0)
        return true;
    chunk->cold_row = xcalloc(chunk->cap, sizeof(*chunk->cold_row));
    for (uint32_t row = 0; row < n; row++) {
        if (!scan_le16(sc, &chunk->cold_row[row]))
            return false;
    }
    return true;
}

/* What must hold of a mailbox's chunks one after the other. */
struct chunk_rules {
    uint32_t uid_before; /* last uid of the chunk before */
    uint64_t modseq_max;
    size_t n_keywords;
};

static struct chunk *get_hot(struct scan *sc, uint32_t rows, const struct chunk_rules *rules)
{
    struct chunk *chunk;
    uint64_t base;
    size_t n;

    if (!get_count(sc, CHUNK_MESSAGES, &n) || n == 0 || n != rows ||
        !scan_varint(sc, rules->modseq_max, &base) || base == 0)
        return NULL;
    chunk = chunk_new(chunk_fit((uint32_t) n), base);
    atomic_init(&chunk->filled, (uint32_t) n);
    if (get_uids(sc, chunk, rows, rules->uid_before) && get_flags(sc, chunk, rows) &&
        get_modseqs(sc, chunk, rows, rules->modseq_max) &&
        get_keywords(sc, chunk, rows, rules->n_keywords) && get_cold_map(sc, chunk, rows) &&
        scan_done(sc))
        return chunk;
    chunk_unref(chunk);
    return NULL;
}

static bool get_cold_row(struct scan *sc, struct msg_cold *row)
{
    int64_t zone;

    *row = (struct msg_cold){0};
    if (!scan_varint32(sc, UINT32_MAX, &row->size) || !scan_varint_signed(sc, &zone) ||
        zone < -ZONE_MAX_MIN || zone > ZONE_MAX_MIN)
        return false;
    row->zone_min = (int16_t) zone;
    return scan_varint_signed(sc, &row->internaldate) &&
           scan_varint_signed(sc, &row->savedate) &&
           scan_varint(sc, UINT64_MAX, &row->body_id) && get_id(sc, &row->emailid) &&
           get_id(sc, &row->threadid);
}

static struct cold_store *get_cold(struct scan *sc, uint32_t rows)
{
    struct cold_store *cold;
    size_t n;

    if (!get_count(sc, (uint64_t) COLD_ROWS_MAX, &n) || n == 0 || n != rows)
        return NULL;
    cold = cold_new(chunk_fit(rows));
    atomic_init(&cold->filled, rows);
    for (uint32_t i = 0; i < rows; i++) {
        if (!get_cold_row(sc, &cold->rows[i])) {
            cold_unref(cold);
            return NULL;
        }
    }
    if (scan_done(sc))
        return cold;
    cold_unref(cold);
    return NULL;
}

static enum rc load_chunk(struct loader *loader, const struct page_place at[2],
                          const struct chunk_rules *rules, struct chunk **out, struct err *err)
{
    struct chunk *chunk;
    struct page_id id;
    struct scan sc;
    enum rc rc = read_page(loader, PAGE_HOT, at[0].number, &id, &sc, err);

    if (rc)
        return rc;
    chunk = get_hot(&sc, at[0].rows, rules);
    if (chunk == NULL)
        return page_corrupt(err, &id, "hot columns");
    rc = read_page(loader, PAGE_COLD, at[1].number, &id, &sc, err);
    if (rc == RC_OK) {
        chunk->cold = get_cold(&sc, at[1].rows);
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
static enum rc load_chunks(struct loader *loader, const struct mbox *from, struct mbox *fresh,
                           struct err *err)
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

    if (!get_count(sc, EXPUNGED_BLOCK_RUNS, &n) || n == 0 || n != rows)
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

static enum rc load_expunged(struct loader *loader, const struct mbox *from, struct mbox *fresh,
                             struct err *err)
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
        enum rc rc = read_page(loader, PAGE_EXPUNGED, at[i].number, &id, &sc, err);

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
        !scan_varint(sc, MODSEQ_MAX, &overlay->modseq) || !get_count(sc, MESSAGES_MAX, &n))
        return false;
    overlay->rows = n > 0 ? xmalloc(n * sizeof(*overlay->rows)) : NULL;
    for (; overlay->n < n; overlay->n++) {
        uint32_t before = overlay->n > 0 ? overlay->rows[overlay->n - 1].uid : 0;

        if (!get_overlay_row(sc, &overlay->rows[overlay->n], before, overlay))
            return false;
    }
    return scan_done(sc);
}

static enum rc load_overlays(struct loader *loader, const struct mbox *from, struct mbox *fresh,
                             struct err *err)
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
        enum rc rc = read_page(loader, PAGE_OVERLAY, at[i].number, &id, &sc, err);

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

static enum rc load_messages(struct loader *loader, const struct mbox *from, struct mbox *fresh,
                             struct err *err)
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
    struct loader loader = {fork->id, read, ctx, arena};
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

/* ---- the account ---- */

static bool get_counts(struct scan *sc, struct mbox_counts *counts)
{
    return scan_varint32(sc, MESSAGES_MAX, &counts->messages) &&
           scan_varint32(sc, counts->messages, &counts->unseen) &&
           scan_varint32(sc, counts->messages, &counts->deleted) &&
           scan_varint32(sc, UINT32_MAX, &counts->uidnext) && counts->uidnext != 0 &&
           scan_varint32(sc, UINT32_MAX, &counts->first_recent) &&
           scan_varint(sc, UINT64_MAX, &counts->bytes) &&
           scan_varint(sc, counts->bytes, &counts->bytes_deleted) &&
           scan_varint(sc, MODSEQ_MAX, &counts->highestmodseq) && counts->highestmodseq != 0 &&
           scan_varint(sc, MODSEQ_MAX, &counts->expunged_below);
}

/* Numbers are those of pages that have been: below next_number. */
static struct mbox_places *get_places(struct scan *sc, uint64_t next_number)
{
    struct mbox_places *places;
    size_t n_chunks, n_expunged, n_overlays;

    if (!get_count(sc, MESSAGES_MAX, &n_chunks) || !get_count(sc, MESSAGES_MAX, &n_expunged) ||
        !get_count(sc, OVERLAY_READERS_MAX, &n_overlays))
        return NULL;
    places = mbox_places_new(n_chunks, n_expunged, n_overlays);
    for (size_t i = 0; i < mbox_places_count(places); i++) {
        if (!scan_varint(sc, next_number - 1, &places->at[i].number) ||
            places->at[i].number == 0 || !scan_varint32(sc, UINT32_MAX, &places->at[i].rows)) {
            free(places);
            return NULL;
        }
    }
    return places;
}

static bool name_is_valid(struct slice name)
{
    return name.len > 0 && utf8_is_valid(name) && slice_eq(mailbox_name_key(name), name);
}

/* One mailbox of a page, not loaded. *out_info_page: where the rest of its info lies, or 0. */
static struct mbox *get_mbox(struct scan *sc, const struct acct_state *state,
                             uint64_t *out_info_page)
{
    struct mbox_counts counts = {0};
    struct mbox_places *places;
    struct object_id mailboxid;
    struct slice name;
    struct mbox *mbox;
    uint32_t id, uidvalidity, special_use;

    if (!scan_varint32(sc, state->next_mailbox_id - 1, &id) || id == 0 ||
        !get_id(sc, &mailboxid) || !scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &name) ||
        !name_is_valid(name) || !scan_varint32(sc, UINT32_MAX, &uidvalidity) ||
        uidvalidity == 0 || !scan_varint32(sc, UINT32_MAX, &special_use) ||
        !scan_varint(sc, state->ledger->next_number - 1, out_info_page) ||
        !get_counts(sc, &counts) || counts.highestmodseq > state->modseq)
        return NULL;
    places = get_places(sc, state->ledger->next_number);
    if (places == NULL)
        return NULL;
    mbox = mbox_new(info_object_new(id, &mailboxid, name, uidvalidity, special_use));
    mbox->counts = counts;
    mbox_forget_messages(mbox, places);
    return mbox;
}

static bool get_keyword_table(struct scan *sc, struct info_object **info)
{
    struct slice name;
    size_t n;

    if (!get_count(sc, KEYWORDS_MAX, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!scan_varint_bytes(sc, KEYWORD_BYTES_MAX, &name) || name.len == 0)
            return false;
        info_add_keyword(info, name);
    }
    return true;
}

static enum rc load_info(struct loader *loader, struct mbox *mbox, uint64_t number,
                         struct err *err)
{
    struct info_object *info = mbox->info;
    struct page_id id;
    struct scan sc;
    enum rc rc;

    if (number == 0)
        return RC_OK;
    rc = read_page(loader, PAGE_INFO, number, &id, &sc, err);
    if (rc)
        return rc;
    if (!get_keyword_table(&sc, &mbox->info) ||
        !get_pairs(&sc, ACL_ENTRIES_MAX, ACL_IDENTIFIER_MAX, ACL_RIGHTS_MAX, &info->acl,
                   &info->info.n_acl) ||
        !get_pairs(&sc, METADATA_ENTRIES_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX,
                   &info->metadata, &info->info.n_metadata) ||
        !scan_done(&sc))
        return page_corrupt(err, &id, "keywords, ACL, metadata");
    info_show(info);
    info->page = (struct page_ref){.number = number};
    return RC_OK;
}

/* The mailboxes of one leaf, before they are in the state. */
struct leaf_items {
    struct mbox *mboxes[LEAF_ITEMS_MAX];
    uint64_t info_pages[LEAF_ITEMS_MAX];
    uint32_t n;
};

static bool get_leaf(struct scan *sc, const struct acct_state *state, struct leaf_items *items)
{
    size_t n;

    if (!get_count(sc, LEAF_ITEMS_MAX, &n) || n == 0)
        return false;
    while (items->n < n) {
        struct mbox *mbox = get_mbox(sc, state, &items->info_pages[items->n]);

        if (mbox == NULL)
            return false;
        items->mboxes[items->n++] = mbox;
    }
    return scan_done(sc);
}

static uint32_t last_id(const struct acct_state *state)
{
    const struct counted *item;

    if (state->by_id->n == 0)
        return 0;
    item = sorted_at(state->by_id, state->by_id->n - 1);
    return mbox_info((const struct mbox *) (const void *) item)->id;
}

/* Put the leaf into both indexes: ids ascend, names are new. Takes over the items it has put.
 */
static bool insert_leaf(struct acct_state *state, struct leaf_items *items, uint64_t number)
{
    struct counted *counted[LEAF_ITEMS_MAX];
    uint32_t id = last_id(state);

    for (uint32_t i = 0; i < items->n; i++) {
        const struct mbox_info *info = mbox_info(items->mboxes[i]);

        if (info->id <= id ||
            sorted_find(state->by_name, compare_mailbox_name, &info->name, NULL) != NULL)
            return false;
        id = info->id;
        state_insert_name(state, items->mboxes[i]);
        counted[i] = &items->mboxes[i]->counted;
    }
    sorted_append_leaf(&state->by_id, counted, items->n, number);
    items->n = 0;
    return true;
}

static enum rc load_leaf(struct loader *loader, struct acct_state *state, uint64_t number,
                         struct err *err)
{
    struct leaf_items items = {.n = 0};
    struct page_id id;
    struct scan sc;
    enum rc rc = read_page(loader, PAGE_MAILBOXES, number, &id, &sc, err);

    if (rc)
        return rc;
    if (!get_leaf(&sc, state, &items))
        rc = page_corrupt(err, &id, "mailboxes");
    for (uint32_t i = 0; rc == RC_OK && i < items.n; i++)
        rc = load_info(loader, items.mboxes[i], items.info_pages[i], err);
    if (rc == RC_OK && !insert_leaf(state, &items, number))
        rc = page_corrupt(err, &id, "mailbox ids or names");
    for (uint32_t i = 0; i < items.n; i++)
        mbox_unref(items.mboxes[i]);
    return rc;
}

static enum rc load_subscriptions(struct loader *loader, struct acct_state *state,
                                  uint64_t number, struct err *err)
{
    struct counted *items[LEAF_ITEMS_MAX];
    struct slice name;
    struct page_id id;
    struct scan sc;
    size_t n = 0, got = 0;
    enum rc rc = read_page(loader, PAGE_SUBSCRIPTIONS, number, &id, &sc, err);

    if (rc)
        return rc;
    if (!get_count(&sc, LEAF_ITEMS_MAX, &n) || n == 0)
        return page_corrupt(err, &id, "subscriptions");
    while (got < n && scan_varint_bytes(&sc, MAILBOX_NAME_BYTES_MAX, &name) &&
           name_is_valid(name)) {
        bool first = got == 0, in_order;
        const struct counted *before =
            !first ? items[got - 1]
                   : (state->subscriptions->n > 0
                          ? sorted_at(state->subscriptions, state->subscriptions->n - 1)
                          : NULL);

        in_order = before == NULL || compare_subscription(&name, before) > 0;
        if (!in_order)
            break;
        items[got++] = &name_item_new(0, name)->counted;
    }
    if (got == n && scan_done(&sc)) {
        sorted_append_leaf(&state->subscriptions, items, (uint32_t) n, number);
        return RC_OK;
    }
    while (got > 0)
        name_item_free(items[--got]);
    return page_corrupt(err, &id, "subscriptions");
}

static bool get_quotas(struct scan *sc, struct acct_rest *rest)
{
    struct slice resource;
    size_t n;

    if (!get_count(sc, QUOTA_RESOURCES_MAX, &n))
        return false;
    rest->quotas = n > 0 ? xcalloc(n, sizeof(*rest->quotas)) : NULL;
    while (rest->n_quotas < n) {
        struct quota_limit *quota = &rest->quotas[rest->n_quotas];

        if (!scan_varint_bytes(sc, QUOTA_RESOURCE_MAX, &resource) ||
            !scan_varint(sc, UINT64_MAX, &quota->limit) ||
            (rest->n_quotas > 0 && slice_cmp(quota[-1].resource, resource) >= 0))
            return false;
        quota->resource = text_dup(resource);
        rest->n_quotas++;
    }
    return true;
}

static bool get_xfers(struct scan *sc, struct acct_rest *rest)
{
    struct slice payload;
    uint8_t type;
    size_t n;

    if (!get_count(sc, XFERS_MAX, &n))
        return false;
    rest->xfers = n > 0 ? xcalloc(n, sizeof(*rest->xfers)) : NULL;
    while (rest->n_xfers < n) {
        struct xfer_entry *xfer = &rest->xfers[rest->n_xfers];

        if (!scan_le8(sc, &type) || (type != RECORD_XFER_OUT && type != RECORD_XFER_IN) ||
            !scan_varint(sc, UINT64_MAX, &xfer->peer_account) ||
            !scan_varint(sc, UINT64_MAX, &xfer->transfer_id) ||
            !scan_varint_bytes(sc, XFER_PAYLOAD_MAX, &payload))
            return false;
        xfer->type = (enum record_type) type;
        xfer->payload = text_dup(payload);
        rest->n_xfers++;
    }
    return true;
}

static enum rc load_rest(struct loader *loader, struct acct_state *state, uint64_t number,
                         struct err *err)
{
    struct acct_rest *rest = state->rest;
    struct page_id id;
    struct scan sc;
    enum rc rc;

    if (number == 0)
        return RC_OK;
    rc = read_page(loader, PAGE_REST, number, &id, &sc, err);
    if (rc)
        return rc;
    if (!get_pairs(&sc, METADATA_ENTRIES_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX,
                   &rest->metadata, &rest->n_metadata) ||
        !get_quotas(&sc, rest) || !get_xfers(&sc, rest) || !scan_done(&sc))
        return page_corrupt(err, &id, "account metadata, quota, transfers");
    rest->page.number = number;
    return RC_OK;
}

/* The pages of a set's leaves, as the root lists them. */
typedef enum rc load_leaf_fn(struct loader *loader, struct acct_state *state, uint64_t number,
                             struct err *err);

static enum rc load_set(struct loader *loader, struct acct_state *state, struct scan *root,
                        const struct page_id *root_id, load_leaf_fn *load, struct err *err)
{
    uint64_t number;
    size_t n;

    if (!get_count(root, UINT64_MAX, &n))
        return page_corrupt(err, root_id, "list of pages");
    for (size_t i = 0; i < n; i++) {
        enum rc rc;

        if (!scan_varint(root, state->ledger->next_number - 1, &number) || number == 0)
            return page_corrupt(err, root_id, "page number");
        rc = load(loader, state, number, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static bool get_root(struct scan *sc, struct acct_state *state)
{
    return scan_varint(sc, MODSEQ_MAX, &state->modseq) &&
           scan_varint(sc, UINT64_MAX, &state->next_body_id) && state->next_body_id != 0 &&
           scan_varint32(sc, UINT32_MAX, &state->next_mailbox_id) &&
           state->next_mailbox_id != 0 &&
           scan_varint(sc, INT64_MAX, &state->ledger->next_number) &&
           state->ledger->next_number != 0;
}

enum rc acct_pages_open(uint64_t account_id, struct slice root, uint64_t position,
                        page_read_fn *read, void *ctx, struct acct_state **out, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *state = acct_state_new(account_id);
    struct loader loader = {account_id, read, ctx, arena};
    struct page_id id = {PAGE_ROOT, account_id, 0};
    struct scan sc;
    uint64_t rest;
    enum rc rc = page_check(root, &id, &sc, err);

    if (rc)
        return rc;
    if (!get_root(&sc, state))
        return page_corrupt(err, &id, "account numbers");
    rc = load_set(&loader, state, &sc, &id, load_leaf, err);
    if (rc == RC_OK)
        rc = load_set(&loader, state, &sc, &id, load_subscriptions, err);
    if (rc)
        return rc;
    if (!scan_varint(&sc, state->ledger->next_number - 1, &rest) || !scan_done(&sc))
        return page_corrupt(err, &id, "end of root");
    rc = load_rest(&loader, state, rest, err);
    if (rc)
        return rc;
    state->position = position;
    *out = TAKE(state);
    return RC_OK;
}
