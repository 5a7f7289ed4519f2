#include "commands/visible.h"

#include "base/log.h"
#include "imap/mailbox_name.h"
#include "mailbox/shares.h"

/* Somebody else's mailbox. */
struct shared_mailbox {
    struct slice name; /* as the session knows it */
    uint64_t owner;
    const struct mbox *mbox;
    struct reader reader;
};

struct visible {
    struct session *session;
    struct arena *arena;
    struct acct_state *own;
    size_t n_own; /* listed from own itself; 0: the credential is for some folders, which stand
                     among the shared */
    bool has_all;
    struct acct_state **others; /* heap, one reference each */
    size_t n_others;
    struct shared_mailbox *shared; /* heap, by name */
    size_t n_shared, cap_shared;
};

static void add_shared(struct visible *visible, struct shared_mailbox shared)
{
    if (visible->n_shared == visible->cap_shared) {
        visible->cap_shared = MAX(visible->cap_shared * 2, (size_t) 16);
        visible->shared =
            xrealloc(visible->shared, visible->cap_shared * sizeof(*visible->shared));
    }
    visible->shared[visible->n_shared++] = shared;
}

static int by_name(const void *a, const void *b)
{
    const struct shared_mailbox *x = a, *y = b;

    return slice_cmp(x->name, y->name);
}

static void sort_shared(struct visible *visible)
{
    if (visible->n_shared > 0)
        qsort(visible->shared, visible->n_shared, sizeof(*visible->shared), by_name);
}

static struct reader own_reader(const struct visible *visible)
{
    return (struct reader){.account = visible->session->actor.account, .rights = RIGHTS_ALL};
}

/* Own mailboxes that the credential is for. */
static void add_allowed(struct visible *visible)
{
    const struct reader own = own_reader(visible);

    for (size_t i = 0; i < acct_mailbox_count(visible->own); i++) {
        const struct mbox *mbox = acct_mailbox_at(visible->own, i);
        struct slice name = mbox_info(mbox)->name;

        if (session_allows(visible->session, name))
            add_shared(visible, (struct shared_mailbox){
                                    name, account_id(visible->session->account), mbox, own});
    }
    sort_shared(visible);
}

struct visible *visible_begin(struct session *session, struct arena *arena)
{
    struct visible *visible = ARENA_NEW(arena, struct visible);

    *visible =
        (struct visible){.session = session, .arena = arena, .own = session_read(session)};
    if (session_allows_all(session))
        visible->n_own = acct_mailbox_count(visible->own);
    else
        add_allowed(visible);
    return visible;
}

void visible_done(struct visible *visible)
{
    for (size_t i = 0; i < visible->n_others; i++)
        acct_unref(visible->others[i]);
    free(visible->others);
    free(visible->shared);
    acct_unref(visible->own);
}

/* The state outlives its account's closing: it is counted. */
static void add_account(struct visible *visible, const struct account *account,
                        struct acct_state *state)
{
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);
        const struct mbox_info *info = mbox_info(mbox);
        struct reader reader;
        struct slice name;

        account_reader(account, info, visible->session->actor.account, &reader);
        if ((reader.rights & RIGHT_LOOKUP) == 0)
            continue;
        name = place_name(visible->session, account, info->name, visible->arena);
        if (name.len > 0 && session_allows(visible->session, name))
            add_shared(visible,
                       (struct shared_mailbox){name, account_id(account), mbox, reader});
    }
    visible->others[visible->n_others++] = state;
}

enum rc visible_need_all(struct visible *visible, struct err *err)
{
    struct session *session = visible->session;
    struct mail_store *store = account_store(session->account);
    uint64_t *owners;
    size_t n;
    enum rc rc;

    if (visible->has_all)
        return RC_OK;
    rc = shares_of(store, session->actor.account, visible->arena, &owners, &n, err);
    if (rc)
        return rc;
    visible->has_all = true;
    visible->others = xcalloc(MAX(n, (size_t) 1), sizeof(struct acct_state *));
    for (size_t i = 0; i < n; i++) {
        AUTO(account_closep) struct account *account = NULL;

        rc = account_open(store, owners[i], false, &account, err);
        if (rc == RC_OK)
            add_account(visible, account,
                        account_read(account, session_position_in(session, account)));
        else if (rc != RC_NOT_FOUND)
            log_event(LEVEL_WARNING, "share.unreadable", LOG_ID("account", owners[i]),
                      LOG_ERR(err));
    }
    sort_shared(visible);
    return RC_OK;
}

const struct acct_state *visible_own(const struct visible *visible)
{
    return visible->own;
}

/* ---- by place ---- */

size_t visible_count(const struct visible *visible)
{
    return visible->n_own + visible->n_shared;
}

/* NULL: the session's own. */
static const struct shared_mailbox *shared_at(const struct visible *visible, size_t at)
{
    return at < visible->n_own ? NULL : &visible->shared[at - visible->n_own];
}

struct slice visible_name(const struct visible *visible, size_t at)
{
    const struct shared_mailbox *shared = shared_at(visible, at);

    return shared != NULL ? shared->name : mbox_info(acct_mailbox_at(visible->own, at))->name;
}

const struct mbox *visible_mbox(const struct visible *visible, size_t at)
{
    const struct shared_mailbox *shared = shared_at(visible, at);

    return shared != NULL ? shared->mbox : acct_mailbox_at(visible->own, at);
}

uint64_t visible_owner(const struct visible *visible, size_t at)
{
    const struct shared_mailbox *shared = shared_at(visible, at);

    return shared != NULL ? shared->owner : account_id(visible->session->account);
}

/* ---- by name ---- */

static size_t shared_lower_bound(const struct visible *visible, struct slice name)
{
    size_t low = 0, high = visible->n_shared;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(visible->shared[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t visible_lower_bound(const struct visible *visible, struct slice name)
{
    if (visible->n_own > 0 && name_is_own(name))
        return acct_mailbox_lower_bound(visible->own, name);
    return visible->n_own + shared_lower_bound(visible, name);
}

/* NULL: there is none. */
static const struct shared_mailbox *find_shared(const struct visible *visible,
                                                struct slice name)
{
    size_t at = shared_lower_bound(visible, name);

    if (at == visible->n_shared || !slice_eq(visible->shared[at].name, name))
        return NULL;
    return &visible->shared[at];
}

const struct mbox *visible_find(const struct visible *visible, struct slice name)
{
    const struct shared_mailbox *shared;

    if (visible->n_own > 0 && name_is_own(name))
        return acct_mailbox_by_name(visible->own, name);
    shared = find_shared(visible, name);
    return shared != NULL ? shared->mbox : NULL;
}

struct reader visible_reader(const struct visible *visible, struct slice name)
{
    const struct shared_mailbox *shared = name_is_own(name) ? NULL : find_shared(visible, name);

    if (shared != NULL)
        return shared->reader;
    return own_reader(visible);
}

bool visible_has_children(const struct visible *visible, struct slice name)
{
    char below[MAILBOX_NAME_BYTES_MAX + 1];
    struct slice prefix = {below, name.len + 1};
    size_t at;

    if (name.len > MAILBOX_NAME_BYTES_MAX)
        return false;
    memcpy(below, name.ptr, name.len);
    below[name.len] = MAILBOX_SEPARATOR;
    at = visible_lower_bound(visible, prefix);
    return at < visible_count(visible) && slice_starts(visible_name(visible, at), prefix);
}
