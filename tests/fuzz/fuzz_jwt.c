/*
 * fuzz_jwt.c - tokens: a header and claims of any form, up to the first zero byte and behind
 * it, in a token that is whole; and the input itself as a token. Nothing is signed, so nothing
 * may be taken.
 */
// links: idp
#include <assert.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/scan.h"
#include "idp/claims.h"
#include "idp/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NOW_SEC 2000000000

static const char key_set[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"; /* RFC 8037 A.2 */

static const struct claim_rules rules = {
    .issuer = {"https://id.example/",  19    },
    .audience = {.items = {{"mail", 4}}, .n = 1},
    .user_claim = {"email",                5     },
    .groups_claim = {"groups",               6     },
};

static void try_token(struct slice token, const struct jwks *set)
{
    static const struct provider_list types = {
        .items = {{"JWT", 3}, {"", 0}},
          .n = 2
    };
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(jwt_done) struct jwt jwt = {0};
    struct idp_answer answer;

    if (jwt_read(token, &types, arena, &jwt, NULL) != RC_OK) {
        assert(jwt.header == NULL && jwt.claims == NULL);
        return;
    }
    assert(jwt.input.len < token.len && jwt.signature.len > 0);
    if (jwt_is_signed_by(&jwt, &set->keys[0]))
        abort();
    claims_judge(jwt.claims, CLAIMS_SIGNED, &rules, FUZZ_NOW_SEC, arena, &answer);
    assert(answer.reason != NULL && answer.user.len <= MSG_USER_MAX);
    assert((answer.code == IDP_OK) == (answer.user.len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf token = {.max = 1 << 20};
    AUTO(jwks_unrefp) struct jwks *set = NULL;
    struct slice input = slice_of(data, size);
    size_t zero = slice_find(input, '\0');

    if (jwks_read(slice_from_str(key_set), ~0u, JWS_RS256, &set, NULL) != RC_OK)
        abort();
    try_token(input, set);
    base64url_encode(&token, slice_sub(input, 0, zero));
    buf_str(&token, ".");
    base64url_encode(&token, slice_from(input, zero + 1));
    buf_str(&token, ".AAAA");
    try_token(buf_slice(&token), set);
    return 0;
}
