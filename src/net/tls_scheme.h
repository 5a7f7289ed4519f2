/*
 * tls_scheme.h - the signature schemes that a server of ours signs a handshake with.
 *
 * Spec: RFC 8446 section 4.2.3 (SignatureScheme; TLS 1.2 has the same numbers, RFC 5246 section
 * 7.4.1.4.1), RFC 9155 (no MD5, no SHA-1). In TLS 1.3 an ECDSA scheme names its curve, and
 * PKCS #1 v1.5 signs no handshake.
 */
#ifndef ROOST_NET_TLS_SCHEME_H
#define ROOST_NET_TLS_SCHEME_H

#include <stdbool.h>
#include <stdint.h>

struct tls_scheme {
    uint16_t number;
    const char *name;   /* the RFC's */
    const char *key;    /* OpenSSL's name of the kind of key */
    const char *digest; /* NULL: the scheme has its own */
    const char *curve;  /* NULL: not of ECDSA; else the one that TLS 1.3 asks for */
    bool pss, tls13;
};

/* NULL: not one of ours. */
const struct tls_scheme *tls_scheme_find(uint16_t number);
/* By what OpenSSL calls key and digest ("SHA2-256" and "SHA256" are the same). */
const struct tls_scheme *tls_scheme_of(const char *key, const char *digest, bool pss);

#endif
