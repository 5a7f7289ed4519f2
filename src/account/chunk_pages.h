/*
 * chunk_pages.h - the pages of a chunk, hot columns and cold rows, and back
 * (docs/formats/pages.md). What is read holds everything chunk.h promises, whatever the bytes.
 */
#ifndef ROOST_ACCOUNT_CHUNK_PAGES_H
#define ROOST_ACCOUNT_CHUNK_PAGES_H

#include "account/chunk.h"
#include "base/buf.h"
#include "base/scan.h"

/* The first n rows. */
void chunk_put_hot(struct buf *buf, const struct chunk *chunk, uint32_t n);
/* Rows first..first + n - 1, which are in memory. */
void chunk_put_cold(struct buf *buf, const struct cold_store *cold, uint32_t first, uint32_t n);

/* What must hold of a mailbox's chunks one after the other. */
struct chunk_rules {
    uint32_t uid_before; /* last uid of the chunk before */
    uint64_t modseq_max;
    size_t n_keywords;
};

/* A chunk of exactly this many rows, without its cold store; NULL: the page is no such thing.
 */
struct chunk *chunk_get_hot(struct scan *sc, uint32_t rows, const struct chunk_rules *rules);
/* What a mailbox counts of a chunk's first n rows. */
struct chunk_sums {
    uint32_t unseen, deleted;
    uint64_t modseq; /* the greatest */
};
struct chunk_sums chunk_sum(const struct chunk *chunk, uint32_t n);
/* Exactly n rows; false: the page is no such thing. */
bool chunk_get_cold(struct scan *sc, struct msg_cold *rows, uint32_t n);

#endif
