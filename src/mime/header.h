/*
 * header.h - header fields: where one ends, what its text is.
 *
 * Spec: RFC 5322 2.2 and 3.6, with what mail really holds: bare LF, space before the colon,
 * lines that are no field (kept, without a name), a continuation that continues nothing.
 * A line ends at LF; a CR before it belongs to the end. A CR elsewhere is white space.
 */
#ifndef ROOST_MIME_HEADER_H
#define ROOST_MIME_HEADER_H

#include "base/buf.h"
#include "base/scan.h"

#define HEADER_NAME_MAX_BYTES                                                                  \
    1000u /* a longer name is no name; RFC 5322 2.1.1 ends lines at 998 */

/* Length of the first line of text with its end; text.len if it has none. */
size_t header_line_len(struct slice text);
/* The line without its end of line. */
struct slice header_line_body(struct slice line);

/* Length of the field name that line starts with, or 0; *out_value is the offset behind the
 * colon. */
size_t header_name_len(struct slice line, size_t *out_value);

/* Take the comment that stands next, with those inside it (RFC 5322 3.2.2). False, and nothing
 * taken, if it does not close. */
bool header_comment(struct scan *sc, struct slice *out);
/* Pass over white space and comments (CFWS). A comment that does not close is all the rest. */
void header_skip_blank(struct scan *sc);

/*
 * The field's text on one line: ends of line before white space vanish (RFC 5322 2.2.3), other
 * CR and LF become spaces, white space at both ends goes.
 */
void header_unfold(struct slice raw, struct buf *out);

#endif
