/* response_esearch.h - the part of response_data.c that reads what ESEARCH answers. */
#ifndef ROOST_IMAP_RESPONSE_ESEARCH_H
#define ROOST_IMAP_RESPONSE_ESEARCH_H

#include "imap/lex.h"
#include "imap/response.h"

/* [SP "(" one-correlator *(SP one-correlator) ")"]: RFC 7377 4; UIDBATCHES has it too. */
enum rc response_take_correlator(struct imap_input *in, struct imap_esearch_data *esearch,
                                 struct err *err);
/* Behind the word: RFC 4731 4, RFC 5267 5, RFC 6203 7, RFC 7377 4, RFC 9394 4. */
enum rc response_take_esearch(struct imap_input *in, struct imap_response *out,
                              struct err *err);

#endif
