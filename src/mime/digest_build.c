/* digest_build.c - writes the table of docs/formats/digest.md. */
#include <assert.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "mime/bodystructure.h"
#include "mime/charset.h"
#include "mime/cte.h"
#include "mime/digest_table.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/words.h"

#define NAME_MAX_BYTES       1024u /* of a file name or content id in the table */
#define ENVELOPE_ARENA_BYTES ((size_t) 1 << 30)

/* By the length of the name. */
#define KNOWN_NAME_MAX 31u /* bytes */
#define KNOWN_A_LENGTH 8u

// clang-format off
static const char *const known_fields[KNOWN_NAME_MAX + 1][KNOWN_A_LENGTH] = {
    [2] = {"Cc", "To"},
    [3] = {"Bcc"},
    [4] = {"Date", "From"},
    [5] = {"Lines"},
    [6] = {"Sender", "Status"},
    [7] = {"List-Id", "Subject", "X-Label"},
    [8] = {"Priority", "Reply-To", "X-Mailer", "X-Status"},
    [9] = {"List-Help", "List-Post", "Resent-Cc", "Resent-To"},
    [10] = {"Importance", "List-Owner", "Message-ID", "Newsgroups",
            "Precedence", "References", "User-Agent", "X-Priority"},
    [11] = {"Followup-To", "In-Reply-To", "Resent-Date",
            "Resent-From", "Return-Path", "X-Spam-Flag"},
    [12] = {"Content-Type", "Delivered-To", "List-Archive",
            "MIME-Version", "Organization", "X-Spam-Level"},
    [13] = {"Mail-Reply-To", "X-Original-To", "X-Spam-Status"},
    [14] = {"List-Subscribe"},
    [16] = {"Content-Language", "List-Unsubscribe", "Mail-Followup-To"},
    [17] = {"X-K9mail-Identity", "X-MSMail-Priority"},
    [19] = {"Content-Description", "Content-Disposition"},
    [20] = {"X-Mozilla-Draft-Info"},
    [21] = {"List-Unsubscribe-Post"},
    [22] = {"X-Forwarded-Message-Id"},
    [25] = {"Content-Transfer-Encoding", "X-Uniform-Type-Identifier"},
    [27] = {"Disposition-Notification-To"},
    [31] = {"X-Universally-Unique-Identifier"},
};
// clang-format on

bool digest_field_is_known(struct slice name)
{
    if (name.len > KNOWN_NAME_MAX)
        return false;
    for (size_t i = 0; i < KNOWN_A_LENGTH && known_fields[name.len][i] != NULL; i++) {
        struct slice known = slice_of(known_fields[name.len][i], name.len);

        if (ascii_lower(*name.ptr) == ascii_lower(*known.ptr) && slice_eq_nocase(name, known))
            return true;
    }
    return false;
}

/* The numbers of a part record count octets of the message, or what is fewer. */
static unsigned number_bytes(const struct digest_writer *w)
{
    return w->tree->msg.len <= UINT16_MAX ? 2 : 4;
}

/* RFC 2183 2.3; the name parameter of the type is older and common. */
static bool read_filename(const struct mime_part *part, struct buf *out)
{
    return (part->content[MIME_DISPOSITION].ptr != NULL &&
            param_get_text(part->content[MIME_DISPOSITION], SLICE("filename"), out)) ||
           (part->content[MIME_TYPE].ptr != NULL &&
            param_get_text(part->content[MIME_TYPE], SLICE("name"), out));
}

static bool says_attachment(const struct mime_part *part)
{
    AUTO(buf_done) struct buf scratch = {0};
    struct slice raw = part->content[MIME_DISPOSITION];
    struct param_reader reader;

    buf_init(&scratch, raw.len + 1);
    return raw.ptr != NULL &&
           slice_eq_nocase(param_begin(&reader, raw, &scratch), SLICE("attachment"));
}

static bool is_leaf(const struct mime_part *part)
{
    return part->kind == DIGEST_LEAF || part->kind == DIGEST_TEXT;
}

/* Type, subtype, charset, file name, content id: bytes to the pool, lengths to the record. */
static void put_part_strings(struct digest_writer *w, const struct mime_part *part,
                             struct slice filename)
{
    AUTO(buf_done) struct buf charset = {0};
    AUTO(buf_done) struct buf id = {0};
    struct buf *out = &w->section[SECTION_PARTS], *pool = &w->section[SECTION_STRINGS];
    struct slice cut_charset, cut_id;
    uint32_t at = (uint32_t) pool->len;

