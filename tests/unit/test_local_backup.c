/* test_local_backup.c - a copy of a store at work is one moment of it, and any moment between
 * two copies can be had again. */
// links: cli store_local
// labels: concurrency
// lib: local_store backup_world
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lib/backup_world.h"
#include "lib/test.h"
#include "store/local/backup.h"
#include "store/local/hold.h"
#include "store/local/store.h"

#define ACCOUNT     7u
#define GROUP_BYTES ((size_t) 20000)
#define GROUPS_MAX  4000u

/* ---- groups that say which they are ---- */

static uint64_t put_group(struct local_store *store, uint64_t number)
{
    AUTO(freep) char *text = xcalloc(1, GROUP_BYTES);

    (void) snprintf(text, GROUP_BYTES, "group %llu", (unsigned long long) number);
    return local_store_put(store, ACCOUNT, slice_of(text, GROUP_BYTES));
}

static uint64_t number_of(struct slice records)
{
    uint64_t number = 0;
    struct slice text = slice_sub(records, 0, strlen(records.ptr));

    assert_true(slice_starts(text, SLICE("group ")));
    assert_true(slice_to_u64(slice_from(text, strlen("group ")), &number));
    return number;
}

/* A checkpoint whose root says the number of the last group it covers. */
static void write_root(struct local_store *store, uint64_t position, uint64_t number)
{
    char text[32];
    struct page page = {1, SLICE("a page")};
    struct page_batch batch = {.puts = &page, .n_puts = 1};
    struct err err;

    (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) number);
    batch.root = slice_from_str(text);
    if (store->engine->ops->write_pages(store->engine, ACCOUNT, position, &batch, &err) !=
        RC_OK)
        fail_msg("write_pages: %s", err.detail);
}

/* The number of the account's last group; checks that none is missing before it. */
static uint64_t last_group(struct engine *engine)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 28);
    struct account_image image;
    uint64_t last = 0;
    struct err err;
    enum rc rc = engine->ops->load(engine, ACCOUNT, arena, &image, &err);

    if (rc == RC_NOT_FOUND)
        return 0;
    if (rc)
        fail_msg("load: %s", err.detail);
    if (image.root.len > 0)
        assert_true(slice_to_u64(image.root, &last));
    for (size_t i = 0; i < image.n_tail; i++) {
        assert_int_equal(number_of(image.tail[i].records), last + 1);
        last++;
    }
    return last;
}

/* Opened as it was at that time (0: as late as can be): the last group. RC of what failed. */
static enum rc open_at(struct backup_world *world, int64_t at_us, uint64_t *out_last)
{
    struct backup_restored restored;
    enum rc rc = backup_world_restore(world, at_us, &restored);

    if (rc)
        return rc;
    *out_last = last_group(restored.engine);
    backup_world_let_go(&restored);
    return RC_OK;
}

/* ---- under load ---- */

struct writer {
    struct local_store *store;
    _Atomic uint64_t written; /* groups that are durable */
    _Atomic bool stop;
};

/* Groups, bodies that the packer takes, and checkpoints that let segments go. */
static void *write_groups(void *arg)
{
    struct writer *writer = arg;
    AUTO(freep) char *body = local_store_body(1, 30000);

    for (uint64_t n = 1; !atomic_load(&writer->stop) && n < GROUPS_MAX; n++) {
        uint64_t position = put_group(writer->store, n);

        local_store_wait(writer->store, position);
        atomic_store(&writer->written, n);
        (void) local_store_put_body(writer->store, ACCOUNT + 1, n, SLICE("append"),
                                    slice_of(body, 30000));
        if (n % 50 == 0)
            write_root(writer->store, position, n);
    }
    return NULL;
}

static bool has_written_more(void *ctx)
{
    struct writer *writer = ctx;

    return atomic_load(&writer->written) > 100;
}

static void a_copy_under_load_is_one_moment(void **state)
{
    struct backup_world world;
    struct writer writer;
    pthread_t thread;

    (void) state;
    backup_world_make(&world, 0);
    local_store_open(&world.store);
    writer = (struct writer){.store = &world.store};
    assert_int_equal(pthread_create(&thread, NULL, write_groups, &writer), 0);
    for (int round = 0; round < 3; round++) {
        uint64_t before = atomic_load(&writer.written), last = 0;

        backup_world_take(&world);
        assert_int_equal(open_at(&world, 0, &last), RC_OK);
        assert_true(last >= before);
    }
    backup_world_wait(has_written_more, &writer);
    atomic_store(&writer.stop, true);
    (void) pthread_join(thread, NULL);
    backup_world_done(&world);
}

