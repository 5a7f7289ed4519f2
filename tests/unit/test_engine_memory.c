/* test_engine_memory.c - the memory engine passes the engine suite in each of its manners, and
 * does what its options say. */
// links: store_memory
// labels: concurrency
// lib: engine_bench engine_checks
#include "lib/engine_checks.h"
#include "store/memory/memory_engine.h"

static struct engine *open_engine(void *ctx)
{
    return memory_engine_new(ctx);
}

static void crash_engine(void *ctx, struct engine *engine)
{
    (void) ctx;
    memory_engine_crash(engine);
}

static void hold_engine(void *ctx, struct engine *engine, bool on)
{
    (void) ctx;
    memory_engine_hold(engine, on);
}

static enum rc commit_empty(struct engine *engine, uint64_t account, uint64_t *position)
{
    struct commit_group group = {.account = account, .base = *position, .records = SLICE("r")};
    struct err err;

    return engine->ops->commit(engine, &group, 1, position, &err);
}

static void every_nth_commit_is_refused_and_leaves_nothing(void **state)
{
    static const struct {
        uint32_t conflict_every, fail_every;
        enum rc want[6];
    } rows[] = {
        {0, 0, {RC_OK, RC_OK, RC_OK, RC_OK, RC_OK, RC_OK}                                    },
        {3, 0, {RC_OK, RC_OK, RC_CONFLICT, RC_OK, RC_OK, RC_CONFLICT}                        },
        {0, 2, {RC_OK, RC_FULL, RC_OK, RC_FULL, RC_OK, RC_FULL}                              },
        {3, 2, {RC_OK, RC_FULL, RC_CONFLICT, RC_FULL, RC_OK, RC_CONFLICT}                    },
        {1, 0, {RC_CONFLICT, RC_CONFLICT, RC_CONFLICT, RC_CONFLICT, RC_CONFLICT, RC_CONFLICT}},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_engine_options options = {.conflict_every = rows[i].conflict_every,
                                                .fail_every = rows[i].fail_every};
        struct engine *engine = memory_engine_new(&options);
        uint64_t position = 0, committed = 0;

        for (size_t n = 0; n < COUNT(rows[i].want); n++) {
            assert_int_equal(commit_empty(engine, 1, &position), rows[i].want[n]);
            committed += rows[i].want[n] == RC_OK;
            assert_int_equal(position, committed);
        }
        engine->ops->close(engine);
    }
}

static void capabilities_are_what_the_options_say(void **state)
{
    static const struct {
        struct memory_engine_options options;
        unsigned capabilities;
    } rows[] = {
        {{0},                   ENGINE_MULTI_ACCT                     },
        {{.no_conflict = true}, ENGINE_MULTI_ACCT | ENGINE_NO_CONFLICT},
        {{.one_account = true}, 0                                     },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct engine *engine = memory_engine_new(&rows[i].options);

        assert_int_equal(engine->ops->capabilities, rows[i].capabilities);
        engine->ops->close(engine);
    }
}

static void a_crash_loses_what_was_held_back(void **state)
{
    struct memory_disk *disk = memory_disk_new();
    struct memory_engine_options options = {.disk = disk, .no_conflict = true, .later = true};
    struct engine *engine = memory_engine_new(&options);
    struct account_image image;
    struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t position = 0;
    struct err err;

    (void) state;
    memory_engine_hold(engine, true);
    assert_int_equal(commit_empty(engine, 1, &position), RC_OK);
    assert_int_equal(engine->ops->load(engine, 1, arena, &image, &err), RC_OK);
    memory_engine_crash(engine);
    engine = memory_engine_new(&options);
    assert_int_equal(engine->ops->load(engine, 1, arena, &image, &err), RC_NOT_FOUND);
    engine->ops->close(engine);
    arena_free(arena);
    memory_disk_free(disk);
}

int main(void)
{
    struct memory_disk *disk = memory_disk_new();
    struct memory_engine_options at_once = {.disk = disk};
    struct memory_engine_options ahead = {.disk = disk, .no_conflict = true};
    struct memory_engine_options later = {.disk = disk, .no_conflict = true, .later = true};
    struct memory_engine_options alone = {.disk = disk, .one_account = true};
    struct engine_fixture fixtures[] = {
        {open_engine, crash_engine, NULL,        &at_once},
        {open_engine, crash_engine, NULL,        &ahead  },
        {open_engine, crash_engine, hold_engine, &later  },
        {open_engine, NULL,         NULL,        &alone  },
    };
    const struct CMUnitTest tests[] = {
        ENGINE_CHECKS(&fixtures[0]),
        ENGINE_CHECKS(&fixtures[1]),
        ENGINE_CHECKS(&fixtures[2]),
        ENGINE_CHECKS(&fixtures[3]),
        cmocka_unit_test(every_nth_commit_is_refused_and_leaves_nothing),
        cmocka_unit_test(capabilities_are_what_the_options_say),
        cmocka_unit_test(a_crash_loses_what_was_held_back),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    memory_disk_free(disk);
    return failed;
}
