/*
 * network.h - the networks (base/ipaddr.h) from which a device may log in: a list has one a
 * line.
 */
#ifndef ROOST_AUTH_NETWORK_H
#define ROOST_AUTH_NETWORK_H

#include "base/ipaddr.h"

#define NETWORKS_MAX       32u /* of one device */
#define NETWORKS_MAX_BYTES (NETWORKS_MAX * IPNET_TEXT_MAX_BYTES)

/* Appends the list as it is stored: networks in one form each, one a line, none twice. lines:
 * one a line. RC_LIMIT: more than NETWORKS_MAX; else as ipnet_parse(). */
MUST_CHECK enum rc networks_normal(struct slice lines, struct buf *out, struct err *err);
/* Does a stored list allow the address? An empty one allows all. What is no network allows
 * none, and neither does a list an unknown address. */
bool networks_allow(struct slice lines, const struct ipaddr *address);

#endif
