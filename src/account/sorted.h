/*
 * sorted.h - an ordered set of counted objects in two levels, copied on write.
 *
 * A root points to leaves of at most LEAF_ITEMS_MAX items. A change copies the root and one
 * leaf, so an account with 50,000 mailboxes pays for a flag change with a few hundred pointers.
 * Two neighbour leaves always hold more than LEAF_ITEMS_MAX / 2 items together, so the root
 * stays short whatever comes and goes.
 *
 * Ownership: a set owns a reference to each item. Items begin with struct counted.
 */
#ifndef ROOST_ACCOUNT_SORTED_H
#define ROOST_ACCOUNT_SORTED_H

#include <stddef.h>

#include "account/counted.h"

#define LEAF_ITEMS_MAX 128u

struct sorted_leaf {
    struct counted counted;
    uint32_t n, cap;
    struct page_ref page;
    struct counted *items[];
};

struct sorted_slot {
    struct sorted_leaf *leaf;
    size_t start; /* position of the leaf's first item */
};

typedef void item_free_fn(struct counted *item); /* the last reference is gone */
/* Order of a key and an item: below 0 if the key comes first. */
typedef int item_compare_fn(const void *key, const struct counted *item);

struct sorted {
    struct counted counted;
    item_free_fn *free_item;
    size_t n; /* items */
    size_t n_leaves;
    struct sorted_slot leaves[];
};

struct sorted *sorted_new(item_free_fn *free_item);
struct sorted *sorted_ref(struct sorted *set);
void sorted_unref(struct sorted *set); /* NULL is allowed */

struct counted *sorted_at(const struct sorted *set, size_t at);
/* Position of the first item not below the key. */
size_t sorted_lower_bound(const struct sorted *set, item_compare_fn *compare, const void *key);
/* The item equal to the key, and its position; NULL if there is none. out_at may be NULL. */
struct counted *sorted_find(const struct sorted *set, item_compare_fn *compare, const void *key,
                            size_t *out_at);

/* Changes. *set is copied first if it is shared; each takes over the caller's reference to
 * item. */
void sorted_insert(struct sorted **set, size_t at, struct counted *item);
void sorted_replace(struct sorted **set, size_t at, struct counted *item);
/* As sorted_replace, for an item that is the same in another form: the leaf's page still holds.
 * In the thread that calls pages.h. */
void sorted_exchange(struct sorted **set, size_t at, struct counted *item);
void sorted_remove(struct sorted **set, size_t at);
/* The item, in a leaf that only this set reaches: if nobody else holds the item, it may be
 * changed in place. */
struct counted *sorted_own_at(struct sorted **set, size_t at);
/* Append a whole leaf read from a page. n is 1..LEAF_ITEMS_MAX; takes over the items. */
void sorted_append_leaf(struct sorted **set, struct counted *const *items, uint32_t n,
                        uint64_t page_number);

#endif
