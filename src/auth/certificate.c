#include "auth/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "auth/pepper.h"
#include "base/ascii.h"
#include "base/clock.h"
#include "base/scan.h"
#include "base/utf8.h"
#include "net/tls.h"

#define SECURITY_LEVEL 2 /* OpenSSL's: 112 bits, so RSA from 2048 on and no SHA-1 */
#define URI_SCHEME     "acct:"

/* Before what is hashed, beside that of app_password.c. */
static const char label[] = "roost certificate 1:";

struct cert_checker {
    X509_STORE *store;
    bool has_lists;
    enum cert_name name;
};

static void bio_freep(BIO **bio)
{
    (void) BIO_free(*bio);
}

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static void crl_freep(X509_CRL **crl)
{
    X509_CRL_free(*crl);
}

static void stack_freep(STACK_OF(X509) * *stack)
{
    sk_X509_pop_free(*stack, X509_free);
}

static void store_ctx_freep(X509_STORE_CTX **ctx)
{
    X509_STORE_CTX_free(*ctx);
}

static void names_freep(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

static enum rc not_believed(struct err *err, enum rc rc, const char *why)
{
    ERR_clear_error();
    return err_set(err, rc, "Certificate is not accepted", "certificate: %s", why);
}

static enum rc denied(struct err *err, const char *why)
{
    return not_believed(err, RC_DENIED, why);
}

/* What stands in the lists, or does not, says neither yes nor no of this certificate. */
static bool lists_are_silent(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return true;
    default:
        return false;
    }
}

static enum rc unreadable(struct err *err, const char *what)
{
    ERR_clear_error();
    return err_set(err, RC_INVALID, "Not a certificate", "%s cannot be read", what);
}

/* ---- what the administrator gives ---- */

static BIO *bio_of(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int) MIN(pem.len, INT32_MAX));

    if (bio == NULL)
        die("certificate: out of memory");
    return bio;
}

/* Did reading PEM objects end because there are no more? */
static bool is_end(void)
{
    unsigned long why = ERR_peek_last_error();

    ERR_clear_error();
    return ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
}

static enum rc add_authorities(X509_STORE *store, struct slice pem, struct err *err)
{
    AUTO(bio_freep) BIO *bio = bio_of(pem);
    size_t n = 0;

    ERR_clear_error();
    for (;; n++) {
        AUTO(x509_freep) X509 *cert = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);

        if (cert == NULL)
            break;
        if (n == CERT_AUTHORITIES_MAX)
            return err_set(err, RC_LIMIT, "Too many authorities", "over %u CA certificates",
                           CERT_AUTHORITIES_MAX);
        if (X509_check_ca(cert) <= 0)
            return unreadable(err, "a CA certificate (basicConstraints CA is not set)");
        if (X509_STORE_add_cert(store, cert) != 1)
            return unreadable(err, "a CA certificate");
    }
    return is_end() && n > 0 ? RC_OK : unreadable(err, "the CA certificates");
}

static enum rc add_lists(X509_STORE *store, struct slice pem, struct err *err)
{
    AUTO(bio_freep) BIO *bio = bio_of(pem);
    size_t n = 0;

    ERR_clear_error();
    for (;; n++) {
        AUTO(crl_freep)
        X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, tls_no_passphrase, NULL);

        if (crl == NULL)
            break;
        if (n == CERT_AUTHORITIES_MAX)
            return err_set(err, RC_LIMIT, "Too many lists", "over %u revocation lists",
                           CERT_AUTHORITIES_MAX);
        if (X509_STORE_add_crl(store, crl) != 1)
            return unreadable(err, "a revocation list");
    }
    return is_end() && n > 0 ? RC_OK : unreadable(err, "the revocation lists");
}

enum rc cert_checker_new(struct slice authorities, struct slice lists, enum cert_name name,
                         struct cert_checker **out, struct err *err)
{
    AUTO(cert_checker_freep) struct cert_checker *checker = xcalloc(1, sizeof(*checker));
    enum rc rc;

    checker->name = name;
    checker->has_lists = lists.len > 0;
    checker->store = X509_STORE_new();
    if (checker->store == NULL)
        die("certificate: out of memory");
    rc = add_authorities(checker->store, authorities, err);
    if (rc == RC_OK && checker->has_lists)
        rc = add_lists(checker->store, lists, err);
    if (rc)
        return rc;
    *out = TAKE(checker);
    return RC_OK;
}

void cert_checker_free(struct cert_checker *checker)
{
    if (checker == NULL)
        return;
    X509_STORE_free(checker->store);
    free(checker);
}

void cert_checker_freep(struct cert_checker **checker)
{
    cert_checker_free(*checker);
    *checker = NULL;
}

/* ---- the path ---- */

