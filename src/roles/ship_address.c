#include "roles/ship_address.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/syslog_target.h"

#define ASK_SEC 30u /* no resolver is slower */

uint16_t ship_port(const struct config *config)
{
    struct syslog_target to;

    return syslog_target_parse(config->audit_ship, &to) ? to.port : 0;
}

const char *ship_name(const struct config *config, char *host)
{
    struct syslog_target to;

    if (config->audit_ship_name[0] != '\0' || !syslog_target_parse(config->audit_ship, &to))
        return config->audit_ship_name;
    memcpy(host, to.host, sizeof(to.host));
    return host;
}

static void look_up(const struct syslog_target *to, struct ship_addresses *out)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;

    if (getaddrinfo(to->host, NULL, &hints, &found) != 0)
        return;
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        struct ipaddr address = ipaddr_from_sockaddr(it->ai_addr, it->ai_addrlen);

        address.port = to->port;
        if (address.family != IPADDR_NONE && out->n < SHIP_ADDRESSES_MAX)
            out->list[out->n++] = address;
    }
    freeaddrinfo(found);
}

/* One write of less than PIPE_BUF octets comes whole. */
_Static_assert(sizeof(struct ship_addresses) <= PIPE_BUF, "an answer is one write");

_Noreturn static void ask(const struct syslog_target *to, int fd)
{
    struct ship_addresses found = {.n = 0};

    (void) alarm(ASK_SEC);
    look_up(to, &found);
    _exit(write(fd, &found, sizeof(found)) == (ssize_t) sizeof(found) ? 0 : 1);
}

/* By a child of a child: it is init's to reap, since we may not once we are confined. */
static enum rc start_asking(const struct syslog_target *to, int fd, struct err *err)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            ask(to, fd);
        _exit(pid < 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return err_set(err, RC_IO, "Internal error", "fork: %s", strerror(errno));
    return RC_OK;
}

enum rc ship_ask(const struct config *config, int *out_fd, struct err *err)
{
    struct ship_addresses known = {.n = 1};
    struct syslog_target to;
    int ends[2];
    enum rc rc = RC_OK;

    if (!syslog_target_parse(config->audit_ship, &to))
        return err_set(err, RC_INVALID, "Internal error", "audit_ship is no host");
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set(err, RC_IO, "Internal error", "pipe: %s", strerror(errno));
    if (ipaddr_parse(slice_from_str(to.host), &known.list[0])) {
        known.list[0].port = to.port;
        if (write(ends[1], &known, sizeof(known)) != (ssize_t) sizeof(known))
            rc = err_set(err, RC_IO, "Internal error", "pipe: %s", strerror(errno));
    } else {
        rc = start_asking(&to, ends[1], err);
    }
    (void) close(ends[1]); /* the child's, or all was written */
    if (rc) {
        (void) close(ends[0]); /* nothing comes */
        return rc;
    }
    *out_fd = ends[0];
    return RC_OK;
}

enum rc ship_answer(int fd, struct ship_addresses *out, struct err *err)
{
    struct ship_addresses found;
    ssize_t n = read(fd, &found, sizeof(found));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return RC_MORE;
    if (n != (ssize_t) sizeof(found) || found.n == 0 || found.n > SHIP_ADDRESSES_MAX)
        return err_set(err, RC_NOT_FOUND, "Internal error",
                       "the receiver's name has no address");
    *out = found;
    return RC_OK;
}
