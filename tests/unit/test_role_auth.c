/*
 * test_role_auth.c - the auth process between a gate, a mail and a supervisor made up here: who
 * gets a grant, who is refused, and what a revocation says. What administrators do is
 * test_auth_verbs.c's.
 */
// links: roles
// lib: auth_stage
// labels: concurrency
#include <unistd.h>

#include "auth/throttle.h"
#include "base/clock.h"
#include "lib/auth_stage.h"
#include "lib/test.h"

static void a_login_becomes_one_grant_with_the_gates_nonce(void **state)
{
    struct auth_stage *stage = *state;
    uint64_t first;

    stage_try_login(stage, 1, "u1", "file-secret");
    assert_slice_equal(stage_expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.user,
                       SLICE("u1"));
    first = stage_expect_grant(stage, 1, 0);
    stage_try_login(stage, 2, "U1@example.org", "file-secret");
    assert_int_equal(stage_expect_grant(stage, 2, 0), first);
    /* The log line follows the grant. */
    (void) stage_ask(stage, "alias.list", "after", "", "x", "");
    assert_int_equal(stage->n_ok, 2);
}

static void a_client_that_waits_gets_an_empty_challenge(void **state)
{
    struct auth_stage *stage = *state;
    char room[256];
    struct msg start = stage_login_of(3, "u1", "file-secret", room);
    struct slice message = start.auth_start.initial;

    start.auth_start.has_initial = 0;
    start.auth_start.initial = SLICE("");
    stage_send(stage->gate, &start);
    assert_int_equal(stage_expect(stage->gate, MSG_AUTH_CONTINUE)->auth_continue.data.len, 0);
    stage_send(stage->gate,
               &(struct msg){
                   .type = MSG_AUTH_DATA, .auth_data = {.conn = 3, .data = message}
    });
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) stage_expect_grant(stage, 3, 0);
}

static void refusals_say_little(void **state)
{
    struct auth_stage *stage = *state;
    char room[256];
    struct msg msg;

    stage_try_login(stage, 1, "u1", "wrong-secret");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    stage_expect_fail(stage, 1, AUTH_CODE_FAILED);
    stage_try_login(stage, 2, "nobody", "wrong-secret");
    stage_expect_fail(stage, 2, AUTH_CODE_FAILED);
    stage_try_login(stage, 3, "", "wrong-secret");
    stage_expect_fail(stage, 3, AUTH_CODE_MALFORMED);
    msg = stage_login_of(4, "u1", "file-secret", room);
    msg.auth_start.mechanism = SLICE("CRAM-MD5");
    stage_send(stage->gate, &msg);
    stage_expect_fail(stage, 4, AUTH_CODE_NO_MECHANISM);
    msg = stage_login_of(5, "u1", "file-secret", room);
    msg.auth_start.tls_version = 0;
    stage_send(stage->gate, &msg);
    stage_expect_fail(stage, 5, AUTH_CODE_PRIVACY);
    msg.auth_start.conn = 6;
    msg.auth_start.peer = (struct ipaddr){
        .family = IPADDR_V4, .bytes = {127, 0, 0, 1}
    };
    stage_send(stage->gate, &msg);
    (void) stage_expect_grant(stage, 6, 0);
    assert_int_equal(stage->n_refused, 5);
}

static void revoking_a_device_ends_its_sessions_and_its_logins(void **state)
{
    struct auth_stage *stage = *state;
    struct stage_answer made = stage_ask(stage, "user.add", "name", "anna", "device", "phone");
    const struct msg_revoke *revoke;
    uint64_t account, device;

    assert_int_equal(made.rc, RC_OK);
    assert_true(slice_to_u64(slice_from_str(made.device), &device));
    account = stage_expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.account;
    stage_try_login(stage, 1, "anna", made.password);
    assert_int_equal(stage_expect_grant(stage, 1, device), account);
    assert_int_equal(stage_ask(stage, "device.list", "user", "anna", "x", "").n_rows, 1);
    assert_int_equal(
        stage_ask(stage, "device.revoke", "user", "anna", "device", made.device).rc, RC_OK);
    revoke = &stage_expect(stage->mail, MSG_REVOKE)->revoke;
    assert_int_equal(revoke->what, REVOKE_DEVICE);
    assert_int_equal(revoke->account, account);
    assert_int_equal(revoke->device, device);
    stage_try_login(stage, 2, "anna", made.password);
    stage_expect_fail(stage, 2, AUTH_CODE_FAILED);
    assert_int_equal(
        stage_ask(stage, "device.revoke", "user", "anna", "device", made.device).rc,
        RC_NOT_FOUND);
}

