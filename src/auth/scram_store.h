/*
 * scram_store.h - what is kept for SCRAM of each password: keys sealed with the pepper, in
 * table `scram` (docs/formats/credentials.md).
 *
 * The salt belongs to the user's name, since it is told before anybody knows which of the
 * user's passwords is meant: HMAC(pepper, name key). So a name that nobody has gets one too,
 * made the same way and staying the same, and nothing tells it from the others.
 *
 * Mail programs hash what the person typed, so an app password has two forms: with its hyphens
 * and without. The keys are sealed (XChaCha20-Poly1305, bound to the row they stand in): a copy
 * of the database without the pepper is good for no guessing and no impersonation.
 */
#ifndef ROOST_AUTH_SCRAM_STORE_H
#define ROOST_AUTH_SCRAM_STORE_H

#include "auth/db.h"
#include "auth/scram.h"

#define SCRAM_FORMS_MAX 2u
#define SCRAM_ROWS_MAX  (2u * SCRAM_FORMS_MAX) /* forms times hashes */

/* The rows of one password. They hold no secret in the clear. */
struct scram_set {
    struct scram_row rows[SCRAM_ROWS_MAX];
    size_t n;
};

/* Sets of hashes: 1 << enum scram_hash. */
#define SCRAM_HASH_BIT(hash) (1u << (hash))

/* One computation, so that the first one inside the sandbox opens nothing. */
void scram_warm_up(void);

/*
 * Of what stands before the name's first "@" alone. anna and anna@ours may be one account or
 * two, or nobody: whichever it is, they have the same salt, and it tells nothing.
 */
void scram_salt_of(const struct pepper *pepper, struct slice name_key, struct scram_salt *out);

/*
 * The rows of a password of this account; device 0: of the account itself. secret: an app
 * password in any form, or an account password, prepared. Slow on purpose, some milliseconds a
 * row; may run on any thread.
 */
void scram_set_make(const struct pepper *pepper, struct slice name_key, uint64_t account,
                    uint64_t device, struct slice secret, unsigned hashes,
                    struct scram_set *out);
/* In place of what was there of the same device. */
MUST_CHECK enum rc scram_set_store(struct auth_db *db, const struct scram_set *set,
                                   struct err *err);

/* RC_CORRUPT: not sealed with this pepper, or for another row. */
MUST_CHECK enum rc scram_unseal(const struct pepper *pepper, const struct scram_row *row,
                                struct scram_keys *out, struct err *err);

#endif
