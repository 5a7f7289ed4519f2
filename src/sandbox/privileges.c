/* privileges.c - user, capabilities, limits: what a process gives up whatever its role is. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define CAPABILITIES_MAX 64 /* what two words of capset hold; the kernel ends earlier */

static enum rc refused(struct err *err, const char *call)
{
    return err_set(err, RC_IO, "Internal error", "%s: %s", call, strerror(errno));
}

enum rc sandbox_change_user(const char *user, struct err *err)
{
    const struct passwd *pw;

    errno = 0;
    pw = getpwnam(user);
    if (pw == NULL)
        return err_set(err, RC_NOT_FOUND, "Internal error", "system user \"%s\": %s", user,
                       errno != 0 ? strerror(errno) : "does not exist");
    if (setgroups(0, NULL) != 0)
        return refused(err, "setgroups");
    if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0)
        return refused(err, "setresgid");
    if (setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
        return refused(err, "setresuid");
    if (pw->pw_uid != 0 && setresuid(0, 0, 0) == 0)
        return err_set(err, RC_DENIED, "Internal error", "root came back after setresuid");
    return RC_OK;
}

static enum rc drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    /* An ordinary user may not change the bounding set, and has nothing in it to gain:
     * no_new_privs closes that way. */
    for (int cap = 0; cap < CAPABILITIES_MAX; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM && errno != EINVAL)
            return refused(err, "PR_CAPBSET_DROP");
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return refused(err, "PR_CAP_AMBIENT");
    if (syscall(SYS_capset, &head, none) != 0)
        return refused(err, "capset");
    return RC_OK;
}

static enum rc set_limit(__rlimit_resource_t what, uint64_t value, const char *name,
                         struct err *err)
{
    struct rlimit limit;

    if (getrlimit(what, &limit) != 0)
        return refused(err, name);
    limit.rlim_max = MIN(limit.rlim_max, (rlim_t) value);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(what, &limit) == 0 ? RC_OK : refused(err, name);
}

enum rc sandbox_harden(struct err *err)
{
    enum rc rc;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return refused(err, "PR_SET_PDEATHSIG");
    rc = drop_capabilities(err);
    if (rc)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refused(err, "PR_SET_NO_NEW_PRIVS");
#ifndef ROOST_WIDE_SANDBOX
    /* The leak checker attaches to its own process, which must be dumpable for that. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return refused(err, "PR_SET_DUMPABLE");
#endif
    return set_limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err);
}

enum rc sandbox_limit(const struct sandbox_limits *limits, struct err *err)
{
    enum rc rc = RC_OK;

#ifndef ROOST_WIDE_SANDBOX
    /* The sanitizers reserve terabytes of address space. */
    if (limits->memory_bytes > 0)
        rc = set_limit(RLIMIT_AS, limits->memory_bytes, "RLIMIT_AS", err);
#endif
    if (rc == RC_OK && limits->cpu_sec > 0)
        rc = set_limit(RLIMIT_CPU, limits->cpu_sec, "RLIMIT_CPU", err);
    if (rc == RC_OK && limits->files > 0)
        rc = set_limit(RLIMIT_NOFILE, limits->files, "RLIMIT_NOFILE", err);
    return rc;
}
