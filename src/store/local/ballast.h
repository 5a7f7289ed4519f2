/*
 * ballast.h - space that is kept for bad times: the file `ballast` in the store's folder.
 *
 * It is given up in pieces when the disk is full, to what the service cannot go on without or
 * what makes space: the superblock, the pack that empties a segment, the sweep of dead bodies,
 * packs made anew without them, the start of the server. The keeper makes it again when space
 * is back. Its bytes mean nothing.
 *
 * All calls may come from any thread.
 */
#ifndef ROOST_STORE_LOCAL_BALLAST_H
#define ROOST_STORE_LOCAL_BALLAST_H

#include <stdbool.h>

#include "base/err.h"

#define BALLAST_PIECES        8u /* so many can be given up one after the other */
#define BALLAST_PIECES_SPARED 2u /* not for packs: small writes of the state make room, too */
#define DISK_SHARE_PARTS                                                                       \
    64u /* of a small file system no single reserve takes more than this                       \
         */
#define START_FREE_BYTES                                                                       \
    ((uint64_t) 1 << 20) /* LMDB's lock file, a new superblock, SQLite's side files */

/* What a reserve may take of the file system that holds root: 1 / DISK_SHARE_PARTS, but at
 * least floor and at most cap. Whole journal blocks. */
uint64_t disk_share(int root, uint64_t floor, uint64_t cap);
/* Are there `bytes` free for an ordinary user? True if the system does not say. */
bool disk_has(int root, uint64_t bytes);

struct ballast;

/* What lies there already counts. bytes: the whole, once it is filled. */
struct ballast *ballast_new(int root, uint64_t bytes);
void ballast_free(struct ballast *ballast);

/* A piece becomes free space; false: there is none left. */
bool ballast_give(struct ballast *ballast);
/* The same, but for the last BALLAST_PIECES_SPARED. */
bool ballast_give_for_pack(struct ballast *ballast);
bool ballast_is_whole(struct ballast *ballast);
/* RC_FULL. */
MUST_CHECK enum rc ballast_fill(struct ballast *ballast, struct err *err);

#endif
