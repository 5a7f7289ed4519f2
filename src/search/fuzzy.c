#include "search/fuzzy.h"

/* Likeness. */
#define LONGER_BEST    92u /* it goes on: less for each character more */
#define SHORTER_BEST   80u /* it is the beginning */
#define STEP           3u
#define LONGER_STEPS   8u
#define OTHER_END      70u
#define ONE_ERROR      75u
#define TWO_ERRORS     60u
#define INSIDE         58u
#define HALF_PAIR      80u
#define LONGER_MIN     3u /* characters of what goes on */
#define STEM_MIN       4u /* of a beginning in common */
#define END_MAX        3u /* characters behind it */
#define INSIDE_MIN     5u
#define ONE_ERROR_MIN  4u /* shorter words have no errors */
#define TWO_ERRORS_MIN 8u
#define ERRORS_MAX     2u

/* Scores. */
#define MISSING_PART   4u  /* one word in so many may be missing */
#define SCATTERED_PART 10u /* so much less in a hundred for words that are no phrase */
#define GOOD           90u /* what counts as often as it stands there */
#define OFTEN_STEP     2u
#define OFTEN_MAX      10u

static uint32_t common_prefix(const struct word *a, const struct word *b)
{
    uint32_t most = MIN(a->n, b->n), n = 0;

    while (n < most && a->ch[n] == b->ch[n])
        n++;
    return n;
}

static uint32_t errors_allowed(const struct word *asked)
{
    if (asked->n < ONE_ERROR_MIN)
        return 0;
    return asked->n < TWO_ERRORS_MIN ? 1 : ERRORS_MAX;
}

/*
 * Characters put in, left out, changed, and neighbours changed round (optimal string
 * alignment); more than `most` come out as most + 1. Three rows of the table at a time, of
 * which what is near the diagonal alone can be low enough.
 */
static uint32_t errors_between(const struct word *a, const struct word *b, uint32_t most)
{
    uint32_t rows[3][WORD_MAX_CHARS + 1];

    for (uint32_t k = 0; k <= b->n; k++)
        rows[0][k] = k;
    for (uint32_t i = 1; i <= a->n; i++) {
        uint32_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        uint32_t least = i;

        row[0] = i;
        for (uint32_t k = 1; k <= b->n; k++) {
            uint32_t cost = a->ch[i - 1] != b->ch[k - 1];
            uint32_t errors = MIN(MIN(last[k], row[k - 1]) + 1, last[k - 1] + cost);

            if (i > 1 && k > 1 && a->ch[i - 1] == b->ch[k - 2] && a->ch[i - 2] == b->ch[k - 1])
                errors = MIN(errors, before[k - 2] + 1);
            row[k] = errors;
            least = MIN(least, errors);
        }
        if (least > most)
            return most + 1;
    }
    return MIN(rows[a->n % 3][b->n], most + 1);
}

static bool has_inside(const struct word *word, const struct word *asked)
{
    for (uint32_t at = 1; at + asked->n <= word->n; at++)
        if (memcmp(word->ch + at, asked->ch, asked->n * sizeof(*asked->ch)) == 0)
            return true;
    return false;
}

static unsigned likeness_with_errors(const struct word *asked, const struct word *word)
{
    uint32_t most = errors_allowed(asked), errors;
    uint32_t longer = MAX(asked->n, word->n) - MIN(asked->n, word->n);

    /* An error changes two bits of the set at most. */
    if (most == 0 || longer > most ||
        (uint32_t) __builtin_popcountll(asked->chars ^ word->chars) > 2 * most)
        return 0;
    errors = errors_between(asked, word, most);
    if (errors > most)
        return 0;
    return errors <= 1 ? ONE_ERROR : TWO_ERRORS;
}

static unsigned likeness_of_pairs(const struct word *asked, const struct word *word)
{
    if (asked->n == 1 && word->n == 2 &&
        (asked->ch[0] == word->ch[0] || asked->ch[0] == word->ch[1]))
        return HALF_PAIR;
    return 0;
}

