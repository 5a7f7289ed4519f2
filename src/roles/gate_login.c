/*
 * gate_login.c - LOGIN and AUTHENTICATE: the client's lines to auth, auth's answers to the
 * client.
 *
 * Spec: RFC 9051 6.2.2, 6.2.3; RFC 4422; RFC 4959; RFC 5530 (codes). The gate undoes and does
 * the base64 and nothing else: it knows no mechanism.
 */
#include "base/ascii.h"
#include "base/base64.h"
#include "base/log.h"
#include "imap/print.h"
#include "roles/gate_state.h"

#define MECHANISM_MAX  20u      /* RFC 4422 3.1 */
#define BINDING_PREFIX "SCRAM-" /* these bind to the channel, or must know that they could */
#define UNAVAILABLE    "[UNAVAILABLE] Temporarily unavailable"
#define TEXT_ROOM      (MSG_REFERRAL_MAX + 64u)

struct refusal {
    const char *status, *code, *text; /* text: if auth gives none */
};

// clang-format off
static const struct refusal refusals[AUTH_CODE_COUNT] = {
    [AUTH_CODE_FAILED]        = {"NO",  "[AUTHENTICATIONFAILED] ", "Authentication failed"},
    [AUTH_CODE_EXPIRED]       = {"NO",  "[EXPIRED] ",              "This password has expired"},
    [AUTH_CODE_PRIVACY]       = {"NO",  "[PRIVACYREQUIRED] ",      "Not without TLS"},
    [AUTH_CODE_UNAVAILABLE]   = {"NO",  "[UNAVAILABLE] ",          "Temporarily unavailable"},
    [AUTH_CODE_LIMIT]         = {"NO",  "[LIMIT] ",                "Too many attempts, try later"},
    [AUTH_CODE_CONTACTADMIN]  = {"NO",  "[CONTACTADMIN] ",         "Ask your administrator"},
    [AUTH_CODE_AUTHORIZATION] = {"NO",  "[AUTHORIZATIONFAILED] ",  "Not allowed to act as that user"},
    [AUTH_CODE_MALFORMED]     = {"BAD", "",                        "Malformed response"},
    [AUTH_CODE_NO_MECHANISM]  = {"NO",  "",                        "Unknown mechanism"},
    [AUTH_CODE_REFERRAL]      = {"NO",  "",                        "Your mailboxes are on another server"},
    [AUTH_CODE_POLICY]        = {"NO",  "[AUTHORIZATIONFAILED] ",  "Access rules do not allow this login"},
    [AUTH_CODE_CONFIRM]       = {"NO",  "[ALERT] ",                "Confirm this device first; ask your administrator how"},
};
// clang-format on

/* False: as many as may be are under way. */
static bool take_long_response(struct gate_conn *c)
{
    if (c->gate->n_long_responses >= GATE_LONG_RESPONSES)
        return false;
    c->gate->n_long_responses++;
    c->long_response = true;
    return true;
}

static void drop_long_response(struct gate_conn *c)
{
    if (c->long_response)
        c->gate->n_long_responses--;
    c->long_response = false;
}

bool gate_login_lengthens(void *ctx, struct slice so_far)
{
    const struct imap_text text = {.text = so_far};
    struct imap_cmd cmd;

    return imap_parse_head(&text, (struct imap_mode){0}, NULL, &cmd, NULL) == RC_OK &&
           !cmd.uid && slice_eq_nocase(cmd.name, SLICE("AUTHENTICATE")) &&
           take_long_response(ctx);
}

void gate_login_line_over(struct gate_conn *c)
{
    drop_long_response(c);
}

static void forget_tag(struct gate_conn *c)
{
    buf_reset(&c->tag);
    buf_shrink(&c->tag, 0);
}

/* Back to commands, with a counted refusal. */
static void fail(struct gate_conn *c, const char *status, const char *text)
{
    drop_long_response(c);
    c->auth_died = false;
    gate_conn_enter(c, GATE_READY);
    gate_refuse(c, buf_slice(&c->tag), status, text);
    if (c->state == GATE_READY)
        forget_tag(c);
}

