#include "mime/digest.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "mime/digest_table.h"

/*
 * Opening checks what the accessors rely on, once; then they read without a failure path:
 *  1. each section lies in the table, its records are whole;
 *  2. links between parts point forwards (to the parent: backwards), so walks end;
 *  3. string references lie in the pool, spans in the text, message offsets in the message;
 *  4. enums have a value of theirs.
 */

static struct slice section(const struct digest *d, size_t index)
{
    return slice_sub(d->table, d->section[index].offset, d->section[index].len);
}

/* A cursor on record i of a section. */
static struct scan record(const struct digest *d, size_t index, size_t i, size_t size)
{
    return scan_of(slice_sub(section(d, index), i * size, size));
}

/* Reads that the checks of digest_open make safe; a short record reads as zero. */
static uint32_t get32(struct scan *sc)
{
    uint32_t value = 0;

    (void) scan_le32(sc, &value);
    return value;
}

static uint64_t get64(struct scan *sc)
{
    uint64_t value = 0;

    (void) scan_le64(sc, &value);
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

/* A pool reference that points outside is cut to what is there: never out of bounds. */
static struct slice get_string(const struct digest *d, struct scan *sc)
{
    uint32_t offset = get32(sc), len = get32(sc);

    return slice_sub(section(d, SECTION_STRINGS), offset, len);
}

static enum rc corrupt(struct err *err, const char *what)
{
    return err_set(err, RC_CORRUPT, "Message data is damaged", "digest: %s", what);
}

static enum rc read_head(struct digest *d, struct err *err)
{
    struct scan sc = scan_of(d->table);
    uint32_t core, at = DIGEST_HEAD_BYTES;
    uint16_t version, n_sections;
    struct slice zero;

    if (d->table.len < DIGEST_HEAD_BYTES || !scan_literal(&sc, DIGEST_MAGIC))
        return corrupt(err, "no head");
    version = get16(&sc);
    n_sections = get16(&sc);
    if (version != DIGEST_VERSION)
        return err_set(err, RC_INVALID, "Message data is of another version",
                       "digest: version %u", version);
    if (n_sections != SECTION_COUNT)
        return corrupt(err, "number of sections");
    d->flags = get32(&sc);
    d->message_size = get32(&sc);
    d->header_end = get32(&sc);
    core = get32(&sc);
    (void) scan_take(&sc, 16, &zero);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        d->section[i].offset = get32(&sc);
        d->section[i].len = get32(&sc);
        if (i == SECTION_TEXT && (d->section[i].offset != core || core != at))
            return corrupt(err, "core length");
        if (i == SECTION_TEXT && d->table.len == core)
            d->section[i].len = 0;
        if (d->section[i].offset != at || d->section[i].len > d->table.len - at)
            return corrupt(err, "section out of bounds");
        at += d->section[i].len;
    }
    d->has_text = d->table.len > core;
    if (at != d->table.len)
        return corrupt(err, "length");
    return RC_OK;
}

