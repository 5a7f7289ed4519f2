/* response_thread.h - the part of response.c that reads what THREAD answers. */
#ifndef ROOST_IMAP_RESPONSE_THREAD_H
#define ROOST_IMAP_RESPONSE_THREAD_H

#include "imap/lex.h"
#include "imap/response.h"

/* [SP 1*thread-list]: RFC 5256 section 5. Checked, not kept; nesting has no limit. */
enum rc response_take_threads(struct imap_input *in, struct imap_response *out,
                              struct err *err);

#endif
