/* test_gate_login.c - LOGIN and AUTHENTICATE: what auth is asked, and what the client hears. */
// links: roles
#include "base/base64.h"
#include "lib/gateworld.h"

static void login_asks_auth(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    const struct msg_auth_start *start;

    say(w, &client, SLICE("i ID (\"name\" \"test\")\r\na LOGIN \"u s\" p\r\n"));
    start = &world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start;
    assert_int_equal(start->service, SERVICE_IMAP);
    assert_slice_equal(start->mechanism, SLICE("LOGIN-COMMAND"));
    assert_slice_equal(start->initial, SLICE("\0u s\0p"));
    assert_int_equal(start->has_initial, 1);
    assert_int_equal(start->tls_version, 0x0304);
    assert_int_equal(start->has_exporter, 0); /* it binds nothing */
    assert_slice_equal(start->client_id, SLICE("(\"name\" \"test\")"));
    client_close(&client);
}

static void the_exporter_is_the_connections_own(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    const struct msg_auth_start *start;
    uint8_t ours[TLS_EXPORTER_BYTES];

    say(w, &client, SLICE("a AUTHENTICATE scram-sha-256-plus\r\n"));
    start = &world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start;
    assert_int_equal(start->has_exporter, 1);
    assert_int_equal(SSL_export_keying_material(client.ssl, ours, sizeof(ours),
                                                "EXPORTER-Channel-Binding", 24,
                                                (const unsigned char *) "", 0, 1),
                     1);
    assert_memory_equal(start->exporter, ours, sizeof(ours));
    client_close(&client);
}

static void literals_are_asked_for(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    const struct msg_auth_start *start;

    say(w, &client, SLICE("a LOGIN {3}\r\n"));
    assert_heard(w, &client, "+ OK\r\n");
    say(w, &client, SLICE("us\" {4+}\r\np\r\nw\r\n"));
    start = &world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start;
    assert_slice_equal(start->initial, SLICE("\0us\"\0p\r\nw"));
    client_close(&client);
}

static void each_refusal_has_its_code(void **state)
{
    static const struct {
        enum auth_code code;
        const char *answer;
    } rows[] = {
        {AUTH_CODE_FAILED,        "a NO [AUTHENTICATIONFAILED] "},
        {AUTH_CODE_EXPIRED,       "a NO [EXPIRED] "             },
        {AUTH_CODE_PRIVACY,       "a NO [PRIVACYREQUIRED] "     },
        {AUTH_CODE_UNAVAILABLE,   "a NO [UNAVAILABLE] "         },
        {AUTH_CODE_LIMIT,         "a NO [LIMIT] "               },
        {AUTH_CODE_CONTACTADMIN,  "a NO [CONTACTADMIN] "        },
        {AUTH_CODE_AUTHORIZATION, "a NO [AUTHORIZATIONFAILED] " },
        {AUTH_CODE_MALFORMED,     "a BAD "                      },
        {AUTH_CODE_NO_MECHANISM,  "a NO "                       },
        {AUTH_CODE_COUNT,         "a NO [UNAVAILABLE] "         },
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_PLAIN);
        struct slice said;

        say(w, &client, SLICE("a LOGIN u p\r\n"));
        auth_says_no(w, world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn,
                     rows[i].code);
        said = heard(w, &client);
        if (!slice_starts(said, slice_from_str(rows[i].answer)))
            fail_msg("want %s, heard %.*s", rows[i].answer, SLICE_ARG(said));
        say(w, &client, SLICE("b NOOP\r\n"));
        assert_heard(w, &client, "b OK NOOP completed\r\n");
        client_close(&client);
    }
}

static void the_text_of_auth_is_made_harmless(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    struct msg msg = {
        .type = MSG_AUTH_FAIL,
        .auth_fail = {.code = AUTH_CODE_FAILED, .text = SLICE("x\r\n* BYE")}
    };

    say(w, &client, SLICE("a LOGIN u p\r\n"));
    msg.auth_fail.conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
    world_send(w, w->auth, &msg);
    assert_int_equal(slice_count(heard(w, &client), '\n'), 1);
    client_close(&client);
}

