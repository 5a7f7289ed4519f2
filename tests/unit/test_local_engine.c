/* test_local_engine.c - the local engine's contract: what is committed comes back. */
// links: store_local
// labels: concurrency
// lib: local_store
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lib/local_store.h"
#include "lib/test.h"
#include "store/local/checkpoint.h"
#include "store/local/index.h"
#include "store/local/store.h"

#define PRESSED_BODY_BYTES 20000u

static void groups_come_back_in_order_after_a_clean_stop(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct local_store store;
    struct account_image image;
    struct err err;
    char text[32];

    (void) state;
    local_store_make(&store);
    for (int round = 0; round < 3; round++) {
        local_store_open(&store);
        for (int i = 0; i < 100; i++) {
            (void) snprintf(text, sizeof(text), "group %d", round * 100 + i);
            (void) local_store_put(&store, 7, slice_from_str(text));
            (void) local_store_put(&store, 8, SLICE("other"));
        }
        local_store_close(&store);
    }
    local_store_open(&store);
    assert_int_equal(store.engine->ops->load(store.engine, 7, arena, &image, &err), RC_OK);
    assert_int_equal(image.n_tail, 300);
    assert_int_equal(image.root.len, 0);
    for (size_t i = 0; i < image.n_tail; i++) {
        (void) snprintf(text, sizeof(text), "group %zu", i);
        assert_slice_equal(image.tail[i].records, slice_from_str(text));
        if (i > 0)
            assert_true(image.tail[i].position > image.tail[i - 1].position);
    }
    assert_int_equal(store.engine->ops->load(store.engine, 9, arena, &image, &err),
                     RC_NOT_FOUND);
    local_store_remove(&store);
}

static void check_body(struct local_store *store, uint64_t account, uint64_t body_id,
                       size_t len)
{
    const struct engine_ops *ops = store->engine->ops;
    AUTO(freep) char *want = local_store_body(body_id, len);
    AUTO(freep) char *got = xmalloc(len + 1);
    struct body *body = NULL;
    struct err err;

    if (ops->body_open(store->engine, account, body_id, &body, &err) != RC_OK)
        fail_msg("body %d: %s", (int) body_id, err.detail);
    assert_int_equal(ops->body_length(body), len);
    assert_int_equal(ops->body_read(body, 0, got, len, &err), RC_OK);
    assert_memory_equal(got, want, len);
    if (len > 70000) {
        assert_int_equal(ops->body_read(body, 65530, got, 100, &err), RC_OK);
        assert_memory_equal(got, want + 65530, 100);
    }
    assert_int_equal(ops->body_read(body, len, got, 1, &err), RC_INVALID);
    ops->body_close(body);
}

static const size_t body_lengths[] = {0, 1, 5000, 65536, 65537, 200000, 600000, 3000000};

static void put_bodies(struct local_store *store, uint64_t account)
{
    for (size_t i = 0; i < COUNT(body_lengths); i++) {
        AUTO(freep) char *bytes = local_store_body(i + 1, body_lengths[i]);

        (void) local_store_put_body(store, account, i + 1, SLICE("append"),
                                    slice_of(bytes, body_lengths[i]));
    }
}

static void check_bodies(struct local_store *store, uint64_t account)
{
    for (size_t i = 0; i < COUNT(body_lengths); i++)
        check_body(store, account, i + 1, body_lengths[i]);
}

static void bodies_inline_and_spilled_come_back(void **state)
{
    struct local_store store;

    (void) state;
    local_store_make(&store);
    store.options.no_packer = true;
    local_store_open(&store);
    put_bodies(&store, 5);
    check_bodies(&store, 5);
    local_store_close(&store);
    local_store_open(&store);
    check_bodies(&store, 5);
    local_store_remove(&store);
}

static void write_root(struct local_store *store, uint64_t account, uint64_t position)
{
    struct page page = {1, SLICE("a page")};
    struct page_batch batch = {.root = SLICE("the root"), .puts = &page, .n_puts = 1};
    struct err err;

    if (store->engine->ops->write_pages(store->engine, account, position, &batch, &err) !=
        RC_OK)
        fail_msg("write_pages: %s", err.detail);
}

