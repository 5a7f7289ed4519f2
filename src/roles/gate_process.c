#include <malloc.h>

#include "base/log.h"
#include "roles/gate_state.h"

#define TEND_SEC      10 /* between two looks at ticket keys and memory */
#define US_PER_SEC    1000000
#define TRIM_KEEP     ((size_t) 1 << 20) /* free bytes kept at the top of the heap */
#define TRIM_AT_LEAST 16u /* handshakes since the last trim that make one worth it */

/*
 * A handshake takes some 60 KiB for a moment and what remains of it a quarter of that, so a
 * burst leaves the heap full of holes; their pages go back to the kernel.
 */
static void tend(void *ctx)
{
    struct gate *gate = ctx;

    tls_server_rotate_tickets(gate->tls);
    if (gate->n_handshakes_done >= TRIM_AT_LEAST) {
        (void) malloc_trim(TRIM_KEEP); /* nothing to give back: fine */
        gate->n_handshakes_done = 0;
    }
    gate_log_unsaid(gate);
    timer_start(gate->loop, &gate->tend, (int64_t) TEND_SEC * US_PER_SEC, tend, gate);
}

static void on_certs(void *ctx, const struct role_cert *certs, size_t n)
{
    struct gate *gate = ctx;
    struct tls_pair pairs[ROLE_CERTS_MAX];
    struct err err = {0};

    for (size_t i = 0; i < n && i < COUNT(pairs); i++)
        pairs[i] =
            (struct tls_pair){.chain_pem = certs[i].chain, .staple_der = certs[i].staple};
    if (tls_server_load(gate->tls, pairs, n, &err) == RC_OK)
        log_event(LEVEL_INFO, "tls.loaded", LOG_NUM("certificates", n),
                  LOG_NUM("ocsp", tls_server_n_staples(gate->tls)));
    else
        log_event(LEVEL_ERROR, "tls.refused", LOG_ERR(&err),
                  LOG_STR("kept", tls_server_is_loaded(gate->tls) ? "the old" : "none"));
}

static void on_peer(void *ctx, const struct role_peer *peer)
{
    struct gate *gate = ctx;

    if (peer->role == ROLE_KEYS)
        keys_client_connect(&gate->keys, peer->fd);
    else
        gate_peer_open(gate, peer->role, peer->fd);
}

/* The first call: no new connections, strangers leave, sessions end as mail ends them. */
static void on_shutdown(void *ctx, bool fast)
{
    struct gate *gate = ctx;

    gate_listen_stop(gate);
    gate->stopping = true;
    gate_local_drop_all(gate);
    for (enum gate_state state = GATE_PROXY; state < GATE_CARRIED; state++) {
        LIST_FOREACH(link, &gate->lists[state])
        gate_conn_close(LINK_OWNER(link, struct gate_conn, link), CLOSE_SHUTDOWN,
                        "Server is shutting down");
    }
    if (fast) {
        for (enum gate_state state = GATE_CARRIED; state < GATE_DEAD; state++) {
            LIST_FOREACH(link, &gate->lists[state])
            gate_conn_drop(LINK_OWNER(link, struct gate_conn, link), CLOSE_SHUTDOWN);
        }
    }
    loop_defer(gate->loop, &gate->reap, gate_reap, gate);
}

static const struct role_events gate_events = {
    .peer = on_peer,
    .certs = on_certs,
    .shutdown = on_shutdown,
};

const struct role_events *gate_role_events(void)
{
    return &gate_events;
}

enum rc gate_open(struct role_start *start, struct gate **out, struct err *err)
{
    AUTO(gate_freep) struct gate *gate = xcalloc(1, sizeof(*gate));
    enum rc rc;

    gate->start = start;
    for (size_t i = 0; i < COUNT(gate->lists); i++)
        list_init(&gate->lists[i]);
    gate->held_max = GATE_STRANGERS_BYTES;
    list_init(&gate->locals);
    list_init(&gate->dead_locals);
    gate->asks = map_new();
    gate->by_id = map_new();
    gate->sources = map_new();
    gate->arena = arena_new(GATE_ARENA_BYTES);
    gate->scratch = xmalloc(PUMP_BYTES);
    gate->tls = tls_server_new();
    if (start->has_tickets)
        tls_server_share_tickets(gate->tls, &start->tickets);
    explicit_bzero(&start->tickets, sizeof(start->tickets));
    if (start->config->client_ca[0] != '\0')
        tls_server_ask_certificates(gate->tls);
    gate->auth.gate = gate->mail.gate = gate;
    rc = loop_new(&gate->loop, err);
    if (rc)
        return rc;
    keys_client_init(&gate->keys, ROLE_GATE);
    tls_server_sign_with(gate->tls, keys_client_signer(&gate->keys));
    if (start->n_certs > 0)
        on_certs(gate, start->certs, start->n_certs);
    gate_read_proxies(gate, &start->config->proxy_networks);
    tend(gate);
    *out = TAKE(gate);
    return RC_OK;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    gate_log_unsaid(gate);
    for (enum gate_state state = GATE_PROXY; state < GATE_DEAD; state++) {
        LIST_FOREACH(link, &gate->lists[state])
        gate_conn_drop(LINK_OWNER(link, struct gate_conn, link), CLOSE_SHUTDOWN);
    }
    gate_handshakes_done(gate); /* nobody's step is left */
    gate_reap(gate);
    gate_local_drop_all(gate);
    if (gate->loop != NULL)
        gate_listen_stop(gate);
    gate_peer_close(&gate->auth);
    gate_peer_close(&gate->mail);
    keys_client_done(&gate->keys);
    tls_server_free(gate->tls);
    free(gate->scratch);
    free(gate->proxies);
    arena_free(gate->arena);
    map_free(gate->by_id);
    map_free(gate->sources);
    map_free(gate->asks);
    loop_free(gate->loop);
    free(gate);
}

void gate_freep(struct gate **gate)
{
    gate_free(*gate);
}
