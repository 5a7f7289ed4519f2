/*
 * tls_remote_key.h - a private key that is somewhere else, as an OpenSSL 3 provider.
 *
 * Spec: OpenSSL's provider-keymgmt(7) and provider-signature(7), 3.0; RFC 8446 section 4.4.3,
 * RFC 5246 section 7.4.3. Such a key is the public key of a certificate and a function that
 * signs. OpenSSL hands the provider the whole text to be signed (EVP_DigestSign at once), so
 * whoever holds the key can look at what it signs; there is no way to ask for a bare digest,
 * and none to decrypt.
 *
 * The provider "roost-keys" is built in and loaded beside "default", which stays the first
 * choice for everything else: ours has kinds of keys of the same names, and a signature of a
 * name of its own, that only our keys ask for.
 */
#ifndef ROOST_NET_TLS_REMOTE_KEY_H
#define ROOST_NET_TLS_REMOTE_KEY_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "net/tls_scheme.h"

#define TLS_KEY_ID_BYTES 32u  /* SHA-256 of the certificate's SubjectPublicKeyInfo */
#define TLS_SIGNED_MAX   256u /* bytes to be signed: the forms of TLS 1.2 and 1.3 are shorter */
#define TLS_SIGNATURE_MAX                                                                      \
    2048u /* bytes of a signature: RSA of 16,384 bits                                          \
           */

struct tls_to_sign {
    const uint8_t *key_id; /* TLS_KEY_ID_BYTES */
    const struct tls_scheme *scheme;
    struct slice bytes;
};

/* Who signs. Returns at once or after a bounded wait; out has room for TLS_SIGNATURE_MAX. */
struct tls_signer {
    enum rc (*sign)(void *ctx, const struct tls_to_sign *what, struct buf *out,
                    struct err *err);
    void *ctx;
};

/* Load the provider, once a process; before a sandbox closes. Dies if OpenSSL refuses. */
void tls_remote_keys_init(void);
/* Of the leaf. False: OpenSSL cannot write its key. */
bool tls_key_id(X509 *leaf, uint8_t out[TLS_KEY_ID_BYTES]);
/* signer stays where it is as long as handshakes are made. RC_INVALID: a kind of key that we do
 * not sign with. */
MUST_CHECK enum rc tls_remote_key_new(X509 *leaf, const struct tls_signer *signer,
                                      EVP_PKEY **out, struct err *err);

#endif