static void a_checkpoint_replaces_the_groups_it_covers(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct local_store store;
    struct account_image image;
    struct slice bytes;
    struct err err;
    uint64_t second;
    page_read_fn *read;
    void *ctx;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    (void) local_store_put(&store, 3, SLICE("one"));
    second = local_store_put(&store, 3, SLICE("two"));
    (void) local_store_put(&store, 3, SLICE("three"));
    write_root(&store, 3, second);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store.engine->ops->load(store.engine, 3, arena, &image, &err), RC_OK);
        assert_slice_equal(image.root, SLICE("the root"));
        assert_int_equal(image.root_position, second);
        assert_int_equal(image.n_tail, 1);
        assert_slice_equal(image.tail[0].records, SLICE("three"));
        read = store.engine->ops->page_reader(store.engine, 3, &ctx);
        assert_int_equal(read(ctx, 1, arena, &bytes, &err), RC_OK);
        assert_slice_equal(bytes, SLICE("a page"));
        assert_int_equal(read(ctx, 2, arena, &bytes, &err), RC_NOT_FOUND);
        local_store_close(&store);
        local_store_open(&store);
    }
    local_store_remove(&store);
}

static void a_removed_account_stays_away(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct local_store store;
    struct account_image image;
    struct body *body;
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    put_bodies(&store, 5);
    write_root(&store, 5, local_store_put(&store, 5, SLICE("x")));
    (void) local_store_put(&store, 6, SLICE("stays"));
    assert_int_equal(store.engine->ops->remove(store.engine, 5, &err), RC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store.engine->ops->load(store.engine, 5, arena, &image, &err),
                         RC_NOT_FOUND);
        assert_int_equal(store.engine->ops->body_open(store.engine, 5, 3, &body, &err),
                         RC_NOT_FOUND);
        assert_int_equal(store.engine->ops->load(store.engine, 6, arena, &image, &err), RC_OK);
        local_store_close(&store);
        local_store_open(&store);
    }
    local_store_remove(&store);
}

static void uidvalidity_never_repeats(void **state)
{
    struct local_store store;
    uint32_t last = 0, first;
    struct err err;

    (void) state;
    local_store_make(&store);
    for (int round = 0; round < 3; round++) {
        local_store_open(&store);
        for (int i = 0; i < 50; i++) {
            assert_int_equal(store.engine->ops->uidvalidity(store.engine, 30, &first, &err),
                             RC_OK);
            assert_true(first > last);
            last = first + 29;
        }
        local_store_close(&store);
    }
    local_store_remove(&store);
}

static void a_second_open_is_refused(void **state)
{
    struct local_store store;
    struct engine *other = NULL;
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    assert_int_equal(local_engine_open(&store.options, &other, &err), RC_UNAVAILABLE);
    assert_null(other);
    assert_int_equal(local_store_create(store.path, &err), RC_EXISTS);
    local_store_remove(&store);
}

static enum rc commit_records(struct local_store *store, size_t len, size_t n_groups)
{
    AUTO(freep) char *bytes = xcalloc(1, len + 1);
    AUTO(freep) struct commit_group *groups = xcalloc(n_groups, sizeof(*groups));
    AUTO(freep) uint64_t *positions = xcalloc(n_groups, sizeof(*positions));
    struct err err;

    for (size_t i = 0; i < n_groups; i++)
        groups[i] = (struct commit_group){.account = 1, .records = slice_of(bytes, len)};
    return store->engine->ops->commit(store->engine, groups, n_groups, positions, &err);
}

