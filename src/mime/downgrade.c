#include "mime/downgrade.h"

#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "mime/addr.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/wire.h"
#include "mime/words.h"

#define FIELD_ARENA_BYTES  ((size_t) 1 << 30)  /* one header block of addresses: 120 MiB */
#define INSERTED_MAX_BYTES ((size_t) 48 << 20) /* more, and the message has no substitute */

/* The block being written anew. */
struct block {
    const struct mime_tree *tree;
    const struct mime_part *part;
    struct arena *arena; /* for one field */
    struct buf *out;
};

typedef bool put_value_fn(struct block *b, struct slice value);

/* ---- text ---- */

/* Encoded-words, one a line. */
static void put_words(struct block *b, struct slice utf8)
{
    AUTO(buf_done) struct buf words = {0};

    buf_init(&words, 3 * utf8.len + 64);
    words_encode(utf8, &words);
    for (size_t i = 0; i < words.len; i++)
        if (words.ptr[i] == ' ')
            buf_str(b->out, "\r\n ");
        else
            buf_byte(b->out, words.ptr[i]);
}

/* RFC 6858 2.3. What is encoded already is not encoded twice. */
static bool put_text(struct block *b, struct slice value)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, charset_room(value.len));
    words_decode(value, &text);
    put_words(b, buf_slice(&text));
    return true;
}

static void put_quoted(struct block *b, struct slice s)
{
    buf_byte(b->out, '"');
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '"' || c == '\\')
            buf_byte(b->out, '\\');
        buf_byte(b->out, c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
    }
    buf_byte(b->out, '"');
}

/* ---- RFC 6858 2.1: addresses ---- */

static void put_phrase(struct block *b, struct slice text)
{
    if (wire_is_7bit(text) && slice_search(text, SLICE("=?")) == text.len)
        put_quoted(b, text);
    else
        (void) put_text(b, text);
}

static bool is_atom_byte(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_host_byte(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("-._[]:", c) != NULL);
}

static bool all_bytes(struct slice s, bool (*is)(char))
{
    struct scan sc = scan_of(s);

    (void) scan_while(&sc, is);
    return scan_done(&sc);
}

/* Can the address be written so that it means the same? */
static bool shows(const struct addr *addr)
{
    if (addr->mailbox.len == 0)
        return addr->host.len == 0;
    return wire_is_7bit(addr->mailbox) && all_bytes(addr->host, is_host_byte);
}

static void put_addr_spec(struct block *b, const struct addr *addr)
{
    buf_byte(b->out, '<');
    if (all_bytes(addr->mailbox, is_atom_byte))
        buf_append(b->out, addr->mailbox);
    else
        put_quoted(b, addr->mailbox);
    if (addr->host.len > 0)
        buf_byte(b->out, '@');
    buf_append(b->out, addr->host);
    buf_byte(b->out, '>');
}

/* "Fred Foo (fred@EXAMPLE.com)", or the address alone, as the display name of nobody. */
static void put_invalid(struct block *b, const struct addr *addr)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 4 * (addr->name.len + addr->mailbox.len + addr->host.len) + 64);
    if (addr->name.len > 0) {
        words_decode(addr->name, &text);
        buf_str(&text, " (");
    }
    words_decode(addr->mailbox, &text);
    if (addr->host.len > 0)
        buf_byte(&text, '@');
    words_decode(addr->host, &text);
    if (addr->name.len > 0)
        buf_byte(&text, ')');
    put_words(b, buf_slice(&text));
    buf_str(b->out, " <invalid@internationalized-address.invalid>");
}

static void put_mailbox(struct block *b, const struct addr *addr)
{
    if (!shows(addr)) {
        put_invalid(b, addr);
        return;
    }
    if (addr->name.len > 0) {
        put_phrase(b, addr->name);
        buf_byte(b->out, ' ');
    }
    put_addr_spec(b, addr);
}

