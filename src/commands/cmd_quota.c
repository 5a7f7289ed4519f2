/*
 * cmd_quota.c - GETQUOTA, GETQUOTAROOT and SETQUOTA.
 *
 * Spec: RFC 9208 4 and 6.
 *
 * Each account has one quota root, over all its mailboxes. The session's own has the name "";
 * that of somebody else the name of the user or shared account. A root that the session may not
 * see is answered as one that is missing: what others hold is confidential (RFC 9208 8). It
 * sees those of accounts with a mailbox that it may read, because FETCH would tell as much; an
 * administrator (quota_admins) sees all, and alone may set them.
 */
#include "commands/cmd.h"
#include "commands/places.h"
#include "imap/print.h"
#include "mailbox/txn.h"

#define STORAGE_UNIT 1024u /* RFC 9208 5.1, 5.4 */

static enum rc no_such_root(struct err *err, const char *why)
{
    return err_set(err, RC_NOT_FOUND, "No such quota root", "quota: %s", why);
}

/* ---- saying ---- */

/* Whole units, the last one perhaps in part: so what fills its limit shows as full. */
static uint64_t in_units(enum quota_resource resource, uint64_t value)
{
    if (!quota_resource_is_bytes(resource))
        return value;
    return value / STORAGE_UNIT + (value % STORAGE_UNIT != 0);
}

/* "* QUOTA root (STORAGE 10 512)": resources without a limit are not named (RFC 9208 4.2.1). */
static void say_quota(struct cmd *cmd, struct slice root, const struct quota_status *status)
{
    struct buf *out = cmd->reply->out;
    bool first = true;

    buf_str(out, "* QUOTA ");
    imap_print_astring(out, root, cmd->session->mode);
    buf_str(out, " (");
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        enum quota_resource resource = (enum quota_resource) i;

        if (status->limit[i] == QUOTA_UNLIMITED)
            continue;
        if (!first)
            buf_byte(out, ' ');
        first = false;
        buf_append(out, quota_resource_name(resource));
        buf_byte(out, ' ');
        buf_u64(out, in_units(resource, status->usage[i]));
        buf_byte(out, ' ');
        buf_u64(out, in_units(resource, status->limit[i]));
    }
    buf_str(out, ")\r\n");
}

/* As the session may see the account: with its own writes. */
static void say_quota_of(struct cmd *cmd, struct slice root, struct account *account)
{
    AUTO(acct_unrefp)
    struct acct_state *state =
        account_read(account, session_position_in(cmd->session, account));
    struct quota_status status;

    quota_of(account_store(account), state, &status);
    say_quota(cmd, root, &status);
}

/* ---- roots ---- */

/* Has the account a mailbox that this session may read? */
static bool reads_some(const struct session *session, struct account *account,
                       struct arena *arena)
{
    AUTO(acct_unrefp)
    struct acct_state *state = account_read(account, session_position_in(session, account));

    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(state, i));
        struct reader reader;

        account_reader(account, info, session->actor.account, &reader);
        if ((reader.rights & RIGHT_READ) != 0 &&
            session_allows(session, place_name(session, account, info->name, arena)))
            return true;
    }
    return false;
}

/* The account of a root that the session may see. */
static enum rc find_root(struct cmd *cmd, struct slice root, struct account **out,
                         struct err *err)
{
    struct session *session = cmd->session;
    AUTO(principals_unrefp) struct principals *people = NULL;
    const struct principal *who;
    struct account *account;
    enum rc rc;

    if (root.len == 0) {
        *out = session->account;
        return RC_OK;
    }
    people = mail_store_principals(account_store(session->account));
    who = principals_find_account(people, root);
    if (who == NULL)
        return no_such_root(err, "nobody of this name");
    if (who->id == account_id(session->account)) {
        *out = session->account;
        return RC_OK;
    }
    rc = session_enter(session, who->id, &account, err);
    if (rc == RC_NOT_FOUND)
        return no_such_root(err, "no mail there yet");
    if (rc)
        return rc;
    if (!session->sets_quota && !reads_some(session, account, cmd->arena))
        return no_such_root(err, "not this session's to see");
    *out = account;
    return RC_OK;
}

