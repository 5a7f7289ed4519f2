/*
 * quota.h - how much an account may hold: RFC 9208's STORAGE, MESSAGE and MAILBOX.
 *
 * A limit comes, for each resource alone, from the first of these that names one: the account
 * itself; the groups it is in, of which the largest counts; the server's default. None: there
 * is no limit.
 */
#ifndef ROOST_MAILBOX_QUOTA_H
#define ROOST_MAILBOX_QUOTA_H

#include "base/slice.h"

enum quota_resource {
    QUOTA_STORAGE,  /* bytes; units of 1024 octets on the wire (RFC 9208 5.1) */
    QUOTA_MESSAGES, /* RFC 9208 5.2 */
    QUOTA_MAILBOXES /* RFC 9208 5.3 */
};
#define QUOTA_RESOURCES 3u

#define QUOTA_LIMIT_MAX ((uint64_t) INT64_MAX) /* RFC 9208 7: number64 is below 2^63 */
#define QUOTA_UNLIMITED UINT64_MAX /* said outright: what comes later does not count */

/* What one source says. */
struct quota_limits {
    bool set[QUOTA_RESOURCES];
    uint64_t limit[QUOTA_RESOURCES]; /* where set; or QUOTA_UNLIMITED */
};

#endif
