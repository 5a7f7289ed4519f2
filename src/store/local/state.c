/*
 * state.c - LMDB behind one writer thread.
 *
 * LMDB commits are copy-on-write: data pages, sync, then a meta page, sync. So a crash leaves
 * the last committed transaction, and one commit costs the same for one job or a hundred: the
 * writer takes all jobs that wait, runs each in a nested transaction, and commits once.
 *
 * Full disk. A write of LMDB that finds no space leaves the old state whole, but LMDB answers a
 * short write with EIO, which cannot be told from a failed sync, and after a failed sync
 * nothing more may be written. So the space for a batch is allocated before its commit, behind
 * the end of the file, where nobody else can take it; what is kept there beyond the need is the
 * reserve. A commit that finds no space all the same is tried again for as long as is_full
 * finds some.
 *
 * lock.mdb holds process-shared mutexes of a dead process after a crash. Nobody else can have
 * the environment open, since we hold the store's lock, and LMDB, alone with the file, makes
 * them new. The file is kept, and its blocks are allocated: it is written to as memory, where a
 * full disk would be a SIGBUS.
 */
#include "store/local/state.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "store/local/state_row.h"

#define STATE_READERS_MAX 1024u /* threads that read at one moment */
#define STATE_PATH_BYTES  4096u
#define STATE_PAGE_BYTES  4096u /* LMDB takes the system's; what is counted here is rough */
#define SERIAL_KEY        SLICE("serial")
#define JOB_PAGES         2u   /* pages that one change rewrites beside its value, as a rule */
#define ROW_HEAD_BYTES    32u  /* of a row and of a page, in LMDB */
#define FREED_IN_PAGE     512u /* pages that one page of the list of free ones names */

static const char *const table_names[STATE_TABLES] = {
    [TABLE_META] = "meta",           [TABLE_ROOTS] = "roots",
    [TABLE_PAGES] = "pages",         [TABLE_PLACES] = "places",
    [TABLE_PACKS] = "packs",         [TABLE_REMOVED] = "removed",
    [TABLE_DIGESTS] = "digests",     [TABLE_SWEPT] = "swept",
    [TABLE_DICTS] = "dicts",         [TABLE_PARTS] = "parts",
    [TABLE_PART_REFS] = "part-refs", [TABLE_BODY_PARTS] = "body-parts",
};

const char *state_table_name(enum state_table table)
{
    return table_names[table];
}

struct state_job {
    state_job_fn *fn;
    void *ctx;
    struct err *err;
    enum rc rc;
    bool is_done;
    struct link link;
};

struct state {
    MDB_env *env;
    MDB_dbi tables[STATE_TABLES];
    void (*fatal)(void *ctx, const struct err *err);
    void *fatal_ctx;
    pthread_t writer;
    bool has_writer;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct list jobs; /* lock */
    bool is_stopping; /* lock */
    uint64_t serial;  /* lock: of the last committed transaction */

    /* The writer's own. */
    bool (*is_full)(void *ctx);
    uint64_t reserve;      /* wanted behind the end; 0: none, or the file system cannot */
    uint64_t reserved_end; /* the file's blocks are allocated up to here */
};

/* What was put and deleted. */
struct changes {
    uint64_t bytes;              /* of keys and values that were put */
    uint64_t rows[STATE_TABLES]; /* put or deleted */
};

struct state_txn {
    MDB_txn *txn;
    const struct state *state;
    struct changes changes;
};

static bool is_no_space(int code)
{
    return code == ENOSPC || code == EDQUOT;
}

static enum rc state_error(struct err *err, int code, const char *what)
{
    if (code == MDB_NOTFOUND)
        return err_set(err, RC_NOT_FOUND, "Not found", "%s: no such row", what);
    if (is_no_space(code) || code == MDB_MAP_FULL)
        return err_set(err, RC_FULL, "No space left", "%s: %s", what, mdb_strerror(code));
    if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
        code == MDB_VERSION_MISMATCH || code == MDB_BAD_TXN)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "%s: %s", what,
                       mdb_strerror(code));
    if (code == EACCES)
        return err_set(err, RC_DENIED, "Storage failure", "%s: %s", what, mdb_strerror(code));
    return err_set(err, RC_IO, "Storage failure", "%s: %s", what, mdb_strerror(code));
}

