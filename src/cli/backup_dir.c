#include "cli/backup_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/map.h"
#include "base/scan.h"
#include "cli/backup_dir_names.h"

#define IDENTITY_MAX    256u
#define PACK_SALT_BYTES 128u /* docs/formats/packs.md: the header */

static enum rc failed(struct err *err, const char *path)
{
    enum rc rc = errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO;

    if (errno == ENOENT)
        rc = RC_NOT_FOUND;
    return err_set(err, rc, rc == RC_FULL ? "No space left" : "The backup directory failed",
                   "%s: %s", path, strerror(errno));
}

static void path_in(const struct backup_dir *dir, const char *name, char out[BACKUP_FILE_PATH])
{
    (void) snprintf(out, BACKUP_FILE_PATH, "%.3800s/%.200s", dir->path, name);
}

void backup_pool_path(const struct backup_dir *dir, const char *name,
                      const struct backup_hash *hash, char out[BACKUP_FILE_PATH])
{
    const char *slash = strrchr(name, '/');

    (void) snprintf(out, BACKUP_FILE_PATH, "%.3800s/" POOL_DIR "/%.90s-%.16s", dir->path,
                    slash != NULL ? slash + 1 : name, hash->text);
}

void backup_pool_new(const struct backup_dir *dir, char out[BACKUP_FILE_PATH])
{
    path_in(dir, POOL_DIR "/.new", out);
}

enum rc backup_pool_take(const struct backup_dir *dir, const char *new_path, const char *name,
                         const struct backup_hash *hash, struct err *err)
{
    char path[BACKUP_FILE_PATH];

    backup_pool_path(dir, name, hash, path);
    if (rename(new_path, path) != 0)
        return failed(err, path);
    return RC_OK;
}

bool backup_pool_has(const struct backup_dir *dir, const char *name, uint64_t length,
                     const struct backup_hash *hash)
{
    char path[BACKUP_FILE_PATH];
    struct stat st;

    backup_pool_path(dir, name, hash, path);
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t) st.st_size == length;
}

static bool same_salt(const char *a, const char *b)
{
    char salt[2][PACK_SALT_BYTES];
    const char *paths[2] = {a, b};

    for (size_t i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "re");
        bool ok = file != NULL && fread(salt[i], 1, PACK_SALT_BYTES, file) == PACK_SALT_BYTES;

        if (file != NULL)
            (void) fclose(file); /* only read */
        if (!ok)
            return false;
    }
    return memcmp(salt[0], salt[1], PACK_SALT_BYTES) == 0;
}

bool backup_pack_is_known(const struct backup_dir *dir, const char *path, const char *name,
                          uint64_t length, struct backup_hash *out)
{
    for (size_t i = dir->n; i > 0; i--) {
        const struct backup_entry *entry = backup_manifest_find(dir->manifests[i - 1], name);
        char pool[BACKUP_FILE_PATH];

        if (entry == NULL || entry->length != length ||
            !backup_pool_has(dir, name, length, &entry->hash))
            continue;
        backup_pool_path(dir, name, &entry->hash, pool);
        if (!same_salt(path, pool))
            continue;
        *out = entry->hash;
        return true;
    }
    return false;
}

/* ---- reading the directory ---- */

struct name_list {
    char **names;
    size_t n, cap;
};

static void names_done(struct name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What lies in a folder, in order; names that begin with "." are ours on their way in. */
static enum rc list_names(const char *path, struct name_list *out, struct err *err)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;

    if (stream == NULL)
        return failed(err, path);
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (out->n == out->cap) {
            out->cap = MAX(2 * out->cap, (size_t) 64);
            out->names = xrealloc(out->names, out->cap * sizeof(char *));
        }
        out->names[out->n++] = xstrdup(entry->d_name);
    }
    (void) closedir(stream); /* only read */
    if (out->n > 0)
        qsort(out->names, out->n, sizeof(char *), by_name);
    return RC_OK;
}

