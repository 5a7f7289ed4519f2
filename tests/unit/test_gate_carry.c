/* test_gate_carry.c - after login: handing over, carrying bytes, and every way it can end. */
// links: roles
#include "lib/gateworld.h"

#define DIED_BYE "* BYE [UNAVAILABLE] Mail service restarts, try again\r\n"

static void tell(struct world *w, uint64_t conn, enum close_reason reason)
{
    struct msg msg = {
        .type = MSG_CONN_CLOSE, .conn_close = {.conn = conn, .reason = (uint8_t) reason}
    };

    world_send(w, w->mail, &msg);
}

static void refuse(struct world *w, uint64_t conn, struct slice text)
{
    struct msg msg = {
        .type = MSG_HANDOVER_REFUSED, .handover_refused = {.conn = conn, .text = text}
    };

    world_send(w, w->mail, &msg);
}

/* Logged in over TLS, mail's OK read. */
static struct carried carry(struct world *w, struct client *client)
{
    struct carried carried;

    *client = client_at(w, DOOR_TLS);
    carried = log_in(w, client, SLICE(""));
    mail_says(w, carried.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, client, "l1 OK in\r\n");
    return carried;
}

/* --- handing over --- */

static void without_tls_mail_gets_the_socket_itself(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    struct carried carried = log_in(w, &client, SLICE("b SELECT x\r\nc "));

    assert_int_equal(map_count(w->gate->by_id), 0); /* the gate has forgotten it */
    say(w, &client, SLICE("NOOP\r\n"));
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("NOOP\r\n"));
    mail_says(w, carried.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "l1 OK in\r\n");
    closep(&carried.fd);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void with_tls_bytes_are_carried(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE("b NOOP\r\n"));
    const struct gate_conn *c = gate_conn_find(w->gate, carried.conn);

    say(w, &client, SLICE("c NOOP\r\n"));
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("")); /* not before mail's answer */
    mail_says(w, carried.fd, SLICE("l1 OK in\r\nb OK\r\n"));
    assert_heard(w, &client, "l1 OK in\r\nb OK\r\n");
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("c NOOP\r\n"));
    assert_null(c->reader); /* what a stranger needs is given back */
    assert_null(c->out.ptr);
    assert_null(c->unread.ptr);
    assert_null(c->tag.ptr);
    assert_null(c->pump->up.kept);
    assert_null(c->pump->down.kept);
    client_close(&client);
    closep(&carried.fd);
}

static void facts_travel_with_it(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    const struct msg_handover *handover;

    say(w, &client, SLICE("i ID (\"name\" \"x\")\r\n"));
    say(w, &client, SLICE("a authenticate PLAIN AHUAcA==\r\n"));
    auth_says_ok(w, world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn);
    handover = &world_expect(w, w->mail, MSG_HANDOVER)->msg.handover;
    assert_slice_equal(handover->command, SLICE("AUTHENTICATE"));
    assert_slice_equal(handover->client_id, SLICE("(\"name\" \"x\")"));
    assert_int_equal(handover->tls_version, 0x0304);
    assert_true(slice_starts(handover->tls_cipher, SLICE("TLS_")));
    client_close(&client);
}

static void a_wrong_nonce_is_mails_to_refuse_and_the_client_stays(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE("b NOOP\r\n")), again;

    say(w, &client, SLICE("c NOOP\r\n"));
    refuse(w, carried.conn, SLICE("no such grant"));
    closep(&carried.fd);
    assert_heard(w, &client,
                 "l1 NO [UNAVAILABLE] no such grant\r\n"
                 "b OK NOOP completed\r\nc OK NOOP completed\r\n"); /* nothing is lost */
    again = log_in(w, &client, SLICE(""));
    assert_int_not_equal(again.conn, carried.conn); /* no id is used twice */
    mail_says(w, again.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "l1 OK in\r\n");
    refuse(w, again.conn, SLICE("too late")); /* the session runs: nothing happens */
    say(w, &client, SLICE("d NOOP\r\n"));
    assert_slice_equal(mail_hears(w, again.fd), SLICE("d NOOP\r\n"));
    client_close(&client);
    closep(&again.fd);
}

static void a_socket_closed_without_an_answer_is_a_refusal(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE(""));

    closep(&carried.fd);
    assert_heard_start(w, &client, "l1 NO [UNAVAILABLE] ");
    say(w, &client, SLICE("b NOOP\r\n"));
    assert_heard(w, &client, "b OK NOOP completed\r\n");
    client_close(&client);
}