static void what_is_too_much_is_refused_before_any_effect(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 256 << 20);
    struct local_store store;
    struct account_image image;
    struct err err;

    (void) state;
    local_store_make(&store);
    local_store_open(&store);
    assert_int_equal(commit_records(&store, TEST_SEGMENT_BYTES, 1), RC_LIMIT);
    assert_int_equal(commit_records(&store, 10, COMMIT_GROUPS_MAX + 1), RC_LIMIT);
    assert_int_equal(commit_records(&store, 10, 0), RC_LIMIT);
    assert_int_equal(store.engine->ops->load(store.engine, 1, arena, &image, &err),
                     RC_NOT_FOUND);
    assert_int_equal(commit_records(&store, 10, COMMIT_GROUPS_MAX), RC_OK);
    local_store_close(&store);
    store.options.segment_bytes = 0; /* the default's batches take all of a group */
    local_store_open(&store);
    assert_int_equal(commit_records(&store, GROUP_RECORDS_MAX_BYTES + 1, 1), RC_LIMIT);
    assert_int_equal(commit_records(&store, GROUP_RECORDS_MAX_BYTES, 1), RC_OK);
    assert_int_equal(store.engine->ops->load(store.engine, 1, arena, &image, &err), RC_OK);
    assert_int_equal(image.n_tail, COMMIT_GROUPS_MAX + 1);
    assert_int_equal(image.tail[COMMIT_GROUPS_MAX].records.len, GROUP_RECORDS_MAX_BYTES);
    local_store_remove(&store);
}

struct checkpointer {
    struct local_store *store;
    uint64_t position;
};

static void *checkpoint_later(void *arg)
{
    struct checkpointer *checkpointer = arg;

    local_store_wait(checkpointer->store, checkpointer->position);
    write_root(checkpointer->store, 1, checkpointer->position);
    return NULL;
}

/* Beyond the bound a commit answers only once somebody has written a checkpoint. */
static void commits_wait_for_checkpoints(void **state)
{
    struct local_store store;
    struct checkpointer checkpointer = {.store = &store};
    struct engine_status status;
    pthread_t thread;
    uint64_t n = 0;

    (void) state;
    local_store_make(&store);
    store.options.uncheckpointed_max_bytes = 64 << 10;
    local_store_open(&store);
    do {
        checkpointer.position = local_store_put(&store, 1, SLICE("r"));
        local_store_wait(&store, checkpointer.position);
        store.engine->ops->status(store.engine, &status);
        n++; /* groups count as well as bytes: both take time at the next start */
    } while (status.journal_bytes + n * GROUP_REPLAY_BYTES <=
             store.options.uncheckpointed_max_bytes);
    assert_int_equal(pthread_create(&thread, NULL, checkpoint_later, &checkpointer), 0);
    (void) local_store_put(&store, 1, SLICE("r"));
    (void) pthread_join(thread, NULL);
    local_store_remove(&store);
}

static size_t tail_of(struct local_store *store, uint64_t account)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct account_image image;

    assert_int_equal(store->engine->ops->load(store->engine, account, arena, &image, NULL),
                     RC_OK);
    return image.n_tail;
}

/* An account that cannot be loaded has no checkpoints any more: it keeps its groups, and the
 * others write on, however much that is. */
static void nobody_waits_for_a_damaged_account(void **state)
{
    struct local_store store;
    struct slice bytes;
    page_read_fn *read;
    struct err err;
    uint64_t position;
    void *ctx;

    (void) state;
    local_store_make(&store);
    store.options.uncheckpointed_max_bytes = 64 << 10;
    local_store_open(&store);
    write_root(&store, 1, local_store_put(&store, 1, SLICE("r")));
    (void) local_store_put(&store, 1, SLICE("kept"));
    read = store.engine->ops->page_reader(store.engine, 1, &ctx);
    assert_int_equal(read(ctx, 2, NULL, &bytes, &err), RC_NOT_FOUND);
    for (unsigned i = 0; i < 100; i++) {
        position = local_store_put(&store, 2, SLICE("r"));
        local_store_wait(&store, position);
        write_root(&store, 2, position);
    }
    local_store_close(&store);
    local_store_open(&store);
    assert_int_equal(tail_of(&store, 1), 1);
    assert_int_equal(tail_of(&store, 2), 0);
    position = local_store_put(&store, 1, SLICE("repaired"));
    local_store_wait(&store, position);
    write_root(&store, 1, position);
    assert_int_equal(tail_of(&store, 1), 0);
    local_store_remove(&store);
}

