#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void stream_init(struct stream *stream, int fd, struct slice first, size_t out_max)
{
    *stream = (struct stream){.fd = fd};
    buf_init(&stream->in, first.len + 2 * STREAM_READ_BYTES);
    buf_init(&stream->out, out_max);
    buf_append(&stream->in, first);
    stream->bytes_in = first.len;
}

void stream_done(struct stream *stream)
{
    (void) close(stream->fd); /* a socket: nothing can be lost by it */
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

enum stream_read stream_read(struct stream *stream)
{
    char *room;
    ssize_t n;

    buf_consume(&stream->in, stream->in_at);
    stream->in_at = 0;
    if (stream->drained) {
        buf_shrink(&stream->in, 0);
        return STREAM_NONE;
    }
    room = buf_reserve(&stream->in, STREAM_READ_BYTES);
    assert(room != NULL); /* the caller takes what has come before it lets more in */
    do {
        n = recv(stream->fd, room, STREAM_READ_BYTES, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        stream->in.len += (size_t) n;
        stream->bytes_in += (uint64_t) n;
        stream->drained = (size_t) n < STREAM_READ_BYTES;
        return STREAM_GOT;
    }
    buf_shrink(&stream->in, 0);
    if (n == 0)
        return STREAM_ENDED;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return STREAM_BROKEN;
    stream->drained = true;
    return STREAM_NONE;
}

size_t stream_unsent(const struct stream *stream)
{
    return stream->out.len - stream->out_at;
}

/* Moves what is not sent to the front once that is no more than what was: a reader that always
 * lags behind makes the buffer no longer than twice that, at one move a byte. */
static void drop_sent(struct stream *stream)
{
    if (stream->out_at < stream_unsent(stream))
        return;
    buf_consume(&stream->out, stream->out_at);
    stream->out_at = 0;
}

enum stream_sent stream_send(struct stream *stream)
{
    while (stream_unsent(stream) > 0) {
        ssize_t n = send(stream->fd, stream->out.ptr + stream->out_at, stream_unsent(stream),
                         MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return STREAM_SEND_BROKEN;
        if (n < 0) {
            drop_sent(stream);
            return STREAM_FULL;
        }
        stream->out_at += (size_t) n;
        stream->bytes_out += (uint64_t) n;
    }
    buf_reset(&stream->out);
    buf_shrink(&stream->out, 0);
    stream->out_at = 0;
    return STREAM_SENT;
}
