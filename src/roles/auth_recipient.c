/*
 * auth_recipient.c - whom an address means, for a delivery (mail) and for Postfix (a gate).
 *
 *   auth_resolve --known here--------------------------------------------> RESOLVED
 *        '--not known--> each name, of each back-end --nobody-----------> RESOLVED: unknown,
 *                             |                                             or the catch-all
 *                             |--known there: gets an account as by a login--> RESOLVED
 *                             '--cannot be reached, or cannot say who---> RESOLVED: temporary
 *
 * A user of a directory or a database gets mail before the first login. The first back-end that
 * knows a name decides, as for a login; one that cannot be reached decides too, for mail that
 * waits at its sender is better than mail that came back. PAM knows no users without passwords
 * and is not asked.
 */
#include "base/log.h"
#include "roles/auth_role.h"

struct recipient {
    struct link link; /* in auth->recipients */
    struct auth_role *auth;
    struct auth_peer *peer; /* while it is there: auth_recipients_forget() */
    uint64_t request;
    struct slice address;
    struct resolve_name names[RESOLVE_NAMES_MAX];
    size_t n_names, name, backend; /* that is asked now, for names[name] */
    struct arena *arena;
    struct auth_backend_ask ask;
};

/*
 * For how long the same answer will do, if the database does not change. What stands there is
 * found there, whatever a back-end says; a passwd-file may have a name that comes before it.
 */
static uint32_t keep_ms(struct auth_role *auth, const struct resolved *found)
{
    const struct realm *realm = auth->realm;
    bool is_here = found->account != 0 && !found->is_catch_all;

    switch (found->code) {
    case RESOLVE_OK:
    case RESOLVE_UNKNOWN:
    case RESOLVE_DISABLED:
    case RESOLVE_SYNTAX:
        if (realm_passwd_file(realm) != NULL)
            return RECIPIENT_FILE_KEEP_MS;
        return is_here || !backend_chain_needs_idp(realm_backends(realm))
                   ? RECIPIENT_KEEP_MS
                   : RECIPIENT_BACKEND_KEEP_MS;
    case RESOLVE_FULL:
    case RESOLVE_TEMPORARY:
    case RESOLVE_DELETED:
    case RESOLVE_COUNT:
        break;
    }
    return 0;
}

