#include "roles/ship_link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HANDSHAKE_US    (30 * INT64_C(1000000)) /* connecting included */
#define CLOSE_US        (2 * INT64_C(1000000))  /* for the answer to close_notify */
#define UNACKED_MS      120000 /* a receiver that takes nothing for so long is gone */
#define KEEPALIVE_SEC   60     /* a quiet connection is asked for */
#define READ_SINK_BYTES 4096u  /* a receiver has nothing to say; it is read to hear its end */

void ship_link_init(struct ship_link *link, struct loop *loop, struct tls_client *client,
                    const struct ship_link_events *events, void *ctx)
{
    *link = (struct ship_link){
        .loop = loop, .client = client, .events = events, .ctx = ctx, .fd = -1};
    buf_init(&link->out, SHIP_OUT_MAX_BYTES);
}

void ship_link_drop(struct ship_link *link)
{
    timer_stop(link->loop, &link->deadline);
    loop_remove(link->loop, &link->watch);
    tls_free(TAKE(link->tls));
    closep(&link->fd);
    link->fd = -1;
    buf_reset(&link->out);
    link->state = SHIP_DOWN;
}

void ship_link_done(struct ship_link *link)
{
    ship_link_drop(link);
    buf_done(&link->out);
}

static void fail(struct ship_link *link, bool clean, const struct err *err)
{
    ship_link_drop(link);
    link->events->down(link->ctx, clean, err);
}

static void late(void *ctx)
{
    struct ship_link *link = ctx;
    struct err err;

    (void) err_set(&err, RC_UNAVAILABLE, "",
                   link->state == SHIP_CLOSING ? "no answer to close_notify"
                   : link->state == SHIP_HANDSHAKE
                       ? "the receiver does not finish the handshake"
                       : "no connection in time");
    fail(link, false, &err);
}

/* ---- what is sent ---- */

/* RC_MORE: the receiver takes no more now. */
static enum rc send_out(struct ship_link *link, struct err *err)
{
    while (link->out.len > 0) {
        size_t n = 0;
        enum rc rc = tls_write(link->tls, buf_slice(&link->out), &n, err);

        if (rc)
            return rc;
        buf_consume(&link->out, n);
    }
    return RC_OK;
}

/* Reading comes first wherever it is wanted too: what the peer says may be its end. */
static void set_wants(struct ship_link *link, bool blocked)
{
    loop_want(link->loop, &link->watch,
              LOOP_IN | (blocked && tls_waits_to_write(link->tls) ? LOOP_OUT : 0u));
}

void ship_link_send(struct ship_link *link)
{
    struct err err;
    enum rc rc = RC_OK;

    while (link->state == SHIP_UP) {
        rc = send_out(link, &err);
        if (rc)
            break;
        link->events->room(link->ctx);
        if (link->out.len == 0)
            break;
    }
    if (rc && rc != RC_MORE)
        fail(link, false, &err);
    else if (link->state == SHIP_UP)
        set_wants(link, rc == RC_MORE);
}

/* close_notify, if it did not leave yet. */
static void say_close(struct ship_link *link)
{
    struct err err;
    enum rc rc = tls_shut_write(link->tls, &err);

    if (rc && rc != RC_MORE)
        fail(link, false, &err);
    else
        set_wants(link, rc == RC_MORE);
}

void ship_link_close(struct ship_link *link)
{
    link->state = SHIP_CLOSING;
    timer_start(link->loop, &link->deadline, CLOSE_US, late, link);
    say_close(link);
}

bool ship_link_acked(const struct ship_link *link, uint64_t *acked, uint64_t *all)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    int queued = 0;
    size_t needed = offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked);

    if (link->fd < 0 || ioctl(link->fd, SIOCOUTQ, &queued) != 0 || queued < 0 ||
        getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || len < needed)
        return false;
    *acked = (uint64_t) info.tcpi_bytes_acked;
    *all = *acked + (uint64_t) (unsigned) queued;
    return true;
}

/* ---- what comes ---- */

/* A receiver says nothing (RFC 5425 has no answers); its end is all there is to hear. */
static void hear(struct ship_link *link)
{
    char sink[READ_SINK_BYTES];
    struct err err;
    size_t n = 1;
    enum rc rc = RC_OK;

    while (!rc && n > 0)
        rc = tls_read(link->tls, sink, sizeof(sink), &n, &err);
    if (rc == RC_MORE)
        return;
    if (!rc)
        (void) err_set(&err, RC_UNAVAILABLE, "", "the receiver closed the connection");
    fail(link, !rc && link->state == SHIP_CLOSING, &err);
}

static void shake_hands(struct ship_link *link)
{
    struct err err;
    enum rc rc = tls_handshake(link->tls, &err);

    if (rc == RC_MORE) {
        loop_want(link->loop, &link->watch, tls_waits_to_write(link->tls) ? LOOP_OUT : LOOP_IN);
        return;
    }
    if (rc) {
        fail(link, false, &err);
        return;
    }
    timer_stop(link->loop, &link->deadline);
    link->state = SHIP_UP;
    link->events->up(link->ctx);
    ship_link_send(link);
}

static void on_connected(struct ship_link *link)
{
    struct err err;
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0) {
        (void) err_set(&err, RC_UNAVAILABLE, "", "connect: %s", strerror(error));
        fail(link, false, &err);
        return;
    }
    if (tls_client_connect(link->client, link->fd, &link->tls, &err)) {
        fail(link, false, &err);
        return;
    }
    link->state = SHIP_HANDSHAKE;
    shake_hands(link);
}

static void on_ready(void *ctx, unsigned ready)
{
    struct ship_link *link = ctx;

    switch (link->state) {
    case SHIP_DOWN:
        break;
    case SHIP_CONNECTING:
        on_connected(link);
        break;
    case SHIP_HANDSHAKE:
        shake_hands(link);
        break;
    case SHIP_UP:
    case SHIP_CLOSING:
        if ((ready & (LOOP_IN | LOOP_ERR)) != 0)
            hear(link);
        if (link->state == SHIP_UP)
            ship_link_send(link);
        else if (link->state == SHIP_CLOSING)
            say_close(link);
        break;
    }
}

/* ---- the connection ---- */

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static enum rc start(struct ship_link *link, const struct ipaddr *to, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t len = ipaddr_to_sockaddr(to, &address);

    link->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return err_set(err, RC_IO, "", "socket: %s", strerror(errno));
    if (!set_option(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS) ||
        !set_option(link->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SEC) ||
        !set_option(link->fd, SOL_SOCKET, SO_KEEPALIVE, 1))
        return err_set(err, RC_IO, "", "setsockopt: %s", strerror(errno));
    if (connect(link->fd, (const struct sockaddr *) &address, len) != 0 && errno != EINPROGRESS)
        return err_set(err, RC_UNAVAILABLE, "", "connect: %s", strerror(errno));
    return loop_add(link->loop, &link->watch, link->fd, LOOP_OUT, on_ready, link, err);
}

void ship_link_open(struct ship_link *link, const struct ipaddr *to)
{
    struct err err;

    link->state = SHIP_CONNECTING;
    timer_start(link->loop, &link->deadline, HANDSHAKE_US, late, link);
    if (start(link, to, &err))
        fail(link, false, &err);
}
