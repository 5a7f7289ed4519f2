/*
 * layout.h - the store's directories and names, and the few file operations with an order to
 * them. All files are 0600, all directories 0700, everything is opened relative to a directory.
 *
 *     lock            held by flock() while a process has the store open
 *     ballast         space for when the disk is full (ballast.h)
 *     super           epochs and their keys, where the journal starts (super.h)
 *     log/N.seg       journal segments, N in 16 hex digits; log/spare-N: free ones
 *     spill/N.body    bodies too long for the journal; spill/N.new: on their way in
 *     packs/N.pack    bodies at rest; packs/N.new: being written
 *     state/data.mdb  LMDB: pages, roots, places of bodies
 *     derived/A/...   blobs made of the bodies of account A, that may be lost (derived.h)
 *     archive/        segments, spill files and superblocks that wait for a backup (archive.h)
 *     backup/         copies of the state that a backup is taking
 */
#ifndef ROOST_STORE_LOCAL_LAYOUT_H
#define ROOST_STORE_LOCAL_LAYOUT_H

#include <stdbool.h>

#include "base/err.h"

#define LAYOUT_NAME_BYTES 32

struct layout {
    int root, log, spill, packs; /* directories */
    int derived;                 /* -1: it could not be made; nothing derived is kept then */
    int lock;
};

/* Open the directories and take the lock. */
MUST_CHECK enum rc layout_open(const char *path, struct layout *out, struct err *err);
void layout_close(struct layout *layout);

/* "%016x" and the suffix. */
void layout_name(char out[LAYOUT_NAME_BYTES], uint64_t number, const char *suffix);
/* The number of such a name; false for any other. */
bool layout_number(const char *name, const char *suffix, uint64_t *out);

/* Each name in the directory, until fn answers false. */
MUST_CHECK enum rc layout_each(int dir, bool (*fn)(void *ctx, const char *name), void *ctx,
                               struct err *err);

/* Make a rename or creation in the directory durable. */
MUST_CHECK enum rc layout_sync_dir(int dir, struct err *err);
/* A new content for name: written aside, synced, renamed, directory synced. The file aside
 * stays, empty, with the blocks for the next time. */
MUST_CHECK enum rc layout_replace(int dir, const char *name, const char *bytes, size_t len,
                                  struct err *err);

/* All of len, or RC_IO (RC_FULL for ENOSPC and EDQUOT). */
MUST_CHECK enum rc file_write_all(int fd, const char *bytes, size_t len, uint64_t offset,
                                  struct err *err);
/* Exactly len bytes; RC_CORRUPT when the file ends before. */
MUST_CHECK enum rc file_read_all(int fd, char *out, size_t len, uint64_t offset,
                                 struct err *err);
/* RC_DENIED when it is not ours to open, else as file_error(). */
enum rc open_error(struct err *err, const char *what);
/* RC_FULL or RC_IO from errno. */
enum rc file_error(struct err *err, const char *what);

#endif