static bool put_addresses(struct block *b, struct slice value)
{
    struct addr_list list = {0};
    bool separate = false;

    addr_parse(value, b->arena, &list);
    for (size_t i = 0; i < list.n; i++) {
        const struct addr *addr = &list.items[i];

        if (addr->kind == ADDR_GROUP_END) {
            buf_byte(b->out, ';');
        } else {
            if (separate)
                buf_byte(b->out, ',');
            if (i > 0)
                buf_str(b->out, "\r\n ");
            if (addr->kind == ADDR_GROUP_START) {
                put_phrase(b, addr->mailbox);
                buf_byte(b->out, ':');
            } else {
                put_mailbox(b, addr);
            }
        }
        separate = addr->kind != ADDR_GROUP_START;
    }
    return list.n > 0;
}

/* ---- RFC 6858 2.2: parameters ---- */

/* Cannot the boundary that counts be shown? */
static bool boundary_goes(struct slice value)
{
    AUTO(buf_done) struct buf boundary = {0};

    buf_init(&boundary, charset_room(value.len));
    return param_get(value, SLICE("boundary"), &boundary) &&
           !wire_is_7bit(buf_slice(&boundary));
}

/* The parameters that can be shown. A multipart whose boundary goes takes no other one. */
static void put_params(struct block *b, struct slice value, struct param_reader *reader)
{
    bool no_boundary = boundary_goes(value);
    struct param param;

    while (param_next(reader, &param)) {
        struct slice name = slice_sub(param.name, 0, slice_find(param.name, '*'));

        if (!wire_is_7bit(param.name) || !wire_is_7bit(param.value) ||
            (no_boundary && slice_eq_nocase(name, SLICE("boundary"))))
            continue;
        buf_str(b->out, ";\r\n ");
        buf_append(b->out, param.name);
        buf_byte(b->out, '=');
        put_quoted(b, param.value);
    }
}

static bool put_type(struct block *b, struct slice value)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct slice head;

    if (value.ptr != b->part->content[MIME_TYPE].ptr)
        return false; /* the first counts, and this is another */
    buf_init(&scratch, value.len + 1);
    head = param_begin(&reader, value, &scratch);
    if (slice_find(head, '/') + 1 < head.len && wire_is_7bit(head)) {
        buf_append(b->out, head);
    } else { /* also where something stands around the "/" */
        buf_append(b->out, b->part->type);
        buf_byte(b->out, '/');
        buf_append(b->out, b->part->subtype);
    }
    put_params(b, value, &reader);
    return true;
}

static bool put_disposition(struct block *b, struct slice value)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct param_reader reader;
    struct slice head;

    buf_init(&scratch, value.len + 1);
    head = param_begin(&reader, value, &scratch);
    if (head.len == 0 || !wire_is_7bit(head))
        return false;
    buf_append(b->out, head);
    put_params(b, value, &reader);
    return true;
}

static bool put_encoding(struct block *b, struct slice value)
{
    static const char *const names[DIGEST_ENCODING_COUNT] = {
        [DIGEST_CTE_IDENTITY] = "8bit",       [DIGEST_CTE_BASE64] = "base64",
        [DIGEST_CTE_QP] = "quoted-printable", [DIGEST_CTE_UUENCODE] = "x-uuencode",
        [DIGEST_CTE_UNKNOWN] = "x-unknown",
    };

    if (value.ptr != b->part->content[MIME_ENCODING].ptr)
        return false;
    buf_str(b->out, names[b->part->encoding]);
    return true;
}

/* ---- fields ---- */

// clang-format off
static const struct {
    const char *name;
    put_value_fn *put;
} rewritten[] = {
    {"Bcc", put_addresses}, {"Cc", put_addresses}, {"From", put_addresses},
    {"Reply-To", put_addresses}, {"Resent-Bcc", put_addresses}, {"Resent-Cc", put_addresses},
    {"Resent-From", put_addresses}, {"Resent-Sender", put_addresses},
    {"Resent-To", put_addresses}, {"Return-Path", put_addresses}, {"Sender", put_addresses},
    {"To", put_addresses},
    {"Subject", put_text},
    {"Content-Type", put_type}, {"Content-Disposition", put_disposition},
    {"Content-Transfer-Encoding", put_encoding},
};
// clang-format on

