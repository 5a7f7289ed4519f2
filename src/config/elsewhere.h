/*
 * elsewhere.h - values that name another server: "NAME SERVER", and for a user "NAME SERVER
 * guest"; for everybody the server alone.
 *
 * Spec: RFC 2221 (moved_users, moved_to), RFC 2193 (remote_mailboxes). The server is the last
 * word, so a name may hold spaces; it is a host name or address as in an URL, with its port if
 * that is not 143 (RFC 5092 4).
 */
#ifndef ROOST_CONFIG_ELSEWHERE_H
#define ROOST_CONFIG_ELSEWHERE_H

#include "base/slice.h"

#define ELSEWHERE_SERVER_MAX_BYTES 261u /* a host name of 255, ":" and a port */

struct elsewhere {
    struct slice name, server;
    bool guest; /* the user may log in here as well, for what others share */
};

/* Slices of the item. False: it has not this form. */
bool elsewhere_parse(const char *item, struct elsewhere *out);
/* A server alone. */
bool elsewhere_is_server(struct slice word);
/* Is the server, its port aside, the host of this name? Then a referral would lead back. */
bool elsewhere_is_host(const struct elsewhere *elsewhere, const char *hostname);

#endif
