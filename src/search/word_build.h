/*
 * word_build.h - the words of messages on their way into a segment (word_segment.h), kept in
 * memory: a slot for each word and place, and its messages as a chain of small numbers.
 */
#ifndef ROOST_SEARCH_WORD_BUILD_H
#define ROOST_SEARCH_WORD_BUILD_H

#include "search/word_segment.h"

/* Distinct ones, in their places, of one message; with more its words are not covered. A log of
 * a mebibyte has as many. */
#define SEGMENT_WORDS_MAX ((uint32_t) 1 << 16)

struct word_build;

struct word_build *word_build_new(void);
void word_build_free(struct word_build *build); /* NULL is allowed */

/* The next message; numbers ascend. False: it has too many words, and may be in some lists. */
bool word_build_add(struct word_build *build, uint32_t number, const struct digest *digest);
/* Of memory. */
size_t word_build_bytes(const struct word_build *build);
/* All words, in order. Nothing may be added after that. goes_on: text_segment_build.h. */
MUST_CHECK enum rc word_build_write(struct word_build *build, struct word_writer *writer,
                                    bool (*goes_on)(void *ctx), void *ctx, struct err *err);

#endif
