#include "lib/answer.h"

#include "base/ascii.h"
#include "base/scan.h"

#define ANSWER_ARENA_BYTES ((size_t) 1 << 30)
#define ANSWER_DEPTH_MAX   200u

enum node_kind { NODE_ATOM, NODE_STRING, NODE_LIST, NODE_CODE };

struct node {
    enum node_kind kind;
    struct slice text;
    struct node *children, *next;
};

/* ---- names ---- */

const struct slice *answer_lookup(const struct answer_names *names, struct slice name)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_eq(names->bound[i].name, name))
            return &names->bound[i].value;
    return NULL;
}

void answer_bind(struct answer_names *names, struct slice name, struct slice value)
{
    if (names->n == ANSWER_NAMES_MAX)
        die("answer: more than %u names", ANSWER_NAMES_MAX);
    names->bound[names->n].name = arena_dup(names->arena, name);
    names->bound[names->n].value = arena_dup(names->arena, value);
    names->n++;
}

/* ---- reading ---- */

/* "{12}" or "~{12}" CRLF at the end of line; its length. */
static bool ends_in_literal(struct slice line, uint64_t *out_len)
{
    size_t open = slice_rfind(line, '{');
    struct slice number;

    if (line.len < 5 || open >= line.len || !slice_ends(line, SLICE("}\r\n")))
        return false;
    number = slice_sub(line, open + 1, line.len - open - 4);
    return slice_to_u64(number, out_len);
}

size_t answer_length(struct slice output)
{
    size_t at = 0;

    for (;;) {
        struct slice rest = slice_from(output, at);
        size_t end = slice_find(rest, '\n');
        uint64_t literal;

        if (end == rest.len)
            return 0;
        at += end + 1;
        if (!ends_in_literal(slice_sub(rest, 0, end + 1), &literal))
            return at;
        if (output.len - at < literal)
            return 0;
        at += literal;
    }
}

static bool scan_string(struct scan *sc, struct arena *arena, struct slice *out)
{
    char *text = arena_alloc(arena, scan_left(sc) + 1);
    struct slice bytes;
    uint64_t len;
    size_t n = 0;

    if (scan_byte(sc, '"')) {
        while (!scan_byte(sc, '"')) {
            (void) scan_byte(sc, '\\'); /* an escaped byte is taken as it is */
            if (!scan_take(sc, 1, &bytes))
                return false;
            text[n++] = bytes.ptr[0];
        }
        *out = slice_of(text, n);
        return true;
    }
    (void) scan_byte(sc, '~'); /* literal8 has the same content */
    return scan_byte(sc, '{') && scan_u64(sc, UINT32_MAX, &len) &&
           scan_literal(sc, SLICE("}\r\n")) && scan_take(sc, (size_t) len, out);
}

static bool is_literal(struct slice rest)
{
    if (slice_starts(rest, SLICE("~")))
        rest = slice_from(rest, 1);
    return rest.len > 1 && rest.ptr[0] == '{' && ascii_is_digit(rest.ptr[1]);
}

/* Up to a space, parenthesis or the line's end; what stands in the brackets of a section
 * (BODY[1 HEADER.FIELDS (A B)]) belongs to it. */
static struct slice scan_word(struct scan *sc, char close)
{
    const char *start = sc->pos;
    bool inside = false;

    while (!scan_done(sc)) {
        char c = (char) scan_peek(sc);

        if (!inside && (c == ' ' || c == '(' || c == ')' || c == close || c == '\r'))
            break;
        if (c == '[')
            inside = true;
        if (c == ']')
            inside = false;
        (void) scan_byte(sc, c); /* it is there: peeked */
    }
    return slice_of(start, (size_t) (sc->pos - start));
}

static bool scan_nodes(struct scan *sc, char close, unsigned depth, struct arena *arena,
                       struct node **out);

static bool scan_node(struct scan *sc, char close, bool first, unsigned depth,
                      struct arena *arena, struct node **out)
{
    struct node *node = ARENA_NEW(arena, struct node);

    *out = node;
    if (scan_byte(sc, '(')) {
        node->kind = NODE_LIST;
        return scan_nodes(sc, ')', depth + 1, arena, &node->children) && scan_byte(sc, ')');
    }
    if (!first && scan_byte(sc, '[')) {
        node->kind = NODE_CODE;
        return scan_nodes(sc, ']', depth + 1, arena, &node->children) && scan_byte(sc, ']');
    }
    if (scan_peek(sc) == '"' || is_literal(scan_rest(sc))) {
        node->kind = NODE_STRING;
        return scan_string(sc, arena, &node->text);
    }
    node->kind = NODE_ATOM;
    node->text = scan_word(sc, close);
    return node->text.len > 0;
}

static bool scan_nodes(struct scan *sc, char close, unsigned depth, struct arena *arena,
                       struct node **out)
{
    struct node **tail = out;
    bool first = true;

    if (depth > ANSWER_DEPTH_MAX)
        return false;
    while (!scan_done(sc) && scan_peek(sc) != '\r' && scan_peek(sc) != close) {
        if (!first && tail != out)
            (void) scan_byte(sc, ' '); /* addresses and bodies follow each other without */
        if (!scan_node(sc, close, first, depth, arena, tail))
            return false;
        tail = &(*tail)->next;
        first = false;
    }
    return true;
}

