/*
 * auth_idp.c - questions to the idp process, and what becomes of them.
 *
 *   auth_idp_ask --> waits --IDP_RESULT--> done, with what idp says
 *                      |-----timer-------> done: unavailable (and IDP_CANCEL)
 *                      |-----idp gone----> done: unavailable
 *                      '-----auth_idp_forget (and IDP_CANCEL): never done
 *
 * How many wait is bounded, for each provider and in all: a server that is silent for long, or
 * an idp that is, costs those who want it an answer at once, and the others nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "roles/auth_role.h"

static void take_out(struct auth_ask *ask)
{
    timer_stop(ask->auth->loop, &ask->timer);
    (void) map_remove(ask->auth->asks, MAP_KEY(ask->request));
    ask->auth->n_asks[ask->provider]--;
    ask->waits = false;
}

/* Once: whoever asked may free the ask in done(). */
static void end(struct auth_ask *ask, const struct msg_idp_result *result)
{
    take_out(ask);
    ask->done(ask, result);
}

static void end_unavailable(struct auth_ask *ask, struct slice reason)
{
    const struct msg_idp_result result = {
        .request = ask->request, .code = IDP_UNAVAILABLE, .reason = reason};

    end(ask, &result);
}

static void cancel(struct auth_role *auth, uint64_t request)
{
    struct msg msg = {.type = MSG_IDP_CANCEL, .idp_cancel = {.request = request}};

    (void) !auth_post(&auth->idp, &msg, NULL); /* then its answer finds nobody */
}

static void on_late(void *ctx)
{
    struct auth_ask *ask = ctx;

    cancel(ask->auth, ask->request);
    end_unavailable(ask, SLICE("no_answer"));
}

enum rc auth_idp_ask(struct auth_role *auth, struct auth_ask *ask, struct msg_idp_check *check,
                     auth_ask_fn *done, struct err *err)
{
    struct msg msg = {.type = MSG_IDP_CHECK};
    enum rc rc;

    if (check->provider >= CONFIG_PROVIDERS_MAX)
        return err_set(err, RC_UNAVAILABLE, "Server is not ready", "idp: no such provider");
    if (auth->n_asks[check->provider] >= ASKS_PROVIDER_MAX)
        return err_set(err, RC_UNAVAILABLE, "Server is busy, try again later",
                       "idp: %u questions wait", ASKS_PROVIDER_MAX);
    check->request = ++auth->last_ask;
    msg.idp_check = *check;
    rc = auth_post(&auth->idp, &msg, err);
    if (rc)
        return rc;
    *ask = (struct auth_ask){.auth = auth,
                             .request = check->request,
                             .provider = check->provider,
                             .waits = true,
                             .done = done};
    (void) map_put(auth->asks, MAP_KEY(ask->request), ask);
    auth->n_asks[ask->provider]++;
    timer_start(auth->loop, &ask->timer, ASK_WAIT_US, on_late, ask);
    return RC_OK;
}

void auth_idp_forget(struct auth_ask *ask)
{
    if (!ask->waits)
        return;
    cancel(ask->auth, ask->request);
    take_out(ask);
}

void auth_idp_result(struct auth_role *auth, const struct msg_idp_result *result)
{
    struct auth_ask *ask = map_get(auth->asks, MAP_KEY(result->request));

    if (ask == NULL)
        return; /* it crossed our cancel */
    if (result->code == 0 || result->code >= IDP_CODE_COUNT)
        end_unavailable(ask, SLICE("nonsense"));
    else
        end(ask, result);
}

/* One after the other: done() may change the map. */
void auth_idp_lost(struct auth_role *auth)
{
    size_t at = 0;
    struct slice key;
    void *value;

    while (map_next(auth->asks, &at, &key, &value)) {
        end_unavailable(value, SLICE("idp_gone"));
        at = 0;
    }
}
