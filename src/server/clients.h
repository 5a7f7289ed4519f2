/*
 * clients.h - all logged-in IMAP connections of the mail role: the limits a user and a device,
 * time-outs, who is there.
 *
 * Spec: RFC 9051 5.4 (autologout: at least 30 minutes), RFC 5530 ([LIMIT], [INUSE]); design:
 * the sessions of a user, or of one of its devices, over the limit make room only if they are
 * idle for long and not in IDLE, at most one a second.
 */
#ifndef ROOST_SERVER_CLIENTS_H
#define ROOST_SERVER_CLIENTS_H

#include "server/client.h"

#define AUTOLOGOUT_US                                                                          \
    ((int64_t) 35 * 60 * 1000000) /* RFC 9051 5.4 asks for 30 minutes or more */
#define STILL_HERE_US    ((int64_t) 4 * 60 * 1000000) /* while idling: keeps NAT entries alive */
#define REST_US          ((int64_t) 10 * 1000000) /* quiet: compression lets go of its states */
#define ENDING_US        ((int64_t) 5 * 60 * 1000000) /* to read what was said last */
#define MAKE_ROOM_US     ((int64_t) 5 * 60 * 1000000) /* idle for so long: may give way */
#define MAKE_ROOM_GAP_US ((int64_t) 1000000) /* between two that give way, for one user */

/* A connection that was logged in. */
struct client_return {
    int fd; /* stays the caller's */
    uint32_t gate;
    uint64_t conn;
    bool proxied;
    struct slice client_id, unread;
};

struct clients_options {
    struct pool *pool;
    struct mail_store *store;
    uint32_t per_user;                  /* connections of one account */
    uint32_t per_device;                /* of one of its devices; 0: no limit of its own */
    uint64_t message_max_bytes;         /* of one message by APPEND */
    uint32_t message_limit, save_limit; /* messages in one command (RFC 9738); 0: any number */
    unsigned turns; /* commands that compute for long, at a time (turns.h); 0: one */
    const struct referrals *referrals; /* NULL: no mailbox is on another server */
    bool log_mail_events;
    /* Is it the account of a message submission entity (RFC 4467 section 3)? NULL: none is. */
    bool (*submits)(void *ctx, uint64_t account);
    void (*note)(void *ctx, uint64_t account, bool begins); /* may be NULL; from pool threads */
    /* A proxied connection is about to be closed; from pool threads. May be NULL. */
    void (*ends)(void *ctx, uint32_t gate, uint64_t conn);
    /* After UNAUTHENTICATE (RFC 8437) a connection goes back to where it came from; what back
     * points to is valid during the call. From pool threads. NULL: it is closed instead. */
    void (*returns)(void *ctx, const struct client_return *back);
    void *ctx; /* of them all */
};

struct clients *clients_new(const struct clients_options *options);
/* No client is left. */
void clients_free(struct clients *clients);

/* One more of this account and of its device (0: by none), or RC_LIMIT. */
MUST_CHECK enum rc clients_enter(struct clients *clients, uint64_t account, uint64_t device,
                                 struct err *err);
void clients_leave(struct clients *clients, uint64_t account, uint64_t device);

/* To be called every few seconds: autologout, "Still here". */
void clients_sweep(struct clients *clients);
/* Sessions whose grant has expired end; the next moment at which one does, in seconds since
 * 1970; 0: none. */
int64_t clients_end_expired(struct clients *clients);

/* End the sessions of an account (0: any), of one of its devices (0: any), of a policy older
 * than epoch (0: any). */
size_t clients_end(struct clients *clients, uint64_t account, uint64_t device,
                   uint64_t before_epoch, unsigned order);
/* Those that were granted with this watch (ipc's GRANT), not 0. */
size_t clients_end_watched(struct clients *clients, uint64_t watch, unsigned order);
/* End one by the number that clients_list shows. False: there is none. */
bool clients_kick(struct clients *clients, uint64_t number);

/* End the session that a gate's connection has by a grant of this verdict. False: there is
 * none. */
bool clients_end_one(struct clients *clients, uint32_t gate, uint64_t conn, uint64_t verdict,
                     unsigned order);

struct client_row {
    uint64_t number;
    const struct client_identity *who;
    int64_t started_us, last_active_us;
    bool idles;
};
/* fn gets each client in turn; what the row points to is valid during the call. */
void clients_list(struct clients *clients, void (*fn)(void *ctx, const struct client_row *row),
                  void *ctx);
size_t clients_count(struct clients *clients);

/* For client.c. */
const struct clients_options *clients_options(const struct clients *clients);
struct turns *clients_turns(const struct clients *clients);

#endif
