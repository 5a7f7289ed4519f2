#include "commands/places.h"

#include "commands/referral.h"
#include "mailbox/name.h"
#include "mailbox/txn.h"

static enum rc no_such(struct err *err, const char *why)
{
    return err_set(err, RC_NOT_FOUND, "No such mailbox", "place: %s", why);
}

/* The namespace a name lies in: a kind of principals, and what is behind the prefix. False: the
 * session's own. */
static bool foreign_part(struct slice name, enum principal_kind *kind, struct slice *rest)
{
    static const struct {
        const char *prefix;
        enum principal_kind kind;
    } spaces[] = {
        {OTHER_USERS_PREFIX,    PRINCIPAL_USER  },
        {SHARED_FOLDERS_PREFIX, PRINCIPAL_SHARED},
    };

    for (size_t i = 0; i < COUNT(spaces); i++) {
        struct slice prefix = slice_from_str(spaces[i].prefix);

        *kind = spaces[i].kind;
        *rest = SLICE("");
        if (slice_eq(name, slice_sub(prefix, 0, prefix.len - 1)))
            return true;
        if (slice_starts(name, prefix)) {
            *rest = slice_from(name, prefix.len);
            return true;
        }
    }
    return false;
}

bool name_is_own(struct slice name)
{
    enum principal_kind kind;
    struct slice rest;

    return !foreign_part(name, &kind, &rest);
}

/* USER is INBOX; USER/INBOX would be a second name of it. */
static enum rc inner_name(struct slice rest, struct slice *who, struct slice *name,
                          struct err *err)
{
    size_t end = slice_find(rest, NAME_SEPARATOR);

    *who = slice_sub(rest, 0, end);
    *name = SLICE("INBOX");
    if (end == rest.len)
        return RC_OK;
    *name = slice_from(rest, end + 1);
    return mailbox_name_is_inbox(*name) ? no_such(err, "second name of INBOX") : RC_OK;
}

static enum rc find_place(struct session *session, struct slice name, struct place *out,
                          struct err *err)
{
    AUTO(principals_unrefp) struct principals *people = NULL;
    const struct principal *who;
    enum principal_kind kind;
    struct slice rest, who_name;
    enum rc rc;

    *out = (struct place){session->account, name};
    if (!foreign_part(name, &kind, &rest))
        return RC_OK;
    rc = inner_name(rest, &who_name, &out->name, err);
    if (rc)
        return rc;
    people = mail_store_principals(account_store(session->account));
    who = principals_find_account(people, who_name);
    if (who == NULL || who->kind != kind || who->id == account_id(session->account))
        return no_such(err, "nobody of this name");
    rc = session_enter(session, who->id, &out->account, err);
    return rc == RC_NOT_FOUND ? no_such(err, "no mail there yet") : rc;
}

/* Is there a mailbox of that name? Whether the session may know of it is asked later. */
static bool is_here(const struct session *session, const struct place *place)
{
    struct acct_state *state =
        account_read(place->account, session_position_in(session, place->account));
    bool here = acct_mailbox_by_name(state, place->name) != NULL;

    acct_unref(state);
    return here;
}

enum rc place_of(struct session *session, struct slice name, struct place *out, struct err *err)
{
    const struct remote_mailbox *remote = referral_find(session, name);
    enum rc rc;

    if (!session_allows(session, name))
        return no_such(err, "not among the credential's folders");
    rc = find_place(session, name, out, err);
    if (remote != NULL && (rc == RC_NOT_FOUND || (rc == RC_OK && !is_here(session, out))))
        return referral_refuse(session, remote, name, err);
    return rc;
}

enum rc place_check_change(const struct session *session, struct slice name, struct err *err)
{
    if (session_may_change(session, name))
        return RC_OK;
    return err_set(err, RC_DENIED, "This login may only read", "rules: read-only mailbox");
}

enum rc place_to_change(struct session *session, struct slice name, struct place *out,
                        struct err *err)
{
    enum rc rc = place_of(session, name, out, err);

    return rc ? rc : place_check_change(session, name, err);
}

enum rc place_find(struct session *session, struct slice name, uint32_t rights,
                   struct found_mailbox *out, struct err *err)
{
    struct found_mailbox found = {0};
    struct place place;
    enum rc rc = place_of(session, name, &place, err);

    if (rc)
        return rc;
    found.account = place.account;
    found.state = account_read(place.account, session_position_in(session, place.account));
    found.mbox = acct_mailbox_by_name(found.state, place.name);
    if (found.mbox == NULL) {
        rc = no_such(err, "unknown name");
    } else {
        account_reader(found.account, mbox_info(found.mbox), session->actor.account,
                       &found.reader);
        rc = reader_needs(&found.reader, RIGHT_LOOKUP | rights, err);
    }
    if (rc) {
        found_mailbox_done(&found);
        return rc;
    }
    *out = found;
    return RC_OK;
}

void found_mailbox_done(struct found_mailbox *found)
{
    acct_unref(found->state);
    found->state = NULL;
    found->mbox = NULL;
}

enum rc place_load(const struct session *session, struct found_mailbox *found, struct err *err)
{
    uint32_t id = mbox_info(found->mbox)->id;
    struct acct_state *state;
    enum rc rc = account_read_mailbox(
        found->account, session_position_in(session, found->account), id, &state, err);

    if (rc)
        return rc;
    acct_unref(found->state);
    found->state = state;
    found->mbox = acct_mailbox_by_id(state, id);
    return RC_OK;
}

struct slice place_top(const struct principals *people, uint64_t account, struct arena *arena)
{
    const struct principal *who = principals_by_id(people, account);

    if (who == NULL)
        return SLICE("");
    return slice_from_str(
        arena_printf(arena, "%s%.*s",
                     who->kind == PRINCIPAL_SHARED ? SHARED_FOLDERS_PREFIX : OTHER_USERS_PREFIX,
                     SLICE_ARG(who->name)));
}

struct slice place_below(struct slice top, struct slice name, struct arena *arena)
{
    if (mailbox_name_is_inbox(name))
        return top;
    return slice_from_str(arena_printf(arena, "%.*s/%.*s", SLICE_ARG(top), SLICE_ARG(name)));
}

struct slice place_name(const struct session *session, const struct account *account,
                        struct slice name, struct arena *arena)
{
    AUTO(principals_unrefp) struct principals *people = NULL;
    struct slice top;

    if (account == session->account)
        return name;
    people = mail_store_principals(account_store(account));
    top = place_top(people, account_id(account), arena);
    return top.len > 0 ? place_below(top, name, arena) : top;
}

enum rc place_begin(struct session *session, struct slice name, struct mail_txn **out,
                    struct slice *out_name, struct err *err)
{
    struct place place;
    enum rc rc = place_to_change(session, name, &place, err);

    if (rc)
        return rc;
    *out_name = place.name;
    return txn_begin(place.account, &session->actor, out, err);
}