static MDB_val val_of(struct slice s)
{
    MDB_val val = {.mv_size = s.len};

    memcpy(&val.mv_data, &s.ptr, sizeof(val.mv_data)); /* LMDB does not write through it */
    return val;
}

static struct slice slice_of_val(const MDB_val *val)
{
    return slice_of(val->mv_data, val->mv_size);
}

/* Value and checksum, written where they lie. */
static int put_row(MDB_txn *txn, MDB_dbi dbi, enum state_table table, struct slice key,
                   struct slice value)
{
    MDB_val k = val_of(key), v = {.mv_size = value.len + STATE_ROW_SUM_BYTES};
    uint64_t hash = state_row_hash(slice_from_str(table_names[table]), key, value);
    int code = mdb_put(txn, dbi, &k, &v, MDB_RESERVE);

    if (code != 0)
        return code;
    if (value.len > 0)
        memcpy(v.mv_data, value.ptr, value.len);
    put_le64((char *) v.mv_data + value.len, hash);
    return 0;
}

static enum rc row_value(enum state_table table, struct slice key, const MDB_val *stored,
                         struct slice *out, struct err *err)
{
    if (!state_row_open(slice_from_str(table_names[table]), key, slice_of_val(stored), out))
        return err_set(err, RC_CORRUPT, "Stored data is damaged",
                       "state: a row of %s: checksum", table_names[table]);
    return RC_OK;
}

/* A row that is longer than half a page lies in pages of its own. */
static uint64_t bytes_put(size_t len)
{
    uint64_t row = len + STATE_ROW_SUM_BYTES + ROW_HEAD_BYTES;

    if (row <= STATE_PAGE_BYTES / 2)
        return row;
    return (row + STATE_PAGE_BYTES - 1) / STATE_PAGE_BYTES * STATE_PAGE_BYTES;
}

enum rc state_txn_put(struct state_txn *txn, enum state_table table, struct slice key,
                      struct slice value, struct err *err)
{
    int code = put_row(txn->txn, txn->state->tables[table], table, key, value);

    txn->changes.bytes += bytes_put(key.len + value.len);
    txn->changes.rows[table]++;
    return code != 0 ? state_error(err, code, table_names[table]) : RC_OK;
}

enum rc state_txn_del(struct state_txn *txn, enum state_table table, struct slice key,
                      struct err *err)
{
    MDB_val k = val_of(key);
    int code = mdb_del(txn->txn, txn->state->tables[table], &k, NULL);

    txn->changes.rows[table]++;
    return code != 0 && code != MDB_NOTFOUND ? state_error(err, code, table_names[table])
                                             : RC_OK;
}

enum rc state_txn_del_all(struct state_txn *txn, enum state_table table, struct slice prefix,
                          struct err *err)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = val_of(prefix), v;
    int code = mdb_cursor_open(txn->txn, txn->state->tables[table], &cursor);

    if (code != 0)
        return state_error(err, code, table_names[table]);
    code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (code == 0 && slice_starts(slice_of_val(&k), prefix)) {
        code = mdb_cursor_del(cursor, 0);
        txn->changes.rows[table]++;
        k = val_of(prefix);
        if (code == 0)
            code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    }
    mdb_cursor_close(cursor);
    return code != 0 && code != MDB_NOTFOUND ? state_error(err, code, table_names[table])
                                             : RC_OK;
}

enum rc state_txn_get(struct state_txn *txn, enum state_table table, struct slice key,
                      struct slice *out, struct err *err)
{
    MDB_val k = val_of(key), v;
    int code = mdb_get(txn->txn, txn->state->tables[table], &k, &v);

    return code != 0 ? state_error(err, code, table_names[table])
                     : row_value(table, key, &v, out, err);
}

static void txn_abortp(MDB_txn **txn)
{
    if (*txn != NULL)
        mdb_txn_abort(*txn);
}

