/*
 * part.h - the tree of a message's parts, found in one pass over its lines.
 *
 * Spec: RFC 2045, RFC 2046 5.1 (multipart) and 5.2.1 (message/rfc822), RFC 6532 3.7
 * (message/global). Lenient: a multipart without boundary or without parts has one text/plain
 * child that covers it; a part may end without delimiter; a header may end without blank line.
 *
 * Invariants: parts stand in the order of the message, parents before children; part 0 is the
 * root; every multipart has a child, every DIGEST_MESSAGE and DIGEST_GLOBAL exactly one.
 * Work: each line is compared with at most MIME_DEPTH_MAX boundaries.
 * Memory: the tree owns its arrays; slices in it point into the message or the tree's arena.
 */
#ifndef ROOST_MIME_PART_H
#define ROOST_MIME_PART_H

#include "base/arena.h"
#include "mime/digest.h"

#define MIME_PARTS_MAX          1000u
#define MIME_DEPTH_MAX          32u                /* containers inside each other */
#define MIME_HEADER_MAX_BYTES   ((size_t) 1 << 20) /* of one part's header block */
#define MIME_FIELDS_MAX         500000u            /* fields of all headers together */
#define MIME_BOUNDARY_MAX_BYTES 1000u              /* RFC 2046 5.1.1 has 70 */
#define MIME_TOKEN_MAX_BYTES    127u               /* RFC 4288 4.2: of type and subtype each */

/* The fields that describe a body; their raw text, ptr NULL if absent. */
enum mime_content {
    MIME_TYPE,
    MIME_ENCODING,
    MIME_DISPOSITION,
    MIME_ID,
    MIME_DESCRIPTION,
    MIME_MD5,
    MIME_LANGUAGE,
    MIME_LOCATION,
};
#define MIME_CONTENT_COUNT (MIME_LOCATION + 1)

struct mime_part {
    enum digest_part_kind kind;
    enum digest_encoding encoding;
    uint32_t flags; /* enum digest_part_flag */
    uint32_t parent, first_child, last_child, next_sibling;
    uint32_t number;
    uint32_t mime, body, end;
    uint32_t lines;
    uint32_t first_field, n_fields;
    struct slice type, subtype; /* lower case */
    struct slice content[MIME_CONTENT_COUNT];
    struct slice boundary;
    uint32_t first_line; /* number of the body's first line */
    bool closed;         /* its last delimiter was seen */
};

struct mime_tree {
    struct slice msg;
    struct mime_part *parts;
    uint32_t n_parts, parts_cap;
    struct digest_field *fields;
    uint32_t n_fields, fields_cap;
    uint32_t flags; /* enum digest_flag */
    struct arena *arena;
};

/* msg.len <= DIGEST_MESSAGE_MAX_BYTES. */
void mime_tree_init(struct mime_tree *tree, struct slice msg);
void mime_tree_done(struct mime_tree *tree);
/* All of msg is the root's body of one leaf; the header is what comes before the first blank
 * line. */
void mime_tree_init_opaque(struct mime_tree *tree, struct slice msg);

/* A field's name and raw text, its end of line included. */
struct slice mime_field_name(const struct mime_tree *tree, uint32_t field);
struct slice mime_field_value(const struct mime_tree *tree, uint32_t field);
struct slice mime_part_body(const struct mime_tree *tree, uint32_t part);

#endif
