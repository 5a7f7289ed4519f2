/*
 * chain.c - the chain of versions, who waits for it and who watches it.
 */
#include "account/outline.h"
#include "base/clock.h"
#include "mailbox/open_account.h"

/* The newest version with a position <= durable_position becomes durable. watch is held. */
static struct acct_state *take_durable(struct account *account)
{
    struct acct_state *newest = NULL;

    LIST_FOREACH(it, &account->pending)
    {
        struct pending_version *version = LINK_OWNER(it, struct pending_version, link);

        if (acct_position(version->state) > account->durable_position)
            break;
        list_remove(&version->link);
        acct_unref(newest);
        newest = version->state;
        free(version);
    }
    return newest;
}

static void wake_waiters(struct account *account)
{
    LIST_FOREACH(it, &account->waiters)
    {
        struct account_waiter *waiter = LINK_OWNER(it, struct account_waiter, link);

        if (waiter->position > account->durable_position)
            continue;
        list_remove(&waiter->link);
        waiter->wake(waiter);
    }
}

static bool concerns(const struct mbox_watcher *watcher, const struct acct_state *old,
                     const struct acct_state *new)
{
    return watcher->mbox_id == 0 || acct_mailbox_by_id(old, watcher->mbox_id) !=
                                        acct_mailbox_by_id(new, watcher->mbox_id);
}

static void wake_watchers(struct account *account, const struct acct_state *old)
{
    LIST_FOREACH(it, &account->watchers)
    {
        struct mbox_watcher *watcher = LINK_OWNER(it, struct mbox_watcher, link);

        if (concerns(watcher, old, account->durable))
            watcher->wake(watcher);
    }
}

static void note_id(struct account_changes *changes, uint32_t id)
{
    for (uint32_t i = 0; i < changes->n; i++)
        if (changes->ids[i] == id)
            return;
    if (changes->n < ACCOUNT_CHANGES_MAX)
        changes->ids[changes->n++] = id;
    else
        changes->lost = true;
}

static void note_changes(struct account_changes *changes, const struct account_changes *more)
{
    for (uint32_t i = 0; i < more->n; i++)
        note_id(changes, more->ids[i]);
    changes->lost = changes->lost || more->lost;
    changes->lists = changes->lists || more->lists;
}

static bool is_changed(const struct account_changes *changes)
{
    return changes->n > 0 || changes->lost || changes->lists;
}

static void wake_followers(struct account *account, const struct acct_state *old)
{
    struct account_changes changes = {0};
    size_t n;

    if (list_is_empty(&account->followers))
        return;
    n = acct_changed_mailboxes(old, account->durable, changes.ids, ACCOUNT_CHANGES_MAX);
    changes.lost = n > ACCOUNT_CHANGES_MAX;
    changes.n = changes.lost ? 0 : (uint32_t) n;
    changes.lists = acct_lists_differ(old, account->durable);
    if (!is_changed(&changes))
        return;
    LIST_FOREACH(it, &account->followers)
    {
        struct account_follower *follower = LINK_OWNER(it, struct account_follower, link);

        note_changes(&follower->changes, &changes);
        if (follower->wake != NULL)
            follower->wake(follower->ctx);
    }
}

/* watch is held. Returns the version that is no longer durable's, to be let go without the
 * lock. */
static struct acct_state *advance(struct account *account)
{
    struct acct_state *newest = take_durable(account), *old = account->durable;

    if (newest != NULL) {
        account->durable = newest;
        wake_watchers(account, old);
        wake_followers(account, old);
    }
    wake_waiters(account);
    (void) pthread_cond_broadcast(&account->advanced);
    return newest != NULL ? old : NULL;
}

void chain_link(struct account *account, struct acct_state *state)
{
    struct pending_version *version = xcalloc(1, sizeof(*version));
    struct acct_state *old_tip, *old_durable = NULL;

    version->state = acct_ref(state);
    atomic_store(&account->is_touched, true);
    (void) pthread_mutex_lock(&account->watch);
    old_tip = account->tip;
    account->tip = state;
    list_push_back(&account->pending, &version->link);
    if (account->dirty_since_us == 0)
        account->dirty_since_us = clock_mono_us();
    if (acct_position(state) <= account->durable_position)
        old_durable = advance(account);
    (void) pthread_mutex_unlock(&account->watch);
    acct_unref(old_tip);
    acct_unref(old_durable);
}

void chain_durable(struct account *account, uint64_t position)
{
    struct acct_state *old = NULL;

    (void) pthread_mutex_lock(&account->watch);
    if (position > account->durable_position) {
        account->durable_position = position;
        old = advance(account);
    }
    (void) pthread_mutex_unlock(&account->watch);
    acct_unref(old);
}

void chain_replace_tip(struct account *account, struct acct_state *state)
{
    struct acct_state *old_tip, *old_durable = NULL;

    (void) pthread_mutex_lock(&account->watch);
    old_tip = account->tip;
    account->tip = state;
    if (account->durable == old_tip) {
        old_durable = account->durable;
        account->durable = acct_ref(state);
    } else if (!list_is_empty(&account->pending)) {
        struct pending_version *last =
            LINK_OWNER(account->pending.head.prev, struct pending_version, link);

        old_durable = last->state;
        last->state = acct_ref(state);
    }
    (void) pthread_mutex_unlock(&account->watch);
    acct_unref(old_tip);
    acct_unref(old_durable);
}

