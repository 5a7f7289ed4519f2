#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/gate_state.h"

#define US_PER_SEC   1000000
#define RUN_STEPS    16u /* state steps of one connection before others have their turn */
#define DRAIN_ROUNDS 8u  /* reads thrown away at once while CLOSING */

/* --- lists --- */

/* The list a state's connections are in. Strangers stay where they are while auth is asked, so
 * that the oldest is the first. */
static enum gate_state list_of(enum gate_state state)
{
    switch (state) {
    case GATE_READY:
    case GATE_ASKED:
    case GATE_RESPONSE:
    case GATE_PASSING:
        return GATE_READY;
    case GATE_PROXY:
    case GATE_HANDSHAKE:
    case GATE_CARRIED:
    case GATE_CLOSING:
    case GATE_DEAD:
        return state;
    }
    return state;
}

static void evict_over(struct gate *gate, enum gate_state state, size_t max)
{
    struct list *list = &gate->lists[state];

    if (gate->counts[state] > max)
        gate_conn_close(LINK_OWNER(list->head.next, struct gate_conn, link), CLOSE_INTERNAL,
                        "");
}

static size_t held_by(const struct gate_conn *c)
{
    size_t bytes = GATE_STRANGER_BYTES + c->out.cap + c->unread.cap + c->client_id.cap;

    if (c->conn.tls != NULL)
        bytes += GATE_TLS_BYTES;
    if (c->reader != NULL)
        bytes += imap_reader_held(c->reader);
    return bytes;
}

static void count_held(struct gate_conn *c)
{
    size_t held = list_of(c->state) == GATE_READY ? held_by(c) : 0;

    c->gate->held += held - c->held;
    c->held = held;
}

/* By memory, so that those who say little may be many. */
static void evict_strangers(struct gate *gate)
{
    struct list *list = &gate->lists[GATE_READY];

    while (gate->counts[GATE_READY] > GATE_STRANGERS_MAX || gate->held > gate->held_max)
        gate_conn_close(LINK_OWNER(list->head.next, struct gate_conn, link), CLOSE_INTERNAL,
                        "[UNAVAILABLE] Too many connections");
}

static void relist(struct gate_conn *c, enum gate_state state)
{
    struct gate *gate = c->gate;
    enum gate_state from = list_of(c->state), to = list_of(state);

    if (link_is_listed(&c->link) && from == to)
        return;
    if (link_is_listed(&c->link)) {
        list_remove(&c->link);
        gate->counts[from]--;
    }
    list_push_back(&gate->lists[to], &c->link);
    gate->counts[to]++;
}

static bool is_stranger(enum gate_state state)
{
    return state != GATE_CARRIED && state != GATE_CLOSING && state != GATE_DEAD;
}

void gate_conn_enter(struct gate_conn *c, enum gate_state state)
{
    if (!is_stranger(state))
        gate_source_leave(c);
    relist(c, state);
    c->state = state;
    count_held(c);
}

/* --- output, and what is waited for --- */

static enum rc broken(struct gate_conn *c, const struct err *err)
{
    if (c->conn.tls != NULL && err->rc == RC_IO && c->state == GATE_HANDSHAKE) {
        gate_log_tls_failed(c, err);
        gate_conn_drop(c, CLOSE_TLS_ERROR);
    } else {
        gate_conn_drop(c, CLOSE_PEER_RESET);
    }
    return RC_MORE;
}

static enum rc flush(struct gate_conn *c)
{
    if (c->out.overflow) {
        gate_conn_drop(c, CLOSE_PROTOCOL); /* it asks and asks, and does not read */
        return RC_MORE;
    }
    while (c->out.len > 0) {
        struct err err = {0};
        size_t n = 0;
        enum rc rc = conn_write(&c->conn, buf_slice(&c->out), &n, &err);

        if (rc == RC_MORE)
            return RC_MORE;
        if (rc)
            return broken(c, &err);
        buf_consume(&c->out, n);
        c->n_out += n;
    }
    buf_shrink(&c->out, 0);
    return RC_OK;
}

