/*
 * pack_file.c - frames into a file.
 *
 * Order: all bytes, fdatasync, the final name, directory synced. Only then does the packer tell
 * the state about it; a pack the state does not know is left to recovery.
 */
#include "store/local/pack_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/random.h"

#define WRITE_BUFFER_BYTES ((size_t) 1 << 20)

static enum rc flush(struct pack_file *file, struct err *err)
{
    enum rc rc =
        file_write_all(file->fd, file->buffer, file->buffered, file->at - file->buffered, err);

    if (!rc)
        file->buffered = 0;
    return rc;
}

static enum rc put_bytes(struct pack_file *file, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        size_t n = MIN(WRITE_BUFFER_BYTES - file->buffered, bytes.len);

        memcpy(file->buffer + file->buffered, bytes.ptr, n);
        file->buffered += n;
        file->at += n;
        bytes = slice_from(bytes, n);
        if (file->buffered == WRITE_BUFFER_BYTES) {
            enum rc rc = flush(file, err);

            if (rc)
                return rc;
        }
    }
    return RC_OK;
}

static void list_frame(struct pack_frame **list, size_t *n, size_t *cap,
                       const struct pack_frame *frame, uint64_t file_at)
{
    if (*n == *cap) {
        *cap = MAX(*cap * 2, (size_t) 64);
        *list = xrealloc(*list, *cap * sizeof(**list));
    }
    (*list)[*n] = *frame;
    (*list)[(*n)++].file_at = file_at;
}

static enum rc write_frame(void *ctx, const struct pack_frame *frame, struct slice stored,
                           struct err *err)
{
    struct pack_file *file = ctx;
    char head[PACK_FRAME_BYTES];
    enum rc rc;

    list_frame(&file->frames, &file->n_frames, &file->cap_frames, frame, file->at);
    if (frame->stream == PACK_BODIES)
        file->stored_bodies += PACK_FRAME_BYTES + stored.len;
    pack_frame_write(head, &file->ident, frame);
    rc = put_bytes(file, slice_of(head, sizeof(head)), err);
    return rc ? rc : put_bytes(file, stored, err);
}

/* Derived data: what is too much is left out, with all that comes after, since a stream has no
 * gaps. */
static enum rc defer_frame(struct pack_file *file, struct deferred *deferred,
                           const struct pack_frame *frame, struct slice stored)
{
    size_t at = deferred->bytes.len;
    char head[PACK_FRAME_BYTES];

    if (deferred->is_full)
        return RC_OK;
    pack_frame_write(head, &file->ident, frame);
    buf_append(&deferred->bytes, slice_of(head, sizeof(head)));
    buf_append(&deferred->bytes, stored);
    if (deferred->bytes.overflow) {
        buf_truncate(&deferred->bytes, at);
        deferred->is_full = true;
        return RC_OK;
    }
    list_frame(&deferred->frames, &deferred->n, &deferred->cap, frame, at);
    return RC_OK;
}

static enum rc defer_digests(void *ctx, const struct pack_frame *frame, struct slice stored,
                             struct err *err)
{
    struct pack_file *file = ctx;

    (void) err;
    return defer_frame(file, &file->digests, frame, stored);
}

static enum rc defer_texts(void *ctx, const struct pack_frame *frame, struct slice stored,
                           struct err *err)
{
    struct pack_file *file = ctx;

    (void) err;
    return defer_frame(file, &file->texts, frame, stored);
}

static enum rc write_deferred(struct pack_file *file, const struct deferred *deferred,
                              struct err *err)
{
    for (size_t i = 0; i < deferred->n; i++)
        list_frame(&file->frames, &file->n_frames, &file->cap_frames, &deferred->frames[i],
                   file->at + deferred->frames[i].file_at);
    return put_bytes(file, buf_slice(&deferred->bytes), err);
}

/* Bodies: what is read at random is small. Digests and rows: what lists read lies together, and
 * is decompressed fast. Text is large and only searched. */
static const struct {
    enum pack_codec codec;
    size_t block_max;
    enum rc (*write)(void *ctx, const struct pack_frame *frame, struct slice stored,
                     struct err *err);
} stream_kinds[PACK_STREAMS] = {
    [PACK_BODIES] = {PACK_ZSTD,   65536u,  write_frame  },
    [PACK_DIGESTS] = {PACK_LZ4_HC, 262144u, defer_digests},
    [PACK_TEXTS] = {PACK_LZ4,    65536u,  defer_texts  },
    [PACK_ROWS] = {PACK_LZ4_HC, 65536u,  write_frame  },
};

