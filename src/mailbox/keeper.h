/*
 * keeper.h - the threads behind the acknowledgement: digests of new mail, checkpoints of
 * changed accounts.
 *
 * Nothing here is in the path of an answer, and all of it may be lost in a crash: a digest is
 * made again when somebody asks, a checkpoint only shortens the next recovery.
 */
#ifndef ROOST_MAILBOX_KEEPER_H
#define ROOST_MAILBOX_KEEPER_H

#include "mailbox/mail_store.h"

struct keeper;

struct keeper *keeper_new(struct mail_store *store);
void keeper_start(struct keeper *keeper);
/* Ends the threads; then checkpoints every account that is dirty. */
void keeper_stop(struct keeper *keeper);
void keeper_free(struct keeper *keeper);

/* Any thread, no waiting. A full queue drops the digest: it is made when somebody asks. */
void keeper_queue_digest(struct keeper *keeper, uint64_t account, uint64_t body_id,
                         uint32_t size);
void keeper_want_checkpoint(struct keeper *keeper, uint64_t account);

/* mail_store.c, for the keeper: the account if it is open, with one more user; ids of open
 * accounts. */
struct account *store_take_open(struct mail_store *store, uint64_t id);
size_t store_open_accounts(struct mail_store *store, uint64_t *ids, size_t max);

#endif
