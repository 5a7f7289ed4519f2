/*
 * state_check.h - is state/data.mdb fit for LMDB; and if it is not, a new one from every row
 * that verifies. docs/decisions/damaged-state.md has the argument.
 *
 * Both run before LMDB has the file open. The old file is kept in salvage/.
 */
#ifndef ROOST_STORE_LOCAL_STATE_CHECK_H
#define ROOST_STORE_LOCAL_STATE_CHECK_H

#include "store/local/accounts.h"

/* Up to this size all pages are read at start; of a larger file the branches, and the scrubber
 * reads the rest. */
#define STATE_CHECK_BYTES ((uint64_t) 512 << 20)

/* RC_OK also when there is no file yet. */
MUST_CHECK enum rc state_check(int root, bool *out_is_damaged, struct err *err);

/*
 * A new data.mdb takes the place of the damaged one. map_bytes as for state_open(); the serial
 * of the new one is above min_serial and above any that was found. Roots count as accounts.h
 * says. *out_kept: the damaged file's new name.
 */
MUST_CHECK enum rc state_salvage(const char *path, int root, uint64_t map_bytes,
                                 uint64_t min_serial, struct accounts *accounts,
                                 struct err *err);

#endif
