/*
 * preview.h - a line that tells a message from others in a list.
 *
 * Spec: RFC 8970 3.3. Quoted lines and signatures are passed over if anything else is there.
 */
#ifndef ROOST_MIME_PREVIEW_H
#define ROOST_MIME_PREVIEW_H

#include "base/buf.h"
#include "base/slice.h"

#define PREVIEW_MAX_CHARS    200u
#define PREVIEW_SOURCE_BYTES ((size_t) 16 << 10) /* of the text that is looked at */

/* At most PREVIEW_MAX_CHARS characters of the text (UTF-8), white space runs as one space. */
void preview_of_text(struct slice utf8, struct buf *out);

#endif
