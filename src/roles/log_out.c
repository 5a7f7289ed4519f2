#include "roles/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "events/log_line.h"

#define SYSLOG_SOCKET        "/dev/log"
#define SYSLOG_FACILITY_MAIL (2 << 3) /* RFC 3164 4.1.1 */
#define GATHER_BYTES         (2 * LOG_LINE_MAX_BYTES)

enum log_target { TARGET_STDERR, TARGET_FILE, TARGET_SYSLOG };

struct log_out {
    enum log_target target;
    const char *path; /* TARGET_FILE; belongs to the configuration */
    int fd;
    struct buf gathered; /* whole lines; not for syslog */
};

/* RFC 3164 4.1.1: severities. */
static const int syslog_severity[LEVEL_COUNT] = {
    [LEVEL_DEBUG] = 7, [LEVEL_INFO] = 6, [LEVEL_WARNING] = 4, [LEVEL_ERROR] = 3};

static enum rc open_file(const char *path, int *out, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd < 0)
        return err_set(err, rc_of_errno(errno), "Internal error", "log file %s: %s", path,
                       strerror(errno));
    *out = fd;
    return RC_OK;
}

static bool connect_syslog(int fd)
{
    static const struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET};

    return connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) == 0;
}

static enum rc open_syslog(int *out, struct err *err)
{
    AUTO(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !connect_syslog(fd))
        return err_set(err, RC_IO, "Internal error", "syslog " SYSLOG_SOCKET ": %s",
                       strerror(errno));
    *out = fd;
    fd = -1;
    return RC_OK;
}

enum rc log_out_new(const struct config *config, struct log_out **out, struct err *err)
{
    struct slice where = slice_from_str(config->log);
    struct log_out log = {.target = TARGET_STDERR, .fd = STDERR_FILENO};
    enum rc rc = RC_OK;

    if (slice_starts(where, SLICE("file:"))) {
        log.target = TARGET_FILE;
        log.path = config->log + strlen("file:");
        rc = open_file(log.path, &log.fd, err);
    } else if (slice_eq(where, SLICE("syslog"))) {
        log.target = TARGET_SYSLOG;
        rc = open_syslog(&log.fd, err);
    } else if (!slice_eq(where, SLICE("stderr"))) {
        rc = err_set(err, RC_INVALID, "Internal error", "log = \"%s\" is not known",
                     config->log);
    }
    if (rc)
        return rc;
    buf_init(&log.gathered, GATHER_BYTES);
    *out = xmalloc(sizeof(log));
    **out = log;
    return RC_OK;
}

void log_out_free(struct log_out *out)
{
    if (out == NULL)
        return;
    log_out_flush(out);
    if (out->target != TARGET_STDERR)
        (void) close(out->fd); /* every write was looked at */
    buf_done(&out->gathered);
    free(out);
}

void log_out_freep(struct log_out **out)
{
    log_out_free(*out);
    *out = NULL;
}

static void send_to_syslog(const struct log_out *out, enum log_level level, struct slice line)
{
    AUTO(buf_done) struct buf packet = {0};
    ssize_t sent;

    buf_init(&packet, LOG_LINE_MAX_BYTES + 32);
    buf_printf(&packet, "<%d>roost: ", SYSLOG_FACILITY_MAIL | syslog_severity[level]);
    buf_append(&packet, line);
    sent = send(out->fd, packet.ptr, packet.len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && connect_syslog(out->fd)) /* syslog was restarted */
        sent = send(out->fd, packet.ptr, packet.len, MSG_NOSIGNAL);
    if (sent < 0)
        log_line_write_stderr(line);
}

void log_out_line(struct log_out *out, enum log_level level, struct slice line)
{
    if (out->target == TARGET_SYSLOG) {
        send_to_syslog(out, level, line);
        return;
    }
    if (out->gathered.len + line.len + 1 > GATHER_BYTES)
        log_out_flush(out);
    buf_append(&out->gathered, line);
    buf_byte(&out->gathered, '\n');
}

void log_out_flush(struct log_out *out)
{
    struct slice rest = buf_slice(&out->gathered);

    while (rest.len > 0) {
        ssize_t n = write(out->fd, rest.ptr, rest.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        rest = slice_from(rest, (size_t) n);
    }
    if (rest.len > 0 && out->target == TARGET_FILE)
        (void) !write(STDERR_FILENO, rest.ptr, rest.len); /* a full disk; nowhere else to go */
    buf_reset(&out->gathered);
    buf_shrink(&out->gathered, GATHER_BYTES / 8);
}

enum rc log_out_reopen(struct log_out *out, struct err *err)
{
    int fd = -1;
    enum rc rc;

    if (out->target != TARGET_FILE)
        return RC_OK;
    log_out_flush(out);
    rc = open_file(out->path, &fd, err);
    if (rc)
        return rc;
    (void) close(out->fd); /* every write was looked at */
    out->fd = fd;
    return RC_OK;
}
