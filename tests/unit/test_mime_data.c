/*
 * test_mime_data.c - the messages of tests/data/mime, which break parsers: sound digests, and
 * what each must come to.
 */
// links: mime
#include <stdio.h>

#include "lib/digest_check.h"
#include "lib/test.h"

#ifndef ROOST_TEST_DATA
#error "ROOST_TEST_DATA names tests/data"
#endif

/* name; number of parts; a string that BODYSTRUCTURE or ENVELOPE (form P) holds; the preview */
static const struct {
    const char *name;
    uint32_t n_parts;
    const char *holds, *preview;
} rows[] = {
    {"boundary-prefix",    5, "\"alternative\"",                                                 "plain"                    },
    {"boundary-missing",   2, ") \"mixed\" NIL NIL NIL NIL)",                                    "text that nobody delimits"},
    {"multipart-empty",    2, "\"7BIT\" 7 1",                                                    "--b--"                    },
    {"header-in-part-cut", 4, "\"message\" \"rfc822\"",                                          ""                         },
    {"message-base64",     1, "(\"application\" \"octet-stream\"",                               ""                         },
    {"message-empty",      3, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",                       ""                         },
    {"subject-quotes",     1, "\"say \\\\\\\"no\\\\\\\"  to \\\"quotes\\\" \\\\\"",              "x"                        },
    {"nul-in-header",      1, "\"a?b\"",                                                         "xy"                       },
    {"8bit-params",        1, "(\"filename*\" \"utf-8''%C3%A4%C3%B6.txt\")",                     ""                         },
    {"param-continued",    1, "\"name*9\" \"lost\"",                                             ""                         },
    {"words-split",        1, "=?x-none?B?QQ==?= =?utf-8?Q?open\"",                              "x"                        },
    {"group-open",         1, "(NIL NIL \"others\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL))", "x"                        },
    {"address-brackets",   1, "((\"Old Form\" NIL \"user\" \"host.example\"))",                  "x"                        },
    {"no-header",          1, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",                       "body only"                },
    {"no-body",            1, "\"cut here\"",                                                    ""                         },
    {"cr-only",            1, "\"7BIT\" 0 0",                                                    ""                         },
    {"lf-only",            3, "\"7BIT\" 3 1",                                                    "one"                      },
    {"mbox-from",          1, "\"real\"",                                                        "x"                        },
    {"type-bare",          5, "(\"application\" \"octet-stream\"",                               "a"                        },
    {"date-odd",           1, "+9900",                                                           "x"                        },
    {"global",             2, "(\"message\" \"global\" NIL NIL NIL \"7BIT\"",                    "x"                        },
    {"digest-default",     4, "\"first\"",                                                       "1"                        },
    {"charset-wrong",      4, "\"us-ascii\"",                                                    "\xc3\xa4"                 },
    {"html-open",          1, "\"html\"",                                                        ""                         },
    {"epilogue-delimiter", 2, "\"7BIT\" 3 1",                                                    "one"                      },
};

static void read_message(const char *name, struct buf *out)
{
    char path[1024];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/mime/%s.eml", ROOST_TEST_DATA, name);
    file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s: not there", path);
    out->len = fread(buf_reserve(out, 65536), 1, 65536, file);
    (void) fclose(file);
}

static bool holds(struct slice wire, const char *needle)
{
    return slice_search(wire, slice_from_str(needle)) < wire.len;
}

static void each_message_comes_to_what_it_should(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf msg = {0};
        AUTO(buf_done) struct buf table = {0};
        struct digest digest;
        const char *wrong;

        print_message("%s\n", rows[i].name);
        buf_init(&msg, 65536);
        buf_init(&table, DIGEST_MAX_BYTES);
        read_message(rows[i].name, &msg);
        digest_build(buf_slice(&msg), &table);
        wrong = check_digest(buf_slice(&msg), buf_slice(&table));
        if (wrong != NULL)
            fail_msg("%s", wrong);
        assert_int_equal(digest_open(buf_slice(&table), &digest, NULL), RC_OK);
        assert_int_equal(digest.n_parts, rows[i].n_parts);
        if (!holds(digest_wire(&digest, DIGEST_ENVELOPE, DIGEST_FORM_P), rows[i].holds) &&
            !holds(digest_wire(&digest, DIGEST_BODYSTRUCTURE, DIGEST_FORM_P), rows[i].holds))
            fail_msg("%.*s\n%.*s\nlack %s",
                     SLICE_ARG(digest_wire(&digest, DIGEST_ENVELOPE, DIGEST_FORM_P)),
                     SLICE_ARG(digest_wire(&digest, DIGEST_BODYSTRUCTURE, DIGEST_FORM_P)),
                     rows[i].holds);
        assert_slice_equal(digest_preview(&digest), slice_from_str(rows[i].preview));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_message_comes_to_what_it_should)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
