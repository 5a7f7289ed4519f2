/*
 * check.h - is everything there that the accounts say is there: each mailbox loads, each
 * message has its bytes, and they are those that came in.
 *
 * Works on a store in use: an account is opened like by a session, one mailbox at a time is
 * read, no lock is held for long. What is lost is told message by message.
 */
#ifndef ROOST_MAILBOX_CHECK_H
#define ROOST_MAILBOX_CHECK_H

#include "mailbox/mail_store.h"

enum check_kind {
    CHECK_ACCOUNT, /* it does not open: nothing of it is served */
    CHECK_MAILBOX, /* its messages do not load; the account is served otherwise */
    CHECK_MESSAGE, /* its bytes are damaged or missing; the mailbox is served otherwise */
};

/* Something is lost. Fields beyond the kind's are zero. Valid during the call. */
struct check_loss {
    enum check_kind kind;
    uint64_t account;
    struct slice mailbox;
    uint32_t mbox_id;  /* CHECK_MAILBOX */
    uint32_t uid;      /* CHECK_MESSAGE */
    uint64_t messages; /* how many this is */
    uint64_t size;     /* octets of the message */
    int64_t internaldate;
    const struct err *err;
};

struct check_watch {
    void (*lost)(void *ctx, const struct check_loss *loss);
    /* Called after each message or so; false ends the check. */
    bool (*goes_on)(void *ctx);
    void *ctx;
};

struct check_sum {
    uint64_t accounts, mailboxes, messages, bytes;
    uint64_t lost_accounts, lost_mailboxes, lost_messages;
    uint64_t repaired; /* accounts and mailboxes (repair.h) */
};

/* One account; adds to *sum. RC_OK whatever was found; RC_NOT_FOUND: there is none; RC_MORE:
 * ended by goes_on(); others: it could not be looked at. */
MUST_CHECK enum rc check_account(struct mail_store *store, uint64_t id,
                                 const struct check_watch *watch, struct check_sum *sum,
                                 struct err *err);
/* All that are stored. */
MUST_CHECK enum rc check_store(struct mail_store *store, const struct check_watch *watch,
                               struct check_sum *sum, struct err *err);

#endif
