/* test_pace.c - a thread behind everything else gives way to what is at work in front, and has
 * its share all the same. The clock stands still, so nothing here depends on the time. */
// links: base
#include <sched.h>

#include "base/clock.h"
#include "base/pace.h"
#include "lib/test.h"

#define NOW_US    ((int64_t) 1000000)
#define LOOKS_MIN 5u

struct worker {
    struct pace pace;
    struct pace_front front;
    pthread_t thread;
    _Atomic bool is_done;
    bool goes_on;
};

static void worker_init(struct worker *worker)
{
    *worker = (struct worker){.goes_on = false};
    clock_set_for_test(NOW_US);
    pace_init(&worker->pace);
    worker->pace.front = &worker->front;
    assert_true(pace_rest(&worker->pace, false)); /* the slice begins */
}

static void worker_done(struct worker *worker)
{
    pace_done(&worker->pace);
    clock_set_for_test(0);
}

static void *rest(void *ctx)
{
    struct worker *worker = ctx;

    worker->goes_on = pace_rest(&worker->pace, false);
    atomic_store(&worker->is_done, true);
    return NULL;
}

/* It rests, and goes on looking whether it may work again. */
static void begin_rest(struct worker *worker)
{
    uint32_t looks = atomic_load(&worker->pace.n_looks);

    assert_int_equal(pthread_create(&worker->thread, NULL, rest, worker), 0);
    while (atomic_load(&worker->pace.n_looks) < looks + LOOKS_MIN)
        (void) sched_yield();
    assert_false(atomic_load(&worker->is_done));
}

static void end_rest(struct worker *worker)
{
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
    assert_true(atomic_load(&worker->is_done));
}

static void works_a_slice_without_a_rest(void **state)
{
    struct worker worker;

    (void) state;
    worker_init(&worker);
    clock_set_for_test(NOW_US + PACE_SLICE_US - 1);
    assert_true(pace_rest(&worker.pace, false));
    assert_int_equal(atomic_load(&worker.pace.n_looks), 0);
    worker_done(&worker);
}

/* A slice ends; does it rest? */
static bool rests_at(struct worker *worker, int64_t us)
{
    uint32_t n = atomic_load(&worker->pace.n_rests);

    clock_set_for_test(us);
    assert_true(pace_rest(&worker->pace, false));
    return atomic_load(&worker->pace.n_rests) > n;
}

static void works_without_rests_when_it_was_quiet_for_a_while(void **state)
{
    int64_t slice_us = NOW_US + PACE_SLICE_US, quiet_us = slice_us + PACE_QUIET_US, next_us;
    struct worker worker;

    (void) state;
    worker_init(&worker);
    assert_true(rests_at(&worker, slice_us));
    worker.pace.slice_us = quiet_us - 1 - PACE_SLICE_US;
    assert_true(rests_at(&worker, quiet_us - 1));
    worker.pace.slice_us = quiet_us - PACE_SLICE_US;
    assert_false(rests_at(&worker, quiet_us));
    assert_false(rests_at(&worker, quiet_us + PACE_SLICE_US));
    pace_front_note(&worker.front, true);
    pace_front_note(&worker.front, false);
    next_us = quiet_us + 2 * (int64_t) PACE_SLICE_US;
    assert_true(rests_at(&worker, next_us));
    worker_done(&worker);
}

/* In the middle of a slice, and for as long as it takes: no time goes by here. */
static void gives_way_until_nobody_is_in_front(void **state)
{
    struct worker worker;

    (void) state;
    worker_init(&worker);
    pace_front_note(&worker.front, true);
    pace_front_note(&worker.front, true);
    begin_rest(&worker);
    pace_front_note(&worker.front, false);
    assert_true(pace_front_is_busy(&worker.front));
    pace_front_note(&worker.front, false);
    end_rest(&worker);
    assert_true(worker.goes_on);
    worker_done(&worker);
}

/* Somebody is always in front: a slice is due after so many, whole, and then it gives way
 * again.
 */
static void never_starves(void **state)
{
    int64_t bound_us = (int64_t) PACE_SLICE_US * PACE_FRONT_PARTS, now_us = NOW_US;
    struct worker worker;

    (void) state;
    worker_init(&worker);
    pace_front_note(&worker.front, true);
    for (int slice = 0; slice < 3; slice++) {
        atomic_store(&worker.is_done, false);
        begin_rest(&worker);
        now_us += bound_us;
        clock_set_for_test(now_us);
        end_rest(&worker);
        assert_true(worker.goes_on);
        for (int64_t us = 1; us < PACE_SLICE_US; us += PACE_SLICE_US / 3) {
            uint32_t looks = atomic_load(&worker.pace.n_looks);

            clock_set_for_test(now_us + us); /* pieces of the slice */
            assert_true(pace_rest(&worker.pace, false));
            assert_int_equal(atomic_load(&worker.pace.n_looks), looks);
        }
        now_us += PACE_SLICE_US;
        clock_set_for_test(now_us);
    }
    pace_front_note(&worker.front, false);
    worker_done(&worker);
}

static void does_not_rest_under_pressure(void **state)
{
    struct worker worker;

    (void) state;
    worker_init(&worker);
    pace_front_note(&worker.front, true);
    clock_set_for_test(NOW_US + 10 * PACE_SLICE_US);
    assert_true(pace_rest(&worker.pace, true));
    assert_int_equal(atomic_load(&worker.pace.n_looks), 0);
    worker_done(&worker);
}

static void ends_while_it_gives_way(void **state)
{
    struct worker worker;

    (void) state;
    worker_init(&worker);
    pace_front_note(&worker.front, true);
    begin_rest(&worker);
    pace_end(&worker.pace);
    end_rest(&worker);
    assert_false(worker.goes_on);
    worker_done(&worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_a_slice_without_a_rest),
        cmocka_unit_test(works_without_rests_when_it_was_quiet_for_a_while),
        cmocka_unit_test(gives_way_until_nobody_is_in_front),
        cmocka_unit_test(never_starves),
        cmocka_unit_test(does_not_rest_under_pressure),
        cmocka_unit_test(ends_while_it_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
