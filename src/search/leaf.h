/*
 * leaf.h - a key that an index can be asked about, and what one segment answers.
 */
#ifndef ROOST_SEARCH_LEAF_H
#define ROOST_SEARCH_LEAF_H

#include "search/plan.h"
#include "search/text_segment.h"

enum leaf_kind {
    LEAF_NONE,   /* the index has nothing to say of it */
    LEAF_TEXT,   /* trigrams of header or body */
    LEAF_BODY,   /* of the body */
    LEAF_HEADER, /* of the header: the name, the text */
    LEAF_FIELD,  /* one of the fields that are kept whole: leaf_ask_field() too */
    LEAF_DAY,    /* of the Date field */
    LEAF_WORDS,  /* of a fuzzy key: word_ask.h */
};

struct leaf {
    enum leaf_kind kind;
    enum text_segment_field field;
    struct slice needle;          /* casemapped */
    struct slice name;            /* HEADER: "NAME:", casemapped */
    const struct plan_node *node; /* WORDS */
    int32_t from_day, to_day;     /* DAY: from_day <= day < to_day */
    bool is_exact;                /* of covered bodies the answer is no "maybe" */
};

/* What of it must live longer than the node is put into arena. */
struct leaf leaf_of(const struct plan_node *node, struct arena *arena);

/* What its bits say nothing of: numbers that the segment does not cover. */
const uint64_t *leaf_uncovered(const struct leaf *leaf, const struct text_segment *segment);

/* But for WORDS, which are asked in slices. Bits of the segment's numbers: all covered bodies
 * that meet the key, perhaps others; of those that are not covered they say nothing.
 * RC_CORRUPT, RC_IO. */
MUST_CHECK enum rc leaf_ask(const struct leaf *leaf, const struct text_segment *segment,
                            uint64_t *bits, uint64_t *work, struct err *err);
/* FIELD: of the numbers first..first + n - 1 those that meet it for certain, where they are
 * covered; see text_segment_find_field(). */
MUST_CHECK enum rc leaf_ask_field(const struct leaf *leaf, const struct text_segment *segment,
                                  uint32_t first, uint32_t n, uint64_t *done, uint64_t *bits,
                                  uint64_t *work, struct err *err);

#endif
