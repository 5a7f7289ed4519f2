/*
 * disk.h - what a disk may hold when the power goes, at any point of a recording.
 *
 * The model. A sync makes what was done to its file before (a folder: to its names) certain; a
 * write with O_DSYNC or RWF_DSYNC that has returned makes its own bytes and the size certain.
 * Of the rest nothing is known:
 *   - of each 512-byte sector written since, any of the contents it had since may be there: the
 *     last certain one, that after each later write, alone and independently of all others;
 *   - a file's size is the last certain one or any it had since; bytes that a greater size
 *     shows and no write brought are zeros;
 *   - a sync that fails makes what it was to write no less uncertain, and what is uncertain
 * then stays so behind later syncs, but for sectors that are written again: the kernel took its
 *     pages for clean;
 *   - a name made, moved or removed may have been or not, each alone, in order only where two
 * of them concern the same name or the same file; a rename is done or not, never by half;
 *   - a file and its name are two things: fsync of a new file does not make its name certain.
 *
 * A point's choices are a list of numbers, one for each such sector, size and change of a name.
 * They are walked exhaustively when they are few and sampled when they are many.
 */
#ifndef ROOST_TESTS_CRASH_DISK_H
#define ROOST_TESTS_CRASH_DISK_H

#include "base/arena.h"
#include "recording.h"

#define DISK_SECTOR_BYTES 512u

struct disk;

/* At the start of the recording, which must have ended. */
struct disk *disk_new(const struct recording *recording);
void disk_free(struct disk *disk);

/* The next call of the recording; NULL at the end. */
const struct op *disk_next(const struct disk *disk);
/* It is done. */
void disk_step(struct disk *disk);

/* Look at this point: the number of its states, UINT64_MAX if it is greater than that. */
uint64_t disk_count(struct disk *disk);
/* After disk_count(): choose state number n, n < count. */
void disk_choose(struct disk *disk, uint64_t n);
/* After disk_count(): choose one by the sample's number (the first are the extremes, the others
 * are random by seed and of several shapes). */
void disk_sample(struct disk *disk, uint64_t number, uint64_t seed);

struct disk_hash {
    uint64_t lo, hi;
};
/* Two states with the same hash hold the same files. */
struct disk_hash disk_state_hash(struct disk *disk);
/* Makes the folder path, which must not be there, hold the chosen state. */
void disk_write(struct disk *disk, const char *path);
/* The choices in words, for a failure's message. */
void disk_describe(const struct disk *disk, char *out, size_t cap);

/* Numbers that depend on the seed alone. */
uint64_t seeded(uint64_t *seed);

#endif
