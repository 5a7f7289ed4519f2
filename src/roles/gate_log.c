/*
 * gate_log.c - what the gate says of its connections.
 *
 * Strangers choose how many lines they cause. So many a second are written; what is beyond is
 * counted, and the number is told with the next second's first line or the gate's next tending.
 * Of those inside every end has its line.
 */
#include "base/log.h"
#include "roles/gate_state.h"

#define LOG_ADDRESS 64u
#define SECOND_US   1000000

/* For the log: where a connection ended. */
static const char *const state_names[GATE_STATE_COUNT] = {
    "proxy header", "handshake", "ready",   "login",  "login",
    "login",        "session",   "closing", "closed",
};

static const char *const reason_names[CLOSE_COUNT] = {
    [CLOSE_PEER_CLOSED] = "closed by the client",
    [CLOSE_PEER_RESET] = "connection lost",
    [CLOSE_TLS_ERROR] = "TLS failed",
    [CLOSE_TIMEOUT] = "time is up",
    [CLOSE_LOGOUT] = "logout",
    [CLOSE_SHUTDOWN] = "shutdown",
    [CLOSE_REVOKED] = "revoked",
    [CLOSE_PROTOCOL] = "too many errors",
    [CLOSE_INTERNAL] = "internal",
};

void gate_log_unsaid(struct gate *gate)
{
    if (gate->lines.n_unsaid > 0)
        log_event(LEVEL_INFO, "gate.unsaid", LOG_NUM("lines", gate->lines.n_unsaid));
    gate->lines.n_unsaid = 0;
}

/* May a stranger have a line more? */
static bool has_line(struct gate *gate)
{
    int64_t now_us = loop_now_us(gate->loop);

    if (now_us - gate->lines.since_us >= SECOND_US) {
        gate_log_unsaid(gate);
        gate->lines.since_us = now_us;
        gate->lines.n = 0;
    }
    if (gate->lines.n < GATE_LINES_MAX) {
        gate->lines.n++;
        return true;
    }
    gate->lines.n_unsaid++;
    return false;
}

void gate_log_tls_failed(const struct gate_conn *c, const struct err *err)
{
    AUTO(buf_done) struct buf peer = {0};

    if (!has_line(c->gate))
        return;
    buf_init(&peer, LOG_ADDRESS);
    ipaddr_print(&peer, &c->peer);
    log_event(LEVEL_INFO, "tls.failed", LOG_TEXT("peer", buf_slice(&peer)), LOG_ERR(err));
}

void gate_log_proxy_refused(const struct gate_conn *c, const struct err *err)
{
    AUTO(buf_done) struct buf proxy = {0};

    if (!has_line(c->gate))
        return;
    buf_init(&proxy, LOG_ADDRESS);
    ipaddr_print(&proxy, &c->peer);
    log_event(LEVEL_WARNING, "proxy.refused", LOG_TEXT("address", buf_slice(&proxy)),
              LOG_ERR(err));
}

void gate_log_end(const struct gate_conn *c)
{
    AUTO(buf_done) struct buf peer = {0};
    struct tls_facts facts = {.version = "none"};
    uint64_t in = c->n_in, out = c->n_out;

    if (c->pump == NULL && !has_line(c->gate))
        return;
    buf_init(&peer, LOG_ADDRESS);
    ipaddr_print(&peer, &c->peer);
    if (c->conn.tls != NULL && c->state != GATE_HANDSHAKE)
        tls_facts(c->conn.tls, &facts);
    if (c->pump != NULL) {
        in += c->pump->up.n_passed;
        out += c->pump->down.n_passed;
    }
    log_event(LEVEL_INFO, "gate.end", LOG_TEXT("peer", buf_slice(&peer)),
              LOG_NUM("port", c->peer.port), LOG_NUM("conn", c->id),
              LOG_STR("state", state_names[c->state == GATE_CLOSING ? c->closed_in : c->state]),
              LOG_STR("reason", reason_names[c->reason]), LOG_STR("tls", facts.version),
              LOG_NUM("in", in), LOG_NUM("out", out),
              LOG_NUM("ms", (loop_now_us(c->gate->loop) - c->opened_us) / 1000));
}
