/*
 * scrub_pass.h - one pass of the scrubber, inside: what its files share. A stage is a kind of
 * file; stages run one after the other, and each can go on where it was left.
 */
#ifndef ROOST_STORE_LOCAL_SCRUB_PASS_H
#define ROOST_STORE_LOCAL_SCRUB_PASS_H

#include "store/local/store.h"

#define SCRUB_KEY_BYTES 600u
#define SCRUB_TOLD_BYTES                                                                       \
    ((uint64_t) 1 << 20) /* read between two looks at who wants to stop                        \
                          */

/* Where a pass stands; a row of the state while it runs. */
struct scrub_cursor {
    uint32_t stage;
    uint64_t number;           /* of the file, or of the table, that is next */
    uint32_t key_len;          /* in a table */
    char key[SCRUB_KEY_BYTES]; /* not saved: a table is begun again */
};

struct scrub_pass {
    struct local *local;
    const struct scrub_watch *watch;
    struct scrub_cursor cursor;
    uint64_t bytes, findings;
};

/* Bytes were read; false: the pass is to end. */
bool scrub_read(struct scrub_pass *pass, uint64_t bytes);
void scrub_found(struct scrub_pass *pass, const struct scrub_finding *finding);

/* The stages: RC_OK when done, RC_MORE when told to end, RC_IO. */
typedef enum rc scrub_stage_fn(struct scrub_pass *pass, struct err *err);
scrub_stage_fn scrub_heads, scrub_journal, scrub_spills, scrub_state, scrub_packs,
    scrub_derived;

#endif
