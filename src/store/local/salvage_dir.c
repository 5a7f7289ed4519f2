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

#define SALVAGE_DIR "salvage"
#define NAME_BYTES  128u
#define NAMES_TRIED 1000u

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

enum rc salvage_keep(int root, const char *folder, const char *name, bool move, const char *why,
                     struct err *err)
{
    AUTO(closep) int dir = -1;
    char from[NAME_BYTES], to[NAME_BYTES];
    enum rc rc = RC_EXISTS;

    if (mkdirat(root, SALVAGE_DIR, 0700) != 0 && errno != EEXIST)
        return file_error(err, SALVAGE_DIR);
    dir = openat(root, SALVAGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return file_error(err, SALVAGE_DIR);
    (void) snprintf(from, sizeof(from), "%s/%s", folder, name);
    for (unsigned i = 0; rc == RC_EXISTS && i < NAMES_TRIED; i++) {
        (void) snprintf(to, sizeof(to), SALVAGE_DIR "/%lld.%u.%s", (long long) clock_wall_sec(),
                        i, name);
        rc = keep_as(root, from, to, move, err);
    }
    if (rc)
        return rc;
    log_event(LEVEL_WARNING, "store.set_aside", LOG_STR("file", from), LOG_STR("as", to),
              LOG_STR("why", why));
    return layout_sync_dir(dir, err);
}
