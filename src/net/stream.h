/*
 * stream.h - a socket with what was read and not taken yet, and what is written and not sent
 * yet; from some point on both ways compressed (RFC 4978).
 *
 * Nothing blocks. Used by members of a pool. An idle stream holds no buffer: that of input is
 * given back by the stream_read() that finds no more, that of output by stream_trim() once all
 * is sent, which its owner calls before it waits.
 */
#ifndef ROOST_NET_STREAM_H
#define ROOST_NET_STREAM_H

#include "base/buf.h"

#define STREAM_READ_BYTES ((size_t) 16 << 10)

struct stream_codec; /* of a compressed stream: its states and the bytes on the wire */

struct stream {
    int fd;                     /* owned */
    struct stream_codec *codec; /* NULL: plain */
    struct buf in;
    size_t in_at;
    bool drained; /* the last read got all there was: no need to ask again before the next event
                   */
    struct buf out;
    size_t out_at;
    uint64_t bytes_in, bytes_out;
};

/* Takes fd, non-blocking. first: bytes that were read already. out holds at most out_max bytes.
 */
void stream_init(struct stream *stream, int fd, struct slice first, size_t out_max);
void stream_done(struct stream *stream);

/* Read and not taken. */
struct slice stream_input(const struct stream *stream);
void stream_take(struct stream *stream, size_t n);

enum stream_read {
    STREAM_GOT,
    STREAM_NONE,
    STREAM_ENDED,
    STREAM_BROKEN,
    STREAM_GARBLED, /* compressed, and what came is no DEFLATE data */
};
/* More input, behind what is not taken yet, which is at most STREAM_READ_BYTES. */
enum stream_read stream_read(struct stream *stream);

size_t stream_unsent(const struct stream *stream);
enum stream_sent { STREAM_SENT, STREAM_FULL, STREAM_SEND_BROKEN };
/* Send what is in out. */
enum stream_sent stream_send(struct stream *stream);
/* Give back the buffers of output that are empty: a long answer keeps them while it is written.
 */
void stream_trim(struct stream *stream);

/* What is written from here on goes out compressed; what is not taken yet, and all that comes,
 * is taken for compressed. Once. */
void stream_compress(struct stream *stream);
/* What came and was not taken, for whoever reads the socket next; out gets all of it. If the
 * stream is compressed, what came behind the last flush is taken for plain (RFC 8437 4.1). */
void stream_unread(const struct stream *stream, struct buf *out);
/* Does it hold a state of some 100 KiB that it could do without for a while? */
bool stream_can_rest(const struct stream *stream);
/* Give that memory back; it is made again when bytes move. */
void stream_rest(struct stream *stream);

#endif
