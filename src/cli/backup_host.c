#include "cli/backup_host.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "config/config.h"
#include "roles/data_dir.h"
#include "roles/role.h"

/* What lies in a manifest, where it goes, and with which mode. */
struct part {
    const char *name, *to;
    bool is_sealed;
    mode_t mode;
};

static const struct part parts[] = {
    {"auth/auth.db",           ROLE_AUTH_DIR "/auth.db",    false, 0600},
    {"auth/pepper.key.sealed", ROLE_AUTH_DIR "/pepper.key", true,  0600},
    {"etc/roost.conf",         "roost.conf",                false, 0644},
    {"etc/cert.pem",           "cert.pem",                  false, 0644},
    {"etc/key.pem.sealed",     "key.pem",                   true,  0600},
    {"etc/passwd.sealed",      "passwd",                    true,  0600},
};

static enum rc failed(struct err *err, const char *path)
{
    return err_set(err, RC_IO, "A file failed", "%s: %s", path, strerror(errno));
}

static enum rc unseal(const struct backup_dir *dir, const struct backup_entry *entry,
                      const struct backup_key *key, char **out, size_t *out_len,
                      struct err *err)
{
    char label[BACKUP_STORE_TEXT + BACKUP_NAME_BYTES], path[BACKUP_FILE_PATH];

    (void) snprintf(label, sizeof(label), "%s %s", dir->store, entry->name);
    backup_pool_path(dir, entry->name, &entry->hash, path);
    return backup_unseal(key, slice_from_str(label), path, out, out_len, err);
}

enum rc backup_host_check_key(const struct backup_dir *dir, const char *key_file,
                              struct err *err)
{
    const struct backup_manifest *newest = dir->n > 0 ? dir->manifests[dir->n - 1] : NULL;
    const struct backup_entry *entry;
    AUTO(freep) char *plain = NULL;
    struct backup_key key;
    size_t len = 0;
    enum rc rc;

    if (newest == NULL || !newest->has_secrets)
        return RC_OK;
    if (key_file == NULL)
        return err_set(err, RC_INVALID, "The key of the secrets is needed",
                       "backup %s: give --key-file", newest->file);
    entry = backup_manifest_find(newest, "auth/pepper.key.sealed");
    rc = backup_key_read(key_file, &key, err);
    if (rc == RC_OK && entry != NULL)
        rc = unseal(dir, entry, &key, &plain, &len, err);
    if (rc == RC_OK && plain != NULL)
        sodium_memzero(plain, len);
    sodium_memzero(&key, sizeof(key));
    return rc;
}

static enum rc make_empty(const char *path, struct err *err)
{
    const struct dirent *entry;
    bool is_empty = true;
    DIR *dir;

    if (mkdir(path, 0700) == 0)
        return RC_OK;
    dir = errno == EEXIST ? opendir(path) : NULL;
    if (dir == NULL)
        return failed(err, path);
    while (is_empty && (entry = readdir(dir)) != NULL)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void) closedir(dir); /* only read */
    if (!is_empty)
        return err_set(err, RC_EXISTS, "Something is there already",
                       "%s is not empty; nothing was changed", path);
    return RC_OK;
}

enum rc backup_host_begin(struct backup_host *host, const char *data, struct err *err)
{
    static const char *const folders[] = {ROLE_MAIL_DIR, ROLE_AUTH_DIR};
    char path[BACKUP_FILE_PATH];
    enum rc rc;

    if (strlen(data) > BACKUP_FILE_PATH - 300)
        return err_set(err, RC_LIMIT, "The path is too long", "restore: path too long");
    rc = make_empty(data, err);
    for (size_t i = 0; i < COUNT(folders) && rc == RC_OK; i++) {
        (void) snprintf(path, sizeof(path), "%.3700s/%s", data, folders[i]);
        if (mkdir(path, 0700) != 0)
            rc = failed(err, path);
    }
    if (rc)
        return rc;
    (void) snprintf(host->data, sizeof(host->data), "%s", data);
    (void) snprintf(host->config, sizeof(host->config), "%.3800s/roost.conf", data);
    return RC_OK;
}

