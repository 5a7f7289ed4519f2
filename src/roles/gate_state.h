/*
 * gate_state.h - what the gate's files share: the process and one connection.
 *
 * A connection from its first byte to its last:
 *
 *     PROXY (or straight to READY)
 *       v
 *   HANDSHAKE --> READY <--> ASKED <--> RESPONSE
 *       ^           |          |
 *       +-STARTTLS--+          +--> PASSING --> CARRIED (TLS) or gone (bare)
 *                   ^                               |
 *                   +--------UNAUTHENTICATE---------+
 *
 *   CLOSING and DEAD from anywhere
 *
 *   PROXY      its header is awaited; `unread` has what of it has come
 *   HANDSHAKE  conn.tls is set and not through, or STARTTLS's OK is being sent; while there is
 *              a step, conn belongs to the thread of handshakes
 *   READY      reader collects commands; nothing is asked of auth
 *   ASKED      auth has been asked; nothing behind the running line is looked at, but that the
 *              client has left. Also behind the handshake, before the greeting: about a
 *              certificate
 *   RESPONSE   "+" was sent; the reader waits for the client's line
 *   PASSING    auth said OK; goes to mail as soon as `out` has left
 *   CARRIED    a pump copies between the connection and mail's socket; no reader, no buffers
 *   CLOSING    `out` leaves, then our end, then the peer's is awaited for a short while
 *   DEAD       nothing is watched; freed at the end of the turn, or when its step is over
 *
 * gate_conn_enter() alone changes the state, and with it the list the connection is in. A
 * function that may have ended a connection leaves it DEAD, never freed: callers look at the
 * state.
 */
#ifndef ROOST_ROLES_GATE_STATE_H
#define ROOST_ROLES_GATE_STATE_H

#include "base/arena.h"
#include "base/map.h"
#include "config/config.h"
#include "imap/reader.h"
#include "net/pump.h"
#include "roles/keys_client.h"
#include "roles/role.h"

#define GATE_LOGIN_SEC       60 /* from accept to a login; STARTTLS does not start it again */
#define GATE_LINGER_SEC      5  /* for the peer's end, after ours */
#define GATE_STOP_LINGER_SEC 1  /* the same while this process ends */
#define GATE_LOCALS_MAX      2048u /* connections of mail servers: one a process of theirs */
#define GATE_ANSWER_SEC      30 /* mail's first byte after a handover; it pairs within 10 s */
#define GATE_GRACE_US        50000 /* between the end of mail's socket and the news that mail died */
#define GATE_BAD_MAX         10u    /* refused commands in a row, failed logins among them */
#define GATE_HANDSHAKES_MAX  512u   /* at once; more: the oldest goes */
#define GATE_HANDSHAKE_NICE  10     /* of the thread that computes them */
#define GATE_STRANGERS_MAX   16384u /* not logged in, handshakes done; more: the oldest goes */
#define GATE_STRANGERS_BYTES ((size_t) 72 << 20) /* that those hold; more: the oldest goes */
#define GATE_STRANGER_BYTES  2048u               /* of one, its buffers not counted, */
#define GATE_TLS_BYTES       13312u              /* and of its TLS */
#define GATE_LINES_MAX       100u  /* of the log a second about strangers; more are counted */
#define GATE_CLOSING_MAX     1024u /* sent away, their end awaited; more: the oldest is cut */
#define GATE_READ_BYTES                                                                        \
    4096u /* taken from a stranger at once, and kept while auth is asked                       \
           */
#define GATE_OUT_MAX_BYTES  ((size_t) 64 << 10)
#define GATE_OUT_HIGH_BYTES 4096u /* unsent answers after which a stranger is not read */
#define GATE_ARENA_BYTES    ((size_t) 1 << 20) /* arguments of one command; the line is 8 KiB */
#define GATE_UNREAD_MAX                                                                        \
    ((size_t) 1 << 20) /* what lay between us and mail when it gave a connection back: two     \
                          socket buffers */
