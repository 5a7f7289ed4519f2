#include "mime/digest.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "mime/digest_table.h"

#define PART_SHORT_STRINGS 3u /* type, subtype, charset: lengths of one byte */

/*
 * Opening checks what the accessors rely on, once; then they read without a failure path (a
 * table that is kept was checked before it was stored: of it only the first):
 *  1. each section lies in the table, its records are whole;
 *  2. links between parts point forwards (to the parent: backwards), so walks end;
 *  3. string references lie in the pool, spans in the text, message offsets in the message;
 *  4. enums have a value of theirs.
 */

struct slice digest_section_bytes(const struct digest *d, size_t index)
{
    return slice_sub(d->table, d->section[index].offset, d->section[index].len);
}

static size_t part_bytes(const struct digest *d)
{
    return DIGEST_PART_FIXED + (size_t) DIGEST_PART_NUMBERS * d->number_bytes;
}

/* A cursor on the record of a part. */
static struct scan part_record(const struct digest *d, uint32_t index)
{
    size_t size = part_bytes(d);

    return scan_of(slice_sub(digest_section_bytes(d, SECTION_PARTS), index * size, size));
}

/* Reads that the checks of digest_open make safe; a short record reads as zero. */
static uint32_t get32(struct scan *sc)
{
    uint32_t value = 0;

    (void) scan_le32(sc, &value);
    return value;
}

static uint16_t get16(struct scan *sc)
{
    uint16_t value = 0;

    (void) scan_le16(sc, &value);
    return value;
}

static uint8_t get8(struct scan *sc)
{
    uint8_t value = 0;

    (void) scan_le8(sc, &value);
    return value;
}

static inline uint32_t get_number(const struct digest *d, struct scan *sc)
{
    return d->number_bytes == 2 ? get16(sc) : get32(sc);
}

static enum rc corrupt(struct err *err, const char *what)
{
    return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: %s", what);
}

/* The sections follow the head without gap; the text may be missing. */
static enum rc read_sections(struct digest *d, const struct scan *sc, struct err *err)
{
    struct scan at = *sc;
    uint64_t end = 0;
    uint32_t len = 0;

    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!scan_varint32(&at, UINT32_MAX, &len))
            return corrupt(err, "no head");
        d->section[i].offset = (uint32_t) end; /* from the first; past 32 bits: refused below */
        d->section[i].len = len;
        end += len;
    }
    if (end - len == scan_left(&at)) {
        d->section[SECTION_TEXT].len = 0;
        end -= len;
    }
    if (end != scan_left(&at))
        return corrupt(err, "length");
    for (size_t i = 0; i < SECTION_COUNT; i++)
        d->section[i].offset += (uint32_t) scan_offset(&at);
    d->has_text = d->section[SECTION_TEXT].len > 0;
    return RC_OK;
}

static enum rc read_head(struct digest *d, struct err *err)
{
    struct scan sc = scan_of(d->table);
    uint16_t version;

    if (d->table.len > DIGEST_MAX_BYTES || !scan_literal(&sc, DIGEST_MAGIC) ||
        !scan_le16(&sc, &version))
        return corrupt(err, "no head");
    if (version != DIGEST_VERSION)
        return err_set(err, RC_INVALID, "Message data is of another version",
                       "digest: version %u", version);
    d->number_bytes = get8(&sc);
    if (d->number_bytes != 2 && d->number_bytes != 4)
        return corrupt(err, "size of numbers");
    if (!scan_varint32(&sc, UINT32_MAX, &d->flags))
        return corrupt(err, "no head");
    return read_sections(d, &sc, err);
}

/* The number of parts, and what the root says of the whole message. */
static bool count_parts(struct digest *d)
{
    size_t len = d->section[SECTION_PARTS].len, n = len / part_bytes(d);
    struct scan root = scan_of(digest_section_bytes(d, SECTION_PARTS));
    struct slice fixed;
    uint32_t mime;

    if (n == 0 || n > MIME_PARTS_MAX || len % part_bytes(d) != 0 ||
        !scan_take(&root, DIGEST_PART_FIXED, &fixed))
        return false;
    d->n_parts = (uint32_t) n;
    mime = get_number(d, &root);
    d->header_end = mime + get_number(d, &root);
    d->message_size = d->header_end + get_number(d, &root);
    return mime == 0 && d->header_end <= d->message_size &&
           d->message_size <= DIGEST_MESSAGE_MAX_BYTES;
}

/* The number of fields: each lies in the message, behind the one before, and the copied lines
 * are as long as their fields. */
static bool count_fields(const struct digest *d, uint32_t *out)
{
    struct digest_fields fields;
    struct digest_field field;
    uint64_t copied = 0;

    *out = 0;
    digest_fields_begin(d, &fields);
    while (digest_fields_next(&fields, &field)) {
        ++*out;
        copied += field.copied ? field.end - field.start : 0;
    }
    return digest_fields_done(&fields) && copied == d->section[SECTION_RAW].len;
}