static bool read_answer(struct slice text, struct arena *arena, struct node **out)
{
    struct scan sc = scan_of(text);

    *out = NULL;
    return scan_nodes(&sc, '\r', 0, arena, out) &&
           (scan_done(&sc) || slice_eq(scan_rest(&sc), SLICE("\r\n")));
}

/* ---- comparing ---- */

struct judge {
    struct answer_names *names;
};

static bool is_name(struct slice text)
{
    return text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}' &&
           ascii_is_alpha(text.ptr[1]);
}

static bool same(const struct node *want, const struct node *got, struct judge *judge);
static bool same_in_order(const struct node *want, const struct node *got, struct judge *judge);

static bool same_value(const struct node *want, const struct node *got, struct judge *judge)
{
    const struct slice *bound;
    struct slice name;

    if (want->kind == NODE_ATOM && is_name(want->text)) {
        name = slice_sub(want->text, 1, want->text.len - 2);
        bound = answer_lookup(judge->names, name);
        if (bound != NULL)
            return slice_eq(*bound, got->text);
        answer_bind(judge->names, name, got->text);
        return true;
    }
    if (want->kind == NODE_STRING && got->kind == NODE_STRING)
        return slice_eq(want->text, got->text);
    return slice_eq_nocase(want->text, got->text);
}

static bool is_leaf(const struct node *node)
{
    return node->kind == NODE_ATOM || node->kind == NODE_STRING;
}

static bool same(const struct node *want, const struct node *got, struct judge *judge)
{
    if (is_leaf(want) && is_leaf(got))
        return same_value(want, got, judge);
    return want->kind == got->kind && same_in_order(want->children, got->children, judge);
}

static bool is_word(const struct node *node, const char *word)
{
    return node != NULL && node->kind == NODE_ATOM &&
           slice_eq_nocase(node->text, slice_from_str(word));
}

static size_t count(const struct node *node)
{
    size_t n = 0;

    for (; node != NULL; node = node->next)
        n++;
    return n;
}

/* Lists as sets of groups of `width` nodes: 1 for flags, 2 for FETCH items. */
static bool same_groups(const struct node *want, const struct node *got, size_t width,
                        struct judge *judge);

/* Does the order of this list's members matter? 0: yes; else the width of a member. */
static size_t free_width(const struct node *before, const struct node *list)
{
    if (list->kind != NODE_LIST)
        return 0;
    if (is_word(before, "FLAGS") || is_word(before, "PERMANENTFLAGS") ||
        is_word(before, "LIST") || is_word(before, "LSUB") || is_word(before, "XLIST"))
        return 1;
    return is_word(before, "FETCH") || is_word(before, "UIDFETCH") ? 2 : 0;
}

static bool same_in_order(const struct node *want, const struct node *got, struct judge *judge)
{
    const struct node *before = NULL;
    bool status = false;

    for (; want != NULL && got != NULL; want = want->next, got = got->next) {
        size_t width = free_width(before, want);

        if (before != NULL && want->next == NULL && is_word(want, "*"))
            return true;
        if (width == 0 && status && want->kind == NODE_LIST)
            width = 2;
        if (width > 0 ? !same_groups(want->children, got->children, width, judge)
                      : !same(want, got, judge))
            return false;
        status = status || (is_word(want, "STATUS") && is_word(before, "*"));
        before = want;
    }
    return want == NULL && got == NULL;
}

static bool same_group(const struct node *want, const struct node *got, size_t width,
                       struct judge *judge)
{
    const struct node *before = NULL;

    for (; width > 0; width--, before = want, want = want->next, got = got->next) {
        size_t inner = before != NULL ? free_width(before, want) : 0;

        if (inner > 0 ? !same_groups(want->children, got->children, inner, judge)
                      : !same(want, got, judge))
            return false;
    }
    return true;
}

static const struct node *skip(const struct node *node, size_t n)
{
    for (; n > 0; n--)
        node = node->next;
    return node;
}

static bool same_groups(const struct node *want, const struct node *got, size_t width,
                        struct judge *judge)
{
    size_t n = count(want), used = 0;
    uint64_t taken = 0;

    if (n != count(got) || n % width != 0 || n / width > 64)
        return false;
    for (size_t i = 0; i < n / width; i++) {
        for (size_t j = 0; j < n / width; j++) {
            size_t names = judge->names->n;

            if ((taken >> j & 1) != 0)
                continue;
            if (same_group(skip(want, i * width), skip(got, j * width), width, judge)) {
                taken |= (uint64_t) 1 << j;
                used++;
                break;
            }
            judge->names->n = names;
        }
    }
    return used == n / width;
}

bool answer_matches(struct slice expected, struct slice got, struct answer_names *names)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ANSWER_ARENA_BYTES);
    struct judge judge = {names};
    struct node *want_nodes, *got_nodes;
    size_t n = names->n;

    if (read_answer(expected, arena, &want_nodes) && read_answer(got, arena, &got_nodes) &&
        same_in_order(want_nodes, got_nodes, &judge))
        return true;
    names->n = n;
    return false;
}