static void watch(struct gate_conn *c)
{
    bool reads = false, writes = c->out.len > 0;
    unsigned end = 0;

    count_held(c);
    switch (c->state) {
    case GATE_PROXY:
        reads = true;
        break;
    case GATE_HANDSHAKE:
        if (c->step != NULL) {
            loop_want(c->gate->loop, &c->watch, 0);
            return; /* conn is not ours to look at */
        }
        reads = c->conn.tls != NULL || c->out.len == 0;
        break;
    case GATE_READY:
    case GATE_RESPONSE:
        reads = c->out.len < GATE_OUT_HIGH_BYTES;
        break;
    case GATE_CLOSING:
        reads = c->shut;
        writes = writes || !c->shut;
        break;
    case GATE_ASKED: /* who has said more is heard out, and left alone until then */
        end = c->unread.len == 0 ? (unsigned) LOOP_END : 0u;
        break;
    case GATE_PASSING:
        break;
    case GATE_CARRIED:
    case GATE_DEAD:
        return;
    }
    loop_want(c->gate->loop, &c->watch, conn_events(&c->conn, reads, writes) | end);
}

/* What is not sent is watched for; an end shows in the state. */
static void flush_and_watch(struct gate_conn *c)
{
    if (c->state != GATE_CARRIED && c->state != GATE_DEAD && c->state != GATE_HANDSHAKE)
        (void) flush(c);
    watch(c);
}

/* --- begin and end --- */

/* In ASKED: the client sends no more. What it said before is kept until auth has answered; if
 * that is nothing, it has left, and nobody waits for the answer. */
static void find_end(struct gate_conn *c)
{
    struct err err = {0};
    size_t n = 0;
    enum rc rc = conn_read(&c->conn, c->gate->scratch, GATE_READ_BYTES, &n, &err);

    if (rc == RC_OK && n == 0) {
        gate_conn_close(c, CLOSE_PEER_CLOSED, "");
    } else if (rc == RC_OK) {
        c->n_in += n;
        buf_append(&c->unread, slice_of(c->gate->scratch, n));
    } else if (rc != RC_MORE) {
        (void) broken(c, &err);
    }
}

static void conn_ready(void *ctx, unsigned ready)
{
    struct gate_conn *c = ctx;

    if (c->state == GATE_ASKED && (ready & (unsigned) LOOP_END) != 0)
        find_end(c);
    gate_conn_run(c); /* every direction is tried: under TLS either event serves either */
    evict_strangers(c->gate);
}

static void login_deadline(void *ctx)
{
    gate_conn_close(ctx, CLOSE_TIMEOUT, "Login took too long");
}

void gate_conn_rename(struct gate_conn *c)
{
    if (c->id != 0)
        (void) map_remove(c->gate->by_id, MAP_KEY(c->id));
    c->id = ++c->gate->last_id;
    (void) map_put(c->gate->by_id, MAP_KEY(c->id), c);
}

struct gate_conn *gate_conn_find(const struct gate *gate, uint64_t id)
{
    return map_get(gate->by_id, MAP_KEY(id));
}

enum rc gate_conn_watch(struct gate_conn *c)
{
    struct gate *gate = c->gate;
    struct err err = {0};
    enum rc rc = loop_add(gate->loop, &c->watch, c->conn.fd, LOOP_IN, conn_ready, c, &err);

    if (rc) {
        log_event(LEVEL_ERROR, "gate.watch", LOG_ERR(&err));
        gate_conn_drop(c, CLOSE_INTERNAL);
        return rc;
    }
    timer_start(gate->loop, &c->timer, (int64_t) GATE_LOGIN_SEC * US_PER_SEC, login_deadline,
                c);
    return RC_OK;
}

static struct gate_conn *make(struct gate *gate, const struct gate_listener *listener, int fd)
{
    struct gate_conn *c = xcalloc(1, sizeof(*c));

