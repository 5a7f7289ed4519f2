/*
 * hold.h - a hold keeps what the store has on disk in its place while somebody copies it.
 *
 * While a hold is on, no journal segment is recycled and no file that a checkpoint, the journal
 * or a reader may name is unlinked. Whoever takes files away asks here and nowhere else:
 *
 *   packer, compaction, stages   hold_unlink(): now, or when the last hold ends
 *   keeper                       hold_may_recycle() before it moves the journal's start
 *
 * So a checkpoint copied under a hold and the journal copied after it find every file they
 * name. What was put aside when the process dies is removed by the sweep of the next start.
 *
 * A hold ends by itself after HOLD_MAX_US, and when the disk is full: service comes before a
 * backup, which hears of it at its end (backup.h).
 *
 * Lock: the lock here is a leaf.
 */
#ifndef ROOST_STORE_LOCAL_HOLD_H
#define ROOST_STORE_LOCAL_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#define HOLD_MAX_US ((int64_t) 12 * 3600 * 1000000) /* 2 TB at 50 MB/s */

struct local;
struct holds; /* of one store */

struct holds *holds_new(void);
void holds_free(struct holds *holds);

/*
 * Remove a file of the directory (layout.packs, layout.spill): now, or when the last hold ends.
 * Nothing may open it by name any more. A file that cannot be removed is left to the sweep.
 */
void hold_unlink(struct local *local, int dir, const char *name);

/* May the journal let go of segments? After true, hold_recycle_done() follows; a hold that
 * begins meanwhile waits for that. */
bool hold_may_recycle(struct local *local);
void hold_recycle_done(struct local *local);

/* Every hold that is on is void; what they kept goes. */
void hold_break(struct local *local, const char *why);

/* One more; the number that names it. */
uint64_t hold_begin(struct local *local);
/* Is it still on? */
bool hold_is_on(struct local *local, uint64_t hold);
void hold_end(struct local *local, uint64_t hold);

#endif
