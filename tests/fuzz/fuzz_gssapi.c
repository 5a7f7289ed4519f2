/* fuzz_gssapi.c - what of SASL's GSSAPI is read by us: the frame of a first token, the choice
 * of layers, and a principal. The first octet picks. */
// links: auth config
#include <assert.h>

#include "auth/gssapi.h"
#include "base/scan.h"
#include "config/realm_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_frame(struct slice token)
{
    static const char oid[] = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

    if (gssapi_is_kerberos(token))
        assert(slice_search(token, slice_from_str(oid)) <= 6);
}

/* What is taken can be written again and is the same. */
static void read_choice(struct slice choice)
{
    AUTO(buf_done) struct buf again = {.max = 1024};
    struct slice name;

    if (gssapi_parse_choice(choice, &name, NULL) != RC_OK)
        return;
    assert(name.len <= AUTH_NAME_MAX_BYTES);
    buf_append(&again, SLICE("\x01\0\0\0"));
    buf_append(&again, name);
    assert(slice_eq(buf_slice(&again), choice));
}

/* A user is the principal's name and the domain, whatever the name. */
static void read_principal(struct slice principal)
{
    static const char *const items[] = {"A=a.example", "B="};
    const struct config_list realms = {items, COUNT(items)};
    AUTO(buf_done) struct buf user = {.max = 1 << 20};
    struct slice whole;

    if (realm_map_user(&realms, principal, &user, NULL) != RC_OK)
        return;
    whole = buf_slice(&user);
    if (slice_ends(principal, SLICE("@B")))
        assert(slice_count(whole, '@') == 0 && whole.len + 2 == principal.len);
    else
        assert(slice_ends(whole, SLICE("@a.example")) && slice_count(whole, '@') == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan sc = scan_of(slice_of(data, size));
    uint8_t first;

    if (!scan_le8(&sc, &first))
        return 0;
    if (first % 3 == 0)
        read_frame(scan_rest(&sc));
    else if (first % 3 == 1)
        read_choice(scan_rest(&sc));
    else
        read_principal(scan_rest(&sc));
    return 0;
}
