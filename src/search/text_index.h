/*
 * text_index.h - the search indexes of a store's accounts: which segments there are, and the
 * thread that makes them.
 *
 * An account's index is a row of segments (text_segment.h), each of a range of body ids, that
 * do not overlap. Bodies that are in none are looked at one by one. So an index may be behind,
 * in part, or gone: answers stay the same, they only come later.
 *
 * The thread looks at the open accounts that are large enough, or where somebody searched for
 * long: new bodies become a segment when there are many, or some and no more come; segments of
 * one size become one of the next; one that is damaged, of another version, or mostly of bodies
 * that are gone is removed and made again. A segment is there whole or not at all, so a crash
 * costs the work on one.
 *
 * Locks: the index's lock is a leaf; nothing is read with it held.
 */
#ifndef ROOST_SEARCH_TEXT_INDEX_H
#define ROOST_SEARCH_TEXT_INDEX_H

#include "mailbox/mail_store.h"
#include "search/text_segment.h"

#define INDEX_MIN_MESSAGES 5000u /* an account with less is searched without */
#define INDEX_QUIET_BODIES 32u   /* new ones that make a segment ... */
#define INDEX_QUIET_US     ((int64_t) 10 * 1000000) /* ... when none came for so long */
#define INDEX_TAIL_BODIES  16384u /* new ones that make a segment at once ... */
#define INDEX_TAIL_PARTS   4u     /* ... or so many times min_messages, if that is less */
#define INDEX_FANOUT       4u     /* segments of a size that become one */
#define INDEX_OPEN_MAX     512u   /* segments open at a time, about */
#define INDEX_MERGED_BYTES ((uint64_t) 2 << 30) /* places in a segment have 32 bits */
#define INDEX_SLOW_BODIES  2000u /* looked at by one search: the account deserves an index */

struct text_index;

struct text_index_options {
    struct mail_store *store; /* stays open as long */
    /* Which account is worked on, so that a crash has a name. May be NULL. */
    void (*note)(void *ctx, uint64_t account, bool begins);
    void *note_ctx;
    uint32_t min_messages; /* 0: INDEX_MIN_MESSAGES */
    uint64_t merged_bytes; /* what may become one segment; 0: INDEX_MERGED_BYTES */
};

struct text_index *text_index_new(const struct text_index_options *options);
void text_index_start(struct text_index *index);
/* Ends the thread, in the middle of a segment if need be. */
void text_index_stop(struct text_index *index);
void text_index_free(struct text_index *index); /* NULL is allowed */

/* The segments of an account, ascending, as they were at one moment. Counted. */
struct index_row {
    _Atomic uint32_t refs; /* pairs with the last index_row_unref */
    size_t n;
    struct text_segment *segments[];
};
/* NULL: it has none. */
struct index_row *text_index_take(struct text_index *index, uint64_t account);
void index_row_unref(struct index_row *row); /* NULL is allowed */

/* A search of the account was long for want of an index. Any thread. */
void text_index_want(struct text_index *index, uint64_t account);
/* This segment is damaged: it goes, and is made again. Any thread. */
void text_index_damaged(struct text_index *index, uint64_t account,
                        const struct derived_name *name);

/* Make all that can be made of this account now, however small, without rests: for tests and
 * measurements. Not while the thread works. */
MUST_CHECK enum rc text_index_catch_up(struct text_index *index, struct account *account,
                                       struct err *err);

#endif
