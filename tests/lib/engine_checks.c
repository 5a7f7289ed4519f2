#include "lib/engine_checks.h"

#include <pthread.h>

#include "base/random.h"
#include "lib/engine_bench.h"

#define THREADS            8
#define COMMITS_PER_THREAD 50

void check_positions_grow_and_become_durable(void **state)
{
    uint64_t account = random_id(), position = 0;
    struct bench bench;
    struct account_image image;

    bench_open(&bench, *state);
    for (int i = 0; i < 20; i++)
        position = bench_commit(&bench, account, position, SLICE("records"), 0, SLICE(""));
    bench_wait_durable(&bench, account, position);
    image = bench_load(&bench, account);
    assert_int_equal(image.root.len, 0);
    assert_int_equal(image.root_position, 0);
    assert_int_equal(image.n_tail, 20);
    for (size_t i = 1; i < image.n_tail; i++)
        assert_true(image.tail[i].position > image.tail[i - 1].position);
    assert_int_equal(image.tail[19].position, position);
    bench_close(&bench);
}

void check_a_commit_is_whole_or_nothing(void **state)
{
    uint64_t account = random_id(), position, other = 0;
    struct bench bench;
    struct staged_body bodies[2] = {{.body_id = 7}, {.body_id = 8}};
    struct commit_group group = {.account = account, .bodies = bodies, .n_bodies = 2};
    char *too_long;
    struct err err;

    bench_open(&bench, *state);
    position = bench_commit(&bench, account, 0, SLICE("first"), 0, SLICE(""));
    too_long = arena_calloc(bench.arena, GROUP_RECORDS_MAX_BYTES + 1, 1);
    bodies[0].stage = bench_stage(&bench, account, SLICE("seven"));
    bodies[1].stage = bench_stage(&bench, account, SLICE("eight"));
    group.base = position;
    group.records = slice_of(too_long, GROUP_RECORDS_MAX_BYTES + 1);
    assert_int_equal(bench.engine->ops->commit(bench.engine, &group, 1, &other, &err),
                     RC_LIMIT);
    assert_int_equal(bench_load(&bench, account).n_tail, 1);
    bench_assert_no_body(&bench, account, 7);
    /* The stages are the caller's still: the same commit with records that fit takes them. */
    group.records = SLICE("second");
    assert_int_equal(bench.engine->ops->commit(bench.engine, &group, 1, &position, &err),
                     RC_OK);
    bench_assert_body(&bench, account, 7, SLICE("seven"));
    bench_assert_body(&bench, account, 8, SLICE("eight"));
    assert_slice_equal(bench_load(&bench, account).tail[1].records, SLICE("second"));
    bench_close(&bench);
}

void check_a_commit_of_several_accounts(void **state)
{
    uint64_t accounts[3] = {random_id(), random_id(), random_id()}, positions[3] = {0};
    struct commit_group groups[3];
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    for (size_t i = 0; i < 3; i++)
        groups[i] = (struct commit_group){.account = accounts[i], .records = SLICE("shared")};
    if ((bench.engine->ops->capabilities & ENGINE_MULTI_ACCT) != 0) {
        assert_int_equal(bench.engine->ops->commit(bench.engine, groups, 3, positions, &err),
                         RC_OK);
        for (size_t i = 0; i < 3; i++) {
            bench_wait_durable(&bench, accounts[i], positions[i]);
            assert_int_equal(bench_load(&bench, accounts[i]).n_tail, 1);
        }
    }
    bench_close(&bench);
}

void check_a_stale_base_is_a_conflict(void **state)
{
    uint64_t account = random_id(), position, other = 99;
    struct commit_group group = {.account = account, .records = SLICE("late")};
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    position = bench_commit(&bench, account, 0, SLICE("first"), 0, SLICE(""));
    if ((bench.engine->ops->capabilities & ENGINE_NO_CONFLICT) == 0) {
        assert_int_equal(bench.engine->ops->commit(bench.engine, &group, 1, &other, &err),
                         RC_CONFLICT);
        assert_int_equal(other, 99);
    }
    assert_int_equal(bench_load(&bench, account).n_tail, 1);
    (void) bench_commit(&bench, account, position, SLICE("second"), 0, SLICE(""));
    bench_close(&bench);
}

