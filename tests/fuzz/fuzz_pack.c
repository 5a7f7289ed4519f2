/*
 * fuzz_pack.c - the pieces of a pack: header, frames and what they decompress to, directory,
 * rows, entries, footer, lines of base64; what is read is written again and must read the same.
 */
// links: store_local
#include <stdint.h>

#include "store/local/batch.h"
#include "store/local/codec.h"
#include "store/local/lines.h"
#include "store/local/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ends(struct slice input)
{
    char header[PACK_HEADER_BYTES], bytes[PACK_FOOTER_BYTES];
    struct pack_ident ident;
    struct pack_footer footer;

    if (pack_header_read(slice_sub(input, 0, PACK_HEADER_BYTES), &ident)) {
        pack_header_write(header, &ident);
        if (!slice_eq(slice_of(header, sizeof(header)), slice_sub(input, 0, sizeof(header))))
            die("a header is not written as it was read");
    }
    if (pack_footer_read(slice_sub(input, 0, PACK_FOOTER_BYTES), &footer)) {
        pack_footer_write(bytes, &footer);
        if (!slice_eq(slice_of(bytes, sizeof(bytes)), slice_sub(input, 0, sizeof(bytes))))
            die("a footer is not written as it was read");
    }
}

/* Fields from the input, in a frame with a right checksum. */
static void check_frame(struct slice input)
{
    static const struct pack_ident ident = {.number = 1, .salt = {7}};
    char head[PACK_FRAME_BYTES];
    struct scan sc = scan_of(input);
    struct pack_frame frame = {0}, again = {0};
    uint8_t stream, codec;

    (void) pack_frame_read(input, &ident, &again);
    if (!scan_le8(&sc, &stream) || !scan_le8(&sc, &codec) || !scan_le32(&sc, &frame.raw_len) ||
        !scan_le32(&sc, &frame.stored_len) || !scan_le64(&sc, &frame.at))
        return;
    frame.stream = (enum pack_stream)(stream % PACK_STREAMS);
    frame.codec = (enum pack_codec)(codec % (PACK_LZ4 + 1));
    pack_frame_write(head, &ident, &frame);
    if (!pack_frame_read(slice_of(head, sizeof(head)), &ident, &again))
        return; /* lengths that no frame has */
    if (again.raw_len > PACK_BLOCK_MAX || again.stored_len > again.raw_len ||
        again.stream != frame.stream || again.at != frame.at)
        die("a frame does not read back");
}

/* The input as stored bytes of each codec, and as bytes to store. */
static void check_codecs(struct slice input)
{
    struct compressor *compressor = compressor_new();
    struct decompressor *decompressor = decompressor_new();
    AUTO(freep) char *stored = xmalloc(PACK_BLOCK_MAX);
    AUTO(freep) char *raw = xmalloc(PACK_BLOCK_MAX);
    struct slice block = slice_sub(input, 0, PACK_BLOCK_MAX);

    for (int codec = PACK_RAW; codec <= PACK_LZ4; codec++) {
        size_t len = 0;
        enum pack_codec used;

        (void) codec_decompress(decompressor, (enum pack_codec) codec, NULL, block, raw,
                                MIN(block.len * 3, (size_t) PACK_BLOCK_MAX));
        if (codec == PACK_ZSTD_DICT || block.len == 0)
            continue;
        used = codec_compress(compressor, (enum pack_codec) codec, NULL, block, stored, &len);
        if (len > block.len ||
            !codec_decompress(decompressor, used, NULL, slice_of(stored, len), raw,
                              block.len) ||
            !slice_eq(slice_of(raw, block.len), block))
            die("a block does not come back");
    }
    compressor_free(compressor);
    decompressor_free(decompressor);
}

