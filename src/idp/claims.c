#include "idp/claims.h"

#include "idp/json.h"

/* NumericDate (RFC 7519 2), whole seconds. RC_NOT_FOUND: absent. */
static enum rc get_time(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(claims, name);

    if (value == NULL)
        return RC_NOT_FOUND;
    if (!json_is_integer(value) || json_integer_value(value) <= 0 ||
        json_integer_value(value) > CLAIMS_TIME_MAX)
        return RC_SYNTAX;
    *out = json_integer_value(value);
    return RC_OK;
}

/* The text of a value, if it is one of the list. */
static bool is_listed(const struct provider_list *list, const json_t *value)
{
    return json_is_string(value) &&
           provider_list_has(list,
                             slice_of(json_string_value(value), json_string_length(value)));
}

/* RFC 7519 4.1.3: a text, or an array of texts. */
static bool is_for_us(const json_t *claims, const struct provider_list *audience)
{
    const json_t *aud = json_object_get(claims, "aud");

    if (audience->n == 0 || is_listed(audience, aud))
        return true;
    if (!json_is_array(aud) || json_array_size(aud) > CLAIMS_AUDIENCES_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(aud); i++) {
        if (is_listed(audience, json_array_get(aud, i)))
            return true;
    }
    return false;
}

static bool has_word(struct slice words, struct slice wanted)
{
    struct scan sc = scan_of(words);
    struct slice word;

    while (scan_until(&sc, ' ', &word)) {
        if (slice_eq(word, wanted))
            return true;
        (void) scan_byte(&sc, ' ');
    }
    return slice_eq(scan_rest(&sc), wanted);
}

/* "scope" is words (RFC 8693 4.2, RFC 9068 2.2.3); Entra writes the same as "scp". */
static bool has_scopes(const json_t *claims, const struct provider_list *wanted)
{
    struct slice words;

    if (wanted->n == 0)
        return true;
    if (!json_get_text(claims, "scope", &words) && !json_get_text(claims, "scp", &words))
        return false;
    for (size_t i = 0; i < wanted->n; i++) {
        if (!has_word(words, wanted->items[i]))
            return false;
    }
    return true;
}

/* NULL: it is good; else the word for the log. */
static const char *judge_origin(const json_t *claims, enum claims_from from,
                                const struct claim_rules *rules)
{
    struct slice issuer;

    if (from == CLAIMS_TOLD && !json_is_true(json_object_get(claims, "active")))
        return "not_active";
    if ((from == CLAIMS_SIGNED || json_object_get(claims, "iss") != NULL) &&
        (!json_get_text(claims, "iss", &issuer) || !slice_eq(issuer, rules->issuer)))
        return "issuer";
    if (!is_for_us(claims, &rules->audience))
        return "audience";
    return has_scopes(claims, &rules->scopes) ? NULL : "scope";
}

/* RFC 7519 4.1.4 to 4.1.6. */
static const char *judge_times(const json_t *claims, const struct claim_rules *rules,
                               int64_t now, int64_t *out_expires)
{
    int64_t exp = 0, nbf = 0, iat = 0;
    enum rc rc = get_time(claims, "exp", &exp);

    if (rc)
        return rc == RC_NOT_FOUND ? "no_expiry" : "malformed";
    if (get_time(claims, "nbf", &nbf) == RC_SYNTAX ||
        get_time(claims, "iat", &iat) == RC_SYNTAX)
        return "malformed";
    if (nbf > now + rules->leeway_sec || iat > now + rules->leeway_sec)
        return "not_yet";
    *out_expires = exp + rules->leeway_sec;
    return now >= *out_expires ? "expired" : NULL;
}

/* An address that its user wrote and nobody checked is nobody's (OpenID Connect Core 5.1). An
 * issuer that does not say has not checked. */
static bool is_verified(const json_t *claims, struct slice claim)
{
    return !slice_eq(claim, SLICE("email")) ||
           json_is_true(json_object_get(claims, "email_verified"));
}

static bool get_user(const json_t *claims, const struct claim_rules *rules, struct arena *arena,
                     struct slice *out)
{
    struct slice user;

    if (!json_get_text(claims, arena_cstr(arena, rules->user_claim), &user) || user.len == 0 ||
        user.len > MSG_USER_MAX || !is_verified(claims, rules->user_claim))
        return false;
    *out = arena_dup(arena, user);
    return true;
}

/* What a group of the issuer's is called here. False: it is none here. */
static bool map_group(const struct provider_list *groups, struct slice there, struct slice *out)
{
    for (size_t i = 0; i < groups->n; i++) {
        struct slice pair = groups->items[i];
        size_t at = slice_rfind(pair, '=');

        if (!slice_eq(slice_sub(pair, 0, at), there))
            continue;
        *out = at < pair.len ? slice_from(pair, at + 1) : pair;
        return true;
    }
    return false;
}

/* A list that was too long for the token stands elsewhere (OpenID Connect Core 5.6.2, as Entra
 * does it): then nothing is known of groups. */
static bool knows_groups(const json_t *claims, const struct claim_rules *rules,
                         struct arena *arena)
{
    return rules->groups_claim.len > 0 &&
           json_object_get(json_object_get(claims, "_claim_names"),
                           arena_cstr(arena, rules->groups_claim)) == NULL;
}

/* False: they are not texts, or are more than fit. */
static bool get_groups(const json_t *claims, const struct claim_rules *rules,
                       struct arena *arena, struct slice *out)
{
    const json_t *groups;
    AUTO(buf_done) struct buf list = {.max = MSG_IDP_GROUPS_MAX};
    struct slice here;

    if (!knows_groups(claims, rules, arena))
        return true;
    groups = json_object_get(claims, arena_cstr(arena, rules->groups_claim));
    if (groups != NULL && !json_is_array(groups))
        return false;
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);

        if (!json_is_string(group))
            return false;
        if (map_group(&rules->groups,
                      slice_of(json_string_value(group), json_string_length(group)), &here))
            msg_list_add(&list, here);
    }
    *out = arena_dup(arena, buf_slice(&list));
    return !list.overflow;
}

void claims_judge(const json_t *claims, enum claims_from from, const struct claim_rules *rules,
                  int64_t now, struct arena *arena, struct idp_answer *out)
{
    struct idp_answer answer = {.code = IDP_OK, .reason = "ok"};
    const char *wrong = judge_origin(claims, from, rules);

    answer.knows_groups = knows_groups(claims, rules, arena);

    if (wrong == NULL)
        wrong = judge_times(claims, rules, now, &answer.expires);
    if (wrong == NULL && !get_user(claims, rules, arena, &answer.user))
        wrong = "user";
    if (wrong == NULL && !get_groups(claims, rules, arena, &answer.groups))
        wrong = "groups";
    if (wrong != NULL)
        answer = idp_says(strcmp(wrong, "expired") == 0 ? IDP_EXPIRED : IDP_REFUSED, wrong);
    *out = answer;
}
