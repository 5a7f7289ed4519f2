/* test_fuzzy.c - words of texts, how alike they are, and scores (RFC 6203 3, 4). */
// links: search
#include "base/utf8.h"
#include "lib/test.h"
#include "search/fuzzy.h"

#define TEXT_MAX_BYTES ((size_t) 1 << 20)

static struct word word_of(const char *text)
{
    struct word_reader *reader = word_reader_new();
    struct word word;

    word_reader_open(reader, slice_from_str(text));
    assert_true(word_next(reader, &word));
    word_reader_free(reader);
    return word;
}

static void texts_are_words(void **state)
{
    static const struct {
        const char *text;
        const char *words; /* folded, a space behind each */
    } rows[] = {
        {"",                                        ""                            },
        {" .,;-- ",                                 ""                            },
        {"Hello, WORLD-wide 3rd",                   "hello world wide 3rd "       },
        {"R\xc3\xa9sum\xc3\xa9 e\xcc\x81t\xc3\xa9", "resume ete "                 }, /* composed or not */
        {"stra\xc3\x9f"
         "e \xef\xac\x81n",                "stra\xc3\x9f"
         "e fin "                             },
        {"\xd0\x99\xd0\x9e\xd0\x94",                "\xd0\xb8\xd0\xbe\xd0\xb4 "   }, /* Й loses its mark */
        {"\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd",
         "\xe6\x9d\xb1\xe4\xba\xac \xe4\xba\xac\xe9\x83\xbd "                     },
        {"\xe6\x9d\xb1 a\xe4\xba\xac",              "\xe6\x9d\xb1 a \xe4\xba\xac "},
        {"a\xff"
         "b\xc3",                          "a b "                        },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf got = {.max = TEXT_MAX_BYTES};
        struct word_reader *reader = word_reader_new();
        struct word word;

        word_reader_open(reader, slice_from_str(rows[i].text));
        while (word_next(reader, &word)) {
            for (uint32_t k = 0; k < word.n; k++)
                utf8_append(&got, word.ch[k]);
            buf_byte(&got, ' ');
        }
        word_reader_free(reader);
        assert_slice_equal(buf_slice(&got), slice_from_str(rows[i].words));
    }
}

static void words_are_more_or_less_alike(void **state)
{
    static const struct {
        const char *asked, *word;
        unsigned likeness;
    } rows[] = {
        {"hello",                    "Hello",                    100},
        {"hello",                    "hellos",                   89 }, /* it goes on */
        {"he",                       "hellos",                   0  }, /* too short for that */
        {"searching",                "search",                   71 }, /* its beginning */
        {"breaks",                   "breaking",                 70 }, /* ends otherwise */
        {"helo",                     "hello",                    75 }, /* RFC 6203 4 */
        {"helo",                     "help",                     75 },
        {"hlelo",                    "hello",                    75 }, /* changed round */
        {"hell",                     "ball",                     0  }, /* two errors in four */
        {"invoice",                  "inovcie",                  0  }, /* two in seven */
        {"invoices",                 "inovcies",                 60 }, /* two in eight */
        {"abc",                      "abd",                      0  }, /* none in three */
        {"rechnung",                 "Stromrechnung",            58 },
        {"nung",                     "Rechnung",                 0  }, /* short, and inside */
        {"\xe4\xba\xac",             "\xe6\x9d\xb1\xe4\xba\xac", 80 },
        {"\xe6\x9d\xb1\xe4\xba\xac", "\xe6\x9d\xb1\xe9\x83\xbd", 0  },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct word asked = word_of(rows[i].asked), word = word_of(rows[i].word);
        unsigned likeness = fuzzy_likeness(&asked, &word);

        if (likeness != rows[i].likeness)
            fail_msg("%s, %s: %u", rows[i].asked, rows[i].word, likeness);
    }
}

