#include "mime/part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "mime/charset.h"
#include "mime/cte.h"
#include "mime/header.h"
#include "mime/param.h"

#define ARENA_BYTES ((size_t) 64 << 20) /* 1,000 parts with types and boundaries need 3 MiB */

static const char *const content_names[MIME_CONTENT_COUNT] = {
    [MIME_TYPE] = "Content-Type",
    [MIME_ENCODING] = "Content-Transfer-Encoding",
    [MIME_DISPOSITION] = "Content-Disposition",
    [MIME_ID] = "Content-ID",
    [MIME_DESCRIPTION] = "Content-Description",
    [MIME_MD5] = "Content-MD5",
    [MIME_LANGUAGE] = "Content-Language",
    [MIME_LOCATION] = "Content-Location",
};

/*
 * The walk.   HEADER --blank line--> BODY --delimiter--> HEADER of the next part
 *             HEADER --blank line of a message/rfc822--> HEADER of the embedded message
 * open[] are the parts begun and not ended, each inside the one before; the last is current.
 */
struct walk {
    struct mime_tree *tree;
    uint32_t open[MIME_DEPTH_MAX + 1];
    uint32_t n_open;
    uint32_t line_no;
    bool in_header;
    bool too_many; /* more than MIME_PARTS_MAX */
    bool one_leaf; /* second try after that: the body is not looked into */
};

struct slice mime_field_name(const struct mime_tree *tree, uint32_t field)
{
    return slice_sub(tree->msg, tree->fields[field].start, tree->fields[field].name_len);
}

struct slice mime_field_value(const struct mime_tree *tree, uint32_t field)
{
    const struct digest_field *f = &tree->fields[field];

    return slice_sub(tree->msg, f->value, f->end - f->value);
}

struct slice mime_part_body(const struct mime_tree *tree, uint32_t part)
{
    const struct mime_part *p = &tree->parts[part];

    return slice_sub(tree->msg, p->body, p->end - p->body);
}

static struct mime_part *current(const struct walk *w)
{
    return &w->tree->parts[w->open[w->n_open - 1]];
}

/* A new part, last child of parent. Its header begins at offset. */
static uint32_t add_part(struct mime_tree *tree, uint32_t parent, uint32_t offset)
{
    uint32_t index = tree->n_parts;
    struct mime_part *part;

    if (tree->n_parts == tree->parts_cap) {
        tree->parts_cap = MAX(tree->parts_cap * 2, 8u);
        tree->parts = xrealloc(tree->parts, tree->parts_cap * sizeof(*tree->parts));
    }
    part = &tree->parts[tree->n_parts++];
    *part = (struct mime_part){
        .kind = DIGEST_TEXT,
        .parent = parent,
        .first_child = DIGEST_NONE,
        .last_child = DIGEST_NONE,
        .next_sibling = DIGEST_NONE,
        .number = 1,
        .mime = offset,
        .body = offset,
        .end = offset,
        .first_field = tree->n_fields,
        .type = SLICE("text"),
        .subtype = SLICE("plain"),
    };
    if (parent != DIGEST_NONE) {
        struct mime_part *up = &tree->parts[parent];

        if (up->last_child == DIGEST_NONE) {
            up->first_child = index;
        } else {
            tree->parts[up->last_child].next_sibling = index;
            part->number = tree->parts[up->last_child].number + 1;
        }
        up->last_child = index;
    }
    return index;
}

static void open_part(struct walk *w, uint32_t parent, uint32_t offset)
{
    if (w->tree->n_parts == MIME_PARTS_MAX) {
        w->too_many = true;
        return;
    }
    w->open[w->n_open++] = add_part(w->tree, parent, offset);
    w->in_header = true;
}

/* A line of the current part's header: a new field, or more of the last one. */
static void add_field_line(struct walk *w, uint32_t start, uint32_t end)
{
    struct mime_tree *tree = w->tree;
    struct mime_part *part = current(w);
    struct slice line = slice_sub(tree->msg, start, end - start);
    struct digest_field *last =
        part->n_fields > 0 && tree->fields != NULL ? &tree->fields[tree->n_fields - 1] : NULL;
    bool cut = end - part->mime > MIME_HEADER_MAX_BYTES || tree->n_fields >= MIME_FIELDS_MAX;
    size_t value = 0, name_len;

    if (cut && (part->flags & DIGEST_PART_OPAQUE) != 0 && last != NULL) {
        last->end = end; /* the nameless rest grows */
        return;
    }
    if (!cut && last != NULL && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
        last->end = end;
        return;
    }
    if (cut)
        part->flags |= DIGEST_PART_OPAQUE;
    if (tree->n_fields == tree->fields_cap) {
        tree->fields_cap = MAX(tree->fields_cap * 2, 64u);
        tree->fields = xrealloc(tree->fields, tree->fields_cap * sizeof(*tree->fields));
    }
    name_len = cut ? 0 : header_name_len(line, &value);
    assert(tree->fields != NULL);
    tree->fields[tree->n_fields++] = (struct digest_field){
        .start = start,
        .value = start + (uint32_t) value,
        .end = end,
        .name_len = (uint16_t) name_len,
    };
    part->n_fields++;
}

