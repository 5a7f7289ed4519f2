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

        buf_init(&scratch, NEEDLE_SCRATCH_MAX_BYTES);
        needle_init(&needle, slice_from_str(rows[i].needle), arena);
        if (needle_is_in(&needle, slice_from_str(rows[i].text), &scratch) != rows[i].found)
            fail_msg("row %zu: \"%s\" in \"%s\"", i, rows[i].needle, rows[i].text);
    }
}

/* RFC 4790 9.2, 9.3; of languages see test_comparator.c. */
static void needles_are_found_by_other_comparators(void **state)
{
    static const struct {
        enum comparator_kind kind;
        const char *needle, *text;
        bool found;
    } rows[] = {
        {COMPARATOR_ASCII_CASEMAP, "",            "",             true },
        {COMPARATOR_ASCII_CASEMAP, "Hello",       "say hELLO",    true },
        {COMPARATOR_ASCII_CASEMAP, "\xc3\xa4r",   "\xc3\xa4R",    true },
        {COMPARATOR_ASCII_CASEMAP, "\xc3\xa4r",   "\xc3\x84r",    false},
        {COMPARATOR_ASCII_CASEMAP, "e",           "\xc3\xa9",     false},
        {COMPARATOR_OCTET,         "",            "x",            true },
        {COMPARATOR_OCTET,         "ell",         "hello",        true },
        {COMPARATOR_OCTET,         "ELL",         "hello",        false},
        {COMPARATOR_OCTET,         "caf\xc3\xa9", "cafe\xcc\x81", false},
        {COMPARATOR_OCTET,         "hello",       "hell",         false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf scratch = {.max = NEEDLE_SCRATCH_MAX_BYTES};
        const struct comparison by = {.kind = rows[i].kind};
        struct needle needle;

        needle_init_by(&needle, slice_from_str(rows[i].needle), &by, arena);
        if (needle_is_in(&needle, slice_from_str(rows[i].text), &scratch) != rows[i].found)
            fail_msg("row %zu: \"%s\" in \"%s\"", i, rows[i].needle, rows[i].text);
    }
}

/* Text in which the needle stands at any place about the border of two blocks. */
static void needles_are_found_over_the_border_of_blocks(void **state)
{
    static const char *const fillers[] = {"a", "\xc3\xa9", "\xe4\xb8\x80", "\xff"};
    static const char needle_text[] = "x\xc3\xa9Y\xea\xb0\x81z";
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf scratch = {.max = NEEDLE_SCRATCH_MAX_BYTES};
    const struct comparison capitals = {.kind = COMPARATOR_ASCII_CASEMAP};
    struct needle needle, longer, small;

    (void) state;
    needle_init_by(&small, SLICE("X\xc3\xa9y\xea\xb0\x81"), &capitals, arena);
    needle_init(&needle, slice_from_str(needle_text), arena);
    needle_init(&longer, slice_from_str("X\xc3\x89y\xea\xb0\x81zb"), arena);
    for (size_t i = 0; i < COUNT(fillers); i++) {
        for (size_t before = 0; before < 16; before++) {
            AUTO(buf_done) struct buf text = {.max = 4 * NEEDLE_BLOCK_BYTES};

            while (text.len < NEEDLE_BLOCK_BYTES - 16)
                buf_str(&text, fillers[i]);
            for (size_t k = 0; k < before; k++)
                buf_byte(&text, 'a');
            buf_str(&text, needle_text);
            assert_true(needle_is_in(&small, buf_slice(&text), &scratch));
            assert_true(needle_is_in(&needle, buf_slice(&text), &scratch));
            assert_false(needle_is_in(&longer, buf_slice(&text), &scratch));
            while (text.len < 2 * NEEDLE_BLOCK_BYTES + 5)
                buf_str(&text, fillers[i]);
            assert_true(needle_is_in(&needle, buf_slice(&text), &scratch));
            assert_false(needle_is_in(&longer, buf_slice(&text), &scratch));
        }
    }
}

static void a_needle_longer_than_a_block(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 16 << 20);
    AUTO(buf_done) struct buf text = {.max = (size_t) 4 << 20};
    AUTO(buf_done) struct buf scratch = {.max = NEEDLE_SCRATCH_MAX_BYTES};
    struct needle needle;
    struct slice all;

    (void) state;
    for (unsigned i = 0; text.len < 1000000; i++)
        buf_printf(&text, "%u \xef\xb7\xba ", i); /* 33 bytes of one character */
    all = buf_slice(&text);
    needle_init(&needle, slice_sub(all, 399989, 190000), arena);
    assert_true(needle_is_in(&needle, all, &scratch));
    assert_false(needle_is_in(&needle, slice_sub(all, 0, 580000), &scratch));
}

/* A byte that is rare in mail is most of the text; the needle stands at any place, or nowhere.
 */
static void a_needle_is_found_among_its_rarest_byte(void **state)
{
    static const char *const needles[] = {
        "q", "zq", "qz", "qzq", "aqa", "qqqqb", "bqqqq", "xqqqqqqqqqqqqqqqqqqqqqqqqx"};
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf scratch = {.max = NEEDLE_SCRATCH_MAX_BYTES};
    char text[3000];

    (void) state;
    for (size_t i = 0; i < COUNT(needles); i++) {
        size_t n = strlen(needles[i]);
        struct needle needle;

        needle_init(&needle, slice_from_str(needles[i]), arena);
        for (size_t gap = 1; gap < 40; gap += 3) {
            for (size_t at = 0; at + n <= sizeof(text); at += 97) {
                for (size_t k = 0; k < sizeof(text); k++)
                    text[k] = k % gap == 0 ? 'Q' : '.';
                assert_int_equal(needle_is_in(&needle, slice_of(text, sizeof(text)), &scratch),
                                 strcmp(needles[i], "q") == 0 ||
                                     (gap == 1 && strspn(needles[i], "q") == n));
                memcpy(text + at, needles[i], n);
                assert_true(needle_is_in(&needle, slice_of(text, sizeof(text)), &scratch));
                assert_true(needle_is_in(&needle, slice_of(text, at + n), &scratch));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needles_are_found_by_casemap),
        cmocka_unit_test(needles_are_found_by_other_comparators),
        cmocka_unit_test(needles_are_found_over_the_border_of_blocks),
        cmocka_unit_test(a_needle_longer_than_a_block),
        cmocka_unit_test(a_needle_is_found_among_its_rarest_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
