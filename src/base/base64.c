#include "base/base64.h"

#include "base/ascii.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = MIN(bytes.len - i, (size_t) 3);
        uint32_t group = 0;
        char four[4];

        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < n ? (unsigned char) bytes.ptr[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= n ? digits[group >> (18 - 6 * k) & 0x3f] : '=';
        buf_append(out, slice_of(four, 4));
    }
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Decode one group of four with n_pad '=' at its end; the unused bits must be zero. */
static bool decode_group(const char *four, size_t n_pad, struct buf *out)
{
    uint32_t group = 0;
    char three[3];

    for (size_t k = 0; k < 4; k++) {
        int value = k < 4 - n_pad ? digit_value(four[k]) : 0;

        if (value < 0)
            return false;
        group = group << 6 | (uint32_t) value;
    }
    if ((n_pad == 1 && (group & 0xff) != 0) || (n_pad == 2 && (group & 0xffff) != 0))
        return false;
    for (size_t k = 0; k < 3; k++)
        three[k] = (char) (group >> (16 - 8 * k));
    buf_append(out, slice_of(three, 3 - n_pad));
    return true;
}

enum rc base64_decode(struct slice text, struct buf *out)
{
    size_t from = out->len, n_pad = 0;

    if (text.len % 4 != 0)
        return RC_SYNTAX;
    if (slice_ends(text, SLICE("==")))
        n_pad = 2;
    else if (slice_ends(text, SLICE("=")))
        n_pad = 1;
    for (size_t i = 0; i < text.len; i += 4) {
        if (!decode_group(text.ptr + i, i + 4 == text.len ? n_pad : 0, out)) {
            buf_truncate(out, from);
            return RC_SYNTAX;
        }
    }
    return RC_OK;
}
