/*
 * tlsclient.h - a TLS client over a socket pair, driven step by step beside a struct conn.
 */
#ifndef ROOST_TESTS_TLSCLIENT_H
#define ROOST_TESTS_TLSCLIENT_H

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define TLSCLIENT_STEPS 64 /* turns a handshake may take over a socket pair */

struct tlsclient {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static inline void tlsclient_open(struct tlsclient *client, int *out_server_fd)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        die("socketpair");
    client->fd = fds[0];
    *out_server_fd = fds[1];
    client->context = SSL_CTX_new(TLS_client_method());
    client->ssl = SSL_new(client->context);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
}

static inline void tlsclient_close(struct tlsclient *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    closep(&client->fd);
}

/* Both handshakes, a step each in turn; the server's result. */
static inline enum rc tlsclient_handshake(struct tlsclient *client, struct conn *server,
                                          struct err *err)
{
    enum rc rc = RC_MORE;
    int ours = 0;

    for (int i = 0; i < TLSCLIENT_STEPS && (rc == RC_MORE || (rc == RC_OK && ours != 1)); i++) {
        if (ours != 1)
            ours = SSL_do_handshake(client->ssl);
        if (rc == RC_MORE)
            rc = conn_handshake(server, err);
    }
    return rc;
}

#endif
