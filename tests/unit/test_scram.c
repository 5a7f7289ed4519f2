/* test_scram.c - SCRAM's messages and keys: the RFC's example, and those who try to get in
 * otherwise. */
// links: auth
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/admin.h"
#include "auth/scram_store.h"
#include "base/base64.h"
#include "lib/test.h"

#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define NONCE        CLIENT_NONCE SERVER_NONCE
#define FIRST        "n,,n=user,r=" CLIENT_NONCE
#define PROOF        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define UNPROVED     "c=biws,r=" NONCE
#define FINAL        UNPROVED ",p=" PROOF

/* RFC 7677 3 */
static const struct scram_salt salt = {
    {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa,
     0x81}
};
static struct scram_keys pencil;

static int start(void **state)
{
    (void) state;
    assert_int_equal(auth_init(NULL), RC_OK);
    scram_derive(SCRAM_SHA_256, SLICE("pencil"), &salt, SCRAM_ITERATIONS, &pencil);
    return 0;
}

/* What a whole exchange comes to. */
struct talk {
    enum rc first, final;
    bool in; /* the proof was right */
    char confirmed[64];
};

static struct talk talk(struct scram *scram, struct slice first, struct slice final)
{
    AUTO(buf_done) struct buf out = {.max = SCRAM_MESSAGE_MAX_BYTES};
    struct talk told = {.final = RC_SYNTAX};

    told.first = scram_step(scram, first, NULL);
    if (told.first != RC_MORE)
        return told;
    assert_int_equal(scram->state, SCRAM_SALT);
    scram_salted(scram, &salt, SLICE(SERVER_NONCE), &out);
    told.final = scram_step(scram, final, NULL);
    told.in = told.final == RC_OK && scram_matches(scram, &pencil);
    if (told.in) {
        buf_reset(&out);
        scram_confirm(scram, &pencil, &out);
        (void) snprintf(told.confirmed, sizeof(told.confirmed), "%.*s",
                        SLICE_ARG(buf_slice(&out)));
    }
    return told;
}

static struct talk talk_plain(struct slice first, struct slice final)
{
    struct scram scram;
    struct talk told;

    scram_init(&scram, SCRAM_SHA_256, false);
    told = talk(&scram, first, final);
    scram_done(&scram);
    return told;
}

