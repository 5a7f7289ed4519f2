/*
 * tls_context.h - one generation of certificates, as OpenSSL contexts. For net/ alone.
 *
 * A set is immutable once made and refcounted: the server holds one reference, and each
 * handshake that may still choose by name another. Not locked: one thread.
 */
#ifndef ROOST_NET_TLS_CONTEXT_H
#define ROOST_NET_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_set;

#define TLS_ALPN_MAX 15u /* bytes of the one protocol a set takes */

/* alpn: the protocol that a client who offers any must offer. signer: for pairs without a key;
 * it outlives the set. */
MUST_CHECK enum rc tls_set_new(const struct tls_pair *pairs, size_t n, struct slice alpn,
                               const struct tls_signer *signer, struct tls_set **out,
                               struct err *err);
size_t tls_set_n_staples(const struct tls_set *set);
struct tls_set *tls_set_ref(struct tls_set *set);
void tls_set_unref(struct tls_set *set);
void tls_set_unrefp(struct tls_set **set);

/* The context a handshake begins with. */
SSL_CTX *tls_set_default(const struct tls_set *set);

/* A connection whose ends and side are set; takes ssl. */
struct tls *tls_wrap(SSL *ssl);

/* Fill err from OpenSSL's queue, and empty that. */
enum rc tls_err(struct err *err, enum rc rc, const char *text, const char *what);

#endif
