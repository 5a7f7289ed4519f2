#include "mime/header.h"

#include <string.h>

#include "base/ascii.h"

size_t header_line_len(struct slice text)
{
    const char *lf = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;

    return lf != NULL ? (size_t) (lf - text.ptr) + 1 : text.len;
}

struct slice header_line_body(struct slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n') {
        line.len--;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
    }
    return line;
}

/* RFC 5322 2.2: printable, no colon. */
static bool is_name_byte(char c)
{
    return c > ' ' && c < 0x7f && c != ':';
}

size_t header_name_len(struct slice line, size_t *out_value)
{
    size_t len = 0, i;

    while (len < line.len && len <= HEADER_NAME_MAX_BYTES && is_name_byte(line.ptr[len]))
        len++;
    if (len == 0 || len > HEADER_NAME_MAX_BYTES)
        return 0;
    for (i = len; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
        ;
    if (i == line.len || line.ptr[i] != ':')
        return 0;
    *out_value = i + 1;
    return len;
}

bool header_comment(struct scan *sc, struct slice *out)
{
    struct slice rest = scan_rest(sc);
    size_t depth = 0, i;

    for (i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '\\' && i + 1 < rest.len)
            i++;
        else if (rest.ptr[i] == '(')
            depth++;
        else if (rest.ptr[i] == ')' && --depth == 0)
            break;
    }
    return i < rest.len && scan_take(sc, i + 1, out);
}

void header_skip_blank(struct scan *sc)
{
    struct slice skipped;

    (void) scan_while(sc, ascii_is_space);
    while (scan_peek(sc) == '(') {
        if (!header_comment(sc, &skipped))
            (void) scan_take(sc, scan_left(sc), &skipped);
        (void) scan_while(sc, ascii_is_space);
    }
}

void header_unfold(struct slice raw, struct buf *out)
{
    raw = slice_trim(raw);
    for (size_t i = 0; i < raw.len;) {
        size_t run = i;

        while (run < raw.len && raw.ptr[run] != '\r' && raw.ptr[run] != '\n')
            run++;
        buf_append(out, slice_sub(raw, i, run - i));
        for (i = run; i < raw.len && (raw.ptr[i] == '\r' || raw.ptr[i] == '\n'); i++)
            ;
        if (i > run && i < raw.len && raw.ptr[i] != ' ' && raw.ptr[i] != '\t')
            buf_byte(out, ' ');
    }
}
