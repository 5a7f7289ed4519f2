/* fuzz_jwks.c - key sets: what is taken has keys of the kinds that are allowed, and no name
 * twice. */
// links: idp
#include <assert.h>
#include <stdlib.h>

#include "idp/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned allowed =
        JWS_ALG_BIT(JWS_RS256) | JWS_ALG_BIT(JWS_ES256) | JWS_ALG_BIT(JWS_EDDSA);
    AUTO(jwks_unrefp) struct jwks *set = NULL;

    if (jwks_read(slice_of(data, size), allowed, JWS_RS256, &set, NULL) != RC_OK) {
        assert(set == NULL);
        return 0;
    }
    assert(set->n <= JWKS_KEYS_MAX);
    for (size_t i = 0; i < set->n; i++) {
        const struct jwk *key = &set->keys[i];
        struct slice kid = slice_of(key->kid, key->kid_len);

        assert(key->key != NULL && (JWS_ALG_BIT(key->alg) & allowed) != 0);
        assert(key->alg != JWS_RS256 || EVP_PKEY_get_bits(key->key) >= JWKS_RSA_MIN_BITS);
        if (key->has_kid && jwks_find(set, &kid) != key)
            abort();
    }
    return 0;
}