static void failed_logins_count_as_errors(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    for (unsigned i = 0; i < GATE_BAD_MAX; i++) {
        say(w, &client, SLICE("a LOGIN u p\r\n"));
        auth_says_no(w, world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn,
                     AUTH_CODE_FAILED);
    }
    assert_true(slice_ends(heard(w, &client), SLICE("* BYE Too many errors\r\n")));
    assert_true(is_ended(w, &client));
    client_close(&client);
}

/* --- AUTHENTICATE --- */

/* While auth is asked, which hears so. */
static void leave(struct world *w, struct client *client)
{
    client_close(client);
    (void) world_expect(w, w->auth, MSG_AUTH_CANCEL);
}

static void an_initial_response_travels(void **state)
{
    static const struct {
        const char *line;
        uint8_t has_initial;
        struct slice initial;
    } rows[] = {
        {"a AUTHENTICATE plain AHUAcA==\r\n", 1, {"\0u\0p", 4}},
        {"a AUTHENTICATE PLAIN =\r\n",        1, {"", 0}      },
        {"a AUTHENTICATE PLAIN\r\n",          0, {"", 0}      },
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_TLS);
        const struct msg_auth_start *start;

        say(w, &client, slice_from_str(rows[i].line));
        start = &world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start;
        assert_slice_equal(start->mechanism, SLICE("PLAIN"));
        assert_int_equal(start->has_initial, rows[i].has_initial);
        assert_slice_equal(start->initial, rows[i].initial);
        leave(w, &client);
    }
}

/* `a AUTHENTICATE PLAIN` up to the "+ ". */
static uint64_t until_response(struct world *w, struct client *client)
{
    uint64_t conn;

    say(w, client, SLICE("a AUTHENTICATE PLAIN\r\n"));
    conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
    auth_continues(w, conn, SLICE(""));
    assert_heard(w, client, "+ \r\n");
    return conn;
}

static void a_response_is_decoded_and_a_challenge_encoded(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    uint64_t conn = until_response(w, &client);
    const struct msg_auth_data *data;

    say(w, &client, SLICE("AHUAcA==\r\n"));
    data = &world_expect(w, w->auth, MSG_AUTH_DATA)->msg.auth_data;
    assert_int_equal(data->conn, conn);
    assert_slice_equal(data->data, SLICE("\0u\0p"));
    auth_continues(w, conn, SLICE("more"));
    assert_heard(w, &client, "+ bW9yZQ==\r\n");
    say(w, &client, SLICE("\r\n")); /* an empty response */
    assert_slice_equal(world_expect(w, w->auth, MSG_AUTH_DATA)->msg.auth_data.data, SLICE(""));
    auth_says_no(w, conn, AUTH_CODE_FAILED);
    assert_heard_start(w, &client, "a NO [AUTHENTICATIONFAILED] ");
    client_close(&client);
}

static void a_star_cancels(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    uint64_t conn = until_response(w, &client);

    say(w, &client, SLICE("*\r\n"));
    assert_heard(w, &client, "a BAD AUTHENTICATE cancelled\r\n");
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
    auth_says_ok(w, conn); /* was under way: about nobody */
    world_expect_nothing(w, w->mail);
    say(w, &client, SLICE("b NOOP\r\n"));
    assert_heard(w, &client, "b OK NOOP completed\r\n");
    client_close(&client);
}

static void what_is_no_base64_ends_the_exchange(void **state)
{
    static const char *const rows[] = {"AHU\r\n", "b NOOP\r\n", "AHUAcA==x\r\n", "**\r\n"};
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_TLS);

        (void) until_response(w, &client);
        say(w, &client, slice_from_str(rows[i]));
        assert_heard_start(w, &client, "a BAD ");
        (void) world_expect(w, w->auth, MSG_AUTH_CANCEL);
        client_close(&client);
    }
}

