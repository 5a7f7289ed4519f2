#include "auth/pepper.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/db_stmt.h"
#include "base/random.h"

#define MAGIC          "RSTPEP1\n"
#define MAGIC_BYTES    (sizeof(MAGIC) - 1)
#define FILE_BYTES     (MAGIC_BYTES + PEPPER_BYTES)
#define CHECK_BYTES    32u
#define PATH_MAX_BYTES 4096u
#define NONCE_BYTES    ((size_t) crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
#define TAG_BYTES      ((size_t) crypto_aead_xchacha20poly1305_ietf_ABYTES)

_Static_assert(PEPPER_SEAL_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
                                        crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "what sealing adds is part of the format");

static enum rc io_failed(struct err *err, const char *path)
{
    return err_set(err, RC_IO, "Key file failed", "%s: %s", path, strerror(errno));
}

static enum rc file_read(const char *path, struct pepper *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char bytes[FILE_BYTES + 1];
    struct stat st;
    ssize_t got;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, RC_NOT_FOUND, "Key file is missing", "%s: not there", path);
    if (fd < 0 || fstat(fd, &st) != 0)
        return io_failed(err, path);
    if ((st.st_mode & 077) != 0)
        return err_set(err, RC_DENIED, "Key file can be read by others",
                       "%s: mode %o, wanted 600", path, (unsigned) (st.st_mode & 07777));
    got = read(fd, bytes, sizeof(bytes));
    if (got < 0)
        return io_failed(err, path);
    if (got != FILE_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0) {
        sodium_memzero(bytes, sizeof(bytes));
        return err_set(err, RC_CORRUPT, "Key file is damaged", "%s: not a pepper", path);
    }
    memcpy(out->key, bytes + MAGIC_BYTES, PEPPER_BYTES);
    sodium_memzero(bytes, sizeof(bytes));
    return RC_OK;
}

static enum rc folder_sync(const char *folder, struct err *err)
{
    AUTO(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) != 0 ? io_failed(err, folder) : RC_OK;
}

/* Written under another name, synced, renamed, and the folder synced: whole or not there. */
static enum rc file_write(const char *folder, const char *path, const struct pepper *pepper,
                          struct err *err)
{
    char bytes[FILE_BYTES], temporary[PATH_MAX_BYTES + 8];
    AUTO(closep) int fd = -1;
    bool ok;

    (void) snprintf(temporary, sizeof(temporary), "%s.new", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return io_failed(err, temporary);
    memcpy(bytes, MAGIC, MAGIC_BYTES);
    memcpy(bytes + MAGIC_BYTES, pepper->key, PEPPER_BYTES);
    ok = write(fd, bytes, sizeof(bytes)) == (ssize_t) sizeof(bytes) && fsync(fd) == 0;
    sodium_memzero(bytes, sizeof(bytes));
    if (!ok || rename(temporary, path) != 0)
        return io_failed(err, path);
    return folder_sync(folder, err);
}

static void check_value(const struct pepper *pepper, unsigned char out[CHECK_BYTES])
{
    static const unsigned char label[] = "roost pepper check 1";

    (void) crypto_auth_hmacsha256(out, label, sizeof(label) - 1, pepper->key);
}

/* RC_NOT_FOUND: the database has seen no pepper yet. */
static enum rc stored_check(struct auth_db *db, unsigned char out[CHECK_BYTES], struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_PEPPER_CHECK);
    enum rc rc = stmt_row(&stmt, "No key yet", err);

    if (rc)
        return rc;
    if (sqlite3_column_bytes(stmt.handle, 0) != CHECK_BYTES)
        return err_set(err, RC_CORRUPT, "Account database is damaged", "meta: pepper_check");
    memcpy(out, sqlite3_column_blob(stmt.handle, 0), CHECK_BYTES);
    return RC_OK;
}

static enum rc store_check(struct auth_db *db, const unsigned char check[CHECK_BYTES],
                           struct err *err)
{
    AUTO(stmt_donep) struct stmt stmt = stmt_use(db, STMT_PEPPER_STORE);

    stmt_bind_blob(&stmt, check, CHECK_BYTES);
    return stmt_run(&stmt, err);
}

/* A file left by a start that was cut short is used: no verifier exists for another. */
static enum rc make_pepper(struct auth_db *db, const char *folder, const char *path,
                           struct err *err)
{
    unsigned char check[CHECK_BYTES];
    enum rc rc = file_read(path, db->pepper, err);

    if (rc == RC_NOT_FOUND) {
        random_bytes(db->pepper->key, sizeof(db->pepper->key));
        rc = file_write(folder, path, db->pepper, err);
    }
    if (rc)
        return rc;
    check_value(db->pepper, check);
    return store_check(db, check, err);
}

enum rc pepper_open(struct auth_db *db, const char *folder, bool create, struct err *err)
{
    unsigned char want[CHECK_BYTES], check[CHECK_BYTES];
    char path[PATH_MAX_BYTES];
    enum rc rc;

    if (snprintf(path, sizeof(path), "%s/pepper.key", folder) >= (int) sizeof(path))
        return err_set(err, RC_LIMIT, "Path is too long", "auth folder: path too long");
    db->pepper = sodium_malloc(sizeof(*db->pepper));
    if (db->pepper == NULL)
        return err_set(err, RC_UNAVAILABLE, "No memory for the key", "sodium_malloc: %s",
                       strerror(errno));
    rc = stored_check(db, want, err);
    if (rc == RC_NOT_FOUND && create)
        return make_pepper(db, folder, path, err);
    if (rc)
        return rc;
    rc = file_read(path, db->pepper, err);
    if (rc == RC_NOT_FOUND)
        return err_set(err, RC_CORRUPT, "Key file is missing: restore it from a backup",
                       "%s: missing, and devices depend on it", path);
    if (rc)
        return rc;
    check_value(db->pepper, check);
    if (sodium_memcmp(want, check, sizeof(check)) != 0)
        return err_set(err, RC_CORRUPT, "Key file is damaged, or another database's",
                       "%s: damaged, or not the key this auth.db was made with", path);
    return RC_OK;
}

void pepper_mac(const struct pepper *pepper, const char *label, struct slice text,
                unsigned char out[PEPPER_MAC_BYTES])
{
    crypto_auth_hmacsha256_state state;

    (void) crypto_auth_hmacsha256_init(&state, pepper->key, sizeof(pepper->key));
    (void) crypto_auth_hmacsha256_update(&state, (const unsigned char *) label, strlen(label));
    (void) crypto_auth_hmacsha256_update(&state, (const unsigned char *) text.ptr, text.len);
    (void) crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

void pepper_seal(const struct pepper *pepper, const char *label, struct slice place,
                 const void *plain, size_t len, unsigned char *out)
{
    unsigned char key[PEPPER_MAC_BYTES];

    pepper_mac(pepper, label, SLICE(""), key);
    random_bytes(out, NONCE_BYTES);
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_BYTES, NULL, plain, len,
                                                      (const unsigned char *) place.ptr,
                                                      place.len, NULL, out, key);
    sodium_memzero(key, sizeof(key));
}

bool pepper_unseal(const struct pepper *pepper, const char *label, struct slice place,
                   const unsigned char *sealed, size_t len, void *out)
{
    unsigned char key[PEPPER_MAC_BYTES];
    int failed;

    pepper_mac(pepper, label, SLICE(""), key);
    failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, NULL, NULL, sealed + NONCE_BYTES, len + TAG_BYTES,
        (const unsigned char *) place.ptr, place.len, sealed, key);
    sodium_memzero(key, sizeof(key));
    return failed == 0;
}
