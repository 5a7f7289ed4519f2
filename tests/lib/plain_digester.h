/*
 * plain_digester.h - digests made by a plain call, in the process that asks: for tests and for
 * programs that measure. The product has processes for it (mailbox/digester.h).
 */
#ifndef ROOST_TESTS_PLAIN_DIGESTER_H
#define ROOST_TESTS_PLAIN_DIGESTER_H

#include "mailbox/digester.h"
#include "mime/digest.h"

/* struct digester.make. */
static inline enum rc plain_digest(struct digester *digester, uint64_t account,
                                   const struct slice *messages, size_t n, struct arena *arena,
                                   struct slice *tables, struct err *err)
{
    (void) digester;
    (void) account;
    (void) err;
    for (size_t i = 0; i < n; i++) {
        AUTO(buf_done) struct buf table;

        buf_init(&table, DIGEST_MAX_BYTES);
        digest_build(messages[i], &table);
        tables[i] = arena_dup(arena, buf_slice(&table));
    }
    return RC_OK;
}

#endif
