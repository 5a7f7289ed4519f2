/*
 * fuzz_config_blob.c - any bytes as the configuration that a role gets: refused, or read and
 * printed to the same bytes. Half of the inputs are patches to the defaults' blob, so that a
 * change reaches every setting.
 */
// links: config
#include <assert.h>

#include "config/config.h"

#define BLOB_MAX_BYTES ((size_t) 1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_blob(struct slice blob)
{
    AUTO(config_freep) struct config *config = NULL;
    AUTO(config_freep) struct config *again = NULL;
    AUTO(buf_done) struct buf first = {.max = 2 * BLOB_MAX_BYTES};
    AUTO(buf_done) struct buf second = {.max = 2 * BLOB_MAX_BYTES};

    if (config_decode(blob, &config, NULL) != RC_OK) {
        assert(config == NULL);
        return;
    }
    config_encode(config, &first);
    assert(!first.overflow && first.len <= blob.len);
    assert(config_decode(buf_slice(&first), &again, NULL) == RC_OK);
    config_encode(again, &second);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(config_freep) struct config *defaults = NULL;
    AUTO(buf_done) struct buf blob = {.max = BLOB_MAX_BYTES};

    if (size == 0 || size > BLOB_MAX_BYTES)
        return 0;
    if (data[0] % 2 == 0) {
        try_blob(slice_of(data + 1, size - 1));
        return 0;
    }
    defaults = config_new();
    config_encode(defaults, &blob);
    for (size_t i = 1; i + 3 <= size; i += 3) { /* where (16 bits), what */
        size_t at = (size_t) data[i] << 8 | data[i + 1];

        blob.ptr[at % blob.len] = (char) data[i + 2];
    }
    try_blob(buf_slice(&blob));
    return 0;
}