void check_bodies_are_read_in_ranges(void **state)
{
    /* Empty, small, around a page, around 64 KiB, and above what a group holds inline. */
    static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 1 << 20, 5 << 20};
    uint64_t account = random_id(), position = 0;
    struct bench bench;
    char range[100];
    struct err err;

    bench_open(&bench, *state);
    for (size_t i = 0; i < COUNT(lengths); i++)
        position = bench_commit(&bench, account, position, SLICE("append"), i + 1,
                                bench_pattern(&bench, lengths[i], i));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(lengths); i++) {
            struct slice want = bench_pattern(&bench, lengths[i], i);
            size_t from = lengths[i] / 2, len = MIN(sizeof(range), lengths[i] - from);
            struct body *body = NULL;

            bench_assert_body(&bench, account, i + 1, want);
            assert_int_equal(
                bench.engine->ops->body_open(bench.engine, account, i + 1, &body, &err), RC_OK);
            assert_int_equal(bench.engine->ops->body_read(body, from, range, len, &err), RC_OK);
            assert_true(slice_eq(slice_of(range, len), slice_sub(want, from, len)));
            bench.engine->ops->body_close(body);
        }
        bench_reopen(&bench);
    }
    bench_assert_no_body(&bench, account, COUNT(lengths) + 1);
    bench_assert_no_body(&bench, random_id(), 1);
    bench_close(&bench);
}

void check_an_open_body_is_pinned(void **state)
{
    uint64_t account = random_id(), position;
    struct bench bench;
    struct body *body = NULL;
    struct err err;
    char bytes[6];

    bench_open(&bench, *state);
    position = bench_commit(&bench, account, 0, SLICE("append"), 1, SLICE("pinned"));
    assert_int_equal(bench.engine->ops->body_open(bench.engine, account, 1, &body, &err),
                     RC_OK);
    bench_wait_durable(&bench, account, position);
    assert_int_equal(bench.engine->ops->remove(bench.engine, account, &err), RC_OK);
    bench_assert_no_body(&bench, account, 1);
    assert_int_equal(bench.engine->ops->body_read(body, 0, bytes, sizeof(bytes), &err), RC_OK);
    assert_slice_equal(slice_of(bytes, sizeof(bytes)), SLICE("pinned"));
    bench.engine->ops->body_close(body);
    bench.engine->ops->body_close(NULL);
    bench_close(&bench);
}

void check_a_stage_can_be_given_up(void **state)
{
    uint64_t account = random_id();
    struct bench bench;
    struct body_stage *stage;
    struct slice bytes;
    char range[50];
    struct err err;

    bench_open(&bench, *state);
    bytes = bench_pattern(&bench, 200000, 3);
    stage = bench_stage(&bench, account, bytes);
    assert_int_equal(bench.engine->ops->stage_read(stage, 100000, range, sizeof(range), &err),
                     RC_OK);
    assert_true(slice_eq(slice_of(range, sizeof(range)), slice_sub(bytes, 100000, 50)));
    bench.engine->ops->stage_free(stage);
    bench.engine->ops->stage_free(NULL);
    bench_assert_no_body(&bench, account, 1);
    bench_close(&bench);
}

/* Together above what goes into the journal; finished twice, freed or committed. */
void check_finished_stages_are_committed(void **state)
{
    uint64_t account = random_id(), position;
    struct staged_body bodies[3] = {{.body_id = 1}, {.body_id = 2}, {.body_id = 3}};
    struct commit_group group = {.account = account, .bodies = bodies, .n_bodies = 3};
    struct body_stage *stages[3];
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    for (size_t i = 0; i < 3; i++)
        stages[i] = bodies[i].stage =
            bench_stage(&bench, account, bench_pattern(&bench, 2 << 20, i));
    for (int i = 0; i < 2; i++)
        assert_int_equal(bench.engine->ops->stage_finish(bench.engine, stages, 3, &err), RC_OK);
    group.records = SLICE("append");
    assert_int_equal(bench.engine->ops->commit(bench.engine, &group, 1, &position, &err),
                     RC_OK);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++)
            bench_assert_body(&bench, account, i + 1, bench_pattern(&bench, 2 << 20, i));
        bench_reopen(&bench);
    }
    stages[0] = bench_stage(&bench, account, bench_pattern(&bench, 5 << 20, 4));
    assert_int_equal(bench.engine->ops->stage_finish(bench.engine, stages, 1, &err), RC_OK);
    bench.engine->ops->stage_free(stages[0]);
    bench_assert_no_body(&bench, account, 4);
    bench_close(&bench);
}

