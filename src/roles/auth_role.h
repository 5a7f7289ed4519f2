/*
 * auth_role.h - inside the auth role: what its files share. Only roles/auth*.c include this.
 *
 * One thread runs the loop and owns everything here but the jobs that hash_pool.h holds.
 *
 * auth.c           start, peers, supervisor, end
 * auth_attempt.c   one login from AUTH_START to AUTH_OK or AUTH_FAIL; auth_attempt_end.c: how
 *                  it ends
 * auth_slot.c      answers whose time does not tell what they were made of
 * auth_outcome.c   what it came to: the line in the log, the grant to mail
 * auth_known.c     a share for those who have been in before
 * auth_mail.c      what mail asks, and what it is told
 * auth_recipient.c whom an address means; back-ends are asked for those who are not known yet
 * auth_directory.c users, shared accounts and groups, told to mail
 * auth_told.c      who has changed the directory hears so when mail has heard of it
 * auth_scram.c     what SCRAM needs of passwords that were made without it
 * auth_idp.c       questions to the idp process
 * auth_token.c     whose is an access token? Each configured issuer is asked in turn
 * auth_watch.c     credentials that may be voided while sessions by them live
 * auth_gssapi.c    exchanges of SASL's GSSAPI, passed to the gss process
 * auth_pam.c       passwords that PAM checks, by helpers
 * auth_backends.c  a question to a foreign back-end, whichever it is
 * auth_policy.c    the administrator's rules about logins, and about sessions that live on
 * auth_confirm.c   what rules with step-up wait for; auth_explain.c why rules decide as they do
 * auth_offer.c     which mechanisms, where
 * auth_certificate.c  client certificates
 * auth_uses.c      last use of devices, written behind
 * auth_enrol.c     people make the devices of their own account: from web, and the verbs
 * auth_control.c   the control socket; auth_verbs.c, auth_verbs_devices.c, auth_verbs_totp.c,
 *                  auth_verbs_groups.c and auth_batch.c its verbs
 */
#ifndef ROOST_ROLES_AUTH_ROLE_H
#define ROOST_ROLES_AUTH_ROLE_H

#include "auth/admin.h"
#include "auth/enrol.h"
#include "auth/hash_pool.h"
#include "auth/login.h"
#include "auth/policy.h"
#include "auth/throttle.h"
#include "base/map.h"
#include "config/providers.h"
#include "ipc/control.h"
#include "roles/pam_helper.h"
#include "roles/role.h"

#define ATTEMPTS_MAX      8192u /* logins under way, delayed answers included: 3 KiB each */
#define ATTEMPTS_KNOWN    2048u /* of them: for sources from which somebody came in before */
#define KNOWN_EACH_MAX    64u   /* logins at once for which such a source has that share */
#define CONTROL_CONNS_MAX 16u   /* command lines at once; each has a 128 KiB buffer */
#define AUTH_FIRST_DEVICE "first device" /* the name of the one that comes with an account */
#define LESSONS_MAX       16384u /* passwords whose SCRAM keys are still to be made: 2 KiB each */
#define WAITING_MAX       1024u /* logins that wait for their users' word; the oldest makes room */
#define WAITING_EACH_MAX  16u    /* of them: of one account */
#define ENROL_TRIES_MAX   256u   /* people at the door to their devices at once: 3 KiB each */
#define ENROL_TRIES_KNOWN 64u    /* of them: for sources from which somebody came in before */
#define ENROL_TRIES_EACH  32u    /* of them: of one IPv4 address or IPv6 /64 */
#define USES_MAX          65536u /* devices whose last use waits to be written */
#define PAM_ASKS_MAX      32u /* helpers of PAM at a time; as many as the supervisor starts */
#define PAM_WAIT_US       ((int64_t) 14000000) /* the supervisor kills one after 12 s */
#define BACKEND_SLOT_US                                                                        \
    ((int64_t) 2000000) /* refusals come at the end of one: LDAP, PAM and a hash fit */
/* Mail need not ask about a recipient again for so long: one whom the database alone decides
 * on, one whom a passwd-file could take, one that a back-end does not know. */
