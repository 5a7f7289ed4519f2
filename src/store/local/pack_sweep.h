/*
 * pack_sweep.h - the packs' folder at start: what an interrupted run left half made or half
 * removed goes, by its rows (pack_rows.h). A pack that has no row stays and is reported.
 */
#ifndef ROOST_STORE_LOCAL_PACK_SWEEP_H
#define ROOST_STORE_LOCAL_PACK_SWEEP_H

#include "store/local/store.h"

/* Before there is a packer. Sets local's next_pack and pack_bytes. */
MUST_CHECK enum rc pack_sweep(struct local *local, struct err *err);
/* The file of a planned or retired pack goes, then its row. What cannot be removed now is
 * removed at the next start. */
void pack_remove(struct local *local, uint64_t number);
/* Its file is gone for good: the row goes, now or at the next start. */
void pack_forget(struct local *local, uint64_t number);

#endif
