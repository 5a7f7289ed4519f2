/*
 * journal_scan.h - reading the journal back: which batches count, and where it ends.
 *
 * A batch counts if it is where it says it is, in this epoch, with the next LSN, behind the
 * batch before, and whole. The walk ends at the first place where none follows. In a closed
 * epoch that place is known; in the open one it is a torn tail, unless a header with a later
 * LSN stands behind it: the committer writes one batch at a time, so such a header proves that
 * an acknowledged batch was damaged.
 *
 * Damage ends the walk with RC_CORRUPT, unless checkpoints cover all its groups: then the walk
 * goes on behind it, and of a batch with a good header the groups that verify are delivered.
 *
 * A walk that salvages (source.lost) goes on behind any damage, at the next header of the epoch
 * or at its known end. Of a damaged batch with a good header it delivers the groups before the
 * first that does not verify: where they lie follows from bytes that do, so that no mail can
 * pass for one.
 */
#ifndef ROOST_STORE_LOCAL_JOURNAL_SCAN_H
#define ROOST_STORE_LOCAL_JOURNAL_SCAN_H

#include "store/engine.h"
#include "store/local/segment.h"

struct journal_source {
    /* The segment with this number, opened once and kept by the callee; NULL: no such file. */
    struct segment *(*segment)(void *ctx, uint64_t number);
    uint64_t last_segment; /* the greatest number there is */
    /* Groups up to here are in checkpoints: damage before it is told and passed over, since it
     * costs bodies at most. */
    uint64_t covered;
    /* LSNs first..last lie in a place that is damaged. */
    void (*damage)(void *ctx, uint64_t segment, uint64_t offset, uint64_t first, uint64_t last);
    /* Not NULL: a salvage; what is told here is left out. */
    void (*lost)(void *ctx, const struct lost_groups *lost);
    void *ctx;
    int64_t until_us; /* the walk ends before the first batch with a later clock; 0: no end */
};

/* offset: of the group in the segment. */
typedef enum rc journal_group_fn(void *ctx, struct segment *segment, uint32_t offset,
                                 const struct group_view *group, struct err *err);

/*
 * Walk the epoch from *point; on RC_OK *point is its end, or with *out_is_cut the place before
 * the first batch that is too late. Fills start and used of the segments
 * it passes. RC_CORRUPT: damage, the detail says where.
 */
MUST_CHECK enum rc journal_scan_epoch(const struct journal_source *source,
                                      const struct epoch *epoch, struct journal_point *point,
                                      journal_group_fn *fn, void *ctx, bool *out_is_cut,
                                      struct err *err);

#endif
