/*
 * auth_enrol.c - people make, list and revoke the devices of their own account: by web's
 * messages, and by the verb device.enrol.
 *
 *   [WAITING --timer-->] [ASKING --back-end-->] HASHING --pool--> let in: a session for web, a
 * device for the verb
 *                                                           '--> refused: [DELAYED --timer-->]
 * the answer
 *
 * A try is in auth->enrolling as long as it lives. Whoever waits for it may go: then web is
 * false and conn NULL, and it ends with its state; in HASHING when the pool is done with it.
 */
#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "roles/auth_role.h"

#define SOURCE_V4_BITS 32u
#define SOURCE_V6_BITS 64u

enum try_state { WAITING, ASKING, HASHING, DELAYED };

struct enrol_try {
    struct link link; /* in auth->enrolling */
    struct auth_role *auth;
    enum try_state state;
    bool web; /* web waits for it, as this request */
    uint64_t request;
    struct control_conn *conn; /* or a command line does */
    struct ipaddr peer;
    bool known;              /* a source that has been in before: auth_known.c */
    struct sasl_claim claim; /* the user as typed, and the password */
    size_t code_len;
    char code[ENROL_CODE_MAX];
    struct auth_device wanted; /* of the verb; points into the arena */
    bool confirms;             /* the verb is device.confirm: of the device wanted.id */
    struct slice confirm_from; /* an address, in the arena; empty: from where it waits */
    struct throttle_key key;
    struct arena *arena;
    struct login_outcome outcome;
    enum enrol_reason reason;
    int64_t checked_us; /* when the password was looked at */
    struct auth_backend_ask ask;
    struct timer timer;
    struct auth_slot slot; /* the refusal waits for its end */
    struct hash_job job;
    bool matched; /* written by the job */
};

static void try_free(struct enrol_try *try)
{
    list_remove(&try->link);
    try->auth->n_enrolling--;
    timer_stop(try->auth->loop, &try->timer);
    auth_slot_forget(&try->slot);
    auth_backend_forget(&try->ask);
    loop_cancel(try->auth->loop, &try->job.call);
    if (try->known)
        auth_known_leave(try->auth, &try->peer);
    arena_free(try->arena);
    sodium_memzero(try, sizeof(*try));
    free(try);
}

/* Nobody waits any more. */
static void try_drop(struct enrol_try *try)
{
    try->web = false;
    try->conn = NULL;
    if (try->state != HASHING)
        try_free(try);
}

/* The state of a command line's connection; conn is NULL if the try has ended by itself. */
static void on_conn_gone(void *state)
{
    struct enrol_try *try = state;

    if (try->conn != NULL)
        try_drop(try);
}

static struct control_conn *take_conn(struct enrol_try *try)
{
    struct control_conn *conn = TAKE(try->conn);

    control_conn_set_state(conn, NULL, NULL);
    return conn;
}

static void tell_web(struct auth_role *auth, const struct msg *msg)
{
    struct err err;

    if (auth_post(&auth->web, msg, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.web_not_told", LOG_STR("message", msg_name(msg->type)),
                  LOG_ERR(&err));
}

static void say_done(struct auth_role *auth, uint64_t request, enum enrol_code code,
                     const char *text)
{
    tell_web(auth, &(struct msg){
                       .type = MSG_ENROL_DONE,
                       .enrol_done = {.request = request,
                                      .code = (uint8_t) code,
                                      .text = slice_from_str(text)}
    });
}

/* What web says of a request that failed. */
static void say_failed(struct auth_role *auth, uint64_t request, const struct err *err)
{
    enum enrol_code code = ENROL_UNAVAILABLE;

    if (err->rc == RC_INVALID || err->rc == RC_SYNTAX || err->rc == RC_NOT_FOUND)
        code = ENROL_INVALID;
    else if (err->rc == RC_LIMIT)
        code = ENROL_FULL;
    else
        log_event(LEVEL_ERROR, "auth.enrol_failed", LOG_ERR(err));
    say_done(auth, request, code, err->text);
}

/* ---- who comes ---- */

/* As login.refused: nothing that a stranger chooses comes before address and reason. */
static void log_try(const struct enrol_try *try, enum factor_kind kind)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};
    bool ok = try->reason == ENROL_REASON_NONE;

    ipaddr_print(&address, &try->peer);
    log_event(ok ? LEVEL_INFO : LEVEL_WARNING, ok ? "enrol.login" : "enrol.refused",
              LOG_TEXT("address", buf_slice(&address)),
              LOG_STR("reason", enrol_reason_name(try->reason)),
              LOG_STR("service", try->web ? "web" : "command_line"),
              LOG_TEXT("user", sasl_claim_user(&try->claim)),
              LOG_STR("factor", ok ? factor_name(kind) : "none"));
}

