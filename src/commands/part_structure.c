#include "commands/part_structure.h"

#include "base/ascii.h"
#include "base/scan.h"

/* Fields of a body-type-1part: type subtype (params) id description encoding octets ... */
#define FIELD_ENCODING     5u
#define FIELD_MESSAGE_BODY 8u /* of message/rfc822: ... octets envelope body lines */

static bool is_atom_char(char c)
{
    return c != ' ' && c != '(' && c != ')';
}

static bool skip_quoted(struct scan *sc)
{
    struct slice two;

    if (!scan_byte(sc, '"'))
        return false;
    while (!scan_done(sc) && !scan_byte(sc, '"'))
        (void) scan_take(sc, scan_peek(sc) == '\\' && scan_left(sc) > 1 ? 2 : 1, &two);
    return true;
}

static bool skip_literal(struct scan *sc)
{
    struct scan at = *sc;
    struct slice bytes;
    uint64_t len;

    if (!scan_byte(&at, '{') || !scan_u64(&at, SIZE_MAX, &len) ||
        !scan_literal(&at, SLICE("}\r\n")) || !scan_take(&at, (size_t) len, &bytes))
        return false;
    *sc = at;
    return true;
}

/* A value, however deep; ends at the end of the text at the latest. */
static struct slice take_value(struct scan *sc)
{
    const char *start = sc->pos;
    size_t depth = 0;

    do {
        if (scan_byte(sc, '('))
            depth++;
        else if (scan_byte(sc, ')'))
            depth -= depth > 0;
        else if (!skip_quoted(sc) && !skip_literal(sc) && !scan_byte(sc, ' '))
            (void) scan_while(sc, is_atom_char);
    } while (depth > 0 && !scan_done(sc));
    return slice_of(start, (size_t) (sc->pos - start));
}

static struct scan inside(struct slice list)
{
    return scan_of(slice_sub(list, 1, list.len - 2));
}

static bool is_list(struct slice value)
{
    return value.len >= 2 && value.ptr[0] == '(';
}

static bool is_multipart(struct slice body)
{
    return is_list(body) && body.ptr[1] == '(';
}

static struct slice field(struct slice body, size_t n)
{
    struct scan sc = inside(body);
    struct slice value = {NULL, 0};

    for (size_t i = 0; i <= n && !scan_done(&sc); i++) {
        value = take_value(&sc);
        if (!scan_byte(&sc, ' ') && i < n)
            return SLICE("");
    }
    return value;
}

/* Part number k of a multipart: its bodies stand one behind the other. */
static struct slice child(struct slice body, uint32_t k)
{
    struct scan sc = inside(body);
    struct slice value = SLICE("");

    for (uint32_t i = 0; i < k; i++) {
        value = take_value(&sc);
        if (!is_list(value))
            return SLICE("");
    }
    return value;
}

static bool is_message(struct slice body)
{
    return !is_multipart(body) && slice_starts_nocase(body, SLICE("(\"message\" ")) &&
           is_list(field(body, FIELD_MESSAGE_BODY));
}

enum rc part_structure_find(struct slice whole, const uint32_t *parts, size_t n,
                            struct slice *out, struct err *err)
{
    struct slice at = whole;

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && is_message(at))
            at = field(at, FIELD_MESSAGE_BODY);
        else if (i > 0 && !is_multipart(at))
            at = SLICE("");
        if (is_multipart(at))
            at = child(at, parts[i]);
        else if (parts[i] != 1)
            at = SLICE("");
        if (!is_list(at))
            return err_set(err, RC_NOT_FOUND, "No such part", "structure: part %u", parts[i]);
    }
    *out = at;
    return RC_OK;
}

void part_structure_print_decoded(struct slice part, uint64_t octets, uint64_t lines,
                                  struct buf *out)
{
    struct scan sc = inside(part);

    buf_byte(out, '(');
    for (size_t i = 0; i < FIELD_ENCODING; i++) {
        buf_append(out, take_value(&sc));
        buf_byte(out, ' ');
        (void) scan_byte(&sc, ' ');
    }
    buf_str(out, "\"BINARY\" ");
    buf_u64(out, octets);
    (void) take_value(&sc);
    (void) scan_byte(&sc, ' ');
    (void) take_value(&sc);
    if (slice_starts_nocase(part, SLICE("(\"text\" "))) {
        (void) scan_byte(&sc, ' ');
        (void) take_value(&sc);
        buf_byte(out, ' ');
        buf_u64(out, lines);
    }
    buf_append(out, scan_rest(&sc));
    buf_byte(out, ')');
}
