/*
 * sort_order.h - messages in the order of a sort program.
 *
 * Spec: RFC 5256, SORT; RFC 5957 4. What is equal by all criteria stays in the order it came
 * in, which is that of the mailbox.
 */
#ifndef ROOST_SEARCH_SORT_ORDER_H
#define ROOST_SEARCH_SORT_ORDER_H

#include "search/sort_keys.h"

enum sort_by {
    SORT_BY_ARRIVAL,
    SORT_BY_SENT,
    SORT_BY_SIZE,
    SORT_BY_TEXT, /* which: see text */
};

struct sort_rule {
    enum sort_by by;
    enum key_text text;
    bool reverse;
};

/* out: of each row its number, in the new order. Linear in rows and n_rules. */
void sort_order(const struct key_rows *rows, const struct sort_rule *rules, size_t n_rules,
                uint32_t *out);

#endif
