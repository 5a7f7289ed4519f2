#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "ipc/channel.h"
#include "ipc/control.h"

/*
 *   IDLE --request--> OPEN --control_end--> IDLE
 *
 *   IDLE   no request; a data packet is a breach
 *   OPEN   verb is set; a second request is a breach, except that control_serve() does not read
 *          while a verb without data is open
 */
struct waiting {
    struct link link;
    size_t len;
    char bytes[];
};

struct control_conn {
    int fd;
    uid_t uid;
    enum control_mode mode;
    const struct control_verb *verb; /* of the open request, or NULL */
    bool input_ended;
    void *state;
    void (*state_free)(void *);
    void (*before_end)(void *ctx);
    void *before_end_ctx;
    bool held;
    enum rc failed; /* an answer could not be sent */
    struct list queue;
    size_t queued;
    char room[CONTROL_PACKET_MAX];
};

struct control_conn *control_conn_new(int fd, enum control_mode mode)
{
    struct control_conn *conn = xcalloc(1, sizeof(*conn));

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("control: descriptor %d: %s", fd, strerror(errno));
    conn->fd = fd;
    conn->uid = geteuid();
    conn->mode = mode;
    list_init(&conn->queue);
    return conn;
}

enum rc control_accept(int listen_fd, uid_t extra_uid, enum control_mode mode,
                       struct control_conn **out, struct err *err)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    AUTO(closep) int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return RC_MORE;
    if (fd < 0)
        return err_set(err, RC_IO, "No connection", "control: accept: %s", strerror(errno));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || len != sizeof(cred))
        return err_set(err, RC_IO, "No connection", "control: SO_PEERCRED: %s",
                       strerror(errno));
    if (cred.uid != 0 && cred.uid != geteuid() && cred.uid != extra_uid)
        return err_set(err, RC_DENIED, "Not allowed", "control: uid %u refused",
                       (unsigned) cred.uid);
    *out = control_conn_new(fd, mode);
    (*out)->uid = cred.uid;
    fd = -1;
    return RC_OK;
}

void control_conn_set_state(struct control_conn *conn, void *state, void (*free_fn)(void *))
{
    if (conn->state != NULL && conn->state_free != NULL)
        conn->state_free(conn->state);
    conn->state = state;
    conn->state_free = free_fn;
}

/* A row may show a new password, once. */
static void waiting_free(struct waiting *waiting)
{
    explicit_bzero(waiting->bytes, waiting->len);
    free(waiting);
}

void control_conn_free(struct control_conn *conn)
{
    struct link *link;

    if (conn == NULL)
        return;
    control_conn_set_state(conn, NULL, NULL);
    while ((link = list_pop_front(&conn->queue)) != NULL)
        waiting_free(LINK_OWNER(link, struct waiting, link));
    (void) close(conn->fd); /* what was not taken is lost with the peer */
    control_conn_wipe(conn);
    free(conn);
}

void control_conn_wipe(struct control_conn *conn)
{
    explicit_bzero(conn->room, sizeof(conn->room));
}

int control_conn_fd(const struct control_conn *conn)
{
    return conn->fd;
}

uid_t control_conn_uid(const struct control_conn *conn)
{
    return conn->uid;
}

void *control_conn_state(const struct control_conn *conn)
{
    return conn->state;
}

void control_conn_hold(struct control_conn *conn, bool held)
{
    conn->held = held;
}

void control_conn_before_end(struct control_conn *conn, void (*fn)(void *ctx), void *ctx)
{
    conn->before_end = fn;
    conn->before_end_ctx = ctx;
}

bool control_conn_wants_write(const struct control_conn *conn)
{
    return !conn->held && !list_is_empty(&conn->queue);
}

bool control_conn_failed(const struct control_conn *conn)
{
    return conn->failed != RC_OK;
}

