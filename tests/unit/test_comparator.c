/*
 * test_comparator.c - comparators by name, and what they compare: keys against ucol_strcoll,
 * substrings against every substring compared by ucol_strcoll, and against ICU's own search.
 */
// links: mime
#include <unicode/ucol.h>
#include <unicode/usearch.h>
#include <unicode/ustring.h>

#include "lib/test.h"
#include "mime/collator.h"
#include "mime/comparator.h"

#define TEXT_MAX_BYTES ((size_t) 1 << 20)
#define ROUNDS         2000u /* of each language and strength */

/* What texts are made of. */
static const char *const pieces[] = {
    "a",
    "A",
    "b",
    "c",
    "h",
    "s",
    "S",
    "z",
    "e",
    "\xc3\xa9", /* é */
    "e\xcc\x81",
    "\xc3\xa4",
    "\xc3\x84",
    "a\xcc\x88",
    "\xc3\x9f", /* ä Ä ä ß */
    "\xc3\xa6",
    "\xc3\xa5",
    "o",
    "\xc3\xb8",
    "\xc3\xb1", /* æ å ø ñ */
    "l",
    "j",
    "d",
    "\xc5\xbe",
    " ",
    "-",
    "1",
    "\xe4\xb8\x80",
    "\xd0\xb8",
    "\xd0\xb9", /* ž 一 и й */
    "\xc2\xad",
    "\xe3\x81\x8b",
    "\xe3\x82\xab", /* soft hyphen, か カ */
};

struct pick {
    uint64_t state;
};

static uint32_t next(struct pick *pick, uint32_t n)
{
    pick->state = pick->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (pick->state >> 33) % n;
}

static void make_text(struct pick *pick, uint32_t max, struct buf *out)
{
    for (uint32_t n = next(pick, max + 1); n > 0; n--)
        buf_str(out, pieces[next(pick, COUNT(pieces))]);
}

static unsigned number_of(const char *locale, unsigned strength)
{
    for (unsigned i = 0; i < comparator_count(); i++)
        if (comparator_kind(i) == COMPARATOR_LANGUAGE &&
            strcmp(comparator_locale(i), locale) == 0 && comparator_strength(i) == strength)
            return i;
    fail_msg("no comparator of %s", locale);
    return 0;
}

static int32_t wide(struct slice text, UChar *out, int32_t room)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t n;

    u_strFromUTF8(out, room, &n, text.ptr, (int32_t) text.len, &status);
    assert_true(U_SUCCESS(status));
    return n;
}

/* ICU's collator, set as the comparator says. */
static UCollator *icu_of(const char *locale, unsigned strength)
{
    static const UCollationStrength strengths[] = {UCOL_PRIMARY, UCOL_SECONDARY, UCOL_TERTIARY};
    UErrorCode status = U_ZERO_ERROR;
    UCollator *icu = ucol_open(locale, &status);

    ucol_setStrength(icu, strengths[strength - 1]);
    ucol_setAttribute(icu, UCOL_NORMALIZATION_MODE, UCOL_ON, &status);
    ucol_setAttribute(icu, UCOL_ALTERNATE_HANDLING, UCOL_NON_IGNORABLE, &status);
    assert_true(U_SUCCESS(status));
    return icu;
}

static bool icu_finds(UCollator *icu, struct slice needle, struct slice text)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar n[256], t[256];
    int32_t n_len = wide(needle, n, 256), t_len = wide(text, t, 256), at;
    UStringSearch *search;

    if (needle.len == 0)
        return true;
    if (text.len == 0)
        return false;
    search = usearch_openFromCollator(n, n_len, t, t_len, icu, NULL, &status);
    if (U_FAILURE(status))
        return false;
    at = usearch_first(search, &status);
    usearch_close(search);
    return at != USEARCH_DONE;
}

static const char *const locales[] = {"und", "de", "sv", "cs", "hr", "hu", "ja", "da"};

/* A collator of ours beside ICU's. */
struct pair {
    struct collator *ours;
    UCollator *icu;
};

static struct pair open_pair(const char *locale, unsigned strength)
{
    struct pair pair = {.icu = icu_of(locale, strength)};
    struct err err;

    assert_int_equal(collator_open(number_of(locale, strength), &pair.ours, &err), RC_OK);
    return pair;
}

static void close_pair(struct pair *pair)
{
    collator_close(pair->ours);
    ucol_close(pair->icu);
}

static bool ours_finds(struct collator *collator, struct slice needle, struct slice text)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct collated_needle collated;

    collator_needle(collator, needle, arena, &collated);
    return collator_finds(collator, &collated, text);
}

/* Does some substring equal the needle (RFC 4790 4.2.3)? */
static bool some_substring_equals(UCollator *icu, struct slice needle, struct slice text)
{
    UChar n[256], t[256];
    int32_t n_len = wide(needle, n, 256), t_len = wide(text, t, 256);

    for (int32_t from = 0; from <= t_len; from++)
        for (int32_t to = from; to <= t_len; to++)
            if (ucol_strcoll(icu, n, n_len, t + from, to - from) == UCOL_EQUAL)
                return true;
    return false;
}

