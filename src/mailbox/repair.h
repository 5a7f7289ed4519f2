/*
 * repair.h - an account that does not open any more, or one mailbox whose messages do not load,
 * made anew from its messages.
 *
 * What says which mailboxes an account has is damaged; its bodies are not. Each body tells its
 * mailbox (a number), uid, flags and date as they were when it came in (docs/formats/packs.md),
 * so the account is made again from them: the mailboxes a new account begins with have their
 * names, others are called "Recovered/N". All of them get new UIDVALIDITY, so no uid names
 * another mail. What was expunged lately may come back; changes of flags since the message came
 * in are lost.
 */
#ifndef ROOST_MAILBOX_REPAIR_H
#define ROOST_MAILBOX_REPAIR_H

#include "mailbox/check.h"

/* RC_EXISTS: it opens, nothing is to be repaired. Adds to sum->repaired. */
MUST_CHECK enum rc repair_account(struct mail_store *store, uint64_t id, struct check_sum *sum,
                                  struct err *err);
/*
 * A mailbox whose messages do not load, in an account that is served: an empty one takes its
 * place, with its name, special use, list and entries, new MAILBOXID and UIDVALIDITY; every
 * body of the account that nothing else names comes into it, with the flags and date it came in
 * with. Sessions in it end. RC_EXISTS: it loads. Adds to sum->repaired.
 */
MUST_CHECK enum rc repair_mailbox(struct mail_store *store, uint64_t id, uint32_t mbox_id,
                                  struct check_sum *sum, struct err *err);
/* check_account(), or check_store() if id is 0; every account that does not open is repaired,
 * and every mailbox that does not load. With
 * id 0 the register of shares (shares.h) is completed. */
MUST_CHECK enum rc repair_store(struct mail_store *store, uint64_t id,
                                const struct check_watch *watch, struct check_sum *sum,
                                struct err *err);

/* The records an account begins with, applied to a fork that has none: the mailboxes of a new
 * one. */
MUST_CHECK enum rc repair_begin(struct acct_state *fork, uint32_t uidvalidity, uint64_t modseq,
                                struct err *err);

#endif
