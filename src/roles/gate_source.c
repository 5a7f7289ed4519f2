/*
 * gate_source.c - strangers by where they come from: an IPv4 address, or an IPv6 /64.
 *
 * A source has `strangers_per_source` places at a gate; who comes over that sends away its own
 * oldest. So one address cannot take the places of all (GATE_STRANGERS_MAX and its like, where
 * the oldest of all gives way), and those behind a shared address who log in soon are not held
 * up. Who is logged in is no stranger, nor is who is being sent away.
 */
#include "roles/gate_state.h"

#define PREFIX_BITS_V4 32u
#define PREFIX_BITS_V6 64u /* what one customer is given at least (RFC 6177) */

struct gate_source {
    unsigned char key[1 + 16]; /* family and prefix */
    struct list conns;         /* struct gate_conn, the oldest first */
    size_t n;
};

static void key_of(const struct ipaddr *peer, unsigned char out[1 + 16])
{
    struct ipaddr prefix =
        ipaddr_prefix(peer, peer->family == IPADDR_V6 ? PREFIX_BITS_V6 : PREFIX_BITS_V4);

    out[0] = prefix.family;
    memcpy(out + 1, prefix.bytes, sizeof(prefix.bytes));
}

static struct gate_source *source_of(struct gate *gate, const struct ipaddr *peer)
{
    unsigned char key[1 + 16];
    struct slice as_slice = slice_of((const char *) key, sizeof(key));
    struct gate_source *source;

    key_of(peer, key);
    source = map_get(gate->sources, as_slice);
    if (source != NULL)
        return source;
    source = xcalloc(1, sizeof(*source));
    memcpy(source->key, key, sizeof(key));
    list_init(&source->conns);
    (void) map_put(gate->sources, as_slice, source);
    return source;
}

void gate_source_enter(struct gate_conn *c)
{
    struct gate *gate = c->gate;
    struct gate_source *source;

    if (c->peer.family == IPADDR_NONE || c->source != NULL)
        return;
    source = source_of(gate, &c->peer);
    c->source = source;
    list_push_back(&source->conns, &c->source_link);
    if (++source->n > gate->start->config->strangers_per_source)
        gate_conn_close(LINK_OWNER(source->conns.head.next, struct gate_conn, source_link),
                        CLOSE_INTERNAL, "[UNAVAILABLE] Too many connections");
}

void gate_source_leave(struct gate_conn *c)
{
    struct gate_source *source = TAKE(c->source);

    if (source == NULL)
        return;
    list_remove(&c->source_link);
    if (--source->n > 0)
        return;
    (void) map_remove(c->gate->sources,
                      slice_of((const char *) source->key, sizeof(source->key)));
    free(source);
}
