#include "cli/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

/* A file, packed or not. */
struct file_source {
    int fd;
    ZSTD_DStream *unpack; /* NULL: not packed */
    char *packed;
    ZSTD_inBuffer in;
    bool ended;   /* no more packed bytes */
    size_t wants; /* zstd: 0 at the end of a frame */
};

struct bytes_source {
    struct slice left;
};

struct feed {
    feed_read_fn *read;
    void *ctx;
    void (*ctx_free)(void *ctx);
    char *room;
    size_t start, end, cap; /* seen and not taken: room[start..end) */
    bool ended;
    struct err err;
    enum rc failed;
};

struct feed *feed_new(feed_read_fn *read, void *ctx)
{
    struct feed *feed = xcalloc(1, sizeof(*feed));

    feed->read = read;
    feed->ctx = ctx;
    feed->cap = FEED_PIECE_BYTES;
    feed->room = xmalloc(feed->cap);
    return feed;
}

void feed_free(struct feed *feed)
{
    if (feed == NULL)
        return;
    if (feed->ctx_free != NULL)
        feed->ctx_free(feed->ctx);
    free(feed->room);
    free(feed);
}

void feed_freep(struct feed **feed)
{
    feed_free(*feed);
    *feed = NULL;
}

/* ---- sources ---- */

static enum rc read_bytes(void *ctx, char *room, size_t size, size_t *out_len, struct err *err)
{
    struct bytes_source *source = ctx;
    size_t n = MIN(size, source->left.len);

    (void) err;
    if (n > 0)
        memcpy(room, source->left.ptr, n);
    source->left = slice_from(source->left, n);
    *out_len = n;
    return RC_OK;
}

struct feed *feed_of_bytes(struct slice bytes)
{
    struct bytes_source *source = xcalloc(1, sizeof(*source));
    struct feed *feed = feed_new(read_bytes, source);

    source->left = bytes;
    feed->ctx_free = free;
    return feed;
}

static enum rc read_fd(struct file_source *source, char *room, size_t size, size_t *out_len,
                       struct err *err)
{
    ssize_t n;

    do {
        n = read(source->fd, room, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, RC_IO, "It cannot be read", "read: %s", strerror(errno));
    *out_len = (size_t) n;
    return RC_OK;
}

static enum rc refill_packed(struct file_source *source, struct err *err)
{
    size_t n;
    enum rc rc = read_fd(source, source->packed, FEED_PIECE_BYTES, &n, err);

    if (rc)
        return rc;
    source->in = (ZSTD_inBuffer){source->packed, n, 0};
    source->ended = n == 0;
    if (source->ended && source->wants != 0)
        return err_set(err, RC_CORRUPT, "The packed file is cut short", "zstd: cut short");
    return RC_OK;
}

static enum rc read_packed(struct file_source *source, char *room, size_t size, size_t *out_len,
                           struct err *err)
{
    ZSTD_outBuffer out = {room, size, 0};

    while (out.pos == 0 && !source->ended) {
        enum rc rc = RC_OK;

        if (source->in.pos == source->in.size)
            rc = refill_packed(source, err);
        if (rc)
            return rc;
        if (source->ended)
            break;
        source->wants = ZSTD_decompressStream(source->unpack, &out, &source->in);
        if (ZSTD_isError(source->wants))
            return err_set(err, RC_CORRUPT, "The packed file is damaged", "zstd: %s",
                           ZSTD_getErrorName(source->wants));
    }
    *out_len = out.pos;
    return RC_OK;
}

static enum rc read_file(void *ctx, char *room, size_t size, size_t *out_len, struct err *err)
{
    struct file_source *source = ctx;

    return source->unpack != NULL ? read_packed(source, room, size, out_len, err)
                                  : read_fd(source, room, size, out_len, err);
}

static void file_free(void *ctx)
{
    struct file_source *source = ctx;

    if (source->unpack != NULL)
        (void) ZSTD_freeDStream(source->unpack);
    (void) close(source->fd); /* only read */
    free(source->packed);
    free(source);
}

enum rc feed_open(const char *path, struct feed **out, struct err *err)
{
    static const char magic[4] = {'\x28', '\xb5', '\x2f', '\xfd'}; /* RFC 8878 3.1.1 */
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file_source *source;
    char first[sizeof(magic)];
    ssize_t n;

    if (fd < 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "It cannot be opened",
                       "%s: %s", path, strerror(errno));
    n = read(fd, first, sizeof(first));
    if (n < 0 || lseek(fd, 0, SEEK_SET) != 0)
        return err_set(err, RC_IO, "It cannot be read", "%s: %s", path, strerror(errno));
    source = xcalloc(1, sizeof(*source));
    source->fd = fd;
    fd = -1;
    if (n == sizeof(magic) && memcmp(first, magic, sizeof(magic)) == 0) {
        source->unpack = ZSTD_createDStream();
        if (source->unpack == NULL)
            die("zstd: no memory");
        source->packed = xmalloc(FEED_PIECE_BYTES);
    }
    *out = feed_new(read_file, source);
    (*out)->ctx_free = file_free;
    return RC_OK;
}

/* ---- reading ---- */

/* Room behind the seen bytes: by moving them, or by growing. False: as large as it gets. */
static bool make_room(struct feed *feed)
{
    if (feed->end < feed->cap)
        return true;
    if (feed->start > feed->cap / 2) {
        memmove(feed->room, feed->room + feed->start, feed->end - feed->start);
        feed->end -= feed->start;
        feed->start = 0;
        return true;
    }
    if (feed->cap >= FEED_WINDOW_MAX_BYTES)
        return false;
    feed->cap = MIN(2 * feed->cap, FEED_WINDOW_MAX_BYTES);
    feed->room = xrealloc(feed->room, feed->cap);
    return true;
}

struct slice feed_see(struct feed *feed, size_t n)
{
    while (feed->end - feed->start < n && !feed->ended && make_room(feed)) {
        size_t got = 0;

        feed->failed = feed->read(feed->ctx, feed->room + feed->end, feed->cap - feed->end,
                                  &got, &feed->err);
        feed->ended = feed->failed != RC_OK || got == 0;
        feed->end += got;
    }
    return slice_of(feed->room + feed->start, feed->end - feed->start);
}

void feed_take(struct feed *feed, size_t n)
{
    feed->start += MIN(n, feed->end - feed->start);
    if (feed->start == feed->end)
        feed->start = feed->end = 0;
}

void feed_skip(struct feed *feed, uint64_t n)
{
    while (n > 0) {
        size_t got = MIN(feed_see(feed, 1).len, n);

        if (got == 0)
            return;
        feed_take(feed, got);
        n -= got;
    }
}

struct slice feed_line(struct feed *feed)
{
    struct slice seen = feed_see(feed, 1);
    size_t len = slice_find(seen, '\n');

    if (len == seen.len) {
        seen = feed_see(feed, FEED_PIECE_BYTES);
        len = slice_find(seen, '\n');
    }
    len = MIN(len + 1, seen.len);
    if (len < seen.len || (len > 0 && seen.ptr[len - 1] == '\n'))
        seen.len = len;
    else
        seen.len = MIN(seen.len, FEED_PIECE_BYTES);
    feed->start += seen.len; /* not feed_take(): the bytes stay in place */
    return seen;
}

enum rc feed_failed(const struct feed *feed, struct err *err)
{
    if (feed->failed && err != NULL)
        *err = feed->err;
    return feed->failed;
}
