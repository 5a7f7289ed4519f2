/*
 * cmd_init.c - `roost init DIR`: everything a first start needs, made once.
 *
 * Nothing that is there is overwritten. As root, each role's folder goes to that role's system
 * user.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "cli/cli.h"
#include "cli/selfsigned.h"
#include "config/config.h"
#include "roles/data_dir.h"
#include "roles/role.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"
#include "store/local/local.h"

#define FIRST_DEVICE "first device"

static const char usage[] =
    "usage: roost init DIR [--user NAME] [--hostname NAME] [--imaps ADDRESS] [--imap ADDRESS]\n"
    "                  [--lmtp ADDRESS] [--sandbox enforce|best-effort|auto]\n"
    "                  [--config FILE] [--json]\n\n"
    "Makes the data directory DIR with a configuration DIR/roost.conf, a self-signed\n"
    "certificate, an empty store, and a first account whose app password is printed\n"
    "once. Nothing that is there is overwritten.\n\n"
    "  --user NAME         the first account (me)\n"
    "  --hostname NAME     name of this server (localhost)\n"
    "  --imaps ADDRESS     where to serve IMAP over TLS (:993)\n"
    "  --imap ADDRESS      where to serve IMAP that starts without TLS (nowhere)\n"
    "  --lmtp ADDRESS      where to take mail by LMTP (127.0.0.1:24), or unix:/path\n"
    "  --sandbox MODE      best-effort starts where the kernel cannot confine processes; auto\n"
    "                      writes it down only if this kernel is such a one\n"
    "  --config FILE       the configuration goes there instead, such as\n"
    "                      /etc/roost/roost.conf\n\n"
    "example: roost init /var/lib/roost --user anna --hostname mail.example.org\n"
    "         roost serve -c /var/lib/roost/roost.conf\n";

struct init {
    const char *dir, *user, *hostname, *imaps, *imap, *lmtp, *sandbox;
    const char *config; /* NULL: in dir */
    bool json;
    char config_path[PATH_MAX];
    struct admin_device device;
};

static bool read_options(int argc, char *const *argv, struct init *init)
{
    static const struct option options[] = {
        {"user",     required_argument, NULL, 'u'},
        {"hostname", required_argument, NULL, 'h'},
        {"imaps",    required_argument, NULL, 's'},
        {"imap",     required_argument, NULL, 'i'},
        {"lmtp",     required_argument, NULL, 'l'},
        {"sandbox",  required_argument, NULL, 'b'},
        {"config",   required_argument, NULL, 'c'},
        {"json",     no_argument,       NULL, 'j'},
        {NULL,       0,                 NULL, 0  },
    };
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            init->user = optarg;
            break;
        case 'h':
            init->hostname = optarg;
            break;
        case 's':
            init->imaps = optarg;
            break;
        case 'i':
            init->imap = optarg;
            break;
        case 'l':
            init->lmtp = optarg;
            break;
        case 'b':
            init->sandbox = optarg;
            break;
        case 'c':
            init->config = optarg;
            break;
        case 'j':
            init->json = true;
            break;
        default:
            return false;
        }
    }
    if (optind + 1 != argc)
        return false;
    init->dir = argv[optind];
    return true;
}

/* What `--sandbox auto` stands for here. */
static const char *sandbox_mode(const char *asked)
{
    if (strcmp(asked, "auto") != 0)
        return asked;
    return landlock_abi() > 0 && seccomp_available() ? "enforce" : "best-effort";
}

static enum rc io_error(const char *path, struct err *err)
{
    return err_set(err, errno == EEXIST ? RC_EXISTS : RC_IO, "Cannot be made", "%s: %s", path,
                   strerror(errno));
}

/* Paths in the file count from its own folder; one that lies elsewhere names the data directory
 * whole. */
static enum rc name_paths(struct init *init, char data[PATH_MAX], struct err *err)
{
    (void) snprintf(data, PATH_MAX, ".");
    if (init->config != NULL && realpath(init->dir, data) == NULL)
        return io_error(init->dir, err);
    if (init->config != NULL)
        (void) snprintf(init->config_path, PATH_MAX, "%s", init->config);
    else
        (void) snprintf(init->config_path, PATH_MAX, "%s/roost.conf", init->dir);
    return RC_OK;
}

static enum rc write_config(const struct init *init, const char *data, struct err *err)
{
    const char *path = init->config_path;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file == NULL)
        return io_error(path, err);
    (void) fprintf(
        file,
        "# Roost. All settings: `roost check-config --defaults`; reasons: docs/operating.md\n"
        "data = \"%s\"\n"
        "hostname = \"%s\"\n"
        "imaps = {\"%s\"}\n"
        "imap = {%s%s%s}\n"
        "lmtp = {\"%s\"}\n"
        "certificate = \"%s/cert.pem\"\n"
        "certificate_key = \"%s/key.pem\"\n"
        "domains = {\"%s\"}\n"
        "sandbox = %s\n"
        "log = stderr\n",
        data, init->hostname, init->imaps, *init->imap ? "\"" : "", init->imap,
        *init->imap ? "\"" : "", init->lmtp, data, data, init->hostname, init->sandbox);
    return fclose(file) == 0 ? RC_OK : io_error(path, err);
}

