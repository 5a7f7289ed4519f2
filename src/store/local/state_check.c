/* state_check.c - the check at start, and the new file. */
#include "store/local/state_check.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "store/local/checkpoint.h"
#include "store/local/layout.h"
#include "store/local/mdb_file.h"
#include "store/local/salvage_dir.h"
#include "store/local/state_row.h"

#define STATE_FILE        "state/data.mdb"
#define NEW_FILE          "state/salvaged.mdb"
#define NEW_LOCK          "state/salvaged.mdb-lock"
#define PATH_BYTES        4096u
#define ROWS_PER_TXN      10000u
#define EVENTS_MAX        16u        /* one damaged page may show in many rows */
#define UIDVALIDITY_AHEAD (1u << 24) /* when the saved value is lost: half a year from now */

struct told {
    unsigned n;
};

static void tell_damage(void *ctx, uint64_t page, const char *what)
{
    struct told *told = ctx;

    if (told->n++ < EVENTS_MAX)
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", STATE_FILE),
                  LOG_NUM("page", page), LOG_STR("what", what));
}

static bool row_is_good(void *ctx, struct slice table, struct slice key, struct slice stored)
{
    struct slice value;

    (void) ctx;
    return state_row_open(table, key, stored, &value);
}

enum rc state_check(int root, bool *out_is_damaged, struct err *err)
{
    AUTO(closep) int fd = openat(root, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct told told = {0};
    struct mdb_visit visit = {row_is_good, tell_damage, &told};
    struct mdb_file file;
    struct stat st;
    enum rc rc;

    *out_is_damaged = false;
    if (fd < 0)
        return errno == ENOENT ? RC_OK : open_error(err, "open " STATE_FILE);
    if (fstat(fd, &st) != 0)
        return file_error(err, "fstat " STATE_FILE);
    rc = mdb_file_open(fd, &visit, &file, err);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK)
        mdb_file_verify(
            &file, (uint64_t) st.st_size <= STATE_CHECK_BYTES ? MDB_ALL : MDB_BRANCHES, &visit);
    if (rc == RC_OK || rc == RC_CORRUPT)
        *out_is_damaged = file.n_damaged > 0;
    mdb_file_done(&file);
    if (file.read_error !=
        0) { /* a disk that cannot be read is not damage, and may come back */
        errno = file.read_error;
        return file_error(err, "read of " STATE_FILE);
    }
    return rc == RC_CORRUPT ? RC_OK : rc;
}

/* ---- the new file ---- */

struct salvage {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tables[STATE_TABLES];
    struct accounts *accounts;
    struct map *settled; /* accounts whose root is as new as the list wants it */
    uint64_t serial;
    uint32_t uidvalidity;
    uint64_t n_rows, n_orphans, n_bad;
    unsigned n_in_txn;
    bool is_orphan; /* the pass over leaves that no tree leads to */
    int code;       /* the first failure of LMDB */
};

static void salvage_done(struct salvage *salvage)
{
    if (salvage->txn != NULL)
        mdb_txn_abort(salvage->txn);
    if (salvage->env != NULL)
        mdb_env_close(salvage->env);
    map_free(salvage->settled);
}

static MDB_val val_of(struct slice s)
{
    MDB_val val = {.mv_size = s.len};

    memcpy(&val.mv_data, &s.ptr, sizeof(val.mv_data)); /* LMDB does not write through it */
    return val;
}

static void put_row(struct salvage *salvage, enum state_table table, struct slice key,
                    struct slice stored, unsigned flags)
{
    MDB_val k = val_of(key), v = val_of(stored);
    int code;

    if (salvage->code != 0)
        return;
    code = mdb_put(salvage->txn, salvage->tables[table], &k, &v, flags);
    if (code == MDB_KEYEXIST)
        return;
    if (code == 0 && ++salvage->n_in_txn >= ROWS_PER_TXN) {
        salvage->n_in_txn = 0;
        code = mdb_txn_commit(TAKE(salvage->txn));
        if (code == 0)
            code = mdb_txn_begin(salvage->env, NULL, 0, &salvage->txn);
    }
    salvage->code = code;
    salvage->n_rows++;
    salvage->n_orphans += salvage->is_orphan;
}

static void take_meta(struct salvage *salvage, struct slice key, struct slice value,
                      struct slice stored)
{
    struct scan sc = scan_of(value);
    uint64_t serial = 0;
    uint32_t validity = 0;

