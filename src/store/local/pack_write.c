/*
 * pack_write.c - writing a pack.
 *
 * Order: all bytes, fdatasync, the final name, directory synced. Only then does the packer tell
 * the state about it; a pack the state does not know is removed by recovery.
 */
#include "store/local/pack_write.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "store/local/batch.h"

#define WRITE_BUFFER_BYTES ((size_t) 1 << 20)

struct pack_writer {
    struct local *local;
    uint64_t number;
    int fd;
    bool is_finished;
    uint64_t at; /* in the file, buffered bytes included */
    char *buffer;
    size_t buffered;
    struct pack_row *rows;
    struct packed_body *bodies; /* one a row */
    size_t n_rows, cap_rows;
    struct buf digests;
};

enum rc pack_writer_new(struct local *local, uint64_t number, struct pack_writer **out,
                        struct err *err)
{
    AUTO(pack_writer_freep) struct pack_writer *writer = xcalloc(1, sizeof(*writer));
    char name[LAYOUT_NAME_BYTES], header[PACK_HEADER_BYTES];
    enum rc rc;

    writer->local = local;
    writer->number = number;
    buf_init(&writer->digests, (size_t) local->options.digest_memory_bytes);
    layout_name(name, number, ".new");
    writer->fd = openat(local->layout.packs, name,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (writer->fd < 0)
        return file_error(err, "create a pack");
    writer->buffer = xmalloc(WRITE_BUFFER_BYTES);
    pack_header_write(header, number, local->super->uuid);
    rc = pack_writer_bytes(writer, slice_of(header, sizeof(header)), err);
    if (rc)
        return rc;
    *out = TAKE(writer);
    return RC_OK;
}

void pack_writer_free(struct pack_writer *writer)
{
    char name[LAYOUT_NAME_BYTES];

    if (writer == NULL)
        return;
    if (!writer->is_finished && writer->fd >= 0) {
        layout_name(name, writer->number, ".new");
        (void) unlinkat(writer->local->layout.packs, name, 0); /* else recovery does */
    }
    closep(&writer->fd);
    buf_done(&writer->digests);
    free(writer->buffer);
    free(writer->rows);
    free(writer->bodies);
    free(writer);
}

void pack_writer_freep(struct pack_writer **writer)
{
    pack_writer_free(*writer);
}

static enum rc flush(struct pack_writer *writer, struct err *err)
{
    enum rc rc = file_write_all(writer->fd, writer->buffer, writer->buffered,
                                writer->at - writer->buffered, err);

    if (!rc)
        writer->buffered = 0;
    return rc;
}

enum rc pack_writer_bytes(struct pack_writer *writer, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        size_t n = MIN(WRITE_BUFFER_BYTES - writer->buffered, bytes.len);

        memcpy(writer->buffer + writer->buffered, bytes.ptr, n);
        writer->buffered += n;
        writer->at += n;
        bytes = slice_from(bytes, n);
        if (writer->buffered == WRITE_BUFFER_BYTES) {
            enum rc rc = flush(writer, err);

            if (rc)
                return rc;
        }
    }
    return RC_OK;
}

enum rc pack_writer_entry(struct pack_writer *writer, const struct pack_entry *entry,
                          struct pack_place *out_place, struct err *err)
{
    size_t len = PACK_ENTRY_BYTES + (size_t) entry->n_blocks * 8;
    AUTO(freep) char *head = xmalloc(len);

    if (writer->n_rows == writer->cap_rows) {
        writer->cap_rows = MAX(writer->cap_rows * 2, (size_t) 256);
        writer->rows = xrealloc(writer->rows, writer->cap_rows * sizeof(*writer->rows));
        writer->bodies = xrealloc(writer->bodies, writer->cap_rows * sizeof(*writer->bodies));
    }
    *out_place = (struct pack_place){
        .pack = writer->number,
        .offset = writer->at,
        .row = (uint32_t) writer->n_rows,
        .stored = (uint32_t) MIN(len + entry->length, (uint64_t) UINT32_MAX),
        .length = entry->length};
    writer->bodies[writer->n_rows] =
        (struct packed_body){entry->account, entry->body_id, *out_place};
    writer->rows[writer->n_rows++] = (struct pack_row){
        .account = entry->account, .body_id = entry->body_id, .offset = writer->at};
    pack_entry_write(head, entry);
    return pack_writer_bytes(writer, slice_of(head, len), err);
}

