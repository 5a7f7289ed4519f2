#include "base/clock.h"

#include <stdatomic.h>

static _Atomic int64_t fixed_us; /* 0: the system's clock. Set by tests only. */

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    int64_t fixed = atomic_load_explicit(&fixed_us, memory_order_relaxed);

    if (fixed != 0)
        return fixed;
    if (clock_gettime(id, &ts) != 0)
        die("clock_gettime failed");
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_sec(void)
{
    return clock_wall_us() / 1000000;
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_set_for_test(int64_t us)
{
    atomic_store_explicit(&fixed_us, us, memory_order_relaxed);
}
