/*
 * test_certificate.c - who a client certificate is: the name by each kind, what a chain may be,
 * and files that hold no CA. integration/test_external has those that are refused for one
 * thing.
 */
// links: auth
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "auth/certificate.h"
#include "base/buf.h"
#include "base/clock.h"
#include "lib/test.h"

#define DAY 86400

struct made {
    EVP_PKEY *key;
    X509 *cert;
    struct buf pem, der;
};

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: self-signed, a CA. san NULL: none. */
static struct made make(const char *name, const struct made *issuer, const char *san)
{
    struct made made = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509_NAME *subject = X509_get_subject_name(made.cert);
    const X509 *by = issuer != NULL ? issuer->cert : made.cert;
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    char *pem;
    long len;

    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), 7);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) name, -1,
                               -1, 0);
    X509_set_issuer_name(made.cert, X509_get_subject_name(by));
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -DAY);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), DAY);
    X509_set_pubkey(made.cert, made.key);
    add(made.cert, made.cert, NID_basic_constraints,
        issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add(made.cert, made.cert, NID_key_usage,
        issuer == NULL ? "critical,keyCertSign" : "critical,digitalSignature");
    add(made.cert, made.cert, NID_subject_key_identifier, "hash");
    if (issuer != NULL) {
        add(made.cert, issuer->cert, NID_authority_key_identifier, "keyid");
        add(made.cert, made.cert, NID_ext_key_usage, "clientAuth");
    }
    if (san != NULL)
        add(made.cert, made.cert, NID_subject_alt_name, san);
    X509_sign(made.cert, issuer != NULL ? issuer->key : made.key, EVP_sha256());
    PEM_write_bio_X509(bio, made.cert);
    len = BIO_get_mem_data(bio, &pem);
    buf_init(&made.pem, (size_t) len);
    buf_append(&made.pem, slice_of(pem, (size_t) len));
    BIO_free(bio);
    len = i2d_X509(made.cert, &der);
    buf_init(&made.der, (size_t) len);
    buf_append(&made.der, slice_of(der, (size_t) len));
    OPENSSL_free(der);
    return made;
}

static void drop(struct made *made)
{
    EVP_PKEY_free(made->key);
    X509_free(made->cert);
    buf_done(&made->pem);
    buf_done(&made->der);
}

// clang-format off
static const struct {
    const char *san;
    enum cert_name kind;
    const char *user; /* NULL: refused */
} names[] = {
    {"email:anna@example.org",                                      CERT_NAME_EMAIL,  "anna@example.org"},
    {"email:anna@example.org,DNS:x.example.org,IP:192.0.2.1",       CERT_NAME_EMAIL,  "anna@example.org"},
    {"DNS:anna.example.org",                                        CERT_NAME_DNS,    "anna.example.org"},
    {"URI:acct:anna@example.org",                                   CERT_NAME_URI,    "anna@example.org"},
    {"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:anna@example.org",      CERT_NAME_UPN,    "anna@example.org"},
    {"otherName:1.3.6.1.4.1.311.20.2.3;IA5:anna@example.org",       CERT_NAME_UPN,    NULL},
    {"otherName:1.3.6.1.4.1.311.20.2.4;UTF8:anna@example.org",      CERT_NAME_UPN,    NULL},
    {"email:anna@example.org",                                      CERT_NAME_DNS,    NULL},
    {"email:anna@example.org",                                      CERT_NAME_UPN,    NULL},
    {"email:anna@example.org",                                      CERT_NAME_URI,    NULL},
    {"DNS:*.example.org",                                           CERT_NAME_DNS,    NULL},
    {"DNS:a.example.org,DNS:b.example.org",                         CERT_NAME_DNS,    NULL},
    {"DNS:anna@example.org",                                        CERT_NAME_DNS,    NULL},
    {"DNS:anna_x",                                                  CERT_NAME_DNS,    NULL},
    {"URI:mailto:anna@example.org",                                 CERT_NAME_URI,    NULL},
    {"URI:acct:",                                                   CERT_NAME_URI,    NULL},
    {"URI:acct:anna%40example.org",                                 CERT_NAME_URI,    NULL},
    {"URI:ACCT:anna@example.org",                                   CERT_NAME_URI,    NULL},
    {"email:anna",                                                  CERT_NAME_EMAIL,  NULL},
    {"email:@example.org",                                          CERT_NAME_EMAIL,  NULL},
    {"email:anna@",                                                 CERT_NAME_EMAIL,  NULL},
    {"email:an na@example.org",                                     CERT_NAME_EMAIL,  NULL},
    {NULL,                                                          CERT_NAME_EMAIL,  NULL},
};
// clang-format on

static void reads_the_one_name_of_its_kind(void **state)
{
    struct made root = make("root", NULL, NULL);

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct made leaf = make("CN=anna@example.org", &root, names[i].san);
        struct cert_identity found = {0};
        struct err err;
        enum rc rc = cert_read_name(buf_slice(&leaf.der), names[i].kind, &found, &err);

        print_message("%s\n", names[i].san != NULL ? names[i].san : "none");
        assert_int_equal(rc, names[i].user != NULL ? RC_OK : RC_DENIED);
        assert_slice_equal(slice_of(found.user, found.user_len),
                           slice_from_str(names[i].user != NULL ? names[i].user : ""));
        drop(&leaf);
    }
    drop(&root);
}

static void put(struct buf *chain, const struct made *made)
{
    buf_le_bytes(chain, buf_slice(&made->der));
}

