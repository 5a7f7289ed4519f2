/* test_gssapi.c - SASL's GSSAPI (RFC 4752 3.2) with a provider that is none, and whose a
 * principal is. */
// links: auth config
#include "auth/gssapi.h"
#include "auth/sasl.h"
#include "config/realm_map.h"
#include "lib/test.h"

#define STEPS_MAX 6u
#define TEXT(literal)                                                                          \
    {                                                                                          \
        "" literal, sizeof(literal) - 1                                                        \
    }
/* RFC 2743 3.1 around one octet. */
#define FRAMED(letter) TEXT("\x60\x0c\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" letter)
#define OFFER          "w\x01\0\0\0"

/* The last octet of a token says what becomes of it. */
static enum rc fake_accept(void *context, struct slice token, struct buf *out,
                           struct gssapi_peer *peer, struct err *err)
{
    unsigned *n_accepted = context;

    (*n_accepted)++;
    switch (token.len > 0 ? token.ptr[token.len - 1] : 'b') {
    case 'm':
        buf_str(out, "more");
        return RC_MORE;
    case 'a':
        buf_str(out, "answer");
        break;
    case 'g':
        break;
    default:
        return err_set(err, RC_DENIED, "no", "a ticket that is not good");
    }
    memcpy(peer->principal, "u1@R", 4);
    peer->principal_len = 4;
    peer->expires = 77;
    return RC_OK;
}

static enum rc fake_wrap(void *context, struct slice message, struct buf *out, struct err *err)
{
    (void) context;
    (void) err;
    buf_byte(out, 'w');
    buf_append(out, message);
    return RC_OK;
}

static enum rc fake_unwrap(void *context, struct slice token, struct buf *out, struct err *err)
{
    (void) context;
    if (!slice_starts(token, SLICE("w")))
        return err_set(err, RC_DENIED, "no", "not wrapped by the client");
    buf_append(out, slice_from(token, 1));
    return RC_OK;
}

static const struct gssapi_provider fake = {
    .accept = fake_accept, .wrap = fake_wrap, .unwrap = fake_unwrap};

struct exchange {
    const char *name;
    struct {
        struct slice said;
        enum rc rc;
        struct slice answered;
    } steps[STEPS_MAX];
    const char *authzid;
};

