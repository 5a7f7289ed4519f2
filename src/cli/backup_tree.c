#include "cli/backup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "store/local/layout.h"
#include "store/local/rejoin.h"
#include "store/local/segment.h"

#define SUPER_BYTES_MAX ((size_t) 1 << 20)
#define SUPERS_MAX      4096u
#define REMOVE_FDS      16

/* A file that may serve: from a manifest, or from the lost machine. */
struct source {
    char path[BACKUP_FILE_PATH];
    uint64_t length;
    struct backup_hash hash; /* "": not known */
};

struct chosen {
    uint64_t number;
    struct source source;
};

struct join {
    const struct backup_wish *wish;
    const struct backup_manifest *base;
    size_t base_at, target_at; /* in the directory; target_at == n: none but the journal */
    struct super *super;       /* joined */
    struct super **others;
    size_t n_others;
    struct chosen *segments, *spills;
    size_t n_segments, n_spills;
    const char *to;
    uint64_t n_files;
};

static enum rc failed(struct err *err, const char *path)
{
    return err_set(err, errno == ENOSPC ? RC_FULL : RC_IO, "A file failed", "%s: %s", path,
                   strerror(errno));
}

static void join_done(struct join *join)
{
    for (size_t i = 0; i < join->n_others; i++)
        free(join->others[i]);
    free(join->others);
    free(join->super);
    free(join->segments);
    free(join->spills);
}

static struct source from_pool(const struct join *join, const struct backup_entry *entry)
{
    struct source source = {.length = entry->length, .hash = entry->hash};

    backup_pool_path(join->wish->dir, entry->name, &entry->hash, source.path);
    return source;
}

/* ---- placing files ---- */

static enum rc check_hash(const struct source *source, const struct backup_hash *hash,
                          struct err *err)
{
    if (source->hash.text[0] == '\0' || strcmp(source->hash.text, hash->text) == 0)
        return RC_OK;
    return err_set(err, RC_CORRUPT, "A file of the backup is damaged", "%s has hash %.16s",
                   source->path, hash->text);
}

static enum rc place(struct join *join, const struct source *source, const char *name,
                     bool may_link, struct err *err)
{
    char to[BACKUP_FILE_PATH];
    struct backup_hash hash;
    enum rc rc;

    (void) snprintf(to, sizeof(to), "%.3900s/%.90s", join->to, name);
    if (join->wish->progress != NULL)
        progress_tell(join->wish->progress, ++join->n_files, 0, 0);
    if (may_link && link(source->path, to) == 0)
        return RC_OK;
    rc = backup_copy_file(source->path, source->length, to, &hash, err);
    return rc ? rc : check_hash(source, &hash, err);
}

/* ---- superblocks ---- */

static enum rc read_super(const struct source *source, struct super *out, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    struct backup_hash hash;
    bool is_damaged; /* one copy of two: the other serves */
    size_t len = 0;
    enum rc rc = backup_read_file(source->path, SUPER_BYTES_MAX, &bytes, &len, err);

    if (rc)
        return rc;
    backup_hash_bytes(slice_of(bytes, len), &hash);
    rc = check_hash(source, &hash, err);
    return rc ? rc : super_decode(slice_of(bytes, len), out, &is_damaged, err);
}

static enum rc add_other(struct join *join, const struct source *source, struct err *err)
{
    struct super *super = xcalloc(1, sizeof(*super));
    enum rc rc = read_super(source, super, err);

    if (rc == RC_OK && join->n_others == SUPERS_MAX)
        rc = err_set(err, RC_LIMIT, "Too many restarts in that time", "%u superblocks",
                     SUPERS_MAX);
    if (rc) {
        free(super);
        return rc;
    }
    join->others = xrealloc(join->others, (join->n_others + 1) * sizeof(struct super *));
    join->others[join->n_others++] = super;
    return RC_OK;
}

static bool name_is(const char *name, const char *folder, const char *suffix, uint64_t *out)
{
    size_t len = strlen(folder);

    return strncmp(name, folder, len) == 0 && strlen(name) > len + 16 &&
           layout_number(name + len, suffix, out);
}

