/*
 * selfsigned.h - a self-signed certificate and its key as PEM, made in memory.
 *
 * The name is both subject and the one subjectAltName.
 */
#ifndef ROOST_TESTS_SELFSIGNED_H
#define ROOST_TESTS_SELFSIGNED_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"

#define SELFSIGNED_MAX_BYTES 16384u
#define SELFSIGNED_LIFE_SEC  86400

struct selfsigned {
    struct buf chain, key; /* buf_done() each */
};

static inline void selfsigned_append_bio(struct buf *to, BIO *bio)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    buf_init(to, SELFSIGNED_MAX_BYTES);
    buf_append(to, slice_of(text, (size_t) len));
    BIO_free(bio);
}

/* Takes the key. */
static inline void selfsigned_write(struct selfsigned *out, const char *name, EVP_PKEY *key,
                                    long serial)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());
    char alt[300];
    X509_EXTENSION *extension;

    (void) snprintf(alt, sizeof(alt), "DNS:%s", name);
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), SELFSIGNED_LIFE_SEC);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) name, -1,
                               -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(cert, key,
              EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL
                                                                           : EVP_sha256());
    PEM_write_bio_X509(cert_pem, cert);
    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL);
    selfsigned_append_bio(&out->chain, cert_pem);
    selfsigned_append_bio(&out->key, key_pem);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline void selfsigned_make_of(struct selfsigned *out, const char *name, EVP_PKEY *key)
{
    selfsigned_write(out, name, key, 1);
}

static inline void selfsigned_make_numbered(struct selfsigned *out, const char *name,
                                            long serial)
{
    selfsigned_write(out, name, EVP_EC_gen("P-256"), serial);
}

static inline void selfsigned_make(struct selfsigned *out, const char *name)
{
    selfsigned_make_of(out, name, EVP_EC_gen("P-256"));
}

static inline void selfsigned_make_rsa(struct selfsigned *out, const char *name)
{
    selfsigned_make_of(out, name, EVP_RSA_gen(2048));
}

static inline void selfsigned_done(struct selfsigned *cert)
{
    buf_done(&cert->chain);
    buf_done(&cert->key);
}

#endif
