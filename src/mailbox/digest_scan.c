#include "mailbox/digest_scan.h"

#include "mailbox/message.h"
#include "mailbox/open_account.h"

#define SCAN_MESSAGES 256u /* asked of the engine at once */

struct scan_part {
    const struct digest_want *wants; /* of this part */
    size_t from;
    bool seen[SCAN_MESSAGES];
    digest_seen_fn *fn;
    void *ctx;
};

static void see_kept(void *ctx, size_t at, struct slice table)
{
    struct scan_part *part = ctx;
    struct digest digest;
    struct err stale;

    if (digest_open_kept(table, &digest, &stale) != RC_OK ||
        digest.message_size != part->wants[at].size)
        return;
    part->seen[at] = true;
    part->fn(part->ctx, part->from + at, &digest);
}

static enum rc make_one(struct account *account, struct scan_part *part, size_t at,
                        struct err *err)
{
    AUTO(message_closep)
    struct message *message =
        message_open(account, part->wants[at].body_id, part->wants[at].size);
    const struct digest *digest = NULL;
    enum rc rc = message_digest(message, &digest, err);

    if (rc != RC_OK && rc != RC_CORRUPT && rc != RC_NOT_FOUND)
        return rc;
    part->fn(part->ctx, part->from + at, rc == RC_OK ? digest : NULL);
    return RC_OK;
}

static enum rc scan_some(struct account *account, struct scan_part *part, size_t n,
                         struct err *err)
{
    struct engine *engine = account_engine(account);
    uint64_t ids[SCAN_MESSAGES];
    const struct digest_scan scan = {.account = account->id,
                                     .version = DIGEST_VERSION,
                                     .ids = ids,
                                     .n = n,
                                     .seen = see_kept,
                                     .ctx = part};
    enum rc rc = RC_OK;

    for (size_t i = 0; i < n; i++)
        ids[i] = part->wants[i].body_id;
    engine->ops->digest_scan(engine, &scan);
    for (size_t i = 0; !rc && i < n; i++)
        if (!part->seen[i])
            rc = make_one(account, part, i, err);
    return rc;
}

enum rc account_scan_digests(struct account *account, const struct digest_want *wants, size_t n,
                             digest_seen_fn *fn, void *ctx, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t from = 0; !rc && from < n; from += SCAN_MESSAGES) {
        struct scan_part part = {.wants = wants + from, .from = from, .fn = fn, .ctx = ctx};

        rc = scan_some(account, &part, MIN(n - from, (size_t) SCAN_MESSAGES), err);
    }
    return rc;
}
