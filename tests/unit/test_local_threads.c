/*
 * test_local_threads.c - many threads on one store while segments are packed and recycled
 * beneath them: every group and every byte is there, before and after a restart.
 */
// links: store_local
// labels: concurrency
// lib: local_store
#include <dirent.h>
#include <stdatomic.h>

#include "lib/local_store.h"
#include "lib/test.h"

#define THREADS       16
#define ROUNDS        60u
#define GROUP_BODIES  2u
#define BODY_MAX_TEST 60000u

struct worker {
    struct local_store *store;
    uint64_t account;
    pthread_t thread;
    uint64_t last; /* position of its last group */
    uint64_t root; /* position that its checkpoint covers */
    uint32_t n_groups;
    const char *failure;
};

static size_t body_length_of(uint64_t account, uint64_t body_id)
{
    return (size_t) ((account * 7919 + body_id * 104729) % BODY_MAX_TEST);
}

static const char *check_body(struct worker *worker, uint64_t body_id)
{
    const struct engine_ops *ops = worker->store->engine->ops;
    size_t len = body_length_of(worker->account, body_id);
    AUTO(freep) char *want = local_store_body(worker->account * 1000 + body_id, len);
    AUTO(freep) char *got = xmalloc(len + 1);
    struct body *body;
    enum rc rc;

    if (ops->body_open(worker->store->engine, worker->account, body_id, &body, NULL) != RC_OK)
        return "a body is missing";
    rc = ops->body_length(body) == len ? ops->body_read(body, 0, got, len, NULL) : RC_CORRUPT;
    ops->body_close(body);
    return rc == RC_OK && memcmp(got, want, len) == 0 ? NULL : "a body is wrong";
}

static const char *put_round(struct worker *worker, uint32_t round)
{
    const struct engine_ops *ops = worker->store->engine->ops;
    struct staged_body staged[GROUP_BODIES];
    struct commit_group group = {.account = worker->account,
                                 .base = worker->last,
                                 .bodies = staged,
                                 .n_bodies = GROUP_BODIES};
    char records[64];

    for (uint32_t i = 0; i < GROUP_BODIES; i++) {
        uint64_t body_id = (uint64_t) round * GROUP_BODIES + i + 1;
        size_t len = body_length_of(worker->account, body_id);
        AUTO(freep) char *bytes = local_store_body(worker->account * 1000 + body_id, len);

        staged[i] = (struct staged_body){.body_id = body_id, .mbox = 1, .uid = round + 1};
        if (ops->stage(worker->store->engine, worker->account, 0, &staged[i].stage, NULL) ||
            ops->stage_write(staged[i].stage, slice_of(bytes, len), NULL))
            return "a body cannot be staged";
    }
    (void) snprintf(records, sizeof(records), "round %u", round);
    group.records = slice_from_str(records);
    if (ops->commit(worker->store->engine, &group, 1, &worker->last, NULL) != RC_OK)
        return "a commit failed";
    worker->n_groups++;
    return NULL;
}

static const char *checkpoint(struct worker *worker)
{
    struct page_batch batch = {.root = slice_of(&worker->n_groups, sizeof(worker->n_groups))};

    if (worker->store->engine->ops->write_pages(worker->store->engine, worker->account,
                                                worker->last, &batch, NULL) != RC_OK)
        return "a checkpoint failed";
    worker->root = worker->last;
    return NULL;
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    for (uint32_t round = 0; round < ROUNDS && worker->failure == NULL; round++) {
        worker->failure = put_round(worker, round);
        if (worker->failure == NULL)
            worker->failure = check_body(worker, (uint64_t) (round / 2) * GROUP_BODIES + 1);
        if (worker->failure == NULL && round % 8 == 7)
            worker->failure = checkpoint(worker);
    }
    return NULL;
}

static void check_account(struct worker *worker)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct account_image image;
    struct err err;
    uint32_t n_covered = 0;
    char want[64];

    assert_int_equal(worker->store->engine->ops->load(worker->store->engine, worker->account,
                                                      arena, &image, &err),
                     RC_OK);
    assert_int_equal(image.root_position, worker->root);
    assert_int_equal(image.root.len, sizeof(n_covered));
    memcpy(&n_covered, image.root.ptr, sizeof(n_covered));
    assert_int_equal(n_covered + image.n_tail, ROUNDS);
    for (size_t i = 0; i < image.n_tail; i++) {
        (void) snprintf(want, sizeof(want), "round %zu", n_covered + i);
        assert_slice_equal(image.tail[i].records, slice_from_str(want));
    }
    for (uint64_t id = 1; id <= (uint64_t) ROUNDS * GROUP_BODIES; id++)
        assert_null(check_body(worker, id));
}

static unsigned count_files(const struct local_store *store, const char *folder)
{
    char path[128];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/%s", store->path, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    (void) closedir(dir);
    return n;
}

static void sixteen_threads_lose_nothing(void **state)
{
    static struct worker workers[THREADS];
    struct local_store store;

    (void) state;
    local_store_make(&store);
    store.options.stage_memory_bytes = 256 << 10; /* so that some spill */
    local_store_open(&store);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = &store, .account = i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void) pthread_join(workers[i].thread, NULL);
        if (workers[i].failure != NULL)
            fail_msg("account %u: %s", i + 1, workers[i].failure);
    }
    for (int life = 0; life < 2; life++) {
        for (unsigned i = 0; i < THREADS; i++)
            check_account(&workers[i]);
        assert_true(count_files(&store, "packs") > 0);
        local_store_close(&store);
        local_store_open(&store);
    }
    local_store_remove(&store);
}

/* What nothing needs is reused: many times the journal's size goes through few segments. */
static void segments_are_recycled_but_not_under_a_reader(void **state)
{
    AUTO(freep) char *bytes = local_store_body(1, 30000);
    AUTO(freep) char *got = xmalloc(30000);
    struct local_store store;
    struct worker worker = {.store = &store, .account = 1};
    struct engine_status status;
    struct body *body;

    (void) state;
    local_store_make(&store);
    store.options.unpacked_max_bytes = (uint64_t) 8 << 20;
    local_store_open(&store);
    worker.last = local_store_put_body(&store, 1, 1, SLICE("r"), slice_of(bytes, 30000));
    assert_int_equal(store.engine->ops->body_open(store.engine, 1, 1, &body, NULL), RC_OK);
    for (uint64_t id = 2; id < 800; id++) {
        worker.last = local_store_put_body(&store, 1, id, SLICE("r"), slice_of(bytes, 30000));
        if (id % 50 == 0)
            assert_null(checkpoint(&worker));
        if (id == 400) { /* 12 MB behind the pinned one */
            assert_int_equal(store.engine->ops->body_read(body, 0, got, 30000, NULL), RC_OK);
            assert_memory_equal(got, bytes, 30000);
            store.engine->ops->status(store.engine, &status);
            assert_true(status.journal_bytes > 400 * 30000);
            store.engine->ops->body_close(body);
        }
    }
    assert_null(checkpoint(&worker));
    local_store_close(&store);
    local_store_open(&store);
    for (uint64_t id = 1; id < 800; id++) {
        assert_int_equal(store.engine->ops->body_open(store.engine, 1, id, &body, NULL), RC_OK);
        assert_int_equal(store.engine->ops->body_read(body, 0, got, 30000, NULL), RC_OK);
        assert_memory_equal(got, bytes, 30000);
        store.engine->ops->body_close(body);
    }
    assert_true(count_files(&store, "log") < 20); /* 24 MB would be 24 of them */
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_threads_lose_nothing),
        cmocka_unit_test(segments_are_recycled_but_not_under_a_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
