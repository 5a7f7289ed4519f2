/*
 * mail_role.h - inside the mail role: what its files share. Only roles/mail*.c include this.
 *
 * The main thread runs the loop: peers, pairing, time, control. Commands and deliveries run in
 * the pool's threads (net/pool.h), storage behind the acknowledgement in the store's.
 *
 * mail.c          start, supervisor, end
 * mail_peers.c    gates, auth and digest: what comes from them
 * mail_pairing.c  a grant and a handover become a session
 * mail_review.c   auth decides again about sessions that live
 * mail_referrals.c  what is configured to be on other servers
 * mail_watch.c    auth is told which credentials have sessions that it has to look after
 * mail_lookup.c   auth is asked for the account of a name
 * mail_directory.c  who there is, as auth tells it
 * mail_control.c  the command line: connections, each with a thread while it is served;
 *                 mail_control_verbs.c (sessions, mailboxes, figures), mail_control_import.c,
 *                 mail_control_export.c, mail_control_check.c, mail_control_undelete.c,
 *                 mail_control_access.c (rights, quota), mail_control_backup.c
 * mail_accounts.c accounts that were deleted, now or while nobody listened
 */
#ifndef ROOST_ROLES_MAIL_ROLE_H
#define ROOST_ROLES_MAIL_ROLE_H

#include <pthread.h>

#include "config/config.h"
#include "ipc/control.h"
#include "ipc/digest_client.h"
#include "lmtp/lmtp.h"
#include "mailbox/mail_store.h"
#include "net/loop.h"
#include "roles/role.h"
#include "server/clients.h"

#define PAIR_WAIT_US      ((int64_t) 10 * 1000000) /* a grant or handover without its other half */
#define PAIRS_MAX         65536u
#define MAIL_EXPIRY_US    ((int64_t) 60 * 1000000) /* looked again, for a clock may be set */
#define MAIL_SWEEP_US     ((int64_t) 5 * 1000000)
#define MAIL_STOP_US      ((int64_t) 10 * 1000000) /* for clients to take their last bytes */
#define MAIL_STOP_TICK_US ((int64_t) 20 * 1000)
#define MAIL_OUTGOING_MAX 65536u /* messages of pool threads that the loop has not sent yet */
#define MAIL_CONTROL_MAX  8u     /* command lines served at once, a thread each */
#define MAIL_LOOKUP_US    ((int64_t) 10 * 1000000) /* auth's time to say who somebody is */

struct mail_role;

/* The other end of a channel: a gate, or auth. */
struct mail_peer {
    struct mail_role *mail;
    /* NULL: gone, the supervisor sends a new one. Set under outgoing_lock, used under it by
     * pool threads, which may post over auth's. */
    struct channel *channel;
    struct loop_fd watch;
    uint32_t instance;
};

struct mail_directory {
    struct principal_registry *registry;
    struct principals_change *transfer; /* of everybody, under way; NULL: none */
    uint32_t number;                    /* its */
    bool complete;                      /* everybody was told once */
};

/* A session of which auth is to be told, and all of them, at a pace that leaves it time for
 * logins. */
struct mail_review_row {
    struct msg_session_facts facts;
    char mechanism[MSG_CONFIG_NAME + 1]; /* facts' */
};
struct mail_review {
    struct mail_review_row *rows; /* heap */
    size_t n_rows, cap_rows, n_told;
    struct timer timer;
};

struct mail_role {
    struct role_start *start;
    struct loop *loop;
    struct mail_store *store;
    struct key_keeper *sort_keys;
    struct text_index *index; /* of the store, for searches */
    struct pace_front front;  /* what clients and deliveries have threads for */
    struct mail_directory directory;
    struct pool *pool;
    struct referrals *referrals;             /* NULL: everything is here */
    struct remote_mailbox *remote_mailboxes; /* referrals' */
    struct clients *clients;
    struct lmtp_server *lmtp;
    struct digester digester;
    struct digest_client *digests;

