#include "mime/addr.h"

#include <assert.h>
#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "mime/header.h"

/* What stands between two separators, as far as it has been read. */
struct piece {
    size_t start, len;  /* in the pool */
    bool space;         /* white space came since the last word */
    bool is_spec;       /* nothing but an address: white space around its dots is none of it */
    size_t word, local; /* pool offsets: the last word; the word that the last "@" ends */
};

/*
 * One pass over the text. A quote or comment that does not close is an ordinary character; that
 * none closes from here on is remembered, so that the rest is not searched again.
 */
struct reader {
    struct scan sc;
    struct arena *arena;
    struct addr_list *list;
    struct buf pool; /* words of the address being read */
    char *store;     /* the strings kept; together no longer than the text */
    size_t store_len, store_cap;
    struct slice comment;
    bool no_quote_end, no_comment_end, in_group;
};

static void push(struct reader *r, struct addr addr)
{
    struct addr_list *list = r->list;

    if (list->n == list->cap) {
        size_t cap = MAX(list->cap * 2, (size_t) 8);
        struct addr *items = ARENA_ARRAY(r->arena, struct addr, cap);

        if (list->items != NULL)
            memcpy(items, list->items, list->n * sizeof(*items));
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = addr;
}

/* A copy that outlives the pool. Each byte of the text is kept once at most. */
static struct slice keep(struct reader *r, struct slice s)
{
    char *copy = r->store + r->store_len;

    assert(r->store != NULL && s.len <= r->store_cap - r->store_len);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    r->store_len += s.len;
    return slice_of(copy, s.len);
}

/* RFC 5322 3.2.2; the text inside becomes the name of an address that has none. */
static bool take_comment(struct reader *r)
{
    struct slice taken;

    if (r->no_comment_end)
        return false;
    if (!header_comment(&r->sc, &taken)) {
        r->no_comment_end = true;
        return false;
    }
    r->comment = slice_trim(slice_sub(taken, 1, taken.len - 2));
    return true;
}

/* Offset of the closing quote from behind the opening one, or false. */
static bool quote_end(struct reader *r, size_t *out)
{
    struct slice rest = scan_rest(&r->sc);
    size_t i;

    if (r->no_quote_end)
        return false;
    for (i = 1; i < rest.len && rest.ptr[i] != '"'; i++)
        if (rest.ptr[i] == '\\')
            i++;
    r->no_quote_end = i >= rest.len;
    *out = i;
    return i < rest.len;
}

static void begin_piece(struct reader *r, struct piece *piece)
{
    *piece = (struct piece){.start = r->pool.len, .word = r->pool.len, .local = r->pool.len};
}

static struct slice piece_text(const struct reader *r, const struct piece *piece)
{
    return slice_sub(buf_slice(&r->pool), piece->start, piece->len);
}

/* RFC 5322 4.4: obs-local-part, obs-domain. */
static bool joins_dot(const struct reader *r, const struct piece *piece, char c)
{
    return piece->is_spec && (c == '.' || slice_ends(buf_slice(&r->pool), SLICE(".")));
}

static void put_byte(struct reader *r, struct piece *piece, char c)
{
    if (piece->space && piece->len > 0 && !joins_dot(r, piece, c))
        buf_byte(&r->pool, ' ');
    if (c == '@')
        piece->local = piece->word; /* the "@" of "user @ host" belongs to "user" */
    else if (piece->space)
        piece->word = r->pool.len;
    piece->space = false;
    buf_byte(&r->pool, c);
    piece->len = r->pool.len - piece->start;
}

/* Unquoted: the text of the string belongs to the word it touches. */
static void put_quoted(struct reader *r, struct piece *piece, size_t end)
{
    struct slice quoted = slice_sub(scan_rest(&r->sc), 0, end + 1);

    (void) scan_take(&r->sc, end + 1, &quoted);
    for (size_t i = 1; i < end; i++) {
        if (quoted.ptr[i] == '\\' && i + 1 < end)
            i++;
        if (quoted.ptr[i] != '\r' && quoted.ptr[i] != '\n')
            put_byte(r, piece, quoted.ptr[i]);
    }
}

/* Length up to the "]" of a domain literal (RFC 5322 3.4.1) that begins here, behind an "@":
 * that of IPv6 has colons. False if none does. */
static bool literal_end(const struct reader *r, const struct piece *piece, size_t *out)
{
    struct slice rest = scan_rest(&r->sc);
    size_t i = 1;

    if (piece->len == 0 || r->pool.ptr[r->pool.len - 1] != '@')
        return false;
    while (i < rest.len && strchr("[]<>@,;", rest.ptr[i]) == NULL) /* nor a NUL */
        i++;
    *out = i;
    return i < rest.len && rest.ptr[i] == ']';
}

static void put_literal(struct reader *r, struct piece *piece, size_t end)
{
    struct slice literal = {NULL, 0};

    (void) scan_take(&r->sc, end + 1, &literal);
    for (size_t i = 0; i < literal.len; i++)
        if (!ascii_is_space(literal.ptr[i]))
            put_byte(r, piece, literal.ptr[i]);
}

/* Read words up to a byte of stop, which stays, or the end. */
static void read_words(struct reader *r, const char *stop, struct piece *piece)
{
    struct slice taken;

    for (;;) {
        int c = scan_peek(&r->sc);
        size_t end;

        if (c < 0 || (c != 0 && strchr(stop, c) != NULL))
            return;
        if (ascii_is_space((char) c)) {
            piece->space = true;
            (void) scan_take(&r->sc, 1, &taken);
        } else if (c == '(' && take_comment(r)) {
            piece->space = true;
        } else if (c == '"' && quote_end(r, &end)) {
            put_quoted(r, piece, end);
        } else if (c == '[' && literal_end(r, piece, &end)) {
            put_literal(r, piece, end);
        } else {
            (void) scan_take(&r->sc, 1, &taken);
            if (c == '\\' && scan_take(&r->sc, 1, &taken))
                c = (unsigned char) taken.ptr[0];
            put_byte(r, piece, (char) c);
        }
    }
}

/* White space never belongs to a route or host (RFC 5322 4.4 allows it around the dots). */
static struct slice without_spaces(struct reader *r, struct slice s)
{
    struct slice copy = {r->store + r->store_len, 0};

    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != ' ')
            copy.len += keep(r, slice_sub(s, i, 1)).len;
    return copy;
}