    buf_init(&charset, charset_room(part->content[MIME_TYPE].len));
    buf_init(&id, charset_room(part->content[MIME_ID].len));
    (void) param_get(part->content[MIME_TYPE], SLICE("charset"), &charset);
    words_decode(part->content[MIME_ID], &id);
    cut_charset = slice_sub(buf_slice(&charset), 0, MIME_TOKEN_MAX_BYTES);
    cut_id = utf8_cut(buf_slice(&id), NAME_MAX_BYTES);
    buf_append(pool, part->type);
    buf_append(pool, part->subtype);
    buf_append(pool, cut_charset);
    buf_append(pool, filename);
    buf_append(pool, cut_id);
    buf_le8(out, (uint8_t) part->type.len);
    buf_le8(out, (uint8_t) part->subtype.len);
    buf_le8(out, (uint8_t) cut_charset.len);
    buf_le16(out, (uint16_t) filename.len);
    buf_le16(out, (uint16_t) cut_id.len);
    buf_le32(out, at);
}

static void put_number(struct digest_writer *w, uint32_t value)
{
    struct buf *out = &w->section[SECTION_PARTS];

    if (number_bytes(w) == 2)
        buf_le16(out, (uint16_t) value);
    else
        buf_le32(out, value);
}

static void put_part_numbers(struct digest_writer *w, const struct mime_part *part)
{
    put_number(w, part->mime);
    put_number(w, part->body - part->mime);
    put_number(w, part->end - part->body);
    put_number(w, part->lines);
    put_number(w, part->first_field);
    put_number(w, part->n_fields);
}

static void put_part(struct digest_writer *w, uint32_t index, struct slice body)
{
    AUTO(buf_done) struct buf filename = {0};
    struct mime_part *part = &w->tree->parts[index];
    struct buf *out = &w->section[SECTION_PARTS];
    uint64_t decoded_size = body.len;
    bool damaged = false;

    buf_init(&filename,
             4 * (part->content[MIME_DISPOSITION].len + part->content[MIME_TYPE].len) + 64);
    (void) read_filename(part, &filename);
    if (is_leaf(part)) {
        decoded_size = cte_decoded_size(part->encoding, body, &damaged);
        if (says_attachment(part) || (part->kind == DIGEST_LEAF && filename.len > 0))
            part->flags |= DIGEST_PART_ATTACHMENT;
    }
    if (damaged)
        part->flags |= DIGEST_PART_UNDECODABLE;
    if ((part->flags & DIGEST_PART_ATTACHMENT) != 0)
        w->flags |= DIGEST_HAS_ATTACHMENT;
    assert(part->first_child == (is_leaf(part) ? DIGEST_NONE : index + 1));
    assert(part->flags <= UINT8_MAX);
    buf_le8(out, (uint8_t) part->kind);
    buf_le8(out, (uint8_t) part->encoding);
    buf_le8(out, (uint8_t) part->flags);
    buf_le16(out, (uint16_t) (index > 0 ? index - part->parent : 0));
    buf_le16(out,
             (uint16_t) (part->next_sibling != DIGEST_NONE ? part->next_sibling - index : 0));
    buf_le16(out, (uint16_t) part->number);
    put_part_strings(w, part, utf8_cut(buf_slice(&filename), NAME_MAX_BYTES));
    buf_le32(out, (uint32_t) (body.len - decoded_size));
    put_part_numbers(w, part);
}

static void write_parts(struct digest_writer *w)
{
    for (uint32_t i = 0; i < w->tree->n_parts; i++)
        put_part(w, i, mime_part_body(w->tree, i));
}

/* Copy the line if it is a known field of the message's own header. */
static bool copy_line(struct digest_writer *w, uint32_t index)
{
    const struct mime_part *root = &w->tree->parts[0];
    const struct digest_field *field = &w->tree->fields[index];
    struct slice line = slice_sub(w->tree->msg, field->start, field->end - field->start);
    struct buf *raw = &w->section[SECTION_RAW];

    if (index - root->first_field >= root->n_fields || field->name_len == 0 ||
        (w->flags & DIGEST_RAW_CUT) != 0 ||
        !digest_field_is_known(mime_field_name(w->tree, index)))
        return false;
    if (raw->len + line.len > DIGEST_RAW_MAX_BYTES) {
        w->flags |= DIGEST_RAW_CUT;
        return false;
    }
    buf_append(raw, line);
    return true;
}

static void write_fields(struct digest_writer *w)
{
    struct buf *shapes = &w->section[SECTION_SHAPES], *lengths = &w->section[SECTION_LENGTHS];
    uint32_t at = 0;

    for (uint32_t i = 0; i < w->tree->n_fields; i++) {
        const struct digest_field *field = &w->tree->fields[i];
        uint32_t skip = field->value - field->start - field->name_len;
        bool unusual = field->start != at || skip != DIGEST_SKIP_COLON;
        uint32_t shape = (uint32_t) field->name_len << SHAPE_NAME_SHIFT;

        buf_varint(shapes, shape | (unusual ? SHAPE_UNUSUAL : 0) |
                               (copy_line(w, i) ? SHAPE_COPIED : 0));
        if (unusual) {
            assert(field->start >= at); /* parts and their fields stand in order */
            buf_varint(shapes, field->start - at);
            buf_varint(shapes, skip);
        }
        buf_varint(lengths, field->end - field->value);
        at = field->end;
    }
}

