/*
 * conn.h - a stream of bytes both ways, over a bare socket or TLS, with one set of rules.
 *
 * Nothing blocks: RC_MORE says that the operation can be tried again once the descriptor is
 * ready for what conn_events() asks. Under TLS reading may wait for the socket to be writable
 * and the other way round; the connection remembers that, its user does not think of it.
 *
 * Half close: the peer's end is a read of 0 bytes, ours is conn_shut_write(); each leaves the
 * other direction open. Under TLS they are close_notify (RFC 8446 6.1).
 */
#ifndef ROOST_NET_CONN_H
#define ROOST_NET_CONN_H

#include "net/tls.h"

struct conn {
    int fd;          /* owned; -1: none */
    struct tls *tls; /* owned; NULL: bare */
    bool read_waits_to_write, write_waits_to_read;
};

/* Takes fd, which is a non-blocking stream socket. */
void conn_init(struct conn *conn, int fd);
/* Closes without ceremony. */
void conn_done(struct conn *conn);
/* From here on the bytes are TLS's; conn_handshake() comes first. */
MUST_CHECK enum rc conn_start_tls(struct conn *conn, struct tls_server *server,
                                  struct err *err);
MUST_CHECK enum rc conn_handshake(struct conn *conn, struct err *err);

/* RC_OK with *out_n == 0 is the peer's end. cap > 0. RC_IO: broken. */
MUST_CHECK enum rc conn_read(struct conn *conn, char *to, size_t cap, size_t *out_n,
                             struct err *err);
/* Some of bytes (not none). After RC_MORE the next write begins with the same bytes. */
MUST_CHECK enum rc conn_write(struct conn *conn, struct slice bytes, size_t *out_n,
                              struct err *err);
/* No more will be written. */
MUST_CHECK enum rc conn_shut_write(struct conn *conn, struct err *err);
/* Bytes have come that conn_read would give although the descriptor may stay quiet. */
bool conn_has_pending(const struct conn *conn);

/* LOOP_IN and LOOP_OUT as the socket must be watched for who wants to read, write or both. */
unsigned conn_events(const struct conn *conn, bool wants_read, bool wants_write);

#endif