    struct loop_fd supervisor_watch, digest_watch;
    struct mail_peer auth;
    struct mail_peer gates[ROLE_GATES_MAX];
    struct timer sweep, stop, expiry;
    int64_t expiry_sec; /* when that timer runs out; 0: it does not run */
    int64_t stop_at_us; /* 0: not stopping */

    struct map *pairs; /* struct pair by gate instance, connection and nonce */
    struct list pairs_by_age;

    pthread_mutex_t outgoing_lock;
    struct list outgoing; /* outgoing_lock; what pool threads have to say to peers */
    size_t n_outgoing;    /* outgoing_lock */
    struct loop_call send;

    struct mail_review review;

    struct list deleted;         /* accounts to remove when their sessions have ended */
    struct account_check *check; /* of what is stored against auth; NULL: none runs */

    pthread_mutex_t lookup_lock;
    struct list lookups;      /* lookup_lock; struct lookup, on the stacks of those who wait */
    uint64_t last_lookup;     /* lookup_lock */
    bool lookups_ended;       /* lookup_lock */
    struct loop_call look_up; /* sends what is new */

    struct mail_control *control; /* NULL: the supervisor gave no socket */

    pthread_mutex_t import_lock;
    pthread_cond_t import_ended;          /* with import_lock */
    uint64_t importing[MAIL_CONTROL_MAX]; /* import_lock; accounts, 0: none */
};

/* ---- mail_referrals.c ---- */

/* Before the doors open; gone after the last session. */
void mail_referrals_open(struct mail_role *mail);
void mail_referrals_done(struct mail_role *mail);

/* ---- mail_peers.c ---- */

/* A struct role_events function; also for those that were there at the start. */
void mail_on_peer(void *ctx, const struct role_peer *given);
void mail_peers_done(struct mail_role *mail);
/* Until this is called, messages of gates wait in their sockets. */
void mail_peers_hear_gates(struct mail_role *mail);
/* Post, and see that the rest is sent later. RC_UNAVAILABLE: that peer is not there. Loop
 * thread only. */
MUST_CHECK enum rc mail_post(struct mail_peer *peer, const struct msg *msg, struct err *err);
/* lmtp_options.resolve: any thread. */
enum rc mail_ask_recipient(void *ctx, uint64_t request, struct slice address, struct err *err);
/* clients_options.ends: any thread. */
void mail_client_ends(void *ctx, uint32_t gate, uint64_t conn);
/* clients_options.returns: any thread. */
void mail_client_returns(void *ctx, const struct client_return *back);

/* ---- mail_watch.c ---- */

/* Every MAIL_SWEEP_US: tell auth which watches have sessions (GRANT, WATCHED). */
void mail_watch_tell(struct mail_role *mail);

/* ---- mail_directory.c ---- */

void mail_directory_begin(struct mail_role *mail, const struct msg_directory_begin *msg);
void mail_directory_row(struct mail_role *mail, const struct msg_directory_row *row);
void mail_directory_gone(struct mail_role *mail, const struct msg_directory_gone *gone);
void mail_directory_end(struct mail_role *mail, const struct msg_directory_end *end);
void mail_directory_asked(struct mail_role *mail, const struct msg_directory_ask *msg);
/* Auth is gone: what it had begun to tell will not be finished. */
void mail_directory_lost(struct mail_role *mail);

/* ---- mail_control_check.c: verbs ---- */

