/*
 * Modified UTF-7: RFC 3501 5.1.3. Printable ASCII stands for itself, "&" is "&-", all else is
 * UTF-16BE in base64 with "," for "/", between "&" and "-".
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "imap/mailbox_name.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool stands_for_itself(uint32_t ch)
{
    return ch >= 0x20 && ch <= 0x7e;
}

/* Bits on their way between 16-bit units and 6-bit letters. */
struct bits {
    uint32_t value;
    unsigned n;
};

static void put_unit(struct buf *out, struct bits *bits, uint32_t unit)
{
    bits->value = bits->value << 16 | unit;
    bits->n += 16;
    while (bits->n >= 6) {
        bits->n -= 6;
        buf_byte(out, alphabet[bits->value >> bits->n & 0x3f]);
    }
    bits->value &= (1u << bits->n) - 1;
}

static void put_shifted(struct buf *out, struct bits *bits, uint32_t ch)
{
    if (ch < 0x10000) {
        put_unit(out, bits, ch);
        return;
    }
    put_unit(out, bits, 0xd800 + ((ch - 0x10000) >> 10));
    put_unit(out, bits, 0xdc00 + ((ch - 0x10000) & 0x3ff));
}

static void end_shift(struct buf *out, struct bits *bits)
{
    if (bits->n > 0)
        buf_byte(out, alphabet[bits->value << (6 - bits->n) & 0x3f]);
    buf_byte(out, '-');
    *bits = (struct bits){0};
}

void imap_utf7_encode(struct buf *out, struct slice utf8)
{
    struct scan sc = scan_of(utf8);
    struct bits bits = {0};
    bool shifted = false;
    uint32_t ch;

    while (utf8_scan(&sc, &ch)) {
        if (stands_for_itself(ch) == shifted) {
            if (shifted)
                end_shift(out, &bits);
            else
                buf_byte(out, '&');
            shifted = !shifted;
        }
        if (shifted)
            put_shifted(out, &bits, ch);
        else if (ch == '&')
            buf_str(out, "&-");
        else
            buf_byte(out, (char) ch);
    }
    if (shifted)
        end_shift(out, &bits);
}

static bool is_shift_letter(char c)
{
    return ascii_is_alnum(c) || c == '+' || c == ',';
}

static uint32_t letter_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t) (c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t) (c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t) (c - '0') + 52;
    return c == '+' ? 62 : 63;
}

/* One UTF-16 unit; *high is the first half of a pair that waits for its second, or 0. */
static bool take_unit(struct buf *out, uint32_t *high, uint32_t unit)
{
    bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

    if ((*high != 0) != is_low)
        return false;
    if (is_low) {
        utf8_append(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
        *high = 0;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
    } else {
        utf8_append(out, unit);
    }
    return true;
}

static bool decode_shifted(struct slice letters, struct buf *out)
{
    struct bits bits = {0};
    uint32_t high = 0;

    for (size_t i = 0; i < letters.len; i++) {
        bits.value = bits.value << 6 | letter_value(letters.ptr[i]);
        bits.n += 6;
        if (bits.n < 16)
            continue;
        bits.n -= 16;
        if (!take_unit(out, &high, bits.value >> bits.n & 0xffff))
            return false;
        bits.value &= (1u << bits.n) - 1;
    }
    return high == 0;
}

static bool decode_one(struct scan *sc, struct buf *out)
{
    struct slice letters;

    if (!scan_byte(sc, '&')) {
        int c = scan_peek(sc);

        if (!stands_for_itself((uint32_t) c))
            return false;
        buf_byte(out, (char) c);
        return scan_byte(sc, (char) c);
    }
    letters = scan_while(sc, is_shift_letter);
    if (!scan_byte(sc, '-'))
        return false;
    if (letters.len == 0)
        buf_byte(out, '&');
    return decode_shifted(letters, out);
}

/* What is accepted is what the encoder would have written, and nothing else. */
enum rc imap_utf7_decode(struct slice text, struct buf *out)
{
    AUTO(buf_done) struct buf again = {0};
    struct scan sc = scan_of(text);
    size_t before = out->len;
    bool ok = true;

    buf_init(&again, text.len);
    while (ok && !scan_done(&sc))
        ok = decode_one(&sc, out);
    if (ok && !out->overflow) {
        imap_utf7_encode(&again, slice_from(buf_slice(out), before));
        ok = !again.overflow && slice_eq(buf_slice(&again), text);
    }
    if (ok && !out->overflow)
        return RC_OK;
    buf_truncate(out, before);
    return RC_SYNTAX;
}