    if (slice_eq(key, SLICE("serial")) && scan_le64(&sc, &serial))
        salvage->serial = MAX(salvage->serial, serial);
    else if (slice_eq(key, SLICE("uidvalidity")) && scan_le32(&sc, &validity))
        salvage->uidvalidity = MAX(salvage->uidvalidity, validity);
    else
        put_row(salvage, TABLE_META, key, stored, MDB_NOOVERWRITE);
}

static bool is_known(struct salvage *salvage, uint64_t account)
{
    uint64_t lsn;

    return accounts_find(salvage->accounts, account, &lsn) ||
           map_get(salvage->settled, MAP_KEY(account)) != NULL;
}

/*
 * The tree's root of an account is the newest there is. If it is missing, a leaf that the tree
 * does not lead to may have it, beside older ones and those of a transaction that was never
 * committed: the least LSN that reaches what the list says is right, for a group behind it is
 * still in the journal if the list lags. Without one, the newest is kept for who looks at it;
 * it does not count (accounts.h).
 */
static void take_root(struct salvage *salvage, struct slice key, struct slice value,
                      struct slice stored)
{
    uint64_t account = get_be64(key.ptr), lsn = 0, wanted = 0, have = 0;
    MDB_val k = val_of(key), v;
    struct scan sc = scan_of(value);
    bool is_listed = accounts_find(salvage->accounts, account, &wanted);

    if (!scan_le64(&sc, &lsn) || map_get(salvage->settled, MAP_KEY(account)) != NULL ||
        (salvage->is_orphan && !is_listed))
        return;
    if (mdb_get(salvage->txn, salvage->tables[TABLE_ROOTS], &k, &v) == 0) {
        sc = scan_of(slice_of(v.mv_data, v.mv_size));
        (void) scan_le64(&sc, &have);
    }
    if (!salvage->is_orphan && lsn >= wanted)
        (void) map_put(salvage->settled, MAP_KEY(account), salvage);
    else if (have >= wanted ? lsn < wanted || lsn > have : lsn < have)
        return;
    put_row(salvage, TABLE_ROOTS, key, stored, 0);
}

/* A removal that no tree leads to may be of a transaction that failed: where the account has a
 * root, it was not removed. */
static bool has_root(struct salvage *salvage, struct slice key)
{
    MDB_val k = val_of(slice_sub(key, 0, 8)), v;

    return mdb_get(salvage->txn, salvage->tables[TABLE_ROOTS], &k, &v) == 0;
}

/*
 * Tables that are made again, or whose rows must agree with one another in number: a count of
 * references that is too small would let go of a part that bodies need. Without these rows
 * shared parts stay until their account goes, and new bodies share new ones.
 */
static bool is_left_out(enum state_table table)
{
    return table == TABLE_SWEPT || table == TABLE_PARTS || table == TABLE_PART_REFS ||
           table == TABLE_BODY_PARTS;
}

static void take_row(struct salvage *salvage, enum state_table table, struct slice key,
                     struct slice value, struct slice stored)
{
    if (table == TABLE_META) {
        take_meta(salvage, key, value, stored);
        return;
    }
    if (key.len < 8 || is_left_out(table))
        return;
    if (table == TABLE_ROOTS && key.len == 8)
        take_root(salvage, key, value, stored);
    else if (!salvage->is_orphan)
        put_row(salvage, table, key, stored, 0);
    else if (table == TABLE_REMOVED ? !has_root(salvage, key)
             : table == TABLE_PAGES ? is_known(salvage, get_be64(key.ptr))
                                    : table != TABLE_DIGESTS)
        put_row(salvage, table, key, stored, MDB_NOOVERWRITE);
}

static bool is_table(struct slice name)
{
    for (unsigned i = 0; i < STATE_TABLES; i++)
        if (slice_eq(name, slice_from_str(state_table_name((enum state_table) i))))
            return true;
    return false;
}

/* The row of a leaf that hangs in the air says by its checksum which table it is of; so does
 * that of a table whose name is damaged. */
static bool visit_row(void *ctx, struct slice table, struct slice key, struct slice stored)
{
    struct salvage *salvage = ctx;
    bool is_named = is_table(table);
    struct slice value;

    for (unsigned i = 0; i < STATE_TABLES; i++) {
        struct slice name = slice_from_str(state_table_name((enum state_table) i));

        if ((is_named && !slice_eq(table, name)) || !state_row_open(name, key, stored, &value))
            continue;
        take_row(salvage, (enum state_table) i, key, value, stored);
        return true;
    }
    salvage->n_bad += table.len > 0;
    return false;
}