static bool link_is_ahead(const struct digest *d, uint32_t link, uint32_t index)
{
    return link == DIGEST_NONE || (link > index && link < d->n_parts);
}

/* A child's parent is the part that names it; kinds that have children have one. */
static bool child_fits(const struct digest *d, const struct digest_part *part, uint32_t index)
{
    if (part->kind == DIGEST_LEAF || part->kind == DIGEST_TEXT)
        return part->first_child == DIGEST_NONE;
    return part->first_child != DIGEST_NONE &&
           digest_part(d, part->first_child).parent == index;
}

static bool part_is_sound(const struct digest *d, uint32_t index, uint32_t n_fields)
{
    struct scan sc = part_record(d, index);
    struct digest_part part = digest_part(d, index);
    uint8_t kind = get8(&sc), encoding = get8(&sc);

    return kind < DIGEST_PART_KIND_COUNT && encoding < DIGEST_ENCODING_COUNT &&
           (part.parent == DIGEST_NONE ? index == 0 : part.parent < index) &&
           link_is_ahead(d, part.first_child, index) &&
           link_is_ahead(d, part.next_sibling, index) && child_fits(d, &part, index) &&
           part.mime <= part.body && part.body <= part.end && part.end <= d->message_size &&
           part.first_field <= n_fields && part.n_fields <= n_fields - part.first_field;
}

/* What of the text region lies behind the preview: the spans, then the text. */
static struct slice behind_preview(const struct digest *d)
{
    return slice_from(digest_section_bytes(d, SECTION_TEXT),
                      DIGEST_TEXT_FIXED + (size_t) d->preview_len);
}

static struct scan span_record(const struct digest *d, uint32_t index)
{
    return scan_of(
        slice_sub(behind_preview(d), (size_t) index * DIGEST_SPAN_BYTES, DIGEST_SPAN_BYTES));
}

static bool span_is_sound(const struct digest *d, uint32_t index)
{
    size_t pool = digest_text(d).len;
    struct scan sc = span_record(d, index);
    uint8_t kind = get8(&sc);
    uint32_t name_len, part, start, len, value;

    (void) get8(&sc);
    name_len = get16(&sc);
    part = get32(&sc);
    start = get32(&sc);
    len = get32(&sc);
    value = get32(&sc);
    return kind < DIGEST_SPAN_KIND_COUNT && part < d->n_parts && start <= pool &&
           len <= pool - start && name_len <= value && value <= len;
}

static bool text_is_whole(struct digest *d)
{
    struct scan sc = scan_of(digest_section_bytes(d, SECTION_TEXT));

    d->n_spans = d->preview_len = 0;
    if (!d->has_text)
        return true;
    if (scan_left(&sc) < DIGEST_TEXT_FIXED)
        return false;
    d->n_spans = get32(&sc);
    d->preview_len = get32(&sc);
    return d->preview_len <= MIN(scan_left(&sc), DIGEST_PREVIEW_MAX_BYTES) &&
           d->n_spans <= (scan_left(&sc) - d->preview_len) / DIGEST_SPAN_BYTES;
}

static bool parts_are_sound(const struct digest *d, uint32_t n_fields)
{
    for (uint32_t i = 0; i < d->n_parts; i++)
        if (!part_is_sound(d, i, n_fields))
            return false;
    return true;
}

static bool spans_are_sound(const struct digest *d)
{
    for (uint32_t i = 0; i < d->n_spans; i++)
        if (!span_is_sound(d, i))
            return false;
    return true;
}

enum rc digest_open_kept(struct slice table, struct digest *out, struct err *err)
{
    struct digest d = {.table = table};
    enum rc rc = read_head(&d, err);

    if (rc)
        return rc;
    if (!count_parts(&d))
        return corrupt(err, "number of parts");
    if (!text_is_whole(&d))
        return corrupt(err, "span");
    *out = d;
    return RC_OK;
}

/* A substitute has none itself: the one table lies in the other, no deeper. */
static enum rc open_table(struct slice table, bool is_substitute, struct digest *out,
                          struct err *err)
{
    struct digest d;
    uint32_t n_fields;
    enum rc rc = digest_open_kept(table, &d, err);

    if (rc)
        return rc;
    if (is_substitute && (d.flags & DIGEST_HAS_SUBSTITUTE) != 0)
        return corrupt(err, "substitute of a substitute");
    if (!count_fields(&d, &n_fields))
        return corrupt(err, "field");
    if (!digest_keys_are_sound(&d))
        return corrupt(err, "keys");
    if (!parts_are_sound(&d, n_fields))
        return corrupt(err, "part");
    if (!digest_substitute_is_sound(&d))
        return corrupt(err, "substitute");
    if (!spans_are_sound(&d))
        return corrupt(err, "span");
    *out = d;
    return RC_OK;
}

enum rc digest_open(struct slice table, struct digest *out, struct err *err)
{
    return open_table(table, false, out, err);
}

