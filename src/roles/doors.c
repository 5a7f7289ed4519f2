#include "roles/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_BACKLOG   1024 /* cut by net.core.somaxconn */
#define CONTROL_BACKLOG  16
#define CONTROL_MODE     0600
#define UNIX_NOBODY_MASK 0777
#define DOOR_WAIT_MS     5000 /* for the processes of a supervisor that was killed */
#define DOOR_POLL_MS     20

enum rc door_parse(struct slice text, struct ipaddr *out, bool *out_any, struct err *err)
{
    size_t colon = slice_rfind(text, ':');
    struct slice host = slice_sub(text, 0, colon);
    struct ipaddr addr = {.family = IPADDR_NONE};
    bool any = host.len == 0;
    uint32_t port;

    if (colon == text.len || !slice_to_u32(slice_from(text, colon + 1), &port) || port == 0 ||
        port > UINT16_MAX)
        return err_set(err, RC_SYNTAX, "Not an address", "\"%.*s\": ADDRESS:PORT is expected",
                       SLICE_ARG(text));
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_sub(host, 1, host.len - 2);
    else if (slice_find(host, ':') != host.len)
        return err_set(err, RC_SYNTAX, "Not an address",
                       "\"%.*s\": an IPv6 address stands in [brackets]", SLICE_ARG(text));
    if (!any && !ipaddr_parse(host, &addr))
        return err_set(err, RC_SYNTAX, "Not an address",
                       "\"%.*s\": an address in numbers is expected", SLICE_ARG(text));
    addr.port = (uint16_t) port;
    *out = addr;
    *out_any = any;
    return RC_OK;
}

static enum rc listen_tcp(const struct ipaddr *addr, bool dual, int *out, struct err *err)
{
    static const int on = 1;
    const int v6_only = dual ? 0 : 1;
    struct sockaddr_storage sa;
    socklen_t len = ipaddr_to_sockaddr(addr, &sa);
    AUTO(closep) int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_set(err, RC_IO, "No socket", "socket: %s", strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (sa.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0))
        return err_set(err, RC_IO, "No socket", "setsockopt: %s", strerror(errno));
    if (bind(fd, (const struct sockaddr *) &sa, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
        return err_set(err, errno == EADDRINUSE ? RC_EXISTS : RC_IO, "No socket", "%s",
                       strerror(errno));
    *out = fd;
    fd = -1;
    return RC_OK;
}

/* All addresses: one socket for IPv6 and IPv4, or IPv4 alone where there is no IPv6. */
static enum rc listen_any(struct ipaddr *addr, int *out, struct err *err)
{
    enum rc rc;

    addr->family = IPADDR_V6;
    rc = listen_tcp(addr, true, out, err);
    if (rc == RC_OK || rc == RC_EXISTS)
        return rc;
    addr->family = IPADDR_V4;
    return listen_tcp(addr, false, out, err);
}

/* A socket left behind by a server that was killed; one that still answers is somebody's. */
static enum rc remove_stale(const struct sockaddr_un *sa, int type, struct err *err)
{
    AUTO(closep) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    struct stat st;

    if (lstat(sa->sun_path, &st) != 0)
        return RC_OK;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, RC_INVALID, "No socket", "%s exists and is no socket",
                       sa->sun_path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *) sa, sizeof(*sa)) == 0)
        return err_set(err, RC_EXISTS, "No socket", "%s: somebody listens there already",
                       sa->sun_path);
    if (unlink(sa->sun_path) != 0)
        return err_set(err, RC_IO, "No socket", "%s: %s", sa->sun_path, strerror(errno));
    return RC_OK;
}

static enum rc listen_unix(const char *path, int type, mode_t mode, int backlog, int *out,
                           struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    AUTO(closep) int fd = -1;
    mode_t mask;
    int bound;
    enum rc rc;

    if (strlen(path) >= sizeof(sa.sun_path))
        return err_set(err, RC_LIMIT, "No socket", "%s: longer than %zu bytes", path,
                       sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    rc = remove_stale(&sa, type, err);
    if (rc)
        return rc;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, RC_IO, "No socket", "socket: %s", strerror(errno));
    mask = umask(UNIX_NOBODY_MASK); /* nobody connects before owner and mode are right */
    bound = bind(fd, (const struct sockaddr *) &sa, sizeof(sa));
    (void) umask(mask);
    if (bound != 0 || chmod(path, mode) != 0 || listen(fd, backlog) != 0)
        return err_set(err, RC_IO, "No socket", "%s: %s", path, strerror(errno));
    *out = fd;
    fd = -1;
    return RC_OK;
}

