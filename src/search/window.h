/*
 * window.h - messages of one chunk of a mailbox, and the keys that its columns and rows answer
 * for all of them in one loop.
 */
#ifndef ROOST_SEARCH_WINDOW_H
#define ROOST_SEARCH_WINDOW_H

#include "search/bits.h"
#include "search/plan.h"

#define WINDOW_WORDS BITS_WORDS(CHUNK_MESSAGES)

/* Messages first..first + n - 1 (indexes). */
struct window {
    const struct search_scope *scope;
    const struct mbox *mbox;
    uint32_t first, n;
    uint32_t row; /* of the first, in the chunk */
    struct chunk_view chunk;
    bool is_cold_missing; /* the rows were asked for and cannot be had */
};

/* From index `first` on, no further than `end` and the end of its chunk; first < end. */
void window_open(const struct search_scope *scope, uint32_t first, uint32_t end,
                 struct window *out);
/* The rows of the window, brought into memory; false: they cannot be had. */
bool window_need_cold(struct window *window);

static inline uint32_t window_uid(const struct window *window, uint32_t at)
{
    return window->chunk.uid[window->row + at];
}

/* After window_need_cold(). */
static inline const struct msg_cold *window_cold(const struct window *window, uint32_t at)
{
    uint32_t row = window->row + at;

    return &window->chunk
                .cold[window->chunk.cold_row != NULL ? window->chunk.cold_row[row] : row];
}

/* n bits of words set, the rest clear. */
void window_all(const struct window *window, uint64_t *words);

/*
 * The messages that meet a key over columns or rows, exactly. now: unix seconds of the whole
 * search. False: the key is none of these, or the rows cannot be had.
 */
bool window_ask(struct window *window, const struct plan_node *node, int64_t now,
                uint64_t *words);
/* Sets the bits of those that are in the set. */
void window_ask_uids(const struct window *window, const struct uid_set *uids, uint64_t *words);

#endif
