/*
 * live_bodies.h - which bodies a version of an account still needs.
 *
 * Every body that a message of any mailbox names, loaded or not; that an expunged message names
 * which is kept for undelete; that a message or a kept one of a deleted mailbox names, as long
 * as the mailbox is kept. What the version does not name and what has an id below its
 * acct_next_body_id() no later version can name again: ids are never given twice, COPY and
 * RESTORE take only what a version names. So it is dead once the version is durable and nobody
 * reads an older one.
 *
 * Messages that are not loaded are read from their pages, one chunk at a time, and forgotten:
 * memory is that of a few pages whatever the account holds, and the version stays as it is. A
 * checkpoint that is stored meanwhile may drop pages the version points to; the answer is then
 * RC_NOT_FOUND, what was told so far is void, and the caller takes the newest version and
 * begins again. In the thread that writes an account's checkpoints that cannot happen.
 */
#ifndef ROOST_ACCOUNT_LIVE_BODIES_H
#define ROOST_ACCOUNT_LIVE_BODIES_H

#include "account/pages.h"

#define LIVE_BODIES_BATCH_MAX CHUNK_MESSAGES /* ids of one call */

/* n ids, 1..LIVE_BODIES_BATCH_MAX, in no order; an id comes again for every copy of the
 * message. Anything but RC_OK ends the walk and is its answer. */
typedef enum rc live_bodies_fn(void *ctx, const uint64_t *ids, size_t n, struct err *err);

/* RC_CORRUPT (a page does not hold what it should: nothing may be called dead), RC_NOT_FOUND
 * (see above), RC_IO, or what fn said. */
MUST_CHECK enum rc acct_each_live_body(const struct acct_state *state, page_read_fn *read,
                                       void *read_ctx, live_bodies_fn *fn, void *ctx,
                                       struct err *err);

#endif
