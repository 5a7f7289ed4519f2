/*
 * test_state_room.c - how much of the disk a commit of the state asks for before it begins: a
 * full disk gets space back by deleting rows, so that must ask for little.
 */
// links: store_local
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/test.h"
#include "store/local/state.h"

#define RESERVE   ((uint64_t) 256 << 10)
#define ROWS      4000u
#define MAP_BYTES ((uint64_t) 64 << 20)
#define LONG_ROW  10000u

static atomic_ullong asked; /* the most at once */

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    if ((mode & FALLOC_FL_KEEP_SIZE) != 0 && (unsigned long long) len > atomic_load(&asked))
        atomic_store(&asked, (unsigned long long) len);
    return (int) syscall(SYS_fallocate, fd, mode, offset, len);
}

static bool never_full(void *ctx)
{
    (void) ctx;
    return false;
}

struct job {
    enum state_table table;
    uint64_t first, n;
    struct slice value;
    bool deletes;
};

static enum rc do_job(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct job *job = ctx;
    enum rc rc = RC_OK;
    char key[8];

    for (uint64_t i = 0; rc == RC_OK && i < job->n; i++) {
        memcpy(key, &(uint64_t){job->first + i}, sizeof(key)); /* any order will do */
        rc = job->deletes
                 ? state_txn_del(txn, job->table, slice_of(key, sizeof(key)), err)
                 : state_txn_put(txn, job->table, slice_of(key, sizeof(key)), job->value, err);
    }
    return rc;
}

/* What it asked for. */
static uint64_t write_rows(struct state *state, struct job job)
{
    struct err err;

    atomic_store(&asked, 0);
    assert_int_equal(state_write(state, do_job, &job, &err), RC_OK);
    return atomic_load(&asked);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void) info;
    (void) type;
    (void) ftw;
    return remove(path);
}

static void deleting_small_rows_asks_for_little(void **state_)
{
    static char text[LONG_ROW];
    char path[] = "/tmp/roost-state-XXXXXX";
    struct state_options options = {.path = path, .map_bytes = MAP_BYTES};
    struct state *state;
    struct err err;

    (void) state_;
    assert_non_null(mkdtemp(path));
    options.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(options.root, "state", 0700), 0);
    assert_int_equal(state_create(path, options.root, &err), RC_OK);
    assert_int_equal(state_open(&options, &state, &err), RC_OK);
    state_reserve(state, RESERVE, never_full);
    (void) write_rows(state, (struct job){TABLE_SWEPT, 0, ROWS, SLICE("a small row"), false});
    /* some 40 pages of rows, not two for each row */
    assert_true(write_rows(state, (struct job){TABLE_SWEPT, 0, ROWS, SLICE(""), true}) <=
                2 * RESERVE);
    /* rows in pages of their own are asked for whole */
    assert_true(write_rows(state, (struct job){TABLE_PAGES, 0, 100,
                                               slice_of(text, sizeof(text)), false}) >=
                (uint64_t) 100 * LONG_ROW);
    state_close(state);
    (void) close(options.root);
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deleting_small_rows_asks_for_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