void check_load_after_close(void **state)
{
    uint64_t account = random_id(), position = 0;
    struct account_image image;
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    assert_int_equal(bench.engine->ops->load(bench.engine, account, bench.arena, &image, &err),
                     RC_NOT_FOUND);
    for (uint64_t i = 1; i <= 30; i++)
        position = bench_commit(&bench, account, position,
                                slice_from_str(arena_printf(bench.arena, "group %d", (int) i)),
                                i, bench_pattern(&bench, 3000, i));
    /* Not waited for: a clean stop makes durable what was handed in. */
    bench_reopen(&bench);
    image = bench_load(&bench, account);
    assert_int_equal(image.n_tail, 30);
    assert_int_equal(image.tail[29].position, position);
    for (uint64_t i = 1; i <= 30; i++) {
        assert_slice_equal(image.tail[i - 1].records,
                           slice_from_str(arena_printf(bench.arena, "group %d", (int) i)));
        bench_assert_body(&bench, account, i, bench_pattern(&bench, 3000, i));
    }
    (void) bench_commit(&bench, account, position, SLICE("goes on"), 0, SLICE(""));
    bench_close(&bench);
}

static enum rc read_page(struct bench *bench, uint64_t account, uint64_t number,
                         struct slice *out)
{
    struct err err;
    void *ctx;
    page_read_fn *read = bench->engine->ops->page_reader(bench->engine, account, &ctx);

    return read(ctx, number, bench->arena, out, &err);
}

void check_pages_replace_the_tail(void **state)
{
    uint64_t account = random_id(), position, covered;
    struct page puts[2] = {
        {1, SLICE("page one")},
        {2, SLICE("page two")}
    };
    struct page later[1] = {
        {3, SLICE("page three")}
    };
    uint64_t drops[1] = {1};
    struct page_batch first = {.root = SLICE("root one"), .puts = puts, .n_puts = 2};
    struct page_batch second = {
        .root = SLICE("root two"), .puts = later, .n_puts = 1, .drops = drops, .n_drops = 1};
    struct account_image image;
    struct slice page;
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    covered = bench_commit(&bench, account, 0, SLICE("covered"), 1, SLICE("body"));
    position = bench_commit(&bench, account, covered, SLICE("behind"), 0, SLICE(""));
    bench_wait_durable(&bench, account, position);
    assert_int_equal(
        bench.engine->ops->write_pages(bench.engine, account, covered, &first, &err), RC_OK);
    for (int round = 0; round < 2; round++) {
        image = bench_load(&bench, account);
        assert_slice_equal(image.root, SLICE("root one"));
        assert_int_equal(image.root_position, covered);
        assert_int_equal(image.n_tail, 1);
        assert_slice_equal(image.tail[0].records, SLICE("behind"));
        assert_int_equal(read_page(&bench, account, 1, &page), RC_OK);
        assert_slice_equal(page, SLICE("page one"));
        bench_reopen(&bench);
    }
    assert_int_equal(
        bench.engine->ops->write_pages(bench.engine, account, position, &second, &err), RC_OK);
    image = bench_load(&bench, account);
    assert_slice_equal(image.root, SLICE("root two"));
    assert_int_equal(image.n_tail, 0);
    assert_int_equal(read_page(&bench, account, 1, &page), RC_NOT_FOUND);
    assert_int_equal(read_page(&bench, account, 2, &page), RC_OK);
    assert_slice_equal(page, SLICE("page two"));
    assert_int_equal(read_page(&bench, account, 3, &page), RC_OK);
    bench_assert_body(&bench, account, 1, SLICE("body"));
    bench_close(&bench);
}

static void count_digest(void *ctx, size_t at, struct slice digest)
{
    size_t *told = ctx;

    assert_int_equal(at, 1);
    assert_slice_equal(digest, SLICE("digest text"));
    ++*told;
}

