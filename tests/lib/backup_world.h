/*
 * backup_world.h - a store and a directory of its backups, filled as `roost backup` fills it,
 * and moments of it put together again.
 */
#ifndef ROOST_TESTS_BACKUP_WORLD_H
#define ROOST_TESTS_BACKUP_WORLD_H

#include "cli/backup_tree.h"
#include "lib/local_store.h"

struct backup_world {
    struct local_store store;
    char folder[64];
    struct backup_dir dir;
    /* Of the last backup: */
    size_t n_archived; /* files that came from the archive */
    size_t n_known;    /* packs that an earlier backup holds: not read again */
    size_t n_packs;    /* packs that were copied */
    size_t n_dicts;    /* dictionaries, copied or not */
};

/* A store, not open, and an empty directory. */
void backup_world_make(struct backup_world *world, uint64_t archive_max_bytes);
void backup_world_done(struct backup_world *world);
void backup_world_take(struct backup_world *world);

/* A copy that is open. */
struct backup_restored {
    struct engine *engine;
    char path[BACKUP_FILE_PATH];
};

/* As it was at that time (0: as late as can be). RC of what failed; nothing is left then. */
enum rc backup_world_restore(struct backup_world *world, int64_t at_us,
                             struct backup_restored *out);
void backup_world_let_go(struct backup_restored *restored);

/* Fails the test when it does not hold for long. */
void backup_world_wait(bool (*holds)(void *ctx), void *ctx);

#endif
