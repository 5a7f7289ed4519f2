/*
 * key_segment.h - what SORT and THREAD compare, of some bodies of an account, as columns.
 *
 * Spec: RFC 5256 (the keys, 2.1, 2.2), RFC 5957 3; RFC 5051: texts are kept casemapped, so that
 * they compare as bytes. RFC 5255 4.2: of another comparator its own keys are kept instead;
 * such a segment serves one command.
 *
 * Rows are of bodies, so copies of a message share one, and a row stays true for as long as its
 * body lives. Texts and Message-IDs are numbers into the segment's own lists, in which each
 * stands once. A Message-ID is kept as a hash of 128 bits under a key of the account's columns
 * that nobody outside knows, so nobody finds two that are taken for one.
 *
 * A segment is made row by row and never changes behind key_segment_finish(). It is refcounted.
 * Texts and references are bounded however hostile the mail is: see the limits below.
 */
#ifndef ROOST_SEARCH_KEY_SEGMENT_H
#define ROOST_SEARCH_KEY_SEGMENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "mime/collator.h"
#include "mime/comparator.h"
#include "mime/digest.h"

/* Beyond so many bytes of texts, or references, in one segment its further rows keep short
 * ones: texts that are equal so far are equal, and a thread is found by the nearest ancestors.
 */
#define SEGMENT_TEXT_BYTES       ((size_t) 256 << 20)
#define SEGMENT_REFERENCES       (4u << 20)
#define SEGMENT_SHORT_TEXT       64u
#define SEGMENT_SHORT_REFERENCES 8u

enum key_text {
    KEY_TEXT_SUBJECT, /* base subject */
    KEY_TEXT_FROM,    /* addr-mailbox of the first address */
    KEY_TEXT_TO,
    KEY_TEXT_CC,
    KEY_TEXT_DISPLAYFROM,
    KEY_TEXT_DISPLAYTO,
};
#define KEY_TEXT_COUNT (KEY_TEXT_DISPLAYTO + 1)

#define KEY_REFERENCES_MAX                                                                     \
    1000u /* of a row: as many as a digest has (MSGID_REFERENCES_MAX)                          \
           */

#define KEY_NO_ID    UINT32_MAX
#define KEY_NO_TEXT  0u /* the empty text, which is always there */
#define KEY_IS_REPLY 1u /* RFC 5256 2.1: the subject had a reply or forward mark */
#define KEY_HAS_SENT 2u /* the Date field has a date */

struct key_id {
    uint64_t low, high;
};

struct key_segment {
    atomic_uint refs;
    size_t bytes;
    uint64_t seed;  /* of the hashes of ids */
    uint32_t n;     /* rows, by body id, ascending */
    uint64_t *body; /* ids */
    int64_t *sent;  /* with KEY_HAS_SENT */
    uint8_t *flags;
    uint32_t *text[KEY_TEXT_COUNT]; /* numbers of texts */
    uint32_t *message_id;           /* number of an id, or KEY_NO_ID */
    uint32_t *reference_at;         /* row's references, oldest first ... */
    uint16_t *n_references;         /* ... and how many; In-Reply-To where there are none */
    uint32_t *references;           /* numbers of ids */
    uint32_t n_texts, n_ids, n_references_all;
    uint32_t *text_at; /* n_texts + 1 places in pool */
    char *pool;
    struct key_id *ids;
};

static inline struct slice key_segment_text(const struct key_segment *segment, uint32_t number)
{
    return slice_of(segment->pool + segment->text_at[number],
                    segment->text_at[number + 1] - segment->text_at[number]);
}

/* A list in which each member stands once: numbers by hash. */
struct key_names {
    uint32_t *slots; /* number + 1; 0: free */
    size_t n_slots;  /* a power of two */
    struct key_id *ids;
    uint32_t n, cap;
};

void key_names_start(struct key_names *names);
void key_names_done(struct key_names *names);
/* *is_new: it was not there. */
uint32_t key_names_number(struct key_names *names, struct key_id id, bool *is_new);

/* What the texts are compared by. */
struct key_comparison {
    enum comparator_kind kind;
    struct collator *collator; /* COMPARATOR_LANGUAGE; else NULL */
    uint32_t texts;            /* bits of enum key_text: those that are asked for */
};

struct key_maker {
    const struct key_comparison *by; /* NULL: i;unicode-casemap, all texts */
    struct key_segment *segment;
    struct key_names texts, ids;
    size_t pool_len, pool_cap;
    uint32_t cap_texts, n_references, cap_references;
    struct buf scratch;
};

/* Room for n rows; seed: of the hashes of ids. */
void key_maker_start(struct key_maker *maker, uint32_t n, uint64_t seed);
/* Also for one that was not finished. */
void key_maker_done(struct key_maker *maker);
/* Each row once, in any order. digest NULL: nothing is known, the texts are empty. */
void key_maker_set(struct key_maker *maker, uint32_t row, uint64_t body_id,
                   const struct digest *digest);
/* A row that was set goes to the place of an earlier one, which was not, or was moved. */
void key_maker_move(struct key_maker *maker, uint32_t row, uint32_t to);
/* A row of another segment with the same seed. */
void key_maker_copy(struct key_maker *maker, uint32_t row, const struct key_segment *from,
                    uint32_t from_row);
/* What it takes of memory now. */
size_t key_maker_bytes(const struct key_maker *maker);
/* The first n rows, which were all set. */
struct key_segment *key_maker_finish(struct key_maker *maker, uint32_t n);

/* Two with one seed become one; of a body that both have a row of the first's is taken. */
struct key_segment *key_segments_join(const struct key_segment *a, const struct key_segment *b);
/* What it takes. */
size_t key_segment_bytes(const struct key_segment *segment);
/* The row of a body; false: it has none here. row: where to look first. */
bool key_segment_find(const struct key_segment *segment, uint64_t body_id, uint32_t *row);

struct key_segment *key_segment_ref(struct key_segment *segment);
void key_segment_unref(struct key_segment *segment); /* NULL is allowed */

#endif
