#include "net/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/priority.h"

#define BLOCK_SLOTS 1024u /* slots allocated together */
#define N_BLOCKS    (POOL_MEMBERS_MAX / BLOCK_SLOTS)
#define STOP_DATA   UINT64_MAX       /* epoll data of the eventfd that ends the threads ... */
#define READY_DATA  (UINT64_MAX - 1) /* ... and of the one that sends one to the queue */
#define READY_RUN   16u /* of the queue in turn, before descriptors are looked at */

struct slot {
    pthread_mutex_t lock;
    uint32_t generation;    /* lock; odd while a member is in */
    bool parked;            /* lock; run by nobody */
    bool woken;             /* lock; run again before parking, or as soon as it may */
    bool queued;            /* lock; in the queue of woken ones, or just taken out */
    unsigned wants;         /* lock; what it is parked for */
    unsigned armed;         /* lock; what the kernel will tell of it; 0: nothing */
    unsigned missed;        /* lock; what the kernel told while it ran */
    struct slot *next;      /* queue_lock; the one behind it */
    struct slot *next_slow; /* slow_lock */
    uint32_t index;         /* never changes */
    int fd;                 /* lock */
    pool_run_fn *run;       /* written before the slot is armed */
    void *ctx;
};

struct pool {
    int epoll_fd, stop_fd, ready_fd;
    void (*warm_up)(void);
    pthread_t *threads;
    unsigned n_threads; /* slow ones included */

    pthread_mutex_t lock;
    _Atomic(struct slot *) blocks[N_BLOCKS]; /* set once, under lock; read without */
    uint32_t n_slots;                        /* lock; made so far */
    uint32_t *free_slots;                    /* lock; a stack */
    size_t n_free, cap_free;                 /* lock */
    _Atomic size_t n_members;

    pthread_mutex_t queue_lock; /* behind a slot's */
    struct slot *first, *last;  /* queue_lock; the woken ones, NULL: there are none */
    unsigned n_idle;            /* queue_lock; threads that wait for the kernel */
    bool is_called;             /* queue_lock; one of them is on its way to the queue */

    pthread_mutex_t slow_lock;
    pthread_cond_t slow_work;            /* with slow_lock */
    struct slot *first_slow, *last_slow; /* slow_lock; members that wait for a slow thread */
    bool is_stopping;                    /* slow_lock; of the slow threads */
};

static pool_handle handle_of(uint32_t index, uint32_t generation)
{
    return (uint64_t) generation << 32 | index;
}

static struct slot *slot_at(struct pool *pool, uint32_t index)
{
    struct slot *block = NULL;

    if (index < POOL_MEMBERS_MAX)
        block = atomic_load_explicit(&pool->blocks[index / BLOCK_SLOTS], memory_order_acquire);
    return block != NULL ? &block[index % BLOCK_SLOTS] : NULL;
}

/* The slot with its lock held, if the handle still names what is in it. */
static struct slot *lock_slot(struct pool *pool, pool_handle handle)
{
    struct slot *slot = slot_at(pool, (uint32_t) handle);

    if (slot == NULL || handle == 0)
        return NULL;
    (void) pthread_mutex_lock(&slot->lock);
    if (slot->generation == (uint32_t) (handle >> 32))
        return slot;
    (void) pthread_mutex_unlock(&slot->lock);
    return NULL;
}

static uint32_t epoll_bits(unsigned wants)
{
    return ((wants & LOOP_IN) != 0 ? (uint32_t) EPOLLIN : 0u) |
           ((wants & LOOP_OUT) != 0 ? (uint32_t) EPOLLOUT : 0u) | (uint32_t) EPOLLONESHOT;
}

