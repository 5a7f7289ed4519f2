/*
 * crowd.h - many clients, few threads, as the mail role serves its sessions: a client that
 * waits for the disk has no thread, and is woken through the pool (net/pool.h) as
 * account_wait() wakes a session (server/client.c).
 *
 * Each client has one transaction under way: the next begins when the one before is durable,
 * in the pool thread that the wake-up reaches.
 */
#ifndef ROOST_BENCH_CROWD_H
#define ROOST_BENCH_CROWD_H

#include <stdatomic.h>

#include "net/pool.h"

struct crowd_client {
    /* Begins the next transaction; whoever knows that it is durable calls crowd_done(). */
    void (*begin)(struct crowd_client *client);

    /* The crowd's own. */
    struct crowd *crowd;
    pool_handle handle;
    int fd; /* what the pool watches: it can always be written to, as an idle socket */
    bool waits;
    _Atomic bool is_done; /* pairs with crowd_done() */
    uint64_t n;           /* transactions that were durable */
};

/* As many threads as the mail role has by default on this machine. */
unsigned crowd_threads(void);

/* Any thread, also from inside begin. Nothing of the client may be touched afterwards. */
void crowd_done(struct crowd_client *client);

/* Lets n clients work until *stop; how many transactions were durable. */
uint64_t crowd_run(struct crowd_client *const *clients, unsigned n, const atomic_bool *stop);

#endif