    c->gate = gate;
    c->listener = listener;
    conn_init(&c->conn, fd);
    c->opened_us = loop_now_us(gate->loop);
    c->peer = gate_address(fd, true);
    c->local = gate_address(fd, false);
    buf_init(&c->out, GATE_OUT_MAX_BYTES);
    buf_init(&c->unread, GATE_UNREAD_MAX);
    c->unread.secret = true; /* a LOGIN may have come early */
    buf_init(&c->client_id, GATE_CLIENT_ID_MAX);
    buf_init(&c->tag, MSG_TAG_MAX);
    return c;
}

static enum gate_state first_state(const struct gate_conn *c)
{
    return c->listener->kind == LISTENER_IMAPS ? GATE_HANDSHAKE : GATE_READY;
}

static void evict_some(struct gate *gate)
{
    evict_over(gate, GATE_PROXY, GATE_HANDSHAKES_MAX);
    evict_over(gate, GATE_HANDSHAKE, GATE_HANDSHAKES_MAX);
    evict_strangers(gate);
}

/* A client waits for the greeting before it speaks, so there is nothing to read yet; who does
 * not wait is heard in the next turn. */
static void greet_first(struct gate_conn *c)
{
    gate_greet(c);
    flush_and_watch(c);
}

void gate_conn_new(struct gate *gate, const struct gate_listener *listener, int fd)
{
    struct gate_conn *c = make(gate, listener, fd);

    gate_conn_rename(c);
    gate_conn_enter(c, gate_is_proxy(gate, &c->peer) ? GATE_PROXY : first_state(c));
    if (gate_conn_watch(c) != RC_OK)
        return;
    if (c->state != GATE_PROXY)
        gate_source_enter(c);
    evict_some(gate);
    if (c->state == GATE_READY)
        greet_first(c);
    else
        watch(c); /* TLS begins when the client does: it costs nothing before */
}

struct gate_conn *gate_conn_known(struct gate *gate, const struct gate_listener *listener,
                                  int fd, struct slice unread, struct slice client_id)
{
    struct gate_conn *c = make(gate, listener, fd);

    buf_append(&c->unread, unread);
    buf_append(&c->client_id, slice_sub(client_id, 0, GATE_CLIENT_ID_MAX));
    c->spoke = c->greeted = true;
    return c;
}

void gate_conn_return(struct gate_conn *c)
{
    struct gate *gate = c->gate;

    gate_conn_rename(c); /* no id is used for two logins */
    c->reason = (enum close_reason) 0;
    c->n_bad = 0;
    c->language = IMAP_LANGUAGE_DEFAULT; /* RFC 8437 4.1 */
    gate_conn_enter(c, GATE_READY);
    if (gate_conn_watch(c) != RC_OK)
        return;
    if (gate->stopping)
        gate_conn_close(c, CLOSE_SHUTDOWN, "Server is shutting down");
    else
        gate_source_enter(c);
    evict_strangers(gate);
    gate_conn_run(c);
}

void gate_conn_drop(struct gate_conn *c, enum close_reason reason)
{
    struct gate *gate = c->gate;

    if (c->state == GATE_DEAD)
        return;
    if (c->reason == 0)
        c->reason = reason;
    gate_login_forget(c);
    if (c->reason != GATE_HANDED_OVER) /* mail tells of its end */
        gate_log_end(c);
    gate_carry_stop(c, c->reason);
    timer_stop(gate->loop, &c->timer);
    loop_cancel(gate->loop, &c->again);
    loop_remove(gate->loop, &c->watch);
    if (gate_handshake_forget(c))
        conn_done(&c->conn);
    (void) map_remove(gate->by_id, MAP_KEY(c->id));
    gate_conn_enter(c, GATE_DEAD);
    loop_defer(gate->loop, &gate->reap, gate_reap, gate);
}

void gate_reap(void *ctx)
{
    struct gate *gate = ctx;

    LIST_FOREACH(link, &gate->lists[GATE_DEAD])
    {
        struct gate_conn *c = LINK_OWNER(link, struct gate_conn, link);

        if (c->step != NULL)
            continue; /* gate_conn_stepped() comes back to it */
        list_remove(link);
        gate->counts[GATE_DEAD]--;
        imap_reader_free(c->reader);
        buf_done(&c->out);
        buf_done(&c->unread);
        buf_done(&c->client_id);
        buf_done(&c->tag);
        free(c);
    }
    if (gate->stopping && map_count(gate->by_id) == 0)
        loop_stop(gate->loop);
}

