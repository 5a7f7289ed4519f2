/*
 * test_auth_gssapi.c - Kerberos logins as the auth process sees them, with a gss that the test
 * plays: what the client says goes there unread, and what comes back decides.
 */
// links: roles
// lib: auth_stage
// labels: concurrency
#include "lib/auth_stage.h"
#include "lib/test.h"

#define EXPIRES 4000000000u

static void start(struct auth_stage *stage, uint64_t conn, uint16_t tls_version)
{
    char room[256];
    struct msg msg = stage_login_of(conn, "-", "-", room);

    msg.auth_start.mechanism = SLICE("GSSAPI");
    msg.auth_start.initial = SLICE("token");
    msg.auth_start.tls_version = tls_version;
    msg.auth_start.peer.bytes[3] = (uint8_t) conn; /* failures of one do not slow the next */
    stage_send(stage->gate, &msg);
}

static uint64_t expect_step(struct auth_stage *stage, bool first, struct slice data)
{
    const struct msg_gss_step *step = &stage_expect(stage->gss, MSG_GSS_STEP)->gss_step;

    assert_int_equal(step->first, first);
    assert_slice_equal(step->data, data);
    return step->exchange;
}

static void answer(struct auth_stage *stage, const struct msg_gss_result *result)
{
    stage_send(stage->gss, &(struct msg){.type = MSG_GSS_RESULT, .gss_result = *result});
}

static void a_good_ticket_becomes_a_grant_until_it_ends(void **state)
{
    struct auth_stage *stage = *state;
    const struct msg *msg;
    uint64_t exchange;

    start(stage, 1, 0x0304);
    exchange = expect_step(stage, true, SLICE("token"));
    answer(stage, &(struct msg_gss_result){
                      .exchange = exchange, .code = GSS_CODE_MORE, .data = SLICE("more")});
    msg = stage_expect(stage->gate, MSG_AUTH_CONTINUE);
    assert_slice_equal(msg->auth_continue.data, SLICE("more"));
    stage_send(stage->gate,
               &(struct msg){
                   .type = MSG_AUTH_DATA, .auth_data = {.conn = 1, .data = SLICE("")}
    });
    assert_int_equal(expect_step(stage, false, SLICE("")), exchange);
    answer(stage, &(struct msg_gss_result){.exchange = exchange,
                                           .code = GSS_CODE_GOOD,
                                           .principal = SLICE("u1@R"),
                                           .authzid = SLICE("U1@example.org"),
                                           .expires = EXPIRES});
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    msg = stage_expect(stage->mail, MSG_GRANT);
    assert_slice_equal(msg->grant.user, SLICE("u1"));
    assert_slice_equal(msg->grant.mechanism, SLICE("GSSAPI"));
    assert_int_equal(msg->grant.expires, EXPIRES);
    assert_int_equal(msg->grant.device, 0);
    assert_int_equal(stage_expect(stage->gate, MSG_AUTH_OK)->auth_ok.conn, 1);
}

// clang-format off
static const struct { uint8_t code; const char *principal, *authzid; enum auth_code wanted; } refusals[] = {
    {GSS_CODE_REFUSED,     "",           "",       AUTH_CODE_FAILED},
    {GSS_CODE_MALFORMED,   "",           "",       AUTH_CODE_MALFORMED},
    {GSS_CODE_UNAVAILABLE, "",           "",       AUTH_CODE_UNAVAILABLE},
    {GSS_CODE_COUNT,       "u1@R",       "",       AUTH_CODE_UNAVAILABLE}, /* no code of gss's */
    {GSS_CODE_GOOD,        "u1@r",       "",       AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "u1@EVIL",    "",       AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "u1/admin@R", "",       AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "u1",         "",       AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "nobody@R",   "",       AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "nobody@R",   "u1",     AUTH_CODE_FAILED},
    {GSS_CODE_GOOD,        "u1@R",       "nobody", AUTH_CODE_AUTHORIZATION},
};
// clang-format on

static void nothing_else_does(void **state)
{
    struct auth_stage *stage = *state;

    for (size_t i = 0; i < COUNT(refusals); i++) {
        uint64_t exchange;

        start(stage, i + 1, 0x0304);
        exchange = expect_step(stage, true, SLICE("token"));
        answer(stage,
               &(struct msg_gss_result){.exchange = exchange,
                                        .code = refusals[i].code,
                                        .principal = slice_from_str(refusals[i].principal),
                                        .authzid = slice_from_str(refusals[i].authzid)});
        stage_expect_fail(stage, i + 1, refusals[i].wanted);
    }
    start(stage, COUNT(refusals) + 1, 0);
    stage_expect_fail(stage, COUNT(refusals) + 1, AUTH_CODE_PRIVACY);
}

static void a_login_that_is_given_up_ends_its_exchange(void **state)
{
    struct auth_stage *stage = *state;
    uint64_t exchange;

    start(stage, 1, 0x0304);
    exchange = expect_step(stage, true, SLICE("token"));
    stage_send(stage->gate, &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 1}});
    assert_int_equal(stage_expect(stage->gss, MSG_GSS_END)->gss_end.exchange, exchange);
    answer(stage, &(struct msg_gss_result){.exchange = exchange,
                                           .code = GSS_CODE_GOOD,
                                           .principal = SLICE("u1@R")}); /* they crossed */
    start(stage, 2, 0x0304);
    assert_int_not_equal(expect_step(stage, true, SLICE("token")), exchange);
}

static void without_gss_nobody_waits(void **state)
{
    struct auth_stage *stage = *state;

    start(stage, 1, 0x0304);
    (void) expect_step(stage, true, SLICE("token"));
    channel_free(TAKE(stage->gss));
    stage_expect_fail(stage, 1, AUTH_CODE_UNAVAILABLE);
    start(stage, 2, 0x0304);
    stage_expect_fail(stage, 2, AUTH_CODE_UNAVAILABLE);
}

/* So many that gss is behind with reading, and waits itself until its answers are taken. */
static void answers_are_taken_while_questions_wait(void **state)
{
    static char token[60000]; /* a socket holds a few */
    struct auth_stage *stage = *state;
    uint64_t exchange;
    char room[256];

    start(stage, 1, 0x0304);
    exchange = expect_step(stage, true, SLICE("token"));
    for (uint64_t conn = 2; conn < 40; conn++) {
        struct msg msg = stage_login_of(conn, "-", "-", room);

        msg.auth_start.mechanism = SLICE("GSSAPI");
        msg.auth_start.initial = slice_of(token, sizeof(token));
        stage_send(stage->gate, &msg);
    }
    start(stage, 40, 0); /* the last is refused: auth has seen all before it */
    stage_expect_fail(stage, 40, AUTH_CODE_PRIVACY);
    answer(stage, &(struct msg_gss_result){
                      .exchange = exchange, .code = GSS_CODE_MORE, .data = SLICE("more")});
    assert_int_equal(stage_expect(stage->gate, MSG_AUTH_CONTINUE)->auth_continue.conn, 1);
    for (uint64_t conn = 2; conn < 40; conn++) /* and nothing of what waited is lost */
        (void) expect_step(stage, true, slice_of(token, sizeof(token)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(a_good_ticket_becomes_a_grant_until_it_ends),
        ON_STAGE(nothing_else_does),
        ON_STAGE(a_login_that_is_given_up_ends_its_exchange),
        ON_STAGE(without_gss_nobody_waits),
        ON_STAGE(answers_are_taken_while_questions_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
