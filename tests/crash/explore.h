/*
 * explore.h - every state a disk may be in after a cut at every point of a recording, and for
 * some of them the same again with a recording of the recovery, and of that one's recovery.
 *
 * Which points. What may be on disk only grows with each call until a sync, or an
 * acknowledgement, rules something out: the states at a point before a write are among those
 * after it. So all states are met by looking at the points just before each sync and each mark,
 * and at the end. The other points are looked at too, with the few extreme states (nothing that
 * is not certain, everything), since where states are sampled those deserve to be met.
 *
 * A state whose files were met before is not opened again, only held against what must be there
 * now.
 */
#ifndef ROOST_TESTS_CRASH_EXPLORE_H
#define ROOST_TESTS_CRASH_EXPLORE_H

#include "disk.h"
#include "verify.h"

#define EXPLORE_DEPTH 3u /* the workload, its recovery, the recovery of that */

struct explore_limits {
    uint64_t opened; /* states of one recording; if it has more, they are sampled */
    uint64_t nested; /* of these, how many have their recovery recorded and cut */
};

struct tally {
    uint64_t workloads, points;
    uint64_t states;                /* looked at */
    uint64_t opened[EXPLORE_DEPTH]; /* different ones, opened and verified */
    uint64_t recordings[EXPLORE_DEPTH], exhaustive[EXPLORE_DEPTH];
    uint64_t calls;
    uint64_t failures;
};

struct explorer {
    verify_fn *verify;
    const char *name;   /* of the workload */
    const char *folder; /* where states are written */
    struct explore_limits limits[EXPLORE_DEPTH];
    uint64_t seed;
    struct recording *recordings[EXPLORE_DEPTH]; /* [0] is the workload's, made by the caller */
    struct ledger
        *branches[EXPLORE_DEPTH + 1]; /* of the recording at the same depth; a spare */
    struct tally *tally;              /* shared with the parent */
    char *progress;                   /* the same: what is being done, in words */
    size_t progress_cap;
};

/* The recording at depth 0, with the expectation that holds at its start. */
void explore(struct explorer *explorer, const struct expectation *start);

/* The counts, on standard output. */
void explore_print(const struct tally *tally);

void remove_tree(const char *path);

#endif
