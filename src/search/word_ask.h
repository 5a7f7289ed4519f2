/*
 * word_ask.h - which messages of a segment meet a fuzzy key, and how much so, by its words
 * alone.
 *
 * The vocabulary is walked from front to back, each of its words compared with those that are
 * asked for (fuzzy_likeness), and the lists of what is alike are read. So the answer is that of
 * fuzzy.h over the texts, in all but one: whether the words stand in a row is not known. Who
 * meets the key is; the score is, but for messages that have all of several words.
 *
 * Done in slices. Memory: WORD_ASK_BYTES for what was found, of so many messages at a time that
 * they fit (a long segment is walked more than once), a page, and one list.
 */
#ifndef ROOST_SEARCH_WORD_ASK_H
#define ROOST_SEARCH_WORD_ASK_H

#include "search/fuzzy.h"
#include "search/word_segment.h"

#define WORD_ASK_BYTES    ((size_t) 2 << 20)
#define WORD_SCORE_UNSURE 0u /* read the message */

struct word_ask;

/* weights: what a word is worth in each place, WORD_PLACES; 0: it is not looked at there.
 * bits, scores: the segment's span of them, cleared; scores may be NULL. Everything outlives
 * it. */
struct word_ask *word_ask_new(const struct text_segment *segment, const struct fuzzy *fuzzy,
                              const uint8_t *weights, uint64_t *bits, uint8_t *scores);
void word_ask_free(struct word_ask *ask); /* NULL is allowed */
/* Adds what it did to *work; RC_MORE once that is above slice. RC_OK: bits has all messages
 * that meet the key, scores theirs; of numbers that are not covered (text_segment_wordless)
 * they say nothing. RC_CORRUPT, RC_IO. */
MUST_CHECK enum rc word_ask_go(struct word_ask *ask, uint64_t slice, uint64_t *work,
                               struct err *err);

#endif
