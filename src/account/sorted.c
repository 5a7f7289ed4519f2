#include "account/sorted.h"

#include <assert.h>

#include "base/err.h"

#define LEAF_FIRST_ITEMS 8u

static struct sorted *root_new(item_free_fn *free_item, size_t n_leaves)
{
    struct sorted *set = xcalloc(1, sizeof(*set) + n_leaves * sizeof(struct sorted_slot));

    counted_init(&set->counted);
    set->free_item = free_item;
    set->n_leaves = n_leaves;
    return set;
}

static struct sorted_leaf *leaf_new(uint32_t cap)
{
    struct sorted_leaf *leaf = xcalloc(1, sizeof(*leaf) + cap * sizeof(struct counted *));

    counted_init(&leaf->counted);
    leaf->cap = cap;
    return leaf;
}

static uint32_t leaf_fit(uint32_t n)
{
    uint32_t cap = LEAF_FIRST_ITEMS;

    while (cap < n)
        cap *= 2;
    return cap;
}

/* Items of leaf from..from+n, each with a reference more. */
static void leaf_take_items(struct sorted_leaf *to, const struct sorted_leaf *leaf,
                            uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        counted_take(leaf->items[from + i]);
        to->items[to->n++] = leaf->items[from + i];
    }
}

static void leaf_unref(const struct sorted *set, struct sorted_leaf *leaf)
{
    if (!counted_drop(&leaf->counted))
        return;
    for (uint32_t i = 0; i < leaf->n; i++) {
        if (counted_drop(leaf->items[i]))
            set->free_item(leaf->items[i]);
    }
    free(leaf);
}

struct sorted *sorted_new(item_free_fn *free_item)
{
    return root_new(free_item, 0);
}

struct sorted *sorted_ref(struct sorted *set)
{
    counted_take(&set->counted);
    return set;
}

void sorted_unref(struct sorted *set)
{
    if (set == NULL || !counted_drop(&set->counted))
        return;
    for (size_t i = 0; i < set->n_leaves; i++)
        leaf_unref(set, set->leaves[i].leaf);
    free(set);
}

