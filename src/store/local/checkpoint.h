/*
 * checkpoint.h - what the rows of the state mean [format], docs/formats/checkpoint.md: an
 * account's root and pages, places of packed bodies, UIDVALIDITY, removed accounts.
 *
 * Every value that an account's truth depends on carries a checksum over its key and content,
 * so that a row under the wrong key is as visible as a changed one.
 */
#ifndef ROOST_STORE_LOCAL_CHECKPOINT_H
#define ROOST_STORE_LOCAL_CHECKPOINT_H

#include "account/pages.h"
#include "store/local/state.h"

struct pack_place {
    uint64_t pack;
    uint64_t offset; /* of the entry's header */
    uint32_t row;    /* in the pack's index */
    uint32_t stored; /* bytes of the entry in the file, at most UINT32_MAX: for the figures */
    uint64_t length;
};

struct packed_body {
    uint64_t account, body_id;
    struct pack_place place;
};

/* The LSN that the account's checkpoint covers; RC_NOT_FOUND without one. */
MUST_CHECK enum rc checkpoint_lsn(struct state *state, uint64_t account, uint64_t *out_lsn,
                                  struct err *err);
MUST_CHECK enum rc checkpoint_root(struct state *state, uint64_t account, struct arena *arena,
                                   uint64_t *out_lsn, struct slice *out_root, struct err *err);
MUST_CHECK enum rc checkpoint_page(struct state *state, uint64_t account, uint64_t number,
                                   struct arena *arena, struct slice *out, struct err *err);
MUST_CHECK enum rc checkpoint_write(struct state *state, uint64_t account, uint64_t lsn,
                                    const struct page_batch *batch, struct err *err);
/* Each account that has a root, which may be damaged. */
MUST_CHECK enum rc checkpoint_list(struct state *state, bool (*fn)(void *ctx, uint64_t account),
                                   void *ctx, struct err *err);
MUST_CHECK enum rc checkpoint_list_from(struct state *state, uint64_t first,
                                        bool (*fn)(void *ctx, uint64_t account), void *ctx,
                                        struct err *err);

/* When the account's bodies were judged last (live.h), in unix seconds; RC_NOT_FOUND: never. */
MUST_CHECK enum rc checkpoint_swept(struct state *state, uint64_t account, int64_t *out,
                                    struct err *err);
MUST_CHECK enum rc checkpoint_put_swept(struct state *state, uint64_t account, struct err *err);

/* RC_NOT_FOUND when the body is in no pack. */
MUST_CHECK enum rc checkpoint_find_place(struct state *state, uint64_t account,
                                         uint64_t body_id, struct pack_place *out,
                                         struct err *err);
/* The account's packed bodies from an id on, by id, until fn answers false; place NULL: the row
 * is damaged. In one read transaction, so fn is quick. */
MUST_CHECK enum rc checkpoint_each_place(struct state *state, uint64_t account, uint64_t from,
                                         bool (*fn)(void *ctx, uint64_t body_id,
                                                    const struct pack_place *place),
                                         void *ctx, struct err *err);

/* Every place of every account, until fn answers false. RC_CORRUPT: a row fails its check. */
MUST_CHECK enum rc checkpoint_all_places(struct state *state,
                                         bool (*fn)(void *ctx, const struct pack_place *place),
                                         void *ctx, struct err *err);

/* Within a job (pack_rows.c, which keeps the packs' counts true). */
MUST_CHECK enum rc checkpoint_txn_find_place(struct state_txn *txn, uint64_t account,
                                             uint64_t body_id, struct pack_place *out,
                                             struct err *err);
MUST_CHECK enum rc checkpoint_txn_put_place(struct state_txn *txn,
                                            const struct packed_body *body, struct err *err);
MUST_CHECK enum rc checkpoint_txn_drop_place(struct state_txn *txn, uint64_t account,
                                             uint64_t body_id, struct err *err);
MUST_CHECK enum rc checkpoint_txn_drop_digest(struct state_txn *txn, uint64_t account,
                                              uint64_t body_id, struct err *err);
/* RC_NOT_FOUND: the account has none. */
MUST_CHECK enum rc checkpoint_txn_first_place(struct state_txn *txn, uint64_t account,
                                              uint64_t *out_body_id, struct err *err);
/* RC_NOT_FOUND: there is no mark that the account was removed. */
MUST_CHECK enum rc checkpoint_txn_removed(struct state_txn *txn, uint64_t account,
                                          struct err *err);

/* Digests that no pack took with its bodies. Derived data: a removed account's are left out. */
struct loose_digest {
    uint64_t account, body_id;
    uint32_t version;
    struct slice bytes;
};
MUST_CHECK enum rc checkpoint_put_digests(struct state *state,
                                          const struct loose_digest *digests, size_t n,
                                          struct err *err);
/* As it was put. RC_NOT_FOUND. */
MUST_CHECK enum rc checkpoint_loose_digest(struct state *state, uint64_t account,
                                           uint64_t body_id, struct arena *arena,
                                           uint32_t *out_version, struct slice *out,
                                           struct err *err);

/* The account's rows go; recovery skips its groups up to lsn. */
MUST_CHECK enum rc checkpoint_remove(struct state *state, uint64_t account, uint64_t lsn,
                                     struct err *err);
/* lsn UINT64_MAX: the mark is damaged. The account was removed all the same. */
MUST_CHECK enum rc checkpoint_each_removed(struct state *state,
                                           bool (*fn)(void *ctx, uint64_t account,
                                                      uint64_t lsn),
                                           void *ctx, struct err *err);
bool checkpoint_is_removed(struct state *state, uint64_t account);
/* The journal begins above lsn: marks of removed accounts below it are not needed. */
MUST_CHECK enum rc checkpoint_forget_removed(struct state *state, const uint64_t *accounts,
                                             size_t n, struct err *err);

/* Is this the state of the store with that uuid? RC_CORRUPT if it is another's. A state that
 * does not say is told. */
MUST_CHECK enum rc checkpoint_claim(struct state *state, const unsigned char uuid[16],
                                    struct err *err);

/* First of n values that were never given; durable. */
MUST_CHECK enum rc checkpoint_uidvalidity(struct state *state, uint32_t n, uint32_t *out_first,
                                          struct err *err);

#endif
