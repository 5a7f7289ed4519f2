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
    if (scan_left(sc) == 0 || (unsigned char) *sc->pos >= 0x80 ||
        (unsigned char) *sc->pos > max)
        return scan_varint32_long(sc, max, out);
    *out = (unsigned char) *sc->pos++; /* one byte, as most are */
    return true;
}
bool scan_varint_signed(struct scan *sc, int64_t *out);
bool scan_varint_bytes(struct scan *sc, size_t max, struct slice *out);

#endif
