#include "search/sort_items.h"

#define DIGIT_BITS   8u
#define DIGIT_VALUES (1u << DIGIT_BITS)
#define DIGITS       (64u / DIGIT_BITS)
#define FEW_ITEMS    48u /* from here on counting digits costs less than comparing */
#define PREFIX_BYTES 8u  /* of a text that are one key */

/* ---- numbers ---- */

static void insert_items(struct sort_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_item item = items[i];
        size_t at = i;

        for (; at > 0 && items[at - 1].key > item.key; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static unsigned digit_of(uint64_t key, unsigned digit)
{
    return (unsigned) (key >> (digit * DIGIT_BITS)) & (DIGIT_VALUES - 1);
}

/* From counts to the places where each value begins. False: all items have one value. */
static bool find_places(uint32_t counts[DIGIT_VALUES], size_t n)
{
    uint32_t at = 0;

    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        uint32_t count = counts[value];

        if (count == n)
            return false;
        counts[value] = at;
        at += count;
    }
    return true;
}

/* Least digit first: each pass keeps the order of the one before. */
static void distribute_items(struct sort_item *items, struct sort_item *room, size_t n)
{
    uint32_t counts[DIGITS][DIGIT_VALUES] = {{0}};
    struct sort_item *from = items, *to = room;

    for (size_t i = 0; i < n; i++)
        for (unsigned digit = 0; digit < DIGITS; digit++)
            counts[digit][digit_of(items[i].key, digit)]++;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        struct sort_item *swap = from;

        if (!find_places(counts[digit], n))
            continue;
        for (size_t i = 0; i < n; i++)
            to[counts[digit][digit_of(from[i].key, digit)]++] = from[i];
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof(*items));
}

void sort_items(struct sort_item *items, struct sort_item *room, size_t n)
{
    if (n < FEW_ITEMS)
        insert_items(items, n);
    else
        distribute_items(items, room, n);
}

/* ---- texts ---- */

/* Items that agree in the first `depth` bytes and are not in order yet. */
struct text_group {
    size_t first, n, depth;
};

struct text_sort {
    const struct slice *texts;
    struct sort_item *items, *room;
    bool *is_equal; /* to the text before it, by place */
    struct text_group *groups;
    size_t n_groups, cap_groups;
};

/* The next bytes as a number that compares as they do; what is missing counts as 0. */
static uint64_t prefix_of(struct slice text, size_t depth)
{
    size_t left = text.len > depth ? text.len - depth : 0;
    uint64_t word = 0;

    if (left >= PREFIX_BYTES) {
        memcpy(&word, text.ptr + depth, PREFIX_BYTES);
        return __builtin_bswap64(word);
    }
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t) (unsigned char) text.ptr[depth + i] << (56 - 8 * i);
    return word;
}

static void push_group(struct text_sort *sort, size_t first, size_t n, size_t depth)
{
    if (sort->n_groups == sort->cap_groups) {
        sort->cap_groups = sort->cap_groups * 2 + 64;
        sort->groups = xrealloc(sort->groups, sort->cap_groups * sizeof(*sort->groups));
    }
    sort->groups[sort->n_groups++] = (struct text_group){first, n, depth};
}

/* Bytes of the text behind depth, those of one key told apart and no more. */
static size_t left_of(const struct text_sort *sort, const struct sort_item *item, size_t depth)
{
    size_t len = sort->texts[item->at].len;

    return len > depth ? MIN(len - depth, (size_t) PREFIX_BYTES + 1) : 0;
}

/* Of one key: the shorter text first, equal ones marked, those that go on a group of their own.
 */
static void order_by_length(struct text_sort *sort, size_t first, size_t n, size_t depth)
{
    struct sort_item *items = sort->items + first;
    size_t from = 0;

    for (size_t i = 0; i < n; i++)
        items[i].key = left_of(sort, &items[i], depth);
    sort_items(items, sort->room, n);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && items[i].key == items[from].key) {
            sort->is_equal[first + i] = items[i].key <= PREFIX_BYTES;
            continue;
        }
        if (i - from > 1 && items[from].key > PREFIX_BYTES)
            push_group(sort, first + from, i - from, depth + PREFIX_BYTES);
        from = i;
    }
}

static void order_group(struct text_sort *sort, const struct text_group *group)
{
    struct sort_item *items = sort->items + group->first;
    size_t from = 0;

    for (size_t i = 0; i < group->n; i++)
        items[i].key = prefix_of(sort->texts[items[i].at], group->depth);
    sort_items(items, sort->room, group->n);
    for (size_t i = 1; i <= group->n; i++) {
        if (i < group->n && items[i].key == items[from].key)
            continue;
        if (i - from > 1)
            order_by_length(sort, group->first + from, i - from, group->depth);
        from = i;
    }
}

void sort_ranks(const struct slice *texts, size_t n, uint32_t *out_ranks)
{
    AUTO(freep) struct sort_item *items = xmalloc((n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc((n + 1) * sizeof(*room));
    AUTO(freep) bool *is_equal = xcalloc(n + 1, sizeof(*is_equal));
    struct text_sort sort = {
        .texts = texts, .items = items, .room = room, .is_equal = is_equal};
    uint32_t rank = 0;

    for (size_t i = 0; i < n; i++)
        items[i] = (struct sort_item){0, (uint32_t) i};
    if (n > 1)
        push_group(&sort, 0, n, 0);
    while (sort.n_groups > 0) {
        struct text_group group = sort.groups[--sort.n_groups];

        order_group(&sort, &group);
    }
    free(sort.groups);
    for (size_t i = 0; i < n; i++) {
        rank += i > 0 && !is_equal[i];
        out_ranks[items[i].at] = rank;
    }
}
