#include "base/ipaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define V4_BYTES 4u
#define V6_BYTES 16u

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static struct ipaddr from_v6_bytes(const uint8_t *bytes, uint16_t port)
{
    struct ipaddr addr = {.family = IPADDR_V6, .port = port};

    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        addr.family = IPADDR_V4;
        memcpy(addr.bytes, bytes + sizeof(mapped_prefix), V4_BYTES);
    } else {
        memcpy(addr.bytes, bytes, V6_BYTES);
    }
    return addr;
}

struct ipaddr ipaddr_from_sockaddr(const struct sockaddr *sa, socklen_t len)
{
    struct ipaddr addr = {.family = IPADDR_NONE};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (len >= sizeof(v4) && sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof(v4));
        addr.family = IPADDR_V4;
        addr.port = ntohs(v4.sin_port);
        memcpy(addr.bytes, &v4.sin_addr, V4_BYTES);
    } else if (len >= sizeof(v6) && sa->sa_family == AF_INET6) {
        memcpy(&v6, sa, sizeof(v6));
        addr = from_v6_bytes(v6.sin6_addr.s6_addr, ntohs(v6.sin6_port));
    }
    return addr;
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *addr, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};

    memset(out, 0, sizeof(*out));
    if (addr->family == IPADDR_V4) {
        memcpy(&v4.sin_addr, addr->bytes, V4_BYTES);
        memcpy(out, &v4, sizeof(v4));
        return sizeof(v4);
    }
    memcpy(&v6.sin6_addr, addr->bytes, V6_BYTES);
    memcpy(out, &v6, sizeof(v6));
    return sizeof(v6);
}

bool ipaddr_parse(struct slice text, struct ipaddr *out)
{
    char cstr[IPADDR_TEXT_BYTES];
    uint8_t bytes[V6_BYTES];
    struct ipaddr addr = {.family = IPADDR_V4};

    if (text.len == 0 || text.len >= sizeof(cstr) || slice_find(text, '\0') != text.len)
        return false;
    memcpy(cstr, text.ptr, text.len);
    cstr[text.len] = '\0';
    if (inet_pton(AF_INET, cstr, bytes) == 1) {
        memcpy(addr.bytes, bytes, V4_BYTES);
        *out = addr;
        return true;
    }
    if (inet_pton(AF_INET6, cstr, bytes) != 1)
        return false;
    *out = from_v6_bytes(bytes, 0);
    return true;
}

void ipaddr_print(struct buf *out, const struct ipaddr *addr)
{
    char text[IPADDR_TEXT_BYTES];
    int family = addr->family == IPADDR_V6 ? AF_INET6 : AF_INET;

    if (addr->family != IPADDR_NONE && inet_ntop(family, addr->bytes, text, sizeof(text)))
        buf_str(out, text);
    else
        buf_byte(out, '-');
}

bool ipaddr_is_loopback(const struct ipaddr *addr)
{
    static const uint8_t v6_loopback[V6_BYTES] = {[15] = 1};

    if (addr->family == IPADDR_V4)
        return addr->bytes[0] == 127;
    return addr->family == IPADDR_V6 && memcmp(addr->bytes, v6_loopback, V6_BYTES) == 0;
}

struct ipaddr ipaddr_prefix(const struct ipaddr *addr, unsigned bits)
{
    struct ipaddr net = *addr;

    net.port = 0;
    for (unsigned i = 0; i < V6_BYTES; i++) {
        unsigned keep = bits > i * 8 ? MIN(bits - i * 8, 8u) : 0;

        net.bytes[i] = (uint8_t) (net.bytes[i] & (0xff00u >> keep));
    }
    return net;
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, V6_BYTES) == 0;
}

/* Digits, without a leading zero. */
static bool bits_parse(struct slice text, uint64_t most, uint64_t *out)
{
    return slice_to_u64(text, out) && *out <= most && (text.len == 1 || text.ptr[0] != '0');
}

enum rc ipnet_parse(struct slice text, struct ipnet *out, struct err *err)
{
    size_t slash = slice_find(text, '/');
    struct ipaddr first, prefix;
    uint64_t bits, most;

    if (text.len > IPNET_TEXT_MAX_BYTES || !ipaddr_parse(slice_sub(text, 0, slash), &first))
        return err_set(err, RC_SYNTAX, "A network is an address, or ADDRESS/BITS",
                       "network: no address");
    bits = most = first.family == IPADDR_V4 ? V4_BYTES * 8 : V6_BYTES * 8;
    if (slash < text.len && !bits_parse(slice_from(text, slash + 1), most, &bits))
        return err_set(err, RC_SYNTAX, "A network is an address, or ADDRESS/BITS",
                       "network: not a number of bits");
    prefix = ipaddr_prefix(&first, (unsigned) bits);
    if (!ipaddr_eq(&first, &prefix))
        return err_set(err, RC_INVALID, "The address has bits set behind the network's",
                       "network: bits behind the prefix");
    *out = (struct ipnet){first, (uint8_t) bits};
    return RC_OK;
}

bool ipnet_has(const struct ipnet *net, const struct ipaddr *addr)
{
    struct ipaddr prefix = ipaddr_prefix(addr, net->bits);

    return ipaddr_eq(&prefix, &net->first);
}
