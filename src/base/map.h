/*
 * map.h - a hash table from byte strings to pointers. Keyed with a secret of the process, so
 * that strangers who choose the keys cannot make it slow. Not locked: the owner's lock guards
 * it.
 *
 * Keys are copied; values belong to the caller. For numbers use the bytes of the number:
 * MAP_KEY(id).
 */
#ifndef ROOST_BASE_MAP_H
#define ROOST_BASE_MAP_H

#include "base/slice.h"

struct map;

#define MAP_KEY(number) slice_of(&(number), sizeof(number))

struct map *map_new(void);
void map_free(struct map *map);
void map_freep(struct map **map);

size_t map_count(const struct map *map);
/* NULL if there is none. */
void *map_get(const struct map *map, struct slice key);
/* Set; the value replaced, or NULL. value is not NULL. */
void *map_put(struct map *map, struct slice key, void *value);
/* Take out; the value, or NULL. */
void *map_remove(struct map *map, struct slice key);

/* Walk in no order: size_t at = 0; while (map_next(map, &at, &key, &value)). No change
 * meanwhile. */
bool map_next(const struct map *map, size_t *at, struct slice *key, void **value);

#endif