static enum rc read_identity(struct backup_dir *dir, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    char path[BACKUP_FILE_PATH];
    struct slice text, store;
    size_t len = 0;
    enum rc rc;

    path_in(dir, IDENTITY_FILE, path);
    rc = backup_read_file(path, IDENTITY_MAX, &bytes, &len, err);
    if (rc)
        return rc;
    text = slice_of(bytes, len);
    store = slice_sub(text, IDENTITY_HEAD.len, BACKUP_STORE_TEXT - 1);
    if (!slice_starts(text, IDENTITY_HEAD) || store.len != BACKUP_STORE_TEXT - 1 ||
        len != IDENTITY_HEAD.len + BACKUP_STORE_TEXT || text.ptr[len - 1] != '\n')
        return err_set(err, RC_INVALID, "The directory holds backups of another version",
                       "%s is not understood", path);
    memcpy(dir->store, store.ptr, store.len);
    return RC_OK;
}

static void keep_bad(struct backup_dir *dir, const char *name, const struct err *why)
{
    char text[512];

    (void) snprintf(text, sizeof(text), MANIFEST_DIR "/%.80s: %s (%s)", name, why->text,
                    why->detail);
    dir->bad = xrealloc(dir->bad, (dir->n_bad + 1) * sizeof(char *));
    dir->bad[dir->n_bad++] = xstrdup(text);
}

static enum rc read_manifest(const struct backup_dir *dir, const char *name,
                             struct backup_manifest *out, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    char path[BACKUP_FILE_PATH], below[BACKUP_NAME_BYTES + 16];
    size_t len = 0;
    enum rc rc;

    (void) snprintf(below, sizeof(below), MANIFEST_DIR "/%.80s", name);
    path_in(dir, below, path);
    rc = backup_read_file(path, BACKUP_MANIFEST_MAX, &bytes, &len, err);
    if (!rc)
        rc = backup_manifest_decode(slice_of(bytes, len), out, err);
    if (!rc && strcmp(out->store, dir->store) != 0)
        rc = err_set(err, RC_CORRUPT, "The manifest is of another store", "store %s",
                     out->store);
    (void) snprintf(out->file, sizeof(out->file), "%.80s", name);
    return rc;
}

static enum rc read_manifests(struct backup_dir *dir, struct err *err)
{
    AUTO(names_done) struct name_list list = {0};
    char path[BACKUP_FILE_PATH];
    enum rc rc;

    path_in(dir, MANIFEST_DIR, path);
    rc = list_names(path, &list, err);
    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    if (list.n > BACKUP_MANIFESTS_MAX)
        return err_set(err, RC_LIMIT, "Too many backups", "%s: %zu", path, list.n);
    dir->manifests = xcalloc(list.n + 1, sizeof(struct backup_manifest *));
    for (size_t i = 0; i < list.n; i++) {
        struct backup_manifest *manifest = backup_manifest_new();
        struct err why;

        rc = read_manifest(dir, list.names[i], manifest, &why);
        if (rc == RC_OK) {
            dir->manifests[dir->n++] = manifest;
            continue;
        }
        keep_bad(dir, list.names[i], &why);
        backup_manifest_free(manifest);
    }
    return RC_OK;
}

/* ---- opening ---- */

static enum rc is_empty(const struct backup_dir *dir, struct err *err)
{
    AUTO(names_done) struct name_list list = {0};
    enum rc rc = list_names(dir->path, &list, err);

    if (rc)
        return rc;
    if (list.n > 1 || (list.n == 1 && strcmp(list.names[0], "lost+found") != 0))
        return err_set(err, RC_INVALID, "The directory holds something else",
                       "%s is not empty and holds no backup of roost", dir->path);
    return RC_OK;
}

static enum rc make_folder(const struct backup_dir *dir, const char *name, struct err *err)
{
    char path[BACKUP_FILE_PATH];

    path_in(dir, name, path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return failed(err, path);
    return RC_OK;
}

/* The identity comes last and durable: a directory without it is empty or none of ours. */
static enum rc make_dir(struct backup_dir *dir, const char *store, struct err *err)
{
    char path[BACKUP_FILE_PATH], text[IDENTITY_MAX];
    enum rc rc;