void check_digests_are_kept_by_version(void **state)
{
    const uint64_t ids[] = {2, 1, 3};
    uint64_t account = random_id();
    struct bench bench;
    const struct engine_ops *ops;
    const struct digest_bytes made = {1, SLICE("digest"), SLICE(" text")};
    const struct body_range leaf = {0, 4};
    struct slice digest = {0};
    size_t told = 0;
    const struct digest_scan scan = {.account = account,
                                     .version = 1,
                                     .wanted = DIGEST_GET_WHOLE,
                                     .ids = ids,
                                     .n = COUNT(ids),
                                     .seen = count_digest,
                                     .ctx = &told};

    bench_open(&bench, *state);
    ops = bench.engine->ops;
    (void) bench_commit(&bench, account, 0, SLICE("append"), 1, SLICE("body"));
    assert_int_equal(
        ops->digest_get(bench.engine, account, 1, 1, DIGEST_GET_WHOLE, bench.arena, &digest),
        RC_NOT_FOUND);
    ops->digest_put(bench.engine, account, 1, &made, &leaf, 1);
    /* Derived data may be lost, but never comes back as something else. */
    if (ops->digest_get(bench.engine, account, 1, 1, DIGEST_GET_CORE, bench.arena, &digest) ==
        RC_OK)
        assert_slice_equal(digest, SLICE("digest"));
    if (ops->digest_get(bench.engine, account, 1, 1, DIGEST_GET_TEXT, bench.arena, &digest) ==
        RC_OK)
        assert_slice_equal(digest, SLICE(" text"));
    if (ops->digest_get(bench.engine, account, 1, 1, DIGEST_GET_LEAD, bench.arena, &digest) ==
        RC_OK)
        assert_slice_equal(digest, SLICE(" text"));
    if (ops->digest_get(bench.engine, account, 1, 1, DIGEST_GET_WHOLE, bench.arena, &digest) ==
        RC_OK)
        assert_slice_equal(digest, SLICE("digest text"));
    assert_int_equal(
        ops->digest_get(bench.engine, account, 1, 2, DIGEST_GET_WHOLE, bench.arena, &digest),
        RC_NOT_FOUND);
    ops->digest_scan(bench.engine, &scan);
    assert_true(told <= 1);
    bench_close(&bench);
}

/* ---- derived blobs ---- */

static void put_derived(struct bench *bench, uint64_t account, const struct derived_name *name,
                        struct slice bytes)
{
    const struct engine_ops *ops = bench->engine->ops;
    struct derived_writer *writer = NULL;
    struct err err = {0};

    if (ops->derived_begin(bench->engine, account, name, &writer, &err) != RC_OK)
        fail_msg("derived_begin: %s", err.detail);
    for (size_t at = 0; at < bytes.len; at += 7001)
        assert_int_equal(ops->derived_write(writer, slice_sub(bytes, at, 7001), &err), RC_OK);
    if (ops->derived_finish(writer, &err) != RC_OK)
        fail_msg("derived_finish: %s", err.detail);
}

static struct derived *open_derived(struct bench *bench, uint64_t account,
                                    const struct derived_name *name)
{
    struct derived *derived = NULL;
    struct err err = {0};

    if (bench->engine->ops->derived_open(bench->engine, account, name, &derived, &err) != RC_OK)
        fail_msg("derived_open: %s", err.detail);
    return derived;
}

static void assert_derived(struct bench *bench, const struct derived *derived,
                           struct slice want)
{
    const struct engine_ops *ops = bench->engine->ops;
    const size_t cuts[] = {0, 1, 4095, 4096, 4097, 8192, 20000, want.len};
    char *bytes = arena_alloc(bench->arena, want.len + 1);
    struct err err;

    assert_int_equal(ops->derived_length(derived), want.len);
    for (size_t i = 0; i < COUNT(cuts); i++) {
        for (size_t j = i; j < COUNT(cuts) && cuts[j] <= want.len; j++) {
            size_t len = cuts[j] - cuts[i];

            assert_int_equal(ops->derived_read(derived, cuts[i], bytes, len, &err), RC_OK);
            assert_true(slice_eq(slice_of(bytes, len), slice_sub(want, cuts[i], len)));
        }
    }
    assert_int_equal(ops->derived_read(derived, want.len, bytes, 1, &err), RC_CORRUPT);
}

static bool count_derived(void *ctx, const struct derived_name *name)
{
    size_t *n = ctx;

    assert_true(name->from < name->to);
    (*n)++;
    return true;
}

