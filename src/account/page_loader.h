/*
 * page_loader.h - reading pages of one account: what the files that make objects of pages
 * share.
 *
 * Pages come from a disk: each is checked by its hash, then read within bounds. Memory is
 * linear in the page: a row takes at least one byte of it and becomes at most a hundred.
 */
#ifndef ROOST_ACCOUNT_PAGE_LOADER_H
#define ROOST_ACCOUNT_PAGE_LOADER_H

#include "account/page_frame.h"
#include "account/pages.h"
#include "base/varint.h"

#define PAGE_ARENA_BYTES ((size_t) 1 << 30) /* above any page written */

struct page_loader {
    uint64_t account;
    page_read_fn *read;
    void *ctx;
    struct arena *arena; /* of one page at a time */
};

/* Reads and checks a page; *out stands at its payload and lives until the next call. */
MUST_CHECK enum rc page_load(struct page_loader *loader, enum page_kind kind, uint64_t number,
                             struct page_id *out_id, struct scan *out, struct err *err);

bool page_get_id(struct scan *sc, struct object_id *out);
/* A count of things of which each takes at least one byte, and which are at most max. */
bool page_get_count(struct scan *sc, uint64_t max, size_t *out);
/* Pairs in order of keys into an empty list. */
bool page_get_pairs(struct scan *sc, size_t n_max, size_t key_max, size_t value_max,
                    struct text_pair **pairs, size_t *out_n);

#endif
