/*
 * fuzz_mdb_file.c - LMDB's file as it may come from a bad disk: the reader ends, stays in its
 * bounds, and its parts and its salvage do too. A file that passes is one that LMDB may open.
 *
 * The input is laid over a small sound file: offset (4 bytes), length (1 byte), bytes, and so
 * on.
 */
// links: store_local
#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/local/mdb_file.h"
#include "store/local/state_row.h"

#define FILE_MAX_BYTES ((size_t) 1 << 20)
#define ROWS           150u
#define PART_BYTES                                                                             \
    ((uint64_t) 32 << 10) /* several parts, each of more than a path and a row                 \
                           */
#define LONG_BYTES 9000u  /* in overflow pages */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool see_row(void *ctx, struct slice table, struct slice key, struct slice stored)
{
    uint64_t *sum = ctx;
    struct slice value = {0};

    *sum += state_row_hash(table, key, stored); /* reads every byte it was given */
    return state_row_open(table, key, stored, &value) || table.len > 0;
}

static void see_damage(void *ctx, uint64_t page, const char *what)
{
    uint64_t *sum = ctx;

    *sum += page + strlen(what);
}

static void must(int code, const char *what)
{
    if (code != 0)
        die("%s: %s", what, mdb_strerror(code));
}

static void put_rows(MDB_env *env, const char *name, unsigned from, unsigned step)
{
    static char value[LONG_BYTES];
    MDB_txn *txn;
    MDB_dbi dbi;

    must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    must(mdb_dbi_open(txn, name, MDB_CREATE, &dbi), "table");
    for (unsigned i = from; i < ROWS; i += step) {
        char key[16];
        MDB_val k = {sizeof(key), key};
        MDB_val v = {i % 50 == 0 ? LONG_BYTES : 100, value};

        put_be64(key, i % 7);
        put_be64(key + 8, i);
        must(mdb_put(txn, dbi, &k, &v, 0), "put");
    }
    must(mdb_txn_commit(txn), "commit");
}

/* A file of two tables, with overflow pages, branches and free pages. */
static size_t make_file(char *out)
{
    char path[] = "/tmp/roost-fuzz-mdb-XXXXXX", lock[64];
    int fd = mkstemp(path);
    MDB_env *env;
    ssize_t n;

    if (fd < 0)
        die("mkstemp");
    must(mdb_env_create(&env), "env");
    must(mdb_env_set_maxdbs(env, 4), "dbs");
    must(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), "open");
    put_rows(env, "pages", 0, 1);
    put_rows(env, "roots", 0, 5);
    put_rows(env, "pages", 3, 2);
    mdb_env_close(env);
    n = pread(fd, out, FILE_MAX_BYTES, 0);
    (void) close(fd);
    (void) unlink(path);
    (void) snprintf(lock, sizeof(lock), "%s-lock", path);
    (void) unlink(lock);
    if (n <= 0 || (size_t) n >= FILE_MAX_BYTES)
        die("the file has %zd bytes", n);
    return (size_t) n;
}

static void spoil(char *bytes, size_t len, struct slice input)
{
    struct scan sc = scan_of(input);
    uint32_t offset;
    uint8_t n;
    struct slice over;

    while (scan_le32(&sc, &offset) && scan_le8(&sc, &n) &&
           scan_take(&sc, MIN((size_t) n, scan_left(&sc)), &over)) {
        offset %= (uint32_t) len;
        memcpy(bytes + offset, over.ptr, MIN(over.len, len - offset));
    }
}

static void read_parts(struct mdb_file *file, const struct mdb_visit *visit)
{
    static const char *const names[] = {"pages", "roots", ""};

    for (size_t i = 0; i < COUNT(names); i++) {
        char key[MDB_KEY_MAX_BYTES + 1];
        size_t key_len = 0;
        bool is_end = false;

        for (unsigned turn = 0; !is_end && turn < 1000; turn++)
            mdb_file_verify_part(file, slice_from_str(names[i]), key, &key_len, PART_BYTES,
                                 &is_end, visit);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *sound;
    static size_t len;
    AUTO(closep) int fd = memfd_create("mdb", MFD_CLOEXEC);
    AUTO(freep) char *bytes = NULL;
    uint64_t sum = 0;
    struct mdb_visit visit = {see_row, see_damage, &sum};
    struct mdb_file file;
    struct err err;
    enum rc rc;

    if (sound == NULL) {
        sound = xmalloc(FILE_MAX_BYTES);
        len = make_file(sound);
    }
    bytes = xmalloc(len);
    memcpy(bytes, sound, len);
    spoil(bytes, len, slice_of(data, size));
    if (fd < 0 || pwrite(fd, bytes, len, 0) != (ssize_t) len)
        die("memfd");
    rc = mdb_file_open(fd, &visit, &file, &err);
    if (rc == RC_OK) {
        mdb_file_verify(&file, MDB_ALL, &visit);
        if (memcmp(bytes, sound, len) == 0 && file.n_damaged > 0)
            die("a sound file does not pass");
        read_parts(&file, &visit);
    }
    if (rc == RC_OK || rc == RC_CORRUPT)
        mdb_file_each_orphan(&file, &visit);
    mdb_file_done(&file);
    return 0;
}
