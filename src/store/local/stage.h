/*
 * stage.h - bodies on their way in.
 *
 * A stage keeps its bytes in memory up to STAGE_FREE_BYTES, beyond that in memory while the
 * process-wide budget lasts and the body may still go inline, else in a file under spill/. The
 * block checksums are made as the bytes pass, so that commit() copies and hashes nothing twice.
 */
#ifndef ROOST_STORE_LOCAL_STAGE_H
#define ROOST_STORE_LOCAL_STAGE_H

#include "store/local/store.h"

#define STAGE_FREE_BYTES  ((size_t) 64 << 10)  /* a stage may hold this without asking */
#define INLINE_MAX_BYTES  ((size_t) 4 << 20)   /* bodies in the journal, for each commit */
#define STAGE_FLUSH_BYTES ((uint64_t) 4 << 20) /* a spool starts writing back this often */

struct body_stage {
    struct local *local;
    uint64_t account;
    uint64_t length;
    char *mem; /* all bytes, or NULL once they are in a file */
    size_t cap, budgeted;
    struct spill *spill;   /* the file; its reference is the stage's */
    uint64_t spill_offset; /* where the body begins in it */
    uint64_t flushed;
    bool is_synced;  /* the file and its name are durable */
    bool has_failed; /* a sync of the file failed: it is never tried again */
    bool is_finished;
    uint64_t *hashes; /* of whole blocks, and of the last one once finished */
    size_t n_hashes, cap_hashes;
    void *block_state; /* XXH3 of the block that is being filled */
};

MUST_CHECK enum rc stage_new(struct local *local, uint64_t account, uint64_t size_hint,
                             struct body_stage **out, struct err *err);
MUST_CHECK enum rc stage_write(struct body_stage *stage, struct slice bytes, struct err *err);
uint64_t stage_length(const struct body_stage *stage);
MUST_CHECK enum rc stage_read(const struct body_stage *stage, uint64_t offset, char *out,
                              size_t len, struct err *err);
void stage_free(struct body_stage *stage);

/* No more bytes: the last checksum is made, and what is in a file becomes durable. May be
 * called again. */
MUST_CHECK enum rc stage_finish(struct body_stage *stage, struct err *err);
/* Move the bodies that are in memory into one spill file, durable. */
MUST_CHECK enum rc stage_spill_all(struct local *local, struct body_stage *const *stages,
                                   size_t n, struct err *err);

/* Removes the file of a spill that nobody needs, and frees it. NULL is allowed. */
void spill_remove(struct local *local, struct spill *spill);

#endif
