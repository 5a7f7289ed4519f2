/*
 * test_mail_directory.c - mail applies what auth tells of users, shared accounts and groups:
 * nothing before the first whole directory, changes at once, also during a transfer.
 */
// links: roles
#include "lib/test.h"
#include "roles/mail_role.h"

static int set_up(void **state)
{
    struct mail_role *mail = xcalloc(1, sizeof(*mail));

    mail->directory.registry = principal_registry_new();
    mail->lmtp = lmtp_server_new(&(struct lmtp_options){0});
    *state = mail;
    return 0;
}

static int tear_down(void **state)
{
    struct mail_role *mail = *state;

    mail_directory_lost(mail);
    principal_registry_free(mail->directory.registry);
    lmtp_server_free(mail->lmtp);
    free(mail);
    return 0;
}

static void row(struct mail_role *mail, uint32_t transfer, uint64_t id, const char *name,
                uint64_t group)
{
    AUTO(buf_done) struct buf groups = {.max = 8};

    if (group != 0)
        buf_le64(&groups, group);
    mail_directory_row(mail, &(struct msg_directory_row){.transfer = transfer,
                                                         .id = id,
                                                         .kind = WIRE_USER,
                                                         .name = slice_from_str(name),
                                                         .key = slice_from_str(name),
                                                         .groups = buf_slice(&groups)});
}

static void begin(struct mail_role *mail, uint32_t transfer)
{
    mail_directory_begin(mail, &(struct msg_directory_begin){.transfer = transfer});
}

static void end(struct mail_role *mail, uint32_t transfer)
{
    mail_directory_end(mail, &(struct msg_directory_end){.transfer = transfer});
}

static void gone(struct mail_role *mail, uint64_t id)
{
    mail_directory_gone(mail, &(struct msg_directory_gone){.id = id});
}

static bool is_there(struct mail_role *mail, uint64_t id)
{
    AUTO(principals_unrefp)
    struct principals *now = principal_registry_current(mail->directory.registry);

    return principals_by_id(now, id) != NULL;
}

static void nothing_is_there_before_everything_is(void **state)
{
    struct mail_role *mail = *state;

    row(mail, 0, 7, "early", 0); /* a change before the transfer has begun */
    begin(mail, 1);
    row(mail, 1, 1, "ann", 0);
    row(mail, 0, 2, "bob", 0);
    gone(mail, 1);
    assert_false(is_there(mail, 2));
    assert_false(mail->directory.complete);
    end(mail, 1);
    assert_true(mail->directory.complete);
    assert_true(is_there(mail, 2));
    assert_false(is_there(mail, 1));
    assert_false(is_there(mail, 7)); /* the transfer would have brought it */
}

static void changes_count_at_once_and_outlive_a_transfer(void **state)
{
    struct mail_role *mail = *state;

    begin(mail, 1);
    row(mail, 1, 1, "ann", 0);
    row(mail, 1, 2, "bob", 0);
    end(mail, 1);
    row(mail, 0, 3, "cat", 0);
    assert_true(is_there(mail, 3));
    begin(mail, 2);
    row(mail, 2, 1, "ann", 0);
    row(mail, 2, 2, "bob", 0);
    gone(mail, 2);
    row(mail, 0, 4, "dan", 0);
    assert_false(is_there(mail, 2));
    assert_true(is_there(mail, 4));
    row(mail, 2, 3, "cat", 0);
    end(mail, 2);
    assert_true(is_there(mail, 1));
    assert_false(is_there(mail, 2));
    assert_true(is_there(mail, 3));
    assert_true(is_there(mail, 4));
}

static void the_last_directory_stays_while_auth_is_away(void **state)
{
    struct mail_role *mail = *state;

    begin(mail, 1);
    row(mail, 1, 1, "ann", 0);
    end(mail, 1);
    begin(mail, 2);
    mail_directory_lost(mail);
    end(mail, 2); /* of the channel before */
    assert_true(is_there(mail, 1));
    begin(mail, 1);
    begin(mail, 2); /* auth began anew: something could not be queued */
    row(mail, 1, 8, "old", 0);
    row(mail, 2, 2, "bob", 0);
    end(mail, 1);
    assert_true(is_there(mail, 1));
    end(mail, 2);
    assert_false(is_there(mail, 1));
    assert_false(is_there(mail, 8));
    assert_true(is_there(mail, 2));
}

static void rows_carry_groups_and_limits(void **state)
{
    struct mail_role *mail = *state;
    AUTO(principals_unrefp) struct principals *now = NULL;
    const struct principal *group;

    begin(mail, 1);
    mail_directory_row(mail, &(struct msg_directory_row){.transfer = 1,
                                                         .id = 9,
                                                         .kind = WIRE_GROUP,
                                                         .name = SLICE("Staff"),
                                                         .key = SLICE("staff"),
                                                         .limited = 1u << QUOTA_STORAGE,
                                                         .storage = 5000});
    row(mail, 1, 1, "ann", 9);
    end(mail, 1);
    now = principal_registry_current(mail->directory.registry);
    group = principals_by_name(now, PRINCIPAL_GROUP, SLICE("staff"));
    assert_non_null(group);
    assert_true(group->limits.set[QUOTA_STORAGE]);
    assert_int_equal(group->limits.limit[QUOTA_STORAGE], 5000);
    assert_false(group->limits.set[QUOTA_MESSAGES]);
    assert_true(principals_is_member(now, 1, 9));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_there_before_everything_is),
        CASE(changes_count_at_once_and_outlive_a_transfer),
        CASE(the_last_directory_stays_while_auth_is_away),
        CASE(rows_carry_groups_and_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
