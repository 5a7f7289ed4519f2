/*
 * test_sweep.c - the engine hears which bodies live: what was forgotten goes, what is in a
 * mailbox, loaded or not, or kept for undelete stays.
 */
// links: mailbox store_memory store_local
// lib: mail_world
// labels: concurrency
#include <time.h>

#include "account/kept.h"
#include "base/clock.h"
#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNT        7u
#define EVENTUALLY_SEC 60
#define HOUR_US        ((int64_t) 3600 * 1000000)
#define TURNS_MAX      30

static void nap_ms(long ms)
{
    (void) nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static uint64_t bodies_stored(const struct mail_world *world)
{
    struct account_space space = {0};

    assert_int_equal(world->engine->ops->account_space(world->engine, ACCOUNT, &space, NULL),
                     RC_OK);
    return space.bodies;
}

static void copy_range(struct account *account, uint32_t first, uint32_t last, const char *to)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 20);
    struct mail_txn *txn = world_begin(account);
    const struct uid_run range = {first, last};
    struct copied copied;
    struct err err;

    assert_int_equal(txn_copy(txn, world_mailbox_id(account, "INBOX", 0),
                              &(struct uid_set){&range, 1}, world_mailbox_id(account, to, 0),
                              false, arena, &copied, &err),
                     RC_OK);
    account_wait_durable(account, world_commit(&txn));
}

/* Nothing that was expunged so far can come back. */
static void forget(struct account *account)
{
    struct mail_txn *txn = world_begin(account);
    struct err err;
    bool more;

    assert_int_equal(txn_forget_before(txn, clock_wall_sec() + 10, &more, &err), RC_OK);
    account_wait_durable(account, world_commit(&txn));
}

static void expunge(struct account *account, uint32_t first, uint32_t last)
{
    account_wait_durable(
        account, world_expunge(account, world_mailbox_id(account, "INBOX", 0), first, last));
}

static void each_can_be_read(const struct mail_world *world, uint64_t first, uint64_t last)
{
    for (uint64_t id = first; id <= last; id++) {
        struct body *body;

        assert_int_equal(world->engine->ops->body_open(world->engine, ACCOUNT, id, &body, NULL),
                         RC_OK);
        world->engine->ops->body_close(body);
    }
}

static void none_can_be_read(const struct mail_world *world, uint64_t first, uint64_t last)
{
    struct body *body;

    for (uint64_t id = first; id <= last; id++)
        assert_int_equal(world->engine->ops->body_open(world->engine, ACCOUNT, id, &body, NULL),
                         RC_NOT_FOUND);
}

/* The engine asks at its start, about accounts of which nothing is open. Body ids are those of
 * the messages' order: 1..30. */
static void a_restart_forgets_nothing(void **state)
{
    const struct local_options options = {.pack_after_ms = 20};
    struct mail_world world = {0};
    struct account *account;
    uint64_t position;

    (void) state;
    world_open_local(&world, &options);
    account = world_account(&world, ACCOUNT);
    for (int i = 0; i < 30; i++)
        (void) world_append(account, "INBOX", "Subject: one of many\r\n\r\ntext\r\n",
                            &position);
    account_wait_durable(account, position);
    copy_range(account, 1, 5, "Archive");
    expunge(account, 1, 20);
    forget(account);
    expunge(account, 21, 25); /* kept */
    assert_int_equal(bodies_stored(&world), 30);
    account_close(account);
    world_close(&world);

    world_open_local(&world, &options);
    for (int i = 0; i < EVENTUALLY_SEC * 20 && bodies_stored(&world) != 15; i++)
        nap_ms(50);
    assert_int_equal(bodies_stored(&world), 15);
    each_can_be_read(&world, 1, 5);
    none_can_be_read(&world, 6, 20);
    each_can_be_read(&world, 21, 30);
    world_done(&world);
}

/* Of an open account it is counted what goes. */
static void what_goes_while_the_account_is_open_is_swept(void **state)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct mail_world world = {0};
    struct account *account;
    uint64_t position;
    int64_t now_us = clock_wall_us();
    uint32_t uid = 0;
    int turn;

    (void) state;
    clock_set_for_test(now_us);
    world_open_memory(&world, &options);
    account = world_account(&world, ACCOUNT);
    for (turn = 0; turn < TURNS_MAX; turn++) {
        uid = world_append(account, "INBOX", "Subject: soon gone\r\n\r\n", &position);
        account_wait_durable(account, position);
        if (bodies_stored(&world) < uid)
            break;
        expunge(account, uid, uid);
        forget(account);
        nap_ms(1100); /* a turn of the background thread */
        clock_set_for_test(now_us += 2 * HOUR_US);
    }
    assert_true(turn < TURNS_MAX);
    each_can_be_read(&world, uid, uid);
    account_close(account);
    world_done(&world);
    clock_set_for_test(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_forgets_nothing),
        cmocka_unit_test(what_goes_while_the_account_is_open_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
