/*
 * interpose.c - libc's file calls as this program and the libraries in it see them.
 *
 * The definitions here are found before libc's, by our own objects and (the program exports its
 * symbols) by liblmdb and libsqlite3. Each makes the system call itself, so nothing depends on
 * the order in which libraries are looked through. The LP64 twins (pwrite64, open64...) and the
 * checked forms a hardened build calls (__open_2, __pread_chk...) are the same functions.
 *
 * Only descriptors opened below the recording's folder are looked at.
 */
#undef _FORTIFY_SOURCE /* its inline forms would call the functions defined here */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "recording.h"

#define FDS_MAX     4096
#define LOCK_FILE   "lock.mdb" /* LMDB's: made new at every start, so it holds nothing */
#define HALF(n)     (((n) + 1) / 2)
#define MODE_OF(ap) ((mode_t) va_arg(ap, unsigned int))

struct tracked {
    uint32_t file; /* 0: not ours */
    uint32_t generation;
    bool is_dsync;
};

static struct tracked fds[FDS_MAX]; /* recording_lock */

/* With the lock held: the file behind fd, or 0. */
static uint32_t file_of(const struct recording *recording, int fd)
{
    if (recording == NULL || fd < 0 || fd >= FDS_MAX ||
        fds[fd].generation != recording->generation)
        return 0;
    return fds[fd].file;
}

static int fail_with(const struct recording *recording, int otherwise)
{
    if (recording->fault.error == FAULT_DIES)
        _exit(0);
    errno = recording->fault.error != 0 ? recording->fault.error : otherwise;
    return -1;
}

/* ---- opening and closing ---- */

static int open_tracked(struct recording *recording, uint32_t dir, const char *name, int at,
                        const char *path, int flags, mode_t mode)
{
    uint32_t file = recording_find(recording, dir, name);
    struct stat st;
    int fd;

    if (recording_fails(recording, CALL_OPEN))
        return fail_with(recording, EIO);
    fd = (int) syscall(SYS_openat, at, path, flags, mode);
    if (fd < 0 || fd >= FDS_MAX)
        return fd;
    if (file == 0)
        file = recording_make(recording, dir, name, false);
    else if ((flags & O_TRUNC) != 0)
        recording_add(recording, OP_SIZE, file)->offset = 0;
    fds[fd] = (struct tracked){file, recording->generation, (flags & O_DSYNC) == O_DSYNC};
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) != recording->files[file].is_dir)
        die("recording: %s is not what it was", name);
    return fd;
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
    struct recording *recording;
    char name[RECORD_NAME_BYTES];
    uint32_t dir;
    int fd;

    recording_lock();
    recording = recording_current();
    if (recording != NULL &&
        recording_resolve(recording, at == AT_FDCWD ? 0 : file_of(recording, at), path, &dir,
                          name) &&
        strcmp(name, LOCK_FILE) != 0) {
        fd = open_tracked(recording, dir, name, at, path, flags, mode);
    } else {
        fd = (int) syscall(SYS_openat, at, path, flags, mode);
        if (fd >= 0 && fd < FDS_MAX)
            fds[fd].file = 0;
    }
    recording_unlock();
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if ((flags & (O_CREAT | __O_TMPFILE)) != 0)
        mode = MODE_OF(ap);
    va_end(ap);
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode = 0;

    va_start(ap, flags);
    if ((flags & (O_CREAT | __O_TMPFILE)) != 0)
        mode = MODE_OF(ap);
    va_end(ap);
    return open_any(at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags);
int __openat_2(int at, const char *path, int flags)
{
    return open_any(at, path, flags, 0);
}

int close(int fd)
{
    int rc;

    recording_lock();
    if (fd >= 0 && fd < FDS_MAX)
        fds[fd].file = 0;
    rc = (int) syscall(SYS_close, fd);
    recording_unlock();
    return rc;
}

/* ---- writing ---- */

static size_t iov_total(const struct iovec *iov, int n)
{
    size_t total = 0;

    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    return total;
}

/* Takes down what the kernel took: the first done bytes. */
static void record_iov(struct recording *recording, uint32_t file, uint64_t at,
                       const struct iovec *iov, int n, size_t done)
{
    for (int i = 0; i < n && done > 0; i++) {
        size_t len = MIN(iov[i].iov_len, done);

        recording_write(recording, file, at, iov[i].iov_base, len);
        at += len;
        done -= len;
    }
}

/* The plain system call: at the place given, or (-1) at the descriptor's own. */
static ssize_t write_raw(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    if (offset < 0)
        return syscall(SYS_writev, fd, iov, n);
    return syscall(SYS_pwritev2, fd, iov, n, offset, 0, flags);
}

static ssize_t write_half(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    struct iovec half = iov[0];

    (void) n;
    half.iov_len = HALF(half.iov_len);
    return write_raw(fd, &half, 1, offset, flags);
}

/* The kernel tells of it once; what it could not write is clean to it, and read as if it were
 * there. A process that dies in a sync leaves it to the kernel. */
static void note_failed_sync(struct recording *recording, uint32_t file)
{
    if (recording->fault.error == FAULT_DIES)
        return;
    recording->files[file].sync_failed = true;
    (void) recording_add(recording, OP_SYNC_FAILED, file);
}