enum rc cmd_getquota(struct cmd *cmd, struct err *err)
{
    struct slice root = cmd->args.quota.root;
    struct account *account;
    enum rc rc = find_root(cmd, root, &account, err);

    if (rc)
        return rc;
    say_quota_of(cmd, root, account);
    reply_ok(cmd->reply, "GETQUOTA completed");
    return RC_OK;
}

/* The root's name as find_root() takes it. */
static struct slice root_name(struct cmd *cmd, const struct account *account)
{
    AUTO(principals_unrefp) struct principals *people = NULL;
    const struct principal *who;

    if (account == cmd->session->account)
        return SLICE("");
    people = mail_store_principals(account_store(account));
    who = principals_by_id(people, account_id(account));
    return who != NULL ? arena_dup(cmd->arena, who->name) : SLICE("");
}

/* RFC 9208 4.1.2: of one's own mailboxes also one that is not there yet; of others' only with
 * "r" (section 6). */
enum rc cmd_getquotaroot(struct cmd *cmd, struct err *err)
{
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct slice name = cmd->args.mailbox.mailbox.name, root;
    struct buf *out = cmd->reply->out;
    struct account *account = cmd->session->account;
    enum rc rc;

    if (!name_is_own(name)) {
        rc = place_find(cmd->session, name, RIGHT_READ, &found, err);
        if (rc)
            return rc;
        account = found.account;
    }
    root = root_name(cmd, account);
    buf_str(out, "* QUOTAROOT ");
    imap_print_mailbox(out, name, cmd->session->mode);
    buf_byte(out, ' ');
    imap_print_astring(out, root, cmd->session->mode);
    buf_str(out, "\r\n");
    say_quota_of(cmd, root, account);
    reply_ok(cmd->reply, "GETQUOTAROOT completed");
    return RC_OK;
}

/* ---- setting ---- */

/* On the wire in units; what is beyond the largest limit becomes it (RFC 9208 3.2: rounding).
 */
static uint64_t from_units(enum quota_resource resource, uint64_t value)
{
    uint64_t bytes;

    if (!quota_resource_is_bytes(resource))
        return value;
    return __builtin_mul_overflow(value, (uint64_t) STORAGE_UNIT, &bytes) ||
                   bytes > QUOTA_LIMIT_MAX
               ? QUOTA_LIMIT_MAX
               : bytes;
}

/* Limits that are not listed are gone, also those that a group or the configuration would give
 * (RFC 9208 4.1.3). */
static enum rc set_limits(struct mail_txn *txn, const struct imap_quota_args *args,
                          struct err *err)
{
    uint64_t limits[QUOTA_RESOURCES] = {QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_UNLIMITED,
                                        QUOTA_UNLIMITED};
    enum quota_resource resource;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < args->n; i++) {
        if (!quota_resource_find(args->limits[i].resource, &resource))
            return err_set(err, RC_INVALID, "No limit can be set for that resource",
                           "setquota: unknown resource");
        limits[resource] = from_units(resource, args->limits[i].limit);
    }
    for (unsigned i = 0; rc == RC_OK && i < QUOTA_RESOURCES; i++)
        rc = txn_set_quota(txn, (enum quota_resource) i, true, limits[i], err);
    return rc;
}

enum rc cmd_setquota(struct cmd *cmd, struct err *err)
{
    const struct imap_quota_args *args = &cmd->args.quota;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct account *account;
    enum rc rc;

    if (!cmd->session->sets_quota)
        return err_set(err, RC_DENIED, "Only an administrator sets quota",
                       "setquota: not one of quota_admins");
    rc = find_root(cmd, args->root, &account, err);
    if (rc == RC_OK)
        rc = txn_begin(account, &cmd->session->actor, &txn, err);
    if (rc == RC_OK)
        rc = set_limits(txn, args, err);
    if (rc == RC_OK)
        rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    say_quota_of(cmd, args->root, account);
    reply_ok(cmd->reply, "SETQUOTA completed");
    return RC_OK;
}
