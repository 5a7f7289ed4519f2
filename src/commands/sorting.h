/*
 * sorting.h - SORT's criteria as a client wrote them, and messages in their order.
 *
 * Spec: RFC 5256 3 (SORT), RFC 5957 4 (DISPLAYFROM, DISPLAYTO), RFC 5257 4.9 (ANNOTATION).
 */
#ifndef ROOST_COMMANDS_SORTING_H
#define ROOST_COMMANDS_SORTING_H

#include "commands/session.h"
#include "imap/args.h"
#include "search/sort_order.h"

struct sorting {
    const struct imap_sort_criterion *criteria;
    size_t n;                             /* 0: there is no order but the mailbox's */
    struct session_comparator comparator; /* texts are compared by it (RFC 5255 4.2) */
    const uint8_t *scores; /* of the messages at hand (RFC 6203 6); NULL: all are equal */
};

/* A copy in arena. */
struct sorting sorting_keep(const struct sorting *sorting, struct arena *arena);
/* The texts that it needs: bits of enum key_text. */
uint32_t sorting_texts(const struct sorting *sorting);
/* By RELEVANCY? */
bool sorting_by_score(const struct sorting *sorting);
/* May a message that is there come to stand elsewhere? */
bool sorting_moves(const struct sorting *sorting);
/* out: of the rows, which are of these uids, their numbers in the order asked for. */
void sorting_order(const struct sorting *sorting, const struct mbox_view *view,
                   const struct key_rows *rows, const uint32_t *uids, uint32_t *out);

#endif