/* ---- between two backups ---- */

static bool archive_has_some(void *ctx)
{
    struct backup_world *world = ctx;
    char path[128];
    struct stat st;
    uint64_t n = 0;

    for (uint64_t i = 1; i < 100; i++) {
        (void) snprintf(path, sizeof(path), "%s/archive/%016llx.seg", world->store.path,
                        (unsigned long long) i);
        n += stat(path, &st) == 0;
    }
    return n >= 2;
}

static void any_moment_between_two_backups_can_be_had(void **state)
{
    int64_t times[241] = {0};
    struct backup_world world;
    uint64_t last = 0, n = 0;

    (void) state;
    backup_world_make(&world, (uint64_t) 1 << 30);
    for (int run = 0; run < 3; run++) { /* a restart is a new epoch */
        local_store_open(&world.store);
        if (run == 0)
            backup_world_take(&world);
        for (int i = 0; i < 80; i++) {
            uint64_t position = put_group(&world.store, ++n);

            local_store_wait(&world.store, position);
            times[n] = clock_wall_us();
            if (i == 60)
                write_root(&world.store, position, n);
        }
        if (run == 1)
            backup_world_wait(archive_has_some, &world);
        if (run < 2)
            local_store_close(&world.store);
    }
    backup_world_take(&world);
    assert_true(world.n_archived >= 3); /* segments, and a superblock with what was let go of */
    for (uint64_t i = 1; i < n; i += 29) {
        assert_int_equal(open_at(&world, times[i], &last), RC_OK);
        assert_int_equal(last, i);
    }
    assert_int_equal(open_at(&world, world.dir.manifests[0]->time_us, &last), RC_OK);
    assert_int_equal(last, 0);
    assert_int_equal(open_at(&world, clock_wall_us(), &last), RC_NOT_FOUND); /* too late */
    assert_int_equal(open_at(&world, 1, &last), RC_NOT_FOUND);               /* too early */
    backup_world_done(&world);
}

/* Without the archive the journal between is gone, and that is said. */
static void a_gap_is_noticed(void **state)
{
    struct backup_world world;
    uint64_t last = 0, position = 0;
    int64_t middle = 0;
    enum rc rc;

    (void) state;
    backup_world_make(&world, 0);
    for (int run = 0; run < 3; run++) {
        local_store_open(&world.store);
        if (run == 0)
            backup_world_take(&world);
        for (uint64_t i = 1; i <= 200; i++)
            position = put_group(&world.store, (uint64_t) run * 200 + i);
        local_store_wait(&world.store, position);
        write_root(&world.store, position, (uint64_t) run * 200 + 200);
        if (run == 1)
            middle = clock_wall_us();
        local_store_close(&world.store);
    }
    local_store_open(&world.store);
    backup_world_take(&world);
    rc = open_at(&world, middle, &last);
    assert_true(rc == RC_CONFLICT || rc == RC_CORRUPT || (rc == RC_OK && last == 400));
    assert_int_equal(open_at(&world, 0, &last), RC_OK);
    assert_int_equal(last, 600);
    backup_world_done(&world);
}

/* A store that was restored goes its own way: the journal of the first life is not mixed in. */
static void two_histories_are_not_mixed(void **state)
{
    struct backup_world world;
    char first_life[80];
    uint64_t last = 0;
    int64_t in_second;

    (void) state;
    backup_world_make(&world, (uint64_t) 1 << 30);
    local_store_open(&world.store);
    local_store_wait(&world.store, put_group(&world.store, 1));
    backup_world_take(&world);
    local_store_close(&world.store);
    (void) snprintf(first_life, sizeof(first_life), "%.60s.first", world.store.path);
    local_store_copy(world.store.path, first_life);
    local_store_open(&world.store); /* the first life goes on, and is backed up */
    local_store_wait(&world.store, put_group(&world.store, 2));
    local_store_wait(&world.store, put_group(&world.store, 3));
    backup_world_take(&world);
    local_store_close(&world.store);
    local_store_remove_tree(world.store.path);
    assert_int_equal(rename(first_life, world.store.path), 0);
    world.store.durable = 0;
    local_store_open(&world.store); /* the second goes on from the first backup */
    local_store_wait(&world.store, put_group(&world.store, 2));
    in_second = clock_wall_us();
    local_store_wait(&world.store, put_group(&world.store, 3));
    local_store_wait(&world.store, put_group(&world.store, 4));
    backup_world_take(&world);
    assert_int_equal(open_at(&world, in_second, &last), RC_OK);
    assert_int_equal(last, 2);
    assert_int_equal(open_at(&world, 0, &last), RC_OK);
    assert_int_equal(last, 4);
    backup_world_done(&world);
}

