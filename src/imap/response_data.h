/* response_data.h - the part of response.c that reads untagged data: LIST, ESEARCH, 3 EXISTS.
 */
#ifndef ROOST_IMAP_RESPONSE_DATA_H
#define ROOST_IMAP_RESPONSE_DATA_H

#include "imap/lex.h"
#include "imap/response.h"

/* What stands behind "* " and is not OK, NO, BAD, BYE or PREAUTH. */
enum rc response_take_data(struct imap_input *in, struct imap_response *out, struct err *err);

#endif
