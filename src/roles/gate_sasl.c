/*
 * gate_sasl.c - a mail server asks who may submit: Dovecot's authentication protocol, the
 * server's side, version 1.2.
 *
 * Spec: docs/formats/auth-socket.md. The gate undoes the base64 and passes each exchange to
 * auth as it does IMAP's, as service SUBMISSION: same budgets, same log. There is no channel
 * binding: the mail server holds the client's TLS, and the protocol does not carry it.
 *
 * Neither Postfix nor Exim tells a FAIL that will pass from one that will not: their clients
 * would ask people for a new password. So where nothing else is asked on a connection, it is
 * closed instead, which both take for what it is.
 */
#include "auth/mta_line.h"
#include "base/ascii.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/random.h"
#include "config/scram_offer.h"
#include "roles/gate_local.h"

#define COOKIE_BYTES        16u
#define TEMPORARILY         "Temporarily unavailable"
#define TAKES_SERVICE(name) slice_eq(service, SLICE(name))

struct failure {
    const char *flag, *code; /* of the protocol before 1.3 and since */
    bool temporary;
};

// clang-format off
static const struct failure failures[AUTH_CODE_COUNT] = {
    [AUTH_CODE_FAILED]        = {NULL,            NULL,                    false},
    [AUTH_CODE_EXPIRED]       = {"pass_expired",  "pass_expired",          false},
    [AUTH_CODE_PRIVACY]       = {NULL,            "auth_mech_ssl_required", false},
    [AUTH_CODE_UNAVAILABLE]   = {"temp",          "temp_fail",             true },
    [AUTH_CODE_LIMIT]         = {"temp",          "temp_fail",             true },
    [AUTH_CODE_CONTACTADMIN]  = {"user_disabled", "user_disabled",         false},
    [AUTH_CODE_AUTHORIZATION] = {"authz",         "authz_fail",            false},
    [AUTH_CODE_MALFORMED]     = {NULL,            NULL,                    false},
    [AUTH_CODE_NO_MECHANISM]  = {NULL,            "auth_mech_invalid",     false},
    [AUTH_CODE_REFERRAL]      = {NULL,            NULL,                    false},
    [AUTH_CODE_POLICY]        = {"authz",         "authz_fail",            false},
    [AUTH_CODE_CONFIRM]       = {"authz",         "authz_fail",            false},
};
// clang-format on

static void print_cookie(struct buf *out)
{
    unsigned char cookie[COOKIE_BYTES];

    random_bytes(cookie, sizeof(cookie));
    for (size_t i = 0; i < sizeof(cookie); i++)
        buf_printf(out, "%02x", (unsigned) cookie[i]);
}

/* The whole of our side's greeting; clients wait for DONE, and some say nothing before. */
void gate_sasl_greet(struct gate_local *local)
{
    const struct gate *gate = local->gate;
    const struct config *config = gate->start->config;
    struct buf *out = &local->stream.out;

    buf_printf(out, "VERSION\t%u\t%u\n", MTA_MAJOR, MTA_MINOR);
    buf_str(out, "MECH\tPLAIN\tplaintext\n"
                 "MECH\tLOGIN\tplaintext\n");
    if (config->oauth.n > 0)
        buf_str(out, "MECH\tOAUTHBEARER\nMECH\tXOAUTH2\n");
    if (config_offers_scram(config))
        buf_str(out, "MECH\tSCRAM-SHA-256\tmutual-auth\n");
    if (config->scram_sha1 && config_offers_scram(config))
        buf_str(out, "MECH\tSCRAM-SHA-1\tmutual-auth\n");
    buf_printf(out, "SPID\t%u\nCUID\t%llu\nCOOKIE\t", gate->start->instance,
               (unsigned long long) ++local->gate->last_id);
    print_cookie(out);
    buf_str(out, "\nDONE\n");
}

