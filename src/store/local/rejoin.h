/*
 * rejoin.h - the superblock of a store that is put together again: the state of one backup, and
 * a journal that goes on in later ones.
 *
 * An epoch is followed by the one whose first point has its end's LSN and hash, so histories
 * that parted (a store that was restored and then went on) are never mixed up.
 */
#ifndef ROOST_STORE_LOCAL_REJOIN_H
#define ROOST_STORE_LOCAL_REJOIN_H

#include "store/local/super.h"

/*
 * base, its last epoch continued by what others tell; those listed first are believed first.
 * lsn: the journal has to go beyond this one in base's last epoch. RC_CONFLICT: others tell
 * that it did not, they are of another history. RC_LIMIT: too many epochs.
 */
MUST_CHECK enum rc super_rejoin(const struct super *base, uint64_t lsn,
                                const struct super *const *others, size_t n, struct super *out,
                                struct err *err);
bool super_has_epoch(const struct super *super, uint64_t epoch);

/* Which segment of which epoch a segment's header names; false: it is no header. The keyed hash
 * is left to the walk. */
bool segment_header_names(struct slice header, uint64_t *out_number, uint64_t *out_epoch);

#endif
