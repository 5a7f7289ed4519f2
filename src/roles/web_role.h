/*
 * web_role.h - inside the web role: what its files share. Only roles/web*.c include this.
 *
 * web.c        start, certificates, supervisor, end
 * web_door.c   a connection from accept to its end: limits, TLS, bytes to and from HTTP
 * web_http.c   libmicrohttpd: a request's bytes to site.h, its answer back
 * web_auth.c   site.h's questions as messages to auth, and what comes back
 *
 * A connection carries one request and is over within WEB_CONN_SEC, whatever happens:
 *
 *     accepted --> TLS handshake --> pump to a socket pair --> libmicrohttpd
 *                                                                  |
 *                  exchange: headers, body --> site_begin --> answer, or suspended until auth
 *                                                             has said what site_end needs
 *
 * The two halves end apart: the pump closes its end of the pair, or libmicrohttpd does; an
 * exchange that waits for auth outlives its connection until auth has answered.
 */
#ifndef ROOST_ROLES_WEB_ROLE_H
#define ROOST_ROLES_WEB_ROLE_H

#include "base/map.h"
#include "net/pump.h"
#include "roles/keys_client.h"
#include "roles/role.h"
#include "web/site.h"

#define WEB_CONN_SEC        30 /* from accept to the end; auth delays a failure by 8 s at most */
#define WEB_CONNS_MAX       256u  /* more: the oldest goes */
#define WEB_SOURCE_MAX      32u   /* of one IPv4 address or IPv6 /64; more are closed */
#define WEB_HTTP_POOL_BYTES 8192u /* a request's headers and buffers, in libmicrohttpd */
#define WEB_ARENA_BYTES     ((size_t) 1 << 20) /* what one request makes of itself */
#define WEB_STOP_SEC        2 /* for running requests, when the process is told to end */

struct MHD_Connection;
struct MHD_Daemon;
struct web_role;
struct http_calls; /* web_http.c's */

struct web_listener {
    struct web_role *web;
    struct loop_fd watch;
    int fd;
};

struct web_conn {
    struct link link; /* in the order of coming */
    struct web_role *web;
    struct conn conn;
    struct loop_fd watch; /* until the handshake is through; the pump has its own */
    struct timer deadline;
    struct ipaddr peer;
    struct pump pump;
};

/* One request. */
struct web_exchange {
    struct web_role *web;
    struct MHD_Connection *connection;
    struct ipaddr peer;
    uint64_t id; /* in web->asked while auth is asked */
    struct site_request request;
    struct arena *arena;
    struct site_turn turn;
    struct site_device *devices; /* room for SITE_DEVICES_MAX, as auth tells of them */
    size_t n_devices;
    struct site_waiting *waiting; /* the same for SITE_WAITING_MAX */
    size_t n_waiting;
    char *body; /* room for as much as the request says it has */
    size_t body_len, body_room;
    const char *method; /* for the log: one of ours */
    int64_t begun_us;
    bool refused;   /* by what its headers say: a plain answer at once */
    bool suspended; /* auth is asked */
    bool has_answer;
};

struct web_role {
    struct role_start *start;
    struct loop *loop;
    struct tls_server *tls;
    struct keys_client keys; /* signs handshakes */
    struct loop_fd supervisor;
    struct web_listener listeners[ROLE_LISTENERS_MAX];
    size_t n_listeners;
    struct list conns;
    size_t n_conns;
    char *scratch; /* of all pumps */
    struct timer tend, stop;
    struct timer accept_again;
    bool stopping;

    struct http_calls *calls;
    struct MHD_Daemon *http;
    struct loop_fd http_watch;
    struct timer http_timer;
    const struct ipaddr *arriving; /* during MHD_add_connection */

    struct channel *auth; /* NULL: it is being replaced */
    struct loop_fd auth_watch;
    struct map *asked; /* struct web_exchange by id */
    uint64_t last_id;

    struct site site;
};

/* web_door.c */
MUST_CHECK enum rc web_listen(struct web_role *web, struct err *err);
void web_listen_stop(struct web_role *web);
void web_conns_done(struct web_role *web);

/* web_http.c */
/* Before the sandbox closes: it opens files. */
MUST_CHECK enum rc web_http_open(struct web_role *web, struct err *err);
MUST_CHECK enum rc web_http_start(struct web_role *web, struct err *err);
void web_http_done(struct web_role *web);
/* Takes fd, one end of a pair on which a client's plaintext comes. */
MUST_CHECK enum rc web_http_add(struct web_role *web, int fd, const struct ipaddr *peer,
                                struct err *err);
/* What exchange->turn.ask asked for. */
void web_exchange_reply(struct web_exchange *exchange, const struct site_reply *reply);

/* web_auth.c */
/* A role_events.peer; also for the one that was there at the start. */
void web_auth_peer(void *web, const struct role_peer *peer);
/* RC_UNAVAILABLE: auth is not there. */
MUST_CHECK enum rc web_auth_ask(struct web_exchange *exchange, struct err *err);
void web_auth_done(struct web_role *web);

#endif
