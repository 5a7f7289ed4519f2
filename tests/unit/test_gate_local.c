/* test_gate_local.c - a mail server at the gate: who may submit, and whom an address means. */
// links: roles
#include "auth/mta_line.h"
#include "auth/socketmap.h"
#include "lib/gateworld.h"
#include "roles/gate_local.h"

#define HELLO "VERSION\t1\t1\nCPID\t77\n"
#define AUTH  "AUTH\t1\tplain\tservice=smtp\tnologin\tlip=192.0.2.1\trip=198.51.100.7\tsecured"
#define MANY  (GATE_ASKS_MAX + 5)

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

/* Connected, and both sides greeted. */
static struct client mta_at(struct world *w)
{
    struct client client = client_connect(w, DOOR_SASL);

    (void) heard(w, &client);
    say(w, &client, SLICE(HELLO));
    return client;
}

static const struct msg_auth_start *asked(struct world *w)
{
    return &world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start;
}

static void refused_with(struct world *w, uint64_t conn, enum auth_code code)
{
    struct msg msg = {
        .type = MSG_AUTH_FAIL,
        .auth_fail = {.conn = conn,
                      .code = (uint8_t) code,
                      .text = SLICE("No\tway"),
                      .user = SLICE("anna")}
    };

    world_send(w, w->auth, &msg);
}

static void admitted(struct world *w, uint64_t conn)
{
    struct msg msg = {
        .type = MSG_AUTH_OK, .auth_ok = {.conn = conn, .user = SLICE("an\tna")}
    };

    world_send(w, w->auth, &msg);
}

static void greets_with_what_it_can(void **state)
{
    struct world *w = *state;
    struct client client = client_connect(w, DOOR_SASL);
    struct slice text = heard(w, &client);

    assert_true(slice_starts(text, SLICE("VERSION\t1\t2\n")));
    assert_true(slice_search(text, SLICE("\nMECH\tPLAIN\tplaintext\n")) < text.len);
    assert_true(slice_search(text, SLICE("\nMECH\tLOGIN\tplaintext\n")) < text.len);
    assert_true(slice_search(text, SLICE("\nMECH\tSCRAM-SHA-256\t")) < text.len);
    assert_int_equal(slice_search(text, SLICE("PLUS")), text.len);
    assert_true(slice_search(text, SLICE("\nCOOKIE\t")) < text.len);
    assert_true(slice_ends(text, SLICE("\nDONE\n")));
    client_close(&client);
}

static void passes_an_exchange_to_auth_as_submission(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    const struct msg_auth_start *start;
    uint64_t conn;

    say(w, &client, SLICE(AUTH "\trport=77\tresp=AGEAYg==\n"));
    start = asked(w);
    conn = start->conn;
    assert_int_equal(start->service, SERVICE_SUBMISSION);
    assert_slice_equal(start->mechanism, SLICE("PLAIN"));
    assert_int_equal(start->has_initial, 1);
    assert_slice_equal(start->initial, SLICE("\0a\0b"));
    assert_int_equal(start->tls_version, MSG_TLS_UNKNOWN);
    assert_int_equal(start->has_exporter, 0);
    assert_int_equal(start->peer.family, IPADDR_V4);
    assert_int_equal(start->peer.bytes[0], 198);
    assert_int_equal(start->peer.port, 77);
    admitted(w, conn);
    assert_heard(w, &client, "OK\t1\tuser=an\001tna\n");
    world_expect_nothing(w, w->mail);
    client_close(&client);
}

static void carries_challenges(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    uint64_t conn;

    say(w, &client, SLICE(AUTH "\n"));
    conn = asked(w)->conn;
    say(w, &client, SLICE("CONT\t1\tYQ==\n")); /* nobody asked for it yet */
    world_expect_nothing(w, w->auth);
    auth_continues(w, conn, SLICE("Username:"));
    assert_heard(w, &client, "CONT\t1\tVXNlcm5hbWU6\n");
    say(w, &client, SLICE("CONT\t1\tYW5uYQ==\n"));
    assert_slice_equal(world_expect(w, w->auth, MSG_AUTH_DATA)->msg.auth_data.data,
                       SLICE("anna"));
    auth_continues(w, conn, SLICE(""));
    assert_heard(w, &client, "CONT\t1\t\n");
    say(w, &client, SLICE("CONT\t1\t\n"));
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_DATA)->msg.auth_data.data.len, 0);
    refused_with(w, conn, AUTH_CODE_FAILED);
    assert_heard(w, &client, "FAIL\t1\tuser=anna\treason=No\001tway\n");
    client_close(&client);
}

