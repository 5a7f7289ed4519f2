/*
 * mailbox_rules.h - what the administrator's rules leave of the mailboxes to a session: lines
 * of a sign and a pattern, as auth has decided (docs/formats/policy.md, "What a session
 * keeps"). The first that fits a name decides.
 *
 * Names are those under which the session knows mailboxes. A pattern without "*" means that
 * mailbox and what is below it.
 */
#ifndef ROOST_COMMANDS_MAILBOX_RULES_H
#define ROOST_COMMANDS_MAILBOX_RULES_H

#include "base/slice.h"

enum mailbox_access { MAILBOX_HIDDEN, MAILBOX_READ, MAILBOX_ALL };

struct mailbox_rules;

/* NULL if there are no lines: then nothing is narrowed. The lines are copied. */
struct mailbox_rules *mailbox_rules_new(struct slice lines);
void mailbox_rules_free(struct mailbox_rules *rules); /* NULL is allowed */
/* NULL: MAILBOX_ALL. What no line fits is MAILBOX_HIDDEN. */
enum mailbox_access mailbox_rules_find(const struct mailbox_rules *rules, struct slice name);

#endif
