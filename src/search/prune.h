/*
 * prune.h - what a plan's keys say of many messages at once, without opening one.
 *
 * For the messages of a window each key answers with two sets of bits: `lower`, messages that
 * meet it for certain, and `upper`, those that may. AND, OR and NOT follow from their
 * children's. Keys over columns and rows are exact; keys over text are what the account's index
 * says (search/text_segment.h); where it says nothing a message is in upper and not in lower,
 * and somebody looks at it. So an index that is behind, or damaged, costs time and never an
 * answer.
 *
 * Where a search wants scores (RFC 6203 4), each fuzzy key and those above it have one for
 * every message that is in lower; who would be there with a score that only the text tells is
 * not.
 *
 * What the index is asked, for each key of text and each segment, is asked once, in slices
 * (prune_prepare), and kept as bits, up to PRUNE_BITS_MAX_BYTES; keys beyond are not pruned.
 */
#ifndef ROOST_SEARCH_PRUNE_H
#define ROOST_SEARCH_PRUNE_H

#include "search/text_index.h"
#include "search/window.h"

#define PRUNE_BITS_MAX_BYTES ((size_t) 16 << 20) /* of one search */
#define PRUNE_SCORED_MAX     64u /* fuzzy keys, and those above them, with scores of their own */
#define PRUNE_SEGMENTS_MAX   254u /* of an account; more are not asked */

struct pruner;

struct bounds {
    uint64_t lower[WINDOW_WORDS], upper[WINDOW_WORDS];
};

/* index NULL: there is none. Scope, plan and arena outlive it. */
struct pruner *pruner_new(const struct search_scope *scope, struct text_index *index,
                          struct plan_node *plan, struct arena *arena);
void pruner_free(struct pruner *pruner); /* NULL is allowed */

/* The same keys over another mailbox of the same account, once it is prepared: what the index
 * said is kept, for that is said of bodies. plan is made of the same keys. Bodies that are
 * newer than the pruner are looked at. */
void pruner_turn(struct pruner *pruner, const struct search_scope *scope,
                 struct plan_node *plan, struct arena *arena);
/* Adds what it did to *work; RC_MORE once that is above slice: call again. */
MUST_CHECK enum rc prune_prepare(struct pruner *pruner, uint64_t slice, uint64_t *work);

/* The next window; now: unix seconds of the whole search. The window stays as it is until the
 * next. */
void prune_window(struct pruner *pruner, struct window *window, int64_t now, struct bounds *out,
                  uint64_t *work);
/* Of the window's messages that are in lower: what they score (1 to FUZZY_BEST, or
 * FUZZY_NO_SCORE). NULL: no fuzzy key was met for certain. */
const uint8_t *prune_scores(const struct pruner *pruner);
/* Is the body of the window's message covered by a segment, so that its text is known to be
 * whole? */
bool prune_is_covered(const struct pruner *pruner, uint32_t at);

#endif
