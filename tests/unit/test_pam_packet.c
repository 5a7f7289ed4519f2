/* test_pam_packet.c - what auth and a helper of PAM say to each other. */
// links: roles
#include "lib/test.h"
#include "roles/pam_helper.h"

static void what_can_be_asked(void **state)
{
    static char name[PAM_NAME_MAX_BYTES + 1], secret[PAM_SECRET_MAX_BYTES + 1];

    (void) state;
    memset(name, 'a', sizeof(name));
    memset(secret, 'a', sizeof(secret));
    assert_true(pam_can_ask(slice_of(name, PAM_NAME_MAX_BYTES),
                            slice_of(secret, PAM_SECRET_MAX_BYTES)));
    assert_false(pam_can_ask(slice_of(name, sizeof(name)), SLICE("x")));
    assert_false(pam_can_ask(SLICE("x"), slice_of(secret, sizeof(secret))));
    assert_false(pam_can_ask(SLICE(""), SLICE("x")));
    assert_false(pam_can_ask(SLICE("x"), SLICE("")));
    assert_false(pam_can_ask(SLICE("x\0y"), SLICE("x")));
    assert_false(pam_can_ask(SLICE("x"), SLICE("x\0")));
    assert_false(pam_can_ask(SLICE("x\nsession opened for user y"), SLICE("x")));
    assert_true(pam_can_ask(SLICE("x"), SLICE("\t x")));
}

static void a_question_is_read_as_it_was_written(void **state)
{
    char packet[PAM_PACKET_MAX_BYTES];
    struct slice user, secret;
    size_t len = pam_question_write(SLICE("anna"), SLICE("anna's"), packet);

    (void) state;
    assert_int_equal(pam_question_read(slice_of(packet, len), &user, &secret), RC_OK);
    assert_slice_equal(user, SLICE("anna"));
    assert_slice_equal(secret, SLICE("anna's"));
    for (size_t i = 0; i < len; i++)
        assert_int_equal(pam_question_read(slice_of(packet, i), &user, &secret), RC_SYNTAX);
    packet[len] = 'x';
    assert_int_equal(pam_question_read(slice_of(packet, len + 1), &user, &secret), RC_SYNTAX);
    packet[3] = '\0';
    assert_int_equal(pam_question_read(slice_of(packet, len), &user, &secret), RC_SYNTAX);
}

static void an_answer_is_read_as_it_was_written(void **state)
{
    const struct {
        struct slice packet;
        enum rc rc;
    } rows[] = {
        {SLICE(""),         RC_SYNTAX},
        {SLICE("\0"),       RC_SYNTAX},
        {SLICE("\6"),       RC_SYNTAX},
        {SLICE("\377anna"), RC_SYNTAX},
        {SLICE("\1"),       RC_SYNTAX},
        {SLICE("\1an\0na"), RC_SYNTAX},
        {SLICE("\1anna"),   RC_OK    },
        {SLICE("\2"),       RC_OK    },
        {SLICE("\5"),       RC_OK    },
    };
    AUTO(buf_done) struct buf out = {.max = PAM_PACKET_MAX_BYTES};
    enum pam_result result;
    struct slice text;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(pam_answer_read(rows[i].packet, &result, &text), rows[i].rc);
    pam_answer_write(PAM_RESULT_RIGHT, SLICE("anna"), &out);
    assert_int_equal(pam_answer_read(buf_slice(&out), &result, &text), RC_OK);
    assert_int_equal(result, PAM_RESULT_RIGHT);
    assert_slice_equal(text, SLICE("anna"));
    buf_reset(&out);
    pam_answer_write(PAM_RESULT_UNAVAILABLE, SLICE("pam_start: Critical error"), &out);
    assert_int_equal(pam_answer_read(buf_slice(&out), &result, &text), RC_OK);
    assert_int_equal(result, PAM_RESULT_UNAVAILABLE);
    assert_slice_equal(text, SLICE("pam_start: Critical error"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_asked),
        cmocka_unit_test(a_question_is_read_as_it_was_written),
        cmocka_unit_test(an_answer_is_read_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
