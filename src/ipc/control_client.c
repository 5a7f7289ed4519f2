#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/control.h"

struct control {
    int fd;
    char room[CONTROL_PACKET_MAX];
};

enum rc control_connect(const char *path, struct control **out, struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    AUTO(closep) int fd = -1;
    struct control *control;

    if (strlen(path) >= sizeof(sa.sun_path))
        return err_set(err, RC_LIMIT, "The path of the control socket is too long",
                       "control: %s: path too long", path);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, RC_IO, "No socket", "control: socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) != 0) {
        if (errno == ENOENT)
            return err_set(err, RC_NOT_FOUND, "The server is not running here",
                           "control: %s: no such socket", path);
        if (errno == EACCES || errno == EPERM)
            return err_set(err, RC_DENIED, "Not allowed to talk to this server",
                           "control: %s: %s", path, strerror(errno));
        return err_set(err, RC_UNAVAILABLE, "The server is not running here", "control: %s: %s",
                       path, strerror(errno));
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return err_set(err, RC_IO, "No socket", "control: fcntl: %s", strerror(errno));
    control = xmalloc(sizeof(*control));
    control->fd = fd;
    fd = -1;
    *out = control;
    return RC_OK;
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    (void) close(control->fd); /* nothing of ours is left in it */
    explicit_bzero(control->room, sizeof(control->room));
    free(control);
}

void control_freep(struct control **control)
{
    control_free(*control);
    *control = NULL;
}

/* RC_MORE: not now, and a reply waits to be read. */
static enum rc send_patiently(struct control *control, struct slice bytes, struct err *err)
{
    for (;;) {
        struct pollfd pfd = {.fd = control->fd, .events = POLLIN | POLLOUT};
        enum rc rc = packet_send(control->fd, bytes, NULL, 0, err);
        int n;

        if (rc != RC_MORE)
            return rc;
        n = poll(&pfd, 1, CONTROL_STALL_MS);
        if (n == 0)
            return err_set(err, RC_UNAVAILABLE, "The server does not answer",
                           "control: nothing taken for %d ms", CONTROL_STALL_MS);
        if (n < 0 && errno != EINTR)
            return err_set(err, RC_IO, "No answer", "control: poll: %s", strerror(errno));
        if (n > 0 && (pfd.revents & POLLOUT) == 0 && (pfd.revents & POLLIN) != 0)
            return RC_MORE;
    }
}

enum rc control_request(struct control *control, const char *verb,
                        const struct control_field *fields, size_t n, struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};
    struct slice name = slice_from_str(verb);

    buf_init(&bytes, CONTROL_PACKET_MAX);
    bytes.secret = true; /* an administrator's request may set a password */
    buf_byte(&bytes, CONTROL_TAG_REQUEST);
    buf_le8(&bytes, (uint8_t) name.len);
    buf_append(&bytes, name);
    if (name.len == 0 || name.len > CONTROL_VERB_MAX || !control_put_fields(&bytes, fields, n))
        return err_set(err, RC_LIMIT, "The request is too long", "control: %s: too long", verb);
    return send_patiently(control, buf_slice(&bytes), err);
}

enum rc control_send_data(struct control *control, struct slice bytes, struct err *err)
{
    AUTO(buf_done) struct buf packet = {0};

    if (bytes.len > CONTROL_DATA_MAX)
        return err_set(err, RC_LIMIT, "Too much data at once", "control: %zu bytes of data",
                       bytes.len);
    buf_init(&packet, CONTROL_PACKET_MAX);
    buf_byte(&packet, CONTROL_TAG_DATA);
    buf_append(&packet, bytes);
    return send_patiently(control, buf_slice(&packet), err);
}

enum rc control_send_end(struct control *control, struct err *err)
{
    static const char tag = CONTROL_TAG_DATA_END;

    return send_patiently(control, slice_of(&tag, 1), err);
}

enum rc control_next(struct control *control, int timeout_ms, struct control_reply *out,
                     struct err *err)
{
    struct control_packet packet;
    int fds[MSG_FDS_MAX];
    size_t len, n_fds;
    enum rc rc;

    while ((rc = packet_receive(control->fd, control->room, sizeof(control->room), &len, fds,
                                &n_fds, err)) == RC_MORE) {
        struct pollfd pfd = {.fd = control->fd, .events = POLLIN};
        int n = poll(&pfd, 1, timeout_ms);

        if (n == 0)
            return RC_MORE;
        if (n < 0 && errno != EINTR)
            return err_set(err, RC_IO, "No answer", "control: poll: %s", strerror(errno));
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < n_fds; i++)
        (void) close(fds[i]); /* this protocol has none */
    rc = control_decode(slice_of(control->room, len), &packet);
    if (rc || packet.tag == CONTROL_TAG_REQUEST || packet.tag == CONTROL_TAG_DATA_END)
        return err_set(err, RC_SYNTAX, "The server's answer is not understood",
                       "control: %zu bytes that are no reply", len);
    *out = packet.reply;
    return RC_OK;
}
