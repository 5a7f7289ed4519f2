#include "mime/param.h"

#include <string.h>

#include "base/ascii.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/words.h"

/* RFC 2045 5.1 token, and 8-bit bytes, which mail has. */
static bool is_token_byte(char c)
{
    return !ascii_is_ctl(c) && c != ' ' && strchr("()<>@,;:\\\"[]?=", c) == NULL;
}

/* Values are read more freely than names: up to what must end them. */
static bool is_loose_byte(char c)
{
    return c != ';' && c != '=' && c != '"';
}

static bool is_junk(char c)
{
    return ascii_is_space(c) || c == ';' || c == '\0';
}

static void skip_between(struct scan *sc)
{
    for (;;) {
        (void) scan_while(sc, is_junk);
        if (scan_peek(sc) != '(')
            return;
        header_skip_blank(sc);
    }
}

struct slice param_begin(struct param_reader *reader, struct slice raw, struct buf *scratch)
{
    struct slice head;
    size_t i;

    reader->sc = scan_of(raw);
    reader->scratch = scratch;
    skip_between(&reader->sc);
    head = scan_rest(&reader->sc);
    for (i = 0; i < head.len && !ascii_is_space(head.ptr[i]) && head.ptr[i] != ';' &&
                head.ptr[i] != '(' && head.ptr[i] != '=';
         i++)
        ;
    if (i < head.len && head.ptr[i] == '=') /* a parameter stands first: no value */
        return slice_of("", 0);
    (void) scan_take(&reader->sc, i, &head);
    return head;
}

static void read_quoted(struct scan *sc, struct buf *out)
{
    struct slice rest = scan_rest(sc), taken;
    size_t i;

    for (i = 0; i < rest.len && rest.ptr[i] != '"'; i++) {
        if (rest.ptr[i] == '\\' && i + 1 < rest.len)
            i++;
        if (rest.ptr[i] != '\r' && rest.ptr[i] != '\n')
            buf_byte(out, rest.ptr[i]);
    }
    (void) scan_take(sc, MIN(i + 1, rest.len), &taken);
}

/*
 * A value without quotes. It may hold spaces ("name=My file.pdf; x=y"): it goes up to the
 * semicolon, unless another "=" comes before that, then to the first space. Looking ahead stops
 * at that "=", so each byte is looked at twice at most.
 */
static struct slice read_loose(struct scan *sc)
{
    struct slice value, ahead;
    struct scan look = *sc;

    ahead = scan_while(&look, is_loose_byte);
    if (!scan_done(&look) && scan_peek(&look) != ';') {
        size_t cut = 0;

        while (cut < ahead.len && !ascii_is_space(ahead.ptr[cut]))
            cut++;
        if (cut == ahead.len) /* "a=b=c": the value goes on behind the "=" */
            while (cut < scan_left(sc) && !ascii_is_space(sc->pos[cut]) && sc->pos[cut] != ';')
                cut++;
        (void) scan_take(sc, cut, &value);
        return value;
    }
    (void) scan_take(sc, ahead.len, &value);
    if (slice_find(value, '(') < value.len)
        value = slice_sub(value, 0, slice_find(value, '('));
    return slice_trim(value);
}

bool param_next(struct param_reader *reader, struct param *out)
{
    struct scan *sc = &reader->sc;

    for (;;) {
        struct slice name, taken;

        skip_between(sc);
        if (scan_done(sc))
            return false;
        name = scan_while(sc, is_token_byte);
        (void) scan_while(sc, ascii_is_space);
        if (name.len == 0 || !scan_byte(sc, '=')) {
            if (name.len == 0)
                (void) scan_take(sc, 1, &taken); /* a byte that starts nothing */
            continue;
        }
        (void) scan_while(sc, ascii_is_space);
        buf_reset(reader->scratch);
        if (scan_byte(sc, '"'))
            read_quoted(sc, reader->scratch);
        else
            buf_append(reader->scratch, read_loose(sc));
        out->name = name;
        out->value = buf_slice(reader->scratch);
        return true;
    }
}

static bool read_plain(struct slice raw, struct slice name, struct buf *out)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct param param;

    buf_init(&scratch, raw.len + 1);
    (void) param_begin(&reader, raw, &scratch);
    while (param_next(&reader, &param)) {
        if (!slice_eq_nocase(param.name, name))
            continue;
        buf_append(out, param.value);
        return true;
    }
    return false;
}

/* One piece of an RFC 2231 value: where its bytes lie in the pool. */
struct segment {
    size_t at, len;
    bool present, encoded;
};

