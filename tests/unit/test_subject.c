/* test_subject.c - the base subject of RFC 5256 2.1, step by step. */
// links: mime
#include "lib/test.h"
#include "mime/subject.h"

static const struct {
    const char *raw, *base;
    bool is_reply;
} rows[] = {
    {"hello",                      "hello",           false},
    {"",                           "",                false},
    {"Re: hello",                  "hello",           true },
    {"RE : Fw: FWD: hello",        "hello",           true },
    {"Re[2]: hello",               "hello",           true },
    {"Re [list] : hello",          "hello",           true },
    {"[list] hello",               "hello",           false},
    {"[list] Re: hello",           "hello",           true },
    {"[a] [b] re: [c] hello",      "hello",           true },
    {"[list]",                     "[list]",          false},
    {"Re: [list]",                 "[list]",          true },
    {"hello (fwd)",                "hello",           true },
    {"hello (fwd) (FWD) ",         "hello",           true },
    {"[fwd: hello]",               "hello",           true },
    {"[fwd: Re: [x] hello (fwd)]", "hello",           true },
    {"[Fwd: Re: hello]",           "hello",           true },
    {"[fwd: fw: [a]]",             "[a]",             true },
    {"[fwd: [fwd: Re: hello]]",    "hello",           true },
    {"[Fwd: a] b",                 "b",               false},
    {"Reply: hello",               "Reply: hello",    false},
    {"hello  \t world",            "hello world",     false},
    {"hello\r\n world",            "hello world",     false},
    {"=?utf-8?Q?Re:_h=C3=A4?=",    "h\xc3\xa4",       true },
    {"Re: ",                       "",                true },
    {"[unclosed hello",            "[unclosed hello", false},
};

static void rows_of_subjects(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {0};

        buf_init(&out, 4096);
        print_message("%s\n", rows[i].raw);
        assert_int_equal(subject_base(slice_from_str(rows[i].raw), &out), rows[i].is_reply);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].base));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_subjects)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
