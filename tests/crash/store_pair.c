/* store_pair.c - see store_pair.h. */
#include "store_pair.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "explore.h"
#include "must.h"

static const char *const names[2] = {"clean", "dirty"};

void store_pair_path(const struct store_pair *pair, const char *name,
                     char out[STORE_PATH_BYTES])
{
    (void) snprintf(out, STORE_PATH_BYTES, "%s/%s", pair->folder, name);
}

/* Ends without a stop: what was acknowledged is in the journal. */
_Noreturn static void leave_dirty(const char *path, struct ledger *ledger)
{
    static const enum step steps[] = {STEP_APPEND_INLINE, STEP_APPEND_SPILL, STEP_MOVE};
    struct scene *scene = xcalloc(1, sizeof(*scene));
    struct err err;

    scene_make_store(path, ledger);
    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", path, SCENE_STORE_NAME);
    scene->ledger = ledger;
    must(scene_open(scene, &err), "open", &err);
    must(scene_begin_ledger(scene, &err), "read", &err);
    for (size_t i = 0; i < COUNT(steps); i++)
        must(scene_step(scene, steps[i], &err), step_name(steps[i]), &err);
    _exit(0);
}

/* What a copy of the store holds when it is opened. */
static void read_ledger(struct store_pair *pair, struct recording *recording, size_t i)
{
    AUTO(freep) struct scene *scene = xcalloc(1, sizeof(*scene));
    char path[STORE_PATH_BYTES];
    struct err err;

    store_pair_path(pair, "read", path);
    store_pair_copy(pair, recording, i == 1, path);
    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", path, SCENE_STORE_NAME);
    scene->ledger = pair->ledgers[i];
    must(scene_open(scene, &err), "open", &err);
    must(scene_begin_ledger(scene, &err), "read", &err);
    scene_close(scene);
    remove_tree(path);
}

void store_pair_make(struct store_pair *pair)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    struct recording *recording = recording_new();
    char path[STORE_PATH_BYTES];
    int status;
    pid_t pid;

    (void) snprintf(pair->folder, sizeof(pair->folder), "%s/roost-crash-XXXXXX", base);
    if (mkdtemp(pair->folder) == NULL)
        die("%s cannot be made", pair->folder);
    for (size_t i = 0; i < 2; i++) {
        pair->ledgers[i] = ledger_new();
        store_pair_path(pair, names[i], path);
        (void) mkdir(path, 0700);
    }
    store_pair_path(pair, names[0], path);
    scene_make_store(path, pair->ledgers[0]);
    store_pair_path(pair, names[1], path);
    pid = fork();
    if (pid == 0)
        leave_dirty(path, pair->ledgers[1]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        die("the store that is not stopped cannot be made");
    for (size_t i = 0; i < 2; i++)
        read_ledger(pair, recording, i);
    recording_free(recording);
}

void store_pair_remove(struct store_pair *pair)
{
    remove_tree(pair->folder);
    for (size_t i = 0; i < 2; i++)
        ledger_free(pair->ledgers[i]);
}

void store_pair_copy(const struct store_pair *pair, struct recording *recording, bool is_dirty,
                     const char *to)
{
    char from[STORE_PATH_BYTES];
    struct disk *disk;

    store_pair_path(pair, names[is_dirty], from);
    recording_begin(recording, from, NULL);
    recording_end();
    disk = disk_new(recording);
    (void) disk_count(disk);
    disk_choose(disk, 0);
    disk_write(disk, to);
    disk_free(disk);
}

void store_pair_ledger(const struct store_pair *pair, bool is_dirty, struct ledger *out)
{
    const struct ledger *from = pair->ledgers[is_dirty];
    struct ledger_text *text = out->text;

    *out = *from;
    out->text = text;
    text->len = from->text->len;
    memcpy(text->bytes, from->text->bytes, text->len);
}
