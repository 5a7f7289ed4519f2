/*
 * word_merge.h - the words of several segments that become one: the last step of
 * text_segment_merge.c.
 *
 * Memory: a page of each, and the lists of one word.
 */
#ifndef ROOST_SEARCH_WORD_MERGE_H
#define ROOST_SEARCH_WORD_MERGE_H

#include "search/word_segment.h"

struct word_merge {
    struct text_segment *const *segments; /* each beginning where the one before ends */
    size_t n;
    struct text_segment_writer *writer;
    bool (*goes_on)(void *ctx); /* asked now and then; RC_UNAVAILABLE once it says no */
    void *ctx;
};

MUST_CHECK enum rc word_merge(const struct word_merge *merge, struct err *err);

#endif
