/*
 * gate_socketmap.c - Postfix asks whether there is such a recipient: socketmap_table(5).
 *
 * One map, "recipients": the value is the name of the user (or shared account) who gets the
 * mail, which serves reject_unlisted_recipient's tables and smtpd_sender_login_maps alike.
 */
#include "auth/socketmap.h"
#include "base/log.h"
#include "roles/gate_local.h"

#define MAP_NAME "recipients"

/* A question that cannot be read ends the connection: where the next begins is not known. */
static size_t refuse(struct gate_local *local, const struct err *err)
{
    log_event(LEVEL_WARNING, "gate.mta_refused", LOG_STR("socket", "socketmap"),
              LOG_STR("detail", err->detail));
    gate_local_drop(local);
    return 0;
}

size_t gate_socketmap_take(struct gate_local *local, struct slice input)
{
    struct socketmap_question question;
    struct gate_ask *ask;
    struct msg msg;
    struct err err;
    size_t n = 0;
    enum rc rc;

    rc = socketmap_take(input, &question, &n, &err);
    if (rc)
        return rc == RC_MORE ? 0 : refuse(local, &err);
    if (!slice_eq(question.map, SLICE(MAP_NAME))) {
        socketmap_answer(&local->stream.out, "PERM", SLICE("no such map"));
        return n;
    }
    if (question.key.len > MSG_ADDRESS_MAX) {
        socketmap_answer(&local->stream.out, "NOTFOUND", SLICE(""));
        return n;
    }
    ask = gate_ask_new(local);
    msg = (struct msg){
        .type = MSG_RESOLVE, .resolve = {.request = ask->id, .address = question.key}
    };
    if (gate_peer_post(&local->gate->auth, &msg, NULL, &err) != RC_OK)
        gate_socketmap_too_late(ask);
    return n;
}

static void answer(struct gate_ask *ask, const char *status, struct slice text)
{
    socketmap_answer(&ask->local->stream.out, status, text);
    gate_ask_free(ask);
}

void gate_socketmap_message(struct gate_ask *ask, const struct msg *msg)
{
    switch ((enum resolve_code) msg->resolved.code) {
    case RESOLVE_OK:
    case RESOLVE_FULL:
    case RESOLVE_DISABLED: /* LMTP says what becomes of its mail */
        answer(ask, "OK", msg->resolved.user);
        return;
    case RESOLVE_UNKNOWN:
    case RESOLVE_SYNTAX:
    case RESOLVE_DELETED:
        answer(ask, "NOTFOUND", SLICE(""));
        return;
    case RESOLVE_TEMPORARY:
    case RESOLVE_COUNT:
        break;
    }
    answer(ask, "TEMP", SLICE("recipients cannot be looked up now"));
}

void gate_socketmap_too_late(struct gate_ask *ask)
{
    answer(ask, "TEMP", SLICE("recipients cannot be looked up now"));
}
