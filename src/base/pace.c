#include "base/pace.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* linux/ioprio.h is not part of every set of headers. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_BEST_EFFORT 2
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_LOWEST      7

void pace_init(struct pace *pace)
{
    pthread_condattr_t attr;

    *pace = (struct pace){0};
    (void) pthread_mutex_init(&pace->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&pace->work, &attr);
    (void) pthread_condattr_destroy(&attr);
}

void pace_done(struct pace *pace)
{
    (void) pthread_cond_destroy(&pace->work);
    (void) pthread_mutex_destroy(&pace->lock);
}

enum rc pace_start(struct pace *pace, void *(*run)(void *ctx), void *ctx, struct err *err)
{
    if (pthread_create(&pace->thread, NULL, run, ctx) != 0)
        return err_set(err, RC_UNAVAILABLE, "No threads left", "pace: pthread_create");
    pace->has_thread = true;
    return RC_OK;
}

/* Not the idle classes: a thread that holds a lock must go on. */
void pace_lower_priority(void)
{
    (void) setpriority(PRIO_PROCESS, 0, PACE_NICE); /* 0: this thread */
    (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                   IOPRIO_BEST_EFFORT << IOPRIO_CLASS_SHIFT | IOPRIO_LOWEST);
}

void pace_poke(struct pace *pace)
{
    (void) pthread_mutex_lock(&pace->lock);
    pace->is_poked = true;
    (void) pthread_cond_signal(&pace->work);
    (void) pthread_mutex_unlock(&pace->lock);
}

void pace_end(struct pace *pace)
{
    (void) pthread_mutex_lock(&pace->lock);
    pace->is_stopping = true;
    (void) pthread_cond_signal(&pace->work);
    (void) pthread_mutex_unlock(&pace->lock);
    if (pace->has_thread)
        (void) pthread_join(pace->thread, NULL);
    pace->has_thread = false;
}

bool pace_is_stopping(struct pace *pace)
{
    bool is_stopping;

    (void) pthread_mutex_lock(&pace->lock);
    is_stopping = pace->is_stopping;
    (void) pthread_mutex_unlock(&pace->lock);
    return is_stopping;
}

static struct timespec time_after(int64_t us)
{
    struct timespec at;

    (void) clock_gettime(CLOCK_MONOTONIC, &at); /* the condition's clock, in tests too */
    us += at.tv_nsec / 1000;
    at.tv_sec += us / 1000000;
    at.tv_nsec = us % 1000000 * 1000;
    return at;
}

void pace_wait(struct pace *pace, int64_t ms)
{
    struct timespec until = time_after(ms * 1000);

    (void) pthread_mutex_lock(&pace->lock);
    while (!pace->is_poked && !pace->is_stopping &&
           pthread_cond_timedwait(&pace->work, &pace->lock, &until) == 0)
        ;
    pace->is_poked = false;
    (void) pthread_mutex_unlock(&pace->lock);
    pace->slice_us = 0;
}

bool pace_rest(struct pace *pace, bool is_pressing)
{
    int64_t now_us = clock_mono_us(), worked_us;
    struct timespec until;

    if (pace->slice_us == 0)
        pace->slice_us = now_us;
    worked_us = now_us - pace->slice_us;
    if (worked_us < PACE_SLICE_US || is_pressing)
        return !pace_is_stopping(pace);
    until = time_after(worked_us * PACE_REST_PARTS);
    (void) pthread_mutex_lock(&pace->lock);
    while (!pace->is_stopping && pthread_cond_timedwait(&pace->work, &pace->lock, &until) == 0)
        ;
    (void) pthread_mutex_unlock(&pace->lock);
    pace->slice_us = clock_mono_us();
    return !pace_is_stopping(pace);
}
