/*
 * txn.h - one change of an account, all or nothing.
 *
 * Begin takes the account's lock; each call below validates, gives uids and modseq, writes its
 * record and applies it to the transaction's own fork, so that later calls see it; commit hands
 * the group to the engine, links the fork to the chain and unlocks. Abort forgets everything.
 *
 * After a call that failed, the transaction can only be aborted. Errors: RC_NOT_FOUND,
 * RC_EXISTS, RC_INVALID (names), RC_LIMIT, RC_DENIED (the actor lacks a right that the call
 * needs: access.h; RC_NOT_FOUND where the actor may not even look the mailbox up). commit:
 * RC_QUOTA (quota.h), RC_CONFLICT (run the command again from its arguments), RC_FULL,
 * RC_UNAVAILABLE, RC_IO; the transaction is gone in each case.
 *
 * One modseq serves the whole transaction.
 */
#ifndef ROOST_MAILBOX_TXN_H
#define ROOST_MAILBOX_TXN_H

#include "mailbox/mail_store.h"

struct mail_txn;

MUST_CHECK enum rc txn_begin(struct account *account, const struct actor *actor,
                             struct mail_txn **out, struct err *err);
/* For AUTO: aborts what was not committed. */
void txn_abortp(struct mail_txn **txn);
/*
 * *out_position is what replies must wait for; a transaction without records commits nothing
 * and gives the position of the version it saw (durable or not: what was read must not vanish
 * either). Takes txn in any case.
 */
MUST_CHECK enum rc txn_commit(struct mail_txn **txn, uint64_t *out_position, struct err *err);

/* The version it began from; while it is open nobody puts another in its place. */
const struct acct_state *txn_base(const struct mail_txn *txn);

/*
 * Two accounts changed together: begin locks both, the lower id first. commit makes one change
 * of them on an engine with ENGINE_MULTI_ACCT; on others `to` is durable before `from` is
 * committed, so that what moves is there twice for a moment, and never nowhere. Takes both in
 * any case; errors as txn_commit().
 */
MUST_CHECK enum rc txn_begin_pair(struct account *a, struct account *b,
                                  const struct actor *actor, struct mail_txn **out_a,
                                  struct mail_txn **out_b, struct err *err);
MUST_CHECK enum rc txn_commit_pair(struct mail_txn **from, struct mail_txn **to,
                                   uint64_t *out_from, uint64_t *out_to, struct err *err);

struct account *txn_account(const struct mail_txn *txn);
/* The state with everything so far applied. */
const struct acct_state *txn_state(const struct mail_txn *txn);
uint64_t txn_modseq(const struct mail_txn *txn);
/* The mailbox in txn_state, its messages loaded. */
MUST_CHECK enum rc txn_mailbox(struct mail_txn *txn, uint32_t mbox_id, const struct mbox **out,
                               struct err *err);

/* ---- messages ---- */

struct new_message {
    /* The caller's until a txn_commit that answers RC_OK takes it over: a command that is run
     * again after RC_CONFLICT appends the same stage. */
    struct body_stage *stage;
    uint8_t flags;
    const struct slice *keywords; /* names; new ones enter the mailbox's table */
    size_t n_keywords;
    struct mail_date internaldate;
    int64_t savedate;                 /* 0: now */
    uint32_t uid;                     /* 0: the next; else >= uidnext (import) */
    const struct object_id *emailid;  /* NULL: a new one; else nobody else's (import) */
    const struct object_id *threadid; /* NULL: given later */
};
MUST_CHECK enum rc txn_append(struct mail_txn *txn, uint32_t mbox_id,
                              const struct new_message *message, uint32_t *out_uid,
                              struct err *err);

/*
 * The stages that one transaction is to append are complete: what of them is long becomes
 * durable here. Called before txn_begin(), so that no writer of the account waits for that
 * sync.
 */
MUST_CHECK enum rc account_finish_stages(struct account *account,
                                         struct body_stage *const *stages, size_t n,
                                         struct err *err);

struct flag_change {
    enum flag_op op;
    uint8_t flags;
    const struct slice *keywords;
    size_t n_keywords;
};
#define UNCHANGEDSINCE_NONE UINT64_MAX
/*
 * Messages of uids that exist and whose modseq is <= unchangedsince change; those newer are put
 * into *out_refused; those that really changed into *out_changed (both in arena). A change that
 * changes nothing writes no record. A keyword beyond KEYWORDS_MAX: RC_LIMIT.
 */
