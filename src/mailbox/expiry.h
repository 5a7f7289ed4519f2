/*
 * expiry.h - the thread that ends what is kept for undelete (account/kept.h) when its window is
 * over, and sooner, the oldest first, while the disk is full.
 *
 * Open accounts are looked at every few seconds, which costs a look at their mailboxes' heads;
 * all others in a pass over the store every few hours. What goes is a record like any other
 * change, a bounded number of them in one transaction. The thread takes accounts' locks, so it
 * is not the one that writes checkpoints: a writer may hold such a lock while it waits for one.
 */
#ifndef ROOST_MAILBOX_EXPIRY_H
#define ROOST_MAILBOX_EXPIRY_H

#include "mailbox/mail_store.h"

struct expiry;

struct expiry *expiry_new(struct mail_store *store, int64_t undelete_sec);
void expiry_start(struct expiry *expiry);
void expiry_stop(struct expiry *expiry);
void expiry_free(struct expiry *expiry); /* NULL is allowed */

/* The disk is full: from the engine's threads, no waiting. Each call lets the next turn go
 * further; the window is whole again a while after the last one. */
void expiry_want_space(struct expiry *expiry);

#endif