/* The same words for whatever was wrong. */
static void on_delayed(void *ctx)
{
    struct enrol_try *try = ctx;
    struct auth_role *auth = try->auth;
    bool busy = !enrol_reason_is_guess(try->reason);
    const char *text = busy ? "Cannot check passwords now, try again later"
                            : "User name, password or code is wrong";

    if (try->web)
        say_done(auth, try->request, busy ? ENROL_UNAVAILABLE : ENROL_REFUSED, text);
    if (try->conn != NULL) {
        struct control_conn *conn = take_conn(try);

        control_end(conn, busy ? RC_UNAVAILABLE : RC_DENIED, text);
        auth_control_answered(auth, conn);
    }
    try_free(try);
}

/* As at the mail's door: what is wrong is said at the end of a slot. */
static void on_turn(void *ctx)
{
    struct enrol_try *try = ctx;

    if (enrol_reason_is_guess(try->reason))
        auth_slot_wait(try->auth, &try->slot, try->checked_us, on_delayed, try);
    else
        on_delayed(try);
}

static struct login_place place_of(const struct enrol_try *try)
{
    return (struct login_place){
        .service = SERVICE_IMAP, .peer = try->peer, .now = clock_wall_sec(), .enrolling = true};
}

static void refuse(struct enrol_try *try, enum enrol_reason reason)
{
    const struct login_place place = place_of(try);
    int64_t delay_us = 0;

    try->reason = reason;
    log_try(try, FACTOR_NONE);
    if (reason == ENROL_REASON_THROTTLED)
        delay_us = THROTTLE_MAX_US;
    else if (enrol_reason_is_guess(reason))
        delay_us = MAX(throttle_failed(try->auth->throttle, try->key, clock_mono_us()),
                       auth_backend_slot_us(try->auth, &place, try->checked_us));
    auth_secret_wipe(&try->claim.secret);
    try->state = DELAYED;
    if (delay_us == 0)
        on_turn(try);
    else
        timer_start(try->auth->loop, &try->timer, delay_us, on_turn, try);
}

static void open_session(const struct enrol_try *try)
{
    struct auth_role *auth = try->auth;
    struct msg msg = {
        .type = MSG_ENROL_SESSION,
        .enrol_session = {
                          .request = try->request, .seconds = ENROL_SESSION_SEC, .user = try->outcome.user}
    };
    struct enrol_token token;

    enrol_open(auth->enrol, try->outcome.account, try->outcome.user, &try->peer,
               clock_mono_us(), &token);
    memcpy(msg.enrol_session.token, token.bytes, sizeof(token.bytes));
    tell_web(auth, &msg);
    sodium_memzero(&token, sizeof(token));
    sodium_memzero(&msg, sizeof(msg));
}

static void log_device(const char *event, struct slice user, uint64_t device, struct slice name,
                       const struct ipaddr *peer)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};

    ipaddr_print(&address, peer);
    log_event(LEVEL_INFO, event, LOG_TEXT("user", user), LOG_NUM("device", device),
              LOG_TEXT("device_name", name), LOG_TEXT("address", buf_slice(&address)),
              LOG_STR("by", "user"));
}

static void make_device(struct enrol_try *try)
{
    struct auth_role *auth = try->auth;
    struct control_conn *conn = take_conn(try);
    struct admin_device made;
    struct err err;
    enum rc rc;

    try->wanted.account_id = try->outcome.account;
    rc = auth_make_device(auth, &try->wanted, &made, &err);
    if (rc == RC_OK) {
        log_device("device.added", try->outcome.user, made.device, try->wanted.name,
                   &try->peer);
        auth_device_row(auth, conn, try->outcome.user, &made);
    }
    admin_device_wipe(&made);
    auth_end(conn, rc, &err);
    auth_control_answered(auth, conn);
}

static void confirm_device(struct enrol_try *try)
{
    struct auth_role *auth = try->auth;
    struct control_conn *conn = take_conn(try);
    const struct auth_confirming confirming = {.account = try->outcome.account,
                                               .device = try->wanted.id,
                                               .user = try->outcome.user,
                                               .address = try->confirm_from,
                                               .by_user = true};
    struct err err;
    enum rc rc = auth_confirm(auth, &confirming, &err);

    auth_end(conn, rc, &err);
    auth_control_answered(auth, conn);
}

