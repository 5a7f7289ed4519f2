/*
 * chunk.h - up to CHUNK_MESSAGES messages of a mailbox, as columns.
 *
 * Hot columns (uid, flags, modseq, keywords, twins) lie in the chunk; what is asked for rarely
 * lies in a cold store of rows that are written once. Row i of the chunk is row cold_row[i] of
 * the store, or row i where the chunk has no such map. So a flag change copies 37 KB of hot
 * columns and no cold row, an expunge copies hot columns and makes a map, and giving a THREADID
 * adds a cold row.
 *
 * Rows behind the count a version knows belong to whoever fills them first: `filled` is the
 * number of rows ever claimed, and a writer that finds its own count there claims the next row
 * with one compare-and-swap and writes it while others read the rows below. A writer whose
 * count is smaller (its fork is not of the newest version, or a fork before it was given up)
 * copies instead. Readers come to a row only through a version published after the row was
 * written, and take that version with an acquire load, so no row is read before it is whole.
 *
 * Which modseq, unseen count and number of rows a version sees stands in its mailbox, not here.
 */
#ifndef ROOST_ACCOUNT_CHUNK_H
#define ROOST_ACCOUNT_CHUNK_H

#include "account/counted.h"
#include "account/state.h"

#define CHUNK_FIRST_ROWS 16u
#define COLD_ROWS_MAX    16384u /* four times a chunk; below 2^16: the map has 16 bits */

/*
 * The pages a cold store lies in: pieces, rows of one after those of the one before. Each has
 * more rows than all behind it, so that there are few and a row is written again a few times
 * only, whatever the number of checkpoints. As page_ref: only the calls of pages.h touch it.
 */
#define COLD_PIECES_MAX 16u /* COLD_ROWS_MAX halved until nothing is left */
struct cold_pages {
    struct page_place pieces[COLD_PIECES_MAX];
    uint32_t n;
    uint32_t keep;      /* pieces in front of the pending one */
    uint64_t pending;   /* given by acct_pages_make(), not yet confirmed; 0: none */
    uint32_t rows_next; /* rows of the pending piece */
};

/*
 * Rows that came from pages are read when somebody asks for one: until then `rows` is NULL, and
 * `origin` says where they lie. Whoever reads them publishes them once with a compare-and-swap;
 * nothing but their being there changes.
 */
struct cold_store {
    struct counted counted;
    atomic_uint filled; /* rows claimed; pairs with the claim in cold_add */
    uint32_t cap;
    struct cold_pages pages;
    struct page_place *origin; /* n_origin pieces; NULL: the store was made in memory */
    uint32_t n_origin;
    _Atomic(struct msg_cold *) rows; /* pairs with cold_publish */
};

struct chunk {
    struct counted counted;
    atomic_uint filled; /* rows claimed; see above */
    uint32_t cap;
    uint64_t modseq_base;
    uint64_t *modseq_full;  /* whole modseqs; NULL while all deltas fit */
    uint64_t *keywords;     /* keyword_words a row; NULL while no message has one */
    uint32_t keyword_words; /* 0..KEYWORD_WORDS */
    uint16_t *cold_row;     /* NULL: row i is cold row i */
    uint64_t *twin;         /* all.h; NULL: no row has one */
    struct cold_store *cold;
    struct page_ref page;
    uint32_t *modseq_delta; /* behind uid in the same block, as flags */
    uint8_t *flags;
    uint32_t uid[];
};

/* A message that is to become a row. */
struct chunk_row {
    uint32_t uid;
    uint8_t flags;
    uint64_t modseq;
    uint64_t twin; /* all.h; 0: none */
    uint64_t keywords[KEYWORD_WORDS];
};

/* Smallest capacity for n rows. */
uint32_t chunk_fit(uint32_t n);
struct chunk *chunk_new(uint32_t cap, uint64_t modseq_base);
void chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk *chunk); /* NULL is allowed */

/* Bytes of hot columns for a message without keywords, and of a cold row: for the budget. */
#define CHUNK_HOT_BYTES  9u
#define CHUNK_COLD_BYTES sizeof(struct msg_cold)

/*
 * Add a row behind the first n of *chunk. *chunk is replaced by a copy where it is full, where
 * somebody else filled that row, or where a column is missing that readers would see appear.
 * n < CHUNK_MESSAGES.
 */
void chunk_append(struct chunk **chunk, uint32_t n, const struct chunk_row *row,
                  const struct msg_cold *cold);

/* Make *chunk, with n rows, ours alone: then rows below n may be changed. */
void chunk_own(struct chunk **chunk, uint32_t n);
/* The chunk is ours. */
void chunk_set_modseq(struct chunk *chunk, uint32_t n, uint32_t row, uint64_t modseq);
void chunk_set_keywords(struct chunk *chunk, uint32_t row, const uint64_t words[KEYWORD_WORDS]);
void chunk_set_cold(struct chunk *chunk, uint32_t n, uint32_t row, const struct msg_cold *cold);
void chunk_set_twin(struct chunk *chunk, uint32_t row, uint64_t twin);

/* A new chunk of the rows of a chunk that are listed, in order. n_keep > 0. */
struct chunk *chunk_select(const struct chunk *chunk, const uint16_t *keep, uint32_t n_keep);
/* A new chunk with the rows of both. */
struct chunk *chunk_join(const struct chunk *a, uint32_t n_a, const struct chunk *b,
                         uint32_t n_b);

uint64_t chunk_modseq(const struct chunk *chunk, uint32_t row);
/* Of n rows; n > 0. */
uint64_t chunk_greatest_modseq(const struct chunk *chunk, uint32_t n);
const struct msg_cold *chunk_cold(const struct chunk *chunk, uint32_t row);
bool chunk_has_keyword(const struct chunk *chunk, uint32_t row, uint16_t keyword);
void chunk_keywords(const struct chunk *chunk, uint32_t row, uint64_t out[KEYWORD_WORDS]);
uint64_t chunk_twin(const struct chunk *chunk, uint32_t row); /* 0: none */
/* First of n rows with a uid not below this one; n if there is none. */
uint32_t chunk_lower_bound(const struct chunk *chunk, uint32_t n, uint32_t uid);
/* Cold rows that n rows of the chunk need: 1 + the greatest mapped. */
uint32_t chunk_cold_needed(const struct chunk *chunk, uint32_t n);

/* Are the chunk's cold rows in memory? chunk_cold() and all that adds or moves rows need them.
 */
bool chunk_cold_is_loaded(const struct chunk *chunk);

struct cold_store *cold_new(uint32_t cap);
/* A store whose rows lie in these pages and nowhere else yet. n is 1..COLD_PIECES_MAX. */
struct cold_store *cold_new_in_pages(const struct page_place *pieces, uint32_t n);
/* Rows the pieces hold. */
uint32_t cold_rows_in(const struct page_place *pieces, uint32_t n);
/* The rows, NULL while they are not in memory. */
struct msg_cold *cold_rows(const struct cold_store *cold);
/* Give the store its rows, room for cap of them; taken over, or freed if it has them already.
 */
void cold_publish(struct cold_store *cold, struct msg_cold *rows);
void cold_unref(struct cold_store *cold); /* NULL is allowed */

#endif
