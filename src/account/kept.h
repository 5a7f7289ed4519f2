/*
 * kept.h - what was expunged and deleted, for as long as it can be brought back.
 *
 * A mailbox keeps its expunged messages, with their annotations but without private flags, in
 * the order in which they went: the oldest first. What was moved is not among them: the mail
 * lives on. A deleted mailbox is kept as it was, with the expunged messages it had kept itself.
 * FORGET records end that (the undelete window is over, or space is short), RESTORE records
 * bring things back; a uid never names another mail, for its messages come back under new ones.
 *
 * Kept messages count neither in STATUS nor in quota: acct_kept() is a figure of its own. They
 * are not loaded with their mailbox: counts and times are always known, the rows themselves
 * come from pages when somebody asks (acct_kept_load, pages.h).
 */
#ifndef ROOST_ACCOUNT_KEPT_H
#define ROOST_ACCOUNT_KEPT_H

#include "account/state.h"

#define DELETED_MAILBOXES_MAX 4096u /* of one account; the oldest gives way to the next */

struct annotation_bundle;

struct kept_message {
    uint32_t uid; /* that it had */
    uint8_t flags;
    uint64_t modseq;      /* of its expunge */
    int64_t expunged_sec; /* unix seconds; never below that of the message before */
    uint64_t expunged_by; /* account; 0: the system */
    struct msg_cold cold;
    uint64_t keywords[KEYWORD_WORDS];      /* by the mailbox's table */
    struct annotation_bundle *annotations; /* NULL: it had none */
};

/* Of one mailbox. */
struct kept_counts {
    uint32_t messages;
    uint64_t bytes;
    int64_t oldest_sec; /* when the oldest went; 0: none is kept */
};
struct kept_counts mbox_kept(const struct mbox *mbox);

/* Are the rows at..at + n - 1 in memory? Rows above the last are. at: 0 is the oldest. */
bool mbox_kept_is_loaded(const struct mbox *mbox, uint32_t at, uint32_t n);
/* at < messages; the row is loaded. Lives as long as the mbox. */
const struct kept_message *mbox_kept_at(const struct mbox *mbox, uint32_t at);
/*
 * How many of the oldest went before this time. False: row *out must be loaded to know more
 * than that.
 */
bool mbox_kept_before(const struct mbox *mbox, int64_t sec, uint32_t *out);
/*
 * Those of uids that went with a modseq above this one, by uid, in arena. Only loaded rows are
 * found: what went since the mailbox was loaded is.
 */
size_t mbox_kept_find(const struct mbox *mbox, const struct uid_set *uids, uint64_t modseq,
                      struct arena *arena, const struct kept_message *const **out);

/* Entries that were beside it, as mbox_annotations() has them. */
const struct annotation *kept_annotations(const struct kept_message *kept, uint64_t reader,
                                          size_t *out_n);

/* ---- deleted mailboxes, by their local id ---- */

struct mbox_end {
    int64_t deleted_sec; /* unix seconds */
    uint64_t deleted_by; /* account; 0: the system */
    bool name_given;     /* its name was another mailbox's since */
};

size_t acct_deleted_count(const struct acct_state *state);
const struct mbox *acct_deleted_at(const struct acct_state *state, size_t at);
const struct mbox *acct_deleted_by_id(const struct acct_state *state, uint32_t id);
/* NULL: none is kept. */
const struct mbox *acct_deleted_oldest(const struct acct_state *state);
const struct mbox_end *mbox_end(const struct mbox *mbox); /* of a deleted one */

/* All that is kept; the messages of deleted mailboxes are among them. */
struct acct_kept {
    uint64_t messages, bytes, mailboxes;
};
struct acct_kept acct_kept(const struct acct_state *state);

#endif
