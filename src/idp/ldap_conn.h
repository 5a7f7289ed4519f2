/*
 * ldap_conn.h - a connection to one of a directory's servers, and the three things asked on it:
 * TLS, a bind, a search. Nothing here waits beyond the deadline.
 *
 * Spec: RFC 4511; RFC 4513 3 (StartTLS) and 5.1.2 (a bind with a name and no password is not
 * one). Referrals are not followed: a password goes to the servers that are configured.
 */
#ifndef ROOST_IDP_LDAP_CONN_H
#define ROOST_IDP_LDAP_CONN_H

#include <ldap.h>

#include "idp/ldap_settings.h"

#define LDAP_ANSWER_MAX_BYTES                                                                  \
    (4u << 20) /* one message of a server: an entry and its groups                             \
                */

struct ldap_wire;

struct ldap_conn {
    LDAP *ld; /* NULL: none */
    struct ldap_wire *wire;
};

/* An LDAP result code, LDAP_SUCCESS with a connection over TLS where the settings want it. */
int ldap_conn_open(const struct ldap_settings *settings, const struct ldap_server *server,
                   int64_t deadline_us, struct ldap_conn *out);
void ldap_conn_close(struct ldap_conn *conn);

/* Simple bind; both empty: anonymous. LDAP_INAPPROPRIATE_AUTH at once for a name alone.
 * out_reason: Active Directory's number behind "data", 0 if it says none. */
int ldap_conn_bind(struct ldap_conn *conn, struct slice dn, struct slice password,
                   int64_t deadline_us, unsigned *out_reason);

struct ldap_query {
    const char *base, *filter;
    int scope;
    const char *attributes[3]; /* NULL behind the last */
    int size_limit;
};

/* LDAP_SUCCESS: all entries, free out by ldap_msgfree(). LDAP_SIZELIMIT_EXCEEDED: there are
 * more than the query or the server allows, and out is untouched. */
int ldap_conn_search(struct ldap_conn *conn, const struct ldap_query *query,
                     int64_t deadline_us, LDAPMessage **out);

/* Is the connection, or the way there, broken, rather than the question refused? */
bool ldap_is_broken(int code);

#endif
