/*
 * test_idp_jwt.c - hostile tokens and hostile key sets: each differs from a good one in one
 * thing, the good one is taken, and none of the others is. All of them go the whole way, from
 * the provider's file to its answer.
 */
// links: idp
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "idp/jwt.h"
#include "idp/key_source.h"
#include "idp/oauth.h"
#include "lib/test.h"

#define NOW_SEC 2000000000

/* What a token is signed with, and how. */
enum signer {
    BY_RSA,       /* RS256, kid "r" */
    BY_PSS,       /* PS256, kid "p" */
    BY_EC,        /* ES256, kid "e" */
    BY_ED,        /* EdDSA, kid "d" */
    BY_OTHER_RSA, /* a key that is not in the set */
    BY_OTHER_EC,
    BY_SMALL_RSA,  /* RS256 of 1024 bits, kid "s": in the set, and too small */
    BY_RSA_SHA384, /* the right key, another hash */
    BY_PSS_AS_RSA, /* key "r" with PSS */
    BY_RSA_AS_PSS, /* key "p" with PKCS #1 v1.5 */
    BY_PSS_SALT_0, /* key "p" with an empty salt */
    BY_EC_DER,     /* key "e", the signature in DER */
    BY_HMAC_EMPTY,
    BY_HMAC_PEM, /* HS256 with the public key of "r" as its secret, in PEM */
    BY_HMAC_JWK, /* the same with its "n" */
    BY_NOBODY,   /* an empty signature */
};

static EVP_PKEY *rsa, *pss, *ec, *ed, *other_rsa, *other_ec, *small_rsa;
static char folder[64], conf[96], keys[96];

static void print_number(struct buf *out, const EVP_PKEY *key, const char *name, size_t width)
{
    unsigned char octets[1024];
    BIGNUM *number = NULL;
    int len;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    len = width > 0 ? BN_bn2binpad(number, octets, (int) width) : BN_bn2bin(number, octets);
    base64url_encode(out, slice_of(octets, (size_t) len));
    BN_free(number);
}

static void print_rsa(struct buf *out, const EVP_PKEY *key, const char *kid, const char *more)
{
    buf_printf(out, "{\"kty\":\"RSA\",\"kid\":\"%s\",%s\"n\":\"", kid, more);
    print_number(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
    buf_str(out, "\",\"e\":\"");
    print_number(out, key, OSSL_PKEY_PARAM_RSA_E, 0);
    buf_str(out, "\"}");
}

static void print_ec(struct buf *out, const char *more)
{
    buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",%s\"x\":\"", more);
    print_number(out, ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    buf_str(out, "\",\"y\":\"");
    print_number(out, ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    buf_str(out, "\"}");
}

static void print_ed(struct buf *out)
{
    unsigned char octets[32];
    size_t len = sizeof(octets);

    assert_int_equal(EVP_PKEY_get_raw_public_key(ed, octets, &len), 1);
    buf_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d\",\"x\":\"");
    base64url_encode(out, slice_of(octets, len));
    buf_str(out, "\"}");
}

static void print_set(struct buf *out)
{
    buf_str(out, "{\"keys\":[");
    print_rsa(out, rsa, "r", "");
    buf_str(out, ",");
    print_rsa(out, pss, "p", "\"alg\":\"PS256\",\"use\":\"sig\",");
    buf_str(out, ",");
    print_ec(out, "");
    buf_str(out, ",");
    print_ed(out);
    buf_str(out, ",");
    print_rsa(out, small_rsa, "s", "");
    buf_str(out, ",");
    print_rsa(out, other_rsa, "c", "\"use\":\"enc\","); /* for another use: not there */
    buf_str(out, ",{\"kty\":\"oct\",\"kid\":\"o\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0\"}]}");
}

static void write_file(const char *path, struct slice text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text.ptr, 1, text.len, out), text.len);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0640), 0);
}

