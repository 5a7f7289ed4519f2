#include "mailbox/memory.h"

#include <malloc.h>

#include "base/clock.h"
#include "mailbox/background.h"
#include "mailbox/open_account.h"
#include "mailbox/shelf.h"

#define MEMORY_ACCOUNTS_MAX 65536u /* looked at in one turn */
#define MEMORY_HELD_MAX     1024u  /* mailboxes selected at once that are told apart */
#define MEMORY_REST_PARTS   8u     /* of the budget: so much is let go beyond it */
#define MEMORY_TRIM_BYTES   ((size_t) 4 << 20) /* let go of at once: give it to the system */

void memory_note(struct account *account, size_t bytes)
{
    atomic_store(&account->is_touched, true);
    (void) atomic_fetch_add(&account->memory, bytes);
    store_note_memory(account->store, bytes);
}

void memory_note_work(struct mail_store *store, size_t *noted, size_t now)
{
    size_t before = *noted;

    *noted = now;
    if (now > before)
        store_note_memory(store, now - before);
    else
        store_give_memory(store, before - now);
}

void memory_forget(struct account *account)
{
    store_give_memory(account->store, atomic_exchange(&account->memory, 0));
}

static void measure(struct account *account)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    size_t now, before;

    if (!atomic_exchange(&account->is_touched, false))
        return;
    state = account_read(account, 0);
    now = sizeof(*account) + acct_memory(state) + shelf_bytes(account);
    before = atomic_exchange(&account->memory, now);
    if (now > before)
        store_note_memory(account->store, now - before);
    else
        store_give_memory(account->store, before - now);
}

/* ---- mailboxes that sessions have selected ---- */

void account_hold(struct account *account, struct held_mailbox *held, uint32_t mbox_id)
{
    held->mbox_id = mbox_id;
    (void) pthread_mutex_lock(&account->watch);
    list_push_back(&account->held, &held->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_release(struct account *account, struct held_mailbox *held)
{
    (void) pthread_mutex_lock(&account->watch);
    list_remove(&held->link);
    (void) pthread_mutex_unlock(&account->watch);
}

static int by_id(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* watch is held. False: more than are told apart. */
static bool held_ids(const struct account *account, uint32_t ids[MEMORY_HELD_MAX],
                     size_t *out_n)
{
    size_t n = 0;

    LIST_FOREACH(it, &account->held)
    {
        if (n == MEMORY_HELD_MAX)
            return false;
        ids[n++] = LINK_OWNER(it, struct held_mailbox, link)->mbox_id;
    }
    qsort(ids, n, sizeof(*ids), by_id);
    *out_n = n;
    return true;
}

/* ---- letting go ---- */

/* The newest version is on disk, in pages: tip, durable and stored show the same. watch is
 * held.
 */
static bool is_settled(const struct account *account)
{
    return account->stored != NULL && account->dirty_since_us == 0 &&
           list_is_empty(&account->pending) && account->tip == account->durable &&
           acct_position(account->tip) == acct_position(account->stored);
}

/*
 * Put versions without messages in place of tip, durable and stored. The writer's lock is tried
 * only: its holder may be waiting, inside a commit, for this thread's next checkpoint.
 */
static void unload(struct account *account)
{
    uint32_t held[MEMORY_HELD_MAX];
    struct acct_state *fresh = NULL;
    size_t n;
    bool settled;

    if (pthread_mutex_trylock(&account->lock) != 0)
        return;
    (void) pthread_mutex_lock(&account->watch);
    settled = is_settled(account) && held_ids(account, held, &n);
    (void) pthread_mutex_unlock(&account->watch);
    if (settled) {
        fresh = acct_unloaded(account->stored, account->tip, held, n);
        chain_replace_tip(account, acct_ref(fresh));
    }
    (void) pthread_mutex_unlock(&account->lock);
    if (fresh == NULL)
        return;
    acct_unref(account->stored);
    account->stored = fresh;
    atomic_store(&account->is_touched, true);
    measure(account);
}

static bool is_dirty(struct account *account)
{
    bool dirty;

    (void) pthread_mutex_lock(&account->watch);
    dirty = account->dirty_since_us != 0;
    (void) pthread_mutex_unlock(&account->watch);
    return dirty;
}

/* Idle accounts go, the longest unused first. */
static void evict_idle(struct mail_store *store, size_t target,
                       void (*checkpoint)(struct account *account))
{
    size_t n = store_idle_accounts(store);

    while (n-- > 0 && store_memory(store) > target) {
        struct account *account = store_take_idle(store);

        if (account == NULL)
            return;
        if (is_dirty(account))
            checkpoint(account);
        store_drop(account);
    }
}

struct candidate {
    uint64_t id;
    int64_t used_us;
};

static int by_use(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

/* The accounts whose mailboxes were not read for the longest time first; the caller's to free.
 */
static struct candidate *by_age(struct mail_store *store, const uint64_t *ids, size_t n,
                                size_t *out_n)
{
    struct candidate *candidates = xcalloc(n + 1, sizeof(*candidates));

    *out_n = 0;
    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep) struct account *account = store_take_open(store, ids[i]);

        if (account != NULL)
            candidates[(*out_n)++] = (struct candidate){ids[i], atomic_load(&account->used_us)};
    }
    qsort(candidates, *out_n, sizeof(*candidates), by_use);
    return candidates;
}

/* What was made of the mail goes first: it is made again by whoever wants it. */
static void clear_shelves(struct mail_store *store, size_t target,
                          const struct candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n && store_memory(store) > target; i++) {
        AUTO(account_closep) struct account *account = store_take_open(store, candidates[i].id);

        if (account == NULL || shelf_bytes(account) == 0)
            continue;
        shelf_clear(account);
        atomic_store(&account->is_touched, true);
        measure(account);
    }
}

static void unload_used(struct mail_store *store, size_t target,
                        const struct candidate *candidates, size_t n,
                        void (*checkpoint)(struct account *account))
{
    for (size_t i = 0; i < n && store_memory(store) > target; i++) {
        AUTO(account_closep) struct account *account = store_take_open(store, candidates[i].id);

        if (account == NULL)
            continue;
        if (is_dirty(account))
            checkpoint(account);
        unload(account);
    }
}

void memory_turn(struct mail_store *store, void (*checkpoint)(struct account *account))
{
    AUTO(freep) uint64_t *ids = xcalloc(MEMORY_ACCOUNTS_MAX, sizeof(*ids));
    size_t n = store_open_accounts(store, ids, MEMORY_ACCOUNTS_MAX);
    size_t budget = store_memory_budget(store), target = budget - budget / MEMORY_REST_PARTS;
    AUTO(freep) struct candidate *candidates = NULL;
    size_t before, n_candidates;

    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep) struct account *account = store_take_open(store, ids[i]);

        if (account != NULL)
            measure(account);
    }
    before = store_memory(store);
    if (before <= budget)
        return;
    candidates = by_age(store, ids, n, &n_candidates);
    clear_shelves(store, target, candidates, n_candidates);
    evict_idle(store, target, checkpoint);
    unload_used(store, target, candidates, n_candidates, checkpoint);
    if (before - MIN(before, store_memory(store)) >= MEMORY_TRIM_BYTES)
        (void) malloc_trim(0); /* whether there was something to give back does not matter */
}