static enum rc put_sealed(const struct backup_dir *dir, const struct backup_entry *entry,
                          const struct backup_key *key, const char *to, struct err *err)
{
    AUTO(freep) char *plain = NULL;
    size_t len = 0;
    enum rc rc = unseal(dir, entry, key, &plain, &len, err);

    if (rc)
        return rc;
    rc = backup_write_file(to, slice_of(plain, len), err);
    sodium_memzero(plain, len);
    return rc;
}

static enum rc put_plain(const struct backup_dir *dir, const struct backup_entry *entry,
                         const char *to, struct err *err)
{
    char path[BACKUP_FILE_PATH];
    struct backup_hash hash;
    enum rc rc;

    backup_pool_path(dir, entry->name, &entry->hash, path);
    rc = backup_copy_file(path, entry->length, to, &hash, err);
    if (rc == RC_OK && strcmp(hash.text, entry->hash.text) != 0)
        rc = err_set(err, RC_CORRUPT, "A file of the backup is damaged", "%s", path);
    return rc;
}

static enum rc put_part(struct backup_host *host, const struct backup_dir *dir,
                        const struct backup_manifest *manifest, const struct backup_key *key,
                        const struct part *part, struct err *err)
{
    const struct backup_entry *entry = backup_manifest_find(manifest, part->name);
    char to[BACKUP_FILE_PATH];
    enum rc rc;

    if (entry == NULL || (part->is_sealed && key == NULL))
        return RC_OK;
    (void) snprintf(to, sizeof(to), "%.3800s/%s", host->data, part->to);
    rc =
        part->is_sealed ? put_sealed(dir, entry, key, to, err) : put_plain(dir, entry, to, err);
    if (rc == RC_OK && chmod(to, part->mode) != 0)
        rc = failed(err, to);
    if (rc == RC_OK && strcmp(part->name, "auth/pepper.key.sealed") == 0)
        host->has_pepper = true;
    return rc;
}

/* Certificates beyond the first have their number in their names. */
static enum rc put_more_certificates(struct backup_host *host, const struct backup_dir *dir,
                                     const struct backup_manifest *manifest,
                                     const struct backup_key *key, struct err *err)
{
    enum rc rc = RC_OK;

    for (unsigned i = 2; i <= CONFIG_PAIRS_MAX && rc == RC_OK; i++) {
        char name[64], to[64];
        struct part part = {name, to, false, 0644};

        (void) snprintf(name, sizeof(name), "etc/cert-%u.pem", i);
        (void) snprintf(to, sizeof(to), "cert-%u.pem", i);
        rc = put_part(host, dir, manifest, key, &part, err);
        (void) snprintf(name, sizeof(name), "etc/key-%u.pem.sealed", i);
        (void) snprintf(to, sizeof(to), "key-%u.pem", i);
        part.is_sealed = true;
        part.mode = 0600;
        if (rc == RC_OK)
            rc = put_part(host, dir, manifest, key, &part, err);
    }
    return rc;
}

static enum rc put_parts(struct backup_host *host, const struct backup_dir *dir,
                         const struct backup_manifest *manifest, const struct backup_key *key,
                         struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < COUNT(parts) && rc == RC_OK; i++)
        rc = put_part(host, dir, manifest, key, &parts[i], err);
    return rc == RC_OK ? put_more_certificates(host, dir, manifest, key, err) : rc;
}

/* Without the pepper no verifier can be right again; the database gets a new one. */
static enum rc renew_pepper(const struct backup_host *host, struct err *err)
{
    char folder[BACKUP_FILE_PATH];
    struct auth_db *db = NULL;
    enum rc rc;

    (void) snprintf(folder, sizeof(folder), "%.3800s/" ROLE_AUTH_DIR, host->data);
    rc = auth_init(err);
    if (rc == RC_OK)
        rc = auth_db_forget_pepper(folder, err);
    if (rc == RC_OK)
        rc = auth_db_open(folder, true, &db, err);
    auth_db_close(db);
    return rc;
}

/* ---- owners and what the configuration says ---- */

