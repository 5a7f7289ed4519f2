/*
 * index.h - what of the journal is still needed, by account: groups that no checkpoint covers
 * (the tail) and bodies that are in no pack (places).
 *
 * Floor. A segment may be recycled when it is closed, has no tail group, no unpacked body and
 * no pin, and neither has any segment before it: recovery walks the chain from the first live
 * segment, so they are let go of in order only.
 *
 * One lock, the index lock, guards everything here; nothing blocks while it is held.
 */
#ifndef ROOST_STORE_LOCAL_INDEX_H
#define ROOST_STORE_LOCAL_INDEX_H

#include <pthread.h>

#include "base/map.h"
#include "store/local/segment.h"

struct local;

struct tail_entry {
    uint64_t lsn;
    struct segment *segment;
    uint32_t offset;   /* of the group in the segment */
    uint32_t head_len; /* header, records and table */
};

/* What a page reader is given; lives as long as the engine. */
struct page_ctx {
    struct local *local;
    uint64_t account;
};

struct account_entry {
    uint64_t id;
    uint64_t root_lsn;       /* what the checkpoint covers; 0: there is none */
    struct tail_entry *tail; /* ring-free array: [first, first + n) */
    size_t first, n, cap;
    uint64_t tail_bytes;
    struct list places; /* of this account, not in packs */
    size_t n_places;
    uint64_t place_bytes; /* of those bodies */
    bool is_wanted;       /* checkpoint_wanted was called and no checkpoint came since */
    bool is_removed;
    bool is_recovered; /* has places of an earlier run, and nobody was told yet */
    bool is_held;  /* it cannot be loaded: its tail is kept, and nobody waits for its checkpoint
                    */
    bool was_held; /* once, which the log has */
    struct page_ctx page_ctx;
};

/* A spill file; shared by the bodies in it. */
struct spill {
    uint64_t number;
    int fd;
    uint64_t refs;  /* index lock: places and readers */
    uint64_t bytes; /* of the bodies in it */
};

struct place {
    uint64_t account, body_id;
    uint64_t lsn;            /* of the group it came with */
    struct segment *segment; /* of that group; NULL until the batch is on disk */
    struct spill *spill;     /* NULL: the bytes lie in the segment */
    uint64_t offset;         /* in spill or segment */
    uint64_t length;
    uint32_t mbox, uid;
    uint8_t flags;
    int64_t internaldate;
    uint32_t n_blocks;
    uint64_t *hashes; /* n_blocks; NULL when first_hash is enough */
    uint64_t first_hash;
    struct link of_account, of_segment;
};

struct index {
    pthread_mutex_t lock;
    struct map *accounts; /* id -> account_entry */
    struct map *places;   /* (account, body id) -> place */
    struct list live;     /* segments, by number */
    uint64_t unpacked_bytes;
    uint64_t tail_bytes; /* from the first segment with a tail group to the end */
    uint64_t n_live;
};

void index_init(struct index *index);
void index_done(struct index *index);

/* The functions below are called with the lock held. */

/* Finds or makes. *out_is_new tells the caller to fill root_lsn. */
struct account_entry *index_account(struct index *index, struct local *local, uint64_t id,
                                    bool *out_is_new);
struct account_entry *index_find_account(const struct index *index, uint64_t id);

void index_add_segment(struct index *index, struct segment *segment);
void index_add_tail(struct index *index, struct account_entry *account,
                    const struct tail_entry *entry);
/* A checkpoint covers everything up to lsn. */
void index_checkpointed(struct index *index, struct account_entry *account, uint64_t lsn);

/* It cannot be loaded. Until a checkpoint comes all the same, index_uncheckpointed() leaves it
 * out: the journal keeps its groups, and the writers of others do not wait. True: for the first
 * time. */
bool index_hold(struct index *index, struct account_entry *account);

/* Takes place over; its segment may still be NULL. */
void index_add_place(struct index *index, struct account_entry *account, struct place *place);
/* The batch with it is on disk. */
void index_settle_place(struct place *place, struct segment *segment, uint64_t offset);
struct place *index_find_place(const struct index *index, uint64_t account, uint64_t body_id);
/* Takes the place out and frees it. A spill file that nobody needs any more is closed and its
 * number added to *dead (unlink without the lock). */
struct spill *index_drop_place(struct index *index, struct place *place);

/* One reader or place less; the spill when it was the last (the caller unlinks and frees). */
struct spill *spill_unref(struct spill *spill);
void spill_free(struct spill *spill);

/* The first live segment if it may be recycled, else NULL; stays listed. */
struct segment *index_recyclable(const struct index *index);
/* Every group up to this LSN is in a checkpoint; UINT64_MAX: there is no group without. */
uint64_t index_covered(const struct index *index);
/* What the next start has to work through: bytes of the journal from the oldest group without a
 * checkpoint, and GROUP_REPLAY_BYTES for each such group; but for accounts that are held. */
#define GROUP_REPLAY_BYTES 512u /* to index a group takes as long as to read so many */
uint64_t index_uncheckpointed(const struct index *index);

const uint64_t *place_hashes(const struct place *place);

#endif