enum rc digest_open_substitute(const struct digest_substitute *substitute, struct digest *out,
                               struct err *err)
{
    return open_table(substitute->table, true, out, err);
}

enum rc digest_open_text(struct slice region, struct digest *out, struct err *err)
{
    struct digest d = {.table = region, .n_parts = UINT32_MAX, .has_text = true};

    if (region.len > DIGEST_MAX_BYTES)
        return corrupt(err, "length");
    d.section[SECTION_TEXT].len = (uint32_t) region.len;
    if (!text_is_whole(&d) || !spans_are_sound(&d))
        return corrupt(err, "span");
    d.n_parts = 0;
    *out = d;
    return RC_OK;
}

size_t digest_core_len(const struct digest *digest)
{
    return digest->section[SECTION_TEXT].offset;
}

struct slice digest_wire(const struct digest *digest, enum digest_item item,
                         enum digest_form form)
{
    size_t index = SECTION_WIRE + (size_t) form * DIGEST_ITEM_COUNT + (size_t) item;

    if (digest->section[index].len == 0)
        index = SECTION_WIRE + (size_t) item;
    return digest_section_bytes(digest, index);
}

/* Five lengths, then where the strings begin. What lies outside the pool is cut. */
static void get_part_strings(const struct digest *d, struct scan *sc, struct digest_part *part)
{
    struct slice *const strings[] = {&part->type, &part->subtype, &part->charset,
                                     &part->filename, &part->content_id};
    size_t lens[COUNT(strings)];
    struct slice rest;

    for (size_t i = 0; i < COUNT(strings); i++)
        lens[i] = i < PART_SHORT_STRINGS ? get8(sc) : get16(sc);
    rest = slice_from(digest_section_bytes(d, SECTION_STRINGS), get32(sc));
    for (size_t i = 0; i < COUNT(strings); i++) {
        *strings[i] = slice_sub(rest, 0, lens[i]);
        rest = slice_from(rest, lens[i]);
    }
}

static void get_part_numbers(const struct digest *d, struct scan *sc, struct digest_part *part)
{
    part->mime = get_number(d, sc);
    part->body = part->mime + get_number(d, sc);
    part->end = part->body + get_number(d, sc);
    part->lines = get_number(d, sc);
    part->first_field = get_number(d, sc);
    part->n_fields = get_number(d, sc);
}

struct digest_part digest_part_numbers(const struct digest *digest, uint32_t index)
{
    struct scan sc = part_record(digest, index);
    struct digest_part part = {0};
    struct slice fixed;

    if (scan_take(&sc, DIGEST_PART_FIXED, &fixed))
        get_part_numbers(digest, &sc, &part);
    return part;
}

struct digest_part digest_part(const struct digest *digest, uint32_t index)
{
    struct scan sc = part_record(digest, index);
    struct digest_part part = {
        .parent = DIGEST_NONE, .first_child = DIGEST_NONE, .next_sibling = DIGEST_NONE};
    uint32_t up, next, saved;

    part.kind = (enum digest_part_kind) get8(&sc);
    part.encoding = (enum digest_encoding) get8(&sc);
    part.flags = get8(&sc);
    up = get16(&sc);
    next = get16(&sc);
    part.number = get16(&sc);
    get_part_strings(digest, &sc, &part);
    saved = get32(&sc);
    get_part_numbers(digest, &sc, &part);
    part.decoded_size = (uint32_t) (part.end - part.body - saved);
    if (up > 0)
        part.parent = index - up;
    if (next > 0)
        part.next_sibling = index + next;
    if (part.kind != DIGEST_LEAF && part.kind != DIGEST_TEXT)
        part.first_child = index + 1;
    return part;
}

struct slice digest_preview(const struct digest *digest)
{
    return slice_sub(digest_section_bytes(digest, SECTION_TEXT), DIGEST_TEXT_FIXED,
                     digest->preview_len);
}

bool digest_lead_preview(struct slice lead, struct slice *out)
{
    struct scan sc = scan_of(lead);
    uint32_t n_spans, len;

    return scan_le32(&sc, &n_spans) && scan_le32(&sc, &len) && scan_take(&sc, len, out);
}

struct slice digest_text(const struct digest *digest)
{
    return slice_from(behind_preview(digest), (size_t) digest->n_spans * DIGEST_SPAN_BYTES);
}

struct digest_span digest_span(const struct digest *digest, uint32_t index)
{
    struct slice pool = digest_text(digest);
    struct scan sc = span_record(digest, index);
    struct digest_span span = {0};
    uint32_t name_len, start, len, value;

    span.kind = (enum digest_span_kind) get8(&sc);
    (void) get8(&sc);
    name_len = get16(&sc);
    span.part = get32(&sc);
    start = get32(&sc);
    len = get32(&sc);
    value = get32(&sc);
    span.text = slice_sub(pool, start, len);
    if (span.kind != DIGEST_SPAN_BODY) {
        span.name = slice_sub(span.text, 0, name_len);
        span.value = slice_from(span.text, value);
    }
    return span;
}
