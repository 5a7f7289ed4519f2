/*
 * auth_pam.c - passwords that PAM checks: each by a helper process that the supervisor starts.
 *
 *   auth_pam_ask --> STARTING --PAM_HELPER--> ASKED --answer--> done
 *                       |                       |-- end of file, nonsense --> done: unavailable
 *                       '---- timer ------------'---> done: unavailable (and PAM_STOP)
 *
 * The password goes from here to the helper alone, over the socket between them.
 */
#include <sodium.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/auth_role.h"
#include "roles/pam_helper.h"

static void take_out(struct auth_pam_ask *ask)
{
    struct auth_role *auth = ask->auth;

    timer_stop(auth->loop, &ask->timer);
    if (ask->fd >= 0) {
        loop_remove(auth->loop, &ask->watch);
        closep(&ask->fd);
    }
    list_remove(&ask->link);
    auth->n_pam_asks--;
    ask->waits = false;
}

/* Once: whoever asked may free the ask in done(). */
static void end(struct auth_pam_ask *ask, enum pam_result result, struct slice text)
{
    take_out(ask);
    ask->done(ask, result, text);
}

static void end_unavailable(struct auth_pam_ask *ask, const char *why)
{
    end(ask, PAM_RESULT_UNAVAILABLE, slice_from_str(why));
}

static void stop_helper(const struct auth_pam_ask *ask)
{
    struct msg msg = {.type = MSG_PAM_STOP, .pam_stop = {.request = ask->request}};

    (void) !auth_tell_supervisor(ask->auth, &msg, NULL); /* the supervisor has a limit too */
}

static void on_late(void *ctx)
{
    struct auth_pam_ask *ask = ctx;

    stop_helper(ask);
    end_unavailable(ask, "no answer in time");
}

static void on_answer(void *ctx, unsigned ready)
{
    struct auth_pam_ask *ask = ctx;
    enum pam_result result;
    struct slice text;
    char packet[PAM_PACKET_MAX_BYTES];
    int fds[MSG_FDS_MAX];
    size_t len, n_fds;
    enum rc rc = packet_receive(ask->fd, packet, sizeof(packet), &len, fds, &n_fds, NULL);

    (void) ready;
    if (rc == RC_MORE)
        return;
    for (size_t i = 0; rc == RC_OK && i < n_fds; i++)
        (void) close(fds[i]); /* a helper sends none */
    if (rc != RC_OK)
        end_unavailable(ask, "the helper ended without an answer");
    else if (pam_answer_read(slice_of(packet, len), &result, &text) != RC_OK)
        end_unavailable(ask, "the helper's answer is none");
    else
        end(ask, result, text);
}

static bool put_question(struct auth_pam_ask *ask)
{
    char packet[PAM_PACKET_MAX_BYTES];
    size_t len = pam_question_write(sasl_claim_user(ask->claim),
                                    auth_secret_slice(&ask->claim->secret), packet);
    enum rc rc = packet_send(ask->fd, slice_of(packet, len), NULL, 0, NULL);

    sodium_memzero(packet, sizeof(packet));
    return rc == RC_OK;
}

/* A struct role_events function. Takes fd. */
void auth_pam_helper(void *ctx, uint64_t request, int fd)
{
    struct auth_role *auth = ctx;
    struct auth_pam_ask *ask = NULL;

    LIST_FOREACH(it, &auth->pam_asks)
    {
        struct auth_pam_ask *each = LINK_OWNER(it, struct auth_pam_ask, link);

        if (each->request == request)
            ask = each;
    }
    if (ask == NULL || ask->fd >= 0) {
        (void) close(fd); /* it crossed our stop: the helper sees the end */
        return;
    }
    if (loop_add(auth->loop, &ask->watch, fd, LOOP_IN, on_answer, ask, NULL) != RC_OK) {
        (void) close(fd); /* the helper sees the end */
        end_unavailable(ask, "its socket cannot be watched");
        return;
    }
    ask->fd = fd;
    if (!put_question(ask))
        end_unavailable(ask, "no helper was started, or it ended at once");
}

enum rc auth_pam_ask(struct auth_role *auth, struct auth_pam_ask *ask, const char *service,
                     const struct sasl_claim *claim, auth_pam_fn *done, struct err *err)
{
    struct msg msg = {.type = MSG_PAM_START, .pam_start = {.service = slice_from_str(service)}};
    enum rc rc;

    if (!pam_can_ask(sasl_claim_user(claim), auth_secret_slice(&claim->secret)))
        return err_set(err, RC_NOT_FOUND, "No such user", "pam: no such user or password");
    if (auth->n_pam_asks >= PAM_ASKS_MAX)
        return err_set(err, RC_UNAVAILABLE, "Server is busy, try again later",
                       "pam: %u helpers run", PAM_ASKS_MAX);
    msg.pam_start.request = ++auth->last_pam_ask;
    rc = auth_tell_supervisor(auth, &msg, err);
    if (rc)
        return rc;
    *ask = (struct auth_pam_ask){.auth = auth,
                                 .request = auth->last_pam_ask,
                                 .fd = -1,
                                 .waits = true,
                                 .claim = claim,
                                 .done = done};
    list_push_back(&auth->pam_asks, &ask->link);
    auth->n_pam_asks++;
    timer_start(auth->loop, &ask->timer, PAM_WAIT_US, on_late, ask);
    return RC_OK;
}

void auth_pam_forget(struct auth_pam_ask *ask)
{
    if (!ask->waits)
        return;
    stop_helper(ask);
    take_out(ask);
}
