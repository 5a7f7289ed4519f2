/*
 * acl.h - changing an access control list, and whom an identifier of a client means.
 *
 * Spec: RFC 4314 2, 3 and 6. Identifiers are written as acl_text.h has them, but for ids: those
 * are the administrator's. In the state stand ids (rights.h), never words: a name that somebody
 * else gets later gives nothing, and one that is gone is not shown.
 */
#ifndef ROOST_MAILBOX_ACL_H
#define ROOST_MAILBOX_ACL_H

#include "mailbox/rights.h"
#include "mailbox/txn.h"

#define ACL_WORD_BYTES 1100u /* a name with what stands before it */

/* Whom a word means. RC_INVALID: nobody. */
MUST_CHECK enum rc acl_word_read(const struct principals *people, struct slice word,
                                 struct acl_entry_name *out, struct err *err);
/* False, and nothing is printed: somebody who is gone. */
bool acl_word_print(const struct principals *people, const struct acl_entry_name *name,
                    struct buf *out);
/* Is it the owner of the account, who has all rights and stands in no list? Of an ownerless
 * account: itself. */
bool acl_is_owner(const struct account *account, const struct acl_entry_name *name);

enum acl_op { ACL_SET, ACL_ADD, ACL_REMOVE };

struct acl_change {
    struct acl_entry_name name;
    enum acl_op op;
    uint32_t rights; /* ACL_SET with none: the entry goes */
};

/*
 * Change one entry of a mailbox's list, for whoever changes one: the register of shares
 * (shares.h) hears of it first. *position: of the actor's last write there; then what to wait
 * for. RC_NOT_FOUND, RC_DENIED: as reader_needs() of RIGHT_ADMIN. RC_INVALID: it is the owner.
 * RC_LIMIT; errors of txn_commit(), RC_CONFLICT among them.
 */
MUST_CHECK enum rc account_put_acl(struct account *account, const struct actor *actor,
                                   struct slice mailbox, const struct acl_change *change,
                                   uint64_t *position, struct err *err);
/* The same, still to be committed. */
MUST_CHECK enum rc account_begin_acl(struct account *account, const struct actor *actor,
                                     struct slice mailbox, const struct acl_change *change,
                                     uint64_t position, struct mail_txn **out, struct err *err);

#endif
