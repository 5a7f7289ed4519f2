/*
 * pack_write.c - entries into the streams of a pack.
 *
 * An entry is a unit of the stream of bodies: head, pieces, checksums, literal bytes. Parts are
 * entries of their own, before the body that brings them. Rows are written last, when the file
 * knows what each entry takes.
 */
#include "store/local/pack_write.h"

#include "base/log.h"
#include "store/local/batch.h"
#include "store/local/digests.h"
#include "store/local/lines.h"
#include "store/local/pack_file.h"
#include "store/local/share.h"

#define COPY_BYTES ((size_t) BODY_BLOCK_BYTES)

/* A digest that the state may forget once the pack is known. */
struct loose_key {
    uint64_t account, body_id;
};

struct pack_writer {
    struct local *local;
    struct pack_file file;
    struct share *share;
    const struct dict *dict; /* pinned */
    struct pack_row *rows;
    struct packed_body *bodies; /* one for each row */
    size_t n, cap;
    struct loose_key *loose;
    size_t n_loose, cap_loose;
};

enum rc pack_writer_new(struct local *local, uint64_t number, struct pack_writer **out,
                        struct err *err)
{
    AUTO(pack_writer_freep) struct pack_writer *writer = xcalloc(1, sizeof(*writer));
    enum rc rc;

    writer->local = local;
    rc = pack_file_create(&writer->file, local, number, err);
    if (!rc)
        rc = share_new(local, &writer->share, err);
    if (rc)
        return rc;
    writer->dict = dicts_current(local->dicts);
    if (writer->dict != NULL)
        writer->file.streams[PACK_BODIES].dict = writer->dict;
    else
        frames_hold(&writer->file.streams[PACK_BODIES]);
    *out = TAKE(writer);
    return RC_OK;
}

void pack_writer_free(struct pack_writer *writer)
{
    if (writer == NULL)
        return;
    pack_file_done(&writer->file);
    share_free(writer->share);
    dicts_unpin(writer->local->dicts, writer->dict);
    free(writer->rows);
    free(writer->bodies);
    free(writer->loose);
    free(writer);
}

void pack_writer_freep(struct pack_writer **writer)
{
    pack_writer_free(*writer);
}

/* ---- the dictionary ---- */

/* What was held is enough, or all there is. Without a dictionary blocks are compressed alone.
 */
static enum rc release(struct pack_writer *writer, struct err *err)
{
    struct frames *bodies = &writer->file.streams[PACK_BODIES];
    AUTO(freep) char *samples = NULL;
    AUTO(freep) size_t *lens = NULL;
    struct err why;
    enum rc rc = RC_NOT_FOUND;

    if (bodies->n_units >= DICT_SAMPLES_MIN && bodies->length >= DICT_SAMPLE_MIN_BYTES) {
        unsigned n;

        samples = xmalloc(DICT_SAMPLE_MAX_BYTES);
        n = frames_samples(bodies, samples, &lens);
        rc = dicts_train(writer->local->dicts, samples, lens, n, &writer->dict, &why);
    }
    if (rc == RC_FULL || rc == RC_IO)
        return err_set(err, rc, why.text, "%s", why.detail);
    return frames_release(bodies, writer->dict, err);
}

static enum rc release_if_full(struct pack_writer *writer, struct err *err)
{
    const struct frames *bodies = &writer->file.streams[PACK_BODIES];

    return bodies->holds && bodies->n_held >= FRAMES_HELD_MAX ? release(writer, err) : RC_OK;
}

/* ---- digests ---- */

static void note_loose(struct pack_writer *writer, uint64_t account, uint64_t body_id)
{
    if (writer->n_loose == writer->cap_loose) {
        writer->cap_loose = MAX(writer->cap_loose * 2, (size_t) 64);
        writer->loose = xrealloc(writer->loose, writer->cap_loose * sizeof(*writer->loose));
    }
    writer->loose[writer->n_loose++] = (struct loose_key){account, body_id};
}

static enum rc put_unit(struct frames *frames, struct slice bytes, uint64_t *out_at,
                        struct err *err)
{
    enum rc rc = frames_unit(frames, bytes.len, NULL, err);

    *out_at = frames->length;
    return rc ? rc : frames_append(frames, bytes, NULL, err);
}

