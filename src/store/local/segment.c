/*
 * segment.c - the journal's files.
 *
 * Why zeros are written once and files then reused: a write into blocks that are allocated and
 * written needs no change of the file system's own metadata, so one flush makes it durable.
 * fallocate() alone leaves unwritten extents, and converting them costs a commit of the file
 * system's journal with each batch (the slowest of all choices measured).
 *
 * Order in segment_begin(): header into the spare, durable; rename; directory synced. A crash
 * before the rename leaves a spare, after it a ready segment, and no batch is written before
 * the function has returned, so no acknowledged batch lies in a file whose name could vanish.
 */
#include "store/local/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/random.h"
#include "store/local/layout.h"

#define SEGMENT_MAGIC   0x4753534au /* "JSSG" */
#define SEGMENT_VERSION 1u
#define ZERO_CHUNK      ((size_t) 1 << 20)
#define HEADER_HASHED   80u

char *segment_buffer_new(size_t bytes)
{
    void *ptr = NULL;

    if (posix_memalign(&ptr, JOURNAL_BLOCK_BYTES, bytes) != 0)
        die("out of memory: %zu bytes for the journal", bytes);
    return ptr;
}

/* Does O_DIRECT work for whole blocks on this file? */
static bool direct_is_possible(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) != 0 ||
        (stx.stx_mask & STATX_DIOALIGN) == 0)
        return false;
    return stx.stx_dio_offset_align != 0 && stx.stx_dio_mem_align != 0 &&
           JOURNAL_BLOCK_BYTES % stx.stx_dio_offset_align == 0 &&
           JOURNAL_BLOCK_BYTES % stx.stx_dio_mem_align == 0;
#else
    (void) fd;
    return false;
#endif
}

static int open_for_writing(int log, const char *name, int extra, bool buffered,
                            bool *out_direct)
{
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | extra;
    int fd;

    if (!buffered) {
        fd = openat(log, name, flags | O_DIRECT, 0600);
        if (fd >= 0 && direct_is_possible(fd)) {
            *out_direct = true;
            return fd;
        }
        closep(&fd);
        flags &= ~O_EXCL;
    }
    *out_direct = false;
    return openat(log, name, flags, 0600);
}

enum rc segment_make_spare(int log, const char *spare_name, uint64_t bytes, bool buffered,
                           struct err *err)
{
    size_t chunk = (size_t) MIN(bytes, (uint64_t) ZERO_CHUNK);
    AUTO(freep) char *zeros = segment_buffer_new(chunk);
    bool is_direct;
    AUTO(closep)
    int fd = open_for_writing(log, spare_name, O_CREAT | O_TRUNC, buffered, &is_direct);
    enum rc rc = RC_OK;

    if (fd < 0)
        return file_error(err, spare_name);
    memset(zeros, 0, chunk);
    for (uint64_t at = 0; at < bytes && !rc; at += chunk)
        rc = file_write_all(fd, zeros, (size_t) MIN(bytes - at, (uint64_t) chunk), at, err);
    if (!rc && fdatasync(fd) != 0)
        rc = file_error(err, "fdatasync of a new segment");
    if (rc)
        (void) unlinkat(log, spare_name, 0); /* what is left of it is no use */
    return rc;
}

static void write_header(char *block, const struct segment *segment,
                         const struct journal_key *key, const unsigned char uuid[16])
{
    memset(block, 0, SEGMENT_HEADER_BYTES);
    put_le32(block, SEGMENT_MAGIC);
    put_le32(block + 4, SEGMENT_VERSION);
    memcpy(block + 8, uuid, 16);
    put_le64(block + 24, segment->number);
    put_le64(block + 32, key->epoch);
    put_le64(block + 40, segment->bytes);
    random_bytes(block + 48, 32); /* salt: for keys of bodies at rest */
    put_hash(block + HEADER_HASHED, journal_hash(key, slice_of(block, HEADER_HASHED)));
}

static struct segment *segment_new(uint64_t number)
{
    struct segment *segment = xcalloc(1, sizeof(*segment));

    segment->number = number;
    segment->fd = segment->read_fd = -1;
    list_init(&segment->places);
    return segment;
}

void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    closep(&segment->fd);
    closep(&segment->read_fd);
    free(segment);
}

void segment_freep(struct segment **segment)
{
    segment_free(*segment);
}

static enum rc open_for_reading(int log, const char *name, struct segment *segment,
                                struct err *err)
{
    struct stat st;