MUST_CHECK enum rc txn_change_flags(struct mail_txn *txn, uint32_t mbox_id,
                                    const struct uid_set *uids,
                                    const struct flag_change *change, uint64_t unchangedsince,
                                    struct arena *arena, struct uid_set *out_changed,
                                    struct uid_set *out_refused, struct err *err);

/* Entries beside messages (RFC 5257): everybody's, and the actor's own; in any order, the last
 * of a name counts. modseq of each is unused. */
struct annotation_change {
    const struct annotation *shared, *own;
    size_t n_shared, n_own;
};
/*
 * As txn_change_flags(), with RIGHT_READ, and RIGHT_ANNOTATE for everybody's. RC_LIMIT:
 * *out_limit says which; else it is ANNOTATION_FITS.
 */
MUST_CHECK enum rc txn_annotate(struct mail_txn *txn, uint32_t mbox_id,
                                const struct uid_set *uids,
                                const struct annotation_change *change, uint64_t unchangedsince,
                                struct arena *arena, struct uid_set *out_changed,
                                struct uid_set *out_refused, enum annotation_limit *out_limit,
                                struct err *err);

/* Present entries of one message, of this reader (0: everybody's), beside another: what does
 * not fit is RC_LIMIT. Who may is the caller's matter. */
MUST_CHECK enum rc txn_take_annotations(struct mail_txn *txn, uint32_t mbox_id, uint32_t uid,
                                        uint64_t reader, const struct annotation *entries,
                                        size_t n, struct err *err);

/* Expunge those of uids that exist (only with \Deleted, if only_deleted). Which: *out. */
MUST_CHECK enum rc txn_expunge(struct mail_txn *txn, uint32_t mbox_id,
                               const struct uid_set *uids, bool only_deleted,
                               struct arena *arena, struct uid_set *out, struct err *err);

/* What COPYUID tells: src uids that existed, in order, and the uids they got. */
struct copied {
    struct uid_set src, dst;
    uint32_t uidvalidity; /* of the target */
};
MUST_CHECK enum rc txn_copy(struct mail_txn *txn, uint32_t src_mbox, const struct uid_set *uids,
                            uint32_t dst_mbox, bool move, struct arena *arena,
                            struct copied *out, struct err *err);

/*
 * COPY and MOVE into another account. Bodies are an account's own, so they are read and staged
 * there first, with no lock held; what they are staged for may be expunged meanwhile, and is
 * left out then.
 */
struct crossing;
/* uids of a loaded mailbox in this version of src, which outlive it as both accounts do.
 * Nothing is staged yet. RC_LIMIT: more than one transaction takes. */
MUST_CHECK enum rc crossing_new(struct account *src, const struct acct_state *state,
                                const struct mbox *mbox, const struct uid_set *uids,
                                struct account *dst, struct crossing **out, struct err *err);
/* Stage some of them. RC_MORE: there are more. */
MUST_CHECK enum rc crossing_stage(struct crossing *crossing, struct err *err);
/* How many are staged; of how many. */
size_t crossing_staged(const struct crossing *crossing, size_t *out_total);
void crossing_freep(struct crossing **crossing);
/* from and to are a pair. Flags go along as the actor sees them, as far as the actor may set
 * them there; EMAILID and THREADID do. */
MUST_CHECK enum rc txn_cross(struct mail_txn *from, uint32_t src_mbox,
                             struct crossing *crossing, struct mail_txn *to, uint32_t dst_mbox,
                             bool move, struct arena *arena, struct copied *out,
                             struct err *err);
/* Behind a commit that answered RC_OK: the stages are the engine's. */
void crossing_landed(struct crossing *crossing);

/* ---- what is kept of the expunged and the deleted (account/kept.h) ---- */

/* Messages that src keeps come back into dst (src itself, perhaps) under new uids, without
 * \Deleted; uids that are not kept are left out. All of them, or an error. */
MUST_CHECK enum rc txn_restore_messages(struct mail_txn *txn, uint32_t src_mbox,
                                        const struct uid_set *uids, uint32_t dst_mbox,
                                        struct arena *arena, struct copied *out,
                                        struct err *err);
