/*
 * fuzz_jwt.c - tokens: a header and claims of any form, up to the first zero byte and behind
 * it, in a token that is whole; and the input itself as a token, and as what an introspection
 * endpoint says of one (RFC 7662). Nothing is signed, so nothing may be taken.
 */
// links: idp
#include <assert.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/scan.h"
#include "idp/claims.h"
#include "idp/json.h"
#include "idp/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NOW_SEC 2000000000

static const char key_set[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"; /* RFC 8037 A.2 */

static const struct claim_rules rules[] = {
    {
     .issuer = {"https://id.example/", 19},
     .audience = {.items = {{"mail", 4}}, .n = 1},
     .scopes = {.items = {{"imap", 4}}, .n = 1},
     .user_claim = {"email", 5},
     .groups_claim = {"groups", 6},
     .leeway_sec = 60,
     },
    {.issuer = {"https://id.example/", 19},            .user_claim = {"sub", 3}               },
};

static void judge(const json_t *claims, struct arena *arena)
{
    static const enum claims_from froms[] = {CLAIMS_SIGNED, CLAIMS_TOLD};
    struct idp_answer answer;

    for (size_t i = 0; i < COUNT(rules) * COUNT(froms); i++) {
        claims_judge(claims, froms[i % COUNT(froms)], &rules[i / COUNT(froms)], FUZZ_NOW_SEC,
                     arena, &answer);
        assert(answer.reason != NULL && answer.user.len <= MSG_USER_MAX);
        assert((answer.code == IDP_OK) == (answer.user.len > 0));
        assert(slice_count(answer.user, '\0') == 0);
        assert(answer.code != IDP_OK || answer.expires > FUZZ_NOW_SEC);
    }
}

static void try_token(struct slice token, const struct jwks *set)
{
    static const struct provider_list types = {
        .items = {{"JWT", 3}, {"", 0}},
          .n = 2
    };
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(jwt_done) struct jwt jwt = {0};

    if (jwt_read(token, &types, arena, &jwt, NULL) != RC_OK) {
        assert(jwt.header == NULL && jwt.claims == NULL);
        return;
    }
    assert(jwt.input.len < token.len && jwt.signature.len > 0);
    if (jwt_is_signed_by(&jwt, &set->keys[0]))
        abort();
    judge(jwt.claims, arena);
}

static void try_answer(struct slice answer)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(json_freep) json_t *claims = NULL;

    if (json_read(answer, &claims, NULL) == RC_OK)
        judge(claims, arena);
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
    try_answer(input);
    base64url_encode(&token, slice_sub(input, 0, zero));
    buf_str(&token, ".");
    base64url_encode(&token, slice_from(input, zero + 1));
    buf_str(&token, ".AAAA");
    try_token(buf_slice(&token), set);
    return 0;
}