    segment->read_fd = openat(log, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (segment->read_fd < 0 && errno == ENOENT)
        return err_set(err, RC_NOT_FOUND, "No such segment", "%s is missing", name);
    if (segment->read_fd < 0 || fstat(segment->read_fd, &st) != 0)
        return file_error(err, name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "%s is no file", name);
    segment->bytes = (uint64_t) st.st_size;
    return RC_OK;
}

enum rc segment_begin(int log, const char *spare_name, uint64_t number,
                      const struct journal_key *key, const unsigned char uuid[16],
                      bool buffered, struct segment **out, struct err *err)
{
    AUTO(segment_freep) struct segment *segment = segment_new(number);
    AUTO(freep) char *block = segment_buffer_new(SEGMENT_HEADER_BYTES);
    char name[LAYOUT_NAME_BYTES];
    enum rc rc = open_for_reading(log, spare_name, segment, err);

    if (rc)
        return rc;
    segment->fd = open_for_writing(log, spare_name, 0, buffered, &segment->is_direct);
    if (segment->fd < 0)
        return file_error(err, spare_name);
    write_header(block, segment, key, uuid);
    rc = segment_write(segment, block, SEGMENT_HEADER_BYTES, 0, err);
    if (rc)
        return rc;
    layout_name(name, number, ".seg");
    if (renameat(log, spare_name, log, name) != 0)
        return file_error(err, "rename of a segment");
    rc = layout_sync_dir(log, err);
    if (rc)
        return rc;
    segment->used = SEGMENT_HEADER_BYTES;
    *out = TAKE(segment);
    return RC_OK;
}

enum rc segment_open(int log, uint64_t number, struct segment **out, struct err *err)
{
    AUTO(segment_freep) struct segment *segment = segment_new(number);
    char name[LAYOUT_NAME_BYTES];
    enum rc rc;

    layout_name(name, number, ".seg");
    rc = open_for_reading(log, name, segment, err);
    if (rc)
        return rc;
    segment->is_closed = true;
    *out = TAKE(segment);
    return RC_OK;
}

bool segment_is_of(const struct segment *segment, const struct journal_key *key,
                   const unsigned char uuid[16])
{
    char block[HEADER_HASHED + 16] = {0};
    struct scan sc = scan_of(slice_of(block, sizeof(block)));
    uint32_t magic, version;
    uint64_t number, epoch, bytes;
    struct slice stored_uuid, salt;
    struct hash128 hash;

    if (file_read_all(segment->read_fd, block, sizeof(block), 0, NULL) != RC_OK)
        return false;
    if (!scan_le32(&sc, &magic) || magic != SEGMENT_MAGIC || !scan_le32(&sc, &version) ||
        version != SEGMENT_VERSION || !scan_take(&sc, 16, &stored_uuid) ||
        !slice_eq(stored_uuid, slice_of(uuid, 16)) || !scan_le64(&sc, &number) ||
        number != segment->number || !scan_le64(&sc, &epoch) || epoch != key->epoch ||
        !scan_le64(&sc, &bytes) || !scan_take(&sc, 32, &salt) || !scan_hash(&sc, &hash))
        return false;
    return hash128_eq(hash, journal_hash(key, slice_of(block, HEADER_HASHED)));
}

enum rc segment_write_again(int log, struct segment *segment, uint64_t from, bool buffered,
                            struct err *err)
{
    size_t len = (size_t) (segment->used - from);
    AUTO(freep) char *bytes = segment_buffer_new(len);
    char name[LAYOUT_NAME_BYTES];
    enum rc rc = file_read_all(segment->read_fd, bytes, len, from, err);

    if (rc)
        return rc;
    layout_name(name, segment->number, ".seg");
    segment->fd = open_for_writing(log, name, 0, buffered, &segment->is_direct);
    if (segment->fd < 0)
        return file_error(err, name);
    rc = segment_write(segment, bytes, len, from, err);
    closep(&segment->fd);
    segment->fd = -1;
    return rc;
}

/*
 * One call writes and makes durable. Kernels or file systems without RWF_DSYNC get the two
 * calls instead. A short write is continued: nothing of it has been acknowledged. A failed
 * sync is never tried again, since the kernel may have dropped the pages it could not write.
 */
enum rc segment_write(const struct segment *segment, const char *bytes, size_t len,
                      uint64_t offset, struct err *err)
{
    size_t done = 0;
    bool needs_sync = false;

    while (done < len) {
        struct iovec iov = {.iov_len = len - done};
        ssize_t n;

        memcpy(&iov.iov_base, &(const char *){bytes + done}, sizeof(iov.iov_base));
        n = needs_sync ? pwritev(segment->fd, &iov, 1, (off_t) (offset + done))
                       : pwritev2(segment->fd, &iov, 1, (off_t) (offset + done), RWF_DSYNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !needs_sync && (errno == EOPNOTSUPP || errno == ENOSYS)) {
            needs_sync = true;
            continue;
        }
        if (n <= 0)
            return err_set(err, RC_IO, "Storage failure", "journal write at %llu: %s",
                           (unsigned long long) offset,
                           n == 0 ? "wrote nothing" : strerror(errno));
        done += (size_t) n;
    }
    if (needs_sync && fdatasync(segment->fd) != 0)
        return err_set(err, RC_IO, "Storage failure", "journal sync: %s", strerror(errno));
    return RC_OK;
}
