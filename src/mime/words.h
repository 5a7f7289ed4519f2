/*
 * words.h - encoded-words: "=?utf-8?Q?=C3=A4?=" to text and back.
 *
 * Spec: RFC 2047, RFC 2231 section 5 (language). Lenient: words inside other text, spaces in
 * words, characters split between words of one charset and encoding, raw 8-bit bytes.
 */
#ifndef ROOST_MIME_WORDS_H
#define ROOST_MIME_WORDS_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * The text of a field, folded or not, as UTF-8 on one line: unfolded, white space between
 * encoded-words dropped, words decoded. A word in an unknown charset stays as it is. No CR, LF
 * or NUL in the output.
 */
void words_decode(struct slice raw, struct buf *out);

/* UTF-8 text as encoded-words (RFC 2047 section 2: each at most 75 bytes, whole characters),
 * joined by spaces. Pure 7-bit. */
void words_encode(struct slice utf8, struct buf *out);

#endif
