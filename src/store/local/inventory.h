/* inventory.h - all bodies of an account that have a place, and what is told of each. */
#ifndef ROOST_STORE_LOCAL_INVENTORY_H
#define ROOST_STORE_LOCAL_INVENTORY_H

#include "store/local/store.h"

/* engine_ops.bodies */
MUST_CHECK enum rc inventory_bodies(struct local *local, uint64_t account, uint64_t from,
                                    bool (*fn)(void *ctx, const struct body_info *body),
                                    void *ctx, struct err *err);
/* engine_ops.digests_lost: of bodies that are in no pack. Takes 0.1 us for each. */
void inventory_digests_lost(struct local *local, uint64_t account,
                            void (*fn)(void *ctx, const struct body_info *body), void *ctx);

#endif
