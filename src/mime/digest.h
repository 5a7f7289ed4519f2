/*
 * digest.h - what the server knows of one message: a flat table, made once, read by copying.
 *
 * Format: docs/formats/digest.md. Spec: RFC 9051 6.4.5 and 7.5.2 (sections, ENVELOPE, BODY,
 * BODYSTRUCTURE), RFC 5256 and RFC 5957 (sort and thread keys), RFC 8970 (preview), RFC 6858
 * and RFC 9755 (messages with UTF-8 headers).
 *
 * digest_build() reads hostile bytes and never fails; it runs in a sandboxed process. The table
 * it makes comes back from there, so it is not believed: digest_open() checks every offset,
 * count and link once. After that each accessor is memory-safe and ends, whatever the bytes
 * are, and every range lies within message_size. What the wire forms hold is checked by
 * digest_verify(), once, when a table arrives from the other process.
 *
 * Memory: struct digest is a plain value that borrows the table; every slice points into it.
 */
#ifndef ROOST_MIME_DIGEST_H
#define ROOST_MIME_DIGEST_H

#include "base/buf.h"
#include "base/scan.h"
#include "base/slice.h"

#define DIGEST_VERSION 7u
#define DIGEST_MESSAGE_MAX_BYTES                                                               \
    ((size_t) 1 << 30)                                /* what the table's u32 offsets may hold \
                                                       */
#define DIGEST_MAX_BYTES         ((size_t) 512 << 20) /* for buf_init of the output */
#define DIGEST_TEXT_MAX_BYTES    ((size_t) 96 << 20) /* search text; past it: DIGEST_TEXT_CUT */
#define DIGEST_RAW_MAX_BYTES     ((size_t) 64 << 10) /* copied header lines */
#define DIGEST_PREVIEW_MAX_BYTES 800u                /* PREVIEW_MAX_CHARS in UTF-8 */
#define DIGEST_LEAD_MAX_BYTES    (8u + DIGEST_PREVIEW_MAX_BYTES) /* of the text region */
#define DIGEST_NONE              UINT32_MAX /* no part: indexes stay far below it */

enum digest_flag {
    DIGEST_8BIT_HEADER = 1u << 0,     /* some header field holds a byte above 0x7f */
    DIGEST_HAS_NUL = 1u << 1,         /* a NUL somewhere: show it as 0x80 in BODY[] */
    DIGEST_OPAQUE = 1u << 2,          /* a limit was met: the body is one leaf */
    DIGEST_OPAQUE_PART = 1u << 3,     /* a limit was met below: some container is a leaf */
    DIGEST_HEADER_CUT = 1u << 4,      /* fields past the limit are one nameless field */
    DIGEST_TEXT_CUT = 1u << 5,        /* search text ends early: search the message itself */
    DIGEST_RAW_CUT = 1u << 6,         /* not all known fields are copied: read the header */
    DIGEST_P_ENOUGH = 1u << 7,        /* forms D and U equal form P */
    DIGEST_HAS_GLOBAL = 1u << 8,      /* holds a message/global */
    DIGEST_HAS_ATTACHMENT = 1u << 9,  /* a leaf with disposition attachment or a file name */
    DIGEST_BARE_EOL = 1u << 10,       /* a CR without LF or a LF without CR */
    DIGEST_HAS_SUBSTITUTE = 1u << 11, /* sessions without UTF8=ACCEPT are shown another message
                                       */
};

/* What is fetched as a value of its own. */
enum digest_item { DIGEST_ENVELOPE, DIGEST_BODY, DIGEST_BODYSTRUCTURE };
#define DIGEST_ITEM_COUNT (DIGEST_BODYSTRUCTURE + 1)

/*
 * How it is written.
 * P: 7-bit, strings quoted or literal; 8-bit header text as encoded-words, UTF-8 addresses as
 *    RFC 6858 2.1 says; message/global is a leaf. Valid in every session.
 * D: as P, but message/global has envelope and body (RFC 9051). For IMAP4rev2 without UTF8.
 * U: UTF-8 in quoted strings, message/global with envelope and body. After ENABLE UTF8=ACCEPT.
 */
