#include "idp/jwks.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/base64.h"
#include "idp/json.h"

#define NUMBER_MAX_BYTES (JWKS_RSA_MAX_BITS / 8 + 1)
#define EC_COORD_BYTES   32u
#define ED25519_BYTES    32u
#define RSA_E_MIN_BITS   17 /* 65537 and above: small ones made forgeries easy */
#define RSA_E_MAX_BITS   32

static const char *const alg_names[JWS_ALG_COUNT] = {
    [JWS_RS256] = "RS256", [JWS_PS256] = "PS256", [JWS_ES256] = "ES256", [JWS_EDDSA] = "EdDSA"};

enum rc jws_alg_of(struct slice name, enum jws_alg *out)
{
    for (enum jws_alg alg = 0; alg < JWS_ALG_COUNT; alg++) {
        if (slice_eq(name, slice_from_str(alg_names[alg]))) {
            *out = alg;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

/* A member in base64url. False: not there, or something else. */
static bool get_octets(const json_t *jwk, const char *name, struct buf *out)
{
    struct slice text;

    buf_init(out, NUMBER_MAX_BYTES);
    return json_get_text(jwk, name, &text) && base64url_decode(text, out) == RC_OK &&
           !out->overflow && out->len > 0;
}

static EVP_PKEY *key_of(const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *check;

    if (params == NULL || ctx == NULL)
        die("a public key: no memory");
    if (EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    if (key == NULL)
        return NULL;
    check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (check == NULL || EVP_PKEY_public_check(check) != 1) {
        EVP_PKEY_free(key); /* such as a point that is not on the curve */
        key = NULL;
    }
    EVP_PKEY_CTX_free(check);
    return key;
}

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *key;

    if (bld == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        die("a public key: no memory");
    key = key_of("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

/* RFC 7518 6.3.1. */
static EVP_PKEY *read_rsa(const json_t *jwk)
{
    AUTO(buf_done) struct buf n_octets = {0};
    AUTO(buf_done) struct buf e_octets = {0};
    BIGNUM *n, *e;
    EVP_PKEY *key = NULL;

    if (!get_octets(jwk, "n", &n_octets) || !get_octets(jwk, "e", &e_octets))
        return NULL;
    n = BN_bin2bn((const unsigned char *) n_octets.ptr, (int) n_octets.len, NULL);
    e = BN_bin2bn((const unsigned char *) e_octets.ptr, (int) e_octets.len, NULL);
    if (n == NULL || e == NULL)
        die("a public key: no memory");
    if (BN_num_bits(n) >= JWKS_RSA_MIN_BITS && BN_num_bits(n) <= JWKS_RSA_MAX_BITS &&
        BN_is_odd(n) && BN_num_bits(e) >= RSA_E_MIN_BITS && BN_num_bits(e) <= RSA_E_MAX_BITS &&
        BN_is_odd(e))
        key = rsa_of(n, e);
    BN_free(n);
    BN_free(e);
    return key;
}

/* RFC 7518 6.2.1. */
static EVP_PKEY *read_p256(const json_t *jwk)
{
    AUTO(buf_done) struct buf x = {0};
    AUTO(buf_done) struct buf y = {0};
    unsigned char point[1 + 2 * EC_COORD_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *bld;
    struct slice curve;
    EVP_PKEY *key;

    if (!json_get_text(jwk, "crv", &curve) || !slice_eq(curve, SLICE("P-256")) ||
        !get_octets(jwk, "x", &x) || !get_octets(jwk, "y", &y) || x.len != EC_COORD_BYTES ||
        y.len != EC_COORD_BYTES)
        return NULL;
    memcpy(point + 1, x.ptr, EC_COORD_BYTES);
    memcpy(point + 1 + EC_COORD_BYTES, y.ptr, EC_COORD_BYTES);
    bld = OSSL_PARAM_BLD_new();
    if (bld == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) !=
            1)
        die("a public key: no memory");
    key = key_of("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

/* RFC 8037 2. */
static EVP_PKEY *read_ed25519(const json_t *jwk)
{
    AUTO(buf_done) struct buf x = {0};
    struct slice curve;

    if (!json_get_text(jwk, "crv", &curve) || !slice_eq(curve, SLICE("Ed25519")) ||
        !get_octets(jwk, "x", &x) || x.len != ED25519_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *) x.ptr,
                                       x.len);
}

// clang-format off
static const struct {
    const char *kty;
    unsigned algs; /* which it can be for */
    EVP_PKEY *(*read)(const json_t *jwk);
} kinds[] = {
    {"RSA", JWS_ALG_BIT(JWS_RS256) | JWS_ALG_BIT(JWS_PS256), read_rsa},
    {"EC",  JWS_ALG_BIT(JWS_ES256),                          read_p256},
    {"OKP", JWS_ALG_BIT(JWS_EDDSA),                          read_ed25519},
};
// clang-format on

/* "use" and "key_ops" (RFC 7517 4.2, 4.3), where they are. */
static bool is_for_signatures(const json_t *jwk)
{
    const json_t *ops = json_object_get(jwk, "key_ops");
    struct slice use;
    bool verifies = ops == NULL;

    if (json_object_get(jwk, "use") != NULL &&
        (!json_get_text(jwk, "use", &use) || !slice_eq(use, SLICE("sig"))))
        return false;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));

        verifies = verifies || (op != NULL && strcmp(op, "verify") == 0);
    }
    return verifies;
}

static bool get_alg(const json_t *jwk, unsigned possible, enum jws_alg rsa, enum jws_alg *out)
{
    struct slice name;

    if (json_object_get(jwk, "alg") != NULL)
        return json_get_text(jwk, "alg", &name) && jws_alg_of(name, out) == RC_OK;
    if (possible == JWS_ALG_BIT(JWS_ES256))
        *out = JWS_ES256;
    else
        *out = possible == JWS_ALG_BIT(JWS_EDDSA) ? JWS_EDDSA : rsa;
    return true;
}

static bool get_kid(const json_t *jwk, struct jwk *out)
{
    struct slice kid;

    if (json_object_get(jwk, "kid") == NULL)
        return true;
    if (!json_get_text(jwk, "kid", &kid) || kid.len > JWKS_KID_MAX_BYTES)
        return false;
    out->has_kid = true;
    out->kid_len = (uint16_t) kid.len;
    memcpy(out->kid, kid.ptr, kid.len);
    return true;
}

/* RC_NOT_FOUND: not one for us. */
static enum rc read_key(const json_t *jwk, unsigned allowed, enum jws_alg rsa, struct jwk *out,
                        struct err *err)
{
    struct slice kty;

    if (!json_is_object(jwk) || !json_get_text(jwk, "kty", &kty) || !is_for_signatures(jwk))
        return RC_NOT_FOUND;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (!slice_eq(kty, slice_from_str(kinds[i].kty)))
            continue;
        if (!get_alg(jwk, kinds[i].algs, rsa, &out->alg) || !get_kid(jwk, out) ||
            (JWS_ALG_BIT(out->alg) & kinds[i].algs & allowed) == 0)
            return RC_NOT_FOUND;
        if (json_object_get(jwk, "d") != NULL)
            return err_set(err, RC_INVALID, "Bad key set", "jwks: a private key is published");
        out->key = kinds[i].read(jwk);
        return out->key != NULL ? RC_OK : RC_NOT_FOUND;
    }
    return RC_NOT_FOUND;
}

static enum rc check_name(const struct jwks *jwks, const struct jwk *jwk, struct err *err)
{
    for (size_t i = 0; i < jwks->n; i++) {
        const struct jwk *other = &jwks->keys[i];

        if (other->has_kid == jwk->has_kid &&
            slice_eq(slice_of(other->kid, other->kid_len), slice_of(jwk->kid, jwk->kid_len)))
            return err_set(err, RC_INVALID, "Bad key set", "jwks: two keys of one name");
    }
    return RC_OK;
}

static enum rc read_keys(const json_t *keys, unsigned allowed, enum jws_alg rsa,
                         struct jwks *jwks, struct err *err)
{
    if (!json_is_array(keys))
        return err_set(err, RC_SYNTAX, "Bad key set", "jwks: no \"keys\"");
    if (json_array_size(keys) > JWKS_KEYS_MAX)
        return err_set(err, RC_LIMIT, "Bad key set", "jwks: more than %u keys", JWKS_KEYS_MAX);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct jwk jwk = {0};
        enum rc rc = read_key(json_array_get(keys, i), allowed, rsa, &jwk, err);

        if (rc == RC_NOT_FOUND)
            continue;
        if (rc == RC_OK)
            rc = check_name(jwks, &jwk, err);
        if (rc) {
            EVP_PKEY_free(jwk.key);
            return rc;
        }
        jwks->keys[jwks->n++] = jwk;
    }
    return RC_OK;
}

enum rc jwks_read(struct slice text, unsigned allowed, enum jws_alg rsa, struct jwks **out,
                  struct err *err)
{
    AUTO(json_freep) json_t *json = NULL;
    AUTO(jwks_unrefp) struct jwks *jwks = xcalloc(1, sizeof(*jwks));
    enum rc rc;

    atomic_store(&jwks->refs, 1);
    rc = json_read(text, &json, err);
    if (rc == RC_OK)
        rc = read_keys(json_object_get(json, "keys"), allowed, rsa, jwks, err);
    if (rc)
        return rc;
    *out = TAKE(jwks);
    return RC_OK;
}

struct jwks *jwks_ref(struct jwks *jwks)
{
    (void) atomic_fetch_add(&jwks->refs, 1);
    return jwks;
}

void jwks_unref(struct jwks *jwks)
{
    if (jwks == NULL || atomic_fetch_sub(&jwks->refs, 1) != 1)
        return;
    for (size_t i = 0; i < jwks->n; i++)
        EVP_PKEY_free(jwks->keys[i].key);
    free(jwks);
}

void jwks_unrefp(struct jwks **jwks)
{
    jwks_unref(*jwks);
    *jwks = NULL;
}

const struct jwk *jwks_find(const struct jwks *jwks, const struct slice *kid)
{
    if (kid == NULL)
        return jwks->n == 1 ? &jwks->keys[0] : NULL;
    for (size_t i = 0; i < jwks->n; i++) {
        const struct jwk *jwk = &jwks->keys[i];

        if (jwk->has_kid && slice_eq(slice_of(jwk->kid, jwk->kid_len), *kid))
            return jwk;
    }
    return NULL;
}
