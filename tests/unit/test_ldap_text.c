/* test_ldap_text.c - names in filters and DNs: nothing that a stranger types is syntax. */
// links: idp
#include "base/random.h"
#include "idp/ldap_library.h"
#include "idp/ldap_text.h"
#include "lib/test.h"

#define ROUNDS     20000u
#define NAME_BYTES 40u

static void values_are_escaped(void **state)
{
    const struct {
        struct slice value;
        const char *filter, *dn;
    } rows[] = {
        {SLICE("anna"),           "anna",                 "anna"                },
        {SLICE("*"),              "\\2a",                 "*"                   },
        {SLICE("*)(uid=*"),       "\\2a\\29\\28uid=\\2a", "*)(uid\\3d*"         },
        {SLICE("a\\b"),           "a\\5cb",               "a\\5cb"              },
        {SLICE("a\0b"),           "a\\00b",               "a\\00b"              },
        {SLICE("a,b+c"),          "a,b+c",                "a\\2cb\\2bc"         },
        {SLICE(" a b "),          " a b ",                "\\20a b\\20"         },
        {SLICE(" "),              " ",                    "\\20"                },
        {SLICE("#a#"),            "#a#",                  "\\23a#"              },
        {SLICE("\"<>;="),         "\"<>;=",               "\\22\\3c\\3e\\3b\\3d"},
        {SLICE("\xc3\xa4\n\x7f"), "\xc3\xa4\n\x7f",       "\xc3\xa4\\0a\\7f"    },
        {SLICE(""),               "",                     ""                    },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf filter = {.max = 256}, dn = {.max = 256};

        ldap_escape_filter(&filter, rows[i].value);
        ldap_escape_dn(&dn, rows[i].value);
        assert_slice_equal(buf_slice(&filter), slice_from_str(rows[i].filter));
        assert_slice_equal(buf_slice(&dn), slice_from_str(rows[i].dn));
    }
}

static void patterns(void **state)
{
    const struct {
        const char *pattern;
        bool good, good_with_dn;
    } rows[] = {
        {"(uid=%u)",     true,  true },
        {"%n@%d",        true,  true },
        {"(a=%%)(b=%u)", true,  true },
        {"(member=%D)",  false, true },
        {"(uid=anna)",   false, false},
        {"(a=%%)",       false, false},
        {"%",            false, false},
        {"%u%",          false, false},
        {"%x%u",         false, false},
        {"",             false, false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice pattern = slice_from_str(rows[i].pattern);

        if (ldap_pattern_is_good(pattern, false) != rows[i].good ||
            ldap_pattern_is_good(pattern, true) != rows[i].good_with_dn)
            fail_msg("%s", rows[i].pattern);
    }
}

static void patterns_are_filled(void **state)
{
    const struct {
        const char *pattern, *user, *filled; /* NULL: it cannot be */
    } rows[] = {
        {"(uid=%u)",       "anna",   "(uid=anna)"              },
        {"(uid=%n)",       "anna",   "(uid=anna)"              },
        {"(uid=%n)(d=%d)", "a@b@c",  "(uid=a@b)(d=c)"          },
        {"(d=%d)",         "anna",   NULL                      },
        {"(d=%d)",         "anna@",  "(d=)"                    },
        {"%%%u%%",         "%u",     "%%u%"                    },
        {"(m=%D)",         "x",      "(m=cn=\\28a\\29)"        },
        {"(uid=%u)",       "*)(x=*", "(uid=\\2a\\29\\28x=\\2a)"},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {.max = 256};
        const struct ldap_values values = {.user = slice_from_str(rows[i].user),
                                           .dn = SLICE("cn=(a)")};
        enum rc rc =
            ldap_pattern_fill(slice_from_str(rows[i].pattern), LDAP_FILTER, &values, &out);

        assert_int_equal(rc, rows[i].filled != NULL ? RC_OK : RC_NOT_FOUND);
        if (rows[i].filled != NULL)
            assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].filled));
    }
}

/* libldap reads back what was put in: one RDN, one value, the same bytes. */
static void any_value_comes_back_out_of_a_dn(void **state)
{
    (void) state;
    assert_int_equal(ldap_library_load(NULL), RC_OK);
    for (size_t i = 0; i < ROUNDS; i++) {
        AUTO(buf_done) struct buf text = {.max = 256};
        char bytes[NAME_BYTES];
        size_t len = 1 + i % NAME_BYTES;
        struct berval whole;
        LDAPDN dn = NULL;

        random_bytes(bytes, len);
        for (size_t j = 0; j < len; j++) /* ASCII, half of it special */
            bytes[j] = (bytes[j] & 1) != 0 ? ",+\"\\<>;=# \0"[(unsigned char) bytes[j] % 11]
                                           : (char) (bytes[j] & 0x7f);
        buf_str(&text, "uid=");
        ldap_escape_dn(&text, slice_of(bytes, len));
        buf_str(&text, ",dc=org");
        whole = (struct berval){.bv_len = text.len, .bv_val = text.ptr};
        assert_int_equal(openldap.ldap_bv2dn(&whole, &dn, LDAP_DN_FORMAT_LDAPV3), LDAP_SUCCESS);
        assert_non_null(dn[0]);
        assert_non_null(dn[1]);
        assert_null(dn[2]);
        assert_null(dn[0][1]);
        assert_slice_equal(slice_of(dn[0][0]->la_value.bv_val, dn[0][0]->la_value.bv_len),
                           slice_of(bytes, len));
        openldap.ldap_dnfree(dn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(patterns),
        cmocka_unit_test(patterns_are_filled),
        cmocka_unit_test(any_value_comes_back_out_of_a_dn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
