#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/gate_state.h"

#define ACCEPT_BATCH    2u     /* connections taken before others have their turn */
#define ACCEPT_PAUSE_US 100000 /* after descriptors ran out and nobody could be sent away */

struct ipaddr gate_address(int fd, bool of_peer)
{
    struct sockaddr_storage room = {0};
    struct sockaddr *address = (struct sockaddr *) &room;
    socklen_t len = sizeof(room);

    if ((of_peer ? getpeername(fd, address, &len) : getsockname(fd, address, &len)) != 0)
        return (struct ipaddr){.family = IPADDR_NONE};
    return ipaddr_from_sockaddr(address, len);
}

/* LMTP has no login: mail has it from the first byte (RFC 2033). */
static void pass_lmtp(struct gate *gate, int fd)
{
    static const char sorry[] = "421 4.3.2 Temporarily unavailable, try again\r\n";
    struct msg msg = {
        .type = MSG_HANDOVER,
        .handover = {.conn = ++gate->last_id,
                     .service = SERVICE_LMTP,
                     .transport = TRANSPORT_BARE,
                     .peer = gate_address(fd, true),
                     .local = gate_address(fd, false)}
    };
    struct err err = {0};

    if (gate_peer_post(&gate->mail, &msg, &fd, &err) != RC_OK) {
        log_event(LEVEL_WARNING, "lmtp.refused", LOG_ERR(&err));
        (void) send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL); /* a courtesy */
    }
    closep(&fd); /* mail has its own descriptor */
}

static void take_in(struct gate *gate, const struct gate_listener *listener, int fd)
{
    if (listener->kind == LISTENER_LMTP)
        pass_lmtp(gate, fd);
    else if (listener->kind == LISTENER_SASL || listener->kind == LISTENER_SOCKETMAP)
        gate_local_new(gate, listener, fd);
    else
        gate_conn_new(gate, listener, fd);
}

static bool out_of_descriptors(int errno_then)
{
    return errno_then == EMFILE || errno_then == ENFILE || errno_then == ENOBUFS ||
           errno_then == ENOMEM;
}

static void want_all(struct gate *gate, unsigned wants)
{
    for (size_t i = 0; i < gate->n_listeners; i++)
        loop_want(gate->loop, &gate->listeners[i].watch, wants);
}

static void accept_again(void *ctx)
{
    want_all(ctx, LOOP_IN | LOOP_EXCLUSIVE);
}

/* The stranger who waits longest gives way; is there none, the kernel's queue has to wait. */
static void make_room(struct gate *gate)
{
    static const enum gate_state order[] = {GATE_PROXY, GATE_HANDSHAKE, GATE_READY,
                                            GATE_CLOSING};

    for (size_t i = 0; i < COUNT(order); i++) {
        struct list *list = &gate->lists[order[i]];

        if (!list_is_empty(list)) {
            gate_conn_drop(LINK_OWNER(list->head.next, struct gate_conn, link), CLOSE_INTERNAL);
            return;
        }
    }
    log_event(LEVEL_ERROR, "gate.full", LOG_NUM("carried", gate->counts[GATE_CARRIED]));
    want_all(gate, 0);
    timer_start(gate->loop, &gate->accept_again, ACCEPT_PAUSE_US, accept_again, gate);
}

static void listener_ready(void *ctx, unsigned ready)
{
    struct gate_listener *listener = ctx;
    struct gate *gate = listener->gate;

    (void) ready;
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take_in(gate, listener, fd);
            continue;
        }
        if (out_of_descriptors(errno))
            make_room(gate);
        return; /* empty, taken by another gate, or gone before we came */
    }
}

/* What is accepted takes both over from its listener (tcp(7), socket(7)). A unix socket has
 * neither; then they fail, and nothing is lost. */
static void set_options(int fd)
{
    int on = 1;

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

enum rc gate_listen(struct gate *gate, struct err *err)
{
    for (size_t i = 0; i < gate->start->n_listeners; i++) {
        const struct role_listener *from = &gate->start->listeners[i];
        struct gate_listener *listener = &gate->listeners[gate->n_listeners];
        enum rc rc;

        if (from->kind == LISTENER_CONTROL)
            continue;
        *listener = (struct gate_listener){.gate = gate,
                                           .kind = from->kind,
                                           .flags = from->flags,
                                           .address = from->address,
                                           .fd = from->fd};
        set_options(from->fd);
        rc = loop_add(gate->loop, &listener->watch, from->fd, LOOP_IN | LOOP_EXCLUSIVE,
                      listener_ready, listener, err);
        if (rc)
            return rc;
        gate->n_listeners++;
    }
    return RC_OK;
}

void gate_listen_stop(struct gate *gate)
{
    timer_stop(gate->loop, &gate->accept_again);
    for (size_t i = 0; i < gate->n_listeners; i++) {
        loop_remove(gate->loop, &gate->listeners[i].watch);
        closep(&gate->listeners[i].fd);
    }
    gate->n_listeners = 0;
}
