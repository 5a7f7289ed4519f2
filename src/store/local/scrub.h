/*
 * scrub.h - every byte at rest is read and verified, again and again: what rots is found while
 * there is still a copy somewhere.
 *
 * A thread of its own makes a full pass every SCRUB_EVERY_SEC, at low priority and at most
 * SCRUB_BYTES_PER_SEC; where it stands survives a restart. A pass that is asked for reads as
 * fast as it may. Findings are events (`store.damage`, docs/operating.md) and are counted.
 *
 * Order of a pass: superblock, list of accounts, journal, spill files, tables of the state,
 * packs. Nothing is repaired here but derived data, which is dropped.
 */
#ifndef ROOST_STORE_LOCAL_SCRUB_H
#define ROOST_STORE_LOCAL_SCRUB_H

#include "store/local/store.h"

#define SCRUB_EVERY_SEC     ((int64_t) 14 * 86400)
#define SCRUB_FIRST_SEC     600 /* a start has better things to do */
#define SCRUB_LOOK_SEC      3600
#define SCRUB_BYTES_PER_SEC ((uint64_t) 20 << 20)

struct scrubber;

MUST_CHECK enum rc scrubber_new(struct local *local, struct scrubber **out, struct err *err);
/* Ends the thread and any pass. */
void scrubber_stop(struct scrubber *scrubber);
void scrubber_free(struct scrubber *scrubber); /* NULL is allowed */

/* engine_ops.scrub */
MUST_CHECK enum rc scrub_all(struct scrubber *scrubber, const struct scrub_watch *watch,
                             uint64_t *out_bytes, uint64_t *out_findings, struct err *err);
void scrub_status(struct scrubber *scrubber, struct engine_status *out);

#endif
