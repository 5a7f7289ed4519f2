/*
 * fuzz_pack.c - the pieces of a pack: header, entry, row, footer; what is read is written again
 * and must read the same.
 */
// links: store_local
#include <stdint.h>

#include "store/local/batch.h"
#include "store/local/pack.h"

#define BLOCKS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(struct slice input)
{
    uint64_t hashes[BLOCKS_MAX] = {0};
    char bytes[PACK_ENTRY_BYTES + BLOCKS_MAX * 8];
    struct pack_entry entry, again;

    if (!pack_entry_read(input, &entry) || entry.n_blocks > BLOCKS_MAX)
        return;
    entry.hashes = hashes;
    pack_entry_write(bytes, &entry);
    if (!pack_entry_read(slice_of(bytes, sizeof(bytes)), &again) ||
        again.account != entry.account || again.body_id != entry.body_id ||
        again.mbox != entry.mbox || again.uid != entry.uid || again.flags != entry.flags ||
        again.internaldate != entry.internaldate || again.length != entry.length)
        die("an entry does not read back");
}

/* Fields from the input, written with a right checksum. */
static void check_row(struct slice input)
{
    struct scan sc = scan_of(input);
    struct pack_row row = {0}, again;
    char bytes[PACK_ROW_BYTES];

    if (!scan_le64(&sc, &row.account) || !scan_le64(&sc, &row.body_id) ||
        !scan_le64(&sc, &row.offset) || !scan_le32(&sc, &row.digest_len))
        return;
    pack_row_write(bytes, &row);
    if (!pack_row_read(slice_of(bytes, sizeof(bytes)), &again) ||
        again.account != row.account || again.offset != row.offset ||
        again.digest_len != row.digest_len)
        die("a row does not read back");
}

static void check_footer(struct slice input)
{
    struct scan sc = scan_of(input);
    struct pack_footer footer = {0}, again;
    char bytes[PACK_FOOTER_BYTES];

    (void) pack_footer_read(slice_sub(input, 0, PACK_FOOTER_BYTES), &again);
    if (!scan_le64(&sc, &footer.number) || !scan_le64(&sc, &footer.n_rows) ||
        !scan_le64(&sc, &footer.index_at))
        return;
    pack_footer_write(bytes, &footer);
    if (!pack_footer_read(slice_of(bytes, sizeof(bytes)), &again) ||
        again.n_rows != footer.n_rows || again.index_at != footer.index_at)
        die("a footer does not read back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char uuid[16] = {1};
    struct slice input = slice_of(data, size);
    struct pack_row row;

    (void) pack_header_read(slice_sub(input, 0, PACK_HEADER_BYTES), 1, uuid);
    (void) pack_row_read(slice_sub(input, 0, PACK_ROW_BYTES), &row);
    check_entry(input);
    check_row(input);
    check_footer(input);
    return 0;
}