enum digest_form { DIGEST_FORM_P, DIGEST_FORM_D, DIGEST_FORM_U };
#define DIGEST_FORM_COUNT (DIGEST_FORM_U + 1)

enum digest_part_kind {
    DIGEST_LEAF,
    DIGEST_TEXT,      /* text/ *: lines are counted in BODY */
    DIGEST_MULTIPART, /* children are its parts, at least one */
    DIGEST_MESSAGE,   /* message/rfc822: one child, the root of the embedded message */
    DIGEST_GLOBAL,    /* message/global: the same, see the forms */
};
#define DIGEST_PART_KIND_COUNT (DIGEST_GLOBAL + 1)

enum digest_encoding {
    DIGEST_CTE_IDENTITY, /* 7bit, 8bit, binary, absent */
    DIGEST_CTE_BASE64,
    DIGEST_CTE_QP,
    DIGEST_CTE_UUENCODE,
    DIGEST_CTE_UNKNOWN, /* BINARY answers [UNKNOWN-CTE] */
};
#define DIGEST_ENCODING_COUNT (DIGEST_CTE_UNKNOWN + 1)

enum digest_part_flag {
    DIGEST_PART_UNDECODABLE = 1u << 0, /* BINARY: [UNKNOWN-CTE]; decoded_size means nothing */
    DIGEST_PART_ATTACHMENT = 1u << 1,
    DIGEST_PART_OPAQUE = 1u << 2,
    DIGEST_PART_8BIT_HEADER = 1u << 3,
    DIGEST_PART_ROOT = 1u << 4, /* root of a message: its MIME header is the message's header */
};

/* Offsets are into the message: MIME header [mime, body), body [body, end). */
struct digest_part {
    enum digest_part_kind kind;
    enum digest_encoding encoding;
    uint32_t flags;
    uint32_t parent, first_child, next_sibling; /* indexes or DIGEST_NONE */
    uint32_t number;                            /* among its siblings, from 1 */
    uint32_t mime, body, end;
    uint32_t lines; /* in the body; a last line without end counts */
    uint32_t first_field, n_fields;
    uint64_t decoded_size; /* octets after the transfer encoding, RFC 9051 BINARY.SIZE */
    /* type and subtype as in BODY, but lower case; charset as written; name and id decoded */
    struct slice type, subtype, charset, filename, content_id;
};

/* A header field [start, end), its end of line included. name_len 0: a line that is none. */
struct digest_field {
    uint32_t start, value, end;
    uint16_t name_len;
    bool copied; /* its line is in the table */
};

struct digest_range {
    uint32_t offset, len;
};

/* UTF-8, not casemapped. Absent ones are empty. */
struct digest_keys {
    bool has_sent;    /* the Date field has a date */
    bool is_reply;    /* RFC 5256 2.1: the subject had a reply or forward mark */
    int64_t sent_sec; /* seconds since 1970, UTC */
    int32_t sent_day; /* days since 1970 of the date as written, zone disregarded: SENTON */
    struct slice base_subject;
    struct slice from_mailbox, to_mailbox, cc_mailbox; /* addr-mailbox of the first address */
    struct slice from_display, to_display;             /* RFC 5957 section 3 */
    struct slice message_id, in_reply_to;              /* without < >, quoting removed */
    uint32_t n_references;                             /* from the References field */
};

/* The ids of the References field still to come. */
struct digest_references {
    struct scan lengths;
    struct slice strings;
};

enum digest_span_kind {
    DIGEST_SPAN_HEADER,      /* a field of the message's own header */
    DIGEST_SPAN_PART_HEADER, /* a field of a part or of an embedded message */
    DIGEST_SPAN_BODY,        /* text of a part */
};
#define DIGEST_SPAN_KIND_COUNT (DIGEST_SPAN_BODY + 1)

