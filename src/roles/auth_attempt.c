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
 *   WAITING    a guessable secret waits for its turn (throttle.h), or a salt (auth_slot.c)
 *   ASKING     an issuer of tokens, a foreign back-end, or gss is asked
 *   TOLD       a token is refused, logged and counted; the client hears why, and its answer to
 *              that brings the refusal (RFC 7628 3.2.3)
 *   HASHING    the pool has the job; the attempt is in auth->hashing
 *   DELAYED    refused, logged and counted; only the answer is outstanding
 *   CANCELLED  nobody waits any more, but the pool still has the job; a wrong secret is logged
 *              and counted all the same. Not in auth->attempts
 *
 * In all states but CANCELLED the attempt is in auth->attempts, under (gate instance, conn).
 */
#include "roles/auth_attempt.h"

#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"

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

void attempt_free(struct attempt *attempt)
{
    unlist(attempt);
    list_remove(&attempt->link);
    timer_stop(attempt->auth->loop, &attempt->timer);
    auth_slot_forget(&attempt->slot);
    auth_idp_forget(&attempt->token.ask);
    auth_gssapi_forget(&attempt->gssapi);
    auth_backend_forget(&attempt->ask);
    loop_cancel(attempt->auth->loop, &attempt->job.call);
    if (attempt->known)
        auth_known_leave(attempt->auth, &attempt->peer);
    arena_free(attempt->arena);
    buf_done(&attempt->better);
    buf_done(&attempt->chain);
    buf_done(&attempt->salted);
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

/* Who leaves while the pool works has guessed all the same; a right password lets nobody in. */
static void end_cancelled(struct attempt *attempt)
{
    if (attempt->outcome.verdict == LOGIN_REFUSED)
        (void) attempt_count_refusal(attempt);
    attempt_free(attempt);
}

static void start_hash(struct attempt *attempt);

static void job_done(struct hash_job *job)
{
    struct attempt *attempt = LINK_OWNER(job, struct attempt, job);
    struct err err;

    list_remove(&attempt->link);
    login_after_hash(attempt->auth->realm, attempt->matched, attempt->arena, &attempt->outcome,
                     &err);
    if (attempt->outcome.reason == LOGIN_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    if (attempt->state == CANCELLED) {
        end_cancelled(attempt);
        return;
    }
    attempt->state = TALKING;
    if (attempt->outcome.verdict == LOGIN_GRANTED) {
        store_better_hash(attempt);
        attempt_grant(attempt);
    } else if (attempt->outcome.verdict == LOGIN_HASH) {
        start_hash(attempt);
    } else {
        attempt_refuse(attempt);
    }
}

static void start_hash(struct attempt *attempt)
{
    buf_done(&attempt->better);
    buf_init(&attempt->better, PASSWORD_HASH_MAX_BYTES);
    attempt->matched = false;
    attempt->job.run = run_job;
    attempt->job.done = job_done;
    attempt->job.known = attempt->known;
    if (hash_pool_submit(attempt->auth->pool, &attempt->job, NULL) != RC_OK) {
        attempt_refuse_for(attempt, LOGIN_REASON_BUSY);
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
        attempt_grant(attempt);
        return;
    }
    sasl_confirm(&attempt->sasl, &attempt->keys, &challenge);
    say(attempt, &challenge);
}

/* Once whatever is guessable has its turn: calls then(attempt), or refuses unchecked. */
static void take_turn(struct attempt *attempt, struct slice secret, loop_call_fn *then)
{
    int64_t delay_us =
        throttle_turn(attempt->auth->throttle, attempt->key, secret, clock_mono_us());

    if (delay_us == THROTTLE_NO_TURN) {
        attempt_refuse_for(attempt, LOGIN_REASON_THROTTLED);
    } else if (delay_us == 0) {
        then(attempt);
    } else {
        attempt->state = WAITING;
        timer_start(attempt->auth->loop, &attempt->timer, delay_us, then, attempt);
    }
}

static void on_wrong_proof(void *ctx)
{
    attempt_refuse(ctx);
}

/* Right or wrong: an app password cannot be guessed, any other waits as long as a wrong one. */
static void check_proof(struct attempt *attempt)
{
    const struct login_place place = attempt_place(attempt);
    struct login_outcome *outcome = &attempt->outcome;
    struct err err;

    login_check_scram(attempt->auth->realm, &attempt->sasl, &place, attempt->arena, outcome,
                      &attempt->keys, &err);
    if (outcome->reason == LOGIN_REASON_INTERNAL)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    if (outcome->verdict != LOGIN_GRANTED && login_reason_is_guess(outcome->reason))
        take_turn(attempt, SLICE(""), on_wrong_proof);
    else if (outcome->verdict != LOGIN_GRANTED)
        attempt_refuse(attempt);
    else if (outcome->by != LOGIN_BY_DEVICE && sasl_is_unconfirmed(&attempt->sasl))
        take_turn(attempt, attempt_secret(attempt), on_proved);
    else
        on_proved(attempt);
}

static void say_salt(void *ctx)
{
    struct attempt *attempt = ctx;
    AUTO(buf_done) struct buf challenge = attempt->salted;

    attempt->salted = (struct buf){0};
    say(attempt, &challenge);
}

/* Whoever the client says it is hears of a salt, at the same moment: it tells nothing. */
static void send_salt(struct attempt *attempt)
{
    struct scram_salt salt;

    attempt->claimed_us = clock_mono_us();
    login_scram_salt(attempt->auth->realm, &attempt->sasl.claim, &salt);
    buf_init(&attempt->salted, SASL_MESSAGE_MAX_BYTES);
    sasl_salted(&attempt->sasl, &salt, &attempt->salted);
    attempt->state = WAITING;
    auth_slot_wait(attempt->auth, &attempt->slot, attempt->claimed_us, say_salt, attempt);
}

static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer);

/* Wherever the check has come to. */
static void go_on(struct attempt *attempt, const struct login_place *place,
                  const struct err *err)
{
    switch (attempt->outcome.verdict) {
    case LOGIN_GRANTED:
        attempt_grant(attempt);
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
        attempt_refuse(attempt);
        break;
    }
}

/* An auth_backend_fn. */
static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *answer)
{
    struct attempt *attempt = LINK_OWNER(ask, struct attempt, ask);
    const struct login_place place = attempt_place(attempt);
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
    const struct login_place place = attempt_place(attempt);
    struct err err;

    login_check(attempt->auth->realm, &attempt->sasl.claim, &place, attempt->arena,
                &attempt->outcome, &err);
    go_on(attempt, &place, &err);
}

