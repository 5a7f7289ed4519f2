/*
 * backends.h - who says whether an account password is right: the back-ends, in the order that
 * the setting `backends` gives.
 *
 *     sqlite       account passwords in our own database            a thread for slow hashes
 *     passwd-file  the lines of `passwd_file`                       at once, or such a thread
 *     ldap:NAME    a directory; role idp asks it                    asked
 *     sql:NAME     a database of users; role idp asks it            asked
 *     pam:NAME     the service NAME of PAM; a helper process        asked
 *
 * The first back-end that knows the name decides, whatever it says: no later one hears of the
 * password. One that cannot be reached decides as well: nobody can check passwords now. It is
 * neither a wrong password nor passed over, for then a later one could let a namesake in.
 *
 * An account that a foreign back-end (one that is asked) has made stays that back-end's: no
 * other one logs anybody in as it.
 *
 * App passwords of devices are no matter of these: they are ours alone, and tried before.
 */
#ifndef ROOST_CONFIG_BACKENDS_H
#define ROOST_CONFIG_BACKENDS_H

#include "base/err.h"
#include "base/slice.h"

#define BACKENDS_MAX           16u
#define BACKEND_NAME_MAX_BYTES 32u /* behind the colon; also a file's name */
#define BACKEND_TEXT_MAX_BYTES (BACKEND_NAME_MAX_BYTES + 16u)

enum backend_kind {
    BACKEND_SQLITE,
    BACKEND_PASSWD_FILE,
    BACKEND_LDAP,
    BACKEND_SQL,
    BACKEND_PAM,
};

struct backend {
    enum backend_kind kind;
    char text[BACKEND_TEXT_MAX_BYTES + 1]; /* "ldap:corp", as configured */
};

struct backend_chain {
    struct backend list[BACKENDS_MAX];
    size_t n;
};

/* RC_INVALID: not a back-end, one named twice, or none. The names are ASCII letters and digits,
 * "-", "_" and ".", not at the beginning. out points into nothing. */
MUST_CHECK enum rc backend_chain_read(const char *const *items, size_t n,
                                      struct backend_chain *out, struct err *err);
/* "corp", in the back-end's text; "": its kind has none. */
const char *backend_name(const struct backend *backend);
/* Is it asked, by idp or by a helper? */
bool backend_is_foreign(const struct backend *backend);
/* Does role idp ask it? */
bool backend_is_idp(const struct backend *backend);
/* Its place in the chain, or chain->n. */
size_t backend_find(const struct backend_chain *chain, struct slice text);
bool backend_chain_has_foreign(const struct backend_chain *chain);
bool backend_chain_needs_idp(const struct backend_chain *chain);

#endif
