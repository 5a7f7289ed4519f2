/*
 * sort_items.h - numbers and texts put in order, in time that does not depend on who chose
 * them.
 */
#ifndef ROOST_SEARCH_SORT_ITEMS_H
#define ROOST_SEARCH_SORT_ITEMS_H

#include "base/slice.h"

struct sort_item {
    uint64_t key;
    uint32_t at; /* whatever the caller counts by */
};

/* A signed number as a key. */
static inline uint64_t sort_key_signed(int64_t value)
{
    return (uint64_t) value ^ ((uint64_t) 1 << 63);
}

/* By key, ascending; those of one key stay in their order. room: n items. Linear in n. */
void sort_items(struct sort_item *items, struct sort_item *room, size_t n);

/* The rank of each text in byte order, from 0; equal texts have one rank. Linear in n and the
 * bytes that texts have in common. */
void sort_ranks(const struct slice *texts, size_t n, uint32_t *out_ranks);

#endif
