#include "net/proxy_header.h"

#include <netinet/in.h>

#include "base/scan.h"

#define V1_START SLICE("PROXY ")
#define V2_START SLICE("\r\n\r\n\0\r\nQUIT\n")

#define V2_FIXED_BYTES 16u
#define V2_VERSION     0x20u
#define V2_LOCAL       0x0u
#define V2_PROXY       0x1u
#define V2_TCP4        0x11u
#define V2_TCP6        0x21u
#define V4_BYTES       4u
#define V6_BYTES       16u
#define PORT_BYTES     2u
#define V4_BODY_BYTES  (2 * (V4_BYTES + PORT_BYTES))
#define V6_BODY_BYTES  (2 * (V6_BYTES + PORT_BYTES))

static enum rc refuse(struct err *err, const char *what)
{
    return err_set(err, RC_SYNTAX, "Bad PROXY header", "proxy: %s", what);
}

/* ---- version 1: "PROXY TCP4 192.0.2.7 198.51.100.1 49152 993\r\n" ---- */

static bool scan_word(struct scan *sc, struct slice *out)
{
    struct slice word;

    if (!scan_until(sc, ' ', &word))
        word = scan_rest(sc);
    if (word.len == 0)
        return false;
    sc->pos = word.ptr + word.len;
    (void) scan_byte(sc, ' ');
    *out = word;
    return true;
}

static bool scan_address(struct scan *sc, enum ipaddr_family family, struct ipaddr *out)
{
    struct slice word;
    bool is_v6 = family == IPADDR_V6;

    if (!scan_word(sc, &word) || !ipaddr_parse(word, out))
        return false;
    /* A mapped address is written as TCP6 and means IPv4 all the same. */
    return out->family == family || (is_v6 && slice_find(word, ':') < word.len);
}

/* Digits without a leading zero. */
static bool scan_port(struct scan *sc, uint16_t *out)
{
    struct slice word;
    struct scan digits;
    uint64_t port;

    if (!scan_word(sc, &word) || (word.len > 1 && word.ptr[0] == '0'))
        return false;
    digits = scan_of(word);
    if (!scan_u64(&digits, UINT16_MAX, &port) || !scan_done(&digits))
        return false;
    *out = (uint16_t) port;
    return true;
}

static enum rc read_v1_line(struct slice line, struct proxy_header *out, struct err *err)
{
    struct scan sc = scan_of(slice_from(line, V1_START.len));
    struct slice protocol;
    enum ipaddr_family family;

    if (!scan_word(&sc, &protocol))
        return refuse(err, "no protocol");
    if (slice_eq(protocol, SLICE("UNKNOWN")))
        return RC_OK;
    if (slice_eq(protocol, SLICE("TCP4")))
        family = IPADDR_V4;
    else if (slice_eq(protocol, SLICE("TCP6")))
        family = IPADDR_V6;
    else
        return refuse(err, "unknown protocol");
    if (!scan_address(&sc, family, &out->client) || !scan_address(&sc, family, &out->server) ||
        !scan_port(&sc, &out->client.port) || !scan_port(&sc, &out->server.port) ||
        !scan_done(&sc) || line.ptr[line.len - 1] == ' ')
        return refuse(err, "bad address or port");
    return RC_OK;
}

static enum rc read_v1(struct slice bytes, struct proxy_header *out, struct err *err)
{
    struct slice most = slice_sub(bytes, 0, PROXY_V1_MAX_BYTES);
    size_t end = slice_find(most, '\n');

    if (end == most.len)
        return most.len == PROXY_V1_MAX_BYTES ? refuse(err, "no end of the line") : RC_MORE;
    if (end == 0 || bytes.ptr[end - 1] != '\r')
        return refuse(err, "a line without CR");
    out->len = end + 1;
    return read_v1_line(slice_sub(bytes, 0, end - 1), out, err);
}

/* ---- version 2 ---- */