static void a_mail_that_never_answers_is_not_waited_for(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE(""));

    world_later(w, GATE_ANSWER_SEC);
    assert_heard_start(w, &client, "l1 NO [UNAVAILABLE] ");
    assert_int_equal(world_expect(w, w->mail, MSG_CONN_CLOSE)->msg.conn_close.conn,
                     carried.conn);
    client_close(&client);
    closep(&carried.fd);
}

static void a_login_without_mail_is_refused(void **state)
{
    static const enum world_door doors[] = {DOOR_PLAIN, DOOR_TLS};
    struct world *w = *state;

    channel_free(w->mail);
    w->mail = NULL;
    for (size_t i = 0; i < COUNT(doors); i++) {
        struct client client = client_at(w, doors[i]);

        say(w, &client, SLICE("a LOGIN u p\r\nb NOOP\r\n"));
        auth_says_ok(w, world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn);
        assert_heard(w, &client,
                     "a NO [UNAVAILABLE] Temporarily unavailable\r\nb OK NOOP completed\r\n");
        client_close(&client);
    }
}

/* --- ends --- */

static void the_minute_is_over_after_login(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    world_later(w, 100 * GATE_LOGIN_SEC);
    say(w, &client, SLICE("a NOOP\r\n"));
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("a NOOP\r\n"));
    client_close(&client);
    closep(&carried.fd);
}

static void the_clients_end_goes_to_mail_and_mail_may_still_answer(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);
    char byte;

    say(w, &client, SLICE("a LOGOUT\r\n"));
    SSL_shutdown(client.ssl);
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("a LOGOUT\r\n"));
    assert_int_equal(recv(carried.fd, &byte, 1, 0), 0);
    mail_says(w, carried.fd, SLICE("* BYE\r\na OK\r\n"));
    assert_heard(w, &client, "* BYE\r\na OK\r\n");
    tell(w, carried.conn, CLOSE_LOGOUT);
    closep(&carried.fd);
    assert_true(is_ended(w, &client));
    assert_int_equal(map_count(w->gate->by_id), 0);
    client_close(&client);
}

static void mails_end_is_close_notify_behind_its_last_byte(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    assert_int_equal(send(carried.fd, "* BYE\r\na OK\r\n", 13, 0), 13);
    tell(w, carried.conn, CLOSE_LOGOUT);
    closep(&carried.fd);
    assert_heard(w, &client, "* BYE\r\na OK\r\n");
    assert_int_equal(SSL_get_shutdown(client.ssl), SSL_RECEIVED_SHUTDOWN);
    say(w, &client, SLICE("z NOOP\r\n")); /* nobody reads it; no reset either */
    assert_int_equal(map_count(w->gate->by_id), 1);
    world_later(w, GATE_LINGER_SEC);
    assert_int_equal(map_count(w->gate->by_id), 0);
    client_close(&client);
}

