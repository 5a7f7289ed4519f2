/*
 * keeper.h - segments in and out, by a thread of its own: makes the next segment before it is
 * needed, recycles what nothing needs any more, asks for checkpoints.
 *
 * Disk full: when no segment can be made, the keeper is `full`; commits with bodies are refused
 * and one reserved segment serves groups without (expunges, which make room). It tries again
 * every FULL_RETRY_MS and whenever a segment is recycled, so service comes back by itself.
 */
#ifndef ROOST_STORE_LOCAL_KEEPER_H
#define ROOST_STORE_LOCAL_KEEPER_H

#include "store/local/store.h"

#define FULL_RETRY_MS        500
#define SPARES_KEPT          8u  /* free segments kept beside the reserve and the start's ... */
#define SPARES_LEAST         2u  /* ... of which so many stay where ... */
#define SPARES_ROOM          16u /* ... less than so many shares of the disk are free */
#define SPARES_MAX           (SPARES_KEPT + 2u)
#define LIVE_SEGMENTS_WANTED 8u /* beyond this, accounts are asked for checkpoints */
#define TAIL_WANTED_BYTES                                                                      \
    ((uint64_t) 1 << 20) /* records of one account; keeps load() quick                         \
                          */

struct keeper_spare {
    uint64_t number; /* of the name */
    uint64_t bytes;
};

struct keeper_start {
    struct journal_key key;
    struct segment *first; /* ready; the keeper's from here */
    const struct keeper_spare *spares;
    size_t n_spares;
    uint64_t next_spare;
};

MUST_CHECK enum rc keeper_new(struct local *local, const struct keeper_start *start,
                              struct keeper **out, struct err *err);
/* The journal is there: reserves may be made. */
void keeper_begin(struct keeper *keeper);
/* A ready segment with room for need bytes of batches. Blocks until there is one. */
struct segment *keeper_take(struct keeper *keeper, uint64_t need);
/* The current segment fills up: have the next one ready. */
void keeper_prepare(struct keeper *keeper);
/* Something was let go of: look whether segments can be recycled. */
void keeper_poke(struct keeper *keeper);
/* The journal has moved on: look who should write a checkpoint. */
void keeper_poke_wanted(struct keeper *keeper);

enum admission {
    ADMIT,      /* there is a place for it */
    ADMIT_WAIT, /* not yet known: the keeper is making a segment; journal_note_room() follows */
    ADMIT_NOT,  /* the disk is full */
};

/*
 * May a commit go in that brings the open batch to `len` bytes? left: bytes left in the current
 * segment behind the batch in flight; is_moving: that batch goes to the next segment. Mail is
 * admitted only where there is a place for it already, so that what is accepted before the disk
 * is known to be full does not eat the reserve.
 */
enum admission keeper_admits(struct keeper *keeper, uint64_t len, uint64_t left, bool is_moving,
                             bool has_bodies);
bool keeper_is_full(struct keeper *keeper);

void keeper_stop(struct keeper *keeper);
void keeper_free(struct keeper *keeper);

#endif
