/* test_gate_preauth.c - what a stranger may say, and how much of it. */
// links: roles
#include <poll.h>

#include "lib/gateworld.h"
#include "lib/ring_signer.h"

/* --- greeting and capabilities --- */

static void the_greeting_offers_what_the_door_allows(void **state)
{
    static const struct {
        enum world_door door;
        bool login, starttls;
    } rows[] = {
        {DOOR_PLAIN,    true,  false},
        {DOOR_STARTTLS, false, true },
        {DOOR_TLS,      true,  false},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_connect(w, rows[i].door);
        struct slice said;

        if (rows[i].door == DOOR_TLS)
            client_start_tls(w, &client);
        said = heard(w, &client);
        assert_true(slice_starts(said, SLICE("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")));
        assert_int_equal(slice_search(said, SLICE(" AUTH=PLAIN")) < said.len, rows[i].login);
        assert_int_equal(slice_search(said, SLICE(" LOGINDISABLED")) < said.len,
                         !rows[i].login);
        assert_int_equal(slice_search(said, SLICE(" STARTTLS")) < said.len, rows[i].starttls);
        assert_true(slice_search(said, SLICE(" MOVE")) == said.len); /* the list is short */
        client_close(&client);
    }
}

/* --- commands --- */

static void commands_before_login_are_answered(void **state)
{
    static const struct {
        const char *line, *answer;
    } rows[] = {
        {"a NOOP\r\n",                "a OK "                                 },
        {"a noop\r\n",                "a OK "                                 },
        {"a CAPABILITY\r\n",          "* CAPABILITY IMAP4rev1 "               },
        {"a ID NIL\r\n",              "* ID (\"name\" \"Roost\")\r\na OK "    },
        {"a ID (\"name\" \"x\")\r\n", "* ID (\"name\" \"Roost\")\r\na OK "    },
        {"a LOGOUT\r\n",              "* BYE Logging out\r\na OK "            },
        {"a ENABLE IMAP4rev2\r\n",    "a BAD ENABLE comes after login\r\n"    },
        {"a STARTTLS\r\n",            "a BAD STARTTLS is not offered here\r\n"},
        {"a SELECT INBOX\r\n",        "a BAD Log in first\r\n"                },
        {"a UID FETCH 1 FLAGS\r\n",   "a BAD Log in first\r\n"                },
        {"a XYZZY\r\n",               "a BAD Unknown command\r\n"             },
        {"a NOOP now\r\n",            "a BAD "                                },
        {"a LOGIN u\r\n",             "a BAD "                                },
        {"a\r\n",                     "* BAD "                                },
        {"\"a\" NOOP\r\n",            "* BAD "                                },
        {"GET NOOP\r\n",              "GET OK "                               },
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_PLAIN);
        struct slice said;

        say(w, &client, slice_from_str(rows[i].line));
        said = heard(w, &client);
        if (!slice_starts(said, slice_from_str(rows[i].answer)))
            fail_msg("%s: heard \"%.*s\"", rows[i].line, SLICE_ARG(said));
        client_close(&client);
    }
    world_expect_nothing(w, w->auth);
}

static void pipelined_commands_are_answered_in_order(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);

    say(w, &client, SLICE("a NOOP\r\nb XYZZY\r\nc NO"));
    assert_heard(w, &client, "a OK NOOP completed\r\nb BAD Unknown command\r\n");
    say(w, &client, SLICE("OP\r\n"));
    assert_heard(w, &client, "c OK NOOP completed\r\n");
    client_close(&client);
}

static void logout_ends_in_order(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_TLS);

    say(w, &client, SLICE("a LOGOUT\r\nb NOOP\r\n"));
    assert_heard(w, &client, "* BYE Logging out\r\na OK LOGOUT completed\r\n");
    assert_true(is_ended(w, &client));
    client_close(&client);
    world_run(w);
    assert_int_equal(map_count(w->gate->by_id), 0);
}

/* --- nuisances --- */

