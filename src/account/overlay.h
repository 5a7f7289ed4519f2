/*
 * overlay.h - private flags: for each reader of a mailbox, a row a message that the reader's
 * flags ever differed from none.
 *
 * Rows lie by uid in leaves of at most OVERLAY_LEAF_ROWS, which are immutable and counted: a
 * change copies the pointers to them and makes those leaves anew that it concerns. So what one
 * message costs does not grow with the messages that were read before. In pages an overlay is
 * one page, whole.
 */
#ifndef ROOST_ACCOUNT_OVERLAY_H
#define ROOST_ACCOUNT_OVERLAY_H

#include "account/counted.h"
#include "account/state.h"

#define OVERLAY_LEAF_ROWS 256u

struct overlay_leaf {
    struct counted counted;
    uint32_t n, seen;          /* rows, and those with FLAG_SEEN */
    struct overlay_row rows[]; /* by uid, ascending; at least one */
};

struct overlay {
    struct counted counted;
    uint64_t reader;
    uint64_t modseq; /* greatest ever given to a row; never falls */
    struct overlay_leaf **leaves;
    size_t n_leaves;
    size_t n, seen; /* of all leaves */
    struct page_ref page;
};

struct overlay *overlay_new(uint64_t reader);
void overlay_ref(struct overlay *overlay);
void overlay_unref(struct overlay *overlay); /* NULL is allowed */

/* Rows of a new overlay, by uid. */
void overlay_fill(struct overlay *overlay, const struct overlay_row *rows, size_t n);
/* *overlay is copied first if it is shared. */
void overlay_change(struct overlay **overlay, const struct record_flags *record);
/* Forget the rows of expunged messages. */
void overlay_expunge(struct overlay **overlay, const struct uid_set *uids);
const struct overlay_row *overlay_find(const struct overlay *overlay, uint32_t uid);

/* What it takes in memory. */
size_t overlay_memory(const struct overlay *overlay);

/* The flags and keywords a change leaves; shared with the common flags of a mailbox. */
uint8_t flags_after(uint8_t flags, enum flag_op op, uint8_t change);
void keywords_after(uint64_t words[KEYWORD_WORDS], enum flag_op op,
                    const uint64_t change[KEYWORD_WORDS]);
void keywords_of(const uint16_t *keywords, size_t n, uint64_t out[KEYWORD_WORDS]);

#endif