static void the_example_of_the_rfc(void **state)
{
    struct scram_keys other;
    struct scram scram;
    struct talk told;

    (void) state;
    scram_init(&scram, SCRAM_SHA_256, false);
    told = talk(&scram, SLICE(FIRST), SLICE(FINAL));
    assert_int_equal(told.first, RC_MORE);
    assert_int_equal(told.final, RC_OK);
    assert_true(told.in);
    assert_string_equal(told.confirmed, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_slice_equal(slice_of(scram.user, scram.user_len), SLICE("user"));
    assert_int_equal(scram_step(&scram, SLICE(""), NULL), RC_OK);
    assert_int_equal(scram.state, SCRAM_DONE);
    assert_true(scram_matches(&scram, &pencil)); /* looked at again before the grant */
    scram_derive(SCRAM_SHA_256, SLICE("pencils"), &salt, SCRAM_ITERATIONS, &other);
    assert_false(scram_matches(&scram, &other));
    assert_int_equal(scram_step(&scram, SLICE(""), NULL), RC_SYNTAX);
    scram_done(&scram);
}

static void names_are_unescaped(void **state)
{
    static const char first[] = "n,a=a=2Cb,n==3Dx=2C\xc3\xa4=3D,r=abc,x=future";
    struct scram scram;

    (void) state;
    scram_init(&scram, SCRAM_SHA_256, false);
    assert_int_equal(scram_step(&scram, slice_from_str(first), NULL), RC_MORE);
    assert_slice_equal(slice_of(scram.authzid, scram.authzid_len), SLICE("a,b"));
    assert_slice_equal(slice_of(scram.user, scram.user_len), SLICE("=x,\xc3\xa4="));
    scram_done(&scram);
}

/* ---- those who are no client: no row gets in ---- */

static void first_messages_that_are_refused(void **state)
{
    static const struct {
        const char *first;
        enum rc rc;
    } rows[] = {
        {"",                             RC_SYNTAX},
        {",",                            RC_SYNTAX},
        {"n",                            RC_SYNTAX},
        {"n,",                           RC_SYNTAX},
        {"n,,",                          RC_SYNTAX},
        {"N,,n=user,r=abc",              RC_SYNTAX},
        {"x,,n=user,r=abc",              RC_SYNTAX},
        {"n=,,n=user,r=abc",             RC_SYNTAX},
        {" n,,n=user,r=abc",             RC_SYNTAX},
        {"n,n=user,r=abc",               RC_SYNTAX},
        {"n,a=,n=user,r=abc",            RC_SYNTAX},
        {"n,a=x=,n=user,r=abc",          RC_SYNTAX},
        {"n,b=x,n=user,r=abc",           RC_SYNTAX},
        {"n,,,n=user,r=abc",             RC_SYNTAX},
        {"n,,m=must,n=user,r=abc",       RC_SYNTAX}, /* 5.1: mandatory extension */
        {"n,,n=user,r=abc,m=must",       RC_SYNTAX},
        {"n,,n=,r=abc",                  RC_SYNTAX},
        {"n,,n=us=er,r=abc",             RC_SYNTAX},
        {"n,,n=us=2cer,r=abc",           RC_SYNTAX}, /* 5.1: "=2C", "=3D" and no other */
        {"n,,n=us=3,r=abc",              RC_SYNTAX},
        {"n,,n=us=00,r=abc",             RC_SYNTAX},
        {"n,,n=\xc3,r=abc",              RC_SYNTAX},
        {"n,,n=\xed\xa0\x80,r=abc",      RC_SYNTAX},
        {"n,,n=user",                    RC_SYNTAX},
        {"n,,n=user,",                   RC_SYNTAX},
        {"n,,n=user,r=",                 RC_SYNTAX},
        {"n,,n=user,r=a b",              RC_SYNTAX},
        {"n,,n=user,r=a\tb",             RC_SYNTAX},
        {"n,,n=user,r=\xc3\xa4",         RC_SYNTAX},
        {"n,,n=user,r=abc,",             RC_SYNTAX},
        {"n,,n=user,r=abc,x",            RC_SYNTAX},
        {"n,,n=user,r=abc,x=",           RC_SYNTAX},
        {"n,,n=user,r=abc,1=x",          RC_SYNTAX},
        {"n,,n=user,r=abc,p=x",          RC_SYNTAX},
        {"n,,n=user,r=abc\r\n",          RC_SYNTAX},
        {"n,,r=abc,n=user",              RC_SYNTAX},
        {"p=,,n=user,r=abc",             RC_SYNTAX},
        {"p=tls-exporter",               RC_SYNTAX},
        {"p=tls-exporter,,n=user,r=abc", RC_DENIED}, /* without -PLUS */
        {"v=x",                          RC_SYNTAX},
        {"e=other-error",                RC_SYNTAX},
        {"c=biws,r=" NONCE ",p=" PROOF,  RC_SYNTAX}, /* the second message first */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct talk told;

        told = talk_plain(slice_from_str(rows[i].first), SLICE(FINAL));
        if (told.first != rows[i].rc || told.in)
            fail_msg("%s: %d", rows[i].first, told.first);
    }
    assert_int_equal(talk_plain(SLICE("n,,n=us\0er,r=abc"), SLICE("")).first, RC_SYNTAX);
    assert_int_equal(talk_plain(SLICE("n,,n=user,r=a\0b"), SLICE("")).first, RC_SYNTAX);
}

static void final_messages_that_do_not_get_in(void **state)
{
    static const struct {
        const char *final;
        enum rc rc;
    } rows[] = {
        {"",                                                         RC_SYNTAX},
        {"p=" PROOF,                                                 RC_SYNTAX},
        {"c=biws,p=" PROOF,                                          RC_SYNTAX},
        {"r=" NONCE ",c=biws,p=" PROOF,                              RC_SYNTAX},
        {UNPROVED,                                                   RC_SYNTAX},
        {UNPROVED ",p=",                                             RC_SYNTAX},
        {UNPROVED ",p=" PROOF ",",                                   RC_SYNTAX},
        {UNPROVED ",p=" PROOF ",x=y",                                RC_SYNTAX}, /* nothing behind it */
        {UNPROVED ",p=" PROOF "\n",                                  RC_SYNTAX},
        {UNPROVED ",p= " PROOF,                                      RC_SYNTAX},
        {UNPROVED ",p=AAAA" PROOF,                                   RC_SYNTAX}, /* too long */
        {UNPROVED ",p=dHzb",                                         RC_SYNTAX}, /* too short */
        {UNPROVED ",p=====",                                         RC_SYNTAX},
        {UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ",  RC_SYNTAX}, /* no padding */
        {UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=",
         RC_SYNTAX                                                            }, /* loose bits */
        {UNPROVED ",p=dHzbZapWIk4jUhN-Ute9ytag9zjfMHgsqmmiz7AndVQ=", RC_SYNTAX}, /* base64url */
        {UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=", RC_OK    },
        {UNPROVED ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", RC_OK    },
        {UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVg=", RC_OK    },
        {UNPROVED ",x=y,p=" PROOF,                                   RC_OK    }, /* proof of another text */
        {UNPROVED ",m=y,p=" PROOF,                                   RC_SYNTAX},
        {UNPROVED ",,p=" PROOF,                                      RC_SYNTAX},
        {UNPROVED ",x=,p=" PROOF,                                    RC_SYNTAX},
        {"c=biws,r=" CLIENT_NONCE ",p=" PROOF,                       RC_SYNTAX}, /* its own nonce only */
        {"c=biws,r=" SERVER_NONCE ",p=" PROOF,                       RC_SYNTAX},
        {"c=biws,r=" NONCE "x,p=" PROOF,                             RC_SYNTAX},
        {"c=biws,r=x" NONCE ",p=" PROOF,                             RC_SYNTAX},
        {"c=biws,r=,p=" PROOF,                                       RC_SYNTAX},
        {"c=,r=" NONCE ",p=" PROOF,                                  RC_DENIED},
        {"c=biw=,r=" NONCE ",p=" PROOF,                              RC_DENIED},
        {"c=biwsbiws,r=" NONCE ",p=" PROOF,                          RC_DENIED},
        {"c=eSws,r=" NONCE ",p=" PROOF,                              RC_DENIED}, /* "y,," instead */
        {"c=cD10bHMtdW5pcXVlLCw=,r=" NONCE ",p=" PROOF,              RC_DENIED},
        {"c=BIWS,r=" NONCE ",p=" PROOF,                              RC_DENIED},
        {"C=biws,r=" NONCE ",p=" PROOF,                              RC_SYNTAX},
        {FIRST,                                                      RC_SYNTAX},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",           RC_SYNTAX},
    };

    (void) state;
    assert_true(talk_plain(SLICE(FIRST), SLICE(FINAL)).in);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct talk told;

        told = talk_plain(SLICE(FIRST), slice_from_str(rows[i].final));
        if (told.first != RC_MORE || told.final != rows[i].rc || told.in)
            fail_msg("%s: %d", rows[i].final, told.final);
    }
}

/* ---- the channel: clients who know the password, but do not see our connection ---- */

static void hmac256(struct slice key, struct slice text, unsigned char out[32])
{
    assert_non_null(HMAC(EVP_sha256(), key.ptr, (int) key.len, (const unsigned char *) text.ptr,
                         text.len, out, NULL));
}

/* The proof of who knows "pencil" for that message. */
static void prove(struct slice message, struct buf *final)
{
    unsigned char salted[32], key[32], signature[32];

    assert_int_equal(PKCS5_PBKDF2_HMAC("pencil", 6, salt.bytes, sizeof(salt.bytes), 4096,
                                       EVP_sha256(), 32, salted),
                     1);
    hmac256(slice_of((const char *) salted, 32), SLICE("Client Key"), key);
    hmac256(slice_of((const char *) pencil.stored, 32), message, signature);
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= signature[i];
    buf_str(final, ",p=");
    base64_encode(final, slice_of((const char *) key, sizeof(key)));
}

static const unsigned char ours[SCRAM_BINDING_BYTES] = {1, 2, 3};

/* A client who says gs2 first, and sees the channel data given. */
static struct talk talk_bound(bool plus, bool has_binding, const char *gs2, struct slice seen)
{
    AUTO(buf_done)
    struct buf first = {.max = 512}, final = {.max = 1024}, message = {.max = 2048},
               channel = {.max = 512};
    struct scram scram;
    struct talk told;

    scram_init(&scram, SCRAM_SHA_256, plus);
    if (has_binding)
        scram_bind(&scram, ours);
    buf_printf(&first, "%sn=user,r=%s", gs2, CLIENT_NONCE);
    buf_str(&channel, gs2);
    buf_append(&channel, seen);
    buf_str(&final, "c=");
    base64_encode(&final, buf_slice(&channel));
    buf_str(&final, ",r=" NONCE);
    buf_str(&message,
            "n=user,r=" CLIENT_NONCE ",r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,");
    buf_append(&message, buf_slice(&final));
    prove(buf_slice(&message), &final);
    told = talk(&scram, buf_slice(&first), buf_slice(&final));
    scram_done(&scram);
    return told;
}

static void the_channel_must_be_the_same(void **state)
{
    const struct slice right = slice_of((const char *) ours, sizeof(ours));
    const unsigned char theirs[SCRAM_BINDING_BYTES] = {1, 2, 4};
    const struct slice wrong = slice_of((const char *) theirs, sizeof(theirs));
    const struct {
        bool plus, has_binding;
        const char *gs2;
        struct slice seen;
        bool in;
    } rows[] = {
        {true,   true,  "p=tls-exporter,,",       right,           true                           },
        {true,   true,  "p=tls-exporter,a=user,", right,           true                           },
        {false,  true,  "n,,",                    SLICE(""),       true                           }, /* it cannot */
        {false,  false, "y,,",                    SLICE(""),       true                           }, /* we cannot */
        {true,   true,  "p=tls-exporter,,",       wrong,           false                          },
        {true,   true,  "p=tls-exporter,,",       SLICE(""),       false                          },
        {true,   true,  "p=tls-exporter,,",       slice_sub(right, 0,                               31), false},
        {true, false,      "p=tls-exporter,,",                           SLICE(""),                                     false                                            },
        {true, false,      "p=tls-exporter,,",                           right, false},
        {true, true,      "p=tls-unique,,",                           right,                                      false                                                                                   },
        {true, true,      "p=tls-server-end-point,,",                           right, false},
        {true, true,      "p=TLS-EXPORTER,,",                           right,                                      false                                                                                                                                },
        {true, true,      "p=tls-exporter2,,",                           right, false},
        {true, true,      "n,,",                           SLICE(""),                                      false                                                                                                                                                                                   },
        {true, true,      "y,,",                           SLICE(""), false},
        {false, true,      "y,,",                          SLICE(""),                                     false                                                                                                                                                                                                                       }, /* talked down */
        {false, true,      "p=tls-exporter,,",                          right, false},
        {false, true,      "n,,",                          right,                                     false                                                                                                                                                                                                                                                                        },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct talk told =
            talk_bound(rows[i].plus, rows[i].has_binding, rows[i].gs2, rows[i].seen);

        if (told.in != rows[i].in)
            fail_msg("%zu: %s", i, rows[i].gs2);
    }
}

static void there_are_limits(void **state)
{
    AUTO(buf_done) struct buf first = {.max = 1 << 16};
    struct scram scram;

    (void) state;
    for (int longer = 0; longer < 2; longer++) {
        buf_reset(&first);
        buf_str(&first, "n,,n=");
        for (unsigned i = 0; i < AUTH_NAME_MAX_BYTES + (unsigned) longer; i++)
            buf_str(&first, "=2C");
        buf_str(&first, ",r=abc");
        assert_int_equal(talk_plain(buf_slice(&first), SLICE("")).first,
                         longer ? RC_LIMIT : RC_MORE);
        buf_reset(&first);
        buf_str(&first, "n,,n=user,r=");
        for (unsigned i = 0; i < SCRAM_NONCE_MAX_BYTES + (unsigned) longer; i++)
            buf_byte(&first, 'x');
        assert_int_equal(talk_plain(buf_slice(&first), SLICE("")).first,
                         longer ? RC_LIMIT : RC_MORE);
        buf_reset(&first);
        buf_str(&first, "n,,n=user,r=abc,x=");
        while (first.len < SCRAM_MESSAGE_MAX_BYTES + (unsigned) longer)
            buf_byte(&first, 'x');
        assert_int_equal(talk_plain(buf_slice(&first), SLICE("")).first,
                         longer ? RC_LIMIT : RC_MORE);
    }
    scram_init(&scram, SCRAM_SHA_256, false);
    assert_int_equal(scram_step(&scram, SLICE(FIRST), NULL), RC_MORE);
    assert_int_equal(scram_step(&scram, SLICE(FINAL), NULL),
                     RC_SYNTAX); /* no salt was told yet */
    scram_done(&scram);
}

/* ---- what is stored ---- */

static void keys_open_in_their_own_row_only(void **state)
{
    const struct pepper pepper = {{7}}, other = {{8}};
    struct scram_keys keys;
    struct scram_set set;

    (void) state;
    scram_set_make(&pepper, SLICE("anna"), 42, 3, SLICE("no app password"),
                   SCRAM_HASH_BIT(SCRAM_SHA_256) | SCRAM_HASH_BIT(SCRAM_SHA_1), &set);
    assert_int_equal(set.n, 2);
    assert_int_equal(scram_unseal(&pepper, &set.rows[0], &keys, NULL), RC_OK);
    assert_int_equal(scram_unseal(&other, &set.rows[0], &keys, NULL), RC_CORRUPT);
    for (int field = 0; field < 6; field++) {
        struct scram_row row = set.rows[0];

        row.account += field == 0;
        row.device += field == 1;
        row.form += field == 2;
        row.hash += field == 3;
        row.iterations += field == 4;
        row.sealed[SCRAM_SEALED_BYTES - 1] ^= field == 5;
        assert_int_equal(scram_unseal(&pepper, &row, &keys, NULL), RC_CORRUPT);
    }
}

static void an_app_password_has_two_forms(void **state)
{
    const struct pepper pepper = {{7}};
    struct app_password password;
    char shown[APP_PASSWORD_SHOWN_BYTES];
    struct scram_keys keys, wanted;
    struct scram_salt own;
    struct scram_set set;

    (void) state;
    app_password_make(&password);
    app_password_show(&password, shown);
    scram_salt_of(&pepper, SLICE("anna"), &own);
    scram_set_make(&pepper, SLICE("anna"), 42, 3, slice_from_str(shown),
                   SCRAM_HASH_BIT(SCRAM_SHA_256), &set);
    assert_int_equal(set.n, 2);
    for (size_t i = 0; i < set.n; i++) {
        struct slice form =
            i == 0 ? slice_from_str(shown) : slice_of(password.chars, sizeof(password.chars));

        assert_int_equal(scram_unseal(&pepper, &set.rows[i], &keys, NULL), RC_OK);
        scram_derive(SCRAM_SHA_256, form, &own, SCRAM_ITERATIONS, &wanted);
        assert_memory_equal(&keys, &wanted, sizeof(keys));
    }
}

static void each_name_has_a_salt_of_its_own(void **state)
{
    const struct pepper pepper = {{7}}, other = {{8}};
    struct scram_salt one, again, two, elsewhere;

    (void) state;
    scram_salt_of(&pepper, SLICE("anna"), &one);
    scram_salt_of(&pepper, SLICE("anna"), &again);
    scram_salt_of(&pepper, SLICE("bob"), &two);
    scram_salt_of(&other, SLICE("anna"), &elsewhere);
    assert_memory_equal(&one, &again, sizeof(one));
    assert_memory_not_equal(&one, &two, sizeof(one));
    assert_memory_not_equal(&one, &elsewhere, sizeof(one));
}

/* Whether they are one account or two, or nobody. */
static void a_salt_is_that_of_the_local_part(void **state)
{
    const struct pepper pepper = {{7}};
    struct scram_salt bare, full, other;

    (void) state;
    scram_salt_of(&pepper, SLICE("anna"), &bare);
    scram_salt_of(&pepper, SLICE("anna@example.org"), &full);
    scram_salt_of(&pepper, SLICE("anna@a@b"), &other);
    assert_memory_equal(&bare, &full, sizeof(bare));
    assert_memory_equal(&bare, &other, sizeof(bare));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(names_are_unescaped),
        cmocka_unit_test(first_messages_that_are_refused),
        cmocka_unit_test(final_messages_that_do_not_get_in),
        cmocka_unit_test(the_channel_must_be_the_same),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(keys_open_in_their_own_row_only),
        cmocka_unit_test(an_app_password_has_two_forms),
        cmocka_unit_test(each_name_has_a_salt_of_its_own),
        cmocka_unit_test(a_salt_is_that_of_the_local_part),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