static void cancel_at_auth(struct gate_conn *c)
{
    struct msg msg = {.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = c->id}};
    struct err err = {0};

    (void) !gate_peer_post(&c->gate->auth, &msg, NULL, &err); /* gone: nothing to cancel */
    gate_conn_rename(c); /* an answer that is under way names a connection that is not there */
}

void gate_login_forget(struct gate_conn *c)
{
    if ((c->state == GATE_ASKED && !c->checking) || c->state == GATE_RESPONSE)
        cancel_at_auth(c);
    drop_long_response(c);
}

void gate_login_abort(struct gate_conn *c, const char *status, const char *text)
{
    cancel_at_auth(c);
    fail(c, status, text);
}

bool gate_login_check_certificate(struct gate_conn *c)
{
    AUTO(buf_done) struct buf chain = {.max = MSG_CERT_MAX};
    struct msg msg = {
        .type = MSG_CERT_CHECK, .cert_check = {.conn = c->id, .peer = c->peer}
    };
    struct err err = {0};

    tls_client_chain(c->conn.tls, &chain);
    msg.cert_check.client_chain = buf_slice(&chain);
    if (chain.overflow || gate_peer_post(&c->gate->auth, &msg, NULL, &err) != RC_OK)
        return false;
    c->checking = true;
    gate_conn_enter(c, GATE_ASKED);
    return true;
}

static void on_checked(struct gate_conn *c, bool good)
{
    c->checking = false;
    c->external = good;
    gate_conn_secured(c);
}

static enum rc ask(struct gate_conn *c, const struct msg *msg)
{
    struct err err = {0};
    enum rc rc = gate_peer_post(&c->gate->auth, msg, NULL, &err);

    if (rc == RC_OK) {
        gate_conn_enter(c, GATE_ASKED);
        return RC_OK;
    }
    log_event(LEVEL_WARNING, "gate.auth", LOG_ERR(&err));
    fail(c, "NO", UNAVAILABLE);
    return rc;
}

static void add_tls_facts(const struct gate_conn *c, struct tls_facts *facts,
                          struct msg_auth_start *start)
{
    if (c->conn.tls == NULL)
        return;
    tls_facts(c->conn.tls, facts);
    start->tls_version = facts->version_number;
    start->tls_cipher = slice_sub(slice_from_str(facts->cipher), 0, MSG_TLS_NAME_MAX);
    start->sni = slice_sub(facts->sni, 0, MSG_SNI_MAX);
    if (slice_starts(start->mechanism, SLICE(BINDING_PREFIX)))
        start->has_exporter = tls_exporter(c->conn.tls, start->exporter) ? 1 : 0;
}

void gate_login_start(struct gate_conn *c, const char *command, struct slice tag,
                      struct slice mechanism, bool has_initial, struct slice initial)
{
    char upper[MECHANISM_MAX];
    AUTO(buf_done) struct buf chain = {.max = MSG_CERT_MAX};
    struct tls_facts facts;
    struct msg msg = {
        .type = MSG_AUTH_START,
        .auth_start = {.conn = c->id,
                       .service = SERVICE_IMAP,
                       .has_initial = has_initial ? 1 : 0,
                       .initial = initial,
                       .peer = c->peer,
                       .local = c->local,
                       .client_id = buf_slice(&c->client_id)}
    };

    if (gate_login_is_disabled(c)) {
        gate_refuse(c, tag, "NO", "[PRIVACYREQUIRED] No login without TLS");
        return;
    }
    if (mechanism.len > sizeof(upper)) {
        gate_refuse(c, tag, "NO", "Unknown mechanism");
        return;
    }
    for (size_t i = 0; i < mechanism.len; i++)
        upper[i] = ascii_upper(mechanism.ptr[i]);
    msg.auth_start.mechanism = slice_of(upper, mechanism.len);
    add_tls_facts(c, &facts, &msg.auth_start);
    if (c->external)
        tls_client_chain(c->conn.tls, &chain);
    msg.auth_start.client_chain = buf_slice(&chain);
    buf_reset(&c->tag);
    buf_append(&c->tag, tag);
    c->command = command;
    (void) !ask(c, &msg); /* a failure was answered */
}

