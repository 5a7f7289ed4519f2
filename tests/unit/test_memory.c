/*
 * test_memory.c - the memory budget: what nobody uses goes and comes back the same, what
 * sessions have selected stays, while others write and checkpoints run.
 */
// links: mailbox store_memory store_local
// lib: mail_world
// labels: concurrency
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNTS       300u
#define ACCOUNTS_LARGE 2000u
#define BUDGET_BYTES   ((size_t) 128 << 10)
#define READERS        3u
#define ROUNDS         60u
#define ROUNDS_LARGE   2000u
#define TEXT_MAX       64u

static const struct memory_engine_options plain = {.no_conflict = true};

/* Each message is as long as its uid says. */
static uint32_t size_of_uid(uint32_t uid)
{
    return 1 + uid % (TEXT_MAX - 2);
}

static uint64_t append_next(struct account *account, const char *mailbox, uint32_t uid)
{
    char text[TEXT_MAX];
    uint64_t position;

    memset(text, 'x', size_of_uid(uid));
    text[size_of_uid(uid)] = '\0';
    assert_int_equal(world_append(account, mailbox, text, &position), uid);
    return position;
}

/* Every message of this version is there with its row. */
static uint32_t check_messages(struct account *account, const struct acct_state *state,
                               const struct mbox *mbox)
{
    uint32_t n = mbox_counts(mbox)->messages;
    struct err err;

    for (uint32_t i = 0; i < n; i++) {
        if (account_need_rows(account, state, mbox, i, i, &err) != RC_OK)
            die("row %u: %s", i, err.detail);
        if (mbox_uid(mbox, i) != i + 1 || mbox_cold(mbox, i)->size != size_of_uid(i + 1))
            die("message %u is another", i);
    }
    return n;
}

static void wait_for_budget(const struct mail_world *world)
{
    while (store_memory(world->store) > world->memory_bytes)
        (void) sched_yield();
}

static void accounts_stay_within_the_budget(void **state)
{
    uint32_t n = getenv("ROOST_LARGE") != NULL ? ACCOUNTS_LARGE : ACCOUNTS;
    struct mail_world world = {.memory_bytes = BUDGET_BYTES};

    (void) state;
    world_open_memory(&world, &plain);
    for (uint32_t id = 1; id <= n; id++) {
        struct account *account = world_account(&world, id);

        account_wait_durable(account, append_next(account, "INBOX", 1));
        account_close(account);
    }
    wait_for_budget(&world);
    for (uint32_t id = 1; id <= n; id += 7) {
        struct account *account = world_account(&world, id);
        uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
        struct acct_state *read;
        struct err err;

        assert_int_equal(account_read_mailbox(account, 0, inbox, &read, &err), RC_OK);
        assert_int_equal(check_messages(account, read, acct_mailbox_by_id(read, inbox)), 1);
        acct_unref(read);
        account_close(account);
    }
    wait_for_budget(&world);
    world_done(&world);
}

/* An account in use keeps the mailboxes that are selected in memory, and only those. */
static void what_is_selected_stays(void **state)
{
    struct mail_world world = {.memory_bytes = 1};
    struct account *account;
    uint32_t inbox, sent;
    struct mbox_view *view;
    struct err err;
    bool let_go = false;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, 1);
    for (uint32_t uid = 1; uid <= 50; uid++) {
        (void) append_next(account, "INBOX", uid);
        account_wait_durable(account, append_next(account, "Sent", uid));
    }
    inbox = world_mailbox_id(account, "INBOX", 0);
    sent = world_mailbox_id(account, "Sent", 0);
    assert_int_equal(view_open(account, 0, 0, inbox, false, &view, &err), RC_OK);
    while (!let_go) {
        struct acct_state *read = account_read(account, 0);

        let_go = !mbox_is_loaded(acct_mailbox_by_id(read, sent));
        assert_true(mbox_is_loaded(acct_mailbox_by_id(read, inbox)));
        assert_int_equal(mbox_counts(acct_mailbox_by_id(read, sent))->messages, 50);
        acct_unref(read);
        (void) sched_yield();
    }
    view_park(view);
    view_close(view);
    account_close(account);
    world_done(&world);
}

/* ---- readers and a writer beside a thread that lets go of everything ---- */

struct crowd {
    struct mail_world world;
    struct account *account;
    uint32_t ids[2];
    uint32_t rounds;
    _Atomic uint32_t written[2]; /* messages that are durable; pairs with the readers' loads */
    atomic_bool done;
};

static const char *const crowd_names[2] = {"INBOX", "Sent"};

static void *crowd_writer(void *arg)
{
    struct crowd *crowd = arg;

    for (uint32_t uid = 1; uid <= crowd->rounds; uid++) {
        for (size_t i = 0; i < 2; i++) {
            account_wait_durable(crowd->account,
                                 append_next(crowd->account, crowd_names[i], uid));
            atomic_store(&crowd->written[i], uid);
            account_wait_durable(crowd->account,
                                 world_flag(crowd->account, crowd->ids[i], 1 + uid / 2,
                                            uid % 2 == 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE,
                                            FLAG_DELETED | FLAG_SEEN));
        }
    }
    atomic_store(&crowd->done, true);
    return NULL;
}

static void *crowd_reader(void *arg)
{
    struct crowd *crowd = arg;

    for (size_t turn = 0; !atomic_load(&crowd->done); turn++) {
        size_t which = turn % 2;
        uint32_t before = atomic_load(&crowd->written[which]), seen;
        struct mbox_view *view;
        struct err err;

        if (view_open(crowd->account, 0, 0, crowd->ids[which], true, &view, &err) != RC_OK)
            die("view: %s", err.detail);
        seen = check_messages(crowd->account, view_state(view), view_mbox(view));
        if (seen < before)
            die("%u messages, %u were there", seen, before);
        view_close(view);
    }
    return NULL;
}

static void mailboxes_come_back_right_under_load(void **state)
{
    struct crowd crowd = {.world = {.memory_bytes = 1}};
    pthread_t threads[1 + READERS];

    (void) state;
    crowd.rounds = getenv("ROOST_LARGE") != NULL ? ROUNDS_LARGE : ROUNDS;
    world_open_local(&crowd.world, &(struct local_options){0});
    crowd.account = world_account(&crowd.world, 1);
    for (size_t i = 0; i < 2; i++)
        crowd.ids[i] = world_mailbox_id(crowd.account, crowd_names[i], 0);
    assert_int_equal(pthread_create(&threads[0], NULL, crowd_writer, &crowd), 0);
    for (size_t i = 1; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_reader, &crowd), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    account_close(crowd.account);
    world_done(&crowd.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_stay_within_the_budget),
        cmocka_unit_test(what_is_selected_stays),
        cmocka_unit_test(mailboxes_come_back_right_under_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