/* The leaf that holds position at, or the last one for at == n. There is one. */
static size_t leaf_of(const struct sorted *set, size_t at)
{
    size_t low = 0, high = set->n_leaves - 1;

    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;

        if (set->leaves[mid].start <= at)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

struct counted *sorted_at(const struct sorted *set, size_t at)
{
    const struct sorted_slot *slot;

    assert(at < set->n);
    slot = &set->leaves[leaf_of(set, at)];
    return slot->leaf->items[at - slot->start];
}

size_t sorted_lower_bound(const struct sorted *set, item_compare_fn *compare, const void *key)
{
    size_t low = 0, high = set->n_leaves;
    const struct sorted_leaf *leaf;
    size_t start;

    /* The first leaf whose last item is not below the key. */
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        leaf = set->leaves[mid].leaf;
        if (compare(key, leaf->items[leaf->n - 1]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == set->n_leaves)
        return set->n;
    leaf = set->leaves[low].leaf;
    start = set->leaves[low].start;
    low = 0;
    high = leaf->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (compare(key, leaf->items[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return start + low;
}

struct counted *sorted_find(const struct sorted *set, item_compare_fn *compare, const void *key,
                            size_t *out_at)
{
    size_t at = sorted_lower_bound(set, compare, key);
    struct counted *item;

    if (at == set->n)
        return NULL;
    item = sorted_at(set, at);
    if (compare(key, item) != 0)
        return NULL;
    if (out_at != NULL)
        *out_at = at;
    return item;
}

/* A root of our own with n_leaves slots, of which the first ones are the old root's. */
static void own_root(struct sorted **set, size_t n_leaves)
{
    struct sorted *old = *set;
    struct sorted *copy;
    size_t n_copied = MIN(old->n_leaves, n_leaves);

    if (counted_is_ours(&old->counted)) {
        if (n_leaves != old->n_leaves)
            *set = xrealloc(old, sizeof(*old) + n_leaves * sizeof(struct sorted_slot));
        (*set)->n_leaves = n_leaves;
        return;
    }
    copy = root_new(old->free_item, n_leaves);
    copy->n = old->n;
    for (size_t i = 0; i < n_copied; i++) {
        copy->leaves[i] = old->leaves[i];
        counted_take(&copy->leaves[i].leaf->counted);
    }
    sorted_unref(old);
    *set = copy;
}

/* The leaf at this slot, ours alone, with room for cap items. The root is ours already. */
static struct sorted_leaf *own_leaf(struct sorted *set, size_t slot, uint32_t cap)
{
    struct sorted_leaf *old = set->leaves[slot].leaf;
    struct sorted_leaf *leaf = old;

    if (counted_is_ours(&old->counted)) {
        if (cap > old->cap) {
            leaf = xrealloc(old, sizeof(*old) + leaf_fit(cap) * sizeof(struct counted *));
            leaf->cap = leaf_fit(cap);
        }
        leaf->page = (struct page_ref){0};
    } else {
        leaf = leaf_new(leaf_fit(MAX(cap, old->n)));
        leaf_take_items(leaf, old, 0, old->n);
        leaf_unref(set, old);
    }
    set->leaves[slot].leaf = leaf;
    return leaf;
}

static void renumber(struct sorted *set, size_t from_slot)
{
    size_t start = from_slot > 0
                       ? set->leaves[from_slot - 1].start + set->leaves[from_slot - 1].leaf->n
                       : 0;

    for (size_t i = from_slot; i < set->n_leaves; i++) {
        set->leaves[i].start = start;
        start += set->leaves[i].leaf->n;
    }
    set->n = start;
}

/* Make room for one slot behind this one and move the upper part of the leaf there. Items that
 * are added at the end leave full leaves behind. */
static void split_leaf(struct sorted **set, size_t slot, uint32_t keep)
{
    struct sorted_leaf *left, *right;

    own_root(set, (*set)->n_leaves + 1);
    for (size_t i = (*set)->n_leaves - 1; i > slot + 1; i--)
        (*set)->leaves[i] = (*set)->leaves[i - 1];
    left = own_leaf(*set, slot, LEAF_ITEMS_MAX);
    right = leaf_new(leaf_fit(left->n - keep + 1));
    right->n = left->n - keep;
    memcpy(right->items, left->items + keep, right->n * sizeof(struct counted *));
    left->n = keep;
    (*set)->leaves[slot + 1].leaf = right;
    renumber(*set, slot);
}

void sorted_insert(struct sorted **set, size_t at, struct counted *item)
{
    struct sorted_leaf *leaf;
    size_t slot;
    uint32_t row;

    assert(at <= (*set)->n);
    if ((*set)->n_leaves == 0) {
        own_root(set, 1);
        (*set)->leaves[0] = (struct sorted_slot){leaf_new(LEAF_FIRST_ITEMS), 0};
    } else {
        own_root(set, (*set)->n_leaves);
    }
    slot = leaf_of(*set, at);
    if ((*set)->leaves[slot].leaf->n == LEAF_ITEMS_MAX) {
        bool at_end = at == (*set)->n;

        split_leaf(set, slot, at_end ? LEAF_ITEMS_MAX - 1 : LEAF_ITEMS_MAX / 2);
        slot = leaf_of(*set, at);
    }
    leaf = own_leaf(*set, slot, (*set)->leaves[slot].leaf->n + 1);
    row = (uint32_t) (at - (*set)->leaves[slot].start);
    memmove(leaf->items + row + 1, leaf->items + row,
            (leaf->n - row) * sizeof(struct counted *));
    leaf->items[row] = item;
    leaf->n++;
    renumber(*set, slot);
}

struct counted *sorted_own_at(struct sorted **set, size_t at)
{
    size_t slot;

    assert(at < (*set)->n);
    own_root(set, (*set)->n_leaves);
    slot = leaf_of(*set, at);
    return own_leaf(*set, slot, 0)->items[at - (*set)->leaves[slot].start];
}

void sorted_replace(struct sorted **set, size_t at, struct counted *item)
{
    struct counted *old = sorted_own_at(set, at);
    const struct sorted_slot *slot = &(*set)->leaves[leaf_of(*set, at)];

    slot->leaf->items[at - slot->start] = item;
    if (old != item && counted_drop(old))
        (*set)->free_item(old);
}

void sorted_exchange(struct sorted **set, size_t at, struct counted *item)
{
    struct page_ref page = (*set)->leaves[leaf_of(*set, at)].leaf->page;

    sorted_replace(set, at, item);
    (*set)->leaves[leaf_of(*set, at)].leaf->page = page;
}

/* Take the slot out of a root that is ours; its leaf is gone already. */
static void close_slot(struct sorted **set, size_t slot)
{
    for (size_t i = slot; i + 1 < (*set)->n_leaves; i++)
        (*set)->leaves[i] = (*set)->leaves[i + 1];
    own_root(set, (*set)->n_leaves - 1);
}

/* Join a leaf with its right neighbour if both fit into half a leaf. */
static bool join_leaves(struct sorted **set, size_t slot)
{
    const struct sorted_leaf *right;
    struct sorted_leaf *left;

    if (slot + 1 >= (*set)->n_leaves)
        return false;
    right = (*set)->leaves[slot + 1].leaf;
    if ((*set)->leaves[slot].leaf->n + right->n > LEAF_ITEMS_MAX / 2)
        return false;
    left = own_leaf(*set, slot, (*set)->leaves[slot].leaf->n + right->n);
    leaf_take_items(left, right, 0, right->n);
    leaf_unref(*set, (*set)->leaves[slot + 1].leaf);
    close_slot(set, slot + 1);
    return true;
}

void sorted_remove(struct sorted **set, size_t at)
{
    struct counted *item = sorted_own_at(set, at);
    size_t slot = leaf_of(*set, at);
    struct sorted_leaf *leaf = (*set)->leaves[slot].leaf;
    uint32_t row = (uint32_t) (at - (*set)->leaves[slot].start);

    memmove(leaf->items + row, leaf->items + row + 1,
            (leaf->n - row - 1) * sizeof(struct counted *));
    leaf->n--;
    if (counted_drop(item))
        (*set)->free_item(item);
    if (leaf->n == 0) {
        leaf_unref(*set, leaf);
        close_slot(set, slot);
    } else if (!join_leaves(set, slot) && slot > 0 && join_leaves(set, slot - 1)) {
        slot--;
    }
    renumber(*set, slot);
}

void sorted_append_leaf(struct sorted **set, struct counted *const *items, uint32_t n,
                        uint64_t page_number)
{
    struct sorted_leaf *leaf = leaf_new(leaf_fit(n));

    assert(n >= 1 && n <= LEAF_ITEMS_MAX);
    memcpy(leaf->items, items, n * sizeof(struct counted *));
    leaf->n = n;
    leaf->page.number = page_number;
    own_root(set, (*set)->n_leaves + 1);
    (*set)->leaves[(*set)->n_leaves - 1].leaf = leaf;
    renumber(*set, (*set)->n_leaves - 1);
}