/* slot->lock is held. */
static void tell_kernel(struct pool *pool, struct slot *slot, int operation, pool_handle handle,
                        unsigned wants)
{
    struct epoll_event event = {.events = epoll_bits(wants), .data.u64 = handle};

    slot->armed = wants;
    if (epoll_ctl(pool->epoll_fd, operation, slot->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* slot->lock is held. What wants nothing hears nothing, no hang-up either. */
static void arm(struct pool *pool, struct slot *slot, pool_handle handle, unsigned wants)
{
    slot->wants = wants;
    slot->parked = true;
    if (wants != 0 && wants != slot->armed)
        tell_kernel(pool, slot, EPOLL_CTL_MOD, handle, wants);
}

/* ---- those that were woken ---- */

/* With queue_lock held. True: an idle thread is to be called, best without the lock. */
static bool needs_call(struct pool *pool)
{
    if (pool->first == NULL || pool->n_idle == 0 || pool->is_called)
        return false;
    pool->is_called = true;
    return true;
}

static void call_thread(struct pool *pool)
{
    uint64_t one = 1;

    (void) !write(pool->ready_fd, &one, sizeof(one)); /* edge-triggered, never read */
}

/* slot->lock is held. */
static void enqueue(struct pool *pool, struct slot *slot)
{
    bool calls;

    if (slot->queued)
        return;
    slot->queued = true;
    (void) pthread_mutex_lock(&pool->queue_lock);
    slot->next = NULL;
    if (pool->first == NULL)
        pool->first = slot;
    else
        pool->last->next = slot;
    pool->last = slot;
    calls = needs_call(pool);
    (void) pthread_mutex_unlock(&pool->queue_lock);
    if (calls)
        call_thread(pool);
}

/* slot->lock is held. Whoever waits to write has a peer that does not read: its turn comes when
 * it does. */
static void wake(struct pool *pool, struct slot *slot)
{
    if (slot->woken)
        return;
    slot->woken = true;
    if (slot->parked && (slot->wants & LOOP_OUT) == 0)
        enqueue(pool, slot);
}

void pool_wake(struct pool *pool, pool_handle handle)
{
    struct slot *slot = lock_slot(pool, handle);

    if (slot == NULL)
        return;
    wake(pool, slot);
    (void) pthread_mutex_unlock(&slot->lock);
}

/* The next of the queue. NULL: there is none, and the thread counts as idle. */
static struct slot *dequeue(struct pool *pool)
{
    struct slot *slot;
    bool calls;

    (void) pthread_mutex_lock(&pool->queue_lock);
    slot = pool->first;
    if (slot != NULL)
        pool->first = slot->next;
    else
        pool->n_idle++;
    calls = needs_call(pool);
    (void) pthread_mutex_unlock(&pool->queue_lock);
    if (calls)
        call_thread(pool);
    return slot;
}

static void note_return(struct pool *pool, bool was_idle, bool was_called)
{
    (void) pthread_mutex_lock(&pool->queue_lock);
    if (was_idle)
        pool->n_idle--;
    if (was_called)
        pool->is_called = false;
    (void) pthread_mutex_unlock(&pool->queue_lock);
}

/* ---- running ---- */

/* Own the member that the kernel tells of, if it is parked. */
static struct slot *take(struct pool *pool, pool_handle handle, unsigned *ready)
{
    struct slot *slot = lock_slot(pool, handle);
    bool mine;

    if (slot == NULL)
        return NULL;
    mine = slot->parked;
    slot->armed = 0;
    slot->missed |= *ready;
    slot->woken = !mine; /* it runs elsewhere: let it look again */
    slot->parked = false;
    if (mine) {
        *ready = slot->missed;
        slot->missed = 0;
    }
    (void) pthread_mutex_unlock(&slot->lock);
    return mine ? slot : NULL;
}

/* Own the member that was queued, if what it was woken for has not been seen since. */
static bool take_woken(struct slot *slot, pool_handle *out_handle, unsigned *out_ready)
{
    bool mine;

    (void) pthread_mutex_lock(&slot->lock);
    slot->queued = false;
    mine = slot->generation % 2 == 1 && slot->parked && slot->woken &&
           (slot->wants & LOOP_OUT) == 0;
    if (mine) {
        slot->woken = slot->parked = false;
        *out_handle = handle_of(slot->index, slot->generation);
        *out_ready = slot->missed;
        slot->missed = 0;
    }
    (void) pthread_mutex_unlock(&slot->lock);
    return mine;
}

/* After a run: park, or say that it must run again at once. */
static bool park(struct pool *pool, struct slot *slot, pool_handle handle, unsigned wants,
                 unsigned *out_ready)
{
    bool again;

    (void) pthread_mutex_lock(&slot->lock);
    again = slot->woken;
    slot->woken = false;
    *out_ready = slot->missed;
    slot->missed = 0;
    if (!again)
        arm(pool, slot, handle, (wants & POOL_AGAIN) != 0 ? LOOP_IN | LOOP_OUT : wants);
    (void) pthread_mutex_unlock(&slot->lock);
    return again;
}

/* It goes on there; until then it is nobody else's. */
static void enqueue_slow(struct pool *pool, struct slot *slot)
{
    (void) pthread_mutex_lock(&pool->slow_lock);
    slot->next_slow = NULL;
    if (pool->first_slow == NULL)
        pool->first_slow = slot;
    else
        pool->last_slow->next_slow = slot;
    pool->last_slow = slot;
    (void) pthread_cond_signal(&pool->slow_work);
    (void) pthread_mutex_unlock(&pool->slow_lock);
}

/* NULL: it is time to end. */
static struct slot *dequeue_slow(struct pool *pool)
{
    struct slot *slot;

    (void) pthread_mutex_lock(&pool->slow_lock);
    while (pool->first_slow == NULL && !pool->is_stopping)
        (void) pthread_cond_wait(&pool->slow_work, &pool->slow_lock);
    slot = pool->is_stopping ? NULL : pool->first_slow;
    if (slot != NULL)
        pool->first_slow = slot->next_slow;
    (void) pthread_mutex_unlock(&pool->slow_lock);
    return slot;
}

static void run_member(struct pool *pool, struct slot *slot, pool_handle handle, unsigned ready)
{
    unsigned wants;

    do {
        wants = slot->run(slot->ctx, ready);
        if ((wants & POOL_SLOW) != 0) {
            enqueue_slow(pool, slot);
            return;
        }
    } while ((wants & POOL_GONE) == 0 && park(pool, slot, handle, wants, &ready));
}

/* What one slow thread does for a member. What comes behind is the other threads'. */
static void run_slowly(struct pool *pool, struct slot *slot)
{
    pool_handle handle =
        handle_of(slot->index, slot->generation); /* ours: it does not change */
    unsigned wants;

    do
        wants = slot->run(slot->ctx, POOL_IS_SLOW);
    while ((wants & POOL_SLOW) != 0);
    if ((wants & POOL_GONE) != 0)
        return;
    (void) pthread_mutex_lock(&slot->lock);
    arm(pool, slot, handle, (wants & POOL_AGAIN) != 0 ? LOOP_IN | LOOP_OUT : wants);
    if (slot->woken && (slot->wants & LOOP_OUT) == 0)
        enqueue(pool, slot);
    (void) pthread_mutex_unlock(&slot->lock);
}

static void serve(struct pool *pool, const struct epoll_event *event)
{
    pool_handle handle = event->data.u64;
    struct slot *slot;
    unsigned ready = 0;

    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
        ready |= LOOP_IN;
    if ((event->events & EPOLLOUT) != 0)
        ready |= LOOP_OUT;
    slot = take(pool, handle, &ready);
    if (slot != NULL)
        run_member(pool, slot, handle, ready);
}

/* Some of the queue. True: there may be more, so descriptors are not waited for. */
static bool serve_woken(struct pool *pool)
{
    for (unsigned i = 0; i < READY_RUN; i++) {
        struct slot *slot = dequeue(pool);
        pool_handle handle;
        unsigned ready;

        if (slot == NULL)
            return false;
        if (take_woken(slot, &handle, &ready))
            run_member(pool, slot, handle, ready);
    }
    return true;
}

static void *run_thread(void *ctx)
{
    struct pool *pool = ctx;
    struct epoll_event event;

    if (pool->warm_up != NULL)
        pool->warm_up();
    for (;;) {
        bool more = serve_woken(pool);
        int n = epoll_wait(pool->epoll_fd, &event, 1, more ? 0 : -1);
        bool is_call = n == 1 && event.data.u64 == READY_DATA;

        if (n < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        if (!more || is_call)
            note_return(pool, !more, is_call);
        if (n == 1 && event.data.u64 == STOP_DATA)
            return NULL;
        if (n == 1 && !is_call)
            serve(pool, &event);
    }
}

static void *run_slow_thread(void *ctx)
{
    struct pool *pool = ctx;
    struct slot *slot;

    priority_behind(POOL_SLOW_NICE);
    if (pool->warm_up != NULL)
        pool->warm_up();
    while ((slot = dequeue_slow(pool)) != NULL)
        run_slowly(pool, slot);
    return NULL;
}

/* ---- members ---- */

/* pool->lock is held. */
static void make_block(struct pool *pool)
{
    struct slot *block = xcalloc(BLOCK_SLOTS, sizeof(*block));

    for (uint32_t i = 0; i < BLOCK_SLOTS; i++) {
        (void) pthread_mutex_init(&block[i].lock, NULL);
        block[i].index = pool->n_slots + i;
    }
    atomic_store_explicit(&pool->blocks[pool->n_slots / BLOCK_SLOTS], block,
                          memory_order_release);
}

static enum rc take_slot(struct pool *pool, uint32_t *out, struct err *err)
{
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&pool->lock);
    if (pool->n_free > 0) {
        *out = pool->free_slots[--pool->n_free];
    } else if (pool->n_slots < POOL_MEMBERS_MAX) {
        if (pool->n_slots % BLOCK_SLOTS == 0)
            make_block(pool);
        *out = pool->n_slots++;
    } else {
        rc = err_set(err, RC_LIMIT, "Too many connections", "pool: %u members",
                     POOL_MEMBERS_MAX);
    }
    (void) pthread_mutex_unlock(&pool->lock);
    return rc;
}

static void give_slot_back(struct pool *pool, uint32_t index)
{
    (void) pthread_mutex_lock(&pool->lock);
    if (pool->n_free == pool->cap_free) {
        pool->cap_free = MAX(pool->cap_free * 2, (size_t) BLOCK_SLOTS);
        pool->free_slots = xrealloc(pool->free_slots, pool->cap_free * sizeof(uint32_t));
    }
    pool->free_slots[pool->n_free++] = index;
    (void) pthread_mutex_unlock(&pool->lock);
}

enum rc pool_add(struct pool *pool, int fd, pool_run_fn *run, void *ctx,
                 pool_handle *out_handle, struct err *err)
{
    struct slot *slot;
    uint32_t index;
    enum rc rc = take_slot(pool, &index, err);

    if (rc)
        return rc;
    slot = slot_at(pool, index);
    assert(slot != NULL); /* its block was made before its index was given */
    (void) pthread_mutex_lock(&slot->lock);
    slot->generation++;
    slot->fd = fd;
    slot->run = run;
    slot->ctx = ctx;
    slot->woken = false;
    slot->missed = 0;
    slot->wants = LOOP_IN | LOOP_OUT;
    slot->parked = true;
    *out_handle = handle_of(index, slot->generation);
    atomic_fetch_add_explicit(&pool->n_members, 1, memory_order_relaxed);
    tell_kernel(pool, slot, EPOLL_CTL_ADD, *out_handle, slot->wants);
    (void) pthread_mutex_unlock(&slot->lock);
    return RC_OK;
}

void pool_forget(struct pool *pool, pool_handle handle)
{
    struct slot *slot = lock_slot(pool, handle);

    assert(slot != NULL && !slot->parked);
    if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, slot->fd, NULL) != 0)
        die("epoll_ctl: %s", strerror(errno));
    slot->generation++;
    slot->ctx = NULL;
    (void) pthread_mutex_unlock(&slot->lock);
    atomic_fetch_sub_explicit(&pool->n_members, 1, memory_order_relaxed);
    give_slot_back(pool, (uint32_t) handle);
}

void pool_each(struct pool *pool, pool_run_fn *kind, bool (*fn)(void *member, void *ctx),
               void *ctx)
{
    uint32_t n;

    (void) pthread_mutex_lock(&pool->lock);
    n = pool->n_slots;
    (void) pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < n; i++) {
        struct slot *slot = slot_at(pool, i);

        assert(slot != NULL);
        (void) pthread_mutex_lock(&slot->lock);
        if (slot->generation % 2 == 1 && slot->run == kind && fn(slot->ctx, ctx))
            wake(pool, slot);
        (void) pthread_mutex_unlock(&slot->lock);
    }
}

