#include "crowd.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_A_CPU 2u /* as roles/mail.c counts them ... */
#define THREADS_MIN   4u /* ... and at least MAIL_THREADS_MIN */

struct crowd {
    struct pool *pool;
    const atomic_bool *stop;
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned n_left; /* lock: clients that have not stopped */
};

unsigned crowd_threads(void)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return MAX(THREADS_A_CPU * (unsigned) MAX(n_cpus, 1L), THREADS_MIN);
}

void crowd_done(struct crowd_client *client)
{
    struct pool *pool = client->crowd->pool;
    pool_handle handle = client->handle;

    atomic_store(&client->is_done, true);
    pool_wake(pool, handle);
}

static unsigned leave(struct crowd_client *client)
{
    struct crowd *crowd = client->crowd;

    pool_forget(crowd->pool, client->handle);
    (void) close(client->fd);
    (void) pthread_mutex_lock(&crowd->lock);
    if (--crowd->n_left == 0)
        (void) pthread_cond_signal(&crowd->left);
    (void) pthread_mutex_unlock(&crowd->lock);
    return POOL_GONE;
}

/* A wake-up during begin() lets the pool run the client again before it is parked. */
static unsigned run_client(void *ctx, unsigned ready)
{
    struct crowd_client *client = ctx;

    (void) ready;
    if (client->waits && !atomic_load(&client->is_done))
        return 0;
    client->n += client->waits ? 1 : 0;
    if (atomic_load(client->crowd->stop))
        return leave(client);
    atomic_store(&client->is_done, false);
    client->waits = true;
    client->begin(client);
    return 0;
}

static void add(struct crowd *crowd, struct crowd_client *client)
{
    struct err err;

    client->crowd = crowd;
    client->waits = false;
    client->n = 0;
    client->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (client->fd < 0)
        die("eventfd");
    if (pool_add(crowd->pool, client->fd, run_client, client, &client->handle, &err) != RC_OK)
        die("%s", err.detail);
}

uint64_t crowd_run(struct crowd_client *const *clients, unsigned n, const atomic_bool *stop)
{
    struct crowd crowd = {.stop = stop, .n_left = n};
    uint64_t total = 0;
    struct err err;

    (void) pthread_mutex_init(&crowd.lock, NULL);
    (void) pthread_cond_init(&crowd.left, NULL);
    if (pool_new(crowd_threads(), 0, NULL, &crowd.pool, &err) != RC_OK)
        die("%s", err.detail);
    for (unsigned i = 0; i < n; i++)
        add(&crowd, clients[i]);
    (void) pthread_mutex_lock(&crowd.lock);
    while (crowd.n_left > 0)
        (void) pthread_cond_wait(&crowd.left, &crowd.lock);
    (void) pthread_mutex_unlock(&crowd.lock);
    pool_free(crowd.pool);
    for (unsigned i = 0; i < n; i++)
        total += clients[i]->n;
    (void) pthread_cond_destroy(&crowd.left);
    (void) pthread_mutex_destroy(&crowd.lock);
    return total;
}
