#include "search/word_ask.h"

#include "search/bits.h"
#include "search/text_segment_format.h"

#define NUMBERS_MIN 1024u /* looked at in one walk, at least */
#define WORD_WORK   4u    /* of one word compared with another, in the unit of bytes read */

struct word_ask {
    const struct text_segment *segment;
    const struct fuzzy *fuzzy;
    uint8_t weights[WORD_PLACES];
    uint8_t places; /* bits: those with a weight */
    uint64_t *bits;
    uint8_t *scores;
    struct word_walk walk;
    uint32_t first, n; /* numbers of the walk at hand */
    uint32_t most;     /* n at most */
    uint8_t *best;     /* of each word asked for, n; see fuzzy_tally */
    uint8_t *good;     /* n: words that are the very ones; no more than fit are told apart */
    uint32_t *numbers; /* of a list */
    uint8_t *times;
    uint32_t cap_numbers;
};

struct word_ask *word_ask_new(const struct text_segment *segment, const struct fuzzy *fuzzy,
                              const uint8_t *weights, uint64_t *bits, uint8_t *scores)
{
    struct word_ask *ask = xcalloc(1, sizeof(*ask));
    uint32_t span = text_segment_span(segment);

    ask->segment = segment;
    ask->fuzzy = fuzzy;
    memcpy(ask->weights, weights, sizeof(ask->weights));
    for (unsigned place = 0; place < WORD_PLACES; place++)
        ask->places |= (uint8_t) ((weights[place] > 0) << place);
    ask->bits = bits;
    ask->scores = scores;
    word_walk_begin(&ask->walk, segment);
    ask->most = MAX((uint32_t) (WORD_ASK_BYTES / (fuzzy->n + 1)), NUMBERS_MIN);
    ask->n = MIN(span, ask->most);
    ask->best = xcalloc(ask->n, fuzzy->n);
    ask->good = xcalloc(ask->n, 1);
    return ask;
}

void word_ask_free(struct word_ask *ask)
{
    if (ask == NULL)
        return;
    word_walk_done(&ask->walk);
    free(ask->best);
    free(ask->good);
    free(ask->numbers);
    free(ask->times);
    free(ask);
}

/* ---- a word that is alike ---- */

static void note_list(struct word_ask *ask, uint32_t n, unsigned i, unsigned likeness,
                      unsigned weight)
{
    uint8_t *best = ask->best + (size_t) i * ask->n;
    uint8_t value = (uint8_t) fuzzy_worth(likeness, weight);

    for (uint32_t k = 0; k < n; k++) {
        uint32_t at = ask->numbers[k] - ask->first; /* below the first: above all */

        if (at >= ask->n)
            continue;
        best[at] = (uint8_t) MAX(best[at], value);
        if (fuzzy_is_good(likeness))
            ask->good[at] = (uint8_t) MIN(ask->good[at] + ask->times[k], (unsigned) UINT8_MAX);
    }
}

static enum rc read_list(struct word_ask *ask, const struct word_postings *postings,
                         uint64_t *work, struct err *err)
{
    if (postings->n > ask->cap_numbers) {
        ask->cap_numbers = MIN(2 * postings->n, SEGMENT_SPAN_MAX);
        ask->numbers = xrealloc(ask->numbers, ask->cap_numbers * sizeof(*ask->numbers));
        ask->times = xrealloc(ask->times, ask->cap_numbers * sizeof(*ask->times));
    }
    return word_read_list(ask->segment, postings, ask->numbers, ask->times, work, err);
}

static enum rc note_word(struct word_ask *ask, const uint8_t *likeness, uint64_t *work,
                         struct err *err)
{
    for (unsigned place = 0; place < WORD_PLACES; place++) {
        const struct word_postings *postings = &ask->walk.entry.in[place];
        enum rc rc;

        if (ask->weights[place] == 0 || !word_is_in(&ask->walk.entry, place))
            continue;
        rc = read_list(ask, postings, work, err);
        if (rc)
            return rc;
        for (unsigned i = 0; i < ask->fuzzy->n; i++)
            if (likeness[i] > 0)
                note_list(ask, postings->n, i, likeness[i], ask->weights[place]);
    }
    return RC_OK;
}

static enum rc compare_word(struct word_ask *ask, uint64_t *work, struct err *err)
{
    const struct word *word = &ask->walk.entry.word;
    uint8_t likeness[FUZZY_WORDS_MAX] = {0};
    bool any = false;

    if ((ask->walk.entry.places & ask->places) == 0)
        return RC_OK;
    for (unsigned i = 0; i < ask->fuzzy->n; i++) {
        const struct word *asked = &ask->fuzzy->words[i];

        likeness[i] =
            fuzzy_may_be_like(asked, word) ? (uint8_t) fuzzy_likeness(asked, word) : 0;
        any = any || likeness[i] > 0;
    }
    return any ? note_word(ask, likeness, work, err) : RC_OK;
}

/* ---- messages ---- */

/* Of one that may have the words in a row the score is left open. */
static void tell_one(struct word_ask *ask, uint32_t at)
{
    const struct fuzzy *fuzzy = ask->fuzzy;
    struct fuzzy_tally tally;
    uint32_t n_found = 0;
    unsigned score;

    fuzzy_start(&tally);
    tally.n_good = ask->good[at];
    for (unsigned i = 0; i < fuzzy->n; i++) {
        tally.best[i] = ask->best[(size_t) i * ask->n + at];
        n_found += tally.best[i] > 0;
    }
    tally.is_phrase = fuzzy->n == 1;
    score = fuzzy_score(fuzzy, &tally);
    if (score == 0)
        return;
    bit_set(ask->bits, ask->first + at);
    if (ask->scores != NULL)
        ask->scores[ask->first + at] =
            fuzzy->n > 1 && n_found == fuzzy->n ? WORD_SCORE_UNSURE : (uint8_t) score;
}

/* The walk is done. False: another is to be begun, for the numbers behind. */
static bool tell(struct word_ask *ask, uint64_t *work)
{
    uint32_t span = text_segment_span(ask->segment);

    for (uint32_t at = 0; at < ask->n; at++)
        tell_one(ask, at);
    *work += ask->n;
    ask->first += ask->n;
    ask->walk.page = 0;
    if (ask->first == span)
        return true;
    memset(ask->best, 0, (size_t) ask->n * ask->fuzzy->n);
    memset(ask->good, 0, ask->n);
    ask->n = MIN(span - ask->first, ask->most);
    return false;
}

static enum rc compare_page(struct word_ask *ask, uint64_t *work, struct err *err)
{
    bool is_sound = true;
    enum rc rc = RC_OK;

    while (!rc && word_walk_next(&ask->walk, &is_sound)) {
        *work += (uint64_t) WORD_WORK * ask->fuzzy->n;
        rc = compare_word(ask, work, err);
    }
    return !rc && !is_sound ? text_segment_damaged(ask->segment, "a page of words", err) : rc;
}

enum rc word_ask_go(struct word_ask *ask, uint64_t slice, uint64_t *work, struct err *err)
{
    for (;;) {
        enum rc rc;

        if (*work > slice)
            return RC_MORE;
        rc = word_walk_page(&ask->walk, work, err);
        if (rc == RC_NOT_FOUND && tell(ask, work))
            return RC_OK;
        if (rc == RC_NOT_FOUND)
            continue;
        if (!rc)
            rc = compare_page(ask, work, err);
        if (rc)
            return rc;
    }
}
