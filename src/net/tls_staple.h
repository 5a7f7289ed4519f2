/*
 * tls_staple.h - an OCSP answer that is sent along with a certificate. For net/ alone.
 *
 * Spec: RFC 6066 section 8 (status_request; RFC 8446 section 4.4.2.1 in TLS 1.3), RFC 6960
 * section 4.2. The answer comes from whoever renews the certificate; nothing is fetched here,
 * and its signature is the client's to check. It is sent while it is fresh: between thisUpdate
 * and nextUpdate, and an answer without nextUpdate is never fresh.
 */
#ifndef ROOST_NET_TLS_STAPLE_H
#define ROOST_NET_TLS_STAPLE_H

#include <openssl/x509.h>

#include "base/slice.h"

#define TLS_STAPLE_MAX_BYTES                                                                   \
    ((size_t) 16 << 10)         /* an answer with its signer's certificates                    \
                                 */
#define TLS_STAPLE_SKEW_SEC 300 /* clocks differ */

struct tls_staple {
    unsigned char *der; /* NULL: none */
    size_t len;
    int64_t from_sec, until_sec; /* unix time */
};

/* RC_INVALID, out untouched: not an answer about this certificate. "good" is not asked for: a
 * client should hear "revoked" too. */
MUST_CHECK enum rc tls_staple_read(struct slice der, X509 *leaf, struct tls_staple *out,
                                   struct err *err);
void tls_staple_done(struct tls_staple *staple);
bool tls_staple_is_fresh(const struct tls_staple *staple);

#endif
