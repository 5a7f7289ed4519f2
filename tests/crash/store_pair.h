/*
 * store_pair.h - the two stores that workloads start from, in a temporary folder: one that was
 * stopped, and one that was not, whose journal is to be recovered. Each with its ledger.
 */
#ifndef ROOST_TESTS_CRASH_STORE_PAIR_H
#define ROOST_TESTS_CRASH_STORE_PAIR_H

#include "recording.h"
#include "scene.h"

#define STORE_PATH_BYTES 160u

struct store_pair {
    char folder[64];
    struct ledger *ledgers[2]; /* [1]: of the one that was not stopped */
};

void store_pair_make(struct store_pair *pair);
void store_pair_remove(struct store_pair *pair);

void store_pair_path(const struct store_pair *pair, const char *name,
                     char out[STORE_PATH_BYTES]);
/* A copy in the folder `to`. The recording is used for it. */
void store_pair_copy(const struct store_pair *pair, struct recording *recording, bool is_dirty,
                     const char *to);
/* *out begins with what the store holds. */
void store_pair_ledger(const struct store_pair *pair, bool is_dirty, struct ledger *out);

#endif
