#include "base/scan.h"

#include "base/ascii.h"

struct scan scan_of(struct slice text)
{
    const char *start = text.len > 0 ? text.ptr : "";

    return (struct scan){start, start, start + text.len};
}

bool scan_done(const struct scan *sc)
{
    return sc->pos == sc->end;
}

size_t scan_left(const struct scan *sc)
{
    return (size_t) (sc->end - sc->pos);
}

size_t scan_offset(const struct scan *sc)
{
    return (size_t) (sc->pos - sc->start);
}

struct slice scan_rest(const struct scan *sc)
{
    return slice_of(sc->pos, scan_left(sc));
}

int scan_peek(const struct scan *sc)
{
    return sc->pos < sc->end ? (unsigned char) *sc->pos : -1;
}

bool scan_byte(struct scan *sc, char byte)
{
    if (sc->pos == sc->end || *sc->pos != byte)
        return false;
    sc->pos++;
    return true;
}

bool scan_literal(struct scan *sc, struct slice bytes)
{
    if (!slice_starts(scan_rest(sc), bytes))
        return false;
    sc->pos += bytes.len;
    return true;
}

bool scan_literal_nocase(struct scan *sc, struct slice bytes)
{
    if (!slice_starts_nocase(scan_rest(sc), bytes))
        return false;
    sc->pos += bytes.len;
    return true;
}

bool scan_take(struct scan *sc, size_t n, struct slice *out)
{
    if (scan_left(sc) < n)
        return false;
    *out = slice_of(sc->pos, n);
    sc->pos += n;
    return true;
}

struct slice scan_while(struct scan *sc, bool (*is)(char))
{
    const char *from = sc->pos;

    while (sc->pos < sc->end && is(*sc->pos))
        sc->pos++;
    return slice_of(from, (size_t) (sc->pos - from));
}

bool scan_until(struct scan *sc, char byte, struct slice *out)
{
    struct slice rest = scan_rest(sc);
    size_t at = slice_find(rest, byte);

    if (at == rest.len)
        return false;
    *out = slice_sub(rest, 0, at);
    sc->pos += at;
    return true;
}

bool scan_u64(struct scan *sc, uint64_t max, uint64_t *out)
{
    const char *from = sc->pos;
    struct slice digits = scan_while(sc, ascii_is_digit);
    uint64_t value;

    if (!slice_to_u64(digits, &value) || value > max) {
        sc->pos = from;
        return false;
    }
    *out = value;
    return true;
}

bool scan_u32(struct scan *sc, uint32_t *out)
{
    uint64_t value;

    if (!scan_u64(sc, UINT32_MAX, &value))
        return false;
    *out = (uint32_t) value;
    return true;
}

static bool scan_le(struct scan *sc, size_t n, uint64_t *out)
{
    struct slice bytes;
    uint64_t value = 0;

    if (!scan_take(sc, n, &bytes))
        return false;
    for (size_t i = n; i > 0; i--)
        value = value << 8 | (unsigned char) bytes.ptr[i - 1];
    *out = value;
    return true;
}

bool scan_le8(struct scan *sc, uint8_t *out)
{
    uint64_t value;

    if (!scan_le(sc, 1, &value))
        return false;
    *out = (uint8_t) value;
    return true;
}

bool scan_le16(struct scan *sc, uint16_t *out)
{
    uint64_t value;

    if (!scan_le(sc, 2, &value))
        return false;
    *out = (uint16_t) value;
    return true;
}

bool scan_le32(struct scan *sc, uint32_t *out)
{
    uint64_t value;

    if (!scan_le(sc, 4, &value))
        return false;
    *out = (uint32_t) value;
    return true;
}

bool scan_le64(struct scan *sc, uint64_t *out)
{
    return scan_le(sc, 8, out);
}

bool scan_le_bytes(struct scan *sc, size_t max, struct slice *out)
{
    const char *from = sc->pos;
    uint32_t len;

    if (scan_le32(sc, &len) && len <= max && scan_take(sc, len, out))
        return true;
    sc->pos = from;
    return false;
}
