/* digest_section.c - BODY[section]: which bytes of the message a section is. */
#include "base/ascii.h"
#include "mime/digest_table.h"

static bool is_message(const struct digest_part *part)
{
    return part->kind == DIGEST_MESSAGE || part->kind == DIGEST_GLOBAL;
}

/* Child `number` of a multipart. */
static bool find_child(const struct digest *digest, uint32_t multipart, uint32_t number,
                       uint32_t *out)
{
    uint32_t index = digest_part(digest, multipart).first_child;

    while (index != DIGEST_NONE) {
        struct digest_part part = digest_part(digest, index);

        if (part.number == number) {
            *out = index;
            return true;
        }
        index = part.next_sibling;
    }
    return false;
}

/*
 * RFC 9051 6.4.5.1: every message has at least one part number; a message that is no multipart
 * has only part 1, itself. The parts of a message/rfc822 are those of the message inside.
 */
static bool step(const struct digest *digest, uint32_t within, uint32_t number, uint32_t *out)
{
    struct digest_part part = digest_part(digest, within);

    if (part.kind == DIGEST_MULTIPART)
        return find_child(digest, within, number, out);
    *out = within;
    return number == 1;
}

enum rc digest_find_part(const struct digest *digest, const uint32_t *path, size_t n,
                         uint32_t *out)
{
    uint32_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            struct digest_part part = digest_part(digest, at);

            if (is_message(&part))
                at = part.first_child;
            else if (part.kind != DIGEST_MULTIPART)
                return RC_NOT_FOUND;
        }
        if (!step(digest, at, path[i], &at))
            return RC_NOT_FOUND;
    }
    *out = at;
    return RC_OK;
}

/* The root of the message that n = 0, or the message/rfc822 at path, is. */
static enum rc find_message(const struct digest *digest, const uint32_t *path, size_t n,
                            uint32_t *out)
{
    struct digest_part part;
    uint32_t at = 0;
    enum rc rc;

    if (n > 0) {
        rc = digest_find_part(digest, path, n, &at);
        if (rc)
            return rc;
        part = digest_part(digest, at);
        if (!is_message(&part))
            return RC_NOT_FOUND;
        at = part.first_child;
    }
    *out = at;
    return RC_OK;
}

static struct digest_range range(uint32_t from, uint32_t to)
{
    return (struct digest_range){from, to - from};
}

static enum rc message_section(const struct digest *digest, const uint32_t *path, size_t n,
                               bool header, struct digest_range *out)
{
    struct digest_part root;
    uint32_t at;
    enum rc rc = find_message(digest, path, n, &at);

    if (rc)
        return rc;
    root = digest_part(digest, at);
    *out = header ? range(root.mime, root.body) : range(root.body, root.end);
    return RC_OK;
}

enum rc digest_section(const struct digest *digest, const uint32_t *path, size_t n,
                       enum digest_section_kind kind, struct digest_range *out)
{
    struct digest_part part;
    uint32_t at;

    switch (kind) {
    case DIGEST_HEADER:
    case DIGEST_TEXT_OF:
        return message_section(digest, path, n, kind == DIGEST_HEADER, out);
    case DIGEST_WHOLE:
        if (n == 0) {
            *out = range(0, digest->message_size);
            return RC_OK;
        }
        break;
    case DIGEST_MIME:
        if (n == 0)
            return RC_NOT_FOUND;
        break;
    }
    if (digest_find_part(digest, path, n, &at))
        return RC_NOT_FOUND;
    part = digest_part(digest, at);
    *out = kind == DIGEST_MIME ? range(part.mime, part.body) : range(part.body, part.end);
    return RC_OK;
}

enum rc digest_header_of(const struct digest *digest, const uint32_t *path, size_t n,
                         struct digest_header *out)
{
    struct digest_part root;
    uint32_t at;
    enum rc rc = find_message(digest, path, n, &at);

    if (rc)
        return rc;
    root = digest_part_numbers(digest, at);
    *out = (struct digest_header){root.first_field, root.n_fields, range(root.mime, root.body)};
    return RC_OK;
}

static size_t slot_of(struct slice name)
{
    size_t letter = name.len > 0 ? (unsigned char) ascii_lower(*name.ptr) : 0;

    return (name.len * 5 + letter) % DIGEST_NAMES_SLOTS;
}

void digest_names_init(struct digest_names *out, const struct slice *names, size_t n)
{
    out->names = names;
    out->n = n;
    out->all_known = true;
    for (size_t i = 0; i < DIGEST_NAMES_SLOTS; i++)
        out->first[i] = n;
    for (size_t i = n; i > 0; i--) {
        out->first[slot_of(names[i - 1])] = i - 1;
        out->all_known = out->all_known && digest_field_is_known(names[i - 1]);
    }
}

bool digest_fields_are_copied(const struct digest *digest, const struct digest_names *names)
{
    return names->all_known && (digest->flags & DIGEST_RAW_CUT) == 0;
}

static bool is_listed(const struct digest_names *names, struct slice name)
{
    for (size_t i = names->first[slot_of(name)]; i < names->n; i++)
        if (names->names[i].len == name.len && slice_eq_nocase(name, names->names[i]))
            return true;
    return false;
}

/* Fields with their ends of line, which the last one of a header may lack. */
static void put_fields(struct slice fields, struct buf *out)
{
    buf_append(out, fields);
    if (fields.len > 0 && fields.ptr[fields.len - 1] != '\n')
        buf_str(out, "\r\n");
}

/* Those that stand side by side are one piece. */
void digest_copied_fields(const struct digest *digest, const struct digest_names *names,
                          struct buf *out)
{
    struct slice line, piece = {NULL, 0};
    struct digest_lines lines;
    uint16_t name_len;

    digest_lines_begin(digest, &lines);
    while (digest_lines_next(&lines, &line, &name_len)) {
        if (!is_listed(names, slice_sub(line, 0, name_len)))
            continue;
        if (piece.len > 0 && piece.ptr + piece.len == line.ptr) {
            piece.len += line.len;
        } else {
            put_fields(piece, out);
            piece = line;
        }
    }
    put_fields(piece, out);
    buf_str(out, "\r\n");
}

void digest_header_fields(const struct digest *digest, const struct digest_header *header,
                          struct slice bytes, const struct digest_names *names, bool not,
                          struct buf *out)
{
    struct digest_fields fields;
    struct digest_field field;

    digest_fields_begin(digest, &fields);
    for (uint32_t i = 0; i < header->first_field + header->n_fields; i++) {
        struct slice line;

        if (!digest_fields_next(&fields, &field))
            break;
        if (i < header->first_field || field.start < header->range.offset)
            continue;
        line = slice_sub(bytes, field.start - header->range.offset, field.end - field.start);
        if (is_listed(names, slice_sub(line, 0, field.name_len)) != not )
            put_fields(line, out);
    }
    buf_str(out, "\r\n");
}
