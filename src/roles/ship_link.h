/*
 * ship_link.h - one TLS connection to a receiver of syslog, made again and again by its owner.
 *
 * Spec: RFC 5425 sections 4.2 to 4.4.
 *
 *     DOWN --open--> CONNECTING --> HANDSHAKE --> UP --end--> CLOSING --> DOWN
 *                        +--------------+----------+------------+-------> DOWN (failed)
 *
 *   UP       what is in `out` is sent as the receiver takes it
 *   CLOSING  all was sent, close_notify too; the receiver's is waited for
 *
 * Nothing waits. A failure is told once, by down(); clean: the receiver answered close_notify
 * after it had taken everything.
 */
#ifndef ROOST_ROLES_SHIP_LINK_H
#define ROOST_ROLES_SHIP_LINK_H

#include "base/ipaddr.h"
#include "net/loop.h"
#include "net/tls_client.h"

#define SHIP_OUT_MAX_BYTES ((size_t) 1 << 20) /* two of the longest frames and more */

enum ship_state { SHIP_DOWN, SHIP_CONNECTING, SHIP_HANDSHAKE, SHIP_UP, SHIP_CLOSING };

struct ship_link_events {
    void (*up)(void *ctx);
    void (*room)(void *ctx); /* out is empty, and may be filled */
    void (*down)(void *ctx, bool clean, const struct err *err);
};

struct ship_link {
    enum ship_state state;
    struct loop *loop;
    struct tls_client *client;
    const struct ship_link_events *events;
    void *ctx;
    struct tls *tls;
    int fd;
    struct loop_fd watch;
    struct timer deadline; /* of handshake and close */
    struct buf out;        /* to be sent; its owner fills it in room() */
};

void ship_link_init(struct ship_link *link, struct loop *loop, struct tls_client *client,
                    const struct ship_link_events *events, void *ctx);
void ship_link_done(struct ship_link *link);

/* From DOWN. A failure is told by down(), later or now. */
void ship_link_open(struct ship_link *link, const struct ipaddr *to);
/* Send what is in out. */
void ship_link_send(struct ship_link *link);
/* From UP with an empty out: say that there is no more. */
void ship_link_close(struct ship_link *link);
/* At once, without a word to anybody. */
void ship_link_drop(struct ship_link *link);

/* Octets that the receiver's kernel has acknowledged, and how many there would be if it had all
 * that was sent so far. False: the kernel does not say. */
bool ship_link_acked(const struct ship_link *link, uint64_t *acked, uint64_t *all);

#endif