static void fail(struct gate_ask *ask, enum auth_code code, struct slice user, struct slice why)
{
    const struct failure *failure = &failures[code];
    struct gate_local *local = ask->local;
    struct buf *out = &local->stream.out;

    if (failure->temporary && local->n_asks == 1) {
        gate_ask_free(ask);
        gate_local_drop(local);
        return;
    }
    buf_printf(out, "FAIL\t%u", ask->number);
    if (user.len > 0) {
        buf_str(out, "\tuser=");
        mta_print_value(out, user);
    }
    if (failure->flag != NULL)
        buf_printf(out, "\t%s", failure->flag);
    if (failure->code != NULL)
        buf_printf(out, "\tcode=%s", failure->code);
    if (why.len > 0) {
        buf_str(out, "\treason=");
        mta_print_value(out, why);
    }
    buf_byte(out, '\n');
    gate_ask_free(ask);
}

static void fail_here(struct gate_ask *ask, enum auth_code code, const char *why)
{
    fail(ask, code, (struct slice){0}, slice_from_str(why));
}

/* What the protocol does not allow: where the other side stands is not known any more. */
static void broken(struct gate_local *local, const char *why)
{
    log_event(LEVEL_WARNING, "gate.mta_refused", LOG_STR("socket", "auth"),
              LOG_STR("detail", why));
    gate_local_drop(local);
}

static struct gate_ask *find(const struct gate_local *local, uint32_t number)
{
    LIST_FOREACH(link, &local->asks)
    {
        struct gate_ask *ask = LINK_OWNER(link, struct gate_ask, link);

        if (ask->number == number)
            return ask;
    }
    return NULL;
}

static void post(struct gate_ask *ask, const struct msg *msg)
{
    struct err err;

    ask->asked = true;
    if (gate_peer_post(&ask->local->gate->auth, msg, NULL, &err) == RC_OK)
        return;
    log_event(LEVEL_WARNING, "gate.auth", LOG_ERR(&err));
    fail_here(ask, AUTH_CODE_UNAVAILABLE, TEMPORARILY);
}

/* Postfix passes on SMTP's "=", the empty response (RFC 4954 4). */
static enum rc decode(struct slice text, struct buf *out)
{
    if (slice_eq(text, SLICE("=")))
        return RC_OK;
    return base64_decode(text, out) != RC_OK || out->overflow ? RC_SYNTAX : RC_OK;
}

static void start(struct gate_ask *ask, const struct mta_line *line, struct slice initial)
{
    char upper[64];
    struct msg msg = {
        .type = MSG_AUTH_START,
        .auth_start = {.conn = ask->id,
                       .service = SERVICE_SUBMISSION,
                       .has_initial = line->has_response ? 1 : 0,
                       .initial = initial,
                       .peer = line->remote,
                       .local = line->local}
    };

    if (line->secured)
        msg.auth_start.tls_version =
            line->tls_version != 0 ? line->tls_version : MSG_TLS_UNKNOWN;
    for (size_t i = 0; i < line->mechanism.len; i++)
        upper[i] = ascii_upper(line->mechanism.ptr[i]);
    msg.auth_start.mechanism = slice_of(upper, line->mechanism.len);
    post(ask, &msg);
}

static bool is_submission(struct slice service)
{
    return TAKES_SERVICE("smtp") || TAKES_SERVICE("submission");
}

static void on_auth(struct gate_local *local, const struct mta_line *line)
{
    AUTO(buf_done) struct buf initial = {.max = MTA_LINE_MAX_BYTES, .secret = true};
    struct gate_ask *ask;

    if (find(local, line->number) != NULL) {
        broken(local, "a request's number twice");
        return;
    }
    ask = gate_ask_new(local);
    ask->number = line->number;
    if (!is_submission(line->service))
        fail_here(ask, AUTH_CODE_NO_MECHANISM, "Service is not served here");
    else if (decode(line->response, &initial) != RC_OK)
        fail_here(ask, AUTH_CODE_MALFORMED, "Response is not base64");
    else
        start(ask, line, buf_slice(&initial));
}

