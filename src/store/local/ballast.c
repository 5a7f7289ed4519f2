/* ballast.c - a file that grows by allocation and shrinks by truncation; never read. */
#include "store/local/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "store/local/batch.h"
#include "store/local/layout.h"

#define BALLAST_NAME "ballast"
#define ZERO_BYTES   ((size_t) 64 << 10)

struct ballast {
    int root;
    uint64_t bytes;
    pthread_mutex_t lock; /* a leaf */
    uint64_t have;        /* lock: the file's length */
};

uint64_t disk_share(int root, uint64_t floor, uint64_t cap)
{
    struct statvfs st;
    uint64_t share = cap;

    if (fstatvfs(root, &st) == 0 && st.f_blocks > 0)
        share = (uint64_t) st.f_blocks * st.f_frsize / DISK_SHARE_PARTS;
    share = MIN(MAX(share, floor), cap);
    return share & ~(uint64_t) (JOURNAL_BLOCK_BYTES - 1);
}

bool disk_has(int root, uint64_t bytes)
{
    struct statvfs st;

    return fstatvfs(root, &st) != 0 || st.f_blocks == 0 ||
           (uint64_t) st.f_bavail * st.f_frsize >= bytes;
}

struct ballast *ballast_new(int root, uint64_t bytes)
{
    struct ballast *ballast = xcalloc(1, sizeof(*ballast));
    struct stat st;

    ballast->root = root;
    ballast->bytes = bytes;
    (void) pthread_mutex_init(&ballast->lock, NULL);
    if (fstatat(root, BALLAST_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        ballast->have = (uint64_t) st.st_size;
    return ballast;
}

void ballast_free(struct ballast *ballast)
{
    if (ballast == NULL)
        return;
    (void) pthread_mutex_destroy(&ballast->lock);
    free(ballast);
}

static bool shrink(const struct ballast *ballast, uint64_t to)
{
    AUTO(closep)
    int fd = openat(ballast->root, BALLAST_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd >= 0 && ftruncate(fd, (off_t) to) == 0;
}

static bool give(struct ballast *ballast, unsigned n_kept)
{
    uint64_t piece = MAX(ballast->bytes / BALLAST_PIECES, (uint64_t) JOURNAL_BLOCK_BYTES), left;
    bool is_given;

    (void) pthread_mutex_lock(&ballast->lock);
    left = ballast->have > piece ? ballast->have - piece : 0;
    if (ballast->have <= n_kept * piece) {
        (void) pthread_mutex_unlock(&ballast->lock);
        return false;
    }
    is_given = shrink(ballast, left);
    ballast->have = is_given ? left : 0; /* what does not shrink is of no help */
    (void) pthread_mutex_unlock(&ballast->lock);
    if (is_given)
        log_event(LEVEL_WARNING, "store.ballast", LOG_NUM("left_bytes", left));
    return is_given;
}

bool ballast_give(struct ballast *ballast)
{
    return give(ballast, 0);
}

bool ballast_give_for_pack(struct ballast *ballast)
{
    return give(ballast, BALLAST_PIECES_SPARED);
}

bool ballast_is_whole(struct ballast *ballast)
{
    bool is_whole;

    (void) pthread_mutex_lock(&ballast->lock);
    is_whole = ballast->have >= ballast->bytes;
    (void) pthread_mutex_unlock(&ballast->lock);
    return is_whole;
}

/* Blocks that are the file's: by allocation, or written where the file system knows none. */
static enum rc allocate(int fd, uint64_t from, uint64_t to, struct err *err)
{
    AUTO(freep) char *zeros = NULL;

    if (fallocate(fd, 0, (off_t) from, (off_t) (to - from)) == 0)
        return RC_OK;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return file_error(err, "fallocate of the ballast");
    zeros = xcalloc(1, ZERO_BYTES);
    for (uint64_t at = from; at < to; at += ZERO_BYTES) {
        enum rc rc =
            file_write_all(fd, zeros, (size_t) MIN(to - at, (uint64_t) ZERO_BYTES), at, err);

        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc ballast_fill(struct ballast *ballast, struct err *err)
{
    AUTO(closep)
    int fd =
        openat(ballast->root, BALLAST_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc = RC_OK;

    if (fd < 0)
        return file_error(err, BALLAST_NAME);
    (void) pthread_mutex_lock(&ballast->lock);
    if (ballast->have < ballast->bytes)
        rc = allocate(fd, ballast->have, ballast->bytes, err);
    if (rc == RC_OK)
        ballast->have = ballast->bytes;
    else if (ftruncate(fd, (off_t) ballast->have) != 0)
        log_event(LEVEL_WARNING, "store.ballast", LOG_STR("error", strerror(errno)));
    (void) pthread_mutex_unlock(&ballast->lock);
    return rc;
}
