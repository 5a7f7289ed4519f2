#include "roles/gate_local.h"

#include "base/log.h"

#define US_PER_SEC 1000000
#define RUN_READS  16u /* reads of one connection before others have their turn */

void gate_ask_free(struct gate_ask *ask)
{
    struct gate_local *local = ask->local;

    (void) map_remove(local->gate->asks, MAP_KEY(ask->id));
    timer_stop(local->gate->loop, &ask->timer);
    list_remove(&ask->link);
    local->n_asks--;
    free(ask);
}

void gate_ask_cancel(const struct gate_ask *ask)
{
    struct msg msg = {.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = ask->id}};
    struct err err;

    if (ask->local->kind == LISTENER_SASL) /* RESOLVE is no exchange */
        (void) !gate_peer_post(&ask->local->gate->auth, &msg, NULL,
                               &err); /* gone: nothing to cancel */
}

static void free_dead(void *ctx)
{
    struct gate *gate = ctx;
    struct link *link;

    while ((link = list_pop_front(&gate->dead_locals)) != NULL) {
        struct gate_local *local = LINK_OWNER(link, struct gate_local, link);

        stream_done(&local->stream);
        free(local);
    }
}

void gate_local_drop(struct gate_local *local)
{
    struct gate *gate = local->gate;

    if (local->dead)
        return;
    local->dead = true;
    while (!list_is_empty(&local->asks)) {
        struct gate_ask *ask = LINK_OWNER(local->asks.head.next, struct gate_ask, link);

        gate_ask_cancel(ask);
        gate_ask_free(ask);
    }
    loop_remove(gate->loop, &local->watch);
    list_remove(&local->link);
    gate->n_locals--;
    list_push_back(&gate->dead_locals, &local->link);
    loop_defer(gate->loop, &gate->reap_locals, free_dead, gate);
}

/* Socketmap's answers have no names: one question at a time keeps their order. */
static bool is_full(const struct gate_local *local)
{
    return stream_unsent(&local->stream) >= GATE_OUT_HIGH_BYTES ||
           local->n_asks >= (local->kind == LISTENER_SASL ? GATE_ASKS_MAX : 1);
}

/* What was read may hold a password: nothing of it stays behind. */
static void take(struct gate_local *local, size_t n)
{
    struct stream *stream = &local->stream;

    explicit_bzero(stream->in.ptr + stream->in_at, n);
    stream_take(stream, n);
}

/* Questions that have come, while answers can be taken; true if that is why it ended. */
static bool feed(struct gate_local *local)
{
    while (!local->dead && !is_full(local)) {
        struct slice input = stream_input(&local->stream);
        size_t n = local->kind == LISTENER_SASL ? gate_sasl_take(local, input)
                                                : gate_socketmap_take(local, input);

        if (n == 0)
            return false;
        take(local, n);
    }
    return true;
}

static void send_answers(struct gate_local *local)
{
    if (!local->dead &&
        (local->stream.out.overflow || stream_send(&local->stream) == STREAM_SEND_BROKEN))
        gate_local_drop(local);
}

/* Read, answer, and watch for what comes next. */
static void run(struct gate_local *local)
{
    enum stream_read got = STREAM_GOT;
    unsigned n_reads = 0;

    while (!local->dead && got == STREAM_GOT) {
        bool stopped = feed(local);

        send_answers(local);
        if (local->dead || is_full(local) || (!stopped && n_reads++ == RUN_READS))
            break;
        if (stopped)
            continue; /* the answers have gone, and there may be another question */
        local->stream.drained = false; /* the socket says itself when there is no more */
        got = stream_read(&local->stream);
    }
    if (got == STREAM_ENDED || got == STREAM_BROKEN)
        gate_local_drop(local);
    if (local->dead)
        return;
    stream_trim(&local->stream);
    loop_want(local->gate->loop, &local->watch,
              (stream_unsent(&local->stream) > 0 ? (unsigned) LOOP_OUT : 0u) |
                  (is_full(local) ? 0u : (unsigned) LOOP_IN));
}

static void too_late(void *ctx)
{
    struct gate_ask *ask = ctx;
    struct gate_local *local = ask->local;

    gate_ask_cancel(ask);
    if (local->kind == LISTENER_SASL)
        gate_sasl_too_late(ask);
    else
        gate_socketmap_too_late(ask);
    run(local);
}

struct gate_ask *gate_ask_new(struct gate_local *local)
{
    struct gate *gate = local->gate;
    struct gate_ask *ask = xcalloc(1, sizeof(*ask));

    ask->local = local;
    ask->id = ++gate->last_id;
    list_push_back(&local->asks, &ask->link);
    local->n_asks++;
    (void) map_put(gate->asks, MAP_KEY(ask->id), ask);
    timer_start(gate->loop, &ask->timer, (int64_t) GATE_ASK_SEC * US_PER_SEC, too_late, ask);
    return ask;
}

static void on_ready(void *ctx, unsigned ready)
{
    struct gate_local *local = ctx;

    (void) ready;
    run(local);
}

void gate_local_new(struct gate *gate, const struct gate_listener *listener, int fd)
{
    struct gate_local *local;
    struct err err;

    if (gate->n_locals >= GATE_LOCALS_MAX) {
        log_event(LEVEL_WARNING, "gate.mta_full", LOG_NUM("connections", GATE_LOCALS_MAX));
        closep(&fd);
        return;
    }
    local = xcalloc(1, sizeof(*local));
    local->gate = gate;
    local->kind = listener->kind;
    stream_init(&local->stream, fd, (struct slice){0}, GATE_LOCAL_OUT_MAX);
    local->stream.in.secret = true;
    list_init(&local->asks);
    list_push_back(&gate->locals, &local->link);
    gate->n_locals++;
    if (loop_add(gate->loop, &local->watch, fd, LOOP_IN, on_ready, local, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "gate.watch", LOG_ERR(&err));
        gate_local_drop(local);
        return;
    }
    if (local->kind == LISTENER_SASL)
        gate_sasl_greet(local);
    run(local);
}

static uint64_t id_of(const struct msg *msg)
{
    if (msg->type == MSG_RESOLVED)
        return msg->resolved.request;
    if (msg->type == MSG_CERT_CHECKED)
        return msg->cert_checked.conn;
    if (msg->type == MSG_AUTH_CONTINUE)
        return msg->auth_continue.conn;
    return msg->type == MSG_AUTH_OK ? msg->auth_ok.conn : msg->auth_fail.conn;
}

bool gate_local_message(struct gate *gate, const struct msg *msg)
{
    uint64_t id = id_of(msg);
    struct gate_ask *ask = map_get(gate->asks, MAP_KEY(id));
    struct gate_local *local;

    if (ask == NULL)
        return msg->type == MSG_RESOLVED; /* who asked has gone */
    local = ask->local;
    if (local->kind == LISTENER_SASL)
        gate_sasl_message(ask, msg);
    else
        gate_socketmap_message(ask, msg);
    run(local);
    return true;
}

static void drop_each(struct gate *gate, bool asking_alone)
{
    LIST_FOREACH(link, &gate->locals)
    {
        struct gate_local *local = LINK_OWNER(link, struct gate_local, link);

        if (!asking_alone || local->n_asks > 0)
            gate_local_drop(local);
    }
}

void gate_local_lost_auth(struct gate *gate)
{
    drop_each(gate, true);
}

void gate_local_drop_all(struct gate *gate)
{
    drop_each(gate, false);
    if (gate->loop != NULL)
        loop_cancel(gate->loop, &gate->reap_locals);
    free_dead(gate);
}