static void check_entry(struct slice input)
{
    struct pack_entry entry, again;
    size_t len;
    char *bytes;

    if (!pack_entry_read_head(input, &entry) || pack_entry_len(&entry) > input.len)
        return;
    if (!pack_entry_read(input, &entry))
        return;
    len = pack_entry_len(&entry);
    bytes = xmalloc(len);
    pack_entry_write(bytes, &entry);
    if (pack_entry_literal(&entry) > entry.length ||
        !pack_entry_read(slice_of(bytes, len), &again))
        die("an entry does not read back");
    pack_entry_done(&again);
    pack_entry_done(&entry);
    free(bytes);
}

/* An entry whose fields come from the input, its checksum made right. */
static void check_made_entry(struct slice input)
{
    struct scan sc = scan_of(input);
    struct pack_piece pieces[4];
    uint64_t hashes[4] = {0};
    struct pack_entry entry = {.n_pieces = 0, .pieces = pieces, .hashes = hashes}, again;
    char bytes[PACK_ENTRY_BYTES + 4 * PACK_PIECE_BYTES + 4 * 8];
    uint8_t kind, line;
    uint64_t length;

    if (!scan_le64(&sc, &entry.account) || !scan_le64(&sc, &entry.body_id))
        return;
    while (entry.n_pieces < 4 && scan_le8(&sc, &kind) && scan_le8(&sc, &line) &&
           scan_le64(&sc, &length)) {
        pieces[entry.n_pieces++] =
            (struct pack_piece){.kind = (enum pack_piece_kind)(kind % (PACK_PART_LINES + 1)),
                                .line = line,
                                .length = length % BODY_BLOCK_BYTES,
                                .part_id = kind % 3 == 0 ? 0 : PACK_PART_BIT | length};
        entry.length += length % BODY_BLOCK_BYTES;
    }
    entry.n_blocks = body_blocks(entry.length);
    pack_entry_write(bytes, &entry);
    if (!pack_entry_read(slice_of(bytes, sizeof(bytes)), &again))
        return; /* a piece of no length, a line that is none */
    if (again.length != entry.length || again.n_pieces != entry.n_pieces)
        die("a made entry does not read back");
    pack_entry_done(&again);
}

static void check_rows(struct slice input)
{
    char bytes[PACK_ROW_BYTES], place[PACK_DIRECTORY_BYTES];
    struct pack_frame frame, same;
    struct pack_row row;

    if (pack_row_read(input, &row)) {
        pack_row_write(bytes, &row);
        if (!slice_eq(slice_of(bytes, sizeof(bytes)), slice_sub(input, 0, sizeof(bytes))))
            die("a row is not written as it was read");
    }
    if (pack_directory_read(input, &frame)) {
        pack_directory_write(place, &frame);
        if (!pack_directory_read(slice_of(place, sizeof(place)), &same) ||
            same.file_at != frame.file_at || same.raw_len != frame.raw_len)
            die("a place does not read back");
    }
}

static enum rc read_memory(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct slice *bytes = ctx;

    (void) err;
    if (offset > bytes->len || len > bytes->len - offset)
        die("a read behind the end");
    memcpy(out, bytes->ptr + offset, len);
    return RC_OK;
}

/* What is taken as lines comes back, whole and from the middle. */
static void check_lines(struct slice input)
{
    AUTO(buf_done) struct buf decoded;
    AUTO(freep) char *again = xmalloc(input.len + 1);
    struct slice bytes;
    uint8_t line = 0;
    size_t taken, from;

    buf_init(&decoded, input.len + 4);
    taken = lines_decode(input, &line, &decoded);
    if (taken == 0)
        return;
    bytes = buf_slice(&decoded);
    from = taken / 3;
    if (taken > lines_length(bytes.len, line) ||
        lines_read(read_memory, &bytes, bytes.len, line, from, again, taken - from, NULL) !=
            RC_OK ||
        !slice_eq(slice_of(again, taken - from), slice_sub(input, from, taken - from)))
        die("lines do not come back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);

    check_ends(input);
    check_frame(input);
    check_codecs(input);
    check_entry(input);
    check_made_entry(input);
    check_rows(input);
    check_lines(input);
    return 0;
}
