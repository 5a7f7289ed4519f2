/*
 * pool.h - many connections, few threads: whoever is free serves the connection that has
 * something.
 *
 * Each member is a descriptor and a function. All threads wait on one epoll set in which every
 * descriptor is armed for one event; the thread that gets it owns the member until its function
 * returns, and arms it anew with what the function asks for, unless the kernel has that still
 * to tell. So one thread at a time runs a member and an idle member has no thread.
 *
 * A member may also be woken from any thread (pool_wake): a reply has become durable, a mailbox
 * has changed. A woken member stands in a queue, which every thread looks at before it waits
 * for the kernel; if all wait, one is called, and calls the next one when there is more than it
 * can take. A member that waits to write is not queued: its peer does not read, and a run would
 * only add to what it does not read. A wake during a run is remembered, and the member runs
 * again before it is parked.
 *
 * What computes for long goes on in a slow thread: those have a lower priority and serve
 * nothing else, so that who is waited for has the processor at once. A member that asks for one
 * (POOL_SLOW) stands in a queue of theirs, and counts as running until it has been there.
 *
 * Why a member cannot run twice at once, and no wake is lost: each member lies in a slot that
 * is never freed, with a lock and its flags. Arming, waking and taking all happen under that
 * lock. The taker of an event runs the member only if it is parked and the event is of the
 * slot's present generation, else the event becomes a wake; the taker from the queue runs it
 * only if it is parked and still to be woken. A slot is in the queue at most once, and stays in
 * it when its member goes: whoever takes it out finds nobody to run. A thread counts as idle
 * under the queue's lock, after it has found the queue empty: who queues a member behind that
 * sees an idle thread, or one that has been called and has not looked yet.
 */
#ifndef ROOST_NET_POOL_H
#define ROOST_NET_POOL_H

#include "base/slice.h"
#include "net/loop.h"

#define POOL_MEMBERS_MAX (1u << 20)
#define POOL_SLOW_NICE   10 /* of the slow threads: a tenth of a core that others want whole */

struct pool;

/* Names a member for as long as the pool lives; a handle of one that is gone is simply no
 * longer found. 0: none. */
typedef uint64_t pool_handle;

/* What a member's function answers: what to wait for (LOOP_IN, LOOP_OUT, both, or 0 for wakes
 * only, when not even a hang-up is told), ... */
#define POOL_AGAIN 0x100u /* ... to be run again soon, behind others ... */
#define POOL_SLOW  0x400u /* ... or at once by a slow thread; which may answer the same ... */
#define POOL_GONE                                                                              \
    0x200u /* ... or that it has ended: its descriptor may be closed and its memory freed by   \
              then */

/* In ready: the thread is a slow one. */
#define POOL_IS_SLOW 0x800u

/* ready: LOOP_IN and LOOP_OUT as the kernel says; 0 for a mere wake. */
typedef unsigned pool_run_fn(void *ctx, unsigned ready);

/* Threads start at once; each calls warm_up (may be NULL) first. n_threads 1..256; n_slow of
 * them besides; without any nobody answers POOL_SLOW. */
MUST_CHECK enum rc pool_new(unsigned n_threads, unsigned n_slow, void (*warm_up)(void),
                            struct pool **out, struct err *err);
/* Ends the threads when what runs has returned. Members left are told nothing; they must be
 * gone by then. */
void pool_free(struct pool *pool);

/*
 * Take a non-blocking descriptor in; run is called at once, with ready 0. *out_handle is set
 * before that. RC_LIMIT: POOL_MEMBERS_MAX. The descriptor stays the member's; it calls
 * pool_forget before it closes it.
 */
MUST_CHECK enum rc pool_add(struct pool *pool, int fd, pool_run_fn *run, void *ctx,
                            pool_handle *out_handle, struct err *err);
/* From inside run, before the descriptor is closed: no event and no wake comes any more. Answer
 * POOL_GONE then. */
void pool_forget(struct pool *pool, pool_handle handle);

/* Any thread, also from callbacks that may not block for long. An unknown handle is ignored. */
void pool_wake(struct pool *pool, pool_handle handle);

/*
 * Call fn for every member that was added with this run function, running or not, under its
 * slot's lock: the member is not freed meanwhile, and fn touches only what the member shares
 * with others (atomics, what never changes). Where fn answers true the member is woken. For
 * time-outs, kicks, lists. fn calls nothing of the pool.
 */
void pool_each(struct pool *pool, pool_run_fn *kind, bool (*fn)(void *member, void *ctx),
               void *ctx);

size_t pool_count(struct pool *pool);

#endif