int64_t gate_linger_us(const struct gate *gate)
{
    return (int64_t) (gate->stopping ? GATE_STOP_LINGER_SEC : GATE_LINGER_SEC) * US_PER_SEC;
}

static void linger_deadline(void *ctx)
{
    gate_conn_drop(ctx, CLOSE_TIMEOUT);
}

/*
 * A connection whose handshake is not through is dropped: it could read nothing of ours. What
 * auth still answers finds no connection in ASKED.
 */
void gate_conn_close(struct gate_conn *c, enum close_reason reason, const char *bye)
{
    if (c->state == GATE_CLOSING || c->state == GATE_DEAD)
        return;
    c->reason = reason;
    if (c->state == GATE_PROXY || c->state == GATE_HANDSHAKE || c->state == GATE_CARRIED) {
        gate_conn_drop(c, reason);
        return;
    }
    gate_login_forget(c);
    if (bye[0] != '\0')
        gate_answer(c, SLICE("*"), "BYE", bye);
    c->closed_in = c->state;
    gate_conn_enter(c, GATE_CLOSING);
    if (c->gate->counts[GATE_CLOSING] > GATE_CLOSING_MAX)
        gate_conn_drop(
            LINK_OWNER(c->gate->lists[GATE_CLOSING].head.next, struct gate_conn, link),
            CLOSE_TIMEOUT);
    timer_start(c->gate->loop, &c->timer, gate_linger_us(c->gate), linger_deadline, c);
    gate_conn_run(c);
}

/* --- a step in each state: RC_OK to go on, RC_MORE to wait; an end shows in the state --- */

