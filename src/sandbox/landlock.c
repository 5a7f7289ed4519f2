#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The system calls have the same numbers on every architecture. */
#define NR_CREATE_RULESET 444
#define NR_ADD_RULE       445
#define NR_RESTRICT_SELF  446

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define RULE_NET_PORT          2

/* Rights by the ABI that brought them; the header of an old distribution lacks the newer. */
#define FS_EXECUTE     (1ULL << 0)
#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_ALL_ABI_1   ((1ULL << 13) - 1)
#define FS_REFER       (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE    (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP   (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT    (1ULL << 1)  /* ABI 4 */
#define SCOPE_ABSTRACT (1ULL << 0)  /* ABI 6 */
#define SCOPE_SIGNAL   (1ULL << 1)  /* ABI 6 */

#define FS_FILE_RIGHTS (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t handled_fs;
    uint64_t handled_net; /* ABI 4 */
    uint64_t scoped;      /* ABI 6 */
};

struct path_beneath_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

struct net_port_attr {
    uint64_t allowed;
    uint64_t port;
};

static const uint64_t access_rights[] = {
    [SANDBOX_READ] = FS_READ_FILE | FS_READ_DIR,
    [SANDBOX_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_REMOVE_DIR |
                      FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE,
};

int landlock_abi(void)
{
    long abi = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);

    return abi > 0 ? (int) abi : 0;
}

/* All that this kernel can handle; *out_len is the part of the struct it knows. */
static struct ruleset_attr all_handled(int abi, size_t *out_len)
{
    struct ruleset_attr attr = {.handled_fs = FS_ALL_ABI_1};

    *out_len = sizeof(attr.handled_fs);
    if (abi >= 2)
        attr.handled_fs |= FS_REFER;
    if (abi >= 3)
        attr.handled_fs |= FS_TRUNCATE;
    if (abi >= 4) {
        attr.handled_net = NET_BIND_TCP | NET_CONNECT;
        *out_len = offsetof(struct ruleset_attr, scoped);
    }
    if (abi >= 5)
        attr.handled_fs |= FS_IOCTL_DEV;
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
        *out_len = sizeof(attr);
    }
    return attr;
}

static enum rc add_path(int ruleset, const struct sandbox_path *path, uint64_t handled,
                        struct err *err)
{
    AUTO(closep) int fd = open(path->path, O_PATH | O_CLOEXEC);
    struct path_beneath_attr attr = {.parent_fd = fd};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, RC_IO, "Internal error", "landlock: %s: %s", path->path,
                       strerror(errno));
    attr.allowed = access_rights[path->access] & handled;
    if (!S_ISDIR(st.st_mode))
        attr.allowed &= FS_FILE_RIGHTS;
    if (syscall(NR_ADD_RULE, ruleset, RULE_PATH_BENEATH, &attr, 0) != 0)
        return err_set(err, RC_IO, "Internal error", "landlock: rule for %s: %s", path->path,
                       strerror(errno));
    return RC_OK;
}

static enum rc add_port(int ruleset, uint16_t port, struct err *err)
{
    struct net_port_attr attr = {.allowed = NET_CONNECT, .port = port};

    if (syscall(NR_ADD_RULE, ruleset, RULE_NET_PORT, &attr, 0) != 0)
        return err_set(err, RC_IO, "Internal error", "landlock: rule for port %u: %s",
                       (unsigned) port, strerror(errno));
    return RC_OK;
}

enum rc landlock_confine(const struct sandbox_rules *rules, struct err *err)
{
    int abi = landlock_abi();
    size_t attr_len;
    struct ruleset_attr attr = all_handled(abi, &attr_len);
    AUTO(closep) int ruleset = -1;

    if (abi == 0)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "the kernel has no Landlock: %s",
                       strerror(errno));
    ruleset = (int) syscall(NR_CREATE_RULESET, &attr, attr_len, 0);
    if (ruleset < 0)
        return err_set(err, RC_IO, "Internal error", "landlock_create_ruleset: %s",
                       strerror(errno));
    for (size_t i = 0; i < rules->n_paths; i++) {
        enum rc rc = add_path(ruleset, &rules->paths[i], attr.handled_fs, err);

        if (rc)
            return rc;
    }
    for (size_t i = 0; i < rules->n_ports && attr.handled_net != 0; i++) {
        enum rc rc = add_port(ruleset, rules->ports[i], err);

        if (rc)
            return rc;
    }
    if (syscall(NR_RESTRICT_SELF, ruleset, 0) != 0)
        return err_set(err, RC_IO, "Internal error", "landlock_restrict_self: %s",
                       strerror(errno));
    return RC_OK;
}
