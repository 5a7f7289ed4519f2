/* test_kept.c - what is kept of the expunged and the deleted: how it ends, how it comes back,
 * and when a record of it applies. */
// links: mailbox store_memory store_local
// lib: mail_world
#include "account/kept.h"
#include "base/clock.h"
#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNT    7u
#define DAY_SEC    86400
#define DAY_US     ((int64_t) DAY_SEC * 1000000)
#define START_US   ((int64_t) 1800000000 * 1000000)
#define MANY_BOXES 300u /* more than one transaction of expiry takes */

static const struct memory_engine_options plain = {.no_conflict = true};

struct desk {
    struct mail_world world;
    struct account *account;
    struct arena *arena;
    uint32_t inbox;
};

static void desk_open(struct desk *desk)
{
    *desk = (struct desk){0};
    clock_set_for_test(START_US);
    world_open_memory(&desk->world, &plain);
    desk->account = world_account(&desk->world, ACCOUNT);
    desk->arena = arena_new(ARENA_TEST_BYTES);
    desk->inbox = world_mailbox_id(desk->account, "INBOX", 0);
}

static void desk_close(struct desk *desk)
{
    arena_free(desk->arena);
    account_close(desk->account);
    world_done(&desk->world);
    clock_set_for_test(0);
}

/* The newest version, durable. */
static struct acct_state *now_of(struct desk *desk)
{
    account_wait_durable(desk->account, account_newest_position(desk->account));
    return account_read(desk->account, 0);
}

static struct acct_kept kept_of(struct desk *desk)
{
    AUTO(acct_unrefp) struct acct_state *state = now_of(desk);

    return acct_kept(state);
}

static void expire(struct desk *desk, int64_t before_us)
{
    struct err err;

    if (account_expire(desk->account, before_us / 1000000, &err) != RC_OK)
        fail_msg("expire: %s", err.detail);
}

static void delete_mailbox(struct desk *desk, const char *name)
{
    AUTO(txn_abortp) struct mail_txn *txn = world_begin(desk->account);
    struct err err;

    assert_int_equal(txn_delete_mailbox(txn, slice_from_str(name), &err), RC_OK);
    (void) world_commit(&txn);
}

static uint32_t create_mailbox(struct desk *desk, const char *name)
{
    AUTO(txn_abortp) struct mail_txn *txn = world_begin(desk->account);
    uint32_t id = 0;
    struct err err;

    assert_int_equal(txn_create_mailbox(txn, slice_from_str(name), 0, &id, &err), RC_OK);
    (void) world_commit(&txn);
    return id;
}

/* ---- how it ends ---- */

static void only_what_is_older_than_the_window_goes(void **state)
{
    struct desk desk;

    (void) state;
    desk_open(&desk);
    for (int i = 0; i < 4; i++)
        (void) world_append(desk.account, "INBOX", "text", NULL);
    (void) world_expunge(desk.account, desk.inbox, 1, 1);
    (void) world_expunge(desk.account, desk.inbox, 2, 2);
    clock_set_for_test(START_US + DAY_US);
    (void) world_expunge(desk.account, desk.inbox, 3, 3);
    assert_true(kept_of(&desk).messages == 3);
    expire(&desk, START_US);
    assert_true(kept_of(&desk).messages == 3);
    expire(&desk, START_US + DAY_US);
    assert_true(kept_of(&desk).messages == 1);
    clock_set_for_test(START_US - DAY_US); /* the clock is set back: no time falls */
    (void) world_expunge(desk.account, desk.inbox, 4, 4);
    expire(&desk, START_US + DAY_US);
    assert_true(kept_of(&desk).messages == 2);
    expire(&desk, START_US + DAY_US + 1000000);
    assert_true(kept_of(&desk).messages == 0 && kept_of(&desk).bytes == 0);
    desk_close(&desk);
}

static void a_deleted_mailbox_goes_whole(void **state)
{
    struct desk desk;
    uint32_t id;

    (void) state;
    desk_open(&desk);
    id = create_mailbox(&desk, "Work");
    for (int i = 0; i < 3; i++)
        (void) world_append(desk.account, "Work", "text", NULL);
    (void) world_expunge(desk.account, id, 2, 2);
    clock_set_for_test(START_US + DAY_US);
    delete_mailbox(&desk, "Work");
    assert_true(kept_of(&desk).messages == 3 && kept_of(&desk).mailboxes == 1);
    expire(&desk, START_US + DAY_US); /* what it had kept itself ends at its own time */
    assert_true(kept_of(&desk).messages == 2 && kept_of(&desk).mailboxes == 1);
    expire(&desk, START_US + 2 * DAY_US);
    assert_true(kept_of(&desk).messages == 0 && kept_of(&desk).mailboxes == 0);
    desk_close(&desk);
}

