/* memory_derived.c - derived blobs of a memory engine; they are there until they are removed.
 */
#include "store/memory/memory_inside.h"

#define DERIVED_MEMORY_MAX_BYTES ((size_t) 256 << 20)

struct derived_writer {
    struct memory_engine *engine;
    uint64_t account;
    struct derived_name name;
    struct buf bytes;
};

enum rc memory_derived_begin(struct engine *engine, uint64_t account,
                             const struct derived_name *name, struct derived_writer **out,
                             struct err *err)
{
    struct derived_writer *writer = xcalloc(1, sizeof(*writer));

    (void) err;
    writer->engine = memory_self_of(engine);
    writer->account = account;
    writer->name = *name;
    buf_init(&writer->bytes, DERIVED_MEMORY_MAX_BYTES);
    *out = writer;
    return RC_OK;
}

enum rc memory_derived_write(struct derived_writer *writer, struct slice bytes, struct err *err)
{
    buf_append(&writer->bytes, bytes);
    if (writer->bytes.overflow)
        return err_set(err, RC_LIMIT, "Too large", "memory engine: derived blob");
    return RC_OK;
}

void memory_derived_drop(struct derived_writer *writer)
{
    if (writer == NULL)
        return;
    buf_done(&writer->bytes);
    free(writer);
}

enum rc memory_derived_finish(struct derived_writer *writer, struct err *err)
{
    struct memory_engine *self = writer->engine;
    struct memory_account *account;
    struct derived *derived = xcalloc(1, sizeof(*derived));

    *derived = (struct derived){.refs = 1,
                                .disk = self->disk,
                                .name = writer->name,
                                .bytes = heap_dup(buf_slice(&writer->bytes))};
    memory_lock(self);
    account = disk_account(self->disk, writer->account);
    if (account != NULL)
        disk_put_derived(account, derived);
    else
        disk_derived_unref(derived);
    memory_unlock(self);
    memory_derived_drop(writer);
    return account != NULL ? RC_OK : memory_not_found(err, "account", 0);
}

enum rc memory_derived_list(struct engine *engine, uint64_t id,
                            bool (*fn)(void *ctx, const struct derived_name *name), void *ctx,
                            struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    const struct memory_account *account;
    AUTO(freep) struct derived_name *names = NULL;
    size_t n = 0;

    (void) err;
    memory_lock(self);
    account = disk_account(self->disk, id);
    if (account != NULL) {
        n = account->n_derived;
        names = xcalloc(n + 1, sizeof(*names));
        for (size_t i = 0; i < n; i++)
            names[i] = account->derived[i]->name;
    }
    memory_unlock(self);
    for (size_t i = 0; i < n && fn(ctx, &names[i]); i++)
        continue;
    return RC_OK;
}

enum rc memory_derived_open(struct engine *engine, uint64_t id, const struct derived_name *name,
                            struct derived **out, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    const struct memory_account *account;
    struct derived *derived = NULL;
    size_t at;

    memory_lock(self);
    account = disk_account(self->disk, id);
    at = account != NULL ? disk_find_derived(account, name) : 0;
    if (account != NULL && at < account->n_derived) {
        derived = account->derived[at];
        derived->refs++;
    }
    memory_unlock(self);
    if (derived == NULL)
        return memory_not_found(err, "derived blob", id);
    *out = derived;
    return RC_OK;
}

uint64_t memory_derived_length(const struct derived *derived)
{
    return derived->bytes.len;
}

enum rc memory_derived_read(const struct derived *derived, uint64_t offset, char *out,
                            size_t len, struct err *err)
{
    if (offset > derived->bytes.len || len > derived->bytes.len - offset)
        return err_set(err, RC_CORRUPT, "Stored data is damaged",
                       "derived: a range behind the end");
    return memory_copy_range(derived->bytes, offset, out, len);
}

void memory_derived_close(struct derived *derived)
{
    struct memory_disk *disk;

    if (derived == NULL)
        return;
    disk = derived->disk;
    (void) pthread_mutex_lock(&disk->lock);
    disk_derived_unref(derived);
    (void) pthread_mutex_unlock(&disk->lock);
}

enum rc memory_derived_remove(struct engine *engine, uint64_t id,
                              const struct derived_name *name, struct err *err)
{
    struct memory_engine *self = memory_self_of(engine);
    struct memory_account *account;

    (void) err;
    memory_lock(self);
    account = disk_account(self->disk, id);
    if (account != NULL)
        disk_drop_derived(account, name);
    memory_unlock(self);
    return RC_OK;
}