/* data_dir_prepare() makes missing folders with their owners; ours are given over whole. */
static enum rc give_folder(const struct config *config, const char *name, enum role role,
                           struct err *err)
{
    char path[BACKUP_FILE_PATH];
    uid_t uid;
    gid_t gid;
    enum rc rc = data_dir_owner(config, role, &uid, &gid, err);

    (void) snprintf(path, sizeof(path), "%.3800s/%s", config->data_dir, name);
    return rc ? rc : data_dir_give(path, uid, gid, err);
}

static void note(struct backup_host *host, const char *what, const char *named,
                 const char *copy)
{
    size_t len = strlen(host->note);
    char path[BACKUP_FILE_PATH];

    if (named[0] == '\0' || access(named, F_OK) == 0)
        return;
    (void) snprintf(path, sizeof(path), "%.3800s/%s", host->data, copy);
    len += (size_t) snprintf(host->note + len, sizeof(host->note) - len,
                             "%sThe configuration names the %s %.200s, which is not there",
                             len > 0 ? "\n" : "", what, named);
    if (access(path, F_OK) == 0)
        (void) snprintf(host->note + len, sizeof(host->note) - len, "; its copy is %.200s.",
                        path);
    else
        (void) snprintf(host->note + len, sizeof(host->note) - len,
                        "; the backup has no copy of it.");
}

static void note_pair(struct backup_host *host, const struct config *config, size_t at)
{
    char number[24] = "", copy[64];

    if (at > 0)
        (void) snprintf(number, sizeof(number), "-%zu", at + 1);
    (void) snprintf(copy, sizeof(copy), "cert%s.pem", number);
    note(host, "certificate", config->certificate.items[at], copy);
    (void) snprintf(copy, sizeof(copy), "key%s.pem", number);
    note(host, "certificate's key", config->certificate_key.items[at], copy);
}

/* The configuration speaks of the old machine's paths: what does not fit is said, not changed.
 */
static void compare_paths(struct backup_host *host, const struct config *config)
{
    char real[2][PATH_MAX];

    for (size_t i = 0; i < config->certificate.n; i++)
        note_pair(host, config, i);
    note(host, "passwd-file", config->passwd_file, "passwd");
    if (realpath(config->data_dir, real[0]) == NULL || realpath(host->data, real[1]) == NULL ||
        strcmp(real[0], real[1]) != 0) {
        size_t len = strlen(host->note);

        (void) snprintf(host->note + len, sizeof(host->note) - len,
                        "%sThe configuration names the data directory %.200s, not this one: "
                        "change `data` in it.",
                        len > 0 ? "\n" : "", config->data_dir);
    }
}

static enum rc settle(struct backup_host *host, struct err *err)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors = {.n = 0};
    enum rc rc;

    if (config_read(host->config, &config, &errors) == RC_OK)
        compare_paths(host, config);
    else
        (void) snprintf(host->note, sizeof(host->note),
                        "The configuration needs a look: %.200s",
                        errors.n > 0 ? errors.list[0].text : "it is not in the backup");
    if (config == NULL)
        config = config_new();
    config->data_dir = host->data;
    rc = give_folder(config, ROLE_MAIL_DIR, ROLE_MAIL, err);
    if (rc == RC_OK)
        rc = give_folder(config, ROLE_AUTH_DIR, ROLE_AUTH, err);
    return rc ? rc : data_dir_prepare(config, err);
}

enum rc backup_host_finish(struct backup_host *host, const struct backup_dir *dir,
                           const struct backup_manifest *manifest, const char *key_file,
                           struct err *err)
{
    struct backup_key key = {{0}};
    enum rc rc = RC_OK;

    if (key_file != NULL)
        rc = backup_key_read(key_file, &key, err);
    if (rc == RC_OK)
        rc = put_parts(host, dir, manifest, key_file != NULL ? &key : NULL, err);
    sodium_memzero(&key, sizeof(key));
    if (rc == RC_OK && !host->has_pepper)
        rc = renew_pepper(host, err);
    return rc ? rc : settle(host, err);
}
