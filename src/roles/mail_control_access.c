/* mail_control_access.c - what the command line does with rights on mailboxes and with quota.
 */
#include "base/log.h"
#include "mailbox/acl.h"
#include "mailbox/acl_text.h"
#include "roles/mail_role.h"

#define COMMIT_TRIES         16u   /* with an engine that may conflict */
#define IDENTIFIER_MAX_BYTES 1100u /* a name with what stands before it */

/* The mailbox that the fields "user" and "mailbox" name, in the newest durable version. */
static enum rc find_mailbox(struct mail_role *mail, const struct control_fields *fields,
                            struct account **out_account, struct acct_state **out_state,
                            const struct mbox **out, struct err *err)
{
    struct slice name;
    enum rc rc = control_field_need(fields, "mailbox", &name, err);

    if (rc == RC_OK)
        rc = mail_open_user(mail, fields, out_account, err);
    if (rc)
        return rc;
    *out_state = account_read(*out_account, 0);
    *out = acct_mailbox_by_name(*out_state, name);
    if (*out == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "acl: unknown mailbox");
    return RC_OK;
}

/* ---- rights ---- */

/* user, mailbox -> a row for each entry: identifier, rights */
void mail_acl_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    AUTO(principals_unrefp) struct principals *principals = mail_store_principals(mail->store);
    const struct mbox *mbox;
    struct err err;
    enum rc rc = find_mailbox(mail, fields, &account, &state, &mbox, &err);

    for (size_t i = 0; rc == RC_OK && i < mbox_info(mbox)->n_acl; i++) {
        const struct text_pair *entry = &mbox_info(mbox)->acl[i];
        AUTO(buf_done) struct buf text = {.max = IDENTIFIER_MAX_BYTES};
        struct acl_entry_name name;

        if (acl_entry_name_parse(entry->key, &name))
            acl_text_print(principals, &name, &text);
        else
            buf_append(&text, entry->key);
        const struct control_field row[] = {
            CONTROL_TEXT("identifier", buf_slice(&text)),
            CONTROL_TEXT("rights", entry->value),
        };

        control_row(conn, row, COUNT(row));
    }
    control_end_rc(conn, rc, &err);
}

/* Letters as people write them, or "all", or "none". */
static enum rc read_rights(struct slice text, uint32_t *out, struct err *err)
{
    uint32_t rights = RIGHTS_ALL;

    if (slice_eq(text, SLICE("none")))
        rights = 0;
    else if (!slice_eq(text, SLICE("all")) && !rights_parse(text, &rights))
        return err_set(err, RC_INVALID, "Rights are letters of lrswipkxtean, all or none",
                       "acl: rights");
    *out = rights;
    return RC_OK;
}

static enum rc put_entry(struct account *account, struct slice mailbox,
                         const struct acl_change *change, struct err *err)
{
    unsigned tries = 0;
    uint64_t position = 0;
    enum rc rc;

    do {
        rc = account_put_acl(account, &(struct actor){0}, mailbox, change, &position, err);
    } while (rc == RC_CONFLICT && ++tries < COMMIT_TRIES);
    if (rc == RC_OK)
        account_wait_durable(account, position);
    return rc;
}

/*
 * A user of the passwd-file gets an account by being named to auth, and a group that was made a
 * moment ago may be on its way here. Auth tells of both before it answers; so who is not in the
 * directory is asked for, whatever the answer, and then looked up again.
 */
static enum rc read_identifier(struct mail_role *mail, struct slice text,
                               struct acl_entry_name *out, struct err *err)
{
    AUTO(principals_unrefp) struct principals *now = mail_store_principals(mail->store);
    AUTO(principals_unrefp) struct principals *then = NULL;
    enum rc rc = acl_text_read(now, text, out, err), asked;
    struct err unknown;
    uint64_t id;

    if (rc != RC_NOT_FOUND)
        return rc;
    asked =
        mail_lookup_user(mail, slice_from(text, slice_starts(text, SLICE("-"))), &id, &unknown);
    if (asked == RC_UNAVAILABLE)
        return rc;
    then = mail_store_principals(mail->store);
    return acl_text_read(then, text, out, err);
}

