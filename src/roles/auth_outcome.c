/*
 * auth_outcome.c - what a login came to: the line in the log, the grant to mail.
 */
#include "base/log.h"
#include "imap/url.h"
#include "roles/auth_role.h"

static const char *service_name(enum service service)
{
    switch (service) {
    case SERVICE_IMAP:
        return "imap";
    case SERVICE_LMTP:
        return "lmtp";
    case SERVICE_SUBMISSION:
        return "submission";
    }
    return "?";
}

static const char *tls_name(uint16_t version)
{
    if (version == 0x0304)
        return "1.3";
    if (version == MSG_TLS_UNKNOWN)
        return "yes";
    return version == 0x0303 ? "1.2" : "none";
}

/* docs/operating.md, "Log events: auth": the keys and their order are stable, and nothing that
 * a stranger chooses comes before address and reason. */
void auth_outcome_log(const struct login_outcome *outcome, const struct sasl *sasl,
                      enum service service, const struct ipaddr *peer, uint16_t tls_version)
{
    bool ok = outcome->verdict == LOGIN_GRANTED;
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};
    const char *method = sasl->mechanism != NULL ? sasl_name(sasl) : "?";

    ipaddr_print(&address, peer);
    log_event(ok ? LEVEL_INFO : LEVEL_WARNING, ok ? "login.ok" : "login.refused",
              LOG_TEXT("address", buf_slice(&address)),
              LOG_STR("reason", login_reason_name(outcome->reason)),
              LOG_STR("service", service_name(service)),
              LOG_TEXT("user", sasl_claim_user(&sasl->claim)), LOG_STR("method", method),
              LOG_STR("credential", login_by_name(outcome->by)),
              LOG_NUM("device", outcome->device.id),
              LOG_TEXT("device_name", outcome->device.name),
              LOG_STR("tls", tls_name(tls_version)));
}

/* A list field from names one a line. */
static void put_folders(struct buf *list, struct slice lines)
{
    struct scan sc = scan_of(lines);
    struct slice name;

    while (scan_until(&sc, '\n', &name)) {
        (void) scan_byte(&sc, '\n');
        msg_list_add(list, name);
    }
    if (!scan_done(&sc))
        msg_list_add(list, scan_rest(&sc));
}

/* When the session ends, in seconds since 1970; 0: never. */
static int64_t expiry_of(const struct auth_role *auth, const struct login_outcome *outcome)
{
    if (outcome->by == LOGIN_BY_TOKEN || outcome->by == LOGIN_BY_TICKET)
        return outcome->expires;
    if (outcome->by == LOGIN_BY_LEGACY || outcome->by == LOGIN_BY_BACKEND)
        return realm_legacy_until(auth->realm);
    return outcome->device.expires;
}

/* What auth wants to hear of the session again, if it has to decide again. */
static void put_subject(const struct auth_role *auth, const struct auth_subject *subject,
                        struct msg_grant *out)
{
    uint64_t expires = (uint64_t) subject->certificate_expires;

    out->mechanism = subject->mechanism;
    out->credential = (uint8_t) subject->by;
    out->peer = subject->peer;
    if (!subject->has_certificate)
        return;
    out->certified = 1;
    memcpy(out->certificate, subject->certificate, sizeof(out->certificate));
    if (auth_policy_asks(auth, POLICY_CERTIFICATE) &&
        (out->expires == 0 || expires < out->expires))
        out->expires = expires; /* it may be what let the session in */
}

enum rc auth_outcome_grant(struct auth_role *auth, const struct msg_grant *begun,
                           const struct login_outcome *outcome,
                           const struct auth_subject *subject,
                           const struct policy_verdict *verdict, struct err *err)
{
    bool read_only =
        outcome->device.access == ACCESS_READ_ONLY || verdict->action == POLICY_READ_ONLY;
    const struct auth_device *device = &outcome->device;
    AUTO(buf_done) struct buf folders = {.max = MSG_FOLDERS_MAX};
    struct msg msg = {.type = MSG_GRANT, .grant = *begun};
    enum rc rc = auth_db_policy_epoch(auth->db, &msg.grant.policy_epoch, err);

    if (rc)
        return rc;
    msg.grant.account = outcome->account;
    msg.grant.user = outcome->user;
    msg.grant.device = device->id;
    msg.grant.device_name = device->name;
    msg.grant.rights = GRANT_READ | (read_only ? 0 : GRANT_WRITE);
    msg.grant.expires = (uint64_t) expiry_of(auth, outcome);
    put_subject(auth, subject, &msg.grant);
    msg.grant.verdict = policy_verdict_mark(verdict);
    msg.grant.mailboxes = slice_of(verdict->mailboxes, verdict->mailboxes_len);
    put_folders(&folders, device->folders);
    if (folders.overflow)
        return err_set(err, RC_LIMIT, "Too many folders", "grant: folders too long");
    msg.grant.folders = buf_slice(&folders);
    return auth_post(&auth->mail, &msg, err);
}

void auth_outcome_fail(struct auth_peer *gate, uint64_t conn, enum auth_code code,
                       struct slice user)
{
    char room[CONFIRM_TEXT_BYTES];
    const char *text =
        code == AUTH_CODE_CONFIRM ? auth_confirm_text(gate->auth, room) : login_code_text(code);
    struct msg msg = {
        .type = MSG_AUTH_FAIL,
        .auth_fail = {
                      .conn = conn, .code = (uint8_t) code, .text = slice_from_str(text), .user = user}
    };
    struct err err;

    if (auth_post(gate, &msg, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
}

void auth_outcome_refer(struct auth_peer *gate, uint64_t conn, struct slice user,
                        struct slice server)
{
    AUTO(buf_done) struct buf url = {0};
    struct msg msg = {
        .type = MSG_AUTH_FAIL, .auth_fail = {.conn = conn, .code = AUTH_CODE_REFERRAL}
    };
    struct err err;

    buf_init(&url, MSG_REFERRAL_MAX);
    imap_print_server_url(&url, user, server);
    msg.auth_fail.text = buf_slice(&url);
    log_event(LEVEL_INFO, "login.referred", LOG_TEXT("user", user), LOG_TEXT("server", server));
    if (auth_post(gate, &msg, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
}
