/*
 * ship_address.h - the addresses of the audit log's receiver, asked for before the process is
 * confined.
 *
 * Asking may take long, and what asks needs files and datagrams. So a child asks, holding
 * nothing; it is started before the sandbox closes, answers through a pipe and ends. A process
 * that wants to ask again ends too, and is started anew.
 */
#ifndef ROOST_ROLES_SHIP_ADDRESS_H
#define ROOST_ROLES_SHIP_ADDRESS_H

#include "base/ipaddr.h"
#include "config/config.h"

#define SHIP_ADDRESSES_MAX 8u

struct ship_addresses {
    struct ipaddr list[SHIP_ADDRESSES_MAX];
    size_t n;
};

/* Of audit_ship, which is set and checked. */
uint16_t ship_port(const struct config *config);
/* Whose certificate it must be. Belongs to config, or to `host` (SYSLOG_HOST_MAX_BYTES + 1). */
const char *ship_name(const struct config *config, char *host);

/* Begin to ask. out_fd: where the answer comes, non-blocking; the caller's. */
MUST_CHECK enum rc ship_ask(const struct config *config, int *out_fd, struct err *err);
/* RC_MORE: not yet. RC_NOT_FOUND: the name has no address now. */
MUST_CHECK enum rc ship_answer(int fd, struct ship_addresses *out, struct err *err);

#endif
