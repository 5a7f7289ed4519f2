#include "auth/network.h"

#include "base/scan.h"

static unsigned all_bits(const struct ipaddr *address)
{
    return address->family == IPADDR_V4 ? 32 : 128;
}

enum rc network_parse(struct slice text, struct network *out, struct err *err)
{
    size_t slash = slice_find(text, '/');
    struct slice behind = slice_from(text, MIN(slash + 1, text.len));
    struct network network;
    struct ipaddr prefix;
    uint64_t bits;

    if (text.len > NETWORK_TEXT_MAX_BYTES ||
        !ipaddr_parse(slice_sub(text, 0, slash), &network.prefix))
        return err_set(err, RC_SYNTAX, "A network is an address, or ADDRESS/BITS",
                       "network: no address");
    bits = all_bits(&network.prefix);
    if (slash < text.len && (!slice_to_u64(behind, &bits) || bits > all_bits(&network.prefix) ||
                             (behind.len > 1 && behind.ptr[0] == '0')))
        return err_set(err, RC_SYNTAX, "A network is an address, or ADDRESS/BITS",
                       "network: not a number of bits");
    network.bits = (unsigned) bits;
    prefix = ipaddr_prefix(&network.prefix, network.bits);
    if (!ipaddr_eq(&prefix, &network.prefix))
        return err_set(err, RC_INVALID, "The address has bits set behind the network's",
                       "network: bits behind the prefix");
    *out = network;
    return RC_OK;
}

bool network_contains(const struct network *network, const struct ipaddr *address)
{
    struct ipaddr prefix;

    if (address->family != network->prefix.family)
        return false;
    prefix = ipaddr_prefix(address, network->bits);
    return ipaddr_eq(&prefix, &network->prefix);
}

/* The next line that is not empty. */
static bool next_line(struct scan *sc, struct slice *out)
{
    while (!scan_done(sc)) {
        if (!scan_until(sc, '\n', out)) {
            *out = scan_rest(sc);
            (void) scan_take(sc, out->len, out);
        } else {
            (void) scan_byte(sc, '\n');
        }
        *out = slice_trim(*out);
        if (out->len > 0)
            return true;
    }
    return false;
}

static bool is_listed(const struct network *list, size_t n, const struct network *network)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].bits == network->bits && ipaddr_eq(&list[i].prefix, &network->prefix))
            return true;
    return false;
}

enum rc networks_normal(struct slice lines, struct buf *out, struct err *err)
{
    struct network list[NETWORKS_MAX];
    struct scan sc = scan_of(lines);
    struct slice line;
    size_t n = 0;

    while (next_line(&sc, &line)) {
        struct network network;
        enum rc rc = network_parse(line, &network, err);

        if (rc)
            return rc;
        if (is_listed(list, n, &network))
            continue;
        if (n == NETWORKS_MAX)
            return err_set(err, RC_LIMIT, "Too many networks for one device",
                           "networks: over %u", NETWORKS_MAX);
        list[n++] = network;
    }
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_byte(out, '\n');
        ipaddr_print(out, &list[i].prefix);
        buf_printf(out, "/%u", list[i].bits);
    }
    return RC_OK;
}

bool networks_allow(struct slice lines, const struct ipaddr *address)
{
    struct scan sc = scan_of(lines);
    struct network network;
    struct slice line;
    bool any = false;

    while (next_line(&sc, &line)) {
        any = true;
        if (network_parse(line, &network, NULL) == RC_OK && network_contains(&network, address))
            return true;
    }
    return !any;
}
