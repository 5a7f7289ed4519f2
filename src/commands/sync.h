/*
 * sync.h - telling a client what changed in its mailbox.
 *
 * Spec: RFC 9051 5.2, 7.4.1 (EXISTS), 7.5.1 (EXPUNGE), 7.5.2 (FETCH); RFC 3501 7.3.2 (RECENT);
 * RFC 7162 3.2.4 and 3.2.10 (MODSEQ, VANISHED); RFC 9586 3.3 and 3.4.
 * view_sync() decides what; here it is written. A long telling pauses like any other answer.
 */
#ifndef ROOST_COMMANDS_SYNC_H
#define ROOST_COMMANDS_SYNC_H

#include "commands/session.h"

/* Write changes from *told on. False: out is full, call again. with_uid: FETCH lines name it
 * (UID commands, RFC 9051 6.4.9). */
bool sync_write(const struct session *session, const struct view_changes *changes, size_t *told,
                bool with_uid, bool may_pause, struct buf *out);

#endif
