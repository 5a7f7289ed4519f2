/* test_message.c - every message of the table: there and back, and refused when bent. */
// links: ipc
#include "ipc/message.h"
#include "lib/message_sample.h"
#include "lib/test.h"

static void every_type_comes_back_as_it_went(void **state)
{
    (void) state;
    for (size_t i = 0; i < message_sample_count(); i++) {
        AUTO(buf_done) struct buf first = {0}, second = {0};
        const struct message_sample *sample = message_sample_at(i);
        struct msg back = {.type = MSG_NONE};

        buf_init(&first, MSG_MAX_BYTES);
        buf_init(&second, MSG_MAX_BYTES);
        assert_int_equal(msg_encode(&sample->msg, &first, NULL), RC_OK);
        assert_int_equal(msg_decode(buf_slice(&first), msg_n_fds(sample->msg.type),
                                    sample->from, sample->to, &back, NULL),
                         RC_OK);
        assert_int_equal(back.type, sample->msg.type);
        assert_int_equal(msg_encode(&back, &second, NULL), RC_OK);
        assert_slice_equal(buf_slice(&second), buf_slice(&first));
    }
}

/* Decode must fail with rc and leave its output alone. */
static void refuse(struct slice bytes, size_t n_fds, enum role from, enum role to, enum rc rc)
{
    struct msg back = {.type = MSG_NONE, .grant = {.account = 0x5a5a}};

    assert_int_equal(msg_decode(bytes, n_fds, from, to, &back, NULL), rc);
    assert_int_equal(back.type, MSG_NONE);
    assert_int_equal(back.grant.account, 0x5a5a);
}

static void short_and_long_ones_are_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < message_sample_count(); i++) {
        AUTO(buf_done) struct buf bytes = {0};
        const struct message_sample *sample = message_sample_at(i);
        size_t n_fds = msg_n_fds(sample->msg.type);

        buf_init(&bytes, MSG_MAX_BYTES);
        assert_int_equal(msg_encode(&sample->msg, &bytes, NULL), RC_OK);
        for (size_t len = 0; len < bytes.len; len++)
            refuse(slice_of(bytes.ptr, len), n_fds, sample->from, sample->to, RC_SYNTAX);
        buf_byte(&bytes, 0);
        refuse(buf_slice(&bytes), n_fds, sample->from, sample->to, RC_SYNTAX);
    }
}

static void each_pair_of_roles_may_say_only_what_the_table_says(void **state)
{
    (void) state;
    for (size_t i = 0; i < message_sample_count(); i++) {
        AUTO(buf_done) struct buf bytes = {0};
        const struct message_sample *sample = message_sample_at(i);

        buf_init(&bytes, MSG_MAX_BYTES);
        assert_int_equal(msg_encode(&sample->msg, &bytes, NULL), RC_OK);
        for (enum role from = ROLE_SUPERVISOR; from < ROLE_COUNT; from++) {
            for (enum role to = ROLE_SUPERVISOR; to < ROLE_COUNT; to++) {
                if (((sample->from_bits >> from) & 1) == 0 ||
                    ((sample->to_bits >> to) & 1) == 0)
                    refuse(buf_slice(&bytes), msg_n_fds(sample->msg.type), from, to, RC_DENIED);
            }
        }
    }
}

static void versions_and_numbers_nobody_knows_are_refused(void **state)
{
    struct msg msg = {.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 7}};
    AUTO(buf_done) struct buf bytes = {0};

    (void) state;
    buf_init(&bytes, MSG_MAX_BYTES);
    assert_int_equal(msg_encode(&msg, &bytes, NULL), RC_OK);
    bytes.ptr[2]++; /* version */
    refuse(buf_slice(&bytes), 0, ROLE_GATE, ROLE_AUTH, RC_SYNTAX);
    bytes.ptr[2]--;
    bytes.ptr[3] = 1; /* must be zero */
    refuse(buf_slice(&bytes), 0, ROLE_GATE, ROLE_AUTH, RC_SYNTAX);
    bytes.ptr[3] = 0;
    bytes.ptr[1] = 0x7f; /* type */
    refuse(buf_slice(&bytes), 0, ROLE_GATE, ROLE_AUTH, RC_SYNTAX);
    bytes.ptr[1] = 0;
    refuse(buf_slice(&bytes), 1, ROLE_GATE, ROLE_AUTH, RC_SYNTAX); /* a descriptor too many */
    bytes.ptr[0] = 0;
    refuse(buf_slice(&bytes), 0, ROLE_GATE, ROLE_AUTH, RC_SYNTAX);
}

