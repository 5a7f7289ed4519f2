/*
 * bodystructure.h - BODY and BODYSTRUCTURE.
 *
 * Spec: RFC 9051 7.5.2 and section 9 (body, body-ext-*), RFC 3501 7.4.2; RFC 6858 2.2. Always
 * grammatical. A parameter that is not 7-bit is written as RFC 2231 has it in forms P and D,
 * where RFC 6858 would leave it out: a file name is worth keeping.
 */
#ifndef ROOST_MIME_BODYSTRUCTURE_H
#define ROOST_MIME_BODYSTRUCTURE_H

#include "base/buf.h"
#include "mime/part.h"

/* extended: BODYSTRUCTURE, else BODY. */
void bodystructure_print(const struct mime_tree *tree, enum digest_form form, bool extended,
                         struct buf *out);

#endif
