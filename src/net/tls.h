/*
 * tls.h - the server's end of TLS, over OpenSSL 3.
 *
 * Spec: RFC 9325 (versions and ciphers), RFC 8446, RFC 5246, RFC 7301 (ALPN), RFC 9266
 * (tls-exporter), RFC 8314 section 4 (mail). TLS 1.2 with ECDHE and AEAD, or 1.3; no
 * compression, no renegotiation, no early data. A client that offers ALPN without "imap" is
 * refused with no_application_protocol; one that offers none is served. (tls_server_use_alpn()
 * names another protocol.)
 *
 * A tls_server holds the certificates in use and the keys of session tickets. Loading new pairs
 * replaces what new handshakes use; connections made before keep what they began with.
 * Everything comes from memory: a process without files can serve TLS. The private keys may be
 * in another process, which is asked to sign (tls_remote_key.h).
 *
 * A struct tls belongs to one descriptor, which stays the caller's and is non-blocking. Writing
 * to a descriptor that the peer has closed raises SIGPIPE; processes that use this ignore it.
 */
#ifndef ROOST_NET_TLS_H
#define ROOST_NET_TLS_H

#include "base/buf.h"
#include "net/tls_remote_key.h"

#define TLS_PAIRS_MAX 16u /* certificates a server chooses from by name */
#define TLS_PEM_MAX_BYTES                                                                      \
    ((size_t) 256 << 10)       /* a chain or a key: RSA-16384 fits many times                  \
                                */
#define TLS_CHAIN_MAX      10u /* certificates above the leaf */
#define TLS_EXPORTER_BYTES 32u /* RFC 9266 section 2 */

/* The first pair is the default; another is used if its certificate matches the name asked for.
 */
struct tls_pair {
    struct slice chain_pem;  /* the leaf first */
    struct slice key_pem;    /* not encrypted; empty: tls_server_sign_with() signs */
    struct slice staple_der; /* an OCSP answer, sent while it is fresh; empty: none */
};

struct tls_facts {
    const char *version;     /* "TLSv1.3"; static */
    uint16_t version_number; /* 0x0304 */
    const char *cipher;      /* static */
    struct slice sni;        /* what the client asked for, its bytes; empty: nothing */
    bool resumed;            /* by a session ticket */
    bool alpn;               /* our protocol was agreed on */
};

struct tls_server;
struct tls;

/* Load what OpenSSL would otherwise fetch later, no configuration file read: before a sandbox
 * closes, once a process. */
void tls_library_init(void);
/* OpenSSL's pem_password_cb, for every PEM that is read: nothing here is encrypted, and the
 * library's own would ask the terminal. */
int tls_no_passphrase(char *to, int size, int writing, void *arg);

struct tls_server *tls_server_new(void);
/* Another protocol than "imap" is served: its name (RFC 7301), static. Before the first load.
 */
void tls_server_use_alpn(struct tls_server *server, const char *protocol);
/* Connections made from it may outlive it, but not begin a handshake afterwards. */
void tls_server_free(struct tls_server *server);
void tls_server_freep(struct tls_server **server);
/* Ask clients for a certificate from here on, and take any or none: who believes it looks at
 * tls_client_chain(). Such connections get no session ticket, since one carries no chain. */
void tls_server_ask_certificates(struct tls_server *server);
/* All pairs or none: RC_INVALID (detail says why) keeps what was in use. 1 <= n. */
MUST_CHECK enum rc tls_server_load(struct tls_server *server, const struct tls_pair *pairs,
                                   size_t n, struct err *err);
bool tls_server_is_loaded(const struct tls_server *server);
/* Who signs for pairs without a key; before their first load. */
void tls_server_sign_with(struct tls_server *server, struct tls_signer signer);
/* How many pairs have an OCSP answer, fresh or not: one that is not about the certificate is
 * left out. */
size_t tls_server_n_staples(const struct tls_server *server);
/*
 * What the keys of session tickets come from. A server has a seed of its own; several with one
 * resume each other's sessions. Each period's follows from the one before and does not lead
 * back to it: who takes a process finds no key of a period that is over.
 */
#define TLS_TICKET_SECRET_BYTES 32u

struct tls_ticket_seed {
    uint8_t secret[TLS_TICKET_SECRET_BYTES];
    uint64_t period; /* of the monotonic clock, TICKET_KEY_SEC each */
};

void tls_ticket_seed_make(struct tls_ticket_seed *out);
/* To the period that is now. */
void tls_ticket_seed_advance(struct tls_ticket_seed *seed);
/* Tickets given before are opened no more. */
void tls_server_share_tickets(struct tls_server *server, const struct tls_ticket_seed *seed);
/* Replace a ticket key that is old enough. Handshakes do it too; call it now and then, so that
 * an idle server also forgets. */
void tls_server_rotate_tickets(struct tls_server *server);

/* The server's end on fd; nothing is sent yet. The server is loaded. */
MUST_CHECK enum rc tls_new(struct tls_server *server, int fd, struct tls **out,
                           struct err *err);
/* Without close_notify; the descriptor stays open. */
void tls_free(struct tls *tls);
void tls_freep(struct tls **tls);

/*
 * The four operations that move bytes. RC_MORE: call again when the descriptor is ready for
 * tls_waits_for(), which the other direction's operations may change. RC_IO: the connection is
 * broken, only tls_free is left.
 */
MUST_CHECK enum rc tls_handshake(struct tls *tls, struct err *err);
/* Is only the client's Finished awaited, which takes little to look at? All that computes is
 * done, behind a HelloRetryRequest too, and no certificate comes. */
bool tls_awaits_finished(const struct tls *tls);
/* RC_OK with *out_n == 0: the peer sent close_notify, or closed without (IMAP and its literals
 * say themselves where they end, so a cut is no danger, and such clients are many). cap > 0. */
MUST_CHECK enum rc tls_read(struct tls *tls, char *to, size_t cap, size_t *out_n,
                            struct err *err);
/* May take less than all. bytes.len > 0. After RC_MORE the next write begins with the same
 * bytes.
 */
MUST_CHECK enum rc tls_write(struct tls *tls, struct slice bytes, size_t *out_n,
                             struct err *err);
/* Bytes of the peer that were taken from the descriptor and not given out yet, maybe less than
 * a record: read until RC_MORE, the descriptor may stay quiet. */
bool tls_has_pending(const struct tls *tls);
/* Send close_notify: nothing may be written afterwards, reading goes on. */
MUST_CHECK enum rc tls_shut_write(struct tls *tls, struct err *err);

/* Has the client shown a certificate, and that it has its key? */
bool tls_has_client_certificate(const struct tls *tls);
/* What it sent: DER certificates, its own first, each behind a u32 length. out may overflow. */
void tls_client_chain(const struct tls *tls, struct buf *out);

/* Would tls_exporter() have something to give? */
bool tls_has_exporter(const struct tls *tls);
/* True if the operation that last answered RC_MORE waits to write (else: to read). */
bool tls_waits_to_write(const struct tls *tls);

/* After the handshake. sni points into tls. */
void tls_facts(const struct tls *tls, struct tls_facts *out);
/* After the handshake, what a login is bound to (RFC 9266): there with 1.3 always, with 1.2
 * only by extended master secret. A derivation of its own: only for who binds. */
bool tls_exporter(const struct tls *tls, uint8_t out[TLS_EXPORTER_BYTES]);

#endif