static enum rc put_digest(struct pack_writer *writer, struct pack_row *row, uint32_t version,
                          struct slice core, struct slice text, struct err *err)
{
    enum rc rc;

    if (core.len == 0 || core.len > UINT32_MAX || text.len > UINT32_MAX)
        return RC_OK;
    rc = put_unit(&writer->file.streams[PACK_DIGESTS], core, &row->digest_at, err);
    if (!rc)
        rc = put_unit(&writer->file.streams[PACK_TEXTS], text, &row->text_at, err);
    row->digest_version = version;
    row->digest_len = (uint32_t) core.len;
    row->text_len = (uint32_t) text.len;
    return rc;
}

static enum rc put_held(struct pack_writer *writer, struct pack_row *row,
                        const struct held_digest *held, struct err *err)
{
    if (held->is_loose)
        note_loose(writer, row->account, row->body_id);
    return put_digest(writer, row, held->version, slice_of(held->bytes, held->core_len),
                      slice_of(held->bytes + held->core_len, held->text_len), err);
}

/* ---- entries ---- */

static struct pack_row *add_row(struct pack_writer *writer, const struct pack_entry *entry)
{
    struct packed_body *body;
    struct pack_row *row;

    if (writer->n == writer->cap) {
        writer->cap = MAX(writer->cap * 2, (size_t) 256);
        writer->rows = xrealloc(writer->rows, writer->cap * sizeof(*writer->rows));
        writer->bodies = xrealloc(writer->bodies, writer->cap * sizeof(*writer->bodies));
    }
    row = &writer->rows[writer->n];
    body = &writer->bodies[writer->n];
    *row = (struct pack_row){.account = entry->account,
                             .body_id = entry->body_id,
                             .offset = writer->file.streams[PACK_BODIES].length};
    *body = (struct packed_body){
        .account = entry->account,
        .body_id = entry->body_id,
        .place = {.pack = writer->file.ident.number,
                  .offset = row->offset,
                  .row = (uint32_t) writer->n,
                  .length = entry->length}
    };
    writer->n++;
    return row;
}

static enum rc put_head(struct pack_writer *writer, const struct pack_entry *entry,
                        const struct frame_origin *origin, struct err *err)
{
    size_t len = pack_entry_len(entry);
    AUTO(freep) char *head = xmalloc(len);
    struct frames *bodies = &writer->file.streams[PACK_BODIES];
    bool is_others = writer->n > 1 && writer->rows[writer->n - 2].account != entry->account;
    enum rc rc = is_others ? frames_cut(bodies, err) : RC_OK;

    if (!rc)
        rc = frames_unit(bodies, len + pack_entry_literal(entry), origin, err);
    pack_entry_write(head, entry);
    return rc ? rc : frames_append(bodies, slice_of(head, len), origin, err);
}

/* A range of the body as literal bytes. Damaged ones go in as they are; a reader's check
 * fails. */
static enum rc put_range(struct pack_writer *writer, const struct pack_source *source,
                         uint64_t offset, uint64_t length, struct err *err)
{
    AUTO(freep) char *piece = xmalloc(COPY_BYTES);

    while (length > 0) {
        size_t n = (size_t) MIN(length, (uint64_t) COPY_BYTES);
        enum rc rc = source->read(source->ctx, offset, piece, n, err);

        if (rc && rc != RC_CORRUPT)
            return rc;
        rc = frames_append(&writer->file.streams[PACK_BODIES], slice_of(piece, n), NULL, err);
        if (!rc)
            rc = release_if_full(writer, err);
        if (rc)
            return rc;
        offset += n;
        length -= n;
    }
    return RC_OK;
}

static enum rc put_literals(struct pack_writer *writer, const struct pack_entry *entry,
                            const struct pack_source *source, struct err *err)
{
    uint64_t at = 0;
    enum rc rc = RC_OK;

    if (entry->n_pieces == 0)
        return put_range(writer, source, 0, entry->length, err);
    for (uint32_t i = 0; i < entry->n_pieces && !rc; i++) {
        const struct pack_piece *piece = &entry->pieces[i];

        if (piece->kind == PACK_LITERAL)
            rc = put_range(writer, source, at, piece->length, err);
        at += piece->length;
    }
    return rc;
}