#define RECIPIENT_KEEP_MS         ((uint32_t) 24 * 3600 * 1000)
#define RECIPIENT_FILE_KEEP_MS    500u
#define RECIPIENT_BACKEND_KEEP_MS 5000u
#define RECIPIENTS_MAX                                                                         \
    64u /* recipients for whom a back-end is asked at once: logins have the rest of its queue  \
         */
#define TOLD_WAIT_US   ((int64_t) 5000000) /* for mail to say that it has heard of a change */
#define PASSWD_LOOK_US ((int64_t) 500000)
#define UNHEARD_MAX    4096u /* messages kept for a mail that is behind; then all sessions end */
#define USES_FLUSH_US  ((int64_t) 30000000)
#define AUTH_SLOT_US   ((int64_t) 5000) /* what is found out about a name takes a tenth of it */

#define WATCHES_MAX       65536u               /* credentials of sessions that are watched */
#define WATCHES_MAX_BYTES ((size_t) 64 << 20)  /* tokens and certificates, in all */
#define WATCH_ASKS_MAX    64u                  /* of them at once: logins have the rest */
#define WATCH_FORGET_US   ((int64_t) 60000000) /* mail has not spoken of it for so long */
#define WATCH_LOOKS_MAX   32u                  /* certificates looked at in a row */
#define WATCH_LOOK_GAP_US ((int64_t) 20000)

#define PEM_FILE_MAX_BYTES                                                                     \
    ((size_t) 8 << 20) /* of authorities or revocations: 150,000 revoked certificates */

#define ASKS_PROVIDER_MAX 256u /* questions to idp that wait, of each provider */
#define ASK_WAIT_US       ((int64_t) 10000000) /* a check of idp takes IDP_CHECK_SEC, 8 */

#define GSS_WAIT_US ((int64_t) 10000000) /* a step takes less than a millisecond */

struct auth_role;
struct auth_ask;

/* Once, unless it is forgotten before; result is valid during the call. */
typedef void auth_ask_fn(struct auth_ask *ask, const struct msg_idp_result *result);

/* A question to idp, inside of whoever asks. Zeroed memory is one that does not wait. */
struct auth_ask {
    struct auth_role *auth;
    uint64_t request;
    uint16_t provider;
    bool waits;
    struct timer timer;
    auth_ask_fn *done;
};

/* An answer that waits for the end of its slot, inside of whoever gives it. Zeroed: none. */
struct auth_slot {
    struct link link; /* in auth_slots */
    struct auth_role *auth;
    int64_t due_us;
    loop_call_fn *fn;
    void *ctx;
};

struct auth_pam_ask;

/* Once, unless it is forgotten before; text is that of pam_answer_read(), during the call. */
typedef void auth_pam_fn(struct auth_pam_ask *ask, enum pam_result result, struct slice text);

/* A password that PAM is asked about, inside of whoever asks. Zeroed: one that does not wait.
 */
struct auth_pam_ask {
    struct link link; /* in auth->pam_asks */
    struct auth_role *auth;
    uint64_t request;
    int fd; /* -1: the helper is not there yet */
    bool waits;
    const struct sasl_claim *claim; /* the asker's: it stays while this waits */
    struct loop_fd watch;
    struct timer timer;
    auth_pam_fn *done;
};

struct auth_backend_ask;

/* Once, unless it is forgotten before; answer is valid during the call. */
typedef void auth_backend_fn(struct auth_backend_ask *ask, const struct backend_answer *answer);

/* A question to a foreign back-end, inside of whoever asks. Zeroed: one that does not wait. */
struct auth_backend_ask {
    struct auth_role *auth;
    const struct backend *backend;
    struct auth_ask idp;
    struct auth_pam_ask pam;
    auth_backend_fn *done;
};

struct auth_gssapi;

/* Once for each step, unless it is forgotten before; result is valid during the call. */
typedef void auth_gssapi_fn(struct auth_gssapi *exchange, const struct msg_gss_result *result);

/* An exchange that gss leads, inside of whoever has it. Zeroed: none has begun. */
struct auth_gssapi {
    struct auth_role *auth;
    uint64_t number; /* 0: none, or it is over */
    bool waits;      /* for gss; else for the client */
    struct timer timer;
    auth_gssapi_fn *done;
};

