/*
 * text.h - what SEARCH compares: the text of fields and parts, and the casemap.
 *
 * Spec: RFC 9051 6.4.4 (substring over decoded text), RFC 5051 (i;unicode-casemap). What the
 * text is, precisely enough to be written twice: docs/search.md.
 */
#ifndef ROOST_MIME_TEXT_H
#define ROOST_MIME_TEXT_H

#include "base/buf.h"
#include "mime/digest.h"

#define TEXT_FIELD_FACTOR 4u /* room that decoded text may need, per raw byte */

/* The text of one raw field: unfolded, encoded-words decoded, UTF-8; behind it what parameters
 * in RFC 2231 pieces say. */
void mime_text_of_field(struct slice name, struct slice raw, struct buf *out);

/* How a body becomes text. */
struct mime_text_source {
    enum digest_encoding encoding;
    struct slice charset;
    bool html;
};

/* The text of one body: decoded, UTF-8, HTML without its markup. Stops when out is full. */
void mime_text_of_body(const struct mime_text_source *source, struct slice body,
                       struct buf *out);

/*
 * RFC 5051 section 2: each character titlecased, then decomposed. Needles and text both go
 * through this, then compare as bytes. Bytes that are no UTF-8 stay as they are. Up to 3 bytes
 * come out for one of ASCII or Latin text, at most 18 for one character (U+FDFA).
 */
void mime_casemap(struct slice utf8, struct buf *out);
/* The same of text that has no byte above 0x7f: its letters become capitals. */
void mime_casemap_ascii(struct slice ascii, struct buf *out);

/* Changes whenever mime_casemap may answer otherwise: the Unicode version of the library and
 * MIME_CASEMAP_REVISION, ours. What keeps mapped text keeps this with it. */
#define MIME_CASEMAP_REVISION 1u
uint32_t mime_casemap_version(void);

#endif
