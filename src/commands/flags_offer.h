/*
 * flags_offer.h - FLAGS and PERMANENTFLAGS: which flags the selected mailbox has, and which of
 * them the client may change.
 *
 * Spec: RFC 9051 7.3.5 and 7.1 (PERMANENTFLAGS; once no keyword finds room any more it comes
 * again, without "\*"); RFC 4314 5.1.1 (it comes again when the client's rights have changed).
 *
 * SELECT says them. What was said is kept in the session; the sync behind each command says
 * them anew where it is not true any more. A new keyword alone is no reason (RFC 9051 7.1).
 */
#ifndef ROOST_COMMANDS_FLAGS_OFFER_H
#define ROOST_COMMANDS_FLAGS_OFFER_H

#include "commands/session.h"

/* Of the session's view, which has a version; what is said is noted in the session. */
void flags_offer_say(struct session *session, struct buf *out);
/* Only if something else was said before. */
void flags_offer_sync(struct session *session, struct buf *out);

#endif
