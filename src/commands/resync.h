/*
 * resync.h - what a client that keeps a copy of its own is told (CONDSTORE and QRESYNC).
 *
 * Spec: RFC 7162. The sync behind each command tells it too (sync.h); FETCH and STORE know
 * their modifiers.
 */
#ifndef ROOST_COMMANDS_RESYNC_H
#define ROOST_COMMANDS_RESYNC_H

#include "commands/cmd.h"

/* The running command is a CONDSTORE enabling one (RFC 7162 3.1): the first of a session tells
 * HIGHESTMODSEQ of the selected mailbox. */
void condstore_enable(struct cmd *cmd);
/* The [HIGHESTMODSEQ] of a tagged OK (RFC 7162 3.2.7), if the client follows. */
void resync_tagged_modseq(struct cmd *cmd);

/*
 * Uids among these that are gone, were expunged above modseq, and are above above_uid; in
 * arena. Where the mailbox remembers no expunges that old, all that are gone. Those that are
 * withheld are left out: the client counts them still, and hears of them by the sync.
 */
struct uid_set resync_vanished(const struct mbox_view *view, const struct uid_set *among,
                               uint64_t modseq, uint32_t above_uid, struct arena *arena);

/* "* VANISHED (EARLIER) 1:4,7" in lines of bounded length, from run *told on. False: the reply
 * is full, call again. */
bool resync_write_earlier(const struct uid_set *uids, size_t *told, struct reply *reply);

/* What SELECT (QRESYNC ...) makes of the client's copy (RFC 7162 3.2.5.1, 3.2.5.2). */
struct resync {
    struct uid_set known;    /* whose changes it wants to hear */
    struct uid_set vanished; /* those that are gone */
};
void resync_begin(const struct mbox_view *view, const struct imap_qresync *asked,
                  struct arena *arena, struct resync *out);

#endif