static void ten_refusals_in_a_row_end_it(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    for (unsigned i = 1; i < GATE_BAD_MAX; i++) {
        say(w, &client, SLICE("a XYZZY\r\n"));
        assert_heard(w, &client, "a BAD Unknown command\r\n");
    }
    say(w, &client, SLICE("b NOOP\r\n")); /* a good one starts the count again */
    assert_heard(w, &client, "b OK NOOP completed\r\n");
    for (unsigned i = 1; i < GATE_BAD_MAX; i++)
        say(w, &client, SLICE("a XYZZY\r\n"));
    (void) heard(w, &client);
    assert_false(is_ended(w, &client));
    say(w, &client, SLICE("a XYZZY\r\n"));
    assert_heard(w, &client, "a BAD Unknown command\r\n* BYE Too many errors\r\n");
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void what_is_no_imap_is_closed_without_a_word(void **state)
{
    static const char *const rows[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\na NOOP\r\n",
        "POST /x HTTP/1.0\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\n",
        "CONNECT localhost:143 HTTP/1.1\r\n",
        "\x16\x03\x01\x02",
        "\x05\x01",
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_PLAIN);

        say(w, &client, slice_from_str(rows[i]));
        assert_heard(w, &client, "");
        world_run(w);
        assert_int_equal(map_count(w->gate->by_id), 0);
        client_close(&client);
    }
}

static void a_line_without_end_has_a_limit(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    AUTO(buf_done) struct buf line;

    buf_init(&line, READER_LINE_PRELOGIN_BYTES * 2);
    buf_str(&line, "a LOGIN ");
    while (line.len < READER_LINE_PRELOGIN_BYTES + 1)
        buf_byte(&line, 'x');
    say(w, &client, buf_slice(&line));
    say(w, &client, SLICE("x\r\n"));
    assert_heard_start(w, &client, "a BAD ");
    say(w, &client, SLICE("b NOOP\r\n"));
    assert_heard(w, &client, "b OK NOOP completed\r\n");
    world_expect_nothing(w, w->auth);
    client_close(&client);
}

