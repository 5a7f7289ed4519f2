#include "web/form_token.h"

#include <sodium.h>
#include <stdio.h>

#include "base/random.h"

void form_key_make(struct form_key *out)
{
    random_bytes(out->bytes, sizeof(out->bytes));
}

void form_token_make(const struct form_key *key, struct slice cookie, const char *action,
                     char out[FORM_TOKEN_CHARS + 1])
{
    unsigned char mac[crypto_auth_hmacsha512256_BYTES];
    crypto_auth_hmacsha512256_state state;

    _Static_assert(sizeof(key->bytes) == crypto_auth_hmacsha512256_KEYBYTES, "key");
    (void) crypto_auth_hmacsha512256_init(&state, key->bytes, sizeof(key->bytes));
    (void) crypto_auth_hmacsha512256_update(&state, (const unsigned char *) action,
                                            strlen(action) + 1); /* its NUL ends it */
    if (cookie.len > 0)
        (void) crypto_auth_hmacsha512256_update(&state, (const unsigned char *) cookie.ptr,
                                                cookie.len);
    (void) crypto_auth_hmacsha512256_final(&state, mac);
    (void) sodium_bin2hex(out, FORM_TOKEN_CHARS + 1, mac, FORM_TOKEN_CHARS / 2);
    sodium_memzero(&state, sizeof(state));
    sodium_memzero(mac, sizeof(mac));
}

bool form_token_fits(const struct form_key *key, struct slice cookie, const char *action,
                     struct slice given)
{
    char want[FORM_TOKEN_CHARS + 1];

    form_token_make(key, cookie, action, want);
    return given.len == FORM_TOKEN_CHARS &&
           sodium_memcmp(want, given.ptr, FORM_TOKEN_CHARS) == 0;
}