static size_t derived_count(struct bench *bench, uint64_t account)
{
    struct err err;
    size_t n = 0;

    assert_int_equal(
        bench->engine->ops->derived_list(bench->engine, account, count_derived, &n, &err),
        RC_OK);
    return n;
}

void check_derived_blobs_are_whole_or_not_there(void **state)
{
    const struct derived_name a = {1, 1, 100}, b = {1, 100, 200}, c = {2, 1, 100};
    struct derived_writer *writer = NULL;
    struct derived *open, *none = NULL;
    struct bench bench;
    struct slice bytes, other;
    struct err err;

    bench_open(&bench, *state);
    (void) bench_commit(&bench, 81, 0, SLICE("x"), 0, SLICE(""));
    bytes = bench_pattern(&bench, 150001, 1);
    other = bench_pattern(&bench, 24576, 2);
    assert_int_equal(derived_count(&bench, 81), 0);
    put_derived(&bench, 81, &a, bytes);
    put_derived(&bench, 81, &b, SLICE(""));
    put_derived(&bench, 81, &c, other);
    assert_int_equal(derived_count(&bench, 81), 3);
    assert_int_equal(derived_count(&bench, 82), 0);

    /* one that is given up leaves what was there */
    assert_int_equal(bench.engine->ops->derived_begin(bench.engine, 81, &a, &writer, &err),
                     RC_OK);
    assert_int_equal(bench.engine->ops->derived_write(writer, other, &err), RC_OK);
    bench.engine->ops->derived_drop(writer);
    open = open_derived(&bench, 81, &a);
    assert_derived(&bench, open, bytes);

    /* an open one is pinned */
    put_derived(&bench, 81, &a, other);
    assert_derived(&bench, open, bytes);
    bench.engine->ops->derived_close(open);
    assert_int_equal(derived_count(&bench, 81), 3);
    bench_reopen(&bench);
    bytes = bench_pattern(&bench, 24576, 2);
    open = open_derived(&bench, 81, &a);
    assert_derived(&bench, open, bytes);
    assert_int_equal(bench.engine->ops->derived_remove(bench.engine, 81, &a, &err), RC_OK);
    assert_int_equal(bench.engine->ops->derived_remove(bench.engine, 81, &a, &err), RC_OK);
    assert_derived(&bench, open, bytes);
    bench.engine->ops->derived_close(open);
    assert_int_equal(bench.engine->ops->derived_open(bench.engine, 81, &a, &none, &err),
                     RC_NOT_FOUND);
    assert_int_equal(derived_count(&bench, 81), 2);
    assert_int_equal(bench.engine->ops->remove(bench.engine, 81, &err), RC_OK);
    assert_int_equal(derived_count(&bench, 81), 0);
    bench_close(&bench);
}

void check_uidvalidity_never_repeats(void **state)
{
    uint32_t first, next = 0;
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    for (int round = 0; round < 3; round++) {
        for (uint32_t n = 1; n <= 5; n++) {
            assert_int_equal(bench.engine->ops->uidvalidity(bench.engine, n, &first, &err),
                             RC_OK);
            assert_true(first > 0 && first >= next);
            next = first + n;
        }
        bench_reopen(&bench);
    }
    bench_close(&bench);
}

void check_remove_takes_everything(void **state)
{
    uint64_t account = random_id(), position;
    struct page put = {1, SLICE("page")};
    struct page_batch batch = {.root = SLICE("root"), .puts = &put, .n_puts = 1};
    struct account_image image;
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    position = bench_commit(&bench, account, 0, SLICE("append"), 1, SLICE("body"));
    bench_wait_durable(&bench, account, position);
    assert_int_equal(
        bench.engine->ops->write_pages(bench.engine, account, position, &batch, &err), RC_OK);
    assert_int_equal(bench.engine->ops->remove(bench.engine, account, &err), RC_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(
            bench.engine->ops->load(bench.engine, account, bench.arena, &image, &err),
            RC_NOT_FOUND);
        bench_assert_no_body(&bench, account, 1);
        bench_reopen(&bench);
    }
    bench_close(&bench);
}

struct seen {
    uint64_t wanted[4];
    unsigned times[4];
};

