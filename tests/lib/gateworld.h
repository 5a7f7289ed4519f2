/*
 * gateworld.h - a gate with a fake auth and a fake mail, in one thread and on a clock set by
 * hand.
 *
 * Clients are real sockets to real listeners. Every step runs the gate's loop until it has
 * nothing more to do, so a test sees the same order each time.
 */
#ifndef ROOST_TESTS_GATEWORLD_H
#define ROOST_TESTS_GATEWORLD_H

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "lib/selfsigned.h"
#include "lib/test.h"
#include "roles/gate_state.h"

#define WORLD_START_US    1000000
#define WORLD_TURNS       24 /* more than any exchange over local sockets needs */
#define WORLD_TEXT_BYTES  ((size_t) 1 << 20)
#define WORLD_DESCRIPTORS 8192u

enum world_door {
    DOOR_PLAIN,    /* plaintext logins allowed, no STARTTLS */
    DOOR_STARTTLS, /* no login without TLS */
    DOOR_TLS,
    DOOR_LMTP,
    DOOR_SASL,
    DOOR_SOCKETMAP,
};
#define DOOR_COUNT (DOOR_SOCKETMAP + 1)

struct world {
    struct role_start start;
    struct gate *gate;
    struct channel *auth, *mail; /* the far ends */
    struct selfsigned cert;
    struct sockaddr_un doors[DOOR_COUNT];
    socklen_t door_len[DOOR_COUNT];
    struct buf text; /* what heard() last returned */
};

struct client {
    int fd;
    SSL_CTX *context;
    SSL *ssl; /* NULL: plaintext */
};

static inline void world_quiet(void *ctx, enum log_level level, const char *event,
                               const struct log_field *fields, size_t n)
{
    (void) ctx;
    (void) level;
    (void) event;
    (void) fields;
    (void) n;
}

/* Abstract unix sockets: no path to clean up, no port to collide on. */
static inline void world_listen(struct world *w, enum world_door door)
{
    static const struct {
        enum listener_kind kind;
        uint32_t flags;
    } rows[DOOR_COUNT] = {
        [DOOR_PLAIN] = {LISTENER_IMAP,      LISTENER_PLAINTEXT},
        [DOOR_STARTTLS] = {LISTENER_IMAP,      LISTENER_STARTTLS },
        [DOOR_TLS] = {LISTENER_IMAPS,     0                 },
        [DOOR_LMTP] = {LISTENER_LMTP,      0                 },
        [DOOR_SASL] = {LISTENER_SASL,      0                 },
        [DOOR_SOCKETMAP] = {LISTENER_SOCKETMAP, 0                 },
    };
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    w->door_len[door] = sizeof(w->doors[door]);
    assert_int_equal(bind(fd, (struct sockaddr *) &any, sizeof(any.sun_family)), 0);
    assert_int_equal(listen(fd, WORLD_DESCRIPTORS), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &w->doors[door], &w->door_len[door]),
                     0);
    w->start.listeners[w->start.n_listeners++] =
        (struct role_listener){.kind = rows[door].kind, .flags = rows[door].flags, .fd = fd};
}

/* A new process behind the channel: the gate hears of it as when the supervisor replaces one.
 */
static inline void world_connect(struct world *w, enum role role)
{
    struct channel **far = role == ROLE_AUTH ? &w->auth : &w->mail;
    int fds[2];
    struct err err;

    assert_int_equal(channel_pair(fds, &err), RC_OK);
    *far = channel_new(fds[1], role, ROLE_GATE);
    gate_role_events()->peer(w->gate, &(struct role_peer){.role = role, .fd = fds[0]});
}

static inline struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct rlimit files = {WORLD_DESCRIPTORS, WORLD_DESCRIPTORS};
    struct tls_pair pair;
    struct err err;

    (void) signal(SIGPIPE, SIG_IGN);
    (void) setrlimit(RLIMIT_NOFILE, &files);
    log_set_sink(world_quiet, NULL);
    clock_set_for_test(WORLD_START_US);
    w->start.role = ROLE_GATE;
    w->start.config = config_new();
    for (enum world_door door = DOOR_PLAIN; door < DOOR_COUNT; door++)
        world_listen(w, door);
    selfsigned_make(&w->cert, "localhost");
    pair = (struct tls_pair){.chain_pem = buf_slice(&w->cert.chain),
                             .key_pem = buf_slice(&w->cert.key)};
    buf_init(&w->text, WORLD_TEXT_BYTES);
    assert_int_equal(gate_open(&w->start, &w->gate, &err), RC_OK);
    assert_int_equal(tls_server_load(w->gate->tls, &pair, 1, &err), RC_OK);
    assert_int_equal(gate_handshakes_open(w->gate, &err), RC_OK);
    assert_int_equal(gate_listen(w->gate, &err), RC_OK);
    world_connect(w, ROLE_AUTH);
    world_connect(w, ROLE_MAIL);
    return w;
}

