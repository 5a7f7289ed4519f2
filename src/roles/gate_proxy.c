/*
 * gate_proxy.c - a connection that a proxy in front passes on: its header says whose it is.
 *
 * Who stands in `proxy_networks` begins each connection with a header, and nobody else's is
 * read: whether one is there is never guessed. Not one octet behind the header is taken.
 *
 * A plaintext connection that mail gives back (RFC 8437) has the proxy's address from then on.
 */
#include <errno.h>
#include <sys/socket.h>

#include "net/proxy_header.h"
#include "roles/gate_state.h"

bool gate_is_proxy(const struct gate *gate, const struct ipaddr *peer)
{
    for (size_t i = 0; i < gate->n_proxies; i++) {
        if (ipnet_has(&gate->proxies[i], peer))
            return true;
    }
    return false;
}

void gate_read_proxies(struct gate *gate, const struct config_list *networks)
{
    gate->proxies = xcalloc(networks->n + 1, sizeof(*gate->proxies));
    for (size_t i = 0; i < networks->n; i++) {
        if (ipnet_parse(slice_from_str(networks->items[i]), &gate->proxies[gate->n_proxies],
                        NULL) == RC_OK)
            gate->n_proxies++;
    }
}

/* What was looked at and belongs to the header leaves the socket. */
static enum rc take(const struct gate_conn *c, size_t n, struct err *err)
{
    ssize_t got = n > 0 ? recv(c->conn.fd, c->gate->scratch, n, MSG_DONTWAIT) : 0;

    return got == (ssize_t) n ? RC_OK
                              : err_set(err, RC_IO, "Temporarily unavailable",
                                        "proxy: recv: %s", strerror(errno));
}

static void use_header(struct gate_conn *c, const struct proxy_header *header)
{
    if (header->client.family == IPADDR_NONE)
        return;
    c->peer = header->client;
    c->local = header->server;
}

enum rc gate_proxy_read(struct gate_conn *c, struct err *err)
{
    size_t had = c->unread.len;
    struct proxy_header header;
    enum rc rc, taken;
    ssize_t n = recv(c->conn.fd, c->gate->scratch, PROXY_HEADER_MAX_BYTES - had,
                     MSG_PEEK | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR
                   ? RC_MORE
                   : err_set(err, RC_IO, "Temporarily unavailable", "proxy: recv: %s",
                             strerror(errno));
    if (n == 0)
        return err_set(err, RC_UNAVAILABLE, "Temporarily unavailable",
                       "proxy: closed before its header");
    buf_append(&c->unread, slice_of(c->gate->scratch, (size_t) n));
    rc = proxy_header_read(buf_slice(&c->unread), &header, err);
    if (rc != RC_OK && rc != RC_MORE)
        return rc;
    taken = take(c, rc == RC_OK ? header.len - had : (size_t) n, err);
    if (taken)
        return taken;
    c->n_in += rc == RC_OK ? header.len - had : (size_t) n;
    if (rc == RC_OK) {
        use_header(c, &header);
        buf_reset(&c->unread);
        buf_shrink(&c->unread, 0);
    }
    return rc;
}
