#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/web_role.h"

#define ACCEPT_BATCH    16u
#define ACCEPT_PAUSE_US 100000 /* after descriptors ran out */
#define US_PER_SEC      1000000
#define SOURCE_V4_BITS  32u
#define SOURCE_V6_BITS  64u

/* ---- a connection ---- */

static void conn_end(struct web_conn *c)
{
    struct web_role *web = c->web;

    timer_stop(web->loop, &c->deadline);
    loop_remove(web->loop, &c->watch);
    pump_stop(&c->pump);
    conn_done(&c->conn);
    list_remove(&c->link);
    web->n_conns--;
    free(c);
    if (web->stopping && web->n_conns == 0)
        loop_stop(web->loop);
}

static void on_deadline(void *ctx)
{
    conn_end(ctx);
}

static void http_ended(void *ctx)
{
    struct web_conn *c = ctx;

    pump_end_down(&c->pump, SLICE(""));
}

static void pump_done(void *ctx, const struct err *why)
{
    (void) why; /* a browser that went away is nobody's news */
    conn_end(ctx);
}

static void answer_begins(void *ctx)
{
    (void) ctx; /* the deadline stays the connection's */
}

static const struct pump_events pump_events = {
    .first_down = answer_begins, .local_end = http_ended, .done = pump_done};

/* The handshake is through: what comes from here on is HTTP's. */
static void carry(struct web_conn *c)
{
    struct web_role *web = c->web;
    struct err err = {0};
    int ends[2];

    loop_remove(web->loop, &c->watch);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        (void) err_set(&err, RC_IO, "Internal error", "socketpair: %s", strerror(errno));
    } else if (web_http_add(web, ends[1], &c->peer, &err) != RC_OK) {
        (void) close(ends[0]); /* never used */
    } else if (pump_start(&c->pump, web->loop, &c->conn, ends[0], web->scratch, false,
                          &pump_events, c, &err) == RC_OK) {
        return;
    }
    log_event(LEVEL_ERROR, "web.connection", LOG_ERR(&err));
    conn_end(c);
}

static void log_tls(const struct web_conn *c, const struct err *err)
{
    AUTO(buf_done) struct buf peer = {0};

    buf_init(&peer, IPADDR_TEXT_BYTES);
    ipaddr_print(&peer, &c->peer);
    log_event(LEVEL_INFO, "tls.failed", LOG_TEXT("peer", buf_slice(&peer)), LOG_ERR(err));
}

static void shake(void *ctx, unsigned ready)
{
    struct web_conn *c = ctx;
    struct err err = {0};
    enum rc rc = conn_handshake(&c->conn, &err);

    (void) ready;
    if (rc == RC_MORE) {
        loop_want(c->web->loop, &c->watch, conn_events(&c->conn, true, false));
    } else if (rc) {
        log_tls(c, &err);
        conn_end(c);
    } else {
        carry(c);
    }
}

/* ---- arrivals ---- */

static struct ipaddr source_of(const struct ipaddr *peer)
{
    return ipaddr_prefix(peer, peer->family == IPADDR_V6 ? SOURCE_V6_BITS : SOURCE_V4_BITS);
}

/* At most WEB_CONNS_MAX steps. */
static bool source_has_its_share(struct web_role *web, const struct ipaddr *peer)
{
    struct ipaddr source = source_of(peer);
    unsigned n = 0;

    LIST_FOREACH(it, &web->conns)
    {
        struct ipaddr other = source_of(&LINK_OWNER(it, struct web_conn, link)->peer);

        n += ipaddr_eq(&source, &other) ? 1 : 0;
    }
    return n >= WEB_SOURCE_MAX;
}

static struct ipaddr peer_of(int fd)
{
    struct sockaddr_storage room = {0};
    socklen_t len = sizeof(room);

    if (getpeername(fd, (struct sockaddr *) &room, &len) != 0)
        return (struct ipaddr){.family = IPADDR_NONE};
    return ipaddr_from_sockaddr((const struct sockaddr *) &room, len);
}

static void take_in(struct web_role *web, int fd)
{
    struct ipaddr peer = peer_of(fd);
    struct web_conn *c;
    struct err err = {0};

    if (!tls_server_is_loaded(web->tls) || source_has_its_share(web, &peer)) {
        (void) close(fd); /* nothing was said */
        return;
    }
    if (web->n_conns == WEB_CONNS_MAX)
        conn_end(LINK_OWNER(web->conns.head.next, struct web_conn, link));
    c = xcalloc(1, sizeof(*c));
    c->web = web;
    c->peer = peer;
    conn_init(&c->conn, fd);
    list_push_back(&web->conns, &c->link);
    web->n_conns++;
    timer_start(web->loop, &c->deadline, (int64_t) WEB_CONN_SEC * US_PER_SEC, on_deadline, c);
    if (conn_start_tls(&c->conn, web->tls, &err) == RC_OK &&
        loop_add(web->loop, &c->watch, fd, LOOP_IN, shake, c, &err) == RC_OK)
        return;
    log_event(LEVEL_ERROR, "web.connection", LOG_ERR(&err));
    conn_end(c);
}

static void want_all(struct web_role *web, unsigned wants)
{
    for (size_t i = 0; i < web->n_listeners; i++)
        loop_want(web->loop, &web->listeners[i].watch, wants);
}

static void accept_again(void *ctx)
{
    want_all(ctx, LOOP_IN);
}

/* The oldest gives way; is there none, the kernel's queue has to wait. */
static void make_room(struct web_role *web)
{
    if (!list_is_empty(&web->conns)) {
        conn_end(LINK_OWNER(web->conns.head.next, struct web_conn, link));
        return;
    }
    want_all(web, 0);
    timer_start(web->loop, &web->accept_again, ACCEPT_PAUSE_US, accept_again, web);
}

static void on_arrival(void *ctx, unsigned ready)
{
    struct web_listener *listener = ctx;

    (void) ready;
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take_in(listener->web, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            make_room(listener->web);
        return; /* empty, or gone before we came */
    }
}

enum rc web_listen(struct web_role *web, struct err *err)
{
    int on = 1;

    for (size_t i = 0; i < web->start->n_listeners; i++) {
        const struct role_listener *from = &web->start->listeners[i];
        struct web_listener *listener = &web->listeners[web->n_listeners];
        enum rc rc;

        *listener = (struct web_listener){.web = web, .fd = from->fd};
        (void) setsockopt(from->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* handed on */
        rc =
            loop_add(web->loop, &listener->watch, from->fd, LOOP_IN, on_arrival, listener, err);
        if (rc)
            return rc;
        web->n_listeners++;
    }
    return RC_OK;
}

void web_listen_stop(struct web_role *web)
{
    timer_stop(web->loop, &web->accept_again);
    for (size_t i = 0; i < web->n_listeners; i++) {
        loop_remove(web->loop, &web->listeners[i].watch);
        closep(&web->listeners[i].fd);
    }
    web->n_listeners = 0;
}

void web_conns_done(struct web_role *web)
{
    LIST_FOREACH(it, &web->conns)
    {
        conn_end(LINK_OWNER(it, struct web_conn, link));
    }
}
