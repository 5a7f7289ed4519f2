/*
 * stage.c - staged bodies: memory, budget, spill files.
 *
 * Order for a body in a file: its bytes, fdatasync, the name N.body (until then N.new),
 * directory synced, and only then may a group that refers to it be handed to the journal. A
 * crash before the group is durable leaves a file that no group names: recovery removes it.
 */
#include "store/local/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/local/archive.h"
#include "store/local/hold.h"
#include "store/local/keeper.h"

static bool take_budget(struct local *local, uint64_t bytes)
{
    uint64_t now = atomic_fetch_add(&local->staged_bytes, bytes);

    if (now + bytes <= local->options.stage_memory_bytes)
        return true;
    (void) atomic_fetch_sub(&local->staged_bytes, bytes);
    return false;
}

static void give_budget(struct body_stage *stage)
{
    (void) atomic_fetch_sub(&stage->local->staged_bytes, stage->budgeted);
    stage->budgeted = 0;
}

static enum rc spill_create(struct local *local, struct spill **out, struct err *err)
{
    struct spill *spill;
    char name[LAYOUT_NAME_BYTES];

    if (keeper_is_full(local->keeper)) /* what is left is for those who make space */
        return err_set(err, RC_FULL, "The disk is full", "no spill file on a full disk");
    spill = xcalloc(1, sizeof(*spill));
    spill->number = atomic_fetch_add(&local->next_spill, 1);
    spill->refs = 1;
    layout_name(name, spill->number, ".new");
    spill->fd = openat(local->layout.spill, name,
                       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spill->fd < 0) {
        free(spill);
        return file_error(err, "create a spill file");
    }
    *out = spill;
    return RC_OK;
}

/* Makes the file and its final name durable. A failed sync of the file is final for this body
 * only: nothing refers to it yet. One of the directory is final for all. */
static enum rc spill_settle(struct local *local, const struct spill *spill, struct err *err)
{
    char from[LAYOUT_NAME_BYTES], to[LAYOUT_NAME_BYTES];

    layout_name(from, spill->number, ".new");
    layout_name(to, spill->number, ".body");
    if (fdatasync(spill->fd) != 0)
        return file_error(err, "fdatasync of a spill file");
    if (renameat(local->layout.spill, from, local->layout.spill, to) != 0)
        return file_error(err, "rename of a spill file");
    if (layout_sync_dir(local->layout.spill, err) != RC_OK)
        local_fatal(local, err);
    return RC_OK;
}

void spill_remove(struct local *local, struct spill *spill)
{
    char name[LAYOUT_NAME_BYTES];

    if (spill == NULL)
        return;
    /* What cannot be removed now is removed by the next recovery. */
    layout_name(name, spill->number, ".new");
    if (unlinkat(local->layout.spill, name, 0) != 0) {
        layout_name(name, spill->number, ".body");
        archive_body(local->archive, local->layout.spill, name);
        hold_unlink(local, local->layout.spill, name);
    }
    spill_free(spill);
}

enum rc stage_new(struct local *local, uint64_t account, uint64_t size_hint,
                  struct body_stage **out, struct err *err)
{
    struct body_stage *stage;
    size_t cap = (size_t) MIN(MAX(size_hint, (uint64_t) 512), (uint64_t) STAGE_FREE_BYTES);

    if (size_hint > BODY_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Message too large", "stage: %llu bytes",
                       (unsigned long long) size_hint);
    stage = xcalloc(1, sizeof(*stage));
    stage->local = local;
    stage->account = account;
    stage->mem = xmalloc(cap);
    stage->cap = cap;
    stage->block_state = XXH3_createState();
    if (stage->block_state == NULL)
        die("out of memory");
    (void) XXH3_64bits_reset(stage->block_state);
    *out = stage;
    return RC_OK;
}

static void add_hash(struct body_stage *stage)
{
    if (stage->n_hashes == stage->cap_hashes) {
        stage->cap_hashes = MAX(stage->cap_hashes * 2, (size_t) 1);
        stage->hashes = xrealloc(stage->hashes, stage->cap_hashes * sizeof(*stage->hashes));
    }
    stage->hashes[stage->n_hashes++] = XXH3_64bits_digest(stage->block_state);
    (void) XXH3_64bits_reset(stage->block_state);
}

static void hash_bytes(struct body_stage *stage, struct slice bytes)
{
    uint64_t at = stage->length;

    while (bytes.len > 0) {
        size_t room = (size_t) (BODY_BLOCK_BYTES - at % BODY_BLOCK_BYTES);
        size_t n = MIN(room, bytes.len);

        (void) XXH3_64bits_update(stage->block_state, bytes.ptr, n);
        if (n == room)
            add_hash(stage);
        bytes = slice_from(bytes, n);
        at += n;
    }
}

/* Memory to a file: the body is too long for the journal, or the budget is spent. */
static enum rc move_to_file(struct body_stage *stage, struct err *err)
{
    enum rc rc = spill_create(stage->local, &stage->spill, err);

    if (rc)
        return rc;
    rc = file_write_all(stage->spill->fd, stage->mem, (size_t) stage->length, 0, err);
    if (rc) {
        spill_remove(stage->local, TAKE(stage->spill));
        return rc;
    }
    free(TAKE(stage->mem));
    stage->cap = 0;
    give_budget(stage);
    return RC_OK;
}