static enum rc set_rights(struct mail_role *mail, struct control_conn *conn,
                          const struct control_fields *fields, struct err *err)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct slice identifier, text;
    char rights[RIGHTS_TEXT_BYTES];
    struct acl_change change = {.op = ACL_SET};
    const struct mbox *mbox;
    enum rc rc = control_field_need(fields, "identifier", &identifier, err);

    if (rc == RC_OK)
        rc = control_field_need(fields, "rights", &text, err);
    if (rc == RC_OK)
        rc = read_rights(text, &change.rights, err);
    if (rc == RC_OK)
        rc = read_identifier(mail, identifier, &change.name, err);
    if (rc == RC_OK)
        rc = find_mailbox(mail, fields, &account, &state, &mbox, err);
    if (rc == RC_OK)
        rc = put_entry(account, mbox_info(mbox)->name, &change, err);
    rights_print(change.rights, rights);
    if (rc == RC_OK)
        log_event(LEVEL_INFO, "acl.changed", LOG_ID("account", account_id(account)),
                  LOG_TEXT("mailbox", mbox_info(mbox)->name),
                  LOG_TEXT("identifier", identifier), LOG_STR("rights", rights),
                  LOG_NUM("by_uid", control_conn_uid(conn)));
    return rc;
}

/* user, mailbox, identifier, rights (letters, all or none) */
void mail_acl_set(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct err err;

    control_end_rc(conn, set_rights(ctx, conn, fields, &err), &err);
}

/* ---- quota ---- */

static struct slice limit_text(char room[CONTROL_NUMBER_BYTES], uint64_t limit)
{
    return limit == QUOTA_UNLIMITED ? SLICE("") : control_u64(room, limit);
}

/* user -> a row for each resource: used, limit (empty: none), own ("yes": the account's) */
void mail_quota_list(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    struct mail_role *mail = ctx;
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct quota_status status;
    struct quota_limits own;
    struct err err;
    enum rc rc = mail_open_user(mail, fields, &account, &err);

    if (rc == RC_OK) {
        state = account_read(account, 0);
        quota_of(mail->store, state, &status);
        own = quota_own_limits(state);
    }
    for (unsigned i = 0; rc == RC_OK && i < QUOTA_RESOURCES; i++) {
        char used[CONTROL_NUMBER_BYTES], limit[CONTROL_NUMBER_BYTES];
        const struct control_field row[] = {
            CONTROL_TEXT("resource",
                         slice_from_str(quota_resource_word((enum quota_resource) i))),
            CONTROL_TEXT("used", control_u64(used, status.usage[i])),
            CONTROL_TEXT("limit", limit_text(limit, status.limit[i])),
            CONTROL_TEXT("own", own.set[i] ? SLICE("yes") : SLICE("no")),
        };

        control_row(conn, row, COUNT(row));
    }
    control_end_rc(conn, rc, &err);
}

/* One field: absent, "none" (the account says nothing), "unlimited" or a number. */
static enum rc change_limit(struct mail_txn *txn, const struct control_fields *fields,
                            enum quota_resource resource, struct err *err)
{
    uint64_t limit = QUOTA_UNLIMITED;
    struct slice text;

    if (!control_field_get(fields, quota_resource_word(resource), &text) || text.len == 0)
        return RC_OK;
    if (slice_eq(text, SLICE("none")))
        return txn_set_quota(txn, resource, false, 0, err);
    if (!slice_eq(text, SLICE("unlimited")) &&
        (!slice_to_u64(text, &limit) || limit > QUOTA_LIMIT_MAX))
        return err_set(err, RC_INVALID, "A limit is a number below 2^63, unlimited or none",
                       "%s: not a limit", quota_resource_word(resource));
    return txn_set_quota(txn, resource, true, limit, err);
}

static enum rc limit_once(struct account *account, const struct control_fields *fields,
                          uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = txn_begin(account, &(struct actor){0}, &txn, err);

    for (unsigned i = 0; rc == RC_OK && i < QUOTA_RESOURCES; i++)
        rc = change_limit(txn, fields, (enum quota_resource) i, err);
    return rc ? rc : txn_commit(&txn, out_position, err);
}

/* user, storage, messages, mailboxes (each optional) */
void mail_quota_set(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    AUTO(account_closep) struct account *account = NULL;
    unsigned tries = 0;
    uint64_t position;
    struct err err;
    enum rc rc = mail_open_user(ctx, fields, &account, &err);

    if (rc == RC_OK)
        do {
            rc = limit_once(account, fields, &position, &err);
        } while (rc == RC_CONFLICT && ++tries < COMMIT_TRIES);
    if (rc == RC_OK) {
        account_wait_durable(account, position);
        log_event(LEVEL_INFO, "quota.changed", LOG_ID("account", account_id(account)),
                  LOG_NUM("by_uid", control_conn_uid(conn)));
    }
    control_end_rc(conn, rc, &err);
}
