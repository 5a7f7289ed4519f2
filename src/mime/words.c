#include "mime/words.h"

#include <string.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/cte.h"
#include "mime/header.h"

#define WORD_UTF8_MAX_BYTES 45 /* base64 of it is 60; with "=?utf-8?B?" and "?=" below 75 */

struct word {
    struct slice charset, text;
    char encoding; /* 'B' or 'Q' */
    size_t len;    /* of the whole word */
};

/*
 * Reads over the text once. The end mark "?=" is looked for from a word's text on and
 * remembered: many starts with one far end would otherwise each search to the end.
 */
struct decoder {
    struct slice text;
    size_t end_mark; /* offset of a "?=", valid for starts at or before it; text.len: no more */
    bool end_known;
    struct buf *out;
    struct buf run;       /* bytes of adjacent words in one charset */
    struct slice charset; /* of run */
};

static size_t find_end_mark(struct decoder *d, size_t from)
{
    if (!d->end_known || (d->end_mark < from && d->end_mark < d->text.len)) {
        d->end_mark = from + slice_search(slice_from(d->text, from), SLICE("?="));
        d->end_known = true;
    }
    return d->end_mark;
}

/* Offset behind the next '?' within max bytes from at, or 0. */
static size_t behind_question(struct slice text, size_t at, size_t max)
{
    struct slice look = slice_sub(text, at, max);
    size_t n = slice_find(look, '?');

    return n > 0 && n < look.len ? at + n + 1 : 0;
}

static bool parse_word(struct decoder *d, size_t at, struct word *out)
{
    size_t encoding, text, end;

    if (!slice_starts(slice_from(d->text, at), SLICE("=?")))
        return false;
    encoding = behind_question(d->text, at + 2, CHARSET_NAME_MAX_BYTES + 40);
    text = encoding > 0 ? behind_question(d->text, encoding, 2) : 0;
    if (text != encoding + 2)
        return false;
    out->encoding = ascii_upper(d->text.ptr[encoding]);
    if (out->encoding != 'B' && out->encoding != 'Q')
        return false;
    end = find_end_mark(d, text);
    if (end >= d->text.len)
        return false;
    out->charset = slice_sub(d->text, at + 2, encoding - at - 3);
    out->text = slice_sub(d->text, text, end - text);
    out->len = end + 2 - at;
    return true;
}

static void flush_run(struct decoder *d)
{
    if (d->run.len > 0)
        charset_to_utf8(d->charset, buf_slice(&d->run), d->out);
    buf_reset(&d->run);
}

/* Text between words; raw 8-bit bytes are guessed at together. */
static void put_plain(struct decoder *d, struct slice text)
{
    if (text.len > 0)
        charset_to_utf8((struct slice){"", 0}, text, d->out);
}

static void put_word(struct decoder *d, const struct word *word)
{
    if (!slice_eq_nocase(word->charset, d->charset)) {
        flush_run(d);
        d->charset = word->charset;
    }
    if (word->encoding == 'B')
        cte_decode_base64(word->text, &d->run);
    else
        cte_decode_q(word->text, &d->run);
}

static bool is_blank(struct slice s)
{
    return slice_trim(s).len == 0;
}

static void decode_line(struct decoder *d)
{
    size_t plain = 0; /* start of text not yet put */
    bool after_word = false;

    for (size_t at = 0; at < d->text.len;) {
        struct slice rest = slice_from(d->text, at);
        size_t next = slice_find(rest, '=');
        struct word word;

        at += next;
        if (next == rest.len || !parse_word(d, at, &word)) {
            at = MIN(at + 1, d->text.len);
            continue;
        }
        if (!slice_eq_nocase(word.charset, d->charset) && !charset_is_known(word.charset)) {
            at += word.len;
            continue;
        }
        if (!after_word || !is_blank(slice_sub(d->text, plain, at - plain))) {
            flush_run(d);
            put_plain(d, slice_sub(d->text, plain, at - plain));
        }
        put_word(d, &word);
        after_word = true;
        at += word.len;
        plain = at;
    }
    flush_run(d);
    put_plain(d, slice_from(d->text, plain));
}

void words_decode(struct slice raw, struct buf *out)
{
    AUTO(buf_done) struct buf line = {0};
    size_t start = out->len;
    struct decoder d = {.out = out};

    buf_init(&line, raw.len + 1);
    header_unfold(raw, &line);
    d.text = buf_slice(&line);
    buf_init(&d.run, raw.len + 1);
    decode_line(&d);
    buf_done(&d.run);
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] == '\r' || out->ptr[i] == '\n' || out->ptr[i] == '\0' ||
            out->ptr[i] == '\t')
            out->ptr[i] = ' ';
}

void words_encode(struct slice utf8, struct buf *out)
{
    bool first = true;

    while (utf8.len > 0) {
        struct slice piece = utf8_cut(utf8, WORD_UTF8_MAX_BYTES);

        if (piece.len == 0) /* no character boundary: not UTF-8 */
            piece = slice_sub(utf8, 0, WORD_UTF8_MAX_BYTES);
        buf_str(out, first ? "=?utf-8?B?" : " =?utf-8?B?");
        base64_encode(out, piece);
        buf_str(out, "?=");
        utf8 = slice_from(utf8, piece.len);
        first = false;
    }
}
