/*
 * super.h - the superblock: which store this is, where its journal begins, and the epochs with
 * their secret keys [format], docs/formats/journal.md.
 *
 * An epoch is one run of the server. Its entry is open while the server runs; the clean stop
 * (the seal) or the next recovery closes it with the exact place where it ends. So only the
 * last epoch can end in a torn batch, and anything wrong before the end of a closed one is
 * damage.
 *
 * The file holds everything twice: a reader that finds the first copy damaged takes the second.
 */
#ifndef ROOST_STORE_LOCAL_SUPER_H
#define ROOST_STORE_LOCAL_SUPER_H

#include "store/local/batch.h"

#define SUPER_EPOCHS_MAX 1024u /* each holds a segment at least; checkpoints let go of them */

/* A place between two batches. */
struct journal_point {
    uint64_t segment;
    uint64_t lsn; /* of the next group */
    uint32_t offset;
    struct hash128 prev; /* `self` of the batch before */
};

struct epoch {
    struct journal_key key;
    struct journal_point first, end;
    bool is_closed; /* end counts */
};

struct super {
    unsigned char uuid[16];
    /* LMDB's serial (state.h) is at least this, or an old state was put back. */
    uint64_t min_state_serial;
    /* Segments below are free. Lies in epochs[0], or, without epochs, where the next begins. */
    struct journal_point start;
    struct epoch epochs[SUPER_EPOCHS_MAX];
    uint32_t n_epochs;
};

/* The superblock of an empty store. */
MUST_CHECK enum rc super_create(int root, struct err *err);
/* RC_CORRUPT, RC_INVALID for a version that this program does not know. *out_damaged: one of
 * the two copies is, and the other was taken. */
MUST_CHECK enum rc super_read(int root, struct super *out, bool *out_damaged, struct err *err);
/* Durable when it returns RC_OK. */
MUST_CHECK enum rc super_write(int root, const struct super *super, struct err *err);
/* Parse the file's bytes; the fuzz target's door. */
MUST_CHECK enum rc super_decode(struct slice bytes, struct super *out, bool *out_damaged,
                                struct err *err);

#endif
