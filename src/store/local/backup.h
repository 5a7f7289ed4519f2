/*
 * backup.h - what a backup of an open store consists of, kept in place while it is copied.
 *
 * docs/formats/backup.md. The order makes it one moment: (1) a hold, so that nothing vanishes;
 * (2) a copy of the state, made here in one short read transaction; (3) a point: the newest
 * position, made durable, and the time; (4) the list of files. All that the copied state names
 * is listed, the journal listed reaches from the state's floor to the point at least, and no
 * checkpoint in the state is newer than the point.
 *
 * Threads: one thread at a time for a backup. Backups may run side by side.
 */
#ifndef ROOST_STORE_LOCAL_BACKUP_H
#define ROOST_STORE_LOCAL_BACKUP_H

#include "store/local/super.h"

#define BACKUP_PATH_BYTES 64u

struct engine;
struct local_backup;

struct local_backup_file {
    char path[BACKUP_PATH_BYTES]; /* where it lies, below the store's directory */
    char name[BACKUP_PATH_BYTES]; /* where it belongs in a store */
    uint64_t length;              /* this much of it belongs to the backup */
    bool is_pack; /* never changed, and its first 128 bytes hold a salt: no two are alike */
};

struct local_backup_point {
    unsigned char uuid[16];
    uint64_t lsn;
    int64_t time_us; /* every batch with this clock or an earlier one is in the journal */
};

/* engine: of local_engine_open(). RC_FULL: no room for the copy of the state. */
MUST_CHECK enum rc local_backup_begin(struct engine *engine, struct local_backup **out,
                                      struct err *err);
const struct local_backup_point *local_backup_point(const struct local_backup *backup);
const struct local_backup_file *local_backup_files(const struct local_backup *backup,
                                                   size_t *out_n);
/* Was everything kept until now? RC_CONFLICT: no, the copies may be of two moments. */
MUST_CHECK enum rc local_backup_check(const struct local_backup *backup, struct err *err);
/* The copies are safe elsewhere: archived segments among the files go. */
void local_backup_taken(struct local_backup *backup);
/* Lets go. NULL is allowed. */
void local_backup_end(struct local_backup *backup);

/* The newest position there is and whether the options' until_us cut something off. */
void local_engine_end(struct engine *engine, uint64_t *out_lsn, bool *out_is_cut);

#endif
