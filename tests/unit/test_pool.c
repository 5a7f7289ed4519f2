/* test_pool.c - one thread at a time runs a member, and no wake is lost. */
// links: net
// labels: concurrency
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/test.h"
#include "net/pool.h"

#define N_MEMBERS 32
#define N_WAKES   2000

struct member {
    struct pool *pool;
    pool_handle handle;
    int fd;
    _Atomic int inside;
    _Atomic int asked, seen; /* asked: counted up before a wake; seen: what a run saw */
    _Atomic bool end;
    sem_t *gone;
};

static unsigned run_member(void *ctx, unsigned ready)
{
    struct member *member = ctx;
    bool end = atomic_load(&member->end); /* before `asked`: nothing is asked behind it */
    char byte;

    assert_int_equal(atomic_fetch_add(&member->inside, 1), 0);
    atomic_store(&member->seen, atomic_load(&member->asked));
    if ((ready & LOOP_IN) != 0)
        (void) !read(member->fd, &byte, 1);
    assert_int_equal(atomic_fetch_sub(&member->inside, 1), 1);
    if (!end)
        return LOOP_IN;
    pool_forget(member->pool, member->handle);
    (void) close(member->fd);
    (void) sem_post(member->gone);
    return POOL_GONE;
}

static void *wake_all(void *ctx)
{
    struct member *members = ctx;

    for (int i = 0; i < N_WAKES; i++) {
        struct member *member = &members[i % N_MEMBERS];

        atomic_fetch_add(&member->asked, 1);
        pool_wake(member->pool, member->handle);
    }
    return NULL;
}

static void every_wake_is_followed_by_a_run(void **state)
{
    static struct member members[N_MEMBERS];
    int peers[N_MEMBERS];
    struct pool *pool;
    pthread_t wakers[2];
    struct err err;
    sem_t gone;

    (void) state;
    assert_int_equal(sem_init(&gone, 0, 0), 0);
    assert_int_equal(pool_new(4, 0, NULL, &pool, &err), RC_OK);
    for (int i = 0; i < N_MEMBERS; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        peers[i] = pair[1];
        members[i].pool = pool;
        members[i].fd = pair[0];
        members[i].gone = &gone;
        assert_int_equal(
            pool_add(pool, pair[0], run_member, &members[i], &members[i].handle, &err), RC_OK);
    }
    for (size_t i = 0; i < COUNT(wakers); i++)
        assert_int_equal(pthread_create(&wakers[i], NULL, wake_all, members), 0);
    for (int i = 0; i < N_WAKES; i++)
        assert_int_equal(write(peers[i % N_MEMBERS], "x", 1), 1);
    for (size_t i = 0; i < COUNT(wakers); i++)
        (void) pthread_join(wakers[i], NULL);
    for (int i = 0; i < N_MEMBERS; i++) {
        atomic_store(&members[i].end, true);
        pool_wake(pool, members[i].handle);
    }
    for (int i = 0; i < N_MEMBERS; i++)
        (void) sem_wait(&gone); /* a lost wake would wait here for ever */
    assert_int_equal(pool_count(pool), 0);
    for (int i = 0; i < N_MEMBERS; i++) {
        assert_int_equal(members[i].seen, members[i].asked);
        pool_wake(pool, members[i].handle); /* gone: ignored */
        (void) close(peers[i]);
    }
    pool_free(pool);
    (void) sem_destroy(&gone);
}

/* ---- one thread, so that the order is known ---- */

struct waiter {
    unsigned wants;
    _Atomic unsigned runs;
    sem_t ran;
    pool_handle handle;
    struct pool *pool;
    _Atomic bool end;
    int pair[2];
};

static unsigned run_waiter(void *ctx, unsigned ready)
{
    struct waiter *waiter = ctx;
    bool end = atomic_load(&waiter->end);

    (void) ready;
    if (end)
        pool_forget(waiter->pool, waiter->handle);
    atomic_fetch_add(&waiter->runs, 1);
    (void) sem_post(&waiter->ran);
    return end ? POOL_GONE : waiter->wants;
}

