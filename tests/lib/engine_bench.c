/* engine_bench.c - see engine_bench.h. */
#include "lib/engine_bench.h"

static void on_durable(void *ctx, uint64_t account, uint64_t position)
{
    struct watch *watch = ctx;
    size_t at = 0;

    (void) pthread_mutex_lock(&watch->lock);
    while (at < watch->n && watch->accounts[at].account != account)
        at++;
    if (at == watch->n && watch->n < ACCOUNTS_WATCHED)
        watch->accounts[watch->n++].account = account;
    if (at < watch->n) {
        watch->went_back = watch->went_back || position <= watch->accounts[at].position;
        watch->accounts[at].position = position;
    }
    (void) pthread_cond_broadcast(&watch->changed);
    (void) pthread_mutex_unlock(&watch->lock);
}

static void on_nothing(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
}

static uint64_t durable_of(struct watch *watch, uint64_t account)
{
    for (size_t i = 0; i < watch->n; i++) {
        if (watch->accounts[i].account == account)
            return watch->accounts[i].position;
    }
    return 0;
}

void bench_wait_durable(struct bench *bench, uint64_t account, uint64_t position)
{
    (void) pthread_mutex_lock(&bench->watch.lock);
    while (durable_of(&bench->watch, account) < position)
        (void) pthread_cond_wait(&bench->watch.changed, &bench->watch.lock);
    (void) pthread_mutex_unlock(&bench->watch.lock);
}

void bench_open(struct bench *bench, const struct engine_fixture *fixture)
{
    struct engine_events events = {.durable = on_durable,
                                   .changed = on_nothing,
                                   .checkpoint_wanted = on_nothing,
                                   .ctx = &bench->watch};

    *bench = (struct bench){.fixture = fixture};
    (void) pthread_mutex_init(&bench->watch.lock, NULL);
    (void) pthread_cond_init(&bench->watch.changed, NULL);
    bench->arena = arena_new(ARENA_TEST_BYTES);
    bench->engine = fixture->open(fixture->ctx);
    assert_non_null(bench->engine);
    bench->engine->ops->start(bench->engine, &events);
}

void bench_forget(struct bench *bench)
{
    arena_free(bench->arena);
    assert_false(bench->watch.went_back);
    (void) pthread_cond_destroy(&bench->watch.changed);
    (void) pthread_mutex_destroy(&bench->watch.lock);
}

void bench_close(struct bench *bench)
{
    bench->engine->ops->close(bench->engine);
    bench_forget(bench);
}

/* Close and open again on the same storage. */
void bench_reopen(struct bench *bench)
{
    const struct engine_fixture *fixture = bench->fixture;

    bench_close(bench);
    bench_open(bench, fixture);
}

struct body_stage *bench_stage(struct bench *bench, uint64_t account, struct slice bytes)
{
    const struct engine_ops *ops = bench->engine->ops;
    struct body_stage *stage = NULL;
    struct err err;

    assert_int_equal(ops->stage(bench->engine, account, bytes.len, &stage, &err), RC_OK);
    for (size_t at = 0; at < bytes.len; at += 1000)
        assert_int_equal(ops->stage_write(stage, slice_sub(bytes, at, 1000), &err), RC_OK);
    assert_int_equal(ops->stage_length(stage), bytes.len);
    return stage;
}

/* One group, with a body if body_id is not 0; its position. */
uint64_t bench_commit(struct bench *bench, uint64_t account, uint64_t base,
                      struct slice records, uint64_t body_id, struct slice bytes)
{
    struct staged_body body = {.body_id = body_id, .mbox = 1, .uid = (uint32_t) body_id};
    struct commit_group group = {.account = account, .base = base, .records = records};
    uint64_t position = 0;
    struct err err = {0};

    if (body_id != 0) {
        body.stage = bench_stage(bench, account, bytes);
        group.bodies = &body;
        group.n_bodies = 1;
    }
    if (bench->engine->ops->commit(bench->engine, &group, 1, &position, &err) != RC_OK)
        fail_msg("commit: %s", err.detail);
    assert_true(position > base);
    return position;
}

void bench_assert_body(struct bench *bench, uint64_t account, uint64_t body_id,
                       struct slice want)
{
    const struct engine_ops *ops = bench->engine->ops;
    char *bytes = arena_alloc(bench->arena, want.len);
    struct body *body = NULL;
    struct err err;

    assert_int_equal(ops->body_open(bench->engine, account, body_id, &body, &err), RC_OK);
    assert_int_equal(ops->body_length(body), want.len);
    assert_int_equal(ops->body_read(body, 0, bytes, want.len, &err), RC_OK);
    assert_true(slice_eq(slice_of(bytes, want.len), want));
    ops->body_close(body);
}

void bench_assert_no_body(struct bench *bench, uint64_t account, uint64_t body_id)
{
    struct body *body = NULL;
    struct err err;

    assert_int_equal(
        bench->engine->ops->body_open(bench->engine, account, body_id, &body, &err),
        RC_NOT_FOUND);
    assert_null(body);
}

struct account_image bench_load(struct bench *bench, uint64_t account)
{
    struct account_image image = {0};
    struct err err;

    assert_int_equal(
        bench->engine->ops->load(bench->engine, account, bench->arena, &image, &err), RC_OK);
    return image;
}

/* Bytes that differ from place to place and from seed to seed. */
struct slice bench_pattern(struct bench *bench, size_t len, uint64_t seed)
{
    char *bytes = arena_alloc(bench->arena, len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char) ((i * 2654435761u + seed * 40503u) >> 7);
    return slice_of(bytes, len);
}
