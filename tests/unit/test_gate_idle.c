/*
 * test_gate_idle.c - what an idle TLS connection costs the gate, by PSS, before and after
 * login.
 *
 * The clients live in a child, so that only the server's side of TLS is in this process. Not in
 * builds with sanitizers, whose allocators pad.
 */
// links: roles
#include <malloc.h>
#include <sys/wait.h>

#include "lib/gateworld.h"

#define CONNECTIONS    500u
#define STRANGER_BYTES (20u * 1024) /* design 1.6 */
#define SESSION_BYTES  (18u * 1024) /* of which OpenSSL needs 14 */
#define TEND_US        11000000     /* past the gate's next tending */

static size_t pss_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long kib = 0;

    assert_non_null(file);
    while (kib == 0 && fgets(line, sizeof(line), file) != NULL)
        (void) sscanf(line, "Pss: %lu kB", &kib);
    (void) fclose(file); /* only read */
    return (size_t) kib * 1024;
}

/* In the child: blocking clients, one after the other; then silence until killed. */
static _Noreturn void be_clients(const struct world *w, int ready_fd, bool logs_in)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char room[512];

    for (unsigned i = 0; i < CONNECTIONS; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        SSL *ssl = SSL_new(context);

        if (connect(fd, (const struct sockaddr *) &w->doors[DOOR_TLS], w->door_len[DOOR_TLS]))
            _exit(1);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) != 1 || SSL_read(ssl, room, sizeof(room)) <= 0)
            _exit(1);
        if (logs_in && (SSL_write(ssl, "a LOGIN u p\r\n", 13) != 13 ||
                        SSL_read(ssl, room, sizeof(room)) <= 0))
            _exit(1);
    }
    if (write(ready_fd, "r", 1) != 1)
        _exit(1);
    for (;;)
        (void) pause();
}

/* What auth and mail do for a login, for one message each. */
static void play_roles(struct world *w, int *fds, size_t *n_fds)
{
    struct packet *packet = NULL;
    struct err err;

    if (channel_take(w->auth, &packet, &err) == RC_OK && packet->msg.type == MSG_AUTH_START) {
        struct msg ok = {.type = MSG_AUTH_OK, .auth_ok = {.conn = packet->msg.auth_start.conn}};

        assert_int_equal(channel_post(w->auth, &ok, NULL, &err), RC_OK);
    }
    if (channel_take(w->mail, &packet, &err) == RC_OK && packet->msg.type == MSG_HANDOVER) {
        assert_int_equal(send(packet->fds[0], "a OK\r\n", 6, 0), 6);
        fds[(*n_fds)++] = packet->fds[0];
        packet->fds[0] = -1;
    }
}

static size_t cost_of_one(struct world *w, bool logs_in)
{
    int ready[2], fds[CONNECTIONS];
    size_t n_fds = 0, before, after;
    char byte;
    pid_t child;
    struct err err;
    struct client first = client_at(w, DOOR_TLS); /* what one handshake loads for all */

    client_close(&first);
    world_run(w);
    assert_int_equal(pipe2(ready, O_NONBLOCK), 0);
    (void) malloc_trim(0); /* what an earlier case left */
    before = pss_bytes();
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        be_clients(w, ready[1], logs_in);
    while (read(ready[0], &byte, 1) != 1) {
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0); /* it lives: no hang if it fails */
        assert_int_equal(loop_turn(w->gate->loop, 1000, &err), RC_OK);
        play_roles(w, fds, &n_fds);
    }
    world_later(w, TEND_US / 1000000);
    after = pss_bytes();
    assert_int_equal(w->gate->counts[logs_in ? GATE_CARRIED : GATE_READY], CONNECTIONS);
    (void) kill(child, SIGKILL); /* our own, by its id */
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (size_t i = 0; i < n_fds; i++)
        closep(&fds[i]);
    closep(&ready[0]);
    closep(&ready[1]);
    print_message("%zu bytes\n", (after - before) / CONNECTIONS);
    return (after - before) / CONNECTIONS;
}

static void a_stranger_costs_little(void **state)
{
#ifdef ROOST_WIDE_SANDBOX
    skip();
#endif
    assert_in_range(cost_of_one(*state, false), 1, STRANGER_BYTES);
}

static void an_idle_session_costs_less(void **state)
{
#ifdef ROOST_WIDE_SANDBOX
    skip();
#endif
    assert_in_range(cost_of_one(*state, true), 1, SESSION_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_stranger_costs_little),
        WORLD_TEST(an_idle_session_costs_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