/* What was just made in the mail folder belongs to the folder's owner. */
static enum rc hand_over_mail(const char *folder, struct err *err)
{
    struct stat st;

    if (stat(folder, &st) != 0)
        return io_error(folder, err);
    return data_dir_give(folder, st.st_uid, st.st_gid, err);
}

static enum rc make_store(const struct init *init, struct err *err)
{
    char folder[PATH_MAX];
    enum rc rc;

    (void) snprintf(folder, sizeof(folder), "%s/" ROLE_MAIL_DIR, init->dir);
    rc = local_store_create(folder, err);
    return rc ? rc : hand_over_mail(folder, err);
}

static enum rc make_account(struct init *init, struct err *err)
{
    char folder[PATH_MAX];
    struct auth_db *db = NULL;
    enum rc rc;

    (void) snprintf(folder, sizeof(folder), "%s/" ROLE_AUTH_DIR, init->dir);
    rc = auth_admin_create(folder, err);
    if (rc == RC_OK)
        rc = auth_db_open(folder, false, &db, err);
    if (rc)
        return rc;
    rc = auth_admin_add_user(db, slice_from_str(init->user), SLICE(FIRST_DEVICE), &init->device,
                             err);
    if (rc == RC_OK)
        rc = auth_admin_add_scram(db, &init->device, err);
    auth_db_close(db);
    return rc ? rc : auth_admin_hand_over(folder, err);
}

static enum rc make_certificate(const struct init *init, struct err *err)
{
    char cert[PATH_MAX], key[PATH_MAX];

    (void) snprintf(cert, sizeof(cert), "%s/cert.pem", init->dir);
    (void) snprintf(key, sizeof(key), "%s/key.pem", init->dir);
    return selfsigned_make(init->hostname, cert, key, err);
}

/* Options that make no valid configuration are found here, not at the first start. */
static enum rc read_back(const char *path, struct err *err)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors;

    if (config_read(path, &config, &errors) == RC_OK)
        return RC_OK;
    return err_set(err, RC_INVALID, "Bad option", "%s", errors.list[0].text);
}

static enum rc prepare_folders(const struct init *init, struct err *err)
{
    AUTO(config_freep) struct config *config = config_new();

    config->data_dir = init->dir;
    return data_dir_prepare(config, err);
}

static enum rc make_all(struct init *init, struct err *err)
{
    char data[PATH_MAX];
    enum rc rc;

    if (strlen(init->dir) > PATH_MAX / 2)
        return err_set(err, RC_LIMIT, "The path is too long", "init: path too long");
    if (mkdir(init->dir, 0700) != 0 && errno != EEXIST)
        return io_error(init->dir, err);
    rc = name_paths(init, data, err);
    if (rc == RC_OK) /* before anything is written: a missing system user is found here */
        rc = prepare_folders(init, err);
    if (rc == RC_OK)
        rc = write_config(init, data, err);
    if (rc == RC_OK)
        rc = make_certificate(init, err);
    if (rc == RC_OK)
        rc = read_back(init->config_path, err);
    if (rc == RC_OK)
        rc = make_store(init, err);
    if (rc == RC_OK)
        rc = auth_init(err);
    return rc ? rc : make_account(init, err);
}

static void report(const struct init *init)
{
    if (init->json) {
        json_t *out = json_pack("{ss ss ss ss ss}", "config", init->config_path, "user",
                                init->user, "password", init->device.password, "imaps",
                                init->imaps, "lmtp", init->lmtp);

        (void) json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    (void) printf("configuration  %s\n"
                  "user           %s\n"
                  "app password   %s   (shown once; `roost device add %s` makes another)\n"
                  "IMAP, TLS      %s\n"
                  "LMTP           %s\n",
                  init->config_path, init->user, init->device.password, init->user, init->imaps,
                  init->lmtp);
}

int cmd_init(int argc, char *const *argv)
{
    struct init init = {.user = "me",
                        .hostname = "localhost",
                        .imaps = ":993",
                        .imap = "",
                        .lmtp = "127.0.0.1:24",
                        .sandbox = "enforce"};
    struct err err;
    enum rc rc;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (!read_options(argc, argv, &init)) {
        (void) fputs(usage, stderr);
        return CLI_USAGE;
    }
    init.sandbox = sandbox_mode(init.sandbox);
    rc = make_all(&init, &err);
    if (rc == RC_OK)
        report(&init);
    else
        (void) fprintf(stderr, "roost init: %s\n", err.detail);
    admin_device_wipe(&init.device);
    return rc == RC_OK ? CLI_OK : CLI_FAILED;
}
