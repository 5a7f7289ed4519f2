/*
 * oauth_settings.h - the file of a provider of the kind "oauth", read and checked.
 *
 * Memory: all of it in the arena, the client's secret too, which is wiped with it.
 */
#ifndef ROOST_IDP_OAUTH_SETTINGS_H
#define ROOST_IDP_OAUTH_SETTINGS_H

#include "idp/claims.h"
#include "idp/key_source.h"

#define OAUTH_RECHECK_SEC     25 /* with the rest of the way a revoked token ends within 60 s */
#define OAUTH_RECHECK_MAX_SEC 3600

struct oauth_settings {
    struct claim_rules rules;
    struct provider_list types;     /* of tokens that are looked into: jwt.h */
    struct key_source_options keys; /* from is empty: none are looked into */
    uint16_t keys_port;             /* 0: a file */
    struct slice introspection;     /* URL */
    uint16_t introspection_port;
    uint16_t recheck_sec; /* between two questions about one token whose sessions live */
    struct slice client_id, client_secret;
    struct slice ca; /* PEM of the roots that are trusted; empty: the system's */
};

/* RC_INVALID: what stands there makes no sense. */
MUST_CHECK enum rc oauth_settings_read(const char *path, struct arena *arena,
                                       struct oauth_settings *out, struct err *err);

#endif