static void says_how_it_failed(void **state)
{
    static const struct {
        enum auth_code code;
        const char *words;
    } rows[] = {
        {AUTH_CODE_EXPIRED,       "\tpass_expired\tcode=pass_expired"  },
        {AUTH_CODE_AUTHORIZATION, "\tauthz\tcode=authz_fail"           },
        {AUTH_CODE_CONTACTADMIN,  "\tuser_disabled\tcode=user_disabled"},
        {AUTH_CODE_PRIVACY,       "\tcode=auth_mech_ssl_required"      },
        {AUTH_CODE_NO_MECHANISM,  "\tcode=auth_mech_invalid"           },
        {AUTH_CODE_MALFORMED,     ""                                   },
    };
    struct world *w = *state;
    struct client client = mta_at(w);

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf want = {.max = 256};

        say(w, &client, SLICE(AUTH "\tresp==\n"));
        refused_with(w, asked(w)->conn, rows[i].code);
        buf_printf(&want, "FAIL\t1\tuser=anna%s\treason=No\001tway\n", rows[i].words);
        assert_slice_equal(heard(w, &client), buf_slice(&want));
    }
    client_close(&client);
}

/* A FAIL would be told to people as a wrong password. */
static void what_will_pass_hangs_up_unless_others_wait(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    uint64_t first;

    say(w, &client, SLICE(AUTH "\tresp==\nAUTH\t2\tPLAIN\tservice=smtp\tresp==\n"));
    first = asked(w)->conn;
    (void) asked(w);
    refused_with(w, first, AUTH_CODE_UNAVAILABLE);
    assert_heard(w, &client, "FAIL\t1\tuser=anna\ttemp\tcode=temp_fail\treason=No\001tway\n");
    refused_with(w, first + 1, AUTH_CODE_LIMIT);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void refuses_what_is_not_its_own(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);

    say(w, &client, SLICE("AUTH\t1\tPLAIN\tservice=imap\tresp=AGEAYg==\n"));
    assert_heard_start(w, &client, "FAIL\t1\tcode=auth_mech_invalid\t");
    say(w, &client, SLICE("AUTH\t2\tPLAIN\tservice=smtp\tresp=A\n"));
    assert_heard_start(w, &client, "FAIL\t2\treason=Response is not base64\n");
    say(w, &client, SLICE("AUTH\t3\tPLAIN\tresp=AGEAYg==\n"));
    assert_heard_start(w, &client, "FAIL\t3\t");
    say(w, &client, SLICE("HELLO\nCANCEL\t9\nCONT\t9\tYQ==\n")); /* passed over */
    world_expect_nothing(w, w->auth);
    say(w, &client, SLICE(AUTH "\tresp==\n"));
    (void) asked(w);
    client_close(&client);
}

static void hangs_up_on_what_it_cannot_follow(void **state)
{
    static const char *const lines[] = {
        "CPID\t1\n",                           /* VERSION comes first */
        "VERSION\t2\t0\n",                     /* another protocol */
        HELLO "AUTH\tx\tPLAIN\n",              /* no number */
        HELLO AUTH "\n" AUTH "\n",             /* one id twice */
        HELLO "AUTH\t1\tPLAIN\trip=nowhere\n", /* might be taken for this host */
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(lines); i++) {
        struct client client = client_connect(w, DOOR_SASL);

        print_message("%s\n", lines[i]);
        (void) heard(w, &client);
        say(w, &client, slice_from_str(lines[i]));
        assert_true(is_ended(w, &client));
        client_close(&client);
    }
}

static void a_line_that_is_too_long_hangs_up(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    AUTO(buf_done) struct buf line = {.max = 2 * MTA_LINE_MAX_BYTES};

    while (line.len < MTA_LINE_MAX_BYTES - 1)
        buf_byte(&line, 'x');
    buf_byte(&line, '\n');
    say(w, &client, buf_slice(&line));
    say(w, &client, SLICE(AUTH "\tresp==\n"));
    refused_with(w, asked(w)->conn, AUTH_CODE_FAILED);
    assert_heard_start(w, &client, "FAIL\t1\t");
    buf_truncate(&line, line.len - 1);
    buf_byte(&line, 'x');
    say(w, &client, buf_slice(&line));
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void many_at_once_are_answered_in_any_order(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    AUTO(buf_done) struct buf lines = {.max = 64 << 10};
    uint64_t conns[MANY];

    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&lines, "AUTH\t%u\tPLAIN\tservice=smtp\tresp==\n", 100 + i);
    say(w, &client, buf_slice(&lines));
    for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
        conns[i] = asked(w)->conn;
    world_expect_nothing(w, w->auth); /* the rest waits unread */
    admitted(w, conns[7]);
    assert_heard(w, &client, "OK\t107\tuser=an\001tna\n");
    conns[GATE_ASKS_MAX] = asked(w)->conn;
    admitted(w, conns[GATE_ASKS_MAX]);
    assert_heard(w, &client, "OK\t164\tuser=an\001tna\n");
    client_close(&client);
}