static enum rc add_supers(struct join *join, const struct backup_manifest *manifest,
                          struct err *err)
{
    const struct backup_entry *own = backup_manifest_find(manifest, "mail/super");
    struct source source;
    enum rc rc;

    if (own == NULL)
        return err_set(err, RC_CORRUPT, "The manifest is damaged", "no superblock in it");
    source = from_pool(join, own);
    rc = add_other(join, &source, err);
    for (size_t i = 0; i < manifest->n && rc == RC_OK; i++) {
        uint64_t number;

        if (!name_is(manifest->entries[i].name, "mail/archive/", ".super", &number))
            continue;
        source = from_pool(join, &manifest->entries[i]);
        rc = add_other(join, &source, err);
    }
    return rc;
}

/* ---- the lost machine's files ---- */

typedef enum rc lost_file_fn(struct join *join, uint64_t number, const struct source *source,
                             struct err *err);

static enum rc each_lost(struct join *join, const char *folder, const char *suffix,
                         lost_file_fn *fn, struct err *err)
{
    char path[BACKUP_FILE_PATH];
    const struct dirent *entry;
    enum rc rc = RC_OK;
    DIR *stream;

    (void) snprintf(path, sizeof(path), "%.3800s/%s", join->wish->journal, folder);
    stream = opendir(path);
    if (stream == NULL)
        return errno == ENOENT ? RC_OK : failed(err, path);
    while (rc == RC_OK && (entry = readdir(stream)) != NULL) {
        struct source source = {.length = 0};
        struct stat st;
        uint64_t number;

        (void) snprintf(source.path, sizeof(source.path), "%.3900s/%.90s", path, entry->d_name);
        if (!layout_number(entry->d_name, suffix, &number) || lstat(source.path, &st) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        source.length = (uint64_t) st.st_size;
        rc = fn(join, number, &source, err);
    }
    (void) closedir(stream); /* only read */
    return rc;
}

static enum rc take_lost_super(struct join *join, uint64_t number, const struct source *source,
                               struct err *err)
{
    (void) number;
    return add_other(join, source, err);
}

static enum rc add_lost_supers(struct join *join, struct err *err)
{
    struct source source = {.length = 0};
    enum rc rc;

    (void) snprintf(source.path, sizeof(source.path), "%.3800s/super", join->wish->journal);
    rc = add_other(join, &source, err);
    return rc ? rc : each_lost(join, "archive", ".super", take_lost_super, err);
}

/* ---- joining ---- */

/* The target's own superblock is believed first: it knows its own history. */
static enum rc gather_supers(struct join *join, struct err *err)
{
    const struct backup_dir *dir = join->wish->dir;
    enum rc rc = RC_OK;

    if (join->wish->journal != NULL)
        rc = add_lost_supers(join, err);
    for (size_t i = MIN(join->target_at + 1, dir->n); i > join->base_at && rc == RC_OK; i--)
        rc = add_supers(join, dir->manifests[i - 1], err);
    return rc;
}

static enum rc join_super(struct join *join, struct err *err)
{
    const struct backup_entry *entry = backup_manifest_find(join->base, "mail/super");
    AUTO(freep) struct super *base = xcalloc(1, sizeof(*base));
    const struct super *target;
    struct source source;
    enum rc rc;

    if (entry == NULL)
        return err_set(err, RC_CORRUPT, "The manifest is damaged", "no superblock in it");
    source = from_pool(join, entry);
    rc = read_super(&source, base, err);
    if (rc)
        return rc;
    join->super = xcalloc(1, sizeof(*join->super));
    if (join->base_at == join->target_at) { /* one backup is all there is to it */
        *join->super = *base;
        return RC_OK;
    }
    rc = gather_supers(join, err);
    if (!rc)
        rc = super_rejoin(base, join->base->lsn, (const struct super *const *) join->others,
                          join->n_others, join->super, err);
    if (rc)
        return rc;
    target = join->others[0];
    if (target->n_epochs > 0 &&
        !super_has_epoch(join->super, target->epochs[target->n_epochs - 1].key.epoch))
        return err_set(err, RC_CONFLICT, "The journal between the backups is missing",
                       "from backup %s on: set archive = yes to keep it", join->base->file);
    return RC_OK;
}

static enum rc read_header(const struct source *source, uint64_t *out_number,
                           uint64_t *out_epoch, struct err *err)
{
    AUTO(closep) int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char header[64] = {0};

    if (fd < 0)
        return failed(err, source->path);
    if (pread(fd, header, sizeof(header), 0) != (ssize_t) sizeof(header) ||
        !segment_header_names(slice_of(header, sizeof(header)), out_number, out_epoch))
        *out_epoch = 0; /* a spare, or damage: no epoch has it */
    return RC_OK;
}

/* The longest of each number. */
static void choose(struct chosen **list, size_t *n, uint64_t number,
                   const struct source *source)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*list)[i].number != number)
            continue;
        if (source->length > (*list)[i].source.length)
            (*list)[i].source = *source;
        return;
    }
    *list = xrealloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = (struct chosen){number, *source};
}

