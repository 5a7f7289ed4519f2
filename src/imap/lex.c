#include "imap/lex.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/utf8.h"

#define NUMBER64_MAX (UINT64_MAX >> 1)

enum rc lex_fail(const struct imap_input *in, struct err *err, const char *what)
{
    char text[sizeof(((struct err *) NULL)->text)];
    int next = scan_peek(&in->sc);

    if (next >= 0 && ascii_is_8bit((char) next))
        what = "8-bit text only in a literal";
    (void) snprintf(text, sizeof(text), "Expected %s at byte %zu", what,
                    scan_offset(&in->sc) + 1);
    return err_set(err, RC_SYNTAX, text, "command: %s", text);
}

/* atom-specials: "(" ")" "{" SP CTL list-wildcards quoted-specials resp-specials */
bool lex_is_atom_char(char c)
{
    switch (c) {
    case '(':
    case ')':
    case '{':
    case '%':
    case '*':
    case '"':
    case '\\':
    case ']':
        return false;
    default:
        return (unsigned char) c > 0x20 && (unsigned char) c < 0x7f;
    }
}

bool lex_is_astring_char(char c)
{
    return lex_is_atom_char(c) || c == ']';
}

bool lex_is_list_char(char c)
{
    return lex_is_astring_char(c) || c == '%' || c == '*';
}

bool lex_is_atom(struct slice s)
{
    struct scan sc = scan_of(s);

    return scan_while(&sc, lex_is_atom_char).len > 0 && scan_done(&sc);
}

bool lex_sp(struct imap_input *in)
{
    return scan_byte(&in->sc, ' ');
}

bool lex_byte(struct imap_input *in, char byte)
{
    return scan_byte(&in->sc, byte);
}

static bool is_word_char(int c)
{
    return c >= 0 && (ascii_is_alnum((char) c) || c == '.' || c == '-');
}

bool lex_word(struct imap_input *in, const char *word)
{
    struct scan sc = in->sc;

    if (!scan_literal_nocase(&sc, slice_from_str(word)) || is_word_char(scan_peek(&sc)))
        return false;
    in->sc = sc;
    return true;
}

static bool take_run(struct imap_input *in, bool (*is)(char), struct slice *out)
{
    struct slice run = scan_while(&in->sc, is);

    if (run.len == 0)
        return false;
    *out = run;
    return true;
}

bool lex_atom(struct imap_input *in, struct slice *out)
{
    return take_run(in, lex_is_atom_char, out);
}

/* The inside of a quoted string may be this, escapes undone. */
static bool quoted_content_ok(const struct imap_input *in, struct slice s)
{
    bool has_8bit = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\0' || s.ptr[i] == '\r' || s.ptr[i] == '\n')
            return false;
        has_8bit |= ascii_is_8bit(s.ptr[i]);
    }
    return !has_8bit || in->has_charset || (imap_mode_utf8(in->mode) && utf8_is_valid(s));
}

/* Up to the closing quote: the raw inside and how many escapes are in it. */
static bool scan_quoted(struct scan *sc, struct slice *raw, size_t *n_escapes)
{
    struct scan at = *sc;
    const char *from;

    *n_escapes = 0;
    if (!scan_byte(&at, '"'))
        return false;
    from = at.pos;
    while (scan_peek(&at) != '"') {
        if (scan_byte(&at, '\\')) {
            if (scan_peek(&at) != '"' && scan_peek(&at) != '\\')
                return false;
            (*n_escapes)++;
        }
        if (scan_done(&at))
            return false;
        (void) scan_byte(&at, *at.pos);
    }
    *raw = slice_of(from, (size_t) (at.pos - from));
    (void) scan_byte(&at, '"');
    *sc = at;
    return true;
}

static struct slice undo_escapes(struct slice raw, size_t n_escapes, struct arena *arena)
{
    char *plain;
    size_t n = 0;

    if (n_escapes == 0)
        return raw;
    plain = arena_alloc(arena, raw.len - n_escapes);
    for (size_t i = 0; i < raw.len; i++) {
        i += raw.ptr[i] == '\\';
        plain[n++] = raw.ptr[i];
    }
    return slice_of(plain, n);
}

bool lex_quoted(struct imap_input *in, struct slice *out)
{
    struct scan sc = in->sc;
    struct slice raw;
    size_t n_escapes;

    if (!scan_quoted(&sc, &raw, &n_escapes) || !quoted_content_ok(in, raw))
        return false;
    in->sc = sc;
    *out = undo_escapes(raw, n_escapes, in->arena);
    return true;
}

