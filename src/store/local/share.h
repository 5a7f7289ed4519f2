/*
 * share.h - which parts of the bodies in a new pack are stored already, or once for several.
 *
 * A part is looked for by a keyed hash of its bytes and their length, and compared byte for
 * byte before it is shared.
 */
#ifndef ROOST_STORE_LOCAL_SHARE_H
#define ROOST_STORE_LOCAL_SHARE_H

#include "store/local/parts.h"
#include "store/local/store.h"

#define SHARE_PART_MAX_BYTES                                                                   \
    ((uint64_t) 16 << 20) /* looked at in memory; longer ones are not */
#define SHARE_HELD_MAX_BYTES                                                                   \
    ((uint64_t) 32 << 20) /* new parts kept to compare with, in a pack */

struct share;

MUST_CHECK enum rc share_new(struct local *local, struct share **out, struct err *err);
void share_free(struct share *share); /* NULL is allowed */

/* The part with these bytes: one of the account's, or a new one (*out_is_new), which the caller
 * writes before the body. RC_UNAVAILABLE: it cannot be shared now. */
MUST_CHECK enum rc share_part(struct share *share, uint64_t account, struct slice bytes,
                              uint64_t *out_part_id, bool *out_is_new, struct err *err);
/* The body is made of these parts among other bytes. */
void share_refer(struct share *share, uint64_t account, uint64_t body_id,
                 const uint64_t *part_ids, size_t n);
/* New parts and references become rows. RC_CONFLICT as part_ref(). */
MUST_CHECK enum rc share_settle(const struct share *share, struct state_txn *txn,
                                struct err *err);

#endif
