#include "mime/subject.h"

#include "base/ascii.h"
#include "mime/charset.h"
#include "mime/words.h"

struct cut {
    struct slice text;
    bool is_reply;
    /* No "re:" follows the blobs that lie before this address: known from an earlier try, so
     * that
     * "[a][a][a]..." is read once and not once a blob. */
    const char *no_mark_before;
};

static struct slice skip_blank(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == ' ')
        s = slice_from(s, 1);
    return s;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP, or false. */
static bool skip_blob(struct slice *s)
{
    if (s->len == 0 || s->ptr[0] != '[')
        return false;
    for (size_t i = 1; i < s->len && s->ptr[i] != '['; i++) {
        if (s->ptr[i] == ']') {
            *s = skip_blank(slice_from(*s, i + 1));
            return true;
        }
    }
    return false;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":", or false. */
static bool skip_mark(struct slice *s)
{
    struct slice rest;

    if (slice_starts_nocase(*s, SLICE("fwd")))
        rest = slice_from(*s, 3);
    else if (slice_starts_nocase(*s, SLICE("fw")) || slice_starts_nocase(*s, SLICE("re")))
        rest = slice_from(*s, 2);
    else
        return false;
    rest = skip_blank(rest);
    (void) skip_blob(&rest);
    if (rest.len == 0 || rest.ptr[0] != ':')
        return false;
    *s = slice_from(rest, 1);
    return true;
}

/* Step 2: subj-trailer = "(fwd)" / WSP. */
static void drop_trailers(struct cut *cut)
{
    for (;;) {
        struct slice *s = &cut->text;

        if (s->len > 0 && s->ptr[s->len - 1] == ' ') {
            s->len--;
        } else if (s->len >= 5 && slice_eq_nocase(slice_from(*s, s->len - 5), SLICE("(fwd)"))) {
            s->len -= 5;
            cut->is_reply = true;
        } else {
            return;
        }
    }
}

/* Step 3: subj-leader = (*subj-blob subj-refwd) / WSP. */
static bool drop_leader(struct cut *cut)
{
    struct slice rest = cut->text;

    if (rest.len > 0 && rest.ptr[0] == ' ') {
        cut->text = skip_blank(rest);
        return true;
    }
    if (cut->no_mark_before != NULL && rest.ptr < cut->no_mark_before)
        return false;
    while (skip_blob(&rest))
        ;
    if (!skip_mark(&rest)) {
        cut->no_mark_before = rest.ptr;
        return false;
    }
    cut->text = rest;
    cut->is_reply = true;
    return true;
}

/* Step 4: a blob goes if something is left behind it. */
static bool drop_blob(struct cut *cut)
{
    struct slice rest = cut->text;

    if (!skip_blob(&rest) || rest.len == 0)
        return false;
    cut->text = rest;
    return true;
}

/* Step 6: "[fwd:" ... "]". */
static bool drop_forward(struct cut *cut)
{
    struct slice s = cut->text;

    if (!slice_starts_nocase(s, SLICE("[fwd:")) || s.ptr[s.len - 1] != ']')
        return false;
    cut->text = slice_sub(s, 5, s.len - 6);
    cut->is_reply = true;
    return true;
}

static void squeeze_spaces(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != ' ' || i == 0 || text.ptr[i - 1] != ' ')
            buf_byte(out, text.ptr[i]);
}

bool subject_base(struct slice raw, struct buf *out)
{
    AUTO(buf_done) struct buf decoded = {0};
    AUTO(buf_done) struct buf line = {0};
    struct cut cut = {0};

    buf_init(&decoded, charset_room(raw.len));
    words_decode(raw, &decoded);
    buf_init(&line, decoded.len + 1);
    squeeze_spaces(buf_slice(&decoded), &line);
    cut.text = buf_slice(&line);
    do {
        drop_trailers(&cut);
        while (cut.text.len > 0 && (drop_leader(&cut) || drop_blob(&cut)))
            ;
    } while (cut.text.len > 0 && drop_forward(&cut));
    buf_append(out, cut.text);
    return cut.is_reply;
}
