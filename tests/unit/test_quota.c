/*
 * test_quota.c - whose limit counts, what is refused by it, what never is, and which marks are
 * logged.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include "base/log.h"
#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNT 7u
#define GROUP_A 100u
#define GROUP_B 200u
#define DEFAULT 1000u

static const struct memory_engine_options plain = {.no_conflict = true};

static void limit_default(struct mail_world *world, enum quota_resource resource,
                          uint64_t limit)
{
    world->quota.defaults.set[resource] = true;
    world->quota.defaults.limit[resource] = limit;
}

static void put_group(struct mail_world *world, uint64_t id, enum quota_resource resource,
                      bool set, uint64_t limit)
{
    AUTO(principals_change_abortp)
    struct principals_change *change =
        principals_change_begin(mail_store_principal_registry(world->store), false);
    struct principal group = {.id = id, .kind = PRINCIPAL_GROUP};
    char name[16];

    (void) snprintf(name, sizeof(name), "g%llu", (unsigned long long) id);
    group.name = group.key = slice_from_str(name);
    group.limits.set[resource] = set;
    group.limits.limit[resource] = limit;
    principals_put(change, &group, NULL, 0);
    principals_publish(&change);
}

static void put_user(struct mail_world *world, const uint64_t *groups, size_t n)
{
    AUTO(principals_change_abortp)
    struct principals_change *change =
        principals_change_begin(mail_store_principal_registry(world->store), false);
    struct principal user = {
        .id = ACCOUNT, .kind = PRINCIPAL_USER, .name = SLICE("ann"), .key = SLICE("ann")};

    principals_put(change, &user, groups, n);
    principals_publish(&change);
}

static void limit_account(struct account *account, enum quota_resource resource, bool set,
                          uint64_t limit)
{
    struct mail_txn *txn = world_begin(account);

    assert_int_equal(txn_set_quota(txn, resource, set, limit, NULL), RC_OK);
    (void) world_commit(&txn);
}

static uint64_t limit_of(struct mail_world *world, struct account *account,
                         enum quota_resource resource)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    struct quota_status status;

    quota_of(world->store, state, &status);
    return status.limit[resource];
}

/* ---- whose limit ---- */

static void the_account_comes_before_its_groups_and_they_before_the_default(void **state)
{
    const uint64_t groups[] = {GROUP_A, GROUP_B};
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    limit_default(&world, QUOTA_MESSAGES, DEFAULT);
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), DEFAULT);
    assert_true(limit_of(&world, account, QUOTA_STORAGE) == QUOTA_UNLIMITED);
    put_group(&world, GROUP_A, QUOTA_MESSAGES, true, 10);
    put_group(&world, GROUP_B, QUOTA_MESSAGES, true, 20);
    put_user(&world, groups, 1);
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), 10); /* below the default */
    put_user(&world, groups, 2);
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), 20); /* the largest */
    put_group(&world, GROUP_B, QUOTA_MESSAGES, true, QUOTA_UNLIMITED);
    assert_true(limit_of(&world, account, QUOTA_MESSAGES) == QUOTA_UNLIMITED);
    put_group(&world, GROUP_B, QUOTA_MESSAGES, false, 0); /* says nothing */
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), 10);
    limit_account(account, QUOTA_MESSAGES, true, 3);
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), 3);
    limit_account(account, QUOTA_MESSAGES, true, QUOTA_UNLIMITED);
    assert_true(limit_of(&world, account, QUOTA_MESSAGES) == QUOTA_UNLIMITED);
    limit_account(account, QUOTA_MESSAGES, false, 0);
    assert_int_equal(limit_of(&world, account, QUOTA_MESSAGES), 10);
    account_close(account);
    world_done(&world);
}

static void a_limit_of_the_account_outlives_the_process(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    world_open_local(&world, &(struct local_options){0});
    account = world_account(&world, ACCOUNT);
    limit_account(account, QUOTA_STORAGE, true, 12345);
    limit_account(account, QUOTA_MAILBOXES, true, QUOTA_UNLIMITED);
    account_close(account);
    world_close(&world);
    world_open_local(&world, &(struct local_options){0});
    account = world_account(&world, ACCOUNT);
    assert_int_equal(limit_of(&world, account, QUOTA_STORAGE), 12345);
    assert_true(limit_of(&world, account, QUOTA_MAILBOXES) == QUOTA_UNLIMITED);
    account_close(account);
    world_done(&world);
}

