/*
 * url_token.h - mailbox access keys, and the tokens made with them.
 *
 * Spec: RFC 4467 2.2-2.5, 5 and 6. The mechanism INTERNAL here:
 *
 *     token = "01" HMAC-SHA-256(key, rump URL)      in hexadecimal
 *
 * The first octet names the algorithm. Each user has a table of keys, one for each mailbox
 * (also for those of others), 256 random bits: entries of the account's own metadata that no
 * client can name, since clients' entries begin with "/" (docs/formats/records.md, METADATA).
 */
#ifndef ROOST_COMMANDS_URL_TOKEN_H
#define ROOST_COMMANDS_URL_TOKEN_H

#include "account/state.h"
#include "base/buf.h"
#include "mailbox/txn.h"

#define URL_KEY_BYTES   32u
#define URL_TOKEN_CHARS (2u + 2u * 32u)
#define URL_KEY_ENTRY   "urlauth/" /* before the MAILBOXID */

struct url_key {
    uint8_t bytes[URL_KEY_BYTES];
};

/* The key of a mailbox in a user's table; false: there is none. */
bool url_key_find(const struct acct_state *user, const struct object_id *mailboxid,
                  struct url_key *out);
/* For a mailbox that cannot be told: so that this takes as long (RFC 4467 section 6). */
void url_key_random(struct url_key *out);
/* A new key into the table, in place of one that is there. */
MUST_CHECK enum rc url_key_renew(struct mail_txn *txn, const struct object_id *mailboxid,
                                 struct err *err);
/* The table is empty then. */
MUST_CHECK enum rc url_keys_remove(struct mail_txn *txn, struct arena *arena, struct err *err);
/* Changes whenever the key does; 0: there is none. */
uint64_t url_key_mark(const struct acct_state *user, const struct object_id *mailboxid);

void url_token_print(const struct url_key *key, struct slice rump, struct buf *out);
/* In constant time. Case of the digits is ignored. */
bool url_token_is_good(const struct url_key *key, struct slice rump, struct slice token);

#endif
