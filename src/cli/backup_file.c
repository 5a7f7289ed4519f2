#include "cli/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define PIECE_BYTES ((size_t) 1 << 20)
#define SEAL_MAGIC  SLICE("RSTSEAL1")
#define SEAL_PIECE  ((size_t) 64 << 10)
#define SEAL_HEADER crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define SEAL_EXTRA  crypto_secretstream_xchacha20poly1305_ABYTES
#define KEY_CONTEXT "roost backup key 1"

static enum rc failed(struct err *err, const char *path)
{
    enum rc rc = errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO;

    if (errno == ENOENT)
        rc = RC_NOT_FOUND;
    return err_set(err, rc, rc == RC_FULL ? "No space left" : "A file failed", "%s: %s", path,
                   strerror(errno));
}

static void hash_text(const unsigned char hash[BACKUP_HASH_BYTES], struct backup_hash *out)
{
    (void) sodium_bin2hex(out->text, sizeof(out->text), hash, BACKUP_HASH_BYTES);
}

void backup_hash_bytes(struct slice bytes, struct backup_hash *out)
{
    unsigned char hash[BACKUP_HASH_BYTES];

    (void) crypto_generichash(hash, sizeof(hash), (const unsigned char *) bytes.ptr, bytes.len,
                              NULL, 0);
    hash_text(hash, out);
}

static enum rc write_piece(int fd, const char *piece, size_t len, const char *path,
                           struct err *err)
{
    while (len > 0) {
        ssize_t n = write(fd, piece, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(err, path);
        piece += n;
        len -= (size_t) n;
    }
    return RC_OK;
}

/* Hash length bytes of from, and write them to fd if there is one. */
static enum rc pass_bytes(int from, const char *path, uint64_t length, int to,
                          const char *to_path, struct backup_hash *out, struct err *err)
{
    AUTO(freep) char *piece = xmalloc(PIECE_BYTES);
    unsigned char hash[BACKUP_HASH_BYTES];
    crypto_generichash_state state;
    enum rc rc = RC_OK;

    (void) crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    while (length > 0 && rc == RC_OK) {
        ssize_t n = read(from, piece, (size_t) MIN(length, (uint64_t) PIECE_BYTES));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(err, path);
        if (n == 0)
            return err_set(err, RC_CORRUPT, "A file is too short", "%s: %llu bytes are missing",
                           path, (unsigned long long) length);
        (void) crypto_generichash_update(&state, (const unsigned char *) piece,
                                         (unsigned long long) n);
        if (to >= 0)
            rc = write_piece(to, piece, (size_t) n, to_path, err);
        length -= (uint64_t) n;
    }
    (void) crypto_generichash_final(&state, hash, sizeof(hash));
    hash_text(hash, out);
    return rc;
}

static enum rc open_for_reading(const char *path, int *out, struct err *err)
{
    struct stat st;

    *out = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*out < 0 || fstat(*out, &st) != 0)
        return failed(err, path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, RC_CORRUPT, "No file", "%s is no file", path);
    return RC_OK;
}

enum rc backup_hash_file(const char *path, uint64_t length, struct backup_hash *out,
                         struct err *err)
{
    AUTO(closep) int fd = -1;
    struct stat st;
    enum rc rc = open_for_reading(path, &fd, err);

    if (rc)
        return rc;
    if (fstat(fd, &st) != 0)
        return failed(err, path);
    if ((uint64_t) st.st_size != length)
        return err_set(err, RC_CORRUPT, "A file has the wrong length",
                       "%s has %lld bytes, not %llu", path, (long long) st.st_size,
                       (unsigned long long) length);
    return pass_bytes(fd, path, length, -1, NULL, out, err);
}

enum rc backup_copy_file(const char *from, uint64_t length, const char *to,
                         struct backup_hash *out, struct err *err)
{
    AUTO(closep) int source = -1;
    AUTO(closep) int target = -1;
    enum rc rc = open_for_reading(from, &source, err);

    if (rc)
        return rc;
    target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (target < 0)
        return failed(err, to);
    rc = pass_bytes(source, from, length, target, to, out, err);
    if (!rc && fsync(target) != 0)
        rc = failed(err, to);
    return rc;
}

enum rc backup_link_file(const char *from, uint64_t length, const char *to,
                         struct backup_hash *out, struct err *err)
{
    AUTO(closep) int fd = -1;
    enum rc rc;

    (void) unlink(to); /* of a run that was cut short */
    if (link(from, to) != 0)
        return backup_copy_file(from, length, to, out, err);
    rc = backup_hash_file(to, length, out, err);
    if (rc)
        return rc;
    fd = open(to, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) != 0)
        return failed(err, to);
    return RC_OK;
}

enum rc backup_write_file(const char *to, struct slice bytes, struct err *err)
{
    AUTO(closep)
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc;

    if (fd < 0)
        return failed(err, to);
    rc = write_piece(fd, bytes.ptr, bytes.len, to, err);
    if (!rc && fsync(fd) != 0)
        rc = failed(err, to);
    return rc;
}

