/*
 * archive.h - closed segments that wait for the next backup instead of being recycled, so that
 * every moment between two backups can be restored: archive/N.seg; the spill files they refer
 * to, archive/N.body; and archive/N.super, a superblock with epochs that the store's own has
 * let go of.
 *
 * Order: a segment has its second name, durable, before the superblock lets go of it; the first
 * name goes afterwards. A crash between leaves both, and the sweep takes the first.
 *
 * Bounded: beyond the bound the oldest go, with an event, and the time they covered can no
 * longer be restored. Mail does not stop for it.
 *
 * Threads: the keeper's; archive_body() and archive_drop() from any.
 */
#ifndef ROOST_STORE_LOCAL_ARCHIVE_H
#define ROOST_STORE_LOCAL_ARCHIVE_H

#include "store/local/segment.h"

struct archive;

/* max_bytes 0: nothing is kept from now on; what lies there stays until a backup takes it. */
MUST_CHECK enum rc archive_open(int root, uint64_t max_bytes, struct archive **out,
                                struct err *err);
void archive_close(struct archive *archive); /* NULL is allowed */
bool archive_is_on(const struct archive *archive);
int archive_dir(const struct archive *archive); /* -1: there is none */

/* Give the segment its second name. False: it is not kept (an event says why). */
bool archive_take(struct archive *archive, int log, const struct segment *segment);
/* The first name goes; the file is cut to what was written. */
void archive_settle(struct archive *archive, int log, const struct segment *segment);
/* A spill file goes that a segment in the archive may refer to: a second name for it, too. */
void archive_body(struct archive *archive, int spill, const char *name);
/* Epochs go from super: keep it as it stands. before: of the first segment after them. */
void archive_super(struct archive *archive, int root, uint64_t before);
/* Keep the bound. */
void archive_trim(struct archive *archive);
/* The disk is full: the oldest file goes. False: there is none. */
bool archive_give(struct archive *archive);
/* A backup has it. */
void archive_drop(struct archive *archive, const char *name);

#endif
