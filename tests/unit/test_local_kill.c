/*
 * test_local_kill.c - kill -9 under load: a child commits from several threads and writes down
 * in a pipe what was reported durable; the parent kills it after a number of lines chosen by a
 * seed, opens the store and looks for every line.
 */
// links: store_local
// lib: local_store
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"

#define ROUNDS      10u
#define WRITERS     4u
#define KILL_SEED   20240229u
#define BODY_LENGTH 9000u

/* One line of the pipe: shorter than PIPE_BUF, so lines of threads do not mix. */
struct line {
    uint64_t account, count, position;
};

struct writer {
    struct local_store *store;
    uint64_t account, count, last;
    int pipe;
    pthread_t thread;
};

/* Every fourth group carries a body; every sixteenth is followed by a checkpoint, so that
 * packing and recycling are under way when the kill comes. */
static void *writer_main(void *arg)
{
    struct writer *writer = arg;
    AUTO(freep) char *bytes = local_store_body(writer->account, BODY_LENGTH);

    for (;;) {
        struct line line = {writer->account, ++writer->count, 0};
        struct slice records = slice_of(&line.count, sizeof(line.count));

        if (line.count % 4 == 0)
            line.position = local_store_put_body(writer->store, line.account, line.count,
                                                 records, slice_of(bytes, BODY_LENGTH));
        else
            line.position = local_store_put(writer->store, line.account, records);
        local_store_wait(writer->store, line.position);
        if (write(writer->pipe, &line, sizeof(line)) != (ssize_t) sizeof(line))
            _exit(1);
        if (line.count % 16 == 0) {
            struct page_batch batch = {.root = records};

            if (writer->store->engine->ops->write_pages(writer->store->engine, line.account,
                                                        line.position, &batch, NULL) != RC_OK)
                _exit(2);
        }
    }
    return NULL;
}

_Noreturn static void child_main(struct local_store *store, const uint64_t *counts, int out)
{
    static struct writer writers[WRITERS];

    local_store_open(store);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] =
            (struct writer){.store = store, .account = i + 1, .count = counts[i], .pipe = out};
        if (pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]) != 0)
            _exit(3);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        (void) pthread_join(writers[i].thread, NULL);
    _exit(4);
}

/* Reads lines until the child is gone; kills it after n. */
static void run_child(struct local_store *store, uint64_t *counts, unsigned n)
{
    int ends[2], status;
    struct line line;
    unsigned seen = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void) close(ends[0]);
        child_main(store, counts, ends[1]);
    }
    (void) close(ends[1]);
    while (read(ends[0], &line, sizeof(line)) == (ssize_t) sizeof(line)) {
        assert_in_range(line.account, 1, WRITERS);
        counts[line.account - 1] = line.count;
        if (++seen == n)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    (void) close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint64_t number_of(struct slice bytes)
{
    uint64_t number = 0;

    assert_int_equal(bytes.len, sizeof(number));
    memcpy(&number, bytes.ptr, sizeof(number));
    return number;
}

static void check_bodies(struct local_store *store, uint64_t account, uint64_t count)
{
    AUTO(freep) char *want = local_store_body(account, BODY_LENGTH);
    AUTO(freep) char *got = xmalloc(BODY_LENGTH);
    struct body *body;

    for (uint64_t id = 4; id <= count; id += 4) {
        assert_int_equal(store->engine->ops->body_open(store->engine, account, id, &body, NULL),
                         RC_OK);
        assert_int_equal(store->engine->ops->body_read(body, 0, got, BODY_LENGTH, NULL), RC_OK);
        assert_memory_equal(got, want, BODY_LENGTH);
        store->engine->ops->body_close(body);
    }
}

/* The account holds 1, 2, ... without a gap, at least to *count; what is beyond was committed
 * but not yet written down. */
static void check_account(struct local_store *store, uint64_t account, uint64_t *count)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct account_image image = {0};
    struct err err;
    uint64_t next = 1;
    enum rc rc = store->engine->ops->load(store->engine, account, arena, &image, &err);

    if (rc == RC_NOT_FOUND && *count == 0)
        return;
    if (rc != RC_OK)
        fail_msg("load: %s", err.detail);
    if (image.root.len > 0)
        next = number_of(image.root) + 1;
    for (size_t i = 0; i < image.n_tail; i++)
        assert_int_equal(number_of(image.tail[i].records), next++);
    assert_true(next > *count);
    *count = next - 1;
    check_bodies(store, account, *count);
}

static void nothing_acknowledged_is_lost(void **state)
{
    uint64_t counts[WRITERS] = {0}, random = KILL_SEED;
    struct local_store store;

    (void) state;
    print_message("seed %u\n", KILL_SEED);
    local_store_make(&store);
    for (unsigned round = 0; round < ROUNDS; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        run_child(&store, counts, 1 + (unsigned) (random >> 33) % 700);
        local_store_open(&store);
        for (unsigned i = 0; i < WRITERS; i++)
            check_account(&store, i + 1, &counts[i]);
        local_store_close(&store);
    }
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
