/*
 * kept_log.h - the expunged messages a mailbox keeps: blocks of rows in the order they went.
 *
 * Filled at the end (EXPUNGE), shortened from the front (FORGET), and with rows taken out of
 * the middle (RESTORE). The log is one counted object of its mailbox, so that a change that
 * does not concern it costs one reference. A row behind a version's count belongs to whoever
 * claims it first, as in chunk.h. A block that lies in a page need not be in memory: its slot
 * says how many rows it has, their bytes and times. Rows before `skip` are forgotten; the block
 * goes when all are.
 */
#ifndef ROOST_ACCOUNT_KEPT_LOG_H
#define ROOST_ACCOUNT_KEPT_LOG_H

#include "account/annotations.h"
#include "account/counted.h"
#include "account/kept.h"

#define KEPT_BLOCK_ROWS 1024u

struct kept_block {
    struct counted counted;
    atomic_uint filled; /* rows claimed */
    uint32_t cap;
    struct page_ref page;
    struct kept_message rows[];
};

struct kept_slot {
    struct kept_block *block; /* NULL: only in its page */
    struct page_place place;  /* block == NULL */
    uint32_t skip, n;         /* rows skip..n-1 are kept; skip < n */
    uint64_t bytes;           /* of their messages */
    int64_t first_sec, last_sec;
};

struct kept_log {
    struct counted counted;
    struct kept_slot *slots;
    size_t n_slots, cap;
    uint32_t n; /* messages */
    uint64_t bytes;
};

/* Where a row is. */
struct kept_place {
    size_t slot;
    uint32_t row; /* of the block */
};

struct kept_block *kept_block_new(uint32_t cap);
void kept_block_unref(struct kept_block *block);     /* NULL is allowed */
struct kept_log *kept_log_ref(struct kept_log *log); /* NULL is allowed, as below */
void kept_log_unref(struct kept_log *log);

/* Changes; *log is made or copied first as needed, and is NULL again when nothing is kept. */

/* The message's time becomes at least that of the one before. Takes its annotations over. */
void kept_add(struct kept_log **log, const struct kept_message *message);
/* Append a slot that was read from a page; takes the block over, which may be NULL. */
void kept_add_slot(struct kept_log **log, const struct kept_slot *slot);
/* The oldest n go. The row behind them is loaded, or begins a block. */
void kept_forget(struct kept_log **log, uint32_t n);
/* Those of uids go. All rows are loaded. */
void kept_take_out(struct kept_log **log, const struct uid_set *uids);
/* A block that was read, for a slot that had none; takes it over. */
void kept_put_block(struct kept_log **log, size_t slot, struct kept_block *block);
/* Let go of every block's memory; each lies in its page as it is. */
void kept_unload(struct kept_log **log);

/* The row's place. at < log->n. */
struct kept_place kept_find_place(const struct kept_log *log, uint32_t at);
/* Those of uids among the loaded rows, by uid, in arena. */
size_t kept_collect(const struct kept_log *log, const struct uid_set *uids, uint64_t modseq,
                    struct arena *arena, const struct kept_message *const **out);

#endif
