/*
 * password.h - hashes of account passwords: "{SCHEME}hash", as Dovecot's files have them.
 *
 * One table of schemes; a row says how its hashes look and how one is checked. What we make
 * ourselves is {ARGON2ID} with libsodium's interactive limits. Checking is slow on purpose, for
 * all but {PLAIN}: it belongs on a thread of hash_pool.h, and so does making.
 */
#ifndef ROOST_AUTH_PASSWORD_H
#define ROOST_AUTH_PASSWORD_H

#include "auth/name.h"
#include "base/buf.h"

#define PASSWORD_HASH_MAX_BYTES 384u /* the longest we know: crypt(3)'s CRYPT_OUTPUT_SIZE */

/* What a stranger's file may ask of us for one check. */
#define ARGON2_MAX_KIB    (1024u * 1024u)
#define ARGON2_MAX_PASSES 64u
/* What ours cost at least, so that one that is set has no less. */
#define ARGON2_MIN_KIB    (64u * 1024u)
#define ARGON2_MIN_PASSES 2u
#define SHA512_MAX_ROUNDS 5000000u
#define BCRYPT_MAX_COST   16u

struct password_scheme;

/* Points into the text it was read from. */
struct password_hash {
    const struct password_scheme *scheme;
    struct slice hash; /* without the scheme's name */
};

/* RC_SYNTAX: no such form. RC_INVALID: a scheme we do not know. RC_LIMIT: too costly. */
MUST_CHECK enum rc password_hash_parse(struct slice text, struct password_hash *out,
                                       struct err *err);
/* Append "{SCHEME}hash". */
void password_hash_print(const struct password_hash *hash, struct buf *out);
/* True if checking takes microseconds and needs no thread. */
bool password_hash_is_cheap(const struct password_hash *hash);
/* True if it should be replaced by {ARGON2ID} now that the password is known to be right. */
bool password_hash_is_old(const struct password_hash *hash);
/* True of an {ARGON2ID} that costs less than ours. */
bool password_hash_is_weak(const struct password_hash *hash);

/* Does the secret fit? May take a good part of a second and, for {ARGON2ID}, 64 MiB. */
bool password_matches(const struct password_hash *hash, struct slice secret);

/* Append "{ARGON2ID}..." for the secret. RC_UNAVAILABLE: no memory for it. */
MUST_CHECK enum rc password_hash_make(struct slice secret, struct buf *out, struct err *err);

/* A hash that fits no password; checking it costs what checking an account's password costs. */
struct slice password_hash_dummy(void);

#endif
