/*
 * auth_backends.c - a question to a foreign back-end, whichever it is: role idp has the
 * directories and databases, the supervisor starts helpers for PAM.
 *
 * How long one takes to say no tells who exists there, and no care of ours changes that. So a
 * wrong name or password is answered at the end of a slot of BACKEND_SLOT_US, wherever in the
 * slot it was known, while any foreign back-end is configured that could have been asked.
 */
#include "base/clock.h"
#include "base/log.h"
#include "roles/auth_role.h"

static void end(struct auth_backend_ask *ask, const struct backend_answer *answer)
{
    ask->done(ask, answer);
}

static void end_unavailable(struct auth_backend_ask *ask, struct slice reason)
{
    const struct backend_answer answer = {.result = BACKEND_UNAVAILABLE};

    log_event(LEVEL_WARNING, "backend.unavailable", LOG_STR("backend", ask->backend->text),
              LOG_TEXT("detail", reason));
    end(ask, &answer);
}

void auth_group_lines(struct slice list, struct buf *out)
{
    struct scan sc = scan_of(list);
    struct slice name;

    while (msg_list_next(&sc, &name)) {
        if (name.len == 0 || memchr(name.ptr, '\n', name.len) != NULL)
            continue;
        buf_append(out, name);
        buf_byte(out, '\n');
    }
}

/* An auth_ask_fn. */
static void on_idp(struct auth_ask *idp, const struct msg_idp_result *result)
{
    static const enum backend_result results[IDP_CODE_COUNT] = {
        [IDP_OK] = BACKEND_RIGHT,         [IDP_REFUSED] = BACKEND_WRONG,
        [IDP_UNKNOWN] = BACKEND_UNKNOWN,  [IDP_DISABLED] = BACKEND_DISABLED,
        [IDP_EXPIRED] = BACKEND_DISABLED, [IDP_UNAVAILABLE] = BACKEND_UNAVAILABLE,
    };
    struct auth_backend_ask *ask = LINK_OWNER(idp, struct auth_backend_ask, idp);
    AUTO(buf_done) struct buf groups = {.max = MSG_IDP_GROUPS_MAX};
    struct backend_answer answer = {.user = result->user,
                                    .knows_groups = result->knows_groups != 0};

    if (result->code == 0 || result->code >= IDP_CODE_COUNT ||
        results[result->code] == BACKEND_UNAVAILABLE) {
        end_unavailable(ask, result->reason);
        return;
    }
    auth_group_lines(result->groups, &groups);
    answer.result = results[result->code];
    answer.groups = buf_slice(&groups);
    end(ask, &answer);
}

/* An auth_pam_fn. */
static void on_pam(struct auth_pam_ask *pam, enum pam_result result, struct slice text)
{
    static const enum backend_result results[PAM_RESULT_COUNT] = {
        [PAM_RESULT_RIGHT] = BACKEND_RIGHT,
        [PAM_RESULT_WRONG] = BACKEND_WRONG,
        [PAM_RESULT_UNKNOWN] = BACKEND_UNKNOWN,
        [PAM_RESULT_DISABLED] = BACKEND_DISABLED,
        [PAM_RESULT_UNAVAILABLE] = BACKEND_UNAVAILABLE,
    };
    struct auth_backend_ask *ask = LINK_OWNER(pam, struct auth_backend_ask, pam);
    const struct backend_answer answer = {.result = results[result], .user = text};

    if (answer.result == BACKEND_UNAVAILABLE)
        end_unavailable(ask, text);
    else
        end(ask, &answer);
}

/* Where idp knows it; CONFIG_PROVIDERS_MAX: nowhere. */
static uint16_t provider_of(const struct auth_role *auth, const struct backend *backend)
{
    struct config_provider list[CONFIG_PROVIDERS_MAX];
    size_t n, at = 0;

    if (config_providers(auth->start->config, list, &n, NULL) != RC_OK)
        return CONFIG_PROVIDERS_MAX;
    while (at < n && (slice_eq(list[at].kind, SLICE(CONFIG_PROVIDER_OAUTH)) ||
                      !slice_eq(list[at].name, slice_from_str(backend_name(backend)))))
        at++;
    return at < n ? (uint16_t) at : CONFIG_PROVIDERS_MAX;
}

static enum rc ask_idp(struct auth_backend_ask *ask, const struct sasl_claim *claim,
                       const struct login_place *place, struct err *err)
{
    struct msg_idp_check check = {
        .provider = provider_of(ask->auth, ask->backend),
        .ask = IDP_ASK_PASSWORD,
        .user = sasl_claim_user(claim),
        .secret = auth_secret_slice(&claim->secret),
        .service = (uint8_t) place->service,
        .peer = place->peer,
    };

    return auth_idp_ask(ask->auth, &ask->idp, &check, on_idp, err);
}

void auth_backend_ask(struct auth_role *auth, struct auth_backend_ask *ask, size_t backend,
                      const struct sasl_claim *claim, const struct login_place *place,
                      auth_backend_fn *done)
{
    const struct backend_answer unknown = {.result = BACKEND_UNKNOWN};
    struct err err = {0};
    enum rc rc;

    *ask = (struct auth_backend_ask){
        .auth = auth, .backend = &realm_backends(auth->realm)->list[backend], .done = done};
    if (backend_is_idp(ask->backend))
        rc = ask_idp(ask, claim, place, &err);
    else
        rc = auth_pam_ask(auth, &ask->pam, backend_name(ask->backend), claim, on_pam, &err);
    if (rc == RC_NOT_FOUND)
        end(ask, &unknown);
    else if (rc)
        end_unavailable(ask, slice_from_str(err.detail));
}

void auth_backend_ask_user(struct auth_role *auth, struct auth_backend_ask *ask, size_t backend,
                           struct slice user, auth_backend_fn *done)
{
    struct msg_idp_check check = {
        .ask = IDP_ASK_USER, .user = user, .service = (uint8_t) SERVICE_LMTP};
    struct err err = {0};

    *ask = (struct auth_backend_ask){
        .auth = auth, .backend = &realm_backends(auth->realm)->list[backend], .done = done};
    check.provider = provider_of(auth, ask->backend);
    if (auth_idp_ask(auth, &ask->idp, &check, on_idp, &err) != RC_OK)
        end_unavailable(ask, slice_from_str(err.detail));
}

void auth_backend_forget(struct auth_backend_ask *ask)
{
    auth_idp_forget(&ask->idp);
    auth_pam_forget(&ask->pam);
}

int64_t auth_backend_slot_us(const struct auth_role *auth, const struct login_place *place,
                             int64_t started_us)
{
    int64_t took_us = clock_mono_us() - started_us;

    if (!backend_chain_has_foreign(realm_backends(auth->realm)) ||
        !login_asks_backends(auth->realm, place))
        return 0;
    return BACKEND_SLOT_US - MAX(took_us, 0) % BACKEND_SLOT_US;
}
