/* test_control.c - the command line's protocol: verbs, rows, bulk data, and who may connect. */
// links: ipc
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/control.h"
#include "lib/test.h"

#define BULK_BYTES ((size_t) 3 << 20)
#define MANY_ROWS  20000u

/* ---- a server with a few verbs, in a thread ---- */

struct server {
    char path[108];
    int listen_fd;
    enum control_mode mode;
    enum rc end; /* how the connection ended */
    pthread_t thread;
};

static void verb_greet(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    struct slice name;
    struct control_field row;

    (void) ctx;
    if (!control_field_get(in, "name", &name)) {
        control_end(conn, RC_INVALID, "whom?");
        return;
    }
    row = CONTROL_TEXT("greeted", name);
    control_row(conn, &row, 1);
    control_end(conn, RC_OK, "done");
}

static void verb_many(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    (void) in;
    (void) ctx;
    for (unsigned i = 0; i < MANY_ROWS; i++) {
        char text[32];
        struct control_field row;

        (void) snprintf(text, sizeof(text), "%u", i);
        row = CONTROL_TEXT("n", slice_from_str(text));
        control_row(conn, &row, 1);
    }
    control_end(conn, RC_OK, "");
}

struct echo {
    struct buf bytes;
};

static void echo_free(void *state)
{
    struct echo *echo = state;

    buf_done(&echo->bytes);
    free(echo);
}

static void verb_echo(struct control_conn *conn, const struct control_fields *in, void *ctx)
{
    struct echo *echo = xcalloc(1, sizeof(*echo));

    (void) in;
    (void) ctx;
    buf_init(&echo->bytes, BULK_BYTES);
    control_conn_set_state(conn, echo, echo_free);
}

static void echo_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx)
{
    struct echo *echo = control_conn_state(conn);

    (void) ctx;
    buf_append(&echo->bytes, bytes);
    if (!end)
        return;
    control_progress(conn, echo->bytes.len, BULK_BYTES);
    control_data(conn, buf_slice(&echo->bytes));
    control_end(conn, echo->bytes.overflow ? RC_LIMIT : RC_OK, "");
}

static const struct control_verb verbs[] = {
    {"greet", verb_greet, NULL     },
    {"many",  verb_many,  NULL     },
    {"echo",  verb_echo,  echo_data},
};

/* In mode CONTROL_QUEUE a loop would poll; here the thread does. */
static void *serve(void *arg)
{
    struct server *server = arg;
    struct control_conn *conn;
    struct err err;
    enum rc rc;

    while ((rc = control_accept(server->listen_fd, (uid_t) -1, server->mode, &conn, &err)) ==
           RC_MORE)
        continue;
    server->end = rc;
    if (rc)
        return NULL;
    do {
        rc = control_serve(conn, verbs, COUNT(verbs), NULL, &err);
        if (rc == RC_OK)
            rc = control_conn_flush(conn, &err);
    } while (rc == RC_OK || rc == RC_MORE);
    server->end = rc;
    control_conn_free(conn);
    return NULL;
}

static int start(void **state, enum control_mode mode)
{
    struct server *server = xcalloc(1, sizeof(*server));
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    (void) snprintf(server->path, sizeof(server->path), "/tmp/roost-control-%d.sock",
                    (int) getpid());
    memcpy(sa.sun_path, server->path, strlen(server->path));
    (void) unlink(server->path);
    server->mode = mode;
    server->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listen_fd, (const struct sockaddr *) &sa, sizeof(sa)), 0);
    assert_int_equal(listen(server->listen_fd, 4), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    *state = server;
    return 0;
}

static int start_queueing(void **state)
{
    return start(state, CONTROL_QUEUE);
}

static int start_blocking(void **state)
{
    return start(state, CONTROL_BLOCK);
}

static int stop(void **state)
{
    struct server *server = *state;

    (void) pthread_join(server->thread, NULL);
    (void) close(server->listen_fd);
    (void) unlink(server->path);
    free(server);
    return 0;
}

static struct control *connect_to(void **state)
{
    const struct server *server = *state;
    struct control *control;

    assert_int_equal(control_connect(server->path, &control, NULL), RC_OK);
    return control;
}

/* ---- tests ---- */

