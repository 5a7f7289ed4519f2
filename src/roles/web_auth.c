#include <sodium.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "roles/web_role.h"

#define ACCESS_CODE_FULL      1u
#define ACCESS_CODE_READ_ONLY 2u
#define SECONDS_A_DAY         86400
#define LIST_SHOWN_BYTES      512u /* of the folders or networks of a device */

_Static_assert(MSG_TOKEN_BYTES == SITE_TOKEN_BYTES, "a session's token");

static void drop_channel(struct web_role *web)
{
    if (web->auth == NULL)
        return;
    loop_remove(web->loop, &web->auth_watch);
    channel_freep(&web->auth);
}

/* Nobody will answer what was asked. */
static void fail_all(struct web_role *web)
{
    static const struct site_reply busy = {.verdict = SITE_BUSY};
    struct slice key;
    void *value;
    size_t at = 0;

    while (map_next(web->asked, &at, &key, &value)) {
        web_exchange_reply(value, &busy); /* takes it out of the map */
        at = 0;
    }
}

static void lost(struct web_role *web, enum rc rc, const struct err *err)
{
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "web.channel", LOG_ERR(err));
    drop_channel(web);
    fail_all(web);
}

/* ---- what auth says ---- */

static enum site_verdict verdict_of(uint8_t code, enum site_ask_kind kind)
{
    switch (code) {
    case ENROL_OK:
        return SITE_DONE;
    case ENROL_REFUSED:
        return SITE_REFUSED;
    case ENROL_OVER:
        return SITE_NO_SESSION;
    case ENROL_INVALID:
        return kind == SITE_ASK_REVOKE || kind == SITE_ASK_CONFIRM ? SITE_NOT_THERE
                                                                   : SITE_INVALID;
    case ENROL_FULL:
        return SITE_LIMIT;
    default: /* ENROL_UNAVAILABLE, and what a byte can hold besides */
        return SITE_BUSY;
    }
}

static struct slice keep(struct arena *arena, struct slice text, size_t max)
{
    return arena_dup(arena, utf8_cut(text, max));
}

static void on_device(struct web_exchange *x, const struct msg_enrol_device *msg)
{
    struct site_device *device;

    if (x->turn.ask.kind != SITE_ASK_DEVICES || x->n_devices == SITE_DEVICES_MAX)
        return;
    if (x->devices == NULL)
        x->devices = ARENA_ARRAY(x->arena, struct site_device, SITE_DEVICES_MAX);
    device = &x->devices[x->n_devices++];
    *device = (struct site_device){
        .id = msg->device,
        .name = keep(x->arena, msg->name, MSG_DEVICE_MAX),
        .scope = msg->scope,
        .read_only = msg->access == ACCESS_CODE_READ_ONLY,
        .folders = keep(x->arena, msg->folders, LIST_SHOWN_BYTES),
        .networks = keep(x->arena, msg->networks, LIST_SHOWN_BYTES),
        .created = (int64_t) msg->created,
        .last_used = (int64_t) msg->last_used,
        .expires = (int64_t) msg->expires,
        .last_address = keep(x->arena, msg->address, MSG_CONFIG_NAME),
        .last_client = keep(x->arena, msg->client, MSG_DEVICE_MAX),
    };
}

static void on_waiting(struct web_exchange *x, const struct msg_enrol_waiting *msg)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};

    if (x->turn.ask.kind != SITE_ASK_DEVICES || x->n_waiting == SITE_WAITING_MAX)
        return;
    if (x->waiting == NULL)
        x->waiting = ARENA_ARRAY(x->arena, struct site_waiting, SITE_WAITING_MAX);
    ipaddr_print(&address, &msg->address);
    x->waiting[x->n_waiting++] =
        (struct site_waiting){.device = msg->device,
                              .address = arena_dup(x->arena, buf_slice(&address)),
                              .since = (int64_t) msg->since};
}

/* An answer to another question than was asked would be a mistake of auth's: it says nothing.
 */
static void on_session(struct web_exchange *x, const struct msg_enrol_session *msg)
{
    struct site_reply reply = {
        .verdict = SITE_DONE, .seconds = msg->seconds, .user = msg->user};

    if (x->turn.ask.kind != SITE_ASK_LOGIN)
        return;
    memcpy(reply.token, msg->token, sizeof(reply.token));
    web_exchange_reply(x, &reply);
    sodium_memzero(&reply, sizeof(reply));
}

static void on_created(struct web_exchange *x, const struct msg_enrol_created *msg)
{
    const struct site_reply reply = {
        .verdict = SITE_DONE, .user = msg->user, .password = msg->password};

    if (x->turn.ask.kind == SITE_ASK_CREATE)
        web_exchange_reply(x, &reply);
}

static void on_done(struct web_exchange *x, const struct msg_enrol_done *msg)
{
    enum site_ask_kind kind = x->turn.ask.kind;
    struct site_reply reply = {.verdict = verdict_of(msg->code, kind),
                               .text = msg->text,
                               .user = msg->user,
                               .devices = x->devices,
                               .n_devices = x->n_devices,
                               .waiting = x->waiting,
                               .n_waiting = x->n_waiting};

    if (reply.verdict == SITE_DONE && (kind == SITE_ASK_LOGIN || kind == SITE_ASK_CREATE))
        return; /* these are done by ENROL_SESSION and ENROL_CREATED */
    web_exchange_reply(x, &reply);
}

static struct web_exchange *find(const struct web_role *web, uint64_t request)
{
    return map_get(web->asked, MAP_KEY(request));
}

