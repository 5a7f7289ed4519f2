#include "mime/preview.h"

#include <unicode/uchar.h>

#include "base/utf8.h"
#include "mime/header.h"

struct squeezer {
    struct buf *out;
    size_t n_chars;
    bool space; /* white space waits for a character */
};

/* Invisible characters that newsletters pad their first line with go, as do controls. */
static bool is_invisible(uint32_t ch)
{
    int8_t type = u_charType((UChar32) ch);

    return type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || ch == 0x34f || ch == 0xfffd;
}

static bool put_line(struct squeezer *s, struct slice line)
{
    struct scan sc = scan_of(line);
    uint32_t ch;

    s->space = s->n_chars > 0;
    while (utf8_scan(&sc, &ch) && s->n_chars < PREVIEW_MAX_CHARS) {
        if (u_isUWhiteSpace((UChar32) ch)) {
            s->space = s->n_chars > 0;
        } else if (!is_invisible(ch)) {
            if (s->space && s->n_chars + 2 > PREVIEW_MAX_CHARS)
                return false;
            if (s->space) {
                buf_byte(s->out, ' ');
                s->n_chars++;
            }
            s->space = false;
            utf8_append(s->out, ch);
            s->n_chars++;
        }
    }
    return s->n_chars < PREVIEW_MAX_CHARS;
}

static void squeeze(struct slice text, bool quotes_too, struct buf *out)
{
    struct squeezer s = {.out = out};

    while (text.len > 0) {
        size_t len = header_line_len(text);
        struct slice line = header_line_body(slice_sub(text, 0, len));

        text = slice_from(text, len);
        if (!quotes_too && slice_eq(line, SLICE("-- "))) /* RFC 3676 4.3 */
            return;
        if (!quotes_too && slice_starts(line, SLICE(">")))
            continue;
        if (!put_line(&s, line))
            return;
    }
}

void preview_of_text(struct slice utf8, struct buf *out)
{
    size_t before = out->len;

    utf8 = utf8_cut(utf8, PREVIEW_SOURCE_BYTES);
    squeeze(utf8, false, out);
    if (out->len == before)
        squeeze(utf8, true, out);
}
