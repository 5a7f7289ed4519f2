#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/deflate.h"

#define FLUSH_MARK_BYTES 4u
#define COMPRESS_PIECE   ((size_t) 64 << 10) /* compressed at a time, as the socket takes it */

struct stream_codec {
    struct deflater *deflater; /* NULL: at rest */
    struct inflater *inflater;
    bool has_more; /* the inflater has output without more input */
    struct buf in; /* as it came from the socket */
    size_t in_at;
    size_t piece_end; /* of in: up to the end of a flush, or of what has come */
    unsigned marked;  /* bytes of a flush's mark that were seen last */
    struct buf out;   /* as it goes to the socket */
    size_t out_at;
};

void stream_init(struct stream *stream, int fd, struct slice first, size_t out_max)
{
    *stream = (struct stream){.fd = fd};
    buf_init(&stream->in, first.len + 2 * STREAM_READ_BYTES);
    buf_init(&stream->out, out_max);
    buf_append(&stream->in, first);
    stream->bytes_in = first.len;
}

static void codec_free(struct stream_codec *codec)
{
    if (codec == NULL)
        return;
    deflater_free(codec->deflater);
    inflater_free(codec->inflater);
    buf_done(&codec->in);
    buf_done(&codec->out);
    free(codec);
}

void stream_done(struct stream *stream)
{
    (void) close(stream->fd); /* a socket: nothing can be lost by it */
    codec_free(stream->codec);
    buf_done(&stream->in);
    buf_done(&stream->out);
}

struct slice stream_input(const struct stream *stream)
{
    return slice_from(buf_slice(&stream->in), stream->in_at);
}

void stream_take(struct stream *stream, size_t n)
{
    assert(n <= stream->in.len - stream->in_at);
    stream->in_at += n;
}

/* From the socket, behind what buf holds. */
static enum stream_read receive(struct stream *stream, struct buf *buf)
{
    char *room;
    ssize_t n;

    if (stream->drained) {
        buf_shrink(buf, 0);
        return STREAM_NONE;
    }
    room = buf_reserve(buf, STREAM_READ_BYTES);
    assert(room != NULL); /* the caller takes what has come before it lets more in */
    do {
        n = recv(stream->fd, room, STREAM_READ_BYTES, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        buf->len += (size_t) n;
        stream->bytes_in += (uint64_t) n;
        stream->drained = (size_t) n < STREAM_READ_BYTES;
        return STREAM_GOT;
    }
    buf_shrink(buf, 0);
    if (n == 0)
        return STREAM_ENDED;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return STREAM_BROKEN;
    stream->drained = true;
    return STREAM_NONE;
}

/*
 * A peer may end its compression behind any flush (RFC 8437 4.1), and what follows is plain; an
 * inflater that is given bytes takes them all. So it is given no more than up to the next mark
 * of a flush: the length of an empty stored block, 00 00 FF FF (RFC 1951 3.2.4). Where the same
 * bytes stand for something else, a piece ends early and nothing is lost.
 */
static void find_piece(struct stream_codec *codec)
{
    size_t at = codec->in_at;

    while (at < codec->in.len && codec->marked < FLUSH_MARK_BYTES) {
        unsigned char byte = (unsigned char) codec->in.ptr[at++];

        if (byte == (codec->marked < 2 ? 0x00 : 0xff))
            codec->marked++;
        else if (byte == 0x00) /* behind 00 00, one more; behind 00 00 FF, the first again */
            codec->marked = codec->marked == 2 ? 2 : 1;
        else
            codec->marked = 0;
    }
    if (codec->marked == FLUSH_MARK_BYTES)
        codec->marked = 0;
    codec->piece_end = at;
}

/* As much as one read of a plain stream gives, however little it takes on the wire. */
static enum stream_read inflate(struct stream *stream)
{
    struct stream_codec *codec = stream->codec;
    struct slice wire, before;
    size_t len = stream->in.len;
    struct err err;
    enum rc rc;

    if (codec->in_at == codec->piece_end && !codec->has_more)
        find_piece(codec);
    wire = before =
        slice_sub(buf_slice(&codec->in), codec->in_at, codec->piece_end - codec->in_at);
    rc = inflater_run(codec->inflater, &wire, STREAM_READ_BYTES, &stream->in, &err);
    codec->in_at += before.len - wire.len;
    codec->has_more = rc == RC_MORE;
    if (codec->in_at == codec->in.len) {
        buf_reset(&codec->in);
        codec->in_at = codec->piece_end = 0;
    }
    if (stream->in.len > len)
        return STREAM_GOT;
    return rc == RC_SYNTAX ? STREAM_GARBLED : STREAM_NONE;
}

static enum stream_read read_compressed(struct stream *stream)
{
    struct stream_codec *codec = stream->codec;
    enum stream_read got = STREAM_NONE;