static void an_end_cancels_what_is_open(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    uint64_t conn;

    say(w, &client, SLICE(AUTH "\n"));
    conn = asked(w)->conn;
    client_close(&client);
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
    admitted(w, conn); /* it crossed the cancellation: about nobody */

    client = mta_at(w);
    say(w, &client, SLICE(AUTH "\n"));
    conn = asked(w)->conn;
    say(w, &client, SLICE("CANCEL\t1\n"));
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
    assert_int_equal(heard(w, &client).len, 0);
    say(w, &client, SLICE(AUTH "\n")); /* the number is free again */
    assert_true(asked(w)->conn != conn);
    client_close(&client);
}

static void a_client_that_never_answers_loses_its_turn(void **state)
{
    struct world *w = *state;
    struct client client = mta_at(w);
    uint64_t conn;

    say(w, &client, SLICE(AUTH "\n"));
    conn = asked(w)->conn;
    auth_continues(w, conn, SLICE(""));
    (void) heard(w, &client);
    world_later(w, GATE_ASK_SEC + 1);
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void without_auth_it_hangs_up_on_who_asks(void **state)
{
    struct world *w = *state;
    struct client idle = mta_at(w), asking = mta_at(w), later;

    say(w, &asking, SLICE(AUTH "\n"));
    (void) asked(w);
    channel_free(TAKE(w->auth));
    world_run(w);
    assert_true(is_ended(w, &asking));
    assert_int_equal(heard(w, &idle).len, 0);
    later = mta_at(w);
    say(w, &later, SLICE(AUTH "\n"));
    assert_true(is_ended(w, &later));
    world_connect(w, ROLE_AUTH);
    say(w, &idle, SLICE(AUTH "\n"));
    (void) asked(w);
    client_close(&idle);
    client_close(&asking);
    client_close(&later);
}

static void found(struct world *w, uint64_t request, enum resolve_code code)
{
    struct msg msg = {
        .type = MSG_RESOLVED,
        .resolved = {.request = request, .code = (uint8_t) code, .user = SLICE("anna")}
    };

    world_send(w, w->auth, &msg);
}

static void answers_whom_an_address_means(void **state)
{
    static const struct {
        enum resolve_code code;
        const char *answer;
    } rows[] = {
        {RESOLVE_OK,        "7:OK anna,"                                 },
        {RESOLVE_DISABLED,  "7:OK anna,"                                 },
        {RESOLVE_FULL,      "7:OK anna,"                                 },
        {RESOLVE_UNKNOWN,   "9:NOTFOUND ,"                               },
        {RESOLVE_SYNTAX,    "9:NOTFOUND ,"                               },
        {RESOLVE_TEMPORARY, "39:TEMP recipients cannot be looked up now,"},
    };
    struct world *w = *state;
    struct client client = client_connect(w, DOOR_SOCKETMAP);

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct msg_resolve *asks;

        say(w, &client, SLICE("14:recipients a@b,"));
        asks = &world_expect(w, w->auth, MSG_RESOLVE)->msg.resolve;
        assert_slice_equal(asks->address, SLICE("a@b"));
        found(w, asks->request, rows[i].code);
        assert_slice_equal(heard(w, &client), slice_from_str(rows[i].answer));
    }
    say(w, &client, SLICE("7:other x,"));
    assert_heard(w, &client, "16:PERM no such map,");
    client_close(&client);
}

static void questions_are_answered_in_order(void **state)
{
    struct world *w = *state;
    struct client client = client_connect(w, DOOR_SOCKETMAP);
    uint64_t request;

    say(w, &client, SLICE("14:recipients a@b,14:recipients c@d,7:other x,14:reci"));
    request = world_expect(w, w->auth, MSG_RESOLVE)->msg.resolve.request;
    world_expect_nothing(w, w->auth);
    found(w, request, RESOLVE_UNKNOWN);
    request = world_expect(w, w->auth, MSG_RESOLVE)->msg.resolve.request;
    found(w, request, RESOLVE_OK);
    assert_heard(w, &client, "9:NOTFOUND ,7:OK anna,16:PERM no such map,");
    say(w, &client, SLICE("pients e@f,"));
    assert_slice_equal(world_expect(w, w->auth, MSG_RESOLVE)->msg.resolve.address,
                       SLICE("e@f"));
    client_close(&client);
}

