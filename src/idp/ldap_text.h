/*
 * ldap_text.h - a stranger's name in a filter or a DN: the one place where it is escaped.
 *
 * Spec: RFC 4515 section 3 (valueencoding of a filter), RFC 4514 section 2.4 (values in a DN).
 *
 * A pattern is text of the configuration with places for values:
 *
 *     %u   the name as it was given        %n   its part before the last "@", or all of it
 *     %d   the part behind it              %D   the DN of the entry that was found
 *     %%   a per cent sign
 *
 * What stands for a place is always escaped; what the pattern itself says never is.
 */
#ifndef ROOST_IDP_LDAP_TEXT_H
#define ROOST_IDP_LDAP_TEXT_H

#include "base/buf.h"

/* "*", "(", ")", "\" and NUL as \xx; all else as it is. */
void ldap_escape_filter(struct buf *out, struct slice value);
/* The specials of RFC 4514, blanks and "#" where they mean something, controls as \xx. */
void ldap_escape_dn(struct buf *out, struct slice value);

enum ldap_form { LDAP_FILTER, LDAP_DN };

struct ldap_values {
    struct slice user;
    struct slice dn; /* empty: none was found yet */
};

/* Has it only places that are known, and at least one? with_dn: %D is one. */
bool ldap_pattern_is_good(struct slice pattern, bool with_dn);
/* RC_NOT_FOUND: the pattern wants a domain, and the name has none. */
MUST_CHECK enum rc ldap_pattern_fill(struct slice pattern, enum ldap_form form,
                                     const struct ldap_values *values, struct buf *out);

#endif
