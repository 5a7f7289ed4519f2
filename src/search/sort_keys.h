/*
 * sort_keys.h - the columns of a whole mailbox that SORT and THREAD work on.
 *
 * They are segments (key_segment.h) one after the other, by uid, and what is made of all of
 * them when somebody asks: the ranks of the texts, and one numbering of the Message-IDs. A uid
 * never names another message, so what is there stays true; for mail that came since a segment
 * is added, and small ones are joined, so that there are few. The columns lie on the shelf of
 * the account (mailbox/shelf.h): they are immutable, counted, and thrown away when memory is
 * short.
 *
 * Making them reads the digest of each message, a slice at a time. For a few messages of a
 * large mailbox whose columns are not there, columns of those alone are made and not kept.
 */
#ifndef ROOST_SEARCH_SORT_KEYS_H
#define ROOST_SEARCH_SORT_KEYS_H

#include "mailbox/shelf.h"
#include "mailbox/view.h"
#include "search/key_segment.h"

/* Where a message's row is. */
struct key_place {
    uint32_t segment, row;
};

/* Of all Message-IDs: numbers from 1, those of segment i from at[base[i]] on. */
struct key_numbers {
    uint32_t n; /* the greatest */
    uint32_t *base;
    uint32_t at[];
};

struct sort_keys {
    struct shelf_thing thing;
    uint32_t uidvalidity, upto_uid; /* nothing is missing up to this uid */
    uint64_t seed;
    struct key_segment **segments; /* by uid */
    uint32_t n_segments;
    uint32_t *text_base;               /* of each segment, in the ranks */
    uint32_t n_texts;                  /* of all segments */
    _Atomic(uint32_t *) ranks;         /* of the texts; NULL: nobody has asked yet */
    _Atomic(struct key_numbers *) ids; /* the same */
};

/* Of all texts, and one that casemaps equal has an equal rank; KEY_NO_TEXT has rank 0. Lives as
 * long as the keys. */
const uint32_t *sort_keys_ranks(struct sort_keys *keys);
const struct key_numbers *sort_keys_ids(struct sort_keys *keys);

static inline uint32_t sort_keys_rank(const struct sort_keys *keys, const uint32_t *ranks,
                                      struct key_place place, enum key_text text)
{
    return ranks[keys->text_base[place.segment] +
                 keys->segments[place.segment]->text[text][place.row]];
}

/* The work of getting them for some messages of a view, which keeps its version meanwhile. */
struct keys_work {
    const struct mbox_view *view;
    const uint32_t *uids; /* the messages */
    uint32_t n;
    struct arena *arena;
    struct sort_keys *keys; /* a reference: what there is, in the end what is wanted */
    bool is_kept;
    uint32_t *indexes; /* messages whose digests are to be read */
    uint32_t n_indexes, done;
    struct key_maker maker;
    bool is_making;
};

/* uids: ascending, of messages that are there; they and the arena outlive the work. */
void keys_work_start(struct keys_work *work, const struct mbox_view *view, const uint32_t *uids,
                     uint32_t n, struct arena *arena);
/* RC_MORE: a slice is done, call again. RC_OK: work->keys has them all. RC_IO: the store fails.
 */
MUST_CHECK enum rc keys_work_go(struct keys_work *work, struct err *err);
/* Where each of the messages is; in the arena. After keys_work_go() answered RC_OK. */
struct key_place *keys_work_places(const struct keys_work *work);
void keys_work_done(struct keys_work *work);

#endif