/* Half of it is text. */
static void put_digest(struct local_store *store, uint64_t account, uint64_t body_id,
                       struct slice table)
{
    struct digest_bytes digest = {1, slice_sub(table, 0, table.len / 2),
                                  slice_from(table, table.len / 2)};

    store->engine->ops->digest_put(store->engine, account, body_id, &digest, NULL, 0);
}

/* Bodies come faster than the packer takes them; none is refused, and none is far ahead of it.
 */
static void commits_wait_for_the_packer(void **state)
{
    AUTO(freep) char *bytes = local_store_body(1, PRESSED_BODY_BYTES);
    struct slice body = slice_of(bytes, PRESSED_BODY_BYTES);
    struct local_store store;
    struct engine_status status;

    (void) state;
    local_store_make(&store);
    store.options.unpacked_max_bytes = 10 * PRESSED_BODY_BYTES;
    local_store_open(&store);
    for (uint64_t id = 1; id <= 50; id++) {
        local_store_wait(&store, local_store_put_body(&store, 1, id, SLICE("append"), body));
        store.engine->ops->status(store.engine, &status);
        assert_true(status.unpacked_bytes <= 11 * PRESSED_BODY_BYTES);
    }
    check_body(&store, 1, 1, PRESSED_BODY_BYTES);
    local_store_remove(&store);
}

/* A log_sink_fn. */
static void hear_of_ballast(void *ctx, enum log_level level, const char *event,
                            const struct log_field *fields, size_t n)
{
    (void) level;
    (void) fields;
    (void) n;
    if (strcmp(event, "store.ballast") == 0)
        (void) atomic_fetch_add((atomic_uint *) ctx, 1);
}

/* Something else stands where the reserve would: it is said, and mail goes on without. */
static void a_reserve_that_cannot_be_made_stops_nothing(void **state)
{
    AUTO(freep) char *bytes = local_store_body(1, TEST_FIRST_BYTES);
    struct slice body = slice_of(bytes, TEST_FIRST_BYTES);
    struct local_store store;
    char path[128];
    atomic_uint heard = 0;
    uint64_t id = 1;

    (void) state;
    local_store_make(&store);
    (void) snprintf(path, sizeof(path), "%s/ballast", store.path);
    assert_int_equal(mkdir(path, 0700), 0);
    log_set_sink(hear_of_ballast, &heard);
    local_store_open(&store);
    do /* ended by the runner if it never comes */
        local_store_wait(&store, local_store_put_body(&store, 1, id++, SLICE("append"), body));
    while (atomic_load(&heard) == 0);
    local_store_wait(&store, local_store_put_body(&store, 1, id, SLICE("append"), body));
    local_store_close(&store);
    log_set_sink(NULL, NULL);
    assert_int_equal(atomic_load(&heard), 1);
    local_store_open(&store);
    check_body(&store, 1, 1, TEST_FIRST_BYTES);
    local_store_remove(&store);
}

#define SMALL_BODY_BYTES 100u

/* What is known of each is in memory: that bounds how many may wait, small as they are. */
static void many_small_bodies_are_packed_early(void **state)
{
    enum { MANY = 40 };
    struct local_store store;
    struct engine_status status;

    (void) state;
    local_store_make(&store);
    store.options.unpacked_bodies = MANY / 2;
    local_store_open(&store);
    for (uint64_t id = 1; id <= MANY; id++) {
        AUTO(freep) char *bytes = local_store_body(id, SMALL_BODY_BYTES);

        local_store_wait(&store, local_store_put_body(&store, 1, id, SLICE("append"),
                                                      slice_of(bytes, SMALL_BODY_BYTES)));
    }
    do { /* ended by the runner if it never comes */
        (void) sched_yield();
        store.engine->ops->status(store.engine, &status);
    } while (status.unpacked_bytes > MANY / 2 * SMALL_BODY_BYTES);
    for (uint64_t id = 1; id <= MANY; id++)
        check_body(&store, 1, id, SMALL_BODY_BYTES);
    local_store_remove(&store);
}

#define KEPT_DIGEST_BYTES 4096u
#define MOVED_WITHIN_US   60000000 /* else it does not */

