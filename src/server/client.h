/*
 * client.h - one logged-in IMAP connection, from the handover to its end.
 *
 * A client is a member of the pool: a thread that gets its event reads, runs whole commands,
 * sends, and parks it again; in between it is this struct and a descriptor. Spec: RFC 9051 2.2
 * and 5.4 (autologout), 5.5.
 *
 *     OPENING --account open, greeting written--> READY <--> BUSY      a command pauses in its
 * output READY <--> IDLING    IDLE ... DONE any --LOGOUT, BYE, end of input, error--> ENDING
 * --everything sent--> gone, or back to the gate after UNAUTHENTICATE
 *
 * Replies are held until the position they rest on is durable. Meanwhile further pipelined
 * commands run, until CLIENT_HELD_BYTES are held; so a hundred STOREs sent together cost one
 * sync. Nothing waits for the peer: with that much unsent no further command is read, and a
 * long answer pauses in its cursor.
 *
 * A session that listens by NOTIFY (RFC 5465) is told news in READY and IDLING, between two
 * steps; a long telling is BUSY like a long answer, and ends where it began.
 *
 * What others may touch (orders, the clock of the last activity, whether it idles) is atomic;
 * the rest belongs to the thread that runs the client.
 */
#ifndef ROOST_SERVER_CLIENT_H
#define ROOST_SERVER_CLIENT_H

#include <stdatomic.h>

#include "base/ipaddr.h"
#include "commands/append_sink.h"
#include "commands/dispatch.h"
#include "net/pool.h"
#include "net/stream.h"
#include "server/turns.h"

#define CLIENT_HELD_BYTES                                                                      \
    ((size_t) 256 << 10) /* unsent; above it no further command is read                        \
                          */
#define CLIENT_SEND_BYTES                                                                      \
    ((size_t) 64 << 10)       /* unsent; above it sending is tried between commands */
#define CLIENT_STEPS_MAX 256u /* commands in a row before others have their turn */
#define CLIENT_UNREAD_BYTES                                                                    \
    ((size_t) 64 << 10)     /* that a connection takes along when it goes back; a stream       \
                               holds less */
#define IDLE_LINE_BYTES 64u /* what may stand where DONE is expected */

struct clients;

enum client_state { CLIENT_OPENING, CLIENT_READY, CLIENT_BUSY, CLIENT_IDLING, CLIENT_ENDING };

/* What others ask of a client, as bits. */
enum client_order {
    ORDER_TIMEOUT = 1u << 0,   /* autologout */
    ORDER_ALIVE = 1u << 1,     /* say "* OK Still here" while idling */
    ORDER_REVOKED = 1u << 2,   /* the credential or the account is gone */
    ORDER_KICKED = 1u << 3,    /* an administrator ends it */
    ORDER_MAKE_ROOM = 1u << 4, /* a newer session of the same user takes its place */
    ORDER_SHUTDOWN = 1u << 5,
    ORDER_LATE = 1u << 6,   /* a sweep has found an order that was not taken */
    ORDER_REST = 1u << 7,   /* quiet: give the memory of the compression back */
    ORDER_POLICY = 1u << 8, /* rules give another session now */
};
#define ORDERS_TO_END                                                                          \
    (ORDER_TIMEOUT | ORDER_REVOKED | ORDER_POLICY | ORDER_KICKED | ORDER_MAKE_ROOM |           \
     ORDER_SHUTDOWN)

/* Who it is; written before the client is added to the pool, read by anybody. */
struct client_identity {
    uint64_t account, device;
    uint64_t
        watch; /* auth looks after the credential while the session lives; 0: it need not */
    bool read_only;
    bool sets_quota; /* one of quota_admins */
    uint64_t policy_epoch;
    int64_t expires_sec; /* 0: never */
    struct ipaddr peer;
    uint16_t tls_version;        /* 0: none */
    enum imap_language language; /* asked for before login */
    bool proxied;  /* a gate carries the bytes: it must hear why the connection ends */
    uint32_t gate; /* its instance */
    uint64_t conn; /* its name for the connection */
    const char *user, *device_name, *mechanism, *client_id;
    /* What auth decided by, and wants back to decide again (GRANT, docs/formats/ipc.md). */
    uint64_t verdict;
    uint8_t credential, certified, certificate[32];
    const char *mailboxes; /* of rules (docs/formats/policy.md), lines; empty: all */
    const char *folders;   /* the credential's: mailbox names, one a line; empty: all */
    const char *home;      /* server of the user's own mailboxes; empty: this one */
};

struct client {
    struct clients *clients;
    pool_handle handle;
    enum client_state state;
    char *texts; /* who's and the tag */
    struct client_identity who;
    struct slice tag; /* of the LOGIN to be answered */

    struct session session; /* from READY on */
    bool has_session;
    struct imap_reader *reader;
    struct append_sink sink;
    struct cmd *running; /* BUSY */
    struct turn turn;    /* of a command that computes for long */
    bool takes_turns;    /* it waits for one, or has one */
    bool is_slow;        /* the thread that runs it is */

    struct stream stream;
    bool broken;
    bool returns;           /* UNAUTHENTICATE: the connection outlives us */
    const char *end_reason; /* for the log; static */

    struct account_waiter waiter;
    struct account *waits_in; /* waiter is registered there; NULL: nowhere */
    struct {
        const struct account *account;
        uint64_t position;
    } pushed; /* whose write was begun last */
    struct mbox_watcher watcher;
    struct account *watches_in; /* as waits_in */

    int64_t started_us;

    _Atomic unsigned orders;        /* enum client_order; set by anybody, taken by the runner */
    _Atomic int64_t last_active_us; /* of the last command; read by the sweep */
    _Atomic int64_t ending_us; /* since when it only sends the rest, 0: it does not; read by the
                                  sweep */
    _Atomic bool idles;        /* IDLING, or READY and listening; read by the sweep */
    _Atomic bool can_rest;     /* stream_can_rest(); read by the sweep */
    _Atomic bool is_guest; /* has somebody else's mailbox selected; read where rights change */
};

struct client_handover {
    int fd;                     /* taken over, if it starts */
    struct client_identity who; /* texts are copied */
    struct slice tag, unread;
};

/* Make it and give it to the pool. On failure the descriptor stays the caller's. */
MUST_CHECK enum rc client_start(struct clients *clients, const struct client_handover *handover,
                                struct err *err);

/* How the pool runs a client; clients.c finds its members by it. */
pool_run_fn client_run;

/* Any thread. */
void client_order(struct client *client, unsigned orders);

#endif
