/*
 * store.h - the parts of an open local engine, and how they hang together.
 *
 *     commit() --> journal --(durable)--> index, callbacks        keeper: segments in and out
 *                     ^                     |                     packer: bodies into packs
 *                  stages                   v                     state:  LMDB's writer
 *                                   load(), body_open()
 *
 * Locks, taken upwards only: journal < keeper < index < packs, digests,
 * dictionaries, blocks, state. A thread that
 * holds one of them waits for nothing but its own condition.
 */
#ifndef ROOST_STORE_LOCAL_STORE_H
#define ROOST_STORE_LOCAL_STORE_H

#include <stdatomic.h>

#include "store/local/accounts.h"
#include "store/local/checkpoint.h"
#include "store/local/index.h"
#include "store/local/layout.h"
#include "store/local/local.h"
#include "store/local/super.h"

struct journal;
struct keeper;
struct packer;
struct compactor;
struct packs;
struct digests;
struct scrubber;
struct dicts;
struct block_cache;
struct holds;
struct ballast;
struct archive;

struct local {
    struct engine base;
    struct local_options options; /* with the defaults filled in */
    struct layout layout;
    struct super *super; /* recovery's, then the keeper's thread's, then close()'s */
    struct index index;
    struct state *state;
    struct accounts *accounts; /* who is to have a checkpoint */
    struct journal *journal;
    struct keeper *keeper;
    struct packer *packer;       /* NULL with no_packer */
    struct compactor *compactor; /* likewise */
    struct packs *packs;
    struct digests *digests;
    struct scrubber *scrubber;
    struct dicts *dicts;
    struct block_cache *blocks;
    struct holds *holds;
    struct ballast *ballast;
    uint64_t share; /* what one reserve may take of the disk */
    struct archive *archive;
    bool is_cut;                 /* set by recovery: options.until_us left batches out */
    struct engine_events events; /* set by start() before anything is committed */
    char *path;
    bool was_salvaged; /* the state was made anew at this start: places may lack */

    _Atomic uint64_t staged_bytes; /* a counter: memory of stages above STAGE_FREE_BYTES */
    _Atomic uint64_t next_spill;   /* a counter: numbers of spill files */
    _Atomic uint64_t next_pack;    /* a counter: numbers of packs */
    _Atomic uint64_t n_commits;    /* counters for status() */
    _Atomic uint64_t n_bodies;
    _Atomic uint64_t pack_bytes;

    pthread_mutex_t uidvalidity_lock;
    uint32_t uidvalidity_next, uidvalidity_limit; /* uidvalidity_lock: reserved durably */
};

/* Nothing may be acknowledged any more: tell the owner and end the process. */
_Noreturn void local_fatal(struct local *local, const struct err *err);

/* The superblock as it stands in memory, durable; on a full disk from the ballast's space. */
MUST_CHECK enum rc local_write_super(struct local *local, struct err *err);

static inline struct local *local_of(struct engine *engine)
{
    return (struct local *) (void *) engine;
}

#endif
