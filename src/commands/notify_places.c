/*
 * notify_places.c - which accounts a session with NOTIFY follows.
 *
 * Spec: RFC 5465 5.9 (rights that are lost and given), 6 (which mailboxes are meant).
 */
#include "account/mbox_info.h"
#include "base/log.h"
#include "commands/notify.h"
#include "mailbox/shares.h"

#define PLACES_ARENA_BYTES ((size_t) 256 << 20)

struct notify_place *notify_place_of(const struct notify *notify, const struct account *account)
{
    for (size_t i = 0; i < notify->n_places; i++)
        if (notify->places[i]->account == account)
            return notify->places[i];
    return NULL;
}

/* ---- one account ---- */

/* Changes are noted before a version is read, so that none lies between the two. The account is
 * taken over. */
static struct notify_place *add_place(struct notify *notify, const struct session *session,
                                      struct account *account, struct slice top)
{
    struct notify_place *place = xcalloc(1, sizeof(*place));

    place->session = session;
    place->account = account;
    place->top = top.len > 0 ? text_dup(top) : top;
    place->follower = (struct account_follower){.wake = notify->wake, .ctx = notify->wake_ctx};
    account_follow(account, &place->follower);
    if (notify->n_places == notify->cap_places) {
        notify->cap_places = MAX(notify->cap_places * 2, (size_t) 1);
        notify->places =
            xrealloc(notify->places, notify->cap_places * sizeof(struct notify_place *));
    }
    notify->places[notify->n_places++] = place;
    return place;
}

static void place_free(struct notify *notify, struct notify_place *place)
{
    account_unfollow(place->account, &place->follower);
    account_close(place->account);
    acct_outline_free(place->outline);
    for (size_t i = 0; i < place->n_rows; i++)
        mbox_info_release(place->rows[i].info);
    notify->n_rows -= place->n_rows;
    if (place->top.len > 0)
        text_free(place->top);
    free(place->rows);
    free(place->marked);
    free(place);
}

void notify_places_close(struct notify *notify)
{
    for (size_t i = 0; i < notify->n_places; i++)
        place_free(notify, notify->places[i]);
    free(notify->places);
    if (notify->shares != NULL) {
        account_unfollow(notify->shares, &notify->shares_follower);
        account_close(notify->shares);
    }
    principals_unref(notify->people);
}

void notify_places_drop(struct notify *notify)
{
    size_t kept = 0;

    for (size_t i = 0; i < notify->n_places; i++) {
        if (notify->places[i]->is_leaving)
            place_free(notify, notify->places[i]);
        else
            notify->places[kept++] = notify->places[i];
    }
    notify->n_places = kept;
}

/* ---- others ---- */

/* Subscribed names of others' mailboxes; they are in byte order. */
static struct slice *others_subscribed(const struct notify *notify,
                                       const struct acct_state *own, struct arena *arena,
                                       size_t *out_n)
{
    size_t n = notify->by_subscription ? acct_subscription_count(own) : 0;
    struct slice *names = ARENA_ARRAY(arena, struct slice, n);

    *out_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct slice name = acct_subscription_at(own, i);

        if (!name_is_own(name))
            names[(*out_n)++] = name;
    }
    return names;
}

/* Somebody who shares, as far as the groups mean what is shared. */
struct sharer {
    uint64_t id;
    struct slice top;
};

static struct sharer *find_sharers(struct notify *notify, const struct session *session,
                                   const struct acct_state *own, struct arena *arena,
                                   size_t *out_n, struct err *err)
{
    size_t n_subscribed, n = 0;
    struct slice *subscribed = others_subscribed(notify, own, arena, &n_subscribed);
    struct sharer *sharers;
    uint64_t *ids;

    *out_n = 0;
    if (shares_of(account_store(session->account), session->actor.account, arena, &ids, &n,
                  err) != RC_OK)
        return NULL;
    sharers = ARENA_ARRAY(arena, struct sharer, n);
    notify->lacks_names = false;
    for (size_t i = 0; i < n; i++) {
        struct slice top = place_top(notify->people, ids[i], arena);

        notify->lacks_names = notify->lacks_names || top.len == 0;
        if (top.len > 0 && notify_events_below(notify, top, subscribed, n_subscribed) != 0)
            sharers[(*out_n)++] = (struct sharer){ids[i], top};
    }
    return sharers;
}

static bool is_among(const struct notify_place *place, const struct sharer *sharers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sharers[i].id == account_id(place->account))
            return slice_eq(sharers[i].top, place->top);
    return false;
}

static bool is_followed(const struct notify *notify, uint64_t id)
{
    for (size_t i = 1; i < notify->n_places; i++)
        if (account_id(notify->places[i]->account) == id && !notify->places[i]->is_leaving)
            return true;
    return false;
}

