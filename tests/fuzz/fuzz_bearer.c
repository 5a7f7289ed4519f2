/* fuzz_bearer.c - OAUTHBEARER and XOAUTH2: what is taken can be written again and means the
 * same. The first byte picks the form. */
// links: auth
#include <assert.h>
#include <stdlib.h>

#include "auth/bearer.h"
#include "base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_name(struct buf *out, const struct bearer *bearer)
{
    for (size_t i = 0; i < bearer->user_len; i++) {
        if (bearer->user[i] == ',')
            buf_str(out, "=2C");
        else if (bearer->user[i] == '=')
            buf_str(out, "=3D");
        else
            buf_byte(out, bearer->user[i]);
    }
}

static void write_again(struct buf *out, const struct bearer *bearer, enum bearer_form form)
{
    if (form == BEARER_RFC7628) {
        buf_str(out, bearer->user_len > 0 ? "n,a=" : "n,");
        write_name(out, bearer);
        buf_str(out, ",\1");
    } else {
        buf_str(out, "user=");
        buf_append(out, slice_of(bearer->user, bearer->user_len));
        buf_str(out, "\1");
    }
    if (bearer->host.len > 0) {
        buf_str(out, "host=");
        buf_append(out, bearer->host);
        buf_str(out, "\1");
    }
    buf_str(out, "auth=Bearer ");
    buf_append(out, bearer->token);
    buf_str(out, "\1\1");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf text = {.max = 1 << 20};
    struct scan sc = scan_of(slice_of(data, size));
    struct bearer bearer, again;
    enum bearer_form form;
    uint8_t first;

    if (!scan_le8(&sc, &first))
        return 0;
    form = (first & 1) != 0 ? BEARER_XOAUTH2 : BEARER_RFC7628;
    if (bearer_parse(scan_rest(&sc), form, &bearer, NULL) != RC_OK)
        return 0;
    assert(bearer.token.len > 0 && bearer.token.len <= BEARER_TOKEN_MAX_BYTES);
    assert(bearer.user_len <= AUTH_NAME_MAX_BYTES);
    write_again(&text, &bearer, form);
    if (bearer_parse(buf_slice(&text), form, &again, NULL) != RC_OK)
        abort();
    assert(slice_eq(bearer.token, again.token) && slice_eq(bearer.host, again.host));
    assert(
        slice_eq(slice_of(bearer.user, bearer.user_len), slice_of(again.user, again.user_len)));
    return 0;
}
