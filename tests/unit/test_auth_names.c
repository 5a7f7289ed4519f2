/* test_auth_names.c - keys of names and domains, passwords as they are compared. */
// links: auth
#include "auth/admin.h"
#include "auth/name.h"
#include "lib/test.h"

static int start(void **state)
{
    (void) state;
    return auth_init(NULL) == RC_OK ? 0 : -1;
}

static void one_person_has_one_key(void **state)
{
    static const struct {
        const char *name, *key;
    } rows[] = {
        {"anna",               "anna"              },
        {"ANNA",               "anna"              },
        {"Anna@Example.ORG",   "anna@example.org"  },
        {"anna@example.org.",  "anna@example.org"  },
        {"M\xc3\xbcller",      "m\xc3\xbcller"     },
        {"Mu\xcc\x88ller",     "m\xc3\xbcller"     }, /* decomposed */
        {"M\xc3\x9cLLER",      "m\xc3\xbcller"     },
        {"stra\xc3\x9f"
         "e",         "strasse"           },
        {"\xef\xbc\xa1\xef\xbc\x82"
         "b",         "a\"b"              }, /* full width */
        {"x@b\xc3\xbc"
         "cher.de",   "x@xn--bcher-kva.de"},
        {"x@xn--bcher-kva.DE", "x@xn--bcher-kva.de"},
        {"x@[192.0.2.1]",      "x@[192.0.2.1]"     },
        {"a@b@c.de",           "a@b@c.de"          },
    };
    struct auth_key key;
    struct err err;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(auth_name_key(slice_from_str(rows[i].name), &key, &err), RC_OK);
        assert_slice_equal(auth_key_slice(&key), slice_from_str(rows[i].key));
    }
}

static void refuses_what_is_no_name(void **state)
{
    static const char *const rows[] = {
        "",
        "@example.org",
        "a@",
        "a b",
        "a\tb",
        "a\x01",
        "\xff",
        "a@b..c",
        "a@-\xff",
        "a@b c",
        "\xe2\x80\x8b",   /* zero width space */
        "a\xe2\x80\xae.", /* right-to-left override */
        "a@.",
        "a@b..",
        "a@[",
        "a@[]",
    };
    struct auth_key key;
    struct err err;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%zu %s\n", i, rows[i]);
        assert_int_equal(auth_name_key(slice_from_str(rows[i]), &key, &err), RC_SYNTAX);
    }
}

static void a_name_has_a_longest(void **state)
{
    char text[AUTH_NAME_MAX_BYTES + 1];
    struct auth_key key;

    (void) state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(auth_name_key(slice_of(text, sizeof(text) - 1), &key, NULL), RC_OK);
    assert_int_equal(auth_name_key(slice_of(text, sizeof(text)), &key, NULL), RC_LIMIT);
    for (size_t i = 0; i + 3 <= AUTH_NAME_MAX_BYTES; i += 3)
        memcpy(text + i, "\xef\xb7\xba", 3); /* U+FDFA is 18 characters in NFKC */
    assert_int_equal(auth_name_key(slice_of(text, 255), &key, NULL), RC_LIMIT);
}

static void a_new_name_needs_no_quoting(void **state)
{
    static const struct {
        const char *name;
        enum rc rc;
    } rows[] = {
        {"anna",             RC_OK    },
        {"Anna.B-c_d",       RC_OK    },
        {"anna@example.org", RC_OK    },
        {"Mu\xcc\x88ller",   RC_OK    },
        {"a:b",              RC_SYNTAX},
        {"a\"b",             RC_SYNTAX},
        {"a/b",              RC_SYNTAX},
        {"a*",               RC_SYNTAX},
        {"a%b",              RC_SYNTAX},
        {"a@b@c",            RC_SYNTAX},
        {"a(b)",             RC_SYNTAX},
    };
    struct auth_key name;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(auth_name_check_new(slice_from_str(rows[i].name), &name, NULL),
                         rows[i].rc);
    }
    assert_int_equal(auth_name_check_new(SLICE("Mu\xcc\x88ller"), &name, NULL), RC_OK);
    assert_slice_equal(auth_key_slice(&name), SLICE("M\xc3\xbcller"));
}

static void a_password_is_the_same_however_it_is_typed(void **state)
{
    struct auth_secret a, b;
    char text[AUTH_SECRET_MAX_BYTES + 1];

    (void) state;
    assert_int_equal(auth_secret_prepare(SLICE("u\xcc\x88\xc2\xa0x"), &a, NULL), RC_OK);
    assert_slice_equal(auth_secret_slice(&a), SLICE("\xc3\xbc x"));
    assert_int_equal(auth_secret_prepare(SLICE("Pass Word"), &b, NULL), RC_OK);
    assert_slice_equal(auth_secret_slice(&b), SLICE("Pass Word"));
    assert_int_equal(auth_secret_prepare(SLICE("\xff\xfe"), &b, NULL), RC_OK);
    assert_slice_equal(auth_secret_slice(&b), SLICE("\xff\xfe"));
    memset(text, 'x', sizeof(text));
    assert_int_equal(auth_secret_prepare(slice_of(text, sizeof(text) - 1), &b, NULL), RC_OK);
    assert_int_equal(auth_secret_prepare(slice_of(text, sizeof(text)), &b, NULL), RC_LIMIT);
    assert_int_equal(auth_secret_prepare(SLICE(""), &b, NULL), RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_person_has_one_key),
        cmocka_unit_test(refuses_what_is_no_name),
        cmocka_unit_test(a_name_has_a_longest),
        cmocka_unit_test(a_new_name_needs_no_quoting),
        cmocka_unit_test(a_password_is_the_same_however_it_is_typed),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
