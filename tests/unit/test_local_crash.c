/*
 * test_local_crash.c - what recovery makes of a journal that was cut, torn, damaged or forged.
 *
 * The crash is a copy of the store's files taken while it is open: whatever was reported
 * durable is in them, and the copy is then spoiled as a power cut or a bad disk would.
 */
// links: store_local
// lib: local_store
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"

#define ACCOUNT     5u
#define GROUPS      14u
#define HEADER_END  4096u /* where a segment's first batch lies */
#define SECTOR      512u
#define BODY_LENGTH 6000u

struct scene {
    struct local_store store; /* the original, running */
    char copy[64];            /* a copy to spoil */
    uint64_t
        ends[GROUPS + 1]; /* offset behind the batch of each group; [0]: before the first */
    char *journal;        /* the segment up to the last end */
};

static void scene_done(struct scene *scene)
{
    free(scene->journal);
    local_store_remove_tree(scene->copy);
    local_store_remove(&scene->store);
}

static void scene_copy(struct scene *scene)
{
    local_store_remove_tree(scene->copy);
    local_store_copy(scene->store.path, scene->copy);
}

static int open_log(const struct scene *scene)
{
    char path[128];
    int fd;

    /* The first start takes number 2: 1 is where an empty journal begins. */
    (void) snprintf(path, sizeof(path), "%s/log/0000000000000002.seg", scene->copy);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void read_log(const struct scene *scene, char *out)
{
    int fd = open_log(scene);

    assert_int_equal(pread(fd, out, (size_t) scene->ends[GROUPS], 0), scene->ends[GROUPS]);
    (void) close(fd);
}

/* One group a batch, every third with a body; account 6 takes turns so that prefixes are seen
 * to be of the journal, not only of one account. */
static void scene_make(struct scene *scene)
{
    AUTO(freep) char *bytes = local_store_body(9, BODY_LENGTH);
    struct engine_status status;
    char text[32];

    local_store_make(&scene->store);
    scene->store.options.no_packer = true;
    local_store_open(&scene->store);
    scene->ends[0] = HEADER_END;
    for (unsigned i = 1; i <= GROUPS; i++) {
        uint64_t position;

        (void) snprintf(text, sizeof(text), "group %u", i);
        if (i % 3 == 0)
            position = local_store_put_body(&scene->store, ACCOUNT, i, slice_from_str(text),
                                            slice_of(bytes, BODY_LENGTH));
        else
            position = local_store_put(&scene->store, ACCOUNT, slice_from_str(text));
        assert_int_equal(position, i);
        local_store_wait(&scene->store, position);
        scene->store.engine->ops->status(scene->store.engine, &status);
        scene->ends[i] = status.journal_bytes;
    }
    (void) snprintf(scene->copy, sizeof(scene->copy), "/tmp/roost-copy-XXXXXX");
    assert_non_null(mkdtemp(scene->copy));
    scene_copy(scene);
    scene->journal = xmalloc((size_t) scene->ends[GROUPS]);
    read_log(scene, scene->journal);
}

static void spoil(const struct scene *scene, uint64_t from, uint64_t to, char with)
{
    int fd = open_log(scene);
    AUTO(freep) char *bytes = xmalloc((size_t) (to - from) + 1);

    memset(bytes, with, (size_t) (to - from));
    assert_int_equal(pwrite(fd, bytes, (size_t) (to - from), (off_t) from), to - from);
    (void) close(fd);
}

static void flip(const struct scene *scene, uint64_t at, unsigned bit)
{
    int fd = open_log(scene);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t) at), 1);
    byte = (char) (byte ^ (1 << bit));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t) at), 1);
    (void) close(fd);
}

static enum rc open_copy(const struct scene *scene, struct engine **out, struct err *err)
{
    struct local_options options = scene->store.options;

    options.path = scene->copy;
    return local_engine_open(&options, out, err);
}

/* Opens the copy: exactly the first n groups are there, bodies included; and again after that.
 */
