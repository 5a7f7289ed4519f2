/*
 * scan.h - the cursor that all bytes from outside are read through.
 *
 * The only code that moves a pointer over input. A read that fails leaves the cursor where it
 * was. Binary reads are little-endian and are what the on-disk and message formats use.
 */
#ifndef ROOST_BASE_SCAN_H
#define ROOST_BASE_SCAN_H

#include <endian.h>

#include "base/slice.h"

struct scan {
    const char *start, *pos, *end;
};

static inline struct scan scan_of(struct slice text)
{
    const char *start = text.len > 0 ? text.ptr : "";

    return (struct scan){start, start, start + text.len};
}

static inline bool scan_done(const struct scan *sc)
{
    return sc->pos == sc->end;
}

static inline size_t scan_left(const struct scan *sc)
{
    return (size_t) (sc->end - sc->pos);
}

/* Bytes read so far. */
static inline size_t scan_offset(const struct scan *sc)
{
    return (size_t) (sc->pos - sc->start);
}

/* What is not read yet. */
static inline struct slice scan_rest(const struct scan *sc)
{
    return slice_of(sc->pos, scan_left(sc));
}

/* The next byte as 0..255 without taking it, or -1 at the end. */
static inline int scan_peek(const struct scan *sc)
{
    return sc->pos < sc->end ? (unsigned char) *sc->pos : -1;
}

/* Take one byte if it is this one. */
static inline bool scan_byte(struct scan *sc, char byte)
{
    if (sc->pos == sc->end || *sc->pos != byte)
        return false;
    sc->pos++;
    return true;
}

/* Take exactly these bytes; the second form ignores the case of ASCII letters. */
bool scan_literal(struct scan *sc, struct slice bytes);
bool scan_literal_nocase(struct scan *sc, struct slice bytes);
/* Take n bytes. */
static inline bool scan_take(struct scan *sc, size_t n, struct slice *out)
{
    if (scan_left(sc) < n)
        return false;
    *out = slice_of(sc->pos, n);
    sc->pos += n;
    return true;
}

/* Take the longest run of bytes for which is(byte) holds; may be empty. */
struct slice scan_while(struct scan *sc, bool (*is)(char));
/* Take up to the byte, which stays; false (nothing taken) if it does not come. */
bool scan_until(struct scan *sc, char byte, struct slice *out);

/* One or more digits, value <= max. number: leading zeros allowed (RFC 9051 "number"). */
bool scan_u64(struct scan *sc, uint64_t max, uint64_t *out);
bool scan_u32(struct scan *sc, uint32_t *out);

/* Little-endian fields. */
static inline bool scan_le8(struct scan *sc, uint8_t *out)
{
    if (scan_done(sc))
        return false;
    *out = (uint8_t) *sc->pos++;
    return true;
}

static inline bool scan_le16(struct scan *sc, uint16_t *out)
{
    if (scan_left(sc) < sizeof(*out))
        return false;
    memcpy(out, sc->pos, sizeof(*out));
    *out = le16toh(*out);
    sc->pos += sizeof(*out);
    return true;
}

static inline bool scan_le32(struct scan *sc, uint32_t *out)
{
    if (scan_left(sc) < sizeof(*out))
        return false;
    memcpy(out, sc->pos, sizeof(*out));
    *out = le32toh(*out);
    sc->pos += sizeof(*out);
    return true;
}

static inline bool scan_le64(struct scan *sc, uint64_t *out)
{
    if (scan_left(sc) < sizeof(*out))
        return false;
    memcpy(out, sc->pos, sizeof(*out));
    *out = le64toh(*out);
    sc->pos += sizeof(*out);
    return true;
}

/* A u32 length <= max and that many bytes. */
bool scan_le_bytes(struct scan *sc, size_t max, struct slice *out);

#endif