/* Whose a unix socket is, and what the settings that say so are called. */
struct socket_rights {
    const char *setting; /* "lmtp": of lmtp_owner and lmtp_group */
    const char *owner, *group;
    uint32_t mode;
};

static struct socket_rights rights_of(const struct config *config, enum listener_kind kind)
{
    if (kind == LISTENER_LMTP)
        return (struct socket_rights){"lmtp", config->lmtp_owner, config->lmtp_group,
                                      config->lmtp_mode};
    return (struct socket_rights){"mta", config->mta_owner, config->mta_group,
                                  config->mta_mode};
}

static enum rc find_owner(const struct socket_rights *rights, uid_t *uid, gid_t *gid,
                          struct err *err)
{
    *uid = (uid_t) -1;
    *gid = (gid_t) -1;
    if (rights->owner[0] != '\0') {
        const struct passwd *pw = getpwnam(rights->owner);

        if (pw == NULL)
            return err_set(err, RC_NOT_FOUND, "No such user", "%s_owner = \"%s\": no such user",
                           rights->setting, rights->owner);
        *uid = pw->pw_uid;
    }
    if (rights->group[0] != '\0') {
        const struct group *gr = getgrnam(rights->group);

        if (gr == NULL)
            return err_set(err, RC_NOT_FOUND, "No such group",
                           "%s_group = \"%s\": no such group", rights->setting, rights->group);
        *gid = gr->gr_gid;
    }
    return RC_OK;
}

static enum rc open_stream_unix(const struct config *config, struct door *door, struct err *err)
{
    const struct socket_rights rights = rights_of(config, door->kind);
    uid_t uid;
    gid_t gid;
    enum rc rc = find_owner(&rights, &uid, &gid, err);

    if (rc == RC_OK)
        rc = listen_unix(door->name, SOCK_STREAM, (mode_t) rights.mode, LISTEN_BACKLOG,
                         &door->fd, err);
    if (rc)
        return rc;
    if (chown(door->name, uid, gid) != 0) {
        (void) close(door->fd); /* never used */
        return err_set(err, RC_IO, "No socket", "%s: chown: %s", door->name, strerror(errno));
    }
    return RC_OK;
}

static enum rc open_door(const struct config *config, struct slice where, struct door *door,
                         struct err *err)
{
    struct err inner;
    bool any;
    enum rc rc;

    if (where.len >= sizeof(door->name))
        return err_set(err, RC_LIMIT, "Too long", "\"%.*s\": too long", SLICE_ARG(where));
    if (slice_starts(where, SLICE("unix:"))) {
        where = slice_from(where, strlen("unix:"));
        door->is_unix = true;
    }
    memcpy(door->name, where.ptr, where.len);
    door->name[where.len] = '\0';
    if (door->is_unix && door->kind != LISTENER_CONTROL)
        return open_stream_unix(config, door, err);
    if (door->is_unix)
        return listen_unix(door->name, SOCK_SEQPACKET, CONTROL_MODE, CONTROL_BACKLOG, &door->fd,
                           err);
    rc = door_parse(where, &door->address, &any, err);
    if (rc)
        return rc;
    rc = any ? listen_any(&door->address, &door->fd, &inner)
             : listen_tcp(&door->address, false, &door->fd, &inner);
    if (rc)
        return err_set(err, rc, "Cannot listen", "cannot listen on %s: %s", door->name,
                       inner.detail);
    return RC_OK;
}

/*
 * A supervisor that was killed takes its processes with it, but not in the same moment: until
 * they are gone they hold its doors. The lock on the data directory is ours already, so no
 * other server of it runs, and the wait is short.
 */
static enum rc open_door_in_time(const struct config *config, struct slice where,
                                 struct door *door, struct err *err)
{
    static const struct timespec poll = {.tv_nsec = DOOR_POLL_MS * 1000000L};
    enum rc rc = open_door(config, where, door, err);

