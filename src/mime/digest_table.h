/*
 * digest_table.h - the numbers of docs/formats/digest.md, for its writer and its reader.
 */
#ifndef ROOST_MIME_DIGEST_TABLE_H
#define ROOST_MIME_DIGEST_TABLE_H

#include "base/scan.h"
#include "mime/digest.h"
#include "mime/envelope.h"
#include "mime/part.h"

#define DIGEST_MAGIC        SLICE("RoDg")
#define DIGEST_PART_FIXED   24u /* bytes of a part record before its numbers */
#define DIGEST_PART_NUMBERS 6u  /* of 2 or 4 bytes, as the message is long */
#define DIGEST_SPAN_BYTES   24u
#define DIGEST_TEXT_FIXED   8u /* bytes of a text region before the preview */
#define DIGEST_KEY_STRINGS  8u /* without the references */
#define DIGEST_SKIP_COLON   1u /* from a field's name to its value, as nearly always */
/* Of one section; past it the message is one opaque leaf. */
#define DIGEST_SECTION_MAX_BYTES ((size_t) 64 << 20)

enum digest_table_section {
    SECTION_PARTS,
    SECTION_SHAPES,
    SECTION_LENGTHS,
    SECTION_RAW,
    SECTION_STRINGS,
    SECTION_WIRE, /* three items in each of three forms: WIRE + 3 * form + item */
    SECTION_KEYS = SECTION_WIRE + DIGEST_FORM_COUNT * DIGEST_ITEM_COUNT,
    SECTION_SUBSTITUTE,
    SECTION_TEXT,
};
#define SECTION_COUNT (SECTION_TEXT + 1)

enum digest_shape {
    SHAPE_COPIED = 1u << 0,  /* the line is in the raw section */
    SHAPE_UNUSUAL = 1u << 1, /* a gap before the field and a skip of its own follow */
};
#define SHAPE_NAME_SHIFT 2u

enum digest_key_flag { KEY_HAS_SENT = 1u << 0, KEY_IS_REPLY = 1u << 1 };

/* The header fields, in their order. Safe on any bytes: what lies past the message, or is cut,
 * ends the walk. */
struct digest_fields {
    struct scan shapes, lengths;
    uint32_t at, limit; /* end of the field before; size of the message */
};

void digest_fields_begin(const struct digest *digest, struct digest_fields *out);
bool digest_fields_next(struct digest_fields *fields, struct digest_field *out);
/* Nothing is left; false after a walk that damage ended. */
bool digest_fields_done(const struct digest_fields *fields);

/* The copied lines alone, in their order. As safe; where in the message they stand does not
 * matter. */
struct digest_lines {
    struct scan shapes, lengths, raw;
};

void digest_lines_begin(const struct digest *digest, struct digest_lines *out);
bool digest_lines_next(struct digest_lines *lines, struct slice *out, uint16_t *out_name_len);

/* Fields whose lines are copied: what mail programs ask for when they list a mailbox. */
bool digest_field_is_known(struct slice name);

/* What digest_build puts together; each buffer is one section. */
struct digest_writer {
    const struct mime_tree *tree;
    uint32_t flags;
    struct buf section[SECTION_COUNT];
    struct buf lead; /* of the text region: its counts and the preview */
    struct buf text; /* its text; its section holds the spans between the two */
    uint32_t n_spans;
};

/* index: enum digest_table_section */
struct slice digest_section_bytes(const struct digest *digest, size_t index);
/* Of digest_part() the offsets, lines and fields alone. */
struct digest_part digest_part_numbers(const struct digest *digest, uint32_t index);
/* The substitute's edits lie in the message, its table opens, and both agree on its size. */
bool digest_substitute_is_sound(const struct digest *digest);
/* The keys are whole and their strings lie in the pool. */
bool digest_keys_are_sound(const struct digest *digest);

void digest_write_keys(struct digest_writer *w, const struct envelope *envelope);
void digest_write_text(struct digest_writer *w);
void digest_write_substitute(struct digest_writer *w);
/* The table of a substitute: without text and preview, and without a substitute of its own.
 * False if a section met its maximum. */
bool digest_build_core(const struct mime_tree *tree, struct buf *out);

#endif
