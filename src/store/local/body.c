/*
 * body.c - opened bodies.
 *
 * A body is in the journal (inline), in a spill file, or in a pack; where, is decided once, at
 * open, and what was opened is pinned: a segment by its count, a spill file by its references
 * (its name may go, the descriptor stays), a pack by its handle. The packer moves bodies by
 * making the new place durable first and dropping the old one after, so an open finds one or
 * the other.
 *
 * What comes out is checked against the checksums that were made when the body came in, block
 * by block, whatever it was stitched together from.
 */
#include "store/local/body.h"

#include "store/local/batch.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"
#include "store/local/lines.h"
#include "store/local/pack.h"
#include "store/local/stage.h"

/* An entry of an open pack. */
struct packed {
    struct pack *pack;
    struct pack_entry entry;
};

struct body {
    struct local *local;
    uint64_t length;
    int fd;        /* belongs to the pinned thing */
    uint64_t base; /* of its bytes in fd */
    uint64_t *hashes;
    struct segment *segment; /* one of the three is pinned */
    struct spill *spill;
    struct packed packed;
    struct packed *parts; /* one for each piece of the entry; literal ones are empty */
};

static uint64_t *copy_hashes(const uint64_t *hashes, uint32_t n)
{
    uint64_t *copy = xcalloc((size_t) n + 1, sizeof(*copy));

    memcpy(copy, hashes, n * sizeof(*copy));
    return copy;
}

/* With the index lock held. */
static struct body *pin_place(struct local *local, const struct place *place)
{
    struct body *body = xcalloc(1, sizeof(*body));

    body->local = local;
    body->length = place->length;
    body->base = place->offset;
    body->hashes = copy_hashes(place_hashes(place), place->n_blocks);
    if (place->spill != NULL) {
        body->spill = place->spill;
        body->spill->refs++;
        body->fd = place->spill->fd;
    } else {
        body->segment = place->segment;
        body->segment->pins++;
        body->fd = place->segment->read_fd;
    }
    return body;
}

/* NULL: not in the journal. Waits until the body's group is durable. */
static struct body *open_in_journal(struct local *local, uint64_t account, uint64_t body_id)
{
    for (;;) {
        const struct place *place;
        struct body *body = NULL;
        uint64_t lsn = 0;

        (void) pthread_mutex_lock(&local->index.lock);
        place = index_find_place(&local->index, account, body_id);
        if (place != NULL && place->segment != NULL)
            body = pin_place(local, place);
        else if (place != NULL)
            lsn = place->lsn;
        (void) pthread_mutex_unlock(&local->index.lock);
        if (place == NULL || body != NULL)
            return body;
        journal_wait_durable(local->journal, lsn);
    }
}

static void packed_done(struct local *local, struct packed *packed)
{
    packs_put(local->packs, packed->pack);
    pack_entry_done(&packed->entry);
    packed->pack = NULL;
}

/* RC_CONFLICT: it was moved while we looked. */
static enum rc open_place(struct local *local, uint64_t account, uint64_t body_id,
                          const struct pack_place *place, struct packed *out, struct err *err)
{
    struct packed packed = {0};
    struct pack_place now;
    enum rc rc = packs_get(local->packs, place->pack, &packed.pack, err);

    if (!rc)
        rc = pack_read_entry(packed.pack, place->offset, account, body_id, &packed.entry, err);
    if (!rc) {
        *out = packed;
        return RC_OK;
    }
    packs_put(local->packs, packed.pack);
    if (checkpoint_find_place(local->state, account, body_id, &now, NULL) == RC_OK &&
        now.pack != place->pack)
        return RC_CONFLICT;
    return rc;
}

static enum rc open_packed(struct local *local, uint64_t account, uint64_t body_id,
                           struct packed *out, struct err *err)
{
    enum rc rc;

    do {
        struct pack_place place;

        rc = checkpoint_find_place(local->state, account, body_id, &place, err);
        if (!rc)
            rc = open_place(local, account, body_id, &place, out, err);
    } while (rc == RC_CONFLICT);
    return rc;
}

/* Does the part give as many bytes as the piece says? */
static bool part_fits(const struct pack_piece *piece, const struct pack_entry *part)
{
    uint64_t length = part->length;

    if (part->n_pieces != 0)
        return false;
    if (piece->kind == PACK_PART_RAW)
        return piece->length == length;
    length = lines_length(length, piece->line);
    return piece->length == length || piece->length + 2 == length; /* without its last CRLF */
}

static enum rc open_parts(struct body *body, struct err *err)
{
    const struct pack_entry *entry = &body->packed.entry;

