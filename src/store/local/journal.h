/*
 * journal.h - commit(): groups into batches, batches onto the disk, in order.
 *
 * One batch in flight, no timer: the next batch is what arrived while the one before was being
 * written. A batch is written by the thread that pushes it while nobody writes, which then need
 * not be woken for its own answer; what arrives meanwhile, by the committer thread. A group's
 * LSN is given when its place in the open batch is, so LSN order, file order and the order of
 * callbacks are one order.
 */
#ifndef ROOST_STORE_LOCAL_JOURNAL_H
#define ROOST_STORE_LOCAL_JOURNAL_H

#include "store/local/store.h"

#define PRESSURE_WAIT_SEC 10 /* a commit that is held back longer gets RC_UNAVAILABLE */

struct journal;

/* Goes on at start in a fresh epoch; the first segment is taken from the keeper. */
MUST_CHECK enum rc journal_new(struct local *local, const struct journal_key *key,
                               const struct journal_point *start, struct journal **out,
                               struct err *err);
MUST_CHECK enum rc journal_commit(struct journal *journal, const struct commit_group *groups,
                                  size_t n, uint64_t *out_positions, struct err *err);
/* Checksums made, files synced, and if the stages are together too long for the journal, in one
 * spill file. */
MUST_CHECK enum rc journal_finish_stages(struct journal *journal,
                                         struct body_stage *const *stages, size_t n,
                                         struct err *err);
/* Writes what is open in this thread, or leaves it to the thread that is writing. */
void journal_push(struct journal *journal);

/* The last LSN given. */
uint64_t journal_assigned(struct journal *journal);
/* Returns when the group with this LSN is durable. */
void journal_wait_durable(struct journal *journal, uint64_t lsn);
/* What is behind the two bounds has changed: let commits go on, or hold them. */
void journal_note_pressure(struct journal *journal);
/* The keeper has a segment, or knows that the disk is full. */
void journal_note_room(struct journal *journal);
uint64_t journal_batches(struct journal *journal);

/* Write what is open, end the thread. */
void journal_stop(struct journal *journal, struct journal_point *out_end);
void journal_free(struct journal *journal);

#endif
