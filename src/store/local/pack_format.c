/*
 * pack_format.c - a pack's header, frame heads, directory, rows, entries and footer as bytes.
 *
 * Header, footer and frame heads have a checksum of their own; frame heads are seeded with the
 * pack's salt, so that a frame of another pack, or bytes of a mail that look like one, are
 * none. Rows and entries lie in frames; an entry has its own checksum besides, made when the
 * body was packed first, which covers the checksums of the body's blocks.
 */
#include <xxhash.h>

#include "store/local/batch.h"
#include "store/local/pack.h"

#define PACK_VERSION  2u
#define HEADER_MAGIC  0x324b5052u /* "RPK2" */
#define FRAME_MAGIC   0x32424b50u /* "PKB2" */
#define ENTRY_MAGIC   0x32454b50u /* "PKE2" */
#define FOOTER_MAGIC  0x32464b50u /* "PKF2" */
#define HEADER_HASHED (PACK_HEADER_BYTES - 8u)
#define FOOTER_HASHED (PACK_FOOTER_BYTES - 8u)
#define FRAME_HASHED  (PACK_FRAME_BYTES - 8u)
#define ENTRY_HASHED  (PACK_ENTRY_BYTES - 8u)
#define IDENT_BYTES   64u

static void ident_write(char *out, const struct pack_ident *ident)
{
    memcpy(out, ident->uuid, 16);
    put_le64(out + 16, ident->number);
    put_le64(out + 24, ident->dictionary);
    memcpy(out + 32, ident->salt, 32);
}

static bool ident_read(struct scan *sc, struct pack_ident *out)
{
    struct slice uuid, salt;

    if (!scan_take(sc, 16, &uuid) || !scan_le64(sc, &out->number) ||
        !scan_le64(sc, &out->dictionary) || !scan_take(sc, 32, &salt))
        return false;
    memcpy(out->uuid, uuid.ptr, 16);
    memcpy(out->salt, salt.ptr, 32);
    return true;
}

void pack_header_write(char out[PACK_HEADER_BYTES], const struct pack_ident *ident)
{
    memset(out, 0, PACK_HEADER_BYTES);
    put_le32(out, HEADER_MAGIC);
    put_le32(out + 4, PACK_VERSION);
    ident_write(out + 8, ident);
    put_le64(out + HEADER_HASHED, XXH3_64bits(out, HEADER_HASHED));
}

/* Is this the hash that stands behind the first hashed bytes? */
static bool hash_stands(struct slice bytes, size_t hashed)
{
    struct scan sc = scan_of(slice_from(bytes, hashed));
    uint64_t hash;

    return scan_le64(&sc, &hash) && XXH3_64bits(bytes.ptr, hashed) == hash;
}

bool pack_header_read(struct slice bytes, struct pack_ident *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_ident ident;
    uint32_t magic, version;

    if (bytes.len != PACK_HEADER_BYTES || !scan_le32(&sc, &magic) || magic != HEADER_MAGIC ||
        !scan_le32(&sc, &version) || version != PACK_VERSION || !ident_read(&sc, &ident) ||
        !hash_stands(bytes, HEADER_HASHED))
        return false;
    *out = ident;
    return true;
}

void pack_footer_write(char out[PACK_FOOTER_BYTES], const struct pack_footer *footer)
{
    memset(out, 0, PACK_FOOTER_BYTES);
    put_le32(out, FOOTER_MAGIC);
    put_le32(out + 4, PACK_VERSION);
    ident_write(out + 8, &footer->ident);
    put_le64(out + 72, footer->n_rows);
    put_le64(out + 80, footer->n_frames);
    put_le64(out + 88, footer->directory_at);
    put_le64(out + 96, footer->directory_hash);
    put_le64(out + FOOTER_HASHED, XXH3_64bits(out, FOOTER_HASHED));
}

bool pack_footer_read(struct slice bytes, struct pack_footer *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_footer footer;
    uint32_t magic, version;

    if (bytes.len != PACK_FOOTER_BYTES || !scan_le32(&sc, &magic) || magic != FOOTER_MAGIC ||
        !scan_le32(&sc, &version) || version != PACK_VERSION ||
        !ident_read(&sc, &footer.ident) || !scan_le64(&sc, &footer.n_rows) ||
        !scan_le64(&sc, &footer.n_frames) || !scan_le64(&sc, &footer.directory_at) ||
        !scan_le64(&sc, &footer.directory_hash) || !hash_stands(bytes, FOOTER_HASHED))
        return false;
    *out = footer;
    return true;
}

static uint64_t frame_hash(const char *head, const struct pack_ident *ident)
{
    return XXH3_64bits_withSeed(head, FRAME_HASHED,
                                XXH3_64bits(ident->salt, sizeof(ident->salt)));
}