/*
 * One run of search text: decoded, unfolded UTF-8. HEADER and PART_HEADER: "Name: value", with
 * value apart. SEARCH HEADER looks at HEADER values, BODY at PART_HEADER and BODY spans, TEXT
 * at all.
 */
struct digest_span {
    enum digest_span_kind kind;
    uint32_t part;
    struct slice text, name, value; /* name and value empty for BODY */
};

/* An opened table. Fields of this struct may be read; sections through the functions. */
struct digest {
    struct slice table;
    uint32_t flags;
    uint32_t message_size, header_end;
    uint32_t n_parts, n_spans;
    uint32_t preview_len;
    uint32_t number_bytes; /* of the numbers of a part record */
    bool has_text;         /* the search text region, with the preview, is there */
    struct {
        uint32_t offset, len;
    } section[17];
};

/* ---- making ---- */

/* Append the table for msg to out. msg.len <= DIGEST_MESSAGE_MAX_BYTES; out holds at least
 * DIGEST_MAX_BYTES. Never fails on a message; linear in msg.len. */
void digest_build(struct slice msg, struct buf *out);
/* What to store while no table could be made (the process died on it): one opaque leaf. */
void digest_build_opaque(struct slice msg, struct buf *out);

/* ---- opening ---- */

/* RC_CORRUPT if anything is out of bounds; RC_INVALID for a version to be rebuilt. The table
 * may end after the core (digest_core_len), then there is no search text. */
MUST_CHECK enum rc digest_open(struct slice table, struct digest *out, struct err *err);
/* The same without a look at each part, field, key and span: for a table that digest_open() and
 * digest_verify() have let in before it was stored, and whose stored bytes met their checksum.
 */
MUST_CHECK enum rc digest_open_kept(struct slice table, struct digest *out, struct err *err);
/* The text region alone, as it lies behind the core: for digest_span(), nothing else of *out
 * means anything. */
MUST_CHECK enum rc digest_open_text(struct slice region, struct digest *out, struct err *err);
/* RC_CORRUPT unless the wire forms are well-formed IMAP values, the text is UTF-8, and the
 * table is of this message. */
MUST_CHECK enum rc digest_verify(const struct digest *digest, struct slice msg,
                                 struct err *err);
/* Length of the table without the search text region, which begins with the preview; the rest
 * may be stored apart or dropped. */
size_t digest_core_len(const struct digest *digest);

/* ---- structure; index < n_parts ---- */

/* The wire form; where a form was not made it equals P, and P comes back. */
struct slice digest_wire(const struct digest *digest, enum digest_item item,
                         enum digest_form form);
struct digest_part digest_part(const struct digest *digest, uint32_t index);

/* The part that a path of numbers names (RFC 9051 6.4.5.1), n >= 1; RC_NOT_FOUND if none. */
MUST_CHECK enum rc digest_find_part(const struct digest *digest, const uint32_t *path, size_t n,
                                    uint32_t *out);

enum digest_section_kind {
    DIGEST_WHOLE,  /* n = 0: the message; else the part's body, as BODY[1.2] */
    DIGEST_HEADER, /* n = 0: the message's; else of the embedded message, with its blank line */
    DIGEST_TEXT_OF, /* n = 0: the message's; else of the embedded message */
    DIGEST_MIME,    /* n >= 1: the part's MIME header, with its blank line */
};

/* RC_NOT_FOUND: no such part, or HEADER/TEXT of one that is no message. */
MUST_CHECK enum rc digest_section(const struct digest *digest, const uint32_t *path, size_t n,
                                  enum digest_section_kind kind, struct digest_range *out);

/* The fields to choose from: of the message (n = 0) or of the embedded message at path. */
struct digest_header {
    uint32_t first_field, n_fields;
    struct digest_range range; /* header with its blank line */
};
MUST_CHECK enum rc digest_header_of(const struct digest *digest, const uint32_t *path, size_t n,
                                    struct digest_header *out);

