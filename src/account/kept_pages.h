/*
 * kept_pages.h - what mailboxes keep of the expunged, as pages and back
 * (docs/formats/pages.md). What is read holds everything kept_log.h promises.
 */
#ifndef ROOST_ACCOUNT_KEPT_PAGES_H
#define ROOST_ACCOUNT_KEPT_PAGES_H

#include "account/kept_log.h"
#include "account/page_loader.h"

/* The first n messages of a block. */
void kept_put(struct buf *buf, const struct kept_block *block, uint32_t n);
/* A mailbox's slots as a page of mailboxes lists them, and back: numbers are below next_number.
 */
void kept_put_slots(struct buf *buf, const struct kept_log *log);
bool kept_get_slots(struct scan *sc, uint64_t next_number, struct kept_log **log);
/* The rows of a slot that has only a page, of a mailbox with that many keywords. The caller
 * owns the block. */
MUST_CHECK enum rc kept_load_block(struct page_loader *loader, const struct kept_slot *slot,
                                   size_t n_keywords, struct kept_block **out, struct err *err);

#endif
