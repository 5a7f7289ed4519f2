#include "auth/hash_pool.h"

#include <pthread.h>

#define SLOTS_MAX   64u
#define STACK_BYTES ((size_t) 256 << 10) /* argon2 and crypt keep their memory on the heap */

struct hash_pool {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t work;   /* with lock: a job waits, or stopping */
    struct list known;     /* lock; jobs that wait */
    struct list strangers; /* lock; the others */
    size_t n_known;        /* lock */
    size_t n_strangers;    /* lock */
    unsigned turn;         /* lock; jobs taken, modulo HASH_TURNS */
    bool stopping;         /* lock */
    unsigned n_threads;
    pthread_t threads[SLOTS_MAX];
};

static void job_done(void *ctx)
{
    struct hash_job *job = ctx;

    job->done(job);
}

/* With the lock held. NULL: none waits. */
static struct hash_job *next_job(struct hash_pool *pool)
{
    bool known = !list_is_empty(&pool->known) &&
                 (list_is_empty(&pool->strangers) || pool->turn + 1 < HASH_TURNS);
    struct link *first = list_pop_front(known ? &pool->known : &pool->strangers);

    if (first == NULL)
        return NULL;
    pool->turn = (pool->turn + 1) % HASH_TURNS;
    if (known)
        pool->n_known--;
    else
        pool->n_strangers--;
    return LINK_OWNER(first, struct hash_job, link);
}

static void *worker(void *ctx)
{
    struct hash_pool *pool = ctx;

    for (;;) {
        struct hash_job *job = NULL;

        (void) pthread_mutex_lock(&pool->lock);
        while (!pool->stopping && (job = next_job(pool)) == NULL)
            (void) pthread_cond_wait(&pool->work, &pool->lock);
        (void) pthread_mutex_unlock(&pool->lock);
        if (job == NULL)
            return NULL;
        job->run(job);
        loop_post(pool->loop, &job->call, job_done, job);
    }
}

enum rc hash_pool_new(struct loop *loop, unsigned slots, struct hash_pool **out,
                      struct err *err)
{
    AUTO(hash_pool_freep) struct hash_pool *pool = xcalloc(1, sizeof(*pool));
    pthread_attr_t attr;
    int failed = 0;

    pool->loop = loop;
    list_init(&pool->known);
    list_init(&pool->strangers);
    (void) pthread_mutex_init(&pool->lock, NULL);
    (void) pthread_cond_init(&pool->work, NULL);
    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setstacksize(&attr, STACK_BYTES);
    slots = MIN(MAX(slots, 1u), SLOTS_MAX);
    while (failed == 0 && pool->n_threads < slots) {
        failed = pthread_create(&pool->threads[pool->n_threads], &attr, worker, pool);
        if (failed == 0)
            pool->n_threads++;
    }
    (void) pthread_attr_destroy(&attr);
    if (failed != 0)
        return err_set(err, RC_IO, "Server is not ready", "pthread_create: %s",
                       strerror(failed));
    *out = TAKE(pool);
    return RC_OK;
}

void hash_pool_free(struct hash_pool *pool)
{
    if (pool == NULL)
        return;
    (void) pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void) pthread_cond_broadcast(&pool->work);
    (void) pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        (void) pthread_join(pool->threads[i], NULL);
    (void) pthread_cond_destroy(&pool->work);
    (void) pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void hash_pool_freep(struct hash_pool **pool)
{
    hash_pool_free(*pool);
    *pool = NULL;
}

/* With the lock held. */
static bool take(struct hash_pool *pool, struct hash_job *job)
{
    size_t n = pool->n_known + pool->n_strangers;

    if (n >= HASH_QUEUE_MAX ||
        (!job->known && pool->n_strangers >= HASH_QUEUE_MAX - HASH_QUEUE_KNOWN))
        return false;
    if (job->known)
        pool->n_known++;
    else
        pool->n_strangers++;
    list_push_back(job->known ? &pool->known : &pool->strangers, &job->link);
    return true;
}

enum rc hash_pool_submit(struct hash_pool *pool, struct hash_job *job, struct err *err)
{
    bool taken;

    (void) pthread_mutex_lock(&pool->lock);
    taken = take(pool, job);
    if (taken)
        (void) pthread_cond_signal(&pool->work);
    (void) pthread_mutex_unlock(&pool->lock);
    if (!taken)
        return err_set(err, RC_UNAVAILABLE, "Server is busy, try again later",
                       "hash pool: its queue is full");
    return RC_OK;
}
