/*
 * chunk_pages.h - the pages of a chunk, hot columns and cold rows, and back
 * (docs/formats/pages.md). What is read holds everything chunk.h promises, whatever the bytes.
 */
#ifndef ROOST_ACCOUNT_CHUNK_PAGES_H
#define ROOST_ACCOUNT_CHUNK_PAGES_H

#include "account/chunk.h"
#include "account/page_loader.h"
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

/* What a mailbox counts of a chunk's first n rows. */
struct chunk_sums {
    uint32_t unseen, deleted;
    uint64_t modseq; /* the greatest */
};
struct chunk_sums chunk_sum(const struct chunk *chunk, uint32_t n);

/* A row as cold and kept pages have it. */
void chunk_put_cold_row(struct buf *buf, const struct msg_cold *row);
bool chunk_get_cold_row(struct scan *sc, struct msg_cold *row);

/* The chunk that the places at `at` are of; the caller owns it. Its cold rows stay in their
 * pages. out_sums may be NULL. */
MUST_CHECK enum rc chunk_load(struct page_loader *loader, const struct page_place *at,
                              const struct chunk_rules *rules, struct chunk **out,
                              struct chunk_sums *out_sums, struct err *err);
/* The rows of a cold store that was made of pages, into room for all of them. */
MUST_CHECK enum rc chunk_read_cold(struct page_loader *loader, const struct cold_store *cold,
                                   struct msg_cold *rows, struct err *err);

#endif
