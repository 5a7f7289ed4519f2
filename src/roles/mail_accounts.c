/*
 * mail_accounts.c - accounts that are deleted, and those that were while nobody listened.
 *
 * Auth says ACCOUNT_DELETED when an administrator deletes a user. If mail is down then, the
 * word is lost; so whenever auth comes (mail has started, or auth has), mail asks it about
 * every account in the store, a few at a time.
 *
 * Why this removes nobody's mail by mistake. The hazard: auth's database is new, restored from
 * a backup or another server's, and does not know accounts that are alive. The rule: an account
 * is removed only if auth answers DELETED, which it says only for an id whose row is in its
 * database and is marked as deleted. Why that is enough: ids are 64 random bits and never given
 * twice, and a row is marked only by `roost user delete` on exactly that account. A database
 * that has never heard of the id answers UNKNOWN, one older than the deletion says that the
 * account lives, one that cannot be read says TEMPORARY: none of them removes anything.
 */
#include "base/log.h"
#include "mailbox/shares.h"
#include "roles/mail_role.h"

#define CHECK_WINDOW  64u          /* questions that wait for their answer */
#define CHECK_REQUEST (1ull << 63) /* in their numbers, which others do not reach */

struct deleted_account {
    struct link link;
    uint64_t id;
};

struct account_check {
    uint64_t *ids;
    size_t n, cap;
    size_t asked, answered;
};

/* ---- accounts that go ---- */

static bool is_going(const struct mail_role *mail, uint64_t id)
{
    LIST_FOREACH(it, &mail->deleted)
    {
        if (LINK_OWNER(it, struct deleted_account, link)->id == id)
            return true;
    }
    return false;
}

void mail_account_deleted(struct mail_role *mail, uint64_t id)
{
    struct deleted_account *deleted;

    if (is_going(mail, id))
        return;
    deleted = xcalloc(1, sizeof(*deleted));
    deleted->id = id;
    list_push_back(&mail->deleted, &deleted->link);
    mail_pairs_revoke(mail, id, 0, 0);
    (void) clients_end(mail->clients, id, 0, 0, ORDER_REVOKED);
}

void mail_remove_deleted(struct mail_role *mail)
{
    struct err err;

    LIST_FOREACH(it, &mail->deleted)
    {
        struct deleted_account *deleted = LINK_OWNER(it, struct deleted_account, link);
        enum rc rc = mail_store_remove(mail->store, deleted->id, &err);

        if (rc == RC_UNAVAILABLE)
            continue; /* somebody is still in it */
        if (rc == RC_OK)
            rc = shares_forget(mail->store, deleted->id, &err);
        log_event(rc ? LEVEL_ERROR : LEVEL_INFO, "account.removed",
                  LOG_ID("account", deleted->id), LOG_STR("result", rc_name(rc)));
        list_remove(&deleted->link);
        free(deleted);
    }
}

/* ---- those that went unheard ---- */

static void check_free(struct mail_role *mail)
{
    if (mail->check == NULL)
        return;
    free(mail->check->ids);
    free(TAKE(mail->check));
}

static bool keep_id(void *ctx, uint64_t account)
{
    struct account_check *check = ctx;

    if (check->n == check->cap) {
        check->cap = MAX(2 * check->cap, (size_t) 64);
        check->ids = xrealloc(check->ids, check->cap * sizeof(*check->ids));
    }
    check->ids[check->n++] = account;
    return true;
}

/* Keep the window full. Auth that goes away ends the check; the next one begins anew. */
static void ask_more(struct mail_role *mail)
{
    struct account_check *check = mail->check;
    struct err err;

    while (check->asked < check->n && check->asked - check->answered < CHECK_WINDOW) {
        struct msg msg = {
            .type = MSG_LOOKUP_USER,
            .lookup_user = {.request = CHECK_REQUEST | check->asked,
                            .account = check->ids[check->asked]}
        };

        if (mail_post(&mail->auth, &msg, &err)) {
            check_free(mail);
            return;
        }
        check->asked++;
    }
    if (check->answered == check->n)
        check_free(mail);
}

void mail_accounts_check(struct mail_role *mail)
{
    struct engine *engine = mail_store_engine(mail->store);
    struct err err;
    enum rc rc;

    check_free(mail);
    mail->check = xcalloc(1, sizeof(*mail->check));
    rc = engine->ops->list(engine, keep_id, mail->check, &err);
    if (rc) {
        log_event(LEVEL_ERROR, "mail.accounts_unlisted", LOG_ERR(&err));
        check_free(mail);
        return;
    }
    ask_more(mail);
}

bool mail_accounts_asked(const struct msg_user_found *found)
{
    return (found->request & CHECK_REQUEST) != 0;
}

void mail_accounts_answer(struct mail_role *mail, const struct msg_user_found *found)
{
    struct account_check *check = mail->check;
    uint64_t at = found->request & ~CHECK_REQUEST, id;

    if (check == NULL || at >= check->asked)
        return; /* of a check that was given up */
    id = check->ids[at];
    check->answered++;
    if (found->code == RESOLVE_DELETED)
        mail_account_deleted(mail, id);
    else if (found->code == RESOLVE_DISABLED)
        (void) clients_end(mail->clients, id, 0, 0, ORDER_REVOKED);
    ask_more(mail);
}

void mail_accounts_done(struct mail_role *mail)
{
    struct link *link;

    check_free(mail);
    while ((link = list_pop_front(&mail->deleted)) != NULL)
        free(LINK_OWNER(link, struct deleted_account, link));
}
