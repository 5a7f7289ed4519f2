/*
 * recovery.h - what open does between taking the lock and serving.
 *
 * Before: layout, super, state and index are open and empty of memory. After: the index knows
 * every tail group and unpacked body, the super on disk has closed the last epoch and opened a
 * new one whose first segment exists, and nothing that recovery accepted can vanish.
 */
#ifndef ROOST_STORE_LOCAL_RECOVERY_H
#define ROOST_STORE_LOCAL_RECOVERY_H

#include "store/local/keeper.h"
#include "store/local/store.h"

struct recovery_result {
    struct keeper_start keeper; /* spares point into this struct */
    struct keeper_spare spares[SPARES_MAX];
    struct journal_point point; /* where the new epoch begins */
};

MUST_CHECK enum rc recovery_run(struct local *local, struct recovery_result *out,
                                struct err *err);

/* The clean stop: the running epoch ends at end. RC_IO, RC_FULL. */
MUST_CHECK enum rc recovery_seal(struct local *local, const struct journal_point *end,
                                 struct err *err);

#endif
