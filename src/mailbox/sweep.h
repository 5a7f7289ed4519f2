/*
 * sweep.h - tells the engine which bodies of an account live, so that it can take back what the
 * others hold.
 *
 * The thread that writes checkpoints collects the ids (pages that it reads are dropped by
 * nobody else), one account at a time; a thread of its own hands them to the engine, which may
 * take its time. When: enough messages of an open account went for good since the last time, or
 * the engine asks (it was not told for long), so that a restart forgets nothing.
 */
#ifndef ROOST_MAILBOX_SWEEP_H
#define ROOST_MAILBOX_SWEEP_H

#include "mailbox/mail_store.h"

#define SWEEP_MANY       1000u                      /* bodies that went: soon */
#define SWEEP_MANY_US    ((int64_t) 300 * 1000000)  /* after the sweep before */
#define SWEEP_ANY_US     ((int64_t) 3600 * 1000000) /* if any went */
#define SWEEP_LOOK_US    ((int64_t) 60 * 1000000)   /* between looks at the open accounts */
#define SWEEP_WANTED_MAX 4096u /* accounts the engine asked for; it asks again */

struct sweeper;

struct sweeper *sweeper_new(struct mail_store *store);
void sweeper_start(struct sweeper *sweeper);
void sweeper_stop(struct sweeper *sweeper);
void sweeper_free(struct sweeper *sweeper);

/* Any thread: the engine wants to know of this account. */
void sweeper_want(struct sweeper *sweeper, uint64_t account);
/* Any thread: space is short, what went is swept at the next turn. */
void sweeper_hurry(struct sweeper *sweeper);

/* In the checkpoint thread, once a turn: collects at most one account. ids: of the open ones.
 */
void sweeper_turn(struct sweeper *sweeper, const uint64_t *ids, size_t n);

#endif
