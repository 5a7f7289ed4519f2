/*
 * sync.h - telling a client what changed in its mailbox.
 *
 * Spec: RFC 9051 5.2, 7.4.1 (EXISTS), 7.5.1 (EXPUNGE), 7.5.2 (FETCH); RFC 3501 7.3.2 (RECENT);
 * RFC 7162 3.2.4 and 3.2.10 (MODSEQ, VANISHED); RFC 9586 3.3 and 3.4; RFC 5257 4.4.
 * RFC 5465 5.1 to 5.3 and 6.1 (what NOTIFY makes of it).
 * view_sync() decides what; here it is written. A long telling pauses like any other answer.
 */
#ifndef ROOST_COMMANDS_SYNC_H
#define ROOST_COMMANDS_SYNC_H

#include "commands/cmd.h"

/* The version of the selected mailbox that the command begins or ends with; its messages as
 * well if it may look at them. As view_refresh(). */
MUST_CHECK enum rc sync_refresh(const struct cmd *cmd, struct err *err);
/*
 * The sync behind a command: take the newest version and see what it changes for the client,
 * who may have said by NOTIFY what it wants to hear of. False: the mailbox is gone,
 * or there is no command and the mailbox cannot be read: asked again at once it would be so
 * again.
 */
bool sync_begin(struct cmd *cmd);
/* Write it, and what NOTIFY asks for of new messages. False: out is full, call again. With
 * cmd->close_now nothing else can be said. */
bool sync_go(struct cmd *cmd);

bool sync_has_changes(const struct view_changes *changes);
/* Write changes from *told on. False: out is full, call again. with_uid: FETCH lines name it
 * (UID commands, RFC 9051 6.4.9). */
bool sync_write(const struct session *session, const struct view_changes *changes, size_t *told,
                bool with_uid, bool may_pause, struct buf *out);

#endif