static void init_streams(struct pack_file *file)
{
    for (unsigned i = 0; i < PACK_STREAMS; i++)
        frames_init(&file->streams[i], (enum pack_stream) i, stream_kinds[i].codec,
                    stream_kinds[i].block_max, file->compressor,
                    (struct frame_sink){file, stream_kinds[i].write});
}

/* The header's place is filled at the end, when the dictionary is known. */
enum rc pack_file_create(struct pack_file *file, struct local *local, uint64_t number,
                         struct err *err)
{
    char name[LAYOUT_NAME_BYTES], zeros[PACK_HEADER_BYTES] = {0};

    *file = (struct pack_file){.local = local, .fd = -1, .ident.number = number};
    memcpy(file->ident.uuid, local->super->uuid, sizeof(file->ident.uuid));
    random_bytes(file->ident.salt, sizeof(file->ident.salt));
    file->buffer = xmalloc(WRITE_BUFFER_BYTES);
    file->compressor = compressor_new();
    buf_init(&file->digests.bytes, (size_t) local->options.digest_memory_bytes);
    buf_init(&file->texts.bytes, (size_t) local->options.digest_memory_bytes);
    init_streams(file);
    layout_name(name, number, ".new");
    file->fd = openat(local->layout.packs, name,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0)
        return file_error(err, "create a pack");
    return put_bytes(file, slice_of(zeros, sizeof(zeros)), err);
}

static void deferred_done(struct deferred *deferred)
{
    buf_done(&deferred->bytes);
    free(deferred->frames);
}

void pack_file_done(struct pack_file *file)
{
    char name[LAYOUT_NAME_BYTES];

    if (!file->is_finished && file->fd >= 0) {
        layout_name(name, file->ident.number, ".new");
        (void) unlinkat(file->local->layout.packs, name, 0); /* else recovery does */
    }
    closep(&file->fd);
    for (size_t i = 0; i < PACK_STREAMS; i++)
        frames_done(&file->streams[i]);
    deferred_done(&file->digests);
    deferred_done(&file->texts);
    compressor_free(file->compressor);
    free(file->frames);
    free(file->buffer);
    *file = (struct pack_file){.fd = -1};
}

static enum rc write_directory(struct pack_file *file, uint64_t n_rows, struct err *err)
{
    size_t len = file->n_frames * PACK_DIRECTORY_BYTES;
    AUTO(freep) char *directory = xmalloc(len + 1);
    char bytes[PACK_FOOTER_BYTES];
    struct pack_footer footer = {.ident = file->ident,
                                 .n_rows = n_rows,
                                 .n_frames = file->n_frames,
                                 .directory_at = file->at};
    enum rc rc;

    for (size_t i = 0; i < file->n_frames; i++)
        pack_directory_write(directory + i * PACK_DIRECTORY_BYTES, &file->frames[i]);
    footer.directory_hash = XXH3_64bits(directory, len);
    pack_footer_write(bytes, &footer);
    rc = put_bytes(file, slice_of(directory, len), err);
    return rc ? rc : put_bytes(file, slice_of(bytes, sizeof(bytes)), err);
}

static enum rc settle(struct pack_file *file, struct err *err)
{
    char from[LAYOUT_NAME_BYTES], to[LAYOUT_NAME_BYTES], header[PACK_HEADER_BYTES];
    int dir = file->local->layout.packs;
    enum rc rc = flush(file, err);

    pack_header_write(header, &file->ident);
    if (!rc)
        rc = file_write_all(file->fd, header, sizeof(header), 0, err);
    if (rc)
        return rc;
    if (fdatasync(file->fd) != 0)
        return file_error(err, "fdatasync of a pack");
    layout_name(from, file->ident.number, ".new");
    layout_name(to, file->ident.number, ".pack");
    if (renameat(dir, from, dir, to) != 0)
        return file_error(err, "rename of a pack");
    file->is_finished = true;
    return layout_sync_dir(dir, err);
}

enum rc pack_file_finish(struct pack_file *file, uint64_t n_rows, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = PACK_BODIES; i < PACK_ROWS && !rc; i++)
        rc = frames_finish(&file->streams[i], err);
    if (!rc)
        rc = write_deferred(file, &file->digests, err);
    if (!rc)
        rc = write_deferred(file, &file->texts, err);
    if (!rc)
        rc = frames_finish(&file->streams[PACK_ROWS], err);
    if (!rc)
        rc = write_directory(file, n_rows, err);
    return rc ? rc : settle(file, err);
}
