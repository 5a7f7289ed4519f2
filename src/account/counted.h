/*
 * counted.h - the reference count that every shared object of a version begins with.
 *
 * The rule of copy on write: an object may be changed in place by the holder of the only
 * reference, if it is itself reachable by that holder alone. So a writer walks from its fork
 * downwards and copies each object whose count is above one before it touches what is below.
 * Once the count is one nobody else can raise it: only a holder can. The acquire load in
 * counted_is_ours pairs with the release in counted_drop, so that what others read before they
 * let go was read before we write.
 */
#ifndef ROOST_ACCOUNT_COUNTED_H
#define ROOST_ACCOUNT_COUNTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct counted {
    atomic_uint refs;
};

static inline void counted_init(struct counted *counted)
{
    atomic_init(&counted->refs, 1);
}

static inline void counted_take(struct counted *counted)
{
    (void) atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
}

/* True: that was the last reference, free the object. */
static inline bool counted_drop(struct counted *counted)
{
    return atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) == 1;
}

static inline bool counted_is_ours(const struct counted *counted)
{
    return atomic_load_explicit(&counted->refs, memory_order_acquire) == 1;
}

/*
 * Where an object lies among the pages of the last checkpoint. Written and read only by the
 * calls of pages.h, of which one runs at a time for an account, and reset by a writer that
 * changes the object in place, which happens only to objects no other thread can reach.
 */
struct page_ref {
    uint64_t number;    /* 0: in no page */
    uint64_t pending;   /* given by acct_pages_make(), not yet confirmed; 0: none */
    uint32_t rows;      /* rows the page holds */
    uint32_t rows_next; /* rows the pending page holds */
};

/* A page and how many rows it is to hold, of an object that is not in memory. */
struct page_place {
    uint64_t number;
    uint32_t rows;
    uint32_t n_cold; /* of a chunk's hot page: places of its cold rows, which follow it */
};

#endif