/*
 * A deleted mailbox comes back: as it was, if its name is free and was nobody's since; under
 * its name with a new UIDVALIDITY and MAILBOXID, if the name is free again; else so as "NAME
 * (restored)". Special uses that others have by now stay theirs. *out_id: what it is.
 */
MUST_CHECK enum rc txn_restore_mailbox(struct mail_txn *txn, uint32_t mbox_id, uint32_t *out_id,
                                       struct err *err);
/*
 * What went before this time is kept no longer. A bounded number of records; *out_more: there
 * is more to do. A mailbox whose kept messages cannot be read is passed over (logged).
 */
MUST_CHECK enum rc txn_forget_before(struct mail_txn *txn, int64_t sec, bool *out_more,
                                     struct err *err);

/* ---- mailboxes ---- */

/* name: UTF-8 NFC. Missing superiors are made as well (RFC 9051 6.3.4). RC_EXISTS. *out_id may
 * be NULL. */
MUST_CHECK enum rc txn_create_mailbox(struct mail_txn *txn, struct slice name,
                                      uint32_t special_use, uint32_t *out_id, struct err *err);
/* The same with a given UIDVALIDITY and UIDNEXT (import of a mailbox that was elsewhere). */
MUST_CHECK enum rc txn_create_mailbox_as(struct mail_txn *txn, struct slice name,
                                         uint32_t uidvalidity, uint32_t uidnext,
                                         uint32_t *out_id, struct err *err);
/*
 * A mailbox that never held a message takes this UIDVALIDITY, as if it had been made with it:
 * its name, special use and subscription stay, sessions in it end. For INBOX and the others a
 * new account comes with. RC_EXISTS: it held messages, or its UIDs are in use already.
 */
MUST_CHECK enum rc txn_adopt_mailbox(struct mail_txn *txn, struct slice name,
                                     uint32_t uidvalidity, uint32_t *out_id, struct err *err);
/*
 * An entry of a mailbox, or of the account (mbox_id 0); value NULL: it goes. What changes
 * nothing writes no record. RC_LIMIT: the value is longer than METADATA_VALUE_MAX, the name
 * than METADATA_NAME_MAX, or there are METADATA_ENTRIES_MAX already.
 */
MUST_CHECK enum rc txn_set_metadata(struct mail_txn *txn, uint32_t mbox_id, struct slice entry,
                                    const struct slice *value, struct err *err);
/* INBOX: RC_INVALID. Children stay. */
MUST_CHECK enum rc txn_delete_mailbox(struct mail_txn *txn, struct slice name, struct err *err);
/* With everything below it. INBOX: its messages move into a new mailbox of that name (RFC
 * 9051 6.3.6). */
MUST_CHECK enum rc txn_rename_mailbox(struct mail_txn *txn, struct slice from, struct slice to,
                                      struct err *err);
MUST_CHECK enum rc txn_set_special_use(struct mail_txn *txn, uint32_t mbox_id,
                                       uint32_t special_use, struct err *err);
MUST_CHECK enum rc txn_set_uidnext(struct mail_txn *txn, uint32_t mbox_id, uint32_t uidnext,
                                   struct err *err);
/* Another UIDVALIDITY, never given before: whoever knows the mailbox forgets what its UIDs were
 * (a store that was set back). Messages stay. */
MUST_CHECK enum rc txn_renew_uidvalidity(struct mail_txn *txn, uint32_t mbox_id,
                                         struct err *err);
/* An entry as it stands in the state; empty rights take it out. RC_LIMIT. Whoever adds one
 * calls shares_note() before (account_put_acl() does it all). */
MUST_CHECK enum rc txn_put_acl(struct mail_txn *txn, uint32_t mbox_id, struct slice identifier,
                               struct slice rights, struct err *err);
/* What the account itself may hold of a resource; set false: it says nothing about it. */
MUST_CHECK enum rc txn_set_quota(struct mail_txn *txn, enum quota_resource resource, bool set,
                                 uint64_t limit, struct err *err);
MUST_CHECK enum rc txn_subscribe(struct mail_txn *txn, struct slice name, bool on,
                                 struct err *err);

#endif
