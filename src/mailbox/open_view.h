/*
 * open_view.h - the inside of a view; for mailbox/ only.
 */
#ifndef ROOST_MAILBOX_OPEN_VIEW_H
#define ROOST_MAILBOX_OPEN_VIEW_H

#include "mailbox/view.h"

#define VIEW_ARENA_BYTES ((size_t) 256 << 20)

/* Uids first..last, all of them expunged and not told; `before` hidden uids lie in the runs
 * before. */
struct hidden_run {
    uint32_t first, last, before;
};

/* Messages whose flags the client knows, if their modseq is among these. */
struct known_flags {
    uint64_t lowest, highest;
    struct uid_run *runs;
    size_t n;
};

struct mbox_view {
    struct held_mailbox *held; /* as long as it is open; the account's list changes it, so marks
                                  leave it alone */
    struct account *account;
    uint32_t mbox_id;
    bool read_only, examined;
    struct reader reader; /* as of the last refresh */

    uint32_t told_uid;    /* greatest uid told, or that could have been: UIDNEXT - 1 then */
    uint64_t told_modseq; /* flag changes up to here are told */
    uint64_t seen_modseq; /* expunges up to here are told or hidden */

    struct hidden_run *hidden;
    size_t n_hidden;
    uint32_t hidden_count;
    uint64_t
        hidden_since_modseq; /* below that of the first hidden expunge; while n_hidden > 0 */

    struct known_flags *known; /* since the last sync */
    size_t n_known;
    struct known_flags report; /* to be told in any case; modseqs unused */
    uint64_t annotated_modseq; /* of own annotations since the last sync; 0: none */

    struct uid_run *recent; /* \Recent for this session, ascending */
    size_t n_recent;

    struct acct_state *state; /* while a command runs */
    const struct mbox *mbox;  /* in state */
};

void view_claim_recent(struct mbox_view *view);
void view_forget_known(struct mbox_view *view);
/* Messages up to known_uid whose flags must be told; tell: bits of enum view_tell.
 * False: some of these were left out. Empties what was marked known or to report. */
bool view_collect_flags(struct mbox_view *view, uint32_t known_uid, unsigned tell,
                        struct arena *arena, struct view_changes *out);

#endif
