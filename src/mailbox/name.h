/*
 * name.h - mailbox names as the store has them: UTF-8 NFC, "/" between components (RFC
 * 9051 5.1).
 *
 * No name is ever a path here, but clients make paths of them: no component is "." or "..".
 * INBOX in any case is INBOX, as is the first component of "inbox/x".
 */
#ifndef ROOST_MAILBOX_NAME_H
#define ROOST_MAILBOX_NAME_H

#include "account/types.h"

#define NAME_SEPARATOR '/'

/* May a mailbox be made with this name? RC_INVALID or RC_LIMIT with a text that says why. */
MUST_CHECK enum rc mailbox_name_check(struct slice name, struct err *err);
bool mailbox_name_is_inbox(struct slice name);
/* With INBOX in capitals where it is INBOX or stands first; in arena if it changed. */
struct slice mailbox_name_canonical(struct slice name, struct arena *arena);
/* "a/b" of "a/b/c"; empty for a name without superiors. */
struct slice mailbox_name_parent(struct slice name);
bool mailbox_name_is_below(struct slice name, struct slice parent);

#endif
