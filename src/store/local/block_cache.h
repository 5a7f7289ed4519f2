/*
 * block_cache.h - blocks of packs, decompressed, the most recently used ones: so that the
 * neighbours of a digest or a small mail come for free.
 *
 * Bounded; a block that somebody reads stays until it is put back, whatever the bound says.
 * Lock: the cache's lock, of the rank of the packs' lock; nothing is read or decompressed with
 * it held.
 */
#ifndef ROOST_STORE_LOCAL_BLOCK_CACHE_H
#define ROOST_STORE_LOCAL_BLOCK_CACHE_H

#include "store/local/codec.h"

#define BLOCK_CACHE_BYTES ((size_t) 8 << 20)

struct block_cache;
struct block;

struct block_cache *block_cache_new(void);
void block_cache_free(struct block_cache *cache);

/* NULL: not here. */
struct block *block_cache_find(struct block_cache *cache, uint64_t pack, size_t frame);
/* Takes bytes (heap) over; one that came first stays and is what the caller gets. */
struct block *block_cache_add(struct block_cache *cache, uint64_t pack, size_t frame,
                              char *bytes, size_t len);
void block_put(struct block_cache *cache, struct block *block);
struct slice block_bytes(const struct block *block);

/* A decompressor of the few that are kept. */
struct decompressor *block_cache_borrow(struct block_cache *cache);
void block_cache_return(struct block_cache *cache, struct decompressor *decompressor);

#endif