/* A line of base64 that decodes to n bytes. */
static void append_response(struct buf *line, size_t n)
{
    AUTO(buf_done) struct buf bytes;

    buf_init(&bytes, n);
    while (bytes.len < n)
        buf_byte(&bytes, 'x');
    base64_encode(line, buf_slice(&bytes));
    buf_str(line, "\r\n");
}

static void a_long_response_fits_and_a_longer_one_does_not(void **state)
{
    static const struct {
        size_t n;
        bool fits;
    } rows[] = {
        {MSG_SASL_MAX,     true },
        {MSG_SASL_MAX + 9, false},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_PLAIN);
        AUTO(buf_done) struct buf line;

        buf_init(&line, WORLD_TEXT_BYTES);
        append_response(&line, rows[i].n);
        (void) until_response(w, &client);
        say(w, &client, buf_slice(&line));
        if (rows[i].fits) {
            assert_int_equal(world_expect(w, w->auth, MSG_AUTH_DATA)->msg.auth_data.data.len,
                             rows[i].n);
            leave(w, &client);
        } else {
            assert_heard_start(w, &client, "a BAD ");
            (void) world_expect(w, w->auth, MSG_AUTH_CANCEL);
            client_close(&client);
            world_run(w);
        }
        assert_int_equal(w->gate->n_long_responses, 0);
    }
}

/* RFC 4959: the response on the command's own line, as Kerberos and tokens have it. */
static void a_long_initial_response_fits_and_a_longer_one_does_not(void **state)
{
    static const struct {
        const char *start;
        size_t n;
        bool fits, has_tag;
    } rows[] = {
        {"a AUTHENTICATE XOAUTH2 ", MSG_SASL_MAX,     true,  true },
        {"a authenticate XOAUTH2 ", MSG_SASL_MAX / 2, true,  true },
        {"a AUTHENTICATE XOAUTH2 ", MSG_SASL_MAX + 9, false, true },
        {"a AUTHENTICATE XOAUTH2 ", 2 * MSG_SASL_MAX, false, true },
        {"a LOGIN u ",              MSG_SASL_MAX / 2, false, true },
        {"AUTHENTICATE XOAUTH2 ",   MSG_SASL_MAX / 2, false, false},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_PLAIN);
        AUTO(buf_done) struct buf line;

        print_message("%s%zu\n", rows[i].start, rows[i].n);
        buf_init(&line, WORLD_TEXT_BYTES);
        buf_str(&line, rows[i].start);
        append_response(&line, rows[i].n);
        say(w, &client, buf_slice(&line));
        if (rows[i].fits) {
            assert_int_equal(
                world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.initial.len,
                rows[i].n);
            assert_int_equal(w->gate->n_long_responses, 0);
            leave(w, &client);
        } else {
            if (rows[i].has_tag)
                assert_heard_start(w, &client, "a BAD ");
            else
                assert_heard_start(w, &client, "AUTHENTICATE BAD ");
            assert_int_equal(w->gate->n_long_responses, 0);
            client_close(&client);
            world_run(w);
        }
    }
}

static void half_of_a_long_line_holds_its_place(void **state)
{
    struct world *w = *state;
    struct client clients[GATE_LONG_RESPONSES + 1];
    AUTO(buf_done) struct buf line;

    buf_init(&line, WORLD_TEXT_BYTES);
    buf_str(&line, "a AUTHENTICATE XOAUTH2 ");
    append_response(&line, MSG_SASL_MAX / 2);
    for (size_t i = 0; i < COUNT(clients); i++) {
        clients[i] = client_at(w, DOOR_PLAIN);
        say(w, &clients[i], slice_sub(buf_slice(&line), 0, line.len - 2));
    }
    world_run(w);
    assert_int_equal(w->gate->n_long_responses, GATE_LONG_RESPONSES);
    say(w, &clients[COUNT(clients) - 1], SLICE("\r\n"));
    assert_heard_start(w, &clients[COUNT(clients) - 1], "a BAD ");
    for (size_t i = 0; i < COUNT(clients); i++)
        client_close(&clients[i]);
    world_run(w);
    assert_int_equal(w->gate->n_long_responses, 0);
}

