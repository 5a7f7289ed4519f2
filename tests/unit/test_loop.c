/* test_loop.c - descriptors, timers, deferred calls and calls from other threads. */
// links: net
// labels: concurrency
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/test.h"
#include "net/loop.h"

#define START_US 1000000

static struct loop *loop_at_start(void)
{
    struct loop *loop = NULL;
    struct err err;

    clock_set_for_test(START_US);
    assert_int_equal(loop_new(&loop, &err), RC_OK);
    return loop;
}

static void turn(struct loop *loop)
{
    struct err err;

    assert_int_equal(loop_turn(loop, 0, &err), RC_OK);
}

static void end(struct loop *loop)
{
    loop_free(loop);
    clock_set_for_test(0);
}

static void count(void *ctx)
{
    ++*(int *) ctx;
}

/* --- descriptors --- */

struct watcher {
    struct loop *loop;
    struct loop_fd watch;
    struct watcher *victim; /* taken out when this one hears something */
    int fd, n;
    unsigned ready;
};

static void hear(void *ctx, unsigned ready)
{
    struct watcher *w = ctx;

    w->n++;
    w->ready = ready;
    if (w->victim != NULL)
        loop_remove(w->loop, &w->victim->watch);
}

static void watch(struct watcher *w, struct loop *loop, int fd, unsigned wants)
{
    struct err err;

    *w = (struct watcher){.loop = loop, .fd = fd};
    assert_int_equal(loop_add(loop, &w->watch, fd, wants, hear, w, &err), RC_OK);
}

static void a_watch_hears_what_it_wants(void **state)
{
    struct loop *loop = loop_at_start();
    struct watcher w;
    int fds[2];

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    watch(&w, loop, fds[0], LOOP_IN);
    turn(loop);
    assert_int_equal(w.n, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    turn(loop);
    assert_int_equal(w.ready, LOOP_IN);
    loop_want(loop, &w.watch, LOOP_OUT);
    turn(loop);
    assert_int_equal(w.ready, LOOP_OUT);
    loop_want(loop, &w.watch, 0);
    close(fds[1]);
    turn(loop);
    assert_int_equal(w.n, 2); /* a paused watch hears no hang-up */
    loop_want(loop, &w.watch, LOOP_IN);
    turn(loop);
    assert_int_equal(w.ready, LOOP_IN | LOOP_ERR);
    loop_remove(loop, &w.watch);
    turn(loop);
    assert_int_equal(w.n, 3);
    close(fds[0]);
    end(loop);
}

static void an_end_is_heard_over_what_is_not_read(void **state)
{
    struct loop *loop = loop_at_start();
    struct watcher w;
    int fds[2];

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    watch(&w, loop, fds[0], LOOP_END);
    assert_int_equal(write(fds[1], "x", 1), 1);
    turn(loop);
    assert_int_equal(w.n, 0);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    turn(loop);
    assert_int_equal(w.ready, LOOP_END);
    close(fds[1]);
    turn(loop);
    assert_int_equal(w.ready, LOOP_END | LOOP_ERR);
    loop_remove(loop, &w.watch);
    close(fds[0]);
    end(loop);
}

static void a_removed_watch_hears_nothing_already_fetched(void **state)
{
    struct loop *loop = loop_at_start();
    struct watcher a, b;
    int fds[2], more[2];

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, more), 0);
    watch(&a, loop, fds[0], LOOP_OUT);
    watch(&b, loop, more[0], LOOP_OUT);
    a.victim = &b;
    b.victim = &a;
    turn(loop); /* both are ready in one batch; whichever comes first silences the other */
    assert_int_equal(a.n + b.n, 1);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(more[i]);
    }
    end(loop);
}

static void an_exclusive_watch_can_pause(void **state)
{
    struct loop *loop = loop_at_start();
    struct watcher w;
    int fds[2];

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    watch(&w, loop, fds[0], LOOP_IN | LOOP_EXCLUSIVE);
    turn(loop);
    assert_int_equal(w.n, 1);
    loop_want(loop, &w.watch, 0);
    turn(loop);
    assert_int_equal(w.n, 1);
    loop_want(loop, &w.watch, LOOP_IN | LOOP_EXCLUSIVE);
    turn(loop);
    assert_int_equal(w.n, 2);
    loop_remove(loop, &w.watch);
    close(fds[0]);
    close(fds[1]);
    end(loop);
}

