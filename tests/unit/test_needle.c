/* test_needle.c - substring search as RFC 5051 compares: case, decomposition, plain ASCII. */
// links: search
#include "lib/test.h"
#include "search/needle.h"

static void needles_are_found_by_casemap(void **state)
{
    static const struct {
        const char *needle, *text;
        bool found;
    } rows[] = {
        {"",                         "anything",                 true },
        {"",                         "",                         true },
        {"hello",                    "Say HELLO world",          true },
        {"HELLO",                    "say hello world",          true },
        {"hello",                    "hell o",                   false},
        {"hello world",              "hello",                    false},
        {"x",                        "",                         false},
        {"\xc3\xa4rger",
         "gro\xc3\x9f"
         "er \xc3\x84RGER",                                      true },
        {"\xc3\xa4",                 "plain ascii",              false},
        {"e",                        "caf\xc3\xa9",              true }, /* decomposed: e + acute */
        {"caf\xc3\xa9",              "cafe\xcc\x81",             true }, /* both spellings are one */
        {"\xd0\xbc\xd0\xb8\xd1\x80", "\xd0\x9c\xd0\x98\xd0\xa0", true },
        {"12345678",                 "x123456789",               true }, /* spans the 8-byte step */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf scratch;
        struct needle needle;

        buf_init(&scratch, 4096);
        needle_init(&needle, slice_from_str(rows[i].needle), arena);
        if (needle_is_in(&needle, slice_from_str(rows[i].text), &scratch) != rows[i].found)
            fail_msg("row %zu: \"%s\" in \"%s\"", i, rows[i].needle, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needles_are_found_by_casemap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
