/* test_hash_pool.c - every job is run and comes back; whose turn it is, and who finds no room.
 */
// links: auth
// lib: auth_place
// labels: concurrency
#include <unistd.h>

#include "auth/hash_pool.h"
#include "lib/auth_place.h"
#include "lib/test.h"

struct pool_test {
    struct hash_job job;
    struct loop *loop;
    int *n_run, *n_done;
    int stop_at;
};

static void pool_run(struct hash_job *job)
{
    struct pool_test *test = LINK_OWNER(job, struct pool_test, job);

    __atomic_add_fetch(test->n_run, 1, __ATOMIC_RELAXED);
}

static void pool_done(struct hash_job *job)
{
    struct pool_test *test = LINK_OWNER(job, struct pool_test, job);

    if (++*test->n_done == test->stop_at)
        loop_stop(test->loop);
}

static void every_job_taken_is_run_and_handed_back(void **state)
{
    static struct pool_test jobs[HASH_QUEUE_MAX + 8];
    struct hash_pool *pool = NULL;
    struct loop *loop = NULL;
    int n_run = 0, n_done = 0, n_taken = 0;

    (void) state;
    assert_int_equal(loop_new(&loop, NULL), RC_OK);
    assert_int_equal(hash_pool_new(loop, 3, &pool, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i] = (struct pool_test){
            .job = {.run = pool_run, .done = pool_done},
            .loop = loop,
            .n_run = &n_run,
            .n_done = &n_done,
            .stop_at = -1
        };
        if (hash_pool_submit(pool, &jobs[i].job, NULL) == RC_OK)
            n_taken++;
    }
    assert_true(n_taken >= (int) (HASH_QUEUE_MAX - HASH_QUEUE_KNOWN));
    while (n_done < n_taken)
        assert_int_equal(loop_turn(loop, 100000, NULL), RC_OK);
    assert_int_equal(n_run, n_taken);
    hash_pool_free(pool);
    loop_free(loop);
}

#define SLOTS 3

static int n_running, most_running;

/* Holds its slot until all are taken: so many run at once for certain, and one more would be
 * seen. */
