#include "auth/db_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/slice.h"

#define VFS_NAME       "roost-checked"
#define CONTENT_BYTES  (AUTH_PAGE_BYTES - (unsigned) AUTH_SUM_BYTES)
#define HEAD_BYTES     100u /* SQLite reads them before it knows the size of a page */
#define PATH_MAX_BYTES 4096u
#define NEW_SUFFIX     ".new"

/* ---- checksums ---- */

static uint64_t sum_of(const unsigned char *page, uint64_t number)
{
    return XXH3_64bits_withSeed(page, CONTENT_BYTES, number);
}

static void put_sum(unsigned char out[AUTH_SUM_BYTES], uint64_t sum)
{
    for (int i = 0; i < AUTH_SUM_BYTES; i++)
        out[i] = (unsigned char) (sum >> (8 * i));
}

static void seal(unsigned char *page, uint64_t number)
{
    put_sum(page + CONTENT_BYTES, sum_of(page, number));
}

/* A page that was never written may lie between others: SQLite leaves out those that are free
 * already when their turn comes. It says nothing, so it says nothing wrong. */
static bool is_blank(const unsigned char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, AUTH_PAGE_BYTES - 1) == 0;
}

static bool is_sound(const unsigned char *page, uint64_t number)
{
    unsigned char sum[AUTH_SUM_BYTES];

    put_sum(sum, sum_of(page, number));
    return memcmp(sum, page + CONTENT_BYTES, sizeof(sum)) == 0 || is_blank(page);
}

void db_pages_seal(unsigned char *pages, size_t len)
{
    for (size_t at = 0; at + AUTH_PAGE_BYTES <= len; at += AUTH_PAGE_BYTES)
        seal(pages + at, at / AUTH_PAGE_BYTES + 1);
}

/* ---- the file, as SQLite sees it ---- */

struct checked_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct checked_file *) file)->real;
}

static int checked_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

/* The page that holds the bytes, verified, and what is wanted of it. */
static int read_part(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    unsigned char page[AUTH_PAGE_BYTES];
    sqlite3_int64 start = at - at % AUTH_PAGE_BYTES;
    int code = real_of(file)->pMethods->xRead(real_of(file), page, AUTH_PAGE_BYTES, start);

    if (code != SQLITE_OK)
        return code;
    if (n > (int) AUTH_PAGE_BYTES - (int) (at - start) ||
        !is_sound(page, (uint64_t) start / AUTH_PAGE_BYTES + 1))
        return SQLITE_IOERR_DATA;
    memcpy(out, page + (at - start), (size_t) n);
    return SQLITE_OK;
}

/* The head of page 1 is read unverified: a crash while the log was taken over may have torn the
 * page, which then is read from the log. What the head decides, db_head_read() looks at first.
 */
static int checked_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    const unsigned char *pages = out;
    int code;

    if (at + n > (sqlite3_int64) HEAD_BYTES &&
        (at % AUTH_PAGE_BYTES != 0 || n % (int) AUTH_PAGE_BYTES != 0))
        return read_part(file, out, n, at);
    code = real_of(file)->pMethods->xRead(real_of(file), out, n, at);
    for (int done = 0; code == SQLITE_OK && done + (int) AUTH_PAGE_BYTES <= n;
         done += (int) AUTH_PAGE_BYTES) {
        if (!is_sound(pages + done, (uint64_t) (at + done) / AUTH_PAGE_BYTES + 1))
            code = SQLITE_IOERR_DATA;
    }
    return code;
}

static int checked_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    unsigned char page[AUTH_PAGE_BYTES];

    if (n != (int) AUTH_PAGE_BYTES || at % AUTH_PAGE_BYTES != 0)
        return SQLITE_IOERR_WRITE; /* the database has pages of this size and no others */
    memcpy(page, bytes, AUTH_PAGE_BYTES);
    seal(page, (uint64_t) at / AUTH_PAGE_BYTES + 1);
    return real_of(file)->pMethods->xWrite(real_of(file), page, n, at);
}