/* The literal whose bytes begin at this offset. Offsets ascend. */
static const struct imap_literal *find_literal(const struct imap_input *in, size_t at)
{
    size_t low = 0, high = in->n_literals;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (in->literals[mid].at == at)
            return &in->literals[mid];
        if (in->literals[mid].at < at)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

bool lex_literal(struct imap_input *in, struct lex_literal *out)
{
    struct scan sc = in->sc;
    struct lex_literal lit = {.binary = scan_byte(&sc, '~')};
    const struct imap_literal *known;

    if (!scan_byte(&sc, '{') || !scan_u64(&sc, NUMBER64_MAX, &lit.len))
        return false;
    if (!in->from_server)
        (void) scan_byte(&sc, '+');
    if (!scan_byte(&sc, '}') || (!scan_byte(&sc, '\r') && in->from_server) ||
        !scan_byte(&sc, '\n'))
        return false;
    known = find_literal(in, scan_offset(&sc));
    if (known != NULL)
        lit.index = (uint32_t) (known - in->literals);
    if (known == NULL || !known->spooled) {
        if (lit.len > SIZE_MAX || !scan_take(&sc, (size_t) lit.len, &lit.bytes))
            return false;
    }
    in->sc = sc;
    *out = lit;
    return true;
}

bool lex_string(struct imap_input *in, struct slice *out)
{
    struct scan before = in->sc;
    struct lex_literal lit;

    if (lex_quoted(in, out))
        return true;
    if (!lex_literal(in, &lit))
        return false;
    /* A spooled literal is a message; where a string belongs it is not one. */
    if (lit.binary || lit.bytes.len != lit.len ||
        slice_find(lit.bytes, '\0') != lit.bytes.len) {
        in->sc = before;
        return false;
    }
    *out = lit.bytes;
    return true;
}

bool lex_astring(struct imap_input *in, struct slice *out)
{
    return take_run(in, lex_is_astring_char, out) || lex_string(in, out);
}

bool lex_nstring(struct imap_input *in, bool *nil, struct slice *out)
{
    *nil = lex_word(in, "NIL");
    if (*nil)
        *out = (struct slice){0};
    return *nil || lex_string(in, out);
}

bool lex_list_mailbox(struct imap_input *in, struct slice *out)
{
    return take_run(in, lex_is_list_char, out) || lex_string(in, out);
}

bool imap_is_object_id(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum(s.ptr[i]) && s.ptr[i] != '_' && s.ptr[i] != '-')
            return false;
    return s.len >= 1 && s.len <= 255;
}

bool lex_number(struct imap_input *in, uint32_t *out)
{
    return scan_u32(&in->sc, out);
}

bool lex_nz_number(struct imap_input *in, uint32_t *out)
{
    return scan_peek(&in->sc) != '0' && scan_u32(&in->sc, out);
}

bool lex_number64(struct imap_input *in, uint64_t *out)
{
    return scan_u64(&in->sc, NUMBER64_MAX, out);
}

bool lex_nz_number64(struct imap_input *in, uint64_t *out)
{
    return scan_peek(&in->sc) != '0' && scan_u64(&in->sc, NUMBER64_MAX, out);
}

bool lex_modseq(struct imap_input *in, bool zero_allowed, uint64_t *out)
{
    struct scan sc = in->sc;
    uint64_t value;

    if (!scan_u64(&sc, NUMBER64_MAX, &value) || (value == 0 && !zero_allowed))
        return false;
    in->sc = sc;
    *out = value;
    return true;
}

enum rc lex_set(struct imap_input *in, struct imap_set *out, struct err *err)
{
    struct scan before = in->sc;
    struct slice text;
    enum rc rc;

    if (!take_run(in, imap_is_set_char, &text))
        return lex_fail(in, err, "a sequence set");
    rc = imap_parse_set_or_saved(text, in->arena, out, err);
    if (rc != RC_SYNTAX)
        return rc;
    in->sc = before;
    return lex_fail(in, err, "a valid sequence set");
}

enum rc lex_mailbox(struct imap_input *in, struct imap_mailbox *out, struct err *err)
{
    struct slice wire;

    if (!lex_astring(in, &wire))
        return lex_fail(in, err, "a mailbox name");
    return imap_resolve_mailbox(wire, in->mode, false, in->arena, out, err);
}

static bool has_keyword(const struct slice *keywords, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(keywords[i], name))
            return true;
    return false;
}

/* Room for the flags of one list, filled one at a time. */
struct flag_collector {
    struct slice *keywords;
    size_t n, n_flags;
    uint32_t bits;
};

static enum rc take_system_flag(struct imap_input *in, struct flag_collector *to,
                                struct err *err)
{
    const char *from = in->sc.pos;
    struct scan before = in->sc;
    struct slice name;
    uint32_t bit;

