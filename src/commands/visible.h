/*
 * visible.h - every mailbox that a session may see, in one order: its own, then those that
 * others share with it, under the names of places.h.
 *
 * Spec: RFC 9051 6.3.9, RFC 4314 4 (LIST: what lacks "l" does not exist).
 *
 * One version of each account, held until the end. The mailboxes of others are looked for when
 * they are first asked for (visible_need_all), so who lists "INBOX" pays nothing for them.
 */
#ifndef ROOST_COMMANDS_VISIBLE_H
#define ROOST_COMMANDS_VISIBLE_H

#include "commands/places.h"

struct visible;

/* Lives in arena; visible_done() gives the versions back. */
struct visible *visible_begin(struct session *session, struct arena *arena);
void visible_done(struct visible *visible);
/* Others' mailboxes as well. An account that cannot be opened is left out (logged). */
MUST_CHECK enum rc visible_need_all(struct visible *visible, struct err *err);

/* The session's own account. */
const struct acct_state *visible_own(const struct visible *visible);

size_t visible_count(const struct visible *visible);
struct slice visible_name(const struct visible *visible, size_t at);
const struct mbox *visible_mbox(const struct visible *visible, size_t at);
/* Id of the account it lies in. */
uint64_t visible_owner(const struct visible *visible, size_t at);
/* NULL: none that the session may see. */
const struct mbox *visible_find(const struct visible *visible, struct slice name);
/* First mailbox whose name is not before this one, among those of the same account as name. */
size_t visible_lower_bound(const struct visible *visible, struct slice name);
/* Is there a mailbox below this name? O(log n). */
bool visible_has_children(const struct visible *visible, struct slice name);
/* How the session looks at a mailbox that visible_find() has. */
struct reader visible_reader(const struct visible *visible, struct slice name);

#endif
