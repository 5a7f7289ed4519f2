/*
 * quota.h - how much an account may hold: RFC 9208's STORAGE, MESSAGE, MAILBOX and
 * ANNOTATION-STORAGE.
 *
 * A limit comes, for each resource alone, from the first of these that names one: the account
 * itself (in its state, by a QUOTA record); the groups it is in, of which the largest counts
 * (they say nothing of annotations);
 * the server's default. None: there is no limit.
 *
 * A transaction after which an account holds more of a resource than it did, and more than the
 * limit, is refused whole with RC_QUOTA before anything of it is written. (The mailboxes that a
 * new account comes with are not asked about.) So whatever makes an account smaller, or moves
 * within it, always works, also when a limit was set below what is there.
 */
#ifndef ROOST_MAILBOX_QUOTA_H
#define ROOST_MAILBOX_QUOTA_H

#include "account/state.h"

enum quota_resource {
    QUOTA_STORAGE,     /* bytes; units of 1024 octets on the wire (RFC 9208 5.1) */
    QUOTA_MESSAGES,    /* RFC 9208 5.2 */
    QUOTA_MAILBOXES,   /* RFC 9208 5.3 */
    QUOTA_ANNOTATIONS, /* bytes, with what an entry takes besides its texts; RFC 9208 5.4 */
};
#define QUOTA_RESOURCES 4u

#define QUOTA_LIMIT_MAX ((uint64_t) INT64_MAX) /* RFC 9208 7: number64 is below 2^63 */
#define QUOTA_UNLIMITED UINT64_MAX /* said outright: what comes later does not count */

/* "STORAGE", "ANNOTATION-STORAGE": as on the wire, and in an account's QUOTA records. */
struct slice quota_resource_name(enum quota_resource resource);
/* "storage", "messages", "mailboxes", "annotations": for people and the log. */
const char *quota_resource_word(enum quota_resource resource);
/* Is it counted in units of 1024 octets on the wire (RFC 9208 5.1, 5.4)? */
bool quota_resource_is_bytes(enum quota_resource resource);
/* By the name on the wire; case is ignored. */
bool quota_resource_find(struct slice name, enum quota_resource *out);

/* What one source says. */
struct quota_limits {
    bool set[QUOTA_RESOURCES];
    uint64_t limit[QUOTA_RESOURCES]; /* where set; or QUOTA_UNLIMITED */
};

#define QUOTA_MARKS_MAX 8u

/* Of a server. */
struct quota_settings {
    struct quota_limits defaults;
    uint8_t marks[QUOTA_MARKS_MAX]; /* percent of a limit; crossing one is logged */
    size_t n_marks;
};

/* How an account stands. */
struct quota_status {
    uint64_t usage[QUOTA_RESOURCES];
    uint64_t limit[QUOTA_RESOURCES]; /* QUOTA_UNLIMITED: none */
};

struct mail_store;
/* Of an account's state, by the store's directory (whose groups it is in) and settings. */
void quota_of(struct mail_store *store, const struct acct_state *state,
              struct quota_status *out);
/* What the account itself says, and nobody else. */
struct quota_limits quota_own_limits(const struct acct_state *state);

/* What an account may still take. */
struct quota_room {
    uint64_t left[QUOTA_RESOURCES]; /* QUOTA_UNLIMITED: any number */
};
/* whole: as if it held nothing, for what will replace some of it. */
void quota_room_of(struct mail_store *store, const struct acct_state *state, bool whole,
                   struct quota_room *out);
/* RC_QUOTA: so much more of a resource does not fit. What is known before anything is written;
 * quota_check() decides. */
MUST_CHECK enum rc quota_room_check(const struct quota_room *room, enum quota_resource resource,
                                    uint64_t more, struct err *err);

/* RC_QUOTA: after holds more than before, and more than it may. */
MUST_CHECK enum rc quota_check(struct mail_store *store, const struct acct_state *before,
                               const struct acct_state *after, struct err *err);
/* The change is committed: log each mark that it crosses upwards. */
void quota_log_marks(struct mail_store *store, const struct acct_state *before,
                     const struct acct_state *after);

#endif