static inline void world_free(struct world *w)
{
    gate_free(w->gate);
    config_free(w->start.config);
    channel_free(w->auth);
    channel_free(w->mail);
    selfsigned_done(&w->cert);
    buf_done(&w->text);
    free(w);
    clock_set_for_test(0);
    log_set_sink(NULL, NULL);
}

/* Has the thread of handshakes something that the loop will hear of? */
static inline bool world_computes(const struct world *w)
{
    LIST_FOREACH(link, &w->gate->lists[GATE_HANDSHAKE])
    {
        if (LINK_OWNER(link, struct gate_conn, link)->step != NULL)
            return true;
    }
    return w->gate->counts[GATE_DEAD] > 0;
}

static inline void world_run(struct world *w)
{
    struct err err;

    for (int i = 0; i < WORLD_TURNS; i++) {
        assert_int_equal(loop_turn(w->gate->loop, 0, &err), RC_OK);
        while (world_computes(w))
            assert_int_equal(loop_turn(w->gate->loop, 1000, &err), RC_OK);
    }
}

static inline void world_later(struct world *w, int64_t sec)
{
    clock_set_for_test(clock_mono_us() + sec * 1000000);
    world_run(w);
}

/* --- clients --- */

static inline struct client client_connect(struct world *w, enum world_door door)
{
    struct client client = {.fd =
                                socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};

    assert_int_equal(connect(client.fd, (struct sockaddr *) &w->doors[door], w->door_len[door]),
                     0);
    world_run(w);
    return client;
}

static inline void client_start_tls(struct world *w, struct client *client)
{
    int done = 0;

    client->context = SSL_CTX_new(TLS_client_method());
    client->ssl = SSL_new(client->context);
    SSL_set_mode(client->ssl,
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
    for (int i = 0; i < WORLD_TURNS && done != 1; i++) {
        done = SSL_do_handshake(client->ssl);
        world_run(w);
    }
    assert_int_equal(done, 1);
}

static inline void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    closep(&client->fd);
    *client = (struct client){.fd = -1};
}

static inline void say(struct world *w, struct client *client, struct slice text)
{
    if (client->ssl != NULL)
        assert_int_equal(SSL_write(client->ssl, text.ptr, (int) text.len), (int) text.len);
    else
        assert_int_equal(write(client->fd, text.ptr, text.len), (ssize_t) text.len);
    world_run(w);
}

static inline ssize_t client_read(struct client *client, char *room, size_t cap)
{
    if (client->ssl != NULL) {
        int n = SSL_read(client->ssl, room, (int) cap);

        if (n <= 0 && SSL_get_error(client->ssl, n) == SSL_ERROR_WANT_READ)
            return -1;
        return n > 0 ? n : 0;
    }
    return read(client->fd, room, cap);
}

/* All that has come for the client until now. */
static inline struct slice heard(struct world *w, struct client *client)
{
    char room[16384];
    ssize_t n;

    world_run(w);
    buf_reset(&w->text);
    while ((n = client_read(client, room, sizeof(room))) > 0) {
        buf_append(&w->text, slice_of(room, (size_t) n));
        world_run(w);
    }
    return buf_slice(&w->text);
}

/* The server has ended, and in order: the client reads an end, not a reset. */
static inline bool is_ended(struct world *w, struct client *client)
{
    char byte;

    world_run(w);
    return client_read(client, &byte, 1) == 0;
}

#define assert_heard(w, client, want) assert_slice_equal(heard(w, client), SLICE(want))
#define assert_heard_start(w, client, want)                                                    \
    do {                                                                                       \
        struct slice heard_ = heard(w, client);                                                \
        if (!slice_starts(heard_, SLICE(want)))                                                \
            fail_msg("heard \"%.*s\", want \"%s...\"", SLICE_ARG(heard_), (want));             \
    } while (0)

