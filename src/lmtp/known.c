#include "lmtp/known.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"

struct shelf {
    struct list by_use; /* struct entry; what was asked for last is at the end */
    size_t n, max;
};

struct known {
    struct map *by_address;
    struct shelf taken, refused;
    uint64_t generation; /* 0: nothing is kept */
};

struct entry {
    struct link link;
    struct shelf *shelf;
    int64_t until_us;
    struct slice address;
    struct msg_resolved said; /* its slices, and address, lie in text */
    char text[];
};

struct known *known_new(void)
{
    struct known *known = xcalloc(1, sizeof(*known));

    known->by_address = map_new();
    known->taken.max = KNOWN_MAX;
    known->refused.max = KNOWN_REFUSED_MAX;
    list_init(&known->taken.by_use);
    list_init(&known->refused.by_use);
    return known;
}

static void drop(struct known *known, struct entry *entry)
{
    (void) map_remove(known->by_address, entry->address);
    list_remove(&entry->link);
    entry->shelf->n--;
    free(entry);
}

static void clear(struct known *known, const struct shelf *shelf)
{
    LIST_FOREACH(it, &shelf->by_use)
    {
        drop(known, LINK_OWNER(it, struct entry, link));
    }
}

void known_forget(struct known *known, uint64_t generation)
{
    clear(known, &known->taken);
    clear(known, &known->refused);
    known->generation = generation;
}

void known_free(struct known *known)
{
    if (known == NULL)
        return;
    known_forget(known, 0);
    map_free(known->by_address);
    free(known);
}

size_t known_count(const struct known *known)
{
    return map_count(known->by_address);
}

const struct msg_resolved *known_find(struct known *known, struct slice address, int64_t now_us)
{
    struct entry *entry = map_get(known->by_address, address);

    if (entry == NULL)
        return NULL;
    if (now_us >= entry->until_us) {
        drop(known, entry);
        return NULL;
    }
    list_remove(&entry->link);
    list_push_back(&entry->shelf->by_use, &entry->link);
    return &entry->said;
}

static struct slice keep(char **at, struct slice text)
{
    struct slice copy = slice_of(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

void known_put(struct known *known, struct slice address, const struct msg_resolved *said,
               int64_t now_us)
{
    struct shelf *shelf = said->code == RESOLVE_OK ? &known->taken : &known->refused;
    struct entry *entry = map_get(known->by_address, address);
    char *at;

    if (entry != NULL)
        drop(known, entry);
    if (said->keep_ms == 0 || said->generation != known->generation || known->generation == 0)
        return;
    if (shelf->n == shelf->max)
        drop(known, LINK_OWNER(shelf->by_use.head.next, struct entry, link));
    entry = xmalloc(sizeof(*entry) + address.len + said->user.len + said->detail.len +
                    said->mailbox.len);
    at = entry->text;
    *entry = (struct entry){.shelf = shelf,
                            .until_us = now_us + (int64_t) said->keep_ms * 1000,
                            .address = keep(&at, address),
                            .said = *said};
    entry->said.user = keep(&at, said->user);
    entry->said.detail = keep(&at, said->detail);
    entry->said.mailbox = keep(&at, said->mailbox);
    list_push_back(&shelf->by_use, &entry->link);
    shelf->n++;
    (void) map_put(known->by_address, entry->address, entry);
}
