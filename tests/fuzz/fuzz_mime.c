/* fuzz_mime.c - any bytes are a message: its digest opens, verifies and speaks the grammar. */
// links: mime
#include <stdio.h>
#include <stdlib.h>

#include "lib/digest_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf table = {0};
    struct slice msg = slice_of(data, size);
    const char *wrong;

    buf_init(&table, DIGEST_MAX_BYTES);
    digest_build(msg, &table);
    wrong = check_digest(msg, buf_slice(&table));
    if (wrong != NULL) {
        (void) fprintf(stderr, "digest: %s\n", wrong);
        abort();
    }
    buf_reset(&table);
    digest_build_opaque(msg, &table);
    if (check_digest(msg, buf_slice(&table)) != NULL)
        abort();
    return 0;
}