static void an_end_that_mail_does_not_explain_waits_a_moment(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    closep(&carried.fd);
    assert_heard(w, &client, "");
    assert_int_equal(SSL_get_shutdown(client.ssl), 0);
    world_later(w, 1);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void the_client_hears_bye_when_mail_dies(void **state)
{
    struct world *w = *state;

    for (int channel_first = 0; channel_first <= 1; channel_first++) {
        struct client client;
        struct carried carried = carry(w, &client);

        assert_int_equal(send(carried.fd, "* 1 EXISTS\r\n", 12, 0), 12);
        if (channel_first != 0) {
            channel_free(w->mail);
            world_run(w);
            closep(&carried.fd);
        } else {
            closep(&carried.fd);
            world_run(w);
            channel_free(w->mail);
        }
        assert_true(slice_starts(heard(w, &client), SLICE("* 1 EXISTS\r\n")));
        assert_true(slice_ends(buf_slice(&w->text), SLICE(DIED_BYE)));
        assert_true(is_ended(w, &client));
        client_close(&client);
        world_connect(w, ROLE_MAIL);
    }
}

static void no_bye_is_put_into_half_a_line(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    assert_int_equal(send(carried.fd, "* 1 FETCH (BODY[] {9}\r\nabc", 26, 0), 26);
    channel_free(w->mail);
    w->mail = NULL;
    closep(&carried.fd);
    assert_heard(w, &client, "* 1 FETCH (BODY[] {9}\r\nabc");
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void a_new_mail_serves_who_logs_in_again(void **state)
{
    struct world *w = *state;
    struct client waiting = client_at(w, DOOR_TLS), later;
    struct carried carried = log_in(w, &waiting, SLICE(""));

    channel_free(w->mail);
    closep(&carried.fd);
    assert_heard_start(w, &waiting, "l1 NO [UNAVAILABLE] ");
    world_connect(w, ROLE_MAIL);
    carried = carry(w, &later);
    client_close(&waiting);
    client_close(&later);
    closep(&carried.fd);
}

/* The one that has a connection now did not die, whatever became of the one before. */
static void a_death_is_of_the_mail_that_died(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE(""));

    channel_free(w->mail);
    closep(&carried.fd);
    assert_heard_start(w, &client, "l1 NO [UNAVAILABLE] ");
    world_connect(w, ROLE_MAIL);
    carried = log_in(w, &client, SLICE(""));
    mail_says(w, carried.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "l1 OK in\r\n");
    mail_says(w, carried.fd, SLICE("* BYE\r\n"));
    closep(&carried.fd); /* the socket's end is heard before its reason */
    assert_heard(w, &client, "* BYE\r\n");
    tell(w, carried.conn, CLOSE_LOGOUT);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void a_client_that_vanishes_is_told_to_mail(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);
    char byte;

    closep(&client.fd); /* no close_notify */
    client.fd = -1;
    world_run(w);
    assert_int_equal(recv(carried.fd, &byte, 1, 0), 0);
    mail_says(w, carried.fd, SLICE("* 1 EXISTS\r\n")); /* cannot be delivered */
    assert_int_equal(world_expect(w, w->mail, MSG_CONN_CLOSE)->msg.conn_close.conn,
                     carried.conn);
    assert_int_equal(map_count(w->gate->by_id), 0);
    client_close(&client);
    closep(&carried.fd);
}

static void garbage_in_the_tls_stream_ends_it(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    assert_int_equal(write(client.fd, "a NOOP\r\n", 8), 8);
    assert_int_equal(world_expect(w, w->mail, MSG_CONN_CLOSE)->msg.conn_close.reason,
                     CLOSE_TLS_ERROR);
    client_close(&client);
    closep(&carried.fd);
}

static void a_client_that_does_not_read_stops_mail_and_nobody_else(void **state)
{
    static const char block[4096];
    struct world *w = *state;
    struct client slow, other;
    struct carried stuck = carry(w, &slow), free_one = carry(w, &other);
    const struct gate_conn *c = gate_conn_find(w->gate, stuck.conn);
    size_t sent = 0, got = 0;
    char room[16384];

    for (int quiet = 0; quiet < 3; world_run(w)) {
        ssize_t n = send(stuck.fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);

        quiet = n > 0 ? 0 : quiet + 1;
        sent += n > 0 ? (size_t) n : 0;
    }
    assert_true(c->pump->down.len - c->pump->down.at <= PUMP_BYTES);
    mail_says(w, free_one.fd, SLICE("* 1 EXISTS\r\n"));
    assert_heard(w, &other, "* 1 EXISTS\r\n");
    for (int quiet = 0; quiet < 3; world_run(w)) {
        ssize_t n = client_read(&slow, room, sizeof(room));

        quiet = n > 0 ? 0 : quiet + 1;
        got += n > 0 ? (size_t) n : 0;
    }
    assert_int_equal(got, sent);
    client_close(&slow);
    client_close(&other);
    closep(&stuck.fd);
    closep(&free_one.fd);
}

static void a_stop_at_once_drops_everybody(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);
    struct err err;

    gate_role_events()->shutdown(w->gate, false);
    world_run(w);
    assert_int_equal(map_count(w->gate->by_id), 1); /* mail ends its sessions itself */
    gate_role_events()->shutdown(w->gate, true);
    assert_int_equal(loop_run(w->gate->loop, &err), RC_OK);
    assert_int_equal(map_count(w->gate->by_id), 0);
    client_close(&client);
    closep(&carried.fd);
}

/* --- UNAUTHENTICATE (RFC 8437) --- */

static void give_back(struct world *w, const struct carried *carried, enum transport transport,
                      struct slice unread)
{
    struct msg msg = {
        .type = MSG_CONN_BACK,
        .conn_back = {.conn = carried->conn,
                      .transport = (uint8_t) transport,
                      .client_id = SLICE("(\"name\" \"x\")"),
                      .unread = unread}
    };
    struct err err;

    assert_int_equal(channel_post(w->mail, &msg, &carried->fd, &err), RC_OK);
    closep(&carried->fd);
    world_run(w);
}

