/*
 * ldap_settings.h - NAME.conf of a directory: its servers, how a user's entry is found, and
 * what in it counts. docs/operating.md, "LDAP and Active Directory", has the settings.
 */
#ifndef ROOST_IDP_LDAP_SETTINGS_H
#define ROOST_IDP_LDAP_SETTINGS_H

#include "idp/provider_file.h"

#define LDAP_SERVERS_MAX        8u
#define LDAP_TIMEOUT_MAX_SEC    7 /* IDP_CHECK_SEC has to hold it */
#define LDAP_PASSWORD_MAX_BYTES 1024u
#define LDAP_SETTING_MAX_BYTES  4096u
#define LDAP_SETTINGS_ARENA     ((size_t) 1 << 20)

struct ldap_server {
    struct slice uri; /* NUL behind it */
    uint16_t port;
    bool tls;      /* ldaps */
    bool loopback; /* by its address, not by a name */
};

struct ldap_settings {
    struct ldap_server servers[LDAP_SERVERS_MAX];
    size_t n_servers;
    bool starttls;
    struct slice ca_file;                    /* empty: the system's */
    struct slice bind_dn;                    /* a pattern; empty: search first */
    struct slice search_dn, search_password; /* empty: anonymous */
    struct slice base;
    int scope;                         /* LDAP_SCOPE_... */
    struct slice filter, allow_filter; /* patterns; the second may be empty */
    struct slice user_attribute, group_attribute;
    struct slice group_base, group_filter, group_name; /* a search of its own; empty: none */
    int timeout_sec;
};

/* Everything lives in the arena. RC_INVALID and what provider_file.h has; detail says why. */
MUST_CHECK enum rc ldap_settings_read(const char *path, struct arena *arena,
                                      struct ldap_settings *out, struct err *err);

#endif
