#include "roles/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "roles/role.h"
#include "store/local/local.h"

#define PATH_BYTES     4096u
#define USER_BYTES     256u
#define MODE_OWN       0700
#define MODE_GROUP     0750 /* who sends the audit log away reads it; its user is in that group */
#define MODE_TRAVERSED 0755 /* other uids pass through to their own folder, and sync it */

static const struct {
    const char *name;
    enum role role;
    mode_t mode;
} folders[] = {
    {ROLE_RUN_DIR,  ROLE_SUPERVISOR, MODE_OWN  },
    {ROLE_AUTH_DIR, ROLE_AUTH,       MODE_OWN  },
    {ROLE_MAIL_DIR, ROLE_MAIL,       MODE_OWN  },
    {ROLE_LOG_DIR,  ROLE_LOG,        MODE_GROUP},
    {ROLE_SHIP_DIR, ROLE_SHIP,       MODE_OWN  },
    {ROLE_GSS_DIR,  ROLE_GSS,        MODE_OWN  },
};

static bool has_users(const struct config *config)
{
    return geteuid() == 0 && config->user_prefix[0] != '\0';
}

enum rc data_dir_owner(const struct config *config, enum role role, uid_t *uid, gid_t *gid,
                       struct err *err)
{
    char user[USER_BYTES];
    const struct passwd *pw;

    if (role == ROLE_SUPERVISOR || !has_users(config)) {
        *uid = geteuid();
        *gid = getegid();
        return RC_OK;
    }
    (void) snprintf(user, sizeof(user), "%s-%s", config->user_prefix, role_name(role));
    pw = getpwnam(user);
    if (pw == NULL)
        return err_set(err, RC_NOT_FOUND, "A system user is missing",
                       "the system user %s does not exist; make it, or set user_prefix", user);
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return RC_OK;
}

static void fts_closep(FTS **tree)
{
    if (*tree != NULL)
        (void) fts_close(*tree); /* the working directory was never another */
}

enum rc data_dir_give(const char *folder, uid_t uid, gid_t gid, struct err *err)
{
    char path[PATH_BYTES];
    char *const paths[] = {path, NULL};
    AUTO(fts_closep) FTS *tree = NULL;
    const FTSENT *at;

    if (uid == geteuid())
        return RC_OK;
    if (snprintf(path, sizeof(path), "%s", folder) >= (int) sizeof(path))
        return err_set(err, RC_LIMIT, "Path is too long", "%.100s: path too long", folder);
    tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (tree == NULL)
        return err_set(err, RC_IO, "Cannot give a folder away", "%s: %s", path,
                       strerror(errno));
    for (errno = 0; (at = fts_read(tree)) != NULL; errno = 0) {
        if (at->fts_info == FTS_DP)
            continue; /* it was given when it was entered */
        if (at->fts_info == FTS_DNR || at->fts_info == FTS_ERR || at->fts_info == FTS_NS)
            return err_set(err, RC_IO, "Cannot give a folder away", "%s: %s", at->fts_path,
                           strerror(at->fts_errno));
        if (lchown(at->fts_path, uid, gid) != 0)
            return err_set(err, RC_IO, "Cannot give a folder away", "chown %s: %s",
                           at->fts_path, strerror(errno));
    }
    return errno == 0 ? RC_OK
                      : err_set(err, RC_IO, "Cannot give a folder away", "%s: %s", path,
                                strerror(errno));
}

static enum rc check_owner(const char *path, uid_t uid, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "No data directory",
                       "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(err, RC_INVALID, "No data directory", "%s is not a directory", path);
    if (st.st_uid != uid)
        return err_set(err, RC_DENIED, "The data directory belongs to somebody else",
                       "%s belongs to uid %u, but uid %u is expected; nothing was changed",
                       path, (unsigned) st.st_uid, (unsigned) uid);
    return RC_OK;
}

static enum rc prepare_folder(const struct config *config, size_t at, struct err *err)
{
    char path[PATH_BYTES];
    uid_t uid;
    gid_t gid;
    enum rc rc;

