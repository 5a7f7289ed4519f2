#include "mailbox/principals.h"

#include <assert.h>
#include <pthread.h>
#include <xxhash.h>

#include "account/counted.h"
#include "auth/name.h"
#include "base/random.h"

/*
 * Two tables over the same rows, one by id and one by name. A table is an array of shards, each
 * a counted array of slots in the order of a hash. A change forks both arrays of pointers and
 * copies the shards it touches, once each: while a change runs, a shard that it alone holds is
 * changed in place (counted.h).
 */
#define SHARD_BITS  10u
#define SHARDS      ((size_t) 1 << SHARD_BITS)
#define SHARD_FIRST 4u /* slots of a shard's first array */

struct row {
    struct counted refs; /* one for each slot, so two for each snapshot's worth of shards */
    struct principal principal;
    size_t n_groups;
    uint64_t *groups;
};

struct slot {
    uint64_t hash;
    struct row *row;
};

struct shard {
    struct counted refs;
    size_t n, cap;
    struct slot *slots; /* ascending by hash */
};

struct table {
    struct shard *shards[SHARDS]; /* NULL: empty */
};

struct principals {
    struct counted refs;
    uint64_t epoch;
    uint64_t seed; /* of the registry: strangers may choose names */
    size_t n;
    struct table by_id, by_name;
};

struct principal_registry {
    pthread_mutex_t lock; /* guards current's pointer and the watchers */
    struct principals *current;
    struct list watchers;
    _Atomic uint64_t epoch; /* of current; a hint read without the lock, the lock orders it */
};

struct principals_change {
    struct principal_registry *registry;
    struct principals *made; /* ours alone until it is published */
};

/* ---- rows ---- */

static struct row *row_new(const struct principal *from, const uint64_t *groups,
                           size_t n_groups)
{
    size_t groups_len = n_groups * sizeof(*groups);
    struct row *row = xcalloc(1, sizeof(*row) + groups_len + from->name.len + from->key.len);
    char *at = (char *) (row + 1);

    counted_init(&row->refs);
    row->principal = *from;
    row->n_groups = n_groups;
    if (n_groups > 0) {
        row->groups = (uint64_t *) (void *) at;
        memcpy(row->groups, groups, groups_len);
    }
    at += groups_len;
    if (from->name.len > 0)
        memcpy(at, from->name.ptr, from->name.len);
    row->principal.name.ptr = at;
    at += from->name.len;
    if (from->key.len > 0)
        memcpy(at, from->key.ptr, from->key.len);
    row->principal.key.ptr = at;
    return row;
}

static struct row *row_take(struct row *row)
{
    counted_take(&row->refs);
    return row;
}

static void row_drop(struct row *row)
{
    if (counted_drop(&row->refs))
        free(row);
}

/* ---- shards and tables ---- */

static struct shard **shard_at(struct table *table, uint64_t hash)
{
    return &table->shards[hash >> (64 - SHARD_BITS)];
}

static void shard_drop(struct shard *shard)
{
    if (shard == NULL || !counted_drop(&shard->refs))
        return;
    for (size_t i = 0; i < shard->n; i++)
        row_drop(shard->slots[i].row);
    free(shard->slots);
    free(shard);
}

/* The shard at place, ours alone: copied first if others hold it. */
static struct shard *shard_ours(struct shard **place)
{
    const struct shard *old = *place;
    struct shard *made;

    if (old != NULL && counted_is_ours(&old->refs))
        return *place;
    made = xcalloc(1, sizeof(*made));
    counted_init(&made->refs);
    made->n = old != NULL ? old->n : 0;
    made->cap = MAX(made->n + 1, SHARD_FIRST);
    made->slots = xcalloc(made->cap, sizeof(*made->slots));
    for (size_t i = 0; i < made->n; i++)
        made->slots[i] =
            (struct slot){.hash = old->slots[i].hash, .row = row_take(old->slots[i].row)};
    shard_drop(*place);
    *place = made;
    return made;
}