#define GATE_CLIENT_ID_MAX  1024u /* kept of an ID command, for auth's and mail's log */
#define GATE_SASL_LINE_MAX  ((size_t) MSG_SASL_MAX / 3 * 4 + 8) /* a long response in base64 */
#define GATE_LONG_RESPONSES 32u /* lines of that length at once; others get 8 KiB */
#define GATE_AUTHENTICATE_MAX                                                                  \
    (GATE_SASL_LINE_MAX + READER_LINE_PRELOGIN_BYTES) /* with an initial response */

enum gate_state {
    GATE_PROXY,
    GATE_HANDSHAKE,
    GATE_READY,
    GATE_ASKED,
    GATE_RESPONSE,
    GATE_PASSING,
    GATE_CARRIED,
    GATE_CLOSING,
    GATE_DEAD,
};
#define GATE_STATE_COUNT (GATE_DEAD + 1)
#define GATE_HANDED_OVER ((enum close_reason) 0) /* a bare connection went to mail: no end */

struct gate;

struct gate_listener {
    struct gate *gate;
    struct loop_fd watch;
    enum listener_kind kind;
    uint32_t flags;
    struct ipaddr address;
    int fd;
};

/* A channel to auth or mail; NULL while that role is being replaced. */
struct gate_peer {
    struct gate *gate;
    struct channel *channel;
    struct loop_fd watch;
};

struct gate_conn {
    struct link link;
    struct link source_link;    /* with source: its strangers */
    struct gate_source *source; /* gate_source.c; NULL: not counted */
    struct gate *gate;
    const struct gate_listener *listener;
    uint64_t id; /* as auth and mail know it */
    enum gate_state state;
    enum gate_state closed_in; /* CLOSING: the state before, for the log */
    enum close_reason reason;  /* of the end, for the log */
    struct conn conn;
    struct loop_fd watch;   /* of conn.fd; the pump has its own */
    struct loop_call again; /* more can be done at once, after others */
    struct timer timer;
    struct ipaddr peer, local;
    int64_t opened_us;
    uint64_t n_in, n_out; /* bytes before login; the pump counts the rest */
    size_t held;          /* memory, as the gate counts it; 0: no stranger */
    struct imap_reader *reader;
    struct buf out;       /* answers on their way */
    struct buf unread;    /* came with or behind the running command; PROXY: of the header */
    struct buf client_id; /* ID's argument as the client wrote it, cut */
    struct buf tag;       /* of the running LOGIN, AUTHENTICATE or STARTTLS */
    const char *command;  /* the name of that, static */
    uint8_t nonce[MSG_NONCE_BYTES];
    enum imap_language language; /* of what is said to the client */
    unsigned n_bad;              /* refused commands in a row */
    bool spoke;                  /* the first byte has come */
    bool greeted;                /* the greeting is out: not said again after STARTTLS */
    bool long_response;          /* holds one of GATE_LONG_RESPONSES */
    bool checking;               /* ASKED: about the client's certificate, not a login */
    bool external;               /* auth believes that certificate */
    bool auth_died;              /* RESPONSE: whoever asked for the line is gone */
    bool close_told;             /* mail said CONN_CLOSE */
    bool mail_died;              /* the mail that has this connection */
    bool shut;                   /* CLOSING: our end is out */
    struct gate_step *step;      /* of its handshake, somewhere in gate_handshake.c */
    struct pump *pump;           /* CARRIED */
};

struct gate {
    struct role_start *start;
    struct loop *loop;
    struct tls_server *tls;
    struct loop_fd supervisor_watch;
    struct gate_peer auth, mail;
    struct keys_client keys; /* signs handshakes */
    struct gate_listener listeners[ROLE_LISTENERS_MAX];
    size_t n_listeners;
    struct list locals; /* struct gate_local: mail servers that ask */
    size_t n_locals;
    struct list dead_locals; /* freed at the end of the loop's turn */
    struct map *asks;        /* struct gate_ask by the id that auth knows */
    struct loop_call reap_locals;
    struct ipnet *proxies; /* whose connections begin with a PROXY header */
    size_t n_proxies;
    struct timer accept_again;           /* running: no descriptors were left */
    struct timer tend;                   /* now and then: ticket keys, memory */
    struct list lists[GATE_STATE_COUNT]; /* in the order of coming; READY has all strangers */
    size_t counts[GATE_STATE_COUNT];     /* members of those lists */
    size_t held, held_max;               /* bytes of READY's list */
    struct map *by_id;
    struct map *sources; /* struct gate_source by prefix */
    struct loop_call reap;
    struct arena *arena; /* of the command being run */
    char *scratch;       /* PUMP_BYTES, for whoever reads just now */
    uint64_t last_id;
    unsigned n_long_responses;
    size_t n_handshakes_done; /* since the last tending */
    struct gate_handshakes *handshakes;
    struct {
        int64_t since_us; /* the second that n is of */
        unsigned n;
        uint64_t n_unsaid;
    } lines; /* of the log, about strangers: gate_log.c */
    bool stopping;
};

