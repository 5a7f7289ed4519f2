/*
 * lines.h - base64 in lines (RFC 2045 6.8), as mailers write attachments: all lines of one
 * length, CRLF between them. What has this form is stored decoded and comes back the same.
 */
#ifndef ROOST_STORE_LOCAL_LINES_H
#define ROOST_STORE_LOCAL_LINES_H

#include "base/buf.h"

#define LINES_CHARS_MAX 252u /* of a line; RFC 2045 allows 76 */

/* How much of text, from its start, has the form; 0: none. The decoded bytes are added to out,
 * and encoding them gives that much of text again. */
size_t lines_decode(struct slice text, uint8_t *out_line, struct buf *out);
/* Length of the encoded form with its last CRLF. line: a multiple of 4, not 0. */
uint64_t lines_length(uint64_t decoded_len, uint8_t line);
/* Bytes at .. at + len of the encoded form. read gives the decoded ones.
 * at + len <= lines_length(). */
MUST_CHECK enum rc lines_read(enum rc (*read)(void *ctx, uint64_t offset, char *out, size_t len,
                                              struct err *err),
                              void *ctx, uint64_t decoded_len, uint8_t line, uint64_t at,
                              char *out, size_t len, struct err *err);

#endif
