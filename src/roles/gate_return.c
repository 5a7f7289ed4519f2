/*
 * gate_return.c - a connection that mail gives back: it is a stranger's again, and nothing the
 * client has sent is lost.
 *
 * Spec: RFC 8437 3 and 4.1. Contract: docs/formats/ipc.md, Login 5. Mail has sent its tagged OK
 * and has forgotten the session; STARTTLS's and ID's effects stay, as the RFC says, everything
 * else begins anew.
 *
 * Carried: the client's bytes lie, in this order, in the message (mail had read them), in the
 * socket pair (mail had not), and in the pump (they found no room there). Mail's answers may
 * still be on their way down; when the last of them has left, the connection is READY. The
 * descriptor that came back is mail's end of the pair: closing it ends the pump's way down
 * behind mail's last byte.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/gate_state.h"

#define US_PER_SEC 1000000

/* All that lies in the socket pair. Nobody writes to it any more. False: more than there can
 * be. */
static bool drain(struct gate_conn *c, int fd)
{
    for (;;) {
        ssize_t n = recv(fd, c->gate->scratch, PUMP_BYTES, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return !c->unread.overflow;
        buf_append(&c->unread, slice_of(c->gate->scratch, (size_t) n));
    }
}

static void return_deadline(void *ctx)
{
    gate_conn_drop(ctx, CLOSE_TIMEOUT);
}

static void take_carried(struct gate_conn *c, const struct msg_conn_back *msg, int fd)
{
    AUTO(buf_done) struct buf kept = {0};

    gate_forget_login(c); /* mail has answered, even if its answer is not here yet */
    buf_init(&kept, PUMP_BYTES + GATE_UNREAD_MAX);
    pump_give_back(c->pump, &kept);
    buf_append(&c->unread, msg->unread);
    if (!drain(c, fd)) {
        gate_conn_drop(c, CLOSE_INTERNAL);
        return;
    }
    buf_append(&c->unread, buf_slice(&kept));
    timer_start(c->gate->loop, &c->timer, (int64_t) GATE_LOGIN_SEC * US_PER_SEC,
                return_deadline, c);
}

void gate_carry_ended(void *ctx)
{
    struct gate_conn *c = ctx;

    c->n_in += c->pump->up.n_passed;
    c->n_out += c->pump->down.n_passed;
    free(TAKE(c->pump));
    if (c->unread.overflow)
        gate_conn_drop(c, CLOSE_INTERNAL);
    else
        gate_conn_return(c);
}

/* The door by which a connection without TLS came in: the one at its near end. */
static const struct gate_listener *door_of(const struct gate *gate, int fd)
{
    struct ipaddr local = gate_address(fd, false);

    for (size_t i = 0; i < gate->n_listeners; i++) {
        const struct gate_listener *listener = &gate->listeners[i];

        if (listener->kind == LISTENER_IMAP && (listener->flags & LISTENER_PLAINTEXT) != 0 &&
            listener->address.port == local.port) /* of a unix socket: 0 */
            return listener;
    }
    return NULL;
}

static void take_bare(struct gate *gate, const struct msg_conn_back *msg, int fd)
{
    static const char sorry[] = "* BYE [UNAVAILABLE] Log in again\r\n";
    const struct gate_listener *listener = door_of(gate, fd);

    if (listener != NULL) {
        gate_conn_return(gate_conn_known(gate, listener, fd, msg->unread, msg->client_id));
        return;
    }
    (void) send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
    closep(&fd);
}

void gate_take_back(struct gate *gate, struct packet *packet)
{
    const struct msg_conn_back *msg = &packet->msg.conn_back;
    struct gate_conn *c = gate_conn_find(gate, msg->conn);

    if (msg->transport == TRANSPORT_BARE) {
        int fd = packet->fds[0];

        packet->fds[0] = -1;
        take_bare(gate, msg, fd);
        return;
    }
    if (c != NULL && c->state == GATE_CARRIED && !c->pump->gives_back)
        take_carried(c, msg, packet->fds[0]);
    closep(&packet->fds[0]);
    packet->fds[0] = -1;
}