/* Has the client sent anything more, read by us or not? */
static bool bytes_wait(const struct gate_conn *c)
{
    char byte;

    return c->unread.len > 0 || recv(c->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * STARTTLS (RFC 9051 6.2.1): whoever stands between could have put commands behind the client's
 * STARTTLS, to be run once TLS makes them look protected. The client waits for our OK before it
 * says anything, so any byte that is there before the OK ends the connection.
 */
static enum rc begin_tls(struct gate_conn *c)
{
    struct err err = {0};

    if (c->tag.len > 0) {
        if (bytes_wait(c)) {
            gate_conn_drop(c, CLOSE_PROTOCOL);
            return RC_MORE;
        }
        gate_answer(c, buf_slice(&c->tag), "OK", "Begin TLS negotiation now");
        c->language = IMAP_LANGUAGE_DEFAULT; /* RFC 5255 3.1: LANGUAGE is said again */
        buf_reset(&c->tag);
        buf_shrink(&c->tag, 0);
    }
    if (flush(c) != RC_OK)
        return RC_MORE;
    if (!tls_server_is_loaded(c->gate->tls) ||
        conn_start_tls(&c->conn, c->gate->tls, &err) != RC_OK) {
        gate_conn_drop(c, CLOSE_INTERNAL);
        return RC_MORE;
    }
    return RC_OK;
}

static enum rc step_proxy(struct gate_conn *c)
{
    struct err err = {0};
    enum rc rc = gate_proxy_read(c, &err);

    if (rc == RC_MORE)
        return RC_MORE;
    if (rc == RC_OK) {
        gate_conn_enter(c, first_state(c));
        gate_source_enter(c);
        evict_some(c->gate);
        if (c->state == GATE_READY)
            gate_greet(c);
        return RC_OK;
    }
    if (rc == RC_UNAVAILABLE) { /* a proxy looks whether we are there */
        gate_conn_drop(c, CLOSE_PEER_CLOSED);
        return RC_MORE;
    }
    gate_log_proxy_refused(c, &err);
    gate_conn_drop(c, CLOSE_PROTOCOL);
    return RC_MORE;
}

/* RC_OK: the handshake is over, and bytes of the client have come with its end. */
static enum rc after_handshake(struct gate_conn *c, enum rc rc, const struct err *err)
{
    if (rc == RC_MORE)
        return RC_MORE;
    if (rc)
        return broken(c, err);
    c->gate->n_handshakes_done++;
    if (!tls_has_client_certificate(c->conn.tls) || !gate_login_check_certificate(c))
        gate_conn_secured(c);
    evict_strangers(c->gate);
    return c->state != GATE_DEAD && conn_has_pending(&c->conn) ? RC_OK : RC_MORE;
}

/* The last step is not worth the way to the thread and back. */
static enum rc step_handshake(struct gate_conn *c)
{
    struct err err = {0};

    if (c->step != NULL || (c->conn.tls == NULL && begin_tls(c) != RC_OK))
        return RC_MORE;
    if (tls_awaits_finished(c->conn.tls))
        return after_handshake(c, conn_handshake(&c->conn, &err), &err);
    gate_handshake_step(c);
    return RC_MORE;
}

void gate_conn_stepped(struct gate_conn *c, enum rc rc, const struct err *err)
{
    if (c->state == GATE_DEAD) {
        conn_done(&c->conn);
        loop_defer(c->gate->loop, &c->gate->reap, gate_reap, c->gate);
    } else if (after_handshake(c, rc, err) == RC_OK) {
        gate_conn_run(c);
    } else {
        flush_and_watch(c);
    }
}

void gate_conn_secured(struct gate_conn *c)
{
    gate_conn_enter(c, GATE_READY);
    if (!c->greeted)
        gate_greet(c);
}

static void answer_refusal(struct gate_conn *c, const struct err *err)
{
    bool too_big = imap_reader_too_big(c->reader);

    if (c->state == GATE_RESPONSE)
        gate_login_abort(c, "BAD", err->text);
    else if (err->rc == RC_LIMIT && too_big)
        gate_refuse(c, imap_reader_tag(c->reader), "NO", "[TOOBIG] Literal is too long");
    else
        gate_refuse(c, imap_reader_tag(c->reader), "BAD", err->text);
}

/* The reader takes from bytes until the state says that no more may be looked at. */
static void feed(struct gate_conn *c, struct slice *bytes)
{
    bool more = true;

    while (more && bytes->len > 0 && (c->state == GATE_READY || c->state == GATE_RESPONSE)) {
        struct err err = {0};
        struct imap_text text;

        switch (imap_reader_feed(c->reader, bytes, &err)) {
        case READ_MORE:
            more = false;
            break;
        case READ_CONTINUE:
            buf_str(&c->out, "+ OK\r\n");
            break;
        case READ_COMMAND:
            gate_login_line_over(c);
            text = imap_reader_text(c->reader);
            gate_run_command(c, &text);
            imap_reader_next(c->reader);
            break;
        case READ_LINE:
            text = imap_reader_text(c->reader);
            gate_login_line(c, text.text);
            imap_reader_next(c->reader);
            break;
        case READ_REFUSED:
            gate_login_line_over(c);
            answer_refusal(c, &err);
            break;
        case READ_CLOSE:
            gate_conn_close(c, CLOSE_PROTOCOL, err.text);
            break;
        }
    }
}

/* A tag cannot begin with a control or 8-bit byte; a TLS or SOCKS client's first does. */
static bool is_no_imap(const struct gate_conn *c, struct slice bytes)
{
    return !c->spoke && ((unsigned char) bytes.ptr[0] < 0x20 || (bytes.ptr[0] & 0x80) != 0) &&
           bytes.ptr[0] != '\r' && bytes.ptr[0] != '\n';
}

static void start_reader(struct gate_conn *c)
{
    static const struct reader_limits limits = {.line_bytes = READER_LINE_PRELOGIN_BYTES,
                                                .literal_bytes = READER_LINE_PRELOGIN_BYTES,
                                                .message_bytes = 0};

    if (c->reader != NULL)
        return;
    c->reader = imap_reader_new(&limits, NULL, NULL);
    imap_reader_let_lengthen(c->reader, GATE_AUTHENTICATE_MAX, gate_login_lengthens, c);
}

/* bytes is what was kept from before; empty: read. */
static enum rc read_and_feed(struct gate_conn *c, struct slice bytes)
{
    struct err err = {0};
    size_t n = 0;

    if (bytes.len == 0) {
        enum rc rc = conn_read(&c->conn, c->gate->scratch, GATE_READ_BYTES, &n, &err);

        if (rc == RC_MORE)
            return RC_MORE;
        if (rc)
            return broken(c, &err);
        if (n == 0) {
            gate_conn_close(c, CLOSE_PEER_CLOSED, "");
            return RC_MORE;
        }
        c->n_in += n;
        bytes = slice_of(c->gate->scratch, n);
    }
    if (is_no_imap(c, bytes)) {
        gate_conn_drop(c, CLOSE_PROTOCOL);
        return RC_MORE;
    }
    c->spoke = true;
    start_reader(c);
    feed(c, &bytes);
    if (c->state != GATE_CLOSING && c->state != GATE_DEAD)
        buf_append(&c->unread, bytes);
    return RC_OK;
}

static enum rc step_read(struct gate_conn *c)
{
    AUTO(buf_done) struct buf kept = c->unread;
    enum rc rc;

    c->unread = (struct buf){.max = kept.max, .secret = true};
    rc = read_and_feed(c, buf_slice(&kept));
    return rc;
}

/* Read and throw away until the peer's end: closing over unread bytes would be a reset, and the
 * peer might lose our last words. */
static enum rc step_closing(struct gate_conn *c)
{
    struct err err = {0};

    if (flush(c) != RC_OK)
        return RC_MORE;
    if (!c->shut) {
        enum rc rc = conn_shut_write(&c->conn, &err);

        if (rc == RC_MORE)
            return RC_MORE;
        if (rc)
            return broken(c, &err);
        c->shut = true;
    }
    for (unsigned i = 0; i < DRAIN_ROUNDS; i++) {
        size_t n = 0;
        enum rc rc = conn_read(&c->conn, c->gate->scratch, PUMP_BYTES, &n, &err);

        if (rc == RC_MORE)
            return RC_MORE;
        if (rc || n == 0) {
            gate_conn_drop(c, CLOSE_PEER_CLOSED);
            return RC_MORE;
        }
    }
    return RC_OK;
}

static enum rc step_passing(struct gate_conn *c)
{
    if (flush(c) != RC_OK)
        return RC_MORE;
    gate_hand_over(c);
    return c->state == GATE_READY ? RC_OK : RC_MORE; /* READY: mail is not there */
}

static enum rc step(struct gate_conn *c)
{
    switch (c->state) {
    case GATE_PROXY:
        return step_proxy(c);
    case GATE_HANDSHAKE:
        return step_handshake(c);
    case GATE_READY:
    case GATE_RESPONSE:
        if (c->out.len >= GATE_OUT_HIGH_BYTES && flush(c) != RC_OK)
            return RC_MORE;
        return step_read(c);
    case GATE_ASKED:
        return RC_MORE;
    case GATE_PASSING:
        return step_passing(c);
    case GATE_CLOSING:
        return step_closing(c);
    case GATE_CARRIED:
    case GATE_DEAD:
        return RC_MORE;
    }
    return RC_MORE;
}

static void run_again(void *ctx)
{
    gate_conn_run(ctx);
}

static bool is_held(const struct gate_conn *c)
{
    return (c->state == GATE_READY || c->state == GATE_RESPONSE) &&
           c->out.len >= GATE_OUT_HIGH_BYTES;
}

void gate_conn_run(struct gate_conn *c)
{
    unsigned steps = 0;
    bool was_held;

    while (steps < RUN_STEPS && step(c) == RC_OK)
        steps++;
    was_held = is_held(c);
    if (c->state != GATE_CARRIED && c->state != GATE_DEAD && c->state != GATE_HANDSHAKE)
        (void) flush(c); /* what is left is watched for; an end shows in the state */
    /* Who held back, and could send after all, may have bytes that no event tells of. */
    if (c->state != GATE_DEAD && (steps == RUN_STEPS || (was_held && !is_held(c))))
        loop_defer(c->gate->loop, &c->again, run_again, c);
    watch(c);
}
