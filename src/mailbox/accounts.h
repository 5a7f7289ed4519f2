/* accounts.h - all accounts of a store at once, as a list that may be worked off slowly. */
#ifndef ROOST_MAILBOX_ACCOUNTS_H
#define ROOST_MAILBOX_ACCOUNTS_H

#include "store/engine.h"

/* Their ids, in no order; the caller frees *out. RC_IO and the engine's others: nothing is to
 * be freed. */
MUST_CHECK enum rc engine_accounts(struct engine *engine, uint64_t **out, size_t *out_n,
                                   struct err *err);

#endif
