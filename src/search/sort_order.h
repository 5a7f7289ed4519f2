/*
 * sort_order.h - messages in the order of a sort program.
 *
 * Spec: RFC 5256, SORT; RFC 5957 4; RFC 5257 4.9; RFC 6203 6. What is equal by all criteria
 * stays in the order it came in, which is that of the mailbox.
 */
#ifndef ROOST_SEARCH_SORT_ORDER_H
#define ROOST_SEARCH_SORT_ORDER_H

#include "search/sort_keys.h"

enum sort_by {
    SORT_BY_ARRIVAL,
    SORT_BY_SENT,
    SORT_BY_SIZE,
    SORT_BY_TEXT, /* which: see text */
    SORT_BY_ANNOTATION,
    SORT_BY_SCORE, /* see scores; the greatest first (RFC 6203 6) */
};

/* One value of an annotation, beside each of the rows' messages. */
struct sort_annotation {
    const struct mbox *mbox;
    const uint32_t *uids; /* of the rows */
    uint64_t reader;      /* 0: everybody's value */
    struct slice entry;
};

struct sort_rule {
    enum sort_by by;
    enum key_text text;
    struct sort_annotation annotation;
    const uint8_t *scores; /* of the rows, 1 to 100; NULL: all are equal */
    bool reverse;
};

/* out: of each row its number, in the new order. Linear in rows and n_rules, and in the values
 * of annotations. A message without the annotation stands before all that have it. */
void sort_order(const struct key_rows *rows, const struct sort_rule *rules, size_t n_rules,
                uint32_t *out);

#endif
