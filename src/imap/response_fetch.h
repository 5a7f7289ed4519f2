/* response_fetch.h - the part of response.c that reads what FETCH answers. */
#ifndef ROOST_IMAP_RESPONSE_FETCH_H
#define ROOST_IMAP_RESPONSE_FETCH_H

#include "imap/lex.h"
#include "imap/response.h"

/* msg-att: "(" item SP value *(SP item SP value) ")" */
enum rc response_take_fetch(struct imap_input *in, struct imap_fetch_message *out,
                            struct err *err);
/* "(" [flag *(SP flag)] ")", \Recent and (perm) \* included. */
enum rc response_take_flags(struct imap_input *in, bool perm, struct imap_flags *out,
                            struct err *err);

/* "(" objectid ")": RFC 8474 section 7 */
MUST_CHECK enum rc response_take_object_id(struct imap_input *in, struct slice *out,
                                           struct err *err);

#endif
