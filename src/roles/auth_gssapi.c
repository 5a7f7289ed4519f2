/*
 * auth_gssapi.c - exchanges of SASL's GSSAPI: each message of the client to the gss process,
 * which alone knows what it means, and what gss says back.
 *
 *   auth_gssapi_ask --> waits --GSS_RESULT, MORE--> the client's turn --auth_gssapi_ask-->
 * waits
 *                         |-----GSS_RESULT, other-> over
 *                         |-----timer-------------> over: unavailable (and GSS_END)
 *                         '-----gss gone----------> over: unavailable
 *
 * How many there are is bounded by the logins under way, and in gss by GSS_EXCHANGES_MAX.
 */
#include "base/log.h"
#include "config/realm_map.h"
#include "roles/auth_role.h"

static void stop_waiting(struct auth_gssapi *exchange)
{
    timer_stop(exchange->auth->loop, &exchange->timer);
    (void) map_remove(exchange->auth->exchanges, MAP_KEY(exchange->number));
    exchange->waits = false;
}

static void post_end(struct auth_gssapi *exchange)
{
    struct msg msg = {.type = MSG_GSS_END, .gss_end = {.exchange = exchange->number}};

    (void) !auth_post(&exchange->auth->gss, &msg, NULL); /* gone: it has forgotten it */
}

/* Whoever asked may free the exchange in done(). */
static void answer(struct auth_gssapi *exchange, const struct msg_gss_result *result)
{
    if (exchange->waits)
        stop_waiting(exchange);
    if (result->code != GSS_CODE_MORE)
        exchange->number = 0;
    exchange->done(exchange, result);
}

static void answer_unavailable(struct auth_gssapi *exchange, struct slice reason)
{
    const struct msg_gss_result result = {.code = GSS_CODE_UNAVAILABLE, .reason = reason};

    answer(exchange, &result);
}

static void on_late(void *ctx)
{
    struct auth_gssapi *exchange = ctx;

    post_end(exchange);
    answer_unavailable(exchange, SLICE("no_answer"));
}

void auth_gssapi_ask(struct auth_role *auth, struct auth_gssapi *exchange, struct slice data,
                     auth_gssapi_fn *done)
{
    bool first = exchange->number == 0;
    struct msg msg = {
        .type = MSG_GSS_STEP, .gss_step = {.first = first ? 1 : 0, .data = data}
    };
    struct err err;

    if (first)
        *exchange = (struct auth_gssapi){.auth = auth, .number = ++auth->last_exchange};
    exchange->done = done;
    msg.gss_step.exchange = exchange->number;
    if (auth_post(&auth->gss, &msg, &err) != RC_OK) {
        log_event(LEVEL_WARNING, "auth.gss_not_asked", LOG_ERR(&err));
        answer_unavailable(exchange, SLICE("not_asked"));
        return;
    }
    exchange->waits = true;
    (void) map_put(auth->exchanges, MAP_KEY(exchange->number), exchange);
    timer_start(auth->loop, &exchange->timer, GSS_WAIT_US, on_late, exchange);
}

void auth_gssapi_forget(struct auth_gssapi *exchange)
{
    if (exchange->number == 0)
        return;
    post_end(exchange);
    if (exchange->waits)
        stop_waiting(exchange);
    exchange->number = 0;
}

void auth_gssapi_result(struct auth_role *auth, const struct msg_gss_result *result)
{
    struct auth_gssapi *exchange = map_get(auth->exchanges, MAP_KEY(result->exchange));

    if (exchange == NULL)
        return; /* it crossed our end */
    if (result->code == 0 || result->code >= GSS_CODE_COUNT)
        answer_unavailable(exchange, SLICE("nonsense"));
    else
        answer(exchange, result);
}

/* What only an administrator can put right. */
static void log_why(const struct ipaddr *peer, const struct msg_gss_result *result,
                    struct slice why)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};

    ipaddr_print(&address, peer);
    log_event(LEVEL_INFO, "login.ticket_refused", LOG_TEXT("address", buf_slice(&address)),
              LOG_TEXT("reason", why), LOG_TEXT("principal", result->principal));
}

static enum login_reason reason_of(uint8_t code)
{
    if (code == GSS_CODE_REFUSED)
        return LOGIN_REASON_TICKET;
    return code == GSS_CODE_MALFORMED ? LOGIN_REASON_MALFORMED : LOGIN_REASON_BACKEND;
}

enum login_reason auth_gssapi_judge(const struct auth_role *auth,
                                    const struct msg_gss_result *result,
                                    const struct ipaddr *peer, struct buf *user)
{
    struct err err;

    if (result->code != GSS_CODE_GOOD) {
        log_why(peer, result, result->reason);
        return reason_of(result->code);
    }
    if (realm_map_user(&auth->start->config->gssapi_realms, result->principal, user, &err) ==
        RC_OK)
        return LOGIN_REASON_NONE; /* a name that is too long is nobody's */
    log_why(peer, result, slice_from_str(err.detail));
    return LOGIN_REASON_TICKET;
}

/* One after the other: done() may change the map. */
void auth_gssapi_lost(struct auth_role *auth)
{
    size_t at = 0;
    struct slice key;
    void *value;

    while (map_next(auth->exchanges, &at, &key, &value)) {
        answer_unavailable(value, SLICE("gss_gone"));
        at = 0;
    }
}
