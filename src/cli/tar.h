/*
 * tar.h - the regular files in a tar archive, in its order.
 *
 * Format: POSIX.1-1988 ustar, POSIX.1-2001 pax headers (path, size), GNU long names. Other
 * kinds of members (folders, links, devices) are passed over: nothing is ever made on disk.
 */
#ifndef ROOST_CLI_TAR_H
#define ROOST_CLI_TAR_H

#include "cli/feed.h"

#define TAR_NAME_MAX_BYTES  4096u
#define TAR_EXTRA_MAX_BYTES ((size_t) 1 << 20) /* a pax header or long name */

struct tar;

/* Do these first bytes of a file say that it is a tar archive? 512 are enough. */
bool tar_is_archive(struct slice first);

/* Reads feed, which must outlive it. */
struct tar *tar_new(struct feed *feed);
void tar_free(struct tar *tar);
void tar_freep(struct tar **tar);

struct tar_member {
    const char *name;  /* valid until the next member */
    struct feed *feed; /* its bytes; the tar's own, valid until the next member */
    uint64_t size;
};

/* RC_NOT_FOUND: that was the last one. RC_CORRUPT, RC_IO: it ends here. */
MUST_CHECK enum rc tar_next(struct tar *tar, struct tar_member *out, struct err *err);

#endif