static void a_turn_of_expiry_is_bounded(void **state)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct desk desk;
    struct err err;
    bool more = false;

    (void) state;
    desk_open(&desk);
    for (unsigned i = 0; i < MANY_BOXES; i++) {
        const char *name = arena_printf(desk.arena, "m%u", i);

        (void) create_mailbox(&desk, name);
        delete_mailbox(&desk, name);
    }
    txn = world_begin(desk.account);
    assert_int_equal(txn_forget_before(txn, START_US / 1000000 + 1, &more, &err), RC_OK);
    assert_true(more && acct_deleted_count(txn_state(txn)) > 0);
    txn_abortp(&txn);
    expire(&desk, START_US + DAY_US); /* turn after turn */
    assert_true(kept_of(&desk).mailboxes == 0);
    desk_close(&desk);
}

static void the_oldest_deleted_mailbox_gives_way(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = NULL;
    struct desk desk;
    uint32_t first = 0;

    (void) state;
    desk_open(&desk);
    for (unsigned i = 0; i <= DELETED_MAILBOXES_MAX; i++) {
        uint32_t id = create_mailbox(&desk, "again");

        first = i == 0 ? id : first;
        clock_set_for_test(START_US + (int64_t) i * 1000000);
        delete_mailbox(&desk, "again");
    }
    account = now_of(&desk);
    assert_int_equal(acct_deleted_count(account), DELETED_MAILBOXES_MAX);
    assert_null(acct_deleted_by_id(account, first));
    assert_non_null(acct_deleted_by_id(account, first + 1));
    desk_close(&desk);
}

/* ---- how it comes back ---- */

static void messages_come_back_under_new_uids(void **state)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct uid_run all = {1, UID_MAX};
    const struct mbox *inbox;
    struct object_id emailid;
    struct copied copied;
    struct desk desk;
    struct err err;

    (void) state;
    desk_open(&desk);
    for (int i = 0; i < 3; i++)
        (void) world_append(desk.account, "INBOX", "text", NULL);
    (void) world_flag(desk.account, desk.inbox, 2, FLAG_OP_ADD, FLAG_DELETED | FLAG_FLAGGED);
    {
        AUTO(acct_unrefp) struct acct_state *before = now_of(&desk);

        emailid = mbox_cold(acct_mailbox_by_id(before, desk.inbox), 1)->emailid;
    }
    (void) world_expunge(desk.account, desk.inbox, 2, 2);
    clock_set_for_test(START_US + DAY_US);
    txn = world_begin(desk.account);
    assert_int_equal(txn_restore_messages(txn, desk.inbox, &(struct uid_set){&all, 1},
                                          desk.inbox, desk.arena, &copied, &err),
                     RC_OK);
    assert_true(uid_set_contains(&copied.src, 2) && uid_set_span(&copied.src) == 1);
    assert_true(uid_set_contains(&copied.dst, 4) && uid_set_span(&copied.dst) == 1);
    inbox = acct_mailbox_by_id(txn_state(txn), desk.inbox);
    assert_int_equal(mbox_uid(inbox, 2), 4);
    assert_int_equal(mbox_flags(inbox, 2), FLAG_FLAGGED);
    assert_memory_equal(&mbox_cold(inbox, 2)->emailid, &emailid, sizeof(emailid));
    assert_int_equal(mbox_cold(inbox, 2)->savedate, START_US / 1000000 + DAY_SEC);
    assert_int_equal(mbox_kept(inbox).messages, 0);
    txn_abortp(&txn); /* all of it is undone */
    assert_true(kept_of(&desk).messages == 1);
    desk_close(&desk);
}

static void a_special_use_that_another_has_by_now_stays_there(void **state)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct desk desk;
    struct err err;
    uint32_t old, id, taker;

    (void) state;
    desk_open(&desk);
    old = world_mailbox_id(desk.account, "Trash", 0);
    delete_mailbox(&desk, "Trash");
    taker = create_mailbox(&desk, "Bin");
    txn = world_begin(desk.account);
    assert_int_equal(txn_set_special_use(txn, taker, USE_TRASH, &err), RC_OK);
    (void) world_commit(&txn);
    txn = world_begin(desk.account);
    assert_int_equal(txn_restore_mailbox(txn, old, &id, &err), RC_OK);
    assert_int_equal(id, old);
    assert_int_equal(mbox_info(acct_mailbox_by_id(txn_state(txn), id))->special_use, 0);
    assert_int_equal(txn_restore_mailbox(txn, old, &id, &err), RC_NOT_FOUND);
    txn_abortp(&txn);
    desk_close(&desk);
}

/* ---- when a record applies ---- */

static const struct uid_run run_1[] = {
    {1, 1}
};
static const struct uid_run run_2[] = {
    {2, 2}
};

