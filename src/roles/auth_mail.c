/*
 * auth_mail.c - what mail asks (users) and what it is told (revocations, accounts).
 *
 * What ends sessions may not be lost: while mail is so far behind that its queue is full, it is
 * kept here in its order, and follows when the queue is empty. Of more than UNHEARD_MAX nothing
 * is kept but that every session ends.
 */
#include <stdlib.h>

#include "base/log.h"
#include "roles/auth_role.h"

/* Told, and not queued yet. */
struct unheard {
    struct link link; /* in auth->unheard */
    struct msg msg;   /* of numbers, and of text that is constant */
};

static void log_not_told(const struct msg *msg, const struct err *err)
{
    log_event(LEVEL_WARNING, "auth.mail_not_told", LOG_STR("message", msg_name(msg->type)),
              LOG_ERR(err));
}

static void tell_mail(struct auth_role *auth, const struct msg *msg)
{
    struct err err;

    if (auth_post(&auth->mail, msg, &err) != RC_OK)
        log_not_told(msg, &err);
}

/* ---- what may not be lost ---- */

bool auth_unheard_waits(const struct auth_role *auth)
{
    return auth->n_unheard > 0;
}

void auth_unheard_forget(struct auth_role *auth)
{
    struct link *link;

    while ((link = list_pop_front(&auth->unheard)) != NULL)
        free(LINK_OWNER(link, struct unheard, link));
    auth->n_unheard = 0;
}

static void keep(struct auth_role *auth, const struct msg *msg)
{
    struct unheard *unheard = xcalloc(1, sizeof(*unheard));

    unheard->msg = *msg;
    list_push_back(&auth->unheard, &unheard->link);
    auth->n_unheard++;
}

/* In the place of all that is kept. */
static void keep_everybodys_end(struct auth_role *auth)
{
    log_event(LEVEL_ERROR, "auth.mail_unheard", LOG_NUM("messages", auth->n_unheard));
    auth_unheard_forget(auth);
    keep(auth, &(struct msg){
                   .type = MSG_REVOKE,
                   .revoke = {.what = REVOKE_ALL,
                              .policy_epoch = UINT64_MAX, /* every session is older */
                              .reason = SLICE("too much unheard")}
    });
}

/* auth_post() sees to LOOP_OUT, also when it fails, as long as something is kept. */
static enum rc send_unheard(struct auth_role *auth, struct err *err)
{
    while (auth_unheard_waits(auth)) {
        struct unheard *first = LINK_OWNER(auth->unheard.head.next, struct unheard, link);
        enum rc rc = auth_post(&auth->mail, &first->msg, err);

        if (rc)
            return rc;
        list_remove(&first->link);
        free(first);
        auth->n_unheard--;
    }
    return RC_OK;
}

void auth_unheard_go_on(struct auth_role *auth)
{
    struct err err;

    if (auth_unheard_waits(auth) && send_unheard(auth, &err) == RC_OK)
        auth_told_ask(auth);
}

void auth_tell_mail_surely(struct auth_role *auth, const struct msg *msg)
{
    struct err err;

    if (auth->mail.channel == NULL)
        return; /* one that comes is asked about all its sessions */
    if (auth->n_unheard >= UNHEARD_MAX)
        keep_everybodys_end(auth);
    keep(auth, msg);
    if (send_unheard(auth, &err) != RC_OK && auth->n_unheard == 1)
        log_not_told(msg, &err);
}

/* ---- users ---- */

/* By id, or by name as for a login. */
static enum rc look_up(struct auth_role *auth, const struct msg_lookup_user *msg,
                       struct arena *arena, struct resolve_account *out, struct err *err)
{
    struct resolve_lookup lookup = realm_lookup(auth->realm);
    struct auth_account row;
    enum rc rc;

    if (msg->account == 0)
        return resolve_login(&lookup, msg->user, arena, out, err);
    rc = auth_db_get_account(auth->db, msg->account, arena, &row, err);
    if (rc)
        return rc;
    *out = (struct resolve_account){.id = row.id,
                                    .enabled = realm_account_enabled(auth->realm, &row),
                                    .shared = row.kind == ACCOUNT_SHARED,
                                    .name = row.name};
    return RC_OK;
}

/* Nobody lives under that id or name. */
static enum resolve_code how_unknown(struct auth_role *auth, uint64_t account)
{
    struct err err;
    enum rc rc = account != 0 ? auth_db_find_deleted(auth->db, account, &err) : RC_NOT_FOUND;

    if (rc == RC_OK)
        return RESOLVE_DELETED;
    if (rc == RC_NOT_FOUND)
        return RESOLVE_UNKNOWN;
    log_event(LEVEL_ERROR, "auth.lookup_failed", LOG_ERR(&err));
    return RESOLVE_TEMPORARY;
}

void auth_mail_lookup(struct auth_role *auth, const struct msg_lookup_user *msg)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    struct msg_user_found found = {.request = msg->request, .code = RESOLVE_TEMPORARY};
    struct resolve_account account;
    struct err err;
    enum rc rc;

    realm_refresh(auth->realm);
    rc = look_up(auth, msg, arena, &account, &err);
    if (rc == RC_NOT_FOUND) {
        found.code = (uint8_t) how_unknown(auth, msg->account);
    } else if (rc) {
        log_event(LEVEL_ERROR, "auth.lookup_failed", LOG_ERR(&err));
    } else {
        found.code = account.enabled ? RESOLVE_OK : RESOLVE_DISABLED;
        found.account = account.id;
        found.user = account.name;
    }
    tell_mail(auth, &(struct msg){.type = MSG_USER_FOUND, .user_found = found});
}

void auth_revoke(struct auth_role *auth, enum revoke_what what, uint64_t account,
                 uint64_t device, const char *reason)
{
    struct msg msg = {
        .type = MSG_REVOKE,
        .revoke = {.what = (uint8_t) what,
                   .account = account,
                   .device = device,
                   .reason = slice_from_str(reason)}
    };
    struct err err;

    if (auth_db_policy_epoch(auth->db, &msg.revoke.policy_epoch, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.no_policy_epoch", LOG_ERR(&err));
        msg.revoke.policy_epoch = UINT64_MAX; /* every session is older */
    }
    auth_tell_mail_surely(auth, &msg);
}

void auth_revoke_watch(struct auth_role *auth, uint64_t account, uint64_t watch,
                       const char *reason)
{
    auth_tell_mail_surely(auth, &(struct msg){
                                    .type = MSG_REVOKE,
                                    .revoke = {.what = REVOKE_WATCH,
                                               .account = account,
                                               .watch = watch,
                                               .reason = slice_from_str(reason)}
    });
}

void auth_announce_created(void *ctx, uint64_t id, struct slice name)
{
    tell_mail(ctx, &(struct msg){
                       .type = MSG_ACCOUNT_CREATED,
                       .account_created = {.account = id, .user = name}
    });
    auth_directory_account(ctx, id);
}

void auth_announce_deleted(struct auth_role *auth, uint64_t id, struct slice name)
{
    tell_mail(auth, &(struct msg){
                        .type = MSG_ACCOUNT_DELETED,
                        .account_deleted = {.account = id, .user = name}
    });
    auth_directory_gone(auth, id);
}