/* More than a read takes, while auth has one of them. */
static void questions_far_ahead_wait_in_the_socket(void **state)
{
    struct world *w = *state;
    struct client client = client_connect(w, DOOR_SOCKETMAP);
    AUTO(buf_done) struct buf ahead = {.max = 64 << 10};
    unsigned n = 0;

    while (ahead.len < 3 * STREAM_READ_BYTES) {
        buf_str(&ahead, "14:recipients a@b,");
        n++;
    }
    say(w, &client, buf_slice(&ahead));
    for (unsigned i = 0; i < n; i++) {
        found(w, world_expect(w, w->auth, MSG_RESOLVE)->msg.resolve.request, RESOLVE_OK);
        assert_heard(w, &client, "7:OK anna,");
    }
    world_expect_nothing(w, w->auth);
    client_close(&client);
}

static void what_is_no_question_hangs_up(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\n", "9999:", "3:abc,", "01:x,"};
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct client client = client_connect(w, DOOR_SOCKETMAP);

        say(w, &client, slice_from_str(texts[i]));
        assert_true(is_ended(w, &client));
        client_close(&client);
    }
}

static void a_stop_lets_them_go(void **state)
{
    struct world *w = *state;
    struct client sasl = mta_at(w), map = client_connect(w, DOOR_SOCKETMAP);

    say(w, &sasl, SLICE(AUTH "\n"));
    (void) asked(w);
    gate_role_events()->shutdown(w->gate, false);
    world_run(w);
    assert_true(is_ended(w, &sasl));
    assert_true(is_ended(w, &map));
    client_close(&sasl);
    client_close(&map);
}

static void so_many_connections_and_no_more(void **state)
{
    static struct client clients[GATE_LOCALS_MAX];
    struct world *w = *state;
    struct client more;

    for (size_t i = 0; i < COUNT(clients); i++)
        clients[i] = client_connect(w, i % 2 == 0 ? DOOR_SASL : DOOR_SOCKETMAP);
    more = client_connect(w, DOOR_SASL);
    assert_int_equal(heard(w, &more).len, 0);
    assert_true(is_ended(w, &more));
    client_close(&more);
    client_close(&clients[0]);
    world_run(w);
    more = client_connect(w, DOOR_SASL);
    assert_true(slice_starts(heard(w, &more), SLICE("VERSION\t")));
    client_close(&more);
    for (size_t i = 1; i < COUNT(clients); i++)
        client_close(&clients[i]);
}

/* Whoever asks much and does not take the answers keeps no more than the limit here. */
static void answers_that_are_not_taken_have_a_limit(void **state)
{
    static char challenge[48000]; /* 64,000 in base64 */
    struct world *w = *state;
    struct client client = mta_at(w);
    uint64_t conn[GATE_ASKS_MAX];
    char line[128];
    size_t n_told = 0;

    for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
        (void) snprintf(line, sizeof(line), "AUTH\t%u\tplain\tservice=smtp\tsecured\n", i + 1);
        say(w, &client, slice_from_str(line));
        conn[i] = asked(w)->conn;
    }
    for (size_t at = 0; at < GATE_ASKS_MAX && w->gate->n_locals > 0; at++, n_told++)
        auth_continues(w, conn[at], slice_of(challenge, sizeof(challenge)));
    (void) heard(w, &client); /* what the socket took; beyond it, the limit */
    assert_in_range(n_told, GATE_LOCAL_OUT_MAX / 64000, GATE_ASKS_MAX / 2);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(greets_with_what_it_can),
        TEST(passes_an_exchange_to_auth_as_submission),
        TEST(carries_challenges),
        TEST(says_how_it_failed),
        TEST(what_will_pass_hangs_up_unless_others_wait),
        TEST(refuses_what_is_not_its_own),
        TEST(hangs_up_on_what_it_cannot_follow),
        TEST(a_line_that_is_too_long_hangs_up),
        TEST(many_at_once_are_answered_in_any_order),
        TEST(an_end_cancels_what_is_open),
        TEST(a_client_that_never_answers_loses_its_turn),
        TEST(without_auth_it_hangs_up_on_who_asks),
        TEST(answers_whom_an_address_means),
        TEST(questions_are_answered_in_order),
        TEST(questions_far_ahead_wait_in_the_socket),
        TEST(what_is_no_question_hangs_up),
        TEST(a_stop_lets_them_go),
        TEST(so_many_connections_and_no_more),
        TEST(answers_that_are_not_taken_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