/* Number of records of a section; false if the last is not whole. */
static bool count_records(const struct digest *d, size_t index, size_t size, uint32_t *out)
{
    *out = (uint32_t) (d->section[index].len / size);
    return d->section[index].len % size == 0;
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

static bool part_is_sound(const struct digest *d, uint32_t index)
{
    struct scan sc = record(d, SECTION_PARTS, index, DIGEST_PART_BYTES);
    struct digest_part part = digest_part(d, index);
    struct slice skipped;
    uint8_t kind, encoding;

    (void) scan_take(&sc, 40, &skipped);
    kind = get8(&sc);
    encoding = get8(&sc);
    return kind < DIGEST_PART_KIND_COUNT && encoding < DIGEST_ENCODING_COUNT &&
           (part.parent == DIGEST_NONE ? index == 0 : part.parent < index) &&
           link_is_ahead(d, part.first_child, index) &&
           link_is_ahead(d, part.next_sibling, index) && child_fits(d, &part, index) &&
           part.mime <= part.body && part.body <= part.end && part.end <= d->message_size &&
           part.first_field <= d->n_fields && part.n_fields <= d->n_fields - part.first_field;
}

static bool field_is_sound(const struct digest *d, uint32_t index)
{
    struct digest_field field = digest_field(d, index);

    return field.start <= field.value && field.value <= field.end &&
           field.end <= d->message_size && field.name_len <= field.value - field.start;
}

/* Copied lines name fields in order and lie in the raw section. */
static bool known_is_sound(const struct digest *d, uint32_t index)
{
    struct scan sc = record(d, SECTION_KNOWN, index, DIGEST_KNOWN_BYTES);
    uint32_t field = get32(&sc), offset = get32(&sc), len = get32(&sc);
    uint32_t raw_len = d->section[SECTION_RAW].len;

    return field < d->n_fields && offset <= raw_len && len <= raw_len - offset &&
           digest_field(d, field).name_len <= len;
}

static bool span_is_sound(const struct digest *d, uint32_t index)
{
    size_t pool = d->section[SECTION_TEXT].len - 4 - (size_t) d->n_spans * DIGEST_SPAN_BYTES;
    struct scan sc = scan_of(slice_sub(
        section(d, SECTION_TEXT), 4 + (size_t) index * DIGEST_SPAN_BYTES, DIGEST_SPAN_BYTES));
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

static bool keys_are_whole(const struct digest *d)
{
    size_t len = d->section[SECTION_KEYS].len;
    struct scan sc = scan_of(section(d, SECTION_KEYS));
    struct slice skipped;
    uint32_t n;

    if (len < DIGEST_KEYS_BYTES)
        return false;
    (void) scan_take(&sc, DIGEST_KEYS_BYTES - 4, &skipped);
    n = get32(&sc);
    return len - DIGEST_KEYS_BYTES == (size_t) n * DIGEST_STRING_BYTES;
}

static bool spans_are_whole(struct digest *d)
{
    struct scan sc = scan_of(section(d, SECTION_TEXT));
    size_t len = d->section[SECTION_TEXT].len;

    d->n_spans = 0;
    if (!d->has_text)
        return true;
    if (len < 4)
        return false;
    d->n_spans = get32(&sc);
    return d->n_spans <= (len - 4) / DIGEST_SPAN_BYTES;
}

static bool all_sound(const struct digest *d, uint32_t n,
                      bool (*is_sound)(const struct digest *, uint32_t))
{
    for (uint32_t i = 0; i < n; i++)
        if (!is_sound(d, i))
            return false;
    return true;
}

enum rc digest_open(struct slice table, struct digest *out, struct err *err)
{
    struct digest d = {.table = table};
    enum rc rc = read_head(&d, err);

    if (rc)
        return rc;
    if (!count_records(&d, SECTION_PARTS, DIGEST_PART_BYTES, &d.n_parts) ||
        !count_records(&d, SECTION_FIELDS, DIGEST_FIELD_BYTES, &d.n_fields) ||
        !count_records(&d, SECTION_KNOWN, DIGEST_KNOWN_BYTES, &d.n_known) ||
        !keys_are_whole(&d) || !spans_are_whole(&d))
        return corrupt(err, "record cut");
    if (d.n_parts == 0 || d.n_parts > MIME_PARTS_MAX || d.header_end > d.message_size)
        return corrupt(err, "number of parts");
    if (!all_sound(&d, d.n_fields, field_is_sound))
        return corrupt(err, "field");
    if (!all_sound(&d, d.n_parts, part_is_sound))
        return corrupt(err, "part");
    if (!all_sound(&d, d.n_known, known_is_sound) || !all_sound(&d, d.n_spans, span_is_sound))
        return corrupt(err, "span");
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
    return section(digest, index);
}

struct digest_part digest_part(const struct digest *digest, uint32_t index)
{
    struct scan sc = record(digest, SECTION_PARTS, index, DIGEST_PART_BYTES);
    struct digest_part part = {0};

    part.parent = get32(&sc);
    part.first_child = get32(&sc);
    part.next_sibling = get32(&sc);
    part.number = get32(&sc);
    part.mime = get32(&sc);
    part.body = get32(&sc);
    part.end = get32(&sc);
    part.lines = get32(&sc);
    part.first_field = get32(&sc);
    part.n_fields = get32(&sc);
    part.kind = (enum digest_part_kind) get8(&sc);
    part.encoding = (enum digest_encoding) get8(&sc);
    part.flags = get16(&sc);
    (void) get32(&sc);
    part.decoded_size = get64(&sc);
    part.type = get_string(digest, &sc);
    part.subtype = get_string(digest, &sc);
    part.charset = get_string(digest, &sc);
    part.filename = get_string(digest, &sc);
    part.content_id = get_string(digest, &sc);
    return part;
}

struct digest_field digest_field(const struct digest *digest, uint32_t index)
{
    struct scan sc = record(digest, SECTION_FIELDS, index, DIGEST_FIELD_BYTES);
    struct digest_field field = {0};

    field.start = get32(&sc);
    field.value = get32(&sc);
    field.end = get32(&sc);
    field.name_len = get16(&sc);
    return field;
}

struct digest_keys digest_keys(const struct digest *digest)
{
    struct scan sc = scan_of(section(digest, SECTION_KEYS));
    struct digest_keys keys = {0};
    uint32_t flags = get32(&sc);

    keys.has_sent = (flags & 1) != 0;
    keys.is_reply = (flags & 2) != 0;
    keys.sent_day = (int32_t) get32(&sc);
    keys.sent_sec = (int64_t) get64(&sc);
    keys.base_subject = get_string(digest, &sc);
    keys.from_mailbox = get_string(digest, &sc);
    keys.to_mailbox = get_string(digest, &sc);
    keys.cc_mailbox = get_string(digest, &sc);
    keys.from_display = get_string(digest, &sc);
    keys.to_display = get_string(digest, &sc);
    keys.message_id = get_string(digest, &sc);
    keys.in_reply_to = get_string(digest, &sc);
    keys.n_references = get32(&sc);
    return keys;
}

struct slice digest_reference(const struct digest *digest, uint32_t index)
{
    struct scan sc = scan_of(slice_sub(section(digest, SECTION_KEYS),
                                       DIGEST_KEYS_BYTES + (size_t) index * DIGEST_STRING_BYTES,
                                       DIGEST_STRING_BYTES));

    return get_string(digest, &sc);
}

struct slice digest_preview(const struct digest *digest)
{
    return section(digest, SECTION_PREVIEW);
}

struct digest_span digest_span(const struct digest *digest, uint32_t index)
{
    struct slice region = section(digest, SECTION_TEXT);
    struct slice pool = slice_from(region, 4 + (size_t) digest->n_spans * DIGEST_SPAN_BYTES);
    struct scan sc =
        scan_of(slice_sub(region, 4 + (size_t) index * DIGEST_SPAN_BYTES, DIGEST_SPAN_BYTES));
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
