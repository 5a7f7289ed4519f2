/*
 * open_txn.h - the inside of a transaction; for mailbox/ only.
 */
#ifndef ROOST_MAILBOX_OPEN_TXN_H
#define ROOST_MAILBOX_OPEN_TXN_H

#include "mailbox/access.h"
#include "mailbox/open_account.h"
#include "mailbox/txn.h"

#define TXN_BODIES_MAX  16384u /* messages in one transaction */
#define TXN_ARENA_BYTES ((size_t) 256 << 20)

#define TXN_RECORD_BYTES 256u /* of a record about messages, without its runs and names */
#define TXN_RUN_BYTES    12u  /* of one run, at most */

struct mail_txn {
    struct account *account;
    bool keeps_lock; /* the lock is the caller's, and stays held */
    struct acct_state *fork;
    struct record_group group;
    uint64_t modseq;
    struct buf records;
    size_t n_records;
    struct staged_body *bodies; /* grown; what the group brings */
    uint32_t *body_sizes;       /* of each of them */
    size_t n_bodies, cap_bodies;
    struct arena *arena;
};

/* As txn_begin, for a caller who holds the account's lock and keeps it. */
struct mail_txn *txn_begin_locked(struct account *account, const struct actor *actor);

/* What the record needs to apply comes into the fork: before txn_add(). */
MUST_CHECK enum rc txn_need(struct mail_txn *txn, const struct record *record, struct err *err);
/* Write the record and apply it to the fork. Everything was checked. */
void txn_add(struct mail_txn *txn, const struct record *record);
/* The mailbox in the fork, its messages loaded or not. */
MUST_CHECK enum rc txn_find(struct mail_txn *txn, uint32_t mbox_id, const struct mbox **out,
                            struct err *err);
/* The same, and how the transaction's actor looks at it; with all of these rights, or
 * reader_needs()'s errors. */
MUST_CHECK enum rc txn_access(struct mail_txn *txn, uint32_t mbox_id, uint32_t rights,
                              struct reader *out, struct err *err);
/* Would n more bytes of records still fit one group? */
MUST_CHECK enum rc txn_has_room(const struct mail_txn *txn, size_t n, struct err *err);

/* Indexes of keywords in the mailbox's table; new names get KEYWORD records. Ascending, without
 * doubles. */
MUST_CHECK enum rc txn_keywords(struct mail_txn *txn, uint32_t mbox_id,
                                const struct slice *names, size_t n, uint16_t **out,
                                size_t *out_n, struct err *err);

/* A body of src staged for dst; the stage is the caller's. */
MUST_CHECK enum rc account_stage_copy(struct account *src, uint64_t body_id, uint32_t size,
                                      struct account *dst, struct body_stage **out,
                                      struct err *err);
/* A mailbox goes for good, with all it keeps, whether or not it can be read; an empty one of
 * its name, special use, list and entries takes its place. *out_id: the new one. */
MUST_CHECK enum rc txn_replace_mailbox(struct mail_txn *txn, uint32_t mbox_id, uint32_t *out_id,
                                       struct err *err);

/* A part of a change that is one record: flags of everybody, or those one reader keeps. */
struct flag_part {
    enum flag_op op;
    uint64_t reader; /* 0: everybody's */
    uint8_t flags;
    const uint16_t *keywords;
    size_t n_keywords;
    struct uid_set_builder changed;
};

/* The record of a part, if it changes any message. RC_LIMIT. */
MUST_CHECK enum rc txn_add_flags(struct mail_txn *txn, uint32_t mbox_id,
                                 const struct flag_part *part, struct err *err);

/* As txn_change_flags(), of a mailbox that is loaded and is not All, with these rights. */
MUST_CHECK enum rc txn_change_flags_as(struct mail_txn *txn, uint32_t mbox_id,
                                       const struct uid_set *uids,
                                       const struct flag_change *change,
                                       uint64_t unchangedsince, const struct reader *reader,
                                       struct arena *arena, struct uid_set *out_changed,
                                       struct uid_set *out_refused, struct err *err);

/* txn_all.c: the same of messages of All, which is loaded, by the uids they have there. Which
 * of it reader may do was asked. */
MUST_CHECK enum rc txn_change_flags_of_all(struct mail_txn *txn, const struct uid_set *uids,
                                           const struct flag_change *change,
                                           uint64_t unchangedsince, const struct reader *reader,
                                           struct arena *arena, struct uid_set *out_changed,
                                           struct uid_set *out_refused, struct err *err);
/* As txn_copy(), from All. */
MUST_CHECK enum rc txn_copy_of_all(struct mail_txn *txn, const struct uid_set *uids,
                                   uint32_t dst_mbox, bool move, struct arena *arena,
                                   struct copied *out, struct err *err);
/* What moved to another account goes where it lived. */
MUST_CHECK enum rc txn_expunge_of_all(struct mail_txn *txn, const struct uid_set *uids,
                                      struct arena *arena, struct err *err);
/* The message of All at index where it lives: its mailbox, loaded, and its index there. */
MUST_CHECK enum rc txn_find_home(struct mail_txn *txn, const struct mbox *all, uint32_t index,
                                 const struct mbox **out, uint32_t *out_index, struct err *err);

/* What sessions were told as \Recent since the last record goes along with the next one. */
void txn_note_recent(struct mail_txn *txn, uint32_t mbox_id);
/* Superiors that are missing, the highest first; not the name itself. */
MUST_CHECK enum rc txn_create_superiors(struct mail_txn *txn, struct slice name,
                                        struct err *err);
/* Before a mailbox is deleted: the oldest deleted one gives way if there are too many. */
void txn_make_room_for_deleted(struct mail_txn *txn);
/* A deleted mailbox goes for good. */
void txn_forget_mailbox(struct mail_txn *txn, uint32_t mbox_id);

#endif
