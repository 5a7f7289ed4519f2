/*
 * compact.h - packs made anew: what is dead goes, small packs become large ones, accounts of
 * some size get packs of their own. A thread of its own, behind everything else.
 *
 * Level 0 packs are shared, sorted by account, mailbox, uid. An account that has
 * COMPACT_OWN_PARTS of a full pack (4 MiB of 64) in the packs that are merged gets packs of its
 * own, level 1. Sizes are parts of local_options.pack_bytes.
 */
#ifndef ROOST_STORE_LOCAL_COMPACT_H
#define ROOST_STORE_LOCAL_COMPACT_H

#include "store/local/pack_rows.h"
#include "store/local/store.h"

#define COMPACT_DEAD_PERCENT 40u   /* above it a pack is made anew */
#define COMPACT_MERGE_PACKS  8u    /* so many of a kind become one or a few */
#define COMPACT_MERGES_MAX   2u    /* of shared packs that are full-sized */
#define COMPACT_OWN_PARTS    16u   /* with less an account shares packs */
#define COMPACT_FULL_PARTS   2u    /* from here on a pack is full-sized */
#define COMPACT_LEAST_PARTS  1024u /* what is smaller is of one kind */

struct compactor;

MUST_CHECK enum rc compactor_new(struct local *local, struct compactor **out, struct err *err);
/* Something was packed, or died. */
void compactor_poke(struct compactor *compactor); /* NULL is allowed */
void compactor_stop(struct compactor *compactor);
void compactor_free(struct compactor *compactor);

/* Which packs to make anew next, of n live ones: their numbers, COMPACT_MERGE_PACKS at most; 0:
 * none needs it. Pure. */
size_t compact_choose(const struct pack_info *packs, size_t n, uint64_t pack_bytes,
                      uint64_t out[]);
/* pack_info.merges of what these become. */
uint8_t compact_merges(const struct pack_info *packs, size_t n, uint64_t pack_bytes);

#endif