    (void) lex_byte(in, '\\');
    if (!lex_atom(in, &name)) {
        in->sc = before;
        return lex_fail(in, err, "a flag");
    }
    bit = imap_flag_bit(slice_of(from, name.len + 1));
    if (bit == 0)
        return err_set(err, RC_INVALID, "No such system flag", "flags: unknown system flag");
    if (bit == IMAP_RECENT) { /* "flag" does not include \Recent */
        in->sc = before;
        return lex_fail(in, err, "a flag that a client may set");
    }
    to->bits |= bit;
    return RC_OK;
}

static enum rc take_flag(struct imap_input *in, struct flag_collector *to, struct err *err)
{
    struct slice name;

    if (to->n_flags++ == IMAP_FLAGS_MAX)
        return err_set(err, RC_LIMIT, "Too many flags", "flags: more than %u", IMAP_FLAGS_MAX);
    if (scan_peek(&in->sc) == '\\')
        return take_system_flag(in, to, err);
    if (!lex_atom(in, &name))
        return lex_fail(in, err, "a flag");
    if (name.len > IMAP_KEYWORD_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Keyword too long", "flags: keyword of %zu bytes",
                       name.len);
    if (!has_keyword(to->keywords, to->n, name))
        to->keywords[to->n++] = name;
    return RC_OK;
}

static enum rc take_flags(struct imap_input *in, struct imap_flags *out, struct err *err)
{
    struct slice rest = scan_rest(&in->sc);
    size_t n_words = slice_count(slice_sub(rest, 0, slice_find(rest, ')')), ' ') + 1;
    struct flag_collector to = {
        .keywords = ARENA_ARRAY(in->arena, struct slice, MIN(n_words, IMAP_FLAGS_MAX)),
    };
    enum rc rc;

    do {
        rc = take_flag(in, &to, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    *out = (struct imap_flags){to.bits, to.keywords, to.n};
    return RC_OK;
}

enum rc lex_flags(struct imap_input *in, struct imap_flags *out, struct err *err)
{
    return take_flags(in, out, err);
}

enum rc lex_flag_list(struct imap_input *in, struct imap_flags *out, struct err *err)
{
    struct imap_flags flags = {0};
    enum rc rc;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\"");
    if (!lex_byte(in, ')')) {
        rc = take_flags(in, &flags, err);
        if (rc)
            return rc;
        if (!lex_byte(in, ')'))
            return lex_fail(in, err, "a space or \")\"");
    }
    *out = flags;
    return RC_OK;
}

static const struct lex_option *find_option(struct imap_input *in,
                                            const struct lex_option *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lex_word(in, rows[i].name))
            return &rows[i];
    return NULL;
}

/* Options being read. */
struct option_list {
    const struct lex_option *rows;
    size_t n;
    const char *what;
    bool repeats; /* a row with a value may occur again */
    void *ctx;
};

static enum rc take_option(struct imap_input *in, const struct option_list *list,
                           uint32_t *bits, struct err *err)
{
    const struct lex_option *row = find_option(in, list->rows, list->n);

    if (row == NULL || (row->value != NULL && !list->repeats && (*bits & row->bit) != 0))
        return lex_fail(in, err, list->what);
    *bits |= row->bit;
    return row->value != NULL ? row->value(in, list->ctx, err) : RC_OK;
}

static enum rc take_options(struct imap_input *in, const struct option_list *list,
                            uint32_t *bits, struct err *err)
{
    uint32_t seen = 0;
    enum rc rc;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\"");
    if (!lex_byte(in, ')')) {
        do {
            rc = take_option(in, list, &seen, err);
            if (rc)
                return rc;
        } while (lex_sp(in));
        if (!lex_byte(in, ')'))
            return lex_fail(in, err, "a space or \")\"");
    }
    *bits = seen;
    return RC_OK;
}

enum rc lex_options(struct imap_input *in, const struct lex_option *rows, size_t n,
                    const char *what, void *ctx, uint32_t *bits, struct err *err)
{
    const struct option_list list = {rows, n, what, false, ctx};

    return take_options(in, &list, bits, err);
}

enum rc lex_repeated_options(struct imap_input *in, const struct lex_option *rows, size_t n,
                             const char *what, void *ctx, uint32_t *bits, struct err *err)
{
    const struct option_list list = {rows, n, what, true, ctx};

    return take_options(in, &list, bits, err);
}

enum rc lex_partial(struct imap_input *in, struct imap_partial *out, struct err *err)
{
    struct imap_partial partial = {0};

    partial.from_end = lex_byte(in, '-');
    if (!lex_nz_number(in, &partial.from) || !lex_byte(in, ':') ||
        lex_byte(in, '-') != partial.from_end || !lex_nz_number(in, &partial.to))
        return lex_fail(in, err, "a range like 1:10 or -1:-10");
    *out = partial;
    return RC_OK;
}
