/*
 * digests.h - digests that wait for the packer, in memory and bounded; those in packs; and
 * those that came too late for their pack or were too many for memory, which lie in the state.
 *
 * Derived data: what is lost is made again when asked for.
 */
#ifndef ROOST_STORE_LOCAL_DIGESTS_H
#define ROOST_STORE_LOCAL_DIGESTS_H

#include "store/local/store.h"

struct digests *digests_new(struct local *local);
void digests_free(struct digests *digests);
void digests_put(struct digests *digests, uint64_t account, uint64_t body_id, uint32_t version,
                 struct slice digest);
/* A copy for the packer (free() it), or NULL. */
char *digests_copy(struct digests *digests, uint64_t account, uint64_t body_id,
                   uint32_t *out_version, size_t *out_len);
void digests_drop(struct digests *digests, uint64_t account, uint64_t body_id);
/* From memory or from the body's pack. RC_NOT_FOUND. */
MUST_CHECK enum rc digests_get(struct digests *digests, uint64_t account, uint64_t body_id,
                               uint32_t version, struct arena *arena, struct slice *out);

#endif
