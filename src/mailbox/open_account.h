/*
 * open_account.h - the inside of an open account; for mailbox/ only.
 *
 * Two locks. `lock` is the writer's: whoever holds it may fork the tip, hand a group to the
 * engine and link the fork to the chain. `watch` is a leaf, held for a few pointers: it guards
 * what readers, waiters and the engine's callbacks touch. So a reader never waits for a writer,
 * and the engine may report a group durable from inside commit(), while the writer holds
 * `lock`.
 *
 * The chain: `durable` is the newest version on disk; `pending` holds those behind it, oldest
 * first, the last of which is `tip` (which equals `durable` when nothing is pending). A version
 * may be reported durable before its writer has linked it: durable_position then runs ahead,
 * and linking finds that out.
 */
#ifndef ROOST_MAILBOX_OPEN_ACCOUNT_H
#define ROOST_MAILBOX_OPEN_ACCOUNT_H

#include <pthread.h>
#include <stdatomic.h>

#include "mailbox/mail_store.h"

struct pending_version {
    struct link link;
    struct acct_state *state;
};

/* The mailboxes that an account begins with, in the order of their numbers from 1. load.c */
#define FIRST_MAILBOXES 6u
struct first_mailbox {
    const char *name;
    uint32_t use;
};
extern const struct first_mailbox first_mailboxes[FIRST_MAILBOXES];

/* Where \Recent stands for one mailbox while the account is open. */
struct recent_claim {
    struct link link;
    uint32_t mbox_id;
    uint32_t next_uid; /* uids from here on no session was told as recent */
};

/* shelf.h */
struct shelf {
    pthread_mutex_t lock;
    struct list age; /* lock: of shelf_place, the one not taken for the longest time first */
    size_t n, bytes; /* lock */
};

struct account {
    struct mail_store *store;
    uint64_t id;

    /* memory.h; relaxed figures that nothing else rests on */
    _Atomic size_t memory;   /* as last measured, and what was noted since */
    atomic_bool is_touched;  /* to be measured again */
    _Atomic int64_t used_us; /* a mailbox was read */

    /* guarded by the store's registry lock */
    size_t n_users;
    struct link idle; /* in the store's list of idle accounts while n_users == 0 */

    pthread_mutex_t lock;
    bool loaded; /* lock */
    struct acct_state
        *stored; /* version of the last checkpoint, or NULL; the checkpoint thread's alone */

    /* The checkpoint thread's alone: what there was when bodies were judged last (sweep.h). */
    struct {
        uint64_t names, next_body_id;
        int64_t at_us; /* 0: never */
    } sweep;

    pthread_mutex_t watch;
    pthread_cond_t advanced;    /* with watch: durable_position grew */
    struct acct_state *tip;     /* watch; written with lock held as well */
    struct acct_state *durable; /* watch */
    uint64_t durable_position;  /* watch; reported by the engine */
    struct list pending;        /* watch */
    struct list waiters;        /* watch */
    struct list watchers;       /* watch */
    struct list followers;      /* watch */
    struct list recents;        /* watch */
    struct list held;           /* watch */
    struct shelf shelf;
    int64_t dirty_since_us; /* watch; 0: checkpointed */
};

/* Bring the account's state up from the engine. lock is held. RC_NOT_FOUND: nothing is stored.
 */
MUST_CHECK enum rc account_load(struct account *account, struct err *err);
/* A new account: its first record and the default mailboxes, durable. lock is held. */
MUST_CHECK enum rc account_found(struct account *account, struct err *err);
/* What others committed since (an engine without ENGINE_NO_CONFLICT). lock is held. */
MUST_CHECK enum rc account_catch_up(struct account *account, struct err *err);

/* Everything the record needs to apply to the fork. */
MUST_CHECK enum rc account_need(struct account *account, struct acct_state *fork,
                                const struct record *record, struct err *err);

/* Link a committed version behind the tip; takes the reference. lock is held. */
void chain_link(struct account *account, struct acct_state *state);
/* The engine says so. */
void chain_durable(struct account *account, uint64_t position);
/* Put a version that shows the same position with more of it loaded in place of the tip (and of
 * durable, where that is the same). lock is held; takes the reference. */
void chain_replace_tip(struct account *account, struct acct_state *state);

/* mail_store.c, for memory.c: bytes of all accounts, and what they should not exceed. */
size_t store_memory_budget(const struct mail_store *store);
void store_note_memory(struct mail_store *store, size_t bytes);
void store_give_memory(struct mail_store *store, size_t bytes);
size_t store_idle_accounts(struct mail_store *store);
/* The account nobody has used for the longest time, with one user; NULL: there is none. */
struct account *store_take_idle(struct mail_store *store);
/* One user less; if nobody else came and the checkpoint has all of it, the account goes. */
void store_drop(struct account *account);

/* mail_store.c, for its neighbours */
struct engine *account_engine(const struct account *account);
void store_queue_digest(struct mail_store *store, uint64_t account, uint64_t body_id,
                        uint32_t size);
void store_note(struct mail_store *store, uint64_t account, bool begins);
struct digester *store_digester(struct mail_store *store);

#endif