/* One that died between the two has not told mail. */
static void an_auth_that_comes_ends_sessions_of_devices_that_were_revoked(void **state)
{
    struct auth_stage *stage = *state;
    struct stage_answer made;
    struct msg facts = {
        .type = MSG_SESSION_FACTS, .session_facts = {.gate = 7, .conn = 1}
    };
    const struct msg_revoke *revoke;

    assert_int_equal(stage_expect(stage->mail, MSG_SESSIONS_ASK)->sessions_ask.account, 0);
    made = stage_ask(stage, "user.add", "name", "anna", "device", "phone");
    assert_true(slice_to_u64(slice_from_str(made.device), &facts.session_facts.device));
    facts.session_facts.account =
        stage_expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.account;
    stage_send(stage->mail, &facts); /* it stays */
    assert_int_equal(
        stage_ask(stage, "device.revoke", "user", "anna", "device", made.device).rc, RC_OK);
    (void) stage_expect(stage->mail, MSG_REVOKE);
    stage_send(stage->mail, &facts);
    revoke = &stage_expect(stage->mail, MSG_REVOKE)->revoke;
    assert_int_equal(revoke->what, REVOKE_DEVICE);
    assert_int_equal(revoke->account, facts.session_facts.account);
    assert_int_equal(revoke->device, facts.session_facts.device);
}

static void who_is_taken_out_of_the_passwd_file_keeps_no_session(void **state)
{
    struct auth_stage *stage = *state;
    struct msg facts[2];
    const struct msg_revoke *revoke;
    FILE *file;

    clock_set_for_test(1700000000000000);
    (void) stage_expect(stage->mail, MSG_SESSIONS_ASK);
    for (unsigned i = 0; i < COUNT(facts); i++) {
        stage_try_login(stage, i, i == 0 ? "u1" : "u2", "file-secret");
        (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
        facts[i] = (struct msg){
            .type = MSG_SESSION_FACTS, .session_facts = {.gate = 7, .conn = i}
        };
        facts[i].session_facts.account = stage_expect_grant(stage, i, 0);
    }
    file = fopen(stage->users, "w");
    assert_non_null(file);
    assert_true(fputs("u2:{PLAIN}file-secret\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    clock_set_for_test(1700000002000000);
    stage_try_login(stage, 3, "u1", "file-secret"); /* it is looked at */
    stage_expect_fail(stage, 3, AUTH_CODE_FAILED);
    assert_int_equal(stage_expect(stage->mail, MSG_SESSIONS_ASK)->sessions_ask.account, 0);
    stage_send(stage->mail, &facts[1]); /* it stays */
    stage_send(stage->mail, &facts[0]);
    revoke = &stage_expect(stage->mail, MSG_REVOKE)->revoke;
    assert_int_equal(revoke->what, REVOKE_ACCOUNT);
    assert_int_equal(revoke->account, facts[0].session_facts.account);
    clock_set_for_test(0);
}

#define SHA512_OF_PASSWORD                                                                     \
    "{SHA512-CRYPT}$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"                    \
    "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

static void a_slow_hash_is_checked_and_replaced_by_a_better_one(void **state)
{
    struct auth_stage *stage = *state;
    struct stage_answer answer;

    answer = stage_ask_with_data(stage, "user.import",
                                 "# moved in\nanna:" SHA512_OF_PASSWORD
                                 ":1000:1000::/home/anna::\r\n\nbob:{MD5}x\nbert:{PLAIN}x");
    assert_int_equal(answer.rc, RC_INVALID);
    assert_int_equal(answer.n_rows, 2); /* bob and bert */
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    stage_try_login(stage, 1, "anna", "wrong-secret");
    stage_expect_fail(stage, 1, AUTH_CODE_FAILED);
    for (uint64_t conn = 2; conn <= 3; conn++) { /* the second time with the better hash */
        stage_try_login(stage, conn, "anna", "password");
        (void) stage_expect_grant(stage, conn, 0);
    }
    /* Nothing is set for a line that is there already. */
    answer = stage_ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    assert_int_equal(answer.rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_REVOKE)->revoke.device, 0);
    assert_int_equal(stage_ask(stage, "user.passwd", "name", "anna", "hash", "{PLAIN}x").rc,
                     RC_INVALID);
    assert_int_equal(stage_ask(stage, "user.passwd", "name", "anna", "hash", "").rc, RC_OK);
    (void) stage_expect(stage->mail, MSG_REVOKE);
    stage_try_login(stage, 4, "anna", "password");
    stage_expect_fail(stage, 4, AUTH_CODE_FAILED);
}

static void an_attempt_that_was_cancelled_has_no_answer(void **state)
{
    struct auth_stage *stage = *state;
    char room[256];
    struct msg start = stage_login_of(1, "u1", "file-secret", room);

    start.auth_start.has_initial = 0;
    stage_send(stage->gate, &start);
    (void) stage_expect(stage->gate, MSG_AUTH_CONTINUE);
    stage_send(stage->gate, &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 1}});
    stage_send(stage->gate, &(struct msg){
                                .type = MSG_AUTH_DATA,
                                .auth_data = {.conn = 1, .data = start.auth_start.initial}
    });
    /* The same while the pool works on it; the answer that comes is the next one's. */
    (void) stage_ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    stage_try_login(stage, 2, "anna", "password");
    stage_send(stage->gate, &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 2}});
    stage_try_login(stage, 3, "u1", "file-secret");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) stage_expect_grant(stage, 3, 0);
}

