/*
 * deliver.h - one message into the mailboxes of its recipients.
 */
#ifndef ROOST_LMTP_DELIVER_H
#define ROOST_LMTP_DELIVER_H

#include "lmtp/lmtp.h"
#include "lmtp/trace.h"
#include "mime/crlf.h"

struct lmtp_client;

/* Where one recipient's delivery stands. */
struct recipient {
    struct arena *arena;  /* the transaction's: all texts here live in it */
    struct slice address; /* as in RCPT TO */
    uint64_t account;     /* 0: refused at RCPT already, and not in the list */
    struct slice user, mailbox, detail;
    struct account *open; /* from the delivery until its reply */
    uint64_t position;    /* to wait for */
    struct account_waiter waiter;
    struct lmtp_client *client; /* whom the waiter wakes */
    bool waits;
    uint32_t uid;
    struct slice folder; /* where it went, for the log */
    enum rc rc;          /* of the delivery */
    bool never_fits;     /* RC_QUOTA, also if the account were empty */
    struct err err;
};

/* A message on its way in. */
struct delivery {
    struct body_stage *stage; /* in the first recipient's account, with its trace fields */
    uint64_t prefix_bytes;    /* of those fields */
    struct crlf crlf;
    struct trace_filter filter;
    uint64_t content_bytes;
    enum rc rc; /* the first failure of staging; then the rest is swallowed */
    struct err err;
};

/* Begin to stage for the first recipient. A failure is kept in the delivery. */
void delivery_begin(struct delivery *delivery, const struct lmtp_options *options,
                    const struct recipient *first, const struct trace *trace);
/* Content as it arrives: line ends made CRLF, Return-Path taken out. */
void delivery_write(struct delivery *delivery, const struct lmtp_options *options,
                    struct slice content);
/* The message is complete: commit it for each recipient; rc, position, uid and folder are set.
 */
void delivery_commit(struct delivery *delivery, const struct lmtp_options *options,
                     struct recipient *recipients, size_t n, struct trace *trace);
void delivery_free(struct delivery *delivery, const struct lmtp_options *options);

#endif