static struct buf *wire_section(struct digest_writer *w, enum digest_item item,
                                enum digest_form form)
{
    return &w->section[SECTION_WIRE + DIGEST_ITEM_COUNT * (int) form + (int) item];
}

static void write_wire(struct digest_writer *w, const struct envelope *envelope,
                       enum digest_form form)
{
    uint32_t addrs_left = ENVELOPE_ADDRS_MAX;

    if (form != DIGEST_FORM_D) /* D differs in message/global only */
        envelope_print(envelope, form, &addrs_left, wire_section(w, DIGEST_ENVELOPE, form));
    bodystructure_print(w->tree, form, false, wire_section(w, DIGEST_BODY, form));
    bodystructure_print(w->tree, form, true, wire_section(w, DIGEST_BODYSTRUCTURE, form));
}

/* The wire forms and the keys: what is made of the message's own envelope. */
static void write_envelope(struct digest_writer *w)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ENVELOPE_ARENA_BYTES);
    bool global = (w->flags & DIGEST_HAS_GLOBAL) != 0;
    struct envelope envelope;

    envelope_read(w->tree, 0, arena, &envelope);
    write_wire(w, &envelope, DIGEST_FORM_P);
    if (global)
        write_wire(w, &envelope, DIGEST_FORM_D);
    if (global || (w->flags & DIGEST_8BIT_HEADER) != 0)
        write_wire(w, &envelope, DIGEST_FORM_U);
    else
        w->flags |= DIGEST_P_ENOUGH;
    digest_write_keys(w, &envelope);
}

static void writer_init(struct digest_writer *w, const struct mime_tree *tree)
{
    *w = (struct digest_writer){.tree = tree, .flags = tree->flags};
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_init(&w->section[i], DIGEST_SECTION_MAX_BYTES);
    buf_init(&w->lead, DIGEST_SECTION_MAX_BYTES);
    buf_init(&w->text, DIGEST_TEXT_MAX_BYTES);
}

static void writer_done(struct digest_writer *w)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_done(&w->section[i]);
    buf_done(&w->lead);
    buf_done(&w->text);
}

static size_t section_len(const struct digest_writer *w, size_t index)
{
    return w->section[index].len + (index == SECTION_TEXT ? w->lead.len + w->text.len : 0);
}

static void put_head(const struct digest_writer *w, struct buf *out)
{
    buf_append(out, DIGEST_MAGIC);
    buf_le16(out, DIGEST_VERSION);
    buf_le8(out, (uint8_t) number_bytes(w));
    buf_varint(out, w->flags);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_varint(out, section_len(w, i));
}

/* False if some section met its maximum. */
static bool put_table(const struct digest_writer *w, struct buf *out)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (w->section[i].overflow)
            return false;
    put_head(w, out);
    for (size_t i = 0; i < SECTION_TEXT; i++)
        buf_append(out, buf_slice(&w->section[i]));
    buf_append(out, buf_slice(&w->lead));
    buf_append(out, buf_slice(&w->section[SECTION_TEXT]));
    buf_append(out, buf_slice(&w->text));
    return !out->overflow;
}

static bool build(const struct mime_tree *tree, bool core_only, struct buf *out)
{
    struct digest_writer w;
    size_t start = out->len;
    bool built;

    writer_init(&w, tree);
    write_parts(&w);
    write_fields(&w);
    write_envelope(&w);
    if (!core_only) {
        digest_write_substitute(&w);
        digest_write_text(&w);
    }
    built = put_table(&w, out);
    writer_done(&w);
    if (!built)
        buf_truncate(out, start);
    return built;
}

bool digest_build_core(const struct mime_tree *tree, struct buf *out)
{
    return build(tree, true, out);
}

void digest_build(struct slice msg, struct buf *out)
{
    struct mime_tree tree;
    bool built;

    mime_tree_init(&tree, msg);
    built = build(&tree, false, out);
    mime_tree_done(&tree);
    if (!built)
        digest_build_opaque(msg, out);
}

void digest_build_opaque(struct slice msg, struct buf *out)
{
    struct mime_tree tree;
    bool built;

    out->overflow = false;
    mime_tree_init_opaque(&tree, msg);
    built = build(&tree, false, out);
    mime_tree_done(&tree);
    assert(built); /* one part, one field; the text is cut to its maximum */
    (void) built;
}
