#include "config/syslog_target.h"

#include "base/ascii.h"
#include "base/ipaddr.h"
#include "base/scan.h"

static bool is_host_byte(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool is_address_byte(char c)
{
    return ascii_hex_value(c) >= 0 || c == ':' || c == '.';
}

/* HOST, or "[" address "]". */
static bool scan_host(struct scan *sc, struct slice *out)
{
    struct ipaddr address;

    if (!scan_byte(sc, '[')) {
        *out = scan_while(sc, is_host_byte);
        return out->len > 0;
    }
    *out = scan_while(sc, is_address_byte);
    return scan_byte(sc, ']') && ipaddr_parse(*out, &address);
}

bool syslog_target_parse(const char *text, struct syslog_target *out)
{
    struct scan sc = scan_of(slice_from_str(text));
    uint64_t port = SYSLOG_TLS_PORT;
    struct slice host;

    if (!scan_host(&sc, &host) || host.len > SYSLOG_HOST_MAX_BYTES)
        return false;
    if (scan_byte(&sc, ':') && (!scan_u64(&sc, UINT16_MAX, &port) || port == 0))
        return false;
    if (!scan_done(&sc))
        return false;
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    out->port = (uint16_t) port;
    return true;
}
