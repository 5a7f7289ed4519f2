/*
 * digest_scan.h - the digests of many messages in a row, without their search text.
 *
 * For whoever wants a little of each message: what lies side by side in the store is read side
 * by side. A digest that is not kept is made, which takes longer by far.
 */
#ifndef ROOST_MAILBOX_DIGEST_SCAN_H
#define ROOST_MAILBOX_DIGEST_SCAN_H

#include "mailbox/mail_store.h"
#include "mime/digest.h"

struct digest_want {
    uint64_t body_id;
    uint32_t size;
};

/* digest: valid during the call; NULL: the message is damaged, or gone by now. */
typedef void digest_seen_fn(void *ctx, size_t at, const struct digest *digest);

/* fn is called once for each of the wants, by their index, in no order. RC_IO, RC_UNAVAILABLE:
 * the store fails, some were not told. */
MUST_CHECK enum rc account_scan_digests(struct account *account,
                                        const struct digest_want *wants, size_t n,
                                        digest_seen_fn *fn, void *ctx, struct err *err);

#endif
