/*
 * thread.h - which messages belong together: THREADID.
 *
 * Spec: RFC 8474 5.2; RFC 5322 3.6.4 (References, In-Reply-To).
 *
 * A thread is named by the Message-ID it began with: the first of a message's References, else
 * its In-Reply-To, else its own. The THREADID is a hash of that name, so a message has it from
 * the beginning and for good, whatever comes before or after it, in whatever mailbox. A message
 * that names nothing is a thread of its own.
 */
#ifndef ROOST_MAILBOX_THREAD_H
#define ROOST_MAILBOX_THREAD_H

#include "account/state.h"
#include "mime/digest.h"

/* One that came with the message (restored, moved in) stays. Copies of a message have the same.
 */
void thread_id(const struct msg_cold *cold, const struct digest *digest, struct object_id *out);

#endif
