/*
 * tls_client.h - the client's end of TLS, for one server that is known beforehand.
 *
 * Spec: RFC 9325 (versions and ciphers), RFC 9525 (whose certificate it must be: by
 * subjectAltName, never by the common name). TLS 1.2 with ECDHE and AEAD, or 1.3. The server's
 * certificate is verified up to one of the authorities given, and nothing else is trusted.
 *
 * Files are read by tls_client_new(); afterwards nothing is opened. What tls_client_connect()
 * makes is a struct tls like any other (net/tls.h).
 */
#ifndef ROOST_NET_TLS_CLIENT_H
#define ROOST_NET_TLS_CLIENT_H

#include "net/tls.h"

struct tls_client_options {
    const char *authorities;       /* PEM file */
    const char *name;              /* of the server: a host name, or an address without port */
    const char *certificate, *key; /* our own, PEM files; "": none is shown */
};

struct tls_client;

/* RC_INVALID: a file cannot be used; detail says which. */
MUST_CHECK enum rc tls_client_new(const struct tls_client_options *options,
                                  struct tls_client **out, struct err *err);
/* Connections made from it may outlive it. NULL is allowed. */
void tls_client_free(struct tls_client *client);
void tls_client_freep(struct tls_client **client);

/* The client's end on fd, which is connected or about to be; nothing is sent yet. */
MUST_CHECK enum rc tls_client_connect(struct tls_client *client, int fd, struct tls **out,
                                      struct err *err);

#endif