/* Up to a space that is not one of those around a dot (RFC 5322 4.4, obs-domain). */
static struct slice first_host(struct reader *r, struct slice s)
{
    struct slice copy = {r->store + r->store_len, 0};

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != ' ')
            copy.len += keep(r, slice_sub(s, i, 1)).len;
        else if (!slice_ends(copy, SLICE(".")) &&
                 !slice_starts(slice_from(s, i + 1), SLICE(".")))
            break;
    }
    return copy;
}

/* "user at host", as archives write it. */
static bool split_at_word(struct slice text, struct slice *mailbox, struct slice *host)
{
    size_t first = slice_find(text, ' ');
    struct slice rest = slice_from(text, MIN(first + 1, text.len)), last;

    if (!slice_starts_nocase(rest, SLICE("at ")))
        return false;
    last = slice_from(rest, 3);
    if (last.len == 0 || slice_find(last, ' ') < last.len)
        return false;
    *mailbox = slice_sub(text, 0, first);
    *host = last;
    return true;
}

/* The comment as a name, on one line. */
static struct slice comment_name(struct reader *r)
{
    struct slice text = r->comment, name = {r->store + r->store_len, 0};

    if (text.len == 0)
        return (struct slice){0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
            name.len += keep(r, slice_sub(text, i, 1)).len;
    }
    return name;
}