    (void) snprintf(dir->store, sizeof(dir->store), "%s", store);
    (void) snprintf(text, sizeof(text), "%.*s%s\n", SLICE_ARG(IDENTITY_HEAD), store);
    path_in(dir, IDENTITY_FILE, path);
    rc = backup_write_file(path, slice_from_str(text), err);
    if (!rc)
        rc = make_folder(dir, MANIFEST_DIR, err);
    if (!rc)
        rc = make_folder(dir, POOL_DIR, err);
    return rc ? rc : backup_sync_folder(dir->path, err);
}

static enum rc take_lock(struct backup_dir *dir, struct err *err)
{
    char path[BACKUP_FILE_PATH];

    path_in(dir, LOCK_FILE, path);
    dir->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock < 0)
        return failed(err, path);
    if (flock(dir->lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, RC_UNAVAILABLE, "Another backup runs here", "%s is locked", path);
    return RC_OK;
}

static enum rc open_dir(struct backup_dir *dir, const char *store, bool for_writing,
                        struct err *err)
{
    enum rc rc;

    if (for_writing && mkdir(dir->path, 0700) != 0 && errno != EEXIST)
        return failed(err, dir->path);
    rc = read_identity(dir, err);
    if (rc == RC_NOT_FOUND) {
        rc = is_empty(dir, err);
        if (rc == RC_OK && !for_writing)
            rc = err_set(err, RC_NOT_FOUND, "No backup here", "%s holds no backup", dir->path);
        if (rc == RC_OK)
            rc = make_dir(dir, store, err);
    }
    if (rc)
        return rc;
    if (store != NULL && strcmp(store, dir->store) != 0)
        return err_set(err, RC_CONFLICT, "The directory holds backups of another store",
                       "%s holds store %s, this is store %s; nothing was changed", dir->path,
                       dir->store, store);
    rc = for_writing ? take_lock(dir, err) : RC_OK;
    return rc ? rc : read_manifests(dir, err);
}

enum rc backup_dir_open(const char *path, const char *store, bool for_writing,
                        struct backup_dir *out, struct err *err)
{
    struct backup_dir dir = {.lock = -1};
    enum rc rc;

    if (strlen(path) > BACKUP_FILE_PATH - 300)
        return err_set(err, RC_LIMIT, "The path is too long", "backup: path too long");
    (void) snprintf(dir.path, sizeof(dir.path), "%s", path);
    rc = open_dir(&dir, store, for_writing, err);
    if (rc)
        backup_dir_close(&dir);
    else
        *out = dir;
    return rc;
}

void backup_dir_close(struct backup_dir *dir)
{
    for (size_t i = 0; i < dir->n; i++)
        backup_manifest_free(dir->manifests[i]);
    for (size_t i = 0; i < dir->n_bad; i++)
        free(dir->bad[i]);
    free(dir->manifests);
    free(dir->bad);
    if (dir->path[0] != '\0')
        closep(&dir->lock);
    *dir = (struct backup_dir){.lock = -1};
}

/* ---- writing ---- */

enum rc backup_dir_add(struct backup_dir *dir, struct backup_manifest *manifest,
                       struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    char path[BACKUP_FILE_PATH], aside[BACKUP_FILE_PATH], pool[BACKUP_FILE_PATH];
    char folder[BACKUP_FILE_PATH], below[BACKUP_NAME_BYTES + 16];
    enum rc rc;

    path_in(dir, POOL_DIR, pool);
    rc = backup_sync_folder(pool, err);
    if (rc)
        return rc;
    buf_init(&text, BACKUP_MANIFEST_MAX);
    backup_manifest_encode(manifest, &text);
    if (text.overflow)
        return err_set(err, RC_LIMIT, "Too many files", "manifest: %zu files", manifest->n);
    backup_manifest_name(manifest);
    (void) snprintf(below, sizeof(below), MANIFEST_DIR "/%s", manifest->file);
    path_in(dir, below, path);
    path_in(dir, MANIFEST_DIR "/.new", aside);
    path_in(dir, MANIFEST_DIR, folder);
    rc = backup_write_file(aside, buf_slice(&text), err);
    if (rc)
        return rc;
    if (rename(aside, path) != 0)
        return failed(err, path);
    rc = backup_sync_folder(folder, err);
    if (rc)
        return rc;
    dir->manifests = xrealloc(dir->manifests, (dir->n + 1) * sizeof(struct backup_manifest *));
    dir->manifests[dir->n++] = manifest;
    return RC_OK;
}

/* Names in the pool that a manifest needs. */
static struct map *named_files(const struct backup_dir *dir)
{
    struct map *named = map_new();

