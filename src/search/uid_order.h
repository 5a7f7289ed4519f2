/*
 * uid_order.h - uids in an order that is not theirs, each with its position: what a context of
 * SORT keeps (RFC 5267 4.3).
 *
 * The uids stand in blocks, a directory says which block follows which and how many each holds,
 * and a table by uid says in which block each stands. So a position is found, and one uid put
 * in or taken out, in O(blocks) of a small array and the length of one block; many at once in
 * one pass over all. About 4 KB for one uid, 10 octets each of many.
 *
 * Memory: heap, the owner's; a zeroed struct is an empty order.
 */
#ifndef ROOST_SEARCH_UID_ORDER_H
#define ROOST_SEARCH_UID_ORDER_H

#include "search/uid_marks.h"

#define ORDER_BLOCK_UIDS 512u
#define ORDER_PAGE_UIDS  64u
#define ORDER_UIDS_MAX   (4u << 20) /* so that the blocks have numbers of 16 bits */

struct order_page {
    uint32_t number;                  /* uid / ORDER_PAGE_UIDS */
    uint32_t n;                       /* uids that are there; >= 1 */
    uint16_t blocks[ORDER_PAGE_UIDS]; /* number of the block, from 1; 0: not there */
};

struct order_entry {
    uint16_t block, n; /* n >= 1 */
};

struct uid_order {
    uint32_t **blocks; /* by number, from 1; NULL: free */
    size_t cap_blocks;
    struct order_entry *entries; /* blocks one after the other */
    size_t n_entries, cap_entries;
    struct order_page *pages; /* by number */
    size_t n_pages, cap_pages;
    uint32_t n; /* uids */
};

void uid_order_done(struct uid_order *order);
size_t uid_order_bytes(const struct uid_order *order);

/* These uids in this order, each once; what was there before goes. n <= ORDER_UIDS_MAX. */
void uid_order_fill(struct uid_order *order, const uint32_t *uids, uint32_t n);
bool uid_order_has(const struct uid_order *order, uint32_t uid);
/* From 0; the uid is there. */
uint32_t uid_order_position(const struct uid_order *order, uint32_t uid);
/* position < n */
uint32_t uid_order_at(const struct uid_order *order, uint32_t position);
/* The least uid that is not below this one; false: there is none. */
bool uid_order_next(const struct uid_order *order, uint32_t uid, uint32_t *out);
/* All of them: out has room for n. */
void uid_order_list(const struct uid_order *order, uint32_t *out);

/*
 * Take out n uids, which are all there. out_uids gets them in their order, out_positions the
 * position of each, from 0, once those before it are gone.
 */
void uid_order_remove(struct uid_order *order, const uint32_t *uids, uint32_t n,
                      uint32_t *out_uids, uint32_t *out_positions);
/* Put n uids in, which are not there: positions, from 0, are those they will have, ascending.
 */
void uid_order_insert(struct uid_order *order, const uint32_t *uids, const uint32_t *positions,
                      uint32_t n);

#endif