static void check_prefix(struct scene *scene, unsigned n)
{
    for (int life = 0; life < 2; life++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(freep) char *want = local_store_body(9, BODY_LENGTH);
        AUTO(freep) char *got = xmalloc(BODY_LENGTH);
        struct account_image image = {0};
        struct engine *engine;
        struct body *body;
        struct err err;
        char text[32];

        if (open_copy(scene, &engine, &err) != RC_OK)
            fail_msg("want %u groups: %s", n, err.detail);
        assert_int_equal(engine->ops->load(engine, ACCOUNT, arena, &image, &err),
                         n == 0 ? RC_NOT_FOUND : RC_OK);
        assert_int_equal(image.n_tail, n);
        for (unsigned i = 1; i <= n; i++) {
            (void) snprintf(text, sizeof(text), "group %u", i);
            assert_slice_equal(image.tail[i - 1].records, slice_from_str(text));
        }
        for (unsigned i = 3; i <= GROUPS; i += 3) {
            enum rc rc = engine->ops->body_open(engine, ACCOUNT, i, &body, &err);

            assert_int_equal(rc, i <= n ? RC_OK : RC_NOT_FOUND);
            if (rc != RC_OK)
                continue;
            assert_int_equal(engine->ops->body_read(body, 0, got, BODY_LENGTH, &err), RC_OK);
            assert_memory_equal(got, want, BODY_LENGTH);
            engine->ops->body_close(body);
        }
        engine->ops->close(engine);
    }
}

/* Groups whose batches, and all before them, are in the copy as they were written. */
static unsigned whole_groups(const struct scene *scene)
{
    AUTO(freep) char *now = xmalloc((size_t) scene->ends[GROUPS]);
    unsigned n = 0;

    read_log(scene, now);
    while (n < GROUPS && memcmp(now + scene->ends[n], scene->journal + scene->ends[n],
                                (size_t) (scene->ends[n + 1] - scene->ends[n])) == 0)
        n++;
    return n;
}

/* What is behind the cut never reached the disk: zeros, or what the blocks held before. */
static void a_cut_anywhere_leaves_the_groups_before_it(void **state)
{
    struct scene scene = {0};
    uint64_t end;

    (void) state;
    scene_make(&scene);
    end = scene.ends[GROUPS];
    for (uint64_t cut = HEADER_END; cut <= end; cut += SECTOR) {
        scene_copy(&scene);
        spoil(&scene, cut, end, (cut / SECTOR) % 2 == 0 ? 0 : 'R');
        check_prefix(&scene, whole_groups(&scene));
    }
    scene_done(&scene);
}

/* The sectors of the batch in flight reach the disk in any order. */
static void a_torn_last_batch_is_nothing(void **state)
{
    struct scene scene = {0};
    uint64_t start, end, n_sectors;

    (void) state;
    scene_make(&scene);
    /* Group 12 has a body of several blocks; what follows it was never written. */
    start = scene.ends[11];
    end = scene.ends[12];
    n_sectors = (end - start) / SECTOR;
    for (unsigned pattern = 1; pattern < 40; pattern++) {
        uint64_t lost = pattern < n_sectors ? (uint64_t) 1 << (pattern - 1)
                                            : (uint64_t) pattern * 0x9e3779b97f4a7c15u;

        if ((lost & (((uint64_t) 1 << n_sectors) - 1)) == 0)
            continue;
        scene_copy(&scene);
        spoil(&scene, end, scene.ends[GROUPS], 0);
        for (uint64_t i = 0; i < n_sectors; i++) {
            if ((lost >> i & 1) != 0)
                spoil(&scene, start + i * SECTOR, start + (i + 1) * SECTOR, 'x');
        }
        check_prefix(&scene, whole_groups(&scene));
    }
    scene_done(&scene);
}

static void damage_before_the_last_batch_is_refused(void **state)
{
    struct scene scene = {0};
    struct engine *engine = NULL;
    struct err err;

    (void) state;
    scene_make(&scene);
    for (unsigned i = 0; i < 60; i++) {
        uint64_t span = scene.ends[GROUPS - 1] - HEADER_END;
        uint64_t at = HEADER_END + (uint64_t) i * 2654435761u % span;

        scene_copy(&scene);
        flip(&scene, at, i % 8);
        if (open_copy(&scene, &engine, &err) != RC_CORRUPT)
            fail_msg("a flip at %d was not seen", (int) at);
        assert_non_null(strstr(err.detail, "not cut"));
        /* Nothing was changed: put right again, all of it is there. */
        flip(&scene, at, i % 8);
        check_prefix(&scene, GROUPS);
    }
    scene_done(&scene);
}