static void long_responses_have_a_common_limit(void **state)
{
    struct world *w = *state;
    struct client clients[GATE_LONG_RESPONSES + 1];
    AUTO(buf_done) struct buf line;

    for (size_t i = 0; i < COUNT(clients); i++) {
        clients[i] = client_at(w, DOOR_PLAIN);
        (void) until_response(w, &clients[i]);
    }
    assert_int_equal(w->gate->n_long_responses, GATE_LONG_RESPONSES);
    buf_init(&line, WORLD_TEXT_BYTES);
    append_response(&line, READER_LINE_PRELOGIN_BYTES);
    say(w, &clients[COUNT(clients) - 1], buf_slice(&line));
    assert_heard_start(w, &clients[COUNT(clients) - 1], "a BAD ");
    (void) world_expect(w, w->auth, MSG_AUTH_CANCEL);
    say(w, &clients[0], buf_slice(&line));
    (void) world_expect(w, w->auth, MSG_AUTH_DATA);
    for (size_t i = 0; i < COUNT(clients); i++)
        client_close(&clients[i]);
    world_run(w);
    assert_int_equal(w->gate->n_long_responses, 0);
}

static void a_mechanism_name_has_a_limit(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);

    say(w, &client, SLICE("a AUTHENTICATE ABCDEFGHIJKLMNOPQRSTU\r\n"));
    assert_heard(w, &client, "a NO Unknown mechanism\r\n");
    world_expect_nothing(w, w->auth);
    client_close(&client);
}

/* --- what stands behind a login --- */

static void nothing_behind_a_running_login_is_looked_at(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    uint64_t conn;

    say(w, &client, SLICE("a LOGIN u p\r\nb NOOP\r\n*\r\n"));
    say(w, &client, SLICE("c LOGIN v q\r\n"));
    conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
    world_expect_nothing(w, w->auth);
    assert_heard(w, &client, "");
    auth_says_no(w, conn, AUTH_CODE_FAILED);
    assert_heard_start(w, &client, "a NO [AUTHENTICATIONFAILED] ");
    assert_true(slice_search(buf_slice(&w->text), SLICE("b OK NOOP completed\r\n* BAD ")) <
                w->text.len);
    assert_slice_equal(world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.initial,
                       SLICE("\0v\0q"));
    client_close(&client);
}

/* --- auth comes and goes --- */

static void a_lost_auth_is_said_and_a_new_one_is_used(void **state)
{
    struct world *w = *state;
    struct client asked = client_at(w, DOOR_TLS), answering = client_at(w, DOOR_TLS);

    (void) until_response(w, &answering);
    say(w, &asked, SLICE("a LOGIN u p\r\n"));
    channel_free(w->auth);
    w->auth = NULL;
    assert_heard_start(w, &asked, "a NO [UNAVAILABLE] ");
    assert_heard(w, &answering, ""); /* it owes a line first */
    say(w, &asked, SLICE("b LOGIN u p\r\n"));
    assert_heard_start(w, &asked, "b NO [UNAVAILABLE] ");
    world_connect(w, ROLE_AUTH);
    say(w, &asked, SLICE("c LOGIN u p\r\n"));
    (void) world_expect(w, w->auth, MSG_AUTH_START);
    say(w, &answering, SLICE("AHUAcA==\r\nd NOOP\r\n"));
    assert_heard(w, &answering,
                 "a NO [UNAVAILABLE] Temporarily unavailable\r\nd OK NOOP completed\r\n");
    client_close(&asked);
    client_close(&answering);
}

