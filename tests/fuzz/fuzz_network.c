/*
 * fuzz_network.c - any bytes as an address, a network and a list of networks: what is taken has
 * one form, in which it is taken again and means the same.
 */
// links: auth
#include <assert.h>

#include "auth/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct slice text)
{
    AUTO(buf_done) struct buf shown = {.max = IPADDR_TEXT_BYTES};
    struct ipaddr address, again;

    if (!ipaddr_parse(text, &address))
        return;
    ipaddr_print(&shown, &address);
    assert(!shown.overflow && ipaddr_parse(buf_slice(&shown), &again));
    assert(ipaddr_eq(&address, &again));
}

static void check_network(struct slice text)
{
    struct ipnet net;
    struct ipaddr first;

    if (ipnet_parse(text, &net, NULL) != RC_OK)
        return;
    assert(net.bits <= (net.first.family == IPADDR_V4 ? 32 : 128));
    first = ipaddr_prefix(&net.first, net.bits);
    assert(ipaddr_eq(&first, &net.first) && ipnet_has(&net, &net.first));
    net.first.bytes[0] ^= 0x80; /* the first bit decides in all but the widest */
    first = ipaddr_prefix(&net.first, 128);
    net.first.bytes[0] ^= 0x80;
    assert(ipnet_has(&net, &first) == (net.bits == 0));
}

static void check_list(struct slice lines)
{
    AUTO(buf_done) struct buf normal = {.max = NETWORKS_MAX_BYTES};
    AUTO(buf_done) struct buf again = {.max = NETWORKS_MAX_BYTES};
    const struct ipaddr nobody = {.family = IPADDR_NONE};

    if (networks_normal(lines, &normal, NULL) != RC_OK)
        return;
    assert(!normal.overflow && networks_normal(buf_slice(&normal), &again, NULL) == RC_OK);
    assert(slice_eq(buf_slice(&normal), buf_slice(&again)));
    assert(networks_allow(buf_slice(&normal), &nobody) == (normal.len == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct ipaddr address = {
        .family = IPADDR_V4, .bytes = {192, 0, 2, 7}
    };

    check_address(text);
    check_network(text);
    check_list(text);
    (void) networks_allow(text, &address); /* of a database that rotted: the sanitizer looks */
    return 0;
}
