/* inventory.c - places in memory, then those in packs, whose entries tell the rest. */
#include "store/local/inventory.h"

#include "store/local/pack.h"

#define INTERNAL_ID_FIRST ((uint64_t) 1 << 63) /* no bodies of messages from here on */
#define ROWS_AT_ONCE      4096u

struct found {
    uint64_t body_id;
    struct pack_place place;
};

struct inventory {
    struct local *local;
    uint64_t account, from;
    struct body_info *list; /* of places in memory */
    size_t n, cap;
    struct found *rows; /* ROWS_AT_ONCE */
    size_t n_rows;
};

static void add_place(struct inventory *inventory, const struct place *place)
{
    if (place->body_id < inventory->from)
        return;
    if (inventory->n == inventory->cap) {
        inventory->cap = MAX(2 * inventory->cap, (size_t) 64);
        inventory->list = xrealloc(inventory->list, inventory->cap * sizeof(*inventory->list));
    }
    inventory->list[inventory->n++] = (struct body_info){.body_id = place->body_id,
                                                         .length = place->length,
                                                         .mbox = place->mbox,
                                                         .uid = place->uid,
                                                         .flags = place->flags,
                                                         .internaldate = place->internaldate};
}

/* The index is locked. */
static void list_places(struct inventory *inventory, const struct account_entry *entry)
{
    LIST_FOREACH(it, &entry->places)
    {
        add_place(inventory, LINK_OWNER(it, struct place, of_account));
    }
}

static void list_memory(struct inventory *inventory)
{
    struct index *index = &inventory->local->index;
    const struct account_entry *entry;

    (void) pthread_mutex_lock(&index->lock);
    entry = index_find_account(index, inventory->account);
    if (entry != NULL)
        list_places(inventory, entry);
    (void) pthread_mutex_unlock(&index->lock);
}

/* As list_memory(), for the first who asks behind the start. */
static void list_recovered(struct inventory *inventory)
{
    struct index *index = &inventory->local->index;
    struct account_entry *entry;

    (void) pthread_mutex_lock(&index->lock);
    entry = index_find_account(index, inventory->account);
    if (entry != NULL && entry->is_recovered) {
        entry->is_recovered = false;
        list_places(inventory, entry);
    }
    (void) pthread_mutex_unlock(&index->lock);
}

static bool see_row(void *ctx, uint64_t body_id, const struct pack_place *place)
{
    struct inventory *inventory = ctx;

    if (body_id >= INTERNAL_ID_FIRST)
        return false;
    if (place != NULL)
        inventory->rows[inventory->n_rows++] = (struct found){body_id, *place};
    inventory->from = body_id + 1;
    return inventory->n_rows < ROWS_AT_ONCE;
}

/* One whose entry cannot be read has nothing to tell: left out. */
static bool tell_row(const struct inventory *inventory, const struct found *row,
                     bool (*fn)(void *ctx, const struct body_info *body), void *ctx)
{
    struct pack_entry entry;
    struct pack *pack = NULL;
    bool goes_on = true;

    if (packs_get(inventory->local->packs, row->place.pack, &pack, NULL) != RC_OK)
        return true;
    if (pack_read_entry(pack, row->place.offset, inventory->account, row->body_id, &entry,
                        NULL) == RC_OK) {
        goes_on = fn(ctx, &(struct body_info){.body_id = row->body_id,
                                              .length = entry.length,
                                              .mbox = entry.mbox,
                                              .uid = entry.uid,
                                              .flags = entry.flags,
                                              .internaldate = entry.internaldate});
        pack_entry_done(&entry);
    }
    packs_put(inventory->local->packs, pack);
    return goes_on;
}

static enum rc tell_packed(struct inventory *inventory,
                           bool (*fn)(void *ctx, const struct body_info *body), void *ctx,
                           struct err *err)
{
    enum rc rc;

    do {
        inventory->n_rows = 0;
        rc = checkpoint_each_place(inventory->local->state, inventory->account, inventory->from,
                                   see_row, inventory, err);
        for (size_t i = 0; !rc && i < inventory->n_rows; i++) {
            if (!tell_row(inventory, &inventory->rows[i], fn, ctx))
                return RC_OK;
        }
    } while (!rc && inventory->n_rows == ROWS_AT_ONCE);
    return rc;
}

enum rc inventory_bodies(struct local *local, uint64_t account, uint64_t from,
                         bool (*fn)(void *ctx, const struct body_info *body), void *ctx,
                         struct err *err)
{
    AUTO(freep) struct found *rows = xcalloc(ROWS_AT_ONCE, sizeof(*rows));
    struct inventory inventory = {
        .local = local, .account = account, .from = from, .rows = rows};
    enum rc rc = RC_OK;
    bool goes_on = true;

    list_memory(&inventory);
    for (size_t i = 0; goes_on && i < inventory.n; i++)
        goes_on = fn(ctx, &inventory.list[i]);
    if (goes_on)
        rc = tell_packed(&inventory, fn, ctx, err);
    free(inventory.list);
    return rc;
}

void inventory_digests_lost(struct local *local, uint64_t account,
                            void (*fn)(void *ctx, const struct body_info *body), void *ctx)
{
    struct inventory inventory = {.local = local, .account = account};

    list_recovered(&inventory);
    for (size_t i = 0; i < inventory.n; i++)
        fn(ctx, &inventory.list[i]);
    free(inventory.list);
}