static void a_message_auth_may_not_send_drops_it(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);

    say(w, &client, SLICE("a LOGIN u p\r\n"));
    assert_int_equal(send(channel_fd(w->auth), "nonsense", 8, 0), 8);
    assert_heard_start(w, &client, "a NO [UNAVAILABLE] ");
    assert_null(w->gate->auth.channel);
    client_close(&client);
}

static void a_client_that_goes_is_cancelled(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    uint64_t conn = until_response(w, &client);

    client_close(&client);
    assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
    auth_says_ok(w, conn);
    world_expect_nothing(w, w->mail);
    assert_int_equal(map_count(w->gate->by_id), 0);
}

/* Nobody waits for the answer, and it lets nobody in. */
static void a_client_that_leaves_while_auth_is_asked_is_cancelled(void **state)
{
    static const enum world_door doors[] = {DOOR_TLS, DOOR_PLAIN};
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(doors); i++) {
        struct client client = client_at(w, doors[i]);
        uint64_t conn;

        say(w, &client, SLICE("a LOGIN u p\r\n"));
        conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
        world_expect_nothing(w, w->auth);
        client_close(&client);
        assert_int_equal(world_expect(w, w->auth, MSG_AUTH_CANCEL)->msg.auth_cancel.conn, conn);
        auth_says_ok(w, conn);
        world_expect_nothing(w, w->mail);
        assert_int_equal(map_count(w->gate->by_id), 0);
    }
}

/* What a client said before its end is done, whether it came with the login or behind it. */
static void a_client_that_has_said_more_is_heard_out(void **state)
{
    static const enum world_door doors[] = {DOOR_TLS, DOOR_PLAIN};
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(doors); i++) {
        for (unsigned at_once = 0; at_once < 2; at_once++) {
            struct client client = client_at(w, doors[i]);
            uint64_t conn;

            say(w, &client,
                at_once ? SLICE("a LOGIN u p\r\nb NOOP\r\n") : SLICE("a LOGIN u p\r\n"));
            conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
            if (!at_once)
                say(w, &client, SLICE("b NOOP\r\n"));
            assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
            world_expect_nothing(w, w->auth);
            auth_says_no(w, conn, AUTH_CODE_FAILED);
            assert_heard(w, &client,
                         "a NO [AUTHENTICATIONFAILED] Authentication failed\r\n"
                         "b OK NOOP completed\r\n");
            assert_true(is_ended(w, &client));
            client_close(&client);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(login_asks_auth),
        WORLD_TEST(the_exporter_is_the_connections_own),
        WORLD_TEST(literals_are_asked_for),
        WORLD_TEST(each_refusal_has_its_code),
        WORLD_TEST(the_text_of_auth_is_made_harmless),
        WORLD_TEST(failed_logins_count_as_errors),
        WORLD_TEST(an_initial_response_travels),
        WORLD_TEST(a_response_is_decoded_and_a_challenge_encoded),
        WORLD_TEST(a_star_cancels),
        WORLD_TEST(what_is_no_base64_ends_the_exchange),
        WORLD_TEST(a_long_response_fits_and_a_longer_one_does_not),
        WORLD_TEST(a_long_initial_response_fits_and_a_longer_one_does_not),
        WORLD_TEST(half_of_a_long_line_holds_its_place),
        WORLD_TEST(long_responses_have_a_common_limit),
        WORLD_TEST(a_mechanism_name_has_a_limit),
        WORLD_TEST(nothing_behind_a_running_login_is_looked_at),
        WORLD_TEST(a_lost_auth_is_said_and_a_new_one_is_used),
        WORLD_TEST(a_message_auth_may_not_send_drops_it),
        WORLD_TEST(a_client_that_goes_is_cancelled),
        WORLD_TEST(a_client_that_leaves_while_auth_is_asked_is_cancelled),
        WORLD_TEST(a_client_that_has_said_more_is_heard_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
