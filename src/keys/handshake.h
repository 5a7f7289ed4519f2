/*
 * handshake.h - what a TLS server signs in a handshake, told from everything else.
 *
 * Spec: RFC 8446 section 4.4.3 (CertificateVerify: 64 spaces, the context string of the server,
 * a zero, the hash of the transcript); RFC 8422 section 5.4 and RFC 5246 section 7.4.3
 * (ServerKeyExchange: both randoms and the parameters of a named curve with a point).
 *
 * The two forms cannot be taken for each other: the 65th byte is 'T' in one and 3 in the other.
 * Neither can be the start of anything else that is signed with a server's key: no certificate
 * or request (DER begins with 0x30 and continues with a length), no CertificateVerify of a
 * client.
 */
#ifndef ROOST_KEYS_HANDSHAKE_H
#define ROOST_KEYS_HANDSHAKE_H

#include "base/slice.h"
#include "net/tls_scheme.h"

/* RC_DENIED: not of a form, or the scheme does not sign that form. is_tls13: which one it is.
 */
MUST_CHECK enum rc handshake_check(struct slice bytes, const struct tls_scheme *scheme,
                                   bool *is_tls13, struct err *err);

#endif