/* The other end of a channel: a gate, mail, web, idp, or gss. */
struct auth_peer {
    struct auth_role *auth;
    struct channel *channel; /* NULL: gone, the supervisor sends a new one */
    struct loop_fd watch;
    uint16_t index;
    uint32_t instance;
};

/* How far mail has been told who there is. */
struct auth_directory {
    enum { DIRECTORY_TOLD, DIRECTORY_BEGINS, DIRECTORY_GROUPS, DIRECTORY_ACCOUNTS } phase;
    uint32_t transfer;     /* the number of this one, or of the last */
    struct auth_key after; /* in GROUPS and ACCOUNTS: the key of the last row sent */
    uint64_t generation;   /* of whom addresses mean, from 1 */
    bool answers_kept;     /* mail may give an answer of this generation again */
};

/* Who comes in, or is in, and how: what rules may ask about (policy.h). */
struct auth_subject {
    uint64_t account, device;
    struct slice user, device_name;
    struct slice mechanism;
    enum login_by by;
    enum service service;
    struct ipaddr peer;
    bool has_certificate;
    uint8_t certificate[POLICY_FINGERPRINT_BYTES]; /* has_certificate, like the next */
    int64_t certificate_expires;
    int64_t now;
};

struct auth_policy {
    struct policy *rules; /* NULL: none are configured */
    uint64_t windows;     /* policy_windows() of the last look */
    int64_t looked_sec;   /* when that was */
    struct timer tick;
    struct list waiting; /* struct auth_waiting, oldest first */
    size_t n_waiting;
};

struct auth_role {
    struct role_start *start;
    struct loop *loop;
    struct auth_db *db;
    struct realm *realm;
    struct throttle *throttle;
    struct hash_pool *pool;
    unsigned n_cpus;
    struct loop_fd supervisor_watch;
    struct auth_peer mail, web, idp, gss;
    struct enrol *enrol;
    struct list enrolling; /* struct enrol_try */
    size_t n_enrolling;
    struct map *asks; /* struct auth_ask by request */
    size_t n_asks[CONFIG_PROVIDERS_MAX];
    uint64_t last_ask;
    struct map *exchanges; /* struct auth_gssapi by number: those that wait for gss */
    uint64_t last_exchange;
    struct auth_directory directory;
    struct list telling; /* struct told: command lines that wait for mail to have heard */
    uint64_t last_told;
    struct list unheard; /* auth_mail.c's: kept until mail takes more */
    size_t n_unheard;
    struct list recipients; /* struct recipient: those for whom a back-end is asked */
    size_t n_recipients;
    struct list pam_asks; /* struct auth_pam_ask */
    size_t n_pam_asks;
    uint64_t last_pam_ask;
    struct auth_peer gates[ROLE_GATES_MAX];
    struct map *attempts;     /* struct attempt by gate instance and connection */
    struct map *known;        /* sources that have logins under way, by auth_known.c */
    struct auth_slots *slots; /* auth_slot.c's */
    struct list hashing;      /* attempts whose job the pool has, cancelled ones too */
    struct list learning;     /* struct scram_lesson; the pool has the first one, or none */
    size_t n_learning;
    struct map *uses; /* struct auth_use by device or account */
    struct timer uses_timer;
    struct timer damage_timer; /* auth_damage.c */
    struct timer passwd_timer; /* the passwd-file is looked at without a login, too */
    struct auth_certificates *certificates;
    struct auth_watches *watches; /* auth_watch.c; NULL: there was none yet */
    struct auth_policy policy;
    struct loop_fd control_watch;
    struct list control_conns;
    size_t n_control_conns;
};

/* ---- auth.c ---- */

/* Post, and see that the rest is sent later. RC_UNAVAILABLE: that peer is not there. */
MUST_CHECK enum rc auth_post(struct auth_peer *peer, const struct msg *msg, struct err *err);
MUST_CHECK enum rc auth_tell_supervisor(struct auth_role *auth, const struct msg *msg,
                                        struct err *err);

/* ---- auth_attempt.c ---- */

void auth_attempt_start(struct auth_peer *gate, const struct msg_auth_start *msg);
void auth_attempt_data(struct auth_peer *gate, const struct msg_auth_data *msg);
void auth_attempt_cancel(struct auth_peer *gate, uint64_t conn);
/* A gate was replaced: nobody waits for its answers any more. */
void auth_attempts_forget(struct auth_role *auth, uint32_t gate_instance);
/* After the pool is gone: frees all. */
void auth_attempts_done(struct auth_role *auth);

