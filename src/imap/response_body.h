/* response_body.h - the parts of response.c that read ENVELOPE and BODYSTRUCTURE. */
#ifndef ROOST_IMAP_RESPONSE_BODY_H
#define ROOST_IMAP_RESPONSE_BODY_H

#include "imap/lex.h"
#include "imap/response.h"

enum rc response_take_envelope(struct imap_input *in, const struct imap_envelope **out,
                               struct err *err);
enum rc response_take_body(struct imap_input *in, bool extended, const struct imap_body **out,
                           struct err *err);

#endif
