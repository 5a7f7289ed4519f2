/*
 * form_token.h - a form that we made, for this browser, for this action: against forms that
 * another site makes the browser send.
 *
 * The token is HMAC-SHA-512/256 (libsodium's crypto_auth) over the action's path and the cookie
 * that the browser holds: of the session, or before login of one at random. The key is of this
 * process alone, so forms made before it was replaced are asked for again.
 */
#ifndef ROOST_WEB_FORM_TOKEN_H
#define ROOST_WEB_FORM_TOKEN_H

#include "base/slice.h"

#define FORM_KEY_BYTES   32u
#define FORM_TOKEN_CHARS 32u /* hex digits of the first 128 bits */

struct form_key {
    unsigned char bytes[FORM_KEY_BYTES];
};

void form_key_make(struct form_key *out);
/* With a NUL. */
void form_token_make(const struct form_key *key, struct slice cookie, const char *action,
                     char out[FORM_TOKEN_CHARS + 1]);
/* In a time that tells nothing. */
bool form_token_fits(const struct form_key *key, struct slice cookie, const char *action,
                     struct slice given);

#endif
