/*
 * gss.c - the process that looks at Kerberos tickets: SASL's GSSAPI for auth.
 *
 * What a stranger sends as a token is read here and by the library (gss_krb5.h), by nobody
 * else, and the keytab is opened by nobody else. It holds neither passwords nor mail, goes
 * nowhere, and lets nobody in: it tells auth who a ticket is of, and auth decides.
 *
 * One thread takes one message after the other; a token costs it a fraction of a millisecond.
 * It waits with poll() alone, as keys does, so that its list of system calls stays short. An
 * exchange lives until it is over, auth ends it, or auth is gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "auth/sasl.h"
#include "base/log.h"
#include "base/map.h"
#include "config/config.h"
#include "roles/gss_krb5.h"
#include "roles/role.h"

#define GSS_EXCHANGES_MAX 1024u /* whose tickets were good so far: 6 KiB each */
#define GSS_PATH_BYTES    4096u
#define GSS_SERVICE       SLICE("imap") /* RFC 9051's service name */
#define GSS_REPLAYS       ROLE_GSS_DIR "/replay"

struct gss_exchange {
    uint64_t number;
    struct gss_context *context;
    struct gssapi machine;
};

struct gss_role {
    struct role_start *start;
    struct gss_krb5 *krb5;
    struct channel *auth;  /* NULL: gone */
    struct map *exchanges; /* struct gss_exchange by number */
    bool ending;
};

static void exchange_free(struct gss_role *gss, struct gss_exchange *exchange)
{
    (void) map_remove(gss->exchanges, MAP_KEY(exchange->number));
    gss_context_free(exchange->context);
    free(exchange);
}

/* One after the other: freeing changes the map. */
static void forget_all(struct gss_role *gss)
{
    size_t at = 0;
    struct slice key;
    void *value;

    while (map_next(gss->exchanges, &at, &key, &value)) {
        exchange_free(gss, value);
        at = 0;
    }
}

static void auth_drop(struct gss_role *gss)
{
    channel_free(TAKE(gss->auth));
    forget_all(gss);
}

static struct gss_exchange *exchange_new(struct gss_role *gss, uint64_t number)
{
    struct gss_exchange *exchange = xcalloc(1, sizeof(*exchange));

    exchange->number = number;
    exchange->context = gss_context_new(gss->krb5, GSS_SERVICE);
    gssapi_init(&exchange->machine, &gss_krb5_provider, exchange->context);
    (void) map_put(gss->exchanges, MAP_KEY(exchange->number), exchange);
    return exchange;
}

static void say(struct gss_role *gss, const struct msg_gss_result *result)
{
    struct msg msg = {.type = MSG_GSS_RESULT, .gss_result = *result};
    struct err err;

    if (channel_post(gss->auth, &msg, NULL, &err) != RC_OK)
        log_event(LEVEL_WARNING, "gss.auth_not_told", LOG_ERR(&err));
}

static void say_unavailable(struct gss_role *gss, uint64_t number, struct slice reason)
{
    say(gss, &(struct msg_gss_result){
                 .exchange = number, .code = GSS_CODE_UNAVAILABLE, .reason = reason});
}

static enum gss_code code_of(enum rc rc)
{
    if (rc == RC_OK)
        return GSS_CODE_GOOD;
    if (rc == RC_MORE)
        return GSS_CODE_MORE;
    return rc == RC_DENIED ? GSS_CODE_REFUSED : GSS_CODE_MALFORMED;
}

static void take_step(struct gss_role *gss, struct gss_exchange *exchange, struct slice data)
{
    const struct gssapi *machine = &exchange->machine;
    AUTO(buf_done) struct buf out = {.max = SASL_MESSAGE_MAX_BYTES};
    struct msg_gss_result result = {.exchange = exchange->number};
    struct err err = {.detail = ""};
    enum rc rc = gssapi_step(&exchange->machine, data, &out, &err);

    result.code = (uint8_t) code_of(rc);
    if (rc == RC_MORE) {
        result.data = buf_slice(&out);
        say(gss, &result);
        return;
    }
    result.principal = slice_of(machine->peer.principal, machine->peer.principal_len);
    if (rc == RC_OK) {
        result.authzid = slice_of(machine->authzid, machine->authzid_len);
        result.expires = (uint64_t) machine->peer.expires;
    } else {
        result.reason = slice_from_str(err.detail);
    }
    say(gss, &result);
    exchange_free(gss, exchange);
}

