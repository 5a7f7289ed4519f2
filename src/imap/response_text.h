/* response_text.h - the part of response.c that reads resp-text and response codes. */
#ifndef ROOST_IMAP_RESPONSE_TEXT_H
#define ROOST_IMAP_RESPONSE_TEXT_H

#include "imap/lex.h"
#include "imap/response.h"

/* resp-text: code, code_args and text of out. */
enum rc response_take_text(struct imap_input *in, struct imap_response *out, struct err *err);
/* A set without "*" and "$": uid-set, known-uids. */
bool response_take_plain_set(struct imap_input *in, struct seqset *out);

#endif
