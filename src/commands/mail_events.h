/*
 * mail_events.h - what happened to the mail, for the log: `log_mail_events`.
 *
 * One line a message or mailbox, written by the handler when its transaction is committed, so
 * that a command which ran twice is logged once. docs/operating.md lists them. Of messages
 * nothing is logged, and nothing is read for it, unless the session logs mail.
 */
#ifndef ROOST_COMMANDS_MAIL_EVENTS_H
#define ROOST_COMMANDS_MAIL_EVENTS_H

#include "commands/cmd.h"
#include "mailbox/txn.h"

#define MAIL_EVENTS_MAX 1000u /* lines of one command; one more line counts the rest */

/* The mailbox as it is before an expunge, to tell Message-IDs from. NULL: nothing is logged, or
 * it cannot be read. */
struct acct_state *mail_events_before(const struct session *session, struct account *account,
                                      uint32_t mbox_id);

/* The first two after their commits, which the session's position in that account names; the
 * mailbox is the one where the messages are now. */
void mail_events_append(const struct cmd *cmd, struct account *account, uint32_t mbox_id,
                        const struct uid_set *uids);
void mail_events_copy(const struct cmd *cmd, struct slice from, struct account *account,
                      uint32_t mbox_id, const struct copied *copied, bool move);
/* In the selected mailbox. before: of mail_events_before(); may be NULL. */
void mail_events_expunge(const struct session *session, const struct acct_state *before,
                         const struct uid_set *gone);
/* event: "mailbox.create" and such; to: the new name of a rename, else empty. */
void mail_events_mailbox(const struct cmd *cmd, const char *event, struct slice name,
                         struct slice to);

/* Always, for the audit log: somebody selected or searched a mailbox of another account (mode:
 * "read", "write", "search"); somebody changed who may use one (SETACL, DELETEACL: no rights).
 */
void mail_events_opened(const struct cmd *cmd, const struct mbox_view *view, const char *mode);
void mail_events_acl(const struct cmd *cmd, const struct account *account);

#endif
