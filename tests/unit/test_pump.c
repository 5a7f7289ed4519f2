/* test_pump.c - bytes carried both ways, back-pressure, and ends passed on. */
// links: net
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/selfsigned.h"
#include "lib/test.h"
#include "lib/tlsclient.h"
#include "net/pump.h"

#define TURNS_MAX   200000 /* a test that needs more hangs */
#define QUIET_TURNS 3      /* turns without a change after which nothing more will come */

struct fixture {
    struct loop *loop;
    struct conn conn;
    struct pump pump;
    char *scratch;
    int client, local; /* the far ends */
    bool first, ended, done, failed;
};

static void on_first(void *ctx)
{
    ((struct fixture *) ctx)->first = true;
}

static void on_local_end(void *ctx)
{
    ((struct fixture *) ctx)->ended = true;
}

static void on_done(void *ctx, const struct err *why)
{
    struct fixture *f = ctx;

    assert_false(f->done);
    f->done = true;
    f->failed = why != NULL;
}

static const struct pump_events events = {
    .first_down = on_first, .local_end = on_local_end, .given_back = NULL, .done = on_done};

static void pair(int *near, int *far)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                     0);
    *near = fds[0];
    *far = fds[1];
}

static void open_all(struct fixture *f, bool up_held)
{
    int conn_fd, local_fd;
    struct err err;

    *f = (struct fixture){.scratch = xmalloc(PUMP_BYTES)};
    assert_int_equal(loop_new(&f->loop, &err), RC_OK);
    pair(&conn_fd, &f->client);
    pair(&local_fd, &f->local);
    conn_init(&f->conn, conn_fd);
    assert_int_equal(pump_start(&f->pump, f->loop, &f->conn, local_fd, f->scratch, up_held,
                                &events, f, &err),
                     RC_OK);
}

static void close_all(struct fixture *f)
{
    pump_stop(&f->pump);
    conn_done(&f->conn);
    closep(&f->client);
    closep(&f->local);
    loop_free(f->loop);
    free(f->scratch);
}

static void settle(struct fixture *f)
{
    struct err err;

    for (int i = 0; i < QUIET_TURNS && !f->done; i++)
        assert_int_equal(loop_turn(f->loop, 0, &err), RC_OK);
}

static void put(struct fixture *f, int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    settle(f);
}

static void expect(int fd, const char *text)
{
    char room[256];
    ssize_t n = read(fd, room, sizeof(room));

    assert_true(n >= 0);
    assert_slice_equal(slice_of(room, (size_t) n), slice_from_str(text));
}