static void on_cont(struct gate_local *local, const struct mta_line *line)
{
    AUTO(buf_done) struct buf data = {.max = MTA_LINE_MAX_BYTES, .secret = true};
    struct gate_ask *ask = find(local, line->number);
    struct msg msg;

    if (ask == NULL || ask->asked)
        return; /* it crossed our answer */
    if (decode(line->response, &data) != RC_OK) {
        gate_ask_cancel(ask);
        fail_here(ask, AUTH_CODE_MALFORMED, "Response is not base64");
    } else {
        msg = (struct msg){
            .type = MSG_AUTH_DATA, .auth_data = {.conn = ask->id, .data = buf_slice(&data)}
        };
        post(ask, &msg);
    }
}

static void on_cancel(struct gate_local *local, const struct mta_line *line)
{
    struct gate_ask *ask = find(local, line->number);

    if (ask == NULL)
        return;
    gate_ask_cancel(ask);
    gate_ask_free(ask);
}

static void on_version(struct gate_local *local, const struct mta_line *line)
{
    if (line->number == MTA_MAJOR) {
        local->told_version = true;
        return;
    }
    broken(local, "another version of the protocol");
}

static void on_line(struct gate_local *local, const struct mta_line *line)
{
    if (!local->told_version && line->verb != MTA_VERSION) {
        broken(local, "no VERSION at first");
        return;
    }
    switch (line->verb) {
    case MTA_VERSION:
        on_version(local, line);
        break;
    case MTA_AUTH:
        on_auth(local, line);
        break;
    case MTA_CONT:
        on_cont(local, line);
        break;
    case MTA_CANCEL:
        on_cancel(local, line);
        break;
    case MTA_CPID:
    case MTA_OTHER:
        break;
    }
}

size_t gate_sasl_take(struct gate_local *local, struct slice input)
{
    size_t len = slice_find(input, '\n');
    struct mta_line line;
    struct err err;

    if (len + 1 > MTA_LINE_MAX_BYTES) {
        broken(local, "a line that is too long");
        return 0;
    }
    if (len == input.len)
        return 0;
    if (mta_parse_line(slice_sub(input, 0, len), &line, &err) != RC_OK)
        broken(local, err.detail);
    else
        on_line(local, &line);
    return len + 1;
}

static void on_continue(struct gate_ask *ask, const struct msg_auth_continue *msg)
{
    struct buf *out = &ask->local->stream.out;

    ask->asked = false;
    buf_printf(out, "CONT\t%u\t", ask->number);
    base64_encode(out, msg->data);
    buf_byte(out, '\n');
}

static void on_ok(struct gate_ask *ask, const struct msg_auth_ok *msg)
{
    struct buf *out = &ask->local->stream.out;

    buf_printf(out, "OK\t%u\tuser=", ask->number);
    mta_print_value(out, msg->user);
    buf_byte(out, '\n');
    gate_ask_free(ask);
}

void gate_sasl_message(struct gate_ask *ask, const struct msg *msg)
{
    if (msg->type == MSG_AUTH_CONTINUE) {
        on_continue(ask, &msg->auth_continue);
    } else if (msg->type == MSG_AUTH_OK) {
        on_ok(ask, &msg->auth_ok);
    } else if (msg->type == MSG_AUTH_FAIL) {
        bool known = msg->auth_fail.code > 0 && msg->auth_fail.code < AUTH_CODE_COUNT;

        fail(ask, known ? (enum auth_code) msg->auth_fail.code : AUTH_CODE_UNAVAILABLE,
             msg->auth_fail.user, msg->auth_fail.text);
    }
}

void gate_sasl_too_late(struct gate_ask *ask)
{
    fail_here(ask, AUTH_CODE_UNAVAILABLE, "Authentication took too long");
}
