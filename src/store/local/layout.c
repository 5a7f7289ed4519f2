/*
 * layout.c - directories, names, and the file operations that have an order.
 *
 * A name is durable once its directory is synced after it was made; a content is durable once
 * its file is synced. layout_replace() does the four steps in the only order that leaves either
 * the old content or the new under the name: write aside, sync the file, rename, sync the
 * directory.
 */
#include "store/local/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/local/local.h"
#include "store/local/state.h"
#include "store/local/super.h"

#define ASIDE_MORE_BYTES 4096u /* beyond what was written now: the superblock grows slowly */

enum rc file_error(struct err *err, const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return err_set(err, RC_FULL, "No space left", "%s: %s", what, strerror(errno));
    return err_set(err, RC_IO, "Storage failure", "%s: %s", what, strerror(errno));
}

enum rc open_error(struct err *err, const char *what)
{
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return err_set(err, RC_DENIED, "Storage failure", "%s: %s", what, strerror(errno));
    return file_error(err, what);
}

enum rc file_write_all(int fd, const char *bytes, size_t len, uint64_t offset, struct err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t) offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return file_error(err, "pwrite");
        }
        bytes += n;
        len -= (size_t) n;
        offset += (uint64_t) n;
    }
    return RC_OK;
}

enum rc file_read_all(int fd, char *out, size_t len, uint64_t offset, struct err *err)
{
    while (len > 0) {
        ssize_t n = pread(fd, out, len, (off_t) offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(err, "pread");
        if (n == 0)
            return err_set(err, RC_CORRUPT, "Stored data is damaged", "file ends early");
        out += n;
        len -= (size_t) n;
        offset += (uint64_t) n;
    }
    return RC_OK;
}

enum rc layout_sync_dir(int dir, struct err *err)
{
    if (fsync(dir) != 0)
        return file_error(err, "fsync of a directory");
    return RC_OK;
}

/* The blocks for the next content, so that a full disk does not stop it. Without, it takes
 * what space there is then. */
static void keep_aside(int dir, const char *aside, size_t len)
{
    AUTO(closep)
    int fd = openat(dir, aside, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0)
        (void) fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) (len + ASIDE_MORE_BYTES));
}

enum rc layout_replace(int dir, const char *name, const char *bytes, size_t len,
                       struct err *err)
{
    char aside[LAYOUT_NAME_BYTES];
    AUTO(closep) int fd = -1;
    struct stat st;
    enum rc rc;