/* What of "name*3*" follows name: the index, and whether it is percent-encoded. */
static bool parse_marks(struct slice marks, uint32_t *index, bool *encoded)
{
    *index = 0;
    *encoded = slice_ends(marks, SLICE("*"));
    if (!slice_starts(marks, SLICE("*")))
        return false;
    if (marks.len == 1)
        return true;
    marks = slice_from(marks, 1);
    if (*encoded)
        marks.len--;
    return slice_to_u32(marks, index) && *index < PARAM_SEGMENTS_MAX;
}

static void percent_decode(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = text.len - i > 2 ? ascii_hex_value(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(text.ptr[i + 2]) : -1;

        if (text.ptr[i] == '%' && low >= 0) {
            buf_byte(out, (char) (high * 16 + low));
            i += 2;
        } else {
            buf_byte(out, text.ptr[i]);
        }
    }
}

/* Join the pieces in order, up to the first that is missing (RFC 2231 section 3 and 4.1). */
static void join_segments(const struct segment *segments, struct slice pool, struct buf *out)
{
    AUTO(buf_done) struct buf bytes = {0};
    struct slice charset = {"", 0};

    buf_init(&bytes, pool.len + 1);
    for (size_t i = 0; i < PARAM_SEGMENTS_MAX && segments[i].present; i++) {
        struct slice piece = slice_sub(pool, segments[i].at, segments[i].len);

        if (i == 0 && segments[i].encoded) { /* charset'language'text */
            size_t first = slice_find(piece, '\'');
            size_t second = slice_find(slice_from(piece, MIN(first + 1, piece.len)), '\'');

            if (first < piece.len && first + 1 + second < piece.len) {
                charset = slice_sub(piece, 0, first);
                piece = slice_from(piece, first + second + 2);
            }
        }
        if (segments[i].encoded)
            percent_decode(piece, &bytes);
        else
            buf_append(&bytes, piece);
    }
    charset_to_utf8(charset, buf_slice(&bytes), out);
}

/* The parameter of this name if it is written in RFC 2231 pieces; false if its first is not
 * there. */
static bool read_pieces(struct slice raw, struct slice name, struct buf *out)
{
    AUTO(buf_done) struct buf scratch = {0};
    AUTO(buf_done) struct buf pool = {0};
    struct segment segments[PARAM_SEGMENTS_MAX] = {0};
    struct param_reader reader;
    struct param param;

    buf_init(&scratch, raw.len + 1);
    buf_init(&pool, raw.len + 1);
    (void) param_begin(&reader, raw, &scratch);
    while (param_next(&reader, &param)) {
        uint32_t index;
        bool encoded;

        if (slice_starts_nocase(param.name, name) &&
            parse_marks(slice_from(param.name, name.len), &index, &encoded) &&
            !segments[index].present) {
            segments[index] = (struct segment){pool.len, param.value.len, true, encoded};
            buf_append(&pool, param.value);
        }
    }
    if (segments[0].present)
        join_segments(segments, buf_slice(&pool), out);
    return segments[0].present;
}

bool param_get(struct slice raw, struct slice name, struct buf *out)
{
    return read_plain(raw, name, out) || read_pieces(raw, name, out);
}

bool param_get_text(struct slice raw, struct slice name, struct buf *out)
{
    AUTO(buf_done) struct buf plain = {0};

    if (read_pieces(raw, name, out))
        return true;
    buf_init(&plain, raw.len + 1);
    if (!read_plain(raw, name, &plain))
        return false;
    words_decode(buf_slice(&plain), out);
    return true;
}

static bool is_among(const struct slice *names, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(names[i], name))
            return true;
    return false;
}

void param_pieces_text(struct slice raw, struct buf *out)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct slice names[PARAM_NAMES_MAX];
    struct param_reader reader;
    struct param param;
    size_t n = 0;

    buf_init(&scratch, raw.len + 1);
    (void) param_begin(&reader, raw, &scratch);
    while (n < PARAM_NAMES_MAX && param_next(&reader, &param)) {
        size_t mark = slice_find(param.name, '*'), start = out->len;
        struct slice name = slice_sub(param.name, 0, mark);
        uint32_t index;
        bool encoded;

        if (name.len == 0 || !parse_marks(slice_from(param.name, mark), &index, &encoded) ||
            is_among(names, n, name))
            continue;
        names[n++] = name;
        buf_str(out, "; ");
        charset_to_utf8(SLICE(""), name, out);
        buf_byte(out, '=');
        if (!read_pieces(raw, name, out))
            buf_truncate(out, start);
    }
}
