#include "account/kept_pages.h"

#include "account/annotation_pages.h"
#include "account/chunk_pages.h"
#include "account/state_parts.h"

/* ---- payloads ---- */

static uint8_t words_used(const struct kept_message *row)
{
    uint8_t words = KEYWORD_WORDS;

    while (words > 0 && row->keywords[words - 1] == 0)
        words--;
    return words;
}

void kept_put(struct buf *buf, const struct kept_block *block, uint32_t n)
{
    uint64_t modseq = 0;
    int64_t sec = block->rows[0].expunged_sec;

    buf_varint(buf, n);
    buf_varint_signed(buf, sec);
    for (uint32_t i = 0; i < n; i++) {
        const struct kept_message *row = &block->rows[i];
        uint8_t words = words_used(row);

        buf_varint(buf, row->uid);
        buf_le8(buf, row->flags);
        buf_varint(buf, row->modseq - modseq);
        buf_varint(buf, (uint64_t) row->expunged_sec - (uint64_t) sec);
        buf_varint(buf, row->expunged_by);
        buf_le8(buf, words);
        for (uint8_t word = 0; word < words; word++)
            buf_le64(buf, row->keywords[word]);
        chunk_put_cold_row(buf, &row->cold);
        annotation_bundle_put(buf, row->annotations);
        modseq = row->modseq;
        sec = row->expunged_sec;
    }
}

void kept_put_slots(struct buf *buf, const struct kept_log *log)
{
    size_t n = log != NULL ? log->n_slots : 0;

    buf_varint(buf, n);
    for (size_t i = 0; i < n; i++) {
        const struct kept_slot *slot = &log->slots[i];
        const struct page_ref *ref = slot->block != NULL ? &slot->block->page : NULL;

        buf_varint(buf, ref == NULL         ? slot->place.number
                        : ref->pending != 0 ? ref->pending
                                            : ref->number);
        buf_varint(buf, slot->n);
        buf_varint(buf, slot->skip);
        buf_varint(buf, slot->bytes);
        buf_varint_signed(buf, slot->first_sec);
        buf_varint(buf, (uint64_t) slot->last_sec - (uint64_t) slot->first_sec);
    }
}

/* ---- back ---- */

/* A time at or above this one, as the distance. */
static bool get_sec(struct scan *sc, int64_t from, int64_t *out)
{
    uint64_t gap;

    if (!scan_varint(sc, (uint64_t) INT64_MAX - (uint64_t) from, &gap))
        return false;
    *out = (int64_t) ((uint64_t) from + gap);
    return true;
}

static bool get_slot(struct scan *sc, uint64_t next_number, struct kept_slot *slot)
{
    *slot = (struct kept_slot){0};
    if (!scan_varint(sc, next_number - 1, &slot->place.number) || slot->place.number == 0 ||
        !scan_varint32(sc, KEPT_BLOCK_ROWS, &slot->n) || slot->n == 0 ||
        !scan_varint32(sc, slot->n - 1, &slot->skip) ||
        !scan_varint(sc, UINT64_MAX, &slot->bytes) || !scan_varint_signed(sc, &slot->first_sec))
        return false;
    slot->place.rows = slot->n;
    return get_sec(sc, slot->first_sec, &slot->last_sec);
}

bool kept_get_slots(struct scan *sc, uint64_t next_number, struct kept_log **log)
{
    struct kept_slot slot;
    int64_t sec = INT64_MIN;
    size_t n;

    if (!page_get_count(sc, UINT32_MAX / KEPT_BLOCK_ROWS, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!get_slot(sc, next_number, &slot) || slot.first_sec < sec)
            return false;
        sec = slot.last_sec;
        kept_add_slot(log, &slot);
    }
    return true;
}

static bool get_words(struct scan *sc, size_t n_keywords, uint64_t out[KEYWORD_WORDS])
{
    uint8_t words;

    if (!scan_le8(sc, &words) || words > KEYWORD_WORDS)
        return false;
    for (uint8_t word = 0; word < words; word++) {
        uint64_t known = n_keywords >= 64 * (word + 1u) ? UINT64_MAX
                         : n_keywords > 64 * (size_t) word
                             ? ((uint64_t) 1 << (n_keywords - 64 * (size_t) word)) - 1
                             : 0;

        if (!scan_le64(sc, &out[word]) || (out[word] & ~known) != 0)
            return false;
    }
    return true;
}

