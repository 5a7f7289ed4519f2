/*
 * pace.h - the pace of a thread that works behind everything else: low priority, small slices
 * with rests in between, a poke when there is something to do, a stop that does not wait.
 *
 * A slice is PACE_SLICE_US of work; the rest after it is PACE_REST_PARTS times as long as the
 * work was, so that such a thread takes a bounded part of one core and of the disk, whatever
 * either is able to do. Under pressure there is no rest: what clients wait for goes first.
 *
 * Where somebody says what is at work in front (pace_front_note), the thread gives way to it:
 * its slice ends with the piece at hand, and the rest lasts until nothing is at work, but not
 * longer than PACE_FRONT_PARTS slices; then it works one slice whole. So it never starves: it
 * has a sixteenth of a core however much is asked in front. When nothing has begun in front for
 * PACE_QUIET_US, nobody is kept waiting, and it works without rests.
 */
#ifndef ROOST_BASE_PACE_H
#define ROOST_BASE_PACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PACE_SLICE_US    5000
#define PACE_REST_PARTS  3
#define PACE_FRONT_PARTS 15
#define PACE_QUIET_US    1000000
#define PACE_LOOK_MS     2 /* how often a thread that gives way looks whether it may go on */
#define PACE_NICE        10 /* a low share of the processor, never none: such a thread takes locks */

/* What somebody waits for: how many threads are at it. All zero at first. */
struct pace_front {
    _Atomic uint32_t n;       /* a gauge; nothing is read by it */
    _Atomic uint32_t n_begun; /* goes round */
};

/* Any thread; as often with false as with true. */
void pace_front_note(struct pace_front *front, bool begins);
bool pace_front_is_busy(const struct pace_front *front); /* NULL: it never is */

struct pace {
    const struct pace_front *front; /* NULL: nobody says; set before the thread starts */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool is_poked;            /* lock */
    bool is_stopping;         /* lock */
    int64_t slice_us;         /* the thread's own: when its slice began; 0: it has not */
    bool is_owed;             /* the thread's own: it gave way as long as it has to */
    uint32_t n_begun;         /* the thread's own: in front, as last seen */
    int64_t begun_us;         /* the thread's own: when it saw that; 0: it has not */
    _Atomic uint32_t n_rests; /* for tests */
    _Atomic uint32_t n_looks; /* whether it may go on, while it gave way; for tests */
};

void pace_init(struct pace *pace);
void pace_done(struct pace *pace);

/* From the thread itself, once. What the system refuses is done without. */
void pace_lower_priority(void);

/* The thread itself; what is not started need not be ended. RC_UNAVAILABLE. */
MUST_CHECK enum rc pace_start(struct pace *pace, void *(*run)(void *ctx), void *ctx,
                              struct err *err);
/* It ends at its next rest or wait, and has ended when this returns. */
void pace_end(struct pace *pace);

void pace_poke(struct pace *pace);
bool pace_is_stopping(struct pace *pace);

/* Until poked, stopped, or so many milliseconds are over. */
void pace_wait(struct pace *pace, int64_t ms);
/* Between two small pieces of work. False: it is time to end. */
bool pace_rest(struct pace *pace, bool is_pressing);

#endif
