/*
 * shares.h - the register of shares: which accounts have mailboxes that others may see.
 *
 * LIST must find them without opening everybody. The register is an account of its own
 * (SHARES_ACCOUNT) in the same store: a mailbox for each account that shares, named by its id,
 * whose list holds the identifiers that stand in any list of that account. So it is durable,
 * recovered and backed up as everything else.
 *
 * It may name too much, never too little: an identifier is noted, durably, before it comes into
 * a mailbox's list, and stays until the account goes. What is true is in the lists themselves.
 */
#ifndef ROOST_MAILBOX_SHARES_H
#define ROOST_MAILBOX_SHARES_H

#include "mailbox/access.h"

#define SHARES_ACCOUNT ((uint64_t) 0x736861726573) /* "shares": auth gives random ids */

/* Before identifier (as acl_entry_name_print() writes it) comes into a list of the account.
 * Durable when it returns. RC_LIMIT: too many stand there. Holds no account's lock. */
MUST_CHECK enum rc shares_note(struct mail_store *store, uint64_t account,
                               struct slice identifier, struct err *err);
/* The account is gone. */
MUST_CHECK enum rc shares_forget(struct mail_store *store, uint64_t account, struct err *err);

/* Note whoever stands in a list of any account: for a register that lost something. An account
 * that does not open is passed over. */
MUST_CHECK enum rc shares_rebuild(struct mail_store *store, struct err *err);

/* The register, made if there is none, for whoever follows it (account_follow): what it gains
 * may name somebody anew. The caller owns one reference. */
MUST_CHECK enum rc shares_open(struct mail_store *store, struct account **out, struct err *err);

/* Ids of the accounts, but their own, that name this reader or one of the reader's groups: in
 * arena, ascending. */
MUST_CHECK enum rc shares_of(struct mail_store *store, uint64_t reader, struct arena *arena,
                             uint64_t **out, size_t *out_n, struct err *err);

#endif
