/*
 * memory_engine.h - an engine whose disk is memory: for tests, and for trying things out.
 *
 * It keeps every promise of engine.h but survival of the process. What tests want besides: a
 * conflict or a failure on every n-th commit, durability that comes later and from another
 * thread, a stop of it, and a crash that loses what was not durable. A memory_disk outlives its
 * engines as a disk outlives processes; one engine uses it at a time.
 */
#ifndef ROOST_STORE_MEMORY_ENGINE_H
#define ROOST_STORE_MEMORY_ENGINE_H

#include "store/engine.h"

struct memory_disk;

struct memory_disk *memory_disk_new(void);
/* No engine uses it any more. */
void memory_disk_free(struct memory_disk *disk);

struct memory_engine_options {
    struct memory_disk *disk; /* NULL: one of its own, gone with the engine */
    /* The n-th commit (2n-th, ...) answers RC_CONFLICT with nothing done; 0: never. Not with
     * no_conflict. */
    uint32_t conflict_every;
    /* The n-th commit answers RC_FULL with nothing done; 0: never. */
    uint32_t fail_every;
    bool no_conflict; /* ENGINE_NO_CONFLICT: a commit on any base but the newest is a bug */
    bool later;       /* durable comes from a thread, after commit(); only with no_conflict */
    bool one_account; /* without ENGINE_MULTI_ACCT */
};

struct engine *memory_engine_new(const struct memory_engine_options *options);

/* Nothing more becomes durable while held (option later). */
void memory_engine_hold(struct engine *engine, bool on);
/* As if the power failed: the engine is gone, and with it what was not durable. */
void memory_engine_crash(struct engine *engine);

#endif