static void expect_nothing(int fd)
{
    char byte;

    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

static void bytes_go_both_ways(void **state)
{
    struct fixture f;

    (void) state;
    open_all(&f, false);
    put(&f, f.client, "up\r\n");
    expect(f.local, "up\r\n");
    assert_false(f.first);
    put(&f, f.local, "down\r\n");
    assert_true(f.first);
    assert_true(f.pump.down_at_line_start);
    expect(f.client, "down\r\n");
    put(&f, f.local, "half a li");
    assert_false(f.pump.down_at_line_start);
    assert_int_equal(f.pump.up.n_passed, 4);
    assert_int_equal(f.pump.down.n_passed, 15);
    assert_null(f.pump.up.kept);
    assert_null(f.pump.down.kept);
    close_all(&f);
}

static void a_held_way_waits(void **state)
{
    struct fixture f;

    (void) state;
    open_all(&f, true);
    put(&f, f.client, "early");
    expect_nothing(f.local);
    put(&f, f.local, "hello");
    expect(f.client, "hello");
    pump_release_up(&f.pump);
    settle(&f);
    expect(f.local, "early");
    close_all(&f);
}

/* --- back-pressure: from fills, to does not read --- */

static size_t fill(struct fixture *f, int from)
{
    static const char block[4096];
    size_t total = 0;

    for (int quiet = 0; quiet < QUIET_TURNS;) {
        ssize_t n = write(from, block, sizeof(block));

        quiet = n > 0 ? 0 : quiet + 1;
        total += n > 0 ? (size_t) n : 0;
        settle(f);
    }
    return total;
}

static size_t drain(struct fixture *f, int to)
{
    char room[8192];
    size_t total = 0;

    for (int quiet = 0; quiet < QUIET_TURNS;) {
        ssize_t n = read(to, room, sizeof(room));

        quiet = n > 0 ? 0 : quiet + 1;
        total += n > 0 ? (size_t) n : 0;
        settle(f);
    }
    return total;
}

static void a_side_that_does_not_read_stops_the_other(void **state)
{
    (void) state;
    for (int up = 0; up <= 1; up++) {
        struct fixture f;
        struct pump_way *way = up != 0 ? &f.pump.up : &f.pump.down;
        size_t written;

        open_all(&f, false);
        written = fill(&f, up != 0 ? f.client : f.local);
        assert_non_null(way->kept);
        assert_true(way->len - way->at <= PUMP_BYTES);
        put(&f, up != 0 ? f.local : f.client, "other way"); /* goes on */
        expect(up != 0 ? f.client : f.local, "other way");
        assert_int_equal(drain(&f, up != 0 ? f.local : f.client), written);
        assert_null(way->kept);
        close_all(&f);
    }
}

/* --- ends --- */

static void the_clients_end_reaches_the_local_side_behind_its_last_byte(void **state)
{
    struct fixture f;
    size_t written;

    (void) state;
    open_all(&f, false);
    written = fill(&f, f.client);
    assert_int_equal(shutdown(f.client, SHUT_WR), 0);
    settle(&f);
    assert_int_equal(f.pump.up.state, PUMP_OPEN); /* the end lies behind what is kept */
    assert_int_equal(drain(&f, f.local), written);
    assert_int_equal(f.pump.up.state, PUMP_PASSED);
    expect(f.local, "");
    put(&f, f.local, "still answering");
    expect(f.client, "still answering");
    assert_false(f.done);
    assert_int_equal(close(f.local), 0);
    f.local = -1;
    settle(&f);
    assert_true(f.ended && !f.done);
    pump_end_down(&f.pump, SLICE(""));
    settle(&f);
    assert_true(f.done && !f.failed);
    close_all(&f);
}

static void the_local_end_waits_for_the_last_words(void **state)
{
    struct fixture f;

    (void) state;
    open_all(&f, false);
    put(&f, f.local, "* OK bye soon\r\n");
    assert_int_equal(close(f.local), 0);
    f.local = -1;
    settle(&f);
    assert_true(f.ended && !f.done);
    pump_end_down(&f.pump, SLICE("* BYE gone\r\n"));
    pump_end_down(&f.pump, SLICE("* BYE twice\r\n"));
    settle(&f);
    expect(f.client, "* OK bye soon\r\n* BYE gone\r\n");
    expect(f.client, "");
    put(&f, f.client, "nobody listens"); /* thrown away, no reset */
    assert_false(f.done);
    assert_int_equal(shutdown(f.client, SHUT_WR), 0);
    settle(&f);
    assert_true(f.done && !f.failed);
    close_all(&f);
}

static void the_last_words_stand_behind_what_is_kept(void **state)
{
    struct fixture f;
    size_t written;

    (void) state;
    open_all(&f, false);
    written = fill(&f, f.local);
    assert_int_equal(close(f.local), 0);
    f.local = -1;
    assert_int_equal(f.pump.down.state, PUMP_OPEN);
    written -= drain(&f, f.client);
    assert_int_equal(written, 0);
    assert_true(f.ended);
    pump_end_down(&f.pump, SLICE("* BYE\r\n"));
    settle(&f);
    expect(f.client, "* BYE\r\n");
    close_all(&f);
}

static void a_client_that_vanishes_ends_the_pump(void **state)
{
    struct fixture f;

    (void) state;
    open_all(&f, false);
    assert_int_equal(close(f.client), 0);
    f.client = -1;
    settle(&f);
    expect(f.local, "");
    put(&f, f.local, "to nobody");
    assert_true(f.done && f.failed);
    close_all(&f);
}

/* --- the same over TLS, in both directions at once --- */

#define TLS_TOTAL ((size_t) 1 << 20)

struct flow {
    size_t sent, received;
    bool in_order;
};

static char byte_at(size_t i)
{
    return (char) (i * 31 + i / 4096);
}

static size_t make(struct flow *flow, char *room, size_t cap)
{
    size_t n = MIN(cap, TLS_TOTAL - flow->sent);

    for (size_t i = 0; i < n; i++)
        room[i] = byte_at(flow->sent + i);
    return n;
}

static void check(struct flow *flow, const char *room, size_t n)
{
    for (size_t i = 0; i < n; i++)
        flow->in_order = flow->in_order && room[i] == byte_at(flow->received + i);
    flow->received += n;
}

static void step_client(struct tlsclient *client, struct flow *up, struct flow *down)
{
    char room[5000];
    size_t n = make(up, room, sizeof(room));
    int wrote = n > 0 ? SSL_write(client->ssl, room, (int) n) : 0;
    int got = SSL_read(client->ssl, room, sizeof(room));

    up->sent += wrote > 0 ? (size_t) wrote : 0;
    if (got > 0)
        check(down, room, (size_t) got);
}

static void step_local(int fd, struct flow *up, struct flow *down)
{
    char room[7000];
    size_t n = make(down, room, sizeof(room));
    ssize_t wrote = n > 0 ? write(fd, room, n) : 0, got = read(fd, room, sizeof(room));

    down->sent += wrote > 0 ? (size_t) wrote : 0;
    if (got > 0)
        check(up, room, (size_t) got);
}

static void a_megabyte_crosses_tls_both_ways(void **state)
{
    struct fixture f = {.scratch = xmalloc(PUMP_BYTES)};
    struct flow up = {.in_order = true}, down = {.in_order = true};
    struct tlsclient client;
    struct selfsigned cert;
    struct tls_server *server = tls_server_new();
    struct tls_pair pem;
    int conn_fd, local_fd;
    struct err err;

    (void) state;
    selfsigned_make(&cert, "localhost");
    pem =
        (struct tls_pair){.chain_pem = buf_slice(&cert.chain), .key_pem = buf_slice(&cert.key)};
    assert_int_equal(tls_server_load(server, &pem, 1, &err), RC_OK);
    assert_int_equal(loop_new(&f.loop, &err), RC_OK);
    tlsclient_open(&client, &conn_fd);
    SSL_set_mode(client.ssl,
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    pair(&local_fd, &f.local);
    conn_init(&f.conn, conn_fd);
    f.client = -1;
    assert_int_equal(conn_start_tls(&f.conn, server, &err), RC_OK);
    assert_int_equal(tlsclient_handshake(&client, &f.conn, &err), RC_OK);
    assert_int_equal(
        pump_start(&f.pump, f.loop, &f.conn, local_fd, f.scratch, false, &events, &f, &err),
        RC_OK);
    for (int i = 0; i < TURNS_MAX && (up.received < TLS_TOTAL || down.received < TLS_TOTAL);
         i++) {
        assert_int_equal(loop_turn(f.loop, 0, &err), RC_OK);
        step_client(&client, &up, &down);
        step_local(f.local, &up, &down);
    }
    assert_int_equal(up.received, TLS_TOTAL);
    assert_int_equal(down.received, TLS_TOTAL);
    assert_true(up.in_order && down.in_order);
    SSL_shutdown(client.ssl);
    settle(&f);
    expect(f.local, "");
    tlsclient_close(&client);
    close_all(&f);
    tls_server_free(server);
    selfsigned_done(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_held_way_waits),
        cmocka_unit_test(a_side_that_does_not_read_stops_the_other),
        cmocka_unit_test(the_clients_end_reaches_the_local_side_behind_its_last_byte),
        cmocka_unit_test(the_local_end_waits_for_the_last_words),
        cmocka_unit_test(the_last_words_stand_behind_what_is_kept),
        cmocka_unit_test(a_client_that_vanishes_ends_the_pump),
        cmocka_unit_test(a_megabyte_crosses_tls_both_ways),
    };

    (void) signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