static int checked_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int checked_sync(sqlite3_file *file, int flags)
{
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int checked_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int checked_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int checked_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int checked_is_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int checked_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int checked_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int checked_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: no mapped pages, which nobody would verify, and no shared memory, which an
 * exclusive connection does not need. */
static const sqlite3_io_methods checked_methods = {
    .iVersion = 1,
    .xClose = checked_close,
    .xRead = checked_read,
    .xWrite = checked_write,
    .xTruncate = checked_truncate,
    .xSync = checked_sync,
    .xFileSize = checked_size,
    .xLock = checked_lock,
    .xUnlock = checked_unlock,
    .xCheckReservedLock = checked_is_reserved,
    .xFileControl = checked_control,
    .xSectorSize = checked_sector,
    .xDeviceCharacteristics = checked_traits,
};

/* Log and journals are SQLite's own: they have checksums of theirs. */
static int checked_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                        int *out_flags)
{
    struct checked_file *checked = (struct checked_file *) file;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    int code;

    (void) vfs;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return real->xOpen(real, name, file, flags, out_flags);
    checked->base.pMethods = NULL;
    checked->real = (sqlite3_file *) (checked + 1);
    code = real->xOpen(real, name, checked->real, flags, out_flags);
    if (checked->real->pMethods != NULL)
        checked->base.pMethods = &checked_methods;
    return code;
}

/* As SQLite's own but for xOpen. SQLite keeps the list of them, for as long as the process
 * lives. */
static void make_vfs(void)
{
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    sqlite3_vfs *vfs;

    if (sqlite3_vfs_find(VFS_NAME) != NULL)
        return;
    vfs = xcalloc(1, sizeof(*vfs));
    *vfs = *real;
    vfs->pNext = NULL;
    vfs->zName = VFS_NAME;
    vfs->szOsFile = (int) sizeof(struct checked_file) + real->szOsFile;
    vfs->xOpen = checked_open;
    if (sqlite3_vfs_register(vfs, 0) != SQLITE_OK)
        die("sqlite: no VFS");
}

/* ---- opening ---- */

static enum rc sqlite_failed(sqlite3 *sqlite, enum rc rc, struct err *err)
{
    return err_set(err, rc, "Account database failed", "sqlite: %s", sqlite3_errmsg(sqlite));
}

static enum rc file_failed(const char *path, struct err *err)
{
    return err_set(err, errno == ENOSPC ? RC_FULL : RC_IO, "Account database failed", "%s: %s",
                   path, strerror(errno));
}

static uint32_t be32(const unsigned char *at)
{
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

enum rc db_head_read(const char *path, struct db_head *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    unsigned char head[HEAD_BYTES];
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;

    if (n < 0)
        return file_failed(path, err);
    *out = (struct db_head){.is_empty = n == 0};
    if (n < (ssize_t) sizeof(head) || memcmp(head, "SQLite format 3", 16) != 0)
        return RC_OK;
    out->is_sqlite = true;
    out->reserved = head[20];
    out->version = be32(head + 60);
    out->application = be32(head + 68);
    return RC_OK;
}

static enum rc reserve(sqlite3 *sqlite, struct err *err)
{
    int n = AUTH_SUM_BYTES;

    return sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_RESERVE_BYTES, &n) == SQLITE_OK
               ? RC_OK
               : sqlite_failed(sqlite, RC_IO, err);
}

enum rc db_pages_open(const char *path, sqlite3 **out, struct err *err)
{
    make_vfs();
    if (sqlite3_open_v2(path, out,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        VFS_NAME) != SQLITE_OK)
        return sqlite_failed(*out, RC_IO, err);
    return reserve(*out, err);
}

/* ---- files of older versions ---- */

static void sqlite_closep(sqlite3 **sqlite)
{
    (void) sqlite3_close(*sqlite); /* without statements it cannot fail */
}

