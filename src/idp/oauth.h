/*
 * oauth.h - a provider of the kind "oauth": access tokens of one issuer.
 *
 * Spec: RFC 6750 (bearer tokens), RFC 7662 (introspection). docs/operating.md, "Single sign-on"
 * has the settings of its file.
 */
#ifndef ROOST_IDP_OAUTH_H
#define ROOST_IDP_OAUTH_H

#include "idp/provider.h"

#define OAUTH_TOKEN_MAX_BYTES (16u << 10) /* Entra's with 200 groups have some 8 KiB */

extern const struct idp_kind idp_oauth;

#endif