void pack_frame_write(char out[PACK_FRAME_BYTES], const struct pack_ident *ident,
                      const struct pack_frame *frame)
{
    memset(out, 0, PACK_FRAME_BYTES);
    put_le32(out, FRAME_MAGIC);
    out[4] = (char) frame->stream;
    out[5] = (char) frame->codec; /* 6: cipher, 0 is none; 7: zero */
    put_le32(out + 8, frame->raw_len);
    put_le32(out + 12, frame->stored_len);
    put_le64(out + 16, frame->at);
    put_le64(out + 24, frame->hash);
    put_le64(out + FRAME_HASHED, frame_hash(out, ident));
}

bool pack_frame_read(struct slice bytes, const struct pack_ident *ident, struct pack_frame *out)
{
    struct scan sc = scan_of(bytes);
    uint32_t magic, raw_len, stored_len;
    uint8_t stream, codec, cipher, reserved;
    uint64_t at, hash, head_hash;

    if (!scan_le32(&sc, &magic) || magic != FRAME_MAGIC || !scan_le8(&sc, &stream) ||
        stream >= PACK_STREAMS || !scan_le8(&sc, &codec) || codec > PACK_LZ4 ||
        !scan_le8(&sc, &cipher) || cipher != 0 || !scan_le8(&sc, &reserved))
        return false;
    if (!scan_le32(&sc, &raw_len) || raw_len == 0 || raw_len > PACK_BLOCK_MAX ||
        !scan_le32(&sc, &stored_len) || stored_len == 0 || stored_len > raw_len ||
        (codec == PACK_RAW && stored_len != raw_len))
        return false;
    if (!scan_le64(&sc, &at) || !scan_le64(&sc, &hash) || !scan_le64(&sc, &head_hash) ||
        frame_hash(bytes.ptr, ident) != head_hash)
        return false;
    out->stream = (enum pack_stream) stream;
    out->codec = (enum pack_codec) codec;
    out->raw_len = raw_len;
    out->stored_len = stored_len;
    out->at = at;
    out->hash = hash;
    return true;
}

void pack_directory_write(char out[PACK_DIRECTORY_BYTES], const struct pack_frame *frame)
{
    memset(out, 0, PACK_DIRECTORY_BYTES);
    out[0] = (char) frame->stream;
    put_le32(out + 4, frame->raw_len);
    put_le64(out + 8, frame->file_at);
}

bool pack_directory_read(struct slice bytes, struct pack_frame *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_frame frame = {0};
    struct slice reserved;
    uint8_t stream;

    if (!scan_le8(&sc, &stream) || stream >= PACK_STREAMS || !scan_take(&sc, 3, &reserved) ||
        !scan_le32(&sc, &frame.raw_len) || frame.raw_len == 0 ||
        frame.raw_len > PACK_BLOCK_MAX || !scan_le64(&sc, &frame.file_at))
        return false;
    frame.stream = (enum pack_stream) stream;
    *out = frame;
    return true;
}

void pack_row_write(char out[PACK_ROW_BYTES], const struct pack_row *row)
{
    put_le64(out, row->account);
    put_le64(out + 8, row->body_id);
    put_le64(out + 16, row->offset);
    put_le64(out + 24, row->digest_at);
    put_le64(out + 32, row->text_at);
    put_le32(out + 40, row->digest_len);
    put_le32(out + 44, row->text_len);
    put_le32(out + 48, row->digest_version);
    put_le32(out + 52, row->stored);
}

bool pack_row_read(struct slice bytes, struct pack_row *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_row row;

    if (!scan_le64(&sc, &row.account) || !scan_le64(&sc, &row.body_id) ||
        !scan_le64(&sc, &row.offset) || !scan_le64(&sc, &row.digest_at) ||
        !scan_le64(&sc, &row.text_at) || !scan_le32(&sc, &row.digest_len) ||
        !scan_le32(&sc, &row.text_len) || !scan_le32(&sc, &row.digest_version) ||
        !scan_le32(&sc, &row.stored))
        return false;
    *out = row;
    return true;
}

/* ---- entries ---- */

void pack_entry_done(struct pack_entry *entry)
{
    free(entry->hashes);
    free(entry->pieces);
    entry->hashes = NULL;
    entry->pieces = NULL;
}

uint64_t pack_entry_literal(const struct pack_entry *entry)
{
    uint64_t length = entry->length;

    for (uint32_t i = 0; i < entry->n_pieces; i++)
        if (entry->pieces[i].kind != PACK_LITERAL)
            length -= entry->pieces[i].length;
    return length;
}

size_t pack_entry_len(const struct pack_entry *entry)
{
    return PACK_ENTRY_BYTES + (size_t) entry->n_pieces * PACK_PIECE_BYTES +
           (size_t) entry->n_blocks * 8;
}

/* Over the fields before the checksum, then what stands behind it. */
static uint64_t entry_hash(const char *entry, size_t len)
{
    return XXH3_64bits_withSeed(entry + PACK_ENTRY_BYTES, len - PACK_ENTRY_BYTES,
                                XXH3_64bits(entry, ENTRY_HASHED));
}

