/*
 * proxy_header.h - what a proxy says of the connection that it passes on: the PROXY protocol,
 * versions 1 and 2, as HAProxy's proxy-protocol.txt has it.
 *
 * The header stands before all else, TLS included. Who may send one is the caller's to decide:
 * it is believed.
 */
#ifndef ROOST_NET_PROXY_HEADER_H
#define ROOST_NET_PROXY_HEADER_H

#include "base/ipaddr.h"

#define PROXY_V1_MAX_BYTES 107u /* section 2.1, with CR LF */
#define PROXY_HEADER_MAX_BYTES                                                                 \
    2048u /* version 2 with what it adds (TLVs), which is not looked at */

struct proxy_header {
    struct ipaddr client,
        server; /* family none: the proxy speaks for itself, or does not know */
    size_t len; /* octets of the header */
};

/*
 * bytes: all that has come, from the first. RC_OK; RC_MORE: they are the beginning of a header,
 * and none of them is behind it; RC_SYNTAX, RC_LIMIT: no header, or one that is too long.
 */
MUST_CHECK enum rc proxy_header_read(struct slice bytes, struct proxy_header *out,
                                     struct err *err);

#endif
