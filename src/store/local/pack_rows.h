/*
 * pack_rows.h - the state's table of packs [format], docs/formats/checkpoint.md: which exist,
 * how much of each is dead, and what may be done with its file.
 *
 * Life of a row: planned (before a file of that number is made) -> live (the file is whole and
 * durable, places name it) -> retired (no place names it any more; its file may go) -> gone. So
 * a file that has no row is never one of ours half made or half removed: it is damage, or
 * somebody else's, and stays.
 *
 * Dead. A body's place goes in the same transaction in which its pack's row counts it as dead,
 * whether it died or moved to another pack.
 */
#ifndef ROOST_STORE_LOCAL_PACK_ROWS_H
#define ROOST_STORE_LOCAL_PACK_ROWS_H

#include "store/local/checkpoint.h"

enum pack_state { PACK_LIVE, PACK_PLANNED, PACK_RETIRED };

struct pack_info {
    uint64_t number;
    enum pack_state state;
    uint8_t merges;      /* how often its bodies were merged while it was full-sized already */
    uint64_t account;    /* level 1: all bodies are this account's; 0: level 0, shared */
    uint64_t file_bytes; /* the whole file */
    uint64_t bodies, raw_bytes, stored_bytes;
    uint64_t dead_bodies, dead_raw, dead_stored;
    int64_t made; /* unix seconds */
};

/* Before a file of that number is made; durable. */
MUST_CHECK enum rc pack_rows_plan(struct state *state, uint64_t pack, struct err *err);
/* Its file is gone, or never came to be. */
MUST_CHECK enum rc pack_rows_forget(struct state *state, uint64_t pack, struct err *err);

struct pack_change {
    struct pack_info pack; /* live from now on; its counts are made here */
    const struct packed_body *bodies;
    size_t n_bodies;
    /* Compaction: the packs that the bodies lie in so far; those that are not there any more
     * died. None: bodies come from the journal, parts are new. */
    const uint64_t *sources;
    size_t n_sources;
    bool retires; /* nothing that lives is left in the sources */
    /* No source: a body that died meanwhile has no place in memory any more and gets none. */
    bool (*is_alive)(void *ctx, uint64_t account, uint64_t body_id);
    /* What else belongs into the transaction. NULL: nothing. */
    enum rc (*settle)(void *ctx, struct state_txn *txn, struct err *err);
    void *ctx;
};

/*
 * A finished pack becomes live and its bodies have their places there, in one transaction;
 * those that died or whose account was removed since count as dead in it. pack.number 0: there
 * is no new pack, only retired ones.
 */
MUST_CHECK enum rc pack_rows_change(struct state *state, const struct pack_change *change,
                                    struct err *err);

/* Bodies that died: place and loose digest go, the pack counts them. Ids without a place only
 * lose their digest. */
MUST_CHECK enum rc pack_rows_drop(struct state *state, uint64_t account, const uint64_t *ids,
                                  size_t n, struct err *err);

/* For jobs of others: all of an account's places go. */
MUST_CHECK enum rc pack_rows_drop_account(struct state_txn *txn, uint64_t account,
                                          struct err *err);

/* What was lost of a pack with the state: its row, and places of its bodies. */
MUST_CHECK enum rc pack_rows_mend(struct state *state, const struct pack_info *info,
                                  const struct packed_body *places, size_t n, struct err *err);

/* Until fn answers false. RC_CORRUPT: a row fails its check; those behind it were not told. */
MUST_CHECK enum rc pack_rows_each(struct state *state,
                                  bool (*fn)(void *ctx, const struct pack_info *pack),
                                  void *ctx, struct err *err);

#endif
