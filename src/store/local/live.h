/*
 * live.h - which bodies of an account live: dead ones lose their places, in memory and in the
 * state, and their packs count them; compact.c takes the bytes back later.
 */
#ifndef ROOST_STORE_LOCAL_LIVE_H
#define ROOST_STORE_LOCAL_LIVE_H

#include "store/local/store.h"

struct live_set {
    const uint64_t *ids; /* ascending */
    size_t n;
    uint64_t below; /* ids from here on are not judged */
};

/* As keep_bodies() of engine.h. */
MUST_CHECK enum rc live_keep(struct local *local, uint64_t account, const struct live_set *set,
                             uint64_t *out_missing, struct err *err);
/* As account_space(). */
MUST_CHECK enum rc live_space(struct local *local, uint64_t account, struct account_space *out,
                              struct err *err);

#endif