static void a_limit_is_a_63_bit_number(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    struct mail_txn *txn;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    limit_account(account, QUOTA_STORAGE, true, QUOTA_LIMIT_MAX);
    assert_true(limit_of(&world, account, QUOTA_STORAGE) == QUOTA_LIMIT_MAX);
    txn = world_begin(account);
    assert_int_equal(txn_set_quota(txn, QUOTA_STORAGE, true, QUOTA_LIMIT_MAX + 1, NULL),
                     RC_INVALID);
    txn_abortp(&txn);
    account_close(account);
    world_done(&world);
}

/* ---- what is refused ---- */

/* Append to INBOX and commit. */
static enum rc append(struct account *account, const char *text)
{
    struct mail_txn *txn = world_begin(account);
    struct new_message message = {.stage = world_stage(account, text)};
    const struct mbox *inbox = acct_mailbox_by_name(txn_state(txn), SLICE("INBOX"));
    uint64_t position;
    uint32_t uid;
    enum rc rc;

    assert_int_equal(txn_append(txn, mbox_info(inbox)->id, &message, &uid, NULL), RC_OK);
    rc = txn_commit(&txn, &position, NULL);
    if (rc)
        mail_store_engine(account_store(account))->ops->stage_free(message.stage);
    else
        account_wait_durable(account, position);
    return rc;
}

static enum rc copy_or_move(struct account *account, bool move)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct uid_run all = {1, UID_MAX};
    const struct uid_set uids = {&all, 1};
    struct mail_txn *txn = world_begin(account);
    uint32_t inbox = mbox_info(acct_mailbox_by_name(txn_state(txn), SLICE("INBOX")))->id;
    uint32_t trash = mbox_info(acct_mailbox_by_name(txn_state(txn), SLICE("Trash")))->id;
    struct copied copied;
    uint64_t position;

    assert_int_equal(txn_copy(txn, inbox, &uids, trash, move, arena, &copied, NULL), RC_OK);
    return txn_commit(&txn, &position, NULL);
}

static enum rc create(struct account *account, const char *name)
{
    struct mail_txn *txn = world_begin(account);
    uint64_t position;

    assert_int_equal(txn_create_mailbox(txn, slice_from_str(name), 0, NULL, NULL), RC_OK);
    return txn_commit(&txn, &position, NULL);
}

static struct acct_usage usage(struct account *account)
{
    AUTO(acct_unrefp)
    struct acct_state *state = account_read(account, account_newest_position(account));

    return acct_usage(state);
}

static void what_grows_beyond_a_limit_has_no_effect(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    limit_account(account, QUOTA_STORAGE, true, 10);
    assert_int_equal(append(account, "0123456789"), RC_OK); /* exactly full */
    assert_int_equal(append(account, "x"), RC_QUOTA);
    assert_int_equal(copy_or_move(account, false), RC_QUOTA);
    assert_int_equal(usage(account).messages, 1);
    assert_int_equal(usage(account).bytes, 10);
    limit_account(account, QUOTA_STORAGE, false, 0);
    limit_account(account, QUOTA_MESSAGES, true, 1);
    assert_int_equal(append(account, "x"), RC_QUOTA);
    limit_account(account, QUOTA_MAILBOXES, true, usage(account).mailboxes + 1);
    assert_int_equal(create(account, "a/b"), RC_QUOTA); /* two */
    assert_int_equal(create(account, "a"), RC_OK);
    assert_int_equal(create(account, "b"), RC_QUOTA);
    account_close(account);
    world_done(&world);
}

static void moving_and_deleting_work_whatever_the_limit(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    uint32_t trash;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_int_equal(append(account, "one"), RC_OK);
    assert_int_equal(append(account, "two"), RC_OK);
    limit_account(account, QUOTA_STORAGE, true, 0);
    limit_account(account, QUOTA_MESSAGES, true, 0);
    limit_account(account, QUOTA_MAILBOXES, true, 0);
    assert_int_equal(append(account, "x"), RC_QUOTA);
    assert_int_equal(copy_or_move(account, true), RC_OK);
    trash = world_mailbox_id(account, "Trash", account_newest_position(account));
    (void) world_flag(account, trash, 1, FLAG_OP_ADD, FLAG_DELETED);
    (void) world_expunge(account, trash, 1, 1);
    assert_int_equal(usage(account).messages, 1);
    account_close(account);
    world_done(&world);
}