/* A row; before: the one before it, or what the first one counts from. */
static bool get_row(struct scan *sc, uint8_t version, const struct kept_message *before,
                    size_t n_keywords, struct kept_message *row)
{
    uint64_t gap;

    *row = (struct kept_message){0};
    if (!scan_varint32(sc, UID_MAX, &row->uid) || row->uid == 0 || !scan_le8(sc, &row->flags) ||
        (row->flags & ~FLAGS_ALL) != 0 || !scan_varint(sc, MODSEQ_MAX - before->modseq, &gap) ||
        !get_sec(sc, before->expunged_sec, &row->expunged_sec) ||
        !scan_varint(sc, UINT64_MAX, &row->expunged_by))
        return false;
    row->modseq = before->modseq + gap;
    return row->modseq != 0 && get_words(sc, n_keywords, row->keywords) &&
           chunk_get_cold_row(sc, &row->cold) &&
           (version == PAGE_VERSION_PLAIN ||
            annotation_bundle_get(sc, row->uid, &row->annotations));
}

/* Does the block hold what its slot says of it? */
static bool agrees(const struct kept_block *block, const struct kept_slot *slot)
{
    uint64_t bytes = 0;

    for (uint32_t row = slot->skip; row < slot->n; row++)
        bytes += block->rows[row].cold.size;
    return bytes == slot->bytes && block->rows[slot->skip].expunged_sec == slot->first_sec &&
           block->rows[slot->n - 1].expunged_sec == slot->last_sec;
}

/* The block's rows as far as they are good are filled. */
static bool get_kept(struct scan *sc, uint8_t version, size_t n_keywords,
                     struct kept_block *block, uint32_t n)
{
    struct kept_message before = {0};
    size_t count;

    if (!page_get_count(sc, KEPT_BLOCK_ROWS, &count) || count != n ||
        !scan_varint_signed(sc, &before.expunged_sec))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!get_row(sc, version, i > 0 ? &block->rows[i - 1] : &before, n_keywords,
                     &block->rows[i]))
            return false;
        atomic_init(&block->filled, i + 1);
    }
    return scan_done(sc);
}

enum rc kept_load_block(struct page_loader *loader, const struct kept_slot *slot,
                        size_t n_keywords, struct kept_block **out, struct err *err)
{
    struct kept_block *block;
    struct page_id id;
    struct scan sc;
    enum rc rc = page_load(loader, PAGE_KEPT, slot->place.number, &id, &sc, err);

    if (rc)
        return rc;
    block = kept_block_new(slot->n);
    if (!get_kept(&sc, id.version, n_keywords, block, slot->n) || !agrees(block, slot)) {
        kept_block_unref(block);
        return page_corrupt(err, &id, "kept messages");
    }
    block->page = (struct page_ref){.number = slot->place.number, .rows = slot->n};
    *out = block;
    return RC_OK;
}

enum rc acct_kept_load(struct acct_state *fork, uint32_t mbox_id, uint32_t at, uint32_t n,
                       page_read_fn *read, void *ctx, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PAGE_ARENA_BYTES);
    struct page_loader loader = {fork->id, read, ctx, arena};
    bool is_live = acct_mailbox_by_id(fork, mbox_id) != NULL;
    const struct mbox *from =
        is_live ? acct_mailbox_by_id(fork, mbox_id) : acct_deleted_by_id(fork, mbox_id);
    struct kept_place place;
    struct mbox *mbox;
    uint64_t end;

    if (from == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    if (mbox_kept_is_loaded(from, at, n))
        return RC_OK;
    mbox = is_live ? state_own_mbox(fork, mbox_id) : state_own_deleted(fork, mbox_id);
    place = kept_find_place(mbox->kept, at);
    end = MIN((uint64_t) at + n, mbox->kept->n);
    for (uint64_t row = at - (place.row - mbox->kept->slots[place.slot].skip); row < end;
         place.slot++) {
        const struct kept_slot *slot = &mbox->kept->slots[place.slot];
        struct kept_block *block;
        enum rc rc;

        row += slot->n - slot->skip;
        if (slot->block != NULL)
            continue;
        rc = kept_load_block(&loader, slot, mbox_info(mbox)->n_keywords, &block, err);
        if (rc)
            return rc;
        kept_put_block(&mbox->kept, place.slot, block);
    }
    return RC_OK;
}