static void piece_write(char *out, const struct pack_piece *piece)
{
    memset(out, 0, PACK_PIECE_BYTES);
    out[0] = (char) piece->kind;
    out[1] = (char) piece->line;
    put_le64(out + 8, piece->length);
    put_le64(out + 16, piece->part_id);
}

void pack_entry_write(char *out, const struct pack_entry *entry)
{
    char *at = out + PACK_ENTRY_BYTES;

    memset(out, 0, PACK_ENTRY_BYTES);
    put_le32(out, ENTRY_MAGIC);
    put_le32(out + 4, entry->n_pieces);
    put_le64(out + 8, entry->account);
    put_le64(out + 16, entry->body_id);
    put_le32(out + 24, entry->mbox);
    put_le32(out + 28, entry->uid);
    put_le64(out + 32, (uint64_t) entry->internaldate);
    put_le64(out + 40, entry->length);
    put_le32(out + 48, entry->n_blocks);
    out[52] = (char) entry->flags;
    for (uint32_t i = 0; i < entry->n_pieces; i++, at += PACK_PIECE_BYTES)
        piece_write(at, &entry->pieces[i]);
    for (uint32_t i = 0; i < entry->n_blocks; i++, at += 8)
        put_le64(at, entry->hashes[i]);
    put_le64(out + ENTRY_HASHED, entry_hash(out, pack_entry_len(entry)));
}

bool pack_entry_read_head(struct slice bytes, struct pack_entry *out)
{
    struct scan sc = scan_of(bytes);
    struct pack_entry entry = {0};
    uint32_t magic;
    uint64_t date;

    if (bytes.len < PACK_ENTRY_BYTES || !scan_le32(&sc, &magic) || magic != ENTRY_MAGIC ||
        !scan_le32(&sc, &entry.n_pieces) || entry.n_pieces > PACK_PIECES_MAX ||
        !scan_le64(&sc, &entry.account) || !scan_le64(&sc, &entry.body_id) ||
        !scan_le32(&sc, &entry.mbox) || !scan_le32(&sc, &entry.uid) || !scan_le64(&sc, &date) ||
        !scan_le64(&sc, &entry.length) || entry.length > BODY_MAX_BYTES ||
        !scan_le32(&sc, &entry.n_blocks) || entry.n_blocks != body_blocks(entry.length) ||
        !scan_le8(&sc, &entry.flags))
        return false;
    entry.internaldate = (int64_t) date;
    *out = entry;
    return true;
}

/* left: what of the body the pieces before it do not cover. */
static bool piece_read(struct scan *sc, uint64_t left, struct pack_piece *out)
{
    struct pack_piece piece = {0};
    struct slice reserved;
    uint8_t kind;

    if (!scan_le8(sc, &kind) || kind > PACK_PART_LINES || !scan_le8(sc, &piece.line) ||
        !scan_take(sc, 6, &reserved) || !scan_le64(sc, &piece.length) || piece.length == 0 ||
        piece.length > left || !scan_le64(sc, &piece.part_id))
        return false;
    piece.kind = (enum pack_piece_kind) kind;
    if (piece.kind == PACK_PART_LINES && (piece.line == 0 || piece.line % 4 != 0))
        return false;
    if ((piece.kind != PACK_LITERAL) != ((piece.part_id & PACK_PART_BIT) != 0))
        return false;
    *out = piece;
    return true;
}

static bool pieces_read(struct scan *sc, struct pack_entry *entry)
{
    uint64_t left = entry->length;

    for (uint32_t i = 0; i < entry->n_pieces; i++) {
        if (!piece_read(sc, left, &entry->pieces[i]))
            return false;
        left -= entry->pieces[i].length;
    }
    return entry->n_pieces == 0 || left == 0;
}

bool pack_entry_read(struct slice bytes, struct pack_entry *out)
{
    struct pack_entry entry;
    struct scan sc;
    uint64_t hash = 0;
    size_t len;

    if (!pack_entry_read_head(bytes, &entry))
        return false;
    len = pack_entry_len(&entry);
    sc = scan_of(slice_from(slice_sub(bytes, 0, len), ENTRY_HASHED));
    if (bytes.len < len || !scan_le64(&sc, &hash) || entry_hash(bytes.ptr, len) != hash)
        return false;
    entry.pieces = xcalloc((size_t) entry.n_pieces + 1, sizeof(*entry.pieces));
    entry.hashes = xcalloc((size_t) entry.n_blocks + 1, sizeof(*entry.hashes));
    if (!pieces_read(&sc, &entry)) {
        pack_entry_done(&entry);
        return false;
    }
    for (uint32_t i = 0; i < entry.n_blocks; i++)
        (void) scan_le64(&sc, &entry.hashes[i]); /* the length was counted */
    *out = entry;
    return true;
}
