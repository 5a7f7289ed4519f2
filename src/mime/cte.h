/*
 * cte.h - content transfer encodings, back to bytes.
 *
 * Spec: RFC 2045 section 6, RFC 2047 4.2 (Q), RFC 9051 6.4.5 (BINARY). Decoding is lenient and
 * never fails; `damaged` says that the text broke the rules of its encoding, so that BINARY can
 * refuse ([UNKNOWN-CTE]) where search goes on with what there is.
 */
#ifndef ROOST_MIME_CTE_H
#define ROOST_MIME_CTE_H

#include "base/buf.h"
#include "mime/digest.h"

/* The encoding a field names, its text unfolded or not. Empty: identity. */
enum digest_encoding cte_from_field(struct slice raw);
/* Its name as written, without the comments and quotes around it; of an encoding that is known
 * it is all of it. */
struct slice cte_name(struct slice raw);

/* Decodes in steps, so that a body needs no copy of its size. */
struct cte_reader {
    enum digest_encoding encoding;
    struct slice text;
    size_t at;
    size_t blank_end; /* quoted-printable: white space before it belongs to the text */
    uint32_t bits;    /* base64: bits not yet put out, and how many */
    uint32_t n_bits;
    bool padded, in_uu;
    bool damaged;
};

void cte_open(struct cte_reader *reader, enum digest_encoding encoding, struct slice text);
/* Append the next bytes, about 16 KiB; out has room for the text and 64 bytes. False when all
 * is done (then nothing was appended). */
bool cte_next(struct cte_reader *reader, struct buf *out);

/* Octets after decoding; *out_damaged as above. UNKNOWN counts as identity. */
uint64_t cte_decoded_size(enum digest_encoding encoding, struct slice text, bool *out_damaged);
/* All at once. False if damaged or UNKNOWN. */
bool cte_decode(enum digest_encoding encoding, struct slice text, struct buf *out);

/* Of encoded-words. */
void cte_decode_base64(struct slice text, struct buf *out);
void cte_decode_q(struct slice text, struct buf *out);

#endif
