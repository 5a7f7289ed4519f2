/*
 * background.h - the threads behind the acknowledgement: digests of new mail, checkpoints of
 * changed accounts.
 *
 * Nothing here is in the path of an answer, and all of it may be lost in a crash: a digest is
 * made again when somebody asks, a checkpoint only shortens the next recovery.
 */
#ifndef ROOST_MAILBOX_BACKGROUND_H
#define ROOST_MAILBOX_BACKGROUND_H

#include "mailbox/mail_store.h"

struct background;

struct background *background_new(struct mail_store *store);
void background_start(struct background *background);
/* Ends the threads; then checkpoints every account that is dirty. */
void background_stop(struct background *background);
void background_free(struct background *background);

/* Any thread, no waiting. A full queue drops the digest: it is made when somebody asks. */
void background_queue_digest(struct background *background, uint64_t account, uint64_t body_id,
                             uint32_t size);
void background_want_checkpoint(struct background *background, uint64_t account);
/* There is something to do before the next turn is due: memory is above its budget. */
void background_poke(struct background *background);

/* The engine wants to know which bodies live (sweep.h). */
void background_want_sweep(struct background *background, uint64_t account);

/* The engine has no space: whatever gives some is done soon. */
void background_want_space(struct background *background);

/* In the checkpoint thread: the account with one more user, opened if it is closed. */
MUST_CHECK enum rc background_take_account(struct mail_store *store, uint64_t id,
                                           struct account **out, struct err *err);

/* mail_store.c, for the background: the account if it is open, with one more user; ids of open
 * accounts. */
struct account *store_take_open(struct mail_store *store, uint64_t id);
size_t store_open_accounts(struct mail_store *store, uint64_t *ids, size_t max);

#endif
