/*
 * test_role_policy.c - rules about logins in the auth process, between a gate and a mail made
 * up here: what a grant says of them, what sessions are asked for, and what waits to be
 * confirmed.
 */
// links: roles
// lib: auth_stage
#include <time.h>

#include "auth/policy.h"
#include "base/clock.h"
#include "lib/auth_stage.h"
#include "lib/test.h"

static void try_from(struct auth_stage *stage, uint64_t conn, const char *address)
{
    char room[256];
    struct msg msg = stage_login_of(conn, "u1", "file-secret", room);

    assert_true(ipaddr_parse(slice_from_str(address), &msg.auth_start.peer));
    stage_send(stage->gate, &msg);
}

/* The rows of a verb. */
static size_t count_networks(struct auth_stage *stage)
{
    struct stage_answer answer = stage_ask(stage, "device.networks", "user", "u1", "x", "");

    assert_int_equal(answer.rc, RC_OK);
    return answer.n_rows;
}

static int with_narrow(void **state)
{
    return stage_set_up_with_rules(
        state, "deny network 198.51.100.0/24\nread-only network 203.0.113.0/24\n"
               "deny mailbox Private\nread-only mailbox Archive*\nallow\n");
}

static struct msg_session_facts facts_of(const struct msg_grant *grant)
{
    return (struct msg_session_facts){.gate = grant->gate,
                                      .conn = grant->conn,
                                      .account = grant->account,
                                      .device = grant->device,
                                      .mechanism = SLICE("PLAIN"),
                                      .credential = grant->credential,
                                      .peer = grant->peer,
                                      .verdict = grant->verdict};
}

static void tell_facts(struct auth_stage *stage, const struct msg_session_facts *facts)
{
    stage_send(stage->mail, &(struct msg){.type = MSG_SESSION_FACTS, .session_facts = *facts});
}

static void a_grant_says_what_rules_gave(void **state)
{
    struct auth_stage *stage = *state;
    struct msg_session_facts facts;
    const struct msg_grant *grant;
    const struct msg_session_end *end;

    /* Mail that comes is asked about everybody. */
    assert_int_equal(stage_expect(stage->mail, MSG_SESSIONS_ASK)->sessions_ask.account, 0);
    try_from(stage, 1, "192.0.2.1");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    grant = &stage_expect(stage->mail, MSG_GRANT)->grant;
    assert_slice_equal(grant->mailboxes, SLICE("-Private\n=Archive*\n+*\n"));
    assert_int_equal(grant->rights, GRANT_READ | GRANT_WRITE);
    assert_slice_equal(grant->mechanism, SLICE("PLAIN"));
    facts = facts_of(grant);
    (void) stage_expect(stage->gate, MSG_AUTH_OK);
    /* The same facts, the same verdict: it stays. From elsewhere it would get another. */
    tell_facts(stage, &facts);
    facts.conn = 2;
    assert_true(ipaddr_parse(SLICE("203.0.113.5"), &facts.peer));
    tell_facts(stage, &facts);
    end = &stage_expect(stage->mail, MSG_SESSION_END)->session_end;
    assert_int_equal(end->conn, 2);
    assert_int_equal(end->gate, 7);
    assert_int_equal(end->verdict, facts.verdict);
    try_from(stage, 3, "203.0.113.5");
    grant = &stage_expect(stage->mail, MSG_GRANT)->grant;
    assert_int_equal(grant->rights, GRANT_READ);
    assert_int_equal(grant->mailboxes.len, 0);
    (void) stage_expect(stage->gate, MSG_AUTH_OK);
    try_from(stage, 4, "198.51.100.1");
    stage_expect_fail(stage, 4, AUTH_CODE_POLICY);
}

#define NOON_US ((int64_t) 1764072000 * 1000000) /* 2025-11-25 12:00 UTC */

/* Half a minute before the window closes; both clocks stand until a case sets them. */
static int with_window(void **state)
{
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    clock_set_for_test(NOON_US - 30000000);
    return stage_set_up_with_rules(state, "deny not time 06:00-12:00\nallow\n");
}

/* Auth's ticks of 20 s are due; what it is asked wakes it. */
static void a_window_that_closes_is_felt_within_a_minute(void **state)
{
    struct auth_stage *stage = *state;
    struct msg_session_facts facts;

    (void) stage_expect(stage->mail, MSG_SESSIONS_ASK);
    try_from(stage, 1, "192.0.2.1");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    facts = facts_of(&stage_expect(stage->mail, MSG_GRANT)->grant);
    (void) stage_expect(stage->gate, MSG_AUTH_OK);
    /* One tick with the window open: nobody is asked about, or the next question is not the
     * one that the closing brings. */
    clock_set_for_test(NOON_US - 1000000);
    (void) count_networks(stage);
    try_from(stage, 2, "192.0.2.1");
    (void) stage_expect(stage->mail, MSG_GRANT);
    (void) stage_expect(stage->gate, MSG_AUTH_OK);
    clock_set_for_test(NOON_US + 29000000);
    (void) count_networks(stage);
    assert_int_equal(stage_expect(stage->mail, MSG_SESSIONS_ASK)->sessions_ask.account, 0);
    tell_facts(stage, &facts);
    assert_int_equal(stage_expect(stage->mail, MSG_SESSION_END)->session_end.conn, 1);
}

static int with_step_up(void **state)
{
    return stage_set_up_with_rules(state, "step-up not network 192.0.2.0/24\nallow\n");
}

static void what_waits_has_limits(void **state)
{
    struct auth_stage *stage = *state;
    char address[32];

    (void) stage_expect(stage->mail, MSG_SESSIONS_ASK);
    for (unsigned i = 0; i < 20; i++) {
        (void) snprintf(address, sizeof(address), "10.0.%u.1", i);
        try_from(stage, i + 1, address);
        if (i == 0)
            (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
        stage_expect_fail(stage, i + 1, AUTH_CODE_CONFIRM);
    }
    assert_int_equal(count_networks(stage), 16);
    try_from(stage, 30, "10.0.19.200"); /* the same network: the same entry */
    stage_expect_fail(stage, 30, AUTH_CODE_CONFIRM);
    assert_int_equal(count_networks(stage), 16);
    /* All that wait at once; the oldest had made room. */
    assert_int_equal(stage_ask(stage, "device.vouch", "user", "u1", "device", "0").rc, RC_OK);
    assert_int_equal(stage_ask(stage, "device.vouch", "user", "u1", "device", "0").rc,
                     RC_NOT_FOUND);
    assert_int_equal(stage_ask(stage, "device.vouch", "user", "u1", "device", "99").rc,
                     RC_NOT_FOUND);
    assert_int_equal(count_networks(stage), 16);
    try_from(stage, 31, "10.0.19.7");
    (void) stage_expect_grant(stage, 31, 0);
    try_from(stage, 32, "10.0.1.7");
    stage_expect_fail(stage, 32, AUTH_CODE_CONFIRM);
    assert_int_equal(stage_ask(stage, "device.forget", "user", "u1", "device", "0").rc, RC_OK);
    assert_true(stage_expect(stage->mail, MSG_SESSIONS_ASK)->sessions_ask.account != 0);
    try_from(stage, 33, "10.0.19.7");
    stage_expect_fail(stage, 33, AUTH_CODE_CONFIRM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_grant_says_what_rules_gave, with_narrow,
                                        stage_tear_down),
        cmocka_unit_test_setup_teardown(a_window_that_closes_is_felt_within_a_minute,
                                        with_window, stage_tear_down),
        cmocka_unit_test_setup_teardown(what_waits_has_limits, with_step_up, stage_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
