/* annotation_pages.h - annotations as payloads of pages, and back; docs/formats/pages.md. */
#ifndef ROOST_ACCOUNT_ANNOTATION_PAGES_H
#define ROOST_ACCOUNT_ANNOTATION_PAGES_H

#include "account/annotations.h"
#include "account/page_loader.h"

void annotation_leaf_put(struct buf *buf, const struct annotation_leaf *leaf);
/* The rows lie behind `last` (NULL: they are the first), beside messages that have been. */
MUST_CHECK enum rc annotation_leaf_load(struct page_loader *loader,
                                        const struct page_place *place,
                                        const struct annotation_row *last, uint32_t uidnext,
                                        struct annotation_leaf **out, struct err *err);

/* What is kept beside one message; NULL: nothing. */
void annotation_bundle_put(struct buf *buf, const struct annotation_bundle *bundle);
bool annotation_bundle_get(struct scan *sc, uint32_t uid, struct annotation_bundle **out);

#endif