/* One job inside the batch; its failure leaves the batch as it was. */
static int run_job(const struct state *state, MDB_txn *parent, struct state_job *job,
                   struct changes *changes)
{
    AUTO(txn_abortp) MDB_txn *child = NULL;
    struct state_txn txn = {.state = state};
    int code = mdb_txn_begin(state->env, parent, 0, &child);

    if (code != 0)
        return code;
    txn.txn = child;
    job->rc = job->fn(&txn, job->ctx, job->err);
    if (job->rc)
        return 0;
    changes->bytes += txn.changes.bytes;
    for (size_t i = 0; i < STATE_TABLES; i++)
        changes->rows[i] += txn.changes.rows[i];
    return mdb_txn_commit(TAKE(child));
}

void state_reserve(struct state *state, uint64_t bytes, bool (*is_full)(void *ctx))
{
    state->reserve = bytes;
    state->is_full = is_full;
}

/* Blocks for `bytes` behind the end of the file; its length stays. ENOSPC and EDQUOT, or 0. */
static int allocate(struct state *state, uint64_t bytes)
{
    uint64_t used = state_bytes(state);
    int fd;

    if (state->reserve == 0 || used + bytes <= state->reserved_end ||
        mdb_env_get_fd(state->env, &fd) != 0)
        return 0;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t) used, (off_t) bytes) == 0) {
        state->reserved_end = used + bytes;
        return 0;
    }
    if (errno == ENOSPC || errno == EDQUOT)
        return errno;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        state->reserve = 0;
    return 0;
}

/*
 * Bytes of the pages that the batch writes, roughly and rather too many. A change rewrites a
 * page or two of its table, but many changes no more pages than the table's tree has: what is
 * deleted in a small table takes little room, and may be what gives some back.
 */
static uint64_t pages_written(const struct state *state, MDB_txn *txn,
                              const struct changes *changes)
{
    uint64_t pages = JOB_PAGES + STATE_TABLES; /* roots */

    for (size_t i = 0; i < STATE_TABLES; i++) {
        MDB_stat stat;
        uint64_t rewritten = JOB_PAGES * changes->rows[i];

        if (rewritten > 0 && mdb_stat(txn, state->tables[i], &stat) == 0)
            rewritten = MIN(rewritten, (uint64_t) stat.ms_branch_pages + stat.ms_leaf_pages);
        pages += rewritten + changes->rows[i] / FREED_IN_PAGE;
    }
    return changes->bytes + pages * STATE_PAGE_BYTES;
}

/* Room for what the batch changed, and, with half of it used up, for the next ones. */
static int have_room(struct state *state, uint64_t changed)
{
    uint64_t used = state_bytes(state);
    int code = allocate(state, changed + STATE_PAGE_BYTES);

    if (code == 0 && used + changed + state->reserve / 2 > state->reserved_end)
        (void) allocate(state, changed + state->reserve); /* tried again with the next batch */
    return code;
}

static int run_batch(struct state *state, struct list *jobs, uint64_t serial)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    char value[8];
    struct changes changes = {0};
    int code = mdb_txn_begin(state->env, NULL, 0, &txn);

    put_le64(value, serial);
    if (code == 0)
        code = put_row(txn, state->tables[TABLE_META], TABLE_META, SERIAL_KEY,
                       slice_of(value, sizeof(value)));
    for (struct link *it = jobs->head.next; code == 0 && it != &jobs->head; it = it->next)
        code = run_job(state, txn, LINK_OWNER(it, struct state_job, link), &changes);
    if (code == 0)
        code = have_room(state, pages_written(state, txn, &changes));
    return code != 0 ? code : mdb_txn_commit(TAKE(txn));
}

static int commit_jobs(struct state *state, struct list *jobs, uint64_t serial)
{
    int code;

    do {
        code = run_batch(state, jobs, serial);
    } while (is_no_space(code) && state->is_full != NULL && state->is_full(state->fatal_ctx));
    return code;
}

/* Answers all jobs of the batch. A failed write of a data page leaves the old state whole; an
 * I/O error may come from the sync, and then nothing more may be promised. */