/* All of der, and nothing behind it. */
static X509 *cert_of(struct slice der)
{
    const unsigned char *at = (const unsigned char *) der.ptr;
    X509 *cert = der.len > 0 && der.len <= CERT_DER_MAX_BYTES
                     ? d2i_X509(NULL, &at, (long) der.len)
                     : NULL;

    if (cert != NULL && at == (const unsigned char *) der.ptr + der.len)
        return cert;
    X509_free(cert);
    return NULL;
}

static enum rc read_chain(struct slice list, struct slice *out_leaf, STACK_OF(X509) * out,
                          struct err *err)
{
    struct scan sc = scan_of(list);
    struct slice der;

    for (size_t n = 0; scan_le_bytes(&sc, CERT_DER_MAX_BYTES, &der); n++) {
        X509 *cert = n < CERT_CHAIN_MAX ? cert_of(der) : NULL;

        if (cert == NULL)
            return denied(err, "cannot be read, or too many are sent");
        if (sk_X509_push(out, cert) == 0)
            die("certificate: out of memory");
        if (n == 0)
            *out_leaf = der;
    }
    return scan_done(&sc) && sk_X509_num(out) > 0 ? RC_OK : denied(err, "none was sent");
}

static enum rc check_path(const struct cert_checker *checker, X509 *leaf, STACK_OF(X509) * sent,
                          int64_t now, struct err *err)
{
    AUTO(store_ctx_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    unsigned long flags = X509_V_FLAG_X509_STRICT;
    X509_VERIFY_PARAM *param;

    if (ctx == NULL || X509_STORE_CTX_init(ctx, checker->store, leaf, sent) != 1)
        die("certificate: out of memory");
    if (checker->has_lists)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t) now);
    X509_VERIFY_PARAM_set_depth(param, (int) CERT_CHAIN_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
    if (X509_VERIFY_PARAM_set_flags(param, flags) != 1 ||
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) != 1)
        return denied(err, "cannot be verified");
    if (X509_verify_cert(ctx) != 1) {
        int error = X509_STORE_CTX_get_error(ctx);

        return not_believed(err, lists_are_silent(error) ? RC_UNAVAILABLE : RC_DENIED,
                            X509_verify_cert_error_string(error));
    }
    /* One that stands among the CAs itself was issued by nobody. */
    return sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) > 1 ? RC_OK
                                                           : denied(err, "issued by nobody");
}

/* OpenSSL takes a missing usage for any usage; here it must be said. */
static enum rc check_usage(X509 *leaf, struct err *err)
{
    uint32_t flags = X509_get_extension_flags(leaf);

    if ((flags & EXFLAG_XKUSAGE) == 0 ||
        (X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT) == 0)
        return denied(err, "extendedKeyUsage has no clientAuth");
    if ((flags & EXFLAG_KUSAGE) == 0 ||
        (X509_get_key_usage(leaf) & X509v3_KU_DIGITAL_SIGNATURE) == 0)
        return denied(err, "keyUsage has no digitalSignature");
    if (X509_check_ca(leaf) != 0)
        return denied(err, "is a CA's own");
    return RC_OK;
}

/* ---- the name ---- */

/* The bytes of a name if it is of that kind; NULL: of another. */
static const ASN1_STRING *text_of(const GENERAL_NAME *name, enum cert_name kind)
{
    switch (kind) {
    case CERT_NAME_EMAIL:
        return name->type == GEN_EMAIL ? name->d.rfc822Name : NULL;
    case CERT_NAME_DNS:
        return name->type == GEN_DNS ? name->d.dNSName : NULL;
    case CERT_NAME_URI:
        return name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
    case CERT_NAME_UPN:
        return name->type == GEN_OTHERNAME &&
                       OBJ_obj2nid(name->d.otherName->type_id) == NID_ms_upn &&
                       name->d.otherName->value->type == V_ASN1_UTF8STRING
                   ? name->d.otherName->value->value.utf8string
                   : NULL;
    }
    return NULL;
}

static bool is_dns_char(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '.';
}

/* Printable, and neither a wildcard nor what a URI would have escaped. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (ascii_is_ctl(c) || c == '*' || c == '%' || c == ' ')
            return false;
    }
    return utf8_is_valid(text);
}

/* "a@b": one "@", and something on either side. */
static bool is_address(struct slice text)
{
    size_t at = slice_find(text, '@');

    return slice_count(text, '@') == 1 && at > 0 && at + 1 < text.len;
}

