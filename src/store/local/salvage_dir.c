/* salvage_dir.c - see salvage_dir.h. */
#include "store/local/salvage_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/layout.h"

#define SALVAGE_DIR      "salvage"
#define SALVAGE_COPY     SALVAGE_DIR "/copy.new" /* being written */
#define COPY_PIECE_BYTES ((size_t) 1 << 20)
#define NAME_BYTES       128u
#define NAMES_TRIED      1000u

static enum rc keep_as(int root, const char *from, const char *to, bool move, struct err *err)
{
    /* A second name first: a crash between the two leaves the file under one of them. */
    if (linkat(root, from, root, to, 0) != 0) {
        if (errno == EEXIST)
            return RC_EXISTS;
        return file_error(err, "a name in salvage/");
    }
    if (move && unlinkat(root, from, 0) != 0)
        return file_error(err, "move to salvage/");
    return RC_OK;
}

/* salvage/, made if it is not there; -1. */
static int open_dir(int root, struct err *err)
{
    int dir = -1;

    if (mkdirat(root, SALVAGE_DIR, 0700) == 0 || errno == EEXIST)
        dir = openat(root, SALVAGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        (void) file_error(err, SALVAGE_DIR);
    return dir;
}

/* Names of the same second and file are told apart by a number. */
static enum rc keep(int root, int dir, const char *from, const char *folder, const char *name,
                    bool move, const char *why, struct err *err)
{
    char to[NAME_BYTES];
    enum rc rc = RC_EXISTS;

    for (unsigned i = 0; rc == RC_EXISTS && i < NAMES_TRIED; i++) {
        (void) snprintf(to, sizeof(to), SALVAGE_DIR "/%lld.%u.%s", (long long) clock_wall_sec(),
                        i, name);
        rc = keep_as(root, from, to, move, err);
    }
    if (rc == RC_EXISTS)
        rc =
            err_set(err, RC_EXISTS, "Storage failure", "salvage/: %s has too many names", name);
    if (rc)
        return rc;
    log_event(LEVEL_WARNING, "store.set_aside", LOG_STR("folder", folder),
              LOG_STR("file", name), LOG_STR("as", to), LOG_STR("why", why));
    return layout_sync_dir(dir, err);
}

enum rc salvage_keep(int root, const char *folder, const char *name, bool move, const char *why,
                     struct err *err)
{
    AUTO(closep) int dir = open_dir(root, err);
    char from[NAME_BYTES];

    if (dir < 0)
        return err->rc;
    (void) snprintf(from, sizeof(from), "%s/%s", folder, name);
    return keep(root, dir, from, folder, name, move, why, err);
}

static enum rc copy_bytes(int in, int out, struct err *err)
{
    AUTO(freep) char *piece = xmalloc(COPY_PIECE_BYTES);
    struct stat st;
    enum rc rc = RC_OK;

    if (fstat(in, &st) != 0)
        return file_error(err, "fstat of a file for salvage/");
    for (uint64_t at = 0; at < (uint64_t) st.st_size && !rc; at += COPY_PIECE_BYTES) {
        size_t len = (size_t) MIN((uint64_t) st.st_size - at, (uint64_t) COPY_PIECE_BYTES);

        rc = file_read_all(in, piece, len, at, err);
        if (!rc)
            rc = file_write_all(out, piece, len, at, err);
    }
    return !rc && fsync(out) != 0 ? file_error(err, "sync of a file in salvage/") : rc;
}

enum rc salvage_copy(int root, const char *folder, const char *name, const char *why,
                     struct err *err)
{
    AUTO(closep) int dir = open_dir(root, err);
    AUTO(closep) int in = -1;
    AUTO(closep) int out = -1;
    char from[NAME_BYTES];
    enum rc rc;

    if (dir < 0)
        return err->rc;
    (void) snprintf(from, sizeof(from), "%s/%s", folder, name);
    in = openat(root, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return file_error(err, "open of a file for salvage/");
    out =
        openat(root, SALVAGE_COPY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return file_error(err, SALVAGE_COPY);
    rc = copy_bytes(in, out, err);
    return rc ? rc : keep(root, dir, SALVAGE_COPY, folder, name, true, why, err);
}
