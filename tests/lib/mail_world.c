/* mail_world.c - see mail_world.h. */
#include "lib/mail_world.h"

#include <dirent.h>
#include <unistd.h>

#include "lib/plain_digester.h"

#define WORLD_SEGMENT_BYTES ((uint64_t) 1 << 20)
#define WORLD_FIRST_BYTES   ((uint64_t) 256 << 10)
#define WORLD_MAP_BYTES     ((uint64_t) 256 << 20)
#define WORLD_OWNER         1u /* the actor's device */

static void open_store(struct mail_world *world)
{
    struct mail_store_options options = {.engine = world->engine,
                                         .digester = &world->digester,
                                         .memory_bytes = world->memory_bytes,
                                         .quota = world->quota,
                                         .undelete_sec = INT32_MAX};

    world->digester.make = plain_digest;
    world->store = mail_store_new(&options);
}

void world_open_memory(struct mail_world *world, const struct memory_engine_options *options)
{
    struct memory_engine_options own = *options;

    if (world->disk == NULL)
        world->disk = memory_disk_new();
    own.disk = world->disk;
    world->engine = memory_engine_new(&own);
    open_store(world);
}

void world_open_local(struct mail_world *world, const struct local_options *options)
{
    struct local_options own = *options;
    struct err err;

    own.segment_bytes = own.segment_bytes != 0 ? own.segment_bytes : WORLD_SEGMENT_BYTES;
    own.first_segment_bytes =
        own.first_segment_bytes != 0 ? own.first_segment_bytes : WORLD_FIRST_BYTES;
    own.map_bytes = own.map_bytes != 0 ? own.map_bytes : WORLD_MAP_BYTES;
    if (world->path[0] == '\0') {
        (void) snprintf(world->path, sizeof(world->path), "/tmp/roost-world-XXXXXX");
        if (mkdtemp(world->path) == NULL || local_store_create(world->path, &err) != RC_OK)
            die("%s: cannot be made", world->path);
    }
    own.path = world->path;
    if (local_engine_open(&own, &world->engine, &err) != RC_OK)
        die("%s: %s", world->path, err.detail);
    open_store(world);
}

void world_adopt(struct mail_world *world, struct engine *engine)
{
    world->engine = engine;
    open_store(world);
}

void world_close(struct mail_world *world)
{
    mail_store_close(world->store);
    world->store = NULL;
    world->engine = NULL;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char name[512];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            remove_tree(name);
    }
    if (dir != NULL)
        (void) closedir(dir);
    (void) rmdir(path);
}

void world_done(struct mail_world *world)
{
    world_close(world);
    if (world->disk != NULL)
        memory_disk_free(world->disk);
    if (world->path[0] != '\0')
        remove_tree(world->path);
    *world = (struct mail_world){0};
}

/* ---- short words ---- */

struct account *world_account(struct mail_world *world, uint64_t id)
{
    struct account *account;
    struct err err;

    if (account_open(world->store, id, true, &account, &err) != RC_OK)
        die("account %llu: %s: %s", (unsigned long long) id, err.text, err.detail);
    return account;
}

struct mail_txn *world_begin(struct account *account)
{
    struct mail_txn *txn;
    struct err err;

    if (txn_begin(account, &(struct actor){account_id(account), WORLD_OWNER}, &txn, &err) !=
        RC_OK)
        die("begin: %s", err.detail);
    return txn;
}

uint64_t world_commit(struct mail_txn **txn)
{
    uint64_t position;
    struct err err;

    if (txn_commit(txn, &position, &err) != RC_OK)
        die("commit: %s: %s", err.text, err.detail);
    return position;
}

struct body_stage *world_stage(struct account *account, const char *text)
{
    struct engine *engine = mail_store_engine(account_store(account));
    struct body_stage *stage;
    struct err err;

    if (engine->ops->stage(engine, account_id(account), strlen(text), &stage, &err) != RC_OK ||
        engine->ops->stage_write(stage, slice_from_str(text), &err) != RC_OK)
        die("stage: %s", err.detail);
    return stage;
}

uint32_t world_append(struct account *account, const char *mailbox, const char *text,
                      uint64_t *out_position)
{
    struct new_message message = {.stage = world_stage(account, text)};
    struct mail_txn *txn = world_begin(account);
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), slice_from_str(mailbox));
    struct err err;
    uint64_t position;
    uint32_t uid;

    if (mbox == NULL || txn_append(txn, mbox_info(mbox)->id, &message, &uid, &err) != RC_OK)
        die("append to %s", mailbox);
    position = world_commit(&txn);
    if (out_position != NULL)
        *out_position = position;
    return uid;
}

uint32_t world_mailbox_id(struct account *account, const char *name, uint64_t own_position)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, own_position);
    const struct mbox *mbox = acct_mailbox_by_name(state, slice_from_str(name));

    return mbox != NULL ? mbox_info(mbox)->id : 0;
}

uint64_t world_flag(struct account *account, uint32_t mbox_id, uint32_t uid, enum flag_op op,
                    uint8_t flags)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct uid_run run = {uid, uid};
    const struct flag_change change = {.op = op, .flags = flags};
    struct mail_txn *txn = world_begin(account);
    struct uid_set changed, refused;
    struct err err;

    if (txn_change_flags(txn, mbox_id, &(struct uid_set){&run, 1}, &change, UNCHANGEDSINCE_NONE,
                         arena, &changed, &refused, &err) != RC_OK)
        die("flags: %s", err.detail);
    return world_commit(&txn);
}

uint64_t world_expunge(struct account *account, uint32_t mbox_id, uint32_t first, uint32_t last)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct uid_run run = {first, last};
    struct mail_txn *txn = world_begin(account);
    struct uid_set gone;
    struct err err;

    if (txn_expunge(txn, mbox_id, &(struct uid_set){&run, 1}, false, arena, &gone, &err) !=
        RC_OK)
        die("expunge: %s", err.detail);
    return world_commit(&txn);
}
