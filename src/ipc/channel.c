#include "ipc/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

/* A packet that waits until the socket takes it. */
struct waiting {
    struct link link;
    int fds[MSG_FDS_MAX]; /* duplicates; -1: none */
    size_t n_fds, len;
    char bytes[];
};

struct channel {
    int fd;
    enum role self, peer;
    struct packet packet; /* the one taken last; for the one thread that takes */
    char *room;           /* MSG_MAX_BYTES; packet.msg points into it */
    size_t room_used;
    pthread_mutex_t lock; /* guards what follows; a leaf lock */
    struct list queue;    /* of struct waiting */
    size_t queued;        /* bytes in it */
};

enum rc channel_pair(int out[2], struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return err_set(err, RC_IO, "Internal error", "socketpair: %s", strerror(errno));
    out[0] = pair[0];
    out[1] = pair[1];
    return RC_OK;
}

static enum rc peer_gone(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "Internal error", "the other process is gone");
}

enum rc packet_send(int fd, struct slice bytes, const int *fds, size_t n_fds, struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
    } control = {0};
    struct iovec iov = {.iov_base = (char *) (uintptr_t) bytes.ptr, .iov_len = bytes.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;

    assert(n_fds <= MSG_FDS_MAX && bytes.len > 0);
    if (n_fds > 0) {
        struct cmsghdr *cmsg = &control.align;

        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
    }
    do
        sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return RC_OK;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return RC_MORE;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return peer_gone(err);
    return err_set(err, RC_IO, "Internal error", "sendmsg: %s", strerror(errno));
}

/* Descriptors of a received packet, at most `room` of them; the kernel made all of them ours.
 */
static size_t collect_fds(struct msghdr *msg, int fds[MSG_FDS_MAX])
{
    size_t n = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
         cmsg = CMSG_NXTHDR(msg, cmsg)) {
        size_t n_here;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        n_here = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n_here; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
            if (n < MSG_FDS_MAX)
                fds[n] = fd;
            else
                (void) close(fd); /* more than any message has */
            n++;
        }
    }
    return n;
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            (void) close(fds[i]); /* never written through */
        fds[i] = -1;
    }
}

enum rc packet_receive(int fd, char *room, size_t room_len, size_t *out_len,
                       int fds[MSG_FDS_MAX], size_t *out_n_fds, struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
    } control;
    struct iovec iov = {.iov_base = room, .iov_len = room_len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof(control.room)};
    ssize_t got;
    size_t n_fds;

    do
        got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return peer_gone(err); /* no packet of ours is empty */
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return RC_MORE;
    if (got < 0 && errno == ECONNRESET)
        return peer_gone(err);
    if (got < 0)
        return err_set(err, RC_IO, "Internal error", "recvmsg: %s", strerror(errno));
    n_fds = collect_fds(&msg, fds);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || n_fds > MSG_FDS_MAX) {
        close_all(fds, MIN(n_fds, MSG_FDS_MAX));
        return err_set(err, RC_LIMIT, "Internal error", "a packet is too long or full");
    }
    *out_len = (size_t) got;
    *out_n_fds = n_fds;
    return RC_OK;
}

struct channel *channel_new(int fd, enum role self, enum role peer)
{
    struct channel *ch = xcalloc(1, sizeof(*ch));
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        die("channel: descriptor %d: %s", fd, strerror(errno));
    ch->fd = fd;
    ch->self = self;
    ch->peer = peer;
    ch->room = xmalloc(MSG_MAX_BYTES);
    for (size_t i = 0; i < MSG_FDS_MAX; i++)
        ch->packet.fds[i] = -1;
    list_init(&ch->queue);
    if (pthread_mutex_init(&ch->lock, NULL) != 0)
        die("channel: no mutex");
    return ch;
}

static void waiting_free(struct waiting *waiting)
{
    close_all(waiting->fds, waiting->n_fds);
    explicit_bzero(waiting->bytes, waiting->len);
    free(waiting);
}

/* A message may have been a login. */
static void wipe_room(struct channel *ch)
{
    explicit_bzero(ch->room, ch->room_used);
    ch->room_used = 0;
}

void channel_free(struct channel *ch)
{
    struct link *link;

    if (ch == NULL)
        return;
    while ((link = list_pop_front(&ch->queue)) != NULL)
        waiting_free(LINK_OWNER(link, struct waiting, link));
    close_all(ch->packet.fds, MSG_FDS_MAX);
    (void) close(ch->fd); /* nothing is buffered in a socket we give up */
    (void) pthread_mutex_destroy(&ch->lock);
    wipe_room(ch);
    free(ch->room);
    free(ch);
}

void channel_freep(struct channel **ch)
{
    channel_free(*ch);
    *ch = NULL;
}

int channel_fd(const struct channel *ch)
{
    return ch->fd;
}

enum role channel_peer(const struct channel *ch)
{
    return ch->peer;
}

/* ch->lock is held. */
static enum rc flush_locked(struct channel *ch, struct err *err)
{
    while (!list_is_empty(&ch->queue)) {
        struct waiting *first = LINK_OWNER(ch->queue.head.next, struct waiting, link);
        enum rc rc = packet_send(ch->fd, slice_of(first->bytes, first->len), first->fds,
                                 first->n_fds, err);

        if (rc)
            return rc;
        list_remove(&first->link);
        ch->queued -= first->len;
        waiting_free(first);
    }
    return RC_OK;
}

