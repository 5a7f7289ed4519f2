/* Forms and cookies: one reading, or none. */
// links: web
#include "lib/test.h"
#include "web/form.h"

static const struct {
    const char *body;
    enum rc rc;
    const char *name, *value; /* one that must be there */
} rows[] = {
    {"",                     RC_OK,      "a",  ""        },
    {"a=b",                  RC_OK,      "a",  "b"       },
    {"a=",                   RC_OK,      "a",  ""        },
    {"a=b&c=d",              RC_OK,      "c",  "d"       },
    {"a=b=c",                RC_OK,      "a",  "b=c"     },
    {"a=1+2%2B3",            RC_OK,      "a",  "1 2+3"   },
    {"a=%C3%B6",             RC_OK,      "a",  "\xC3\xB6"},
    {"%61=b",                RC_OK,      "a",  "b"       },
    {"a=%26b%3Dc",           RC_OK,      "a",  "&b=c"    },
    {"a=%3Cscript%3E",       RC_OK,      "a",  "<script>"},
    {"a",                    RC_SYNTAX,  NULL, NULL      },
    {"a=b&",                 RC_SYNTAX,  NULL, NULL      },
    {"&a=b",                 RC_SYNTAX,  NULL, NULL      },
    {"a=b&&c=d",             RC_SYNTAX,  NULL, NULL      },
    {"a=%",                  RC_SYNTAX,  NULL, NULL      },
    {"a=%4",                 RC_SYNTAX,  NULL, NULL      },
    {"a=%4&b=1",             RC_SYNTAX,  NULL, NULL      },
    {"a=%zz",                RC_SYNTAX,  NULL, NULL      },
    {"a=%u0041",             RC_SYNTAX,  NULL, NULL      },
    {"=b",                   RC_LIMIT,   NULL, NULL      },
    {"a=b&a=c",              RC_INVALID, NULL, NULL      },
    {"a=b&%61=c",            RC_INVALID, NULL, NULL      }, /* the same name */
    {"a=%00",                RC_INVALID, NULL, NULL      },
    {"a=x%00y",              RC_INVALID, NULL, NULL      },
    {"a=%0d%0aSet-Cookie:x", RC_INVALID, NULL, NULL      },
    {"a=%7F",                RC_INVALID, NULL, NULL      },
    {"a=%FF",                RC_INVALID, NULL, NULL      },
    {"a=%C0%BC",             RC_INVALID, NULL, NULL      }, /* overlong "<" */
    {"a=%ED%A0%80",          RC_INVALID, NULL, NULL      }, /* a surrogate */
};

static enum rc parse(struct slice body, char room[], struct form *out)
{
    struct err err;

    memcpy(room, body.ptr, body.len);
    return form_parse(room, body.len, out, &err);
}

static void reads_what_our_pages_make_browsers_send(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char room[256];
        struct form form = {.n = 0};

        print_message("%s\n", rows[i].body);
        assert_int_equal(parse(slice_from_str(rows[i].body), room, &form), rows[i].rc);
        if (rows[i].name != NULL)
            assert_slice_equal(form_get(&form, rows[i].name), slice_from_str(rows[i].value));
        else
            assert_int_equal(form.n, 0);
    }
}

/* Each limit, and one past it. */
static void every_size_has_its_limit(void **state)
{
    AUTO(freep) char *room = xmalloc(FORM_BODY_MAX_BYTES + 1);
    struct form form = {.n = 0};
    struct err err;

    (void) state;
    memset(room, 'a', FORM_BODY_MAX_BYTES + 1);
    room[1] = '=';
    assert_int_equal(form_parse(room, 2 + FORM_VALUE_MAX_BYTES, &form, &err), RC_OK);
    assert_int_equal(form_parse(room, 3 + FORM_VALUE_MAX_BYTES, &form, &err), RC_LIMIT);
    assert_int_equal(form_parse(room, FORM_BODY_MAX_BYTES + 1, &form, &err), RC_LIMIT);
    memset(room, 'a', 64);
    room[FORM_NAME_MAX_BYTES] = '=';
    assert_int_equal(form_parse(room, FORM_NAME_MAX_BYTES + 2, &form, &err), RC_OK);
    memset(room, 'a', 64);
    room[FORM_NAME_MAX_BYTES + 1] = '=';
    assert_int_equal(form_parse(room, FORM_NAME_MAX_BYTES + 3, &form, &err), RC_LIMIT);
    for (unsigned n = FORM_FIELDS_MAX; n <= FORM_FIELDS_MAX + 1; n++) {
        size_t len = 0;

        for (unsigned i = 0; i < n; i++)
            len += (size_t) snprintf(room + len, 16, "%sf%u=", i > 0 ? "&" : "", i);
        assert_int_equal(form_parse(room, len, &form, &err),
                         n <= FORM_FIELDS_MAX ? RC_OK : RC_LIMIT);
    }
}

static const struct {
    const char *header;
    const char *value; /* NULL: none */
} cookies[] = {
    {"",               NULL },
    {"id=1",           "1"  },
    {"id=",            ""   },
    {"a=b; id=1; c=d", "1"  },
    {"a=b;id=1",       "1"  },
    {" id=1 ",         "1"  },
    {"id=1; id=2",     NULL }, /* somebody else set one */
    {"id=1; id=1",     NULL },
    {"idx=1",          NULL },
    {"xid=1",          NULL },
    {"ID=1",           NULL },
    {"id",             NULL },
    {"a=id=1",         NULL },
    {"id=a=b",         "a=b"},
    {";;;id=1;",       "1"  },
};

static void finds_the_one_cookie(void **state)
{
    char many[COOKIES_MAX * 4 + 16];
    struct slice value;
    size_t len = 0;

    (void) state;
    for (size_t i = 0; i < COUNT(cookies); i++) {
        bool found = cookie_find(slice_from_str(cookies[i].header), SLICE("id"), &value);

        print_message("%s\n", cookies[i].header);
        assert_int_equal(found, cookies[i].value != NULL);
        if (found)
            assert_slice_equal(value, slice_from_str(cookies[i].value));
    }
    for (unsigned i = 0; i < COOKIES_MAX; i++)
        len += (size_t) snprintf(many + len, 5, "a=b;");
    (void) snprintf(many + len, 5, "id=1");
    assert_false(cookie_find(slice_from_str(many), SLICE("id"), &value));
    assert_true(cookie_find(slice_from_str(many + 4), SLICE("id"), &value));
}

static void hex_is_exact(void **state)
{
    unsigned char out[2] = {1, 2};

    (void) state;
    assert_false(hex_read(SLICE("00f"), out, 2));
    assert_false(hex_read(SLICE("00ff0"), out, 2));
    assert_false(hex_read(SLICE("00fg"), out, 2));
    assert_int_equal(out[0], 1);
    assert_true(hex_read(SLICE("0aFf"), out, 2));
    assert_int_equal(out[0], 0x0A);
    assert_int_equal(out[1], 0xFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_our_pages_make_browsers_send),
        cmocka_unit_test(every_size_has_its_limit),
        cmocka_unit_test(finds_the_one_cookie),
        cmocka_unit_test(hex_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
