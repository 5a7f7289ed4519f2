/*
 * turns.c - who has its turn next.
 *
 * An account that holds or awaits a turn has a share. A share with waiters stands in the ring
 * of those that hold as many turns; it joins a ring at the end, when the first of its
 * connections comes to wait and whenever it gets or gives a turn. The next turn is for the
 * first share of the first ring that is not empty.
 */
#include "server/turns.h"

#include <assert.h>
#include <pthread.h>

#include "base/map.h"

/* An account's. */
struct turn_share {
    struct link link; /* in the ring of its n_held; nowhere if nobody waits */
    struct list waiting;
    unsigned n_held;
    uint64_t account;
};

struct turns {
    unsigned most;
    void (*wake)(void *ctx, uint64_t handle);
    void *ctx;
    pthread_mutex_t lock;
    unsigned n_held;    /* lock; at most most */
    struct map *shares; /* lock: account -> turn_share */
    struct list *rings; /* lock; most + 1; all empty while a turn is free */
};

struct turns *turns_new(unsigned most, void (*wake)(void *ctx, uint64_t handle), void *ctx)
{
    struct turns *turns = xcalloc(1, sizeof(*turns));

    assert(most > 0);
    turns->most = most;
    turns->wake = wake;
    turns->ctx = ctx;
    (void) pthread_mutex_init(&turns->lock, NULL);
    turns->shares = map_new();
    turns->rings = xcalloc((size_t) most + 1, sizeof(*turns->rings));
    for (unsigned i = 0; i <= most; i++)
        list_init(&turns->rings[i]);
    return turns;
}

void turns_free(struct turns *turns)
{
    if (turns == NULL)
        return;
    assert(turns->n_held == 0 && map_count(turns->shares) == 0);
    (void) pthread_mutex_destroy(&turns->lock);
    map_free(turns->shares);
    free(turns->rings);
    free(turns);
}

/* ---- shares; all with the lock held ---- */

static struct turn_share *need_share(struct turns *turns, uint64_t account)
{
    struct turn_share *share = map_get(turns->shares, MAP_KEY(account));

    if (share != NULL)
        return share;
    share = xcalloc(1, sizeof(*share));
    share->account = account;
    list_init(&share->waiting);
    (void) map_put(turns->shares, MAP_KEY(account), share);
    return share;
}

/* What it holds or who waits has changed. */
static void place(struct turns *turns, struct turn_share *share)
{
    list_remove(&share->link);
    if (!list_is_empty(&share->waiting)) {
        list_push_back(&turns->rings[share->n_held], &share->link);
    } else if (share->n_held == 0) {
        (void) map_remove(turns->shares, MAP_KEY(share->account));
        free(share);
    }
}

static void hold(struct turns *turns, struct turn *turn)
{
    turns->n_held++;
    turn->share->n_held++;
    turn->state = TURN_HELD;
}

/* Somebody who waits has a turn now, if one is free. False: nobody has. */
static bool hand_on(struct turns *turns, uint64_t *out_handle)
{
    struct turn_share *share;
    struct turn *next;
    unsigned ring = 0;

    while (ring < turns->most && list_is_empty(&turns->rings[ring]))
        ring++;
    if (turns->n_held == turns->most || list_is_empty(&turns->rings[ring]))
        return false;
    share = LINK_OWNER(turns->rings[ring].head.next, struct turn_share, link);
    next = LINK_OWNER(share->waiting.head.next, struct turn, link);
    list_remove(&next->link);
    hold(turns, next);
    place(turns, share);
    *out_handle = next->handle;
    return true;
}

/* ---- turns ---- */

bool turns_take(struct turns *turns, struct turn *turn)
{
    bool has;

    (void) pthread_mutex_lock(&turns->lock);
    if (turn->state == TURN_NONE) {
        bool is_first;

        turn->share = need_share(turns, turn->account);
        is_first = list_is_empty(&turn->share->waiting);
        if (turns->n_held < turns->most) {
            hold(turns, turn);
        } else {
            list_push_back(&turn->share->waiting, &turn->link);
            turn->state = TURN_WAITS;
        }
        if (turn->state == TURN_WAITS && is_first)
            place(turns, turn->share);
    }
    has = turn->state == TURN_HELD;
    (void) pthread_mutex_unlock(&turns->lock);
    return has;
}

/* With the lock held. */
static void let_go(struct turns *turns, struct turn *turn)
{
    struct turn_share *share = turn->share;
    bool held = turn->state == TURN_HELD;

    if (turn->state == TURN_NONE)
        return;
    if (held) {
        turns->n_held--;
        share->n_held--;
    } else {
        list_remove(&turn->link);
    }
    turn->state = TURN_NONE;
    turn->share = NULL;
    if (held || list_is_empty(&share->waiting)) /* who only stops waiting moves no share */
        place(turns, share);
}

void turns_leave(struct turns *turns, struct turn *turn)
{
    uint64_t handle;
    bool wakes;

    (void) pthread_mutex_lock(&turns->lock);
    let_go(turns, turn);
    wakes = hand_on(turns, &handle);
    (void) pthread_mutex_unlock(&turns->lock);
    if (wakes)
        turns->wake(turns->ctx, handle);
}

void turns_give(struct turns *turns, struct turn *turn)
{
    assert(turn->state == TURN_HELD); /* nobody else changes it then */
    turns_leave(turns, turn);
}