/* A sync that fails leaves the bytes in the kernel's memory, from where they may or may not
 * reach the disk. */
static ssize_t fail_sync_write(struct recording *recording, uint32_t file, uint64_t at, int fd,
                               const struct iovec *iov, int n)
{
    ssize_t done = write_raw(fd, iov, n, (off_t) at, 0);

    if (done > 0)
        record_iov(recording, file, at, iov, n, (size_t) done);
    note_failed_sync(recording, file);
    return fail_with(recording, EIO);
}

static ssize_t write_tracked(struct recording *recording, uint32_t file, int fd,
                             const struct iovec *iov, int n, off_t offset, int flags)
{
    bool is_synced = fds[fd].is_dsync || (flags & (RWF_DSYNC | RWF_SYNC)) != 0;
    off_t at = offset;
    ssize_t done;

    if (offset < 0)
        at = (off_t) syscall(SYS_lseek, fd, 0, SEEK_CUR);
    if (is_synced)
        recording_note_sync(recording, file);
    if (is_synced && recording_fails(recording, CALL_SYNC))
        return fail_sync_write(recording, file, (uint64_t) at, fd, iov, n);
    if (recording_fails(recording, CALL_WRITE)) {
        if (recording->fault.error != 0 || iov_total(iov, n) < 2)
            return fail_with(recording, EIO);
        done = write_half(fd, iov, n, offset, flags);
    } else {
        done = write_raw(fd, iov, n, offset, flags);
    }
    if (done <= 0)
        return done;
    record_iov(recording, file, (uint64_t) at, iov, n, (size_t) done);
    if (is_synced) {
        struct op *op = recording_add(recording, OP_SYNC_WRITE, file);

        op->offset = (uint64_t) at;
        op->len = (uint64_t) done;
    }
    return done;
}

static ssize_t write_any(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    struct recording *recording;
    uint32_t file;
    ssize_t done;

    recording_lock();
    recording = recording_current();
    file = file_of(recording, fd);
    if (file != 0 && !recording->files[file].is_dir) {
        done = write_tracked(recording, file, fd, iov, n, offset, flags);
        recording_unlock();
        return done;
    }
    recording_unlock();
    return write_raw(fd, iov, n, offset, flags);
}