static void after_a_clean_stop_damage_anywhere_is_refused(void **state)
{
    struct scene scene = {0};
    struct engine *engine = NULL;
    struct err err;

    (void) state;
    scene_make(&scene);
    local_store_close(&scene.store);
    for (unsigned i = 0; i < 30; i++) {
        uint64_t first = scene.ends[GROUPS - 1];
        uint64_t at = first + (uint64_t) i * 2654435761u % (scene.ends[GROUPS] - first);

        scene_copy(&scene);
        flip(&scene, at, i % 8);
        if (open_copy(&scene, &engine, &err) != RC_CORRUPT)
            fail_msg("a flip at %d was not seen", (int) at);
    }
    scene_copy(&scene);
    check_prefix(&scene, GROUPS);
    scene_done(&scene);
}

/* Mails that are made of this very journal, so that copies of its batches stand at every
 * multiple of 8 behind a block's start; and the first such mail torn: its body is then what a
 * search for later batches finds. */
static void a_mail_of_batches_forges_nothing(void **state)
{
    struct scene scene = {0};
    struct engine_status status;
    uint64_t first_end = 0, position;
    size_t part;

    (void) state;
    scene_make(&scene);
    part = MIN((size_t) (scene.ends[GROUPS] - HEADER_END), (size_t) 16384);
    for (size_t shift = 3072; shift < 4096; shift += 8) {
        AUTO(freep) char *forged = xcalloc(1, shift + part);

        memcpy(forged + shift, scene.journal + HEADER_END, part);
        position = local_store_put_body(&scene.store, 6, shift, SLICE("mail"),
                                        slice_of(forged, shift + part));
        local_store_wait(&scene.store, position);
        scene.store.engine->ops->status(scene.store.engine, &status);
        if (first_end == 0)
            first_end = status.journal_bytes;
        if (status.journal_bytes > TEST_FIRST_BYTES - 3 * part)
            break; /* the first segment is nearly full */
        scene_copy(&scene);
        check_prefix(&scene, GROUPS);
        scene_copy(&scene);
        spoil(&scene, scene.ends[GROUPS], scene.ends[GROUPS] + SECTOR, 0);
        spoil(&scene, first_end, TEST_FIRST_BYTES, 0);
        check_prefix(&scene, GROUPS);
    }
    scene_done(&scene);
}

static void an_old_state_is_refused(void **state)
{
    struct local_store store;
    struct engine *engine = NULL;
    AUTO(freep) char *bytes = local_store_body(3, 50000);
    struct engine_status status;
    char old[128], path[128];
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    local_store_close(&store);
    (void) snprintf(old, sizeof(old), "%s/state", store.path);
    (void) snprintf(path, sizeof(path), "%.60s-old", store.path);
    local_store_copy(old, path);
    local_store_open(&store);
    for (uint64_t id = 1; id < 100; id++) {
        uint64_t position =
            local_store_put_body(&store, 1, id, SLICE("r"), slice_of(bytes, 50000));
        struct page_batch batch = {.root = SLICE("root")};

        assert_int_equal(
            store.engine->ops->write_pages(store.engine, 1, position, &batch, &err), RC_OK);
    }
    do { /* until a segment was let go of: from then on the old state is not enough */
        store.engine->ops->status(store.engine, &status);
        (void) sched_yield();
    } while (status.journal_bytes > (uint64_t) 99 * 50000);
    local_store_close(&store);
    local_store_copy(path, old);
    assert_int_equal(local_engine_open(&store.options, &engine, &err), RC_CORRUPT);
    local_store_remove_tree(path);
    local_store_remove(&store);
}

