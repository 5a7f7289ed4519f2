/*
 * local.h - the engine that keeps a store in a directory of this machine.
 *
 * docs/formats/engine.md holds the contract, docs/formats/journal.md, packs.md and
 * checkpoint.md the files. The engine promises ENGINE_NO_CONFLICT and ENGINE_MULTI_ACCT: a
 * position is the group's log sequence number (LSN), given in commit() and never taken back.
 */
#ifndef ROOST_STORE_LOCAL_H
#define ROOST_STORE_LOCAL_H

#include "store/engine.h"

#define LOCAL_SEGMENT_BYTES ((uint64_t) 64 << 20)
#define LOCAL_FIRST_SEGMENT_BYTES                                                              \
    ((uint64_t) 4 << 20) /* a new store is made in milliseconds                                \
                          */
#define LOCAL_SEGMENT_MIN_BYTES    ((uint64_t) 64 << 10)
#define LOCAL_UNCHECKPOINTED_BYTES ((uint64_t) 1 << 30) /* replay of it takes < 5 s */
#define LOCAL_UNPACKED_BYTES       ((uint64_t) 4 << 30)
#define LOCAL_UNPACKED_BODIES      ((uint64_t) 1 << 18) /* some 230 bytes of memory each */
#define LOCAL_STAGE_MEMORY_BYTES   ((uint64_t) 64 << 20)
#define LOCAL_DIGEST_MEMORY_BYTES  ((uint64_t) 64 << 20)
#define LOCAL_MAP_BYTES            ((uint64_t) 64 << 30)
#define LOCAL_PACK_BYTES           ((uint64_t) 64 << 20)
#define LOCAL_PACK_AFTER_MS        ((uint64_t) 5 * 60 * 1000)

#define LOCAL_EXIT_FAILED 70 /* the process's end when nothing may be acknowledged */

/* Zero in any number means the default above. Tests make things small with them. */
struct local_options {
    const char *path;                  /* made by local_store_create() */
    uint64_t segment_bytes;            /* multiple of 4096 */
    uint64_t first_segment_bytes;      /* the first segment after a start; later ones grow */
    uint64_t uncheckpointed_max_bytes; /* beyond it commit() waits for checkpoints */
    uint64_t unpacked_max_bytes;       /* beyond it commit() waits for the packer */
    uint64_t unpacked_bodies;          /* more are packed at once, however young */
    uint64_t stage_memory_bytes;       /* staged bodies above 64 KiB each, all together */
    uint64_t digest_memory_bytes;      /* digests waiting for the packer */
    uint64_t map_bytes;                /* LMDB's address space */
    uint64_t pack_bytes;               /* a full pack; other sizes of packs follow it */
    uint64_t pack_after_ms;            /* what is older is packed however little it is */
    bool buffered;                     /* no O_DIRECT even where it works */
    bool no_packer;                    /* bodies stay in the journal */
    uint64_t archive_max_bytes;        /* closed segments kept for a backup; 0: none */
    int64_t until_us; /* a copy that is to show a moment: batches with a later clock are cut
                         off, for good */
    /* Not NULL: damage in the journal that cost groups does not end the opening: they are left
     * out and told of, the journal's files from the first such place on are copied to salvage/.
     * Whoever opens a store like this makes checkpoints of all accounts (mailbox/salvage.h);
     * before that no other opening succeeds. */
    void (*lost)(void *ctx, const struct lost_groups *lost);
    void *lost_ctx;
    /* Called once when nothing more may be acknowledged; does not return to the engine's good
     * will: if it returns, the engine ends the process. NULL: log and end. */
    void (*fatal)(void *ctx, const struct err *err);
    void *fatal_ctx;
};

/* Make the directories and the first superblock. RC_EXISTS when a store is there already. */
MUST_CHECK enum rc local_store_create(const char *path, struct err *err);

/*
 * Open, recover, and make durable what recovery accepted. RC_UNAVAILABLE: another process has
 * the store. RC_CORRUPT: damage in the middle of the journal, or a file that is not this
 * store's; nothing was changed.
 */
MUST_CHECK enum rc local_engine_open(const struct local_options *options, struct engine **out,
                                     struct err *err);

#endif
