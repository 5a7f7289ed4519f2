/*
 * uidonly.h - sessions whose messages have no numbers.
 *
 * Spec: RFC 9586. Behind ENABLE UIDONLY a message number is refused wherever it may stand,
 * FETCH is told as UIDFETCH and EXPUNGE as VANISHED (sync.c, fetch_item.c, imap/print.h). The
 * view counts on; nobody is told its numbers.
 */
#ifndef ROOST_COMMANDS_UIDONLY_H
#define ROOST_COMMANDS_UIDONLY_H

#include "commands/cmd.h"

/* BAD [UIDREQUIRED]. Always an error. */
MUST_CHECK enum rc uidonly_refuse(struct cmd *cmd, struct err *err);
/* Does a SEARCH key name messages by number? "$" does not. */
bool uidonly_names_numbers(const struct imap_search_key *key);

#endif
