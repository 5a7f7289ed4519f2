/*
 * batch.c - batches and groups as bytes.
 *
 * A batch's header carries the hash of the payload and is hashed itself, and the next batch
 * carries that hash: so the header alone proves that a batch was written here by this store in
 * this epoch (recovery uses that to tell damage from a torn tail), and header plus payload
 * prove that it is whole.
 */
#include "store/local/batch.h"

#include <xxhash.h>

#define BATCH_MAGIC   0x54425352u /* "RSBT" */
#define GROUP_MAGIC   0x52475352u /* "RSGR" */
#define BATCH_VERSION 1u

#define BATCH_HASHED_BYTES 96u  /* what `self` covers */
#define BATCH_COVERED_FROM 112u /* behind `self`: what the payload's hash covers */
#define GROUP_HASHED_BYTES 48u

struct hash128 journal_hash(const struct journal_key *key, struct slice bytes)
{
    XXH128_hash_t hash =
        XXH3_128bits_withSecret(bytes.ptr, bytes.len, key->secret, JOURNAL_SECRET_BYTES);

    return (struct hash128){hash.low64, hash.high64};
}

/* The header's own hash proves who wrote it; the payload's lies in front of it and is covered
 * by it, so that one keyed hash in the next batch stands for both. */
void batch_seal(char *batch, struct batch_header *header, const struct journal_key *key)
{
    memset(batch, 0, BATCH_HEADER_BYTES);
    header->payload = journal_hash(
        key, slice_of(batch + BATCH_COVERED_FROM, header->total_len - BATCH_COVERED_FROM));
    put_le32(batch, BATCH_MAGIC);
    put_le16(batch + 4, BATCH_VERSION);
    put_le16(batch + 6, BATCH_HEADER_BYTES);
    put_le32(batch + 8, header->total_len);
    put_le32(batch + 12, header->payload_len);
    put_le32(batch + 16, header->n_groups);
    put_le64(batch + 24, header->first_lsn);
    put_le64(batch + 32, key->epoch);
    put_le64(batch + 40, header->segment);
    put_le32(batch + 48, header->offset);
    put_le64(batch + 56, (uint64_t) header->clock_us);
    put_hash(batch + 64, header->prev);
    put_hash(batch + 80, header->payload);
    header->self = journal_hash(key, slice_of(batch, BATCH_HASHED_BYTES));
    put_hash(batch + BATCH_HASHED_BYTES, header->self);
}

static bool batch_header_fields(struct scan *sc, uint64_t *epoch, struct batch_header *h)
{
    uint32_t magic, reserved;
    uint16_t version, header_len;
    uint64_t clock_us;

    if (!scan_le32(sc, &magic) || magic != BATCH_MAGIC || !scan_le16(sc, &version) ||
        version != BATCH_VERSION || !scan_le16(sc, &header_len) ||
        header_len != BATCH_HEADER_BYTES)
        return false;
    if (!scan_le32(sc, &h->total_len) || !scan_le32(sc, &h->payload_len) ||
        !scan_le32(sc, &h->n_groups) || !scan_le32(sc, &reserved) ||
        !scan_le64(sc, &h->first_lsn) || !scan_le64(sc, epoch) || !scan_le64(sc, &h->segment) ||
        !scan_le32(sc, &h->offset) || !scan_le32(sc, &reserved))
        return false;
    if (!scan_le64(sc, &clock_us) || !scan_hash(sc, &h->prev) || !scan_hash(sc, &h->payload) ||
        !scan_hash(sc, &h->self))
        return false;
    h->clock_us = (int64_t) clock_us;
    return true;
}

bool batch_header_read(struct slice block, const struct journal_key *key,
                       struct batch_header *out)
{
    struct scan sc = scan_of(slice_sub(block, 0, BATCH_HEADER_BYTES));
    struct batch_header h = {0};
    uint64_t epoch = 0;

    if (block.len < BATCH_HEADER_BYTES || !batch_header_fields(&sc, &epoch, &h) ||
        epoch != key->epoch)
        return false;
    if (!hash128_eq(journal_hash(key, slice_sub(block, 0, BATCH_HASHED_BYTES)), h.self))
        return false;
    if (h.total_len % JOURNAL_BLOCK_BYTES != 0 || h.total_len > BATCH_MAX_BYTES ||
        h.total_len < BATCH_HEADER_BYTES || h.payload_len > h.total_len - BATCH_HEADER_BYTES)
        return false;
    *out = h;
    return true;
}

bool batch_is_whole(const struct batch_header *header, struct slice batch,
                    const struct journal_key *key)
{
    return batch.len == header->total_len &&
           hash128_eq(journal_hash(key, slice_from(batch, BATCH_COVERED_FROM)),
                      header->payload);
}

uint64_t body_block_hash(struct slice block)
{
    return XXH3_64bits(block.ptr, block.len);
}

/* records and table follow each other, so one pass covers both; the header seeds it. */
static uint64_t group_hash(const char *group, size_t records_and_table)
{
    uint64_t seed = XXH3_64bits(group, GROUP_HASHED_BYTES);

    return XXH3_64bits_withSeed(group + GROUP_HEADER_BYTES, records_and_table, seed);
}