static void finish_batch(struct state *state, struct list *jobs, int code)
{
    struct link *link;

    if (code == EIO || code == MDB_PANIC) {
        struct err err;

        (void) state_error(&err, code, "commit of the state");
        state->fatal(state->fatal_ctx, &err);
    }
    (void) pthread_mutex_lock(&state->lock);
    if (code == 0)
        state->serial++;
    while ((link = list_pop_front(jobs)) != NULL) {
        struct state_job *job = LINK_OWNER(link, struct state_job, link);

        if (code != 0 && job->rc == RC_OK)
            job->rc = state_error(job->err, code, "commit of the state");
        job->is_done = true;
    }
    (void) pthread_cond_broadcast(&state->done);
    (void) pthread_mutex_unlock(&state->lock);
}

static void *writer_main(void *arg)
{
    struct state *state = arg;

    for (;;) {
        struct list jobs;
        struct link *link;
        uint64_t serial;

        list_init(&jobs);
        (void) pthread_mutex_lock(&state->lock);
        while (list_is_empty(&state->jobs) && !state->is_stopping)
            (void) pthread_cond_wait(&state->work, &state->lock);
        while ((link = list_pop_front(&state->jobs)) != NULL)
            list_push_back(&jobs, link);
        serial = state->serial + 1;
        (void) pthread_mutex_unlock(&state->lock);
        if (list_is_empty(&jobs))
            return NULL;
        finish_batch(state, &jobs, commit_jobs(state, &jobs, serial));
    }
}

enum rc state_write(struct state *state, state_job_fn *fn, void *ctx, struct err *err)
{
    struct err own;
    struct state_job job = {.fn = fn, .ctx = ctx, .err = err != NULL ? err : &own};

    (void) pthread_mutex_lock(&state->lock);
    list_push_back(&state->jobs, &job.link);
    (void) pthread_cond_signal(&state->work);
    while (!job.is_done)
        (void) pthread_cond_wait(&state->done, &state->lock);
    (void) pthread_mutex_unlock(&state->lock);
    return job.rc;
}

static enum rc begin_read(struct state *state, MDB_txn **out, struct err *err)
{
    int code = mdb_txn_begin(state->env, NULL, MDB_RDONLY, out);

    return code != 0 ? state_error(err, code, "read of the state") : RC_OK;
}

/* LMDB's own type under a name of ours. */
enum rc state_snapshot_begin(struct state *state, struct state_snapshot **out,
                             uint64_t *out_txnid, struct err *err)
{
    MDB_txn *txn = NULL;
    enum rc rc = begin_read(state, &txn, err);

    if (rc)
        return rc;
    *out_txnid = mdb_txn_id(txn);
    *out = (struct state_snapshot *) txn;
    return RC_OK;
}

void state_snapshot_end(struct state_snapshot *snapshot)
{
    mdb_txn_abort((MDB_txn *) snapshot);
}

enum rc state_get(struct state *state, enum state_table table, struct slice key,
                  struct arena *arena, struct slice *out, struct err *err)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    struct slice value;
    enum rc rc = begin_read(state, &txn, err);
    char *copy;

    if (!rc)
        rc = state_txn_get(&(struct state_txn){.txn = txn, .state = state}, table, key, &value,
                           err);
    if (rc)
        return rc;
    copy = arena_try(arena, value.len);
    if (copy == NULL)
        return err_set(err, RC_LIMIT, "Too large", "%s: a row of %zu bytes", table_names[table],
                       value.len);
    if (value.len > 0)
        memcpy(copy, value.ptr, value.len);
    *out = slice_of(copy, value.len);
    return RC_OK;
}

enum rc state_get_small(struct state *state, enum state_table table, struct slice key,
                        char *out, size_t cap, size_t *out_len, struct err *err)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    struct slice value;
    enum rc rc = begin_read(state, &txn, err);

    if (!rc)
        rc = state_txn_get(&(struct state_txn){.txn = txn, .state = state}, table, key, &value,
                           err);
    if (rc)
        return rc;
    *out_len = MIN(cap, value.len);
    if (*out_len > 0)
        memcpy(out, value.ptr, *out_len);
    return RC_OK;
}