static void let_in(struct enrol_try *try, enum factor_kind kind)
{
    try->reason = ENROL_REASON_NONE;
    log_try(try, kind);
    auth_known_proved(try->auth, &try->peer);
    throttle_succeeded(try->auth->throttle, try->key, auth_secret_slice(&try->claim.secret),
                       clock_mono_us());
    if (try->web)
        open_session(try);
    if (try->conn != NULL && try->confirms)
        confirm_device(try);
    else if (try->conn != NULL)
        make_device(try);
    try_free(try);
}

/* On a thread of the pool: reads the secret and the outcome, which nobody changes meanwhile. */
static void run_job(struct hash_job *job)
{
    struct enrol_try *try = LINK_OWNER(job, struct enrol_try, job);

    try->matched =
        enrol_password_matches(try->outcome.hash, auth_secret_slice(&try->claim.secret));
}

static void start_hash(struct enrol_try *try);

/* The last word about the password, and then about the code. */
static void judge(struct enrol_try *try)
{
    const struct enrol_claim claim = {
        .code = slice_of(try->code, try->code_len),
        .now = clock_wall_sec(),
        .now_us = clock_mono_us(),
    };
    enum factor_kind kind = FACTOR_NONE;
    enum enrol_reason reason;
    struct err err = {0};

    if (try->outcome.verdict == LOGIN_HASH)
        login_after_hash(try->auth->realm, try->matched, try->arena, &try->outcome, &err);
    if (try->outcome.verdict == LOGIN_HASH) { /* the account has another password by now */
        start_hash(try);
        return;
    }
    reason = enrol_judge(try->auth->enrol, &claim, &try->outcome, &kind, &err);
    if (reason == ENROL_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    if (reason == ENROL_REASON_NONE)
        let_in(try, kind);
    else
        refuse(try, reason);
}

static void job_done(struct hash_job *job)
{
    struct enrol_try *try = LINK_OWNER(job, struct enrol_try, job);

    try->state = WAITING;
    if (try->web || try->conn != NULL)
        judge(try);
    else
        try_free(try); /* nobody waits: a code of theirs stays good */
}

/* A thread spends the time of a slow hash, whatever is known of the user. */
static void start_hash(struct enrol_try *try)
{
    try->job.run = run_job;
    try->job.done = job_done;
    try->job.known = try->known;
    if (hash_pool_submit(try->auth->pool, &try->job, NULL) != RC_OK)
        refuse(try, ENROL_REASON_BUSY);
    else
        try->state = HASHING;
}

static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer);

static void go_on(struct enrol_try *try, const struct login_place *place, const struct err *err)
{
    if (try->outcome.verdict == LOGIN_ASK) {
        try->state = ASKING;
        auth_backend_ask(try->auth, &try->ask, try->outcome.backend, &try->claim, place,
                         on_backend);
        return;
    }
    if (try->outcome.reason == LOGIN_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(err));
    start_hash(try);
}

/* An auth_backend_fn. */
static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer)
{
    struct enrol_try *try = LINK_OWNER(ask, struct enrol_try, ask);
    const struct login_place place = place_of(try);
    struct err err = {0};

    try->state = WAITING;
    login_after_answer(try->auth->realm, &try->claim, &place, answer, try->arena, &try->outcome,
                       &err);
    if (try->outcome.groups_changed)
        auth_groups_changed(try->auth, try->outcome.account);
    go_on(try, &place, &err);
}

static void check(void *ctx)
{
    struct enrol_try *try = ctx;
    const struct login_place place = place_of(try);
    struct err err = {0};

    try->checked_us = clock_mono_us();
    login_check(try->auth->realm, &try->claim, &place, try->arena, &try->outcome, &err);
    go_on(try, &place, &err);
}

struct credentials {
    struct slice user, password, code;
};

static struct ipaddr source_of(const struct ipaddr *peer)
{
    return ipaddr_prefix(peer, peer->family == IPADDR_V6 ? SOURCE_V6_BITS : SOURCE_V4_BITS);
}

/* A try lives on when its browser has gone, so what web allows a source bounds nothing here. At
 * most ENROL_TRIES_MAX steps. */
