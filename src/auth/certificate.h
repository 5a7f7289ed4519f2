/*
 * certificate.h - who a client certificate is: SASL EXTERNAL over TLS.
 *
 * Spec: RFC 5280 section 6 (path validation, by OpenSSL) and 4.2.1.6 (subjectAltName); RFC 4422
 * appendix A (EXTERNAL). A certificate is believed if all of this holds:
 *
 *     - its path ends at one of our CAs, each step signed with at least 112 bits of security,
 *       within its time, with path lengths, name constraints and usages obeyed (RFC 5280 as
 *       strictly as OpenSSL can), and the user's certificate is not itself a CA's;
 *     - extendedKeyUsage is there and names clientAuth; keyUsage is there and has
 *       digitalSignature;
 *     - if there is a list of revocations: each CA of the path has one that is fresh, and
 *       nothing in the path is on it;
 *     - exactly one name of the kind that the configuration wants stands in its one
 *       subjectAltName, and is a plain one: no NUL or control, no wildcard. The subject's CN is
 *       never looked at.
 *
 * Everything comes from memory, nothing is fetched. A checker is immutable.
 */
#ifndef ROOST_AUTH_CERTIFICATE_H
#define ROOST_AUTH_CERTIFICATE_H

#include "auth/app_password.h"
#include "auth/name.h"

#define CERT_CHAIN_MAX         8u                  /* certificates a client may send */
#define CERT_DER_MAX_BYTES     ((size_t) 48 << 10) /* one of them */
#define CERT_AUTHORITIES_MAX   64u
#define CERT_FINGERPRINT_BYTES 32u /* SHA-256 of the DER */

/* Which name says who it is; the order of the words of the setting client_cert_name. */
enum cert_name {
    CERT_NAME_EMAIL, /* rfc822Name */
    CERT_NAME_DNS,   /* dNSName */
    CERT_NAME_UPN,   /* otherName 1.3.6.1.4.1.311.20.2.3, UTF8String: Microsoft's user name */
    CERT_NAME_URI,   /* "acct:" (RFC 7565) and the name */
};

struct cert_identity {
    uint16_t user_len;
    char user[AUTH_NAME_MAX_BYTES];
    unsigned char fingerprint[CERT_FINGERPRINT_BYTES];
    int64_t expires; /* notAfter, seconds since 1970 */
};

struct cert_checker;

/* authorities: PEM certificates; lists: PEM revocation lists, empty: revocation is not looked
 * at. RC_INVALID: something in them cannot be read, or there is none. */
MUST_CHECK enum rc cert_checker_new(struct slice authorities, struct slice lists,
                                    enum cert_name name, struct cert_checker **out,
                                    struct err *err);
void cert_checker_free(struct cert_checker *checker);
void cert_checker_freep(struct cert_checker **checker);

/* chain: DER certificates, each behind its u32 length, the user's first. RC_DENIED (detail says
 * why): not believed. RC_UNAVAILABLE: not believed now, for a list of revocations is missing or
 * too old. */
MUST_CHECK enum rc cert_check(const struct cert_checker *checker, struct slice chain,
                              int64_t now, struct cert_identity *out, struct err *err);

/* The name alone, whoever signed it: RC_DENIED if there is none, or more than one. */
MUST_CHECK enum rc cert_read_name(struct slice der, enum cert_name name,
                                  struct cert_identity *out, struct err *err);
/* Of the one certificate in a PEM text; an administrator's. */
MUST_CHECK enum rc cert_pem_fingerprint(struct slice pem,
                                        unsigned char out[CERT_FINGERPRINT_BYTES],
                                        struct err *err);
/* What a device is known by whose credential is a certificate; no app password has the same. */
void cert_verifier(const struct pepper *pepper,
                   const unsigned char fingerprint[CERT_FINGERPRINT_BYTES],
                   struct app_verifier *out);

#endif
