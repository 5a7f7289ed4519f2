/*
 * digest_table.h - the numbers of docs/formats/digest.md, for its writer and its reader.
 */
#ifndef ROOST_MIME_DIGEST_TABLE_H
#define ROOST_MIME_DIGEST_TABLE_H

#include "mime/digest.h"
#include "mime/envelope.h"
#include "mime/part.h"

#define DIGEST_MAGIC        SLICE("RoDg")
#define DIGEST_HEAD_BYTES   176u
#define DIGEST_PART_BYTES   96u
#define DIGEST_FIELD_BYTES  16u
#define DIGEST_KNOWN_BYTES  12u
#define DIGEST_SPAN_BYTES   24u
#define DIGEST_STRING_BYTES 8u
#define DIGEST_KEYS_BYTES   84u /* without the references */
/* Of one section; past it the message is one opaque leaf. */
#define DIGEST_SECTION_MAX_BYTES ((size_t) 64 << 20)

enum digest_table_section {
    SECTION_PARTS,
    SECTION_FIELDS,
    SECTION_KNOWN,
    SECTION_RAW,
    SECTION_STRINGS,
    SECTION_WIRE, /* three items in each of three forms: WIRE + 3 * form + item */
    SECTION_KEYS = SECTION_WIRE + DIGEST_FORM_COUNT * DIGEST_ITEM_COUNT,
    SECTION_PREVIEW,
    SECTION_TEXT,
};
#define SECTION_COUNT (SECTION_TEXT + 1)

/* Fields whose lines are copied: what mail programs ask for when they list a mailbox. */
bool digest_field_is_known(struct slice name);

/* What digest_build puts together; each buffer is one section. */
struct digest_writer {
    const struct mime_tree *tree;
    uint32_t flags;
    struct buf section[SECTION_COUNT];
    struct buf text; /* the text of the text region; its section holds the spans */
    uint32_t n_spans;
};

/* A string reference: bytes added to the pool, offset and length to the section. */
void digest_put_string(struct digest_writer *w, struct buf *section, struct slice s);

void digest_write_keys(struct digest_writer *w, const struct envelope *envelope);
void digest_write_text(struct digest_writer *w);

#endif