void mail_scrub(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_check(struct control_conn *conn, const struct control_fields *fields, void *ctx);

/* ---- mail_accounts.c ---- */

/* End its sessions; it goes when the last has ended. */
void mail_account_deleted(struct mail_role *mail, uint64_t id);
/* Accounts that were deleted and have no session any more. */
void mail_remove_deleted(struct mail_role *mail);
/* Auth has come: ask it about every account that is stored. */
void mail_accounts_check(struct mail_role *mail);
/* Is it an answer to that, or to mail_lookup_user()? */
bool mail_accounts_asked(const struct msg_user_found *found);
void mail_accounts_answer(struct mail_role *mail, const struct msg_user_found *found);
void mail_accounts_done(struct mail_role *mail);

/* ---- mail_pairing.c ---- */

void mail_take_grant(struct mail_role *mail, const struct msg_grant *grant);
/* Takes fd. */
void mail_take_handover(struct mail_role *mail, uint32_t gate,
                        const struct msg_handover *handover, int fd);
/* Grants of this account, device and watch (0: any) that wait for their handover are void. */
void mail_pairs_revoke(struct mail_role *mail, uint64_t account, uint64_t device,
                       uint64_t watch);
/* Each grant that waits. */
void mail_pairs_each_grant(struct mail_role *mail,
                           void (*fn)(void *ctx, const struct msg_grant *grant), void *ctx);
/* That one is void, if it waits. */
void mail_pairs_end(struct mail_role *mail, const struct msg_session_end *end);
/* Give up what has waited for too long; all: everything. */
void mail_pairs_expire(struct mail_role *mail, bool all);
/* A session has to end at this moment, in seconds since 1970; 0: not for its grant. */
void mail_expects_end(struct mail_role *mail, int64_t at_sec);

/* ---- mail_review.c ---- */

/* Auth wants to hear of sessions, to decide about them again. */
void mail_review_asked(struct mail_role *mail, const struct msg_sessions_ask *msg);
void mail_review_end(struct mail_role *mail, const struct msg_session_end *msg);
/* Auth is gone: what was not told yet is asked again. */
void mail_review_stop(struct mail_role *mail);

/* ---- mail_lookup.c ---- */

/*
 * The account of a user, by name as for a login; disabled ones too. Any thread but the loop's;
 * waits. RC_NOT_FOUND, RC_UNAVAILABLE.
 */
MUST_CHECK enum rc mail_lookup_user(struct mail_role *mail, struct slice user,
                                    uint64_t *out_account, struct err *err);
/* Loop thread: auth has answered. */
void mail_user_found(struct mail_role *mail, const struct msg_user_found *found);
/* Nobody waits any longer, now or later. */
void mail_lookups_end(struct mail_role *mail);

/* ---- mail_control.c ---- */

/* Starts the threads; after role_confine(). */
MUST_CHECK enum rc mail_control_start(struct mail_role *mail, struct err *err);
/* Breaks the connections off and waits for the threads; before the loop and the store end. */
void mail_control_stop(struct mail_role *mail);

extern const struct control_verb mail_verbs[];
extern const size_t mail_verbs_count;

/* ---- mail_control_verbs.c, for its neighbours ---- */

/* The account that the field "user" names, opened. The caller closes it. */
MUST_CHECK enum rc mail_open_user(struct mail_role *mail, const struct control_fields *fields,
                                  struct account **out, struct err *err);

/* ---- mail_control_space.c ---- */

void mail_space(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_space_user(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_space_accounts(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx);

/* ---- mail_control_import.c, mail_control_export.c ---- */

void mail_import(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_import_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx);
void mail_export(struct control_conn *conn, const struct control_fields *fields, void *ctx);
/* mail_control_undelete.c: user, and of mailbox, since, before (unix seconds), search, uids
 * what is given -> a row for each message and mailbox that is kept; restore: also to -> a row
 * for each mailbox something came back to. */
void mail_undelete_list(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
void mail_undelete_restore(struct control_conn *conn, const struct control_fields *fields,
                           void *ctx);

/* ---- mail_control_access.c ---- */

void mail_acl_list(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_acl_set(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_quota_list(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_quota_set(struct control_conn *conn, const struct control_fields *fields, void *ctx);

/* ---- mail_control_backup.c ---- */

void mail_backup(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void mail_backup_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx);

#endif
