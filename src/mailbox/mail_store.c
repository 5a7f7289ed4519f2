#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mailbox/background.h"
#include "mailbox/expiry.h"
#include "mailbox/memory.h"
#include "mailbox/open_account.h"
#include "mailbox/shelf.h"

struct mail_store {
    struct engine *engine;
    struct digester *digester;
    void (*note)(void *ctx, uint64_t account, bool begins);
    void *note_ctx;
    struct background *background;
    size_t memory_budget;
    _Atomic size_t memory; /* a sum of the accounts', see memory.h */
    struct expiry *expiry;
    struct quota_settings quota;
    struct principal_registry *principals;
    struct principal_registry *own_principals; /* where none was given; else NULL */
    struct pace_front *front;
    struct text_index *index; /* NULL: none; set before anybody searches */

    pthread_mutex_t registry;
    struct map *accounts;   /* registry; id -> struct account */
    struct map *quarantine; /* registry; id -> itself */
    struct map *removing;   /* the same: the engine forgets them just now */
    struct list idle;       /* registry; least recently used first */
    size_t n_idle;          /* registry */
};

struct engine *mail_store_engine(struct mail_store *store)
{
    return store->engine;
}

struct principals *mail_store_principals(struct mail_store *store)
{
    return principal_registry_current(store->principals);
}

struct principal_registry *mail_store_principal_registry(struct mail_store *store)
{
    return store->principals;
}

const struct quota_settings *mail_store_quota(const struct mail_store *store)
{
    return &store->quota;
}

struct pace_front *mail_store_front(const struct mail_store *store)
{
    return store->front;
}

void mail_store_set_index(struct mail_store *store, struct text_index *index)
{
    store->index = index;
}

struct text_index *mail_store_index(struct mail_store *store)
{
    return store->index;
}

struct digester *store_digester(struct mail_store *store)
{
    return store->digester;
}

struct engine *account_engine(const struct account *account)
{
    return account->store->engine;
}

struct mail_store *account_store(const struct account *account)
{
    return account->store;
}

uint64_t account_id(const struct account *account)
{
    return account->id;
}

void store_note(struct mail_store *store, uint64_t account, bool begins)
{
    if (store->note != NULL)
        store->note(store->note_ctx, account, begins);
}

void store_queue_digest(struct mail_store *store, uint64_t account, uint64_t body_id,
                        uint32_t size)
{
    background_queue_digest(store->background, account, body_id, size);
}

/* ---- the registry ---- */

static struct account *account_new(struct mail_store *store, uint64_t id)
{
    struct account *account = xcalloc(1, sizeof(*account));

    account->store = store;
    account->id = id;
    (void) pthread_mutex_init(&account->lock, NULL);
    (void) pthread_mutex_init(&account->watch, NULL);
    (void) pthread_mutex_init(&account->shelf.lock, NULL);
    list_init(&account->shelf.age);
    (void) pthread_cond_init(&account->advanced, NULL);
    list_init(&account->pending);
    list_init(&account->waiters);
    list_init(&account->watchers);
    list_init(&account->followers);
    list_init(&account->recents);
    list_init(&account->held);
    account->tip = acct_state_new(id);
    account->durable = acct_ref(account->tip);
    return account;
}

static void account_free(struct account *account)
{
    struct link *link;

    memory_forget(account);
    shelf_clear(account);
    while ((link = list_pop_front(&account->recents)) != NULL)
        free(LINK_OWNER(link, struct recent_claim, link));
    while ((link = list_pop_front(&account->pending)) != NULL) {
        struct pending_version *version = LINK_OWNER(link, struct pending_version, link);

        acct_unref(version->state);
        free(version);
    }
    acct_unref(account->tip);
    acct_unref(account->durable);
    acct_unref(account->stored);
    (void) pthread_mutex_destroy(&account->lock);
    (void) pthread_mutex_destroy(&account->watch);
    (void) pthread_mutex_destroy(&account->shelf.lock);
    (void) pthread_cond_destroy(&account->advanced);
    free(account);
}

/* registry is held. */
static struct account *take(struct mail_store *store, uint64_t id)
{
    struct account *account = map_get(store->accounts, MAP_KEY(id));

    if (account != NULL && account->n_users++ == 0) {
        list_remove(&account->idle);
        store->n_idle--;
    }
    return account;
}

struct account *store_take_open(struct mail_store *store, uint64_t id)
{
    struct account *account;

    (void) pthread_mutex_lock(&store->registry);
    account = take(store, id);
    (void) pthread_mutex_unlock(&store->registry);
    return account;
}

static bool is_clean(struct account *account)
{
    bool clean;

    (void) pthread_mutex_lock(&account->watch);
    clean = account->dirty_since_us == 0 && list_is_empty(&account->pending);
    (void) pthread_mutex_unlock(&account->watch);
    return clean;
}

/* registry is held; nobody uses the account. */
static void drop_idle(struct account *account)
{
    list_remove(&account->idle);
    account->store->n_idle--;
    (void) map_remove(account->store->accounts, MAP_KEY(account->id));
    account_free(account);
}

