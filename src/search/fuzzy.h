/*
 * fuzzy.h - does a text mean about what was asked for, and how much so?
 *
 * Spec: RFC 6203 3 (FUZZY), 4 (scores from 1 to 100).
 *
 * What is looked for is taken as words (mime/word.h), in any order. A word of the text is one
 * of them if it is the same, goes on behind it, is its beginning, ends otherwise, has a typing
 * error or two, or holds it; each less good than the one before. Of four words or more one in
 * four may be missing. docs/search.md has the numbers.
 *
 * Memory: what fuzzy_new() makes lives in its arena. Work is linear in the text, times the
 * words that are asked for, of which there are FUZZY_WORDS_MAX at most.
 */
#ifndef ROOST_SEARCH_FUZZY_H
#define ROOST_SEARCH_FUZZY_H

#include "base/arena.h"
#include "mime/word.h"

#define FUZZY_WORDS_MAX 16u  /* of one key; further ones are not looked at */
#define FUZZY_BEST      100u /* the greatest score, and weight */
#define FUZZY_NO_SCORE                                                                         \
    (FUZZY_BEST + 1) /* of what is met exactly: it says nothing beside others */

/* What a word is worth to those who look everywhere, by where it stands. */
#define FUZZY_IN_SUBJECT     100u
#define FUZZY_IN_ADDRESSES   90u /* From, To, Cc, Bcc */
#define FUZZY_IN_OTHER_FIELD 60u
#define FUZZY_IN_PART        85u

/* Words asked for. */
struct fuzzy {
    uint32_t n, needed;
    struct word words[FUZZY_WORDS_MAX];
};

/* NULL: there is no word in it, and nothing to be fuzzy about. */
const struct fuzzy *fuzzy_new(struct slice text, struct arena *arena);

/* What the texts of one message have. */
struct fuzzy_tally {
    unsigned best[FUZZY_WORDS_MAX];
    uint32_t n_good; /* words that are the very ones, or nearly */
    bool is_phrase;  /* all in a row, as they were asked for */
};

void fuzzy_start(struct fuzzy_tally *tally);
/* weight: what a word in this text is worth, at most FUZZY_BEST. */
void fuzzy_add(const struct fuzzy *fuzzy, struct word_reader *reader, struct slice text,
               unsigned weight, struct fuzzy_tally *tally);
/* 1 to FUZZY_BEST; 0: it is no match. */
unsigned fuzzy_score(const struct fuzzy *fuzzy, const struct fuzzy_tally *tally);

/* What a word of this likeness is worth where the very one is worth `weight`. */
static inline unsigned fuzzy_worth(unsigned likeness, unsigned weight)
{
    return likeness * weight / FUZZY_BEST;
}

/* Does it count as often as it stands there? */
bool fuzzy_is_good(unsigned likeness);

/* False: likeness is 0, at the price of a few instructions. */
bool fuzzy_may_be_like(const struct word *asked, const struct word *word);
/* How alike a word of a text is to one that was asked for: 0 to FUZZY_BEST. */
unsigned fuzzy_likeness(const struct word *asked, const struct word *word);

#endif
