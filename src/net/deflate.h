/*
 * deflate.h - raw DEFLATE (RFC 1951) of a conversation, both ways, for COMPRESS (RFC 4978).
 *
 * Each state is some 100 to 300 KiB and is there only while bytes go through it. A deflater may
 * be freed after any run: its runs end at a byte border, and what a new one writes behind them
 * refers to nothing before it. An inflater must know the last 32 KiB that the peer sent; at
 * rest it keeps those alone.
 */
#ifndef ROOST_NET_DEFLATE_H
#define ROOST_NET_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"

#define DEFLATE_WINDOW_BYTES ((size_t) 32 << 10)

struct deflater;

struct deflater *deflater_new(void);
void deflater_free(struct deflater *deflater); /* NULL is allowed */
/* All of `plain`, appended to out in such a way that the peer can read all of it. out has room
 * for deflate_bound(plain.len) bytes. */
void deflater_run(struct deflater *deflater, struct slice plain, struct buf *out);
/* What deflater_run() appends at most. */
size_t deflate_bound(size_t len);

struct inflater;

struct inflater *inflater_new(void);
void inflater_free(struct inflater *inflater); /* NULL is allowed */
/*
 * Takes bytes off the front of *in and appends what they say to out, at most `max` bytes, for
 * which out has room. RC_MORE: max bytes were written and there is more. RC_OK: in is used up.
 * RC_SYNTAX: no DEFLATE data, or the peer has ended the stream, and what follows its end is
 * left in *in; nothing more can be read.
 */
MUST_CHECK enum rc inflater_run(struct inflater *inflater, struct slice *in, size_t max,
                                struct buf *out, struct err *err);
/* Nobody will need it for a while: keep the window alone, if the stream stands at a border. */
void inflater_rest(struct inflater *inflater);
/* Would inflater_rest() give anything back? */
bool inflater_can_rest(const struct inflater *inflater);

#endif
