/* mail_header.h - the few things an import looks for in a message's header. */
#ifndef ROOST_CLI_MAIL_HEADER_H
#define ROOST_CLI_MAIL_HEADER_H

#include "base/slice.h"

struct mail_field {
    struct slice all; /* with its line ends */
    struct slice name, value;
};

/* The field at the start of text, with the lines that continue it; false at the end of the
 * header. Ends of line may be LF or CRLF. */
bool mail_next_field(struct slice text, struct mail_field *out);

/* Does text begin as a message does: with a field? */
bool mail_looks_like(struct slice text);

/* When it came: the date of the topmost Received field, else Date; 0: neither has one. */
int64_t mail_header_date(struct slice message);

#endif