    for (;;) {
        if (codec->has_more || codec->in_at < codec->in.len)
            got = inflate(stream);
        if (got != STREAM_NONE)
            return got;
        if (codec->in_at < codec->in.len)
            continue;
        got = receive(stream, &codec->in);
        if (got != STREAM_GOT)
            break;
        got = STREAM_NONE;
    }
    buf_shrink(&stream->in, 0);
    return got;
}

enum stream_read stream_read(struct stream *stream)
{
    buf_consume(&stream->in, stream->in_at);
    stream->in_at = 0;
    return stream->codec != NULL ? read_compressed(stream) : receive(stream, &stream->in);
}

size_t stream_unsent(const struct stream *stream)
{
    const struct stream_codec *codec = stream->codec;

    return stream->out.len - stream->out_at +
           (codec != NULL ? codec->out.len - codec->out_at : 0);
}

/* Moves what is not sent to the front once that is no more than what was: a reader that always
 * lags behind makes the buffer no longer than twice that, at one move a byte. */
static void drop_sent(struct buf *buf, size_t *at)
{
    if (*at < buf->len - *at)
        return;
    buf_consume(buf, *at);
    *at = 0;
}

/* To the socket, from *at on. */
static enum stream_sent transmit(struct stream *stream, struct buf *buf, size_t *at)
{
    while (*at < buf->len) {
        ssize_t n = send(stream->fd, buf->ptr + *at, buf->len - *at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return STREAM_SEND_BROKEN;
        if (n < 0) {
            drop_sent(buf, at);
            return STREAM_FULL;
        }
        *at += (size_t) n;
        stream->bytes_out += (uint64_t) n;
    }
    buf_reset(buf);
    *at = 0;
    return STREAM_SENT;
}

static void deflate_piece(struct stream *stream)
{
    struct stream_codec *codec = stream->codec;
    size_t len = MIN(stream->out.len - stream->out_at, COMPRESS_PIECE);

    if (codec->deflater == NULL)
        codec->deflater = deflater_new();
    deflater_run(codec->deflater, slice_of(stream->out.ptr + stream->out_at, len), &codec->out);
    stream->out_at += len;
}

static enum stream_sent send_compressed(struct stream *stream)
{
    struct stream_codec *codec = stream->codec;
    enum stream_sent sent = transmit(stream, &codec->out, &codec->out_at);

    while (sent == STREAM_SENT && stream->out_at < stream->out.len) {
        deflate_piece(stream);
        sent = transmit(stream, &codec->out, &codec->out_at);
    }
    drop_sent(&stream->out, &stream->out_at);
    return sent;
}

enum stream_sent stream_send(struct stream *stream)
{
    return stream->codec != NULL ? send_compressed(stream)
                                 : transmit(stream, &stream->out, &stream->out_at);
}

void stream_trim(struct stream *stream)
{
    buf_shrink(&stream->out, 0);
    if (stream->codec != NULL)
        buf_shrink(&stream->codec->out, 0);
}

/* ---- compression ---- */

void stream_compress(struct stream *stream)
{
    struct stream_codec *codec = xcalloc(1, sizeof(*codec));
    struct slice in = stream_input(stream);

    assert(stream->codec == NULL);
    buf_init(&codec->in, in.len + 2 * STREAM_READ_BYTES);
    buf_append(&codec->in, in);
    stream->in_at = stream->in.len;
    buf_init(&codec->out, stream->out.max + deflate_bound(COMPRESS_PIECE));
    buf_append(&codec->out, slice_from(buf_slice(&stream->out), stream->out_at));
    stream->out_at = stream->out.len;
    drop_sent(&stream->out, &stream->out_at);
    codec->inflater = inflater_new();
    stream->codec = codec;
}

void stream_unread(const struct stream *stream, struct buf *out)
{
    const struct stream_codec *codec = stream->codec;

    buf_append(out, stream_input(stream));
    if (codec != NULL)
        buf_append(out, slice_from(buf_slice(&codec->in), codec->in_at));
}

bool stream_can_rest(const struct stream *stream)
{
    const struct stream_codec *codec = stream->codec;

    return codec != NULL && stream_unsent(stream) == 0 &&
           (codec->deflater != NULL || inflater_can_rest(codec->inflater));
}

void stream_rest(struct stream *stream)
{
    struct stream_codec *codec = stream->codec;

    if (!stream_can_rest(stream))
        return;
    deflater_free(codec->deflater);
    codec->deflater = NULL;
    inflater_rest(codec->inflater);
}
