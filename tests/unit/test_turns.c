/* test_turns.c - long commands take turns: never more than there are, each after each other. */
// links: server
#include <pthread.h>

#include "lib/test.h"
#include "server/turns.h"

#define CROWD 64u

struct scene {
    struct turns *turns;
    uint64_t woken[4 * CROWD];
    size_t n_woken;
};

static void note_wake(void *ctx, uint64_t handle)
{
    struct scene *scene = ctx;

    assert_true(scene->n_woken < COUNT(scene->woken));
    scene->woken[scene->n_woken++] = handle;
}

static void open_scene(struct scene *scene, unsigned most, struct turn *crowd, size_t n)
{
    *scene = (struct scene){.turns = turns_new(most, note_wake, scene)};
    for (size_t i = 0; i < n; i++)
        crowd[i] = (struct turn){.handle = i + 1};
}

static void turns_go_round(void **state)
{
    struct turn crowd[CROWD];
    unsigned slices[CROWD] = {0};
    struct scene scene;

    (void) state;
    open_scene(&scene, 2, crowd, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(turns_take(scene.turns, &crowd[i]), i < 2);
    assert_int_equal(scene.n_woken, 0);
    slices[0]++;
    turns_give(scene.turns, &crowd[0]);
    assert_false(turns_take(scene.turns, &crowd[0])); /* behind all others */
    /* Whoever is woken has its slice, and stands in the queue again. */
    for (size_t i = 0; i < 3 * CROWD; i++) {
        uint64_t who = scene.woken[i] - 1;

        assert_int_equal(scene.n_woken, i + 1); /* one at a time: the other turn is taken */
        assert_true(turns_take(scene.turns, &crowd[who]));
        slices[who]++;
        turns_give(scene.turns, &crowd[who]);
        assert_false(turns_take(scene.turns, &crowd[who]));
    }
    for (size_t i = 0; i < CROWD; i++)
        if (i != 1) /* which keeps its turn all the time */
            assert_in_range(slices[i], 3, 4);
    for (size_t i = 0; i < CROWD; i++)
        turns_leave(scene.turns, &crowd[i]);
    turns_free(scene.turns);
}

/* Nobody waits: the turn is there at once, as often as it likes, and nobody is woken. */
static void a_lone_one_never_waits(void **state)
{
    struct turn crowd[2];
    struct scene scene;

    (void) state;
    open_scene(&scene, 1, crowd, 2);
    for (size_t i = 0; i < 100; i++) {
        assert_true(turns_take(scene.turns, &crowd[0]));
        assert_true(turns_take(scene.turns, &crowd[0])); /* it has it */
        turns_give(scene.turns, &crowd[0]);
    }
    assert_int_equal(scene.n_woken, 0);
    turns_free(scene.turns);
}

static void who_leaves_lets_others_in(void **state)
{
    struct turn crowd[4];
    struct scene scene;

    (void) state;
    open_scene(&scene, 1, crowd, 4);
    assert_true(turns_take(scene.turns, &crowd[0]));
    for (size_t i = 1; i < 4; i++)
        assert_false(turns_take(scene.turns, &crowd[i]));
    turns_leave(scene.turns, &crowd[1]); /* while it waits */
    turns_leave(scene.turns, &crowd[0]); /* while it runs */
    assert_int_equal(scene.n_woken, 1);
    assert_int_equal(scene.woken[0], 3);
    turns_leave(scene.turns, &crowd[2]); /* woken, and gone before it ran */
    assert_int_equal(scene.n_woken, 2);
    assert_int_equal(scene.woken[1], 4);
    turns_leave(scene.turns, &crowd[3]);
    turns_leave(scene.turns, &crowd[3]); /* it is in none */
    assert_true(turns_take(scene.turns, &crowd[1]));
    turns_give(scene.turns, &crowd[1]);
    assert_int_equal(scene.n_woken, 2);
    turns_free(scene.turns);
}

/* One with a turn gives it; who is woken for it? */
static size_t next_after(struct scene *scene, struct turn *giving)
{
    size_t n = scene->n_woken;

    turns_give(scene->turns, giving);
    assert_int_equal(scene->n_woken, n + 1);
    return (size_t) scene->woken[n] - 1;
}

/* One user has 64 connections that search, another three, a third one: each has a third of the
 * slices, and the connections of one have equal parts of it. */
static void accounts_have_equal_shares(void **state)
{
    enum { FIRST = 64, SECOND = 3, THIRD = 1, ALL = FIRST + SECOND + THIRD, ROUNDS = 960 };
    struct turn crowd[ALL];
    unsigned slices[ALL] = {0}, shares[3] = {0};
    struct scene scene;
    size_t at = 0;

    (void) state;
    open_scene(&scene, 1, crowd, ALL);
    for (size_t i = 0; i < ALL; i++) {
        crowd[i].account = i < FIRST ? 1 : i < FIRST + SECOND ? 2 : 3;
        assert_int_equal(turns_take(scene.turns, &crowd[i]), i == 0);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t next;

        slices[at]++;
        shares[crowd[at].account - 1]++;
        next = next_after(&scene, &crowd[at]);
        assert_false(turns_take(scene.turns, &crowd[at]));
        assert_int_not_equal(crowd[next].account, crowd[at].account);
        scene.n_woken = 0;
        at = next;
    }
    for (size_t i = 0; i < COUNT(shares); i++)
        assert_in_range(shares[i], ROUNDS / 3 - 1, ROUNDS / 3 + 1);
    for (size_t i = 0; i < FIRST; i++)
        assert_in_range(slices[i], ROUNDS / 3 / FIRST, ROUNDS / 3 / FIRST + 1);
    for (size_t i = FIRST; i < FIRST + SECOND; i++)
        assert_in_range(slices[i], ROUNDS / 3 / SECOND - 1, ROUNDS / 3 / SECOND + 1);
    for (size_t i = 0; i < ALL; i++) {
        scene.n_woken = 0;
        turns_leave(scene.turns, &crowd[i]);
    }
    turns_free(scene.turns);
}

/* Several turns: who holds fewer is before who has waited longer. */
static void the_fewest_held_go_first(void **state)
{
    struct turn crowd[8];
    struct scene scene;

    (void) state;
    open_scene(&scene, 2, crowd, COUNT(crowd));
    for (size_t i = 0; i < COUNT(crowd); i++)
        crowd[i].account = i == 7 ? 2 : 1;
    for (size_t i = 0; i < COUNT(crowd); i++) /* 0 and 1 run; 2 to 7 wait */
        assert_int_equal(turns_take(scene.turns, &crowd[i]), i < 2);
    assert_int_equal(next_after(&scene, &crowd[0]), 7);
    assert_int_equal(next_after(&scene, &crowd[7]), 2); /* nobody else of the second waits */
    assert_false(turns_take(scene.turns, &crowd[7]));
    assert_int_equal(next_after(&scene, &crowd[1]), 7);
    assert_false(turns_take(scene.turns, &crowd[0]));
    turns_leave(scene.turns, &crowd[3]); /* waits no more */
    assert_int_equal(next_after(&scene, &crowd[7]), 4);
    for (size_t i = 0; i < COUNT(crowd); i++)
        turns_leave(scene.turns, &crowd[i]);
    turns_free(scene.turns);
}

/* Waking another must not be done with the lock held: it may want a turn from there. */
struct crowded {
    struct turns *turns;
    struct turn crowd[CROWD];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_woken[CROWD];
    unsigned n_running, n_most;
};

static void wake_thread(void *ctx, uint64_t handle)
{
    struct crowded *crowded = ctx;

    (void) pthread_mutex_lock(&crowded->lock);
    crowded->is_woken[handle] = true;
    (void) pthread_cond_broadcast(&crowded->changed);
    (void) pthread_mutex_unlock(&crowded->lock);
}

struct one {
    struct crowded *crowded;
    size_t at;
};

static void count_running(struct crowded *crowded, int change)
{
    (void) pthread_mutex_lock(&crowded->lock);
    crowded->n_running += (unsigned) change;
    crowded->n_most = MAX(crowded->n_most, crowded->n_running);
    (void) pthread_mutex_unlock(&crowded->lock);
}

static void wait_for_turn(const struct one *one)
{
    struct crowded *crowded = one->crowded;

    while (!turns_take(crowded->turns, &crowded->crowd[one->at])) {
        (void) pthread_mutex_lock(&crowded->lock);
        while (!crowded->is_woken[one->at])
            (void) pthread_cond_wait(&crowded->changed, &crowded->lock);
        crowded->is_woken[one->at] = false;
        (void) pthread_mutex_unlock(&crowded->lock);
    }
}

static void *take_many(void *ctx)
{
    const struct one *one = ctx;

    for (unsigned i = 0; i < 200; i++) {
        wait_for_turn(one);
        count_running(one->crowded, 1);
        count_running(one->crowded, -1);
        turns_give(one->crowded->turns, &one->crowded->crowd[one->at]);
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    struct crowded crowded = {.n_most = 0};
    struct one ones[8];
    pthread_t threads[COUNT(ones)];

    (void) state;
    (void) pthread_mutex_init(&crowded.lock, NULL);
    (void) pthread_cond_init(&crowded.changed, NULL);
    crowded.turns = turns_new(3, wake_thread, &crowded);
    for (size_t i = 0; i < COUNT(ones); i++) {
        ones[i] = (struct one){&crowded, i};
        crowded.crowd[i].handle = i;
        crowded.crowd[i].account = i % 3;
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &ones[i]), 0);
    }
    for (size_t i = 0; i < COUNT(ones); i++)
        (void) pthread_join(threads[i], NULL);
    assert_in_range(crowded.n_most, 1, 3);
    turns_free(crowded.turns);
    (void) pthread_cond_destroy(&crowded.changed);
    (void) pthread_mutex_destroy(&crowded.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_go_round),
        cmocka_unit_test(a_lone_one_never_waits),
        cmocka_unit_test(who_leaves_lets_others_in),
        cmocka_unit_test(accounts_have_equal_shares),
        cmocka_unit_test(the_fewest_held_go_first),
        cmocka_unit_test(threads_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
