/*
 * state.h - the LMDB environment: tables of bytes, one writer that batches, short readers
 * [format], docs/formats/checkpoint.md.
 *
 * Each write transaction raises the serial by one; the superblock remembers a serial that must
 * be there before a segment is let go of, so an older state (a copy put back, a damaged meta
 * page that makes LMDB fall back) is noticed at start.
 *
 * All calls may come from any thread. A job runs on the writer's thread inside a transaction of
 * its own within the batch; if it fails, only its own changes are dropped.
 */
#ifndef ROOST_STORE_LOCAL_STATE_H
#define ROOST_STORE_LOCAL_STATE_H

#include "base/arena.h"
#include "base/slice.h"

enum state_table {
    TABLE_META,      /* name -> value */
    TABLE_ROOTS,     /* account -> lsn, checksum, root */
    TABLE_PAGES,     /* account, page -> checksum, bytes */
    TABLE_PLACES,    /* account, body id -> pack, offset, length, row, stored */
    TABLE_PACKS,     /* pack -> state, owner, bytes, bodies, what of it is dead (pack_rows.h) */
    TABLE_REMOVED,   /* account -> lsn at which it was removed */
    TABLE_DIGESTS,   /* account, body id -> version, checksum, digest: those in no pack */
    TABLE_SWEPT,     /* account -> when its bodies were judged last (live.h) */
    TABLE_DICTS,     /* dictionary -> its file's bytes */
    TABLE_PARTS,     /* account, hash, length -> part id (parts.h) */
    TABLE_PART_REFS, /* account, part id -> references, hash, length */
    TABLE_BODY_PARTS, /* account, body id -> part ids */
};
#define STATE_TABLES (TABLE_BODY_PARTS + 1)

struct state;
struct state_txn;

struct state_options {
    const char *path; /* the store's */
    int root;         /* the same, open */
    uint64_t map_bytes;
    /* Called when a sync fails. */
    void (*fatal)(void *ctx, const struct err *err);
    void *fatal_ctx;
};

/* An empty state, durable, in the folder `state` of a store that is being made. */
MUST_CHECK enum rc state_create(const char *path, int root, struct err *err);

/* The file has passed state_check() (state_check.h). RC_CORRUPT: it is not there. */
MUST_CHECK enum rc state_open(const struct state_options *options, struct state **out,
                              struct err *err);
/* The table's name in data.mdb. Static. */
const char *state_table_name(enum state_table table);
/* LMDB's address space for a store whose options say map_bytes. */
uint64_t state_map_bytes(int root, uint64_t map_bytes);
void state_close(struct state *state);

/*
 * Keep `bytes` of the disk allocated behind the file's end, so that checkpoints go on when the
 * disk is full. is_full is asked when that was not enough: true if it made space, and the
 * commit is tried again. Called before anything is written.
 */
void state_reserve(struct state *state, uint64_t bytes, bool (*is_full)(void *ctx));

/* A reader that keeps the newest transaction's pages in their place while somebody reads the
 * file itself; short, like all readers. */
struct state_snapshot;
MUST_CHECK enum rc state_snapshot_begin(struct state *state, struct state_snapshot **out,
                                        uint64_t *out_txnid, struct err *err);
void state_snapshot_end(struct state_snapshot *snapshot);

uint64_t state_serial(struct state *state);
uint64_t state_bytes(struct state *state);
/* A copy of the newest committed transaction into an empty file, in one read transaction and
 * without free pages. RC_FULL. */
MUST_CHECK enum rc state_copy(struct state *state, int fd, struct err *err);

/* Runs fn within a write transaction; durable when it returns RC_OK. fn may run again after a
 * failure of others, so it changes nothing but the transaction and *ctx idempotently. */
typedef enum rc state_job_fn(struct state_txn *txn, void *ctx, struct err *err);
MUST_CHECK enum rc state_write(struct state *state, state_job_fn *fn, void *ctx,
                               struct err *err);

MUST_CHECK enum rc state_txn_put(struct state_txn *txn, enum state_table table,
                                 struct slice key, struct slice value, struct err *err);
/* RC_OK also when it is not there. */
MUST_CHECK enum rc state_txn_del(struct state_txn *txn, enum state_table table,
                                 struct slice key, struct err *err);
/* All keys that start with prefix. */
MUST_CHECK enum rc state_txn_del_all(struct state_txn *txn, enum state_table table,
                                     struct slice prefix, struct err *err);
/* The value is valid until the next change in the transaction. RC_NOT_FOUND. */
MUST_CHECK enum rc state_txn_get(struct state_txn *txn, enum state_table table,
                                 struct slice key, struct slice *out, struct err *err);
/* The key of the first row at or behind key; as long valid. RC_NOT_FOUND at the table's end. */
MUST_CHECK enum rc state_txn_seek(struct state_txn *txn, enum state_table table,
                                  struct slice key, struct slice *out_key, struct err *err);

/* A copy in the arena. RC_NOT_FOUND; RC_LIMIT when the arena has no room. */
MUST_CHECK enum rc state_get(struct state *state, enum state_table table, struct slice key,
                             struct arena *arena, struct slice *out, struct err *err);
/* At most cap bytes of the value, for small values without an arena. */
MUST_CHECK enum rc state_get_small(struct state *state, enum state_table table,
                                   struct slice key, char *out, size_t cap, size_t *out_len,
                                   struct err *err);
/* Each row in key order until fn answers false; in one read transaction, so fn is quick. */
MUST_CHECK enum rc state_each(struct state *state, enum state_table table,
                              bool (*fn)(void *ctx, struct slice key, struct slice value),
                              void *ctx, struct err *err);
/* Each key from the first at or behind one on, whether or not its value is sound: who needs
 * that reads it. */
MUST_CHECK enum rc state_each_key(struct state *state, enum state_table table,
                                  struct slice from, bool (*fn)(void *ctx, struct slice key),
                                  void *ctx, struct err *err);
/* state_each() from the first row at or behind a key on. */
MUST_CHECK enum rc state_each_from(struct state *state, enum state_table table,
                                   struct slice from,
                                   bool (*fn)(void *ctx, struct slice key, struct slice value),
                                   void *ctx, struct err *err);

#endif