    for (size_t m = 0; m < dir->n; m++) {
        for (size_t i = 0; i < dir->manifests[m]->n; i++) {
            const struct backup_entry *entry = &dir->manifests[m]->entries[i];
            char path[BACKUP_FILE_PATH];

            backup_pool_path(dir, entry->name, &entry->hash, path);
            (void) map_put(named, slice_from_str(strrchr(path, '/') + 1), named);
        }
    }
    return named;
}

static enum rc sweep_pool(const struct backup_dir *dir, uint64_t *out_files, struct err *err)
{
    AUTO(names_done) struct name_list list = {0};
    AUTO(map_freep) struct map *named = named_files(dir);
    char path[BACKUP_FILE_PATH], below[BACKUP_NAME_BYTES + 64];
    enum rc rc;

    path_in(dir, POOL_DIR, path);
    rc = list_names(path, &list, err);
    for (size_t i = 0; i < list.n && !rc; i++) {
        if (map_get(named, slice_from_str(list.names[i])) != NULL)
            continue;
        (void) snprintf(below, sizeof(below), POOL_DIR "/%.120s", list.names[i]);
        path_in(dir, below, path);
        if (unlink(path) != 0)
            return failed(err, path);
        ++*out_files;
    }
    return rc;
}

/* A manifest that cannot be read may name any file: nothing is taken away beside one. */
enum rc backup_dir_prune(struct backup_dir *dir, size_t keep, uint64_t *out_files,
                         struct err *err)
{
    char path[BACKUP_FILE_PATH], below[BACKUP_NAME_BYTES + 16];
    size_t n_old = dir->n > keep ? dir->n - keep : 0;
    enum rc rc;

    *out_files = 0;
    if (dir->n_bad > 0)
        return err_set(err, RC_CORRUPT, "A manifest is damaged, nothing was pruned", "%s",
                       dir->bad[0]);
    for (size_t i = 0; i < n_old; i++) {
        (void) snprintf(below, sizeof(below), MANIFEST_DIR "/%s", dir->manifests[i]->file);
        path_in(dir, below, path);
        if (unlink(path) != 0)
            return failed(err, path);
        backup_manifest_free(dir->manifests[i]);
    }
    memmove(dir->manifests, dir->manifests + n_old, (dir->n - n_old) * sizeof(*dir->manifests));
    dir->n -= n_old;
    path_in(dir, MANIFEST_DIR, path);
    rc = backup_sync_folder(path, err); /* before the files that only they named */
    return rc ? rc : sweep_pool(dir, out_files, err);
}

/* ---- times ---- */

const struct backup_manifest *backup_dir_at(const struct backup_dir *dir, int64_t time_us)
{
    const struct backup_manifest *found = NULL;

    for (size_t i = 0; i < dir->n; i++)
        if (dir->manifests[i]->time_us <= time_us)
            found = dir->manifests[i];
    return found;
}

void backup_time_text(int64_t time_us, char *out, size_t size)
{
    time_t seconds = (time_t) (time_us / 1000000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void) snprintf(out, size, "?");
}

/* The fraction of a second, up to six digits; none: the end of that second. */
static bool parse_fraction(const char **at, int64_t *out)
{
    int64_t unit = 100000;

    *out = 999999;
    if (**at != '.')
        return true;
    *out = 0;
    for (++*at; **at >= '0' && **at <= '9'; ++*at, unit /= 10)
        *out += unit * (**at - '0');
    return true;
}

bool backup_time_parse(const char *text, int64_t *out_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

    for (size_t i = 0; i < COUNT(forms); i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, forms[i], &tm);
        int64_t fraction;
        time_t seconds;

        if (rest == NULL || !parse_fraction(&rest, &fraction))
            continue;
        if (*rest == 'Z')
            rest++;
        seconds = timegm(&tm);
        if (*rest != '\0' || seconds < 0)
            continue;
        *out_us = (int64_t) seconds * 1000000 + fraction;
        return true;
    }
    return false;
}
