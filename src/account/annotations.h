/*
 * annotations.h - what readers have written beside messages of a mailbox (RFC 5257): a tree of
 * rows by (uid, reader), reader 0 for what everybody sees.
 *
 * A root points to leaves of at most ANNOTATION_LEAF_ROWS rows; rows are immutable and counted.
 * A change copies the root's pointers, the leaves it concerns and the rows it changes: what a
 * message without annotations costs is nothing, and what a change costs is the message's own
 * annotations and a leaf. Each leaf knows the greatest modseq of its rows, so that a walk over
 * what changed since passes over whole leaves; a leaf is a page.
 *
 * An entry that was deleted stays in its row as nil with the modseq of that, so that sessions
 * hear of it; beyond ANNOTATION_ROW_ENTRIES the older of them go. A row without any entry left
 * still has its modseq, which never falls while the message lives.
 */
#ifndef ROOST_ACCOUNT_ANNOTATIONS_H
#define ROOST_ACCOUNT_ANNOTATIONS_H

#include "account/counted.h"
#include "account/state.h"

#define ANNOTATION_LEAF_ROWS   128u
#define ANNOTATION_LEAF_BYTES  (64u << 10) /* unless it is one row */
#define ANNOTATION_ROW_ENTRIES (2 * ANNOTATION_ENTRIES_MAX)

/* What a row and an entry count besides their texts: about what they take in memory. */
#define ANNOTATION_ROW_OVERHEAD   64u
#define ANNOTATION_ENTRY_OVERHEAD 48u

struct annotation_row {
    struct counted counted;
    uint32_t uid;
    uint64_t reader; /* 0: everybody's */
    uint64_t modseq; /* greatest ever given to it */
    uint32_t bytes;  /* with overheads */
    uint32_t n;
    struct annotation entries[]; /* by name; their texts lie behind */
};

struct annotation_leaf {
    struct counted counted;
    struct page_ref page;
    uint32_t n, bytes;
    uint64_t modseq;
    struct annotation_row *rows[ANNOTATION_LEAF_ROWS];
};

/* The greatest modseq of a reader's own rows. */
struct annotation_reader {
    uint64_t reader, modseq;
};

struct annotations {
    struct counted counted;
    struct annotation_leaf **leaves; /* none empty */
    size_t n_leaves, cap;
    uint64_t bytes;                    /* of all rows */
    struct annotation_reader *readers; /* ascending; 0 is none of them */
    size_t n_readers;
};

/* NULL stands for a mailbox without any, here and below. */
struct annotations *annotations_ref(struct annotations *set);
void annotations_unref(struct annotations *set);

struct annotation_row *annotation_row_ref(struct annotation_row *row);
void annotation_row_unref(struct annotation_row *row);
/* Entries by name; their texts are copied. */
struct annotation_row *annotation_row_new(uint32_t uid, uint64_t reader, uint64_t modseq,
                                          const struct annotation *entries, size_t n);

const struct annotation_row *annotations_find(const struct annotations *set, uint32_t uid,
                                              uint64_t reader);
/* Is there a row of the reader, or room for one more reader? */
bool annotations_has_place(const struct annotations *set, uint64_t reader);
uint64_t annotations_modseq(const struct annotations *set, uint64_t reader);

/* What the row would be after the record: entries that are not nil, and bytes. row: NULL for
 * none. */
struct annotation_sums {
    size_t entries;
    uint64_t bytes;
};
struct annotation_sums annotations_after(const struct annotation_row *row,
                                         const struct record_annotate *record);

/* Changes; *set is made or copied first as needed. */
void annotations_change(struct annotations **set, const struct record_annotate *record);
/* Take a row over, in the place of the one of its message and reader. */
void annotations_put(struct annotations **set, struct annotation_row *row);
/* The rows of these messages go. */
void annotations_expunge(struct annotations **set, const struct uid_set *uids);
/* The row with its present entries for another message, all of this modseq; NULL if it has
 * none. */
struct annotation_row *annotation_row_for(const struct annotation_row *row, uint32_t uid,
                                          uint64_t modseq);

/* Walk the rows in order from the first of this uid on. */
struct annotation_walk {
    const struct annotations *set;
    size_t leaf;
    uint32_t row;
};
void annotation_walk_start(struct annotation_walk *walk, const struct annotations *set,
                           uint32_t uid);
/* NULL at the end. */
const struct annotation_row *annotation_walk_next(struct annotation_walk *walk);

/* Append a leaf read from a page, which is in order behind the others; takes it over. */
void annotations_add_leaf(struct annotations **set, struct annotation_leaf *leaf);
struct annotation_leaf *annotation_leaf_new(void);
void annotation_leaf_unref(struct annotation_leaf *leaf);
/* Append a row to a leaf that is ours; takes it over. */
void annotation_leaf_add(struct annotation_leaf *leaf, struct annotation_row *row);

/* The rows of one message, held together: what is kept of an expunged one. */
struct annotation_bundle {
    struct counted counted;
    size_t n;
    struct annotation_row *rows[]; /* by reader */
};
/* NULL: it has none. */
struct annotation_bundle *annotation_bundle_of(const struct annotations *set, uint32_t uid);
struct annotation_bundle *annotation_bundle_new(size_t n); /* rows to be filled in */
struct annotation_bundle *annotation_bundle_ref(struct annotation_bundle *bundle);
void annotation_bundle_unref(struct annotation_bundle *bundle); /* NULL is allowed */

#endif