static put_value_fn *writer_of(struct slice name)
{
    for (size_t i = 0; i < COUNT(rewritten); i++)
        if (slice_eq_nocase(name, slice_from_str(rewritten[i].name)))
            return rewritten[i].put;
    return NULL;
}

/* A line without a name: a question mark for each character. One that might then be taken for a
 * delimiter goes. */
static void put_line(struct block *b, struct slice line)
{
    if (slice_starts(line, SLICE("--")))
        return;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char) line.ptr[i];

        if (c < 0x80)
            buf_byte(b->out, (char) c);
        else if (c >= 0xc0)
            buf_byte(b->out, '?');
    }
}

/* A field that is not 7-bit: rewritten, or nothing. */
static void put_field(struct block *b, const struct digest_field *field)
{
    struct slice msg = b->tree->msg;
    struct slice whole = slice_sub(msg, field->start, field->end - field->start);
    struct slice value = slice_sub(msg, field->value, field->end - field->value);
    struct arena_mark mark = arena_mark(b->arena);
    size_t start = b->out->len;
    put_value_fn *put = writer_of(slice_sub(whole, 0, field->name_len));

    if (field->name_len == 0) {
        put_line(b, whole);
        return;
    }
    if (put == NULL)
        return;
    buf_append(b->out, slice_sub(whole, 0, field->value - field->start));
    buf_byte(b->out, ' ');
    if (put(b, value))
        buf_append(b->out, slice_from(whole, header_line_body(whole).len));
    else
        buf_truncate(b->out, start);
    arena_rewind(b->arena, mark);
}

/* From the first field that is not 7-bit to the last. Returns what of the message that is. */
static struct digest_range put_block(struct block *b)
{
    const struct digest_field *fields = b->tree->fields;
    uint32_t first = b->part->first_field, end = first + b->part->n_fields;
    struct slice msg = b->tree->msg;
    struct digest_range range = {0};

    while (end > first && wire_is_7bit(slice_sub(msg, fields[end - 1].start,
                                                 fields[end - 1].end - fields[end - 1].start)))
        end--;
    for (uint32_t i = first; i < end; i++) {
        struct slice whole = slice_sub(msg, fields[i].start, fields[i].end - fields[i].start);

        if (!wire_is_7bit(whole)) {
            if (range.len == 0)
                range.offset = fields[i].start;
            put_field(b, &fields[i]);
            range.len = fields[i].end - range.offset;
        } else if (range.len > 0) {
            buf_append(b->out, whole);
        }
    }
    return range;
}

static bool is_international(const struct mime_tree *tree, const struct mime_part *part)
{
    return (part->flags & DIGEST_PART_8BIT_HEADER) != 0 &&
           utf8_is_valid(slice_sub(tree->msg, part->mime, part->body - part->mime));
}

void downgrade_init(struct downgrade *downgrade)
{
    downgrade->n = 0;
    buf_init(&downgrade->edits, INSERTED_MAX_BYTES);
    buf_init(&downgrade->inserted, INSERTED_MAX_BYTES);
}

void downgrade_done(struct downgrade *downgrade)
{
    buf_done(&downgrade->edits);
    buf_done(&downgrade->inserted);
}

bool downgrade_make(const struct mime_tree *tree, struct downgrade *out)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    uint32_t at = 0;

    if ((tree->flags & DIGEST_8BIT_HEADER) == 0 || (tree->flags & DIGEST_HEADER_CUT) != 0)
        return false;
    arena = arena_new(FIELD_ARENA_BYTES);
    for (uint32_t i = 0; i < tree->n_parts; i++) {
        struct block block = {tree, &tree->parts[i], arena, &out->inserted};
        size_t start = out->inserted.len;
        struct digest_range range;

        if (!is_international(tree, block.part))
            continue;
        range = put_block(&block);
        if (range.len == 0)
            continue;
        buf_varint(&out->edits, range.offset - at);
        buf_varint(&out->edits, range.len);
        buf_varint(&out->edits, out->inserted.len - start);
        at = range.offset + range.len;
        out->n++;
    }
    return out->n > 0 && !out->inserted.overflow;
}