static void pool_count(struct hash_job *job)
{
    struct pool_test *test = LINK_OWNER(job, struct pool_test, job);
    int now = __atomic_add_fetch(&n_running, 1, __ATOMIC_ACQ_REL);
    int most = __atomic_load_n(&most_running, __ATOMIC_ACQUIRE);

    while (now > most && !__atomic_compare_exchange_n(&most_running, &most, now, false,
                                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    while (__atomic_load_n(&most_running, __ATOMIC_ACQUIRE) < SLOTS)
        (void) usleep(100);
    (void) __atomic_sub_fetch(&n_running, 1, __ATOMIC_ACQ_REL);
    (void) __atomic_add_fetch(test->n_run, 1, __ATOMIC_RELAXED);
}

static void no_more_jobs_run_than_there_are_slots(void **state)
{
    static struct pool_test jobs[HASH_QUEUE_MAX];
    struct hash_pool *pool = NULL;
    struct loop *loop = NULL;
    int n_run = 0, n_done = 0, n_taken = 0;

    (void) state;
    assert_int_equal(loop_new(&loop, NULL), RC_OK);
    assert_int_equal(hash_pool_new(loop, SLOTS, &pool, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i] = (struct pool_test){
            .job = {.known = i % 2 == 0, .run = pool_count, .done = pool_done},
            .loop = loop,
            .n_run = &n_run,
            .n_done = &n_done,
            .stop_at = -1
        };
        n_taken += hash_pool_submit(pool, &jobs[i].job, NULL) == RC_OK;
    }
    while (n_done < n_taken)
        assert_int_equal(loop_turn(loop, 100000, NULL), RC_OK);
    assert_int_equal(most_running, SLOTS);
    assert_true(n_taken > 10 * SLOTS);
    hash_pool_free(pool);
    loop_free(loop);
}

static void pool_wait(struct hash_job *job)
{
    struct pool_test *test = LINK_OWNER(job, struct pool_test, job);

    while (__atomic_load_n(test->n_run, __ATOMIC_ACQUIRE) == 0)
        (void) usleep(100);
}

static void a_full_queue_is_an_answer(void **state)
{
    static struct pool_test jobs[HASH_QUEUE_MAX + 2];
    struct hash_pool *pool = NULL;
    struct loop *loop = NULL;
    int go = 0, n_done = 0;
    size_t n_taken = 0;

    (void) state;
    assert_int_equal(loop_new(&loop, NULL), RC_OK);
    assert_int_equal(hash_pool_new(loop, 1, &pool, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i] = (struct pool_test){
            .job = {.run = pool_wait, .done = pool_done},
            .loop = loop,
            .n_run = &go,
            .n_done = &n_done,
            .stop_at = -1
        };
        if (hash_pool_submit(pool, &jobs[i].job, NULL) == RC_OK)
            n_taken++;
    }
    assert_true(n_taken < COUNT(jobs)); /* the one slot is held, so the queue must fill */
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    hash_pool_free(pool); /* jobs that waited are dropped, none is left running */
    for (size_t i = 0; i < COUNT(jobs); i++)
        loop_cancel(loop, &jobs[i].job.call);
    loop_free(loop);
}

/* ---- a share of the pool for those who are known ---- */

struct order_test {
    struct hash_job job;
    char name;
};

static char order_run[HASH_QUEUE_MAX + 2];
static size_t n_order_run;
static int order_go, order_held;

static void order_first(struct hash_job *job)
{
    (void) job;
    __atomic_store_n(&order_held, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&order_go, __ATOMIC_ACQUIRE) == 0)
        (void) usleep(100);
}

static void order_note(struct hash_job *job)
{
    order_run[n_order_run] = LINK_OWNER(job, struct order_test, job)->name;
    (void) __atomic_add_fetch(&n_order_run, 1, __ATOMIC_RELEASE);
}

static void order_done(struct hash_job *job)
{
    (void) job;
}

/* A pool of one thread, held until order_go is set. */
static void order_start(struct loop **loop, struct hash_pool **pool, struct order_test *first)
{
    n_order_run = 0;
    __atomic_store_n(&order_go, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&order_held, 0, __ATOMIC_RELEASE);
    assert_int_equal(loop_new(loop, NULL), RC_OK);
    assert_int_equal(hash_pool_new(*loop, 1, pool, NULL), RC_OK);
    *first = (struct order_test){
        .job = {.run = order_first, .done = order_done},
          .name = 'F'
    };
    assert_int_equal(hash_pool_submit(*pool, &first->job, NULL), RC_OK);
    while (__atomic_load_n(&order_held, __ATOMIC_ACQUIRE) == 0)
        (void) usleep(100);
}

static enum rc order_submit(struct hash_pool *pool, struct order_test *test, bool known)
{
    *test = (struct order_test){
        .job = {.run = order_note, .done = order_done, .known = known},
        .name = known ? 'K' : 'S'
    };
    return hash_pool_submit(pool, &test->job, NULL);
}

static void order_end(struct loop *loop, struct hash_pool *pool, struct order_test *tests,
                      size_t n)
{
    hash_pool_free(pool);
    for (size_t i = 0; i < n; i++)
        loop_cancel(loop, &tests[i].job.call);
    loop_free(loop);
}

static void strangers_leave_room_for_those_who_are_known(void **state)
{
    static struct order_test tests[HASH_QUEUE_MAX + 2];
    struct hash_pool *pool = NULL;
    struct loop *loop = NULL;
    size_t n = 1, n_taken = 0;

    (void) state;
    order_start(&loop, &pool, &tests[0]);
    while (order_submit(pool, &tests[n], false) == RC_OK) /* until strangers have their share */
        n++;
    assert_int_equal(n - 1, HASH_QUEUE_MAX - HASH_QUEUE_KNOWN);
    while (order_submit(pool, &tests[n + n_taken], true) == RC_OK)
        n_taken++;
    assert_int_equal(n_taken, HASH_QUEUE_KNOWN);
    __atomic_store_n(&order_go, 1, __ATOMIC_RELEASE);
    order_end(loop, pool, tests, n + n_taken);
}

static void those_who_are_known_go_first_and_keep_nobody_out(void **state)
{
    static struct order_test tests[13];
    struct hash_pool *pool = NULL;
    struct loop *loop = NULL;

    (void) state;
    order_start(&loop, &pool, &tests[0]);
    for (size_t i = 1; i <= 6; i++)
        assert_int_equal(order_submit(pool, &tests[i], false), RC_OK);
    for (size_t i = 7; i <= 12; i++)
        assert_int_equal(order_submit(pool, &tests[i], true), RC_OK);
    __atomic_store_n(&order_go, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&n_order_run, __ATOMIC_ACQUIRE) < 12)
        (void) usleep(100);
    assert_slice_equal(slice_of(order_run, 12), SLICE("KKSKKKSKSSSS"));
    order_end(loop, pool, tests, COUNT(tests));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_taken_is_run_and_handed_back),
        cmocka_unit_test(no_more_jobs_run_than_there_are_slots),
        cmocka_unit_test(a_full_queue_is_an_answer),
        cmocka_unit_test(strangers_leave_room_for_those_who_are_known),
        cmocka_unit_test(those_who_are_known_go_first_and_keep_nobody_out),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