static enum rc check(const struct cert_checker *checker, const struct buf *chain, int64_t now)
{
    struct cert_identity found;
    struct err err;

    return cert_check(checker, buf_slice(chain), now, &found, &err);
}

static void a_chain_is_read_whole_or_not_at_all(void **state)
{
    struct made root = make("root", NULL, NULL);
    struct made leaf = make("leaf", &root, "email:anna@example.org");
    AUTO(cert_checker_freep) struct cert_checker *checker = NULL;
    AUTO(buf_done) struct buf chain = {.max = 64 << 10};
    int64_t now = clock_wall_sec();
    struct err err;

    (void) state;
    assert_int_equal(
        cert_checker_new(buf_slice(&root.pem), SLICE(""), CERT_NAME_EMAIL, &checker, &err),
        RC_OK);
    assert_int_equal(check(checker, &chain, now), RC_DENIED); /* none */
    put(&chain, &leaf);
    assert_int_equal(check(checker, &chain, now), RC_OK);
    assert_int_equal(check(checker, &chain, now - 2 * DAY), RC_DENIED);
    assert_int_equal(check(checker, &chain, now + 2 * DAY), RC_DENIED);
    for (size_t n = 1; n < CERT_CHAIN_MAX; n++)
        put(&chain, &root);
    assert_int_equal(check(checker, &chain, now), RC_OK);
    put(&chain, &root);
    assert_int_equal(check(checker, &chain, now), RC_DENIED); /* one too many */

    buf_reset(&chain);
    put(&chain, &leaf);
    buf_byte(&chain, '\0');
    assert_int_equal(check(checker, &chain, now), RC_DENIED); /* something behind */
    buf_reset(&chain);
    buf_le32(&chain, (uint32_t) leaf.der.len + 1);
    buf_append(&chain, buf_slice(&leaf.der));
    buf_byte(&chain, '\0');
    assert_int_equal(check(checker, &chain, now), RC_DENIED); /* something within */
    buf_reset(&chain);
    put(&chain, &root);
    assert_int_equal(check(checker, &chain, now), RC_DENIED); /* the CA itself */
    drop(&leaf);
    drop(&root);
}

static void a_device_is_known_by_what_the_administrator_gave(void **state)
{
    static const struct pepper pepper = {"thirty-two octets of a pepper..."};
    struct made root = make("root", NULL, NULL);
    struct made leaf = make("leaf", &root, "email:anna@example.org");
    AUTO(cert_checker_freep) struct cert_checker *checker = NULL;
    AUTO(buf_done) struct buf chain = {.max = 64 << 10}, two = {.max = 64 << 10};
    unsigned char print[CERT_FINGERPRINT_BYTES];
    struct app_verifier a, b;
    struct cert_identity found;
    struct err err;

    (void) state;
    assert_int_equal(
        cert_checker_new(buf_slice(&root.pem), SLICE(""), CERT_NAME_EMAIL, &checker, &err),
        RC_OK);
    put(&chain, &leaf);
    assert_int_equal(cert_check(checker, buf_slice(&chain), clock_wall_sec(), &found, &err),
                     RC_OK);
    assert_int_equal(cert_pem_fingerprint(buf_slice(&leaf.pem), print, &err), RC_OK);
    assert_memory_equal(print, found.fingerprint, sizeof(print));
    assert_true(found.expires > clock_wall_sec());
    cert_verifier(&pepper, print, &a);
    assert_int_equal(cert_pem_fingerprint(buf_slice(&root.pem), print, &err), RC_OK);
    cert_verifier(&pepper, print, &b);
    assert_memory_not_equal(&a, &b, sizeof(a));
    buf_append(&two, buf_slice(&leaf.pem));
    buf_append(&two, buf_slice(&root.pem));
    assert_int_equal(cert_pem_fingerprint(buf_slice(&two), print, &err), RC_INVALID);
    assert_int_equal(cert_pem_fingerprint(SLICE("no certificate"), print, &err), RC_INVALID);
    drop(&leaf);
    drop(&root);
}

static enum rc load(struct slice authorities, struct slice lists)
{
    AUTO(cert_checker_freep) struct cert_checker *checker = NULL;
    struct err err;

    return cert_checker_new(authorities, lists, CERT_NAME_EMAIL, &checker, &err);
}

static void files_that_hold_no_ca_serve_nobody(void **state)
{
    struct made root = make("root", NULL, NULL);
    struct made leaf = make("leaf", &root, "email:anna@example.org");
    AUTO(buf_done) struct buf many = {.max = 1 << 20};

    (void) state;
    assert_int_equal(load(SLICE(""), SLICE("")), RC_INVALID);
    assert_int_equal(load(SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n"), SLICE("")), RC_INVALID);
    assert_int_equal(load(buf_slice(&leaf.pem), SLICE("")), RC_INVALID);
    assert_int_equal(load(buf_slice(&root.pem), SLICE("no list")), RC_INVALID);
    for (unsigned i = 0; i < CERT_AUTHORITIES_MAX; i++)
        buf_append(&many, buf_slice(&root.pem));
    assert_int_equal(load(buf_slice(&many), SLICE("")), RC_OK);
    buf_append(&many, buf_slice(&root.pem));
    assert_int_equal(load(buf_slice(&many), SLICE("")), RC_LIMIT);
    drop(&leaf);
    drop(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_one_name_of_its_kind),
        cmocka_unit_test(a_chain_is_read_whole_or_not_at_all),
        cmocka_unit_test(a_device_is_known_by_what_the_administrator_gave),
        cmocka_unit_test(files_that_hold_no_ca_serve_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
