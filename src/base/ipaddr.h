/*
 * ipaddr.h - an address and port of a peer or of our own end, as a plain value.
 *
 * Family 0 is "none": a unix socket, or an end that is not known. IPv4-mapped IPv6 addresses
 * (RFC 4291 2.5.5.2) become IPv4 when read from a sockaddr, so that one peer has one form.
 */
#ifndef ROOST_BASE_IPADDR_H
#define ROOST_BASE_IPADDR_H

#include <sys/socket.h>

#include "base/buf.h"

#define IPADDR_TEXT_BYTES 46u /* the longest text of an IPv6 address, with its NUL */

enum ipaddr_family { IPADDR_NONE = 0, IPADDR_V4 = 4, IPADDR_V6 = 6 };

struct ipaddr {
    uint8_t family;    /* enum ipaddr_family */
    uint16_t port;     /* host order */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four; the rest is 0 */
};

/* Any other family than AF_INET and AF_INET6 gives IPADDR_NONE. */
struct ipaddr ipaddr_from_sockaddr(const struct sockaddr *sa, socklen_t len);
/* The other way, for a socket; the length of what is used of out. IPADDR_NONE becomes "::". */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *addr, struct sockaddr_storage *out);
/* Text of an address without port: "192.0.2.1", "2001:db8::1". False if it is neither. */
bool ipaddr_parse(struct slice text, struct ipaddr *out);
/* The address without port; "-" for none. */
void ipaddr_print(struct buf *out, const struct ipaddr *addr);
/* 127.0.0.0/8 and ::1. */
bool ipaddr_is_loopback(const struct ipaddr *addr);
/* The network it lies in: all bits behind the first `bits` are 0, port 0. */
struct ipaddr ipaddr_prefix(const struct ipaddr *addr, unsigned bits);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b); /* ports are not compared */

/* A network: "192.0.2.0/24", "2001:db8::/32" or one address (RFC 4632 3.1, RFC 4291 2.3). */
#define IPNET_TEXT_MAX_BYTES (IPADDR_TEXT_BYTES + 4u)

struct ipnet {
    struct ipaddr first;
    uint8_t bits;
};

/* RC_SYNTAX: neither of the forms. RC_INVALID: bits are set behind the prefix: who writes
 * 192.0.2.7/24 means one of two things. */
MUST_CHECK enum rc ipnet_parse(struct slice text, struct ipnet *out, struct err *err);
bool ipnet_has(const struct ipnet *net, const struct ipaddr *addr);

#endif
