/*
 * page_frame.h - what every page begins and ends with: magic, kind, version, whose and which
 * page it is, and at the end XXH3 over everything before. docs/formats/pages.md.
 *
 * The hash finds damage; it is no defence against somebody who writes the disk.
 */
#ifndef ROOST_ACCOUNT_PAGE_FRAME_H
#define ROOST_ACCOUNT_PAGE_FRAME_H

#include "base/buf.h"
#include "base/scan.h"

enum page_kind {
    PAGE_ROOT = 1,
    PAGE_MAILBOXES = 2,
    PAGE_SUBSCRIPTIONS = 3,
    PAGE_REST = 4,
    PAGE_INFO = 5,
    PAGE_HOT = 6,
    PAGE_COLD = 7,
    PAGE_EXPUNGED = 8,
    PAGE_OVERLAY = 9,
    PAGE_KEPT = 10,
    PAGE_DELETED = 11,
    PAGE_ANNOTATIONS = 12,
};

struct page_id {
    enum page_kind kind;
    uint64_t account;
    uint64_t number; /* 0: the root */
    uint8_t version; /* of a page that was checked, or is to be written */
};

#define PAGE_VERSION_PLAIN 3u /* mailboxes without annotations: read, not written */
#define PAGE_VERSION       4u
#define PAGE_VERSION_TWINS                                                                     \
    5u /* hot pages with twins, and the root of an account that has them */
#define PAGE_VERSION_UNSEEN 6u /* mailboxes that say which message is the first unseen */

/* Write the head into an empty buffer, then the payload, then the end. */
void page_begin(struct buf *buf, const struct page_id *id);
void page_end(struct buf *buf);
/* Check head and hash; *out reads the payload, and id has its version. RC_CORRUPT says what is
 * wrong. */
MUST_CHECK enum rc page_check(struct slice bytes, struct page_id *id, struct scan *out,
                              struct err *err);
enum rc page_corrupt(struct err *err, const struct page_id *id, const char *what);

#endif