/* ---- parts ---- */

static enum rc read_memory(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct slice *bytes = ctx;

    (void) err;
    memcpy(out, bytes->ptr + offset, len);
    return RC_OK;
}

static enum rc put_part(struct pack_writer *writer, const struct pack_entry *body,
                        uint64_t part_id, struct slice bytes, struct err *err)
{
    struct pack_entry part = {.account = body->account,
                              .body_id = part_id,
                              .mbox = body->mbox,
                              .uid = body->uid,
                              .internaldate = body->internaldate,
                              .length = bytes.len,
                              .n_blocks = body_blocks(bytes.len)};
    struct pack_source source = {read_memory, &bytes};
    AUTO(freep) uint64_t *hashes = xcalloc((size_t) part.n_blocks + 1, sizeof(*hashes));
    enum rc rc;

    for (uint32_t i = 0; i < part.n_blocks; i++)
        hashes[i] =
            body_block_hash(slice_sub(bytes, (size_t) i * BODY_BLOCK_BYTES, BODY_BLOCK_BYTES));
    part.hashes = hashes;
    (void) add_row(writer, &part); /* a part has no digest */
    rc = put_head(writer, &part, NULL, err);
    return rc ? rc : put_literals(writer, &part, &source, err);
}

/* The pieces of a body that is being added. */
struct plan {
    struct pack_entry entry; /* with its pieces */
    uint64_t part_ids[PACK_PIECES_MAX];
    size_t n_parts;
    uint64_t covered; /* by the pieces so far */
};

static void add_piece(struct plan *plan, enum pack_piece_kind kind, uint8_t line,
                      uint64_t length, uint64_t part_id)
{
    plan->entry.pieces[plan->entry.n_pieces++] =
        (struct pack_piece){.kind = kind, .line = line, .length = length, .part_id = part_id};
    plan->covered += length;
}

/* One leaf: as a part, decoded if it is base64 as mailers write it. RC_UNAVAILABLE: it stays
 * literal. */
static enum rc plan_leaf(struct pack_writer *writer, struct plan *plan, uint64_t offset,
                         struct slice leaf, struct err *err)
{
    AUTO(buf_done) struct buf decoded = {0};
    struct slice content = leaf;
    uint8_t line = 0;
    size_t taken;
    uint64_t part_id = 0;
    bool is_new = false;
    enum rc rc;

    buf_init(&decoded, leaf.len);
    taken = lines_decode(leaf, &line, &decoded);
    if (taken >= BODY_SHARE_MIN_BYTES)
        content = buf_slice(&decoded);
    else
        taken = 0;
    rc = share_part(writer->share, plan->entry.account, content, &part_id, &is_new, err);
    if (!rc && is_new)
        rc = put_part(writer, &plan->entry, part_id, content, err);
    if (rc)
        return rc;
    if (offset > plan->covered)
        add_piece(plan, PACK_LITERAL, 0, offset - plan->covered, 0);
    if (taken > 0)
        add_piece(plan, PACK_PART_LINES, line, taken, part_id);
    else
        add_piece(plan, PACK_PART_RAW, 0, leaf.len, part_id);
    plan->part_ids[plan->n_parts++] = part_id;
    return RC_OK;
}

/* A hint that does not fit the body is left alone, and so are damaged bytes. */
static enum rc plan_range(struct pack_writer *writer, struct plan *plan,
                          const struct body_range *range, const struct pack_source *source,
                          struct err *err)
{
    AUTO(freep) char *leaf = NULL;
    enum rc rc;

    if (range->offset < plan->covered || range->offset > plan->entry.length ||
        range->length > plan->entry.length - range->offset ||
        range->length < BODY_SHARE_MIN_BYTES || range->length > SHARE_PART_MAX_BYTES ||
        plan->entry.n_pieces + 3 > PACK_PIECES_MAX)
        return RC_OK;
    leaf = xmalloc((size_t) range->length);
    rc = source->read(source->ctx, range->offset, leaf, (size_t) range->length, err);
    if (!rc)
        rc =
            plan_leaf(writer, plan, range->offset, slice_of(leaf, (size_t) range->length), err);
    return rc == RC_CORRUPT || rc == RC_UNAVAILABLE ? RC_OK : rc;
}

