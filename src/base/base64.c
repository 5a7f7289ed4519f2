#include "base/base64.h"

#include "base/ascii.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The last one or two bytes, with padding. */
static void encode_rest(char four[4], const unsigned char *bytes, size_t n)
{
    uint32_t group = (uint32_t) bytes[0] << 16 | (n > 1 ? (uint32_t) bytes[1] << 8 : 0u);

    four[0] = digits[group >> 18];
    four[1] = digits[group >> 12 & 0x3f];
    four[2] = n > 1 ? digits[group >> 6 & 0x3f] : '=';
    four[3] = '=';
}

void base64_encode(struct buf *out, struct slice bytes)
{
    const unsigned char *from = (const unsigned char *) bytes.ptr;
    size_t whole = bytes.len / 3, rest = bytes.len % 3, len = (whole + (rest > 0)) * 4;
    char *to = len > 0 ? buf_reserve(out, len) : NULL;

    if (to == NULL)
        return;
    for (size_t i = 0; i < whole; i++, from += 3, to += 4) {
        uint32_t group = (uint32_t) from[0] << 16 | (uint32_t) from[1] << 8 | from[2];

        to[0] = digits[group >> 18];
        to[1] = digits[group >> 12 & 0x3f];
        to[2] = digits[group >> 6 & 0x3f];
        to[3] = digits[group & 0x3f];
    }
    if (rest > 0)
        encode_rest(to, from, rest);
    out->len += len;
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

/* The two alphabets differ in two digits; whoever has one of the other is wrong. */
static char other_alphabet(char c, const char from[2], const char to[2])
{
    if (c == from[0])
        return to[0];
    return c == from[1] ? to[1] : c;
}

enum rc base64url_decode(struct slice text, struct buf *out)
{
    size_t from = out->len, n_rest = text.len % 4;

    if (n_rest == 1)
        return RC_SYNTAX;
    for (size_t i = 0; i < text.len; i += 4) {
        char four[4] = "AAAA";
        size_t n = MIN(4, text.len - i);

        for (size_t k = 0; k < n; k++) {
            char c = text.ptr[i + k];

            four[k] = c == '+' || c == '/' ? '=' : other_alphabet(c, "-_", "+/");
        }
        if (!decode_group(four, 4 - n, out)) {
            buf_truncate(out, from);
            return RC_SYNTAX;
        }
    }
    return RC_OK;
}

void base64url_encode(struct buf *out, struct slice bytes)
{
    size_t from = out->len;

    base64_encode(out, bytes);
    while (out->len > from && out->ptr[out->len - 1] == '=')
        out->len--;
    for (size_t i = from; i < out->len; i++)
        out->ptr[i] = other_alphabet(out->ptr[i], "+/", "-_");
}