/* Of few letters, so that it shrinks. */
static char *kept_digest(uint64_t id)
{
    char *bytes = local_store_body(id, KEPT_DIGEST_BYTES);

    for (size_t i = 0; i < KEPT_DIGEST_BYTES; i++)
        bytes[i] = (char) ('a' + (bytes[i] & 3));
    return bytes;
}

/* The thread that moves has done so with this one. */
static void await_moved(const struct local_store *store, uint64_t account, uint64_t body_id)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct state *state = local_of(store->engine)->state;
    uint32_t version;
    struct slice stored;
    int64_t until_us = clock_mono_us() + MOVED_WITHIN_US;

    while (checkpoint_loose_digest(state, account, body_id, arena, &version, &stored, NULL) !=
           RC_OK) {
        assert_true(clock_mono_us() < until_us);
        (void) usleep(1000);
    }
}

/* 64 digests of 4 KiB where memory holds 8: each is there, in memory or moved, also after a
 * stop but for what was in memory then; and none after its account is gone. */
static void digests_beyond_memory_are_kept(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct local_store store;
    const struct engine_ops *ops;
    struct slice got;
    struct err err;
    size_t kept = 0;

    (void) state;
    local_store_make(&store);
    store.options.digest_memory_bytes = 8 * KEPT_DIGEST_BYTES;
    local_store_open(&store);
    ops = store.engine->ops;
    local_store_wait(&store, local_store_put(&store, 7, SLICE("first")));
    for (uint64_t id = 1; id <= 64; id++) {
        AUTO(freep) char *digest = kept_digest(id);

        put_digest(&store, 7, id, slice_of(digest, KEPT_DIGEST_BYTES));
        if (id > 8)
            await_moved(&store, 7, id - 8);
    }
    for (uint64_t id = 1; id <= 64; id++) {
        AUTO(freep) char *want = kept_digest(id);

        assert_int_equal(ops->digest_get(store.engine, 7, id, 1, DIGEST_GET_WHOLE, arena, &got),
                         RC_OK);
        assert_slice_equal(got, slice_of(want, KEPT_DIGEST_BYTES));
        assert_int_equal(ops->digest_get(store.engine, 7, id, 1, DIGEST_GET_LEAD, arena, &got),
                         RC_OK);
        assert_slice_equal(got, slice_of(want + KEPT_DIGEST_BYTES / 2, DIGEST_LEAD_BYTES));
        assert_int_equal(ops->digest_get(store.engine, 7, id, 2, DIGEST_GET_WHOLE, arena, &got),
                         RC_NOT_FOUND);
    }
    local_store_close(&store);
    local_store_open(&store);
    for (uint64_t id = 1; id <= 64; id++)
        kept += store.engine->ops->digest_get(store.engine, 7, id, 1, DIGEST_GET_WHOLE, arena,
                                              &got) == RC_OK;
    assert_true(kept >= 64 - 2 * 8);
    assert_int_equal(store.engine->ops->remove(store.engine, 7, &err), RC_OK);
    assert_int_equal(
        store.engine->ops->digest_get(store.engine, 7, 1, 1, DIGEST_GET_WHOLE, arena, &got),
        RC_NOT_FOUND);
    local_store_close(&store);
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_back_in_order_after_a_clean_stop),
        cmocka_unit_test(bodies_inline_and_spilled_come_back),
        cmocka_unit_test(a_checkpoint_replaces_the_groups_it_covers),
        cmocka_unit_test(a_removed_account_stays_away),
        cmocka_unit_test(uidvalidity_never_repeats),
        cmocka_unit_test(a_second_open_is_refused),
        cmocka_unit_test(what_is_too_much_is_refused_before_any_effect),
        cmocka_unit_test(commits_wait_for_checkpoints),
        cmocka_unit_test(nobody_waits_for_a_damaged_account),
        cmocka_unit_test(commits_wait_for_the_packer),
        cmocka_unit_test(a_reserve_that_cannot_be_made_stops_nothing),
        cmocka_unit_test(many_small_bodies_are_packed_early),
        cmocka_unit_test(digests_beyond_memory_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
