#include "mime/cte.h"

#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "mime/header.h"

#define STEP_BYTES ((size_t) 16 << 10)
#define STEP_SLACK_BYTES                                                                       \
    64u /* no encoding gives more than its text but the end of a uu line                       \
         */

static const struct {
    const char *name;
    enum digest_encoding encoding;
} names[] = {
    {"",                 DIGEST_CTE_IDENTITY},
    {"7bit",             DIGEST_CTE_IDENTITY},
    {"8bit",             DIGEST_CTE_IDENTITY},
    {"binary",           DIGEST_CTE_IDENTITY},
    {"7-bit",            DIGEST_CTE_IDENTITY},
    {"8-bit",            DIGEST_CTE_IDENTITY},
    {"base64",           DIGEST_CTE_BASE64  },
    {"base-64",          DIGEST_CTE_BASE64  },
    {"quoted-printable", DIGEST_CTE_QP      },
    {"x-uuencode",       DIGEST_CTE_UUENCODE},
    {"x-uue",            DIGEST_CTE_UUENCODE},
    {"uuencode",         DIGEST_CTE_UUENCODE},
};

static bool is_name_byte(char c)
{
    return ascii_is_alnum(c) || c == '-';
}

static struct slice scan_name(struct scan *sc)
{
    header_skip_blank(sc);
    (void) scan_byte(sc, '"');
    return scan_while(sc, is_name_byte);
}

struct slice cte_name(struct slice raw)
{
    struct scan sc = scan_of(raw);

    return scan_name(&sc);
}

enum digest_encoding cte_from_field(struct slice raw)
{
    struct scan sc = scan_of(raw);
    struct slice name = scan_name(&sc);

    if (name.len == 0 && !scan_done(&sc))
        return DIGEST_CTE_UNKNOWN;
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_eq_nocase(name, slice_from_str(names[i].name)))
            return names[i].encoding;
    return DIGEST_CTE_UNKNOWN;
}

void cte_open(struct cte_reader *reader, enum digest_encoding encoding, struct slice text)
{
    *reader = (struct cte_reader){.encoding = encoding, .text = text};
}

/* 0..63, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* '=' ends a group; text that goes on behind it (two encodings joined) is decoded as well. */
static void end_group(struct cte_reader *r)
{
    if (r->n_bits >= 6)
        r->damaged = true;
    r->bits = r->n_bits = 0;
}

static size_t step_base64(struct cte_reader *r, char *out)
{
    size_t end = MIN(r->at + STEP_BYTES, r->text.len), n = 0;

    for (; r->at < end; r->at++) {
        char c = r->text.ptr[r->at];
        int value = base64_value(c);

        if (value >= 0) {
            if (r->padded)
                r->damaged = true;
            r->padded = false;
            r->bits = r->bits << 6 | (uint32_t) value;
            r->n_bits += 6;
            if (r->n_bits >= 8) {
                r->n_bits -= 8;
                out[n++] = (char) (r->bits >> r->n_bits);
                r->bits &= (1u << r->n_bits) - 1;
            }
        } else if (c == '=') {
            if (!r->padded)
                end_group(r);
            r->padded = true;
        } else if (!ascii_is_space(c)) {
            r->damaged = true;
        }
    }
    if (r->at == r->text.len && r->n_bits >= 6) /* half a byte is left */
        r->damaged = true;
    return n;
}

static size_t blank_len(struct slice text)
{
    size_t n = 0;

    while (n < text.len && (text.ptr[n] == ' ' || text.ptr[n] == '\t'))
        n++;
    return n;
}

/* White space at the end of a line is not text (RFC 2045 6.7 rule 3). Returns how much stands
 * at `at` before an end of line or the end, 0 if text follows. */
