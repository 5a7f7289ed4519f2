#include "base/map.h"

#include <pthread.h>
#include <xxhash.h>

#include "base/random.h"

#define MAP_FIRST_SLOTS 16u

struct entry {
    void *value;
    uint64_t hash;
    size_t key_len;
    char key[];
};

struct map {
    struct entry **slots; /* open addressing, linear probing; NULL: free */
    size_t n_slots, n;    /* n_slots is a power of two, at most 3/4 used */
};

static uint64_t the_seed; /* written once, by pick_seed */

static void pick_seed(void)
{
    the_seed = random_id();
}

static uint64_t hash_of(struct slice key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, pick_seed);
    return XXH3_64bits_withSeed(key.ptr, key.len, the_seed);
}

struct map *map_new(void)
{
    struct map *map = xcalloc(1, sizeof(*map));

    map->n_slots = MAP_FIRST_SLOTS;
    map->slots = xcalloc(map->n_slots, sizeof(struct entry *));
    return map;
}

void map_free(struct map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->n_slots; i++)
        free(map->slots[i]);
    free(map->slots);
    free(map);
}

void map_freep(struct map **map)
{
    map_free(*map);
    *map = NULL;
}

size_t map_count(const struct map *map)
{
    return map->n;
}

/* The slot that holds key, or the free one where it would go. */
static size_t slot_of(const struct map *map, struct slice key, uint64_t hash)
{
    size_t at = hash & (map->n_slots - 1);

    while (map->slots[at] != NULL) {
        const struct entry *entry = map->slots[at];

        if (entry->hash == hash && slice_eq(slice_of(entry->key, entry->key_len), key))
            return at;
        at = (at + 1) & (map->n_slots - 1);
    }
    return at;
}

void *map_get(const struct map *map, struct slice key)
{
    const struct entry *entry = map->slots[slot_of(map, key, hash_of(key))];

    return entry != NULL ? entry->value : NULL;
}

static void grow(struct map *map)
{
    struct entry **old = map->slots;
    size_t n_old = map->n_slots;

    map->n_slots *= 2;
    map->slots = xcalloc(map->n_slots, sizeof(struct entry *));
    for (size_t i = 0; i < n_old; i++) {
        if (old[i] != NULL)
            map->slots[slot_of(map, slice_of(old[i]->key, old[i]->key_len), old[i]->hash)] =
                old[i];
    }
    free(old);
}

void *map_put(struct map *map, struct slice key, void *value)
{
    uint64_t hash = hash_of(key);
    struct entry *entry = map->slots[slot_of(map, key, hash)];
    void *old;

    if (entry != NULL) {
        old = entry->value;
        entry->value = value;
        return old;
    }
    if ((map->n + 1) * 4 > map->n_slots * 3)
        grow(map);
    entry = xmalloc(sizeof(*entry) + key.len);
    entry->value = value;
    entry->hash = hash;
    entry->key_len = key.len;
    if (key.len > 0)
        memcpy(entry->key, key.ptr, key.len);
    map->slots[slot_of(map, key, hash)] = entry;
    map->n++;
    return NULL;
}

/* Move later members of the run at hole back, so that no search stops short at it. */
static void close_gap(struct map *map, size_t hole)
{
    size_t at = hole;

    for (;;) {
        size_t home;

        at = (at + 1) & (map->n_slots - 1);
        if (map->slots[at] == NULL)
            break;
        home = map->slots[at]->hash & (map->n_slots - 1);
        if (((at - home) & (map->n_slots - 1)) >= ((at - hole) & (map->n_slots - 1))) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = NULL;
}

void *map_remove(struct map *map, struct slice key)
{
    size_t at = slot_of(map, key, hash_of(key));
    struct entry *entry = map->slots[at];
    void *value;

    if (entry == NULL)
        return NULL;
    value = entry->value;
    free(entry);
    close_gap(map, at);
    map->n--;
    return value;
}

bool map_next(const struct map *map, size_t *at, struct slice *key, void **value)
{
    while (*at < map->n_slots) {
        const struct entry *entry = map->slots[(*at)++];

        if (entry != NULL) {
            *key = slice_of(entry->key, entry->key_len);
            *value = entry->value;
            return true;
        }
    }
    return false;
}