void pack_writer_digest(struct pack_writer *writer, uint32_t version, struct slice digest)
{
    struct pack_row *row = &writer->rows[writer->n_rows - 1];
    size_t at = writer->digests.len;

    buf_append(&writer->digests, digest);
    if (writer->digests.overflow) {
        writer->digests.overflow = false; /* derived data: this one is made again */
        return;
    }
    row->digest_at = at; /* from the start of the region, until that is known */
    row->digest_len = (uint32_t) digest.len;
    row->digest_version = version;
    row->digest_hash = XXH3_64bits(digest.ptr, digest.len);
}

static void copy_digest(struct pack_writer *writer, const struct pack *from,
                        const struct pack_row *row)
{
    AUTO(freep) char *bytes = xmalloc((size_t) row->digest_len + 1);

    if (row->digest_len > 0 &&
        file_read_all(pack_fd(from), bytes, row->digest_len, row->digest_at, NULL) == RC_OK &&
        XXH3_64bits(bytes, row->digest_len) == row->digest_hash)
        pack_writer_digest(writer, row->digest_version, slice_of(bytes, row->digest_len));
}

/* The bytes as they are, whether or not they are whole. */
enum rc pack_copy_entry(struct pack_writer *writer, const struct pack *from, uint32_t row,
                        struct err *err)
{
    AUTO(freep) char *piece = xmalloc(WRITE_BUFFER_BYTES);
    struct pack_entry entry;
    struct pack_place place;
    struct pack_row head;
    enum rc rc = pack_read_row(from, row, &head, err);

    if (!rc)
        rc = pack_read_entry(from, head.offset, head.account, head.body_id, &entry, err);
    if (rc)
        return rc;
    rc = pack_writer_entry(writer, &entry, &place, err);
    for (uint64_t at = 0; at < entry.length && !rc; at += WRITE_BUFFER_BYTES) {
        size_t len = (size_t) MIN(entry.length - at, (uint64_t) WRITE_BUFFER_BYTES);

        rc = file_read_all(pack_fd(from), piece, len, entry.bytes_at + at, err);
        if (!rc)
            rc = pack_writer_bytes(writer, slice_of(piece, len), err);
    }
    pack_entry_done(&entry);
    if (!rc)
        copy_digest(writer, from, &head);
    return rc;
}

const struct packed_body *pack_writer_bodies(const struct pack_writer *writer, size_t *out_n)
{
    *out_n = writer->n_rows;
    return writer->bodies;
}

enum rc pack_writer_settle(const struct pack_writer *writer, struct state_txn *txn,
                           struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < writer->n_rows && !rc; i++) {
        if (writer->rows[i].digest_len > 0)
            rc = checkpoint_txn_drop_digest(txn, writer->rows[i].account,
                                            writer->rows[i].body_id, err);
    }
    return rc;
}

static enum rc write_index(struct pack_writer *writer, struct pack_footer *footer,
                           struct err *err)
{
    size_t len = writer->n_rows * PACK_ROW_BYTES;
    AUTO(freep) char *index = xmalloc(len + 1);

    for (size_t i = 0; i < writer->n_rows; i++) {
        if (writer->rows[i].digest_len > 0)
            writer->rows[i].digest_at += footer->digests_at;
        pack_row_write(index + i * PACK_ROW_BYTES, &writer->rows[i]);
    }
    footer->index_at = writer->at;
    footer->index_hash = XXH3_64bits(index, len);
    return pack_writer_bytes(writer, slice_of(index, len), err);
}

static enum rc settle(struct pack_writer *writer, struct err *err)
{
    char from[LAYOUT_NAME_BYTES], to[LAYOUT_NAME_BYTES];
    int dir = writer->local->layout.packs;

    if (fdatasync(writer->fd) != 0)
        return file_error(err, "fdatasync of a pack");
    layout_name(from, writer->number, ".new");
    layout_name(to, writer->number, ".pack");
    if (renameat(dir, from, dir, to) != 0)
        return file_error(err, "rename of a pack");
    writer->is_finished = true;
    return layout_sync_dir(dir, err);
}

enum rc pack_writer_finish(struct pack_writer *writer, uint64_t *out_bytes, struct err *err)
{
    struct pack_footer footer = {.number = writer->number,
                                 .n_rows = writer->n_rows,
                                 .digests_at = writer->at,
                                 .digests_len = writer->digests.len};
    char bytes[PACK_FOOTER_BYTES];
    enum rc rc = pack_writer_bytes(writer, buf_slice(&writer->digests), err);

    if (!rc)
        rc = write_index(writer, &footer, err);
    pack_footer_write(bytes, &footer);
    if (!rc)
        rc = pack_writer_bytes(writer, slice_of(bytes, sizeof(bytes)), err);
    if (!rc)
        rc = flush(writer, err);
    if (!rc)
        rc = settle(writer, err);
    if (!rc)
        *out_bytes = writer->at;
    return rc;
}
