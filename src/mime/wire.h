/*
 * wire.h - strings of a message as IMAP values, in each form of the digest.
 *
 * Spec: RFC 9051 section 9 (nstring, quoted, literal), RFC 9755 section 3 (UTF-8 in quoted
 * strings), RFC 6858 section 2 (what a session without UTF-8 is shown).
 * Whatever the bytes, the output is grammatical: CR, LF and NUL never get out, P and D are
 * 7-bit, U is valid UTF-8. A string longer than WIRE_QUOTED_MAX_BYTES is a literal.
 */
#ifndef ROOST_MIME_WIRE_H
#define ROOST_MIME_WIRE_H

#include "base/buf.h"
#include "mime/addr.h"
#include "mime/digest.h"

#define WIRE_QUOTED_MAX_BYTES 1000u /* some clients read quoted strings into lines of 1 KiB */

bool wire_is_7bit(struct slice s);

/* Bytes as they are; what the form cannot hold is replaced. */
void wire_string(struct slice s, enum digest_form form, struct buf *out);
/* A raw field: unfolded. ptr NULL: NIL. What is not 7-bit is NIL in P and D (RFC 6858 2.4). */
void wire_field(struct slice raw, enum digest_form form, struct buf *out);
/* A raw field that may hold encoded-words; in P and D what is not 7-bit becomes such words. */
void wire_text(struct slice raw, enum digest_form form, struct buf *out);
/* One address structure (RFC 9051 7.5.2); an address that is not 7-bit as RFC 6858 2.1. */
void wire_addr(const struct addr *addr, enum digest_form form, struct buf *out);

#endif
