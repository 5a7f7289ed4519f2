/*
 * varint.h - whole numbers in 1 to 10 bytes: seven bits a byte, least first, the top bit set on
 * all but the last. Only the shortest form is read, so that a value has one encoding.
 */
#ifndef ROOST_BASE_VARINT_H
#define ROOST_BASE_VARINT_H

#include "base/buf.h"
#include "base/scan.h"

void buf_varint(struct buf *buf, uint64_t value);
/* Signed: 0, -1, 1, -2 ... become 0, 1, 2, 3 ... */
void buf_varint_signed(struct buf *buf, int64_t value);
/* A length and the bytes. */
void buf_varint_bytes(struct buf *buf, struct slice s);

/* False, cursor unmoved, if the value is above max, too long or cut off. */
bool scan_varint(struct scan *sc, uint64_t max, uint64_t *out);
bool scan_varint32_long(struct scan *sc, uint32_t max, uint32_t *out); /* of any length */

static inline bool scan_varint32(struct scan *sc, uint32_t max, uint32_t *out)
{
    const unsigned char *at = (const unsigned char *) sc->pos;
    size_t left = scan_left(sc), n = 0;
    uint32_t value = 0;

    if (left > 0 && at[0] < 0x80) { /* as most are */
        n = 1;
        value = at[0];
    } else if (left > 1 && at[1] < 0x80 && at[1] > 0) { /* and nearly all others */
        n = 2;
        value = (at[0] & 0x7fu) | (uint32_t) at[1] << 7;
    }
    if (n == 0 || value > max)
        return scan_varint32_long(sc, max, out);
    *out = value;
    sc->pos += n;
    return true;
}
bool scan_varint_signed(struct scan *sc, int64_t *out);
bool scan_varint_bytes(struct scan *sc, size_t max, struct slice *out);

#endif