void group_seal(char *group, const struct group_view *view)
{
    memset(group, 0, GROUP_HEADER_BYTES);
    put_le32(group, GROUP_MAGIC);
    put_le32(group + 4, view->n_bodies);
    put_le64(group + 8, view->account);
    put_le64(group + 16, view->lsn);
    put_le64(group + 24, view->base);
    put_le32(group + 32, (uint32_t) view->records.len);
    put_le32(group + 36, (uint32_t) view->table.len);
    put_le64(group + 40, view->bodies.len);
    put_le64(group + GROUP_HASHED_BYTES,
             group_hash(group, view->records.len + view->table.len));
}

struct group_header {
    uint32_t records_len, table_len;
    uint64_t bodies_len, hash;
};

static bool group_header_read(struct scan *sc, struct group_header *head,
                              struct group_view *view)
{
    uint32_t magic;
    uint64_t reserved;

    return scan_le32(sc, &magic) && magic == GROUP_MAGIC && scan_le32(sc, &view->n_bodies) &&
           scan_le64(sc, &view->account) && scan_le64(sc, &view->lsn) &&
           scan_le64(sc, &view->base) && scan_le32(sc, &head->records_len) &&
           scan_le32(sc, &head->table_len) && scan_le64(sc, &head->bodies_len) &&
           scan_le64(sc, &head->hash) && scan_le64(sc, &reserved);
}

static bool group_read_part(struct scan *sc, struct group_header *head, struct group_view *out)
{
    const char *start = sc->pos;

    if (!group_header_read(sc, head, out) || !scan_take(sc, head->records_len, &out->records) ||
        !scan_take(sc, head->table_len, &out->table))
        return false;
    if (out->n_bodies > out->table.len / BODY_ROW_BYTES)
        return false;
    out->bodies_at = scan_offset(sc) - (size_t) (start - sc->start);
    return group_hash(start, out->records.len + out->table.len) == head->hash;
}

bool group_read(struct scan *sc, struct group_view *out)
{
    struct scan at = *sc;
    struct group_view view = {0};
    struct group_header head = {0};

    if (!group_read_part(&at, &head, &view) || head.bodies_len > scan_left(&at) ||
        !scan_take(&at, (size_t) head.bodies_len, &view.bodies))
        return false;
    *sc = at;
    *out = view;
    return true;
}

/* Past a group whose header has lengths that fit; they may be the damage, and then nothing
 * behind verifies. */
static bool group_skip(struct scan *sc)
{
    struct group_view view = {0};
    struct group_header head = {0};
    struct scan at = *sc;
    struct slice skipped;

    if (!group_header_read(&at, &head, &view) || !scan_take(&at, head.records_len, &skipped) ||
        !scan_take(&at, head.table_len, &skipped) || head.bodies_len > scan_left(&at) ||
        !scan_take(&at, (size_t) head.bodies_len, &skipped))
        return false;
    *sc = at;
    return true;
}

bool group_read_next(struct scan *sc, struct group_view *out)
{
    while (!group_read(sc, out)) {
        if (!group_skip(sc))
            return false;
    }
    return true;
}

bool group_read_head(struct slice bytes, struct group_view *out)
{
    struct scan sc = scan_of(bytes);
    struct group_view view = {0};
    struct group_header head = {0};

    if (!group_read_part(&sc, &head, &view))
        return false;
    *out = view;
    return true;
}

void body_row_write(char *at, const struct body_row *row)
{
    memset(at, 0, BODY_ROW_BYTES);
    put_le64(at, row->body_id);
    put_le64(at + 8, row->length);
    put_le32(at + 16, row->mbox);
    put_le32(at + 20, row->uid);
    at[24] = (char) row->flags;
    at[25] = (char) row->kind;
    put_le32(at + 28, row->n_blocks);
    put_le64(at + 32, (uint64_t) row->internaldate);
    put_le64(at + 40, row->spill);
    put_le64(at + 48, row->offset);
}

bool body_row_read(struct scan *sc, struct body_row *out)
{
    struct scan at = *sc;
    struct body_row row = {0};
    uint8_t kind;
    uint16_t reserved;
    uint64_t date;

    if (!scan_le64(&at, &row.body_id) || !scan_le64(&at, &row.length) ||
        !scan_le32(&at, &row.mbox) || !scan_le32(&at, &row.uid) || !scan_le8(&at, &row.flags) ||
        !scan_le8(&at, &kind) || !scan_le16(&at, &reserved) || !scan_le32(&at, &row.n_blocks) ||
        !scan_le64(&at, &date) || !scan_le64(&at, &row.spill) || !scan_le64(&at, &row.offset))
        return false;
    if (kind > BODY_SPILL || row.length > ((uint64_t) 1 << 40) ||
        row.n_blocks != body_blocks(row.length) ||
        !scan_take(&at, (size_t) row.n_blocks * 8, &row.hashes))
        return false;
    row.kind = kind == BODY_SPILL ? BODY_SPILL : BODY_INLINE;
    row.internaldate = (int64_t) date;
    *sc = at;
    *out = row;
    return true;
}