/* Behind "<": an optional route, the local part up to the last "@", the host, ">". */
static void read_angle(struct reader *r, struct slice name)
{
    struct addr addr = {.kind = ADDR_MAILBOX, .name = name};
    struct piece piece;
    struct slice text;
    size_t at;

    begin_piece(r, &piece);
    piece.is_spec = true;
    read_words(r, "@:>,;<", &piece);
    while (scan_peek(&r->sc) == '@') {
        (void) scan_byte(&r->sc, '@');
        put_byte(r, &piece, '@');
        read_words(r, "@:>,;<", &piece);
        if (piece_text(r, &piece).ptr[0] == '@' && scan_peek(&r->sc) == ',') {
            (void) scan_byte(&r->sc, ',');
            put_byte(r, &piece, ',');
            read_words(r, "@:>,;<", &piece);
        }
    }
    text = piece_text(r, &piece);
    if (scan_byte(&r->sc, ':')) {
        if (text.len > 0 && text.ptr[0] == '@')
            addr.route = without_spaces(r, text);
        begin_piece(r, &piece);
        piece.is_spec = true;
        read_words(r, ">,;<", &piece);
        text = piece_text(r, &piece);
    }
    at = slice_rfind(text, '@');
    addr.mailbox = keep(r, slice_trim(slice_sub(text, 0, at)));
    addr.host = at < text.len ? without_spaces(r, slice_from(text, at + 1)) : slice_of("", 0);
    (void) scan_byte(&r->sc, '>');
    begin_piece(r, &piece);
    r->comment = (struct slice){0};
    read_words(r, ",;<", &piece); /* "<user@host> (Name)"; words that mean nothing go */
    if (addr.name.ptr == NULL)
        addr.name = comment_name(r);
    push(r, addr);
}

/* Without brackets: "user@host", "Name user@host", "user at host", or just words. */
static void push_bare(struct reader *r, const struct piece *piece)
{
    struct addr addr = {.kind = ADDR_MAILBOX, .host = slice_of("", 0)};
    struct slice text = piece_text(r, piece);
    size_t at = slice_rfind(text, '@');

    if (text.len == 0)
        return;
    addr.name = comment_name(r);
    if (at < text.len) {
        size_t local = MIN(piece->local - piece->start, at);
        struct slice host = slice_trim(slice_from(text, at + 1));
        struct slice before = slice_trim(slice_sub(text, 0, local));

        addr.mailbox = keep(r, slice_trim(slice_sub(text, local, at - local)));
        addr.host = first_host(r, host);
        if (addr.name.ptr == NULL && before.len > 0)
            addr.name = keep(r, before);
    } else if (split_at_word(text, &addr.mailbox, &addr.host)) {
        addr.mailbox = keep(r, addr.mailbox);
        addr.host = keep(r, addr.host);
    } else {
        addr.mailbox = keep(r, text);
    }
    push(r, addr);
}

static void end_group(struct reader *r)
{
    if (r->in_group)
        push(r, (struct addr){.kind = ADDR_GROUP_END});
    r->in_group = false;
}

/* One address, group start or group end, with the separator behind it. */
static void read_one(struct reader *r)
{
    struct piece piece;
    struct slice text;

    buf_reset(&r->pool);
    r->comment = (struct slice){0};
    begin_piece(r, &piece);
    read_words(r, "<,;:", &piece);
    text = piece_text(r, &piece);
    if (scan_byte(&r->sc, '<')) {
        read_angle(r, text.len > 0 ? keep(r, text) : (struct slice){0});
    } else if (scan_peek(&r->sc) == ':' && slice_find(text, '@') == text.len) {
        end_group(r);
        push(r, (struct addr){.kind = ADDR_GROUP_START, .mailbox = keep(r, text)});
        r->in_group = true;
    } else {
        push_bare(r, &piece);
    }
    if (scan_byte(&r->sc, ';'))
        end_group(r);
    else if (!scan_byte(&r->sc, ','))
        (void) scan_byte(&r->sc, ':');
}

void addr_parse(struct slice raw, struct arena *arena, struct addr_list *list)
{
    struct reader r = {.sc = scan_of(raw), .arena = arena, .list = list};

    r.store_cap = raw.len + 1;
    r.store = arena_alloc(arena, r.store_cap);
    buf_init(&r.pool, 2 * raw.len + 64);
    while (!scan_done(&r.sc) && list->n < ADDR_LIST_MAX)
        read_one(&r);
    end_group(&r);
    buf_done(&r.pool);
}