static enum rc plan_pieces(struct pack_writer *writer, struct plan *plan,
                           const struct held_digest *held, const struct pack_source *source,
                           struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < held->n_leaves && !rc; i++)
        rc = plan_range(writer, plan, &held->leaves[i], source, err);
    if (!rc && plan->n_parts > 0 && plan->covered < plan->entry.length)
        add_piece(plan, PACK_LITERAL, 0, plan->entry.length - plan->covered, 0);
    return rc;
}

static enum rc add_body(struct pack_writer *writer, struct plan *plan,
                        const struct held_digest *held, const struct pack_source *source,
                        struct err *err)
{
    struct pack_row *row;
    enum rc rc = plan_pieces(writer, plan, held, source, err);

    if (rc)
        return rc;
    share_refer(writer->share, plan->entry.account, plan->entry.body_id, plan->part_ids,
                plan->n_parts);
    row = add_row(writer, &plan->entry);
    rc = put_head(writer, &plan->entry, NULL, err);
    if (!rc)
        rc = put_literals(writer, &plan->entry, source, err);
    return rc ? rc : put_held(writer, row, held, err);
}

enum rc pack_writer_add(struct pack_writer *writer, const struct pack_entry *entry,
                        const struct pack_source *source, struct err *err)
{
    AUTO(freep) struct plan *plan = xcalloc(1, sizeof(*plan));
    AUTO(freep)
    struct pack_piece *pieces = xcalloc(PACK_PIECES_MAX, sizeof(*pieces));
    struct held_digest held = {0};
    enum rc rc;

    plan->entry = *entry;
    plan->entry.n_pieces = 0;
    plan->entry.pieces = pieces;
    (void) digests_hold(writer->local->digests, entry->account, entry->body_id, &held);
    rc = add_body(writer, plan, &held, source, err);
    held_digest_done(&held);
    return rc;
}

/* ---- copies ---- */

/* All literal bytes of an entry, read once to know that they are there: nothing is written of
 * an entry that is not whole. Blocks stay at hand for the copy. */
static enum rc read_through(const struct pack *from, const struct pack_entry *entry, char *room,
                            struct err *err)
{
    uint64_t left = pack_entry_literal(entry), at = entry->bytes_at;

    while (left > 0) {
        size_t n = (size_t) MIN(left, (uint64_t) COPY_BYTES);
        enum rc rc = pack_stream_read(from, PACK_BODIES, at, room, n, err);

        if (rc)
            return rc;
        at += n;
        left -= n;
    }
    return RC_OK;
}

static enum rc copy_literals(struct pack_writer *writer, const struct pack *from,
                             const struct pack_entry *entry, char *room, struct err *err)
{
    uint64_t left = pack_entry_literal(entry);
    struct frame_origin origin = {from, entry->bytes_at};
    enum rc rc = RC_OK;

    while (left > 0 && !rc) {
        size_t n = (size_t) MIN(left, (uint64_t) COPY_BYTES);

        rc = pack_stream_read(from, PACK_BODIES, origin.at, room, n, err);
        if (!rc)
            rc = frames_append(&writer->file.streams[PACK_BODIES], slice_of(room, n), &origin,
                               err);
        if (!rc)
            rc = release_if_full(writer, err);
        origin.at += n;
        left -= n;
    }
    return rc;
}

/* The other pack's digest, or a loose one; a damaged one is made again when it is asked for. */
static enum rc copy_digest(struct pack_writer *writer, const struct pack *from,
                           const struct pack_row *old, struct pack_row *row, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    struct held_digest held = {0};
    enum rc rc;

    if (digests_hold(writer->local->digests, old->account, old->body_id, &held)) {
        rc = put_held(writer, row, &held, err);
        held_digest_done(&held);
        return rc;
    }
    bytes = xmalloc((size_t) old->digest_len + old->text_len + 1);
    if (old->digest_len == 0 ||
        pack_stream_read(from, PACK_DIGESTS, old->digest_at, bytes, old->digest_len, NULL) ||
        pack_stream_read(from, PACK_TEXTS, old->text_at, bytes + old->digest_len, old->text_len,
                         NULL))
        return RC_OK;
    return put_digest(writer, row, old->digest_version, slice_of(bytes, old->digest_len),
                      slice_of(bytes + old->digest_len, old->text_len), err);
}

