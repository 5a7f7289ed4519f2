/* backup.c - the moment of a backup, and its files. */
#include "store/local/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/local/archive.h"
#include "store/local/hold.h"
#include "store/local/journal.h"
#include "store/local/keeper.h"

#define STATE_SUFFIX ".state"

struct local_backup {
    struct local *local;
    uint64_t hold;
    struct local_backup_point point;
    char state_path[BACKUP_PATH_BYTES];
    struct local_backup_file *files;
    size_t n, cap;
};

/* Which files of a directory belong to a backup, and how much of them. */
struct listing {
    struct local_backup *backup;
    int dir;
    const char *folder;
    bool (*wants)(const char *name);
    bool is_packs;
    struct err *err;
    enum rc rc;
};

static struct local_backup_file *add_file(struct local_backup *backup)
{
    if (backup->n == backup->cap) {
        backup->cap = MAX(2 * backup->cap, (size_t) 256);
        backup->files = xrealloc(backup->files, backup->cap * sizeof(*backup->files));
    }
    memset(&backup->files[backup->n], 0, sizeof(*backup->files));
    return &backup->files[backup->n++];
}

static void name_file(struct local_backup_file *file, const char *folder, const char *name)
{
    (void) snprintf(file->path, sizeof(file->path), "%.24s/%.38s", folder, name);
    memcpy(file->name, file->path, sizeof(file->name));
}

static bool see_file(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    struct local_backup_file *file;
    struct stat st;

    if (!listing->wants(name))
        return true;
    if (fstatat(listing->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) /* a file that was going when the hold began */
            listing->rc = file_error(listing->err, name);
        return listing->rc == RC_OK;
    }
    if (!S_ISREG(st.st_mode))
        return true;
    file = add_file(listing->backup);
    name_file(file, listing->folder, name);
    file->length = (uint64_t) st.st_size;
    file->is_pack = listing->is_packs && slice_ends(slice_from_str(name), SLICE(".pack"));
    return true;
}

static enum rc list_dir(struct local_backup *backup, int dir, const char *folder,
                        bool (*wants)(const char *name), struct err *err)
{
    struct listing listing = {.backup = backup,
                              .dir = dir,
                              .folder = folder,
                              .wants = wants,
                              .is_packs = dir == backup->local->layout.packs,
                              .err = err};
    enum rc rc = layout_each(dir, see_file, &listing, err);

    return rc ? rc : listing.rc;
}

/* Packs, and what else lies with them by number; a name on its way in ends in ".new". */
static bool wants_finished(const char *name)
{
    return !slice_ends(slice_from_str(name), SLICE(".new"));
}

static bool wants_spill(const char *name)
{
    uint64_t number;

    return layout_number(name, ".body", &number);
}

static bool wants_archived(const char *name)
{
    uint64_t number;

    return layout_number(name, ".seg", &number) || layout_number(name, ".body", &number) ||
           layout_number(name, ".super", &number);
}

/* The durable part of each live segment, and the header of one that is ready: an epoch without
 * a batch begins in such a one. */
static void measure_segments(struct local_backup *backup, size_t first)
{
    struct index *index = &backup->local->index;

    (void) pthread_mutex_lock(&index->lock);
    for (size_t i = first; i < backup->n; i++) {
        struct local_backup_file *file = &backup->files[i];
        uint64_t number = 0;

        (void) layout_number(file->path + strlen("log/"), ".seg", &number);
        file->length = MIN(file->length, (uint64_t) SEGMENT_HEADER_BYTES);
        LIST_FOREACH(it, &index->live)
        {
            const struct segment *segment = LINK_OWNER(it, struct segment, live);

            if (segment->number == number)
                file->length = MAX(segment->used, (uint64_t) SEGMENT_HEADER_BYTES);
        }
    }
    (void) pthread_mutex_unlock(&index->lock);
}

static bool wants_segment(const char *name)
{
    uint64_t number;

    return layout_number(name, ".seg", &number);
}

static enum rc list_files(struct local_backup *backup, struct err *err)
{
    struct local *local = backup->local;
    struct local_backup_file *super = add_file(backup);
    struct stat st;
    size_t first;
    enum rc rc;