/* ICU's search finds nothing in the empty text, in which there is what equals it. */
static void check_search(const struct pair *pair, struct slice needle, struct slice text)
{
    bool found = ours_finds(pair->ours, needle, text);

    if (text.len > 0 && found != icu_finds(pair->icu, needle, text))
        fail_msg("\"%.*s\" in \"%.*s\": %d", SLICE_ARG(needle), SLICE_ARG(text), found);
    if (found && !some_substring_equals(pair->icu, needle, text))
        fail_msg("\"%.*s\" equals nothing in \"%.*s\"", SLICE_ARG(needle), SLICE_ARG(text));
}

static void finds_what_icu_finds(void **state)
{
    struct pick pick = {7};

    (void) state;
    for (size_t i = 0; i < COUNT(locales); i++) {
        for (unsigned strength = 1; strength <= 3; strength++) {
            struct pair pair = open_pair(locales[i], strength);

            for (unsigned round = 0; round < ROUNDS; round++) {
                AUTO(buf_done) struct buf text = {.max = TEXT_MAX_BYTES};
                AUTO(buf_done) struct buf needle = {.max = TEXT_MAX_BYTES};

                make_text(&pick, 8, &text);
                make_text(&pick, 3, &needle);
                check_search(&pair, buf_slice(&needle), buf_slice(&text));
            }
            close_pair(&pair);
        }
    }
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void check_order(const struct pair *pair, struct slice a, struct slice b)
{
    AUTO(buf_done) struct buf key_a = {.max = TEXT_MAX_BYTES};
    AUTO(buf_done) struct buf key_b = {.max = TEXT_MAX_BYTES};
    UChar wide_a[256], wide_b[256];
    int want =
        ucol_strcoll(pair->icu, wide_a, wide(a, wide_a, 256), wide_b, wide(b, wide_b, 256));

    collator_key(pair->ours, a, &key_a);
    collator_key(pair->ours, b, &key_b);
    if (sign(slice_cmp(buf_slice(&key_a), buf_slice(&key_b))) != sign(want))
        fail_msg("\"%.*s\" and \"%.*s\": %d", SLICE_ARG(a), SLICE_ARG(b), want);
}

static void keys_are_in_icus_order(void **state)
{
    struct pick pick = {8};

    (void) state;
    for (size_t i = 0; i < COUNT(locales); i++) {
        for (unsigned strength = 1; strength <= 3; strength++) {
            struct pair pair = open_pair(locales[i], strength);

            for (unsigned round = 0; round < ROUNDS; round++) {
                AUTO(buf_done) struct buf a = {.max = TEXT_MAX_BYTES};
                AUTO(buf_done) struct buf b = {.max = TEXT_MAX_BYTES};

                make_text(&pick, 4, &a);
                make_text(&pick, 4, &b);
                check_order(&pair, buf_slice(&a), buf_slice(&b));
            }
            close_pair(&pair);
        }
    }
}

/* RFC 5255 4.6 (c) */
static void what_is_no_text_stands_behind_and_compares_as_bytes(void **state)
{
    static const struct slice texts[] = {
        {"",                 0},
        {"a",                1},
        {"\xf0\x9f\x98\x80", 4},
        {"\xef\xbf\xbf",     3},
        {"a\xff",            2},
        {"b\xfe",            2},
        {"\xff",             1},
    };
    struct pair pair = open_pair("und", 1);

    (void) state;
    for (size_t i = 0; i + 1 < COUNT(texts); i++) {
        AUTO(buf_done) struct buf a = {.max = TEXT_MAX_BYTES};
        AUTO(buf_done) struct buf b = {.max = TEXT_MAX_BYTES};

        collator_key(pair.ours, texts[i], &a);
        collator_key(pair.ours, texts[i + 1], &b);
        assert_int_equal(a.len == 0, i == 0);
        if (i != 1) /* a smiley stands before letters */
            assert_true(slice_cmp(buf_slice(&a), buf_slice(&b)) < 0);
    }
    assert_true(ours_finds(pair.ours, SLICE("b"), SLICE("ab\xff")));
    assert_false(ours_finds(pair.ours, SLICE("B"), SLICE("ab\xff")));
    assert_true(ours_finds(pair.ours, SLICE("B"), SLICE("ab")));
    assert_true(ours_finds(pair.ours, SLICE("b\xff"), SLICE("ab\xff")));
    close_pair(&pair);
}

/* Words about the border of blocks, in text that is ASCII and in text that is not. */
static void finds_over_the_border_of_blocks(void **state)
{
    static const char *const fillers[] = {"x ", "\xc3\xa9 ", "xxxxxxx\n"};
    struct pair pair = open_pair("de", 1);

    (void) state;
    for (size_t i = 0; i < COUNT(fillers); i++) {
        for (size_t before = 0; before < 24; before++) {
            AUTO(buf_done) struct buf text = {.max = TEXT_MAX_BYTES};

            while (text.len < COLLATOR_BLOCK_UNITS - 24)
                buf_str(&text, fillers[i]);
            for (size_t k = 0; k < before; k++)
                buf_byte(&text, 'y');
            buf_str(&text, "gro\xc3\x9f"
                           "er b\xc3\xa4r");
            assert_true(ours_finds(pair.ours, SLICE("Grosser B\xc3\x84R"), buf_slice(&text)));
            assert_false(ours_finds(pair.ours, SLICE("Grosser B\xc3\x84RE"), buf_slice(&text)));
            while (text.len < 2 * COLLATOR_BLOCK_UNITS + 5)
                buf_str(&text, fillers[i]);
            assert_true(ours_finds(pair.ours, SLICE("GROSSER BAR"), buf_slice(&text)));
        }
    }
    close_pair(&pair);
}

/* Looking at each place for all of the needle would take days. */
static void a_needle_that_nearly_matches_everywhere(void **state)
{
    AUTO(buf_done) struct buf text = {.max = 4 * TEXT_MAX_BYTES};
    AUTO(buf_done) struct buf needle = {.max = TEXT_MAX_BYTES};
    struct pair pair = open_pair("cs", 3);

    (void) state;
    for (size_t i = 0; i < 2 * TEXT_MAX_BYTES; i++)
        buf_byte(&text, i % 100 == 99 ? ' ' : 'a');
    for (size_t i = 0; i < TEXT_MAX_BYTES / 4; i++)
        buf_byte(&needle, i % 100 == 99 ? ' ' : 'a');
    assert_true(ours_finds(pair.ours, buf_slice(&needle), buf_slice(&text)));
    buf_byte(&needle, 'b');
    assert_false(ours_finds(pair.ours, buf_slice(&needle), buf_slice(&text)));
    close_pair(&pair);
}

/* ---- names ---- */

static void each_has_a_name_and_can_be_had(void **state)
{
    (void) state;
    for (unsigned i = 0; i < comparator_count(); i++) {
        AUTO(collator_closep) struct collator *collator = NULL;
        AUTO(buf_done) struct buf id = {.max = COMPARATOR_ID_MAX_BYTES};
        struct err err;

        comparator_print(i, &id);
        assert_false(id.overflow);
        for (unsigned k = 0; k < comparator_count(); k++)
            assert_int_equal(comparator_matches(k, buf_slice(&id)), i == k);
        if (comparator_kind(i) == COMPARATOR_LANGUAGE)
            assert_int_equal(collator_open(i, &collator, &err), RC_OK);
    }
}

static void wildcards_match(void **state)
{
    static const struct {
        const char *wild;
        unsigned n;        /* how many match */
        const char *first; /* the beginning of the first that does; NULL: none */
    } rows[] = {
        {"default",                         1, "i;unicode-casemap"       },
        {"DEFAULT",                         1, "i;unicode-casemap"       },
        {"defaul*",                         0, NULL                      },
        {"i;unicode-casemap",               1, "i;unicode-casemap"       },
        {"i;OCTET",                         1, "i;octet"                 },
        {"i;octe",                          0, NULL                      },
        {"i;octets",                        0, NULL                      },
        {"i;*",                             3, "i;unicode-casemap"       },
        {"i;*-casemap",                     2, "i;unicode-casemap"       },
        {"i;a*a*a*p",                       1, "i;ascii-casemap"         },
        {"*octet",                          1, "i;octet"                 },
        {"de;*",                            3, "de;vnd-roost;strength=1;"},
        {"DE;vnd-*;*=2;*",                  1, "de;vnd-roost;strength=2;"},
        {"*;vnd-roost;strength=3;icu=9999", 0, NULL                      },
        {"cz;*",                            0, NULL                      },
        {"i;basic",                         0, NULL                      },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned n = 0;

        for (unsigned k = 0; k < comparator_count(); k++) {
            AUTO(buf_done) struct buf id = {.max = COMPARATOR_ID_MAX_BYTES};

            if (!comparator_matches(k, slice_from_str(rows[i].wild)))
                continue;
            comparator_print(k, &id);
            if (n++ == 0 && rows[i].first != NULL)
                assert_true(slice_starts(buf_slice(&id), slice_from_str(rows[i].first)));
        }
        if (n != rows[i].n)
            fail_msg("%s: %u match", rows[i].wild, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_icu_finds),
        cmocka_unit_test(keys_are_in_icus_order),
        cmocka_unit_test(what_is_no_text_stands_behind_and_compares_as_bytes),
        cmocka_unit_test(finds_over_the_border_of_blocks),
        cmocka_unit_test(a_needle_that_nearly_matches_everywhere),
        cmocka_unit_test(each_has_a_name_and_can_be_had),
        cmocka_unit_test(wildcards_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