    for (int waited = 0; rc == RC_EXISTS && waited < DOOR_WAIT_MS; waited += DOOR_POLL_MS) {
        (void) nanosleep(&poll, NULL); /* cut short by a signal: only tried earlier */
        rc = open_door(config, where, door, err);
    }
    return rc;
}

static enum rc add_door(const struct config *config, struct doors *doors, struct slice where,
                        enum listener_kind kind, enum role role, uint32_t flags,
                        struct err *err)
{
    struct door door = {.kind = kind, .role = role, .flags = flags, .fd = -1};
    enum rc rc;

    if (doors->n == ROLE_LISTENERS_MAX)
        return err_set(err, RC_LIMIT, "Too many listeners", "more than %u listeners",
                       ROLE_LISTENERS_MAX);
    rc = open_door_in_time(config, where, &door, err);
    if (rc == RC_OK)
        doors->list[doors->n++] = door;
    return rc;
}

static enum rc add_doors(const struct config *config, struct doors *doors,
                         const struct config_list *list, enum listener_kind kind,
                         enum role role, uint32_t flags, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < list->n && rc == RC_OK; i++)
        rc = add_door(config, doors, slice_from_str(list->items[i]), kind, role, flags, err);
    return rc;
}

/* A setting that is the path of a unix socket, or empty. */
static enum rc add_socket(const struct config *config, struct doors *doors, const char *path,
                          enum listener_kind kind, struct err *err)
{
    char where[512];

    if (path[0] == '\0')
        return RC_OK;
    if (snprintf(where, sizeof(where), "unix:%s", path) >= (int) sizeof(where))
        return err_set(err, RC_LIMIT, "No socket", "a socket's path is too long");
    return add_door(config, doors, slice_from_str(where), kind, ROLE_GATE, 0, err);
}

static enum rc add_control(const struct config *config, struct doors *doors, enum role role,
                           struct err *err)
{
    char where[512];

    (void) snprintf(where, sizeof(where), "unix:%s/" ROLE_RUN_DIR "/%s.sock", config->data_dir,
                    role_name(role));
    return add_door(config, doors, slice_from_str(where), LISTENER_CONTROL, role, 0, err);
}

enum rc doors_open(const struct config *config, struct doors *out, struct err *err)
{
    uint32_t imap_flags =
        (config->starttls && config->certificate.n > 0 ? LISTENER_STARTTLS : 0) |
        (config->plaintext_loopback ? LISTENER_PLAINTEXT : 0);
    struct doors doors = {.n = 0};
    enum rc rc = add_doors(config, &doors, &config->imaps, LISTENER_IMAPS, ROLE_GATE, 0, err);

    if (rc == RC_OK)
        rc =
            add_doors(config, &doors, &config->imap, LISTENER_IMAP, ROLE_GATE, imap_flags, err);
    if (rc == RC_OK)
        rc = add_doors(config, &doors, &config->lmtp, LISTENER_LMTP, ROLE_GATE, 0, err);
    if (rc == RC_OK)
        rc = add_doors(config, &doors, &config->web_listen, LISTENER_WEB, ROLE_WEB, 0, err);
    if (rc == RC_OK)
        rc = add_socket(config, &doors, config->auth_socket, LISTENER_SASL, err);
    if (rc == RC_OK)
        rc = add_socket(config, &doors, config->socketmap_socket, LISTENER_SOCKETMAP, err);
    if (rc == RC_OK)
        rc = add_control(config, &doors, ROLE_SUPERVISOR, err);
    if (rc == RC_OK)
        rc = add_control(config, &doors, ROLE_AUTH, err);
    if (rc == RC_OK)
        rc = add_control(config, &doors, ROLE_MAIL, err);
    if (rc) {
        doors_close(&doors);
        return rc;
    }
    *out = doors;
    return RC_OK;
}

void doors_close(struct doors *doors)
{
    for (size_t i = 0; i < doors->n; i++) {
        struct door *door = &doors->list[i];

        (void) close(door->fd); /* a listening socket has nothing to lose */
        if (door->is_unix)
            (void) unlink(door->name); /* a stale one is removed at the next start */
    }
    doors->n = 0;
}