/* What the gate has not refused to take: all of total, or less if it has closed. */
static void flood(struct world *w, struct client *client, size_t total)
{
    char block[1000];

    memset(block, '(', sizeof(block));
    for (size_t sent = 0; sent < total;) {
        ssize_t n = send(client->fd, block, MIN(sizeof(block), total - sent), MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            return;
        sent += n > 0 ? (size_t) n : 0;
        world_run(w);
    }
}

static void a_million_parentheses_do_no_harm(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    say(w, &client, SLICE("a ID "));
    flood(w, &client, 1000000);
    say(w, &client, SLICE("\r\nb NOOP\r\n"));
    assert_heard_start(w, &client, "a BAD ");
    assert_true(slice_ends(buf_slice(&w->text), SLICE("b OK NOOP completed\r\n")));
    client_close(&client);
}

static void a_line_that_never_ends_is_closed(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    flood(w, &client, 4 * READER_SWALLOW_BYTES);
    assert_heard_start(w, &client, "* BYE ");
    client_close(&client);
}

static void a_literal_over_the_limit_is_not_asked_for(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    say(w, &client, SLICE("a LOGIN {100000}\r\n"));
    assert_heard_start(w, &client, "a NO [TOOBIG] ");
    say(w, &client, SLICE("b NOOP\r\n"));
    assert_heard(w, &client, "b OK NOOP completed\r\n");
    say(w, &client, SLICE("c APPEND x {3}\r\n"));
    assert_heard(w, &client, "+ OK\r\n");
    say(w, &client, SLICE("abc\r\n"));
    assert_heard(w, &client, "c BAD Log in first\r\n");
    client_close(&client);
}

static void who_does_not_read_is_not_read(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    struct slice line =
        SLICE("a CAPABILITY\r\na CAPABILITY\r\na CAPABILITY\r\na CAPABILITY\r\n");
    struct gate_conn *c = gate_conn_find(w->gate, w->gate->last_id);
    size_t n_sent = 0, n_heard = 0;
    char room[65536];
    ssize_t n;

    for (int quiet = 0; quiet < 3;) {
        n = send(client.fd, line.ptr, line.len, MSG_NOSIGNAL);
        quiet = n > 0 ? 0 : quiet + 1;
        n_sent += n > 0 ? (size_t) n : 0;
        world_run(w);
        assert_true(c->out.len < GATE_OUT_MAX_BYTES);
        assert_true(c->unread.len <= GATE_READ_BYTES);
    }
    for (int quiet = 0; quiet < 3; world_run(w)) {
        n = read(client.fd, room, sizeof(room));
        quiet = n > 0 ? 0 : quiet + 1;
        n_heard += n > 0 ? slice_count(slice_of(room, (size_t) n), '\n') : 0;
    }
    assert_int_equal(n_heard, 2 * (n_sent / (sizeof("a CAPABILITY\r\n") - 1)));
    client_close(&client);
}

/* --- time and number --- */

static void a_login_has_a_minute(void **state)
{
    struct world *w = *state;
    struct client plain = client_at(w, DOOR_PLAIN), silent = client_connect(w, DOOR_TLS);

    world_later(w, GATE_LOGIN_SEC - 1);
    say(w, &plain, SLICE("a NOOP\r\n")); /* wins no time */
    assert_heard(w, &plain, "a OK NOOP completed\r\n");
    world_later(w, 1);
    assert_heard(w, &plain, "* BYE Login took too long\r\n");
    assert_true(is_ended(w, &plain));
    assert_true(is_ended(w, &silent));
    world_later(w, GATE_LINGER_SEC);
    assert_int_equal(map_count(w->gate->by_id), 0);
    client_close(&plain);
    client_close(&silent);
}

#define HALF_OPEN (GATE_HANDSHAKES_MAX + 10)

static void half_open_handshakes_give_way_oldest_first(void **state)
{
    struct world *w = *state;
    struct client *clients = xcalloc(HALF_OPEN, sizeof(*clients)), good;

    for (size_t i = 0; i < HALF_OPEN; i++) {
        clients[i] = client_connect(w, DOOR_TLS);
        assert_int_equal(write(clients[i].fd, "\x16\x03\x01\x02", 4), 4);
    }
    assert_int_equal(w->gate->counts[GATE_HANDSHAKE], GATE_HANDSHAKES_MAX);
    for (size_t i = 0; i < HALF_OPEN; i++)
        assert_int_equal(is_ended(w, &clients[i]), i < HALF_OPEN - GATE_HANDSHAKES_MAX);
    good = client_at(w, DOOR_TLS); /* comes through all the same */
    say(w, &good, SLICE("a NOOP\r\n"));
    assert_heard(w, &good, "a OK NOOP completed\r\n");
    client_close(&good);
    for (size_t i = 0; i < HALF_OPEN; i++)
        client_close(&clients[i]);
    free(clients);
}

#define QUIET_ONES 24

/* Many who say little have room; who says much takes that of the oldest. */
static void strangers_give_way_by_what_they_hold(void **state)
{
    struct world *w = *state;
    struct client clients[QUIET_ONES];
    char half[READER_LINE_PRELOGIN_BYTES - 100];
    size_t at_rest;

    memset(half, 'a', sizeof(half));
    for (size_t i = 0; i < QUIET_ONES; i++)
        clients[i] = client_at(w, DOOR_PLAIN);
    at_rest = w->gate->held;
    assert_true(at_rest >= (size_t) QUIET_ONES * GATE_STRANGER_BYTES);
    w->gate->held_max = at_rest;
    say(w, &clients[QUIET_ONES - 1], slice_of(half, sizeof(half)));
    assert_heard(w, &clients[0], "* BYE [UNAVAILABLE] Too many connections\r\n");
    assert_true(is_ended(w, &clients[0]));
    assert_false(is_ended(w, &clients[QUIET_ONES / 2]));
    assert_true(w->gate->held <= at_rest);
    say(w, &clients[QUIET_ONES - 1], SLICE("\r\n")); /* itself it stays */
    assert_heard_start(w, &clients[QUIET_ONES - 1], "* BAD ");
    for (size_t i = 0; i < QUIET_ONES; i++)
        client_close(&clients[i]);
    world_run(w);
    assert_int_equal(w->gate->held, 0);
}

/* A `keys` that takes questions and answers none; its end of the channel. */
static int connect_silent_keys(struct world *w)
{
    const struct tls_pair pair = {.chain_pem = buf_slice(&w->cert.chain)};
    int fds[2];
    struct err err;

    assert_int_equal(tls_server_load(w->gate->tls, &pair, 1, &err), RC_OK);
    assert_int_equal(channel_pair(fds, &err), RC_OK);
    gate_role_events()->peer(w->gate, &(struct role_peer){.role = ROLE_KEYS, .fd = fds[0]});
    return fds[1];
}

static void turn(struct world *w)
{
    struct err err;

    assert_int_equal(loop_turn(w->gate->loop, 1000, &err), RC_OK);
}

/* A client whose handshake is being computed: it waits for keys' answer. */
static struct client client_in_handshake(struct world *w, int keys)
{
    struct client client = client_connect(w, DOOR_TLS);
    struct pollfd asked = {.fd = keys, .events = POLLIN};

    client.context = SSL_CTX_new(TLS_client_method());
    client.ssl = SSL_new(client.context);
    assert_int_equal(SSL_set_fd(client.ssl, client.fd), 1);
    assert_int_equal(SSL_connect(client.ssl), -1); /* its first flight is out */
    while (poll(&asked, 1, 0) == 0)
        turn(w);
    return client;
}

/* The gate waits for keys a second at most, which a busy machine may take between two lines of
 * a test; so it is tried until the answer came while a handshake was under way. */
static void nobody_waits_for_the_handshake_of_another(void **state)
{
    struct world *w = *state;
    struct client plain = client_at(w, DOOR_PLAIN);
    bool served = false;

    while (!served) {
        int keys = connect_silent_keys(w);
        struct client stranger = client_in_handshake(w, keys);
        char room[64];

        assert_int_equal(write(plain.fd, "a NOOP\r\n", 8), 8);
        for (int i = 0; i < WORLD_TURNS; i++)
            turn(w);
        served = w->gate->counts[GATE_HANDSHAKE] == 1;
        assert_int_equal(read(plain.fd, room, sizeof(room)), strlen("a OK NOOP completed\r\n"));
        closep(&keys);
        client_close(&stranger);
        world_run(w);
        assert_int_equal(w->gate->counts[GATE_HANDSHAKE], 0);
    }
    client_close(&plain);
}

static void a_connection_may_end_while_its_handshake_is_computed(void **state)
{
    struct world *w = *state;
    int keys = connect_silent_keys(w);
    struct client stranger = client_in_handshake(w, keys);
    struct link *link = w->gate->lists[GATE_HANDSHAKE].head.next;
    char byte;

    gate_conn_close(LINK_OWNER(link, struct gate_conn, link), CLOSE_TIMEOUT, "");
    assert_int_equal(map_count(w->gate->by_id), 0);
    closep(&keys);
    while (w->gate->counts[GATE_DEAD] > 0)
        turn(w);
    while (read(stranger.fd, &byte, 1) > 0) /* an alert, may be */
        ;
    assert_int_equal(read(stranger.fd, &byte, 1), 0);
    client_close(&stranger);
}

/* So it does when the process ends, whoever has the step. */
static void the_gate_ends_amid_handshakes(void **state)
{
    struct world *w = *state;
    int keys = connect_silent_keys(w);
    struct client computed = client_in_handshake(w, keys);
    struct client queued = client_connect(w, DOOR_TLS);

    assert_int_equal(write(queued.fd, "\x16\x03\x01\x02", 4), 4);
    turn(w);
    closep(&keys);
    client_close(&computed);
    client_close(&queued); /* the world is freed behind this */
}

/* As if it came from that address of one IPv6 /64. */
static struct client client_from(struct world *w, enum world_door door, uint8_t host)
{
    struct client client = client_at(w, door);
    struct gate_conn *c = gate_conn_find(w->gate, w->gate->last_id);

    c->peer = (struct ipaddr){
        .family = IPADDR_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8}
    };
    c->peer.bytes[15] = host;
    gate_source_enter(c);
    return client;
}