static bool source_has_its_share(struct auth_role *auth, const struct ipaddr *peer)
{
    struct ipaddr source = source_of(peer);
    unsigned n = 0;

    LIST_FOREACH(it, &auth->enrolling)
    {
        struct ipaddr other = source_of(&LINK_OWNER(it, struct enrol_try, link)->peer);

        n += ipaddr_eq(&source, &other) ? 1 : 0;
    }
    return n >= ENROL_TRIES_EACH;
}

/* NULL: there are too many. */
static struct enrol_try *try_new(struct auth_role *auth, const struct ipaddr *peer,
                                 const struct credentials *given)
{
    struct slice user = slice_sub(given->user, 0, AUTH_NAME_MAX_BYTES);
    struct enrol_try *try;
    bool known;

    if (source_has_its_share(auth, peer))
        return NULL;
    known = auth_known_enter(auth, peer);
    if (auth->n_enrolling >= ENROL_TRIES_MAX - (known ? 0 : ENROL_TRIES_KNOWN)) {
        if (known)
            auth_known_leave(auth, peer);
        return NULL;
    }
    try = xcalloc(1, sizeof(*try));
    try->auth = auth;
    try->state = WAITING;
    try->peer = *peer;
    try->known = known;
    try->arena = arena_new(LOGIN_ARENA_BYTES);
    try->claim.user_len = (uint16_t) user.len;
    if (user.len > 0)
        memcpy(try->claim.user, user.ptr, user.len);
    try->key = throttle_key(auth->throttle, peer,
                            realm_guessed(auth->realm, user)); /* the one of the mail's door */
    list_push_back(&auth->enrolling, &try->link);
    auth->n_enrolling++;
    return try;
}

/* What cannot be right is refused as what is not, by the same words. */
static void try_start(struct enrol_try *try, const struct credentials *given)
{
    int64_t delay_us;

    if (given->user.len > AUTH_NAME_MAX_BYTES || given->code.len > sizeof(try->code) ||
        auth_secret_prepare(given->password, &try->claim.secret, NULL) != RC_OK) {
        refuse(try, ENROL_REASON_MALFORMED);
        return;
    }
    try->code_len = given->code.len;
    if (given->code.len > 0)
        memcpy(try->code, given->code.ptr, given->code.len);
    delay_us = throttle_turn(try->auth->throttle, try->key,
                             auth_secret_slice(&try->claim.secret), clock_mono_us());
    if (delay_us == THROTTLE_NO_TURN)
        refuse(try, ENROL_REASON_THROTTLED);
    else if (delay_us == 0)
        check(try);
    else
        timer_start(try->auth->loop, &try->timer, delay_us, check, try);
}

/* ---- the verb ---- */

static enum rc read_wanted(const struct control_fields *fields, struct enrol_try *try,
                           struct err *err)
{
    struct auth_device device;
    enum rc rc = auth_read_device(fields, &device, err);

    if (rc)
        return rc;
    device.name = arena_dup(try->arena, device.name);
    device.folders = arena_dup(try->arena, device.folders);
    device.networks = arena_dup(try->arena, device.networks);
    try->wanted = device;
    return RC_OK;
}

typedef enum rc read_fn(const struct control_fields *fields, struct enrol_try *try,
                        struct err *err);

static void start_verb(struct control_conn *conn, const struct control_fields *fields,
                       struct auth_role *auth, read_fn *read)
{
    static const struct ipaddr here = {.family = IPADDR_NONE};
    struct credentials given = {0};
    struct enrol_try *try;
    struct err err = {0};
    enum rc rc = auth_needed(fields, "user", &given.user, &err);

    (void) control_field_get(fields, "password", &given.password);
    (void) control_field_get(fields, "code", &given.code);
    try = rc == RC_OK ? try_new(auth, &here, &given) : NULL;
    if (rc == RC_OK && try == NULL)
        rc = err_set(&err, RC_UNAVAILABLE, "Too many at once, try again later",
                     "enrol: %u tries", ENROL_TRIES_MAX);
    if (rc == RC_OK)
        rc = read(fields, try, &err);
    if (rc == RC_OK) {
        try->conn = conn;
        control_conn_set_state(conn, try, on_conn_gone);
        try_start(try, &given);
    } else if (try != NULL) {
        try_free(try);
    }
    control_conn_wipe(conn);
    if (rc)
        auth_end(conn, rc, &err);
}