static void add_waiter(struct pool *pool, struct waiter *waiter, unsigned wants)
{
    memset(waiter, 0, sizeof(*waiter));
    waiter->wants = wants;
    waiter->pool = pool;
    assert_int_equal(sem_init(&waiter->ran, 0, 0), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, waiter->pair), 0);
}

static void start_waiter(struct waiter *waiter)
{
    struct err err;

    assert_int_equal(
        pool_add(waiter->pool, waiter->pair[0], run_waiter, waiter, &waiter->handle, &err),
        RC_OK);
    (void) sem_wait(&waiter->ran);
}

static void end_waiter(struct waiter *waiter)
{
    atomic_store(&waiter->end, true);
    pool_wake(waiter->pool, waiter->handle);
    (void) sem_wait(&waiter->ran);
}

static void waiter_done(struct waiter *waiter)
{
    (void) close(waiter->pair[0]);
    (void) close(waiter->pair[1]);
    (void) sem_destroy(&waiter->ran);
}

static void who_wants_nothing_runs_for_each_wake(void **state)
{
    struct waiter waiter;
    struct pool *pool;
    struct err err;

    (void) state;
    assert_int_equal(pool_new(2, 0, NULL, &pool, &err), RC_OK);
    add_waiter(pool, &waiter, 0);
    start_waiter(&waiter);
    for (unsigned i = 0; i < N_WAKES; i++) {
        pool_wake(pool, waiter.handle);
        (void) sem_wait(&waiter.ran);
    }
    assert_int_equal(atomic_load(&waiter.runs), N_WAKES + 1);
    end_waiter(&waiter);
    pool_free(pool);
    waiter_done(&waiter);
}

static void fill(int fd)
{
    static const char bytes[4096];

    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
}

static void drain(int fd)
{
    char bytes[4096];

    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
}

static void who_waits_to_write_is_not_run_for_a_wake(void **state)
{
    struct waiter deaf, other;
    struct pool *pool;
    struct err err;

    (void) state;
    assert_int_equal(pool_new(1, 0, NULL, &pool, &err), RC_OK);
    add_waiter(pool, &deaf, LOOP_OUT);
    add_waiter(pool, &other, LOOP_IN);
    fill(deaf.pair[0]);
    assert_int_equal(write(deaf.pair[1], "x", 1), 1); /* so that it is run at once */
    start_waiter(&deaf);
    start_waiter(&other);
    pool_wake(pool, deaf.handle);
    pool_wake(pool, other.handle); /* would run behind it */
    (void) sem_wait(&other.ran);
    assert_int_equal(atomic_load(&deaf.runs), 1);
    atomic_store(&deaf.end, true);
    drain(deaf.pair[1]);
    (void) sem_wait(&deaf.ran);
    assert_int_equal(atomic_load(&deaf.runs), 2);
    end_waiter(&other);
    pool_free(pool);
    waiter_done(&deaf);
    waiter_done(&other);
}

/* ---- two that wake each other for ever ---- */

struct bouncer {
    struct pool *pool;
    pool_handle handle;
    _Atomic pool_handle other; /* 0: not told yet */
    const atomic_bool *end;
    sem_t *gone;
    int fd;
};

static unsigned run_bouncer(void *ctx, unsigned ready)
{
    struct bouncer *bouncer = ctx;

    (void) ready;
    pool_wake(bouncer->pool, atomic_load(&bouncer->other));
    if (!atomic_load(bouncer->end))
        return 0;
    pool_forget(bouncer->pool, bouncer->handle);
    (void) sem_post(bouncer->gone);
    return POOL_GONE;
}

