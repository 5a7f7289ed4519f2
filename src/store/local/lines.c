#include "store/local/lines.h"

#include "base/base64.h"

#define CRLF_BYTES  2u
#define PIECE_LINES 64u /* encoded at a time */

/* Characters up to the first end of line. */
static size_t line_chars(struct slice text)
{
    return slice_find(slice_sub(text, 0, LINES_CHARS_MAX + 1), '\r');
}

/* One line of at most `line` characters and its CRLF, or the end of the text. Returns the bytes
 * taken; 0: it is none. base64_decode() takes one spelling of the bytes only. */
static size_t decode_line(struct slice text, size_t line, struct buf *out)
{
    size_t n = line_chars(text);
    bool has_crlf = slice_starts(slice_from(text, n), SLICE("\r\n"));

    if (n == 0 || n > line || (!has_crlf && n != text.len) ||
        base64_decode(slice_sub(text, 0, n), out) != RC_OK)
        return 0;
    return n + (has_crlf ? CRLF_BYTES : 0);
}

size_t lines_decode(struct slice text, uint8_t *out_line, struct buf *out)
{
    size_t line = line_chars(text), taken = 0, n;

    if (line == 0 || line > LINES_CHARS_MAX || line % 4 != 0)
        return 0;
    do {
        size_t before = out->len;

        n = decode_line(slice_from(text, taken), line, out);
        taken += n;
        if (out->len - before != line / 4 * 3)
            break; /* a shorter line is the last */
    } while (n > 0 && taken < text.len);
    *out_line = (uint8_t) line;
    return taken;
}

uint64_t lines_length(uint64_t decoded_len, uint8_t line)
{
    uint64_t chars = (decoded_len + 2) / 3 * 4;

    return chars + (chars + line - 1) / line * CRLF_BYTES;
}

/* The encoded form of some whole lines, or of the rest. */
static void encode_lines(struct slice bytes, uint8_t line, struct buf *out)
{
    size_t step = (size_t) line / 4 * 3;

    buf_reset(out);
    while (bytes.len > 0) {
        base64_encode(out, slice_sub(bytes, 0, step));
        buf_append(out, SLICE("\r\n"));
        bytes = slice_from(bytes, MIN(step, bytes.len));
    }
}

enum rc lines_read(enum rc (*read)(void *ctx, uint64_t offset, char *out, size_t len,
                                   struct err *err),
                   void *ctx, uint64_t decoded_len, uint8_t line, uint64_t at, char *out,
                   size_t len, struct err *err)
{
    size_t step = (size_t) line / 4 * 3, stride = line + CRLF_BYTES;
    AUTO(freep) char *bytes = xmalloc(step * PIECE_LINES);
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, stride * PIECE_LINES);
    while (len > 0) {
        uint64_t first = at / stride;
        size_t skip = (size_t) (at % stride), n;
        uint64_t from = first * step;
        size_t want = (size_t) MIN(decoded_len - from, (uint64_t) step * PIECE_LINES);
        enum rc rc = read(ctx, from, bytes, want, err);

        if (rc)
            return rc;
        encode_lines(slice_of(bytes, want), line, &text);
        n = MIN(text.len - skip, len);
        memcpy(out, text.ptr + skip, n);
        out += n;
        at += n;
        len -= n;
    }
    return RC_OK;
}
