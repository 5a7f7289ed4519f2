/* backup_world.c - see backup_world.h. */
#include "lib/backup_world.h"

#include <poll.h>

#include "lib/test.h"
#include "store/local/backup.h"

#define WAIT_MS 120000

void backup_world_make(struct backup_world *world, uint64_t archive_max_bytes)
{
    struct err err;

    memset(world, 0, sizeof(*world));
    local_store_make(&world->store);
    world->store.options.archive_max_bytes = archive_max_bytes;
    (void) snprintf(world->folder, sizeof(world->folder), "/tmp/roost-backup-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(backup_dir_open(world->folder, "00112233445566778899aabbccddeeff", true,
                                     &world->dir, &err),
                     RC_OK);
}

void backup_world_done(struct backup_world *world)
{
    local_store_remove(&world->store);
    backup_dir_close(&world->dir);
    local_store_remove_tree(world->folder);
}

static void take_file(struct backup_world *world, struct backup_manifest *manifest,
                      const struct local_backup_file *file)
{
    char path[256], name[BACKUP_NAME_BYTES], aside[BACKUP_FILE_PATH];
    struct backup_hash hash;
    struct err err;

    (void) snprintf(path, sizeof(path), "%s/%s", world->store.path, file->path);
    (void) snprintf(name, sizeof(name), "mail/%s", file->name);
    world->n_dicts += slice_ends(slice_from_str(name), SLICE(".dict"));
    if (file->is_pack && backup_pack_is_known(&world->dir, path, name, file->length, &hash)) {
        backup_manifest_add(manifest, name, file->length, &hash);
        world->n_known++;
        return;
    }
    backup_pool_new(&world->dir, aside);
    if (backup_copy_file(path, file->length, aside, &hash, &err) != RC_OK ||
        backup_pool_take(&world->dir, aside, name, &hash, &err) != RC_OK)
        fail_msg("copy: %s", err.detail);
    backup_manifest_add(manifest, name, file->length, &hash);
    world->n_archived += strncmp(file->path, "archive/", 8) == 0;
    world->n_packs += file->is_pack;
}

void backup_world_take(struct backup_world *world)
{
    struct backup_manifest *manifest = backup_manifest_new();
    struct local_backup *backup = NULL;
    const struct local_backup_file *files;
    struct err err;
    size_t n;

    if (local_backup_begin(world->store.engine, &backup, &err) != RC_OK)
        fail_msg("begin: %s", err.detail);
    world->n_archived = world->n_known = world->n_packs = world->n_dicts = 0;
    files = local_backup_files(backup, &n);
    for (size_t i = 0; i < n; i++)
        take_file(world, manifest, &files[i]);
    memcpy(manifest->store, world->dir.store, sizeof(manifest->store));
    manifest->time_us = local_backup_point(backup)->time_us;
    manifest->lsn = local_backup_point(backup)->lsn;
    assert_int_equal(local_backup_check(backup, &err), RC_OK);
    if (backup_dir_add(&world->dir, manifest, &err) != RC_OK)
        fail_msg("add: %s", err.detail);
    local_backup_taken(backup);
    local_backup_end(backup);
}

enum rc backup_world_restore(struct backup_world *world, int64_t at_us,
                             struct backup_restored *out)
{
    struct backup_wish wish = {.dir = &world->dir, .at_us = at_us, .may_link = true};
    struct local_options options = world->store.options;
    struct backup_restored restored = {.engine = NULL};
    struct backup_tree tree;
    struct err err;
    enum rc rc;

    assert_int_equal(backup_scratch_make(&world->dir, NULL, restored.path, &err), RC_OK);
    rc = backup_tree_make(&wish, restored.path, &tree, &err);
    options.path = restored.path;
    options.archive_max_bytes = 0;
    options.until_us = tree.until_us;
    if (rc == RC_OK)
        rc = local_engine_open(&options, &restored.engine, &err);
    if (rc == RC_OK) {
        uint64_t lsn;
        bool is_cut;

        local_engine_end(restored.engine, &lsn, &is_cut);
        if (!is_cut && lsn < tree.least_lsn)
            rc = err_set(&err, RC_CONFLICT, "Too short", "it ends before the backup");
    }
    if (rc) {
        print_message("at %lld: %s\n", (long long) at_us, err.detail);
        backup_world_let_go(&restored);
        return rc;
    }
    *out = restored;
    return RC_OK;
}

void backup_world_let_go(struct backup_restored *restored)
{
    if (restored->engine != NULL)
        restored->engine->ops->close(restored->engine);
    backup_scratch_remove(restored->path);
}

void backup_world_wait(bool (*holds)(void *ctx), void *ctx)
{
    for (int waited = 0; !holds(ctx); waited += 5) {
        if (waited > WAIT_MS)
            fail_msg("it never comes");
        (void) poll(NULL, 0, 5);
    }
}
