/*
 * urlauth.h - what SELECT, the sync and URLFETCH share of URLAUTH (RFC 4467).
 */
#ifndef ROOST_COMMANDS_URLAUTH_H
#define ROOST_COMMANDS_URLAUTH_H

#include "commands/cmd.h"
#include "imap/url.h"

/* Is this a name of the account's user? */
bool urlauth_is_user(const struct session *session, struct slice name, uint64_t account);

/* RFC 4467 8: SELECT tells the mechanisms; later on, that the key of the selected mailbox was
 * reset. With a version in the view. */
void urlauth_selected(struct session *session, struct buf *out);
void urlauth_sync(struct session *session, struct buf *out);

#endif
