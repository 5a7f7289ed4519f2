/*
 * postings.h - ascending numbers, coded by their gaps [format], docs/formats/search-index.md.
 *
 * Blocks of 64 numbers, each with a Rice parameter that fits its gaps: a sparse list costs
 * about a bit and a half more than log2 of its mean gap a number, a dense one (parameter 0) is
 * a bitmap, and a cluster costs what it would cost alone.
 *
 * The bytes come from storage that has been verified; all the same decoding is safe on any.
 */
#ifndef ROOST_SEARCH_POSTINGS_H
#define ROOST_SEARCH_POSTINGS_H

#include "base/buf.h"

#define POSTINGS_BLOCK 64u
#define POSTINGS_MAX_K 24u

/* n numbers, ascending, appended to out. */
void postings_encode(const uint32_t *numbers, size_t n, struct buf *out);
/* n numbers below `below`. False: the bytes do not hold just these. */
bool postings_decode(struct slice bytes, uint32_t n, uint32_t below, uint32_t *out);
/* The same as bits, set in out. */
bool postings_decode_bits(struct slice bytes, uint32_t n, uint32_t below, uint64_t *out);

#endif
