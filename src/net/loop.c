#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_BATCH      128 /* events fetched at once: fair to timers, and cheap to search */
#define WAITED_FOR      ((unsigned) LOOP_IN | (unsigned) LOOP_OUT | (unsigned) LOOP_END)
#define LOOP_WAIT_MS    600000 /* the longest single wait; only bounds the conversion to int */
#define HEAP_FIRST_CAP  64u
#define US_PER_MS       1000
#define HEAP_CHILDREN   4u /* flatter than a binary heap: fewer cache lines for 100k timers */
#define HEAP_NOT_QUEUED 0u

struct loop {
    int epoll_fd, wake_fd;
    bool stopping;
    int64_t now_us;

    struct epoll_event batch[LOOP_BATCH];
    int batch_len;  /* what of it was dispatched, or struck out, has no events */
    int others_at;  /* where in the next batch those begin that do not go first */
    size_t n_first; /* watches that go first */

    struct timer **heap; /* heap[0] is due first */
    size_t heap_len, heap_cap;

    struct list deferred;
    pthread_mutex_t lock; /* guards posted and the posted flag of its members */
    struct list posted;
};

enum rc loop_new(struct loop **out, struct err *err)
{
    AUTO(loop_freep) struct loop *loop = xcalloc(1, sizeof(*loop));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};

    list_init(&loop->deferred);
    list_init(&loop->posted);
    if (pthread_mutex_init(&loop->lock, NULL) != 0)
        die("loop: no mutex");
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->wake_fd < 0 || loop->epoll_fd < 0)
        return err_set(err, RC_IO, "Server error", "epoll_create1, eventfd: %s",
                       strerror(errno));
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0)
        return err_set(err, RC_IO, "Server error", "epoll_ctl eventfd: %s", strerror(errno));
    loop->now_us = clock_mono_us();
    *out = TAKE(loop);
    return RC_OK;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    closep(&loop->epoll_fd);
    closep(&loop->wake_fd);
    (void) pthread_mutex_destroy(&loop->lock);
    free(loop->heap);
    free(loop);
}

void loop_freep(struct loop **loop)
{
    loop_free(*loop);
}

/* --- descriptors --- */

static uint32_t epoll_bits(unsigned wants)
{
    return ((wants & LOOP_IN) != 0 ? (uint32_t) EPOLLIN : 0u) |
           ((wants & LOOP_OUT) != 0 ? (uint32_t) EPOLLOUT : 0u) |
           ((wants & LOOP_END) != 0 ? (uint32_t) EPOLLRDHUP : 0u) |
           ((wants & LOOP_EXCLUSIVE) != 0 ? (uint32_t) EPOLLEXCLUSIVE : 0u);
}

static bool wants_nothing(unsigned wants)
{
    return (wants & WAITED_FOR) == 0;
}

