/* test_bearer.c - the messages of OAUTHBEARER (RFC 7628 3.1, its examples in 4) and XOAUTH2. */
// links: auth
#include "auth/bearer.h"
#include "auth/sasl.h"
#include "lib/test.h"

// clang-format off
#define TEXT(literal) {"" literal, sizeof(literal) - 1}
static const struct {
    struct slice message;
    enum bearer_form form;
    enum rc rc;
    const char *user, *token, *host;
} rows[] = {
    /* RFC 7628 4.1 */
    {TEXT("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"),
     BEARER_RFC7628, RC_OK, "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", "server.example.com"},
    {TEXT("n,,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_OK, "", "t", ""},
    {TEXT("y,,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_OK, "", "t", ""},
    {TEXT("n,,\1auth=bEARER   t\1\1"), BEARER_RFC7628, RC_OK, "", "t", ""},
    {TEXT("n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_OK, "a,b=c", "t", ""},
    {TEXT("n,,\1new=\1auth=Bearer t\1user=x\1\1"), BEARER_RFC7628, RC_OK, "", "t", ""},
    {TEXT("p=tls-exporter,,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("x,,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,a=,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,a=a=2c,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,a=a=,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,a=a\0b,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,b=a,\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t\1\1x"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t\1\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Basic dDp0\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer \1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer a b\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer a\r\nb\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer a\0b\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1auth=Bearer t\xc3\xb6\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1host=h\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1host=\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1port=0\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1port=65536\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1port=imap\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1a1=x\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1=x\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1a=\xff\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1a=\1b=\1c=\1d=\1e=\1f=\1g=\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_OK, "", "t", ""},
    {TEXT("n,,\1a=\1b=\1c=\1d=\1e=\1f=\1g=\1h=\1auth=Bearer t\1\1"), BEARER_RFC7628, RC_LIMIT, "", "", ""},
    {TEXT("\1"), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT(""), BEARER_RFC7628, RC_SYNTAX, "", "", ""},
    {TEXT("user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"),
     BEARER_XOAUTH2, RC_OK, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", ""},
    {TEXT("auth=Bearer t\1user=a\1\1"), BEARER_XOAUTH2, RC_OK, "a", "t", ""},
    {TEXT("user=a=b,c\1auth=Bearer t\1\1"), BEARER_XOAUTH2, RC_OK, "a=b,c", "t", ""},
    {TEXT("auth=Bearer t\1\1"), BEARER_XOAUTH2, RC_SYNTAX, "", "", ""},
    {TEXT("user=\1auth=Bearer t\1\1"), BEARER_XOAUTH2, RC_SYNTAX, "", "", ""},
    {TEXT("user=a\1user=b\1auth=Bearer t\1\1"), BEARER_XOAUTH2, RC_SYNTAX, "", "", ""},
    {TEXT("user=a\1\1"), BEARER_XOAUTH2, RC_SYNTAX, "", "", ""},
    {TEXT("n,,\1user=a\1auth=Bearer t\1\1"), BEARER_XOAUTH2, RC_SYNTAX, "", "", ""},
};
// clang-format on

static void takes_the_grammar_and_nothing_else(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bearer bearer = {0};
        enum rc rc = bearer_parse(rows[i].message, rows[i].form, &bearer, NULL);

        if (rc != rows[i].rc)
            fail_msg("row %zu: %s", i, rc_name(rc));
        assert_slice_equal(slice_of(bearer.user, bearer.user_len),
                           slice_from_str(rows[i].user));
        assert_slice_equal(bearer.token, slice_from_str(rows[i].token));
        assert_slice_equal(bearer.host, slice_from_str(rows[i].host));
    }
}

static void names_and_tokens_have_a_longest(void **state)
{
    AUTO(buf_done) struct buf message;
    struct bearer bearer;

    (void) state;
    buf_init(&message, 1 << 16);
    for (size_t over = 0; over < 2; over++) {
        buf_reset(&message);
        buf_str(&message, "n,,\1auth=Bearer ");
        for (size_t i = 0; i < BEARER_TOKEN_MAX_BYTES + over; i++)
            buf_byte(&message, 'x');
        buf_str(&message, "\1\1");
        assert_int_equal(bearer_parse(buf_slice(&message), BEARER_RFC7628, &bearer, NULL),
                         over == 0 ? RC_OK : RC_LIMIT);
        buf_reset(&message);
        buf_str(&message, "user=");
        for (size_t i = 0; i < AUTH_NAME_MAX_BYTES + over; i++)
            buf_byte(&message, 'x');
        buf_str(&message, "\1auth=Bearer t\1\1");
        assert_int_equal(bearer_parse(buf_slice(&message), BEARER_XOAUTH2, &bearer, NULL),
                         over == 0 ? RC_OK : RC_LIMIT);
    }
}

static enum rc claim_with(const char *host, const char *sni, struct sasl *sasl)
{
    AUTO(buf_done) struct buf message = {.max = 1024};
    AUTO(buf_done) struct buf out = {.max = 1024};
    struct slice initial;

    assert_int_equal(sasl_init(sasl, SLICE("oauthbearer"), NULL), RC_OK);
    sasl_reached_as(sasl, slice_from_str(sni));
    buf_printf(&message, "n,a=anna,\1host=%s\1port=993\1auth=Bearer t.o.k\1\1", host);
    initial = buf_slice(&message);
    return sasl_start(sasl, &initial, &out, NULL);
}

static void a_message_for_another_server_is_none(void **state)
{
    struct sasl sasl;

    (void) state;
    assert_int_equal(claim_with("mail.example", "MAIL.example", &sasl), RC_OK);
    assert_slice_equal(sasl_claim_token(&sasl.claim), SLICE("t.o.k"));
    assert_slice_equal(sasl_claim_user(&sasl.claim), SLICE("anna"));
    sasl_wipe(&sasl);
    assert_null(sasl.claim.token);
    assert_int_equal(claim_with("mail.example", "", &sasl), RC_OK);
    sasl_wipe(&sasl);
    assert_int_equal(claim_with("mail.example", "imap.example", &sasl), RC_SYNTAX);
    sasl_wipe(&sasl);
}

static void a_failure_is_told_in_the_mechanisms_words(void **state)
{
    AUTO(buf_done) struct buf out = {.max = 256};

    (void) state;
    bearer_print_failure(&out, BEARER_RFC7628);
    assert_slice_equal(buf_slice(&out), SLICE("{\"status\":\"invalid_token\"}"));
    buf_reset(&out);
    bearer_print_failure(&out, BEARER_XOAUTH2);
    assert_slice_equal(buf_slice(&out), SLICE("{\"status\":\"401\",\"schemes\":\"bearer\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_grammar_and_nothing_else),
        cmocka_unit_test(names_and_tokens_have_a_longest),
        cmocka_unit_test(a_message_for_another_server_is_none),
        cmocka_unit_test(a_failure_is_told_in_the_mechanisms_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
