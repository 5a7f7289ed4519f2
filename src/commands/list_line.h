/*
 * list_line.h - what a LIST answer says of one name.
 *
 * Spec: RFC 9051 7.3.1 (\Noselect of what may not be read), 6.3.9.5 (\HasChildren), RFC
 * 6154 2 (special use).
 */
#ifndef ROOST_COMMANDS_LIST_LINE_H
#define ROOST_COMMANDS_LIST_LINE_H

#include "commands/visible.h"
#include "imap/mailbox_name.h"
#include "imap/print.h"

/* Attributes and special use of name, existing or not. */
void list_line_fill(const struct visible *visible, struct slice name,
                    struct imap_list_line *line);

/* The answer that SELECT gives of a name in IMAP4rev2; oldname is empty or what the client
 * called it (RFC 9051 6.3.2, 6.3.9.7). */
void list_line_say(struct session *session, struct slice name, struct slice oldname,
                   struct buf *out);
/* The same where there is one only if the name was normalised: CREATE, RENAME, DELETE, APPEND.
 * IMAP4rev1 has neither the item nor an answer that was not asked for. */
void list_line_say_normalized(struct session *session, const struct imap_mailbox *asked,
                              struct buf *out);

#endif
