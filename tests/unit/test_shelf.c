/*
 * test_shelf.c - things kept beside an account's mail: refcounts, their number, and that they
 * are what goes first when memory is short.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include <sched.h>

#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/shelf.h"

#define ACCOUNT      7u
#define BUDGET_BYTES ((size_t) 1 << 20)

static const struct memory_engine_options plain = {.no_conflict = true};

struct thing {
    struct shelf_thing thing;
    atomic_uint *n_alive;
};

static void thing_free(struct shelf_thing *of)
{
    struct thing *thing = LINK_OWNER(of, struct thing, thing);

    (void) atomic_fetch_sub(thing->n_alive, 1);
    free(thing);
}

static struct shelf_thing *thing_new(atomic_uint *n_alive, size_t bytes)
{
    struct thing *thing = xcalloc(1, sizeof(*thing));

    thing->thing.bytes = bytes;
    thing->thing.free = thing_free;
    atomic_init(&thing->thing.refs, 1);
    thing->n_alive = n_alive;
    (void) atomic_fetch_add(n_alive, 1);
    return &thing->thing;
}

static void put(struct account *account, uint32_t mbox_id, atomic_uint *n_alive, size_t bytes)
{
    struct shelf_thing *thing = thing_new(n_alive, bytes);

    shelf_put(account, mbox_id, SHELF_SORT_KEYS, thing);
    shelf_unref(thing);
}

static void what_is_taken_outlives_its_place(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    struct shelf_thing *first, *second;
    atomic_uint n_alive = 0;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_null(shelf_take(account, 1, SHELF_SORT_KEYS));
    put(account, 1, &n_alive, 100);
    first = shelf_take(account, 1, SHELF_SORT_KEYS);
    assert_non_null(first);
    assert_null(shelf_take(account, 2, SHELF_SORT_KEYS));
    put(account, 1, &n_alive, 40);
    assert_int_equal(shelf_bytes(account), 40);
    second = shelf_take(account, 1, SHELF_SORT_KEYS);
    assert_ptr_not_equal(first, second);
    assert_int_equal(n_alive, 2);
    shelf_unref(first);
    assert_int_equal(n_alive, 1);
    shelf_clear(account);
    assert_int_equal(shelf_bytes(account), 0);
    assert_int_equal(n_alive, 1);
    shelf_unref(second);
    assert_int_equal(n_alive, 0);
    put(account, 1, &n_alive, 40);
    account_close(account);
    world_done(&world);
    assert_int_equal(n_alive, 0);
}

static void there_is_room_for_so_many(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    atomic_uint n_alive = 0;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    for (uint32_t id = 1; id <= SHELF_THINGS_MAX; id++)
        put(account, id, &n_alive, 1);
    shelf_unref(shelf_take(account, 1, SHELF_SORT_KEYS)); /* 2 is the one not taken longest */
    put(account, SHELF_THINGS_MAX + 1, &n_alive, 1);
    assert_int_equal(n_alive, SHELF_THINGS_MAX);
    assert_null(shelf_take(account, 2, SHELF_SORT_KEYS));
    shelf_unref(shelf_take(account, 1, SHELF_SORT_KEYS));
    account_close(account);
    world_done(&world);
}

static void it_goes_first_when_memory_is_short(void **state)
{
    struct mail_world world = {.memory_bytes = BUDGET_BYTES};
    struct account *account;
    atomic_uint n_alive = 0;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    put(account, 1, &n_alive, BUDGET_BYTES / 2);
    put(account, 2, &n_alive, BUDGET_BYTES);
    while (atomic_load(&n_alive) > 0)
        (void) sched_yield();
    while (store_memory(world.store) > BUDGET_BYTES)
        (void) sched_yield();
    account_close(account);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_outlives_its_place),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test(it_goes_first_when_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
