#include "server/turns.h"

#include <assert.h>
#include <pthread.h>

struct turns {
    unsigned most;
    void (*wake)(void *ctx, uint64_t handle);
    void *ctx;
    pthread_mutex_t lock;
    unsigned n_held;   /* lock; at most most */
    struct list queue; /* lock; nobody stands here while a turn is free */
};

struct turns *turns_new(unsigned most, void (*wake)(void *ctx, uint64_t handle), void *ctx)
{
    struct turns *turns = xcalloc(1, sizeof(*turns));

    assert(most > 0);
    turns->most = most;
    turns->wake = wake;
    turns->ctx = ctx;
    (void) pthread_mutex_init(&turns->lock, NULL);
    list_init(&turns->queue);
    return turns;
}

void turns_free(struct turns *turns)
{
    if (turns == NULL)
        return;
    assert(turns->n_held == 0 && list_is_empty(&turns->queue));
    (void) pthread_mutex_destroy(&turns->lock);
    free(turns);
}

bool turns_take(struct turns *turns, struct turn *turn)
{
    bool has;

    (void) pthread_mutex_lock(&turns->lock);
    if (turn->state == TURN_NONE && turns->n_held < turns->most) {
        turns->n_held++;
        turn->state = TURN_HELD;
    } else if (turn->state == TURN_NONE) {
        list_push_back(&turns->queue, &turn->link);
        turn->state = TURN_WAITS;
    }
    has = turn->state == TURN_HELD;
    (void) pthread_mutex_unlock(&turns->lock);
    return has;
}

/* With the lock held: a turn is free. False: nobody wants it. */
static bool hand_on(struct turns *turns, uint64_t *out_handle)
{
    struct turn *next;

    turns->n_held--;
    if (list_is_empty(&turns->queue))
        return false;
    next = LINK_OWNER(turns->queue.head.next, struct turn, link);
    list_remove(&next->link);
    next->state = TURN_HELD;
    turns->n_held++;
    *out_handle = next->handle;
    return true;
}

void turns_leave(struct turns *turns, struct turn *turn)
{
    bool wakes = false;
    uint64_t handle;

    (void) pthread_mutex_lock(&turns->lock);
    if (turn->state == TURN_WAITS)
        list_remove(&turn->link);
    else if (turn->state == TURN_HELD)
        wakes = hand_on(turns, &handle);
    turn->state = TURN_NONE;
    (void) pthread_mutex_unlock(&turns->lock);
    if (wakes)
        turns->wake(turns->ctx, handle);
}

void turns_give(struct turns *turns, struct turn *turn)
{
    assert(turn->state == TURN_HELD); /* nobody else changes it then */
    turns_leave(turns, turn);
}