/* ---- auth_slot.c ---- */

MUST_CHECK enum rc auth_slots_open(struct auth_role *auth, struct err *err);
/* Nobody waits any more. */
void auth_slots_done(struct auth_role *auth);
/* Call fn at the end of the slot that is running, counted from since_us (clock_mono_us()), when
 * what was asked was taken up. */
void auth_slot_wait(struct auth_role *auth, struct auth_slot *slot, int64_t since_us,
                    loop_call_fn *fn, void *ctx);
/* Also for one that does not wait. */
void auth_slot_forget(struct auth_slot *slot);

/* ---- auth_outcome.c ---- */

/* login.ok or login.refused. sasl is that of the login, without a mechanism if there is none.
 */
void auth_outcome_log(const struct login_outcome *outcome, const struct sasl *sasl,
                      enum service service, const struct ipaddr *peer, uint16_t tls_version);
/* Why not, to the gate. user: for a mail server's log alone; empty to others. */
void auth_outcome_fail(struct auth_peer *gate, uint64_t conn, enum auth_code code,
                       struct slice user);
/* The user's mail is on another server. */
void auth_outcome_refer(struct auth_peer *gate, uint64_t conn, struct slice user,
                        struct slice server);
/* What the session may do, to mail. begun has the gate, the connection, the nonce and the
 * watch; the rest is of the others. RC_UNAVAILABLE: mail is not there. */
MUST_CHECK enum rc auth_outcome_grant(struct auth_role *auth, const struct msg_grant *begun,
                                      const struct login_outcome *outcome,
                                      const struct auth_subject *subject,
                                      const struct policy_verdict *verdict, struct err *err);

/* ---- auth_policy.c ---- */

#define POLICY_ARENA_BYTES                                                                     \
    (RESOLVE_ARENA_BYTES + DB_ROW_MAX_BYTES +                                                  \
     (size_t) GROUPS_PER_ACCOUNT_MAX * 2 * AUTH_NAME_MAX_BYTES)

/* Before the sandbox closes. Rules that cannot be read are no rules: auth does not start. */
MUST_CHECK enum rc auth_policy_open(struct auth_role *auth, struct err *err);
void auth_policy_start(struct auth_role *auth);
void auth_policy_done(struct auth_role *auth);
/* Read them again; those that are wrong leave the old ones, and err says what is. */
enum rc auth_policy_reload(struct auth_role *auth, struct err *err);
/* Do rules ask about that? */
bool auth_policy_asks(const struct auth_role *auth, enum policy_key key);
/* In arena. RC other than RC_OK: a failing database. */
MUST_CHECK enum rc auth_policy_facts(struct auth_role *auth, const struct auth_subject *subject,
                                     struct arena *arena, struct policy_facts *out,
                                     struct err *err);
/* LOGIN_REASON_NONE: let in, with that verdict. */
enum login_reason auth_policy_judge(struct auth_role *auth, const struct auth_subject *subject,
                                    struct policy_verdict *out);
/* Something has changed for the sessions of an account, 0: of all: mail tells of them, and
 * those end that would begin otherwise now. */
void auth_policy_review(struct auth_role *auth, uint64_t account);
/* The account is in other groups than before: mail hears so, and its sessions are reviewed. */
void auth_groups_changed(struct auth_role *auth, uint64_t account);
void auth_policy_session(struct auth_role *auth, const struct msg_session_facts *msg);

/* ---- auth_confirm.c ---- */

/* A login was right, and waits for its user to say so. */
void auth_confirm_wait(struct auth_role *auth, const struct auth_subject *subject);
/* What such a user is told to do, in room. */
#define CONFIRM_TEXT_BYTES 320u
const char *auth_confirm_text(const struct auth_role *auth, char room[CONFIRM_TEXT_BYTES]);
void auth_confirm_done(struct auth_role *auth);

