#include "base/pace.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/priority.h"

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

void pace_front_note(struct pace_front *front, bool begins)
{
    if (begins) {
        (void) atomic_fetch_add_explicit(&front->n, 1, memory_order_relaxed);
        (void) atomic_fetch_add_explicit(&front->n_begun, 1, memory_order_relaxed);
    } else {
        (void) atomic_fetch_sub_explicit(&front->n, 1, memory_order_relaxed);
    }
}

bool pace_front_is_busy(const struct pace_front *front)
{
    return front != NULL && atomic_load_explicit(&front->n, memory_order_relaxed) > 0;
}

/* Not the idle classes: a thread that holds a lock must go on. */
void pace_lower_priority(void)
{
    priority_behind(PACE_NICE);
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

/* Until then, or until it is time to end. */
static void sleep_until(struct pace *pace, const struct timespec *until)
{
    (void) pthread_mutex_lock(&pace->lock);
    while (!pace->is_stopping && pthread_cond_timedwait(&pace->work, &pace->lock, until) == 0)
        ;
    (void) pthread_mutex_unlock(&pace->lock);
}

/* As long as others are at work in front, but no longer than it has to. */
static void give_way(struct pace *pace)
{
    int64_t until_us = clock_mono_us() + (int64_t) PACE_SLICE_US * PACE_FRONT_PARTS;

    while (pace_front_is_busy(pace->front) && !pace_is_stopping(pace)) {
        struct timespec look = time_after((int64_t) PACE_LOOK_MS * 1000);

        pace->is_owed = clock_mono_us() >= until_us;
        if (pace->is_owed)
            return;
        (void) atomic_fetch_add_explicit(&pace->n_looks, 1, memory_order_relaxed);
        sleep_until(pace, &look);
    }
}

/* Has nothing begun in front for a while? */
static bool is_quiet(struct pace *pace, int64_t now_us)
{
    uint32_t n_begun;

    if (pace->front == NULL)
        return false;
    n_begun = atomic_load_explicit(&pace->front->n_begun, memory_order_relaxed);
    if (n_begun != pace->n_begun || pace->begun_us == 0 || pace_front_is_busy(pace->front)) {
        pace->n_begun = n_begun;
        pace->begun_us = now_us;
    }
    return now_us - pace->begun_us >= PACE_QUIET_US;
}

static void rest_for(struct pace *pace, int64_t us)
{
    struct timespec until = time_after(us);

    (void) atomic_fetch_add_explicit(&pace->n_rests, 1, memory_order_relaxed);
    sleep_until(pace, &until);
}

bool pace_rest(struct pace *pace, bool is_pressing)
{
    int64_t now_us = clock_mono_us(), worked_us;
    bool is_over;

    if (pace->slice_us == 0)
        pace->slice_us = now_us;
    worked_us = now_us - pace->slice_us;
    is_over = worked_us >= PACE_SLICE_US || (!pace->is_owed && pace_front_is_busy(pace->front));
    if (!is_over || is_pressing)
        return !pace_is_stopping(pace);
    pace->is_owed = false;
    if (!is_quiet(pace, now_us))
        rest_for(pace, worked_us * PACE_REST_PARTS);
    give_way(pace);
    pace->slice_us = clock_mono_us();
    return !pace_is_stopping(pace);
}