/* ---- holds and the archive's bound ---- */

static bool is_there(const struct local_store *store, const char *name)
{
    char path[128];
    struct stat st;

    (void) snprintf(path, sizeof(path), "%s/%s", store->path, name);
    return stat(path, &st) == 0;
}

static void make_file(const struct local_store *store, const char *name)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/%s", store->path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void) close(fd);
}

static void a_hold_keeps_what_is_let_go_of(void **state)
{
    struct local_backup *first = NULL, *second = NULL;
    struct local_store store;
    struct local *local;
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    local = local_of(store.engine);
    assert_int_equal(local_backup_begin(store.engine, &first, &err), RC_OK);
    assert_int_equal(local_backup_begin(store.engine, &second, &err), RC_OK);
    make_file(&store, "packs/old.pack");
    hold_unlink(local, local->layout.packs, "old.pack");
    assert_false(hold_may_recycle(local));
    local_backup_end(first);
    assert_true(is_there(&store, "packs/old.pack"));
    local_backup_end(second);
    assert_false(is_there(&store, "packs/old.pack"));
    make_file(&store, "packs/old.pack");
    hold_unlink(local, local->layout.packs, "old.pack");
    assert_false(is_there(&store, "packs/old.pack"));
    local_store_remove(&store);
}

static void a_hold_ends_when_the_disk_is_full(void **state)
{
    struct local_backup *backup = NULL;
    struct local_store store;
    struct local *local;
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    local = local_of(store.engine);
    assert_int_equal(local_backup_begin(store.engine, &backup, &err), RC_OK);
    make_file(&store, "packs/old.pack");
    hold_unlink(local, local->layout.packs, "old.pack");
    hold_break(local, "disk full");
    assert_false(is_there(&store, "packs/old.pack"));
    assert_int_equal(local_backup_check(backup, &err), RC_CONFLICT);
    local_backup_end(backup);
    local_store_remove(&store);
}

static uint64_t archive_bytes(const struct local_store *store, uint64_t *out_n)
{
    uint64_t bytes = 0;

    *out_n = 0;
    for (uint64_t i = 1; i < 100; i++) {
        char path[400];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/archive/%016llx.seg", store->path,
                        (unsigned long long) i);
        if (stat(path, &st) != 0)
            continue;
        bytes += (uint64_t) st.st_size;
        ++*out_n;
    }
    return bytes;
}

struct bound {
    struct local_store *store;
    uint64_t max_bytes;
};

/* The first two went, and what is left is within the bound. */
static bool is_within_bound(void *ctx)
{
    const struct bound *bound = ctx;
    uint64_t n = 0;

    return archive_bytes(bound->store, &n) <= bound->max_bytes && n > 0 &&
           !is_there(bound->store, "archive/0000000000000002.seg") &&
           !is_there(bound->store, "log/0000000000000003.seg");
}

static void the_archive_has_a_bound(void **state)
{
    struct local_store store;
    struct bound bound = {&store, 3 * TEST_SEGMENT_BYTES};
    uint64_t position = 0;

    (void) state;
    local_store_make(&store);
    store.options.archive_max_bytes = bound.max_bytes;
    local_store_open(&store);
    for (uint64_t n = 1; n <= 500; n++)
        position = put_group(&store, n);
    local_store_wait(&store, position);
    write_root(&store, position, 500);
    backup_world_wait(is_within_bound, &bound);
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_under_load_is_one_moment),
        cmocka_unit_test(any_moment_between_two_backups_can_be_had),
        cmocka_unit_test(a_gap_is_noticed),
        cmocka_unit_test(two_histories_are_not_mixed),
        cmocka_unit_test(a_hold_keeps_what_is_let_go_of),
        cmocka_unit_test(a_hold_ends_when_the_disk_is_full),
        cmocka_unit_test(the_archive_has_a_bound),
    };

    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