/* Index of the first slot with that hash or a greater one. */
static size_t shard_lower_bound(const struct shard *shard, uint64_t hash)
{
    size_t low = 0, high = shard->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (shard->slots[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void table_insert(struct table *table, uint64_t hash, struct row *row)
{
    struct shard *shard = shard_ours(shard_at(table, hash));
    size_t at = shard_lower_bound(shard, hash);

    if (shard->n == shard->cap) {
        shard->cap *= 2;
        shard->slots = xrealloc(shard->slots, shard->cap * sizeof(*shard->slots));
    }
    memmove(shard->slots + at + 1, shard->slots + at, (shard->n - at) * sizeof(*shard->slots));
    shard->slots[at] = (struct slot){.hash = hash, .row = row_take(row)};
    shard->n++;
}

static void table_remove(struct table *table, uint64_t hash, const struct row *row)
{
    struct shard *shard = shard_ours(shard_at(table, hash));
    size_t at = shard_lower_bound(shard, hash);

    while (shard->slots[at].row != row)
        at++;
    row_drop(shard->slots[at].row);
    shard->n--;
    memmove(shard->slots + at, shard->slots + at + 1, (shard->n - at) * sizeof(*shard->slots));
}

static void table_share(struct table *out, const struct table *from)
{
    for (size_t i = 0; i < SHARDS; i++) {
        out->shards[i] = from->shards[i];
        if (out->shards[i] != NULL)
            counted_take(&out->shards[i]->refs);
    }
}

static void table_drop(struct table *table)
{
    for (size_t i = 0; i < SHARDS; i++)
        shard_drop(table->shards[i]);
}

/* ---- reading ---- */

static uint64_t hash_of_id(const struct principals *principals, uint64_t id)
{
    return XXH3_64bits_withSeed(&id, sizeof(id), principals->seed);
}

/* Accounts of both kinds share a name space, so a seed. */
static uint64_t hash_of_name(const struct principals *principals, bool group, struct slice key)
{
    return XXH3_64bits_withSeed(key.ptr, key.len, principals->seed + (group ? 2 : 1));
}

static struct row *row_by_id(const struct principals *principals, uint64_t id)
{
    uint64_t hash = hash_of_id(principals, id);
    const struct shard *shard = principals->by_id.shards[hash >> (64 - SHARD_BITS)];

    if (shard == NULL)
        return NULL;
    for (size_t i = shard_lower_bound(shard, hash); i < shard->n; i++) {
        if (shard->slots[i].hash != hash)
            break;
        if (shard->slots[i].row->principal.id == id)
            return shard->slots[i].row;
    }
    return NULL;
}

static struct row *row_by_name(const struct principals *principals, bool group,
                               struct slice key)
{
    uint64_t hash = hash_of_name(principals, group, key);
    const struct shard *shard = principals->by_name.shards[hash >> (64 - SHARD_BITS)];

    if (shard == NULL)
        return NULL;
    for (size_t i = shard_lower_bound(shard, hash); i < shard->n; i++) {
        const struct principal *at = &shard->slots[i].row->principal;

        if (shard->slots[i].hash != hash)
            break;
        if ((at->kind == PRINCIPAL_GROUP) == group && slice_eq(at->key, key))
            return shard->slots[i].row;
    }
    return NULL;
}

struct principals *principals_ref(const struct principals *principals)
{
    struct principals *same = (struct principals *) (uintptr_t) principals;

    counted_take(&same->refs);
    return same;
}

void principals_unref(struct principals *principals)
{
    if (principals == NULL || !counted_drop(&principals->refs))
        return;
    table_drop(&principals->by_id);
    table_drop(&principals->by_name);
    free(principals);
}

void principals_unrefp(struct principals **principals)
{
    principals_unref(*principals);
    *principals = NULL;
}

const struct principal *principals_by_id(const struct principals *principals, uint64_t id)
{
    const struct row *row = row_by_id(principals, id);

    return row != NULL ? &row->principal : NULL;
}

const struct principal *principals_by_name(const struct principals *principals,
                                           enum principal_kind kind, struct slice key)
{
    const struct row *row = row_by_name(principals, kind == PRINCIPAL_GROUP, key);

    return row != NULL && row->principal.kind == kind ? &row->principal : NULL;
}

static const struct principal *find(const struct principals *principals, bool group,
                                    struct slice name)
{
    struct auth_key key;
    const struct row *row;

    if (auth_name_key(name, &key, NULL) != RC_OK)
        return NULL;
    row = row_by_name(principals, group, auth_key_slice(&key));
    return row != NULL ? &row->principal : NULL;
}

const struct principal *principals_find_group(const struct principals *principals,
                                              struct slice name)
{
    return find(principals, true, name);
}

const struct principal *principals_find_account(const struct principals *principals,
                                                struct slice name)
{
    return find(principals, false, name);
}

const uint64_t *principals_groups_of(const struct principals *principals, uint64_t account,
                                     size_t *out_n)
{
    const struct row *row = row_by_id(principals, account);

    *out_n = row != NULL ? row->n_groups : 0;
    return row != NULL ? row->groups : NULL;
}

static bool row_is_in(const struct row *row, uint64_t group)
{
    size_t n = row->n_groups, low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;

        if (row->groups[mid] == group)
            return true;
        if (row->groups[mid] < group)
            low = mid + 1;
        else
            n = mid;
    }
    return false;
}

bool principals_is_member(const struct principals *principals, uint64_t account, uint64_t group)
{
    const struct row *row = row_by_id(principals, account);

    return row != NULL && row_is_in(row, group);
}

size_t principals_count(const struct principals *principals)
{
    return principals->n;
}

const struct principal *principals_next(const struct principals *principals,
                                        struct principals_at *at)
{
    for (; at->shard < SHARDS; at->shard++, at->slot = 0) {
        const struct shard *shard = principals->by_id.shards[at->shard];

        if (shard != NULL && at->slot < shard->n)
            return &shard->slots[at->slot++].row->principal;
    }
    return NULL;
}

uint64_t principals_epoch(const struct principals *principals)
{
    return principals->epoch;
}

/* ---- the registry ---- */

static struct principals *principals_new(uint64_t seed)
{
    struct principals *made = xcalloc(1, sizeof(*made));

    counted_init(&made->refs);
    made->seed = seed;
    return made;
}

struct principal_registry *principal_registry_new(void)
{
    struct principal_registry *registry = xcalloc(1, sizeof(*registry));

    (void) pthread_mutex_init(&registry->lock, NULL); /* cannot fail on Linux */
    list_init(&registry->watchers);
    atomic_init(&registry->epoch, 0);
    registry->current = principals_new(random_id());
    return registry;
}

void principal_registry_free(struct principal_registry *registry)
{
    if (registry == NULL)
        return;
    assert(list_is_empty(&registry->watchers));
    principals_unref(registry->current);
    (void) pthread_mutex_destroy(&registry->lock);
    free(registry);
}

void principal_registry_freep(struct principal_registry **registry)
{
    principal_registry_free(*registry);
    *registry = NULL;
}

struct principals *principal_registry_current(struct principal_registry *registry)
{
    struct principals *current;

    (void) pthread_mutex_lock(&registry->lock);
    current = principals_ref(registry->current);
    (void) pthread_mutex_unlock(&registry->lock);
    return current;
}

uint64_t principal_registry_epoch(const struct principal_registry *registry)
{
    return atomic_load_explicit(&registry->epoch, memory_order_acquire); /* with publish */
}

void principal_registry_watch(struct principal_registry *registry,
                              struct principals_watcher *watcher)
{
    (void) pthread_mutex_lock(&registry->lock);
    list_push_back(&registry->watchers, &watcher->link);
    (void) pthread_mutex_unlock(&registry->lock);
}

void principal_registry_unwatch(struct principal_registry *registry,
                                struct principals_watcher *watcher)
{
    (void) pthread_mutex_lock(&registry->lock);
    list_remove(&watcher->link);
    (void) pthread_mutex_unlock(&registry->lock);
}

/* ---- the writer ---- */

struct principals_change *principals_change_begin(struct principal_registry *registry,
                                                  bool whole)
{
    AUTO(principals_unrefp) struct principals *base = principal_registry_current(registry);
    struct principals_change *change = xcalloc(1, sizeof(*change));

    change->registry = registry;
    change->made = principals_new(base->seed);
    if (!whole) {
        change->made->n = base->n;
        table_share(&change->made->by_id, &base->by_id);
        table_share(&change->made->by_name, &base->by_name);
    }
    return change;
}

static uint64_t name_hash_of_row(const struct principals *principals, const struct row *row)
{
    return hash_of_name(principals, row->principal.kind == PRINCIPAL_GROUP, row->principal.key);
}

static void take_out(struct principals *made, struct row *row)
{
    uint64_t by_id = hash_of_id(made, row->principal.id);
    uint64_t by_name = name_hash_of_row(made, row);

    table_remove(&made->by_id, by_id, row);
    table_remove(&made->by_name, by_name, row); /* the last reference, perhaps */
    made->n--;
}

void principals_put(struct principals_change *change, const struct principal *principal,
                    const uint64_t *groups, size_t n_groups)
{
    struct principals *made = change->made;
    struct row *row = row_by_id(made, principal->id);

    assert(n_groups <= PRINCIPAL_GROUPS_MAX);
    if (row != NULL)
        take_out(made, row);
    row = row_by_name(made, principal->kind == PRINCIPAL_GROUP, principal->key);
    if (row != NULL)
        take_out(made, row);
    row = row_new(principal, groups, n_groups);
    table_insert(&made->by_id, hash_of_id(made, principal->id), row);
    table_insert(&made->by_name, name_hash_of_row(made, row), row);
    made->n++;
    row_drop(row); /* the tables hold it */
}

/* The row again, without that group. */
static void leave_group(struct principals_change *change, const struct row *row, uint64_t group)
{
    struct principal same = row->principal;
    uint64_t groups[PRINCIPAL_GROUPS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < row->n_groups; i++)
        if (row->groups[i] != group)
            groups[n++] = row->groups[i];
    principals_put(change, &same, groups, n);
}

/* The tables change under this walk, so it goes over the rows as they were at its start. */
static void end_group(struct principals_change *change, uint64_t group)
{
    struct principals *made = change->made;
    struct row **members = xcalloc(made->n + 1, sizeof(struct row *));
    size_t n = 0;

    for (size_t i = 0; i < SHARDS; i++) {
        const struct shard *shard = made->by_id.shards[i];

        for (size_t k = 0; shard != NULL && k < shard->n; k++)
            if (row_is_in(shard->slots[k].row, group))
                members[n++] = row_take(shard->slots[k].row);
    }
    for (size_t i = 0; i < n; i++) {
        leave_group(change, members[i], group);
        row_drop(members[i]);
    }
    free(members);
}

void principals_remove(struct principals_change *change, uint64_t id)
{
    struct row *row = row_by_id(change->made, id);
    bool is_group;

    if (row == NULL)
        return;
    is_group = row->principal.kind == PRINCIPAL_GROUP;
    take_out(change->made, row);
    if (is_group)
        end_group(change, id);
}

void principals_publish(struct principals_change **change)
{
    struct principal_registry *registry = (*change)->registry;
    struct principals *old;

    (void) pthread_mutex_lock(&registry->lock);
    old = registry->current;
    (*change)->made->epoch = old->epoch + 1;
    registry->current = (*change)->made;
    atomic_store_explicit(&registry->epoch, registry->current->epoch, memory_order_release);
    LIST_FOREACH(link, &registry->watchers)
    LINK_OWNER(link, struct principals_watcher, link)
        ->wake(LINK_OWNER(link, struct principals_watcher, link));
    (void) pthread_mutex_unlock(&registry->lock);
    principals_unref(old);
    free(*change);
    *change = NULL;
}

void principals_change_abortp(struct principals_change **change)
{
    if (*change == NULL)
        return;
    principals_unref((*change)->made);
    free(*change);
    *change = NULL;
}