/* Else whoever leaves at once could try as many as he likes. */
static void a_guess_counts_though_its_client_has_left(void **state)
{
    struct auth_stage *stage = *state;
    struct msg cancel = {.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 1}};

    (void) stage_ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    stage_try_login(stage, 1, "anna", "wrong-secret");
    stage_send(stage->gate, &cancel);
    for (int turns = 0; stage->n_refused == 0 && turns < 100000; turns++)
        (void) stage_ask(stage, "alias.list", "after", "", "x", ""); /* a turn of the loop */
    assert_int_equal(stage->n_refused, 1);
    assert_int_equal(stage->n_ok, 0);
}

static void a_replaced_gate_hears_nothing_of_the_old_ones_attempts(void **state)
{
    struct auth_stage *stage = *state;
    char room[256];
    struct msg start = stage_login_of(1, "u1", "file-secret", room);
    struct msg peer = {
        .type = MSG_PEER, .peer = {.role = ROLE_GATE, .instance = 70}
    };
    struct msg_grant grant;
    int pair[2];

    start.auth_start.has_initial = 0;
    stage_send(stage->gate, &start);
    (void) stage_expect(stage->gate, MSG_AUTH_CONTINUE);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    assert_int_equal(channel_send(stage->supervisor, &peer, &pair[0], STAGE_WAIT_MS, NULL),
                     RC_OK);
    assert_int_equal(close(pair[0]), 0);
    channel_free(stage->gate);
    stage->gate = channel_new(pair[1], ROLE_GATE, ROLE_AUTH);
    start.auth_start.has_initial = 1; /* the same number, another connection */
    stage_send(stage->gate, &start);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    grant = stage_expect(stage->mail, MSG_GRANT)->grant;
    assert_int_equal(grant.gate, 70);
    assert_int_equal(stage_expect(stage->gate, MSG_AUTH_OK)->auth_ok.conn, 1);
}

static void without_mail_nobody_gets_in(void **state)
{
    struct auth_stage *stage = *state;
    int pair[2];

    channel_free(stage->mail);
    stage_try_login(stage, 1, "u1", "file-secret");
    stage_expect_fail(stage, 1, AUTH_CODE_UNAVAILABLE);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    stage->mail = channel_new(pair[1], ROLE_MAIL, ROLE_AUTH);
    assert_int_equal(close(pair[0]), 0);
}