/* All idle accounts go that the checkpoint has all of. The engine may be telling of others. */
static void evict_all(struct mail_store *store)
{
    (void) pthread_mutex_lock(&store->registry);
    LIST_FOREACH(it, &store->idle)
    {
        struct account *account = LINK_OWNER(it, struct account, idle);

        if (is_clean(account))
            drop_idle(account);
    }
    (void) pthread_mutex_unlock(&store->registry);
}

struct account *store_take_idle(struct mail_store *store)
{
    struct account *account = NULL;

    (void) pthread_mutex_lock(&store->registry);
    if (!list_is_empty(&store->idle))
        account = take(store, LINK_OWNER(store->idle.head.next, struct account, idle)->id);
    (void) pthread_mutex_unlock(&store->registry);
    return account;
}

size_t store_idle_accounts(struct mail_store *store)
{
    size_t n;

    (void) pthread_mutex_lock(&store->registry);
    n = store->n_idle;
    (void) pthread_mutex_unlock(&store->registry);
    return n;
}

void store_drop(struct account *account)
{
    struct mail_store *store = account->store;

    (void) pthread_mutex_lock(&store->registry);
    if (--account->n_users == 0) {
        list_push_back(&store->idle, &account->idle);
        store->n_idle++;
        if (is_clean(account))
            drop_idle(account);
    }
    (void) pthread_mutex_unlock(&store->registry);
}

size_t store_memory(const struct mail_store *store)
{
    return atomic_load(&store->memory);
}

size_t store_memory_budget(const struct mail_store *store)
{
    return store->memory_budget;
}

void store_note_memory(struct mail_store *store, size_t bytes)
{
    if (atomic_fetch_add(&store->memory, bytes) + bytes > store->memory_budget)
        background_poke(store->background);
}

void store_give_memory(struct mail_store *store, size_t bytes)
{
    (void) atomic_fetch_sub(&store->memory, bytes);
}

void account_close(struct account *account)
{
    struct mail_store *store;

    if (account == NULL)
        return;
    store = account->store;
    (void) pthread_mutex_lock(&store->registry);
    if (--account->n_users == 0) {
        list_push_back(&store->idle, &account->idle);
        store->n_idle++;
    }
    (void) pthread_mutex_unlock(&store->registry);
}

void account_closep(struct account **account)
{
    account_close(*account);
    *account = NULL;
}

/* registry is held. NULL: it may be opened. */
static const char *why_closed(const struct mail_store *store, uint64_t id)
{
    if (map_get(store->removing, MAP_KEY(id)) != NULL)
        return "being removed";
    return map_get(store->quarantine, MAP_KEY(id)) != NULL ? "in quarantine" : NULL;
}

/* The entry for id, made if it is missing, with one more user. */
static enum rc enter(struct mail_store *store, uint64_t id, struct account **out,
                     struct err *err)
{
    struct account *account = NULL;
    const char *closed;

    (void) pthread_mutex_lock(&store->registry);
    closed = why_closed(store, id);
    if (closed == NULL) {
        account = take(store, id);
        if (account == NULL) {
            account = account_new(store, id);
            account->n_users = 1;
            (void) map_put(store->accounts, MAP_KEY(id), account);
        }
    }
    (void) pthread_mutex_unlock(&store->registry);
    if (closed != NULL)
        return err_set(err, RC_UNAVAILABLE,
                       "This account is out of service; tell the administrator",
                       "account %016llx is %s", (unsigned long long) id, closed);
    *out = account;
    return RC_OK;
}

/* An entry that could not be loaded leaves the registry with its last user. */
static void leave_unloaded(struct account *account)
{
    struct mail_store *store = account->store;

    (void) pthread_mutex_lock(&store->registry);
    if (--account->n_users == 0) {
        (void) map_remove(store->accounts, MAP_KEY(account->id));
        account_free(account);
    }
    (void) pthread_mutex_unlock(&store->registry);
}

static void want_digest(void *ctx, const struct body_info *body)
{
    struct account *account = ctx;

    if (body->length <= UINT32_MAX)
        store_queue_digest(account->store, account->id, body->body_id, (uint32_t) body->length);
}

/* Else whoever lists these messages first after a start waits for their digests. */
static void want_lost_digests(struct account *account)
{
    struct engine *engine = account->store->engine;

    if (engine->ops->digests_lost != NULL)
        engine->ops->digests_lost(engine, account->id, want_digest, account);
}

enum rc account_open(struct mail_store *store, uint64_t id, bool create, struct account **out,
                     struct err *err)
{
    struct account *account;
    enum rc rc = enter(store, id, &account, err);

    if (rc)
        return rc;
    (void) pthread_mutex_lock(&account->lock);
    if (!account->loaded) {
        store_note(store, id, true);
        do {
            rc = account_load(account, err);
            if (rc == RC_NOT_FOUND && create)
                rc = account_found(account, err);
        } while (rc == RC_CONFLICT); /* somebody else founded it first: load that */
        store_note(store, id, false);
        account->loaded = rc == RC_OK;
        if (account->loaded)
            want_lost_digests(account);
    }
    (void) pthread_mutex_unlock(&account->lock);
    if (rc) {
        leave_unloaded(account);
        return rc;
    }
    *out = account;
    return RC_OK;
}

