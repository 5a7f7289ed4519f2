/* test_param.c - parameters of Content-Type and Content-Disposition. */
// links: mime
#include "lib/test.h"
#include "mime/param.h"

static const struct {
    const char *raw, *name;
    const char *value, *text; /* as written, or of pieces; decoded. NULL: absent */
} rows[] = {
    {"text/plain; charset=utf-8",                  "charset", "utf-8",              "utf-8"      },
    {"text/plain; CHARSET = \"utf-8\"",            "charset", "utf-8",              "utf-8"      },
    {"text/plain;charset=utf-8;format=flowed",     "format",  "flowed",             "flowed"     },
    {"text/plain (c; a=b); a=c",                   "a",       "c",                  "c"          },
    {"text/plain; a=\"b\\\"c;d\"; e=f",            "a",       "b\"c;d",             "b\"c;d"     },
    {"text/plain; a=\"b\r\n c\"",                  "a",       "b c",                "b c"        },
    {"text/plain; name=My file.pdf; x=y",          "name",    "My file.pdf",        "My file.pdf"},
    {"text/plain; a=b x=y",                        "x",       "y",                  "y"          }, /* no semicolon */
    {"text/plain a=b",                             "a",       "b",                  "b"          },
    {"a=b",                                        "a",       "b",                  "b"          },
    {"text/plain; a=b=c; d=e",                     "a",       "b=c",                "b=c"        },
    {"text/plain; a=\"unclosed",                   "a",       "unclosed",           "unclosed"   },
    {"text/plain; a",                              "a",       NULL,                 NULL         },
    {"text/plain; a=",                             "a",       "",                   ""           },
    {"text/plain; a=1; a=2",                       "a",       "1",                  "1"          },
    {"x; f*=utf-8''%C3%A4",                        "f",       "\xc3\xa4",           "\xc3\xa4"   }, /* RFC 2231 section 4 */
    {"x; f*0*=iso-8859-1'de'%E4; f*1=b; f*2*=%F6", "f",
     "\xc3\xa4"
     "b\xc3\xb6",                                                                   "\xc3\xa4"
     "b\xc3\xb6"                                                                },
    {"x; f*1=b; f*0=a",                            "f",       "ab",                 "ab"         }, /* any order */
    {"x; f*0=a; f*2=c",                            "f",       "a",                  "a"          }, /* up to the hole */
    {"x; f=old; f*=utf-8''new",                    "f",       "old",                "new"        },
    {"x; f=\"=?utf-8?Q?=C3=A4?=\"",                "f",       "=?utf-8?Q?=C3=A4?=", "\xc3\xa4"   },
    {"x; f*=%C3%A4",                               "f",       "\xc3\xa4",           "\xc3\xa4"   }, /* the charset left out */
    {"x; f*=utf-8''%4",                            "f",       "%4",                 "%4"         },
    {"x; f*999999=a",                              "f",       NULL,                 NULL         },
};

static void rows_of_parameters(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf value = {0};
        AUTO(buf_done) struct buf text = {0};
        struct slice raw = slice_from_str(rows[i].raw), name = slice_from_str(rows[i].name);

        buf_init(&value, 4096);
        buf_init(&text, 4096);
        print_message("%s\n", rows[i].raw);
        assert_int_equal(param_get(raw, name, &value), rows[i].value != NULL);
        if (rows[i].value != NULL)
            assert_slice_equal(buf_slice(&value), slice_from_str(rows[i].value));
        assert_int_equal(param_get_text(raw, name, &text), rows[i].text != NULL);
        if (rows[i].text != NULL)
            assert_slice_equal(buf_slice(&text), slice_from_str(rows[i].text));
    }
}

static void pieces_past_the_limit_are_left_out(void **state)
{
    AUTO(buf_done) struct buf raw = {0};
    AUTO(buf_done) struct buf text = {0};

    (void) state;
    buf_init(&raw, 65536);
    buf_init(&text, 65536);
    buf_str(&raw, "x");
    for (unsigned i = 0; i <= PARAM_SEGMENTS_MAX; i++)
        buf_printf(&raw, "; f*%u=a", i);
    assert_true(param_get_text(buf_slice(&raw), SLICE("f"), &text));
    assert_int_equal(text.len, PARAM_SEGMENTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_parameters),
        cmocka_unit_test(pieces_past_the_limit_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
