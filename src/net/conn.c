#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"

void conn_init(struct conn *conn, int fd)
{
    *conn = (struct conn){.fd = fd};
}

void conn_done(struct conn *conn)
{
    tls_free(TAKE(conn->tls));
    closep(&conn->fd);
    conn->fd = -1;
}

enum rc conn_start_tls(struct conn *conn, struct tls_server *server, struct err *err)
{
    return tls_new(server, conn->fd, &conn->tls, err);
}

enum rc conn_handshake(struct conn *conn, struct err *err)
{
    enum rc rc = tls_handshake(conn->tls, err);

    conn->read_waits_to_write = rc == RC_MORE && tls_waits_to_write(conn->tls);
    return rc;
}

static bool would_block(int errno_then)
{
    return errno_then == EAGAIN || errno_then == EWOULDBLOCK || errno_then == EINTR;
}

static enum rc socket_failed(const char *what, struct err *err)
{
    if (would_block(errno))
        return RC_MORE;
    return err_set(err, RC_IO, "Connection lost", "%s: %s", what, strerror(errno));
}

enum rc conn_read(struct conn *conn, char *to, size_t cap, size_t *out_n, struct err *err)
{
    ssize_t n;

    if (conn->tls != NULL) {
        enum rc rc = tls_read(conn->tls, to, cap, out_n, err);

        conn->read_waits_to_write = rc == RC_MORE && tls_waits_to_write(conn->tls);
        return rc;
    }
    n = recv(conn->fd, to, cap, 0);
    if (n < 0)
        return socket_failed("recv", err);
    *out_n = (size_t) n;
    return RC_OK;
}

enum rc conn_write(struct conn *conn, struct slice bytes, size_t *out_n, struct err *err)
{
    ssize_t n;

    if (conn->tls != NULL) {
        enum rc rc = tls_write(conn->tls, bytes, out_n, err);

        conn->write_waits_to_read = rc == RC_MORE && !tls_waits_to_write(conn->tls);
        return rc;
    }
    n = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (n < 0)
        return socket_failed("send", err);
    *out_n = (size_t) n;
    return RC_OK;
}

/* After close_notify TCP's own end follows: nothing of ours could come behind it. */
enum rc conn_shut_write(struct conn *conn, struct err *err)
{
    if (conn->tls != NULL) {
        enum rc rc = tls_shut_write(conn->tls, err);

        conn->write_waits_to_read = rc == RC_MORE && !tls_waits_to_write(conn->tls);
        if (rc)
            return rc;
    }
    if (shutdown(conn->fd, SHUT_WR) != 0)
        return socket_failed("shutdown", err);
    return RC_OK;
}

bool conn_has_pending(const struct conn *conn)
{
    return conn->tls != NULL && tls_has_pending(conn->tls);
}

unsigned conn_events(const struct conn *conn, bool wants_read, bool wants_write)
{
    unsigned events = 0;

    if (wants_read)
        events |= conn->read_waits_to_write ? (unsigned) LOOP_OUT : (unsigned) LOOP_IN;
    if (wants_write)
        events |= conn->write_waits_to_read ? (unsigned) LOOP_IN : (unsigned) LOOP_OUT;
    return events;
}
