/*
 * turns.h - commands that compute for long take turns, so that few of the pool's threads are
 * theirs at a time and the others are there for everybody else.
 *
 * A turn is one slice of such a command (search.h: some milliseconds). Whoever is not among the
 * first `most` waits, without a thread, and is woken with a turn of its own; after its slice it
 * goes behind those who wait.
 *
 * Turns are shared by account, not by connection. A turn that is free goes to the account that
 * holds the fewest, among those to the one that has waited longest for one, and there to the
 * connection that came first. So somebody with one connection waits for one slice of each other
 * account, however many connections those have, and nobody is passed over.
 *
 * A turn that was given is held until turns_give or turns_leave: whoever is woken with one and
 * cannot use it (its output is full, it ends) lets go of it at once.
 *
 * Lock: the turns' own, a leaf; nobody is woken with it held. Each call takes time that does
 * not depend on how many wait.
 */
#ifndef ROOST_SERVER_TURNS_H
#define ROOST_SERVER_TURNS_H

#include "base/err.h"
#include "base/list.h"

struct turns;
struct turn_share;

enum turn_state { TURN_NONE, TURN_WAITS, TURN_HELD };

/* Somebody's place; all zero but for handle and account at first. Lives until turns_leave. */
struct turn {
    struct link link; /* among the waiting of its account */
    enum turn_state state;
    uint64_t handle;          /* what wake() is called with */
    uint64_t account;         /* whose turns it takes; stays while the state is not TURN_NONE */
    struct turn_share *share; /* of the account; NULL with TURN_NONE */
};

/* wake(ctx, handle): it is that one's turn; turns_take will say so. Any thread. */
struct turns *turns_new(unsigned most, void (*wake)(void *ctx, uint64_t handle), void *ctx);
void turns_free(struct turns *turns); /* NULL is allowed; nobody is in it */

/* May it run a slice? If not it waits, where it did or behind its account's others. */
bool turns_take(struct turns *turns, struct turn *turn);
/* The slice is done; the next has its turn. */
void turns_give(struct turns *turns, struct turn *turn);
/* It wants no turn any more, whether it has one or waits. */
void turns_leave(struct turns *turns, struct turn *turn);

#endif
