/*
 * auth_attempt.c - one login, from AUTH_START to AUTH_OK or AUTH_FAIL.
 *
 *   TALKING --claim--> [WAITING --timer-->] check --> granted: GRANT to mail, then AUTH_OK
 *      ^  |                                   |---> refused: [DELAYED --timer-->] AUTH_FAIL
 *      |  |                                   |---> ASKING --back-end--> the same again
 *      +--+ AUTH_CONTINUE, AUTH_DATA          '---> HASHING --pool--> granted or refused
 *
 * A proof (SCRAM) is checked twice: when it comes, and again when the client has taken ours,
 * for a device may have been revoked meanwhile. It is checked at once, for that is cheap; a
 * guessable password waits for its turn afterwards, in WAITING as well.
 *
 *   TALKING    the mechanism waits for the client
 *   WAITING    a guessable secret waits for its turn (throttle.h)
 *   ASKING     an issuer of tokens, a foreign back-end, or gss is asked
 *   TOLD       a token is refused, logged and counted; the client hears why, and its answer to
 *              that brings the refusal (RFC 7628 3.2.3)
 *   HASHING    the pool has the job; the attempt is in auth->hashing
 *   DELAYED    refused, logged and counted; only the answer is outstanding
 *   CANCELLED  nobody waits any more, but the pool still has the job; not in auth->attempts
 *
 * In all states but CANCELLED the attempt is in auth->attempts, under (gate instance, conn).
 */
#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "roles/auth_role.h"
#include "roles/moved.h"

enum attempt_state { TALKING, WAITING, ASKING, TOLD, HASHING, DELAYED, CANCELLED };

struct attempt {
    struct link link; /* in auth->hashing */
    struct auth_role *auth;
    struct auth_peer *gate;
    uint32_t instance; /* of the gate */
    uint64_t conn;
    enum attempt_state state;
    enum service service;
    struct ipaddr peer;
    bool known; /* a source that has been in before: auth_known.c */
    uint16_t tls_version;
    uint16_t client_len;
    char client[DEVICE_CLIENT_MAX_BYTES];
    struct sasl sasl;
    struct throttle_key key;
    struct arena *arena; /* what outcome points into */
    struct login_outcome outcome;
    struct auth_token token;
    struct auth_gssapi gssapi;
    int64_t told_delay_us; /* TOLD */
    int64_t claimed_us;    /* when the claim was looked at */
    struct auth_backend_ask ask;
    struct cert_identity certificate; /* SASL_EXTERNAL, or rules ask about it */
    struct buf chain;                 /* the same: what the client has shown */
    uint16_t again_sec;               /* SASL_BEARER: as in IDP_RESULT */
    struct scram_keys keys;           /* of the password that was proved by SCRAM */
    struct timer timer;
    enum auth_code answer; /* DELAYED */
    struct hash_job job;
    bool matched;      /* written by the job */
    struct buf better; /* the same: a new hash of the same password, or empty */
};

struct attempt_id {
    uint64_t instance, conn;
};

static struct attempt *find_attempt(const struct auth_peer *gate, uint64_t conn)
{
    struct attempt_id id = {gate->instance, conn};

    return map_get(gate->auth->attempts, MAP_KEY(id));
}

static void unlist(struct attempt *attempt)
{
    struct attempt_id id = {attempt->instance, attempt->conn};

    if (attempt->state != CANCELLED)
        (void) map_remove(attempt->auth->attempts, MAP_KEY(id));
}

static void attempt_free(struct attempt *attempt)
{
    unlist(attempt);
    list_remove(&attempt->link);
    timer_stop(attempt->auth->loop, &attempt->timer);
    auth_idp_forget(&attempt->token.ask);
    auth_gssapi_forget(&attempt->gssapi);
    auth_backend_forget(&attempt->ask);
    loop_cancel(attempt->auth->loop, &attempt->job.call);
    if (attempt->known)
        auth_known_leave(attempt->auth, &attempt->peer);
    arena_free(attempt->arena);
    buf_done(&attempt->better);
    buf_done(&attempt->chain);
    sasl_wipe(&attempt->sasl);
    sodium_memzero(attempt, sizeof(*attempt));
    free(attempt);
}