/* ch->lock is held. */
static enum rc enqueue(struct channel *ch, struct slice bytes, const int *fds, size_t n_fds,
                       struct err *err)
{
    struct waiting *waiting;

    if (ch->queued + bytes.len > CHANNEL_QUEUE_BYTES)
        return err_set(err, RC_LIMIT, "Internal error", "channel to %s: %zu bytes wait",
                       role_name(ch->peer), ch->queued);
    waiting = xmalloc(sizeof(*waiting) + bytes.len);
    *waiting = (struct waiting){.len = bytes.len};
    memcpy(waiting->bytes, bytes.ptr, bytes.len);
    for (size_t i = 0; i < n_fds; i++) {
        int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

        if (copy < 0) {
            enum rc rc =
                err_set(err, RC_IO, "Internal error", "fcntl dup: %s", strerror(errno));

            waiting_free(waiting);
            return rc;
        }
        waiting->fds[waiting->n_fds++] = copy;
    }
    list_push_back(&ch->queue, &waiting->link);
    ch->queued += bytes.len;
    return RC_OK;
}

enum rc channel_post(struct channel *ch, const struct msg *msg, const int *fds, struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};
    size_t n_fds = msg_n_fds(msg->type);
    enum rc rc;

    buf_init(&bytes, MSG_MAX_BYTES);
    bytes.secret = true;
    rc = msg_encode(msg, &bytes, err);
    if (rc)
        return rc;
    (void) pthread_mutex_lock(&ch->lock);
    rc = flush_locked(ch, err); /* order: nothing overtakes the queue */
    if (rc == RC_OK)
        rc = packet_send(ch->fd, buf_slice(&bytes), fds, n_fds, err);
    if (rc == RC_MORE)
        rc = enqueue(ch, buf_slice(&bytes), fds, n_fds, err);
    (void) pthread_mutex_unlock(&ch->lock);
    return rc;
}

enum rc channel_flush(struct channel *ch, struct err *err)
{
    enum rc rc;

    (void) pthread_mutex_lock(&ch->lock);
    rc = flush_locked(ch, err);
    (void) pthread_mutex_unlock(&ch->lock);
    return rc;
}

bool channel_wants_write(struct channel *ch)
{
    bool wants;

    (void) pthread_mutex_lock(&ch->lock);
    wants = !list_is_empty(&ch->queue);
    (void) pthread_mutex_unlock(&ch->lock);
    return wants;
}

/* For poll(). Without a deadline the clock is not asked: a digest child has none. */
static int ms_until(int64_t deadline_us)
{
    int64_t left_ms;

    if (deadline_us < 0)
        return -1;
    left_ms = (deadline_us - clock_mono_us() + 999) / 1000;
    return (int) MAX(MIN(left_ms, (int64_t) INT32_MAX), 0);
}

/* RC_MORE: the deadline went by. */
static enum rc wait_for(int fd, short events, int64_t deadline_us, struct err *err)
{
    struct pollfd pfd = {.fd = fd, .events = events};

    for (;;) {
        int n = poll(&pfd, 1, ms_until(deadline_us));

        if (n > 0)
            return RC_OK;
        if (n == 0)
            return RC_MORE;
        if (errno != EINTR)
            return err_set(err, RC_IO, "Internal error", "poll: %s", strerror(errno));
    }
}

static int64_t deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_mono_us() + (int64_t) timeout_ms * 1000;
}

enum rc channel_send(struct channel *ch, const struct msg *msg, const int *fds, int timeout_ms,
                     struct err *err)
{
    int64_t deadline_us = deadline_after(timeout_ms);
    enum rc rc = channel_post(ch, msg, fds, err);

    if (rc)
        return rc;
    while ((rc = channel_flush(ch, err)) == RC_MORE) {
        rc = wait_for(ch->fd, POLLOUT, deadline_us, err);
        if (rc == RC_MORE)
            return err_set(err, RC_UNAVAILABLE, "Internal error",
                           "channel to %s: not read for %d ms", role_name(ch->peer),
                           timeout_ms);
        if (rc)
            return rc;
    }
    return rc;
}

enum rc channel_take(struct channel *ch, struct packet **out, struct err *err)
{
    size_t len, n_fds;
    enum rc rc;

    close_all(ch->packet.fds, MSG_FDS_MAX);
    wipe_room(ch);
    rc = packet_receive(ch->fd, ch->room, MSG_MAX_BYTES, &len, ch->packet.fds, &n_fds, err);
    if (rc == RC_LIMIT)
        return RC_SYNTAX;
    if (rc)
        return rc;
    ch->room_used = len;
    rc = msg_decode(slice_of(ch->room, len), n_fds, ch->peer, ch->self, &ch->packet.msg, err);
    if (rc) {
        close_all(ch->packet.fds, MSG_FDS_MAX);
        return rc;
    }
    *out = &ch->packet;
    return RC_OK;
}

enum rc channel_wait(struct channel *ch, int timeout_ms, struct packet **out, struct err *err)
{
    int64_t deadline_us = deadline_after(timeout_ms);
    enum rc rc;

    while ((rc = channel_take(ch, out, err)) == RC_MORE) {
        rc = wait_for(ch->fd, POLLIN, deadline_us, err);
        if (rc)
            return rc;
    }
    return rc;
}