/* Two addresses, then two ports, all in network order. */
static void take_v4(const char *at, struct proxy_header *out)
{
    struct sockaddr_in client = {.sin_family = AF_INET}, server = {.sin_family = AF_INET};

    memcpy(&client.sin_addr, at, V4_BYTES);
    memcpy(&server.sin_addr, at + V4_BYTES, V4_BYTES);
    memcpy(&client.sin_port, at + 2 * V4_BYTES, PORT_BYTES);
    memcpy(&server.sin_port, at + 2 * V4_BYTES + PORT_BYTES, PORT_BYTES);
    out->client = ipaddr_from_sockaddr((const struct sockaddr *) &client, sizeof(client));
    out->server = ipaddr_from_sockaddr((const struct sockaddr *) &server, sizeof(server));
}

static void take_v6(const char *at, struct proxy_header *out)
{
    struct sockaddr_in6 client = {.sin6_family = AF_INET6}, server = {.sin6_family = AF_INET6};

    memcpy(&client.sin6_addr, at, V6_BYTES);
    memcpy(&server.sin6_addr, at + V6_BYTES, V6_BYTES);
    memcpy(&client.sin6_port, at + 2 * V6_BYTES, PORT_BYTES);
    memcpy(&server.sin6_port, at + 2 * V6_BYTES + PORT_BYTES, PORT_BYTES);
    out->client = ipaddr_from_sockaddr((const struct sockaddr *) &client, sizeof(client));
    out->server = ipaddr_from_sockaddr((const struct sockaddr *) &server, sizeof(server));
}

static enum rc read_v2_body(unsigned command, unsigned protocol, struct slice body,
                            struct proxy_header *out, struct err *err)
{
    if (command == V2_LOCAL)
        return RC_OK; /* the proxy's own: a check of health */
    if (command != V2_PROXY)
        return refuse(err, "unknown command");
    if (protocol == V2_TCP4 && body.len >= V4_BODY_BYTES)
        take_v4(body.ptr, out);
    else if (protocol == V2_TCP6 && body.len >= V6_BODY_BYTES)
        take_v6(body.ptr, out);
    else if (protocol == V2_TCP4 || protocol == V2_TCP6)
        return refuse(err, "addresses are cut");
    return RC_OK; /* section 2.2: other protocols are taken, their addresses not */
}

static enum rc read_v2(struct slice bytes, struct proxy_header *out, struct err *err)
{
    const unsigned char *fixed = (const unsigned char *) bytes.ptr;
    size_t body;

    if (bytes.len < V2_FIXED_BYTES)
        return RC_MORE;
    if ((fixed[12] & 0xf0u) != V2_VERSION)
        return refuse(err, "unknown version");
    body = (size_t) fixed[14] << 8 | fixed[15];
    if (body > PROXY_HEADER_MAX_BYTES - V2_FIXED_BYTES)
        return err_set(err, RC_LIMIT, "Bad PROXY header", "proxy: a header of %zu octets",
                       V2_FIXED_BYTES + body);
    if (bytes.len < V2_FIXED_BYTES + body)
        return RC_MORE;
    out->len = V2_FIXED_BYTES + body;
    return read_v2_body(fixed[12] & 0x0fu, fixed[13], slice_sub(bytes, V2_FIXED_BYTES, body),
                        out, err);
}

/* ---- */

/* As far as there are bytes. */
static bool begins_as(struct slice bytes, struct slice start)
{
    size_t n = MIN(bytes.len, start.len);

    return slice_eq(slice_sub(bytes, 0, n), slice_sub(start, 0, n));
}

enum rc proxy_header_read(struct slice bytes, struct proxy_header *out, struct err *err)
{
    struct proxy_header header = {0};
    enum rc rc;

    if (begins_as(bytes, V2_START))
        rc = bytes.len < V2_START.len ? RC_MORE : read_v2(bytes, &header, err);
    else if (begins_as(bytes, V1_START))
        rc = bytes.len < V1_START.len ? RC_MORE : read_v1(bytes, &header, err);
    else
        rc = refuse(err, "the connection does not begin with one");
    if (rc == RC_OK)
        *out = header;
    return rc;
}
