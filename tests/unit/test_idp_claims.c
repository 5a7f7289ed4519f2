/* test_idp_claims.c - JSON read strictly, and claims: each row differs from a good one in one
 * thing. */
// links: idp
#include "idp/claims.h"
#include "idp/json.h"
#include "lib/test.h"

#define NOW 2000000000

static const struct claim_rules rules = {
    .issuer = {"https://id.example/",                           19    },
    .audience = {.items = {{"mail", 4}, {"imap", 4}},             .n = 2},
    .scopes = {.items = {{"imap.read", 9}, {"imap.write", 10}}, .n = 2},
    .user_claim = {"email",                                         5     },
    .groups_claim = {"groups",                                        6     },
    .groups = {.items = {{"staff", 5}, {"/a=b=board", 10}},     .n = 2},
    .leeway_sec = 30,
};

#define ISS                             "\"iss\":\"https://id.example/\","
#define AUD                             "\"aud\":\"mail\","
#define SCOPE                           "\"scope\":\"openid imap.read imap.write\","
#define EXP                             "\"exp\":2000000100,"
#define ADDRESS                         "\"email\":\"anna@example.org\""
#define EMAIL                           ADDRESS ",\"email_verified\":true"
#define BUT(iss, aud, scope, exp, rest) "{" iss aud scope exp rest "}"
#define WITH(rest)                      BUT(ISS, AUD, SCOPE, EXP, rest "," EMAIL)

// clang-format off
static const struct {
    const char *claims, *reason;
} rows[] = {
    {BUT(ISS, AUD, SCOPE, EXP, EMAIL), "ok"},
    {BUT("", AUD, SCOPE, EXP, EMAIL), "issuer"},
    {BUT("\"iss\":\"https://id.example\",", AUD, SCOPE, EXP, EMAIL), "issuer"},
    {BUT("\"iss\":\"https://ID.example/\",", AUD, SCOPE, EXP, EMAIL), "issuer"},
    {BUT("\"iss\":[\"https://id.example/\"],", AUD, SCOPE, EXP, EMAIL), "issuer"},
    {BUT("\"iss\":null,", AUD, SCOPE, EXP, EMAIL), "issuer"},
    {BUT(ISS, "", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":\"web\",", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":\"mailer\",", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":[],", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":[[\"mail\"]],", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":{\"mail\":1},", SCOPE, EXP, EMAIL), "audience"},
    {BUT(ISS, "\"aud\":[\"web\",\"imap\"],", SCOPE, EXP, EMAIL), "ok"},
    {BUT(ISS, AUD, "", EXP, EMAIL), "scope"},
    {BUT(ISS, AUD, "\"scope\":\"imap.read\",", EXP, EMAIL), "scope"},
    {BUT(ISS, AUD, "\"scope\":\"imap.read imap.writer\",", EXP, EMAIL), "scope"},
    {BUT(ISS, AUD, "\"scope\":[\"imap.read\",\"imap.write\"],", EXP, EMAIL), "scope"},
    {BUT(ISS, AUD, "\"scp\":\"imap.write imap.read\",", EXP, EMAIL), "ok"},
    {BUT(ISS, AUD, SCOPE, "", EMAIL), "no_expiry"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":1999999970,", EMAIL), "expired"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":1999999971,", EMAIL), "ok"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":\"2000000100\",", EMAIL), "malformed"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":2000000100.5,", EMAIL), "malformed"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":-1,", EMAIL), "malformed"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":9223372036854775807,", EMAIL), "malformed"},
    {BUT(ISS, AUD, SCOPE, "\"exp\":null,", EMAIL), "malformed"},
    {WITH("\"nbf\":2000000030"), "ok"},
    {WITH("\"nbf\":2000000031"), "not_yet"},
    {WITH("\"nbf\":true"), "malformed"},
    {WITH("\"iat\":2000000030"), "ok"},
    {WITH("\"iat\":2000000031"), "not_yet"},
    {WITH("\"iat\":{}"), "malformed"},
    {BUT(ISS, AUD, SCOPE, EXP, "\"sub\":\"anna\""), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, "\"email\":\"\""), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, "\"email\":7"), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, "\"email\":[\"anna@example.org\"]"), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, ADDRESS), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, ADDRESS ",\"email_verified\":false"), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, ADDRESS ",\"email_verified\":\"true\""), "user"},
    {BUT(ISS, AUD, SCOPE, EXP, ADDRESS ",\"email_verified\":1"), "user"},
    {WITH("\"groups\":[\"staff\"]"), "ok"},
    {WITH("\"groups\":\"staff\""), "groups"},
    {WITH("\"groups\":[1]"), "groups"},
};

/* Texts of which nothing is believed. */
static const struct {
    const char *text;
    enum rc rc;
} not_json[] = {
    {"", RC_SYNTAX},
    {"[]", RC_SYNTAX},
    {"\"x\"", RC_SYNTAX},
    {"{", RC_SYNTAX},
    {"{}x", RC_SYNTAX},
    {"{}{}", RC_SYNTAX},
    {"{\"a\":1,\"a\":1}", RC_SYNTAX},
    {"{\"a\":{\"b\":1,\"b\":2}}", RC_SYNTAX},
    {"{\"a\":1,\"\\u0061\":2}", RC_SYNTAX},
    {"{\"a\":\"\\u0000\"}", RC_SYNTAX},
    {"{\"a\":\"\xc3\"}", RC_SYNTAX},
    {"{'a':1}", RC_SYNTAX},
    {"{\"a\":1,}", RC_SYNTAX},
    {"{\"a\":01}", RC_SYNTAX},
    {"{\"a\":NaN}", RC_SYNTAX},
    {"{\"a\":1e999}", RC_SYNTAX},
    {"{\"a\":99999999999999999999}", RC_SYNTAX},
    {"{\"a\":[[[[[[[[1]]]]]]]]}", RC_LIMIT},
    {"{\"a\":[[[[[[[1]]]]]]]}", RC_OK},
    {"{\"a\":\"[[[[[[[[[[\"}", RC_OK},
    {"{\"a\":\"\\\"[[[[[[[[[[\"}", RC_OK},
};
// clang-format on

