/*
 * key_source.h - an issuer's keys, from a URL or a file: kept, fetched again, rotated.
 *
 * A set that is older than KEYS_FRESH_SEC is fetched again by the next who needs it, and so is
 * one that lacks the key that a token names; the others go on with the old set meanwhile. Who
 * makes up names of keys causes KEYS_FETCHES_MAX fetches in KEYS_WINDOW_SEC and no more. While
 * the issuer is away the old set serves up to KEYS_STALE_SEC.
 */
#ifndef ROOST_IDP_KEY_SOURCE_H
#define ROOST_IDP_KEY_SOURCE_H

#include "base/arena.h"
#include "idp/jwks.h"

#define KEYS_FRESH_SEC   3600
#define KEYS_STALE_SEC   (24 * 3600)
#define KEYS_WINDOW_SEC  60
#define KEYS_FETCHES_MAX 4u

struct key_source;

struct key_source_options {
    struct slice from; /* URL, or the path of a file; with a NUL behind it */
    bool is_url;
    struct slice ca;
    unsigned allowed; /* JWS_ALG_BITs */
    enum jws_alg rsa; /* what an RSA key without "alg" is for */
};

/* A file is read at once; a URL is not asked yet. The options' slices stay the caller's. */
MUST_CHECK enum rc key_source_new(const struct key_source_options *options,
                                  struct key_source **out, struct err *err);
void key_source_free(struct key_source *source); /* NULL is allowed */

/*
 * The key, and the set that it lives in. RC_NOT_FOUND: it is in none. RC_UNAVAILABLE: there is
 * no set, or not the one that might have it, and none can be fetched. kid: NULL of a token that
 * names none. Any thread; jwks_unref() the set.
 */
MUST_CHECK enum rc key_source_find(struct key_source *source, const struct slice *kid,
                                   struct jwks **out_set, const struct jwk **out_key,
                                   struct err *err);
/* The next who needs a key has the set fetched, or read, again. Any thread. */
void key_source_forget(struct key_source *source);

#endif
