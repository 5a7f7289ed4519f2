/*
 * candidates.h - messages that neither columns nor the index decide: they are read, many at
 * once, and asked.
 *
 * What lies side by side in the store is read side by side: the text alone where an index
 * covers the message and text is all that is asked for, else the digest with it. What is not
 * kept is opened one by one (match.h).
 *
 * A step takes at most CANDIDATES_MAX messages, of so many bytes in all, or one that is longer;
 * the store holds no more than a step's at a time. Of those that must be opened it takes
 * CANDIDATES_OPENED_MAX: their digests may have to be made.
 */
#ifndef ROOST_SEARCH_CANDIDATES_H
#define ROOST_SEARCH_CANDIDATES_H

#include "search/match.h"
#include "search/prune.h"

#define CANDIDATES_MAX        512u
#define CANDIDATES_OPENED_MAX 32u

struct candidates;

/* match and plan outlive it. */
struct candidates *candidates_new(struct match *match, const struct plan_node *plan);
/* scores: room for those of a window's messages, by their place in it; of hits each is set. */
void candidates_keep_scores(struct candidates *candidates, uint8_t *scores);
void candidates_free(struct candidates *candidates); /* NULL is allowed */

/*
 * Decide messages of the window from `from` on that are in bounds->upper and not in lower: a
 * hit is in both, another one in neither afterwards. Of about so many bytes at a time. All
 * below *out_end are decided, and perhaps some above; at least one is at each call, if there is
 * any and the match did not leave it. RC_IO, RC_UNAVAILABLE: the store fails. A message that
 * cannot be read is no hit, and counts in *n_damaged; one that was expunged meanwhile is none.
 */
MUST_CHECK enum rc candidates_decide(struct candidates *candidates, struct window *window,
                                     const struct pruner *pruner, struct bounds *bounds,
                                     uint32_t from, uint64_t bytes, uint32_t *out_end,
                                     uint32_t *n_damaged, struct err *err);

#endif
