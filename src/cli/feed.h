/*
 * feed.h - the bytes of a file that mail is imported from, looked at before they are taken.
 *
 * A file packed with zstd is unpacked on the way. Readers ask for what they want to see, and
 * take less or all of it; the window grows as far as FEED_WINDOW_MAX_BYTES and no further.
 */
#ifndef ROOST_CLI_FEED_H
#define ROOST_CLI_FEED_H

#include "base/slice.h"

#define FEED_PIECE_BYTES      ((size_t) 256 << 10)
#define FEED_WINDOW_MAX_BYTES ((size_t) 260 << 20)

struct feed;

/* Where a feed's bytes come from. *out_len 0: the end. */
typedef enum rc feed_read_fn(void *ctx, char *room, size_t size, size_t *out_len,
                             struct err *err);

MUST_CHECK enum rc feed_open(const char *path, struct feed **out, struct err *err);
/* Bytes that stay where they are. */
struct feed *feed_of_bytes(struct slice bytes);
/* ctx must outlive it. */
struct feed *feed_new(feed_read_fn *read, void *ctx);
void feed_free(struct feed *feed); /* NULL is allowed */
void feed_freep(struct feed **feed);

/* See at least n bytes, fewer only at the end; what is there may be more. It stays valid until
 * the next call. A failure to read looks like the end: feed_failed() tells. */
struct slice feed_see(struct feed *feed, size_t n);
/* Take n bytes of those seen. */
void feed_take(struct feed *feed, size_t n);
/* Take n bytes unseen; fewer only at the end. */
void feed_skip(struct feed *feed, uint64_t n);
/* The next line with its LF, taken, or FEED_PIECE_BYTES of a longer one. Empty: the end. */
struct slice feed_line(struct feed *feed);
/* RC_OK, or why reading ended early. */
enum rc feed_failed(const struct feed *feed, struct err *err);

#endif