static void refuses_what_is_no_strict_object(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(not_json); i++) {
        AUTO(json_freep) json_t *json = NULL;
        enum rc rc = json_read(slice_from_str(not_json[i].text), &json, NULL);

        if (rc != not_json[i].rc)
            fail_msg("%s: %s", not_json[i].text, rc_name(rc));
    }
}

static void refuses_nesting_without_recursion(void **state)
{
    AUTO(freep) char *deep = xmalloc(1 << 16);
    json_t *json = NULL;

    (void) state;
    memset(deep, '[', 1 << 16);
    assert_int_equal(json_read(slice_of(deep, 1 << 16), &json, NULL), RC_LIMIT);
    assert_null(json);
}

static struct idp_answer judge(const char *text, enum claims_from from, struct arena *arena)
{
    AUTO(json_freep) json_t *claims = NULL;
    struct idp_answer answer = {0};

    assert_int_equal(json_read(slice_from_str(text), &claims, NULL), RC_OK);
    claims_judge(claims, from, &rules, NOW, arena, &answer);
    return answer;
}

static void takes_only_what_says_everything(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct idp_answer answer = judge(rows[i].claims, CLAIMS_SIGNED, arena);
        bool ok = strcmp(rows[i].reason, "ok") == 0;

        if (strcmp(answer.reason, rows[i].reason) != 0)
            fail_msg("%s: %s, not %s", rows[i].claims, answer.reason, rows[i].reason);
        assert_int_equal(answer.code == IDP_OK, ok);
        assert_int_equal(answer.code == IDP_EXPIRED, strcmp(rows[i].reason, "expired") == 0);
        assert_slice_equal(answer.user, ok ? SLICE("anna@example.org") : SLICE(""));
    }
}

/* "web" so often, and ours behind it. */
static const char *reason_of_audiences(size_t n, struct arena *arena)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 1 << 12);
    buf_str(&text, "{" ISS "\"aud\":[");
    for (size_t i = 1; i < n; i++)
        buf_str(&text, "\"web\",");
    buf_str(&text, "\"mail\"]," SCOPE EXP EMAIL "}");
    buf_byte(&text, '\0');
    return judge(text.ptr, CLAIMS_SIGNED, arena).reason;
}

static void a_token_has_so_many_audiences(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

    (void) state;
    assert_string_equal(reason_of_audiences(CLAIMS_AUDIENCES_MAX, arena), "ok");
    assert_string_equal(reason_of_audiences(CLAIMS_AUDIENCES_MAX + 1, arena), "audience");
}

static void what_is_granted_ends_with_the_token(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

    (void) state;
    assert_int_equal(judge(rows[0].claims, CLAIMS_SIGNED, arena).expires, 2000000130);
}

static void groups_are_told(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct idp_answer answer =
        judge(WITH("\"groups\":[\"staff\",\"a b\",\"Staff\",\"/a=b\",\"board\"]"),
              CLAIMS_SIGNED, arena);
    struct scan list = scan_of(answer.groups);
    struct slice name;

    (void) state;
    assert_true(answer.knows_groups);
    assert_true(msg_list_next(&list, &name));
    assert_slice_equal(name, SLICE("staff"));
    assert_true(msg_list_next(&list, &name));
    assert_slice_equal(name, SLICE("board"));
    assert_true(scan_done(&list)); /* the others are not configured */
}

static void a_token_without_groups_takes_them_back(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct idp_answer none = judge(rows[0].claims, CLAIMS_SIGNED, arena);
    struct idp_answer elsewhere =
        judge(WITH("\"_claim_names\":{\"groups\":\"src1\"}"), CLAIMS_SIGNED, arena);

    (void) state;
    assert_true(none.knows_groups);
    assert_slice_equal(none.groups, SLICE(""));
    assert_int_equal(elsewhere.code, IDP_OK);
    assert_false(elsewhere.knows_groups); /* the issuer had more than it sends */
}

static void an_endpoint_says_that_it_is_active(void **state)
{
    static const struct {
        const char *claims, *reason;
    } told[] = {
        {WITH("\"active\":true"), "ok"    },
        {BUT("",                  AUD,      SCOPE, EXP, "\"active\":true," EMAIL), "ok"},
        {BUT("\"iss\":\"x\",",                    AUD,   SCOPE, EXP, "\"active\":true," EMAIL), "issuer"},
        {BUT(ISS,                       AUD,            SCOPE, EXP, EMAIL), "not_active"},
        {WITH("\"active\":false"),                  "not_active"                    },
        {WITH("\"active\":\"true\""),               "not_active"                      },
        {WITH("\"active\":1"),"not_active"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(told); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

        assert_string_equal(judge(told[i].claims, CLAIMS_TOLD, arena).reason, told[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_strict_object),
        cmocka_unit_test(refuses_nesting_without_recursion),
        cmocka_unit_test(takes_only_what_says_everything),
        cmocka_unit_test(a_token_has_so_many_audiences),
        cmocka_unit_test(what_is_granted_ends_with_the_token),
        cmocka_unit_test(groups_are_told),
        cmocka_unit_test(a_token_without_groups_takes_them_back),
        cmocka_unit_test(an_endpoint_says_that_it_is_active),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
