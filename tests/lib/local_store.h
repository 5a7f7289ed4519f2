/*
 * local_store.h - a store in a folder of its own, for tests of the local engine: small
 * segments, groups whose records say which they are, and a count of what was reported durable.
 */
#ifndef ROOST_TESTS_LOCAL_STORE_H
#define ROOST_TESTS_LOCAL_STORE_H

#include <pthread.h>

#include "store/local/local.h"

#define TEST_SEGMENT_BYTES ((uint64_t) 1 << 20)
#define TEST_FIRST_BYTES   ((uint64_t) 256 << 10)

struct local_store {
    char path[64];
    struct local_options options;
    struct engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t durable; /* lock: the greatest position reported */
    uint64_t wanted;  /* lock: calls of checkpoint_wanted */
};

/* A new folder with a store in it, not open. */
void local_store_make(struct local_store *store);
/* Opens and starts; fails the test if it cannot. */
void local_store_open(struct local_store *store);
void local_store_close(struct local_store *store);
/* Closes if open, removes the folder. */
void local_store_remove(struct local_store *store);
void local_store_remove_tree(const char *path);
/* Copy the closed (or crashed) store's folder to the path of another. */
void local_store_copy(const char *from, const char *to);

/* Commit one group with these records; its position. */
uint64_t local_store_put(struct local_store *store, uint64_t account, struct slice records);
/* The same with one body. */
uint64_t local_store_put_body(struct local_store *store, uint64_t account, uint64_t body_id,
                              struct slice records, struct slice body);
void local_store_wait(struct local_store *store, uint64_t position);
/* Bytes of a body that can be told from others: a function of seed and place. */
char *local_store_body(uint64_t seed, size_t len);

#endif
