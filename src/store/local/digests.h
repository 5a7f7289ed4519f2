/*
 * digests.h - digests that wait for the packer, in memory and bounded; those in packs; and
 * those that came too late for their pack or were too many for memory, which lie in the state,
 * compressed, until a pack takes them.
 *
 * A digest has a core, which lists are answered from, and text for searching, which is kept
 * apart. Derived data: what is lost is made again when asked for.
 */
#ifndef ROOST_STORE_LOCAL_DIGESTS_H
#define ROOST_STORE_LOCAL_DIGESTS_H

#include "store/local/store.h"

/* A copy of a digest. */
struct held_digest {
    uint32_t version;
    size_t core_len, text_len;
    char *bytes; /* core, then text */
    struct body_range *leaves;
    size_t n_leaves;
    bool is_loose; /* lies in the state */
};
void held_digest_done(struct held_digest *held);

struct digests *digests_new(struct local *local);
/* The state is open: what memory has no room for may go there. RC_UNAVAILABLE: no thread. */
MUST_CHECK enum rc digests_start(struct digests *digests, struct err *err);
void digests_stop(struct digests *digests); /* may never have started */
void digests_free(struct digests *digests);
/* Copied. Beyond twice the bound the oldest are forgotten: nobody waits for their writing. */
void digests_put(struct digests *digests, uint64_t account, uint64_t body_id,
                 const struct digest_bytes *digest, const struct body_range *leaves,
                 size_t n_leaves);
/* For the writer of a pack: from memory, else loose in the state. False: neither. */
bool digests_hold(struct digests *digests, uint64_t account, uint64_t body_id,
                  struct held_digest *out);
/* From memory only. */
void digests_drop(struct digests *digests, uint64_t account, uint64_t body_id);
/* From memory, from the body's pack or from the state. RC_NOT_FOUND. */
MUST_CHECK enum rc digests_get(struct digests *digests, uint64_t account, uint64_t body_id,
                               uint32_t version, enum digest_wanted wanted, struct arena *arena,
                               struct slice *out);
/* Copies of those that are in memory, in the arena: out[i] is of ids[i], empty if it is not
 * there. An arena without room leaves some out. */
void digests_copy_held(struct digests *digests, const struct digest_scan *scan,
                       struct arena *arena, struct slice *out);
/* engine_ops.digest_scan: from memory, then from the packs, block after block, then from the
 * state. */
void digests_scan(struct digests *digests, const struct digest_scan *scan);
/* How many bytes of the core, and of the text from its beginning on, are meant. */
size_t digest_wanted_core(enum digest_wanted wanted, size_t core_len);
size_t digest_wanted_text(enum digest_wanted wanted, size_t text_len);
struct local *digests_local(struct digests *digests);

#endif
