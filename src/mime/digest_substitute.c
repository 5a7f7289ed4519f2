/*
 * digest_substitute.c - the section of a digest that says what a session without UTF8=ACCEPT is
 * shown: made by the one who parses, read as pieces of the message and of what was put in.
 */
#include "base/varint.h"
#include "mime/digest_table.h"
#include "mime/downgrade.h"

/* ---- making ---- */

/* The substitute's own table, behind what it differs by. */
static void write_section(struct digest_writer *w, const struct downgrade *downgrade,
                          struct slice table)
{
    struct buf *out = &w->section[SECTION_SUBSTITUTE];
    size_t start = out->len;

    buf_varint_bytes(out, buf_slice(&downgrade->edits));
    buf_varint_bytes(out, buf_slice(&downgrade->inserted));
    buf_append(out, table);
    if (out->overflow) {
        buf_truncate(out, start);
        out->overflow = false;
        return;
    }
    w->flags |= DIGEST_HAS_SUBSTITUTE;
}

static void put_pieces(struct digest_pieces *pieces, struct slice inserted, struct slice msg,
                       struct buf *out)
{
    struct digest_piece piece;

    while (digest_next_piece(pieces, UINT32_MAX, &piece))
        buf_append(out, slice_sub(piece.is_inserted ? inserted : msg, piece.offset, piece.len));
}

static struct digest_pieces pieces_of(struct slice edits, size_t size)
{
    return (struct digest_pieces){.edits = scan_of(edits), .size = (uint32_t) size};
}

void digest_write_substitute(struct digest_writer *w)
{
    AUTO(downgrade_done) struct downgrade downgrade = {0};
    AUTO(buf_done) struct buf bytes = {0};
    AUTO(buf_done) struct buf table = {0};
    struct digest_pieces pieces;
    struct mime_tree tree;

    downgrade_init(&downgrade);
    if (!downgrade_make(w->tree, &downgrade))
        return;
    buf_init(&bytes, DIGEST_MESSAGE_MAX_BYTES);
    buf_init(&table, DIGEST_SECTION_MAX_BYTES);
    pieces = pieces_of(buf_slice(&downgrade.edits), w->tree->msg.len);
    put_pieces(&pieces, buf_slice(&downgrade.inserted), w->tree->msg, &bytes);
    if (bytes.overflow)
        return;
    mime_tree_init(&tree, buf_slice(&bytes));
    if (digest_build_core(&tree, &table))
        write_section(w, &downgrade, buf_slice(&table));
    mime_tree_done(&tree);
}

/* ---- reading ---- */

bool digest_get_substitute(const struct digest *digest, struct digest_substitute *out)
{
    struct scan sc = scan_of(digest_section_bytes(digest, SECTION_SUBSTITUTE));

    if ((digest->flags & DIGEST_HAS_SUBSTITUTE) == 0 ||
        !scan_varint_bytes(&sc, DIGEST_SECTION_MAX_BYTES, &out->edits) ||
        !scan_varint_bytes(&sc, DIGEST_SECTION_MAX_BYTES, &out->inserted))
        return false;
    out->table = scan_rest(&sc);
    return true;
}

void digest_pieces_begin(const struct digest *digest,
                         const struct digest_substitute *substitute, struct digest_pieces *out)
{
    *out = pieces_of(substitute->edits, digest->message_size);
}

/* The next edit; without one, what is left of the message is kept. */
static void next_edit(struct digest_pieces *pieces)
{
    uint32_t left = pieces->size - pieces->at;
    uint32_t kept, removed, put_in;

    if (scan_varint32(&pieces->edits, left, &kept) &&
        scan_varint32(&pieces->edits, left - kept, &removed) &&
        scan_varint32(&pieces->edits, UINT32_MAX, &put_in)) {
        pieces->kept = kept;
        pieces->removed = removed;
        pieces->put_in = put_in;
        return;
    }
    pieces->edits = scan_of(slice_of("", 0));
    pieces->kept = left;
}

bool digest_next_piece(struct digest_pieces *pieces, uint32_t max, struct digest_piece *out)
{
    while (pieces->kept == 0 && pieces->put_in == 0) {
        pieces->at += pieces->removed;
        pieces->removed = 0;
        if (pieces->at == pieces->size && scan_done(&pieces->edits))
            return false;
        next_edit(pieces);
    }
    if (pieces->kept > 0) {
        *out = (struct digest_piece){false, pieces->at, MIN(pieces->kept, max)};
        pieces->at += out->len;
        pieces->kept -= out->len;
        return true;
    }
    *out = (struct digest_piece){true, pieces->inserted, MIN(pieces->put_in, max)};
    pieces->inserted += out->len;
    pieces->put_in -= out->len;
    return true;
}

void digest_skip_pieces(struct digest_pieces *pieces, uint64_t octets)
{
    struct digest_piece piece;

    while (octets > 0 &&
           digest_next_piece(pieces, (uint32_t) MIN(octets, (uint64_t) UINT32_MAX), &piece))
        octets -= piece.len;
}

void digest_substitute_bytes(const struct digest *digest,
                             const struct digest_substitute *substitute, struct slice msg,
                             struct buf *out)
{
    struct digest_pieces pieces;

    digest_pieces_begin(digest, substitute, &pieces);
    put_pieces(&pieces, substitute->inserted, msg, out);
}

/* Every edit lies in the message, and what they put in is all there is to put in. */
static bool edits_are_sound(const struct digest *digest,
                            const struct digest_substitute *substitute, uint64_t *out_size)
{
    struct scan sc = scan_of(substitute->edits);
    uint32_t left = digest->message_size, kept, removed, put_in;
    uint64_t inserted = 0;

    *out_size = digest->message_size;
    while (!scan_done(&sc)) {
        if (!scan_varint32(&sc, left, &kept) || !scan_varint32(&sc, left - kept, &removed) ||
            !scan_varint32(&sc, UINT32_MAX, &put_in))
            return false;
        left -= kept + removed;
        inserted += put_in;
        *out_size += (uint64_t) put_in - removed;
    }
    return inserted == substitute->inserted.len;
}

bool digest_substitute_is_sound(const struct digest *digest)
{
    struct digest_substitute substitute;
    struct digest shown;
    struct err err;
    uint64_t size;

    if ((digest->flags & DIGEST_HAS_SUBSTITUTE) == 0)
        return digest->section[SECTION_SUBSTITUTE].len == 0;
    return digest_get_substitute(digest, &substitute) &&
           edits_are_sound(digest, &substitute, &size) &&
           digest_open_substitute(&substitute, &shown, &err) == RC_OK && !shown.has_text &&
           shown.message_size == size;
}