static enum rc offer_segment(struct join *join, uint64_t number, const struct source *source,
                             struct err *err)
{
    uint64_t named = 0, epoch = 0;
    enum rc rc;

    if (number < join->super->start.segment)
        return RC_OK;
    rc = read_header(source, &named, &epoch, err);
    if (rc == RC_OK && named == number && super_has_epoch(join->super, epoch))
        choose(&join->segments, &join->n_segments, number, source);
    return rc;
}

static enum rc offer_spill(struct join *join, uint64_t number, const struct source *source,
                           struct err *err)
{
    (void) err;
    choose(&join->spills, &join->n_spills, number, source);
    return RC_OK;
}

static enum rc offer_files(struct join *join, const struct backup_manifest *manifest,
                           struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < manifest->n && rc == RC_OK; i++) {
        const struct backup_entry *entry = &manifest->entries[i];
        struct source source = from_pool(join, entry);
        uint64_t number;

        if (name_is(entry->name, "mail/log/", ".seg", &number) ||
            name_is(entry->name, "mail/archive/", ".seg", &number))
            rc = offer_segment(join, number, &source, err);
        else if (name_is(entry->name, "mail/spill/", ".body", &number) ||
                 name_is(entry->name, "mail/archive/", ".body", &number))
            rc = offer_spill(join, number, &source, err);
    }
    return rc;
}

static enum rc gather_journal(struct join *join, struct err *err)
{
    const struct backup_dir *dir = join->wish->dir;
    enum rc rc = RC_OK;

    for (size_t i = join->base_at; i < MIN(join->target_at + 1, dir->n) && rc == RC_OK; i++)
        rc = offer_files(join, dir->manifests[i], err);
    if (rc || join->wish->journal == NULL)
        return rc;
    rc = each_lost(join, "log", ".seg", offer_segment, err);
    if (!rc)
        rc = each_lost(join, "archive", ".seg", offer_segment, err);
    if (!rc)
        rc = each_lost(join, "spill", ".body", offer_spill, err);
    return rc ? rc : each_lost(join, "archive", ".body", offer_spill, err);
}

/* ---- the tree ---- */

static enum rc make_folders(const char *to, struct err *err)
{
    static const char *const folders[] = {"log", "spill", "packs", "state"};

    for (size_t i = 0; i < COUNT(folders); i++) {
        char path[BACKUP_FILE_PATH];

        (void) snprintf(path, sizeof(path), "%.3900s/%s", to, folders[i]);
        if (mkdir(path, 0700) != 0)
            return failed(err, path);
    }
    return RC_OK;
}

static enum rc place_base(struct join *join, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < join->base->n && rc == RC_OK; i++) {
        const struct backup_entry *entry = &join->base->entries[i];
        bool is_pack = strncmp(entry->name, "mail/packs/", 11) == 0;
        struct source source = from_pool(join, entry);

        if (is_pack || strcmp(entry->name, "mail/state/data.mdb") == 0)
            rc = place(join, &source, entry->name + strlen("mail/"),
                       is_pack && join->wish->may_link, err);
    }
    return rc;
}

static enum rc place_chosen(struct join *join, const struct chosen *list, size_t n,
                            const char *folder, const char *suffix, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        char number[LAYOUT_NAME_BYTES], name[64];

        layout_name(number, list[i].number, suffix);
        (void) snprintf(name, sizeof(name), "%s/%s", folder, number);
        rc = place(join, &list[i].source, name, false, err);
    }
    return rc;
}