/* All of it, with room for checksums, into an empty file; the log is taken over before. */
static enum rc copy_with_room(const char *path, const char *copy, struct err *err)
{
    AUTO(sqlite_closep) sqlite3 *old = NULL;
    char *vacuum = sqlite3_mprintf("VACUUM INTO %Q", copy);
    enum rc rc = RC_OK;

    if (vacuum == NULL)
        die("out of memory");
    if (sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(old, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE", NULL,
                     NULL, NULL) != SQLITE_OK)
        rc = sqlite_failed(old, sqlite3_errcode(old) == SQLITE_BUSY ? RC_CONFLICT : RC_CORRUPT,
                           err);
    if (!rc)
        rc = reserve(old, err);
    if (!rc && sqlite3_exec(old, vacuum, NULL, NULL, NULL) != SQLITE_OK)
        rc =
            sqlite_failed(old, sqlite3_errcode(old) == SQLITE_FULL ? RC_FULL : RC_CORRUPT, err);
    sqlite3_free(vacuum);
    return rc;
}

static enum rc seal_file(int fd, const char *path, struct err *err)
{
    unsigned char page[AUTH_PAGE_BYTES];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, page, sizeof(page), at)) == (ssize_t) sizeof(page)) {
        if (at == 0 && page[20] != AUTH_SUM_BYTES)
            return err_set(err, RC_CORRUPT, "Account database failed",
                           "%s: no room for checksums", path);
        seal(page, (uint64_t) at / AUTH_PAGE_BYTES + 1);
        if (pwrite(fd, page, sizeof(page), at) != (ssize_t) sizeof(page))
            return file_failed(path, err);
        at += (off_t) sizeof(page);
    }
    if (n != 0 || at == 0)
        return err_set(err, RC_CORRUPT, "Account database failed", "%s: no whole pages", path);
    return fsync(fd) == 0 ? RC_OK : file_failed(path, err);
}

static enum rc sync_folder_of(const char *path, struct err *err)
{
    char folder[PATH_MAX_BYTES];
    AUTO(closep) int fd = -1;

    (void) snprintf(folder, sizeof(folder), "%.*s",
                    (int) slice_rfind(slice_from_str(path), '/') + 1, path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? RC_OK : file_failed(folder, err);
}

enum rc db_pages_convert(const char *path, struct err *err)
{
    char copy[PATH_MAX_BYTES + sizeof(NEW_SUFFIX)];
    AUTO(closep) int fd = -1;
    enum rc rc;

    (void) snprintf(copy, sizeof(copy), "%s" NEW_SUFFIX, path);
    fd = open(copy, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_failed(copy, err);
    rc = copy_with_room(path, copy, err);
    if (!rc)
        rc = seal_file(fd, copy, err);
    if (!rc && rename(copy, path) != 0)
        rc = file_failed(path, err);
    if (!rc)
        rc = sync_folder_of(path, err);
    if (rc)
        (void) unlink(copy); /* made anew the next time */
    return rc;
}

/* ---- reading everything ---- */

enum rc db_pages_check(sqlite3 *sqlite, struct db_damage *out, struct err *err)
{
    struct db_damage damage = {0};
    unsigned char page[AUTH_PAGE_BYTES];
    sqlite3_file *file = NULL;
    sqlite3_int64 bytes = 0;

    if (sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file->pMethods != &checked_methods || checked_size(file, &bytes) != SQLITE_OK)
        return sqlite_failed(sqlite, RC_IO, err);
    for (sqlite3_int64 at = 0; at < bytes; at += AUTH_PAGE_BYTES) {
        int code = checked_read(file, page, AUTH_PAGE_BYTES, at);

        damage.pages++;
        if (code == SQLITE_OK)
            continue;
        if (damage.damaged++ == 0)
            damage.first = (uint32_t) (at / AUTH_PAGE_BYTES + 1);
    }
    *out = damage;
    return RC_OK;
}