    if ((folders[at].role == ROLE_SHIP && config->audit_ship[0] == '\0') ||
        (folders[at].role == ROLE_GSS && config->gssapi_keytab[0] == '\0'))
        return RC_OK;
    rc = data_dir_owner(config, folders[at].role, &uid, &gid, err);
    if (rc)
        return rc;
    (void) snprintf(path, sizeof(path), "%s/%s", config->data_dir, folders[at].name);
    if (mkdir(path, folders[at].mode) == 0) {
        if (uid != geteuid() && chown(path, uid, gid) != 0)
            return err_set(err, RC_IO, "No data directory", "%s: chown: %s", path,
                           strerror(errno));
    } else if (errno != EEXIST) {
        return err_set(err, RC_IO, "No data directory", "%s: %s", path, strerror(errno));
    }
    rc = check_owner(path, uid, err);
    if (!rc && folders[at].mode != MODE_OWN && chmod(path, folders[at].mode) != 0)
        rc = err_set(err, RC_IO, "No data directory", "%s: chmod: %s", path, strerror(errno));
    return rc;
}

enum rc data_dir_prepare(const struct config *config, struct err *err)
{
    enum rc rc = check_owner(config->data_dir, geteuid(), err);
    struct stat st;

    if (rc)
        return rc;
    if (has_users(config) && stat(config->data_dir, &st) == 0 &&
        (st.st_mode & 0777) == MODE_OWN && chmod(config->data_dir, MODE_TRAVERSED) != 0)
        return err_set(err, RC_IO, "No data directory", "%s: chmod: %s", config->data_dir,
                       strerror(errno));
    for (size_t i = 0; i < COUNT(folders) && rc == RC_OK; i++)
        rc = prepare_folder(config, i, err);
    return rc;
}

/* In a process of its own, since there is no way back from another user. */
_Noreturn static void run_as_owner(const struct stat *st, const char *path,
                                   int (*fn)(const char *path, void *ctx), void *ctx)
{
    if (st->st_uid != geteuid() &&
        (setgroups(0, NULL) != 0 || setresgid(st->st_gid, st->st_gid, st->st_gid) != 0 ||
         setresuid(st->st_uid, st->st_uid, st->st_uid) != 0)) {
        (void) fprintf(stderr, "roost: %s: %s\n", path, strerror(errno));
        _exit(1);
    }
    exit(fn(path, ctx));
}

enum rc data_dir_with_store(const char *data, int (*fn)(const char *path, void *ctx), void *ctx,
                            int *out_code, struct err *err)
{
    char path[PATH_BYTES];
    struct stat st;
    int status;
    pid_t pid;

    (void) snprintf(path, sizeof(path), "%s/" ROLE_MAIL_DIR, data);
    if (stat(path, &st) != 0)
        return err_set(err, RC_IO, "No store", "%s: %s", path, strerror(errno));
    (void) fflush(NULL); /* what is buffered is printed once */
    pid = fork();
    if (pid == 0)
        run_as_owner(&st, path, fn, ctx);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return err_set(err, RC_IO, "No store", "%s: %s", path, strerror(errno));
    *out_code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return RC_OK;
}

static int create_store(const char *path, void *ctx)
{
    struct err err;
    enum rc rc = local_store_create(path, &err);

    (void) ctx;
    if (rc != RC_OK && rc != RC_EXISTS)
        (void) fprintf(stderr, "roost: %s\n", err.detail);
    return rc == RC_OK || rc == RC_EXISTS ? 0 : 1;
}

enum rc data_dir_create_store(const struct config *config, struct err *err)
{
    int code = 0;
    enum rc rc = data_dir_with_store(config->data_dir, create_store, NULL, &code, err);

    if (!rc && code != 0)
        return err_set(err, RC_IO, "No store", "%.100s: the store cannot be made",
                       config->data_dir);
    return rc;
}

enum rc data_dir_lock(const struct config *config, int *out_fd, struct err *err)
{
    char path[PATH_BYTES];
    AUTO(closep) int fd = -1;

    (void) snprintf(path, sizeof(path), "%s/" ROLE_RUN_DIR "/lock", config->data_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, RC_IO, "No lock", "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, errno == EWOULDBLOCK ? RC_EXISTS : RC_IO,
                       "Another server runs here", "%s: %s", path,
                       errno == EWOULDBLOCK ? "another server holds it" : strerror(errno));
    *out_fd = fd;
    fd = -1;
    return RC_OK;
}