/* user, password, code, and what device.add takes of a device -> user, device, password */
void auth_device_enrol(struct control_conn *conn, const struct control_fields *fields,
                       void *ctx)
{
    start_verb(conn, fields, ctx, read_wanted);
}

static enum rc read_confirm(const struct control_fields *fields, struct enrol_try *try,
                            struct err *err)
{
    struct slice address = {0};

    try->confirms = true;
    (void) control_field_get(fields, "address", &address);
    try->confirm_from = arena_dup(try->arena, address);
    return control_field_u64(fields, "device", &try->wanted.id, err);
}

/* user, password, code, device, address (if not from wherever it waits) */
void auth_device_confirm(struct control_conn *conn, const struct control_fields *fields,
                         void *ctx)
{
    start_verb(conn, fields, ctx, read_confirm);
}

/* ---- web's messages ---- */

static void on_login(struct auth_role *auth, const struct msg_enrol_login *msg)
{
    const struct credentials given = {msg->user, msg->password, msg->code};
    struct enrol_try *try = try_new(auth, &msg->peer, &given);

    if (try == NULL) {
        say_done(auth, msg->request, ENROL_UNAVAILABLE, "Too many at once, try again later");
        return;
    }
    try->web = true;
    try->request = msg->request;
    try_start(try, &given);
}

/* False, and the answer is given: the session is over. */
static bool find_session(struct auth_role *auth, uint64_t request,
                         const uint8_t bytes[MSG_TOKEN_BYTES], struct enrol_session *out)
{
    struct enrol_token token;
    struct err err;
    enum rc rc;

    memcpy(token.bytes, bytes, sizeof(token.bytes));
    rc = enrol_find(auth->enrol, &token, clock_mono_us(), out, &err);
    sodium_memzero(&token, sizeof(token));
    if (rc == RC_NOT_FOUND)
        say_done(auth, request, ENROL_OVER, "This session is over: log in again");
    else if (rc)
        say_failed(auth, request, &err);
    return rc == RC_OK;
}

struct device_page {
    struct auth_role *auth;
    uint64_t request;
};

/* An auth_device_fn. */
static bool tell_device(void *ctx, const struct auth_device *device)
{
    const struct device_page *page = ctx;

    tell_web(page->auth, &(struct msg){
                             .type = MSG_ENROL_DEVICE,
                             .enrol_device = {.request = page->request,
                                              .device = device->id,
                                              .name = device->name,
                                              .scope = (uint8_t) device->scope,
                                              .access = (uint8_t) device->access,
                                              .folders = device->folders,
                                              .networks = device->networks,
                                              .created = (uint64_t) device->created,
                                              .expires = (uint64_t) device->expires,
                                              .last_used = (uint64_t) device->last_used,
                                              .address = device->last_address,
                                              .client = device->last_client}
    });
    return true; /* an account has at most DEVICES_PER_ACCOUNT_MAX */
}

/* An auth_waiting_fn. */
static void tell_waiting(void *ctx, uint64_t device, const struct ipaddr *address,
                         int64_t since)
{
    const struct device_page *page = ctx;

    tell_web(page->auth, &(struct msg){
                             .type = MSG_ENROL_WAITING,
                             .enrol_waiting = {.request = page->request,
                                               .device = device,
                                               .address = *address,
                                               .since = (uint64_t) since}
    });
}

static void on_list(struct auth_role *auth, const struct msg_enrol_list *msg)
{
    struct device_page page = {auth, msg->request};
    struct enrol_session session;
    struct msg done = {
        .type = MSG_ENROL_DONE, .enrol_done = {.request = msg->request, .code = ENROL_OK}
    };
    struct err err;

    if (!find_session(auth, msg->request, msg->token, &session))
        return;
    done.enrol_done.user = session.user;
    auth_uses_flush(auth); /* the list tells when they were last used */
    if (auth_db_each_device(auth->db, session.account, tell_device, &page, &err) != RC_OK) {
        say_failed(auth, msg->request, &err);
        return;
    }
    auth_confirm_each_waiting(auth, session.account, tell_waiting, &page);
    tell_web(auth, &done);
}

static enum rc check_wanted(const struct msg_enrol_create *msg, struct err *err)
{
    if (msg->access != ACCESS_FULL && msg->access != ACCESS_READ_ONLY)
        return err_set(err, RC_INVALID, "access is full or read-only", "enrol: access");
    if (msg->expires > INT64_MAX ||
        (msg->expires != 0 && (int64_t) msg->expires <= clock_wall_sec()))
        return err_set(err, RC_INVALID, "The expiry lies in the past", "enrol: expires");
    return RC_OK;
}

