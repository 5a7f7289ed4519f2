/* test_socketmap.c - Postfix's questions: whole ones, parts of one, and what is none. */
// links: auth
#include "auth/socketmap.h"
#include "lib/test.h"

static const struct {
    const char *input;
    enum rc rc;
    size_t used;
    const char *map, *key;
} rows[] = {
    {"14:recipients a@b,",          RC_OK,     18, "recipients", "a@b"  },
    {"14:recipients a@b,14:recipi", RC_OK,     18, "recipients", "a@b"  },
    {"11:recipients ,",             RC_OK,     15, "recipients", ""     },
    {"7:m a b c,",                  RC_OK,     10, "m",          "a b c"},
    {"1: ,",                        RC_OK,     4,  "",           ""     },
    {"",                            RC_MORE,   0,  NULL,         NULL   },
    {"1",                           RC_MORE,   0,  NULL,         NULL   },
    {"14",                          RC_MORE,   0,  NULL,         NULL   },
    {"14:",                         RC_MORE,   0,  NULL,         NULL   },
    {"14:recipients a@b",           RC_MORE,   0,  NULL,         NULL   },
    {"1152:",                       RC_MORE,   0,  NULL,         NULL   },
    {"1153",                        RC_LIMIT,  0,  NULL,         NULL   },
    {"99999999999999999999",        RC_LIMIT,  0,  NULL,         NULL   },
    {"014:recipients a@b,",         RC_SYNTAX, 0,  NULL,         NULL   },
    {":x,",                         RC_SYNTAX, 0,  NULL,         NULL   },
    {"-1:x,",                       RC_SYNTAX, 0,  NULL,         NULL   },
    {" 1:x,",                       RC_SYNTAX, 0,  NULL,         NULL   },
    {"0:,",                         RC_SYNTAX, 0,  NULL,         NULL   }, /* no key */
    {"10:recipients,",              RC_SYNTAX, 0,  NULL,         NULL   },
    {"13:recipients a@b,",          RC_SYNTAX, 0,  NULL,         NULL   },
    {"14:recipients a@b;",          RC_SYNTAX, 0,  NULL,         NULL   },
    {"GET / HTTP/1.1",              RC_SYNTAX, 0,  NULL,         NULL   },
};

static void reads_questions(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socketmap_question question = {0};
        size_t used = 0;
        struct err err;

        print_message("%s\n", rows[i].input);
        assert_int_equal(socketmap_take(slice_from_str(rows[i].input), &question, &used, &err),
                         rows[i].rc);
        assert_int_equal(used, rows[i].used);
        if (rows[i].rc != RC_OK)
            continue;
        assert_slice_equal(question.map, slice_from_str(rows[i].map));
        assert_slice_equal(question.key, slice_from_str(rows[i].key));
    }
}

static void answers_are_netstrings(void **state)
{
    AUTO(buf_done) struct buf out = {.max = 64};

    (void) state;
    socketmap_answer(&out, "OK", SLICE("anna"));
    socketmap_answer(&out, "NOTFOUND", SLICE(""));
    assert_slice_equal(buf_slice(&out), SLICE("7:OK anna,9:NOTFOUND ,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_questions),
        cmocka_unit_test(answers_are_netstrings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