static void a_field_one_past_its_limit_is_refused_on_both_sides(void **state)
{
    AUTO(buf_done) struct buf bytes = {0};
    AUTO(freep) char *long_user = xcalloc(1, MSG_USER_MAX + 1);
    struct msg msg = {.type = MSG_ACCOUNT_CREATED,
                      .account_created = {.user = {long_user, MSG_USER_MAX}}};
    struct msg back;

    (void) state;
    buf_init(&bytes, MSG_MAX_BYTES);
    assert_int_equal(msg_encode(&msg, &bytes, NULL), RC_OK);
    assert_int_equal(msg_decode(buf_slice(&bytes), 0, ROLE_AUTH, ROLE_MAIL, &back, NULL),
                     RC_OK);
    buf_patch_le32(&bytes, bytes.len - MSG_USER_MAX - 4, MSG_USER_MAX + 1);
    buf_byte(&bytes, 0);
    refuse(buf_slice(&bytes), 0, ROLE_AUTH, ROLE_MAIL, RC_SYNTAX);
    buf_reset(&bytes);
    buf_str(&bytes, "kept");
    msg.account_created.user.len++;
    assert_int_equal(msg_encode(&msg, &bytes, NULL), RC_LIMIT);
    assert_slice_equal(buf_slice(&bytes), SLICE("kept"));
}

static void an_address_of_no_family_is_refused(void **state)
{
    struct msg msg = {.type = MSG_LAST_USED, .last_used = {.peer = {.family = 5}}};
    AUTO(buf_done) struct buf bytes = {0};

    (void) state;
    buf_init(&bytes, MSG_MAX_BYTES);
    assert_int_equal(msg_encode(&msg, &bytes, NULL), RC_OK);
    refuse(buf_slice(&bytes), 0, ROLE_MAIL, ROLE_AUTH, RC_SYNTAX);
}

static void a_list_ends_where_it_is_broken(void **state)
{
    AUTO(buf_done) struct buf list = {0};
    struct slice item;
    struct scan sc;

    (void) state;
    buf_init(&list, 100);
    msg_list_add(&list, SLICE("INBOX"));
    msg_list_add(&list, SLICE(""));
    buf_le32(&list, 5);
    buf_str(&list, "four");
    sc = scan_of(buf_slice(&list));
    assert_true(msg_list_next(&sc, &item) && slice_eq(item, SLICE("INBOX")));
    assert_true(msg_list_next(&sc, &item) && item.len == 0);
    assert_false(msg_list_next(&sc, &item));
}

static void roles_have_names(void **state)
{
    (void) state;
    for (enum role role = ROLE_SUPERVISOR; role < ROLE_COUNT; role++) {
        enum role back;

        assert_true(role_from_name(slice_from_str(role_name(role)), &back));
        assert_int_equal(back, role);
    }
    assert_false(role_from_name(SLICE("root"), &(enum role){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_as_it_went),
        cmocka_unit_test(short_and_long_ones_are_refused),
        cmocka_unit_test(each_pair_of_roles_may_say_only_what_the_table_says),
        cmocka_unit_test(versions_and_numbers_nobody_knows_are_refused),
        cmocka_unit_test(a_field_one_past_its_limit_is_refused_on_both_sides),
        cmocka_unit_test(an_address_of_no_family_is_refused),
        cmocka_unit_test(a_list_ends_where_it_is_broken),
        cmocka_unit_test(roles_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
