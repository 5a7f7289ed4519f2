/* auth_attempt_end.c - how a login ends: who is let in, who is refused, and who hears of it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "roles/auth_attempt.h"
#include "roles/moved.h"

static void log_outcome(const struct attempt *attempt)
{
    auth_outcome_log(&attempt->outcome, &attempt->sasl, attempt->service, &attempt->peer,
                     attempt->tls_version);
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

struct login_place attempt_place(const struct attempt *attempt)
{
    return (struct login_place){
        .service = attempt->service, .peer = attempt->peer, .now = clock_wall_sec()};
}

/* Anything but a wrong name or secret was found out about who has proved to be there. */
static void on_turn(void *ctx)
{
    struct attempt *attempt = ctx;

    if (login_reason_is_guess(attempt->outcome.reason))
        auth_slot_wait(attempt->auth, &attempt->slot, attempt->claimed_us, on_delayed, attempt);
    else
        on_delayed(attempt);
}

void attempt_fail_later(struct attempt *attempt, int64_t delay_us)
{
    attempt->state = DELAYED;
    sasl_forget(&attempt->sasl);      /* the name goes with the answer */
    arena_free(TAKE(attempt->arena)); /* the outcome's reason is a value */
    timer_start(attempt->auth->loop, &attempt->timer, delay_us, on_turn, attempt);
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

int64_t attempt_count_refusal(const struct attempt *attempt)
{
    log_outcome(attempt);
    if (attempt->outcome.reason == LOGIN_REASON_THROTTLED)
        return THROTTLE_MAX_US;
    if (!login_reason_is_guess(attempt->outcome.reason))
        return 0;
    return throttle_failed(attempt->auth->throttle, attempt->key, clock_mono_us());
}

void attempt_refuse(struct attempt *attempt)
{
    const struct login_place place = attempt_place(attempt);
    int64_t delay_us = attempt_count_refusal(attempt);

    attempt->answer = login_reason_code(attempt->outcome.reason);
    if (attempt->outcome.by == LOGIN_BY_TOKEN) {
        tell_why(attempt, delay_us);
        return;
    }
    if (login_reason_is_guess(attempt->outcome.reason))
        delay_us =
            MAX(delay_us, auth_backend_slot_us(attempt->auth, &place, attempt->claimed_us));
    attempt_fail_later(attempt, delay_us);
}

void attempt_refuse_for(struct attempt *attempt, enum login_reason reason)
{
    attempt->outcome.verdict = LOGIN_REFUSED;
    attempt->outcome.reason = reason;
    attempt_refuse(attempt);
}

struct slice attempt_secret(const struct attempt *attempt)
{
    if (attempt_is_scram(attempt))
        return slice_of((const char *) attempt->keys.stored, sizeof(attempt->keys.stored));
    return auth_secret_slice(&attempt->sasl.claim.secret);
}

/* The right secret was given, wherever the mail is. */
static void note_success(struct attempt *attempt)
{
    const struct login_outcome *outcome = &attempt->outcome;
    bool by_secret = outcome->by != LOGIN_BY_TOKEN && outcome->by != LOGIN_BY_TICKET &&
                     !attempt_is_external(attempt);

    log_outcome(attempt);
    auth_known_proved(attempt->auth, &attempt->peer);
    if (by_secret && outcome->by != LOGIN_BY_DEVICE)
        throttle_succeeded(attempt->auth->throttle, attempt->key, attempt_secret(attempt),
                           clock_mono_us());
    if (by_secret && !attempt_is_scram(attempt))
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

/* Somebody else may void a credential while the session lives, or the certificate that rules
 * counted beside it: 0 if nobody says so. */
static enum rc watch(struct attempt *attempt, const struct auth_subject *subject, uint64_t *out,
                     struct err *err)
{
    struct auth_watched what = {.account = attempt->outcome.account,
                                .user = attempt->outcome.user};

    if (attempt->again_sec != 0) {
        what.token = sasl_claim_token(&attempt->sasl.claim);
        what.provider = attempt->token.at;
        what.again_sec = attempt->again_sec;
    }
    if (attempt_is_external(attempt) || subject->has_certificate)
        what.chain = buf_slice(&attempt->chain);
    if (what.token.len == 0 && what.chain.len == 0)
        return RC_OK;
    return auth_watch(attempt->auth, &what, out, err);
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
void attempt_grant(struct attempt *attempt)
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
        attempt_refuse_for(attempt, reason);
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
    if (watch(attempt, &subject, &begun.watch, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.no_grant", LOG_ERR(&err));
        attempt_refuse_for(attempt, LOGIN_REASON_BUSY);
        return;
    }
    random_bytes(msg.auth_ok.nonce, sizeof(msg.auth_ok.nonce));
    memcpy(begun.nonce, msg.auth_ok.nonce, MSG_NONCE_BYTES);
    if (auth_outcome_grant(attempt->auth, &begun, outcome, &subject, &verdict, &err) != RC_OK ||
        auth_post(attempt->gate, &msg, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.no_grant", LOG_ERR(&err));
        attempt_refuse_for(attempt, LOGIN_REASON_INTERNAL);
        return;
    }
    note_success(attempt);
    attempt_free(attempt);
}
