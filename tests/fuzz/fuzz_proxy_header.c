/* fuzz_proxy_header.c - any bytes as a PROXY header: what is read does not depend on what
 * stands behind it, nor on how much came at once. */
// links: net
#include <assert.h>

#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct proxy_header whole, again;
    struct err err;
    enum rc rc = proxy_header_read(bytes, &whole, &err);

    assert(rc == RC_OK || rc == RC_MORE || rc == RC_SYNTAX || rc == RC_LIMIT);
    assert(rc != RC_MORE || size < PROXY_HEADER_MAX_BYTES);
    if (rc != RC_OK)
        return 0;
    assert(whole.len > 0 && whole.len <= size && whole.len <= PROXY_HEADER_MAX_BYTES);
    assert(proxy_header_read(slice_sub(bytes, 0, whole.len), &again, &err) == RC_OK);
    assert(again.len == whole.len && ipaddr_eq(&again.client, &whole.client));
    assert(proxy_header_read(slice_sub(bytes, 0, whole.len - 1), &again, &err) == RC_MORE);
    return 0;
}
