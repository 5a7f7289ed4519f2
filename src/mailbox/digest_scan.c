#include "mailbox/digest_scan.h"

#include "mailbox/message.h"

enum rc account_scan_digests(struct account *account, const struct digest_want *wants, size_t n,
                             digest_seen_fn *fn, void *ctx, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(message_closep)
        struct message *message = message_open(account, wants[i].body_id, wants[i].size);
        const struct digest *digest = NULL;
        enum rc rc = message_digest(message, &digest, err);

        if (rc != RC_OK && rc != RC_CORRUPT && rc != RC_NOT_FOUND)
            return rc;
        fn(ctx, i, rc == RC_OK ? digest : NULL);
    }
    return RC_OK;
}