static ssize_t write_one(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec iov = {.iov_len = len};

    memcpy(&iov.iov_base, &bytes, sizeof(iov.iov_base));
    return write_any(fd, &iov, 1, offset, 0);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return write_one(fd, bytes, len, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return write_one(fd, bytes, len, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return write_any(fd, iov, n, -1, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    return write_any(fd, iov, n, offset, 0);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    return write_any(fd, iov, n, offset, flags);
}

/* With the lock held: a size is a write of sorts. */
static int change_size(struct recording *recording, uint32_t file, int fd, off_t size)
{
    int rc;

    if (recording_fails(recording, CALL_WRITE))
        return fail_with(recording, EIO);
    rc = (int) syscall(SYS_ftruncate, fd, size);
    if (rc == 0)
        recording_add(recording, OP_SIZE, file)->offset = (uint64_t) size;
    return rc;
}

int ftruncate(int fd, off_t size)
{
    struct recording *recording;
    uint32_t file;
    int rc;

    recording_lock();
    recording = recording_current();
    file = file_of(recording, fd);
    rc = file != 0 ? change_size(recording, file, fd, size)
                   : (int) syscall(SYS_ftruncate, fd, size);
    recording_unlock();
    return rc;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct recording *recording;
    struct stat st;
    uint32_t file;
    int rc;

    recording_lock();
    recording = recording_current();
    file = file_of(recording, fd);
    if (file != 0 && recording_fails(recording, CALL_WRITE)) {
        rc = fail_with(recording, EIO);
    } else {
        rc = (int) syscall(SYS_fallocate, fd, mode, offset, len);
        /* A hole is a change nobody here makes; bytes it gives read as zeros. */
        if (rc == 0 && file != 0 && fstat(fd, &st) == 0)
            recording_add(recording, OP_SIZE, file)->offset = (uint64_t) st.st_size;
    }
    recording_unlock();
    return rc;
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
    return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

/* ---- syncing ---- */

static int sync_any(int fd, long number)
{
    struct recording *recording;
    uint32_t file;
    int rc = 0;

    recording_lock();
    recording = recording_current();
    file = file_of(recording, fd);
    if (file == 0) {
        recording_unlock();
        return (int) syscall(number, fd);
    }
    recording_note_sync(recording, file);
    if (recording_fails(recording, CALL_SYNC)) {
        note_failed_sync(recording, file);
        rc = fail_with(recording, EIO);
    } else {
        /* The test's own disk is the recording: the real one need not be waited for. */
        (void) recording_add(recording, OP_SYNC, file);
    }
    recording_unlock();
    return rc;
}

int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

/* ---- names ---- */

/* With the lock held: is at/path ours? */
static bool is_ours(const struct recording *recording, int at, const char *path, uint32_t *dir,
                    char name[RECORD_NAME_BYTES])
{
    return recording != NULL &&
           recording_resolve(recording, at == AT_FDCWD ? 0 : file_of(recording, at), path, dir,
                             name) &&
           strcmp(name, LOCK_FILE) != 0;
}

int renameat2(int at, const char *from, int at2, const char *to, unsigned int flags)
{
    struct recording *recording;
    char name[RECORD_NAME_BYTES], name2[RECORD_NAME_BYTES];
    uint32_t dir, dir2;
    int rc;

    recording_lock();
    recording = recording_current();
    if (!is_ours(recording, at, from, &dir, name) ||
        !is_ours(recording, at2, to, &dir2, name2)) {
        rc = (int) syscall(SYS_renameat2, at, from, at2, to, flags);
    } else if (recording_fails(recording, CALL_NAME)) {
        rc = fail_with(recording, EIO);
    } else {
        rc = (int) syscall(SYS_renameat2, at, from, at2, to, flags);
        if (rc == 0)
            recording_rename(recording, dir, name, dir2, name2);
    }
    recording_unlock();
    return rc;
}

int renameat(int at, const char *from, int at2, const char *to)
{
    return renameat2(at, from, at2, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    struct recording *recording;
    char name[RECORD_NAME_BYTES];
    uint32_t dir;
    int rc;

    recording_lock();
    recording = recording_current();
    if (!is_ours(recording, at, path, &dir, name)) {
        rc = (int) syscall(SYS_unlinkat, at, path, flags);
    } else if (recording_fails(recording, CALL_NAME)) {
        rc = fail_with(recording, EIO);
    } else {
        rc = (int) syscall(SYS_unlinkat, at, path, flags);
        if (rc == 0)
            recording_unlink(recording, dir, name);
    }
    recording_unlock();
    return rc;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    struct recording *recording;
    char name[RECORD_NAME_BYTES];
    uint32_t dir;
    int rc;

    recording_lock();
    recording = recording_current();
    if (!is_ours(recording, at, path, &dir, name)) {
        rc = (int) syscall(SYS_mkdirat, at, path, mode);
    } else if (recording_fails(recording, CALL_NAME)) {
        rc = fail_with(recording, EIO);
    } else {
        rc = (int) syscall(SYS_mkdirat, at, path, mode);
        if (rc == 0)
            (void) recording_make(recording, dir, name, true);
    }
    recording_unlock();
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* ---- reading: only to fail ---- */

static bool read_fails(int fd, enum call_kind kind)
{
    struct recording *recording;
    bool fails;

    recording_lock();
    recording = recording_current();
    fails = file_of(recording, fd) != 0 && recording_fails(recording, kind);
    if (fails)
        (void) fail_with(recording, EIO);
    recording_unlock();
    return fails;
}

ssize_t read(int fd, void *out, size_t len)
{
    return read_fails(fd, CALL_READ) ? -1 : syscall(SYS_read, fd, out, len);
}

ssize_t pread(int fd, void *out, size_t len, off_t offset)
{
    return read_fails(fd, CALL_READ) ? -1 : syscall(SYS_pread64, fd, out, len, offset);
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
    return read_fails(fd, CALL_READ) ? -1 : syscall(SYS_preadv, fd, iov, n, offset, 0);
}

ssize_t __read_chk(int fd, void *out, size_t len, size_t room);
ssize_t __read_chk(int fd, void *out, size_t len, size_t room)
{
    return read(fd, out, MIN(len, room));
}

ssize_t __pread_chk(int fd, void *out, size_t len, off_t offset, size_t room);
ssize_t __pread_chk(int fd, void *out, size_t len, off_t offset, size_t room)
{
    return pread(fd, out, MIN(len, room), offset);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && read_fails(fd, CALL_MAP))
        return MAP_FAILED;
    if (fd >= 0 && (flags & MAP_TYPE) == MAP_SHARED && (prot & PROT_WRITE) != 0) {
        struct recording *recording;

        recording_lock();
        recording = recording_current();
        if (file_of(recording, fd) != 0)
            recording->hidden_writes++;
        recording_unlock();
    }
    return (void *) syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

/* ---- the same under other names ---- */

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));
int creat64(const char *path, mode_t mode) __attribute__((alias("creat")));
int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));
int __openat64_2(int at, const char *path, int flags) __attribute__((alias("__openat_2")));
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
    __attribute__((alias("pwrite")));
ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
    __attribute__((alias("pwritev")));
ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
    __attribute__((alias("pwritev2")));
int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));
int fallocate64(int fd, int mode, off64_t offset, off64_t len)
    __attribute__((alias("fallocate")));
int posix_fallocate64(int fd, off64_t offset, off64_t len)
    __attribute__((alias("posix_fallocate")));
ssize_t pread64(int fd, void *out, size_t len, off64_t offset) __attribute__((alias("pread")));
ssize_t preadv64(int fd, const struct iovec *iov, int n, off64_t offset)
    __attribute__((alias("preadv")));
ssize_t __pread64_chk(int fd, void *out, size_t len, off64_t offset, size_t room)
    __attribute__((alias("__pread_chk")));
void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t offset)
    __attribute__((alias("mmap")));