/* Who has logged in, or is on the way out, takes no place of its source. */
static void over_its_places_a_source_loses_its_own_oldest(void **state)
{
    struct world *w = *state;
    struct client clients[4];
    struct carried session;

    w->start.config->strangers_per_source = 2;
    for (size_t i = 0; i < COUNT(clients); i++)
        clients[i] = client_from(w, i % 2 == 0 ? DOOR_PLAIN : DOOR_TLS, (uint8_t) i);
    for (size_t i = 0; i < 2; i++) {
        assert_heard(w, &clients[i], "* BYE [UNAVAILABLE] Too many connections\r\n");
        assert_true(is_ended(w, &clients[i]));
        client_close(&clients[i]);
    }
    session = log_in(w, &clients[3], SLICE(""));
    clients[0] = client_from(w, DOOR_PLAIN, 9); /* beside clients[2] */
    say(w, &clients[2], SLICE("a NOOP\r\n"));
    assert_heard(w, &clients[2], "a OK NOOP completed\r\n");
    client_close(&clients[0]);
    client_close(&clients[2]);
    client_close(&clients[3]);
    assert_int_equal(close(session.fd), 0);
    world_run(w);
    assert_int_equal(map_count(w->gate->sources), 0);
}

#define LEAVING (GATE_CLOSING_MAX + 5)

