/* hold.c - the count of holds, and the files that wait for it to be zero. */
#include "store/local/hold.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/local/store.h"

struct put_aside {
    int dir;
    char name[LAYOUT_NAME_BYTES];
};

struct holds {
    pthread_mutex_t lock;
    pthread_cond_t idle;       /* is_recycling became false */
    unsigned n;                /* lock: holds that are on */
    uint64_t first, next;      /* lock: numbers; those below first are void */
    int64_t until_us;          /* lock: when the newest ends by itself */
    bool is_recycling;         /* lock */
    struct put_aside *aside;   /* lock */
    size_t n_aside, cap_aside; /* lock */
};

struct holds *holds_new(void)
{
    struct holds *holds = xcalloc(1, sizeof(*holds));

    (void) pthread_mutex_init(&holds->lock, NULL);
    (void) pthread_cond_init(&holds->idle, NULL);
    holds->first = holds->next = 1;
    return holds;
}

void holds_free(struct holds *holds)
{
    if (holds == NULL)
        return;
    (void) pthread_cond_destroy(&holds->idle);
    (void) pthread_mutex_destroy(&holds->lock);
    free(holds->aside);
    free(holds);
}

/* With the lock held: a name is not given to another file in this run, so late is not wrong. */
static void remove_aside(struct holds *holds)
{
    for (size_t i = 0; i < holds->n_aside; i++)
        (void) unlinkat(holds->aside[i].dir, holds->aside[i].name, 0); /* else the sweep */
    free(TAKE(holds->aside));
    holds->n_aside = holds->cap_aside = 0;
}

void hold_unlink(struct local *local, int dir, const char *name)
{
    struct holds *holds = local->holds;

    (void) pthread_mutex_lock(&holds->lock);
    if (holds->n == 0) {
        (void) unlinkat(dir, name, 0); /* else the sweep */
    } else {
        struct put_aside *entry;

        if (holds->n_aside == holds->cap_aside) {
            holds->cap_aside = MAX(2 * holds->cap_aside, (size_t) 64);
            holds->aside = xrealloc(holds->aside, holds->cap_aside * sizeof(*holds->aside));
        }
        entry = &holds->aside[holds->n_aside++];
        entry->dir = dir;
        (void) snprintf(entry->name, sizeof(entry->name), "%s", name);
    }
    (void) pthread_mutex_unlock(&holds->lock);
}

/* With the lock held. */
static void break_all(struct holds *holds, const char *why)
{
    if (holds->n == 0)
        return;
    log_event(LEVEL_WARNING, "store.hold_broken", LOG_NUM("holds", holds->n),
              LOG_STR("why", why));
    holds->n = 0;
    holds->first = holds->next;
    remove_aside(holds);
}

void hold_break(struct local *local, const char *why)
{
    (void) pthread_mutex_lock(&local->holds->lock);
    break_all(local->holds, why);
    (void) pthread_mutex_unlock(&local->holds->lock);
}

bool hold_may_recycle(struct local *local)
{
    struct holds *holds = local->holds;
    bool may;

    (void) pthread_mutex_lock(&holds->lock);
    if (holds->n > 0 && clock_mono_us() > holds->until_us)
        break_all(holds, "too long");
    may = holds->is_recycling = holds->n == 0;
    (void) pthread_mutex_unlock(&holds->lock);
    return may;
}

void hold_recycle_done(struct local *local)
{
    (void) pthread_mutex_lock(&local->holds->lock);
    local->holds->is_recycling = false;
    (void) pthread_cond_broadcast(&local->holds->idle);
    (void) pthread_mutex_unlock(&local->holds->lock);
}

uint64_t hold_begin(struct local *local)
{
    struct holds *holds = local->holds;
    uint64_t hold;

    (void) pthread_mutex_lock(&holds->lock);
    hold = holds->next++;
    holds->n++;
    holds->until_us = clock_mono_us() + HOLD_MAX_US;
    while (holds->is_recycling)
        (void) pthread_cond_wait(&holds->idle, &holds->lock);
    (void) pthread_mutex_unlock(&holds->lock);
    return hold;
}

bool hold_is_on(struct local *local, uint64_t hold)
{
    bool is_on;

    (void) pthread_mutex_lock(&local->holds->lock);
    is_on = hold >= local->holds->first;
    (void) pthread_mutex_unlock(&local->holds->lock);
    return is_on;
}

void hold_end(struct local *local, uint64_t hold)
{
    struct holds *holds = local->holds;

    (void) pthread_mutex_lock(&holds->lock);
    if (hold >= holds->first && --holds->n == 0)
        remove_aside(holds);
    (void) pthread_mutex_unlock(&holds->lock);
}
