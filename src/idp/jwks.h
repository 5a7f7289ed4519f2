/*
 * jwks.h - the public keys of an issuer: a JWK Set (RFC 7517), each key with the one algorithm
 * that it is for.
 *
 * RS256, PS256, ES256 (RFC 7518 3) and EdDSA with Ed25519 (RFC 8037), where the configuration
 * allows them. A key has its algorithm of its "alg", or of its kind where that leaves no
 * choice; a token never chooses (RFC 8725 3.1). Keys of other kinds, uses and algorithms are
 * passed over as if they were not there; a symmetric key in such a set is one of those. A set
 * in which two usable keys have one name, or one shows its private part, is refused whole.
 *
 * A set never changes: threads share it by reference.
 */
#ifndef ROOST_IDP_JWKS_H
#define ROOST_IDP_JWKS_H

#include <openssl/evp.h>

#include "base/slice.h"

#define JWKS_KEYS_MAX      64u
#define JWKS_KID_MAX_BYTES 256u
#define JWKS_RSA_MIN_BITS  2048 /* RFC 7518 3.3 */
#define JWKS_RSA_MAX_BITS  8192 /* what one check may cost */

enum jws_alg { JWS_RS256, JWS_PS256, JWS_ES256, JWS_EDDSA };
#define JWS_ALG_COUNT    (JWS_EDDSA + 1)
#define JWS_ALG_BIT(alg) (1u << (alg))

struct jwk {
    uint16_t kid_len;
    bool has_kid;
    char kid[JWKS_KID_MAX_BYTES];
    enum jws_alg alg;
    EVP_PKEY *key;
};

struct jwks {
    _Atomic unsigned refs; /* paired with jwks_ref, jwks_unref */
    size_t n;
    struct jwk keys[JWKS_KEYS_MAX];
};

/* RC_NOT_FOUND: no such algorithm here. */
MUST_CHECK enum rc jws_alg_of(struct slice name, enum jws_alg *out);

/*
 * allowed: JWS_ALG_BITs. rsa: what an RSA key without "alg" is for. RC_SYNTAX: no JWK Set;
 * RC_INVALID: one that cannot be trusted; RC_LIMIT. A set without a usable key is a set.
 */
MUST_CHECK enum rc jwks_read(struct slice text, unsigned allowed, enum jws_alg rsa,
                             struct jwks **out, struct err *err);
struct jwks *jwks_ref(struct jwks *jwks);
void jwks_unref(struct jwks *jwks); /* NULL is allowed */
void jwks_unrefp(struct jwks **jwks);

/* The key of that name; of a token that names none (kid NULL), the only one there is. NULL: no.
 */
const struct jwk *jwks_find(const struct jwks *jwks, const struct slice *kid);

#endif