static void answer(struct auth_peer *peer, uint64_t request, const struct resolved *found)
{
    struct auth_role *auth = peer->auth;
    struct msg msg = {
        .type = MSG_RESOLVED,
        .resolved = {.request = request, .code = (uint8_t) found->code, .user = found->user}
    };
    struct err err;

    if (peer == &auth->mail) { /* a gate knows no account by its id, and keeps nothing */
        msg.resolved.account = found->account;
        msg.resolved.detail = found->detail;
        msg.resolved.keep_ms = keep_ms(auth, found);
        msg.resolved.generation = auth->directory.generation;
        auth->directory.answers_kept |= msg.resolved.keep_ms > 0;
    }
    if (auth_post(peer, &msg, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.peer_not_told", LOG_ERR(&err));
}

static void recipient_free(struct recipient *recipient)
{
    auth_backend_forget(&recipient->ask);
    list_remove(&recipient->link);
    recipient->auth->n_recipients--;
    arena_free(recipient->arena);
    free(recipient);
}

static void end(struct recipient *recipient, const struct resolved *found)
{
    answer(recipient->peer, recipient->request, found);
    recipient_free(recipient);
}

/* As it stands here, the catch-all user included. */
static void end_here(struct recipient *recipient)
{
    struct resolve_lookup lookup = realm_lookup(recipient->auth->realm);
    struct resolved found;

    resolve_recipient(&lookup, recipient->address, recipient->arena, &found);
    end(recipient, &found);
}

static void end_with(struct recipient *recipient, enum resolve_code code)
{
    end(recipient, &(struct resolved){.code = code});
}

/* The back-end knows somebody, but nobody here gets the mail by that. */
static void end_refused(struct recipient *recipient, struct slice user, enum rc rc,
                        const char *why)
{
    const struct backend *backend =
        &realm_backends(recipient->auth->realm)->list[recipient->backend];

    log_event(rc == RC_NOT_FOUND ? LEVEL_WARNING : LEVEL_ERROR, "auth.recipient_refused",
              LOG_STR("backend", backend->text), LOG_TEXT("user", user),
              LOG_STR("detail", why));
    end_with(recipient, RESOLVE_TEMPORARY);
}

/* The back-end knows the user: the account, as of a login. */
static void adopt(struct recipient *recipient, const struct backend_answer *said)
{
    struct auth_role *auth = recipient->auth;
    const struct backend *backend = &realm_backends(auth->realm)->list[recipient->backend];
    struct auth_account account;
    struct resolved found;
    bool groups_changed;
    struct err err;
    enum rc rc = login_adopt(auth->realm, backend, said, recipient->arena, &account,
                             &groups_changed, &err);

    if (rc) {
        end_refused(recipient, said->user, rc,
                    rc == RC_NOT_FOUND ? "the name is another account's, or none" : err.detail);
        return;
    }
    if (groups_changed)
        auth_groups_changed(auth, account.id);
    found = (struct resolved){
        .code = realm_account_enabled(auth->realm, &account) ? RESOLVE_OK : RESOLVE_DISABLED,
        .account = account.id,
        .user = account.name,
        .detail = recipient->names[recipient->name].detail};
    end(recipient, &found);
}

static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *said);

/* From recipient->name and ->backend on. */
static void ask_next(struct recipient *recipient)
{
    const struct backend_chain *chain = realm_backends(recipient->auth->realm);

    for (; recipient->name < recipient->n_names; recipient->name++) {
        for (; recipient->backend < chain->n; recipient->backend++) {
            if (!backend_is_idp(&chain->list[recipient->backend]))
                continue;
            auth_backend_ask_user(recipient->auth, &recipient->ask, recipient->backend,
                                  recipient->names[recipient->name].name, on_backend);
            return;
        }
        recipient->backend = 0;
    }
    end_here(recipient);
}

/* An auth_backend_fn. */
static void on_backend(struct auth_backend_ask *ask, const struct backend_answer *said)
{
    struct recipient *recipient = LINK_OWNER(ask, struct recipient, ask);

    switch (said->result) {
    case BACKEND_RIGHT:
        adopt(recipient, said);
        break;
    case BACKEND_UNKNOWN:
        recipient->backend++;
        ask_next(recipient);
        break;
    case BACKEND_DISABLED:
        end_with(recipient, RESOLVE_DISABLED);
        break;
    case BACKEND_WRONG:
        end_refused(recipient, recipient->names[recipient->name].name, RC_NOT_FOUND,
                    "more than one has that name, or one without a name for us");
        break;
    case BACKEND_UNAVAILABLE:
        end_with(recipient, RESOLVE_TEMPORARY);
        break;
    }
}

/* Not known here. False: no back-end may know it either. */
static bool ask_backends(struct auth_peer *peer, const struct msg_resolve *msg,
                         const struct resolve_lookup *lookup)
{
    struct auth_role *auth = peer->auth;
    struct recipient *recipient;

    if (!backend_chain_needs_idp(realm_backends(auth->realm)))
        return false;
    if (auth->n_recipients >= RECIPIENTS_MAX) {
        answer(peer, msg->request, &(struct resolved){.code = RESOLVE_TEMPORARY});
        return true;
    }
    recipient = xcalloc(1, sizeof(*recipient));
    recipient->auth = auth;
    recipient->peer = peer;
    recipient->request = msg->request;
    recipient->arena = arena_new(LOGIN_ARENA_BYTES);
    recipient->address = arena_dup(recipient->arena, msg->address);
    recipient->n_names =
        resolve_names(lookup, recipient->address, recipient->arena, recipient->names);
    list_push_back(&auth->recipients, &recipient->link);
    auth->n_recipients++;
    ask_next(recipient);
    return true;
}

void auth_resolve(struct auth_peer *peer, const struct msg_resolve *msg)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct resolve_lookup lookup;
    struct resolved found;

    realm_refresh(peer->auth->realm);
    lookup = realm_lookup(peer->auth->realm);
    resolve_recipient(&lookup, msg->address, arena, &found);
    if ((found.code != RESOLVE_UNKNOWN && !found.is_catch_all) ||
        !ask_backends(peer, msg, &lookup))
        answer(peer, msg->request, &found);
}

void auth_recipients_forget(struct auth_role *auth, const struct auth_peer *peer)
{
    LIST_FOREACH(it, &auth->recipients)
    {
        struct recipient *recipient = LINK_OWNER(it, struct recipient, link);

        if (recipient->peer == peer)
            recipient_free(recipient);
    }
}

void auth_recipients_done(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->recipients)
    {
        recipient_free(LINK_OWNER(it, struct recipient, link));
    }
}
