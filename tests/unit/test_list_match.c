/* test_list_match.c - LIST's wildcards: RFC 9051 6.3.9 and 5.1. */
// links: imap
#include "imap/list_match.h"
#include "lib/test.h"

static bool matches(const char *reference, const char *pattern, const char *name)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct list_pattern compiled;

    list_pattern_init(&compiled, slice_from_str(reference), slice_from_str(pattern), arena);
    return list_pattern_matches(&compiled, slice_from_str(name));
}

static void wildcards_match_as_the_rfc_says(void **state)
{
    static const struct {
        const char *reference, *pattern, *name;
        bool matches;
    } rows[] = {
        {"",   "*",         "a/b/c",       true },
        {"",   "*",         "INBOX",       true },
        {"",   "%",         "a",           true },
        {"",   "%",         "a/b",         false},
        {"",   "%/%",       "a/b",         true },
        {"",   "%/%",       "a/b/c",       false},
        {"",   "%%",        "abc",         true },
        {"",   "%*",        "a/b",         true },
        {"",   "*%",        "a/b",         true },
        {"a/", "%",         "a/b",         true },
        {"a/", "%",         "b",           false},
        {"a",  "/b",        "a/b",         true },
        {"",   "a",         "a",           true },
        {"",   "a",         "A",           false},
        {"",   "a",         "ab",          false},
        {"",   "ab",        "a",           false},
        {"",   "",          "a",           false},
        {"",   "*a*b*c*",   "xxaxxbxxcxx", true },
        {"",   "*a*b*c*",   "xxaxxcxxbxx", false},
        {"",   "a%c/d",     "abbbc/d",     true },
        {"",   "a%c/d",     "ab/bc/d",     false},
        {"",   "a%b%c",     "a1b2b3c",     true },
        {"",   "inbox",     "INBOX",       true },
        {"",   "InB%",      "INBOX",       true },
        {"",   "inbox/*",   "INBOX/Sub",   true },
        {"",   "inbox/sub", "INBOX/Sub",   false},
        {"",   "inboxes",   "INBOXES",     false},
        {"",   "*\xc3\xbc", "Gr\xc3\xbc",  true },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (matches(rows[i].reference, rows[i].pattern, rows[i].name) != rows[i].matches)
            fail_msg("row %zu: \"%s\" \"%s\" on %s", i, rows[i].reference, rows[i].pattern,
                     rows[i].name);
}

/* Patterns longer than 64 tokens cross the words of the automaton. */
static void long_patterns_cross_words(void **state)
{
    char name[LIST_NAME_MAX_BYTES + 1], pattern[2 * LIST_NAME_MAX_BYTES + 1];
    size_t n = 0;

    (void) state;
    memset(name, 'x', LIST_NAME_MAX_BYTES);
    name[LIST_NAME_MAX_BYTES] = '\0';
    for (size_t i = 0; i < LIST_NAME_MAX_BYTES; i++) {
        pattern[n++] = 'x';
        if (i % 3 == 0)
            pattern[n++] = i % 2 == 0 ? '*' : '%';
    }
    pattern[n] = '\0';
    assert_true(matches("", pattern, name));
    name[LIST_NAME_MAX_BYTES - 1] = 'y';
    assert_false(matches("", pattern, name));
}

/* What cannot be as long as a name matches nothing, and needs no tables. */
static void patterns_longer_than_any_name_match_nothing(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    size_t len = (size_t) 2 * LIST_NAME_MAX_BYTES + 2;
    char *text = arena_alloc(arena, len);
    struct list_pattern pattern;

    (void) state;
    memset(text, 'a', len);
    list_pattern_init(&pattern, SLICE(""), slice_of(text, len), arena);
    assert_true(pattern.never);
    assert_false(list_pattern_matches(&pattern, SLICE("a")));
    memset(text, '*', len);
    list_pattern_init(&pattern, SLICE(""), slice_of(text, len), arena);
    assert_int_equal(pattern.n_tokens, 1);
    assert_true(list_pattern_matches(&pattern, SLICE("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_match_as_the_rfc_says),
        cmocka_unit_test(long_patterns_cross_words),
        cmocka_unit_test(patterns_longer_than_any_name_match_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
