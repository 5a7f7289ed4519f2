/*
 * pepper.h - the key file DATA/auth/pepper.key (docs/formats/credentials.md).
 *
 * The database keeps a check value of the pepper it was made with, so that a lost or mixed-up
 * key file is one clear error and not a firm whose every device is refused.
 *
 * What is hashed or sealed with it starts with a label of its own, so that one use can never
 * stand for another.
 */
#ifndef ROOST_AUTH_PEPPER_H
#define ROOST_AUTH_PEPPER_H

#include "auth/db.h"

/*
 * Read the key into db. With create, and if the database has seen none yet, make it: the file
 * is durable before the database names it. RC_CORRUPT: missing, or not the database's.
 */
MUST_CHECK enum rc pepper_open(struct auth_db *db, const char *folder, bool create,
                               struct err *err); /* only db.c calls it */

#define PEPPER_MAC_BYTES 32u
/* HMAC-SHA256(pepper, label || text). */
void pepper_mac(const struct pepper *pepper, const char *label, struct slice text,
                unsigned char out[PEPPER_MAC_BYTES]);

/* A sealed secret is a nonce of 24 bytes, the secret encrypted, and a tag of 16. */
#define PEPPER_SEAL_BYTES 40u
/*
 * XChaCha20-Poly1305 with the key HMAC(pepper, label), bound to place: it opens nowhere else.
 * out has room for len + PEPPER_SEAL_BYTES.
 */
void pepper_seal(const struct pepper *pepper, const char *label, struct slice place,
                 const void *plain, size_t len, unsigned char *out);
/* False, after the same work, if it was not sealed so. out has room for len. */
bool pepper_unseal(const struct pepper *pepper, const char *label, struct slice place,
                   const unsigned char *sealed, size_t len, void *out);

#endif
