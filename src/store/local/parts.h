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

#define PART_HASH_BYTES 32u

/* A part by its content: a keyed hash and the length. */
struct part_name {
    uint64_t account;
    unsigned char hash[PART_HASH_BYTES];
    uint64_t length;
};

/* The store's key for hashes of parts; made when it is asked for first. */
MUST_CHECK enum rc parts_key(struct state *state, unsigned char out[PART_HASH_BYTES],
                             struct err *err);
void part_name_of(const unsigned char key[PART_HASH_BYTES], uint64_t account,
                  struct slice bytes, struct part_name *out);
/* RC_NOT_FOUND; RC_CORRUPT: its references cannot be read, so no more may be made to it. What
 * is found may die before a pack refers to it: part_ref() tells. */
MUST_CHECK enum rc parts_find(struct state *state, const struct part_name *name,
                              uint64_t *out_part_id, struct err *err);

/* A part that nothing refers to yet; part_ref() of the same transaction does. */
MUST_CHECK enum rc part_add(struct state_txn *txn, const struct part_name *name,
                            uint64_t part_id, struct err *err);
/* The body refers to these parts, each named once. RC_CONFLICT: one of them is gone. */
MUST_CHECK enum rc part_ref(struct state_txn *txn, uint64_t account, uint64_t body_id,
                            const uint64_t *part_ids, size_t n, struct err *err);

typedef enum rc part_dead_fn(void *ctx, struct state_txn *txn, uint64_t account,
                             uint64_t part_id, struct err *err);
/* A body is dropped: within the transaction that deletes its place, before or after that. fn is
 * called for each part that nothing refers to any more; its place is still there for the caller
 * to count as dead and delete. RC_OK also for a body without parts. */
MUST_CHECK enum rc part_unref(struct state_txn *txn, uint64_t account, uint64_t body_id,
                              part_dead_fn *fn, void *ctx, struct err *err);
/* The account is removed: its rows go. Their places go with those of the bodies. */
MUST_CHECK enum rc parts_remove(struct state_txn *txn, uint64_t account, struct err *err);

#endif