/* Room for n more bytes in memory; false when they have to go to a file. */
static bool grow(struct body_stage *stage, size_t n)
{
    size_t need = (size_t) stage->length + n, cap = stage->cap;
    size_t extra;

    if (need > INLINE_MAX_BYTES)
        return false;
    while (cap < need)
        cap *= 2;
    cap = MIN(cap, INLINE_MAX_BYTES);
    extra = cap > STAGE_FREE_BYTES ? cap - stage->budgeted : 0;
    if (cap != stage->cap && extra > 0) {
        if (!take_budget(stage->local, extra))
            return false;
        stage->budgeted += extra;
    }
    if (cap != stage->cap) {
        stage->mem = xrealloc(stage->mem, cap);
        stage->cap = cap;
    }
    return true;
}

enum rc stage_write(struct body_stage *stage, struct slice bytes, struct err *err)
{
    enum rc rc;

    if (stage->is_finished)
        die("a finished stage was written to");
    if (bytes.len > BODY_MAX_BYTES - stage->length)
        return err_set(err, RC_LIMIT, "Message too large", "stage: over %llu bytes",
                       (unsigned long long) BODY_MAX_BYTES);
    if (stage->mem != NULL && !grow(stage, bytes.len)) {
        rc = move_to_file(stage, err);
        if (rc)
            return rc;
    }
    if (stage->mem != NULL) {
        if (bytes.len > 0)
            memcpy(stage->mem + stage->length, bytes.ptr, bytes.len);
    } else {
        rc = file_write_all(stage->spill->fd, bytes.ptr, bytes.len, stage->length, err);
        if (rc)
            return rc;
    }
    hash_bytes(stage, bytes);
    stage->length += bytes.len;
    if (stage->mem == NULL && stage->length - stage->flushed > STAGE_FLUSH_BYTES) {
        /* Writing back early makes the sync at the end short; it promises nothing. */
        (void) sync_file_range(stage->spill->fd, (off_t) stage->flushed,
                               (off_t) (stage->length - stage->flushed), SYNC_FILE_RANGE_WRITE);
        stage->flushed = stage->length;
    }
    return RC_OK;
}

uint64_t stage_length(const struct body_stage *stage)
{
    return stage->length;
}

enum rc stage_read(const struct body_stage *stage, uint64_t offset, char *out, size_t len,
                   struct err *err)
{
    if (offset > stage->length || len > stage->length - offset)
        return err_set(err, RC_INVALID, "Out of range", "stage_read: behind the end");
    if (stage->mem == NULL)
        return file_read_all(stage->spill->fd, out, len, stage->spill_offset + offset, err);
    if (len > 0)
        memcpy(out, stage->mem + offset, len);
    return RC_OK;
}

void stage_free(struct body_stage *stage)
{
    struct spill *dead = NULL;

    if (stage == NULL)
        return;
    if (stage->spill != NULL) {
        (void) pthread_mutex_lock(&stage->local->index.lock);
        dead = spill_unref(stage->spill);
        (void) pthread_mutex_unlock(&stage->local->index.lock);
        spill_remove(stage->local, dead);
    }
    give_budget(stage);
    free(stage->mem);
    free(stage->hashes);
    (void) XXH3_freeState(stage->block_state);
    free(stage);
}

enum rc stage_finish(struct body_stage *stage, struct err *err)
{
    if (!stage->is_finished && stage->length % BODY_BLOCK_BYTES != 0)
        add_hash(stage);
    stage->is_finished = true;
    if (stage->has_failed)
        return err_set(err, RC_IO, "Storage failure", "a spill file was not synced");
    if (stage->spill != NULL && !stage->is_synced) {
        enum rc rc = spill_settle(stage->local, stage->spill, err);

        stage->has_failed = rc != RC_OK;
        if (rc)
            return rc;
        stage->is_synced = true;
    }
    return RC_OK;
}

enum rc stage_spill_all(struct local *local, struct body_stage *const *stages, size_t n,
                        struct err *err)
{
    struct spill *spill = NULL;
    uint64_t at = 0;
    enum rc rc = spill_create(local, &spill, err);

    for (size_t i = 0; i < n && !rc; i++) {
        if (stages[i]->mem == NULL)
            continue;
        rc = file_write_all(spill->fd, stages[i]->mem, (size_t) stages[i]->length, at, err);
        at += stages[i]->length;
    }
    if (!rc)
        rc = spill_settle(local, spill, err);
    if (rc) {
        spill_remove(local, spill); /* nobody else knows of it */
        return rc;
    }
    at = 0;
    for (size_t i = 0; i < n; i++) {
        struct body_stage *stage = stages[i];

        if (stage->mem == NULL)
            continue;
        free(TAKE(stage->mem));
        give_budget(stage);
        stage->spill = spill; /* not shared with other threads yet: no lock for refs */
        spill->refs++;
        stage->spill_offset = at;
        stage->is_synced = true;
        at += stage->length;
    }
    spill->refs--; /* the creator's */
    return RC_OK;
}
