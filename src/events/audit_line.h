/*
 * audit_line.h - one line of the audit log: its chain and its signature.
 *
 * Format: docs/formats/audit.md, "Lines".
 */
#ifndef ROOST_EVENTS_AUDIT_LINE_H
#define ROOST_EVENTS_AUDIT_LINE_H

#include "base/buf.h"

#define AUDIT_CHAIN_BYTES      32u
#define AUDIT_SIGNATURE_BYTES  64u
#define AUDIT_KEY_BYTES        64u
#define AUDIT_PUBLIC_KEY_BYTES 32u
#define AUDIT_LINE_MAX_BYTES   ((size_t) 320 << 10) /* a log line, its ECS names, its tail */

struct audit_mark { /* how far: the line of this number has this chain */
    uint64_t sequence;
    unsigned char chain[AUDIT_CHAIN_BYTES];
};

/* What stands before line 1. */
void audit_mark_first(const unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES],
                      struct audit_mark *out);

/*
 * Append the line behind `mark` with these members (`"a":1,"b":2`) and its newline, and move
 * mark to it. key: sign it; NULL: do not. signature: filled if key is given, may be NULL.
 */
void audit_line_add(struct buf *out, struct slice members, struct audit_mark *mark,
                    const unsigned char key[AUDIT_KEY_BYTES],
                    unsigned char signature[AUDIT_SIGNATURE_BYTES]);

struct audit_line {
    struct slice hashed; /* what the chain goes over */
    struct audit_mark mark;
    bool is_signed;
    unsigned char signature[AUDIT_SIGNATURE_BYTES];
};

/* A line without its newline. False: it has not the form of one. */
bool audit_line_read(struct slice text, struct audit_line *out);

/* The chain of a line that has these octets and stands behind `before`. */
void audit_chain_next(const unsigned char before[AUDIT_CHAIN_BYTES], struct slice hashed,
                      unsigned char out[AUDIT_CHAIN_BYTES]);

bool audit_signature_is_good(const struct audit_mark *mark,
                             const unsigned char signature[AUDIT_SIGNATURE_BYTES],
                             const unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES]);

/* The text of a member `"NAME":"TEXT"` that holds no escapes; NULL slice if it is not there. */
struct slice audit_line_member(struct slice line, const char *name);

/* Lower case, two digits an octet. */
void audit_hex(struct buf *out, const unsigned char *bytes, size_t n);
bool audit_unhex(struct slice text, unsigned char *out, size_t n);

#endif
