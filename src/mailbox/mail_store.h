/*
 * mail_store.h - the accounts of this process, open and closed, over one engine.
 *
 * An open account has one lock (writers), one chain of versions, and lists of those who wait or
 * watch:
 *
 *     durable <- v1 <- v2 <- tip        v1, v2, tip: committed, not yet on disk
 *
 * Readers take `durable`, or, behind a write of their own, the version of that write; what such
 * a read says may leave the process only when that position is durable (account_wait). So
 * nobody sees a state that could vanish.
 *
 * Locks, taken upwards only: account < engine's own < the registry of open accounts and the
 * watch lock of an account, which are leaves. Nothing waits for a disk or a socket with one of
 * them held, but loading an account's pages.
 */
#ifndef ROOST_MAILBOX_MAIL_STORE_H
#define ROOST_MAILBOX_MAIL_STORE_H

#include "account/state.h"
#include "base/list.h"
#include "base/pace.h"
#include "mailbox/digester.h"
#include "mailbox/principals.h"
#include "store/engine.h"

struct mail_store;
struct account;

struct mail_store_options {
    struct engine *engine;     /* taken over */
    struct digester *digester; /* must outlive the store */
    /* Called, from any thread, with the accounts being worked on, so that a crash has a name.
     * May be NULL. */
    void (*note)(void *ctx, uint64_t account, bool begins);
    void *note_ctx;
    size_t memory_bytes;  /* for accounts, mailboxes and messages; 0: MAIL_MEMORY_BYTES */
    int64_t undelete_sec; /* what is expunged or deleted is kept so long; 0: not at all */
    struct quota_settings quota;
    struct principal_registry *principals; /* must outlive the store; NULL: there is nobody */
    /* What somebody waits for, which threads that make derived data give way to; must outlive
     * the store. NULL: nobody says. */
    struct pace_front *front;
};

/* Starts the background threads (digests, checkpoints, expiry). */
struct mail_store *mail_store_new(const struct mail_store_options *options);
/* All accounts are closed by their users. Writes checkpoints, closes the engine. */
void mail_store_close(struct mail_store *store);
struct engine *mail_store_engine(struct mail_store *store);
/* Who there is at the moment; the caller owns a reference. */
struct principals *mail_store_principals(struct mail_store *store);
struct principal_registry *mail_store_principal_registry(struct mail_store *store);
const struct quota_settings *mail_store_quota(const struct mail_store *store);
struct pace_front *mail_store_front(const struct mail_store *store);
/* What searches keep of the store's accounts (search/text_index.h); the store only carries it.
 * Set before anybody searches; it outlives them all. */
struct text_index;
void mail_store_set_index(struct mail_store *store, struct text_index *index);
struct text_index *mail_store_index(struct mail_store *store); /* NULL: there is none */
/* Bytes that open accounts take, as last measured. */
size_t store_memory(const struct mail_store *store);

/*
 * Open an account. A new one (nothing stored) gets INBOX, Drafts, Sent, Junk, Trash and Archive
 * with their special use, subscribed, if create is set; else RC_NOT_FOUND. RC_CORRUPT: damaged,
 * the log says how; other accounts are served. RC_UNAVAILABLE: in quarantine, or being removed.
 * The caller owns one reference.
 */
MUST_CHECK enum rc account_open(struct mail_store *store, uint64_t id, bool create,
                                struct account **out, struct err *err);
void account_close(struct account *account); /* NULL is allowed */
void account_closep(struct account **account);
uint64_t account_id(const struct account *account);
struct mail_store *account_store(const struct account *account);

/* What went before this time is kept for undelete no longer; durable when it returns. */
MUST_CHECK enum rc account_expire(struct account *account, int64_t before_sec, struct err *err);

/* Refuse to open these from now on; ends nothing that is open. */
void mail_store_quarantine(struct mail_store *store, uint64_t id, bool on);

/* Everything of an account goes, for good. RC_UNAVAILABLE: somebody has it open. Nobody opens
 * it meanwhile. */
MUST_CHECK enum rc mail_store_remove(struct mail_store *store, uint64_t id, struct err *err);

/* ---- reading ---- */

/* The newest durable version, or the one at own_position if that is newer (0: no write of one's
 * own). */
struct acct_state *account_read(struct account *account, uint64_t own_position);
/* The same, in which there is this mailbox, its messages loaded or not; RC_NOT_FOUND if it is
 * gone. */
MUST_CHECK enum rc account_read_counts(struct account *account, uint64_t own_position,
                                       uint32_t mbox_id, struct acct_state **out,
                                       struct err *err);