// clang-format off
static const struct exchange exchanges[] = {
    {"mutual", {{FRAMED("a"), RC_MORE, TEXT("answer")}, {TEXT(""), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\0\0"), RC_OK, TEXT("")}}, ""},
    {"not mutual", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\0\0u2"), RC_OK, TEXT("")}}, "u2"},
    {"two tokens", {{FRAMED("m"), RC_MORE, TEXT("more")}, {TEXT("a"), RC_MORE, TEXT("answer")}, {TEXT(""), RC_MORE, TEXT(OFFER)},
                    {TEXT("w\x01\0\0\0\xc3\xb6"), RC_OK, TEXT("")}}, "\xc3\xb6"},
    {"a ticket that is not good", {{FRAMED("b"), RC_DENIED, TEXT("")}, {FRAMED("g"), RC_SYNTAX, TEXT("")}}, ""},
    {"no token", {{TEXT(""), RC_SYNTAX, TEXT("")}, {FRAMED("g"), RC_SYNTAX, TEXT("")}}, ""},
    {"SPNEGO", {{TEXT("\x60\x09\x06\x06\x2b\x06\x01\x05\x05\x02g"), RC_SYNTAX, TEXT("")}}, ""},
    {"more tokens than there are", {{FRAMED("m"), RC_MORE, TEXT("more")}, {TEXT("m"), RC_MORE, TEXT("more")}, {TEXT("m"), RC_MORE, TEXT("more")},
                                    {TEXT("m"), RC_MORE, TEXT("more")}, {TEXT("g"), RC_LIMIT, TEXT("")}, {TEXT("g"), RC_SYNTAX, TEXT("")}}, ""},
    {"an answer to the last token", {{FRAMED("a"), RC_MORE, TEXT("answer")}, {TEXT("x"), RC_SYNTAX, TEXT("")}, {TEXT(""), RC_SYNTAX, TEXT("")}}, ""},
    {"integrity was not offered", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x02\0\0\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"nor confidentiality", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x04\0\0\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"all layers at once", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x07\0\0\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"no layer at all", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\0\0\0\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"a size without a layer", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\x10\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"three octets", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"a NUL behind the name", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\0\0u2\0"), RC_SYNTAX, TEXT("")}}, ""},
    {"a name that is not UTF-8", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("w\x01\0\0\0\xff"), RC_SYNTAX, TEXT("")}}, ""},
    {"a choice that was not wrapped", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT("\x01\0\0\0"), RC_DENIED, TEXT("")}, {TEXT(OFFER), RC_SYNTAX, TEXT("")}}, ""},
    {"something behind the end", {{FRAMED("g"), RC_MORE, TEXT(OFFER)}, {TEXT(OFFER), RC_OK, TEXT("")}, {TEXT(OFFER), RC_SYNTAX, TEXT("")}}, ""},
};

static const struct { struct slice token; bool is; } frames[] = {
    {FRAMED("x"), true},
    {TEXT("\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), true},
    {TEXT("\x60\x0a\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), false}, /* shorter than it is */
    {TEXT("\x60\x0c\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), false}, /* longer */
    {TEXT("\x60\x81\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), false}, /* not the shortest length */
    {TEXT("\x60\x80\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\0\0"), false}, /* indefinite */
    {TEXT("\x60\x85\0\0\0\0\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), false},
    {TEXT("\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x03"), false}, /* Kerberos's user-to-user */
    {TEXT("\x61\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), false},
    {TEXT("NTLMSSP"), false},
    {TEXT("\x60"), false},
    {TEXT(""), false},
};

static const char *const realms[] = {"EXAMPLE.ORG=example.org", "BARE="};
static const struct { const char *principal; enum rc rc; const char *user; } principals[] = {
    {"u1@EXAMPLE.ORG",        RC_OK,        "u1@example.org"},
    {"u1@BARE",               RC_OK,        "u1"},
    {"\xc3\xb6@BARE",         RC_OK,        "\xc3\xb6"},
    {"u1@example.org",        RC_NOT_FOUND, ""}, /* another realm: RFC 4120 6.1 */
    {"u1@EXAMPLE.ORG.EVIL",   RC_NOT_FOUND, ""},
    {"u1@EVIL",               RC_NOT_FOUND, ""},
    {"u1/admin@EXAMPLE.ORG",  RC_SYNTAX,    ""},
    {"host/a@EXAMPLE.ORG",    RC_SYNTAX,    ""},
    {"u1\\@EVIL@EXAMPLE.ORG", RC_SYNTAX,    ""},
    {"u1@EVIL@EXAMPLE.ORG",   RC_SYNTAX,    ""},
    {"u1\\/x@EXAMPLE.ORG",    RC_SYNTAX,    ""},
    {"u 1@EXAMPLE.ORG",       RC_SYNTAX,    ""},
    {"@EXAMPLE.ORG",          RC_SYNTAX,    ""},
    {"u1@",                   RC_SYNTAX,    ""},
    {"u1",                    RC_SYNTAX,    ""},
    {"",                      RC_SYNTAX,    ""},
};

static const struct { const char *item; bool good; } items[] = {
    {"EXAMPLE.ORG=example.org", true}, {"R=", true},
    {"EXAMPLE.ORG", false}, {"=example.org", false}, {"", false}, {"A B=c", false}, {"A=b c", false}, {"A/B=c", false}, {"A@B=c", false}, {"A=b@c", false},
};
// clang-format on

static void play(const struct exchange *exchange)
{
    unsigned n_accepted = 0;
    struct gssapi gssapi;
    enum rc rc = RC_MORE, last = RC_MORE;

    gssapi_init(&gssapi, &fake, &n_accepted);
    for (size_t i = 0; i < STEPS_MAX && exchange->steps[i].said.ptr != NULL; i++) {
        AUTO(buf_done) struct buf out = {.max = 100};
        struct err err = {0};

        last = rc;
        rc = gssapi_step(&gssapi, exchange->steps[i].said, &out, &err);
        if (rc != exchange->steps[i].rc)
            fail_msg("%s, step %zu: %s: %s", exchange->name, i, rc_name(rc), err.detail);
        assert_slice_equal(buf_slice(&out), exchange->steps[i].answered);
    }
    assert_true(n_accepted <= GSSAPI_TOKENS_MAX);
    assert_int_equal(gssapi.state, GSSAPI_OVER);
    if (rc != RC_OK && last != RC_OK)
        return;
    assert_slice_equal(slice_of(gssapi.peer.principal, gssapi.peer.principal_len),
                       SLICE("u1@R"));
    assert_slice_equal(slice_of(gssapi.authzid, gssapi.authzid_len),
                       slice_from_str(exchange->authzid));
}

static void goes_through_the_states_of_rfc_4752(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(exchanges); i++)
        play(&exchanges[i]);
}

static void a_name_is_no_longer_than_a_name(void **state)
{
    AUTO(buf_done) struct buf choice = {.max = 1000};
    struct slice authzid;

    (void) state;
    buf_append(&choice, SLICE("\x01\0\0\0"));
    for (size_t i = 0; i < AUTH_NAME_MAX_BYTES; i++)
        buf_byte(&choice, 'a');
    assert_int_equal(gssapi_parse_choice(buf_slice(&choice), &authzid, NULL), RC_OK);
    assert_int_equal(authzid.len, AUTH_NAME_MAX_BYTES);
    buf_byte(&choice, 'a');
    assert_int_equal(gssapi_parse_choice(buf_slice(&choice), &authzid, NULL), RC_SYNTAX);
}

static void takes_tokens_of_kerberos_alone(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(frames); i++)
        if (gssapi_is_kerberos(frames[i].token) != frames[i].is)
            fail_msg("row %zu", i);
}

static void a_principal_is_a_user_of_its_realm(void **state)
{
    const struct config_list list = {realms, COUNT(realms)};

    (void) state;
    for (size_t i = 0; i < COUNT(principals); i++) {
        AUTO(buf_done) struct buf user = {.max = 100};
        enum rc rc =
            realm_map_user(&list, slice_from_str(principals[i].principal), &user, NULL);

        if (rc != principals[i].rc)
            fail_msg("%s: %s", principals[i].principal, rc_name(rc));
        assert_slice_equal(buf_slice(&user), slice_from_str(principals[i].user));
    }
}

static void a_realm_is_written_with_its_domain(void **state)
{
    struct realm_map map;

    (void) state;
    for (size_t i = 0; i < COUNT(items); i++)
        if (realm_map_parse(items[i].item, &map) != items[i].good)
            fail_msg("\"%s\"", items[i].item);
}

/* sasl.h: what the client says is kept as it is, and the client speaks first. */
static void the_mechanism_keeps_each_message(void **state)
{
    static const char message[] = "a\0b";
    struct slice first = slice_of(message, sizeof(message));
    AUTO(buf_done) struct buf out = {.max = 100};
    struct sasl sasl;

    (void) state;
    assert_int_equal(sasl_init(&sasl, SLICE("gssapi"), NULL), RC_OK);
    assert_string_equal(sasl_name(&sasl), "GSSAPI");
    assert_int_equal(sasl_start(&sasl, NULL, &out, NULL), RC_MORE);
    assert_int_equal(out.len, 0);
    assert_int_equal(sasl_step(&sasl, first, &out, NULL), RC_OK);
    assert_slice_equal(sasl_claim_token(&sasl.claim), first);
    assert_int_equal(sasl_step(&sasl, SLICE(""), &out, NULL), RC_OK);
    assert_int_equal(sasl_claim_token(&sasl.claim).len, 0);
    assert_int_equal(sasl_claim_user(&sasl.claim).len, 0);
    sasl_claim_as(&sasl, SLICE("u1"));
    assert_slice_equal(sasl_claim_user(&sasl.claim), SLICE("u1"));
    sasl_wipe(&sasl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_through_the_states_of_rfc_4752),
        cmocka_unit_test(a_name_is_no_longer_than_a_name),
        cmocka_unit_test(takes_tokens_of_kerberos_alone),
        cmocka_unit_test(a_principal_is_a_user_of_its_realm),
        cmocka_unit_test(a_realm_is_written_with_its_domain),
        cmocka_unit_test(the_mechanism_keeps_each_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
