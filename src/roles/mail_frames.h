/*
 * mail_frames.h - an account's mail as a stream (docs/formats/mail-stream.md), for whoever
 * takes it: the verb `export`, and a restore that reads a store beside the running one.
 */
#ifndef ROOST_ROLES_MAIL_FRAMES_H
#define ROOST_ROLES_MAIL_FRAMES_H

#include "mailbox/mail_store.h"

struct mail_taker {
    void (*data)(void *ctx, struct slice bytes);
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    /* A message that cannot be read; the others go on. */
    void (*damaged)(void *ctx, struct slice mailbox, uint32_t uid, const struct err *err);
    bool (*gone)(void *ctx); /* nobody takes anything any more */
    void *ctx;
};

struct mail_choice {
    struct slice mailbox; /* only this one and what lies below it; empty: all */
    struct slice into;    /* names get this in front, and "/"; with a mailbox it is the name */
    bool with_uids;       /* UIDVALIDITY, UIDNEXT and UIDs: the taker may keep them */
    bool with_rest;       /* ACL, metadata, special use */
};

/* Everything that was chosen. RC_NOT_FOUND: no such mailbox. RC_UNAVAILABLE: the taker went. */
MUST_CHECK enum rc mail_send_account(struct account *account, const struct mail_choice *choice,
                                     const struct mail_taker *taker, uint64_t *out_messages,
                                     struct err *err);

#endif
