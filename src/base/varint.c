#include "base/varint.h"

#define VARINT_MAX_BYTES 10u

void buf_varint(struct buf *buf, uint64_t value)
{
    char *out = buf_reserve(buf, VARINT_MAX_BYTES);
    size_t n = 0;

    if (out == NULL)
        return;
    while (value >= 0x80) {
        out[n++] = (char) (0x80 | (value & 0x7f));
        value >>= 7;
    }
    out[n++] = (char) value;
    buf->len += n;
}

void buf_varint_signed(struct buf *buf, int64_t value)
{
    uint64_t bits = (uint64_t) value;

    buf_varint(buf, value < 0 ? ~(bits << 1) : bits << 1);
}

void buf_varint_bytes(struct buf *buf, struct slice s)
{
    buf_varint(buf, s.len);
    buf_append(buf, s);
}

/* A number of one byte; false at the end. */
static bool scan_varint_byte(struct scan *sc, uint64_t max, uint64_t *out)
{
    if (sc->pos == sc->end || (uint64_t) (unsigned char) *sc->pos > max)
        return false;
    *out = (unsigned char) *sc->pos++;
    return true;
}

bool scan_varint(struct scan *sc, uint64_t max, uint64_t *out)
{
    struct scan at = *sc;
    uint64_t value = 0;
    uint8_t byte;

    if (scan_peek(sc) < 0x80) /* one byte, as most are, or the end */
        return scan_varint_byte(sc, max, out);
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!scan_le8(&at, &byte))
            return false;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80) {
            if ((byte == 0 && shift > 0) || value > max)
                return false;
            *sc = at;
            *out = value;
            return true;
        }
    }
    return false;
}

bool scan_varint32_long(struct scan *sc, uint32_t max, uint32_t *out)
{
    uint64_t value;

    if (!scan_varint(sc, max, &value))
        return false;
    *out = (uint32_t) value;
    return true;
}

bool scan_varint_signed(struct scan *sc, int64_t *out)
{
    uint64_t bits;

    if (!scan_varint(sc, UINT64_MAX, &bits))
        return false;
    *out = (int64_t) ((bits & 1) != 0 ? ~(bits >> 1) : bits >> 1);
    return true;
}

bool scan_varint_bytes(struct scan *sc, size_t max, struct slice *out)
{
    struct scan at = *sc;
    uint64_t len;

    if (!scan_varint(&at, max, &len) || !scan_take(&at, (size_t) len, out))
        return false;
    *sc = at;
    return true;
}