/* Two that always wake each other keep the queue full; a descriptor is served all the same. */
static void a_full_queue_starves_no_descriptor(void **state)
{
    struct waiter waiter;
    struct bouncer pair[2];
    atomic_bool end = false;
    struct pool *pool;
    struct err err;
    sem_t gone;

    (void) state;
    assert_int_equal(sem_init(&gone, 0, 0), 0);
    assert_int_equal(pool_new(1, 0, NULL, &pool, &err), RC_OK);
    add_waiter(pool, &waiter, LOOP_IN);
    start_waiter(&waiter);
    for (size_t i = 0; i < COUNT(pair); i++) {
        pair[i].pool = pool;
        pair[i].end = &end;
        pair[i].gone = &gone;
        pair[i].fd = eventfd(0, EFD_CLOEXEC);
        atomic_init(&pair[i].other, 0);
    }
    for (size_t i = 0; i < COUNT(pair); i++)
        assert_int_equal(
            pool_add(pool, pair[i].fd, run_bouncer, &pair[i], &pair[i].handle, &err), RC_OK);
    for (size_t i = 0; i < COUNT(pair); i++) {
        atomic_store(&pair[i].other, pair[1 - i].handle);
        pool_wake(pool, pair[i].handle);
    }
    assert_int_equal(write(waiter.pair[1], "x", 1), 1);
    (void) sem_wait(&waiter.ran);
    atomic_store(&waiter.end, true); /* it is readable yet: it runs again */
    (void) sem_wait(&waiter.ran);
    atomic_store(&end, true);
    for (size_t i = 0; i < COUNT(pair); i++)
        (void) sem_wait(&gone);
    for (size_t i = 0; i < COUNT(pair); i++)
        (void) close(pair[i].fd);
    (void) sem_destroy(&gone);
    pool_free(pool);
    waiter_done(&waiter);
}

/* ---- slow threads ---- */

#define N_SLOW_RUNS 3u

struct slow_member {
    struct pool *pool;
    pool_handle handle;
    int fd;
    unsigned n_slow;
    int nice_slow, nice_usual;
    sem_t gone;
};

/* Some runs in a slow thread, then it parks, and ends in a usual one. */
static unsigned run_slow_member(void *ctx, unsigned ready)
{
    struct slow_member *member = ctx;
    bool is_slow = (ready & POOL_IS_SLOW) != 0;

    if (is_slow) {
        assert_true(member->n_slow < N_SLOW_RUNS);
        member->nice_slow = getpriority(PRIO_PROCESS, 0);
        if (++member->n_slow < N_SLOW_RUNS)
            return POOL_SLOW;
        pool_wake(member->pool, member->handle); /* of itself: behind the parking */
        return LOOP_IN;
    }
    if (member->n_slow == 0)
        return POOL_SLOW;
    member->nice_usual = getpriority(PRIO_PROCESS, 0);
    pool_forget(member->pool, member->handle);
    (void) close(member->fd);
    (void) sem_post(&member->gone);
    return POOL_GONE;
}

/* Of two pools' worth of members, so that they stand in the queue. */
static void what_computes_goes_on_in_a_slow_thread(void **state)
{
    static struct slow_member members[N_MEMBERS];
    int before = getpriority(PRIO_PROCESS, 0);
    struct pool *pool;
    struct err err;

    (void) state;
    assert_int_equal(pool_new(2, 2, NULL, &pool, &err), RC_OK);
    for (int i = 0; i < N_MEMBERS; i++) {
        struct slow_member *member = &members[i];

        assert_int_equal(sem_init(&member->gone, 0, 0), 0);
        member->pool = pool;
        member->fd = eventfd(0, EFD_NONBLOCK);
        assert_int_equal(
            pool_add(pool, member->fd, run_slow_member, member, &member->handle, &err), RC_OK);
    }
    for (int i = 0; i < N_MEMBERS; i++) {
        struct slow_member *member = &members[i];

        (void) sem_wait(&member->gone);
        assert_int_equal(member->n_slow, N_SLOW_RUNS);
        assert_true(member->nice_slow == POOL_SLOW_NICE ||
                    (before > POOL_SLOW_NICE && member->nice_slow == before));
        assert_int_equal(member->nice_usual, before);
        (void) sem_destroy(&member->gone);
    }
    assert_int_equal(pool_count(pool), 0);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wake_is_followed_by_a_run),
        cmocka_unit_test(who_wants_nothing_runs_for_each_wake),
        cmocka_unit_test(who_waits_to_write_is_not_run_for_a_wake),
        cmocka_unit_test(a_full_queue_starves_no_descriptor),
        cmocka_unit_test(what_computes_goes_on_in_a_slow_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