static bool see_account(void *ctx, uint64_t account)
{
    struct seen *seen = ctx;

    for (size_t i = 0; i < COUNT(seen->wanted); i++)
        seen->times[i] += seen->wanted[i] == account;
    return true;
}

void check_list_names_every_account_once(void **state)
{
    struct seen seen = {.times = {0}};
    struct bench bench;
    struct err err;

    bench_open(&bench, *state);
    for (size_t i = 0; i < COUNT(seen.wanted); i++) {
        seen.wanted[i] = random_id();
        if (i > 0)
            (void) bench_commit(&bench, seen.wanted[i], 0, SLICE("records"), 0, SLICE(""));
    }
    bench_reopen(&bench);
    assert_int_equal(bench.engine->ops->list(bench.engine, see_account, &seen, &err), RC_OK);
    assert_int_equal(seen.times[0], 0);
    for (size_t i = 1; i < COUNT(seen.wanted); i++)
        assert_int_equal(seen.times[i], 1);
    bench_close(&bench);
}

struct worker {
    pthread_t thread;
    struct engine *engine;
    uint64_t account, position;
    unsigned wrong;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct engine_ops *ops = worker->engine->ops;
    char bytes[300], back[300];
    struct err err;

    for (uint64_t i = 1; i <= COMMITS_PER_THREAD; i++) {
        struct staged_body staged = {.body_id = i};
        struct commit_group group = {.account = worker->account,
                                     .base = worker->position,
                                     .records = SLICE("records"),
                                     .bodies = &staged,
                                     .n_bodies = 1};
        struct body *body = NULL;

        memset(bytes, (int) (i + worker->account % 7), sizeof(bytes));
        worker->wrong +=
            ops->stage(worker->engine, worker->account, 0, &staged.stage, &err) != RC_OK;
        worker->wrong +=
            ops->stage_write(staged.stage, slice_of(bytes, sizeof(bytes)), &err) != RC_OK;
        worker->wrong +=
            ops->commit(worker->engine, &group, 1, &worker->position, &err) != RC_OK;
        if (ops->body_open(worker->engine, worker->account, i, &body, &err) != RC_OK) {
            worker->wrong++;
            continue;
        }
        worker->wrong += ops->body_read(body, 0, back, sizeof(back), &err) != RC_OK;
        worker->wrong += memcmp(bytes, back, sizeof(back)) != 0;
        ops->body_close(body);
    }
    return NULL;
}

void check_eight_threads(void **state)
{
    struct worker workers[THREADS];
    struct bench bench;

    bench_open(&bench, *state);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.engine = bench.engine, .account = random_id()};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        (void) pthread_join(workers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        bench_wait_durable(&bench, workers[i].account, workers[i].position);
        assert_int_equal(bench_load(&bench, workers[i].account).n_tail, COMMITS_PER_THREAD);
    }
    bench_close(&bench);
}

void check_a_crash_leaves_a_prefix(void **state)
{
    const struct engine_fixture *fixture = *state;
    uint64_t account = random_id(), kept, lost;
    struct account_image image;
    struct bench bench;

    if (fixture->crash == NULL)
        return;
    bench_open(&bench, fixture);
    kept = bench_commit(&bench, account, 0, SLICE("kept"), 1, SLICE("kept body"));
    bench_wait_durable(&bench, account, kept);
    if (fixture->hold != NULL)
        fixture->hold(fixture->ctx, bench.engine, true);
    lost = bench_commit(&bench, account, kept, SLICE("may be lost"), 2, SLICE("its body"));
    /* Taken, so it is there for its writer, durable or not. */
    bench_assert_body(&bench, account, 2, SLICE("its body"));
    fixture->crash(fixture->ctx, bench.engine);
    bench_forget(&bench);

    bench_open(&bench, fixture);
    image = bench_load(&bench, account);
    assert_true(image.n_tail == 1 || image.n_tail == 2);
    assert_int_equal(image.tail[0].position, kept);
    assert_slice_equal(image.tail[0].records, SLICE("kept"));
    bench_assert_body(&bench, account, 1, SLICE("kept body"));
    if (image.n_tail == 2) {
        assert_int_equal(image.tail[1].position, lost);
        bench_assert_body(&bench, account, 2, SLICE("its body"));
    } else {
        bench_assert_no_body(&bench, account, 2);
    }
    bench_close(&bench);
}