/* All are ready in every turn, so each has its place in one of them. */
static void who_goes_first_waits_for_few_others(void **state)
{
    enum { N_OTHERS = 5 * LOOP_OTHERS_MAX };
    struct loop *loop = loop_at_start();
    static struct watcher others[N_OTHERS], first;
    int fds[2], unheard = N_OTHERS;

    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < N_OTHERS; i++)
        watch(&others[i], loop, dup(fds[0]), LOOP_OUT);
    turn(loop);
    for (int i = 0; i < N_OTHERS; i++)
        assert_int_equal(others[i].n, 1); /* nobody goes first, so all are heard */
    watch(&first, loop, fds[1], LOOP_OUT | LOOP_FIRST);
    for (int turns = 1; unheard > 0 && turns <= N_OTHERS; turns++) {
        turn(loop);
        assert_int_equal(first.n, turns);
        unheard = 0;
        for (int i = 0; i < N_OTHERS; i++)
            unheard += others[i].n == 1;
        assert_true(unheard >= N_OTHERS - turns * LOOP_OTHERS_MAX);
    }
    assert_int_equal(unheard, 0);
    loop_remove(loop, &first.watch);
    for (int i = 0; i < N_OTHERS; i++)
        others[i].n = 0;
    turn(loop);
    for (int i = 0; i < N_OTHERS; i++) {
        assert_int_equal(others[i].n, 1);
        loop_remove(loop, &others[i].watch);
        close(others[i].fd);
    }
    close(fds[0]);
    close(fds[1]);
    end(loop);
}

static void a_bad_descriptor_is_refused(void **state)
{
    struct loop *loop = loop_at_start();
    struct loop_fd watched = {0};
    struct err err;

    (void) state;
    assert_int_equal(loop_add(loop, &watched, -1, LOOP_IN, hear, NULL, &err), RC_IO);
    assert_false(watched.added);
    end(loop);
}

/* --- timers --- */

#define MANY_TIMERS 100000u

struct order {
    int64_t last_due;
    size_t n;
    bool in_order;
};

struct ticking {
    struct timer timer;
    struct order *order;
};

static void tick(void *ctx)
{
    struct ticking *t = ctx;

    t->order->in_order = t->order->in_order && t->timer.due_us >= t->order->last_due;
    t->order->last_due = t->timer.due_us;
    t->order->n++;
}

static void many_timers_run_in_order(void **state)
{
    struct loop *loop = loop_at_start();
    struct ticking *timers = xcalloc(MANY_TIMERS, sizeof(*timers));
    struct order order = {.in_order = true};
    uint32_t seed = 1;

    (void) state;
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        timers[i].order = &order;
        seed = seed * 1664525u + 1013904223u;
        timer_start(loop, &timers[i].timer, seed % 1000000, tick, &timers[i]);
    }
    for (size_t i = 0; i < MANY_TIMERS; i += 3)
        timer_stop(loop, &timers[i].timer);
    for (size_t i = 1; i < MANY_TIMERS; i += 3)
        timer_start(loop, &timers[i].timer, (int64_t) i, tick, &timers[i]);
    clock_set_for_test(START_US + 1000000);
    turn(loop);
    assert_true(order.in_order);
    assert_int_equal(order.n, MANY_TIMERS - (MANY_TIMERS + 2) / 3);
    for (size_t i = 0; i < MANY_TIMERS; i++)
        assert_false(timer_is_running(&timers[i].timer));
    free(timers);
    end(loop);
}

static void a_timer_waits_for_its_moment(void **state)
{
    struct loop *loop = loop_at_start();
    struct timer timer = {0};
    int n = 0;

    (void) state;
    timer_start(loop, &timer, 500, count, &n);
    clock_set_for_test(START_US + 499);
    turn(loop);
    assert_int_equal(n, 0);
    clock_set_for_test(START_US + 500);
    turn(loop);
    assert_int_equal(n, 1);
    turn(loop);
    assert_int_equal(n, 1);
    end(loop);
}

