/*
 * record.h - what happened to an account, with its results: the journal's language [format].
 *
 * Encoding and versions: docs/formats/records.md. A record holds results (uids, modseq, ids,
 * resulting sets), never intentions, so that applying it needs no decision and cannot fail.
 * What time or pressure causes is a record too. A group is the records of one transaction: all
 * or nothing.
 *
 * Memory: decoded records point into the bytes they were decoded from and into the arena given.
 */
#ifndef ROOST_ACCOUNT_RECORD_H
#define ROOST_ACCOUNT_RECORD_H

#include "account/types.h"
#include "base/buf.h"
#include "base/scan.h"

#define GROUP_RECORDS_MAX_BYTES ((size_t) 16 << 20) /* the records of one group, encoded */

enum record_type {
    RECORD_APPEND = 1,
    RECORD_FLAGS = 2,
    RECORD_EXPUNGE = 3,
    RECORD_COPY = 4,
    RECORD_MOVE = 5,
    RECORD_MAILBOX = 6,
    RECORD_SUBSCRIBE = 7,
    RECORD_ACL = 8,
    RECORD_METADATA = 9,
    RECORD_KEYWORD = 10,
    RECORD_QUOTA = 11,
    RECORD_THREADID = 12,
    RECORD_PURGE = 13,
    RECORD_XFER_OUT = 14,
    RECORD_XFER_IN = 15,
    RECORD_ACCOUNT = 16,
    RECORD_FORGET = 17,
    RECORD_RESTORE = 18,
    RECORD_ANNOTATE = 19,
};

/* A message comes into a mailbox. uid >= the mailbox's uidnext. */
struct record_append {
    uint32_t mbox, uid;
    uint8_t flags;
    const uint16_t *keywords; /* indexes in the mailbox's keyword table, ascending */
    size_t n_keywords;
    uint32_t size; /* octets of the message */
    struct mail_date internaldate;
    int64_t savedate;                   /* unix seconds */
    struct object_id emailid, threadid; /* threadid may be zero: a THREADID record gives it */
    uint64_t body_id;                   /* the account's, never reused; >= next_body_id */
    uint64_t modseq;
};

enum flag_op { FLAG_OP_ADD, FLAG_OP_REMOVE, FLAG_OP_REPLACE };

/* Flags of the messages in uids change; the set names only messages that really change. */
struct record_flags {
    uint32_t mbox;
    uint64_t reader; /* 0: everybody's flags; else the account whose private overlay changes */
    enum flag_op op;
    uint8_t flags;
    const uint16_t *keywords;
    size_t n_keywords;
    struct uid_set uids;
    uint64_t modseq;
};

struct record_expunge {
    uint32_t mbox;
    struct uid_set uids; /* existing messages only */
    uint64_t modseq;
};

/* COPY and MOVE inside the account: the messages of src get dst_first_uid, +1, ... in uid
 * order. Ids, dates and bodies go along; keywords by name (the target's KEYWORD records come
 * before); annotations of one reader and those of everybody, if it says so. */
struct record_copy {
    uint32_t src, dst;
    struct uid_set uids; /* existing messages of src only */
    uint32_t dst_first_uid;
    int64_t savedate;
    uint64_t modseq;
    bool annotations; /* everybody's */
    uint64_t reader;  /* whose own ones; 0: none */
};

/* An entry beside a message (RFC 5257), or that it is deleted. */
struct annotation {
    struct slice entry;
    struct slice value;
    bool is_nil;     /* deleted: value is empty */
    uint64_t modseq; /* of its last change; of a record: the record's */
};

/* Entries of the messages in uids are set. */
struct record_annotate {
    uint32_t mbox;
    uint64_t reader;                  /* 0: everybody's; else whose own */
    const struct annotation *entries; /* by name, ascending */
    size_t n_entries;
    struct uid_set uids;
    uint64_t modseq;
};

enum mailbox_op {
    MAILBOX_CREATE = 1,      /* name, mailboxid, uidvalidity, uidnext, special_use */
    MAILBOX_DELETE = 2,      /* kept whole, until a FORGET record */
    MAILBOX_RENAME = 3,      /* name */
    MAILBOX_USE = 4,         /* special_use */
    MAILBOX_RECENT = 5,      /* first_recent */
    MAILBOX_UIDNEXT = 6,     /* uidnext, upwards only (import) */
    MAILBOX_UIDVALIDITY = 7, /* uidvalidity, a greater one: uids here were perhaps given
                                twice (restore) */
};

