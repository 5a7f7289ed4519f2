/*
 * sort_keys.h - the columns that SORT and THREAD work on, of an account's messages.
 *
 * They are segments (key_segment.h), rows by body, and what is made of all of them when
 * somebody asks: the ranks of the texts, and one numbering of the Message-IDs. For bodies that
 * are in none a segment is added, made of their digests a slice at a time; small ones are
 * joined, so that there are few. The columns lie on the shelf of the account (mailbox/shelf.h):
 * they are immutable, counted, and thrown away when memory is short. What the work itself takes
 * is counted in the store's budget as long as it lasts, so that other columns make room for it.
 */
#ifndef ROOST_SEARCH_SORT_KEYS_H
#define ROOST_SEARCH_SORT_KEYS_H

#include "mailbox/digest_scan.h"
#include "mailbox/shelf.h"
#include "mailbox/view.h"
#include "search/key_segment.h"

/* Of each message, while it is sorted: its row, dates and size, and what an order or threads
 * are made in. */
#define SORT_ROW_BYTES ((size_t) 128)

#define SORT_MESSAGES_MAX 10000000u /* that one SORT or THREAD looks at */

/* Where a message's row is. */
struct key_place {
    uint32_t segment, row;
};

/* Of the Message-IDs: numbers from 1, those of segment i from at[base[i]] on. */
struct key_numbers {
    uint32_t n; /* the greatest */
    uint32_t *base;
    uint32_t at[];
};

struct sort_keys {
    struct shelf_thing thing;
    uint64_t seed;
    struct key_segment **segments; /* no two have a row of one body */
    uint32_t n_segments;
    uint64_t n_rows;
    uint32_t *text_base;               /* of each segment, in the ranks */
    uint32_t n_texts;                  /* of all segments */
    _Atomic(uint32_t *) ranks;         /* of the texts; NULL: nobody has asked yet */
    _Atomic(struct key_numbers *) ids; /* the same */
};

/* What is sorted: messages in the order of the mailbox. */
struct key_rows {
    uint32_t n;
    struct sort_keys *keys; /* borrowed */
    const struct key_place *places;
    const int64_t *sent,
        *arrival; /* sent: INTERNALDATE where there is no date (RFC 5256 2.2) */
    const uint32_t *size;
};

static inline const struct key_segment *key_segment_of(const struct key_rows *rows, uint32_t at)
{
    return rows->keys->segments[rows->places[at].segment];
}

/* The rank of one text of each row, from 0, which is the empty text's; those that casemap equal
 * have one. *out_n: one above the greatest. The caller's to free. */
uint32_t *key_rows_ranks(const struct key_rows *rows, enum key_text text, uint32_t *out_n);
/* Of all ids the rows have. *is_own: the caller's to free, else it lives as long as the keys.
 */
const struct key_numbers *key_rows_ids(const struct key_rows *rows, bool *is_own);

/* The work of getting them for some messages of a view, which keeps its version meanwhile. */
struct keys_work {
    const struct mbox_view *view;
    uint32_t n; /* messages */
    struct arena *arena;
    const struct msg_cold **cold; /* of each message */
    struct sort_keys *keys;       /* a reference: what there is, in the end what is wanted */
    struct digest_want *wants;    /* bodies that have no row, ascending */
    uint32_t n_wants, done;
    struct key_maker maker;
    bool is_making;
    struct key_comparison by;
    bool is_own; /* not by the default comparator: columns of this work alone */
    struct mail_store *store;
    size_t noted; /* bytes counted in its budget (mailbox/memory.h) */
};

/*
 * uids: ascending, of messages that are there. Rows of messages come into memory: RC_CORRUPT,
 * RC_IO. comparator: what texts are compared by (mime/comparator.h). Columns are kept for the
 * default one alone; for others they are made of the digests each time, for the texts asked for
 * (bits of enum key_text), in the same slices and bounds.
 */
MUST_CHECK enum rc keys_work_start(struct keys_work *work, const struct mbox_view *view,
                                   const uint32_t *uids, uint32_t n, unsigned comparator,
                                   uint32_t texts, struct arena *arena, struct err *err);
/* RC_MORE: a slice is done, call again. RC_OK: all have a row. RC_IO: the store fails. */
MUST_CHECK enum rc keys_work_go(struct keys_work *work, struct err *err);
/* After keys_work_go() answered RC_OK; lives in the arena, and as long as the work. */
struct key_rows keys_work_rows(const struct keys_work *work);
void keys_work_done(struct keys_work *work);

#endif