/* It was believed when the exchange began; now it decides, with whom the client wants to be. */
static void check_certificate(struct attempt *attempt)
{
    const struct login_place place = attempt_place(attempt);
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
    const struct login_place place = attempt_place(attempt);
    struct err err;

    attempt->state = TALKING;
    if (result->code == IDP_UNAVAILABLE) {
        attempt_refuse_for(attempt, LOGIN_REASON_BACKEND);
        return;
    }
    attempt->outcome.by = LOGIN_BY_TOKEN;
    if (result->code != IDP_OK) {
        attempt_refuse_for(attempt, result->code == IDP_EXPIRED ? LOGIN_REASON_TOKEN_EXPIRED
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
    const struct login_place place = attempt_place(attempt);
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
        attempt_refuse_for(attempt, reason);
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

    arena_free(attempt->arena);
    attempt->arena = arena_new(LOGIN_ARENA_BYTES);
    attempt->key = throttle_key(
        attempt->auth->throttle, &attempt->peer,
        realm_guessed(attempt->auth->realm, sasl_claim_user(&attempt->sasl.claim)));
    attempt->claimed_us = clock_mono_us();
    if (attempt_is_scram(attempt)) {
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
    if (attempt_is_external(attempt)) {
        check_certificate(attempt);
        return;
    }
    if (login_secret_is_random(secret))
        check_claim(attempt);
    else
        take_turn(attempt, secret, check_claim);
}

/* What a step of the mechanism came to. */
static void after_step(struct attempt *attempt, enum rc rc, const struct buf *challenge)
{
    if (rc == RC_OK)
        on_claim(attempt);
    else if (rc != RC_MORE)
        attempt_refuse_for(attempt,
                           rc == RC_DENIED ? LOGIN_REASON_CHANNEL : LOGIN_REASON_MALFORMED);
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

/* A session that it let in is looked after by it (auth_watch.c). */
static void keep_chain(struct attempt *attempt, struct slice chain)
{
    attempt->chain = (struct buf){.max = MSG_CERT_MAX};
    buf_append(&attempt->chain, chain);
}

/* Whom the client's certificate names; false: it was refused. */
static bool take_certificate(struct attempt *attempt, struct slice chain)
{
    struct err err;

    if (auth_certificate_check(attempt->auth, chain, &attempt->certificate, &err) != RC_OK) {
        log_event(LEVEL_INFO, "certificate.why", LOG_ERR(&err));
        attempt_refuse_for(attempt, LOGIN_REASON_CERTIFICATE);
        return false;
    }
    keep_chain(attempt, chain);
    sasl_claim_as(&attempt->sasl,
                  slice_of(attempt->certificate.user, attempt->certificate.user_len));
    return true;
}

/* Beside another credential it counts for rules alone; one that is not believed is none. */
static void look_at_certificate(struct attempt *attempt, struct slice chain)
{
    if (chain.len == 0 || !auth_policy_asks(attempt->auth, POLICY_CERTIFICATE))
        return;
    if (auth_certificate_check(attempt->auth, chain, &attempt->certificate, NULL) == RC_OK)
        keep_chain(attempt, chain);
    else
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
        attempt_refuse_for(attempt, LOGIN_REASON_MECHANISM);
        return;
    }
    if (!auth_is_private(attempt->auth, msg, sasl_flags(&attempt->sasl))) {
        attempt_refuse_for(attempt, LOGIN_REASON_NO_TLS);
        return;
    }
    if (attempt_is_external(attempt) && !take_certificate(attempt, msg->client_chain))
        return;
    if (!attempt_is_external(attempt))
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
        attempt_fail_later(attempt, attempt->told_delay_us);
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
