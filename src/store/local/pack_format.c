/*
 * pack_format.c - a pack's header, entries, index rows and footer as bytes.
 *
 * Each has its own checksum: the header and footer say which file this is, an entry's covers
 * its fields and its block checksums (which cover the bytes), the index has one over all rows
 * and each row one of its own, so that one row can be used without reading all.
 */
#include <xxhash.h>

#include "base/random.h"
#include "store/local/batch.h"
#include "store/local/pack.h"

#define PACK_VERSION  1u
#define HEADER_MAGIC  0x314b5052u /* "RPK1" */
#define ENTRY_MAGIC   0x31454b50u /* "PKE1" */
#define FOOTER_MAGIC  0x31464b50u /* "PKF1" */
#define ENTRY_HASHED  (PACK_ENTRY_BYTES - 8u)
#define HEADER_HASHED (PACK_HEADER_BYTES - 8u)
#define FOOTER_HASHED (PACK_FOOTER_BYTES - 8u)
#define ROW_HASHED    (PACK_ROW_BYTES - 8u)

void pack_header_write(char out[PACK_HEADER_BYTES], uint64_t number,
                       const unsigned char uuid[16])
{
    memset(out, 0, PACK_HEADER_BYTES);
    put_le32(out, HEADER_MAGIC);
    put_le32(out + 4, PACK_VERSION);
    memcpy(out + 8, uuid, 16);
    put_le64(out + 24, number);
    random_bytes(out + 32, 32); /* salt: for keys of bodies at rest */
    put_le64(out + HEADER_HASHED, XXH3_64bits(out, HEADER_HASHED));
}

bool pack_header_read(struct slice bytes, uint64_t number, const unsigned char uuid[16])
{
    struct scan sc = scan_of(bytes);
    struct slice stored_uuid, rest;
    uint32_t magic, version;
    uint64_t stored_number, hash;

    return bytes.len == PACK_HEADER_BYTES && scan_le32(&sc, &magic) && magic == HEADER_MAGIC &&
           scan_le32(&sc, &version) && version == PACK_VERSION &&
           scan_take(&sc, 16, &stored_uuid) && slice_eq(stored_uuid, slice_of(uuid, 16)) &&
           scan_le64(&sc, &stored_number) && stored_number == number &&
           scan_take(&sc, HEADER_HASHED - 32, &rest) && scan_le64(&sc, &hash) &&
           XXH3_64bits(bytes.ptr, HEADER_HASHED) == hash;
}

static uint64_t entry_hash(const char *entry, uint32_t n_blocks)
{
    return XXH3_64bits_withSeed(entry + PACK_ENTRY_BYTES, (size_t) n_blocks * 8,
                                XXH3_64bits(entry, ENTRY_HASHED));
}

void pack_entry_write(char *out, const struct pack_entry *entry)
{
    memset(out, 0, PACK_ENTRY_BYTES);
    put_le32(out, ENTRY_MAGIC);
    put_le32(out + 4, PACK_ENTRY_BYTES + entry->n_blocks * 8);
    put_le64(out + 8, entry->account);
    put_le64(out + 16, entry->body_id);
    put_le32(out + 24, entry->mbox);
    put_le32(out + 28, entry->uid);
    out[32] = (char) entry->flags;
    out[33] = PACK_RAW;
    put_le64(out + 40, (uint64_t) entry->internaldate);
    put_le64(out + 48, entry->length);
    put_le64(out + 56, entry->length); /* stored: the same while the codec is raw */
    put_le32(out + 64, entry->n_blocks);
    put_le32(out + 68, BODY_BLOCK_BYTES);
    for (uint32_t i = 0; i < entry->n_blocks; i++)
        put_le64(out + PACK_ENTRY_BYTES + (size_t) i * 8, entry->hashes[i]);
    put_le64(out + ENTRY_HASHED, entry_hash(out, entry->n_blocks));
}

static bool entry_fields(struct scan *sc, struct pack_entry *e)
{
    uint32_t magic, head_len, dictionary, block_bytes;
    uint8_t codec, cipher, reserved;
    uint64_t date, stored;

    if (!scan_le32(sc, &magic) || magic != ENTRY_MAGIC || !scan_le32(sc, &head_len) ||
        !scan_le64(sc, &e->account) || !scan_le64(sc, &e->body_id) ||
        !scan_le32(sc, &e->mbox) || !scan_le32(sc, &e->uid) || !scan_le8(sc, &e->flags) ||
        !scan_le8(sc, &codec) || codec != PACK_RAW || !scan_le8(sc, &cipher) || cipher != 0 ||
        !scan_le8(sc, &reserved) || !scan_le32(sc, &dictionary))
        return false;
    if (!scan_le64(sc, &date) || !scan_le64(sc, &e->length) || !scan_le64(sc, &stored) ||
        !scan_le32(sc, &e->n_blocks) || !scan_le32(sc, &block_bytes))
        return false;
    e->internaldate = (int64_t) date;
    return stored == e->length && e->length <= BODY_MAX_BYTES &&
           block_bytes == BODY_BLOCK_BYTES && e->n_blocks == body_blocks(e->length) &&
           head_len == PACK_ENTRY_BYTES + e->n_blocks * 8;
}