/* The superblock last, as when a store is made. */
static enum rc build(struct join *join, struct err *err)
{
    AUTO(closep) int root = -1;
    enum rc rc = make_folders(join->to, err);

    if (!rc)
        rc = place_base(join, err);
    if (!rc)
        rc = place_chosen(join, join->segments, join->n_segments, "log", ".seg", err);
    if (!rc)
        rc = place_chosen(join, join->spills, join->n_spills, "spill", ".body", err);
    if (rc)
        return rc;
    root = open(join->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return failed(err, join->to);
    return super_write(root, join->super, err);
}

static enum rc choose_target(const struct backup_wish *wish, size_t *out, struct err *err)
{
    const struct backup_dir *dir = wish->dir;
    char time[64];

    *out = dir->n;
    if (wish->journal != NULL)
        return RC_OK;
    if (wish->at_us == 0) {
        *out = dir->n - 1;
        return RC_OK;
    }
    for (size_t i = 0; i < dir->n && *out == dir->n; i++)
        if (dir->manifests[i]->time_us >= wish->at_us)
            *out = i;
    if (*out < dir->n)
        return RC_OK;
    backup_time_text(dir->manifests[dir->n - 1]->time_us, time, sizeof(time));
    return err_set(err, RC_NOT_FOUND, "No backup reaches that moment",
                   "the newest is of %s; leave --at out for it", time);
}

/* From the newest backup that is old enough on: the first whose journal leads to the target. */
static enum rc join_any(struct join *join, struct err *err)
{
    const struct backup_dir *dir = join->wish->dir;
    int64_t latest = join->wish->at_us != 0 ? join->wish->at_us : INT64_MAX;
    enum rc rc = RC_NOT_FOUND;
    char time[64];

    for (size_t i = MIN(join->target_at + 1, dir->n); i > 0; i--) {
        struct join fresh = {.wish = join->wish, .to = join->to, .target_at = join->target_at};

        if (dir->manifests[i - 1]->time_us > latest)
            continue;
        join_done(join);
        *join = fresh;
        join->base_at = i - 1;
        join->base = dir->manifests[i - 1];
        rc = join_super(join, err);
        if (rc != RC_CONFLICT)
            return rc;
    }
    if (rc == RC_CONFLICT)
        return rc;
    backup_time_text(dir->manifests[0]->time_us, time, sizeof(time));
    return err_set(err, RC_NOT_FOUND, "No backup is that old", "the oldest is of %s", time);
}

enum rc backup_tree_make(const struct backup_wish *wish, const char *to,
                         struct backup_tree *out, struct err *err)
{
    AUTO(join_done) struct join join = {.wish = wish, .to = to};
    enum rc rc;

    if (wish->dir->n == 0)
        return err_set(err, RC_NOT_FOUND, "No backup here", "%s holds no whole backup",
                       wish->dir->path);
    rc = choose_target(wish, &join.target_at, err);
    if (!rc)
        rc = join_any(&join, err);
    if (!rc)
        rc = gather_journal(&join, err);
    if (!rc)
        rc = build(&join, err);
    if (rc)
        return rc;
    *out = (struct backup_tree){.base = join.base, .until_us = wish->at_us};
    if (join.target_at < wish->dir->n)
        out->least_lsn = wish->dir->manifests[join.target_at]->lsn;
    out->is_complete = wish->journal != NULL;
    return RC_OK;
}

/* ---- scratch ---- */

enum rc backup_scratch_make(const struct backup_dir *dir, const char *folder,
                            char out[BACKUP_FILE_PATH], struct err *err)
{
    (void) snprintf(out, BACKUP_FILE_PATH, "%.3900s/.scratch-XXXXXX",
                    folder != NULL ? folder : dir->path);
    return mkdtemp(out) != NULL
               ? RC_OK
               : err_set(err, RC_IO, "No place for a copy to look at",
                         "%s: %s; give another with --scratch", out, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void) st;
    (void) type;
    (void) at;
    return remove(path);
}

void backup_scratch_remove(const char *path)
{
    (void) nftw(path, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS); /* else it stays, named */
}
