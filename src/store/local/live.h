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
/* Accounts whose bodies were not judged for LIVE_MAX_AGE_SEC: the owner is asked to, a few at a
 * time, account after account. From one thread. */
#define LIVE_MAX_AGE_SEC ((int64_t) 7 * 86400)
#define LIVE_ASK_MAX     16u /* in one call */
#define LIVE_ASK_MS      60000

struct live_asker {
    uint64_t next_account;
    int64_t last_us; /* 0: never */
};
void live_ask(struct local *local, struct live_asker *asker);

/* As account_space(). */
MUST_CHECK enum rc live_space(struct local *local, uint64_t account, struct account_space *out,
                              struct err *err);

#endif