struct again {
    struct loop *loop;
    struct timer timer;
    struct loop_call call;
    int n;
};

static void start_again(void *ctx)
{
    struct again *a = ctx;

    a->n++;
    timer_start(a->loop, &a->timer, 0, start_again, a);
}

static void a_timer_that_restarts_itself_lets_the_turn_end(void **state)
{
    struct loop *loop = loop_at_start();
    struct again a = {.loop = loop};

    (void) state;
    timer_start(loop, &a.timer, 0, start_again, &a);
    turn(loop);
    assert_int_equal(a.n, 1);
    turn(loop);
    assert_int_equal(a.n, 2);
    timer_stop(loop, &a.timer);
    end(loop);
}

/* --- calls --- */

static void defer_again(void *ctx)
{
    struct again *a = ctx;

    a->n++;
    loop_defer(a->loop, &a->call, defer_again, a);
}

static void a_deferred_call_runs_once_a_turn(void **state)
{
    struct loop *loop = loop_at_start();
    struct again a = {.loop = loop};
    struct loop_call once = {0}, never = {0};
    int n = 0, not_run = 0;

    (void) state;
    loop_defer(loop, &a.call, defer_again, &a);
    loop_defer(loop, &once, count, &n);
    loop_defer(loop, &once, count, &n);
    loop_defer(loop, &never, count, &not_run);
    loop_cancel(loop, &never);
    turn(loop);
    assert_int_equal(a.n, 1);
    assert_int_equal(n, 1);
    turn(loop);
    assert_int_equal(a.n, 2);
    assert_int_equal(n, 1);
    assert_int_equal(not_run, 0);
    loop_cancel(loop, &a.call);
    end(loop);
}

#define POSTS 1000

struct poster {
    struct loop *loop;
    struct loop_call calls[POSTS];
    int n; /* changed by the loop's thread alone */
};

static void count_post(void *ctx)
{
    struct poster *p = ctx;

    if (++p->n == POSTS)
        loop_stop(p->loop);
}

static void *post_all(void *ctx)
{
    struct poster *p = ctx;

    for (size_t i = 0; i < POSTS; i++)
        loop_post(p->loop, &p->calls[i], count_post, p);
    return NULL;
}

static void calls_come_from_another_thread(void **state)
{
    struct loop *loop = NULL;
    struct poster *p = xcalloc(1, sizeof(*p));
    struct err err;
    pthread_t thread;

    (void) state;
    assert_int_equal(loop_new(&loop, &err), RC_OK);
    p->loop = loop;
    assert_int_equal(pthread_create(&thread, NULL, post_all, p), 0);
    assert_int_equal(loop_run(loop, &err), RC_OK); /* ends only if every post wakes it */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(p->n, POSTS);
    loop_free(loop);
    free(p);
}

static void a_posted_call_can_be_taken_back(void **state)
{
    struct loop *loop = loop_at_start();
    struct loop_call call = {0};
    int n = 0;

    (void) state;
    loop_post(loop, &call, count, &n);
    loop_cancel(loop, &call);
    turn(loop);
    assert_int_equal(n, 0);
    loop_post(loop, &call, count, &n);
    loop_post(loop, &call, count, &n);
    turn(loop);
    assert_int_equal(n, 1);
    end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_hears_what_it_wants),
        cmocka_unit_test(an_end_is_heard_over_what_is_not_read),
        cmocka_unit_test(a_removed_watch_hears_nothing_already_fetched),
        cmocka_unit_test(an_exclusive_watch_can_pause),
        cmocka_unit_test(who_goes_first_waits_for_few_others),
        cmocka_unit_test(a_bad_descriptor_is_refused),
        cmocka_unit_test(many_timers_run_in_order),
        cmocka_unit_test(a_timer_waits_for_its_moment),
        cmocka_unit_test(a_timer_that_restarts_itself_lets_the_turn_end),
        cmocka_unit_test(a_deferred_call_runs_once_a_turn),
        cmocka_unit_test(calls_come_from_another_thread),
        cmocka_unit_test(a_posted_call_can_be_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