    (void) snprintf(aside, sizeof(aside), "%.20s.new", name);
    fd = openat(dir, aside, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_error(err, aside);
    rc = file_write_all(fd, bytes, len, 0, err);
    if (rc)
        return rc;
    if (fstat(fd, &st) != 0 || ((uint64_t) st.st_size > len && ftruncate(fd, (off_t) len) != 0))
        return file_error(err, "cut to length");
    if (fsync(fd) != 0)
        return file_error(err, "fsync");
    if (renameat(dir, aside, dir, name) != 0)
        return file_error(err, "rename");
    rc = layout_sync_dir(dir, err);
    if (!rc)
        keep_aside(dir, aside, len);
    return rc;
}

void layout_name(char out[LAYOUT_NAME_BYTES], uint64_t number, const char *suffix)
{
    (void) snprintf(out, LAYOUT_NAME_BYTES, "%016llx%s", (unsigned long long) number, suffix);
}

bool layout_number(const char *name, const char *suffix, uint64_t *out)
{
    uint64_t number = 0;

    for (size_t i = 0; i < 16; i++) {
        char c = name[i];

        if (c >= '0' && c <= '9')
            number = number << 4 | (uint64_t) (c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (uint64_t) (c - 'a' + 10);
        else
            return false;
    }
    if (strcmp(name + 16, suffix) != 0)
        return false;
    *out = number;
    return true;
}

static void closedirp(DIR **dir)
{
    if (*dir != NULL)
        (void) closedir(*dir); /* read only */
}

enum rc layout_each(int dir, bool (*fn)(void *ctx, const char *name), void *ctx,
                    struct err *err)
{
    AUTO(closedirp) DIR *stream = NULL;
    AUTO(closep) int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct dirent *entry;

    if (fd < 0)
        return file_error(err, "open a directory");
    stream = fdopendir(fd);
    if (stream == NULL)
        return file_error(err, "fdopendir");
    fd = -1; /* the stream closes it */
    while ((errno = 0, entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.' && !fn(ctx, entry->d_name))
            return RC_OK;
    }
    if (errno != 0)
        return file_error(err, "readdir");
    return RC_OK;
}

static enum rc open_dir(int at, const char *name, int *out, struct err *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return err_set(err, RC_NOT_FOUND, "No store here", "%s: %s", name, strerror(errno));
    if (fd < 0)
        return open_error(err, name);
    *out = fd;
    return RC_OK;
}

static enum rc make_dir(int at, const char *name, struct err *err)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return file_error(err, name);
    return RC_OK;
}

/* The lock file is never removed: a removed one could be locked twice, by inode. */
static enum rc take_lock(int root, int *out, struct err *err)
{
    int fd = openat(root, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return open_error(err, "lock");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum rc rc = RC_UNAVAILABLE;

        if (errno == EWOULDBLOCK)
            (void) err_set(err, rc, "The store is in use",
                           "lock: another process has this store open");
        else
            rc = file_error(err, "flock");
        (void) close(fd);
        return rc;
    }
    *out = fd;
    return RC_OK;
}

enum rc layout_open(const char *path, struct layout *out, struct err *err)
{
    struct layout layout = {-1, -1, -1, -1, -1, -1};
    enum rc rc = open_dir(AT_FDCWD, path, &layout.root, err);

    if (!rc)
        rc = open_dir(layout.root, "log", &layout.log, err);
    if (!rc)
        rc = open_dir(layout.root, "spill", &layout.spill, err);
    if (!rc)
        rc = open_dir(layout.root, "packs", &layout.packs, err);
    if (!rc)
        rc = take_lock(layout.root, &layout.lock, err);
    if (!rc && open_dir(layout.root, "derived", &layout.derived, NULL) == RC_NOT_FOUND &&
        make_dir(layout.root, "derived", NULL) == RC_OK)
        (void) open_dir(layout.root, "derived", &layout.derived, NULL); /* else without */
    if (rc) {
        layout_close(&layout);
        return rc;
    }
    *out = layout;
    return RC_OK;
}

void layout_close(struct layout *layout)
{
    closep(&layout->lock);
    closep(&layout->derived);
    closep(&layout->packs);
    closep(&layout->spill);
    closep(&layout->log);
    closep(&layout->root);
    *layout = (struct layout){-1, -1, -1, -1, -1, -1};
}

/* The superblock comes last, after the names of the directories and the state are durable: a
 * directory without one is not a store and may be made again, one with it is whole. */
enum rc local_store_create(const char *path, struct err *err)
{
    static const char *const dirs[] = {"log", "spill", "packs", "state"};
    AUTO(closep) int root = -1;
    AUTO(closep) int parent = -1;
    struct stat st;
    enum rc rc = make_dir(AT_FDCWD, path, err);

    if (!rc)
        rc = open_dir(AT_FDCWD, path, &root, err);
    if (rc)
        return rc;
    if (fstatat(root, "super", &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(err, RC_EXISTS, "A store is there already", "%s", path);
    for (size_t i = 0; i < COUNT(dirs); i++) {
        rc = make_dir(root, dirs[i], err);
        if (rc)
            return rc;
    }
    rc = state_create(path, root, err);
    if (!rc)
        rc = layout_sync_dir(root, err);
    if (!rc)
        rc = super_create(root, err);
    if (!rc)
        rc = open_dir(root, "..", &parent, err);
    return rc ? rc : layout_sync_dir(parent, err);
}
