/*
 * bad_disk.c - a disk that fails, preloaded into the server's processes (test_bad_disk.py).
 *
 * ROOST_BAD_DISK names a file of PANEL_BYTES that test and processes share, mapped before the
 * processes confine themselves:
 *
 *     0  u32  what fails once, as an enum fault; 0: nothing
 *     4  u32  how often it failed
 *     8  u32  syncs and writes, after that, of a descriptor whose sync or synced write failed
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PANEL_BYTES 4096u
#define FDS_MAX     1024

enum fault {
    FAULT_NONE,
    FAULT_JOURNAL, /* a batch */
    FAULT_STATE,   /* a sync of the state */
    FAULT_SPILL,   /* a sync of a body's own file */
    FAULT_READ,    /* every read of mail, as long as it is set */
};

enum kind { KIND_OTHER, KIND_JOURNAL, KIND_STATE, KIND_SPILL, KIND_PACK };

struct panel {
    _Atomic uint32_t fault, failed, after;
};

static struct panel *panel;
static _Atomic unsigned char kinds[FDS_MAX];
static atomic_bool has_failed[FDS_MAX];

int fsync(int fd);
int fdatasync(int fd);
int open(const char *path, int flags, ...);
int openat(int at, const char *path, int flags, ...);
int open64(const char *path, int flags, ...);
int openat64(int at, const char *path, int flags, ...);
ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags);
ssize_t pread(int fd, void *out, size_t len, off_t offset);
ssize_t pread64(int fd, void *out, size_t len, off_t offset);
ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags);

__attribute__((constructor)) static void map_panel(void)
{
    const char *path = getenv("ROOST_BAD_DISK");
    int fd = path != NULL ? (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    panel = mmap(NULL, PANEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (panel == MAP_FAILED)
        panel = NULL;
    (void) close(fd);
}

static enum kind kind_of(const char *path)
{
    static const struct {
        const char *end;
        enum kind kind;
    } ends[] = {
        {".spare",   KIND_JOURNAL},
        {".seg",     KIND_JOURNAL},
        {"data.mdb", KIND_STATE  },
        {".pack",    KIND_PACK   },
        {".body",    KIND_SPILL  },
    };
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i].end);

        if (len >= n && strcmp(path + len - n, ends[i].end) == 0)
            return ends[i].kind;
    }
    /* A long body on its way in. */
    return strstr(path, ".new") != NULL && path[0] != '/' &&
                   len == strlen("0123456789abcdef.new")
               ? KIND_SPILL
               : KIND_OTHER;
}

static int note(int fd, const char *path)
{
    if (fd >= 0 && fd < FDS_MAX) {
        atomic_store(&kinds[fd], (unsigned char) kind_of(path));
        atomic_store(&has_failed[fd], false);
    }
    return fd;
}

static bool is_kind(int fd, enum kind kind)
{
    return fd >= 0 && fd < FDS_MAX && atomic_load(&kinds[fd]) == kind;
}

/* Once: whoever takes the fault away has it. */
static bool fails(int fd, enum kind kind, enum fault fault)
{
    uint32_t want = fault;

    if (panel == NULL || !is_kind(fd, kind))
        return false;
    if (atomic_load(&has_failed[fd]))
        (void) atomic_fetch_add(&panel->after, 1);
    if (!atomic_compare_exchange_strong(&panel->fault, &want, FAULT_NONE))
        return false;
    atomic_store(&has_failed[fd], true);
    (void) atomic_fetch_add(&panel->failed, 1);
    errno = EIO;
    return true;
}

static bool read_fails(int fd)
{
    if (panel == NULL || atomic_load(&panel->fault) != FAULT_READ ||
        !(is_kind(fd, KIND_JOURNAL) || is_kind(fd, KIND_PACK) || is_kind(fd, KIND_SPILL)))
        return false;
    (void) atomic_fetch_add(&panel->failed, 1);
    errno = EIO;
    return true;
}

static bool sync_fails(int fd)
{
    return fails(fd, KIND_JOURNAL, FAULT_JOURNAL) || fails(fd, KIND_STATE, FAULT_STATE) ||
           fails(fd, KIND_SPILL, FAULT_SPILL);
}

int fsync(int fd)
{
    return sync_fails(fd) ? -1 : (int) syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_fails(fd) ? -1 : (int) syscall(SYS_fdatasync, fd);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    return fails(fd, KIND_JOURNAL, FAULT_JOURNAL)
               ? -1
               : syscall(SYS_pwritev2, fd, iov, n, offset, 0, flags);
}

ssize_t pread(int fd, void *out, size_t len, off_t offset)
{
    return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, out, len, offset);
}

ssize_t pread64(int fd, void *out, size_t len, off_t offset)
{
    return pread(fd, out, len, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    return read_fails(fd) ? -1 : syscall(SYS_preadv2, fd, iov, n, offset, 0, flags);
}

static unsigned mode_of(int flags, va_list more)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, unsigned) : 0;
}

int openat(int at, const char *path, int flags, ...)
{
    va_list more;
    unsigned mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return note((int) syscall(SYS_openat, at, path, flags, mode), path);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    unsigned mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return note((int) syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    unsigned mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return open(path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    va_list more;
    unsigned mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return openat(at, path, flags, mode);
}
