/*
 * offline.h - a store that no server has open, for the command line: a copy put together from
 * backups, to be read, or to become a server's store.
 *
 * It is opened by the engine and mailbox/ like the server's own; digests are not made.
 */
#ifndef ROOST_ROLES_OFFLINE_H
#define ROOST_ROLES_OFFLINE_H

#include "mailbox/digester.h"
#include "roles/mail_frames.h"

/* Makes none: nobody asks for a digest here, and whoever did would serve the message opaque. */
extern struct digester offline_digester;

struct offline_options {
    const char *path;    /* DATA/mail */
    int64_t until_us;    /* local_options.until_us */
    uint64_t must_reach; /* the journal must come as far as this LSN, or be cut at until_us */
};

/* RC_CONFLICT: the journal ends too early. */
MUST_CHECK enum rc offline_open(const struct offline_options *options, struct mail_store **out,
                                struct err *err);
void offline_close(struct mail_store *store); /* with checkpoints and the seal */

/* Every account: ids, free() them. */
MUST_CHECK enum rc offline_accounts(struct mail_store *store, uint64_t **out, size_t *out_n,
                                    struct err *err);

struct offline_counts {
    uint64_t accounts, mailboxes, messages, bytes;
    uint64_t bad; /* messages and accounts that cannot be read */
};

/* Read each message of the account to its last byte. bad: what fails, the walk goes on. */
void offline_walk(struct mail_store *store, uint64_t account,
                  void (*bad)(void *ctx, uint64_t account, struct slice mailbox, uint32_t uid,
                              const struct err *err),
                  void *ctx, struct offline_counts *counts);

/* Every mailbox of the account gets a UIDVALIDITY that was never given. */
MUST_CHECK enum rc offline_renew_uids(struct mail_store *store, uint64_t account,
                                      uint64_t *mailboxes, struct err *err);

/* mail_send_account() of an account that is there; RC_NOT_FOUND. */
MUST_CHECK enum rc offline_send(struct mail_store *store, uint64_t account,
                                const struct mail_choice *choice,
                                const struct mail_taker *taker, uint64_t *out_messages,
                                struct err *err);

#endif
