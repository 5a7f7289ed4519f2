/*
 * providers.h - the other servers that the configuration names: whom the idp process may ask.
 *
 * Those of the setting `oauth`, then those back-ends that idp asks. A provider has a kind and a
 * name ("oauth", "keycloak"; "ldap", "corp"); the file NAME.conf in idp_folder describes it,
 * and only the idp process reads that. Everywhere else it is known by its place in the list
 * that config_providers() makes, the same in every process of a server.
 */
#ifndef ROOST_CONFIG_PROVIDERS_H
#define ROOST_CONFIG_PROVIDERS_H

#include "config/backends.h"
#include "config/config.h"

#define CONFIG_PROVIDERS_MAX  (BACKENDS_MAX + 8u)
#define CONFIG_PROVIDER_OAUTH "oauth"

struct config_provider {
    struct slice kind; /* static */
    struct slice name; /* of the configuration; as a back-end's, since it is part of a path */
};

/* RC_INVALID: a name that is none, or stands twice; RC_LIMIT: too many. */
MUST_CHECK enum rc config_providers(const struct config *config,
                                    struct config_provider out[CONFIG_PROVIDERS_MAX],
                                    size_t *out_n, struct err *err);
/* Is there any? Of a configuration that was checked. */
bool config_wants_idp(const struct config *config);

#endif