/* The errors between two words as their definition says, by recursion. */
static unsigned errors(const char *a, size_t n, const char *b, size_t m)
{
    unsigned least;

    if (n == 0 || m == 0)
        return (unsigned) (n + m);
    least = errors(a, n - 1, b, m - 1) + (a[n - 1] != b[m - 1]);
    least = MIN(least, errors(a, n - 1, b, m) + 1);
    least = MIN(least, errors(a, n, b, m - 1) + 1);
    if (n > 1 && m > 1 && a[n - 1] == b[m - 2] && a[n - 2] == b[m - 1])
        least = MIN(least, errors(a, n - 2, b, m - 2) + 1);
    return least;
}

/* Words of a and b, that begin differently and are of one length: nothing but errors makes them
 * alike. */
static void errors_are_counted(void **state)
{
    uint64_t random = 1;

    (void) state;
    for (unsigned round = 0; round < 60; round++) {
        char a[10] = "c", b[10] = "d";
        struct word asked, word;
        unsigned want, got;

        for (size_t i = 1; i < 8; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            a[i] = "abxy"[random >> 40 & 3];
            b[i] = random >> 50 & 3 ? a[i] : "abxy"[random >> 60 & 3];
        }
        asked = word_of(a);
        word = word_of(b);
        want = errors(a, 8, b, 8);
        got = fuzzy_likeness(&asked, &word);
        if (got != (want <= 1 ? 75u : want == 2 ? 60u : 0u))
            fail_msg("%s, %s: %u errors, %u", a, b, want, got);
    }
}

static unsigned score(const char *asked, const char *text, unsigned weight)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct word_reader *reader = word_reader_new();
    const struct fuzzy *fuzzy = fuzzy_new(slice_from_str(asked), arena);
    struct fuzzy_tally tally;

    assert_non_null(fuzzy);
    fuzzy_start(&tally);
    fuzzy_add(fuzzy, reader, slice_from_str(text), weight, &tally);
    word_reader_free(reader);
    return fuzzy_score(fuzzy, &tally);
}

static void better_texts_have_higher_scores(void **state)
{
    static const char *const texts[] = {
        "the reds: cars",
        "a car, reds",
        "cars, redder",
    };
    unsigned last = FUZZY_BEST + 1;

    (void) state;
    assert_int_equal(score("red car", "Red car", 100), 100);
    for (size_t i = 0; i < COUNT(texts); i++) {
        unsigned now = score("red car", texts[i], 100);

        assert_true(now > 0 && now < last);
        last = now;
    }
    assert_int_equal(score("red car", "car", 100), 0);
    assert_int_equal(score("red blue green white", "white green red", 100),
                     68); /* one may be missing */
    assert_int_equal(score("red blue green white", "white green", 100), 0);
    assert_true(score("hello", "hello", 85) < score("hello", "hello hello hello", 85));
    assert_true(score("hello", "hello hello hello hello hello hello", 60) <
                score("hello", "hello", 85));
}

static void a_long_text_and_long_words(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf text = {.max = TEXT_MAX_BYTES};
    struct word_reader *reader = word_reader_new();
    const struct fuzzy *fuzzy;
    struct fuzzy_tally tally;
    struct word word;

    (void) state;
    while (text.len < TEXT_MAX_BYTES - 8)
        buf_byte(&text, 'a');
    word_reader_open(reader, buf_slice(&text));
    assert_true(word_next(reader, &word));
    assert_int_equal(word.n, WORD_MAX_CHARS);
    assert_false(word_next(reader, &word));
    for (size_t i = 1; i < text.len; i += 2)
        text.ptr[i] = ' ';
    fuzzy = fuzzy_new(buf_slice(&text), arena);
    assert_int_equal(fuzzy->n, FUZZY_WORDS_MAX); /* and no more of it */
    fuzzy_start(&tally);
    fuzzy_add(fuzzy, reader, buf_slice(&text), 100, &tally);
    assert_int_equal(fuzzy_score(fuzzy, &tally), 100);
    assert_null(fuzzy_new(SLICE("?! -"), arena));
    word_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_words),
        cmocka_unit_test(words_are_more_or_less_alike),
        cmocka_unit_test(errors_are_counted),
        cmocka_unit_test(better_texts_have_higher_scores),
        cmocka_unit_test(a_long_text_and_long_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