static void cursor_closep(MDB_cursor **cursor)
{
    if (*cursor != NULL)
        mdb_cursor_close(*cursor);
}

enum rc state_txn_seek(struct state_txn *txn, enum state_table table, struct slice key,
                       struct slice *out_key, struct err *err)
{
    AUTO(cursor_closep) MDB_cursor *cursor = NULL;
    MDB_val k = val_of(key), v;
    int code = mdb_cursor_open(txn->txn, txn->state->tables[table], &cursor);

    if (code == 0)
        code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (code != 0)
        return state_error(err, code, table_names[table]);
    *out_key = slice_of_val(&k);
    return RC_OK;
}

static enum rc each_row(struct state *state, enum state_table table, MDB_val k,
                        MDB_cursor_op first,
                        bool (*fn)(void *ctx, struct slice key, struct slice value), void *ctx,
                        struct err *err)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    AUTO(cursor_closep) MDB_cursor *cursor = NULL;
    MDB_val v;
    enum rc rc = begin_read(state, &txn, err);
    int code;

    if (rc)
        return rc;
    code = mdb_cursor_open(txn, state->tables[table], &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &k, &v, first);
    while (code == 0) {
        struct slice value;

        rc = row_value(table, slice_of_val(&k), &v, &value, err);
        if (rc || !fn(ctx, slice_of_val(&k), value))
            return rc;
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    return code != 0 && code != MDB_NOTFOUND ? state_error(err, code, table_names[table])
                                             : RC_OK;
}

enum rc state_each(struct state *state, enum state_table table,
                   bool (*fn)(void *ctx, struct slice key, struct slice value), void *ctx,
                   struct err *err)
{
    return each_row(state, table, (MDB_val){0}, MDB_FIRST, fn, ctx, err);
}

enum rc state_each_from(struct state *state, enum state_table table, struct slice from,
                        bool (*fn)(void *ctx, struct slice key, struct slice value), void *ctx,
                        struct err *err)
{
    return each_row(state, table, val_of(from), MDB_SET_RANGE, fn, ctx, err);
}

enum rc state_each_key(struct state *state, enum state_table table, struct slice from,
                       bool (*fn)(void *ctx, struct slice key), void *ctx, struct err *err)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    AUTO(cursor_closep) MDB_cursor *cursor = NULL;
    MDB_val k = val_of(from);
    enum rc rc = begin_read(state, &txn, err);
    int code;

    if (rc)
        return rc;
    code = mdb_cursor_open(txn, state->tables[table], &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &k, NULL, MDB_SET_RANGE);
    while (code == 0 && fn(ctx, slice_of_val(&k)))
        code = mdb_cursor_get(cursor, &k, NULL, MDB_NEXT);
    return code != 0 && code != MDB_NOTFOUND ? state_error(err, code, table_names[table])
                                             : RC_OK;
}

static int open_tables(struct state *state)
{
    AUTO(txn_abortp) MDB_txn *txn = NULL;
    MDB_val k = val_of(SERIAL_KEY), v;
    int code = mdb_txn_begin(state->env, NULL, 0, &txn);

    for (size_t i = 0; code == 0 && i < STATE_TABLES; i++)
        code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &state->tables[i]);
    if (code != 0)
        return code;
    code = mdb_get(txn, state->tables[TABLE_META], &k, &v);
    if (code == 0) {
        struct slice value = {0};
        struct scan sc;

        if (row_value(TABLE_META, SERIAL_KEY, &v, &value, NULL) != RC_OK)
            return MDB_CORRUPTED;
        sc = scan_of(value);
        if (!scan_le64(&sc, &state->serial))
            return MDB_CORRUPTED;
    } else if (code != MDB_NOTFOUND) {
        return code;
    }
    return mdb_txn_commit(TAKE(txn));
}