static size_t blank_before_end(struct slice text, size_t at)
{
    size_t i = at + blank_len(slice_from(text, at));

    if (i == text.len || text.ptr[i] == '\n' ||
        (text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n'))
        return i - at;
    return 0;
}

/* "=" at r->at: two hex digits, a soft line break, or a mistake, which stands for itself. */
static size_t step_qp_escape(struct cte_reader *r, char *out)
{
    struct slice rest = slice_from(r->text, r->at + 1);
    int high = rest.len >= 2 ? ascii_hex_value(rest.ptr[0]) : -1;
    int low = high >= 0 ? ascii_hex_value(rest.ptr[1]) : -1;
    size_t blank;

    if (low >= 0) {
        out[0] = (char) (high * 16 + low);
        r->at += 3;
        return 1;
    }
    blank = blank_before_end(rest, 0);
    if (blank > 0 || rest.len == 0 || rest.ptr[0] == '\n' ||
        slice_starts(rest, SLICE("\r\n"))) {
        rest = slice_from(rest, blank);
        r->at += 1 + blank + (slice_starts(rest, SLICE("\r\n")) ? 2 : rest.len > 0 ? 1 : 0);
        return 0;
    }
    r->damaged = true;
    out[0] = '=';
    r->at++;
    return 1;
}

static size_t step_qp(struct cte_reader *r, char *out)
{
    size_t n = 0;

    while (r->at < r->text.len && n < STEP_BYTES) {
        char c = r->text.ptr[r->at];

        if (c == '=') {
            n += step_qp_escape(r, out + n);
        } else if (c == ' ' || c == '\t') {
            if (r->at >= r->blank_end) {
                size_t blank = blank_before_end(r->text, r->at);

                if (blank > 0) {
                    r->at += blank;
                    continue;
                }
                r->blank_end = r->at + blank_len(slice_from(r->text, r->at));
            }
            out[n++] = c;
            r->at++;
        } else {
            out[n++] = c;
            r->at++;
        }
    }
    return n;
}

/* One line of uuencoded text, without its end: at most 63 bytes come out. */
static size_t decode_uu_line(struct slice line, char *out)
{
    size_t want = line.len > 0 ? (size_t) ((line.ptr[0] - ' ') & 63) : 0, n = 0;

    for (size_t i = 1; i < line.len && n < want; i += 4) {
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++)
            bits = bits << 6 | (i + k < line.len ? (uint32_t) (line.ptr[i + k] - ' ') & 63 : 0);
        for (int shift = 16; shift >= 0 && n < want; shift -= 8)
            out[n++] = (char) (bits >> shift);
    }
    return n;
}

static size_t step_uu(struct cte_reader *r, char *out)
{
    size_t n = 0;

    while (r->at < r->text.len && n + 64 <= STEP_BYTES) {
        struct slice rest = slice_from(r->text, r->at);
        size_t len = header_line_len(rest);
        struct slice line = header_line_body(slice_sub(rest, 0, len));

        r->at += len;
        if (!r->in_uu)
            r->in_uu = slice_starts(line, SLICE("begin "));
        else if (slice_eq(line, SLICE("end")))
            r->in_uu = false;
        else
            n += decode_uu_line(line, out + n);
    }
    return n;
}

bool cte_next(struct cte_reader *reader, struct buf *out)
{
    struct slice piece;
    char *room;

    while (reader->at < reader->text.len) {
        size_t n = 0;

        if (reader->encoding == DIGEST_CTE_IDENTITY || reader->encoding == DIGEST_CTE_UNKNOWN) {
            piece = slice_sub(reader->text, reader->at, STEP_BYTES);
            buf_append(out, piece);
            reader->at += piece.len;
            return true;
        }
        room =
            buf_reserve(out, MIN(STEP_BYTES, reader->text.len - reader->at) + STEP_SLACK_BYTES);
        if (room == NULL)
            return false;
        switch (reader->encoding) {
        case DIGEST_CTE_BASE64:
            n = step_base64(reader, room);
            break;
        case DIGEST_CTE_QP:
            n = step_qp(reader, room);
            break;
        case DIGEST_CTE_UUENCODE:
            n = step_uu(reader, room);
            break;
        case DIGEST_CTE_IDENTITY:
        case DIGEST_CTE_UNKNOWN:
            break;
        }
        out->len += n;
        if (n > 0)
            return true;
    }
    return false;
}

uint64_t cte_decoded_size(enum digest_encoding encoding, struct slice text, bool *out_damaged)
{
    AUTO(buf_done) struct buf step = {0};
    struct cte_reader reader;
    uint64_t size = 0;

    *out_damaged = encoding == DIGEST_CTE_UNKNOWN;
    if (encoding == DIGEST_CTE_IDENTITY || encoding == DIGEST_CTE_UNKNOWN)
        return text.len;
    buf_init(&step, 2 * STEP_BYTES);
    cte_open(&reader, encoding, text);
    while (cte_next(&reader, &step)) {
        size += step.len;
        buf_reset(&step);
    }
    *out_damaged = reader.damaged;
    return size;
}

bool cte_decode(enum digest_encoding encoding, struct slice text, struct buf *out)
{
    struct cte_reader reader;

    cte_open(&reader, encoding, text);
    while (cte_next(&reader, out))
        ;
    return !reader.damaged && encoding != DIGEST_CTE_UNKNOWN && !out->overflow;
}

void cte_decode_base64(struct slice text, struct buf *out)
{
    uint32_t bits = 0, n_bits = 0;

    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);

        if (value < 0) {
            if (text.ptr[i] == '=')
                bits = n_bits = 0;
            continue;
        }
        bits = bits << 6 | (uint32_t) value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buf_byte(out, (char) (bits >> n_bits));
            bits &= (1u << n_bits) - 1;
        }
    }
}

void cte_decode_q(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int high =
            text.ptr[i] == '=' && text.len - i > 2 ? ascii_hex_value(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(text.ptr[i + 2]) : -1;

        if (low >= 0) {
            buf_byte(out, (char) (high * 16 + low));
            i += 2;
        } else {
            buf_byte(out, text.ptr[i] == '_' ? ' ' : text.ptr[i]);
        }
    }
}