static void a_missing_segment_is_refused(void **state)
{
    struct scene scene = {0};
    struct engine *engine = NULL;
    struct err err;
    char path[128];

    (void) state;
    scene_make(&scene);
    scene_copy(&scene);
    (void) snprintf(path, sizeof(path), "%s/log/0000000000000002.seg", scene.copy);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_copy(&scene, &engine, &err), RC_CORRUPT);
    scene_copy(&scene);
    (void) snprintf(path, sizeof(path), "%s/state/data.mdb", scene.copy);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_copy(&scene, &engine, &err), RC_CORRUPT);
    scene_copy(&scene);
    (void) snprintf(path, sizeof(path), "%s/super", scene.copy);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(open_copy(&scene, &engine, &err), RC_CORRUPT);
    scene_done(&scene);
}

/* The first group of a run finds no room in the run's first segment: that one stays empty, is
 * swept by the next start, and is not missed by those after it. */
static void a_first_segment_without_a_batch_is_not_missed(void **state)
{
    AUTO(freep) char *bytes = local_store_body(9, TEST_FIRST_BYTES);
    struct scene scene = {0};
    struct engine *engine = NULL;
    struct err err;
    uint64_t position;

    (void) state;
    local_store_make(&scene.store);
    local_store_open(&scene.store);
    position = local_store_put_body(&scene.store, 7, 1, SLICE("mail"),
                                    slice_of(bytes, TEST_FIRST_BYTES));
    local_store_wait(&scene.store, position);
    for (unsigned starts = 0; starts < 4; starts++) {
        struct local_options options = scene.store.options;
        char from[sizeof(scene.copy)];

        (void) snprintf(from, sizeof(from), "%s", starts == 0 ? scene.store.path : scene.copy);
        (void) snprintf(scene.copy, sizeof(scene.copy), "/tmp/roost-copy-XXXXXX");
        assert_non_null(mkdtemp(scene.copy));
        local_store_copy(from, scene.copy); /* as a kill leaves it */
        if (engine != NULL)
            engine->ops->close(engine);
        if (starts > 0)
            local_store_remove_tree(from);
        options.path = scene.copy;
        if (local_engine_open(&options, &engine, &err) != RC_OK)
            fail_msg("start %u: %s", starts, err.detail);
        engine->ops->start(engine, &(struct engine_events){0});
    }
    engine->ops->close(engine);
    local_store_remove_tree(scene.copy);
    local_store_remove(&scene.store);
}

/* The process dies while a larger segment is made for its first group: a file that cannot grow
 * keeps it from being made at all. */
static void a_death_before_the_first_batch_loses_no_segment(void **state)
{
    AUTO(freep) char *bytes = local_store_body(9, TEST_FIRST_BYTES);
    struct scene scene = {0};
    int status;
    pid_t child;

    (void) state;
    local_store_make(&scene.store);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit small = {TEST_FIRST_BYTES, TEST_FIRST_BYTES};
        const struct timespec moment = {.tv_nsec = 300000000};

        (void) signal(SIGXFSZ, SIG_IGN);
        local_store_open(&scene.store);
        (void) setrlimit(RLIMIT_FSIZE, &small);
        (void) local_store_put_body(&scene.store, 7, 1, SLICE("mail"),
                                    slice_of(bytes, TEST_FIRST_BYTES));
        (void) nanosleep(&moment, NULL);
        _exit(0);
    }
    assert_true(waitpid(child, &status, 0) == child);
    local_store_open(&scene.store); /* fails the test if it does not open */
    local_store_close(&scene.store);
    local_store_open(&scene.store);
    local_store_close(&scene.store);
    local_store_remove(&scene.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_before_the_first_batch_loses_no_segment),
        cmocka_unit_test(a_first_segment_without_a_batch_is_not_missed),
        cmocka_unit_test(a_cut_anywhere_leaves_the_groups_before_it),
        cmocka_unit_test(a_torn_last_batch_is_nothing),
        cmocka_unit_test(damage_before_the_last_batch_is_refused),
        cmocka_unit_test(after_a_clean_stop_damage_anywhere_is_refused),
        cmocka_unit_test(a_mail_of_batches_forges_nothing),
        cmocka_unit_test(an_old_state_is_refused),
        cmocka_unit_test(a_missing_segment_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