/*
 * Ten thousand wrong passwords for one user from one address, all at once: those within the
 * bound wait, those beyond are told so, and each gets exactly one answer when its time has
 * come. Meanwhile the same user gets in from elsewhere, at once.
 */
static void a_flood_of_guesses_is_bounded_and_locks_nobody_out(void **state)
{
    enum { FLOOD = 10000, STRANGERS = 8192 - 2048 };
    struct auth_stage *stage = *state;
    static unsigned char answered[FLOOD];
    char room[256];
    struct msg good = stage_login_of(FLOOD, "u1", "file-secret", room);
    int n_answers = 0, n_checked = 0;
    struct packet *packet;

    memset(answered, 0, sizeof(answered));
    clock_set_for_test(1700000000000000);
    good.auth_start.peer.bytes[3] = 2; /* has been in before */
    stage_send(stage->gate, &good);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) stage_expect_grant(stage, FLOOD, 0);
    for (uint64_t conn = 0; conn < FLOOD; conn++) {
        stage_try_login(stage, conn, "u1", "wrong-secret");
        if (conn + 1 < THROTTLE_FREE) { /* said without delay: no place is given back later */
            stage_expect_fail(stage, conn, AUTH_CODE_FAILED);
            answered[conn] = 1;
            n_answers++;
            n_checked++;
        }
        while (channel_wait(stage->gate, 0, &packet, NULL) == RC_OK) {
            assert_int_equal(packet->msg.type, MSG_AUTH_FAIL);
            assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
            n_checked += packet->msg.auth_fail.code == AUTH_CODE_FAILED;
            n_answers++;
        }
    }
    while (n_answers < FLOOD - STRANGERS) { /* all places of strangers are taken, and stay so */
        assert_int_equal(channel_wait(stage->gate, STAGE_WAIT_MS, &packet, NULL), RC_OK);
        assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
        n_checked += packet->msg.auth_fail.code == AUTH_CODE_FAILED;
        n_answers++;
    }
    good.auth_start.conn = FLOOD + 1;
    stage_send(stage->gate, &good);
    (void) stage_expect_grant(stage, FLOOD + 1, 0);
    good.auth_start.conn = FLOOD + 2;
    good.auth_start.peer.bytes[3] = 3;
    stage_send(stage->gate, &good);
    stage_expect_fail(stage, FLOOD + 2, AUTH_CODE_LIMIT);
    for (int64_t step = 1; n_answers < FLOOD; step++) { /* nothing comes before its time */
        clock_set_for_test(1700000000000000 + step * 1000000);
        (void) stage_ask(stage, "alias.list", "after", "", "x", ""); /* a turn of the loop */
        while (channel_wait(stage->gate, 10, &packet, NULL) == RC_OK) {
            assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
            n_checked += packet->msg.auth_fail.code == AUTH_CODE_FAILED;
            n_answers++;
        }
        assert_true(step < 100);
    }
    assert_int_equal(n_checked, THROTTLE_BURST + (int) (THROTTLE_MAX_US / THROTTLE_TURN_US));
    good.auth_start.conn = FLOOD + 3;
    stage_send(stage->gate, &good);
    (void) stage_expect_grant(stage, FLOOD + 3, 0);
}

/* The first of them makes a better hash, which the others are compared with. */
static void several_logins_find_a_password_with_an_old_hash(void **state)
{
    enum { N = 8 };
    struct auth_stage *stage = *state;
    bool came[N] = {false};

    (void) stage_ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    for (uint64_t conn = 0; conn < N; conn++)
        stage_try_login(stage, conn, "anna", "password");
    for (unsigned n = 0; n < N; n++) {
        uint64_t conn = stage_expect(stage->gate, MSG_AUTH_OK)->auth_ok.conn;

        assert_false(came[conn]);
        came[conn] = true;
    }
}

#define SLOT_US 5000 /* AUTH_SLOT_US */

static struct msg first_of_scram(uint64_t conn, const char *message)
{
    return (struct msg){
        .type = MSG_AUTH_START,
        .auth_start = {.conn = conn,
                       .service = SERVICE_IMAP,
                       .mechanism = SLICE("SCRAM-SHA-256"),
                       .has_initial = 1,
                       .initial = slice_from_str(message),
                       .peer = {.family = IPADDR_V4, .bytes = {192, 0, 2, 1}},
                       .tls_version = 0x0304}
    };
}

