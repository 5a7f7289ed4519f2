/*
 * backup_tree.h - a store put together from backups: the state and bodies of one, the journal
 * of it and of those after it, up to a moment.
 *
 * What comes out is a store as a crash leaves it, and is opened by the engine like any other
 * (store/local/local.h, until_us): there is no second reader of these formats.
 */
#ifndef ROOST_CLI_BACKUP_TREE_H
#define ROOST_CLI_BACKUP_TREE_H

#include "cli/backup_dir.h"
#include "cli/progress.h"

struct backup_wish {
    const struct backup_dir *dir;
    int64_t at_us;       /* 0: as late as can be */
    const char *journal; /* the mail folder of the machine that was lost; NULL: gone */
    bool may_link;       /* a copy to look at: packs are links where they can be, unhashed */
    struct progress *progress; /* NULL: silent */
};

struct backup_tree {
    const struct backup_manifest *base;
    int64_t until_us;   /* for the engine; 0: all of the journal */
    uint64_t least_lsn; /* unless it cuts at until_us, the engine must come as far as this */
    bool is_complete;   /* the journal is the lost machine's own */
};

/*
 * to: an empty directory. RC_NOT_FOUND: no backup is that old, or none reaches so far;
 * RC_CORRUPT: a file is not what its manifest says; RC_CONFLICT: the journal between two
 * backups is missing.
 */
MUST_CHECK enum rc backup_tree_make(const struct backup_wish *wish, const char *to,
                                    struct backup_tree *out, struct err *err);

/* A new directory for a copy to look at: in the backup directory, where links can be made, or
 * in `folder`. */
MUST_CHECK enum rc backup_scratch_make(const struct backup_dir *dir, const char *folder,
                                       char out[BACKUP_FILE_PATH], struct err *err);
/* With all that is in it. */
void backup_scratch_remove(const char *path);

#endif
