/*
 * doors.h - the sockets the supervisor listens on for the other roles: IMAP, LMTP, a mail
 * server's questions, the web page, control.
 *
 * Addresses are "ADDRESS:PORT", "[::]:993", ":993" for all addresses, or "unix:/path" (LMTP).
 * Each is bound once and shared by all processes that get it, so a restarted role loses no
 * connection that waits.
 */
#ifndef ROOST_ROLES_DOORS_H
#define ROOST_ROLES_DOORS_H

#include "config/config.h"
#include "roles/role.h"

struct door {
    enum listener_kind kind;
    enum role role; /* who gets it; gates: all of them */
    uint32_t flags;
    struct ipaddr address;
    char name[256]; /* as configured, or the path of a unix socket */
    int fd;
    bool is_unix; /* name is a path that is removed at the end */
};

struct doors {
    struct door list[ROLE_LISTENERS_MAX];
    size_t n;
};

/* Open all. On failure none is left open; err->detail is one clear line. */
MUST_CHECK enum rc doors_open(const struct config *config, struct doors *out, struct err *err);
/* Close all and remove the unix sockets. */
void doors_close(struct doors *doors);

/* "192.0.2.1:993", "[::1]:993", ":993". *out_any: no address was given. */
MUST_CHECK enum rc door_parse(struct slice text, struct ipaddr *out, bool *out_any,
                              struct err *err);

#endif
