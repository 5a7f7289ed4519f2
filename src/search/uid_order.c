#include "search/uid_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "search/sort_items.h"

#define FILLED    (ORDER_BLOCK_UIDS / 4 * 3) /* of a new block: some may come between */
#define MANY_PART 16u /* more than this part of all: one pass over all is cheaper */

static void clear(struct uid_order *order)
{
    for (size_t i = 0; i < order->cap_blocks; i++)
        free(order->blocks[i]);
    free(order->blocks);
    free(order->entries);
    free(order->pages);
}

void uid_order_done(struct uid_order *order)
{
    clear(order);
    *order = (struct uid_order){0};
}

size_t uid_order_bytes(const struct uid_order *order)
{
    return order->n_entries * ORDER_BLOCK_UIDS * sizeof(uint32_t) +
           order->cap_blocks * sizeof(uint32_t *) +
           order->cap_entries * sizeof(*order->entries) +
           order->cap_pages * sizeof(*order->pages);
}

/* ---- the table by uid ---- */

/* Index of the first page whose number is not below this one. */
static size_t page_at(const struct uid_order *order, uint32_t number)
{
    size_t low = 0, high = order->n_pages;

    if (high > 0 && order->pages[high - 1].number < number)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order->pages[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct order_page *find_page(const struct uid_order *order, uint32_t uid)
{
    size_t at = page_at(order, uid / ORDER_PAGE_UIDS);

    return at < order->n_pages && order->pages[at].number == uid / ORDER_PAGE_UIDS
               ? &order->pages[at]
               : NULL;
}

/* 0: the uid is not there. */
static uint16_t block_of(const struct uid_order *order, uint32_t uid)
{
    const struct order_page *page = find_page(order, uid);

    return page != NULL ? page->blocks[uid % ORDER_PAGE_UIDS] : 0;
}

static struct order_page *new_page(struct uid_order *order, uint32_t number)
{
    size_t at = page_at(order, number);

    if (order->n_pages == order->cap_pages) {
        order->cap_pages = MAX(order->cap_pages + order->cap_pages / 4, order->cap_pages + 1);
        order->pages = xrealloc(order->pages, order->cap_pages * sizeof(*order->pages));
    }
    memmove(&order->pages[at + 1], &order->pages[at],
            (order->n_pages - at) * sizeof(*order->pages));
    order->n_pages++;
    order->pages[at] = (struct order_page){.number = number};
    return &order->pages[at];
}

static void set_block(struct uid_order *order, uint32_t uid, uint16_t block)
{
    struct order_page *page = find_page(order, uid);

    if (page == NULL)
        page = new_page(order, uid / ORDER_PAGE_UIDS);
    if (page->blocks[uid % ORDER_PAGE_UIDS] == 0)
        page->n++;
    page->blocks[uid % ORDER_PAGE_UIDS] = block;
}

static void forget(struct uid_order *order, uint32_t uid)
{
    struct order_page *page = find_page(order, uid);

    if (page == NULL)
        return;
    page->blocks[uid % ORDER_PAGE_UIDS] = 0;
    if (--page->n > 0)
        return;
    order->n_pages--;
    memmove(page, page + 1,
            (order->n_pages - (size_t) (page - order->pages)) * sizeof(*order->pages));
}

/* Pages of all of them, made in order. */
static void make_pages(struct uid_order *order, const uint32_t *uids, uint32_t n)
{
    AUTO(freep) struct sort_item *items = xmalloc(((size_t) n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(((size_t) n + 1) * sizeof(*room));

    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct sort_item){uids[i], i};
    sort_items(items, room, n);
    for (uint32_t i = 0; i < n; i++)
        if (find_page(order, (uint32_t) items[i].key) == NULL)
            (void) new_page(order, (uint32_t) items[i].key / ORDER_PAGE_UIDS);
}

/* ---- blocks ---- */

/* A block behind the entry before `at`. */
static uint16_t new_block(struct uid_order *order, size_t at)
{
    size_t number = order->n_entries + 1 < order->cap_blocks ? 1 : MAX(order->cap_blocks, 1u);

    while (number < order->cap_blocks && order->blocks[number] != NULL)
        number++;
    if (number >= order->cap_blocks) {
        size_t cap = MAX(order->cap_blocks + order->cap_blocks / 4, number + 1);

        order->blocks = xrealloc(order->blocks, cap * sizeof(uint32_t *));
        memset(order->blocks + order->cap_blocks, 0,
               (cap - order->cap_blocks) * sizeof(uint32_t *));
        order->cap_blocks = cap;
    }
    if (order->n_entries == order->cap_entries) {
        order->cap_entries =
            MAX(order->cap_entries + order->cap_entries / 4, order->cap_entries + 1);
        order->entries = xrealloc(order->entries, order->cap_entries * sizeof(*order->entries));
    }
    assert(number <= UINT16_MAX);
    memmove(&order->entries[at + 1], &order->entries[at],
            (order->n_entries - at) * sizeof(*order->entries));
    order->n_entries++;
    order->entries[at] = (struct order_entry){.block = (uint16_t) number};
    order->blocks[number] = xmalloc(ORDER_BLOCK_UIDS * sizeof(uint32_t));
    return (uint16_t) number;
}

static void drop_block(struct uid_order *order, size_t at)
{
    uint16_t number = order->entries[at].block;

    free(order->blocks[number]);
    order->blocks[number] = NULL;
    order->n_entries--;
    memmove(&order->entries[at], &order->entries[at + 1],
            (order->n_entries - at) * sizeof(*order->entries));
}

/* The upper half goes to a block of its own, behind. */
static void split(struct uid_order *order, size_t at)
{
    uint16_t upper = new_block(order, at + 1);
    struct order_entry *entry = &order->entries[at];
    uint16_t half = entry->n / 2;

    entry[1].n = (uint16_t) (entry->n - half);
    entry->n = half;
    memcpy(order->blocks[upper], order->blocks[entry->block] + half,
           entry[1].n * sizeof(uint32_t));
    for (uint16_t i = 0; i < entry[1].n; i++)
        set_block(order, order->blocks[upper][i], upper);
}

/* The entry that holds this position, or the last one; *position becomes that in its block. */
static size_t entry_at(const struct uid_order *order, uint32_t *position)
{
    size_t at = 0;

    while (at + 1 < order->n_entries && *position >= order->entries[at].n)
        *position -= order->entries[at++].n;
    return at;
}

/* Where the uid stands: its entry, its place in the block, and its position. */
struct order_place {
    size_t entry;
    uint32_t in_block, position;
};

static struct order_place find_place(const struct uid_order *order, uint32_t uid)
{
    uint16_t block = block_of(order, uid);
    struct order_place place = {0};

    assert(block != 0);
    while (order->entries[place.entry].block != block)
        place.position += order->entries[place.entry++].n;
    while (order->blocks[block][place.in_block] != uid)
        place.in_block++;
    place.position += place.in_block;
    return place;
}

/* ---- asking ---- */

bool uid_order_has(const struct uid_order *order, uint32_t uid)
{
    return block_of(order, uid) != 0;
}

uint32_t uid_order_position(const struct uid_order *order, uint32_t uid)
{
    return find_place(order, uid).position;
}

uint32_t uid_order_at(const struct uid_order *order, uint32_t position)
{
    size_t at;

    assert(position < order->n);
    at = entry_at(order, &position);
    return order->blocks[order->entries[at].block][position];
}

bool uid_order_next(const struct uid_order *order, uint32_t uid, uint32_t *out)
{
    uint32_t from = uid % ORDER_PAGE_UIDS;

    for (size_t at = page_at(order, uid / ORDER_PAGE_UIDS); at < order->n_pages; at++) {
        const struct order_page *page = &order->pages[at];

        if (page->number != uid / ORDER_PAGE_UIDS)
            from = 0;
        for (uint32_t i = from; i < ORDER_PAGE_UIDS; i++) {
            if (page->blocks[i] == 0)
                continue;
            *out = page->number * ORDER_PAGE_UIDS + i;
            return true;
        }
    }
    return false;
}

void uid_order_list(const struct uid_order *order, uint32_t *out)
{
    for (size_t i = 0; i < order->n_entries; i++) {
        const struct order_entry *entry = &order->entries[i];

        memcpy(out, order->blocks[entry->block], entry->n * sizeof(uint32_t));
        out += entry->n;
    }
}

/* ---- changing ---- */

void uid_order_fill(struct uid_order *order, const uint32_t *uids, uint32_t n)
{
    assert(n <= ORDER_UIDS_MAX);
    uid_order_done(order);
    make_pages(order, uids, n);
    for (uint32_t done = 0; done < n;) {
        uint16_t block = new_block(order, order->n_entries);
        uint16_t some = (uint16_t) MIN(n - done, FILLED);

        order->entries[order->n_entries - 1].n = some;
        memcpy(order->blocks[block], uids + done, some * sizeof(uint32_t));
        for (uint16_t i = 0; i < some; i++)
            set_block(order, uids[done + i], block);
        done += some;
    }
    order->n = n;
}

static void remove_one(struct uid_order *order, uint32_t uid)
{
    struct order_place place = find_place(order, uid);
    struct order_entry *entry = &order->entries[place.entry];
    uint32_t *at = order->blocks[entry->block] + place.in_block;

    entry->n--;
    memmove(at, at + 1, (entry->n - place.in_block) * sizeof(uint32_t));
    if (entry->n == 0)
        drop_block(order, place.entry);
    forget(order, uid);
    order->n--;
}

static void insert_one(struct uid_order *order, uint32_t uid, uint32_t position)
{
    struct order_entry *entry;
    uint32_t *block;
    size_t at;

    if (order->n_entries == 0)
        (void) new_block(order, 0);
    at = entry_at(order, &position);
    if (order->entries[at].n == ORDER_BLOCK_UIDS) {
        split(order, at);
        if (position > order->entries[at].n)
            position -= order->entries[at++].n;
    }
    entry = &order->entries[at];
    block = order->blocks[entry->block];
    assert(position <= entry->n);
    memmove(block + position + 1, block + position, (entry->n - position) * sizeof(uint32_t));
    block[position] = uid;
    entry->n++;
    set_block(order, uid, entry->block);
    order->n++;
}

/* The others, in one pass. */
static void remove_many(struct uid_order *order, const uint32_t *positions, uint32_t n)
{
    AUTO(freep) uint32_t *list = xmalloc(((size_t) order->n + 1) * sizeof(*list));
    uint32_t kept = 0, next = 0;

    uid_order_list(order, list);
    for (uint32_t i = 0; i < order->n; i++) {
        if (next < n && positions[next] == i)
            next++;
        else
            list[kept++] = list[i];
    }
    uid_order_fill(order, list, kept);
}

/* Positions of the uids among all; of many in one pass. */
static void find_positions(const struct uid_order *order, const uint32_t *uids, uint32_t n,
                           struct sort_item *out)
{
    AUTO(freep) uint32_t *list = NULL;
    struct uid_marks wanted = {0};
    uint32_t found = 0;

    if (n <= order->n / MANY_PART) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = (struct sort_item){uid_order_position(order, uids[i]), uids[i]};
        return;
    }
    list = xmalloc(((size_t) order->n + 1) * sizeof(*list));
    uid_order_list(order, list);
    for (uint32_t i = 0; i < n; i++)
        uid_marks_add(&wanted, uids[i]);
    for (uint32_t i = 0; i < order->n; i++)
        if (uid_marks_has(&wanted, list[i]))
            out[found++] = (struct sort_item){i, list[i]};
    uid_marks_done(&wanted);
    assert(found == n);
}

void uid_order_remove(struct uid_order *order, const uint32_t *uids, uint32_t n,
                      uint32_t *out_uids, uint32_t *out_positions)
{
    AUTO(freep) struct sort_item *items = xmalloc(((size_t) n + 1) * sizeof(*items));
    AUTO(freep) struct sort_item *room = xmalloc(((size_t) n + 1) * sizeof(*room));

    find_positions(order, uids, n, items);
    sort_items(items, room, n);
    for (uint32_t i = 0; i < n; i++) {
        out_uids[i] = items[i].at;
        out_positions[i] = (uint32_t) items[i].key;
    }
    if (n > order->n / MANY_PART)
        remove_many(order, out_positions, n);
    else
        for (uint32_t i = 0; i < n; i++)
            remove_one(order, out_uids[i]);
    for (uint32_t i = 0; i < n; i++)
        out_positions[i] -= i;
}

static void insert_many(struct uid_order *order, const uint32_t *uids,
                        const uint32_t *positions, uint32_t n)
{
    uint32_t all = order->n + n, next = 0, kept = 0;
    AUTO(freep) uint32_t *old = xmalloc(((size_t) order->n + 1) * sizeof(*old));
    AUTO(freep) uint32_t *list = xmalloc(((size_t) all + 1) * sizeof(*list));

    uid_order_list(order, old);
    for (uint32_t i = 0; i < all; i++) {
        if (next < n && positions[next] == i)
            list[i] = uids[next++];
        else
            list[i] = old[kept++];
    }
    uid_order_fill(order, list, all);
}

void uid_order_insert(struct uid_order *order, const uint32_t *uids, const uint32_t *positions,
                      uint32_t n)
{
    if (n > order->n / MANY_PART) {
        insert_many(order, uids, positions, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        insert_one(order, uids[i], positions[i]);
}