/* The user in a name of that kind; false: it is not in its form. */
static bool user_in(struct slice text, enum cert_name kind, struct slice *out)
{
    struct slice user = text;

    if (kind != CERT_NAME_UPN && !utf8_is_ascii(text)) /* RFC 5280 4.2.1.6: IA5String */
        return false;
    if (kind == CERT_NAME_URI) {
        if (!slice_starts(text, SLICE(URI_SCHEME)))
            return false;
        user = slice_from(text, strlen(URI_SCHEME));
    }
    if (user.len == 0 || user.len > AUTH_NAME_MAX_BYTES || !is_plain(user))
        return false;
    if (kind == CERT_NAME_DNS) {
        struct scan sc = scan_of(user);

        (void) scan_while(&sc, is_dns_char);
        if (!scan_done(&sc))
            return false;
    } else if (!is_address(user)) {
        return false;
    }
    *out = user;
    return true;
}

static enum rc read_name(X509 *cert, enum cert_name kind, struct cert_identity *out,
                         struct err *err)
{
    int state = -1;
    AUTO(names_freep)
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &state, NULL);
    const ASN1_STRING *found = NULL;
    struct slice user;

    if (names == NULL)
        return denied(err, state == -2 ? "two subjectAltNames" : "no subjectAltName");
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const ASN1_STRING *text = text_of(sk_GENERAL_NAME_value(names, i), kind);

        if (text != NULL && found != NULL)
            return denied(err, "more than one name of the kind that is asked for");
        found = text != NULL ? text : found;
    }
    if (found == NULL)
        return denied(err, "no name of the kind that is asked for");
    if (!user_in(slice_of(ASN1_STRING_get0_data(found), (size_t) ASN1_STRING_length(found)),
                 kind, &user))
        return denied(err, "the name is not a plain one of its kind");
    memcpy(out->user, user.ptr, user.len);
    out->user_len = (uint16_t) user.len;
    return RC_OK;
}

/* ---- together ---- */

static enum rc read_end(X509 *cert, int64_t *out, struct err *err)
{
    struct tm end = {0};
    time_t sec;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) != 1)
        return denied(err, "notAfter cannot be read");
    sec = timegm(&end);
    if (sec <= 0)
        return denied(err, "notAfter cannot be read");
    *out = (int64_t) sec;
    return RC_OK;
}

static void fingerprint(struct slice der, unsigned char out[CERT_FINGERPRINT_BYTES])
{
    (void) crypto_hash_sha256(out, (const unsigned char *) der.ptr, der.len);
}

enum rc cert_check(const struct cert_checker *checker, struct slice chain, int64_t now,
                   struct cert_identity *out, struct err *err)
{
    AUTO(stack_freep) STACK_OF(X509) *sent = sk_X509_new_null();
    struct cert_identity found = {0};
    struct slice leaf_der = {0};
    X509 *leaf;
    enum rc rc;

    ERR_clear_error();
    if (sent == NULL)
        die("certificate: out of memory");
    rc = read_chain(chain, &leaf_der, sent, err);
    if (rc)
        return rc;
    leaf = sk_X509_value(sent, 0);
    rc = check_path(checker, leaf, sent, now, err);
    if (rc == RC_OK)
        rc = check_usage(leaf, err);
    if (rc == RC_OK)
        rc = read_name(leaf, checker->name, &found, err);
    if (rc == RC_OK)
        rc = read_end(leaf, &found.expires, err);
    if (rc)
        return rc;
    fingerprint(leaf_der, found.fingerprint);
    *out = found;
    return RC_OK;
}

enum rc cert_read_name(struct slice der, enum cert_name name, struct cert_identity *out,
                       struct err *err)
{
    AUTO(x509_freep) X509 *cert = cert_of(der);
    struct cert_identity found = {0};
    enum rc rc = cert == NULL ? denied(err, "cannot be read") : RC_OK;

    if (rc == RC_OK)
        rc = read_name(cert, name, &found, err);
    if (rc)
        return rc;
    fingerprint(der, found.fingerprint);
    *out = found;
    return RC_OK;
}

enum rc cert_pem_fingerprint(struct slice pem, unsigned char out[CERT_FINGERPRINT_BYTES],
                             struct err *err)
{
    AUTO(bio_freep) BIO *bio = bio_of(pem);
    AUTO(x509_freep) X509 *cert = NULL, *second = NULL;
    unsigned char *der = NULL;
    int len;

    ERR_clear_error();
    cert = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);
    if (cert == NULL)
        return unreadable(err, "the certificate");
    second = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);
    if (second != NULL)
        return err_set(err, RC_INVALID, "One certificate is expected, not a chain",
                       "certificate: two in one text");
    len = i2d_X509(cert, &der);
    if (len <= 0)
        return unreadable(err, "the certificate");
    fingerprint(slice_of(der, (size_t) len), out);
    OPENSSL_free(der);
    ERR_clear_error();
    return RC_OK;
}

void cert_verifier(const struct pepper *pepper,
                   const unsigned char fingerprint_of[CERT_FINGERPRINT_BYTES],
                   struct app_verifier *out)
{
    pepper_mac(pepper, label, slice_of((const char *) fingerprint_of, CERT_FINGERPRINT_BYTES),
               out->bytes);
}
