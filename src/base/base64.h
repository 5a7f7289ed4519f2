/*
 * base64.h - RFC 4648 section 4. Strict: for SASL and keys. Lenient decoding of mail is
 * mime/'s.
 */
#ifndef ROOST_BASE_BASE64_H
#define ROOST_BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct slice bytes);
/* All of text, padded, nothing else in it. RC_SYNTAX otherwise, out as it was. */
MUST_CHECK enum rc base64_decode(struct slice text, struct buf *out);

#endif
