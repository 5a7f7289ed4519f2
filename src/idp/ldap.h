/*
 * ldap.h - a kind of provider: a directory, by LDAP (RFC 4511), Active Directory's as well.
 *
 * Either the DN is made of the name (bind_dn), or an entry is searched as a user of the
 * server's own and then bound as. A bind with the password is the only proof; no password is
 * compared here. Who the user is says an attribute of the entry (user_attribute), never what
 * was typed: directories take many spellings for the same name.
 */
#ifndef ROOST_IDP_LDAP_H
#define ROOST_IDP_LDAP_H

#include "idp/provider.h"

#define LDAP_NAME_MAX_BYTES 255u                 /* of a user: a longer one is nobody's */
#define LDAP_GROUPS_MAX     256u                 /* of one user; with more nobody comes in */
#define LDAP_IDLE_MAX       4u                   /* connections kept for the next check */
#define LDAP_REST_US        ((int64_t) 30000000) /* a server that failed is asked last for so long */

extern const struct idp_kind idp_ldap;

#endif