unsigned fuzzy_likeness(const struct word *asked, const struct word *word)
{
    uint32_t common = common_prefix(asked, word);
    uint32_t end = asked->n - common, other = word->n - common;

    if (end == 0 && other == 0)
        return FUZZY_BEST;
    if (asked->is_pair || word->is_pair)
        return asked->is_pair && word->is_pair ? likeness_of_pairs(asked, word) : 0;
    if (end == 0 && common >= LONGER_MIN)
        return LONGER_BEST - STEP * MIN(other, LONGER_STEPS);
    if (other == 0 && common >= STEM_MIN && end <= END_MAX)
        return SHORTER_BEST - STEP * end;
    if ((asked->chars & ~word->chars) == 0 && asked->n >= INSIDE_MIN && has_inside(word, asked))
        return INSIDE;
    if (likeness_with_errors(asked, word) == ONE_ERROR)
        return ONE_ERROR;
    if (common >= STEM_MIN && 3 * common >= 2 * asked->n && end <= END_MAX && other <= END_MAX)
        return OTHER_END;
    return likeness_with_errors(asked, word);
}

/*
 * By the sets of their characters, which leave out most words. What is the same, goes on or
 * holds it has all characters of what is asked for. An error takes one of them away and brings
 * one in at most. All else begins with the same STEM_MIN characters.
 */
bool fuzzy_may_be_like(const struct word *asked, const struct word *word)
{
    uint32_t most = errors_allowed(asked);
    uint32_t missing = (uint32_t) __builtin_popcountll(asked->chars & ~word->chars);
    uint32_t longer = MAX(asked->n, word->n) - MIN(asked->n, word->n);

    if (missing == 0 || asked->is_pair)
        return true;
    if (missing <= most && longer <= most)
        return true;
    return asked->n >= STEM_MIN && word->n >= STEM_MIN &&
           memcmp(asked->ch, word->ch, STEM_MIN * sizeof(*word->ch)) == 0;
}

/* ---- texts ---- */

const struct fuzzy *fuzzy_new(struct slice text, struct arena *arena)
{
    struct word_reader *reader = word_reader_new();
    struct fuzzy *fuzzy = ARENA_NEW(arena, struct fuzzy);

    word_reader_open(reader, text);
    while (fuzzy->n < FUZZY_WORDS_MAX && word_next(reader, &fuzzy->words[fuzzy->n]))
        fuzzy->n++;
    word_reader_free(reader);
    fuzzy->needed = fuzzy->n - fuzzy->n / MISSING_PART;
    return fuzzy->n > 0 ? fuzzy : NULL;
}

void fuzzy_start(struct fuzzy_tally *tally)
{
    *tally = (struct fuzzy_tally){.n_good = 0};
}

bool fuzzy_is_good(unsigned likeness)
{
    return likeness >= GOOD;
}

/* runs: bit i says that the words up to the i-th stand in a row, and end with the word before.
 */
static uint32_t add_word(const struct fuzzy *fuzzy, const struct word *word, unsigned weight,
                         uint32_t runs, struct fuzzy_tally *tally)
{
    uint32_t now = 0;

    for (uint32_t i = 0; i < fuzzy->n; i++) {
        unsigned likeness;

        if (!fuzzy_may_be_like(&fuzzy->words[i], word))
            continue;
        likeness = fuzzy_likeness(&fuzzy->words[i], word);
        if (likeness == 0)
            continue;
        tally->best[i] = MAX(tally->best[i], fuzzy_worth(likeness, weight));
        tally->n_good += fuzzy_is_good(likeness);
        if (i == 0 || (runs >> (i - 1) & 1) != 0)
            now |= (uint32_t) 1 << i;
    }
    return now;
}

void fuzzy_add(const struct fuzzy *fuzzy, struct word_reader *reader, struct slice text,
               unsigned weight, struct fuzzy_tally *tally)
{
    struct word word;
    uint32_t runs = 0;

    word_reader_open(reader, text);
    while (word_next(reader, &word)) {
        runs = add_word(fuzzy, &word, weight, runs, tally);
        if ((runs >> (fuzzy->n - 1) & 1) != 0)
            tally->is_phrase = true;
    }
}

unsigned fuzzy_score(const struct fuzzy *fuzzy, const struct fuzzy_tally *tally)
{
    uint32_t n_found = 0, more;
    unsigned sum = 0, score;

    for (uint32_t i = 0; i < fuzzy->n; i++) {
        n_found += tally->best[i] > 0;
        sum += tally->best[i];
    }
    if (n_found < fuzzy->needed)
        return 0;
    score = sum / fuzzy->n;
    if (!tally->is_phrase)
        score -= score * SCATTERED_PART / FUZZY_BEST;
    more = tally->n_good > fuzzy->n ? tally->n_good - fuzzy->n : 0;
    score += MIN(OFTEN_STEP * MIN(more, OFTEN_MAX), OFTEN_MAX);
    return MAX(1u, MIN(score, FUZZY_BEST));
}
