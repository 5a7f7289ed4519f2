/*
 * state_row.h - the checksum that stands behind the value of each row of the state.
 *
 * It covers the table, the key and the value, so a row that was changed, or that stands under
 * another key or in another table, is as visible as a damaged one. LMDB itself has none.
 */
#ifndef ROOST_STORE_LOCAL_STATE_ROW_H
#define ROOST_STORE_LOCAL_STATE_ROW_H

#include "base/slice.h"
#include "store/local/bytes.h"

#define STATE_ROW_SUM_BYTES 8u

/* table: its name in data.mdb. */
uint64_t state_row_hash(struct slice table, struct slice key, struct slice value);
/* stored: value and checksum. False: damaged. */
bool state_row_open(struct slice table, struct slice key, struct slice stored,
                    struct slice *out_value);

#endif