enum rc loop_add(struct loop *loop, struct loop_fd *watch, int fd, unsigned wants,
                 loop_fd_fn *fn, void *ctx, struct err *err)
{
    struct epoll_event event = {.events = epoll_bits(wants), .data = {.ptr = watch}};

    if (!wants_nothing(wants) && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return err_set(err, RC_IO, "Server error", "epoll_ctl add %d: %s", fd, strerror(errno));
    *watch = (struct loop_fd){.fn = fn,
                              .ctx = ctx,
                              .fd = fd,
                              .wants = wants & ~(unsigned) LOOP_FIRST,
                              .added = true,
                              .armed = !wants_nothing(wants),
                              .first = (wants & LOOP_FIRST) != 0};
    loop->n_first += watch->first;
    return RC_OK;
}

/*
 * The kernel reports hang-up and errors whether asked or not, and would do so in every turn. A
 * watch that wants nothing (a paused reader) is therefore taken out of epoll, not set to zero.
 * The kernel refuses to modify an exclusive watch, so that one is taken out and added again.
 */
void loop_want(struct loop *loop, struct loop_fd *watch, unsigned wants)
{
    struct epoll_event event = {.events = epoll_bits(wants), .data = {.ptr = watch}};
    int op = watch->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (!watch->added)
        die("loop: descriptor is not watched");
    if (watch->wants == wants)
        return;
    if (watch->armed && (wants_nothing(wants) || (watch->wants & LOOP_EXCLUSIVE) != 0)) {
        (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        watch->armed = false;
        op = EPOLL_CTL_ADD;
    }
    watch->wants = wants;
    if (wants_nothing(wants))
        return;
    if (epoll_ctl(loop->epoll_fd, op, watch->fd, &event) != 0)
        die("loop: epoll_ctl %d: %s", watch->fd, strerror(errno));
    watch->armed = true;
}

/* Events of this watch that were fetched but not dispatched yet are struck out. */
void loop_remove(struct loop *loop, struct loop_fd *watch)
{
    if (!watch->added)
        return;
    if (watch->armed)
        (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    loop->n_first -= watch->first;
    watch->added = watch->armed = watch->first = false;
    for (int i = 0; i < loop->batch_len; i++) {
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].events = 0;
    }
}

static void drain_wake(struct loop *loop)
{
    uint64_t count;

    (void) !read(loop->wake_fd, &count, sizeof(count)); /* empty: somebody else's wake-up */
}

static void dispatch(struct loop *loop, struct epoll_event *event)
{
    struct loop_fd *watch = event->data.ptr;
    uint32_t events = event->events;
    unsigned ready = 0;

    event->events = 0;
    if (watch == NULL) {
        drain_wake(loop);
        return;
    }
    if ((events & (uint32_t) (EPOLLERR | EPOLLHUP)) != 0)
        ready = LOOP_ERR | (watch->wants & WAITED_FOR);
    if ((events & (uint32_t) EPOLLIN) != 0)
        ready |= LOOP_IN;
    if ((events & (uint32_t) EPOLLOUT) != 0)
        ready |= LOOP_OUT;
    if ((events & (uint32_t) EPOLLRDHUP) != 0)
        ready |= LOOP_END;
    ready &= watch->wants | LOOP_ERR; /* wants may have changed since the fetch */
    if (ready != 0 && !wants_nothing(watch->wants))
        watch->fn(watch->ctx, ready);
}

static bool goes_first(const struct epoll_event *event)
{
    const struct loop_fd *watch = event->data.ptr;

    return event->events != 0 && (watch == NULL || watch->first);
}

static void dispatch_first(struct loop *loop)
{
    for (int i = 0; i < loop->batch_len; i++) {
        if (goes_first(&loop->batch[i]))
            dispatch(loop, &loop->batch[i]);
    }
}

/*
 * What is left over the kernel tells again in the next turn, in the same order behind what it
 * has not told yet (epoll(7), level-triggered). So each turn goes on where the one before it
 * ended: a few that are ready all the time leave nobody out.
 */
static void dispatch_others(struct loop *loop, int most)
{
    int start = loop->others_at < loop->batch_len ? loop->others_at : 0, i;

    for (i = 0; i < loop->batch_len && most > 0; i++) {
        struct epoll_event *event = &loop->batch[(start + i) % loop->batch_len];

        if (event->events == 0)
            continue;
        dispatch(loop, event);
        most--;
    }
    loop->others_at = start + i;
}

static void dispatch_events(struct loop *loop)
{
    if (loop->n_first > 0) {
        dispatch_first(loop);
        dispatch_others(loop, LOOP_OTHERS_MAX);
    } else {
        loop->others_at = 0;
        dispatch_others(loop, LOOP_BATCH);
    }
    loop->batch_len = 0;
}

/* --- timers: a heap of pointers; each timer knows its slot, so that stopping is O(log n) ---
 */

static void heap_set(struct loop *loop, size_t i, struct timer *timer)
{
    loop->heap[i] = timer;
    timer->slot = i + 1;
}

static void heap_up(struct loop *loop, size_t i, struct timer *timer)
{
    while (i > 0) {
        size_t parent = (i - 1) / HEAP_CHILDREN;

        if (loop->heap[parent]->due_us <= timer->due_us)
            break;
        heap_set(loop, i, loop->heap[parent]);
        i = parent;
    }
    heap_set(loop, i, timer);
}

static void heap_down(struct loop *loop, size_t i, struct timer *timer)
{
    for (;;) {
        size_t first = i * HEAP_CHILDREN + 1, least = first;
        size_t end = MIN(first + HEAP_CHILDREN, loop->heap_len);

        if (first >= loop->heap_len)
            break;
        for (size_t child = first + 1; child < end; child++) {
            if (loop->heap[child]->due_us < loop->heap[least]->due_us)
                least = child;
        }
        if (loop->heap[least]->due_us >= timer->due_us)
            break;
        heap_set(loop, i, loop->heap[least]);
        i = least;
    }
    heap_set(loop, i, timer);
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    size_t i;
    struct timer *last;

    if (timer->slot == HEAP_NOT_QUEUED)
        return;
    i = timer->slot - 1;
    timer->slot = HEAP_NOT_QUEUED;
    last = loop->heap[--loop->heap_len];
    if (last == timer)
        return;
    if (i > 0 && loop->heap[(i - 1) / HEAP_CHILDREN]->due_us > last->due_us)
        heap_up(loop, i, last);
    else
        heap_down(loop, i, last);
}

void timer_start(struct loop *loop, struct timer *timer, int64_t delay_us, loop_call_fn *fn,
                 void *ctx)
{
    timer_stop(loop, timer);
    timer->fn = fn;
    timer->ctx = ctx;
    timer->due_us = loop->now_us + delay_us;
    if (loop->heap_len == loop->heap_cap) {
        loop->heap_cap = MAX(loop->heap_cap * 2, (size_t) HEAP_FIRST_CAP);
        loop->heap = xrealloc(loop->heap, loop->heap_cap * sizeof(struct timer *));
    }
    heap_up(loop, loop->heap_len++, timer);
}

/* A timer that a timer starts with no delay waits for the next turn: n bounds the work. */
static void run_timers(struct loop *loop)
{
    for (size_t n = loop->heap_len; n > 0 && loop->heap_len > 0; n--) {
        struct timer *timer = loop->heap[0];

        if (timer->due_us > loop->now_us)
            break;
        timer_stop(loop, timer);
        timer->fn(timer->ctx);
    }
}

/* --- calls --- */

void loop_defer(struct loop *loop, struct loop_call *call, loop_call_fn *fn, void *ctx)
{
    if (link_is_listed(&call->link))
        return;
    call->fn = fn;
    call->ctx = ctx;
    list_push_back(&loop->deferred, &call->link);
}

void loop_post(struct loop *loop, struct loop_call *call, loop_call_fn *fn, void *ctx)
{
    bool wake = false;

    (void) pthread_mutex_lock(&loop->lock);
    if (!call->posted) {
        call->posted = true;
        call->fn = fn;
        call->ctx = ctx;
        wake = list_is_empty(&loop->posted);
        list_push_back(&loop->posted, &call->link);
    }
    (void) pthread_mutex_unlock(&loop->lock);
    if (wake)
        loop_wake(loop);
}

void loop_cancel(struct loop *loop, struct loop_call *call)
{
    (void) pthread_mutex_lock(&loop->lock);
    call->posted = false;
    list_remove(&call->link);
    (void) pthread_mutex_unlock(&loop->lock);
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;

    (void) !write(loop->wake_fd, &one, sizeof(one)); /* full: it is awake anyway */
}

/* The members of list at this moment, once each; what they queue waits for the next turn. */
static void run_deferred(struct loop *loop)
{
    struct list now;
    struct link *link;

    list_init(&now);
    while ((link = list_pop_front(&loop->deferred)) != NULL)
        list_push_back(&now, link);
    while ((link = list_pop_front(&now)) != NULL) {
        struct loop_call *call = LINK_OWNER(link, struct loop_call, link);

        call->fn(call->ctx);
    }
}

/*
 * A call leaves the list under the lock and runs without it, so it may be posted again, even
 * while it runs. A marker ends the round: what is posted meanwhile stands behind it.
 */
static void run_posted(struct loop *loop)
{
    struct loop_call end = {0};
    struct link *link;

    (void) pthread_mutex_lock(&loop->lock);
    list_push_back(&loop->posted, &end.link);
    while ((link = list_pop_front(&loop->posted)) != NULL && link != &end.link) {
        struct loop_call *call = LINK_OWNER(link, struct loop_call, link);
        loop_call_fn *fn = call->fn;
        void *ctx = call->ctx;

        call->posted = false;
        (void) pthread_mutex_unlock(&loop->lock);
        fn(ctx);
        (void) pthread_mutex_lock(&loop->lock);
    }
    if (!list_is_empty(&loop->posted))
        loop_wake(loop);
    (void) pthread_mutex_unlock(&loop->lock);
}

/* --- turns --- */

/* Milliseconds until the first timer, rounded up so that it is due when the wait ends. */
static int wait_ms(const struct loop *loop, int64_t max_wait_us)
{
    int64_t wait_us = (int64_t) LOOP_WAIT_MS * US_PER_MS;

    if (!list_is_empty(&loop->deferred) || loop->stopping)
        return 0;
    if (max_wait_us >= 0)
        wait_us = MIN(wait_us, max_wait_us);
    if (loop->heap_len > 0)
        wait_us = MIN(wait_us, MAX(loop->heap[0]->due_us - clock_mono_us(), 0));
    return (int) ((wait_us + US_PER_MS - 1) / US_PER_MS);
}

enum rc loop_turn(struct loop *loop, int64_t max_wait_us, struct err *err)
{
    int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait_ms(loop, max_wait_us));

    if (n < 0 && errno != EINTR)
        return err_set(err, RC_IO, "Server error", "epoll_wait: %s", strerror(errno));
    loop->now_us = clock_mono_us();
    loop->batch_len = MAX(n, 0);
    dispatch_events(loop);
    run_timers(loop);
    run_posted(loop);
    run_deferred(loop);
    return RC_OK;
}

enum rc loop_run(struct loop *loop, struct err *err)
{
    while (!loop->stopping) {
        enum rc rc = loop_turn(loop, -1, err);

        if (rc)
            return rc;
    }
    loop->stopping = false;
    return RC_OK;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
