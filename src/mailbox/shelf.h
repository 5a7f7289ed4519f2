/*
 * shelf.h - what was made of a mailbox's mail at some cost, kept while there is room.
 *
 * An account has a shelf of such things, each for one mailbox and one use. They are immutable
 * and refcounted: whoever takes one may use it for as long as it likes, whatever is put in its
 * place meanwhile. The shelf counts in the budget of memory.h and is what goes first when that
 * is exceeded; nothing may rest on a thing still being there.
 *
 * Lock: the shelf's own, a leaf, held for a few pointers.
 */
#ifndef ROOST_MAILBOX_SHELF_H
#define ROOST_MAILBOX_SHELF_H

#include <stdatomic.h>

#include "mailbox/mail_store.h"

#define SHELF_THINGS_MAX 64u /* of one account; the one not taken for the longest time goes */

enum shelf_use { SHELF_SORT_KEYS };

/* The first member of what is kept. */
struct shelf_thing {
    atomic_uint refs; /* the maker's is the first */
    size_t bytes;     /* what it takes; set before it is put */
    void (*free)(struct shelf_thing *thing);
};

/* A reference, or NULL. */
struct shelf_thing *shelf_take(struct account *account, uint32_t mbox_id, enum shelf_use use);
/* In place of what is there; the shelf gets a reference of its own. */
void shelf_put(struct account *account, uint32_t mbox_id, enum shelf_use use,
               struct shelf_thing *thing);
void shelf_unref(struct shelf_thing *thing); /* NULL is allowed */

size_t shelf_bytes(struct account *account);
/* Everything goes; what somebody has taken lives until it is let go of. */
void shelf_clear(struct account *account);

#endif