/* The names of HEADER.FIELDS, looked at once for all messages that are asked for them. */
#define DIGEST_NAMES_SLOTS 64u
struct digest_names {
    const struct slice *names;
    size_t n;
    bool all_known;                   /* each is among those whose lines are copied */
    size_t first[DIGEST_NAMES_SLOTS]; /* of a length and a first letter; n: none is such */
};
/* The names stay the caller's. */
void digest_names_init(struct digest_names *out, const struct slice *names, size_t n);

/* True if the copied lines answer HEADER.FIELDS of these names of the message's own header. */
bool digest_fields_are_copied(const struct digest *digest, const struct digest_names *names);
/* Then this is BODY[HEADER.FIELDS names] of it: the fields in their order and a blank line.
 * Names compare without case. */
void digest_copied_fields(const struct digest *digest, const struct digest_names *names,
                          struct buf *out);
/* The same of any header, or HEADER.FIELDS.NOT; bytes: those of header->range. */
void digest_header_fields(const struct digest *digest, const struct digest_header *header,
                          struct slice bytes, const struct digest_names *names, bool not,
                          struct buf *out);

/* ---- the substitute (mime/downgrade.h) ---- */

/*
 * What a session without UTF8=ACCEPT is shown instead of the message: a message of its own,
 * with a digest of its own, which is within the table. Its bytes are those of the message but
 * for a few edits.
 */
struct digest_substitute {
    struct slice edits, inserted;
    struct slice table; /* for digest_open_substitute(); no text, no preview */
};

/* Bytes that stand together: of the message, or inserted. */
struct digest_piece {
    bool is_inserted;
    uint32_t offset, len; /* in the message, or in `inserted` */
};

/* Pieces from an offset of the substitute on. */
struct digest_pieces {
    struct scan edits;
    uint32_t at, size;     /* of the message: what is read, and where it ends */
    uint32_t inserted;     /* of `inserted` is read */
    uint32_t kept, put_in; /* of the edit under way: octets to come */
    uint32_t removed;
};

/* False: the message is shown to everybody. */
bool digest_get_substitute(const struct digest *digest, struct digest_substitute *out);
MUST_CHECK enum rc digest_open_substitute(const struct digest_substitute *substitute,
                                          struct digest *out, struct err *err);
void digest_pieces_begin(const struct digest *digest,
                         const struct digest_substitute *substitute, struct digest_pieces *out);
/* At most max octets; false behind the last. */
bool digest_next_piece(struct digest_pieces *pieces, uint32_t max, struct digest_piece *out);
/* All of it, made of the message. */
void digest_substitute_bytes(const struct digest *digest,
                             const struct digest_substitute *substitute, struct slice msg,
                             struct buf *out);
/* Pass over octets; fewer if there are fewer. As many steps as there are edits. */
void digest_skip_pieces(struct digest_pieces *pieces, uint64_t octets);

/* ---- keys, preview, search text ---- */

struct digest_keys digest_keys(const struct digest *digest);
/* The references, oldest first; false after the last. */
void digest_references(const struct digest *digest, struct digest_references *out);
bool digest_next_reference(struct digest_references *references, struct slice *out);
/* UTF-8, at most 200 characters, one line; may be empty (RFC 8970), and is without the region.
 */
struct slice digest_preview(const struct digest *digest);
/* The same out of a text region, of which the first DIGEST_LEAD_MAX_BYTES are enough. False:
 * damaged. */
bool digest_lead_preview(struct slice lead, struct slice *out);
/* All runs lie in order; n_spans is 0 without the region. */
struct digest_span digest_span(const struct digest *digest, uint32_t index);
/* The text of all runs, one behind the other: what is in a run is in here, but not the reverse.
 */
struct slice digest_text(const struct digest *digest);

#endif