/* Found or not, right or wrong in form: nobody hears before the slot is over. Who gives one up
 * holds up no other. */
static void what_tells_who_exists_comes_at_the_end_of_a_slot(void **state)
{
    static const char *const users[] = {"u1", "nobody"};
    static const char *const firsts[] = {"n,,n=u1,r=abcdefgh", "n,,n=nobody,r=abcdefgh"};
    struct auth_stage *stage = *state;

    for (uint64_t i = 0; i < 4; i++) {
        struct msg salt = first_of_scram(10 + i, firsts[i % 2]);
        struct msg gone = first_of_scram(20 + i, firsts[i % 2]);
        struct msg cancel = {.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 20 + i}};
        int64_t begun_us = clock_mono_us();
        uint64_t conn;

        stage_try_login(stage, i, users[i % 2], "wrong-secret");
        stage_expect_fail(stage, i, AUTH_CODE_FAILED);
        assert_true(clock_mono_us() - begun_us >= SLOT_US);
        begun_us = clock_mono_us();
        stage_send(stage->gate, &gone);
        stage_send(stage->gate, &salt);
        stage_send(stage->gate, &cancel);
        do /* the one that is given up may have come before the cancel */
            conn = stage_expect(stage->gate, MSG_AUTH_CONTINUE)->auth_continue.conn;
        while (conn == 20 + i);
        assert_int_equal(conn, 10 + i);
        assert_true(clock_mono_us() - begun_us >= SLOT_US);
    }
}

/* The server's first message behind its nonce. */
static void salt_for(struct auth_stage *stage, uint64_t conn, const char *user, struct buf *out)
{
    char first[64];
    struct slice answer;
    struct msg msg;

    (void) snprintf(first, sizeof(first), "n,,n=%s,r=abcdefgh", user);
    msg = first_of_scram(conn, first);
    stage_send(stage->gate, &msg);
    answer = stage_expect(stage->gate, MSG_AUTH_CONTINUE)->auth_continue.data;
    buf_init(out, 128);
    buf_append(out, slice_from(answer, slice_search(answer, SLICE(",s="))));
}

/* A name with and without a domain of ours is one account or two, or nobody: its salts say not
 * which. */
static void a_salt_tells_nobody_who_exists(void **state)
{
    static const char *const users[][2] = {
        {"u1",     "u1@localhost"    },
        {"nobody", "nobody@localhost"},
    };
    struct auth_stage *stage = *state;

    for (uint64_t i = 0; i < COUNT(users); i++) {
        AUTO(buf_done) struct buf bare = {0};
        AUTO(buf_done) struct buf full = {0};

        salt_for(stage, 10 + i, users[i][0], &bare);
        salt_for(stage, 20 + i, users[i][1], &full);
        assert_true(slice_eq(buf_slice(&full), buf_slice(&bare)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(a_login_becomes_one_grant_with_the_gates_nonce),
        ON_STAGE(a_client_that_waits_gets_an_empty_challenge),
        ON_STAGE(refusals_say_little),
        ON_STAGE(revoking_a_device_ends_its_sessions_and_its_logins),
        ON_STAGE(an_auth_that_comes_ends_sessions_of_devices_that_were_revoked),
        ON_STAGE(who_is_taken_out_of_the_passwd_file_keeps_no_session),
        ON_STAGE(a_slow_hash_is_checked_and_replaced_by_a_better_one),
        ON_STAGE(several_logins_find_a_password_with_an_old_hash),
        ON_STAGE(an_attempt_that_was_cancelled_has_no_answer),
        ON_STAGE(a_guess_counts_though_its_client_has_left),
        ON_STAGE(a_replaced_gate_hears_nothing_of_the_old_ones_attempts),
        ON_STAGE(without_mail_nobody_gets_in),
        ON_STAGE_AS_INSTALLED(a_flood_of_guesses_is_bounded_and_locks_nobody_out),
        ON_STAGE_AS_INSTALLED(what_tells_who_exists_comes_at_the_end_of_a_slot),
        ON_STAGE(a_salt_tells_nobody_who_exists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
