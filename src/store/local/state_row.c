/* state_row.c - see state_row.h. */
#include "store/local/state_row.h"

#include <xxhash.h>

uint64_t state_row_hash(struct slice table, struct slice key, struct slice value)
{
    uint64_t seed = XXH3_64bits(table.ptr, table.len);

    seed = XXH3_64bits_withSeed(key.ptr, key.len, seed);
    return XXH3_64bits_withSeed(value.ptr, value.len, seed);
}

bool state_row_open(struct slice table, struct slice key, struct slice stored,
                    struct slice *out_value)
{
    struct slice value = slice_sub(stored, 0, stored.len - STATE_ROW_SUM_BYTES);
    struct scan sc;
    uint64_t hash;

    if (stored.len < STATE_ROW_SUM_BYTES)
        return false;
    sc = scan_of(slice_from(stored, value.len));
    if (!scan_le64(&sc, &hash) || state_row_hash(table, key, value) != hash)
        return false;
    *out_value = value;
    return true;
}