/* Which device (0: logins without one) of whom is confirmed, and by whom. */
struct auth_confirming {
    uint64_t account, device;
    struct slice user;
    struct slice address; /* from where; empty: from wherever it waits */
    bool by_user;
    uint64_t by_uid; /* else: of whoever sat at the command line */
};
/* RC_NOT_FOUND: no such device, or no login of it waits. RC_SYNTAX: not an address. */
MUST_CHECK enum rc auth_confirm(struct auth_role *auth,
                                const struct auth_confirming *confirming, struct err *err);
typedef void auth_waiting_fn(void *ctx, uint64_t device, const struct ipaddr *address,
                             int64_t since);
/* Logins of the account that wait, oldest first. */
void auth_confirm_each_waiting(struct auth_role *auth, uint64_t account, auth_waiting_fn *fn,
                               void *ctx);
void auth_device_vouch(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_device_forget(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
void auth_device_networks(struct control_conn *conn, const struct control_fields *fields,
                          void *ctx);

/* ---- auth_explain.c ---- */

void auth_explain_login(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);

/* ---- auth_known.c ---- */

/* Somebody proved a credential from there. */
void auth_known_proved(struct auth_role *auth, const struct ipaddr *peer);
/* A login begins: is its source known? If so auth_known_leave() follows when it has ended. */
bool auth_known_enter(struct auth_role *auth, const struct ipaddr *peer);
void auth_known_leave(struct auth_role *auth, const struct ipaddr *peer);
void auth_known_done(struct auth_role *auth);

/* ---- auth_mail.c ---- */

void auth_mail_lookup(struct auth_role *auth, const struct msg_lookup_user *msg);
/* Sessions of the account, or of one device of it, end now. Device 0: those that the account
 * password opened. reason is constant. */
void auth_revoke(struct auth_role *auth, enum revoke_what what, uint64_t account,
                 uint64_t device, const char *reason);
/* Those that were granted with a watch. */
void auth_revoke_watch(struct auth_role *auth, uint64_t account, uint64_t watch,
                       const char *reason);
/*
 * Tell mail what may not be lost, since it ends sessions: what finds mail's queue full is sent
 * as soon as there is room. msg has no text but what is constant. A mail that is not there need
 * not hear it.
 */
void auth_tell_mail_surely(struct auth_role *auth, const struct msg *msg);
bool auth_unheard_waits(const struct auth_role *auth);
/* Mail's queue has become empty. */
void auth_unheard_go_on(struct auth_role *auth);
/* That mail is gone. */
void auth_unheard_forget(struct auth_role *auth);
/* A realm_created_fn. */
void auth_announce_created(void *ctx, uint64_t id, struct slice name);
void auth_announce_deleted(struct auth_role *auth, uint64_t id, struct slice name);

/* ---- auth_recipient.c ---- */

/* Mail asks for a delivery, a gate for Postfix. */
void auth_resolve(struct auth_peer *peer, const struct msg_resolve *msg);
/* A peer is gone: nobody waits for its answers. */
void auth_recipients_forget(struct auth_role *auth, const struct auth_peer *peer);
void auth_recipients_done(struct auth_role *auth);

/* ---- auth_directory.c ---- */

/* Mail is new, or has missed something: tell it everything, from the beginning. */
void auth_directory_start(struct auth_role *auth);
/* Mail's channel is empty: the next piece. */
void auth_directory_go_on(struct auth_role *auth);
bool auth_directory_goes_on(const struct auth_role *auth);
/* It is new, or has changed. */
void auth_directory_account(struct auth_role *auth, uint64_t id);
void auth_directory_group(struct auth_role *auth, struct slice name);
void auth_directory_gone(struct auth_role *auth, uint64_t id);
/* An auth_renamed_fn: what mail keeps of recipients may be wrong now. */
void auth_directory_renamed(void *ctx);

/* ---- auth_told.c ---- */

/* The end of a verb that gives no more rows and has changed the directory, or whom an address
 * means: when mail has heard of it. */
void auth_end_told(struct auth_role *auth, struct control_conn *conn, enum rc rc,
                   const struct err *err);
/* The same for a verb whose end says something. */
#define TOLD_TEXT_BYTES 96u
void auth_told_end(struct auth_role *auth, struct control_conn *conn, enum rc rc,
                   const char *text);
/* The directory has been told: ask mail for those that waited for that. */
void auth_told_ask(struct auth_role *auth);
void auth_told_heard(struct auth_role *auth, uint64_t number);
/* Mail is gone, and with it the answers it owed. */
void auth_told_lost(struct auth_role *auth);

/* ---- auth_scram.c ---- */

/* The secret was right: if SCRAM's keys of it are missing, a thread makes them. */
void auth_scram_learn(struct auth_role *auth, const struct login_outcome *outcome,
                      struct slice secret);
/* One of many new devices, whose maker does not wait. */
void auth_scram_learn_new(struct auth_role *auth, struct slice user,
                          const struct admin_device *made);
/* After the pool is gone. */
void auth_scram_done(struct auth_role *auth);

/* ---- auth_enrol.c ---- */

/* One of web's messages. */
void auth_enrol_message(struct auth_role *auth, const struct msg *msg);
/* Web is gone: nobody waits for those answers. */
void auth_enrol_web_gone(struct auth_role *auth);
/* After the pool is gone. */
void auth_enrol_done(struct auth_role *auth);
void auth_device_enrol(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_device_confirm(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx);

/* ---- auth_idp.c ---- */

/*
 * Ask the provider; the request's number is filled in. RC_UNAVAILABLE: idp is not there, or too
 * many wait: nothing waits then. What idp does not say within ASK_WAIT_US is IDP_UNAVAILABLE.
 */
MUST_CHECK enum rc auth_idp_ask(struct auth_role *auth, struct auth_ask *ask,
                                struct msg_idp_check *check, auth_ask_fn *done,
                                struct err *err);
/* Nobody wants the answer. Also for one that does not wait. */
void auth_idp_forget(struct auth_ask *ask);
void auth_idp_result(struct auth_role *auth, const struct msg_idp_result *result);
/* Its channel is gone: all that wait hear so. */
void auth_idp_lost(struct auth_role *auth);

/* ---- auth_gssapi.c ---- */

/*
 * What the client said, to gss; the first of an exchange begins it. done may be called before
 * this returns, and whoever asked may free the exchange in it: nothing may be done behind the
 * call. What gss does not say within GSS_WAIT_US is UNAVAILABLE.
 */
void auth_gssapi_ask(struct auth_role *auth, struct auth_gssapi *exchange, struct slice data,
                     auth_gssapi_fn *done);
/* Nobody goes on with it. Also for one that has not begun. */
void auth_gssapi_forget(struct auth_gssapi *exchange);
void auth_gssapi_result(struct auth_role *auth, const struct msg_gss_result *result);
/* The end of an exchange. NONE: user is whose ticket it is, by gssapi_realms; else it is
 * logged, with what an administrator has to know. */
enum login_reason auth_gssapi_judge(const struct auth_role *auth,
                                    const struct msg_gss_result *result,
                                    const struct ipaddr *peer, struct buf *user);
/* Its channel is gone: all that wait hear so. */
void auth_gssapi_lost(struct auth_role *auth);

/* ---- auth_pam.c ---- */

/* RC_UNAVAILABLE: too many wait; RC_NOT_FOUND: PAM knows no such names. Nothing waits then. */
MUST_CHECK enum rc auth_pam_ask(struct auth_role *auth, struct auth_pam_ask *ask,
                                const char *service, const struct sasl_claim *claim,
                                auth_pam_fn *done, struct err *err);
/* Nobody wants the answer. Also for one that does not wait. */
void auth_pam_forget(struct auth_pam_ask *ask);
/* A struct role_events function. */
void auth_pam_helper(void *ctx, uint64_t request, int fd);

/* ---- auth_backends.c ---- */

/* Groups as idp names them, each on a line of its own (auth_db_tell_groups); one with a line's
 * end in it would be two, and is none. */
void auth_group_lines(struct slice list, struct buf *out);

/*
 * Ask a back-end of realm_backends(), a foreign one, about the claim's user and password. done
 * may be called before this returns, and whoever asked may free the ask in it: nothing may be
 * done behind the call.
 */
void auth_backend_ask(struct auth_role *auth, struct auth_backend_ask *ask, size_t backend,
                      const struct sasl_claim *claim, const struct login_place *place,
                      auth_backend_fn *done);
/* The same for one that idp asks: is there such a user? BACKEND_RIGHT: yes. */
void auth_backend_ask_user(struct auth_role *auth, struct auth_backend_ask *ask, size_t backend,
                           struct slice user, auth_backend_fn *done);
/* Nobody wants the answer. Also for one that does not wait. */
void auth_backend_forget(struct auth_backend_ask *ask);
/* How long a refusal of what began then still waits, so that its time tells nothing. */
int64_t auth_backend_slot_us(const struct auth_role *auth, const struct login_place *place,
                             int64_t started_us);

/* ---- auth_token.c ---- */

struct auth_token;

/* Once, unless it is forgotten before; result is valid during the call. */
typedef void auth_token_fn(struct auth_token *token, const struct msg_idp_result *result);

/* Inside of whoever asks. Zeroed memory is one that does not wait. */
struct auth_token {
    struct auth_role *auth;
    struct auth_ask ask;
    const struct sasl_claim *claim;
    enum service service;
    struct ipaddr peer;
    uint16_t at;      /* the issuer that is asked */
    bool unavailable; /* one before it could not say */
    auth_token_fn *done;
};

/* claim stays where it is until done() or auth_idp_forget(&token->ask). */
void auth_token_ask(struct auth_role *auth, struct auth_token *token,
                    const struct sasl_claim *claim, enum service service,
                    const struct ipaddr *peer, auth_token_fn *done);
/* Of a granted login: the groups that the token names, of those that are configured; others
 * that a token brought before are taken back. A database that fails is a refusal. */
void auth_token_groups(struct auth_role *auth, const struct msg_idp_result *result,
                       struct login_outcome *outcome);

/* ---- auth_watch.c ---- */

/* What a session is opened by, or let in by rules for; lives during the call. */
struct auth_watched {
    uint64_t account;
    struct slice user;
    struct slice token; /* empty: none whose issuer can be asked */
    uint16_t provider;  /* of the token */
    uint16_t again_sec; /* of the token: as in IDP_RESULT */
    struct slice chain; /* of certificates, as in AUTH_START; empty: none that counted */
};

/* A number for the grant of a session by it; at once before the grant. RC_LIMIT: too many. */
MUST_CHECK enum rc auth_watch(struct auth_role *auth, const struct auth_watched *what,
                              uint64_t *out, struct err *err);
/* Mail has sessions with these. */
void auth_watches_held(struct auth_role *auth, const struct msg_watched *msg);
/* The files of authorities and revocations may be others. */
void auth_watches_look(struct auth_role *auth);
/* Before idp is let go of. */
void auth_watches_done(struct auth_role *auth);

/* ---- auth_offer.c ---- */

/* Is a mechanism of these enum sasl_flags switched on, and meant for that door? */
bool auth_offers(const struct auth_role *auth, enum service service, unsigned flags);
/* A password, or the proof of one, goes over TLS, or over loopback where that is configured; a
 * token over TLS (RFC 7628 4). */
bool auth_is_private(const struct auth_role *auth, const struct msg_auth_start *msg,
                     unsigned flags);

/* ---- auth_certificate.c ---- */

/* Before the sandbox closes: the first look at the files. */
void auth_certificates_open(struct auth_role *auth);
void auth_certificates_done(struct auth_role *auth);
bool auth_certificates_on(const struct auth_role *auth);
/* RC_DENIED: not believed. RC_UNAVAILABLE: not now, for the files say nothing of it. */
MUST_CHECK enum rc auth_certificate_check(struct auth_role *auth, struct slice chain,
                                          struct cert_identity *out, struct err *err);
/* Goes up when the files are read again; looks at them. */
uint64_t auth_certificates_generation(struct auth_role *auth);
/* Does a certificate that was believed (or none was: zeroed memory) name the user of that
 * account? */
bool auth_certificate_names(struct auth_role *auth, const struct cert_identity *identity,
                            uint64_t account);
/* A gate wants to know what it may offer. */
void auth_certificate_asked(struct auth_peer *gate, const struct msg_cert_check *msg);

/* ---- auth_uses.c ---- */

void auth_note_use(struct auth_role *auth, uint64_t account, uint64_t device,
                   const struct ipaddr *peer, struct slice client_id);
/* Write what waits, in one transaction. */
void auth_uses_flush(struct auth_role *auth);
void auth_uses_done(struct auth_role *auth);

/* ---- auth_damage.c ---- */

void auth_damage_start(struct auth_role *auth);
void auth_damage_done(struct auth_role *auth);
void auth_scrub(struct control_conn *conn, const struct control_fields *fields, void *ctx);

/* ---- auth_control.c, auth_verbs.c ---- */

MUST_CHECK enum rc auth_control_listen(struct auth_role *auth, struct err *err);
/* A verb has ended later than its run(): what the socket did not take is sent as it takes it.
 */
void auth_control_answered(struct auth_role *auth, const struct control_conn *conn);
void auth_control_done(struct auth_role *auth);

extern const struct control_verb auth_verbs[];
extern const size_t auth_verbs_count;

/* ---- auth_verbs.c, for its neighbours ---- */

#define AUTH_PAGE_ROWS    500u /* of one list request */
#define AUTH_NUMBER_BYTES 24u
struct auth_page {
    struct control_conn *conn;
    struct auth_role *auth;
    size_t n_rows;
};
/* A decimal number as a field's value; text is the caller's room for it. */
struct slice auth_number(char text[AUTH_NUMBER_BYTES], int64_t value);
/* A field that must be there. */
MUST_CHECK enum rc auth_needed(const struct control_fields *fields, const char *key,
                               struct slice *out, struct err *err);
/* The account named by a field; a user of the passwd-file is created by being named. */
MUST_CHECK enum rc auth_account_of(struct auth_role *auth, const struct control_fields *fields,
                                   const char *key, struct arena *arena,
                                   struct auth_account *out, struct err *err);
/*
 * Mail to an address of ours that is nobody's name goes to whom its local part names alone.
 * RC_EXISTS: to somebody, so that whoever gets that name takes it from them, and fields (NULL:
 * none) have no "apart".
 */
MUST_CHECK enum rc auth_check_taking(struct auth_role *auth,
                                     const struct control_fields *fields, struct slice name,
                                     struct err *err);
/* The end of every verb that gives no rows of its own. */
void auth_end(struct control_conn *conn, enum rc rc, const struct err *err);
/* Who did it stands in the log; the uid is the kernel's word. */
void auth_log_change(const struct control_conn *conn, const char *event, struct slice what);
/* The row that shows a new device's password, once, and what else a mail program wants to know.
 */
void auth_device_row(struct auth_role *auth, struct control_conn *conn, struct slice user,
                     const struct admin_device *made);

/* ---- auth_verbs_devices.c ---- */

void auth_device_add(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void auth_device_list(struct control_conn *conn, const struct control_fields *fields,
                      void *ctx);
void auth_device_change(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
void auth_device_revoke(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
/* name, scope, access, folders, networks and expires of a new device, in the words of the
 * command line. Points into the fields. */
MUST_CHECK enum rc auth_read_device(const struct control_fields *fields,
                                    struct auth_device *out, struct err *err);
/* With SCRAM's keys, or not at all. */
MUST_CHECK enum rc auth_make_device(struct auth_role *auth, const struct auth_device *device,
                                    struct admin_device *out, struct err *err);

/* ---- auth_verbs_totp.c ---- */

void auth_totp_begin(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void auth_totp_confirm(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_totp_codes(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void auth_totp_disable(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_totp_status(struct control_conn *conn, const struct control_fields *fields,
                      void *ctx);

/* ---- auth_verbs_groups.c ---- */

void auth_group_create(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_group_delete(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_group_list(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void auth_group_members(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
void auth_group_add(struct control_conn *conn, const struct control_fields *fields, void *ctx);
void auth_group_remove(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_group_limit(struct control_conn *conn, const struct control_fields *fields,
                      void *ctx);
void auth_shared_create(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);
void auth_shared_list(struct control_conn *conn, const struct control_fields *fields,
                      void *ctx);
void auth_shared_delete(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx);

/* ---- auth_batch.c: verbs with lines of data ---- */

void auth_batch_users(struct control_conn *conn, const struct control_fields *fields,
                      void *ctx);
void auth_batch_hashes(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx);
void auth_batch_data(struct control_conn *conn, struct slice bytes, bool is_end, void *ctx);

#endif
