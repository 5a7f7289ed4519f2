/*
 * parts.h - parts of bodies that an account keeps once [format], docs/formats/checkpoint.md.
 *
 * A part is an entry of a pack under an id of its account with PACK_PART_BIT set. It lives as
 * long as a body refers to it; the references are rows of the state, changed in the
 * transactions that bring bodies into packs and take them out.
 */
#ifndef ROOST_STORE_LOCAL_PARTS_H
#define ROOST_STORE_LOCAL_PARTS_H

#include "store/local/state.h"

/* A body is dropped: within the transaction that deletes its place, before or after that. fn is
 * called for each part that nothing refers to any more; its place is still there for the caller
 * to count as dead and delete. RC_OK also for a body without parts. */
MUST_CHECK enum rc part_unref(struct state_txn *txn, uint64_t account, uint64_t body_id,
                              enum rc (*fn)(void *ctx, struct state_txn *txn, uint64_t account,
                                            uint64_t part_id, struct err *err),
                              void *ctx, struct err *err);
/* The account is removed: its rows go. Their places go with those of the bodies. */
MUST_CHECK enum rc parts_remove(struct state_txn *txn, uint64_t account, struct err *err);

#endif