uint64_t state_map_bytes(int root, uint64_t map_bytes)
{
    struct stat st;

    if (fstatat(root, "state/data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
        map_bytes = MAX(map_bytes, (uint64_t) st.st_size * 4);
    return (map_bytes + 4095) & ~(uint64_t) 4095;
}

static void state_free(struct state *state)
{
    if (state->env != NULL)
        mdb_env_close(state->env);
    (void) pthread_cond_destroy(&state->work);
    (void) pthread_cond_destroy(&state->done);
    (void) pthread_mutex_destroy(&state->lock);
    free(state);
}

/* A file that is there already has its blocks. Where there is no space now, LMDB may still find
 * some when it wants it. */
static void allocate_lock_file(int root)
{
    AUTO(closep) int fd = openat(root, "state/lock.mdb", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
        (void) fallocate(fd, 0, 0, st.st_size);
}

static int open_env(struct state *state, const struct state_options *options)
{
    char dir[STATE_PATH_BYTES];
    int code = mdb_env_create(&state->env);

    if (code != 0)
        return code;
    if (snprintf(dir, sizeof(dir), "%s/state", options->path) >= (int) sizeof(dir))
        return ENAMETOOLONG;
    /* LMDB would make an empty one in its place. */
    if (faccessat(options->root, "state/data.mdb", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? MDB_CORRUPTED : errno;
    code = mdb_env_set_maxdbs(state->env, STATE_TABLES);
    if (code == 0)
        code = mdb_env_set_maxreaders(state->env, STATE_READERS_MAX);
    if (code == 0)
        code = mdb_env_set_mapsize(state->env,
                                   (size_t) state_map_bytes(options->root, options->map_bytes));
    if (code == 0)
        code = mdb_env_open(state->env, dir, MDB_NOTLS, 0600);
    /* A process that died in its last sync leaves a commit that is seen, and not yet kept. */
    if (code == 0)
        code = mdb_env_sync(state->env, 1);
    if (code == 0)
        allocate_lock_file(options->root);
    return code != 0 ? code : open_tables(state);
}

enum rc state_open(const struct state_options *options, struct state **out, struct err *err)
{
    struct state *state = xcalloc(1, sizeof(*state));
    int code;

    state->fatal = options->fatal;
    state->fatal_ctx = options->fatal_ctx;
    list_init(&state->jobs);
    (void) pthread_mutex_init(&state->lock, NULL);
    (void) pthread_cond_init(&state->work, NULL);
    (void) pthread_cond_init(&state->done, NULL);
    code = open_env(state, options);
    if (code == 0)
        code = pthread_create(&state->writer, NULL, writer_main, state);
    if (code != 0) {
        state_free(state);
        return state_error(err, code, "open the state");
    }
    state->has_writer = true;
    *out = state;
    return RC_OK;
}

void state_close(struct state *state)
{
    if (state == NULL)
        return;
    (void) pthread_mutex_lock(&state->lock);
    state->is_stopping = true;
    (void) pthread_cond_signal(&state->work);
    (void) pthread_mutex_unlock(&state->lock);
    if (state->has_writer)
        (void) pthread_join(state->writer, NULL);
    state_free(state);
}

uint64_t state_serial(struct state *state)
{
    uint64_t serial;

    (void) pthread_mutex_lock(&state->lock);
    serial = state->serial;
    (void) pthread_mutex_unlock(&state->lock);
    return serial;
}

uint64_t state_bytes(struct state *state)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(state->env, &info) != 0 || mdb_env_stat(state->env, &stat) != 0)
        return 0;
    return ((uint64_t) info.me_last_pgno + 1) * stat.ms_psize;
}

/* LMDB refuses to leave pages out when it finds some that nothing names; then all are copied.
 */
enum rc state_copy(struct state *state, int fd, struct err *err)
{
    int code = mdb_env_copyfd2(state->env, fd, MDB_CP_COMPACT);

    if (code == MDB_INCOMPATIBLE) {
        if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
            return state_error(err, errno, "copy of the state");
        code = mdb_env_copyfd2(state->env, fd, 0);
    }
    return code != 0 ? state_error(err, code, "copy of the state") : RC_OK;
}