/* gate_log.c: lines about connections; about strangers GATE_LINES_MAX a second at most. */
void gate_log_end(const struct gate_conn *c);
void gate_log_tls_failed(const struct gate_conn *c, const struct err *err);
void gate_log_proxy_refused(const struct gate_conn *c, const struct err *err);
/* How many lines there were no room for, if any. */
void gate_log_unsaid(struct gate *gate);

/* gate_source.c: strangers by where they come from. */
/* It is a stranger's, and its peer is known. One too many of its source ends the oldest. */
void gate_source_enter(struct gate_conn *c);
/* Also for one that is not counted. */
void gate_source_leave(struct gate_conn *c);

/* gate_conn.c: the life of a connection. */
/* Takes fd, a client's first moment; what goes wrong ends it. */
void gate_conn_new(struct gate *gate, const struct gate_listener *listener, int fd);
void gate_conn_enter(struct gate_conn *c, enum gate_state state);
/* One that had logged in, made anew from what mail gave back. */
struct gate_conn *gate_conn_known(struct gate *gate, const struct gate_listener *listener,
                                  int fd, struct slice unread, struct slice client_id);
/* It is a stranger's again: READY, under a new id and with the time for a login before it. */
void gate_conn_return(struct gate_conn *c);
/* Do what can be done now: read, answer, flush; then watch for the rest. */
void gate_conn_run(struct gate_conn *c);
/* TLS is up, and what the client may log in with is known: READY, and greeted. */
void gate_conn_secured(struct gate_conn *c);
/* Say bye (may be empty), then CLOSING. */
void gate_conn_close(struct gate_conn *c, enum close_reason reason, const char *bye);
/* DEAD, at once. */
void gate_conn_drop(struct gate_conn *c, enum close_reason reason);
/* Watch the descriptor and start the time a login may take; dropped if that fails. */
MUST_CHECK enum rc gate_conn_watch(struct gate_conn *c);
/* A new id, for the next login of the same connection. */
void gate_conn_rename(struct gate_conn *c);
struct gate_conn *gate_conn_find(const struct gate *gate, uint64_t id);
void gate_reap(void *gate);

/* gate_handshake.c: handshakes are computed in a thread of their own. */
/* One thread for the connections of this gate, behind role_confine(). */
MUST_CHECK enum rc gate_handshakes_open(struct gate *gate, struct err *err);
/* Ends it. Steps that were left are over. */
void gate_handshakes_done(struct gate *gate);
/* The next step of c's handshake; then gate_conn_stepped(), unless gate_handshake_forget(). */
void gate_handshake_step(struct gate_conn *c);
/* True: nobody else has the connection now. False: the thread has; gate_conn_stepped() comes.
 */
bool gate_handshake_forget(struct gate_conn *c);
/* gate_conn.c: the step is over, with what conn_handshake() said. */
void gate_conn_stepped(struct gate_conn *c, enum rc rc, const struct err *err);

/* gate_proxy.c: connections that a proxy passes on. */
void gate_read_proxies(struct gate *gate, const struct config_list *networks);
bool gate_is_proxy(const struct gate *gate, const struct ipaddr *peer);
/* PROXY: RC_OK, and the header is gone and c->peer the client; RC_MORE; else the end. */
MUST_CHECK enum rc gate_proxy_read(struct gate_conn *c, struct err *err);

