/*
 * network.h - the networks from which a device may log in: "192.0.2.0/24", "2001:db8::/32", or
 * one address; a list has one a line.
 *
 * Spec: RFC 4632 3.1, RFC 4291 2.3. Bits behind the prefix must be 0: who writes 192.0.2.7/24
 * means one of two things, and a guess at it would let the wrong people in or keep the right
 * ones out.
 */
#ifndef ROOST_AUTH_NETWORK_H
#define ROOST_AUTH_NETWORK_H

#include "base/ipaddr.h"

#define NETWORKS_MAX           32u /* of one device */
#define NETWORK_TEXT_MAX_BYTES (IPADDR_TEXT_BYTES + 4u)
#define NETWORKS_MAX_BYTES     (NETWORKS_MAX * NETWORK_TEXT_MAX_BYTES)

struct network {
    struct ipaddr prefix;
    unsigned bits;
};

/* RC_SYNTAX: neither of the forms. RC_INVALID: bits behind the prefix, or an IPv4 address
 * written as IPv6, which no peer has. */
MUST_CHECK enum rc network_parse(struct slice text, struct network *out, struct err *err);
bool network_contains(const struct network *network, const struct ipaddr *address);

/* Appends the list as it is stored: networks in one form each, one a line, none twice. lines:
 * one a line. RC_LIMIT: more than NETWORKS_MAX; else as network_parse. */
MUST_CHECK enum rc networks_normal(struct slice lines, struct buf *out, struct err *err);
/* Does a stored list allow the address? An empty one allows all. What is no network allows
 * none, and neither does a list an unknown address. */
bool networks_allow(struct slice lines, const struct ipaddr *address);

#endif
