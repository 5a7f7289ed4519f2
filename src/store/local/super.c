/* super.c - reading and replacing the superblock; the file is small and always written whole.
 */
#include "store/local/super.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/random.h"
#include "store/local/layout.h"

#define SUPER_MAGIC     SLICE("RoostSup")
#define SUPER_VERSION   2u
#define SUPER_MAX_BYTES ((size_t) 1 << 20)

static void put_point(struct buf *buf, const struct journal_point *point)
{
    buf_le64(buf, point->segment);
    buf_le64(buf, point->lsn);
    buf_le32(buf, point->offset);
    buf_le64(buf, point->prev.lo);
    buf_le64(buf, point->prev.hi);
}

static bool scan_point(struct scan *sc, struct journal_point *out)
{
    return scan_le64(sc, &out->segment) && scan_le64(sc, &out->lsn) &&
           scan_le32(sc, &out->offset) && scan_hash(sc, &out->prev);
}

/* One copy, filled up to whole blocks, so that no sector holds parts of both. */
static void put_copy(struct buf *out, const struct super *super)
{
    AUTO(buf_done) struct buf buf = {0};

    buf_init(&buf, SUPER_MAX_BYTES);
    buf_append(&buf, SUPER_MAGIC);
    buf_le32(&buf, SUPER_VERSION);
    buf_append(&buf, slice_of(super->uuid, sizeof(super->uuid)));
    buf_le64(&buf, super->min_state_serial);
    put_point(&buf, &super->start);
    buf_le32(&buf, super->n_epochs);
    for (uint32_t i = 0; i < super->n_epochs; i++) {
        const struct epoch *epoch = &super->epochs[i];

        buf_le64(&buf, epoch->key.epoch);
        buf_append(&buf, slice_of(epoch->key.secret, JOURNAL_SECRET_BYTES));
        put_point(&buf, &epoch->first);
        buf_le8(&buf, epoch->is_closed);
        put_point(&buf, &epoch->end);
    }
    while ((buf.len + sizeof(uint64_t)) % JOURNAL_BLOCK_BYTES != 0)
        buf_le8(&buf, 0);
    buf_le64(&buf, XXH3_64bits(buf.ptr, buf.len));
    buf_append(out, buf_slice(&buf));
}

enum rc super_write(int root, const struct super *super, struct err *err)
{
    AUTO(buf_done) struct buf buf = {0};

    buf_init(&buf, SUPER_MAX_BYTES);
    put_copy(&buf, super);
    put_copy(&buf, super);
    return layout_replace(root, "super", buf.ptr, buf.len, err);
}

enum rc super_create(int root, struct err *err)
{
    AUTO(freep) struct super *super = xcalloc(1, sizeof(*super));

    random_bytes(super->uuid, sizeof(super->uuid));
    super->start = (struct journal_point){.segment = 1, .lsn = 1};
    return super_write(root, super, err);
}

static bool scan_epoch(struct scan *sc, struct epoch *out)
{
    struct slice secret;
    uint8_t is_closed;

    if (!scan_le64(sc, &out->key.epoch) || !scan_take(sc, JOURNAL_SECRET_BYTES, &secret) ||
        !scan_point(sc, &out->first) || !scan_le8(sc, &is_closed) || is_closed > 1 ||
        !scan_point(sc, &out->end))
        return false;
    memcpy(out->key.secret, secret.ptr, JOURNAL_SECRET_BYTES);
    out->is_closed = is_closed != 0;
    return true;
}

static bool scan_super(struct scan *sc, struct super *super)
{
    struct slice uuid;

    if (!scan_take(sc, sizeof(super->uuid), &uuid) ||
        !scan_le64(sc, &super->min_state_serial) || !scan_point(sc, &super->start) ||
        !scan_le32(sc, &super->n_epochs) || super->n_epochs > SUPER_EPOCHS_MAX)
        return false;
    memcpy(super->uuid, uuid.ptr, uuid.len);
    for (uint32_t i = 0; i < super->n_epochs; i++) {
        if (!scan_epoch(sc, &super->epochs[i]))
            return false;
        if (i + 1 < super->n_epochs && !super->epochs[i].is_closed)
            return false;
    }
    while (!scan_done(sc)) {
        if (!scan_byte(sc, '\0'))
            return false;
    }
    return true;
}

static enum rc decode_copy(struct slice bytes, struct super *out, struct err *err)
{
    AUTO(freep) struct super *super = xcalloc(1, sizeof(*super));
    struct scan sc = scan_of(bytes);
    uint64_t hash = 0;
    uint32_t version;
    struct slice body, magic;

    if (!scan_take(&sc, SUPER_MAGIC.len, &magic) || !slice_eq(magic, SUPER_MAGIC) ||
        !scan_le32(&sc, &version))
        return err_set(err, RC_CORRUPT, "Not a store", "super: not a superblock");
    if (version != SUPER_VERSION)
        return err_set(err, RC_INVALID, "The store needs another version of the program",
                       "super: version %u, this program knows %u", version, SUPER_VERSION);
    body = slice_sub(bytes, 0, bytes.len - MIN(bytes.len, sizeof(hash)));
    sc.end = body.ptr + body.len;
    if (sc.end < sc.pos)
        return err_set(err, RC_CORRUPT, "The superblock is damaged", "super: too short");
    {
        struct scan tail = scan_of(slice_from(bytes, body.len));

        if (!scan_le64(&tail, &hash) || XXH3_64bits(body.ptr, body.len) != hash ||
            !scan_super(&sc, super))
            return err_set(
                err, RC_CORRUPT, "The superblock is damaged",
                "super: checksum or content is wrong; restore the file from a backup");
    }
    *out = *super;
    return RC_OK;
}

/* A copy is believed by its checksum alone, so a version that is not known is one whose copy is
 * whole, or none is. */
enum rc super_decode(struct slice bytes, struct super *out, bool *out_damaged, struct err *err)
{
    AUTO(freep) struct super *second = xcalloc(1, sizeof(*second));
    size_t half = bytes.len / 2;
    struct err other;
    enum rc rc = decode_copy(slice_sub(bytes, 0, half), out, err);
    enum rc rc_second = decode_copy(slice_from(bytes, half), second, &other);

    if (rc && rc_second == RC_OK) {
        *out = *second;
        *out_damaged = true;
        return RC_OK;
    }
    *out_damaged = rc_second != RC_OK;
    return rc;
}

enum rc super_read(int root, struct super *out, bool *out_damaged, struct err *err)
{
    AUTO(closep) int fd = openat(root, "super", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) char *bytes = NULL;
    struct stat st;
    enum rc rc;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, RC_NOT_FOUND, "No store here", "super: %s", strerror(errno));
    if (fd < 0)
        return open_error(err, "super");
    if (fstat(fd, &st) != 0)
        return file_error(err, "fstat super");
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t) st.st_size > SUPER_MAX_BYTES)
        return err_set(err, RC_CORRUPT, "The superblock is damaged", "super: size");
    bytes = xmalloc((size_t) st.st_size + 1);
    rc = file_read_all(fd, bytes, (size_t) st.st_size, 0, err);
    if (rc)
        return rc;
    return super_decode(slice_of(bytes, (size_t) st.st_size), out, out_damaged, err);
}