    body->parts = xcalloc((size_t) entry->n_pieces + 1, sizeof(*body->parts));
    for (uint32_t i = 0; i < entry->n_pieces; i++) {
        const struct pack_piece *piece = &entry->pieces[i];
        enum rc rc;

        if (piece->kind == PACK_LITERAL)
            continue;
        rc = open_packed(body->local, entry->account, piece->part_id, &body->parts[i], err);
        if (rc == RC_NOT_FOUND || (!rc && !part_fits(piece, &body->parts[i].entry)))
            rc = err_set(err, RC_CORRUPT, "The message is damaged",
                         "part %016llx is missing or another",
                         (unsigned long long) piece->part_id);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static void body_closep(struct body **body)
{
    body_close(*body);
}

static enum rc open_in_pack(struct local *local, uint64_t account, uint64_t body_id,
                            struct body **out, struct err *err)
{
    AUTO(body_closep) struct body *body = xcalloc(1, sizeof(*body));
    enum rc rc;

    body->local = local;
    rc = open_packed(local, account, body_id, &body->packed, err);
    if (!rc)
        rc = open_parts(body, err);
    if (rc)
        return rc;
    body->length = body->packed.entry.length;
    *out = TAKE(body);
    return RC_OK;
}

enum rc body_open(struct local *local, uint64_t account, uint64_t body_id, struct body **out,
                  struct err *err)
{
    struct body *body = open_in_journal(local, account, body_id);

    if (body == NULL)
        return open_in_pack(local, account, body_id, out, err);
    *out = body;
    return RC_OK;
}

uint64_t body_length(const struct body *body)
{
    return body->length;
}

static size_t block_len(uint64_t length, uint64_t block)
{
    return (size_t) MIN(length - block * BODY_BLOCK_BYTES, (uint64_t) BODY_BLOCK_BYTES);
}

static enum rc block_damaged(uint64_t block, struct err *err)
{
    return err_set(err, RC_CORRUPT, "The message is damaged", "body: block %llu: checksum",
                   (unsigned long long) block);
}

/* ---- bytes of a packed body, from its pieces ---- */

static enum rc read_part(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct packed *part = ctx;

    return pack_stream_read(part->pack, PACK_BODIES, part->entry.bytes_at + offset, out, len,
                            err);
}

/* literal: where the piece's bytes begin in the stream, if it is literal. */
static enum rc read_piece(const struct body *body, uint32_t i, uint64_t literal,
                          uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct pack_piece *piece = &body->packed.entry.pieces[i];
    struct packed *part = &body->parts[i];

    switch (piece->kind) {
    case PACK_LITERAL:
        return pack_stream_read(body->packed.pack, PACK_BODIES, literal + offset, out, len,
                                err);
    case PACK_PART_RAW:
        return read_part(part, offset, out, len, err);
    case PACK_PART_LINES:
        return lines_read(read_part, part, part->entry.length, piece->line, offset, out, len,
                          err);
    }
    return RC_OK;
}

static enum rc read_pieces(const struct body *body, uint64_t offset, char *out, size_t len,
                           struct err *err)
{
    const struct pack_entry *entry = &body->packed.entry;
    uint64_t at = 0, literal = entry->bytes_at;

    if (entry->n_pieces == 0)
        return pack_stream_read(body->packed.pack, PACK_BODIES, literal + offset, out, len,
                                err);
    for (uint32_t i = 0; i < entry->n_pieces && len > 0; i++) {
        uint64_t length = entry->pieces[i].length;

        if (offset < at + length) {
            size_t n = (size_t) MIN(at + length - offset, (uint64_t) len);
            enum rc rc = read_piece(body, i, literal, offset - at, out, n, err);

            if (rc)
                return rc;
            offset += n;
            out += n;
            len -= n;
        }
        at += length;
        if (entry->pieces[i].kind == PACK_LITERAL)
            literal += length;
    }
    return RC_OK;
}

static enum rc read_stored(const struct body *body, uint64_t offset, char *out, size_t len,
                           struct err *err)
{
    if (body->packed.pack != NULL)
        return read_pieces(body, offset, out, len, err);
    return file_read_all(body->fd, out, len, body->base + offset, err);
}

/* Whole blocks are read where they belong; a partial one by way of a buffer, since its checksum
 * needs all of it. */
static enum rc read_checked(const struct body *body, const uint64_t *hashes, uint64_t offset,
                            char *out, size_t len, struct err *err)
{
    AUTO(freep) char *bounce = NULL;

    while (len > 0) {
        uint64_t block = offset / BODY_BLOCK_BYTES;
        size_t in_block = (size_t) (offset % BODY_BLOCK_BYTES);
        size_t whole = block_len(body->length, block);
        size_t n = MIN(whole - in_block, len);
        char *to = n == whole ? out : NULL;
        enum rc rc;

        if (to == NULL && bounce == NULL)
            bounce = xmalloc(BODY_BLOCK_BYTES);
        if (to == NULL)
            to = bounce;
        rc = read_stored(body, block * BODY_BLOCK_BYTES, to, whole, err);
        if (rc)
            return rc;
        if (body_block_hash(slice_of(to, whole)) != hashes[block])
            return block_damaged(block, err);
        if (to == bounce)
            memcpy(out, bounce + in_block, n);
        out += n;
        offset += n;
        len -= n;
    }
    return RC_OK;
}

enum rc body_read_checked(int fd, uint64_t base, uint64_t length, const uint64_t *hashes,
                          uint64_t offset, char *out, size_t len, struct err *err)
{
    struct body body = {.length = length, .fd = fd, .base = base};

    return read_checked(&body, hashes, offset, out, len, err);
}

enum rc body_read(const struct body *body, uint64_t offset, char *out, size_t len,
                  struct err *err)
{
    const uint64_t *hashes =
        body->packed.pack != NULL ? body->packed.entry.hashes : body->hashes;

    if (offset > body->length || len > body->length - offset)
        return err_set(err, RC_INVALID, "Out of range", "body_read: behind the end");
    return read_checked(body, hashes, offset, out, len, err);
}

void body_close(struct body *body)
{
    struct spill *dead = NULL;
    bool may_recycle = false;

    if (body == NULL)
        return;
    (void) pthread_mutex_lock(&body->local->index.lock);
    if (body->segment != NULL) {
        body->segment->pins--;
        may_recycle = index_recyclable(&body->local->index) == body->segment;
    }
    if (body->spill != NULL)
        dead = spill_unref(body->spill);
    (void) pthread_mutex_unlock(&body->local->index.lock);
    spill_remove(body->local, dead);
    if (may_recycle)
        keeper_poke(body->local->keeper);
    for (uint32_t i = 0; body->parts != NULL && i < body->packed.entry.n_pieces; i++)
        packed_done(body->local, &body->parts[i]);
    packed_done(body->local, &body->packed);
    free(body->parts);
    free(body->hashes);
    free(body);
}
