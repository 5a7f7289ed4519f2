/*
 * loop.h - waiting for descriptors, moments and other threads, in one thread.
 *
 * A loop belongs to the thread that runs it; only loop_post and loop_wake may be called from
 * elsewhere. Handlers, timers and calls are structs inside their owners: the loop allocates
 * nothing for them but a heap slot for a running timer.
 *
 * Invariants: a handler is never called after loop_remove, a timer never after timer_stop, a
 * call never after loop_cancel, not even if the event had already been fetched from the kernel;
 * so an owner removes its handlers and may be freed at once, inside its own handler too. One
 * turn runs: ready descriptors, due timers, calls posted by threads, deferred calls. What is
 * deferred during a turn's deferred calls runs in the next turn, which then does not wait.
 * Where some descriptors go first (LOOP_FIRST), a turn hears all of those that are ready and
 * LOOP_OTHERS_MAX of the others, the next turn the next ones.
 */
#ifndef ROOST_NET_LOOP_H
#define ROOST_NET_LOOP_H

#include "base/clock.h"
#include "base/list.h"
#include "base/slice.h"

enum loop_events {
    LOOP_IN = 1,        /* readable, or the peer sends no more */
    LOOP_OUT = 2,       /* writable */
    LOOP_ERR = 4,       /* error or hang-up; told with the events that are wanted */
    LOOP_EXCLUSIVE = 8, /* only in loop_add: of several loops on one listener, wake few */
    LOOP_FIRST = 16,    /* only in loop_add: heard before the others, however many those are */
    LOOP_END = 32,      /* the peer sends no more, whatever of it is still to be read */
};

#define LOOP_OTHERS_MAX 4 /* heard between two looks at those that go first */

struct loop;

typedef void loop_fd_fn(void *ctx, unsigned ready);
typedef void loop_call_fn(void *ctx);

/* A watched descriptor. Zeroed memory is one that watches nothing. */
struct loop_fd {
    loop_fd_fn *fn;
    void *ctx;
    int fd;
    unsigned wants;
    bool added; /* loop_add was called, loop_remove was not */
    bool armed; /* known to the kernel: it is not while nothing is wanted */
    bool first; /* LOOP_FIRST, as long as it is added */
};

/* A moment. Zeroed memory is one that is not running. */
struct timer {
    loop_call_fn *fn;
    void *ctx;
    int64_t due_us;
    size_t slot; /* index in the heap + 1; 0: not running */
};

/* A function to run soon. Zeroed memory is one that is not queued. Deferred or posted: one
 * struct is for one of the two. */
struct loop_call {
    struct link link;
    loop_call_fn *fn;
    void *ctx;
    bool posted; /* in the list other threads write to; guarded by the loop's lock */
};

/* RC_IO if the kernel gives no epoll or event descriptor. */
MUST_CHECK enum rc loop_new(struct loop **out, struct err *err);
/* Nothing may still be posting. Handlers left are forgotten, their descriptors stay open. */
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);

/* Watch fd for wants (may be 0). The descriptor stays the caller's. RC_IO: the kernel refuses
 * it.
 */
MUST_CHECK enum rc loop_add(struct loop *loop, struct loop_fd *watch, int fd, unsigned wants,
                            loop_fd_fn *fn, void *ctx, struct err *err);
/* Change what is wanted. A watch that wants nothing hears nothing, no hang-up either. */
void loop_want(struct loop *loop, struct loop_fd *watch, unsigned wants);
/* Before the descriptor is closed. Does nothing for one that is not added. */
void loop_remove(struct loop *loop, struct loop_fd *watch);

/* The monotonic clock as of the start of this turn. */
int64_t loop_now_us(const struct loop *loop);
/* Run fn(ctx) once, delay_us from now; a running timer is moved. O(log n). */
void timer_start(struct loop *loop, struct timer *timer, int64_t delay_us, loop_call_fn *fn,
                 void *ctx);
void timer_stop(struct loop *loop, struct timer *timer);
static inline bool timer_is_running(const struct timer *timer)
{
    return timer->slot != 0;
}

/* Run fn(ctx) at the end of this turn. Queued already: nothing changes. Own thread only. */
void loop_defer(struct loop *loop, struct loop_call *call, loop_call_fn *fn, void *ctx);
/* The same from any thread: the loop wakes up. Several posts before it runs are one run. */
void loop_post(struct loop *loop, struct loop_call *call, loop_call_fn *fn, void *ctx);
/* Take a deferred or posted call back. Own thread only. */
void loop_cancel(struct loop *loop, struct loop_call *call);
/* End the wait of this turn. Any thread. */
void loop_wake(struct loop *loop);

/* Turns until loop_stop. RC_IO if waiting itself fails. */
MUST_CHECK enum rc loop_run(struct loop *loop, struct err *err);
/* Let loop_run return after this turn, or at once if it is called next. Own thread only. */
void loop_stop(struct loop *loop);
/* One turn; waits at most max_wait_us (-1: as long as it takes). */
MUST_CHECK enum rc loop_turn(struct loop *loop, int64_t max_wait_us, struct err *err);

#endif
