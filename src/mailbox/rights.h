/*
 * rights.h - what an access control list permits.
 *
 * Spec: RFC 5257 4.10 (n); RFC 4314 2 (identifiers), 2.1 (rights), 2.1.1 (the obsolete c and
 * d), 4 (which right a command needs).
 *
 * A list is kept with its mailbox (mbox_info.acl): identifiers in the form that
 * acl_entry_name() writes, so that a name which is given to somebody else gives nobody access,
 * and rights as rights_print() writes them. An account's owner has all rights, whatever the
 * list says, and stands in none.
 *
 * Pure: no lock, no clock. Who asks whom, and on behalf of which mailbox, is access.h.
 */
#ifndef ROOST_MAILBOX_RIGHTS_H
#define ROOST_MAILBOX_RIGHTS_H

#include "account/state.h"

enum right {
    RIGHT_LOOKUP = 1u << 0,    /* l: the mailbox is seen by LIST; without it, it is missing */
    RIGHT_READ = 1u << 1,      /* r: SELECT, STATUS, FETCH, SEARCH, COPY from */
    RIGHT_SEEN = 1u << 2,      /* s: \Seen */
    RIGHT_WRITE = 1u << 3,     /* w: other flags and keywords, but \Deleted; /shared metadata */
    RIGHT_INSERT = 1u << 4,    /* i: APPEND, COPY into */
    RIGHT_POST = 1u << 5,      /* p: deliver to it by its address */
    RIGHT_CREATE = 1u << 6,    /* k: mailboxes below it */
    RIGHT_DELETE = 1u << 7,    /* x: the mailbox goes */
    RIGHT_DELETED = 1u << 8,   /* t: \Deleted */
    RIGHT_EXPUNGE = 1u << 9,   /* e: EXPUNGE, and that of CLOSE and MOVE */
    RIGHT_ADMIN = 1u << 10,    /* a: the list itself */
    RIGHT_ANNOTATE = 1u << 11, /* n: everybody's annotations of messages (RFC 5257 3.4) */
};
#define RIGHTS_ALL        0xfffu
#define RIGHTS_TEXT_BYTES 16u /* every letter, c and d, and a NUL */

/* The letters of rights, in the order of RFC 4314 2.1, n behind them. */
void rights_print(uint32_t rights, char out[RIGHTS_TEXT_BYTES]);
/* The same as RFC 2086 clients know them: with "c" where k or x is, "d" where t or e is (RFC
 * 4314 2.1.1). */
void rights_print_compatible(uint32_t rights, char out[RIGHTS_TEXT_BYTES]);
/* The rights that letters name. "c" and "d" stand for kx and te. False: another letter, or an
 * upper case one (RFC 4314 2.1: BAD). */
bool rights_parse(struct slice letters, uint32_t *out);

/* The flags that somebody with these rights may set and clear (RFC 4314 4). Keywords go with
 * RIGHT_WRITE. */
uint8_t rights_flags(uint32_t rights);

/* ---- identifiers ---- */

enum acl_kind { ACL_ANYONE, ACL_PRINCIPAL };

/* Whom an entry concerns, and whether it gives or takes (RFC 4314 2, negative rights). */
struct acl_entry_name {
    enum acl_kind kind;
    uint64_t id; /* of a user, a shared account or a group */
    bool negative;
};

#define ACL_ENTRY_NAME_BYTES 24u
/* "anyone" or "i" and 16 hexadecimal digits; "-" before it where rights are taken. */
void acl_entry_name_print(const struct acl_entry_name *name, char out[ACL_ENTRY_NAME_BYTES]);
bool acl_entry_name_parse(struct slice text, struct acl_entry_name *out);

/* Somebody who asks. */
struct identity {
    uint64_t account;
    const uint64_t *groups; /* ids, ascending */
    size_t n_groups;
};

bool acl_entry_concerns(const struct acl_entry_name *name, const struct identity *who);

/* What the list gives: the union of all entries that concern who, without what negative ones
 * take. Without RIGHT_LOOKUP nothing is left but RIGHT_POST. */
uint32_t acl_rights(const struct mbox_info *info, const struct identity *who);

#endif