enum rc control_conn_flush(struct control_conn *conn, struct err *err)
{
    if (conn->held)
        return RC_MORE;
    while (conn->failed == RC_OK && !list_is_empty(&conn->queue)) {
        struct waiting *first = LINK_OWNER(conn->queue.head.next, struct waiting, link);
        enum rc rc = packet_send(conn->fd, slice_of(first->bytes, first->len), NULL, 0, err);

        if (rc == RC_MORE)
            return rc;
        conn->failed = rc;
        list_remove(&first->link);
        conn->queued -= first->len;
        waiting_free(first);
    }
    if (conn->failed)
        return err_set(err, conn->failed, "The connection broke", "control: %s",
                       rc_name(conn->failed));
    return RC_OK;
}

static enum rc send_blocking(struct control_conn *conn, struct slice bytes)
{
    for (;;) {
        struct pollfd pfd = {.fd = conn->fd, .events = POLLOUT};
        enum rc rc = packet_send(conn->fd, bytes, NULL, 0, NULL);
        int n;

        if (rc != RC_MORE)
            return rc;
        n = poll(&pfd, 1, CONTROL_STALL_MS);
        if (n == 0)
            return RC_UNAVAILABLE;
        if (n < 0 && errno != EINTR)
            return RC_IO;
    }
}

static enum rc enqueue(struct control_conn *conn, struct slice bytes)
{
    struct waiting *waiting;

    if (conn->queued + bytes.len > CONTROL_QUEUE_BYTES)
        return RC_LIMIT;
    waiting = xmalloc(sizeof(*waiting) + bytes.len);
    *waiting = (struct waiting){.len = bytes.len};
    memcpy(waiting->bytes, bytes.ptr, bytes.len);
    list_push_back(&conn->queue, &waiting->link);
    conn->queued += bytes.len;
    return RC_OK;
}

static void answer(struct control_conn *conn, const struct buf *packet)
{
    enum rc rc;

    if (conn->failed)
        return;
    if (packet->overflow) {
        conn->failed = RC_LIMIT;
        return;
    }
    if (conn->mode == CONTROL_BLOCK) {
        conn->failed = send_blocking(conn, buf_slice(packet));
        return;
    }
    rc = control_conn_flush(conn, NULL);
    if (rc == RC_OK)
        rc = packet_send(conn->fd, buf_slice(packet), NULL, 0, NULL);
    if (rc == RC_MORE)
        rc = enqueue(conn, buf_slice(packet));
    conn->failed = rc;
}

void control_row(struct control_conn *conn, const struct control_field *fields, size_t n)
{
    AUTO(buf_done) struct buf packet = {0};

    buf_init(&packet, CONTROL_PACKET_MAX);
    packet.secret = true; /* a row may show a new password */
    buf_byte(&packet, CONTROL_TAG_ROW);
    if (!control_put_fields(&packet, fields, n))
        packet.overflow = true;
    answer(conn, &packet);
}

void control_progress(struct control_conn *conn, uint64_t done, uint64_t total)
{
    AUTO(buf_done) struct buf packet = {0};

    buf_init(&packet, CONTROL_PACKET_MAX);
    buf_byte(&packet, CONTROL_TAG_PROGRESS);
    buf_le64(&packet, done);
    buf_le64(&packet, total);
    answer(conn, &packet);
}

void control_data(struct control_conn *conn, struct slice bytes)
{
    AUTO(buf_done) struct buf packet = {0};

    buf_init(&packet, CONTROL_PACKET_MAX);
    for (size_t at = 0; at < bytes.len && !conn->failed; at += CONTROL_DATA_MAX) {
        buf_reset(&packet);
        buf_byte(&packet, CONTROL_TAG_DATA);
        buf_append(&packet, slice_sub(bytes, at, CONTROL_DATA_MAX));
        answer(conn, &packet);
    }
}

void control_end(struct control_conn *conn, enum rc rc, const char *text)
{
    AUTO(buf_done) struct buf packet = {0};

    if (conn->before_end != NULL)
        conn->before_end(conn->before_end_ctx);
    buf_init(&packet, CONTROL_PACKET_MAX);
    buf_byte(&packet, CONTROL_TAG_END);
    buf_le8(&packet, (uint8_t) rc);
    buf_append(&packet, slice_sub(slice_from_str(text), 0, CONTROL_DATA_MAX));
    answer(conn, &packet);
    conn->verb = NULL;
    conn->input_ended = false;
    control_conn_set_state(conn, NULL, NULL);
}

