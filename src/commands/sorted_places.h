/*
 * sorted_places.h - where messages come to stand in an order that is there.
 *
 * Each new message has a range of places it may take, at first all. In a round a few of those
 * that stand in these ranges are sorted together with the new ones, which narrows them; so of n
 * messages some 16 x log n are looked at for a few new ones, and all of them, in one round,
 * only where there are many.
 */
#ifndef ROOST_COMMANDS_SORTED_PLACES_H
#define ROOST_COMMANDS_SORTED_PLACES_H

#include "commands/sorting.h"
#include "search/uid_order.h"

struct sorted_places {
    const struct mbox_view *view;
    const struct sorting *sorting;
    const struct uid_order *order;
    struct arena *arena;  /* what is found */
    struct arena *round;  /* of one round; heap */
    const uint32_t *uids; /* new ones, ascending */
    uint32_t n;
    uint32_t *low, *high; /* of each: places before and behind which it may go */
    uint32_t *rank;       /* of each: how many of the new ones are before it */
    /* Of the round: those that are sorted. */
    bool is_working;
    struct keys_work work;
    struct sort_item *rows; /* key: uid; at: place in the order, or order->n + number of a new
                               one */
    uint32_t *row_uids;
    uint32_t n_rows;
};

/* View, sorting, order and uids stay as they are until it is done; none of uids is in order. */
void sorted_places_start(struct sorted_places *places, const struct mbox_view *view,
                         const struct sorting *sorting, const struct uid_order *order,
                         const uint32_t *uids, uint32_t n, struct arena *arena);
/* RC_MORE: a slice is done, call again. RC_OK: all places are known. */
MUST_CHECK enum rc sorted_places_go(struct sorted_places *places, struct err *err);
/* The uids in their order, and the position each will have, from 0, ascending: room for n. */
void sorted_places_take(const struct sorted_places *places, uint32_t *uids,
                        uint32_t *positions);
void sorted_places_done(struct sorted_places *places);

#endif
