/* digest_fields.c - the walks over the header fields of a digest, and over its copied lines. */
#include "base/varint.h"
#include "mime/digest_table.h"

void digest_fields_begin(const struct digest *digest, struct digest_fields *out)
{
    *out = (struct digest_fields){
        .shapes = scan_of(digest_section_bytes(digest, SECTION_SHAPES)),
        .lengths = scan_of(digest_section_bytes(digest, SECTION_LENGTHS)),
        .limit = digest->message_size,
    };
}

/* The rest of the message never grows by what is taken from it, so no sum wraps. */
static bool advance(uint32_t *at, uint32_t limit, uint32_t by)
{
    if (by > limit - *at)
        return false;
    *at += by;
    return true;
}

bool digest_fields_next(struct digest_fields *fields, struct digest_field *out)
{
    struct scan shapes = fields->shapes, lengths = fields->lengths;
    uint32_t shape, name_len, len, gap = 0, skip = DIGEST_SKIP_COLON, at = fields->at;

    if (!scan_varint32(&shapes, UINT32_MAX, &shape))
        return false;
    name_len = shape >> SHAPE_NAME_SHIFT;
    if ((shape & SHAPE_UNUSUAL) != 0 && !(scan_varint32(&shapes, UINT32_MAX, &gap) &&
                                          scan_varint32(&shapes, UINT32_MAX, &skip)))
        return false;
    if (name_len > UINT16_MAX || !scan_varint32(&lengths, UINT32_MAX, &len) ||
        !advance(&at, fields->limit, gap))
        return false;
    out->start = at;
    if (!advance(&at, fields->limit, name_len) || !advance(&at, fields->limit, skip))
        return false;
    out->value = at;
    if (!advance(&at, fields->limit, len))
        return false;
    out->end = at;
    out->name_len = (uint16_t) name_len;
    out->copied = (shape & SHAPE_COPIED) != 0;
    fields->shapes = shapes;
    fields->lengths = lengths;
    fields->at = at;
    return true;
}

bool digest_fields_done(const struct digest_fields *fields)
{
    return scan_done(&fields->shapes) && scan_done(&fields->lengths);
}

void digest_lines_begin(const struct digest *digest, struct digest_lines *out)
{
    *out = (struct digest_lines){
        .shapes = scan_of(digest_section_bytes(digest, SECTION_SHAPES)),
        .lengths = scan_of(digest_section_bytes(digest, SECTION_LENGTHS)),
        .raw = scan_of(digest_section_bytes(digest, SECTION_RAW)),
    };
}

bool digest_lines_next(struct digest_lines *lines, struct slice *out, uint16_t *out_name_len)
{
    struct scan shapes = lines->shapes, lengths = lines->lengths;
    uint32_t shape, len, gap, skip;
    bool found = false;

    while (!found && scan_varint32(&shapes, UINT32_MAX, &shape)) {
        skip = DIGEST_SKIP_COLON;
        if ((shape & SHAPE_UNUSUAL) != 0 && !(scan_varint32(&shapes, UINT32_MAX, &gap) &&
                                              scan_varint32(&shapes, UINT32_MAX, &skip)))
            break;
        if (!scan_varint32(&lengths, UINT32_MAX, &len))
            break;
        if ((shape & SHAPE_COPIED) == 0)
            continue;
        *out_name_len = (uint16_t) (shape >> SHAPE_NAME_SHIFT);
        if (!scan_take(&lines->raw, (size_t) *out_name_len + skip + len, out))
            break;
        found = true;
    }
    lines->shapes = shapes;
    lines->lengths = lengths;
    return found;
}
