/* mbox_load.h - pieces of loading a mailbox, for what else a record needs; mbox_load.c. */
#ifndef ROOST_ACCOUNT_MBOX_LOAD_H
#define ROOST_ACCOUNT_MBOX_LOAD_H

#include "account/page_loader.h"
#include "account/state_parts.h"

/* Ready to be appended to: the last chunk in memory, with its cold rows. */
MUST_CHECK enum rc mbox_load_tail(struct page_loader *loader, struct acct_state *fork,
                                  uint32_t mbox_id, struct err *err);
/* The cold rows of the slots first..end - 1 of a loaded mailbox. */
MUST_CHECK enum rc mbox_load_cold_slots(struct page_loader *loader, const struct mbox *mbox,
                                        size_t first, size_t end, struct err *err);

#endif