struct record_mailbox {
    enum mailbox_op op;
    uint32_t mbox;     /* CREATE: the new local id, never used before */
    struct slice name; /* UTF-8 NFC, "/" between components */
    struct object_id mailboxid;
    uint32_t uidvalidity, uidnext, first_recent;
    uint32_t special_use;
    uint64_t modseq;
};

struct record_subscribe {
    struct slice name; /* a name, not a mailbox: it may be missing (RFC 9051 6.3.7) */
    bool on;
};

struct record_acl {
    uint32_t mbox;
    struct slice identifier;
    struct slice rights; /* empty: the entry goes */
    uint64_t modseq;
};

struct record_metadata {
    uint32_t mbox; /* 0: the account's own */
    struct slice entry;
    struct slice value;
    bool is_nil; /* the entry goes */
    uint64_t modseq;
};

struct record_keyword {
    uint32_t mbox;
    uint16_t index; /* the next free one */
    struct slice name;
};

struct record_quota {
    struct slice resource;
    uint64_t limit;
    bool unlimited;
};

struct record_threadid {
    uint32_t mbox;
    uint32_t uid;
    struct object_id threadid;
};

struct record_purge {
    uint32_t mbox;
    uint64_t
        expunged_below_modseq; /* memory of expunges up to here is given up (RFC 7162 3.2.7) */
};

/* Reserved: a transfer between accounts where the engine cannot commit two at once. Carried and
 * kept, not yet produced. */
struct record_xfer {
    uint64_t peer_account;
    uint64_t transfer_id;
    struct slice payload;
};

enum forget_op {
    FORGET_MESSAGES = 1, /* the oldest n messages that mbox keeps; mbox may be a deleted one */
    FORGET_MAILBOX = 2,  /* the deleted mailbox mbox, with all it keeps */
};

/* What was expunged or deleted can no longer be brought back: the undelete window is over, or
 * space is short. */
struct record_forget {
    enum forget_op op;
    uint32_t mbox;
    uint32_t n;
};

enum restore_op {
    RESTORE_MESSAGES = 1, /* mbox, dst, uids, dst_first_uid, savedate */
    RESTORE_MAILBOX = 2,  /* mbox, name, special_use; new_mbox and, with it, mailboxid and
                             uidvalidity */
};

/*
 * Messages that mbox keeps come into dst, which may be mbox itself: in the order of the uids
 * they had they get dst_first_uid, +1, ... Dates, ids, bodies, keywords (by name) and flags but
 * \Deleted go along. Or: the deleted mailbox mbox is there again under a name. new_mbox is 0
 * and it is what it was, or it is the mailbox's new local id, which comes with a new MAILBOXID
 * and a new uidvalidity, because its name was another mailbox's since or it gets another one.
 */
struct record_restore {
    enum restore_op op;
    uint32_t mbox;
    uint32_t dst, dst_first_uid;
    struct uid_set uids; /* kept ones only */
    int64_t savedate;
    struct slice name;
    uint32_t special_use;
    uint32_t new_mbox;
    struct object_id mailboxid;
    uint32_t uidvalidity;
    uint64_t modseq;
};

/* The first record of an account. */
struct record_account {
    uint64_t first_modseq;
};

struct record {
    enum record_type type;
    union {
        struct record_append append;
        struct record_flags flags;
        struct record_expunge expunge;
        struct record_copy copy; /* COPY and MOVE */
        struct record_mailbox mailbox;
        struct record_subscribe subscribe;
        struct record_acl acl;
        struct record_metadata metadata;
        struct record_keyword keyword;
        struct record_quota quota;
        struct record_threadid threadid;
        struct record_purge purge;
        struct record_xfer xfer; /* XFER_OUT and XFER_IN */
        struct record_account account;
        struct record_forget forget;
        struct record_restore restore;
        struct record_annotate annotate;
    };
};

/* Does it make a mailbox with \All (all.h)? Such a record has a version of its own. */
bool record_makes_all(const struct record *record);

/* Head of a group: who and when. */
struct record_group {
    struct actor actor;
    int64_t time_us; /* clock_wall_us() */
};

/* Write the head, then the records one by one. buf's maximum is GROUP_RECORDS_MAX_BYTES: check
 * overflow. */
void record_group_encode(struct buf *buf, const struct record_group *group);
void record_encode(struct buf *buf, const struct record *record);

/* Read them back. RC_CORRUPT for anything the writers above do not write; outputs untouched. */
MUST_CHECK enum rc record_group_decode(struct scan *sc, struct record_group *out,
                                       struct err *err);
/* RC_MORE at the end of the group. */
MUST_CHECK enum rc record_decode(struct scan *sc, struct arena *arena, struct record *out,
                                 struct err *err);

#endif
