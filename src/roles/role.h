/*
 * role.h - how a role starts, what it is given, and how the supervisor talks to it afterwards.
 *
 * `roost --role NAME` has its channel to the supervisor at descriptor 3. role_main() reads what
 * the supervisor sends up to START, changes to the role's user, and calls the role's function,
 * which
 *
 *     1. opens what it needs (databases, directories, charset tables, threads may wait),
 *     2. calls role_confine(): Landlock, seccomp, self-test, READY to the supervisor,
 *     3. runs its loop, with role_supervisor_ready() called when start->supervisor is readable,
 *     4. ends in order after `shutdown` was called; the value returned is the exit status.
 *
 * A role that cannot start calls role_failed() with one clear line and returns 1: the
 * supervisor then stops as a whole at start, and backs off later.
 *
 * Memory: struct role_start and what it points to live as long as the process. Descriptors in
 * it belong to the role.
 */
#ifndef ROOST_ROLES_ROLE_H
#define ROOST_ROLES_ROLE_H

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/crash_page.h"
#include "net/tls.h"

#define ROLE_SUPERVISOR_FD 3
#define ROLE_LISTENERS_MAX 32u
#define ROLE_CERTS_MAX     32u
#define ROLE_PEERS_MAX     80u /* 64 gates and one each of the others */
#define ROLE_GATES_MAX     64u

#define ROLE_QUARANTINE_MAX 1024u

/* Below the data directory: what only this role reads and writes. */
#define ROLE_AUTH_DIR "auth"
#define ROLE_MAIL_DIR "mail"
#define ROLE_LOG_DIR  "audit"
#define ROLE_SHIP_DIR "ship"
#define ROLE_GSS_DIR  "gss"
#define ROLE_RUN_DIR  "run" /* control sockets; the supervisor's */

struct config;        /* config/config.h */
struct sandbox_rules; /* sandbox/sandbox.h */
struct log_sink;      /* roles/log_sink.h */

struct role_listener {
    enum listener_kind kind;
    uint32_t flags; /* LISTENER_... */
    struct ipaddr address;
    struct slice name; /* as configured, for the log */
    int fd;            /* listening, non-blocking */
};

/* A certificate chain, PEM. Of several the first is the default one. */
struct role_cert {
    struct slice name, chain;
    struct slice staple;   /* an OCSP answer or nothing; not to keys */
    struct slice key_name; /* to keys alone */
    int key_fd;            /* to keys alone: the key's file, closed when forgotten; else 0 */
};

struct role_peer {
    enum role role;
    uint16_t index;    /* which of several gates */
    uint32_t instance; /* unique in the life of the supervisor */
    int fd;            /* SEQPACKET; give it to channel_new() */
};

struct role_start {
    enum role role;
    uint16_t index;
    uint32_t instance;     /* what peers hear about us in their PEER message */
    struct config *config; /* nobody writes to it */
    struct channel *supervisor;
    struct role_listener listeners[ROLE_LISTENERS_MAX];
    size_t n_listeners;
    struct role_cert certs[ROLE_CERTS_MAX];
    size_t n_certs;
    uint32_t certs_generation;      /* keys only: of the set */
    struct tls_ticket_seed tickets; /* gates only: what all of them have */
    bool has_tickets;
    struct role_peer peers[ROLE_PEERS_MAX];
    size_t n_peers;
    struct crash_page *crash_page;             /* mail only */
    uint64_t quarantined[ROLE_QUARANTINE_MAX]; /* mail only: accounts not to be opened */
    size_t n_quarantined;
    uint32_t n_gates;                  /* how many this server runs */
    enum log_level log_level;          /* least that is written; a reload may change it */
    const struct sandbox_rules *needs; /* idp only: paths and ports that its files name */
    struct log_sink *sink;             /* roles/log_sink.h; role.c's */
    struct role_cert *new_certs;       /* an incomplete set; role.c's */
};

/* What the supervisor says to a running role. Functions a role does not need are NULL. */
struct role_events {
    /* A peer was replaced: its old channel is dead, this is the new one. Takes peer->fd. */
    void (*peer)(void *ctx, const struct role_peer *peer);
    /* A complete new set of certificates, valid during the call. */
    void (*certs)(void *ctx, const struct role_cert *certs, size_t n);
    /* Files that settings name may have changed. Not RC_OK: one is not used as it is now, and
     * what was in use stays; whoever asked for the reload is told why. */
    enum rc (*reload)(void *ctx, struct err *err);
    void (*quarantine)(void *ctx, uint64_t account, bool on);
    /* auth: the helper that was asked for. Takes fd. */
    void (*pam_helper)(void *ctx, uint64_t request, int fd);
    /* End in order; a second call with fast: at once. */
    void (*shutdown)(void *ctx, bool fast);
};

typedef int role_fn(struct role_start *start);
role_fn role_gate, role_auth, role_mail, role_digest, role_log, role_web, role_idp, role_keys,
    role_ship, role_gss;

/* `roost --role NAME --index N`: the whole life of a role process. */
int role_main(enum role role, uint16_t index);

/*
 * From here on nothing can be opened that the role's row in sandbox/ does not name. Sends
 * READY. On failure the reason was sent to the supervisor: return 1.
 */
MUST_CHECK enum rc role_confine(struct role_start *start, struct err *err);

/* Tell the supervisor why this role cannot run. */
void role_failed(struct role_start *start, const struct err *err);

/*
 * Handle what has come from the supervisor; also flushes what waits to be sent to it. When the
 * supervisor is gone the process ends here: nothing may outlive it.
 */
void role_supervisor_ready(struct role_start *start, const struct role_events *events,
                           void *ctx);

/* Those in start->certs, once they are loaded. */
void role_forget_certs(struct role_start *start);

/* The peer's descriptor taken out (-1 in its place), or -1 if there is none (yet). */
int role_take_peer(struct role_start *start, enum role role, uint16_t index,
                   uint32_t *out_instance);

#endif
