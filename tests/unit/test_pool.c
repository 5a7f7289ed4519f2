/* test_pool.c - one thread at a time runs a member, and no wake is lost. */
// links: net
// labels: concurrency
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
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
    assert_int_equal(pool_new(4, NULL, &pool, &err), RC_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wake_is_followed_by_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
