/*
 * jwt.h - signed tokens: a JWS in compact form (RFC 7515 7.1) whose payload is claims (RFC
 * 7519).
 *
 * Read, find its key, verify, and only then look at what it claims (RFC 8725 3.3). Three parts
 * of strict base64url; header and claims are strict JSON (json.h); "crit" (RFC 7515 4.1.11),
 * "b64" (RFC 7797), nested tokens and encrypted ones are refused. What a header says of keys
 * (jku, jwk, x5u, x5c) is not looked at: "kid" picks among the keys that are there already, no
 * more.
 */
#ifndef ROOST_IDP_JWT_H
#define ROOST_IDP_JWT_H

#include <jansson.h>

#include "base/arena.h"
#include "idp/jwks.h"
#include "idp/provider_file.h"

#define JWT_MAX_BYTES (16u << 10)

struct jwt {
    struct slice input;     /* what is signed: header "." payload, as written */
    struct slice signature; /* octets */
    enum jws_alg alg;       /* what the header says: it has to be the key's */
    bool has_kid;
    struct slice kid;
    json_t *header, *claims;
};

/* types: what "typ" may be, without case; an empty text among them: it may be absent.
 * RC_SYNTAX, RC_INVALID (an algorithm or a type that is not for here), RC_LIMIT. Slices live in
 * the arena and in the token. */
MUST_CHECK enum rc jwt_read(struct slice token, const struct provider_list *types,
                            struct arena *arena, struct jwt *out, struct err *err);
void jwt_done(struct jwt *jwt); /* also the AUTO cleanup: the variable is by value */

/* Is it signed with this key, by this key's algorithm? */
bool jwt_is_signed_by(const struct jwt *jwt, const struct jwk *jwk);

#endif