/* Nobody waits for it; what the pool has is freed when the pool is done with it. */
static void attempt_drop(struct attempt *attempt)
{
    if (attempt->state != HASHING) {
        attempt_free(attempt);
        return;
    }
    unlist(attempt);
    attempt->state = CANCELLED;
}

static void on_delayed(void *ctx)
{
    struct attempt *attempt = ctx;

    auth_outcome_fail(attempt->gate, attempt->conn, attempt->answer,
                      attempt->service == SERVICE_SUBMISSION
                          ? sasl_claim_user(&attempt->sasl.claim)
                          : (struct slice){0});
    attempt_free(attempt);
}

static struct login_place place_of(const struct attempt *attempt)
{
    return (struct login_place){
        .service = attempt->service, .peer = attempt->peer, .now = clock_wall_sec()};
}

/* Answer when its time has come. */
static void fail_later(struct attempt *attempt, int64_t delay_us)
{
    if (delay_us == 0) {
        on_delayed(attempt);
        return;
    }
    attempt->state = DELAYED;
    sasl_forget(&attempt->sasl);      /* the name goes with the answer */
    arena_free(TAKE(attempt->arena)); /* the outcome's reason is a value */
    timer_start(attempt->auth->loop, &attempt->timer, delay_us, on_delayed, attempt);
}

static void tell_why(struct attempt *attempt, int64_t delay_us)
{
    AUTO(buf_done) struct buf why = {.max = SASL_MESSAGE_MAX_BYTES};
    struct msg msg = {.type = MSG_AUTH_CONTINUE, .auth_continue = {.conn = attempt->conn}};
    struct err err;

    sasl_deny_token(&attempt->sasl, &why);
    msg.auth_continue.data = buf_slice(&why);
    attempt->state = TOLD;
    attempt->told_delay_us = delay_us;
    sasl_forget(&attempt->sasl);
    if (auth_post(attempt->gate, &msg, &err) == RC_OK)
        return;
    log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
    attempt_free(attempt);
}

/* Log it, count it, and answer. */
static void refuse(struct attempt *attempt)
{
    const struct login_place place = place_of(attempt);
    int64_t delay_us = 0;

    auth_outcome_log(&attempt->outcome, &attempt->sasl, attempt->service, &attempt->peer,
                     attempt->tls_version);
    attempt->answer = login_reason_code(attempt->outcome.reason);
    if (login_reason_is_guess(attempt->outcome.reason))
        delay_us = throttle_failed(attempt->auth->throttle, attempt->key, clock_mono_us());
    if (attempt->outcome.by == LOGIN_BY_TOKEN) {
        tell_why(attempt, delay_us);
        return;
    }
    if (login_reason_is_guess(attempt->outcome.reason))
        delay_us =
            MAX(delay_us, auth_backend_slot_us(attempt->auth, &place, attempt->claimed_us));
    fail_later(attempt, delay_us);
}

static void refuse_for(struct attempt *attempt, enum login_reason reason)
{
    attempt->outcome.verdict = LOGIN_REFUSED;
    attempt->outcome.reason = reason;
    refuse(attempt);
}

static bool is_scram(const struct attempt *attempt)
{
    return (sasl_flags(&attempt->sasl) & SASL_SCRAM) != 0;
}

static bool is_external(const struct attempt *attempt)
{
    return (sasl_flags(&attempt->sasl) & SASL_EXTERNAL) != 0;
}

/* What the throttle knows a secret by that was right. SCRAM does not show it: the key that only
 * the right one leads to stands for it. */
