/*
 * memory_inside.h - the inside of a memory engine; for the files of this folder only.
 */
#ifndef ROOST_STORE_MEMORY_INSIDE_H
#define ROOST_STORE_MEMORY_INSIDE_H

#include <assert.h>

#include "store/memory/memory_disk.h"
#include "store/memory/memory_engine.h"

struct pending; /* a position that is to become durable */

struct memory_engine {
    struct engine engine;
    struct engine_ops ops; /* with the capabilities of these options */
    struct memory_engine_options options;
    struct memory_disk *disk;
    bool owns_disk;
    struct engine_events events; /* set by start, before there are commits */
    /* Under the disk's lock: */
    uint64_t n_commits;
    struct engine_status status;
    struct pending *first, **last;
    bool held, stopping;
    pthread_cond_t work;
    pthread_t thread; /* with option later */
};

static inline struct memory_engine *memory_self_of(struct engine *engine)
{
    return (struct memory_engine *) (void *) engine;
}

static inline void memory_lock(struct memory_engine *self)
{
    (void) pthread_mutex_lock(&self->disk->lock);
}

static inline void memory_unlock(struct memory_engine *self)
{
    (void) pthread_mutex_unlock(&self->disk->lock);
}

static inline enum rc memory_not_found(struct err *err, const char *what, uint64_t account)
{
    return err_set(err, RC_NOT_FOUND, "No such data", "memory engine: no %s of account %016llx",
                   what, (unsigned long long) account);
}

/* Exactly len bytes of them. */
static inline enum rc memory_copy_range(struct slice bytes, uint64_t offset, char *out,
                                        size_t len)
{
    assert(offset <= bytes.len && len <= bytes.len - offset);
    if (len > 0)
        memcpy(out, bytes.ptr + offset, len);
    return RC_OK;
}

/* ---- derived blobs (memory_derived.c): as engine.h says ---- */

enum rc memory_derived_begin(struct engine *engine, uint64_t account,
                             const struct derived_name *name, struct derived_writer **out,
                             struct err *err);
enum rc memory_derived_write(struct derived_writer *writer, struct slice bytes,
                             struct err *err);
void memory_derived_drop(struct derived_writer *writer);
enum rc memory_derived_finish(struct derived_writer *writer, struct err *err);
enum rc memory_derived_list(struct engine *engine, uint64_t id,
                            bool (*fn)(void *ctx, const struct derived_name *name), void *ctx,
                            struct err *err);
enum rc memory_derived_open(struct engine *engine, uint64_t id, const struct derived_name *name,
                            struct derived **out, struct err *err);
uint64_t memory_derived_length(const struct derived *derived);
enum rc memory_derived_read(const struct derived *derived, uint64_t offset, char *out,
                            size_t len, struct err *err);
void memory_derived_close(struct derived *derived);
enum rc memory_derived_remove(struct engine *engine, uint64_t id,
                              const struct derived_name *name, struct err *err);

#endif
