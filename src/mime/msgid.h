/*
 * msgid.h - message-ids, by which messages are threaded.
 *
 * Spec: RFC 5322 3.6.4, RFC 5256 section 3 (REFERENCES, steps on message-ids).
 */
#ifndef ROOST_MIME_MSGID_H
#define ROOST_MIME_MSGID_H

#include "base/buf.h"
#include "base/scan.h"

#define MSGID_MAX_BYTES      998u  /* RFC 5322 2.1.1: none can be longer than a line */
#define MSGID_REFERENCES_MAX 1000u /* the last ones of a References field */

/* The next "<...>" of a raw field, as it stands between the brackets. False at the end. */
bool msgid_next(struct scan *sc, struct slice *out);
/* Append it as two ids compare equal: without quotes, backslashes and white space. */
void msgid_normalise(struct slice id, struct buf *out);

#endif
