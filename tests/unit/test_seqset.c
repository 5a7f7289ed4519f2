/* test_seqset.c - sequence sets: the grammar, its near misses, resolving and compressing. */
// links: imap
#include "imap/seqset.h"
#include "lib/test.h"

static const struct {
    const char *text;
    enum rc rc;
    size_t n;
} rows[] = {
    {"1",                    RC_OK,     1},
    {"4:2",                  RC_OK,     1},
    {"1,3:*",                RC_OK,     2},
    {"*",                    RC_OK,     1},
    {"*:*",                  RC_OK,     1},
    {"*:4,5:7",              RC_OK,     2},
    {"4294967295",           RC_OK,     1},
    {"4294967296",           RC_SYNTAX, 0}, /* nz-number is below 2^32 */
    {"99999999999999999999", RC_SYNTAX, 0},
    {"0",                    RC_SYNTAX, 0},
    {"01",                   RC_SYNTAX, 0},
    {"1:0",                  RC_SYNTAX, 0},
    {"1,",                   RC_SYNTAX, 0},
    {",1",                   RC_SYNTAX, 0},
    {"1,,2",                 RC_SYNTAX, 0},
    {"1*",                   RC_SYNTAX, 0},
    {"1:",                   RC_SYNTAX, 0},
    {":1",                   RC_SYNTAX, 0},
    {"1:2:3",                RC_SYNTAX, 0},
    {"+1",                   RC_SYNTAX, 0},
    {"-1",                   RC_SYNTAX, 0},
    {"1 ",                   RC_SYNTAX, 0},
    {"$",                    RC_SYNTAX, 0}, /* not a set; see the next test */
    {"",                     RC_SYNTAX, 0},
};

static void takes_the_grammar_and_nothing_else(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf out;
        struct seqset set = {0};
        struct err err;

        buf_init(&out, 64);
        print_message("%s\n", rows[i].text);
        assert_int_equal(imap_parse_seqset(slice_from_str(rows[i].text), arena, &set, &err),
                         rows[i].rc);
        assert_int_equal(set.n, rows[i].n);
        if (rows[i].rc != RC_OK || slice_eq(slice_from_str(rows[i].text), SLICE("*:*")))
            continue;
        imap_print_seqset(&out, &set);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].text));
    }
}

static void the_saved_result_stands_alone(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct imap_set set = {0};

    (void) state;
    assert_int_equal(imap_parse_set_or_saved(SLICE("$"), arena, &set, NULL), RC_OK);
    assert_true(set.saved);
    assert_int_equal(imap_parse_set_or_saved(SLICE("$,1"), arena, &set, NULL), RC_SYNTAX);
    assert_int_equal(imap_parse_set_or_saved(SLICE("1:2"), arena, &set, NULL), RC_OK);
    assert_false(set.saved);
}

static void refuses_a_set_with_too_many_ranges(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf text;
    struct seqset set = {0};

    (void) state;
    buf_init(&text, 1 << 20);
    buf_byte(&text, '1');
    for (size_t i = 1; i < SEQSET_MAX_RANGES; i++)
        buf_str(&text, ",1");
    assert_int_equal(imap_parse_seqset(buf_slice(&text), arena, &set, NULL), RC_OK);
    assert_int_equal(set.n, SEQSET_MAX_RANGES);
    buf_str(&text, ",1");
    assert_int_equal(imap_parse_seqset(buf_slice(&text), arena, &set, NULL), RC_LIMIT);
}

static void resolving_sorts_joins_and_puts_numbers_for_the_star(void **state)
{
    static const struct {
        const char *text;
        uint32_t max;
        const char *resolved;
        uint32_t top;
    } cases[] = {
        {"2,4:7,9,12:*",   15,         "2,4:7,9,12:15", 12        },
        {"*:4,5:7",        10,         "4:10",          7         },
        {"4:2,1",          9,          "1:4",           4         },
        {"3291:*",         100,        "100:3291",      3291      },
        {"*",              0,          "",              0         },
        {"5:*,3",          0,          "3",             5         },
        {"1:*,4294967295", 4294967295, "1:4294967295",  4294967295},
        {"7,7,7,6",        9,          "6:7",           7         },
        {"10:20,12:13,30", 99,         "10:20,30",      30        },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        AUTO(buf_done) struct buf out;
        struct seqset set = {0}, resolved;

        buf_init(&out, 64);
        assert_int_equal(imap_parse_seqset(slice_from_str(cases[i].text), arena, &set, NULL),
                         RC_OK);
        resolved = imap_resolve_seqset(&set, cases[i].max, arena);
        imap_print_seqset(&out, &resolved);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].resolved));
        assert_int_equal(imap_seqset_top(&set), cases[i].top);
    }
}

static void runs_join_neighbours(void **state)
{
    static const uint32_t numbers[] = {1, 2, 3, 5, 7, 8, 4294967295};
    AUTO(buf_done) struct buf out;
    struct imap_runs runs;

    (void) state;
    buf_init(&out, 64);
    imap_runs_begin(&runs, &out);
    assert_false(imap_runs_end(&runs));
    for (size_t i = 0; i < COUNT(numbers); i++)
        imap_runs_add(&runs, numbers[i]);
    assert_true(imap_runs_end(&runs));
    assert_slice_equal(buf_slice(&out), SLICE("1:3,5,7:8,4294967295"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_grammar_and_nothing_else),
        cmocka_unit_test(the_saved_result_stands_alone),
        cmocka_unit_test(refuses_a_set_with_too_many_ranges),
        cmocka_unit_test(resolving_sorts_joins_and_puts_numbers_for_the_star),
        cmocka_unit_test(runs_join_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