static struct slice proved_secret(const struct attempt *attempt)
{
    if (is_scram(attempt))
        return slice_of((const char *) attempt->keys.stored, sizeof(attempt->keys.stored));
    return auth_secret_slice(&attempt->sasl.claim.secret);
}

/* The right secret was given, wherever the mail is. */
static void note_success(struct attempt *attempt)
{
    const struct login_outcome *outcome = &attempt->outcome;
    bool by_secret = outcome->by != LOGIN_BY_TOKEN && outcome->by != LOGIN_BY_TICKET &&
                     !is_external(attempt);

    auth_outcome_log(&attempt->outcome, &attempt->sasl, attempt->service, &attempt->peer,
                     attempt->tls_version);
    auth_known_proved(attempt->auth, &attempt->peer);
    if (by_secret && outcome->by != LOGIN_BY_DEVICE)
        throttle_succeeded(attempt->auth->throttle, attempt->key, proved_secret(attempt),
                           clock_mono_us());
    if (by_secret && !is_scram(attempt))
        auth_scram_learn(attempt->auth, outcome,
                         auth_secret_slice(&attempt->sasl.claim.secret));
    if (outcome->by != LOGIN_BY_PASSWD_FILE && outcome->by != LOGIN_BY_TOKEN &&
        outcome->by != LOGIN_BY_TICKET && outcome->by != LOGIN_BY_CERTIFICATE)
        auth_note_use(attempt->auth, outcome->account, outcome->device.id, &attempt->peer,
                      slice_of(attempt->client, attempt->client_len));
}

/* RFC 2221 4.1 and 6: only who has proved to be the user hears where the mail is. */
static void refer(struct attempt *attempt, const struct elsewhere *moved)
{
    note_success(attempt);
    auth_outcome_refer(attempt->gate, attempt->conn, attempt->outcome.user, moved->server);
    attempt_free(attempt);
}

/* To a mail server: it keeps no session here, so mail hears nothing. */
static void admit(struct attempt *attempt)
{
    const struct login_outcome *outcome = &attempt->outcome;
    struct msg msg = {
        .type = MSG_AUTH_OK,
        .auth_ok = {.conn = attempt->conn, .account = outcome->account, .user = outcome->user}
    };
    struct err err;

    if (auth_post(attempt->gate, &msg, &err) != RC_OK) {
        log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
        attempt_free(attempt);
        return;
    }
    note_success(attempt);
    attempt_free(attempt);
}

/* Somebody else may void the credential while the session lives: 0 if nobody says so. */
static enum rc watch(struct attempt *attempt, uint64_t *out, struct err *err)
{
    struct auth_watched what = {.account = attempt->outcome.account,
                                .user = attempt->outcome.user};

    if (is_external(attempt)) {
        what.credential = buf_slice(&attempt->chain);
        return auth_watch_certificate(attempt->auth, &what, out, err);
    }
    if (attempt->again_sec == 0)
        return RC_OK;
    what.credential = sasl_claim_token(&attempt->sasl.claim);
    return auth_watch_token(attempt->auth, &what, attempt->token.at, attempt->again_sec, out,
                            err);
}

static struct auth_subject subject_of(const struct attempt *attempt)
{
    const struct login_outcome *outcome = &attempt->outcome;
    struct auth_subject subject = {
        .account = outcome->account,
        .device = outcome->device.id,
        .user = outcome->user,
        .device_name = outcome->device.name,
        .mechanism = slice_from_str(sasl_name(&attempt->sasl)),
        .by = outcome->by,
        .service = attempt->service,
        .peer = attempt->peer,
        .has_certificate =
            auth_certificate_names(attempt->auth, &attempt->certificate, outcome->account),
        .now = clock_wall_sec(),
    };

    memcpy(subject.certificate, attempt->certificate.fingerprint, sizeof(subject.certificate));
    subject.certificate_expires = attempt->certificate.expires;
    return subject;
}