/* The first field of each name counts. */
static void find_content(const struct mime_tree *tree, struct mime_part *part)
{
    for (uint32_t i = part->first_field; i < part->first_field + part->n_fields; i++) {
        struct slice name = mime_field_name(tree, i);

        if (!slice_starts_nocase(name, SLICE("Content-")))
            continue;
        for (size_t k = 0; k < MIME_CONTENT_COUNT; k++)
            if (part->content[k].ptr == NULL &&
                slice_eq_nocase(name, slice_from_str(content_names[k])))
                part->content[k] = mime_field_value(tree, i);
    }
}

static bool is_type_byte(char c)
{
    return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static struct slice lower_copy(struct mime_tree *tree, struct slice s)
{
    char *copy = arena_alloc(tree->arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = ascii_lower(s.ptr[i]);
    return slice_of(copy, s.len);
}

static bool token_fits(struct slice s)
{
    return s.len > 0 && s.len <= MIME_TOKEN_MAX_BYTES;
}

static void set_octets(struct mime_part *part)
{
    part->type = SLICE("application");
    part->subtype = SLICE("octet-stream");
}

/* RFC 2045 5.2: no type is text/plain; in a digest message/rfc822 (RFC 2046 5.1.5). */
static void set_default_type(const struct mime_tree *tree, struct mime_part *part)
{
    const struct mime_part *up =
        part->parent != DIGEST_NONE ? &tree->parts[part->parent] : NULL;

    if (up != NULL && up->kind == DIGEST_MULTIPART && slice_eq(up->subtype, SLICE("digest"))) {
        part->type = SLICE("message");
        part->subtype = SLICE("rfc822");
    }
}

/* type "/" subtype, with white space and comments around the "/" (RFC 2045 5.1 with RFC 822's
 * rules). What is missing is empty. */
static void scan_type(struct slice raw, struct slice *type, struct slice *subtype)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct slice head = param_begin(&reader, raw, &scratch);
    struct scan sc = scan_of(head);

    *subtype = SLICE("");
    *type = scan_while(&sc, is_type_byte);
    if (head.len == 0)
        return;
    sc = scan_of(slice_from(raw, (size_t) (head.ptr - raw.ptr) + type->len));
    header_skip_blank(&sc);
    if (!scan_byte(&sc, '/'))
        return;
    header_skip_blank(&sc);
    *subtype = scan_while(&sc, is_type_byte);
}

static void read_type(struct mime_tree *tree, struct mime_part *part)
{
    struct slice raw = part->content[MIME_TYPE], type, subtype;

    if (raw.ptr == NULL || slice_trim(raw).len == 0) {
        set_default_type(tree, part);
        return;
    }
    scan_type(raw, &type, &subtype);
    if (token_fits(type) && token_fits(subtype)) {
        part->type = lower_copy(tree, type);
        part->subtype = lower_copy(tree, subtype);
    } else if (type.len > 0 && !slice_eq_nocase(type, SLICE("text"))) {
        set_octets(part); /* "pdf" and the like; a bare "text" is text/plain */
    }
}

static void read_boundary(struct mime_tree *tree, struct mime_part *part)
{
    AUTO(buf_done) struct buf value = {0};

    buf_init(&value, charset_room(part->content[MIME_TYPE].len));
    if (param_get(part->content[MIME_TYPE], SLICE("boundary"), &value) &&
        slice_trim(buf_slice(&value)).len <= MIME_BOUNDARY_MAX_BYTES)
        part->boundary = arena_dup(tree->arena, slice_trim(buf_slice(&value)));
}

/* What the header says of the body. deep: no container may be opened in here. */
static void classify(struct mime_tree *tree, struct mime_part *part, bool deep)
{
    bool identity, container, message;

    find_content(tree, part);
    part->encoding = part->content[MIME_ENCODING].ptr != NULL
                         ? cte_from_field(part->content[MIME_ENCODING])
                         : DIGEST_CTE_IDENTITY;
    read_type(tree, part);
    message =
        slice_eq(part->type, SLICE("message")) &&
        (slice_eq(part->subtype, SLICE("rfc822")) || slice_eq(part->subtype, SLICE("global")));
    container = message || slice_eq(part->type, SLICE("multipart"));
    identity = part->encoding == DIGEST_CTE_IDENTITY;
    part->kind = slice_eq(part->type, SLICE("text")) ? DIGEST_TEXT : DIGEST_LEAF;
    if (container && deep)
        part->flags |= DIGEST_PART_OPAQUE;
    if ((part->flags & DIGEST_PART_OPAQUE) != 0 || (message && !identity)) {
        set_octets(part); /* RFC 2046 5.2.1 lets no encoding hide a message */
        part->kind = DIGEST_LEAF;
    } else if (message) {
        part->kind = slice_eq(part->subtype, SLICE("global")) ? DIGEST_GLOBAL : DIGEST_MESSAGE;
        if (part->kind == DIGEST_GLOBAL)
            tree->flags |= DIGEST_HAS_GLOBAL;
    } else if (container) {
        part->kind = DIGEST_MULTIPART;
        part->encoding = DIGEST_CTE_IDENTITY; /* RFC 2045 6.4 lets no encoding hide parts */
        read_boundary(tree, part);
    }
}

static bool has_8bit(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (ascii_is_8bit(s.ptr[i]))
            return true;
    return false;
}

/* The current part's header ends; its body begins at offset. A message opens its embedded one.
 */
static void end_header(struct walk *w, uint32_t offset)
{
    struct mime_tree *tree = w->tree;
    struct mime_part *part = current(w);
    bool deep = w->n_open > MIME_DEPTH_MAX || w->one_leaf;

    part->body = part->end = offset;
    part->first_line = w->line_no;
    w->in_header = false;
    if (has_8bit(slice_sub(tree->msg, part->mime, offset - part->mime))) {
        part->flags |= DIGEST_PART_8BIT_HEADER;
        tree->flags |= DIGEST_8BIT_HEADER;
    }
    if ((part->flags & DIGEST_PART_OPAQUE) != 0)
        tree->flags |= DIGEST_HEADER_CUT;
    classify(tree, part, deep);
    if ((part->flags & DIGEST_PART_OPAQUE) != 0)
        tree->flags |= part->parent == DIGEST_NONE ? DIGEST_OPAQUE : DIGEST_OPAQUE_PART;
    if (part->kind == DIGEST_MESSAGE || part->kind == DIGEST_GLOBAL) {
        open_part(w, w->open[w->n_open - 1], offset);
        if (!w->too_many)
            current(w)->flags |= DIGEST_PART_ROOT;
    }
}

/* A multipart in which no delimiter stood: its text is its only part. */
static void add_only_child(struct walk *w, uint32_t multipart)
{
    struct mime_tree *tree = w->tree;
    struct mime_part *child;
    const struct mime_part *up;
    uint32_t index;

    if (tree->n_parts == MIME_PARTS_MAX) {
        w->too_many = true;
        return;
    }
    index = add_part(tree, multipart, tree->parts[multipart].body);
    child = &tree->parts[index];
    up = &tree->parts[multipart];
    child->end = up->end;
    child->lines = up->lines;
}

/* The current part ends at offset; line_no counts the lines begun before. */
static void close_part(struct walk *w, uint32_t offset)
{
    struct mime_part *part = current(w);
    uint32_t index = w->open[w->n_open - 1];
    bool at_delimiter = offset < w->tree->msg.len;

    part->end = MAX(offset, part->body);
    if (part->last_child !=
        DIGEST_NONE) /* a header that the delimiter cut ends behind offset */
        part->end = MAX(part->end, w->tree->parts[part->last_child].end);
    part->lines = w->line_no - part->first_line;
    /* The end of line before a delimiter is the delimiter's: an empty last line is none. */
    if (at_delimiter && part->lines > 0 &&
        (part->end == part->body || w->tree->msg.ptr[part->end - 1] == '\n'))
        part->lines--;
    w->n_open--;
    if (part->kind == DIGEST_MULTIPART && part->first_child == DIGEST_NONE)
        add_only_child(w, index);
}

/* End all parts above the first n_keep. The line at line_start ends them; their text goes up to
 * text_end. */
static void close_down_to(struct walk *w, uint32_t n_keep, uint32_t text_end,
                          uint32_t line_start)
{
    while (w->n_open > n_keep && !w->too_many) {
        if (w->in_header)
            end_header(w, line_start);
        else
            close_part(w, text_end);
    }
}

/* Which open multipart the line delimits, as an index into open[]; n_open if none. */
static uint32_t find_delimited(const struct walk *w, struct slice line, bool *out_last)
{
    for (uint32_t k = w->n_open; k > 0; k--) {
        const struct mime_part *part = &w->tree->parts[w->open[k - 1]];
        struct slice rest = slice_from(line, 2);

        if (part->kind != DIGEST_MULTIPART || part->closed || part->boundary.len == 0 ||
            !slice_starts(rest, part->boundary))
            continue;
        rest = slice_trim(slice_from(rest, part->boundary.len));
        *out_last = slice_eq(rest, SLICE("--"));
        if (rest.len == 0 || *out_last)
            return k - 1;
    }
    return w->n_open;
}

/* If the line is a delimiter: end what it ends, begin the next part. */
static bool take_delimiter(struct walk *w, struct slice line, uint32_t start, uint32_t next)
{
    struct slice before = slice_sub(w->tree->msg, 0, start);
    bool last = false;
    uint32_t k;

    if (!slice_starts(line, SLICE("--")))
        return false;
    k = find_delimited(w, line, &last);
    if (k == w->n_open)
        return false;
    close_down_to(w, k + 1, (uint32_t) header_line_body(before).len, start);
    if (last)
        w->tree->parts[w->open[k]].closed = true;
    else if (!w->too_many)
        open_part(w, w->open[k], next);
    return true;
}

static void walk_lines(struct walk *w)
{
    struct slice msg = w->tree->msg;
    uint32_t len = (uint32_t) msg.len;

    open_part(w, DIGEST_NONE, 0);
    current(w)->flags |= DIGEST_PART_ROOT;
    for (uint32_t start = 0, next; start < len && !w->too_many; start = next) {
        struct slice line = slice_from(msg, start);

        line = slice_sub(line, 0, header_line_len(line));
        next = start + (uint32_t) line.len;
        if (!take_delimiter(w, line, start, next) && w->in_header) {
            if (header_line_body(line).len == 0) {
                w->line_no++;
                end_header(w, next);
                continue;
            }
            add_field_line(w, start, next);
        }
        w->line_no++;
    }
    close_down_to(w, 0, len, len);
}

/* CR and LF that are not together, and NUL. */
static uint32_t byte_flags(struct slice msg)
{
    size_t n_cr = 0, n_lf = 0, n_crlf = 0, n_nul = 0;
    uint32_t flags = 0;
    char before = '\0';

    for (size_t i = 0; i < msg.len; i++) {
        char c = msg.ptr[i];

        n_cr += c == '\r';
        n_lf += c == '\n';
        n_crlf += c == '\n' && before == '\r';
        n_nul += c == '\0';
        before = c;
    }
    if (n_cr != n_crlf || n_lf != n_crlf)
        flags |= DIGEST_BARE_EOL;
    if (n_nul > 0)
        flags |= DIGEST_HAS_NUL;
    return flags;
}

static void tree_start(struct mime_tree *tree, struct slice msg)
{
    assert(msg.len <= DIGEST_MESSAGE_MAX_BYTES);
    *tree = (struct mime_tree){.msg = msg, .arena = arena_new(ARENA_BYTES)};
    if (msg.len == 0)
        tree->msg = slice_of("", 0); /* never NULL: offsets are added to it */
}

void mime_tree_init(struct mime_tree *tree, struct slice msg)
{
    struct mime_tree parts, leaf;
    struct walk w = {.tree = &parts};

    tree_start(&parts, msg);
    walk_lines(&w);
    if (w.too_many) {
        mime_tree_done(&parts);
        tree_start(&leaf, msg);
        w = (struct walk){.tree = &leaf, .one_leaf = true};
        walk_lines(&w);
    }
    *tree = *w.tree;
    tree->flags |= byte_flags(tree->msg);
}

void mime_tree_init_opaque(struct mime_tree *tree, struct slice msg)
{
    struct mime_part *root;
    uint32_t at = 0;

    tree_start(tree, msg);
    (void) add_part(tree, DIGEST_NONE, 0);
    root = &tree->parts[0];
    root->kind = DIGEST_LEAF;
    root->flags = DIGEST_PART_ROOT | DIGEST_PART_OPAQUE;
    set_octets(root);
    while (at < msg.len) {
        struct slice line = slice_from(msg, at);

        line = slice_sub(line, 0, header_line_len(line));
        if (header_line_body(line).len == 0) {
            root->body = at + (uint32_t) line.len;
            break;
        }
        at += (uint32_t) line.len;
        root->body = at;
    }
    root->end = (uint32_t) msg.len;
    root->lines = (uint32_t) slice_count(mime_part_body(tree, 0), '\n');
    tree->flags = DIGEST_OPAQUE | DIGEST_HEADER_CUT | DIGEST_TEXT_CUT | byte_flags(msg);
    if (at > 0) {
        tree->fields = xcalloc(1, sizeof(*tree->fields));
        tree->fields_cap = tree->n_fields = root->n_fields = 1;
        tree->fields[0] = (struct digest_field){.start = 0, .value = 0, .end = at};
    }
}

void mime_tree_done(struct mime_tree *tree)
{
    free(tree->parts);
    free(tree->fields);
    arena_free(tree->arena);
    *tree = (struct mime_tree){0};
}
