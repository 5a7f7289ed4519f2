/*
 * set_walk.h - the messages that a set of uids names, in uid order, with the columns they are
 * in.
 *
 * Start with {.mbox = , .uids = }; the mailbox is loaded and stays as it is meanwhile. One look
 * for each run and for each chunk, none for each message.
 */
#ifndef ROOST_MAILBOX_SET_WALK_H
#define ROOST_MAILBOX_SET_WALK_H

#include "account/state.h"

struct set_walk {
    const struct mbox *mbox;
    const struct uid_set *uids;
    size_t run;
    uint32_t index;          /* the next to look at */
    uint32_t uid;            /* of the one found */
    struct chunk_view chunk; /* the columns it is in; n == 0: none yet */
    size_t chunk_at;         /* the how-manyth chunk that is */
    uint32_t chunk_start;    /* the index of its first row */
};

/* The next one that exists. */
bool set_walk_next(struct set_walk *walk, uint32_t *out_index);
/* The next ones that exist, as far as they lie side by side in walk->chunk: the first one's
 * row, and how many, 0 at the end. */
uint32_t set_walk_stretch(struct set_walk *walk, uint32_t *out_row);

#endif