static void a_request_gets_its_rows_and_one_end(void **state)
{
    AUTO(control_freep) struct control *control = connect_to(state);
    const struct control_field name = CONTROL_TEXT("name", SLICE("anna\0\xff"));
    struct control_reply reply;
    struct slice value;

    for (int i = 0; i < 2; i++) { /* the connection serves the next one too */
        assert_int_equal(control_request(control, "greet", &name, 1, NULL), RC_OK);
        assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
        assert_int_equal(reply.kind, CONTROL_ROW);
        assert_true(control_field_get(&reply.fields, "greeted", &value));
        assert_slice_equal(value, SLICE("anna\0\xff"));
        assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
        assert_int_equal(reply.kind, CONTROL_END);
        assert_int_equal(reply.rc, RC_OK);
        assert_slice_equal(reply.text, SLICE("done"));
    }
}

static void an_unknown_verb_is_an_answer_not_an_end(void **state)
{
    AUTO(control_freep) struct control *control = connect_to(state);
    struct control_reply reply;

    assert_int_equal(control_request(control, "dance", NULL, 0, NULL), RC_OK);
    assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
    assert_int_equal(reply.kind, CONTROL_END);
    assert_int_equal(reply.rc, RC_NOT_FOUND);
    assert_int_equal(control_request(control, "greet", NULL, 0, NULL), RC_OK);
    assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
    assert_int_equal(reply.rc, RC_INVALID);
}

static void many_rows_reach_a_client_that_is_slow(void **state)
{
    AUTO(control_freep) struct control *control = connect_to(state);
    struct control_reply reply;
    uint64_t n;

    assert_int_equal(control_request(control, "many", NULL, 0, NULL), RC_OK);
    for (unsigned i = 0; i < MANY_ROWS; i++) {
        assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
        assert_int_equal(control_field_u64(&reply.fields, "n", &n, NULL), RC_OK);
        assert_int_equal(n, i);
    }
    assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
    assert_int_equal(reply.kind, CONTROL_END);
}

static void bulk_bytes_go_both_ways(void **state)
{
    AUTO(control_freep) struct control *control = connect_to(state);
    AUTO(freep) char *bytes = xmalloc(BULK_BYTES);
    struct control_reply reply;
    size_t got = 0;

    for (size_t i = 0; i < BULK_BYTES; i++)
        bytes[i] = (char) (i * 31 >> 3);
    assert_int_equal(control_request(control, "echo", NULL, 0, NULL), RC_OK);
    for (size_t at = 0; at < BULK_BYTES; at += CONTROL_DATA_MAX) {
        struct slice part = slice_sub(slice_of(bytes, BULK_BYTES), at, CONTROL_DATA_MAX);

        assert_int_equal(control_send_data(control, part, NULL), RC_OK);
    }
    assert_int_equal(control_send_end(control, NULL), RC_OK);
    assert_int_equal(control_next(control, -1, &reply, NULL), RC_OK);
    assert_int_equal(reply.kind, CONTROL_PROGRESS);
    assert_int_equal(reply.done, BULK_BYTES);
    while (control_next(control, -1, &reply, NULL) == RC_OK && reply.kind == CONTROL_DATA) {
        assert_memory_equal(reply.bytes.ptr, bytes + got, reply.bytes.len);
        got += reply.bytes.len;
    }
    assert_int_equal(got, BULK_BYTES);
    assert_int_equal(reply.kind, CONTROL_END);
    assert_int_equal(reply.rc, RC_OK);
}

static void a_client_may_leave_in_the_middle(void **state)
{
    struct control *control = connect_to(state);

    assert_int_equal(control_request(control, "echo", NULL, 0, NULL), RC_OK);
    assert_int_equal(control_send_data(control, SLICE("half"), NULL), RC_OK);
    control_free(control);
    assert_int_equal(pthread_join(((struct server *) *state)->thread, NULL), 0);
    assert_int_equal(((struct server *) *state)->end, RC_UNAVAILABLE);
    assert_int_equal(pthread_create(&((struct server *) *state)->thread, NULL, serve, *state),
                     0);
    control_free(connect_to(state)); /* and the next is served */
}