static void a_new_account_has_its_mailboxes_whatever_the_limit(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    limit_default(&world, QUOTA_MAILBOXES, 1);
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_true(usage(account).mailboxes > 1);
    assert_int_equal(create(account, "a"), RC_QUOTA);
    account_close(account);
    world_done(&world);
}

static void what_is_restored_counts(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct uid_run one = {1, 1};
    const struct uid_set uids = {&one, 1};
    struct mail_world world = {0};
    struct account *account;
    struct mail_txn *txn;
    struct copied copied;
    uint64_t position;
    uint32_t inbox;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_int_equal(append(account, "one"), RC_OK);
    inbox = world_mailbox_id(account, "INBOX", account_newest_position(account));
    (void) world_expunge(account, inbox, 1, 1);
    limit_account(account, QUOTA_STORAGE, true, 2);
    txn = world_begin(account);
    assert_int_equal(txn_restore_messages(txn, inbox, &uids, inbox, arena, &copied, NULL),
                     RC_OK);
    assert_int_equal(txn_commit(&txn, &position, NULL), RC_QUOTA);
    limit_account(account, QUOTA_STORAGE, true, 3);
    txn = world_begin(account);
    assert_int_equal(txn_restore_messages(txn, inbox, &uids, inbox, arena, &copied, NULL),
                     RC_OK);
    assert_int_equal(txn_commit(&txn, &position, NULL), RC_OK);
    assert_int_equal(usage(account).messages, 1);
    account_close(account);
    world_done(&world);
}

/* ---- marks ---- */

static int64_t logged[16];
static size_t n_logged;

static void keep_marks(void *ctx, enum log_level level, const char *event,
                       const struct log_field *fields, size_t n)
{
    (void) ctx;
    if (strcmp(event, "quota.mark") != 0)
        return;
    assert_int_equal(level, LEVEL_WARNING);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, "percent") == 0 && n_logged < COUNT(logged))
            logged[n_logged++] = fields[i].number;
}

static void each_crossing_is_logged_once(void **state)
{
    struct mail_world world = {
        .quota = {.marks = {50, 90, 100}, .n_marks = 3}
    };
    struct account *account;
    uint32_t inbox;

    (void) state;
    limit_default(&world, QUOTA_STORAGE, 10);
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    n_logged = 0;
    log_set_sink(keep_marks, NULL);
    assert_int_equal(append(account, "1234"), RC_OK);
    assert_int_equal(n_logged, 0);
    assert_int_equal(append(account, "5"), RC_OK); /* 50 % exactly */
    assert_int_equal(n_logged, 1);
    assert_int_equal(logged[0], 50);
    assert_int_equal(append(account, "6"), RC_OK);
    assert_int_equal(append(account, "too-long"), RC_QUOTA); /* crosses nothing */
    assert_int_equal(n_logged, 1);
    assert_int_equal(append(account, "7890"), RC_OK); /* two at once */
    assert_int_equal(n_logged, 3);
    assert_int_equal(logged[1], 90);
    assert_int_equal(logged[2], 100);
    inbox = world_mailbox_id(account, "INBOX", account_newest_position(account));
    (void) world_expunge(account, inbox, 1, 1); /* below again: nothing is said */
    assert_int_equal(n_logged, 3);
    assert_int_equal(append(account, "abcd"), RC_OK);
    assert_int_equal(n_logged, 5);
    log_set_sink(NULL, NULL);
    account_close(account);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_account_comes_before_its_groups_and_they_before_the_default),
        cmocka_unit_test(a_limit_of_the_account_outlives_the_process),
        cmocka_unit_test(a_limit_is_a_63_bit_number),
        cmocka_unit_test(what_grows_beyond_a_limit_has_no_effect),
        cmocka_unit_test(moving_and_deleting_work_whatever_the_limit),
        cmocka_unit_test(a_new_account_has_its_mailboxes_whatever_the_limit),
        cmocka_unit_test(what_is_restored_counts),
        cmocka_unit_test(each_crossing_is_logged_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