void gate_login_line(struct gate_conn *c, struct slice line)
{
    struct msg msg = {.type = MSG_AUTH_DATA, .auth_data = {.conn = c->id}};
    AUTO(buf_done) struct buf data = {.max = MSG_SASL_MAX, .secret = true};

    if (c->auth_died) {
        fail(c, "NO", UNAVAILABLE);
        return;
    }
    if (slice_eq(line, SLICE("*"))) {
        gate_login_abort(c, "BAD", "AUTHENTICATE cancelled");
        return;
    }
    if (base64_decode(line, &data) != RC_OK || data.overflow) {
        gate_login_abort(c, "BAD", "Response is not base64");
    } else {
        drop_long_response(c);
        msg.auth_data.data = buf_slice(&data);
        (void) !ask(c, &msg); /* a failure was answered */
    }
}

/* --- what auth says --- */

static void on_continue(struct gate_conn *c, const struct msg_auth_continue *msg)
{
    size_t max = take_long_response(c) ? GATE_SASL_LINE_MAX : READER_LINE_PRELOGIN_BYTES;

    buf_str(&c->out, "+ ");
    base64_encode(&c->out, msg->data);
    buf_str(&c->out, "\r\n");
    imap_reader_expect_line(c->reader, max);
    gate_conn_enter(c, GATE_RESPONSE);
}

static void on_ok(struct gate_conn *c, const struct msg_auth_ok *msg)
{
    memcpy(c->nonce, msg->nonce, sizeof(c->nonce));
    c->n_bad = 0;
    gate_conn_enter(c, GATE_PASSING);
}

static void on_fail(struct gate_conn *c, const struct msg_auth_fail *msg)
{
    const struct refusal *refusal =
        &refusals[msg->code > 0 && msg->code < AUTH_CODE_COUNT ? msg->code
                                                               : AUTH_CODE_UNAVAILABLE];
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, TEXT_ROOM);
    buf_str(&text, refusal->code);
    if (msg->code == AUTH_CODE_REFERRAL) { /* the text that came is an URL: RFC 2221 3 */
        buf_printf(&text, "[REFERRAL %.*s] %s", SLICE_ARG(msg->text), refusal->text);
    } else {
        imap_print_text(&text, msg->text.len > 0 ? msg->text : slice_from_str(refusal->text),
                        (struct imap_mode){0});
    }
    buf_byte(&text, '\0');
    fail(c, refusal->status, text.ptr);
}

void gate_login_message(struct gate *gate, const struct msg *msg)
{
    uint64_t id = msg->type == MSG_AUTH_CONTINUE  ? msg->auth_continue.conn
                  : msg->type == MSG_AUTH_OK      ? msg->auth_ok.conn
                  : msg->type == MSG_CERT_CHECKED ? msg->cert_checked.conn
                                                  : msg->auth_fail.conn;
    struct gate_conn *c = gate_conn_find(gate, id);

    if (c == NULL || c->state != GATE_ASKED)
        return; /* it went away meanwhile */
    if (c->checking != (msg->type == MSG_CERT_CHECKED))
        return; /* an answer to another question */
    if (msg->type == MSG_AUTH_CONTINUE)
        on_continue(c, &msg->auth_continue);
    else if (msg->type == MSG_AUTH_OK)
        on_ok(c, &msg->auth_ok);
    else if (msg->type == MSG_CERT_CHECKED)
        on_checked(c, msg->cert_checked.good != 0);
    else
        on_fail(c, &msg->auth_fail);
    gate_conn_run(c);
}

void gate_login_lost_auth(struct gate *gate)
{
    LIST_FOREACH(link, &gate->lists[GATE_READY])
    {
        struct gate_conn *c = LINK_OWNER(link, struct gate_conn, link);

        c->auth_died = c->state == GATE_RESPONSE; /* said when the client's line has come */
        if (c->state != GATE_ASKED)
            continue;
        if (c->checking)
            on_checked(c, false);
        else
            fail(c, "NO", UNAVAILABLE);
        gate_conn_run(c);
    }
}
