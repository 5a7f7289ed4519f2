/*
 * fuzz_certificate.c - any bytes as a client certificate, and as a chain of them: a name that
 * is read is a plain one of its kind, and nobody is believed whom our CA has not signed.
 *
 * An input that begins with an odd byte is of a certificate that our CA has signed: the bits of
 * the next byte say what is wrong with it, the rest is its subjectAltName.
 */
// links: auth
#include <assert.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/certificate.h"
#include "base/buf.h"
#include "base/utf8.h"

#define NOW_SEC    1800000000
#define KEPT_BYTES ((size_t) 4096)

enum { NO_USAGE = 1, NO_CLIENT = 2, IS_CA = 4, TWO_NAMES = 8, IS_OLD = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A CA whose key nobody has. */
static const char authority[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBUjCB+qADAgECAgID7jAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAVvdGhlcjAg\n"
    "Fw0yNjExMjIxMzM4MDVaGA8yMTI2MTAyOTEzMzgwNVowEDEOMAwGA1UEAwwFb3Ro\n"
    "ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASwTfPn6oCxiMwpq2jqRoI8xGcI\n"
    "/5P9/jK4Mg5S4mdN5/0J35q5rScZIni1O+7/dQSvViZcEgplM3fQUcA3TgxZo0Iw\n"
    "QDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQU3ekC\n"
    "K1jK34xteDyv/OeSfk9un6EwCgYIKoZIzj0EAwIDRwAwRAIgV6XHkS+TTOmogKcg\n"
    "ad8S+r3oRh1dmxfi7GH1tg4BHg0CIDtOucUUiKW7iWEN0Ws6Es9Q1JjLGJ2+BhlD\n"
    "+ITwdeJF\n"
    "-----END CERTIFICATE-----\n";

static void check_plain(const struct cert_identity *found, enum cert_name kind)
{
    struct slice user = slice_of(found->user, found->user_len);

    assert(user.len > 0 && user.len <= AUTH_NAME_MAX_BYTES && utf8_is_valid(user));
    assert(slice_count(user, '\0') == 0 && slice_count(user, '*') == 0 &&
           slice_count(user, '\n') == 0 && slice_count(user, '%') == 0);
    assert(slice_count(user, '@') == (kind == CERT_NAME_DNS ? 0u : 1u));
}

static void check_name(struct slice der, enum cert_name kind)
{
    struct cert_identity found = {0};

    if (cert_read_name(der, kind, &found, NULL) == RC_OK)
        check_plain(&found, kind);
}

static void must(bool holds)
{
    if (!holds)
        die("a certificate cannot be made");
}

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void add_names(X509 *cert, struct slice der)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    must(ASN1_OCTET_STRING_set(octets, (const unsigned char *) (der.len > 0 ? der.ptr : ""),
                               (int) der.len) == 1);
    extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, octets);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
}

static X509 *begin(const char *name, const char *issuer, EVP_PKEY *key)
{
    X509 *cert = X509_new();

    must(X509_set_version(cert, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) == 1 &&
         X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                    (const unsigned char *) name, -1, -1, 0) == 1 &&
         X509_NAME_add_entry_by_txt(X509_get_issuer_name(cert), "CN", MBSTRING_ASC,
                                    (const unsigned char *) issuer, -1, -1, 0) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(cert), NOW_SEC - 9) != NULL &&
         ASN1_TIME_set(X509_getm_notAfter(cert), NOW_SEC + 9) != NULL &&
         X509_set_pubkey(cert, key) == 1);
    return cert;
}

/* Made once: the CA, and who believes it, by the kind of a name. */
static struct {
    EVP_PKEY *key;
    X509 *cert;
    struct cert_checker *checkers[CERT_NAME_URI + 1], *strangers;
} ca;

