/*
 * syslog_target.h - where the audit log is sent: "siem.example.org", "siem.example.org:6514",
 * "192.0.2.7", "[2001:db8::7]:6514".
 */
#ifndef ROOST_CONFIG_SYSLOG_TARGET_H
#define ROOST_CONFIG_SYSLOG_TARGET_H

#include "base/slice.h"

#define SYSLOG_TLS_PORT       6514u /* RFC 5425 4.1 */
#define SYSLOG_HOST_MAX_BYTES 255u

struct syslog_target {
    char host[SYSLOG_HOST_MAX_BYTES + 1]; /* without brackets */
    uint16_t port;
};

/* False: it has none of these forms. */
bool syslog_target_parse(const char *text, struct syslog_target *out);

#endif
