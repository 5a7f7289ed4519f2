#include "idp/ldap_library.h"

struct ldap_calls openldap;

enum rc ldap_library_load(struct err *err)
{
    const struct library library = {
        .files = {"libldap-2.5.so.0",
                  "libldap.so.2"}, /* 2.5 and 2.6; each brings its liblber */
        .wanted = "LDAP needs the package libldap-2.5-0 (Debian 13: libldap2)",
        .names = (const char *const[]){EACH_LDAP_CALL(LIBRARY_NAME) NULL                 },
    };

    return library_load(&library, &openldap, err);
}