static void make_ca(void)
{
    static const unsigned char seed[32] = "a key that signs in this test..";
    char *pem;
    BIO *bio;
    long len;

    if (ca.cert != NULL)
        return;
    ca.key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    ca.cert = begin("ca", "ca", ca.key);
    add(ca.cert, ca.cert, NID_basic_constraints, "critical,CA:TRUE");
    add(ca.cert, ca.cert, NID_key_usage, "critical,keyCertSign");
    add(ca.cert, ca.cert, NID_subject_key_identifier, "hash");
    bio = BIO_new(BIO_s_mem());
    must(X509_sign(ca.cert, ca.key, NULL) > 0 && PEM_write_bio_X509(bio, ca.cert) == 1);
    len = BIO_get_mem_data(bio, &pem);
    for (enum cert_name kind = CERT_NAME_EMAIL; kind <= CERT_NAME_URI; kind++)
        must(cert_checker_new(slice_of(pem, (size_t) len), SLICE(""), kind, &ca.checkers[kind],
                              NULL) == RC_OK);
    must(cert_checker_new(slice_from_str(authority), SLICE(""), CERT_NAME_EMAIL, &ca.strangers,
                          NULL) == RC_OK);
    BIO_free(bio);
}

/* What our CA has signed, as a chain. */
static void make_chain(unsigned wrong, struct slice names, struct buf *out)
{
    X509 *cert = begin("somebody", "ca", ca.key);
    unsigned char *der = NULL;
    int len;

    add(cert, cert, NID_basic_constraints,
        (wrong & IS_CA) != 0 ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if ((wrong & NO_USAGE) == 0)
        add(cert, cert, NID_key_usage,
            (wrong & IS_CA) != 0 ? "critical,digitalSignature,keyCertSign"
                                 : "critical,digitalSignature");
    add(cert, cert, NID_subject_key_identifier, "hash");
    add(cert, ca.cert, NID_authority_key_identifier, "keyid");
    add(cert, cert, NID_ext_key_usage, (wrong & NO_CLIENT) != 0 ? "serverAuth" : "clientAuth");
    add_names(cert, names);
    if ((wrong & TWO_NAMES) != 0)
        add_names(cert, names);
    if ((wrong & IS_OLD) != 0)
        must(ASN1_TIME_set(X509_getm_notAfter(cert), NOW_SEC - 1) != NULL);
    must(X509_sign(cert, ca.key, NULL) > 0);
    len = i2d_X509(cert, &der);
    must(len > 0);
    buf_le_bytes(out, slice_of(der, (size_t) len));
    OPENSSL_free(der);
    X509_free(cert);
}

static void try_signed(unsigned wrong, struct slice names)
{
    AUTO(buf_done) struct buf chain = {.max = names.len * 2 + KEPT_BYTES};
    struct cert_identity found = {0}, again = {0};

    make_chain(wrong, names, &chain);
    for (enum cert_name kind = CERT_NAME_EMAIL; kind <= CERT_NAME_URI; kind++) {
        struct slice der = slice_from(buf_slice(&chain), sizeof(uint32_t));
        enum rc rc = cert_check(ca.checkers[kind], buf_slice(&chain), NOW_SEC, &found, NULL);

        check_name(der, kind);
        if (rc != RC_OK)
            continue;
        assert((wrong & (NO_USAGE | NO_CLIENT | IS_CA | TWO_NAMES | IS_OLD)) == 0);
        check_plain(&found, kind);
        assert(cert_read_name(der, kind, &again, NULL) == RC_OK);
        assert(slice_eq(slice_of(found.user, found.user_len),
                        slice_of(again.user, again.user_len)));
        assert(memcmp(found.fingerprint, again.fingerprint, sizeof(found.fingerprint)) == 0);
    }
    assert(cert_check(ca.strangers, buf_slice(&chain), NOW_SEC, &found, NULL) != RC_OK);
}

static void try_any(struct slice bytes)
{
    AUTO(buf_done) struct buf chain = {.max = bytes.len + sizeof(uint32_t)};
    struct cert_identity found;

    for (enum cert_name kind = CERT_NAME_EMAIL; kind <= CERT_NAME_URI; kind++)
        check_name(bytes, kind);
    buf_le_bytes(&chain, bytes);
    assert(cert_check(ca.strangers, buf_slice(&chain), NOW_SEC, &found, NULL) != RC_OK);
    assert(cert_check(ca.strangers, bytes, NOW_SEC, &found, NULL) != RC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_ca();
    if (size >= 2 && data[0] % 2 != 0)
        try_signed(data[1], slice_of(data + 2, size - 2));
    else
        try_any(slice_of(data, size));
    return 0;
}
