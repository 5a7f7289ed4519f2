/*
 * buf.h - output that grows, up to a maximum it is born with.
 *
 * Going past the maximum sets `overflow` and drops the append; the user checks once at the end.
 * So printers need no error path, and no size from outside grows memory without a bound.
 *
 * A buffer with `secret` set holds passwords, or may: whatever leaves it is wiped, be it the
 * memory that it grows out of, what is cut off, or all of it in the end. It is set before the
 * first byte comes.
 */
#ifndef ROOST_BASE_BUF_H
#define ROOST_BASE_BUF_H

#include "base/slice.h"

struct buf {
    char *ptr;
    size_t len, cap, max;
    bool overflow; /* an append did not fit; what is here is incomplete */
    bool secret;   /* what leaves is wiped */
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf); /* also the AUTO cleanup: the variable is by value */

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->ptr, buf->len);
}

/* Empty it, keep the memory, clear overflow. */
void buf_reset(struct buf *buf);
/* Cut back to an earlier length. */
void buf_truncate(struct buf *buf, size_t len);
/* Drop n bytes from the front. n <= len. */
void buf_consume(struct buf *buf, size_t n);
/* Give memory beyond keep bytes back if the buffer is empty. */
void buf_shrink(struct buf *buf, size_t keep);

/* buf_reserve() where the buffer has to grow first. */
char *buf_reserve_more(struct buf *buf, size_t n);

/* Room for n more bytes at ptr + len, or NULL (and overflow). The caller then adds to len, and
 * leaves nothing secret behind it. */
static inline char *buf_reserve(struct buf *buf, size_t n)
{
    return n <= buf->cap - buf->len ? buf->ptr + buf->len : buf_reserve_more(buf, n);
}

/* buf_append() where the buffer has to grow first. s.len > 0. */
void buf_append_more(struct buf *buf, struct slice s);

static inline void buf_append(struct buf *buf, struct slice s)
{
    if (s.len == 0)
        return;
    if (s.len > buf->cap - buf->len) {
        buf_append_more(buf, s);
        return;
    }
    memcpy(buf->ptr + buf->len, s.ptr, s.len);
    buf->len += s.len;
}

static inline void buf_str(struct buf *buf, const char *str)
{
    buf_append(buf, slice_from_str(str));
}

static inline void buf_byte(struct buf *buf, char byte)
{
    if (buf->len < buf->cap)
        buf->ptr[buf->len++] = byte;
    else
        buf_append_more(buf, slice_of(&byte, 1));
}

void buf_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Little-endian fields, the inverse of scan_le*. */
void buf_le8(struct buf *buf, uint8_t value);
void buf_le16(struct buf *buf, uint16_t value);
void buf_le32(struct buf *buf, uint32_t value);
void buf_le64(struct buf *buf, uint64_t value);
/* A u32 length and the bytes. s.len < 2^32. */
void buf_le_bytes(struct buf *buf, struct slice s);
/* Overwrite a field written earlier. at + 4 <= len. */
void buf_patch_le32(struct buf *buf, size_t at, uint32_t value);
void buf_patch_le64(struct buf *buf, size_t at, uint64_t value);

#endif