bool pack_entry_read(struct slice bytes, struct pack_entry *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_entry entry = {0};

    if (bytes.len < PACK_ENTRY_BYTES || !entry_fields(&sc, &entry))
        return false;
    *out = entry;
    return true;
}

/* bytes: the fixed part and the block checksums that pack_entry_read() counted. */
static bool entry_is_whole(struct slice bytes, uint32_t n_blocks)
{
    struct scan sc = scan_of(slice_from(bytes, ENTRY_HASHED));
    uint64_t hash;

    return scan_le64(&sc, &hash) && entry_hash(bytes.ptr, n_blocks) == hash;
}

enum rc pack_read_entry(const struct pack *pack, uint64_t offset, uint64_t account,
                        uint64_t body_id, struct pack_entry *out, struct err *err)
{
    AUTO(freep) char *bytes = xmalloc(PACK_ENTRY_BYTES);
    struct pack_entry entry;
    struct scan sc;
    enum rc rc = file_read_all(pack_fd(pack), bytes, PACK_ENTRY_BYTES, offset, err);
    size_t len;

    if (rc)
        return rc;
    if (!pack_entry_read(slice_of(bytes, PACK_ENTRY_BYTES), &entry) ||
        entry.account != account || entry.body_id != body_id)
        return err_set(err, RC_CORRUPT, "The message is damaged", "pack: entry at %llu",
                       (unsigned long long) offset);
    len = PACK_ENTRY_BYTES + (size_t) entry.n_blocks * 8;
    bytes = xrealloc(bytes, len);
    rc = file_read_all(pack_fd(pack), bytes, len, offset, err);
    if (rc)
        return rc;
    if (!entry_is_whole(slice_of(bytes, len), entry.n_blocks))
        return err_set(err, RC_CORRUPT, "The message is damaged",
                       "pack: entry at %llu: checksum", (unsigned long long) offset);
    entry.bytes_at = offset + len;
    entry.hashes = xcalloc((size_t) entry.n_blocks + 1, sizeof(*entry.hashes));
    sc = scan_of(slice_of(bytes + PACK_ENTRY_BYTES, (size_t) entry.n_blocks * 8));
    for (uint32_t i = 0; i < entry.n_blocks; i++)
        (void) scan_le64(&sc, &entry.hashes[i]); /* the length was counted */
    *out = entry;
    return RC_OK;
}

void pack_entry_done(struct pack_entry *entry)
{
    free(entry->hashes);
    entry->hashes = NULL;
}

void pack_row_write(char out[PACK_ROW_BYTES], const struct pack_row *row)
{
    put_le64(out, row->account);
    put_le64(out + 8, row->body_id);
    put_le64(out + 16, row->offset);
    put_le64(out + 24, row->digest_at);
    put_le64(out + 32, row->digest_hash);
    put_le32(out + 40, row->digest_len);
    put_le32(out + 44, row->digest_version);
    put_le64(out + ROW_HASHED, XXH3_64bits(out, ROW_HASHED));
}

bool pack_row_read(struct slice bytes, struct pack_row *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_row row;
    uint64_t hash;

    if (!scan_le64(&sc, &row.account) || !scan_le64(&sc, &row.body_id) ||
        !scan_le64(&sc, &row.offset) || !scan_le64(&sc, &row.digest_at) ||
        !scan_le64(&sc, &row.digest_hash) || !scan_le32(&sc, &row.digest_len) ||
        !scan_le32(&sc, &row.digest_version) || !scan_le64(&sc, &hash) ||
        XXH3_64bits(bytes.ptr, ROW_HASHED) != hash)
        return false;
    *out = row;
    return true;
}

void pack_footer_write(char out[PACK_FOOTER_BYTES], const struct pack_footer *footer)
{
    memset(out, 0, PACK_FOOTER_BYTES);
    put_le32(out, FOOTER_MAGIC);
    put_le32(out + 4, PACK_VERSION);
    put_le64(out + 8, footer->number);
    put_le64(out + 16, footer->n_rows);
    put_le64(out + 24, footer->index_at);
    put_le64(out + 32, footer->digests_at);
    put_le64(out + 40, footer->digests_len);
    put_le64(out + 48, footer->index_hash);
    put_le64(out + FOOTER_HASHED, XXH3_64bits(out, FOOTER_HASHED));
}

bool pack_footer_read(struct slice bytes, struct pack_footer *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_footer footer;
    uint32_t magic, version;
    struct slice reserved;
    uint64_t hash;

    if (bytes.len != PACK_FOOTER_BYTES || !scan_le32(&sc, &magic) || magic != FOOTER_MAGIC ||
        !scan_le32(&sc, &version) || version != PACK_VERSION ||
        !scan_le64(&sc, &footer.number) || !scan_le64(&sc, &footer.n_rows) ||
        !scan_le64(&sc, &footer.index_at) || !scan_le64(&sc, &footer.digests_at) ||
        !scan_le64(&sc, &footer.digests_len) || !scan_le64(&sc, &footer.index_hash) ||
        !scan_take(&sc, FOOTER_HASHED - 56, &reserved) || !scan_le64(&sc, &hash) ||
        XXH3_64bits(bytes.ptr, FOOTER_HASHED) != hash)
        return false;
    *out = footer;
    return true;
}
