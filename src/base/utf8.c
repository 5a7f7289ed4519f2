#include "base/utf8.h"

#include <string.h>

#include "base/ascii.h"

/* Length of the character that starts with this byte, 0 if none does. */
static size_t char_len(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

static bool in_range(uint32_t ch, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return ch >= least[len] && ch <= 0x10ffff && !(ch >= 0xd800 && ch <= 0xdfff);
}

bool utf8_scan(struct scan *sc, uint32_t *out_char)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    struct slice rest = scan_rest(sc);
    size_t len = rest.len > 0 ? char_len((unsigned char) rest.ptr[0]) : 0;
    struct slice taken;
    uint32_t ch;

    if (len == 0 || rest.len < len)
        return false;
    ch = (unsigned char) rest.ptr[0] & lead_mask[len];
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char) rest.ptr[i] & 0xc0u) != 0x80u)
            return false;
        ch = ch << 6 | ((unsigned char) rest.ptr[i] & 0x3fu);
    }
    if (!in_range(ch, len) || !scan_take(sc, len, &taken))
        return false;
    *out_char = ch;
    return true;
}

/* Bytes at the start of s that are ASCII, eight at a time. */
static size_t ascii_run(struct slice s)
{
    size_t n = 0;

    for (; s.len - n >= sizeof(uint64_t); n += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, s.ptr + n, sizeof(word));
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    while (n < s.len && !ascii_is_8bit(s.ptr[n]))
        n++;
    return n;
}

struct slice utf8_take_ascii(struct scan *sc)
{
    struct slice run = {0};

    (void) scan_take(sc, ascii_run(scan_rest(sc)), &run);
    return run;
}

size_t utf8_valid_len(struct slice s)
{
    struct scan sc = scan_of(s);
    uint32_t ch;

    do
        (void) utf8_take_ascii(&sc);
    while (utf8_scan(&sc, &ch));
    return scan_offset(&sc);
}

bool utf8_is_ascii(struct slice s)
{
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;

        memcpy(&word, s.ptr + i, 8);
        if ((word & 0x8080808080808080u) != 0)
            return false;
    }
    for (; i < s.len; i++)
        if (ascii_is_8bit(s.ptr[i]))
            return false;
    return true;
}

bool utf8_is_valid(struct slice s)
{
    return utf8_valid_len(s) == s.len;
}

void utf8_append(struct buf *buf, uint32_t ch)
{
    char out[4];
    size_t n = 0;

    if (ch < 0x80) {
        out[n++] = (char) ch;
    } else if (ch < 0x800) {
        out[n++] = (char) (0xc0 | ch >> 6);
        out[n++] = (char) (0x80 | (ch & 0x3f));
    } else if (ch < 0x10000) {
        out[n++] = (char) (0xe0 | ch >> 12);
        out[n++] = (char) (0x80 | (ch >> 6 & 0x3f));
        out[n++] = (char) (0x80 | (ch & 0x3f));
    } else {
        out[n++] = (char) (0xf0 | ch >> 18);
        out[n++] = (char) (0x80 | (ch >> 12 & 0x3f));
        out[n++] = (char) (0x80 | (ch >> 6 & 0x3f));
        out[n++] = (char) (0x80 | (ch & 0x3f));
    }
    buf_append(buf, slice_of(out, n));
}

void utf8_append_repaired(struct buf *buf, struct slice s)
{
    struct scan sc = scan_of(s);
    struct slice bad;
    uint32_t ch;

    while (!scan_done(&sc)) {
        buf_append(buf, utf8_take_ascii(&sc));
        if (utf8_scan(&sc, &ch))
            utf8_append(buf, ch);
        else if (scan_take(&sc, 1, &bad))
            utf8_append(buf, 0xfffd);
    }
}

bool utf8_is_control(uint32_t ch)
{
    return ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == 0x61c || ch == 0x200e ||
           ch == 0x200f || (ch >= 0x2028 && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069);
}

struct slice utf8_cut(struct slice s, size_t max)
{
    size_t len = MIN(s.len, max);

    while (len > 0 && len < s.len && ((unsigned char) s.ptr[len] & 0xc0u) == 0x80u)
        len--;
    return slice_sub(s, 0, len);
}