static void a_carried_client_comes_back_with_all_it_sent(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client), again;

    say(w, &client, SLICE("b UNAUTHENTICATE\r\nc NOOP\r\nd NO"));
    assert_slice_equal(mail_hears(w, carried.fd), SLICE("b UNAUTHENTICATE\r\nc NOOP\r\nd NO"));
    say(w, &client, SLICE("OP\r\ne CAPABILITY\r\n")); /* mail never reads this */
    mail_says(w, carried.fd, SLICE("b OK bye\r\n"));
    give_back(w, &carried, TRANSPORT_PROXIED, SLICE("c NOOP\r\nd NO"));
    assert_heard_start(w, &client,
                       "b OK bye\r\nc OK NOOP completed\r\nd OK NOOP completed\r\n"
                       "* CAPABILITY IMAP4rev1 IMAP4rev2 ");
    again = log_in(w, &client, SLICE("f NOOP\r\n"));
    assert_int_not_equal(again.conn, carried.conn);
    mail_says(w, again.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "l1 OK in\r\n");
    client_close(&client);
    closep(&again.fd);
}

static void a_bare_client_comes_back_with_all_it_sent(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    struct carried carried = log_in(w, &client, SLICE("")), again;
    struct packet *packet;

    assert_int_equal(map_count(w->gate->by_id), 0);
    say(w, &client, SLICE("c NOOP\r\n")); /* in the socket still */
    mail_says(w, carried.fd, SLICE("b OK bye\r\n"));
    give_back(w, &carried, TRANSPORT_BARE, SLICE("a NOOP\r\n"));
    assert_heard(w, &client, "b OK bye\r\na OK NOOP completed\r\nc OK NOOP completed\r\n");
    say(w, &client, SLICE("l1 LOGIN u p\r\n"));
    packet = world_expect(w, w->auth, MSG_AUTH_START);
    assert_slice_equal(packet->msg.auth_start.client_id, SLICE("(\"name\" \"x\")"));
    auth_says_ok(w, packet->msg.auth_start.conn);
    packet = world_expect(w, w->mail, MSG_HANDOVER);
    assert_int_equal(packet->msg.handover.transport, TRANSPORT_BARE);
    again.fd = packet->fds[0];
    packet->fds[0] = -1;
    mail_says(w, again.fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "l1 OK in\r\n");
    client_close(&client);
    closep(&again.fd);
}

/* LOGIN and UNAUTHENTICATE in one packet: mail may be through before the gate has heard a byte
 * of it. */
static void it_may_come_back_before_mails_first_byte_is_seen(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);
    struct carried carried = log_in(w, &client, SLICE("b UNAUTHENTICATE\r\nc NOOP\r\n"));

    (void) send(carried.fd, "l1 OK in\r\nb OK bye\r\n", 20, 0); /* the gate does not run */
    give_back(w, &carried, TRANSPORT_PROXIED, SLICE("c NOOP\r\n"));
    assert_heard(w, &client, "l1 OK in\r\nb OK bye\r\nc OK NOOP completed\r\n");
    client_close(&client);
}

/* More than a message holds: it goes to the next session through the pump, in order. */
static void much_that_was_sent_ahead_reaches_the_next_session(void **state)
{
    enum { AHEAD = MSG_UNREAD_MAX + 20000 };
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);
    char *line = xmalloc(AHEAD);
    struct packet *packet;
    size_t n;
    int fd;

    memset(line, 'x', AHEAD);
    memcpy(line, "l1 LOGIN u p\r\n", 14);
    for (size_t at = 0; at < AHEAD; at += 10000)
        say(w, &client, slice_of(line + at, MIN((size_t) 10000, AHEAD - at)));
    mail_says(w, carried.fd, SLICE("b OK bye\r\n"));
    give_back(w, &carried, TRANSPORT_PROXIED, SLICE(""));
    packet = world_expect(w, w->auth, MSG_AUTH_START);
    auth_says_ok(w, packet->msg.auth_start.conn);
    packet = world_expect(w, w->mail, MSG_HANDOVER);
    assert_int_equal(packet->msg.handover.unread.len, MSG_UNREAD_MAX);
    n = packet->msg.handover.unread.len;
    fd = packet->fds[0];
    packet->fds[0] = -1;
    mail_says(w, fd, SLICE("l1 OK in\r\n"));
    assert_heard(w, &client, "b OK bye\r\nl1 OK in\r\n");
    n += mail_hears(w, fd).len;
    assert_int_equal(n, AHEAD - 14);
    say(w, &client, SLICE("!"));
    assert_slice_equal(mail_hears(w, fd), SLICE("!"));
    free(line);
    client_close(&client);
    closep(&fd);
}