    (void) snprintf(super->path, sizeof(super->path), "super");
    (void) snprintf(super->name, sizeof(super->name), "super");
    if (fstatat(local->layout.root, "super", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return file_error(err, "super");
    super->length = (uint64_t) st.st_size;
    first = backup->n;
    rc = list_dir(backup, local->layout.log, "log", wants_segment, err);
    if (rc)
        return rc;
    measure_segments(backup, first);
    rc = list_dir(backup, local->layout.spill, "spill", wants_spill, err);
    if (!rc)
        rc = list_dir(backup, local->layout.packs, "packs", wants_finished, err);
    if (!rc && archive_dir(local->archive) >= 0)
        rc = list_dir(backup, archive_dir(local->archive), "archive", wants_archived, err);
    return rc;
}

static enum rc copy_state(struct local_backup *backup, struct err *err)
{
    struct local *local = backup->local;
    struct local_backup_file *file;
    AUTO(closep) int fd = -1;
    struct stat st;
    enum rc rc;

    if (mkdirat(local->layout.root, "backup", 0700) != 0 && errno != EEXIST)
        return file_error(err, "backup");
    (void) snprintf(backup->state_path, sizeof(backup->state_path), "backup/%016llx%s",
                    (unsigned long long) backup->hold, STATE_SUFFIX);
    fd = openat(local->layout.root, backup->state_path,
                O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_error(err, "copy of the state");
    rc = state_copy(local->state, fd, err);
    if (rc)
        return rc;
    if (fstat(fd, &st) != 0)
        return file_error(err, "copy of the state");
    file = add_file(backup);
    memcpy(file->path, backup->state_path, sizeof(file->path));
    (void) snprintf(file->name, sizeof(file->name), "state/data.mdb");
    file->length = (uint64_t) st.st_size;
    return RC_OK;
}

enum rc local_backup_begin(struct engine *engine, struct local_backup **out, struct err *err)
{
    struct local *local = local_of(engine);
    struct local_backup *backup = xcalloc(1, sizeof(*backup));
    enum rc rc;

    backup->local = local;
    memcpy(backup->point.uuid, local->super->uuid, sizeof(backup->point.uuid));
    backup->hold = hold_begin(local);
    rc = copy_state(backup, err);
    if (!rc) {
        backup->point.time_us = clock_wall_us(); /* before the position: see the header */
        backup->point.lsn = journal_assigned(local->journal);
        journal_wait_durable(local->journal, backup->point.lsn);
        rc = list_files(backup, err);
    }
    if (rc) {
        local_backup_end(backup);
        return rc;
    }
    *out = backup;
    return RC_OK;
}

const struct local_backup_point *local_backup_point(const struct local_backup *backup)
{
    return &backup->point;
}

const struct local_backup_file *local_backup_files(const struct local_backup *backup,
                                                   size_t *out_n)
{
    *out_n = backup->n;
    return backup->files;
}

enum rc local_backup_check(const struct local_backup *backup, struct err *err)
{
    if (!hold_is_on(backup->local, backup->hold))
        return err_set(err, RC_CONFLICT, "The backup took too long, or the disk is full",
                       "backup: the hold was broken");
    return RC_OK;
}

void local_backup_taken(struct local_backup *backup)
{
    for (size_t i = 0; i < backup->n; i++) {
        const char *name = backup->files[i].path;

        if (slice_starts(slice_from_str(name), SLICE("archive/")))
            archive_drop(backup->local->archive, name + strlen("archive/"));
    }
}

void local_backup_end(struct local_backup *backup)
{
    if (backup == NULL)
        return;
    if (backup->state_path[0] != '\0')
        (void) unlinkat(backup->local->layout.root, backup->state_path, 0); /* else at start */
    hold_end(backup->local, backup->hold);
    keeper_poke(backup->local->keeper);
    free(backup->files);
    free(backup);
}

void local_engine_end(struct engine *engine, uint64_t *out_lsn, bool *out_is_cut)
{
    struct local *local = local_of(engine);

    *out_lsn = journal_assigned(local->journal);
    *out_is_cut = local->is_cut;
}