static int make_all(void **state)
{
    AUTO(buf_done) struct buf set = {.max = 1 << 16};
    AUTO(buf_done) struct buf text = {.max = 4096};

    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/roost-jwt-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void) snprintf(conf, sizeof(conf), "%s/here.conf", folder);
    (void) snprintf(keys, sizeof(keys), "%s/keys", folder);
    rsa = EVP_RSA_gen(2048);
    pss = EVP_RSA_gen(2048);
    other_rsa = EVP_RSA_gen(2048);
    small_rsa = EVP_RSA_gen(1024);
    ec = EVP_EC_gen("P-256");
    other_ec = EVP_EC_gen("P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    print_set(&set);
    write_file(keys, buf_slice(&set));
    buf_printf(&text,
               "issuer = \"https://id.example/\"\naudience = {\"mail\"}\nscope = {\"imap\"}\n"
               "leeway = 30\nkeys = \"%s\"\n",
               keys);
    write_file(conf, buf_slice(&text));
    clock_set_for_test((int64_t) NOW_SEC * 1000000);
    return 0;
}

static int remove_all(void **state)
{
    EVP_PKEY *const all[] = {rsa, pss, ec, ed, other_rsa, other_ec, small_rsa};

    (void) state;
    for (size_t i = 0; i < COUNT(all); i++)
        EVP_PKEY_free(all[i]);
    clock_set_for_test(0);
    return unlink(conf) == 0 && unlink(keys) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

/* ---- signing ---- */

static size_t sign_with(EVP_PKEY *key, const char *hash, int padding, int salt,
                        struct slice input, unsigned char signature[1024])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = 1024;

    assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, hash, NULL, NULL, key, NULL), 1);
    if (padding != 0)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt), 1);
    assert_int_equal(
        EVP_DigestSign(md, signature, &len, (const unsigned char *) input.ptr, input.len), 1);
    EVP_MD_CTX_free(md);
    return len;
}

/* RFC 7518 3.4 */
static size_t sign_p256(EVP_PKEY *key, struct slice input, unsigned char signature[1024])
{
    unsigned char der[1024];
    const unsigned char *at = der;
    size_t len = sign_with(key, "SHA256", 0, 0, input, der);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long) len);

    assert_non_null(sig);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32), 32);
    ECDSA_SIG_free(sig);
    return 64;
}

static size_t sign_hmac(struct slice secret, struct slice input, unsigned char signature[1024])
{
    unsigned len = 0;

    assert_non_null(HMAC(EVP_sha256(), secret.ptr, (int) secret.len,
                         (const unsigned char *) input.ptr, input.len, signature, &len));
    return len;
}

static size_t sign_hmac_pem(struct slice input, unsigned char signature[1024])
{
    AUTO(buf_done) struct buf pem = {.max = 4096};
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(rsa, &der);

    buf_str(&pem, "-----BEGIN PUBLIC KEY-----\n");
    base64_encode(&pem, slice_of(der, (size_t) len));
    buf_str(&pem, "\n-----END PUBLIC KEY-----\n");
    OPENSSL_free(der);
    return sign_hmac(buf_slice(&pem), input, signature);
}