/* Connected, handshake done, greeting read. */
static inline struct client client_at(struct world *w, enum world_door door)
{
    struct client client = client_connect(w, door);

    if (door == DOOR_TLS)
        client_start_tls(w, &client);
    if (door < DOOR_LMTP)
        assert_heard_start(w, &client, "* OK [CAPABILITY IMAP4rev");
    return client;
}

/* --- the fake roles --- */

/* The next message a fake role was sent; the test fails if there is none of that type. */
static inline struct packet *world_expect(struct world *w, struct channel *ch,
                                          enum msg_type type)
{
    struct packet *packet = NULL;
    struct err err;

    world_run(w);
    assert_int_equal(channel_take(ch, &packet, &err), RC_OK);
    if (packet->msg.type != type)
        fail_msg("got %s, want %s", msg_name(packet->msg.type), msg_name(type));
    return packet;
}

static inline void world_expect_nothing(struct world *w, struct channel *ch)
{
    struct packet *packet = NULL;
    struct err err;

    world_run(w);
    assert_int_equal(channel_take(ch, &packet, &err), RC_MORE);
}

static inline void world_send(struct world *w, struct channel *ch, const struct msg *msg)
{
    struct err err;

    assert_int_equal(channel_post(ch, msg, NULL, &err), RC_OK);
    world_run(w);
}

static inline void auth_says_ok(struct world *w, uint64_t conn)
{
    struct msg msg = {
        .type = MSG_AUTH_OK, .auth_ok = {.conn = conn, .nonce = "0123456789abcde"}
    };

    world_send(w, w->auth, &msg);
}

static inline void auth_says_no(struct world *w, uint64_t conn, enum auth_code code)
{
    struct msg msg = {
        .type = MSG_AUTH_FAIL, .auth_fail = {.conn = conn, .code = (uint8_t) code}
    };

    world_send(w, w->auth, &msg);
}

static inline void auth_continues(struct world *w, uint64_t conn, struct slice data)
{
    struct msg msg = {
        .type = MSG_AUTH_CONTINUE, .auth_continue = {.conn = conn, .data = data}
    };

    world_send(w, w->auth, &msg);
}

/* A connection that mail has: its end of the data, non-blocking. */
struct carried {
    uint64_t conn;
    int fd;
};

/* Log in as `tag LOGIN u p`, with what follows in the same packet; mail takes it. */
static inline struct carried log_in(struct world *w, struct client *client, struct slice behind)
{
    AUTO(buf_done) struct buf line;
    struct packet *packet;
    struct carried carried;

    buf_init(&line, WORLD_TEXT_BYTES);
    buf_str(&line, "l1 LOGIN u p\r\n");
    buf_append(&line, behind);
    say(w, client, buf_slice(&line));
    packet = world_expect(w, w->auth, MSG_AUTH_START);
    auth_says_ok(w, packet->msg.auth_start.conn);
    packet = world_expect(w, w->mail, MSG_HANDOVER);
    assert_slice_equal(packet->msg.handover.tag, SLICE("l1"));
    assert_slice_equal(packet->msg.handover.command, SLICE("LOGIN"));
    assert_memory_equal(packet->msg.handover.nonce, "0123456789abcde", MSG_NONCE_BYTES);
    assert_slice_equal(packet->msg.handover.unread, behind);
    assert_int_equal(packet->msg.handover.transport,
                     client->ssl != NULL ? TRANSPORT_PROXIED : TRANSPORT_BARE);
    carried = (struct carried){packet->msg.handover.conn, packet->fds[0]};
    packet->fds[0] = -1;
    return carried;
}

static inline void mail_says(struct world *w, int fd, struct slice text)
{
    assert_int_equal(send(fd, text.ptr, text.len, MSG_NOSIGNAL), (ssize_t) text.len);
    world_run(w);
}

static inline struct slice mail_hears(struct world *w, int fd)
{
    char room[16384];
    ssize_t n;

    world_run(w);
    buf_reset(&w->text);
    while ((n = recv(fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
        buf_append(&w->text, slice_of(room, (size_t) n));
        world_run(w);
    }
    return buf_slice(&w->text);
}

static inline int world_set_up(void **state)
{
    *state = world_new();
    return 0;
}

static inline int world_tear_down(void **state)
{
    world_free(*state);
    return 0;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

#endif
