/*
 * base64.h - RFC 4648 sections 4 and 5. Strict: for SASL, keys and tokens. Lenient decoding of
 * mail is mime/'s.
 */
#ifndef ROOST_BASE_BASE64_H
#define ROOST_BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct slice bytes);
/* All of text, padded, nothing else in it. RC_SYNTAX otherwise, out as it was. */
MUST_CHECK enum rc base64_decode(struct slice text, struct buf *out);
/* The same of section 5 as RFC 7515 2 writes it: "-" and "_", no padding, and no bits over. */
MUST_CHECK enum rc base64url_decode(struct slice text, struct buf *out);
void base64url_encode(struct buf *out, struct slice bytes);

#endif
