/*
 * all.h - the mailbox All (special use \All, RFC 6154 2): every message of the account's other
 * mailboxes, but those of mailboxes with \Trash or \Junk.
 *
 * All is a mailbox as any: it has a head, chunks, a log of expunges and pages, and whoever
 * reads it need not know what it is. What is in it follows from the records of the others; no
 * record but CREATE, DELETE and RENAME and what does not concern messages names it. Why it is
 * so, and what a record does to it: docs/decisions/virtual-all.md.
 *
 * Twins. A row of a mailbox that counts has the uid of its row in All as its twin, and that row
 * has the mailbox and the uid where the message lives, its home: so each finds the other.
 * Twins of rows in mailboxes that do not count mean nothing; whatever begins to count has its
 * twins written anew.
 *
 * Invariant, while there is an All: its rows and the rows of the mailboxes that count are each
 * other's twins, one to one, and are the same in flags, modseq, size, dates (but the savedate),
 * ids and body, and in keywords as far as All's table has room for them.
 */
#ifndef ROOST_ACCOUNT_ALL_H
#define ROOST_ACCOUNT_ALL_H

#include "account/page_loader.h"
#include "account/state_parts.h"

/* ---- apply: what a record does to All, for apply.c and apply_kept.c ---- */

/* All comes: the mailbox of this id, which has no messages, takes what there is, by savedate,
 * mailbox and uid. */
void all_begin(struct acct_state *fork, uint32_t id);
/* The twin that the next row of a mailbox has to have. */
uint64_t all_next_twin(const struct acct_state *fork, const struct mbox *home);
/* A row with that twin has come into a mailbox; where it does not count, nothing happens. */
void all_add(struct acct_state *fork, const struct mbox *home, const struct chunk_row *row,
             const struct msg_cold *cold);
/* Everybody's flags of a mailbox that counts have changed; perhaps nothing but the modseq. */
void all_change_flags(struct acct_state *fork, const struct mbox *home,
                      const struct record_flags *record);
void all_set_threadid(struct acct_state *fork, const struct mbox *home, uint32_t uid,
                      const struct object_id *threadid);
/* Messages of a mailbox that counts go; they are still there. */
void all_expunge(struct acct_state *fork, const struct mbox *home, const struct uid_set *uids,
                 uint64_t modseq);
/* A message that stays in All has another home. */
struct all_move {
    uint32_t all_uid, uid;
};
void all_rehome(struct acct_state *fork, uint32_t home, struct all_move *moves, size_t n,
                uint64_t modseq);
/* A mailbox begins to count; its messages' modseq rises, for they are new in All. */
void all_enter(struct acct_state *fork, uint32_t id, uint64_t modseq);
/* It no longer does. */
void all_leave(struct acct_state *fork, uint32_t id, uint64_t modseq);

/* ---- before ---- */

/* May a mailbox of this special use count? */
bool all_use_counts(uint32_t special_use);
/* Does the mailbox begin to count, or end to, with a USE record of this special use? */
bool all_is_entered(const struct acct_state *state, const struct mbox *mbox, uint32_t use);
bool all_is_left(const struct acct_state *state, const struct mbox *mbox, uint32_t use);

/* Everything that the record needs of All in memory. */
MUST_CHECK enum rc all_load_for(struct page_loader *loader, struct acct_state *fork,
                                const struct record *record, struct err *err);
/* Would a record that applies but for All apply with it? As acct_check(). */
MUST_CHECK enum rc all_check(const struct acct_state *state, const struct record *record,
                             struct err *err);

/* The uids in All of messages of a mailbox that counts, ascending. Every uid exists. */
struct uid_set all_twins(const struct mbox *home, const struct uid_set *uids,
                         struct arena *arena);
/* Those of All's rows that live there. */
struct uid_set all_rows_of(const struct mbox *all, uint32_t home, struct arena *arena);

#endif