size_t pool_count(struct pool *pool)
{
    return atomic_load_explicit(&pool->n_members, memory_order_relaxed);
}

/* ---- the pool ---- */

static enum rc open_descriptors(struct pool *pool, struct err *err)
{
    struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP_DATA};
    struct epoll_event ready = {.events = EPOLLIN | EPOLLET, .data.u64 = READY_DATA};

    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pool->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->epoll_fd < 0 || pool->stop_fd < 0 || pool->ready_fd < 0 ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, pool->stop_fd, &stop) != 0 ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, pool->ready_fd, &ready) != 0)
        return err_set(err, RC_IO, "Cannot wait for connections", "pool: %s", strerror(errno));
    return RC_OK;
}

static void close_descriptors(struct pool *pool)
{
    closep(&pool->epoll_fd);
    closep(&pool->stop_fd);
    closep(&pool->ready_fd);
}

static void start_thread(struct pool *pool, void *(*run)(void *ctx))
{
    int error = pthread_create(&pool->threads[pool->n_threads], NULL, run, pool);

    if (error != 0)
        die("pthread_create: %s", strerror(error));
    pool->n_threads++;
}

enum rc pool_new(unsigned n_threads, unsigned n_slow, void (*warm_up)(void), struct pool **out,
                 struct err *err)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));
    enum rc rc = open_descriptors(pool, err);

    if (rc) {
        close_descriptors(pool);
        free(pool);
        return rc;
    }
    pool->warm_up = warm_up;
    (void) pthread_mutex_init(&pool->lock, NULL);
    (void) pthread_mutex_init(&pool->queue_lock, NULL);
    (void) pthread_mutex_init(&pool->slow_lock, NULL);
    (void) pthread_cond_init(&pool->slow_work, NULL);
    pool->threads = xcalloc((size_t) n_threads + n_slow, sizeof(*pool->threads));
    for (unsigned i = 0; i < n_threads; i++)
        start_thread(pool, run_thread);
    for (unsigned i = 0; i < n_slow; i++)
        start_thread(pool, run_slow_thread);
    *out = pool;
    return RC_OK;
}

void pool_free(struct pool *pool)
{
    uint64_t one = 1;

    if (pool == NULL)
        return;
    (void) !write(pool->stop_fd, &one, sizeof(one)); /* level-triggered: it ends every thread */
    (void) pthread_mutex_lock(&pool->slow_lock);
    pool->is_stopping = true;
    (void) pthread_cond_broadcast(&pool->slow_work);
    (void) pthread_mutex_unlock(&pool->slow_lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        (void) pthread_join(pool->threads[i], NULL);
    for (size_t i = 0; i < N_BLOCKS; i++)
        free(atomic_load_explicit(&pool->blocks[i], memory_order_relaxed));
    close_descriptors(pool);
    (void) pthread_mutex_destroy(&pool->lock);
    (void) pthread_mutex_destroy(&pool->queue_lock);
    (void) pthread_mutex_destroy(&pool->slow_lock);
    (void) pthread_cond_destroy(&pool->slow_work);
    free(pool->free_slots);
    free(pool->threads);
    free(pool);
}