static size_t sign_hmac_jwk(struct slice input, unsigned char signature[1024])
{
    AUTO(buf_done) struct buf n = {.max = 4096};

    print_number(&n, rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    return sign_hmac(buf_slice(&n), input, signature);
}

static size_t sign(enum signer by, struct slice input, unsigned char signature[1024])
{
    switch (by) {
    case BY_RSA:
        return sign_with(rsa, "SHA256", RSA_PKCS1_PADDING, 0, input, signature);
    case BY_PSS:
        return sign_with(pss, "SHA256", RSA_PKCS1_PSS_PADDING, 32, input, signature);
    case BY_EC:
        return sign_p256(ec, input, signature);
    case BY_ED:
        return sign_with(ed, NULL, 0, 0, input, signature);
    case BY_OTHER_RSA:
        return sign_with(other_rsa, "SHA256", RSA_PKCS1_PADDING, 0, input, signature);
    case BY_OTHER_EC:
        return sign_p256(other_ec, input, signature);
    case BY_SMALL_RSA:
        return sign_with(small_rsa, "SHA256", RSA_PKCS1_PADDING, 0, input, signature);
    case BY_RSA_SHA384:
        return sign_with(rsa, "SHA384", RSA_PKCS1_PADDING, 0, input, signature);
    case BY_PSS_AS_RSA:
        return sign_with(rsa, "SHA256", RSA_PKCS1_PSS_PADDING, 32, input, signature);
    case BY_RSA_AS_PSS:
        return sign_with(pss, "SHA256", RSA_PKCS1_PADDING, 0, input, signature);
    case BY_PSS_SALT_0:
        return sign_with(pss, "SHA256", RSA_PKCS1_PSS_PADDING, 0, input, signature);
    case BY_EC_DER:
        return sign_with(ec, "SHA256", 0, 0, input, signature);
    case BY_HMAC_EMPTY:
        return sign_hmac(SLICE(""), input, signature);
    case BY_HMAC_PEM:
        return sign_hmac_pem(input, signature);
    case BY_HMAC_JWK:
        return sign_hmac_jwk(input, signature);
    case BY_NOBODY:
        return 0;
    }
    return 0;
}

static void print_token(struct buf *out, const char *header, const char *payload,
                        enum signer by)
{
    unsigned char signature[1024];
    size_t len;

    base64url_encode(out, slice_from_str(header));
    buf_str(out, ".");
    base64url_encode(out, slice_from_str(payload));
    len = sign(by, buf_slice(out), signature);
    buf_str(out, ".");
    base64url_encode(out, slice_of(signature, len));
}

/* ---- tokens ---- */

#define REST                                                                                   \
    "\"aud\":\"mail\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":true,\"exp\":"  \
    "2000000600,"                                                                              \
    "\"iat\":2000000000"
#define CLAIMS         "{\"iss\":\"https://id.example/\"," REST "}"
#define HEAD(alg, kid) "{\"alg\":\"" alg "\",\"typ\":\"JWT\",\"kid\":\"" kid "\"}"
#define RS256          HEAD("RS256", "r")

// clang-format off
static const struct {
    const char *name, *header, *payload;
    enum signer by;
    bool good;
} tokens[] = {
    {"RS256",                    RS256, CLAIMS, BY_RSA, true},
    {"PS256",                    HEAD("PS256", "p"), CLAIMS, BY_PSS, true},
    {"ES256",                    HEAD("ES256", "e"), CLAIMS, BY_EC, true},
    {"EdDSA",                    HEAD("EdDSA", "d"), CLAIMS, BY_ED, true},
    {"type of RFC 9068",         "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"r\"}", CLAIMS, BY_RSA, true},
    {"type in full",             "{\"alg\":\"RS256\",\"typ\":\"Application/AT+jwt\",\"kid\":\"r\"}", CLAIMS, BY_RSA, true},
    {"other fields",             "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"x5t\":\"AA\"}", CLAIMS, BY_RSA, true},

    /* who signed */
    {"none",                     HEAD("none", "r"), CLAIMS, BY_NOBODY, false},
    {"None",                     HEAD("None", "r"), CLAIMS, BY_NOBODY, false},
    {"NONE with a signature",    HEAD("NONE", "r"), CLAIMS, BY_RSA, false},
    {"no signature",             RS256, CLAIMS, BY_NOBODY, false},
    {"no alg",                   "{\"typ\":\"JWT\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"alg is a list",            "{\"alg\":[\"RS256\"],\"typ\":\"JWT\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"alg is null",              "{\"alg\":null,\"typ\":\"JWT\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"alg in small letters",     HEAD("rs256", "r"), CLAIMS, BY_RSA, false},
    {"HS256, no secret",         HEAD("HS256", "r"), CLAIMS, BY_HMAC_EMPTY, false},
    {"HS256, the public key",    HEAD("HS256", "r"), CLAIMS, BY_HMAC_PEM, false},
    {"HS256, the modulus",       HEAD("HS256", "r"), CLAIMS, BY_HMAC_JWK, false},
    {"HS256, the set's secret",  HEAD("HS256", "o"), CLAIMS, BY_HMAC_EMPTY, false},
    {"RS256 by HMAC",            RS256, CLAIMS, BY_HMAC_PEM, false},
    {"RS384",                    HEAD("RS384", "r"), CLAIMS, BY_RSA_SHA384, false},
    {"RS256 by SHA-384",         RS256, CLAIMS, BY_RSA_SHA384, false},
    {"RS512",                    HEAD("RS512", "r"), CLAIMS, BY_RSA, false},
    {"ES384",                    HEAD("ES384", "e"), CLAIMS, BY_EC, false},
    {"ES256K",                   HEAD("ES256K", "e"), CLAIMS, BY_EC, false},
    {"PS256 of a key of RS256",  HEAD("PS256", "r"), CLAIMS, BY_PSS_AS_RSA, false},
    {"PSS under RS256",          RS256, CLAIMS, BY_PSS_AS_RSA, false},
    {"RS256 of a key of PS256",  HEAD("RS256", "p"), CLAIMS, BY_RSA_AS_PSS, false},
    {"PKCS #1 under PS256",      HEAD("PS256", "p"), CLAIMS, BY_RSA_AS_PSS, false},
    {"PSS without salt",         HEAD("PS256", "p"), CLAIMS, BY_PSS_SALT_0, false},
    {"RS256 of an EC key",       HEAD("RS256", "e"), CLAIMS, BY_RSA, false},
    {"ES256 of an RSA key",      HEAD("ES256", "r"), CLAIMS, BY_EC, false},
    {"EdDSA of an EC key",       HEAD("EdDSA", "e"), CLAIMS, BY_ED, false},
    {"ES256 in DER",             HEAD("ES256", "e"), CLAIMS, BY_EC_DER, false},
    {"another RSA key",          RS256, CLAIMS, BY_OTHER_RSA, false},
    {"another EC key",           HEAD("ES256", "e"), CLAIMS, BY_OTHER_EC, false},
    {"a key for encryption",     HEAD("RS256", "c"), CLAIMS, BY_OTHER_RSA, false},
    {"a key of 1024 bits",       HEAD("RS256", "s"), CLAIMS, BY_SMALL_RSA, false},

    /* which key */
    {"no kid",                   "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", CLAIMS, BY_RSA, false},
    {"an empty kid",             HEAD("RS256", ""), CLAIMS, BY_RSA, false},
    {"another kid",              HEAD("RS256", "p"), CLAIMS, BY_RSA, false},
    {"an unknown kid",           HEAD("RS256", "x"), CLAIMS, BY_RSA, false},
    {"a kid in other case",      HEAD("RS256", "R"), CLAIMS, BY_RSA, false},
    {"a kid with a NUL",         HEAD("RS256", "r\\u0000"), CLAIMS, BY_RSA, false},
    {"a kid that is a path",     HEAD("RS256", "../../../dev/null"), CLAIMS, BY_HMAC_EMPTY, false},
    {"a kid that is SQL",        HEAD("RS256", "x' UNION SELECT 'r"), CLAIMS, BY_RSA, false},
    {"a kid that is a number",   "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":1}", CLAIMS, BY_RSA, false},
    {"a kid that is a list",     "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":[\"r\"]}", CLAIMS, BY_RSA, false},
    {"jku",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"x\",\"jku\":\"http://127.0.0.1:1/\"}", CLAIMS, BY_OTHER_RSA, false},
    {"jwk",                      "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"e\",\"jwk\":{\"kty\":\"EC\"}}", CLAIMS, BY_OTHER_EC, false},
    {"x5u",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"x5u\":\"https://x/\"}", CLAIMS, BY_OTHER_RSA, false},
    {"x5c",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"x5c\":[\"MII\"]}", CLAIMS, BY_OTHER_RSA, false},

    /* headers that ask for more */
    {"crit",                     "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"crit\":[\"exp\"],\"exp\":1}", CLAIMS, BY_RSA, false},
    {"an empty crit",            "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"crit\":[]}", CLAIMS, BY_RSA, false},
    {"b64",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"b64\":true}", CLAIMS, BY_RSA, false},
    {"nested",                   "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"cty\":\"JWT\"}", CLAIMS, BY_RSA, false},
    {"zip",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"zip\":\"DEF\"}", CLAIMS, BY_RSA, false},
    {"enc",                      "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"enc\":\"A128GCM\"}", CLAIMS, BY_RSA, false},
    {"no type",                  "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"another type",             "{\"alg\":\"RS256\",\"typ\":\"logout+jwt\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"a type that is a number",  "{\"alg\":\"RS256\",\"typ\":1,\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"alg twice",                "{\"alg\":\"none\",\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"kid twice",                "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"x\",\"kid\":\"r\"}", CLAIMS, BY_RSA, false},
    {"a header that is a list",  "[]", CLAIMS, BY_RSA, false},
    {"a header that is no JSON", "alg=RS256", CLAIMS, BY_RSA, false},
    {"octets behind the header", RS256 "x", CLAIMS, BY_RSA, false},
    {"an empty header",          "{}", CLAIMS, BY_RSA, false},
    {"a deep header",            "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\",\"x\":[[[[[[[[]]]]]]]]}", CLAIMS, BY_RSA, false},

    /* what it claims; test_idp_claims.c has these one by one */
    {"another issuer",           RS256, "{\"iss\":\"https://evil.example/\"," REST "}", BY_RSA, false},
    {"the issuer without slash", RS256, "{\"iss\":\"https://id.example\"," REST "}", BY_RSA, false},
    {"the issuer twice",         RS256, "{\"iss\":\"https://x/\",\"iss\":\"https://id.example/\"," REST "}", BY_RSA, false},
    {"no issuer",                RS256, "{" REST "}", BY_RSA, false},
    {"no claims",                RS256, "{}", BY_RSA, false},
    {"claims that are a list",   RS256, "[" CLAIMS "]", BY_RSA, false},
    {"claims with a tail",       RS256, CLAIMS CLAIMS, BY_RSA, false},
    {"claims that are a token",  RS256, "eyJhbGciOiJub25lIn0.e30.", BY_RSA, false},
    {"a NUL in claims",          RS256, "{\"iss\":\"https://id.example/\\u0000\"," REST "}", BY_RSA, false},
    {"another audience",         RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"web\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":true,\"exp\":2000000600}", BY_RSA, false},
    {"no audience",              RS256, "{\"iss\":\"https://id.example/\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":true,\"exp\":2000000600}", BY_RSA, false},
    {"no scope",                 RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"email\":\"anna\",\"email_verified\":true,\"exp\":2000000600}", BY_RSA, false},
    {"no expiry",                RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":true}", BY_RSA, false},
    {"expired",                  RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":true,\"exp\":1999999970}", BY_RSA, false},
    {"not yet",                  RS256, "{\"iss\":\"https://id.example/\",\"nbf\":2000000031," REST "}", BY_RSA, false},
    {"no user",                  RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"scope\":\"imap\",\"sub\":\"anna\",\"exp\":2000000600}", BY_RSA, false},
    {"an unproved address",      RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"scope\":\"imap\",\"email\":\"anna\",\"email_verified\":false,\"exp\":2000000600}", BY_RSA, false},
    {"one nobody says is proved", RS256, "{\"iss\":\"https://id.example/\",\"aud\":\"mail\",\"scope\":\"imap\",\"email\":\"anna\",\"exp\":2000000600}", BY_RSA, false},
};
// clang-format on

static struct idp_answer ask(void *oauth, struct slice token, struct arena *arena)
{
    const struct idp_question question = {
        .ask = IDP_ASK_TOKEN, .secret = token, .arena = arena};
    struct idp_answer answer = {0};

    idp_oauth.check(oauth, &question, &answer);
    return answer;
}

static void only_the_good_tokens_are_taken(void **state)
{
    size_t n_bad = 0, n_taken = 0;
    void *oauth;

    (void) state;
    assert_int_equal(idp_oauth.open(conf, &oauth, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(tokens); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf token = {.max = 1 << 16};
        struct idp_answer answer;

        print_token(&token, tokens[i].header, tokens[i].payload, tokens[i].by);
        answer = ask(oauth, buf_slice(&token), arena);
        n_bad += !tokens[i].good;
        if (tokens[i].good ? answer.code != IDP_OK
                           : answer.code != IDP_REFUSED && answer.code != IDP_EXPIRED)
            fail_msg("%s: %s", tokens[i].name, answer.reason);
        n_taken += !tokens[i].good && answer.code == IDP_OK;
        assert_slice_equal(answer.user, tokens[i].good ? SLICE("anna") : SLICE(""));
    }
    printf("%zu hostile tokens, %zu taken\n", n_bad, n_taken);
    assert_true(n_bad >= 60);
    idp_oauth.close(oauth);
}

/* What is done to the text of a good token. */
static void no_octet_of_a_token_can_be_changed(void **state)
{
    AUTO(buf_done) struct buf good = {.max = 1 << 16};
    AUTO(buf_done) struct buf bad = {.max = 1 << 16};
    void *oauth;

    (void) state;
    assert_int_equal(idp_oauth.open(conf, &oauth, NULL), RC_OK);
    print_token(&good, HEAD("ES256", "e"), CLAIMS, BY_EC);
    for (size_t i = 0; i < good.len; i++) {
        for (int how = 0; how < 4; how++) {
            AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

            buf_reset(&bad);
            buf_append(&bad, slice_sub(buf_slice(&good), 0, i));
            if (how == 0)
                buf_byte(&bad, good.ptr[i] == 'A' ? 'B' : 'A');
            else if (how == 1)
                buf_str(&bad, ".");
            else if (how == 2)
                buf_str(&bad, "=");
            if (how == 2)
                buf_byte(&bad, good.ptr[i]);
            buf_append(&bad, slice_from(buf_slice(&good), i + 1));
            if (slice_eq(buf_slice(&bad), buf_slice(&good)))
                continue; /* a dot for a dot */
            if (ask(oauth, buf_slice(&bad), arena).code != IDP_REFUSED)
                fail_msg("octet %zu, way %d", i, how);
        }
    }
    idp_oauth.close(oauth);
}

static void a_token_has_three_strict_parts(void **state)
{
    AUTO(buf_done) struct buf good = {.max = 1 << 16};
    static const char *const tails[] = {"=", "==", ".", ".x", "A", " ", "\n", "."};
    void *oauth;

    (void) state;
    assert_int_equal(idp_oauth.open(conf, &oauth, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(tails); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

        buf_reset(&good);
        print_token(&good, HEAD("EdDSA", "d"), CLAIMS, BY_ED);
        assert_int_equal(ask(oauth, buf_slice(&good), arena).code, IDP_OK);
        buf_str(&good, tails[i]);
        if (ask(oauth, buf_slice(&good), arena).code != IDP_REFUSED)
            fail_msg("with \"%s\" behind it", tails[i]);
    }
    idp_oauth.close(oauth);
}

/* ---- sets of keys ---- */

enum change {
    AS_IT_IS,
    ALG_PS256,
    ALG_HS256,
    ALG_NUMBER,
    USE_ENC,
    USE_NUMBER,
    OPS_SIGN,
    OPS_VERIFY,
    KTY_OCT,
    KID_OTHER,
    KID_NUMBER,
    KID_TWICE,
    PRIVATE,
    N_EMPTY,
    N_PADDED,
    N_STANDARD_BASE64,
    N_NUMBER,
    N_EVEN,
    E_ONE,
    E_THREE,
    E_EVEN,
    NO_N,
    NOT_IN_A_LIST,
    IN_A_LIST_OF_LISTS,
    MEMBER_TWICE,
    TAIL,
    TOO_MANY,
    CHANGES
};

/* RSA's key "r" once more, and one thing about it. */
static void print_changed(struct buf *out, enum change change)
{
    static const char *const more[CHANGES] = {
        [ALG_PS256] = "\"alg\":\"PS256\",",
        [ALG_HS256] = "\"alg\":\"HS256\",",
        [ALG_NUMBER] = "\"alg\":256,",
        [USE_ENC] = "\"use\":\"enc\",",
        [USE_NUMBER] = "\"use\":1,",
        [OPS_SIGN] = "\"key_ops\":[\"sign\"],",
        [OPS_VERIFY] = "\"key_ops\":[\"sign\",\"verify\"],",
        [PRIVATE] = "\"d\":\"AQAB\",",
    };
    AUTO(buf_done) struct buf n = {.max = 4096};
    bool listed = change != NOT_IN_A_LIST;

    print_number(&n, rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    if (change == N_PADDED)
        buf_str(&n, "=");
    if (change == N_STANDARD_BASE64) {
        n.ptr[1] = '+';
    }
    if (change == N_EVEN)
        n.ptr[n.len - 1] = 'A';
    if (change == N_EMPTY)
        buf_reset(&n);
    buf_str(out, listed ? "{\"keys\":[" : "{\"keys\":");
    if (change == IN_A_LIST_OF_LISTS)
        buf_str(out, "[");
    for (int i = 0; i < (change == KID_TWICE ? 2 : 1); i++) {
        if (i > 0)
            buf_str(out, ",");
        buf_printf(out, "{\"kty\":\"%s\",\"kid\":%s,%s", change == KTY_OCT ? "oct" : "RSA",
                   change == KID_OTHER    ? "\"x\""
                   : change == KID_NUMBER ? "1"
                                          : "\"r\"",
                   more[change] != NULL ? more[change] : "");
        if (change == N_NUMBER)
            buf_str(out, "\"n\":12345,");
        else if (change != NO_N)
            buf_printf(out, "\"n\":\"%.*s\",", SLICE_ARG(buf_slice(&n)));
        if (change == MEMBER_TWICE)
            buf_str(out, "\"kid\":\"r\",");
        buf_printf(out, "\"e\":\"%s\"}",
                   change == E_ONE     ? "AQ"
                   : change == E_THREE ? "Aw"
                   : change == E_EVEN  ? "AQAA"
                                       : "AQAB");
    }
    for (unsigned i = 0; i < (change == TOO_MANY ? JWKS_KEYS_MAX : 0); i++)
        buf_str(out, ",{}");
    if (change == IN_A_LIST_OF_LISTS)
        buf_str(out, "]");
    buf_str(out, listed ? "]}" : "}");
    if (change == TAIL)
        buf_str(out, "{}");
}

static void a_key_is_used_for_what_it_is_there_for(void **state)
{
    AUTO(buf_done) struct buf token = {.max = 1 << 16};
    size_t n_bad = 0;

    (void) state;
    print_token(&token, RS256, CLAIMS, BY_RSA);
    for (enum change change = 0; change < CHANGES; change++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf text = {.max = 1 << 16};
        AUTO(jwks_unrefp) struct jwks *set = NULL;
        AUTO(jwt_done) struct jwt jwt = {0};
        struct provider_list types = {.items = {SLICE("JWT")}, .n = 1};
        const struct jwk *key = NULL;
        bool good = change == AS_IT_IS || change == OPS_VERIFY;

        assert_int_equal(jwt_read(buf_slice(&token), &types, arena, &jwt, NULL), RC_OK);
        print_changed(&text, change);
        if (jwks_read(buf_slice(&text), ~0u, JWS_RS256, &set, NULL) == RC_OK)
            key = jwks_find(set, &jwt.kid);
        if ((key != NULL && jwt_is_signed_by(&jwt, key)) != good)
            fail_msg("change %d", (int) change);
        n_bad += !good;
    }
    printf("%zu hostile sets of keys, 0 used\n", n_bad);
}

/* The configuration's word on algorithms is the last. */
static void an_algorithm_that_is_not_allowed_has_no_keys(void **state)
{
    AUTO(buf_done) struct buf text = {.max = 1 << 16};

    (void) state;
    print_set(&text);
    for (enum jws_alg alg = 0; alg < JWS_ALG_COUNT; alg++) {
        AUTO(jwks_unrefp) struct jwks *set = NULL;

        assert_int_equal(jwks_read(buf_slice(&text), JWS_ALG_BIT(alg), JWS_RS256, &set, NULL),
                         RC_OK);
        assert_int_equal(set->n, 1);
        assert_int_equal(set->keys[0].alg, alg);
        assert_ptr_equal(jwks_find(set, NULL), &set->keys[0]); /* the only one needs no name */
    }
}

static void a_point_beside_the_curve_is_no_key(void **state)
{
    AUTO(buf_done) struct buf text = {.max = 1 << 16};
    AUTO(jwks_unrefp) struct jwks *good = NULL;
    AUTO(jwks_unrefp) struct jwks *bad = NULL;
    size_t y;

    (void) state;
    buf_str(&text, "{\"keys\":[");
    print_ec(&text, "");
    buf_str(&text, "]}");
    assert_int_equal(jwks_read(buf_slice(&text), ~0u, JWS_RS256, &good, NULL), RC_OK);
    assert_int_equal(good->n, 1);
    y = slice_search(buf_slice(&text), SLICE("\"y\":\"")) + strlen("\"y\":\"");
    text.ptr[y] = text.ptr[y] == 'A' ? 'B' : 'A';
    assert_int_equal(jwks_read(buf_slice(&text), ~0u, JWS_RS256, &bad, NULL), RC_OK);
    assert_int_equal(bad->n, 0);
}

/* Until then a key that was taken away counts. */
static void keys_are_read_again_after_an_hour(void **state)
{
    const int64_t start_us = 1700000000000000, fresh_us = (int64_t) KEYS_FRESH_SEC * 1000000;
    const struct slice kid = SLICE("d");
    AUTO(buf_done) struct buf text = {.max = 4096};
    struct key_source_options options = {.allowed = ~0u, .rsa = JWS_RS256};
    struct key_source *source;
    struct jwks *set;
    const struct jwk *key;
    char path[96];

    (void) state;
    (void) snprintf(path, sizeof(path), "%s/kept.json", folder);
    options.from = slice_from_str(path);
    print_set(&text);
    write_file(path, buf_slice(&text));
    clock_set_for_test(start_us);
    assert_int_equal(key_source_new(&options, &source, NULL), RC_OK);
    buf_reset(&text);
    buf_str(&text, "{\"keys\":[");
    print_ec(&text, "");
    buf_str(&text, "]}");
    write_file(path, buf_slice(&text));
    clock_set_for_test(start_us + fresh_us - 1);
    assert_int_equal(key_source_find(source, &kid, &set, &key, NULL), RC_OK);
    jwks_unref(set);
    clock_set_for_test(start_us + fresh_us);
    assert_int_equal(key_source_find(source, &kid, &set, &key, NULL), RC_NOT_FOUND);
    key_source_free(source);
    clock_set_for_test(0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_good_tokens_are_taken),
        cmocka_unit_test(no_octet_of_a_token_can_be_changed),
        cmocka_unit_test(a_token_has_three_strict_parts),
        cmocka_unit_test(a_key_is_used_for_what_it_is_there_for),
        cmocka_unit_test(an_algorithm_that_is_not_allowed_has_no_keys),
        cmocka_unit_test(a_point_beside_the_curve_is_no_key),
        cmocka_unit_test(keys_are_read_again_after_an_hour),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
