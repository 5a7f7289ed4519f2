/* test_priority.c - what a thread asks of the scheduler, as the kernel tells it. */
// links: base
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/priority.h"
#include "lib/test.h"

#define NICE_BEHIND 12

/* What sched_getattr fills in (sched_setattr(2)). */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

struct told {
    struct attributes usual, prompt, heir, behind;
};

static struct attributes now(void)
{
    struct attributes attributes = {0};

    assert_int_equal(syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0), 0);
    return attributes;
}

static void *inherit(void *ctx)
{
    struct told *told = ctx;

    told->heir = now();
    priority_behind(NICE_BEHIND);
    told->behind = now();
    return NULL;
}

/* A kernel before 6.12 has no slices and tells none. */
static bool has_slices(const struct told *told)
{
    return told->usual.runtime_ns != 0;
}

static void *run(void *ctx)
{
    struct told *told = ctx;
    pthread_t heir;

    told->usual = now();
    priority_prompt();
    told->prompt = now();
    assert_int_equal(pthread_create(&heir, NULL, inherit, told), 0);
    assert_int_equal(pthread_join(heir, NULL), 0);
    return NULL;
}

static void a_slice_is_asked_for_and_inherited_and_given_back(void **state)
{
    struct told told;
    pthread_t thread;

    (void) state;
    assert_int_equal(pthread_create(&thread, NULL, run, &told), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(told.prompt.nice, told.usual.nice);
    assert_int_equal(told.behind.nice, MAX(told.usual.nice, NICE_BEHIND));
    assert_int_equal(told.prompt.policy, told.usual.policy);
    if (!has_slices(&told))
        skip();
    assert_int_equal(told.prompt.runtime_ns, PRIORITY_SLICE_US * 1000u);
    assert_int_equal(told.heir.runtime_ns, told.prompt.runtime_ns);
    assert_int_equal(told.behind.runtime_ns, told.usual.runtime_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_is_asked_for_and_inherited_and_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
