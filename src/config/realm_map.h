/*
 * realm_map.h - which user a Kerberos principal is: the setting `gssapi_realms`, "REALM=DOMAIN"
 * each.
 *
 * A principal NAME@REALM is the user NAME@DOMAIN; with "REALM=" it is NAME. A realm that is not
 * there has no users here, whoever vouches for it. Realms compare octet by octet (RFC 4120
 * 6.1). A name with an instance ("root/admin") is a role of somebody and never a user.
 */
#ifndef ROOST_CONFIG_REALM_MAP_H
#define ROOST_CONFIG_REALM_MAP_H

#include "base/buf.h"
#include "config/config.h"

struct realm_map {
    struct slice realm, domain; /* domain empty: names stand alone */
};

/* Slices of the item. False: it has not this form. */
bool realm_map_parse(const char *item, struct realm_map *out);

/* As GSS-API writes a principal. RC_NOT_FOUND: its realm is not there; RC_SYNTAX: it is not one
 * name and a realm. out: appended to. */
MUST_CHECK enum rc realm_map_user(const struct config_list *realms, struct slice principal,
                                  struct buf *out, struct err *err);

#endif
