#include "base/scan.h"

#include "base/ascii.h"

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

bool scan_le_bytes(struct scan *sc, size_t max, struct slice *out)
{
    const char *from = sc->pos;
    uint32_t len;

    if (scan_le32(sc, &len) && len <= max && scan_take(sc, len, out))
        return true;
    sc->pos = from;
    return false;
}