/* Those who are told to go and do not close their side. */
static void those_on_the_way_out_are_bounded(void **state)
{
    struct world *w = *state;
    struct client *clients = xcalloc(LEAVING, sizeof(*clients));

    for (size_t i = 0; i < LEAVING; i++) {
        clients[i] = client_connect(w, DOOR_PLAIN);
        say(w, &clients[i], SLICE("a LOGOUT\r\n"));
    }
    assert_int_equal(w->gate->counts[GATE_CLOSING], GATE_CLOSING_MAX);
    assert_int_equal(map_count(w->gate->by_id), GATE_CLOSING_MAX);
    for (size_t i = 0; i < LEAVING; i++)
        client_close(&clients[i]);
    free(clients);
}

struct lines {
    unsigned n_ends;
    int64_t n_unsaid;
};

/* A log_sink_fn. */
static void count_line(void *ctx, enum log_level level, const char *event,
                       const struct log_field *fields, size_t n)
{
    struct lines *lines = ctx;

    (void) level;
    (void) n;
    if (strcmp(event, "gate.end") == 0)
        lines->n_ends++;
    else if (strcmp(event, "gate.unsaid") == 0)
        lines->n_unsaid += fields[0].number;
}

static void one_comes_and_goes(struct world *w)
{
    struct client client = client_at(w, DOOR_PLAIN);

    client_close(&client);
    world_run(w);
}

static void a_flood_of_strangers_does_not_fill_the_log(void **state)
{
    struct world *w = *state;
    struct lines lines = {0};

    log_set_sink(count_line, &lines);
    for (unsigned i = 0; i < 3 * GATE_LINES_MAX; i++)
        one_comes_and_goes(w);
    assert_int_equal(lines.n_ends, GATE_LINES_MAX);
    assert_int_equal(lines.n_unsaid, 0);
    world_later(w, 1);
    one_comes_and_goes(w); /* the next second has lines of its own, and tells of the others */
    assert_int_equal(lines.n_ends, GATE_LINES_MAX + 1);
    assert_int_equal(lines.n_unsaid, 2 * GATE_LINES_MAX);
}

static void a_client_that_goes_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);

    say(w, &client, SLICE("a LOGIN {5}\r\nab"));
    client_close(&client);
    world_run(w);
    assert_int_equal(map_count(w->gate->by_id), 0);
}

/* --- STARTTLS --- */

