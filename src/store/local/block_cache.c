#include "store/local/block_cache.h"

#define DECOMPRESSORS_KEPT 4u

struct block_key {
    uint64_t pack, frame;
};

struct block {
    struct block_key key;
    unsigned refs;   /* cache lock */
    bool is_listed;  /* cache lock: in the map and the list */
    struct link age; /* cache lock */
    size_t len;
    char *bytes;
};

struct block_cache {
    pthread_mutex_t lock;
    struct map *blocks;                            /* lock: key -> block */
    struct list age;                               /* lock: least recently used first */
    size_t bytes;                                  /* lock: of the blocks in the map */
    struct decompressor *idle[DECOMPRESSORS_KEPT]; /* lock */
    size_t n_idle;                                 /* lock */
};

struct block_cache *block_cache_new(void)
{
    struct block_cache *cache = xcalloc(1, sizeof(*cache));

    (void) pthread_mutex_init(&cache->lock, NULL);
    cache->blocks = map_new();
    list_init(&cache->age);
    return cache;
}

static struct slice key_slice(const struct block_key *key)
{
    return slice_of(key, sizeof(*key));
}

static void block_free(struct block *block)
{
    if (block == NULL)
        return;
    free(block->bytes);
    free(block);
}

void block_cache_free(struct block_cache *cache)
{
    if (cache == NULL)
        return;
    LIST_FOREACH(it, &cache->age)
    {
        block_free(LINK_OWNER(it, struct block, age));
    }
    for (size_t i = 0; i < cache->n_idle; i++)
        decompressor_free(cache->idle[i]);
    map_free(cache->blocks);
    (void) pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* With the lock held. */
static struct block *use(struct block_cache *cache, struct block *block)
{
    block->refs++;
    list_remove(&block->age);
    list_push_back(&cache->age, &block->age);
    return block;
}

struct block *block_cache_find(struct block_cache *cache, uint64_t pack, size_t frame)
{
    struct block_key key = {pack, frame};
    struct block *block;

    (void) pthread_mutex_lock(&cache->lock);
    block = map_get(cache->blocks, key_slice(&key));
    if (block != NULL)
        (void) use(cache, block);
    (void) pthread_mutex_unlock(&cache->lock);
    return block;
}

/* With the lock held: the oldest go; one that is being read is freed by its last reader. */
static void evict(struct block_cache *cache, struct list *out_dead)
{
    while (cache->bytes > BLOCK_CACHE_BYTES) {
        struct block *oldest = LINK_OWNER(cache->age.head.next, struct block, age);

        list_remove(&oldest->age);
        (void) map_remove(cache->blocks, key_slice(&oldest->key));
        oldest->is_listed = false;
        cache->bytes -= oldest->len;
        if (oldest->refs == 0)
            list_push_back(out_dead, &oldest->age);
    }
}

struct block *block_cache_add(struct block_cache *cache, uint64_t pack, size_t frame,
                              char *bytes, size_t len)
{
    struct block *block = xcalloc(1, sizeof(*block)), *found;
    struct list dead;

    list_init(&dead);
    *block = (struct block){
        .key = {pack, frame},
          .is_listed = true, .len = len, .bytes = bytes
    };
    (void) pthread_mutex_lock(&cache->lock);
    found = map_get(cache->blocks, key_slice(&block->key));
    if (found != NULL) {
        list_push_back(&dead, &block->age);
        block = found;
    } else {
        (void) map_put(cache->blocks, key_slice(&block->key), block);
        list_push_back(&cache->age, &block->age);
        cache->bytes += len;
    }
    (void) use(cache, block);
    evict(cache, &dead);
    (void) pthread_mutex_unlock(&cache->lock);
    LIST_FOREACH(it, &dead)
    {
        block_free(LINK_OWNER(it, struct block, age));
    }
    return block;
}

void block_put(struct block_cache *cache, struct block *block)
{
    bool is_dead;

    (void) pthread_mutex_lock(&cache->lock);
    is_dead = --block->refs == 0 && !block->is_listed;
    (void) pthread_mutex_unlock(&cache->lock);
    if (is_dead)
        block_free(block);
}

struct slice block_bytes(const struct block *block)
{
    return slice_of(block->bytes, block->len);
}

struct decompressor *block_cache_borrow(struct block_cache *cache)
{
    struct decompressor *decompressor = NULL;

    (void) pthread_mutex_lock(&cache->lock);
    if (cache->n_idle > 0)
        decompressor = cache->idle[--cache->n_idle];
    (void) pthread_mutex_unlock(&cache->lock);
    return decompressor != NULL ? decompressor : decompressor_new();
}

void block_cache_return(struct block_cache *cache, struct decompressor *decompressor)
{
    (void) pthread_mutex_lock(&cache->lock);
    if (cache->n_idle < DECOMPRESSORS_KEPT) {
        cache->idle[cache->n_idle++] = decompressor;
        decompressor = NULL;
    }
    (void) pthread_mutex_unlock(&cache->lock);
    decompressor_free(decompressor);
}