/* The version of a write of one's own while that is pending, else the durable one. watch is
 * held.
 */
static struct acct_state *version_at(struct account *account, uint64_t position)
{
    if (position <= acct_position(account->durable))
        return account->durable;
    LIST_FOREACH(it, &account->pending)
    {
        struct pending_version *version = LINK_OWNER(it, struct pending_version, link);

        if (acct_position(version->state) >= position)
            return version->state;
    }
    return account->durable;
}

struct acct_state *account_read(struct account *account, uint64_t own_position)
{
    struct acct_state *state;

    (void) pthread_mutex_lock(&account->watch);
    state = acct_ref(version_at(account, own_position));
    (void) pthread_mutex_unlock(&account->watch);
    return state;
}

uint64_t account_newest_position(struct account *account)
{
    uint64_t position;

    (void) pthread_mutex_lock(&account->watch);
    position = acct_position(account->tip);
    (void) pthread_mutex_unlock(&account->watch);
    return position;
}

bool account_is_durable(const struct account *account, uint64_t position)
{
    struct account *writable = (struct account *) (uintptr_t) account; /* its lock only */
    bool durable;

    (void) pthread_mutex_lock(&writable->watch);
    durable = position <= account->durable_position;
    (void) pthread_mutex_unlock(&writable->watch);
    return durable;
}

void account_push(struct account *account)
{
    struct engine *engine = account_engine(account);

    if (engine->ops->push != NULL)
        engine->ops->push(engine);
}

void account_wait(struct account *account, struct account_waiter *waiter)
{
    account_push(account);
    (void) pthread_mutex_lock(&account->watch);
    if (waiter->position <= account->durable_position)
        waiter->wake(waiter);
    else
        list_push_back(&account->waiters, &waiter->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_unwait(struct account *account, struct account_waiter *waiter)
{
    (void) pthread_mutex_lock(&account->watch);
    list_remove(&waiter->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_wait_durable(struct account *account, uint64_t position)
{
    account_push(account);
    (void) pthread_mutex_lock(&account->watch);
    while (position > account->durable_position)
        (void) pthread_cond_wait(&account->advanced, &account->watch);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_watch(struct account *account, struct mbox_watcher *watcher)
{
    (void) pthread_mutex_lock(&account->watch);
    list_push_back(&account->watchers, &watcher->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_unwatch(struct account *account, struct mbox_watcher *watcher)
{
    (void) pthread_mutex_lock(&account->watch);
    list_remove(&watcher->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_follow(struct account *account, struct account_follower *follower)
{
    (void) pthread_mutex_lock(&account->watch);
    follower->changes = (struct account_changes){0};
    list_push_back(&account->followers, &follower->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_unfollow(struct account *account, struct account_follower *follower)
{
    (void) pthread_mutex_lock(&account->watch);
    list_remove(&follower->link);
    (void) pthread_mutex_unlock(&account->watch);
}

void account_wake_by(struct account *account, struct account_follower *follower,
                     void (*wake)(void *ctx), void *ctx)
{
    (void) pthread_mutex_lock(&account->watch);
    follower->wake = wake;
    follower->ctx = ctx;
    (void) pthread_mutex_unlock(&account->watch);
}

bool account_has_changes(struct account *account, const struct account_follower *follower)
{
    bool has;

    (void) pthread_mutex_lock(&account->watch);
    has = is_changed(&follower->changes);
    (void) pthread_mutex_unlock(&account->watch);
    return has;
}

void account_take_changes(struct account *account, struct account_follower *follower,
                          struct account_changes *out)
{
    (void) pthread_mutex_lock(&account->watch);
    *out = follower->changes;
    follower->changes = (struct account_changes){0};
    (void) pthread_mutex_unlock(&account->watch);
}

uint32_t account_recent(struct account *account, const struct mbox *mbox, bool claim)
{
    uint32_t mbox_id = mbox_info(mbox)->id, uidnext = mbox_counts(mbox)->uidnext;
    struct recent_claim *found = NULL;
    uint32_t first;

    (void) pthread_mutex_lock(&account->watch);
    LIST_FOREACH(it, &account->recents)
    {
        struct recent_claim *recent = LINK_OWNER(it, struct recent_claim, link);

        if (recent->mbox_id == mbox_id)
            found = recent;
    }
    if (found == NULL && claim) {
        found = xcalloc(1, sizeof(*found));
        found->mbox_id = mbox_id;
        found->next_uid = mbox_counts(mbox)->first_recent;
        list_push_back(&account->recents, &found->link);
    }
    first = found != NULL ? found->next_uid : mbox_counts(mbox)->first_recent;
    if (claim)
        found->next_uid = MAX(first, uidnext);
    (void) pthread_mutex_unlock(&account->watch);
    return first;
}
