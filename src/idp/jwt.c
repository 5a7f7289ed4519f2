#include "idp/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/scan.h"
#include "idp/json.h"

#define P256_NUMBER_BYTES 32
#define P256_DER_BYTES    80 /* two numbers of 33 octets and their heads */

static enum rc malformed(struct err *err, const char *why)
{
    return err_set(err, RC_SYNTAX, "Bad token", "jwt: %s", why);
}

static enum rc read_part(struct slice part, struct arena *arena, struct slice *out,
                         struct err *err)
{
    AUTO(buf_done) struct buf octets = {0};

    buf_init(&octets, JWT_MAX_BYTES);
    if (part.len == 0 || base64url_decode(part, &octets) != RC_OK)
        return malformed(err, "a part that is no base64url");
    *out = arena_dup(arena, buf_slice(&octets));
    return RC_OK;
}

static enum rc read_object(struct slice part, struct arena *arena, json_t **out,
                           struct err *err)
{
    struct slice text;
    enum rc rc = read_part(part, arena, &text, err);

    return rc ? rc : json_read(text, out, err);
}

/* RFC 7519 5.1, RFC 9068 2.1: a media type, whose "application/" may be left out. */
static bool is_type(const json_t *header, const struct provider_list *types)
{
    struct slice typ = {"", 0};

    if (json_object_get(header, "typ") != NULL &&
        (!json_get_text(header, "typ", &typ) || typ.len == 0))
        return false;
    if (slice_starts_nocase(typ, SLICE("application/")))
        typ = slice_from(typ, strlen("application/"));
    for (size_t i = 0; i < types->n; i++) {
        if (slice_eq_nocase(types->items[i], typ))
            return true;
    }
    return false;
}

static enum rc check_header(struct jwt *jwt, const struct provider_list *types, struct err *err)
{
    struct slice alg;

    if (json_object_get(jwt->header, "crit") != NULL ||
        json_object_get(jwt->header, "b64") != NULL ||
        json_object_get(jwt->header, "cty") != NULL ||
        json_object_get(jwt->header, "enc") != NULL ||
        json_object_get(jwt->header, "zip") != NULL)
        return err_set(err, RC_INVALID, "Bad token", "jwt: a header that asks for more");
    if (!json_get_text(jwt->header, "alg", &alg) || jws_alg_of(alg, &jwt->alg) != RC_OK)
        return err_set(err, RC_INVALID, "Bad token", "jwt: no algorithm of ours");
    if (!is_type(jwt->header, types))
        return err_set(err, RC_INVALID, "Bad token", "jwt: another type");
    jwt->has_kid = json_object_get(jwt->header, "kid") != NULL;
    if (jwt->has_kid && !json_get_text(jwt->header, "kid", &jwt->kid))
        return malformed(err, "a kid that is no text");
    return RC_OK;
}

enum rc jwt_read(struct slice token, const struct provider_list *types, struct arena *arena,
                 struct jwt *out, struct err *err)
{
    AUTO(jwt_done) struct jwt jwt = {0};
    struct scan sc = scan_of(token);
    struct slice header, payload;
    enum rc rc;

    if (token.len > JWT_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Bad token", "jwt: over %u bytes", JWT_MAX_BYTES);
    if (!scan_until(&sc, '.', &header) || !scan_byte(&sc, '.') ||
        !scan_until(&sc, '.', &payload) || !scan_byte(&sc, '.'))
        return malformed(err, "not three parts");
    jwt.input = slice_sub(token, 0, scan_offset(&sc) - 1);
    rc = read_part(scan_rest(&sc), arena, &jwt.signature, err);
    if (rc == RC_OK)
        rc = read_object(header, arena, &jwt.header, err);
    if (rc == RC_OK)
        rc = check_header(&jwt, types, err);
    if (rc == RC_OK)
        rc = read_object(payload, arena, &jwt.claims, err);
    if (rc)
        return rc;
    *out = jwt;
    jwt = (struct jwt){0};
    return RC_OK;
}

void jwt_done(struct jwt *jwt)
{
    json_freep(&jwt->header);
    json_freep(&jwt->claims);
}

/* RFC 7518 3.4: two numbers side by side; OpenSSL wants them in DER. 0: they are none. */
static size_t to_der(struct slice signature, unsigned char der[P256_DER_BYTES])
{
    const unsigned char *octets = (const unsigned char *) signature.ptr;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(octets, P256_NUMBER_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(octets + P256_NUMBER_BYTES, P256_NUMBER_BYTES, NULL);
    unsigned char *end = der;
    int len;

    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
        die("a signature: no memory");
    len = i2d_ECDSA_SIG(sig, &end);
    ECDSA_SIG_free(sig);
    return len > 0 && len <= P256_DER_BYTES ? (size_t) len : 0;
}

/* RFC 7518 3.5: MGF1 with the same hash, and a salt as long as it. */
static bool set_pss(EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool verify(const struct jwk *jwk, struct slice input, struct slice signature)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    const EVP_MD *hash = jwk->alg == JWS_EDDSA ? NULL : EVP_sha256();
    bool good;

    if (md == NULL)
        die("a signature: no memory");
    good = EVP_DigestVerifyInit(md, &ctx, hash, NULL, jwk->key) == 1 &&
           (jwk->alg != JWS_PS256 || set_pss(ctx)) &&
           EVP_DigestVerify(md, (const unsigned char *) signature.ptr, signature.len,
                            (const unsigned char *) input.ptr, input.len) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

bool jwt_is_signed_by(const struct jwt *jwt, const struct jwk *jwk)
{
    unsigned char der[P256_DER_BYTES];

    if (jwt->alg != jwk->alg)
        return false;
    switch (jwk->alg) {
    case JWS_RS256:
    case JWS_PS256:
        return jwt->signature.len == (size_t) EVP_PKEY_get_size(jwk->key) &&
               verify(jwk, jwt->input, jwt->signature);
    case JWS_EDDSA:
        return verify(jwk, jwt->input, jwt->signature);
    case JWS_ES256:
        return jwt->signature.len == 2 * (size_t) P256_NUMBER_BYTES &&
               verify(jwk, jwt->input, slice_of(der, to_der(jwt->signature, der)));
    }
    return false;
}