static void starttls_protects_what_follows(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_STARTTLS);
    struct slice said;

    say(w, &client, SLICE("a LOGIN u p\r\n"));
    assert_heard_start(w, &client, "a NO [PRIVACYREQUIRED] ");
    world_expect_nothing(w, w->auth); /* the password went nowhere */
    say(w, &client, SLICE("b STARTTLS\r\n"));
    assert_heard(w, &client, "b OK Begin TLS negotiation now\r\n");
    client_start_tls(w, &client);
    assert_heard(w, &client, ""); /* no second greeting */
    say(w, &client, SLICE("c CAPABILITY\r\n"));
    said = heard(w, &client);
    assert_true(slice_search(said, SLICE(" AUTH=PLAIN")) < said.len);
    assert_true(slice_search(said, SLICE("STARTTLS")) == said.len);
    say(w, &client, SLICE("d STARTTLS\r\n"));
    assert_heard(w, &client, "d BAD TLS is on already\r\n");
    client_close(&client);
}

static void bytes_behind_starttls_end_it(void **state)
{
    static const char *const rows[] = {
        "a STARTTLS\r\nb NOOP\r\n",   "a STARTTLS\r\nb",
        "a STARTTLS\r\n\n",           "a NOOP\r\nb STARTTLS\r\nc LOGIN u p\r\n",
        "a STARTTLS\r\n\x16\x03\x01", /* a client waits for our OK */
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client client = client_at(w, DOOR_STARTTLS);
        struct slice said;

        say(w, &client, slice_from_str(rows[i]));
        said = heard(w, &client);
        assert_int_equal(slice_search(said, SLICE("Begin TLS")), said.len);
        assert_true(is_ended(w, &client));
        client_close(&client);
    }
}

static void bytes_that_came_apart_from_starttls_end_it_too(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_STARTTLS);

    /* Two packets, both in the socket before the gate looks, the first as long as one read. */
    AUTO(buf_done) struct buf first;

    buf_init(&first, GATE_READ_BYTES);
    while (first.len + sizeof("a STARTTLS\r\n") - 1 < GATE_READ_BYTES)
        buf_str(&first, first.len + 8 + sizeof("a STARTTLS\r\n") - 1 <= GATE_READ_BYTES
                            ? "a NOOP\r\n"
                            : "\n");
    buf_str(&first, "a STARTTLS\r\n");
    assert_int_equal(first.len, GATE_READ_BYTES);
    buf_truncate(&first, GATE_READ_BYTES);
    assert_int_equal(write(client.fd, first.ptr, first.len), (ssize_t) first.len);
    say(w, &client, SLICE("b LOGIN u p\r\n"));
    assert_true(slice_search(heard(w, &client), SLICE("Begin TLS")) == w->text.len);
    assert_true(is_ended(w, &client));
    world_expect_nothing(w, w->auth);
    client_close(&client);
}

static void starttls_does_not_start_the_minute_again(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_STARTTLS);

    world_later(w, GATE_LOGIN_SEC - 1);
    say(w, &client, SLICE("a STARTTLS\r\n"));
    assert_heard(w, &client, "a OK Begin TLS negotiation now\r\n");
    world_later(w, 1);
    assert_true(is_ended(w, &client));
    client_close(&client);
}