static void on_create(struct auth_role *auth, const struct msg_enrol_create *msg)
{
    struct auth_device device = {
        .name = msg->name,
        .scope = msg->scope,
        .access = (enum device_access) msg->access,
        .folders = msg->folders,
        .networks = msg->networks,
        .expires = (int64_t) msg->expires,
    };
    struct enrol_session session;
    struct enrol_token token;
    struct admin_device made;
    struct err err;
    enum rc rc;

    if (!find_session(auth, msg->request, msg->token, &session))
        return;
    device.account_id = session.account;
    memcpy(token.bytes, msg->token, sizeof(token.bytes));
    rc = check_wanted(msg, &err);
    if (rc == RC_OK)
        rc = enrol_count_device(auth->enrol, &token, &err);
    if (rc == RC_OK)
        rc = auth_admin_add_device(auth->db, &device, &made, &err);
    sodium_memzero(&token, sizeof(token));
    if (rc) {
        say_failed(auth, msg->request, &err);
        return;
    }
    auth_scram_learn_new(auth, session.user, &made);
    log_device("device.added", session.user, made.device, device.name, &session.peer);
    tell_web(auth, &(struct msg){
                       .type = MSG_ENROL_CREATED,
                       .enrol_created = {.request = msg->request,
                                         .device = made.device,
                                         .user = session.user,
                                         .password = slice_from_str(made.password)}
    });
    admin_device_wipe(&made);
}

static void on_revoke(struct auth_role *auth, const struct msg_enrol_revoke *msg)
{
    struct enrol_session session;
    struct err err;

    if (!find_session(auth, msg->request, msg->token, &session))
        return;
    if (auth_db_revoke_device(auth->db, session.account, msg->device, &err) != RC_OK) {
        say_failed(auth, msg->request, &err);
        return;
    }
    auth_revoke(auth, REVOKE_DEVICE, session.account, msg->device, "device revoked");
    log_device("device.revoked", session.user, msg->device, SLICE(""), &session.peer);
    say_done(auth, msg->request, ENROL_OK, "");
}

static void on_confirm(struct auth_role *auth, const struct msg_enrol_confirm *msg)
{
    struct auth_confirming confirming = {
        .device = msg->device, .address = msg->address, .by_user = true};
    struct enrol_session session;
    struct err err;

    if (!find_session(auth, msg->request, msg->token, &session))
        return;
    confirming.account = session.account;
    confirming.user = session.user;
    if (auth_confirm(auth, &confirming, &err) == RC_OK)
        say_done(auth, msg->request, ENROL_OK, "");
    else
        say_failed(auth, msg->request, &err);
}

static void on_logout(struct auth_role *auth, const struct msg_enrol_logout *msg)
{
    struct enrol_token token;

    memcpy(token.bytes, msg->token, sizeof(token.bytes));
    enrol_close(auth->enrol, &token);
    sodium_memzero(&token, sizeof(token));
    say_done(auth, msg->request, ENROL_OK, "");
}

void auth_enrol_message(struct auth_role *auth, const struct msg *msg)
{
    if (msg->type == MSG_ENROL_LOGIN)
        on_login(auth, &msg->enrol_login);
    else if (msg->type == MSG_ENROL_LIST)
        on_list(auth, &msg->enrol_list);
    else if (msg->type == MSG_ENROL_CREATE)
        on_create(auth, &msg->enrol_create);
    else if (msg->type == MSG_ENROL_REVOKE)
        on_revoke(auth, &msg->enrol_revoke);
    else if (msg->type == MSG_ENROL_CONFIRM)
        on_confirm(auth, &msg->enrol_confirm);
    else if (msg->type == MSG_ENROL_LOGOUT)
        on_logout(auth, &msg->enrol_logout);
}

void auth_enrol_web_gone(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->enrolling)
    {
        struct enrol_try *try = LINK_OWNER(it, struct enrol_try, link);

        if (try->web)
            try_drop(try);
    }
}

void auth_enrol_done(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->enrolling)
    {
        struct enrol_try *try = LINK_OWNER(it, struct enrol_try, link);

        if (try->conn != NULL)
            (void) take_conn(try); /* closed with the control socket */
        try_free(try);
    }
    enrol_free(TAKE(auth->enrol));
}