enum rc backup_read_file(const char *path, size_t max, char **out, size_t *out_len,
                         struct err *err)
{
    AUTO(closep) int fd = -1;
    AUTO(freep) char *bytes = NULL;
    size_t len = 0;
    struct stat st;
    enum rc rc = open_for_reading(path, &fd, err);

    if (rc)
        return rc;
    if (fstat(fd, &st) != 0)
        return failed(err, path);
    if ((uint64_t) st.st_size > max)
        return err_set(err, RC_LIMIT, "A file is too large", "%s: over %zu bytes", path, max);
    bytes = xmalloc((size_t) st.st_size + 1);
    while (len < (size_t) st.st_size) {
        ssize_t n = read(fd, bytes + len, (size_t) st.st_size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(err, path);
        if (n == 0)
            return err_set(err, RC_CORRUPT, "A file is too short", "%s", path);
        len += (size_t) n;
    }
    *out = TAKE(bytes);
    *out_len = len;
    return RC_OK;
}

enum rc backup_sync_folder(const char *path, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return failed(err, path);
    return RC_OK;
}

/* ---- secrets ---- */

enum rc backup_key_read(const char *path, struct backup_key *out, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    size_t len = 0;
    enum rc rc = backup_read_file(path, BACKUP_KEY_FILE_MAX, &bytes, &len, err);

    if (rc)
        return rc;
    if (len < BACKUP_KEY_FILE_MIN)
        return err_set(err, RC_INVALID, "The key file is too short",
                       "%s: %zu bytes, at least %u are needed", path, len, BACKUP_KEY_FILE_MIN);
    (void) crypto_generichash(out->bytes, sizeof(out->bytes), (const unsigned char *) bytes,
                              len, (const unsigned char *) KEY_CONTEXT,
                              sizeof(KEY_CONTEXT) - 1);
    sodium_memzero(bytes, len);
    return RC_OK;
}

enum rc backup_seal(const struct backup_key *key, struct slice label, struct slice plain,
                    const char *to, struct err *err)
{
    unsigned char header[SEAL_HEADER], room[SEAL_PIECE + SEAL_EXTRA];
    crypto_secretstream_xchacha20poly1305_state state;
    AUTO(buf_done) struct buf out = {0};
    size_t at = 0;

    buf_init(&out, 2 * BACKUP_SECRET_MAX);
    (void) crypto_secretstream_xchacha20poly1305_init_push(&state, header, key->bytes);
    buf_append(&out, SEAL_MAGIC);
    buf_append(&out, slice_of(header, sizeof(header)));
    do {
        struct slice piece = slice_sub(plain, at, SEAL_PIECE);
        unsigned char tag = at + piece.len == plain.len
                                ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

        (void) crypto_secretstream_xchacha20poly1305_push(
            &state, room, NULL, (const unsigned char *) piece.ptr, piece.len,
            (const unsigned char *) label.ptr, label.len, tag);
        buf_append(&out, slice_of(room, piece.len + SEAL_EXTRA));
        at += piece.len;
    } while (at < plain.len);
    sodium_memzero(&state, sizeof(state));
    if (out.overflow)
        return err_set(err, RC_LIMIT, "A secret is too large", "%s: %zu bytes", to, plain.len);
    return backup_write_file(to, buf_slice(&out), err);
}

/* The pieces behind the header, opened in place at the front of bytes. */
static bool open_pieces(const struct backup_key *key, struct slice label, char *bytes,
                        size_t len, size_t *out_len)
{
    crypto_secretstream_xchacha20poly1305_state state;
    unsigned char *from = (unsigned char *) bytes + SEAL_MAGIC.len, tag = 0;
    size_t left, done = 0;
    bool ok = len >= SEAL_MAGIC.len + SEAL_HEADER &&
              slice_starts(slice_of(bytes, len), SEAL_MAGIC) &&
              crypto_secretstream_xchacha20poly1305_init_pull(&state, from, key->bytes) == 0;

    if (!ok)
        return false;
    from += SEAL_HEADER;
    left = len - SEAL_MAGIC.len - SEAL_HEADER;
    while (ok && left > 0 && tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL) {
        size_t piece = MIN(left, SEAL_PIECE + SEAL_EXTRA);
        unsigned long long opened = 0;
        unsigned char room[SEAL_PIECE];

        ok = crypto_secretstream_xchacha20poly1305_pull(
                 &state, room, &opened, &tag, from, piece, (const unsigned char *) label.ptr,
                 label.len) == 0;
        if (ok)
            memcpy(bytes + done, room, (size_t) opened);
        done += (size_t) opened;
        from += piece;
        left -= piece;
        sodium_memzero(room, sizeof(room));
    }
    sodium_memzero(&state, sizeof(state));
    *out_len = done;
    return ok && left == 0 && tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
}

enum rc backup_unseal(const struct backup_key *key, struct slice label, const char *from,
                      char **out, size_t *out_len, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    size_t len = 0;
    enum rc rc = backup_read_file(from, 2 * BACKUP_SECRET_MAX, &bytes, &len, err);

    if (rc)
        return rc;
    if (!open_pieces(key, label, bytes, len, out_len))
        return err_set(err, RC_DENIED,
                       "The key file is not the backup's, or the file is damaged",
                       "%s cannot be opened with this key", from);
    *out = TAKE(bytes);
    return RC_OK;
}