void mail_store_quarantine(struct mail_store *store, uint64_t id, bool on)
{
    (void) pthread_mutex_lock(&store->registry);
    if (on)
        (void) map_put(store->quarantine, MAP_KEY(id), store);
    else
        (void) map_remove(store->quarantine, MAP_KEY(id));
    (void) pthread_mutex_unlock(&store->registry);
}

/* From here on nobody opens it. RC_UNAVAILABLE: somebody has. */
static enum rc begin_removing(struct mail_store *store, uint64_t id, struct err *err)
{
    struct account *account;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&store->registry);
    account = map_get(store->accounts, MAP_KEY(id));
    if (account != NULL && account->n_users > 0) {
        rc =
            err_set(err, RC_UNAVAILABLE, "The account is in use",
                    "account %016llx has %zu users", (unsigned long long) id, account->n_users);
    } else {
        if (account != NULL)
            drop_idle(account);
        (void) map_put(store->removing, MAP_KEY(id), store);
    }
    (void) pthread_mutex_unlock(&store->registry);
    return rc;
}

enum rc mail_store_remove(struct mail_store *store, uint64_t id, struct err *err)
{
    enum rc rc = begin_removing(store, id, err);

    if (rc)
        return rc;
    rc = store->engine->ops->remove(store->engine, id, err);
    (void) pthread_mutex_lock(&store->registry);
    (void) map_remove(store->removing, MAP_KEY(id));
    (void) pthread_mutex_unlock(&store->registry);
    return rc;
}

size_t store_open_accounts(struct mail_store *store, uint64_t *ids, size_t max)
{
    struct slice key;
    size_t at = 0, n = 0;
    void *value;

    (void) pthread_mutex_lock(&store->registry);
    while (n < max && map_next(store->accounts, &at, &key, &value))
        ids[n++] = ((const struct account *) value)->id;
    (void) pthread_mutex_unlock(&store->registry);
    return n;
}

/* ---- what the engine tells; from its threads ---- */

static void on_durable(void *ctx, uint64_t id, uint64_t position)
{
    struct account *account = store_take_open(ctx, id);

    if (account == NULL)
        return;
    chain_durable(account, position);
    account_close(account);
}

static void on_changed(void *ctx, uint64_t id)
{
    struct account *account = store_take_open(ctx, id);
    struct err err;

    if (account == NULL)
        return;
    (void) pthread_mutex_lock(&account->lock);
    if (account->loaded && account_catch_up(account, &err))
        log_event(LEVEL_ERROR, "account.stale", LOG_ID("account", id), LOG_ERR(&err));
    (void) pthread_mutex_unlock(&account->lock);
    account_close(account);
}

static void on_checkpoint_wanted(void *ctx, uint64_t id)
{
    struct mail_store *store = ctx;

    background_want_checkpoint(store->background, id);
}

static void on_live_wanted(void *ctx, uint64_t id)
{
    struct mail_store *store = ctx;

    background_want_sweep(store->background, id);
}

static void on_space_wanted(void *ctx)
{
    struct mail_store *store = ctx;

    expiry_want_space(store->expiry);
    background_want_space(store->background);
}

struct mail_store *mail_store_new(const struct mail_store_options *options)
{
    struct mail_store *store = xcalloc(1, sizeof(*store));
    struct engine_events events = {.durable = on_durable,
                                   .changed = on_changed,
                                   .checkpoint_wanted = on_checkpoint_wanted,
                                   .live_wanted = on_live_wanted,
                                   .space_wanted = on_space_wanted,
                                   .ctx = store};

    store->engine = options->engine;
    store->digester = options->digester;
    store->note = options->note;
    store->note_ctx = options->note_ctx;
    store->front = options->front;
    store->quota = options->quota;
    store->memory_budget =
        options->memory_bytes > 0 ? options->memory_bytes : MAIL_MEMORY_BYTES;
    if (options->principals == NULL)
        store->own_principals = principal_registry_new();
    store->principals =
        store->own_principals != NULL ? store->own_principals : options->principals;
    (void) pthread_mutex_init(&store->registry, NULL);
    store->accounts = map_new();
    store->quarantine = map_new();
    store->removing = map_new();
    list_init(&store->idle);
    store->background = background_new(store);
    store->expiry = expiry_new(store, options->undelete_sec);
    store->engine->ops->start(store->engine, &events);
    background_start(store->background);
    expiry_start(store->expiry);
    return store;
}

void mail_store_close(struct mail_store *store)
{
    if (store == NULL)
        return;
    expiry_stop(store->expiry);
    background_stop(store->background);
    evict_all(store);
    store->engine->ops->close(store->engine);
    background_free(store->background);
    expiry_free(store->expiry);
    while (!list_is_empty(&store->idle))
        account_free(LINK_OWNER(list_pop_front(&store->idle), struct account, idle));
    map_free(store->accounts);
    map_free(store->quarantine);
    map_free(store->removing);
    (void) pthread_mutex_destroy(&store->registry);
    principal_registry_free(store->own_principals);
    free(store);
}
