/*
 * expunged.h - which uids a mailbox lost, and at which modseq: a log in the order of modseq.
 *
 * Blocks of runs, filled from the front; a row behind a version's count belongs to whoever
 * claims it first, as in chunk.h. A question "since modseq m" is two binary searches and the
 * answer's sort by uid. What lies at or below the mailbox's expunged_below is forgotten a block
 * at a time.
 */
#ifndef ROOST_ACCOUNT_EXPUNGED_H
#define ROOST_ACCOUNT_EXPUNGED_H

#include "account/counted.h"
#include "account/types.h"

#define EXPUNGED_BLOCK_RUNS 1024u

struct expunged_run {
    uint64_t modseq;
    struct uid_run uids;
};

struct expunged_block {
    struct counted counted;
    atomic_uint filled;
    uint32_t cap;
    struct page_ref page;
    struct expunged_run runs[];
};

struct expunged_slot {
    struct expunged_block *block;
    uint32_t n;
};

/* By value in its mailbox. */
struct expunged {
    struct expunged_slot *slots;
    size_t n_slots;
    size_t n_runs;
};

struct expunged_block *expunged_block_new(uint32_t cap);
void expunged_block_unref(struct expunged_block *block);

/* Another reference to every block. */
struct expunged expunged_copy(const struct expunged *log);
void expunged_done(struct expunged *log);
/* modseq is not below the last one. */
void expunged_add(struct expunged *log, const struct uid_set *uids, uint64_t modseq);
/* Forget blocks that lie wholly at or below this modseq. */
void expunged_forget(struct expunged *log, uint64_t modseq);
/* Greatest modseq of the older half of the runs; 0 if there are none. */
uint64_t expunged_middle(const struct expunged *log);
struct uid_set expunged_since(const struct expunged *log, uint64_t modseq, uint32_t up_to_uid,
                              struct arena *arena);

#endif
