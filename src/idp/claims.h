/*
 * claims.h - what a token says of itself, judged: whose it is, for whom, from when until when.
 *
 * Spec: RFC 7519 4.1 (iss, aud, exp, nbf, iat), RFC 8725 3.8 and 3.9, RFC 7662 2.2, RFC
 * 9068 2.2. Issuer and audience are pinned by the configuration and compare octet by octet.
 * What a rule needs and the token lacks is a refusal; so is a claim of another type than the
 * RFC gives it.
 */
#ifndef ROOST_IDP_CLAIMS_H
#define ROOST_IDP_CLAIMS_H

#include <jansson.h>

#include "idp/provider.h"
#include "idp/provider_file.h"

#define CLAIMS_LEEWAY_MAX_SEC 300
#define CLAIMS_AUDIENCES_MAX  64u                 /* of one token */
#define CLAIMS_TIME_MAX       ((int64_t) 1 << 53) /* what every reader of JSON counts exactly */

struct claim_rules {
    struct slice issuer;
    struct provider_list audience; /* one of these; empty: any */
    struct provider_list scopes;   /* all of these */
    struct slice user_claim;       /* whose value names the account */
    struct slice groups_claim;     /* empty: nothing is said of groups */
    struct provider_list groups;   /* those that count: "NAME THERE=NAME HERE", or one name */
    int64_t leeway_sec;            /* clocks may differ by so much */
};

enum claims_from {
    CLAIMS_SIGNED, /* of a JWT: iss has to be there */
    CLAIMS_TOLD,   /* the answer of an introspection endpoint, which is pinned by its URL:
                      "active"   has to be true, and iss may be absent */
};

/* All of out. Slices of it live in the arena. */
void claims_judge(const json_t *claims, enum claims_from from, const struct claim_rules *rules,
                  int64_t now, struct arena *arena, struct idp_answer *out);

#endif