enum rc pack_copy_entry(struct pack_writer *writer, const struct pack *from,
                        uint32_t row_number, struct err *err)
{
    AUTO(freep) char *room = xmalloc(COPY_BYTES);
    struct pack_entry entry = {0};
    struct frame_origin origin = {from, 0};
    struct pack_row old, *row;
    enum rc rc = pack_read_row(from, row_number, &old, err);

    if (!rc)
        rc = pack_read_entry(from, old.offset, old.account, old.body_id, &entry, err);
    if (!rc)
        rc = read_through(from, &entry, room, err);
    if (!rc) {
        origin.at = old.offset;
        row = add_row(writer, &entry);
        rc = put_head(writer, &entry, &origin, err);
        if (!rc)
            rc = copy_literals(writer, from, &entry, room, err);
        if (!rc)
            rc = copy_digest(writer, from, &old, row, err);
    }
    pack_entry_done(&entry);
    return rc;
}

/* ---- the end ---- */

/* What each entry takes of the file: the frames it lies in, in proportion. Both lists go
 * upwards. */
static void share_out(struct pack_writer *writer)
{
    const struct pack_file *file = &writer->file;
    uint64_t end = file->streams[PACK_BODIES].length;
    size_t i = 0;

    for (size_t f = 0; f < file->n_frames; f++) {
        const struct pack_frame *frame = &file->frames[f];
        uint64_t stored = PACK_FRAME_BYTES + (uint64_t) frame->stored_len;

        if (frame->stream != PACK_BODIES)
            continue;
        while (i < writer->n) {
            uint64_t next = i + 1 < writer->n ? writer->rows[i + 1].offset : end;
            uint64_t from = MAX(writer->rows[i].offset, frame->at);
            uint64_t to = MIN(next, frame->at + frame->raw_len);

            writer->rows[i].stored += (uint32_t) ((to - from) * stored / frame->raw_len);
            if (next > frame->at + frame->raw_len)
                break; /* goes on in the next frame */
            i++;
        }
    }
}

static enum rc put_rows(struct pack_writer *writer, struct err *err)
{
    struct frames *rows = &writer->file.streams[PACK_ROWS];
    char bytes[PACK_ROW_BYTES];
    enum rc rc = RC_OK;

    for (size_t i = 0; i < writer->n && !rc; i++) {
        uint64_t at;

        pack_row_write(bytes, &writer->rows[i]);
        rc = put_unit(rows, slice_of(bytes, sizeof(bytes)), &at, err);
        writer->bodies[i].place.stored = writer->rows[i].stored;
    }
    return rc;
}

enum rc pack_writer_finish(struct pack_writer *writer, uint64_t *out_bytes, struct err *err)
{
    struct frames *bodies = &writer->file.streams[PACK_BODIES];
    enum rc rc = bodies->holds ? release(writer, err) : RC_OK;

    if (!rc)
        rc = frames_finish(bodies, err);
    if (rc)
        return rc;
    writer->file.ident.dictionary = writer->dict != NULL ? writer->dict->id : 0;
    share_out(writer);
    rc = put_rows(writer, err);
    if (!rc)
        rc = pack_file_finish(&writer->file, writer->n, err);
    if (rc)
        return rc;
    if (writer->dict != NULL)
        dicts_note(writer->local->dicts, writer->dict, bodies->length,
                   writer->file.stored_bodies);
    *out_bytes = writer->file.at;
    return RC_OK;
}

const struct packed_body *pack_writer_bodies(const struct pack_writer *writer, size_t *out_n)
{
    *out_n = writer->n;
    return writer->bodies;
}

enum rc pack_writer_settle(const struct pack_writer *writer, struct state_txn *txn,
                           struct err *err)
{
    enum rc rc = share_settle(writer->share, txn, err);

    for (size_t i = 0; i < writer->n_loose && !rc; i++)
        rc = checkpoint_txn_drop_digest(txn, writer->loose[i].account, writer->loose[i].body_id,
                                        err);
    return rc;
}
