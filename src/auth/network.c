#include "auth/network.h"

#include "base/scan.h"

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

static bool is_listed(const struct ipnet *list, size_t n, const struct ipnet *network)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].bits == network->bits && ipaddr_eq(&list[i].first, &network->first))
            return true;
    return false;
}

enum rc networks_normal(struct slice lines, struct buf *out, struct err *err)
{
    struct ipnet list[NETWORKS_MAX];
    struct scan sc = scan_of(lines);
    struct slice line;
    size_t n = 0;

    while (next_line(&sc, &line)) {
        struct ipnet network;
        enum rc rc = ipnet_parse(line, &network, err);

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
        ipaddr_print(out, &list[i].first);
        buf_printf(out, "/%u", (unsigned) list[i].bits);
    }
    return RC_OK;
}

bool networks_allow(struct slice lines, const struct ipaddr *address)
{
    struct scan sc = scan_of(lines);
    struct ipnet network;
    struct slice line;
    bool any = false;

    while (next_line(&sc, &line)) {
        any = true;
        if (ipnet_parse(line, &network, NULL) == RC_OK && ipnet_has(&network, address))
            return true;
    }
    return !any;
}