/*
 * Mail hears of the grant before the gate hears of the nonce. Mail that is not there, or a
 * queue that is full, is a refusal, never a session without rights.
 */
static void grant(struct attempt *attempt)
{
    const struct login_outcome *outcome = &attempt->outcome;
    struct msg msg = {
        .type = MSG_AUTH_OK, .auth_ok = {.conn = attempt->conn, .account = outcome->account}
    };
    const struct auth_subject subject = subject_of(attempt);
    struct msg_grant begun = {.gate = attempt->instance, .conn = attempt->conn};
    struct policy_verdict verdict;
    enum login_reason reason = auth_policy_judge(attempt->auth, &subject, &verdict);
    struct elsewhere moved;
    struct err err;

    if (reason != LOGIN_REASON_NONE) {
        refuse_for(attempt, reason);
        return;
    }
    if (attempt->service == SERVICE_SUBMISSION) {
        admit(attempt);
        return;
    }
    if (moved_user_find(attempt->auth->start->config, outcome->user, &moved) && !moved.guest) {
        refer(attempt, &moved);
        return;
    }
    if (watch(attempt, &begun.watch, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.no_grant", LOG_ERR(&err));
        refuse_for(attempt, LOGIN_REASON_BUSY);
        return;
    }
    random_bytes(msg.auth_ok.nonce, sizeof(msg.auth_ok.nonce));
    memcpy(begun.nonce, msg.auth_ok.nonce, MSG_NONCE_BYTES);
    if (auth_outcome_grant(attempt->auth, &begun, outcome, &subject, &verdict, &err) != RC_OK ||
        auth_post(attempt->gate, &msg, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.no_grant", LOG_ERR(&err));
        refuse_for(attempt, LOGIN_REASON_INTERNAL);
        return;
    }
    note_success(attempt);
    attempt_free(attempt);
}

/* On a thread of the pool: reads the claim and the outcome, which nobody changes meanwhile. */
static void run_job(struct hash_job *job)
{
    struct attempt *attempt = LINK_OWNER(job, struct attempt, job);
    struct slice secret = auth_secret_slice(&attempt->sasl.claim.secret);
    struct password_hash hash;

    if (password_hash_parse(attempt->outcome.hash, &hash, NULL) != RC_OK)
        return;
    attempt->matched = password_matches(&hash, secret);
    if (attempt->matched && attempt->outcome.rehash &&
        password_hash_make(secret, &attempt->better, NULL) != RC_OK)
        buf_reset(&attempt->better); /* no memory for it now: the next login tries again */
}

static void store_better_hash(struct attempt *attempt)
{
    struct err err;

    if (attempt->better.len > 0 && auth_db_rehash(attempt->auth->db, attempt->outcome.account,
                                                  buf_slice(&attempt->better), &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.rehash_failed", LOG_ERR(&err));
}

static void job_done(struct hash_job *job)
{
    struct attempt *attempt = LINK_OWNER(job, struct attempt, job);
    struct err err;

    list_remove(&attempt->link);
    if (attempt->state == CANCELLED) {
        attempt_free(attempt);
        return;
    }
    attempt->state = TALKING;
    login_after_hash(attempt->auth->realm, attempt->matched, attempt->arena, &attempt->outcome,
                     &err);
    if (attempt->outcome.reason == LOGIN_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    if (attempt->outcome.verdict == LOGIN_GRANTED) {
        store_better_hash(attempt);
        grant(attempt);
    } else {
        refuse(attempt);
    }
}

static void start_hash(struct attempt *attempt)
{
    buf_init(&attempt->better, PASSWORD_HASH_MAX_BYTES);
    attempt->job.run = run_job;
    attempt->job.done = job_done;
    attempt->job.known = attempt->known;
    if (hash_pool_submit(attempt->auth->pool, &attempt->job, NULL) != RC_OK) {
        refuse_for(attempt, LOGIN_REASON_BUSY);
        return;
    }
    attempt->state = HASHING;
    list_push_back(&attempt->auth->hashing, &attempt->link);
}

static void say(struct attempt *attempt, const struct buf *challenge)
{
    struct msg msg = {
        .type = MSG_AUTH_CONTINUE,
        .auth_continue = {.conn = attempt->conn, .data = buf_slice(challenge)}
    };
    struct err err;

    attempt->state = TALKING;
    if (auth_post(attempt->gate, &msg, &err) != RC_OK) {
        log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
        attempt_free(attempt);
    }
}

/* The proof was right, and has had its turn: ours is told, or the client has taken it. */
static void on_proved(void *ctx)
{
    struct attempt *attempt = ctx;
    AUTO(buf_done) struct buf challenge = {.max = SASL_MESSAGE_MAX_BYTES};

    if (!sasl_is_unconfirmed(&attempt->sasl)) {
        grant(attempt);
        return;
    }
    sasl_confirm(&attempt->sasl, &attempt->keys, &challenge);
    say(attempt, &challenge);
}

/* Right or wrong: an app password cannot be guessed, any other waits as long as a wrong one. */
static void check_proof(struct attempt *attempt)
{
    const struct login_place place = place_of(attempt);
    struct login_outcome *outcome = &attempt->outcome;
    int64_t delay_us = 0;
    struct err err;

    login_check_scram(attempt->auth->realm, &attempt->sasl, &place, attempt->arena, outcome,
                      &attempt->keys, &err);
    if (outcome->reason == LOGIN_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    if (outcome->verdict != LOGIN_GRANTED) {
        refuse(attempt);
        return;
    }
    if (outcome->by != LOGIN_BY_DEVICE && sasl_is_unconfirmed(&attempt->sasl))
        delay_us = throttle_delay_check(attempt->auth->throttle, attempt->key,
                                        proved_secret(attempt), clock_mono_us());
    if (delay_us == 0) {
        on_proved(attempt);
        return;
    }
    attempt->state = WAITING;
    timer_start(attempt->auth->loop, &attempt->timer, delay_us, on_proved, attempt);
}

/* Whoever the client says it is hears of a salt, so that the answer tells nothing. */
static void send_salt(struct attempt *attempt)
{
    AUTO(buf_done) struct buf challenge = {.max = SASL_MESSAGE_MAX_BYTES};
    AUTO(arena_freep) struct arena *arena = arena_new(LOGIN_ARENA_BYTES);
    struct scram_salt salt;
    struct err err;

    if (login_scram_salt(attempt->auth->realm, &attempt->sasl.claim, arena, &salt, &err) !=
        RC_OK) {
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
        refuse_for(attempt, LOGIN_REASON_INTERNAL);
        return;
    }
    sasl_salted(&attempt->sasl, &salt, &challenge);
    say(attempt, &challenge);
}

static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer);

/* Wherever the check has come to. */
static void go_on(struct attempt *attempt, const struct login_place *place,
                  const struct err *err)
{
    switch (attempt->outcome.verdict) {
    case LOGIN_GRANTED:
        grant(attempt);
        break;
    case LOGIN_HASH:
        start_hash(attempt);
        break;
    case LOGIN_ASK:
        attempt->state = ASKING;
        auth_backend_ask(attempt->auth, &attempt->ask, attempt->outcome.backend,
                         &attempt->sasl.claim, place, on_backend);
        break;
    case LOGIN_REFUSED:
        if (attempt->outcome.reason == LOGIN_REASON_INTERNAL)
            log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(err));
        refuse(attempt);
        break;
    }
}

/* An auth_backend_fn. */
static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer)
{
    struct attempt *attempt = LINK_OWNER(ask, struct attempt, ask);
    const struct login_place place = place_of(attempt);
    struct err err;

    attempt->state = TALKING;
    login_after_answer(attempt->auth->realm, &attempt->sasl.claim, &place, answer,
                       attempt->arena, &attempt->outcome, &err);
    if (attempt->outcome.groups_changed)
        auth_groups_changed(attempt->auth, attempt->outcome.account);
    go_on(attempt, &place, &err);
}

static void check_claim(void *ctx)
{
    struct attempt *attempt = ctx;
    const struct login_place place = place_of(attempt);
    struct err err;

    login_check(attempt->auth->realm, &attempt->sasl.claim, &place, attempt->arena,
                &attempt->outcome, &err);
    go_on(attempt, &place, &err);
}

/* It was believed when the exchange began; now it decides, with whom the client wants to be. */
static void check_certificate(struct attempt *attempt)
{
    const struct login_place place = place_of(attempt);
    struct err err;

    login_check_certificate(attempt->auth->realm, &attempt->sasl.claim, &attempt->certificate,
                            attempt->auth->start->config->client_cert_any, &place,
                            attempt->arena, &attempt->outcome, &err);
    go_on(attempt, &place, &err);
}

/* An auth_token_fn. */
static void on_token(struct auth_token *token, const struct msg_idp_result *result)
{
    struct attempt *attempt = LINK_OWNER(token, struct attempt, token);
    const struct login_place place = place_of(attempt);
    struct err err;

    attempt->state = TALKING;
    if (result->code == IDP_UNAVAILABLE) {
        refuse_for(attempt, LOGIN_REASON_BACKEND);
        return;
    }
    attempt->outcome.by = LOGIN_BY_TOKEN;
    if (result->code != IDP_OK) {
        refuse_for(attempt, result->code == IDP_EXPIRED ? LOGIN_REASON_TOKEN_EXPIRED
                                                        : LOGIN_REASON_TOKEN);
        return;
    }
    attempt->again_sec = result->again_sec;
    login_check_token(attempt->auth->realm, &attempt->sasl.claim, LOGIN_BY_TOKEN, result->user,
                      (int64_t) MIN(result->expires, (uint64_t) INT64_MAX), attempt->arena,
                      &attempt->outcome, &err);
    auth_token_groups(attempt->auth, result, &attempt->outcome);
    go_on(attempt, &place, &err);
}

/* An auth_gssapi_fn. Once it is over: the client may want to be nobody but whose ticket it is.
 */
static void on_gssapi(struct auth_gssapi *exchange, const struct msg_gss_result *result)
{
    struct attempt *attempt = LINK_OWNER(exchange, struct attempt, gssapi);
    AUTO(buf_done) struct buf text = {.max = SASL_MESSAGE_MAX_BYTES};
    const struct login_place place = place_of(attempt);
    enum login_reason reason;
    struct err err;

    attempt->state = TALKING;
    if (result->code == GSS_CODE_MORE) {
        buf_append(&text, result->data);
        say(attempt, &text);
        return;
    }
    attempt->outcome.by = LOGIN_BY_TICKET;
    reason = auth_gssapi_judge(attempt->auth, result, &attempt->peer, &text);
    if (reason != LOGIN_REASON_NONE) {
        refuse_for(attempt, reason);
        return;
    }
    sasl_claim_as(&attempt->sasl, result->authzid);
    login_check_token(attempt->auth->realm, &attempt->sasl.claim, LOGIN_BY_TICKET,
                      buf_slice(&text), (int64_t) MIN(result->expires, (uint64_t) INT64_MAX),
                      attempt->arena, &attempt->outcome, &err);
    sasl_claim_as(&attempt->sasl, buf_slice(&text));
    attempt->key = throttle_key(attempt->auth->throttle, &attempt->peer, buf_slice(&text));
    go_on(attempt, &place, &err);
}

static void on_claim(struct attempt *attempt)
{
    struct slice secret = auth_secret_slice(&attempt->sasl.claim.secret);
    int64_t delay_us = 0;

    arena_free(attempt->arena);
    attempt->arena = arena_new(LOGIN_ARENA_BYTES);
    attempt->key = throttle_key(attempt->auth->throttle, &attempt->peer,
                                sasl_claim_user(&attempt->sasl.claim));
    attempt->claimed_us = clock_mono_us();
    if (is_scram(attempt)) {
        check_proof(attempt);
        return;
    }
    if ((sasl_flags(&attempt->sasl) & SASL_BEARER) != 0) {
        attempt->state = ASKING;
        auth_token_ask(attempt->auth, &attempt->token, &attempt->sasl.claim, attempt->service,
                       &attempt->peer, on_token);
        return;
    }
    if ((sasl_flags(&attempt->sasl) & SASL_GSSAPI) != 0) {
        attempt->state = ASKING;
        auth_gssapi_ask(attempt->auth, &attempt->gssapi, sasl_claim_token(&attempt->sasl.claim),
                        on_gssapi);
        return;
    }
    if (is_external(attempt)) {
        check_certificate(attempt);
        return;
    }
    if (!login_secret_is_random(secret))
        delay_us = throttle_delay_check(attempt->auth->throttle, attempt->key, secret,
                                        clock_mono_us());
    if (delay_us == 0) {
        check_claim(attempt);
        return;
    }
    attempt->state = WAITING;
    timer_start(attempt->auth->loop, &attempt->timer, delay_us, check_claim, attempt);
}

/* What a step of the mechanism came to. */
static void after_step(struct attempt *attempt, enum rc rc, const struct buf *challenge)
{
    if (rc == RC_OK)
        on_claim(attempt);
    else if (rc != RC_MORE)
        refuse_for(attempt, rc == RC_DENIED ? LOGIN_REASON_CHANNEL : LOGIN_REASON_MALFORMED);
    else if (sasl_wants_salt(&attempt->sasl))
        send_salt(attempt);
    else
        say(attempt, challenge);
}

static struct attempt *attempt_new(struct auth_peer *gate, const struct msg_auth_start *msg,
                                   bool known)
{
    struct attempt *attempt = xcalloc(1, sizeof(*attempt));
    struct slice client = utf8_cut(msg->client_id, sizeof(attempt->client));
    struct attempt_id id = {gate->instance, msg->conn};

    attempt->auth = gate->auth;
    attempt->gate = gate;
    attempt->instance = gate->instance;
    attempt->conn = msg->conn;
    attempt->service = (enum service) msg->service;
    attempt->peer = msg->peer;
    attempt->known = known;
    attempt->tls_version = msg->tls_version;
    if (client.len > 0 && utf8_is_valid(client)) {
        memcpy(attempt->client, client.ptr, client.len);
        attempt->client_len = (uint16_t) client.len;
    }
    (void) map_put(gate->auth->attempts, MAP_KEY(id), attempt);
    return attempt;
}

/* Whom the client's certificate names; false: it was refused. */
static bool take_certificate(struct attempt *attempt, struct slice chain)
{
    struct err err;

    if (auth_certificate_check(attempt->auth, chain, &attempt->certificate, &err) != RC_OK) {
        log_event(LEVEL_INFO, "certificate.why", LOG_ERR(&err));
        refuse_for(attempt, LOGIN_REASON_CERTIFICATE);
        return false;
    }
    attempt->chain = (struct buf){.max = MSG_CERT_MAX};
    buf_append(&attempt->chain, chain);
    sasl_claim_as(&attempt->sasl,
                  slice_of(attempt->certificate.user, attempt->certificate.user_len));
    return true;
}

/* Beside another credential it counts for rules alone; one that is not believed is none. */
static void look_at_certificate(struct attempt *attempt, struct slice chain)
{
    if (chain.len > 0 && auth_policy_asks(attempt->auth, POLICY_CERTIFICATE) &&
        auth_certificate_check(attempt->auth, chain, &attempt->certificate, NULL) != RC_OK)
        attempt->certificate.user_len = 0;
}

void auth_attempt_start(struct auth_peer *gate, const struct msg_auth_start *msg)
{
    AUTO(buf_done) struct buf challenge = {.max = SASL_MESSAGE_MAX_BYTES};
    struct attempt *attempt;
    bool known;
    enum rc rc;

    if (find_attempt(gate, msg->conn) != NULL)
        return; /* a gate that repeats itself: the first one stands */
    known = auth_known_enter(gate->auth, &msg->peer);
    if (map_count(gate->auth->attempts) >= ATTEMPTS_MAX - (known ? 0 : ATTEMPTS_KNOWN)) {
        if (known)
            auth_known_leave(gate->auth, &msg->peer);
        auth_outcome_fail(gate, msg->conn, AUTH_CODE_LIMIT, (struct slice){0});
        return;
    }
    attempt = attempt_new(gate, msg, known);
    if (sasl_init(&attempt->sasl, msg->mechanism, NULL) != RC_OK ||
        !auth_offers(attempt->auth, attempt->service, sasl_flags(&attempt->sasl))) {
        refuse_for(attempt, LOGIN_REASON_MECHANISM);
        return;
    }
    if (!auth_is_private(attempt->auth, msg, sasl_flags(&attempt->sasl))) {
        refuse_for(attempt, LOGIN_REASON_NO_TLS);
        return;
    }
    if (is_external(attempt) && !take_certificate(attempt, msg->client_chain))
        return;
    if (!is_external(attempt))
        look_at_certificate(attempt, msg->client_chain);
    if (msg->has_exporter != 0)
        sasl_bind(&attempt->sasl, msg->exporter);
    sasl_reached_as(&attempt->sasl, msg->sni);
    rc = sasl_start(&attempt->sasl, msg->has_initial != 0 ? &msg->initial : NULL, &challenge,
                    NULL);
    after_step(attempt, rc, &challenge);
}

void auth_attempt_data(struct auth_peer *gate, const struct msg_auth_data *msg)
{
    struct attempt *attempt = find_attempt(gate, msg->conn);
    AUTO(buf_done) struct buf challenge = {.max = SASL_MESSAGE_MAX_BYTES};
    enum rc rc;

    if (attempt != NULL && attempt->state == TOLD) {
        fail_later(attempt, attempt->told_delay_us);
        return;
    }
    if (attempt == NULL || attempt->state != TALKING)
        return; /* it crossed our answer */
    rc = sasl_step(&attempt->sasl, msg->data, &challenge, NULL);
    after_step(attempt, rc, &challenge);
}

void auth_attempt_cancel(struct auth_peer *gate, uint64_t conn)
{
    struct attempt *attempt = find_attempt(gate, conn);

    if (attempt != NULL)
        attempt_drop(attempt);
}

/* The attempts of one gate, or all; collected first, since dropping changes the map. */
static void drop_all(struct auth_role *auth, bool every, uint32_t instance)
{
    size_t n = map_count(auth->attempts), n_found = 0, at = 0;
    struct attempt **found = xcalloc(n + 1, sizeof(struct attempt *));
    struct slice key;
    void *value;

    while (map_next(auth->attempts, &at, &key, &value)) {
        struct attempt *attempt = value;

        if (every || attempt->instance == instance)
            found[n_found++] = attempt;
    }
    for (size_t i = 0; i < n_found; i++)
        attempt_drop(found[i]);
    free(found);
}

void auth_attempts_forget(struct auth_role *auth, uint32_t gate_instance)
{
    drop_all(auth, false, gate_instance);
}

void auth_attempts_done(struct auth_role *auth)
{
    struct link *first;

    drop_all(auth, true, 0);
    while ((first = list_pop_front(&auth->hashing)) != NULL)
        attempt_free(LINK_OWNER(first, struct attempt, link));
    map_free(auth->attempts);
    auth->attempts = NULL;
}
