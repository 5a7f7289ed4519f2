/*
 * auth_token.c - whose is an access token? Each issuer of the setting `oauth` is asked in turn,
 * until one says that it is good; only idp knows how a token looks.
 *
 * An issuer that cannot say does not stop the others; but if none says yes, then nobody can say
 * no.
 */
#include "base/log.h"
#include "roles/auth_role.h"

static void ask_next(struct auth_token *token);

/* What only an administrator can put right is told in the log, by a word. */
static void log_reason(const struct auth_token *token, const struct msg_idp_result *result)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};

    ipaddr_print(&address, &token->peer);
    log_event(LEVEL_INFO, "login.token_refused", LOG_TEXT("address", buf_slice(&address)),
              LOG_STR("issuer", token->auth->start->config->oauth.items[token->at]),
              LOG_TEXT("reason", result->reason), LOG_TEXT("user", result->user));
}

/* An auth_ask_fn. */
static void on_answer(struct auth_ask *ask, const struct msg_idp_result *result)
{
    struct auth_token *token = LINK_OWNER(ask, struct auth_token, ask);
    struct msg_idp_result last = *result;

    if (result->code != IDP_OK)
        log_reason(token, result);
    if (result->code == IDP_UNAVAILABLE)
        token->unavailable = true;
    if (result->code != IDP_OK && token->at + 1u < token->auth->start->config->oauth.n) {
        token->at++;
        ask_next(token);
        return;
    }
    if (result->code != IDP_OK && token->unavailable)
        last.code = IDP_UNAVAILABLE;
    token->done(token, &last);
}

static void ask_next(struct auth_token *token)
{
    struct msg_idp_check check = {
        .provider = token->at, /* issuers stand first in config_providers() */
        .ask = IDP_ASK_TOKEN,
        .user = sasl_claim_user(token->claim),
        .secret = sasl_claim_token(token->claim),
        .service = (uint8_t) token->service,
        .peer = token->peer,
    };
    const struct msg_idp_result busy = {.code = IDP_UNAVAILABLE, .reason = SLICE("not_asked")};
    struct err err;

    if (auth_idp_ask(token->auth, &token->ask, &check, on_answer, &err) == RC_OK)
        return;
    log_event(LEVEL_WARNING, "auth.idp_not_asked", LOG_ERR(&err));
    on_answer(&token->ask, &busy);
}

void auth_token_ask(struct auth_role *auth, struct auth_token *token,
                    const struct sasl_claim *claim, enum service service,
                    const struct ipaddr *peer, auth_token_fn *done)
{
    *token = (struct auth_token){
        .auth = auth, .claim = claim, .service = service, .peer = *peer, .done = done};
    ask_next(token);
}

void auth_token_groups(struct auth_role *auth, const struct msg_idp_result *result,
                       struct login_outcome *outcome)
{
    AUTO(buf_done) struct buf names = {.max = MSG_IDP_GROUPS_MAX};
    struct err err;

    if (outcome->verdict != LOGIN_GRANTED || result->knows_groups == 0)
        return;
    auth_group_lines(result->groups, &names);
    if (auth_db_tell_groups(auth->db, outcome->account, buf_slice(&names),
                            &outcome->groups_changed, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
        outcome->verdict = LOGIN_REFUSED;
        outcome->reason = LOGIN_REASON_INTERNAL;
    } else if (outcome->groups_changed) {
        auth_groups_changed(auth, outcome->account);
    }
}