static void a_new_certificate_is_taken_while_clients_stay(void **state)
{
    struct world *w = *state;
    struct client before = client_at(w, DOOR_TLS), after;
    struct selfsigned other;
    struct ring_signer signer = {.ring = key_ring_new()};
    struct role_cert cert = {.chain = SLICE("no certificate")};
    struct err err;
    char name[32];
    X509 *shown;

    selfsigned_make(&other, "renewed");
    assert_int_equal(ring_signer_load(signer.ring, &other, &other, &err), RC_OK);
    tls_server_sign_with(w->gate->tls, (struct tls_signer){ring_signer_sign, &signer});
    gate_role_events()->certs(w->gate, &cert, 1); /* refused, and the old one kept */
    cert.chain = buf_slice(&other.chain);
    gate_role_events()->certs(w->gate, &cert, 1);
    after = client_at(w, DOOR_TLS);
    shown = SSL_get1_peer_certificate(after.ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
    assert_string_equal(name, "renewed");
    X509_free(shown);
    say(w, &before, SLICE("a NOOP\r\n"));
    assert_heard(w, &before, "a OK NOOP completed\r\n");
    client_close(&before);
    client_close(&after);
    key_ring_free(signer.ring);
    selfsigned_done(&other);
}

static void shutdown_says_bye_and_ends_the_loop(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    struct err err;

    gate_role_events()->shutdown(w->gate, false);
    assert_heard(w, &client, "* BYE Server is shutting down\r\n");
    assert_true(is_ended(w, &client));
    client_close(&client);
    assert_int_equal(loop_run(w->gate->loop, &err), RC_OK);
}

/* RFC 5255 3.1: in every state; RFC 9051 6.2.1: what came without TLS is forgotten. */
static void it_speaks_the_language_that_is_asked_for(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_STARTTLS);
    const struct msg_handover *handover;

    say(w, &client, SLICE("a LANGUAGE\r\n"));
    assert_heard(w, &client,
                 "* LANGUAGE (EN DE FR ES JA i-default)\r\n"
                 "a OK Supported languages have been listed\r\n");
    say(w, &client, SLICE("b LANGUAGE xx\r\nc LANGUAGE de-CH\r\nd LOGIN u p\r\n"));
    assert_heard(w, &client,
                 "b NO Unsupported language\r\n* LANGUAGE (DE)\r\nc OK Sprache gewechselt\r\n"
                 "d NO [PRIVACYREQUIRED] Keine Anmeldung ohne TLS\r\n");
    say(w, &client, SLICE("e STARTTLS\r\n"));
    assert_heard(w, &client, "e OK Jetzt TLS aushandeln\r\n");
    client_start_tls(w, &client);
    say(w, &client, SLICE("f SELECT x\r\ng LANGUAGE FR\r\nh SELECT x\r\n"));
    assert_heard(w, &client,
                 "f BAD Log in first\r\n* LANGUAGE (FR)\r\ng OK Langue chang\u00e9e\r\n"
                 "h BAD Connectez-vous d'abord\r\n");
    say(w, &client, SLICE("i LOGIN u p\r\n"));
    auth_says_ok(w, world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn);
    handover = &world_expect(w, w->mail, MSG_HANDOVER)->msg.handover;
    assert_slice_equal(handover->language, SLICE("FR"));
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(the_greeting_offers_what_the_door_allows),
        WORLD_TEST(commands_before_login_are_answered),
        WORLD_TEST(pipelined_commands_are_answered_in_order),
        WORLD_TEST(logout_ends_in_order),
        WORLD_TEST(ten_refusals_in_a_row_end_it),
        WORLD_TEST(what_is_no_imap_is_closed_without_a_word),
        WORLD_TEST(a_line_without_end_has_a_limit),
        WORLD_TEST(a_million_parentheses_do_no_harm),
        WORLD_TEST(a_line_that_never_ends_is_closed),
        WORLD_TEST(a_literal_over_the_limit_is_not_asked_for),
        WORLD_TEST(who_does_not_read_is_not_read),
        WORLD_TEST(a_login_has_a_minute),
        WORLD_TEST(half_open_handshakes_give_way_oldest_first),
        WORLD_TEST(strangers_give_way_by_what_they_hold),
        WORLD_TEST(nobody_waits_for_the_handshake_of_another),
        WORLD_TEST(a_connection_may_end_while_its_handshake_is_computed),
        WORLD_TEST(the_gate_ends_amid_handshakes),
        WORLD_TEST(over_its_places_a_source_loses_its_own_oldest),
        WORLD_TEST(those_on_the_way_out_are_bounded),
        WORLD_TEST(a_flood_of_strangers_does_not_fill_the_log),
        WORLD_TEST(a_client_that_goes_leaves_nothing),
        WORLD_TEST(starttls_protects_what_follows),
        WORLD_TEST(bytes_behind_starttls_end_it),
        WORLD_TEST(bytes_that_came_apart_from_starttls_end_it_too),
        WORLD_TEST(starttls_does_not_start_the_minute_again),
        WORLD_TEST(a_new_certificate_is_taken_while_clients_stay),
        WORLD_TEST(shutdown_says_bye_and_ends_the_loop),
        WORLD_TEST(it_speaks_the_language_that_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