/* gate_preauth.c: commands before login. */
void gate_greet(struct gate_conn *c);
void gate_run_command(struct gate_conn *c, const struct imap_text *text);
/* "tag STATUS text" CRLF; an empty tag becomes "*". text may begin with a response code. */
void gate_answer(struct gate_conn *c, struct slice tag, const char *status, const char *text);
/* BAD or NO to what was refused, counted. */
void gate_refuse(struct gate_conn *c, struct slice tag, const char *status, const char *text);
/* May the client send a password now? */
bool gate_login_is_disabled(const struct gate_conn *c);

/* gate_login.c: LOGIN and AUTHENTICATE, with auth. */
void gate_login_start(struct gate_conn *c, const char *command, struct slice tag,
                      struct slice mechanism, bool has_initial, struct slice initial);
/* An imap_reader_lengthen_fn; ctx: the connection. An AUTHENTICATE whose initial response is
 * long (RFC 4959) takes one of GATE_LONG_RESPONSES. */
bool gate_login_lengthens(void *ctx, struct slice so_far);
/* That command has come, or was refused. */
void gate_login_line_over(struct gate_conn *c);
/* The client's line in RESPONSE. */
void gate_login_line(struct gate_conn *c, struct slice line);
/* The line was refused (too long); the exchange ends. */
void gate_login_abort(struct gate_conn *c, const char *status, const char *text);
/* The client has shown a certificate: is EXTERNAL to be offered? False: auth is not there to
 * say. */
bool gate_login_check_certificate(struct gate_conn *c);
/* The connection ends: auth forgets the exchange. */
void gate_login_forget(struct gate_conn *c);
void gate_login_message(struct gate *gate, const struct msg *msg);
/* auth is gone: who waits for it hears so. */
void gate_login_lost_auth(struct gate *gate);

/* gate_handover.c: after login. */
void gate_hand_over(struct gate_conn *c);
/* The login has been answered: what was kept of it goes. */
void gate_forget_login(struct gate_conn *c);
void gate_handover_message(struct gate *gate, struct packet *packet);
void gate_handover_lost_mail(struct gate *gate);
/* Stop carrying; mail hears why. */
void gate_carry_stop(struct gate_conn *c, enum close_reason reason);
/* gate_return.c: back from mail (RFC 8437). */
/* MSG_CONN_BACK; takes the packet's descriptor. */
void gate_take_back(struct gate *gate, struct packet *packet);
/* pump_events.given_back; ctx: the connection. */
void gate_carry_ended(void *ctx);

/* How long to wait for the peer's end. */
int64_t gate_linger_us(const struct gate *gate);

/* gate_accept.c: listeners. */
MUST_CHECK enum rc gate_listen(struct gate *gate, struct err *err);
void gate_listen_stop(struct gate *gate);
/* Of a socket's far or near end; none for a unix socket. */
struct ipaddr gate_address(int fd, bool of_peer);

/* gate_peers.c: channels to auth and mail. */
void gate_peer_open(struct gate *gate, enum role role, int fd);
void gate_peer_close(struct gate_peer *peer);
/* RC_UNAVAILABLE: that role is not there now. */
MUST_CHECK enum rc gate_peer_post(struct gate_peer *peer, const struct msg *msg, const int *fds,
                                  struct err *err);
/* Take and handle all that has come. */
void gate_peer_drain(struct gate_peer *peer);

/* gate_local.c: a mail server's connections. */
void gate_local_new(struct gate *gate, const struct gate_listener *listener, int fd);
/* What auth says: false if it is not about one of their questions. */
bool gate_local_message(struct gate *gate, const struct msg *msg);
/* auth is gone: they ask again when they find the connection closed. */
void gate_local_lost_auth(struct gate *gate);
void gate_local_drop_all(struct gate *gate);

/* gate_process.c: the whole without its peers, for role_gate() and for tests. */
MUST_CHECK enum rc gate_open(struct role_start *start, struct gate **out, struct err *err);
void gate_free(struct gate *gate);
void gate_freep(struct gate **gate);
const struct role_events *gate_role_events(void);

#endif
