/*
 * tls_ticket.h - the keys that session tickets are sealed with. For net/ alone.
 *
 * Spec: RFC 5077 section 4, RFC 8446 section 4.6.1, RFC 9325 section 3.4 (rotate, and destroy).
 * A key seals for a period of TICKET_KEY_SEC, opens in the next one too, then is wiped: what
 * was recorded cannot be opened by somebody who takes the process later. Periods are of the
 * monotonic clock, so processes with one seed (tls.h) have the same keys at the same time.
 */
#ifndef ROOST_NET_TLS_TICKET_H
#define ROOST_NET_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/tls.h"

#define TICKET_KEY_SEC (2 * 60 * 60) /* clients that come back within the hour resume */

struct ticket_keys;

struct ticket_keys *ticket_keys_new(void);
void ticket_keys_free(struct ticket_keys *keys);
void ticket_keys_share(struct ticket_keys *keys, const struct tls_ticket_seed *seed);
void ticket_keys_rotate(struct ticket_keys *keys);

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb; the connection's app data are its ticket keys. */
int ticket_key_callback(SSL *ssl, unsigned char *name, unsigned char *iv,
                        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing);

#endif
