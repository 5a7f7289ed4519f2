/*
 * memory.h - one budget for everything the open accounts keep in memory, and for what is worked
 * with behind them.
 *
 * Measured by the sizes of what versions are made of (acct_memory), account by account, when
 * something was read or written. Above the budget the shelves of accounts (shelf.h) are
 * cleared, the longest unused first; then accounts that nobody uses go, the longest unused
 * first, those that are not checkpointed after their checkpoint; then, of accounts in use, the
 * messages of mailboxes that no session has selected. What goes comes back from its pages when
 * somebody asks. The budget is met between turns, not at each moment: what a command needs it
 * gets.
 */
#ifndef ROOST_MAILBOX_MEMORY_H
#define ROOST_MAILBOX_MEMORY_H

#include "mailbox/mail_store.h"

#define MAIL_MEMORY_BYTES                                                                      \
    ((size_t) 256 << 20) /* accounts, mailboxes and messages in memory                         \
                          */

/* The account's memory has changed by about this much: measured at the next turn, which comes
 * at once if the budget is exceeded. Any thread. */
void memory_note(struct account *account, size_t bytes);
/* Work that belongs to no account takes `now` bytes, and of these *noted are counted: 0 at
 * first, and it ends with 0. What is too much is taken from the accounts. */
void memory_note_work(struct mail_store *store, size_t *noted, size_t now);
/* The account goes: it takes nothing any more. */
void memory_forget(struct account *account);

/* Measure what changed; let go of what is too much. In the thread that writes checkpoints;
 * checkpoint() writes one. */
void memory_turn(struct mail_store *store, void (*checkpoint)(struct account *account));

#endif