/* Packets no client of ours sends. Each ends the connection and nothing else. */
static void a_breach_ends_the_connection(void **state)
{
    const struct {
        const char *name;
        struct slice packets[2];
    } rows[] = {
        {"no packet",              {SLICE("X")}                         },
        {"an answer",              {SLICE("W")}                         },
        {"verb without name",      {SLICE("R\0")}                       },
        {"verb cut short",         {SLICE("R\5gree")}                   },
        {"a key of capitals",      {SLICE("R\5greet\4NAME\0\0\0\0")}    },
        {"value cut short",        {SLICE("R\5greet\4name\5\0\0\0anna")}},
        {"two requests at once",   {SLICE("R\4echo"), SLICE("R\4echo")} },
        {"end of data with bytes", {SLICE("R\4echo"), SLICE("Ex")}      },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int pair[2];
        struct control_conn *conn;
        struct err err;

        assert_int_equal(channel_pair(pair, NULL), RC_OK);
        conn = control_conn_new(pair[0], CONTROL_QUEUE);
        for (size_t j = 0; j < COUNT(rows[i].packets) && rows[i].packets[j].len > 0; j++)
            assert_int_equal(packet_send(pair[1], rows[i].packets[j], NULL, 0, NULL), RC_OK);
        if (control_serve(conn, verbs, COUNT(verbs), NULL, &err) != RC_SYNTAX)
            fail_msg("%s", rows[i].name);
        control_conn_free(conn);
        (void) close(pair[1]);
    }
}

static void more_fields_than_the_limit_are_refused(void **state)
{
    struct control_field fields[CONTROL_FIELDS_MAX + 1];
    AUTO(buf_done) struct buf bytes = {0};
    struct control_packet packet;

    (void) state;
    for (size_t i = 0; i < COUNT(fields); i++)
        fields[i] = CONTROL_TEXT("k", SLICE("v"));
    buf_init(&bytes, CONTROL_PACKET_MAX);
    buf_byte(&bytes, CONTROL_TAG_ROW);
    assert_false(control_put_fields(&bytes, fields, CONTROL_FIELDS_MAX + 1));
    assert_true(control_put_fields(&bytes, fields, CONTROL_FIELDS_MAX));
    assert_int_equal(control_decode(buf_slice(&bytes), &packet), RC_OK);
    assert_true(control_put_fields(&bytes, fields, 1));
    assert_int_equal(control_decode(buf_slice(&bytes), &packet), RC_SYNTAX);
}

static void an_unread_answer_has_a_bound(void **state)
{
    AUTO(freep) char *bytes = xcalloc(1, CONTROL_QUEUE_BYTES * 2);
    int pair[2];
    struct control_conn *conn;

    (void) state;
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    conn = control_conn_new(pair[0], CONTROL_QUEUE);
    control_data(conn, slice_of(bytes, CONTROL_QUEUE_BYTES * 2));
    assert_true(control_conn_failed(conn));
    assert_int_equal(control_conn_flush(conn, NULL), RC_LIMIT);
    control_conn_free(conn);
    (void) close(pair[1]);
}

/* Needs root to become somebody else; then that somebody is refused. */
static void a_stranger_is_refused(void **state)
{
    struct server *server = *state;
    pid_t pid;

    if (geteuid() != 0) {
        control_free(connect_to(state));
        skip();
    }
    assert_int_equal(chown(server->path, 65534, 65534), 0);
    pid = fork();
    if (pid == 0) {
        struct control *control;
        struct control_reply reply;

        _exit(setresuid(65534, 65534, 65534) == 0 &&
                      control_connect(server->path, &control, NULL) == RC_OK &&
                      control_next(control, -1, &reply, NULL) == RC_UNAVAILABLE
                  ? 0
                  : 1);
    }
    {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    assert_int_equal(server->end, RC_DENIED);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    control_free(connect_to(state));
}

static void no_server_is_said_clearly(void **state)
{
    struct control *control;

    (void) state;
    assert_int_equal(control_connect("/nonexistent/x.sock", &control, NULL), RC_NOT_FOUND);
}

#define QUEUEING(test) cmocka_unit_test_setup_teardown(test, start_queueing, stop)
#define BLOCKING(test) cmocka_unit_test_setup_teardown(test, start_blocking, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUEING(a_request_gets_its_rows_and_one_end),
        BLOCKING(a_request_gets_its_rows_and_one_end),
        QUEUEING(an_unknown_verb_is_an_answer_not_an_end),
        QUEUEING(many_rows_reach_a_client_that_is_slow),
        BLOCKING(many_rows_reach_a_client_that_is_slow),
        QUEUEING(bulk_bytes_go_both_ways),
        BLOCKING(bulk_bytes_go_both_ways),
        QUEUEING(a_client_may_leave_in_the_middle),
        cmocka_unit_test(a_breach_ends_the_connection),
        cmocka_unit_test(more_fields_than_the_limit_are_refused),
        cmocka_unit_test(an_unread_answer_has_a_bound),
        QUEUEING(a_stranger_is_refused),
        cmocka_unit_test(no_server_is_said_clearly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