#define MESSAGES(src, target, uids_of, first)                                                  \
    {                                                                                          \
        .type = RECORD_RESTORE, .restore = {                                                   \
            .op = RESTORE_MESSAGES,                                                            \
            .mbox = (src),                                                                     \
            .dst = (target),                                                                   \
            .uids = {(uids_of), 1},                                                            \
            .dst_first_uid = (first)                                                           \
        }                                                                                      \
    }
#define MAILBOX(old, called, new_id, validity)                                                 \
    {                                                                                          \
        .type = RECORD_RESTORE, .restore = {                                                   \
            .op = RESTORE_MAILBOX,                                                             \
            .mbox = (old),                                                                     \
            .name = {"" called, sizeof(called) - 1},                                           \
            .new_mbox = (new_id),                                                              \
            .mailboxid = {{1}        },                                                                \
            .uidvalidity = (validity)                                                          \
        }                                                                                      \
    }
#define FORGET(how, of, count)                                                                 \
    {                                                                                          \
        .type = RECORD_FORGET, .forget = {.op = (how), .mbox = (of), .n = (count) }            \
    }

/* INBOX (1) keeps uid 1 and holds uid 2; "gone" (7) is deleted, "taken" (8) too, and its name
 * is another's (9). */
// clang-format off
static const struct {
    const char *why;
    bool applies;
    struct record record;
} rows[] = {
    {"restore",                  true,  MESSAGES(1, 1, run_1, 3)},
    {"into another",             true,  MESSAGES(1, 9, run_1, 1)},
    {"from a deleted one",       false, MESSAGES(7, 1, run_1, 3)},
    {"into a deleted one",       false, MESSAGES(1, 7, run_1, 3)},
    {"what is not kept",         false, MESSAGES(1, 1, run_2, 3)},
    {"an old uid",               false, MESSAGES(1, 1, run_1, 2)},
    {"as it was",                true,  MAILBOX(7, "gone", 0, 0)},
    {"as another",               true,  MAILBOX(7, "gone", 10, 5)},
    {"as it was elsewhere",      false, MAILBOX(7, "else", 0, 0)},
    {"another elsewhere",        true,  MAILBOX(7, "else", 10, 5)},
    {"its name is taken",        false, MAILBOX(8, "taken", 10, 5)},
    {"its name was another's",   false, MAILBOX(8, "taken", 0, 0)},
    {"an id that was given",     false, MAILBOX(7, "gone", 9, 5)},
    {"without UIDVALIDITY",      false, MAILBOX(7, "gone", 10, 0)},
    {"one that is there",        false, MAILBOX(1, "else", 10, 5)},
    {"forget",                   true,  FORGET(FORGET_MESSAGES, 1, 1)},
    {"more than is kept",        false, FORGET(FORGET_MESSAGES, 1, 2)},
    {"nothing",                  false, FORGET(FORGET_MESSAGES, 1, 0)},
    {"a deleted mailbox",        true,  FORGET(FORGET_MAILBOX, 7, 0)},
    {"a mailbox that is there",  false, FORGET(FORGET_MAILBOX, 1, 0)},
    {"a mailbox that never was", false, FORGET(FORGET_MAILBOX, 99, 0)},
};
// clang-format on

static void check_refuses_what_would_not_apply(void **state)
{
    AUTO(acct_unrefp) struct acct_state *base = NULL;
    struct desk desk;

    (void) state;
    desk_open(&desk);
    (void) world_append(desk.account, "INBOX", "text", NULL);
    (void) world_append(desk.account, "INBOX", "text", NULL);
    (void) world_expunge(desk.account, desk.inbox, 1, 1);
    assert_int_equal(create_mailbox(&desk, "gone"), 7);
    assert_int_equal(create_mailbox(&desk, "taken"), 8);
    delete_mailbox(&desk, "gone");
    delete_mailbox(&desk, "taken");
    assert_int_equal(create_mailbox(&desk, "taken"), 9);
    base = now_of(&desk);
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(acct_unrefp) struct acct_state *fork = acct_fork(base);
        const struct record_group group = {.time_us = START_US};
        struct record record = rows[i].record;
        struct err err;
        enum rc rc;

        if (record.type == RECORD_RESTORE)
            record.restore.modseq = acct_modseq(base) + 1;
        rc = acct_check(fork, &record, &err);
        if (rc != (rows[i].applies ? RC_OK : RC_CORRUPT))
            fail_msg("%s: %s", rows[i].why, rc_name(rc));
        if (rc == RC_OK)
            acct_apply(fork, &group, &record);
    }
    acct_unrefp(&base);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_older_than_the_window_goes),
        cmocka_unit_test(a_deleted_mailbox_goes_whole),
        cmocka_unit_test(a_turn_of_expiry_is_bounded),
        cmocka_unit_test(the_oldest_deleted_mailbox_gives_way),
        cmocka_unit_test(messages_come_back_under_new_uids),
        cmocka_unit_test(a_special_use_that_another_has_by_now_stays_there),
        cmocka_unit_test(check_refuses_what_would_not_apply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