void control_end_err(struct control_conn *conn, const struct err *err)
{
    char text[sizeof(err->text) + sizeof(err->detail) + 4];

    (void) snprintf(text, sizeof(text), "%s (%s)", err->text, err->detail);
    control_end(conn, err->rc, text);
}

void control_end_rc(struct control_conn *conn, enum rc rc, const struct err *err)
{
    if (rc)
        control_end_err(conn, err);
    else
        control_end(conn, RC_OK, "");
}

static enum rc breach(struct err *err, const char *what)
{
    return err_set(err, RC_SYNTAX, "Not understood", "control: %s", what);
}

static enum rc on_request(struct control_conn *conn, const struct control_packet *packet,
                          const struct control_verb *verbs, size_t n_verbs, void *ctx,
                          struct err *err)
{
    static const struct control_verb unknown = {.name = "?"};

    if (conn->verb != NULL)
        return breach(err, "a request inside a request");
    for (size_t i = 0; i < n_verbs; i++) {
        if (slice_eq(packet->verb, slice_from_str(verbs[i].name))) {
            conn->verb = &verbs[i];
            verbs[i].run(conn, &packet->reply.fields, ctx);
            return RC_OK;
        }
    }
    conn->verb = &unknown;
    control_end(conn, RC_NOT_FOUND, "This role does not know that request");
    return RC_OK;
}

/* Data that comes after an early control_end() (the verb refused) is passed over. */
static enum rc on_data(struct control_conn *conn, struct slice bytes, bool end, void *ctx,
                       struct err *err)
{
    if (conn->verb == NULL)
        return RC_OK;
    if (conn->verb->data == NULL || conn->input_ended)
        return breach(err, "data that nobody asked for");
    conn->input_ended = end;
    conn->verb->data(conn, bytes, end, ctx);
    return RC_OK;
}

static enum rc serve_packet(struct control_conn *conn, size_t len,
                            const struct control_verb *verbs, size_t n_verbs, void *ctx,
                            struct err *err)
{
    struct control_packet packet;

    if (control_decode(slice_of(conn->room, len), &packet) != RC_OK)
        return breach(err, "a packet that is none");
    switch ((enum control_tag) packet.tag) {
    case CONTROL_TAG_REQUEST:
        return on_request(conn, &packet, verbs, n_verbs, ctx, err);
    case CONTROL_TAG_DATA:
        return on_data(conn, packet.reply.bytes, false, ctx, err);
    case CONTROL_TAG_DATA_END:
        return on_data(conn, SLICE(""), true, ctx, err);
    case CONTROL_TAG_ROW:
    case CONTROL_TAG_PROGRESS:
    case CONTROL_TAG_END:
        break;
    }
    return breach(err, "an answer from a client");
}

/* One packet; RC_MORE: none is there. */
static enum rc serve_one(struct control_conn *conn, const struct control_verb *verbs,
                         size_t n_verbs, void *ctx, struct err *err)
{
    int fds[MSG_FDS_MAX];
    size_t len, n_fds;
    enum rc rc =
        packet_receive(conn->fd, conn->room, sizeof(conn->room), &len, fds, &n_fds, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < n_fds; i++)
        (void) close(fds[i]); /* this protocol has none */
    return serve_packet(conn, len, verbs, n_verbs, ctx, err);
}

enum rc control_serve(struct control_conn *conn, const struct control_verb *verbs,
                      size_t n_verbs, void *ctx, struct err *err)
{
    enum rc rc = RC_OK;

    while (rc == RC_OK && !conn->failed) {
        rc = serve_one(conn, verbs, n_verbs, ctx, err);
        if (conn->mode == CONTROL_BLOCK && rc == RC_OK)
            break;
        if (conn->mode == CONTROL_BLOCK && rc == RC_MORE) {
            struct pollfd pfd = {.fd = conn->fd, .events = POLLIN};

            if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
                return err_set(err, RC_IO, "No request", "control: poll: %s", strerror(errno));
            rc = RC_OK;
        }
    }
    if (conn->failed)
        return err_set(err, conn->failed, "The connection broke", "control: %s",
                       rc_name(conn->failed));
    return rc == RC_MORE ? RC_OK : rc;
}
