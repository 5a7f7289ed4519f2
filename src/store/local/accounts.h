/*
 * accounts.h - the list of accounts, kept apart from the state: which accounts have a
 * checkpoint, and up to which LSN [format], docs/formats/checkpoint.md.
 *
 * Hazard: a root that vanishes from the state, or an older one in its place, must not make an
 * account look new, or younger than it is. Rule: what the state says of an account counts only
 * if its root covers at least the LSN that stands here; no root for a listed account is damage.
 * The list is written behind the state, so it never claims more than the state has been told;
 * it is synced before the journal lets go of a segment, so from then on it claims enough.
 *
 * The entry of account 0 (no account has that id) is a point of the whole journal: every group
 * up to its LSN is in its account's checkpoint. What is damaged before it costs bodies at most.
 *
 * All calls may come from any thread; the lock is a leaf.
 */
#ifndef ROOST_STORE_LOCAL_ACCOUNTS_H
#define ROOST_STORE_LOCAL_ACCOUNTS_H

#include "base/slice.h"

struct accounts;

/* Reads the file of this store; bad records are counted. No file is an empty list. RC_IO. */
MUST_CHECK enum rc accounts_open(int root, const unsigned char uuid[16], struct accounts **out,
                                 struct err *err);
void accounts_free(struct accounts *accounts);

/* Records of the file that could not be read. */
size_t accounts_bad(const struct accounts *accounts);
/* False: not listed. */
bool accounts_find(struct accounts *accounts, uint64_t account, uint64_t *out_lsn);
/* Every listed account, in no order, from a copy of the list; fn may call back. */
void accounts_each(struct accounts *accounts,
                   void (*fn)(void *ctx, uint64_t account, uint64_t lsn), void *ctx);

/* The account's checkpoint covers lsn; a smaller one than is known changes nothing. */
void accounts_note(struct accounts *accounts, uint64_t account, uint64_t lsn);
void accounts_remove(struct accounts *accounts, uint64_t account);
/* Every group up to lsn is covered. */
void accounts_note_covered(struct accounts *accounts, uint64_t lsn);
uint64_t accounts_covered(struct accounts *accounts);

/* What was noted is on disk when it returns RC_OK. RC_IO is final. */
MUST_CHECK enum rc accounts_sync(struct accounts *accounts, struct err *err);
/* The file anew, a record an account. */
MUST_CHECK enum rc accounts_rewrite(struct accounts *accounts, struct err *err);
/* All records of the file as it lies there: how many are bad. */
MUST_CHECK enum rc accounts_scrub(struct accounts *accounts, uint64_t *out_bytes,
                                  uint64_t *out_bad, struct err *err);

#endif
