/*
 * resolve.h - from a set as a client wrote it to uids, by a session's numbering.
 *
 * Spec: RFC 9051 4.1.1, 6.4.9 and section 9 (sequence-set, seq-number). Used by SEARCH's keys
 * and by every command that names messages.
 */
#ifndef ROOST_SEARCH_RESOLVE_H
#define ROOST_SEARCH_RESOLVE_H

#include "imap/seqset.h"
#include "mailbox/view.h"

/*
 * Sequence numbers. RC_SYNTAX if one is not there, "*" of an empty mailbox too. Withheld
 * messages are in the set. *out_n: how many messages it names.
 */
MUST_CHECK enum rc resolve_seqs(const struct mbox_view *view, const struct seqset *set,
                                struct arena *arena, struct uid_set *out, uint64_t *out_n,
                                struct err *err);
/* The same of which some may not be there: they name nothing. */
struct uid_set resolve_known_seqs(const struct mbox_view *view, const struct seqset *set,
                                  struct arena *arena);
/* Uids: those that are not there do no harm; what the client has not been told of does not
 * exist for it yet. "*" is the greatest there is. */
struct uid_set resolve_uids(const struct mbox_view *view, const struct seqset *set,
                            struct arena *arena);

/* Index of the first message with a greater uid. */
uint32_t mbox_index_behind(const struct mbox *mbox, uint32_t uid);

#endif