static void write_meta(struct salvage *salvage, uint64_t min_serial)
{
    static const struct slice table = {"meta", 4};
    struct slice serial_key = SLICE("serial"), validity_key = SLICE("uidvalidity");
    char serial[8 + STATE_ROW_SUM_BYTES], validity[4 + STATE_ROW_SUM_BYTES];

    if (salvage->uidvalidity == 0)
        salvage->uidvalidity = (uint32_t) clock_wall_sec() + UIDVALIDITY_AHEAD;
    put_le64(serial, MAX(salvage->serial, min_serial) + 1);
    put_le64(serial + 8, state_row_hash(table, serial_key, slice_of(serial, 8)));
    put_le32(validity, salvage->uidvalidity);
    put_le64(validity + 4, state_row_hash(table, validity_key, slice_of(validity, 4)));
    put_row(salvage, TABLE_META, serial_key, slice_of(serial, sizeof(serial)), 0);
    put_row(salvage, TABLE_META, validity_key, slice_of(validity, sizeof(validity)), 0);
}

static int open_new(struct salvage *salvage, const char *path, int root, uint64_t map_bytes)
{
    char file[PATH_BYTES];
    int code = mdb_env_create(&salvage->env);

    if (code != 0)
        return code;
    if (snprintf(file, sizeof(file), "%s/" NEW_FILE, path) >= (int) sizeof(file))
        return ENAMETOOLONG;
    (void) unlinkat(root, NEW_FILE, 0);
    (void) unlinkat(root, NEW_LOCK, 0);
    code = mdb_env_set_maxdbs(salvage->env, STATE_TABLES);
    if (code == 0)
        code = mdb_env_set_mapsize(salvage->env, (size_t) map_bytes);
    if (code == 0)
        code = mdb_env_open(salvage->env, file, MDB_NOSUBDIR | MDB_NOSYNC, 0600);
    if (code == 0)
        code = mdb_txn_begin(salvage->env, NULL, 0, &salvage->txn);
    for (unsigned i = 0; code == 0 && i < STATE_TABLES; i++)
        code = mdb_dbi_open(salvage->txn, state_table_name((enum state_table) i), MDB_CREATE,
                            &salvage->tables[i]);
    return code;
}

static int fill_new(struct salvage *salvage, int fd, uint64_t min_serial)
{
    struct mdb_visit visit = {visit_row, NULL, salvage};
    struct mdb_file file;
    struct err err;
    enum rc rc = mdb_file_open(fd, &visit, &file, &err);

    if (rc == RC_OK)
        mdb_file_verify(&file, MDB_ALL, &visit);
    salvage->is_orphan = true;
    if (rc == RC_OK || rc == RC_CORRUPT)
        mdb_file_each_orphan(&file, &visit);
    salvage->is_orphan = false;
    mdb_file_done(&file);
    write_meta(salvage, min_serial);
    if (salvage->code == 0)
        salvage->code = mdb_txn_commit(TAKE(salvage->txn));
    if (salvage->code == 0)
        salvage->code = mdb_env_sync(salvage->env, 1);
    return salvage->code;
}

/* The old file has its second name before the new one takes its place. */
static enum rc put_in_place(int root, struct err *err)
{
    AUTO(closep) int dir = openat(root, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum rc rc = salvage_keep(root, "state", "data.mdb", false, "damaged", err);

    if (rc)
        return rc;
    (void) unlinkat(root, NEW_LOCK, 0);
    if (dir < 0 || renameat(root, NEW_FILE, root, STATE_FILE) != 0)
        return file_error(err, "rename of the salvaged state");
    return layout_sync_dir(dir, err);
}

enum rc state_salvage(const char *path, int root, uint64_t map_bytes, uint64_t min_serial,
                      struct accounts *accounts, struct err *err)
{
    AUTO(closep) int fd = openat(root, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(salvage_done) struct salvage salvage = {.accounts = accounts, .settled = map_new()};
    enum rc rc;
    int code;

    if (fd < 0)
        return file_error(err, "open " STATE_FILE);
    code = open_new(&salvage, path, root, map_bytes);
    if (code == 0)
        code = fill_new(&salvage, fd, min_serial);
    if (code != 0)
        return err_set(err, code == ENOSPC || code == MDB_MAP_FULL ? RC_FULL : RC_IO,
                       "The state cannot be salvaged",
                       "state/data.mdb is damaged, and a new one cannot be written: %s",
                       mdb_strerror(code));
    rc = put_in_place(root, err);
    if (rc)
        return rc;
    log_event(LEVEL_ERROR, "store.salvaged", LOG_STR("file", STATE_FILE),
              LOG_NUM("rows", salvage.n_rows), LOG_NUM("from_damaged_pages", salvage.n_orphans),
              LOG_NUM("bad_rows", salvage.n_bad));
    return RC_OK;
}
