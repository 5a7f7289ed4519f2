/*
 * ldap_library.h - what of OpenLDAP's libldap and liblber is called, once a directory is
 * configured (docs/decisions/libraries.md, "Loaded, not linked").
 */
#ifndef ROOST_IDP_LDAP_LIBRARY_H
#define ROOST_IDP_LDAP_LIBRARY_H

#include <ldap.h>

#include "base/library.h"

/* ber_pvt_opt_on is what LDAP_OPT_ON points to. */
#define EACH_LDAP_CALL(X)                                                                      \
    X(ber_pvt_opt_on)                                                                          \
    X(ber_sockbuf_add_io)                                                                      \
    X(ber_sockbuf_ctrl)                                                                        \
    X(ldap_abandon_ext)                                                                        \
    X(ldap_bv2dn)                                                                              \
    X(ldap_count_entries)                                                                      \
    X(ldap_count_values_len)                                                                   \
    X(ldap_dnfree)                                                                             \
    X(ldap_err2string)                                                                         \
    X(ldap_first_entry)                                                                        \
    X(ldap_get_dn)                                                                             \
    X(ldap_get_option)                                                                         \
    X(ldap_get_values_len)                                                                     \
    X(ldap_initialize)                                                                         \
    X(ldap_install_tls)                                                                        \
    X(ldap_memfree)                                                                            \
    X(ldap_msgfree)                                                                            \
    X(ldap_next_entry)                                                                         \
    X(ldap_parse_extended_result)                                                              \
    X(ldap_parse_result)                                                                       \
    X(ldap_result)                                                                             \
    X(ldap_sasl_bind)                                                                          \
    X(ldap_search_ext)                                                                         \
    X(ldap_set_option)                                                                         \
    X(ldap_start_tls)                                                                          \
    X(ldap_unbind_ext)                                                                         \
    X(ldap_value_free_len)

struct ldap_calls {
    EACH_LDAP_CALL(LIBRARY_MEMBER)
};

extern struct ldap_calls openldap; /* set by ldap_library_load(), before threads exist */

/* Again for each directory: it is the same library. */
MUST_CHECK enum rc ldap_library_load(struct err *err);

#endif