/* An account that does not open is as one that shares nothing. */
static void follow(struct notify *notify, const struct session *session,
                   const struct sharer *sharer)
{
    struct account *account;
    struct err err;
    enum rc rc =
        account_open(account_store(session->account), sharer->id, false, &account, &err);

    if (rc == RC_OK)
        add_place(notify, session, account, sharer->top)->look_at_all = true;
    else if (rc != RC_NOT_FOUND)
        log_event(LEVEL_WARNING, "share.unreadable", LOG_ID("account", sharer->id),
                  LOG_ERR(&err));
}

/* Places that are followed become those of sharers. False: there are too many. */
static bool follow_all(struct notify *notify, const struct session *session,
                       const struct sharer *sharers, size_t n, bool is_same)
{
    for (size_t i = 1; i < notify->n_places; i++) {
        struct notify_place *place = notify->places[i];

        place->is_leaving = !is_among(place, sharers, n);
        place->look_at_all = place->look_at_all || place->is_leaving || !is_same;
    }
    if (n > NOTIFY_OTHERS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_followed(notify, sharers[i].id))
            follow(notify, session, &sharers[i]);
    return true;
}

/* A new snapshot of everybody in which nothing is different that matters here. */
static bool is_same_to(const struct notify *notify, const struct principals *people,
                       const struct session *session, struct arena *arena)
{
    size_t n_old, n_new;
    const uint64_t *was = principals_groups_of(notify->people, session->actor.account, &n_old);
    const uint64_t *is = principals_groups_of(people, session->actor.account, &n_new);

    if (notify->lacks_names || n_old != n_new ||
        (n_old > 0 && memcmp(was, is, n_old * sizeof(*was)) != 0))
        return false;
    for (size_t i = 1; i < notify->n_places; i++) {
        const struct notify_place *place = notify->places[i];

        if (!slice_eq(place_top(people, account_id(place->account), arena), place->top))
            return false;
    }
    return true;
}

bool notify_places_are_old(const struct notify *notify)
{
    if (notify->shares == NULL)
        return false;
    return notify->is_stale || account_has_changes(notify->shares, &notify->shares_follower) ||
           principal_registry_epoch(mail_store_principal_registry(
               account_store(notify->shares))) != principals_epoch(notify->people);
}

bool notify_places_renew(struct notify *notify, struct session *session,
                         const struct acct_state *own)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PLACES_ARENA_BYTES);
    struct principals *people = mail_store_principals(account_store(notify->shares));
    bool is_same = is_same_to(notify, people, session, arena) && !notify->is_stale;
    struct account_changes changes;
    struct sharer *sharers;
    struct err err;
    size_t n;

    principals_unref(notify->people);
    notify->people = people;
    account_take_changes(notify->shares, &notify->shares_follower, &changes);
    if (is_same && changes.n == 0 && !changes.lost)
        return true;
    notify->is_stale = false;
    sharers = find_sharers(notify, session, own, arena, &n, &err);
    if (sharers == NULL) {
        log_event(LEVEL_WARNING, "share.unreadable", LOG_ERR(&err));
        return true;
    }
    return follow_all(notify, session, sharers, n, is_same);
}

/* ---- the beginning ---- */

static enum rc fill(struct notify *notify, const struct session *session,
                    struct notify_place *place, const struct acct_state *own,
                    struct arena *arena, struct err *err)
{
    AUTO(acct_unrefp)
    struct acct_state *state =
        account_read(place->account, session_position_in(session, place->account));
    const struct notify_look look = {notify, place, state, own, arena};

    place->look_at_all = false;
    return notify_fill(&look, err);
}

static enum rc open_others(struct notify *notify, struct session *session,
                           const struct acct_state *own, struct err *err)
{
    enum rc rc = shares_open(account_store(session->account), &notify->shares, err);

    if (rc)
        return rc;
    account_follow(notify->shares, &notify->shares_follower);
    notify->people = mail_store_principals(account_store(session->account));
    notify->is_stale = true;
    if (!notify_places_renew(notify, session, own))
        return err_set(err, RC_LIMIT, "Too many users' mailboxes to watch",
                       "notify: more than %u accounts", NOTIFY_OTHERS_MAX);
    return RC_OK;
}

enum rc notify_places_open(struct notify *notify, struct session *session, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PLACES_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *own = NULL;
    struct account *account;
    enum rc rc = account_open(account_store(session->account), account_id(session->account),
                              false, &account, err);

    if (rc)
        return rc;
    (void) add_place(notify, session, account, SLICE(""));
    own = session_read(session);
    notify->places[0]->outline = acct_outline_new(own);
    if (notify->means_others)
        rc = open_others(notify, session, own, err);
    for (size_t i = 0; rc == RC_OK && i < notify->n_places; i++)
        rc = fill(notify, session, notify->places[i], own, arena, err);
    return rc;
}