static void who_does_not_read_the_answer_is_not_waited_for(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);
    char *much = xcalloc(1, PUMP_BYTES);

    while (send(carried.fd, much, PUMP_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        world_run(w);
    give_back(w, &carried, TRANSPORT_PROXIED, SLICE(""));
    assert_int_equal(map_count(w->gate->by_id), 1);
    world_later(w, GATE_LOGIN_SEC);
    assert_int_equal(map_count(w->gate->by_id), 0);
    free(much);
    client_close(&client);
}

static void a_login_after_it_has_its_own_minute(void **state)
{
    struct world *w = *state;
    struct client client;
    struct carried carried = carry(w, &client);

    world_later(w, 100 * GATE_LOGIN_SEC);
    mail_says(w, carried.fd, SLICE("b OK bye\r\n"));
    give_back(w, &carried, TRANSPORT_PROXIED, SLICE(""));
    assert_heard(w, &client, "b OK bye\r\n");
    world_later(w, GATE_LOGIN_SEC - 1);
    say(w, &client, SLICE("c NOOP\r\n"));
    assert_heard(w, &client, "c OK NOOP completed\r\n");
    world_later(w, 1);
    assert_heard_start(w, &client, "* BYE ");
    client_close(&client);
}

static void what_nobody_carries_is_no_connection(void **state)
{
    struct world *w = *state;
    struct carried made_up = {.conn = 12345};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    made_up.fd = pair[1];
    give_back(w, &made_up, TRANSPORT_PROXIED, SLICE("a NOOP\r\n"));
    assert_int_equal(map_count(w->gate->by_id), 0);
    assert_int_equal(recv(pair[0], &(char){0}, 1, 0), 0); /* it was closed */
    closep(&pair[0]);
}

/* --- LMTP --- */

static void lmtp_goes_to_mail_at_once(void **state)
{
    struct world *w = *state;
    struct client client = client_connect(w, DOOR_LMTP);
    struct packet *packet = world_expect(w, w->mail, MSG_HANDOVER);
    static const uint8_t zeros[MSG_NONCE_BYTES];

    assert_int_equal(packet->msg.handover.service, SERVICE_LMTP);
    assert_int_equal(packet->msg.handover.transport, TRANSPORT_BARE);
    assert_memory_equal(packet->msg.handover.nonce, zeros, sizeof(zeros));
    mail_says(w, packet->fds[0], SLICE("220 ready\r\n"));
    assert_heard(w, &client, "220 ready\r\n");
    client_close(&client);
}

static void lmtp_without_mail_is_told_to_come_back(void **state)
{
    struct world *w = *state;
    struct client client;

    channel_free(w->mail);
    w->mail = NULL;
    world_run(w);
    client = client_connect(w, DOOR_LMTP);
    assert_heard_start(w, &client, "421 4.3.2 ");
    assert_true(is_ended(w, &client));
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(without_tls_mail_gets_the_socket_itself),
        WORLD_TEST(with_tls_bytes_are_carried),
        WORLD_TEST(facts_travel_with_it),
        WORLD_TEST(a_wrong_nonce_is_mails_to_refuse_and_the_client_stays),
        WORLD_TEST(a_socket_closed_without_an_answer_is_a_refusal),
        WORLD_TEST(a_mail_that_never_answers_is_not_waited_for),
        WORLD_TEST(a_login_without_mail_is_refused),
        WORLD_TEST(the_minute_is_over_after_login),
        WORLD_TEST(the_clients_end_goes_to_mail_and_mail_may_still_answer),
        WORLD_TEST(mails_end_is_close_notify_behind_its_last_byte),
        WORLD_TEST(an_end_that_mail_does_not_explain_waits_a_moment),
        WORLD_TEST(the_client_hears_bye_when_mail_dies),
        WORLD_TEST(no_bye_is_put_into_half_a_line),
        WORLD_TEST(a_new_mail_serves_who_logs_in_again),
        WORLD_TEST(a_death_is_of_the_mail_that_died),
        WORLD_TEST(a_client_that_vanishes_is_told_to_mail),
        WORLD_TEST(garbage_in_the_tls_stream_ends_it),
        WORLD_TEST(a_client_that_does_not_read_stops_mail_and_nobody_else),
        WORLD_TEST(a_stop_at_once_drops_everybody),
        WORLD_TEST(a_carried_client_comes_back_with_all_it_sent),
        WORLD_TEST(a_bare_client_comes_back_with_all_it_sent),
        WORLD_TEST(it_may_come_back_before_mails_first_byte_is_seen),
        WORLD_TEST(much_that_was_sent_ahead_reaches_the_next_session),
        WORLD_TEST(who_does_not_read_the_answer_is_not_waited_for),
        WORLD_TEST(a_login_after_it_has_its_own_minute),
        WORLD_TEST(what_nobody_carries_is_no_connection),
        WORLD_TEST(lmtp_goes_to_mail_at_once),
        WORLD_TEST(lmtp_without_mail_is_told_to_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