/* The same with its last chunk in memory: of the newest messages mbox_count_run() knows. */
MUST_CHECK enum rc account_read_tail(struct account *account, uint64_t own_position,
                                     uint32_t mbox_id, struct acct_state **out,
                                     struct err *err);
/* The same with this mailbox's messages loaded; RC_NOT_FOUND if it is gone, RC_CORRUPT. */
MUST_CHECK enum rc account_read_mailbox(struct account *account, uint64_t own_position,
                                        uint32_t mbox_id, struct acct_state **out,
                                        struct err *err);

/*
 * While a mailbox is held, once or more, its messages stay in memory: by whoever works with
 * versions of it for longer than one call.
 */
struct held_mailbox {
    struct link link;
    uint32_t mbox_id;
};
void account_hold(struct account *account, struct held_mailbox *held, uint32_t mbox_id);
void account_release(struct account *account, struct held_mailbox *held);

/*
 * Bring the rows of messages first..last (indexes) of a loaded mailbox of this version into
 * memory, so that mbox_cold() may be asked for them. Cheap where they are there.
 */
MUST_CHECK enum rc account_need_rows(struct account *account, const struct acct_state *state,
                                     const struct mbox *mbox, uint32_t first, uint32_t last,
                                     struct err *err);

/* The newest durable version with all that its mailboxes keep of the expunged (account/kept.h)
 * in memory; deleted mailboxes are not gone through. RC_CORRUPT. */
MUST_CHECK enum rc account_read_kept(struct account *account, struct acct_state **out,
                                     struct err *err);

/* Uids from here on no session was told of as \Recent (RFC 3501 2.3.2); claim: they are being
 * told now. */
uint32_t account_recent(struct account *account, const struct mbox *mbox, bool claim);

/* The position of the newest version, durable or not: what a transaction that failed has looked
 * at. An answer that rests on it waits for this position. */
uint64_t account_newest_position(struct account *account);

/* ---- waiting and watching ---- */

/*
 * What txn_commit() took is written from here on, if nobody writes at the moment by this very
 * thread. Whoever commits calls this before it lets go of the account, with no lock held; the
 * two account_wait functions do it themselves.
 */
void account_push(struct account *account);

/* One shot: wake is called once, when position is durable; at once, from this call, if it is
 * already. */
struct account_waiter {
    struct link link;
    uint64_t position;
    void (*wake)(struct account_waiter *waiter);
};
bool account_is_durable(const struct account *account, uint64_t position);
void account_wait(struct account *account, struct account_waiter *waiter);
/* After this returns, wake is not and will not be called. */
void account_unwait(struct account *account, struct account_waiter *waiter);
/* Block until durable: for delivery and the command line's requests, which have a thread. */
void account_wait_durable(struct account *account, uint64_t position);

/*
 * wake is called after each durable change of the mailbox (mbox_id 0: of any mailbox, or of the
 * list of mailboxes). It runs under the watch lock, from any thread: it may set a flag and post
 * an event, nothing else. So account_unwatch is a barrier.
 */
struct mbox_watcher {
    struct link link;
    uint32_t mbox_id;
    void (*wake)(struct mbox_watcher *watcher);
};
void account_watch(struct account *account, struct mbox_watcher *watcher);
void account_unwatch(struct account *account, struct mbox_watcher *watcher);

#define ACCOUNT_CHANGES_MAX 32u /* mailboxes remembered one by one for a follower */

/* What durable versions have made different. Of a mailbox anything may be; one that came or
 * went is among them too. */
struct account_changes {
    uint32_t ids[ACCOUNT_CHANGES_MAX];
    uint32_t n;
    bool lost;  /* more mailboxes than that: look at all of them */
    bool lists; /* subscriptions, or the account's own entries */
};

/*
 * Whoever watches all of an account, and not one mailbox. Which mailboxes changed is found once
 * for all followers, by what two versions do not share, and noted here; wake is called as a
 * mbox_watcher's, at each durable version that noted something. All fields belong to the
 * account between the calls below.
 */
struct account_follower {
    struct link link;
    struct account_changes changes;
    void (*wake)(void *ctx); /* NULL: nobody is woken */
    void *ctx;
};
/* From the version that is durable now on. */
void account_follow(struct account *account, struct account_follower *follower);
/* After this returns, wake is not and will not be called. */
void account_unfollow(struct account *account, struct account_follower *follower);
void account_wake_by(struct account *account, struct account_follower *follower,
                     void (*wake)(void *ctx), void *ctx);
bool account_has_changes(struct account *account, const struct account_follower *follower);
/* What was noted, which is forgotten. */
void account_take_changes(struct account *account, struct account_follower *follower,
                          struct account_changes *out);

#endif
