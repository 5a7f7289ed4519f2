#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>

#include "base/decimal.h"

#define BUF_FIRST_BYTES ((size_t) 256)

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

/* Beyond len a secret buffer holds nothing. */
static void wipe_from(struct buf *buf, size_t from)
{
    if (buf->secret && from < buf->len)
        explicit_bzero(buf->ptr + from, buf->len - from);
}

void buf_done(struct buf *buf)
{
    wipe_from(buf, 0);
    free(buf->ptr);
    *buf = (struct buf){.max = buf->max, .secret = buf->secret};
}

void buf_reset(struct buf *buf)
{
    wipe_from(buf, 0);
    buf->len = 0;
    buf->overflow = false;
}

void buf_truncate(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    wipe_from(buf, len);
    buf->len = len;
}

void buf_consume(struct buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n > 0 && n < buf->len)
        memmove(buf->ptr, buf->ptr + n, buf->len - n);
    wipe_from(buf, buf->len - n);
    buf->len -= n;
}

void buf_shrink(struct buf *buf, size_t keep)
{
    if (buf->len > 0 || buf->cap <= keep)
        return;
    free(buf->ptr);
    buf->ptr = NULL;
    buf->cap = 0;
}

/* realloc() may leave what was there in memory that it gives back. */
static void grow(struct buf *buf, size_t cap)
{
    char *old = buf->ptr;

    if (!buf->secret || buf->len == 0) {
        buf->ptr = xrealloc(old, cap);
    } else {
        buf->ptr = xmalloc(cap);
        memcpy(buf->ptr, old, buf->len);
        explicit_bzero(old, buf->len);
        free(old);
    }
    buf->cap = cap;
}

char *buf_reserve_more(struct buf *buf, size_t n)
{
    size_t need, cap;

    if (n > buf->max || buf->len > buf->max - n) {
        buf->overflow = true;
        return NULL;
    }
    need = buf->len + n;
    if (need > buf->cap) {
        cap = MAX(buf->cap * 2, BUF_FIRST_BYTES);
        cap = MIN(MAX(cap, need), buf->max);
        grow(buf, cap);
    }
    return buf->ptr + buf->len;
}

void buf_append_more(struct buf *buf, struct slice s)
{
    char *room = buf_reserve(buf, s.len);

    if (room == NULL)
        return;
    memcpy(room, s.ptr, s.len);
    buf->len += s.len;
}

void buf_u64(struct buf *buf, uint64_t value)
{
    char digits[DECIMAL_MAX_BYTES], *end;

    if (buf->cap - buf->len >= DECIMAL_MAX_BYTES) {
        end = decimal_put_64(buf->ptr + buf->len, value);
        buf->len = (size_t) (end - buf->ptr);
        return;
    }
    end = decimal_put_64(digits, value);
    buf_append(buf, slice_of(digits, (size_t) (end - digits)));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args, again;
    char *room;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    room = len < 0 ? NULL : buf_reserve(buf, (size_t) len + 1);
    if (room != NULL) {
        (void) vsnprintf(room, (size_t) len + 1, fmt, again);
        buf->len += (size_t) len;
    }
    va_end(again);
}

static void buf_le(struct buf *buf, uint64_t value, size_t n)
{
    char bytes[8];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char) (value >> (8 * i));
    buf_append(buf, slice_of(bytes, n));
}

void buf_le8(struct buf *buf, uint8_t value)
{
    buf_le(buf, value, 1);
}

void buf_le16(struct buf *buf, uint16_t value)
{
    buf_le(buf, value, 2);
}

void buf_le32(struct buf *buf, uint32_t value)
{
    buf_le(buf, value, 4);
}

void buf_le64(struct buf *buf, uint64_t value)
{
    buf_le(buf, value, 8);
}

void buf_le_bytes(struct buf *buf, struct slice s)
{
    assert(s.len <= UINT32_MAX);
    buf_le32(buf, (uint32_t) s.len);
    buf_append(buf, s);
}

static void patch(struct buf *buf, size_t at, uint64_t value, size_t n)
{
    assert(at + n <= buf->len);
    for (size_t i = 0; i < n; i++)
        buf->ptr[at + i] = (char) (value >> (8 * i));
}

void buf_patch_le32(struct buf *buf, size_t at, uint32_t value)
{
    patch(buf, at, value, 4);
}

void buf_patch_le64(struct buf *buf, size_t at, uint64_t value)
{
    patch(buf, at, value, 8);
}
