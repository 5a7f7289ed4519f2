/*
 * test_gate_held.c - a stranger whose answers wait for room is held back, and goes on whenever
 * there is room.
 */
// links: roles
#include <sys/syscall.h>

#include "lib/gateworld.h"

/* The socket of this connection has no room while auth is asked, nor at the first try after
 * that. */
static const struct gate_conn *full;
static bool was_full;

/* In place of the library's. */
ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    if (full != NULL && fd == full->conn.fd && !was_full) {
        was_full = full->state == GATE_READY;
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

static void what_came_behind_a_login_is_run_although_no_event_tells(void **state)
{
    struct world *w = *state;
    struct client client = client_at(w, DOOR_PLAIN);
    AUTO(buf_done) struct buf line = {.max = GATE_READ_BYTES};
    uint64_t conn;
    size_t n = 0;

    for (; n * strlen("n OK NOOP completed\r\n") < GATE_OUT_HIGH_BYTES; n++)
        buf_str(&line, "n NOOP\r\n");
    buf_str(&line, "a LOGIN u p\r\nb NOOP\r\n");
    assert_false(line.overflow);
    full = gate_conn_find(w->gate, w->gate->last_id);
    say(w, &client, buf_slice(&line));
    conn = world_expect(w, w->auth, MSG_AUTH_START)->msg.auth_start.conn;
    assert_ptr_equal(gate_conn_find(w->gate, conn), full);
    auth_says_no(w, conn, AUTH_CODE_FAILED);
    assert_true(was_full);
    assert_true(slice_ends(heard(w, &client), SLICE("\r\nb OK NOOP completed\r\n")));
    full = NULL;
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_came_behind_a_login_is_run_although_no_event_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