static void on_step(struct gss_role *gss, const struct msg_gss_step *msg)
{
    struct gss_exchange *exchange = map_get(gss->exchanges, MAP_KEY(msg->exchange));

    if (msg->first != 0 && exchange != NULL) {
        exchange_free(gss, exchange); /* a number twice: neither is believed */
        exchange = NULL;
    } else if (msg->first != 0) {
        if (map_count(gss->exchanges) >= GSS_EXCHANGES_MAX) {
            say_unavailable(gss, msg->exchange, SLICE("busy"));
            return;
        }
        exchange = exchange_new(gss, msg->exchange);
    }
    if (exchange == NULL)
        say_unavailable(gss, msg->exchange, SLICE("no_such_exchange"));
    else
        take_step(gss, exchange, msg->data);
}

static void on_end(struct gss_role *gss, uint64_t number)
{
    struct gss_exchange *exchange = map_get(gss->exchanges, MAP_KEY(number));

    if (exchange != NULL)
        exchange_free(gss, exchange);
}

/* It reads whether or not its answers are taken: auth bounds what it asks, and the two never
 * wait for each other. */
static void serve_auth(struct gss_role *gss)
{
    struct packet *packet;
    struct err err;
    enum rc rc = channel_flush(gss->auth, &err);

    while (rc == RC_OK || rc == RC_MORE) {
        rc = channel_take(gss->auth, &packet, &err);
        if (rc == RC_MORE)
            return;
        if (rc == RC_OK && packet->msg.type == MSG_GSS_STEP)
            on_step(gss, &packet->msg.gss_step);
        else if (rc == RC_OK && packet->msg.type == MSG_GSS_END)
            on_end(gss, packet->msg.gss_end.exchange);
    }
    if (rc != RC_UNAVAILABLE)
        log_event(LEVEL_ERROR, "gss.peer_broken", LOG_STR("peer", "auth"), LOG_ERR(&err));
    auth_drop(gss);
}

/* A struct role_events function; also for those that were there at the start. */
static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct gss_role *gss = ctx;

    if (gss->auth != NULL)
        auth_drop(gss);
    gss->auth = channel_new(peer->fd, ROLE_GSS, peer->role);
}

static void on_shutdown(void *ctx, bool fast)
{
    struct gss_role *gss = ctx;

    (void) fast; /* nothing is under way between two messages */
    gss->ending = true;
}

static const struct role_events events = {.peer = on_peer, .shutdown = on_shutdown};

static struct pollfd wait_for(struct channel *channel)
{
    if (channel == NULL)
        return (struct pollfd){.fd = -1};
    return (struct pollfd){.fd = channel_fd(channel),
                           .events =
                               (short) (POLLIN | (channel_wants_write(channel) ? POLLOUT : 0))};
}

static void run(struct gss_role *gss)
{
    while (!gss->ending) {
        struct pollfd fds[] = {wait_for(gss->auth), wait_for(gss->start->supervisor)};

        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            die("gss: poll: %s", strerror(errno));
        if (fds[0].revents != 0)
            serve_auth(gss);
        if (fds[1].revents != 0)
            role_supervisor_ready(gss->start, &events, gss);
    }
}

static enum rc open_all(struct gss_role *gss, struct err *err)
{
    const struct config *config = gss->start->config;
    char replays[GSS_PATH_BYTES];

    if (snprintf(replays, sizeof(replays), "%s/" GSS_REPLAYS, config->data_dir) >=
        (int) sizeof(replays))
        return err_set(err, RC_LIMIT, "Path is too long", "data: path too long");
    return gss_krb5_open(config->gssapi_keytab, replays, &gss->krb5, err);
}

int role_gss(struct role_start *start)
{
    struct gss_role gss = {.start = start};
    struct err err;

    if (open_all(&gss, &err)) {
        role_failed(start, &err);
        return 1;
    }
    if (role_confine(start, &err))
        return 1;
    gss.exchanges = map_new();
    for (size_t i = 0; i < start->n_peers; i++)
        on_peer(&gss, &start->peers[i]);
    run(&gss);
    if (gss.auth != NULL)
        auth_drop(&gss);
    map_free(gss.exchanges);
    gss_krb5_close(gss.krb5);
    return 0;
}
