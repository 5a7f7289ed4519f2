#include "base/priority.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_US          1000u
#define SCHED_KEEPS_POLICY 8u /* SCHED_FLAG_KEEP_POLICY of linux/sched.h */

/* linux/sched/types.h is not part of every set of headers, nor the struct of every libc. */
struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of an ordinary thread: its slice; 0: the system's */
    uint64_t deadline_ns, period_ns;
};

/* The policy stays: whoever starts the server may have chosen one. */
static void set(int nice, uint64_t slice_ns)
{
    struct sched_attributes attributes = {.size = sizeof(attributes),
                                          .flags = SCHED_KEEPS_POLICY,
                                          .nice = nice,
                                          .runtime_ns = slice_ns};

    (void) syscall(SYS_sched_setattr, 0, &attributes, 0); /* 0: this thread */
}

void priority_prompt(void)
{
    set(getpriority(PRIO_PROCESS, 0), (uint64_t) PRIORITY_SLICE_US * NS_PER_US);
}

void priority_behind(int nice)
{
    set(nice, 0);
}