static void on_message(struct web_role *web, const struct msg *msg)
{
    struct web_exchange *x;

    switch (msg->type) {
    case MSG_ENROL_SESSION:
        x = find(web, msg->enrol_session.request);
        if (x != NULL)
            on_session(x, &msg->enrol_session);
        break;
    case MSG_ENROL_DEVICE:
        x = find(web, msg->enrol_device.request);
        if (x != NULL)
            on_device(x, &msg->enrol_device);
        break;
    case MSG_ENROL_WAITING:
        x = find(web, msg->enrol_waiting.request);
        if (x != NULL)
            on_waiting(x, &msg->enrol_waiting);
        break;
    case MSG_ENROL_CREATED:
        x = find(web, msg->enrol_created.request);
        if (x != NULL)
            on_created(x, &msg->enrol_created);
        break;
    case MSG_ENROL_DONE:
        x = find(web, msg->enrol_done.request);
        if (x != NULL)
            on_done(x, &msg->enrol_done);
        break;
    default: /* the decoder lets nothing else through from auth */
        break;
    }
}

static void want(struct web_role *web)
{
    loop_want(web->loop, &web->auth_watch,
              LOOP_IN | (channel_wants_write(web->auth) ? LOOP_OUT : 0u));
}

static void on_auth(void *ctx, unsigned ready)
{
    struct web_role *web = ctx;
    struct packet *packet;
    struct err err = {0};
    enum rc rc = RC_OK;

    if ((ready & LOOP_OUT) != 0)
        rc = channel_flush(web->auth, &err);
    if (rc == RC_MORE)
        rc = RC_OK; /* more of it later */
    while (rc == RC_OK) {
        rc = channel_take(web->auth, &packet, &err);
        if (rc == RC_OK)
            on_message(web, &packet->msg);
    }
    if (rc == RC_MORE)
        want(web);
    else
        lost(web, rc, &err);
}

void web_auth_peer(void *ctx, const struct role_peer *peer)
{
    struct web_role *web = ctx;
    struct err err;

    if (peer->role != ROLE_AUTH) {
        (void) close(peer->fd); /* not one we talk to */
        return;
    }
    drop_channel(web);
    fail_all(web);
    web->auth = channel_new(peer->fd, ROLE_WEB, ROLE_AUTH);
    if (loop_add(web->loop, &web->auth_watch, peer->fd, LOOP_IN, on_auth, web, &err) == RC_OK)
        return;
    log_event(LEVEL_ERROR, "web.channel", LOG_ERR(&err));
    channel_freep(&web->auth);
}

/* ---- what is asked ---- */

static void put_token(uint8_t to[MSG_TOKEN_BYTES], const struct site_ask *ask)
{
    memcpy(to, ask->token, MSG_TOKEN_BYTES);
}

static struct msg message_of(const struct web_exchange *x)
{
    const struct site_ask *ask = &x->turn.ask;
    struct msg msg = {.type = MSG_NONE};

    switch (ask->kind) {
    case SITE_ASK_LOGIN:
        msg.type = MSG_ENROL_LOGIN;
        msg.enrol_login = (struct msg_enrol_login){.request = x->id,
                                                   .peer = x->peer,
                                                   .user = ask->user,
                                                   .password = ask->password,
                                                   .code = ask->code};
        break;
    case SITE_ASK_DEVICES:
        msg.type = MSG_ENROL_LIST;
        msg.enrol_list.request = x->id;
        put_token(msg.enrol_list.token, ask);
        break;
    case SITE_ASK_CREATE:
        msg.type = MSG_ENROL_CREATE;
        msg.enrol_create = (struct msg_enrol_create){
            .request = x->id,
            .name = ask->name,
            .scope = (uint8_t) ask->scope,
            .access = ask->read_only ? ACCESS_CODE_READ_ONLY : ACCESS_CODE_FULL,
            .folders = ask->folders,
            .networks = ask->networks,
            .expires =
                ask->days > 0 ? (uint64_t) (clock_wall_sec() + ask->days * SECONDS_A_DAY) : 0};
        put_token(msg.enrol_create.token, ask);
        break;
    case SITE_ASK_REVOKE:
        msg.type = MSG_ENROL_REVOKE;
        msg.enrol_revoke = (struct msg_enrol_revoke){.request = x->id, .device = ask->device};
        put_token(msg.enrol_revoke.token, ask);
        break;
    case SITE_ASK_CONFIRM:
        msg.type = MSG_ENROL_CONFIRM;
        msg.enrol_confirm = (struct msg_enrol_confirm){
            .request = x->id, .device = ask->device, .address = ask->address};
        put_token(msg.enrol_confirm.token, ask);
        break;
    case SITE_ASK_LOGOUT:
        msg.type = MSG_ENROL_LOGOUT;
        msg.enrol_logout.request = x->id;
        put_token(msg.enrol_logout.token, ask);
        break;
    case SITE_ASK_NONE:
        break;
    }
    return msg;
}

enum rc web_auth_ask(struct web_exchange *x, struct err *err)
{
    struct web_role *web = x->web;
    struct msg msg = message_of(x);
    enum rc rc;

    if (web->auth == NULL)
        return err_set(err, RC_UNAVAILABLE, "Temporarily unavailable", "auth is not there");
    rc = channel_post(web->auth, &msg, NULL, err);
    sodium_memzero(&msg, sizeof(msg));
    if (rc == RC_OK)
        want(web);
    return rc;
}

void web_auth_done(struct web_role *web)
{
    drop_channel(web);
    fail_all(web);
}
