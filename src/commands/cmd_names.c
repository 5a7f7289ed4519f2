/*
 * cmd_names.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
 *
 * Spec: RFC 9051 6.3.4-6.3.8, 6.3.9.7 (OLDNAME); RFC 6154 3 and 5.2 (USE, USEATTR).
 *
 * Each is one transaction of the account; a RENAME of a tree is one too.
 */
#include "commands/cmd.h"
#include "commands/list_line.h"
#include "commands/mail_events.h"
#include "commands/referral.h"
#include "imap/mailbox_name.h"
#include "mailbox/name.h"

/* RFC 6154 3: USEATTR if it is the use that stands in the way. The name has passed the parser,
 * so it is invalid for its use; and what exists is either the name or another mailbox with it.
 */
static bool is_use_refused(const struct mail_txn *txn, struct slice name, enum rc rc)
{
    return rc == RC_INVALID ||
           (rc == RC_EXISTS && acct_mailbox_by_name(txn_state(txn), name) == NULL);
}

/* RFC 8474 4.1: the new mailbox's. */
static const struct object_id *mailboxid_of(const struct mail_txn *txn, struct slice name)
{
    return &mbox_info(acct_mailbox_by_name(txn_state(txn), name))->mailboxid;
}

/* A namespace's own levels, and those of people who are not there, nobody makes (RFC 4314 4:
 * "k" on the nearest superior, and there is none). */
static enum rc refuse_foreign(enum rc rc, struct err *err)
{
    if (rc != RC_NOT_FOUND)
        return rc;
    return err_set(err, RC_DENIED, "You have no right to do this here",
                   "create: no such place");
}

enum rc cmd_create(struct cmd *cmd, struct err *err)
{
    const struct imap_create_args *args = &cmd->args.create;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    char id[OBJECT_ID_TEXT_BYTES];
    struct slice name;
    enum rc rc;

    if (args->use_unsupported) {
        reply_code(cmd->reply, "USEATTR");
        return err_set(err, RC_INVALID, "No such special use", "create: unknown use");
    }
    rc = place_begin(cmd->session, args->mailbox.name, &txn, &name, err);
    if (rc)
        return refuse_foreign(rc, err);
    rc = txn_create_mailbox(txn, name, args->use, NULL, err);
    if (rc && args->use != 0 && is_use_refused(txn, name, rc))
        reply_code(cmd->reply, "USEATTR");
    if (rc)
        return rc;
    object_id_print('M', mailboxid_of(txn, name), id);
    rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    reply_code_text(cmd->reply,
                    slice_from_str(arena_printf(cmd->arena, "[MAILBOXID (%s)]", id)));
    mail_events_mailbox(cmd, "mailbox.create", args->mailbox.name, SLICE(""));
    list_line_say_normalized(cmd->session, &args->mailbox, cmd->reply->out);
    reply_ok(cmd->reply, "CREATE completed");
    return RC_OK;
}

/* Deleting what one has selected leaves nothing selected. */
static void leave_if_selected(struct cmd *cmd, const struct account *account, uint32_t mbox_id)
{
    struct session *session = cmd->session;

    if (session->state != SESSION_SELECTED || view_account(session->view) != account ||
        view_mbox_id(session->view) != mbox_id)
        return;
    session_unselect(session);
    reply_untagged_ok(cmd->reply, "CLOSED", "The selected mailbox was deleted");
}

enum rc cmd_delete(struct cmd *cmd, struct err *err)
{
    struct slice asked = cmd->args.mailbox.mailbox.name, name;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct account *account;
    const struct mbox *mbox;
    uint32_t mbox_id;
    enum rc rc;

    rc = place_begin(cmd->session, asked, &txn, &name, err);
    if (rc)
        return rc;
    account = txn_account(txn);
    mbox = acct_mailbox_by_name(txn_state(txn), name);
    mbox_id = mbox != NULL ? mbox_info(mbox)->id : 0;
    rc = txn_delete_mailbox(txn, name, err);
    if (rc)
        return rc;
    rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    mail_events_mailbox(cmd, "mailbox.delete", asked, SLICE(""));
    leave_if_selected(cmd, account, mbox_id);
    list_line_say_normalized(cmd->session, &cmd->args.mailbox.mailbox, cmd->reply->out);
    reply_ok(cmd->reply, "DELETE completed");
    return RC_OK;
}

/* A client that wrote one of the names in another form hears what became of the old one (RFC
 * 9051 6.3.6). INBOX stays after its renaming, and only the new name is told. */
static void say_renamed(struct cmd *cmd)
{
    const struct imap_rename_args *args = &cmd->args.rename;

    if (args->from.inbox) {
        list_line_say_normalized(cmd->session, &args->to, cmd->reply->out);
        return;
    }
    if (!cmd->session->mode.rev2 || !(args->from.normalized || args->to.normalized))
        return;
    list_line_say(cmd->session, args->to.name, args->from.given, cmd->reply->out);
}

/* What is below moves along: rules about one of them, under its old name or its new one, are
 * not to be got round so. */
static enum rc check_below(const struct session *session, const struct imap_rename_args *args,
                           const struct place *from, struct err *err)
{
    struct acct_state *state;
    enum rc rc = RC_OK;

    if (session->mailbox_rules == NULL || args->from.inbox)
        return RC_OK; /* RFC 9051 6.3.6: what is below INBOX stays */
    state = account_read(from->account, session_position_in(session, from->account));
    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(state); i++) {
        struct slice name = mbox_info(acct_mailbox_at(state, i))->name;
        AUTO(buf_done) struct buf other = {.max = (size_t) 2 * MAILBOX_NAME_MAX_BYTES};

        if (!mailbox_name_is_below(name, from->name))
            continue;
        name = slice_from(name, from->name.len);
        buf_append(&other, args->from.name);
        buf_append(&other, name);
        rc = place_check_change(session, buf_slice(&other), err);
        buf_reset(&other);
        buf_append(&other, args->to.name);
        buf_append(&other, name);
        if (rc == RC_OK)
            rc = place_check_change(session, buf_slice(&other), err);
    }
    acct_unref(state);
    return rc;
}

enum rc cmd_rename(struct cmd *cmd, struct err *err)
{
    const struct imap_rename_args *args = &cmd->args.rename;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct place from, to;
    enum rc rc;

    rc = place_to_change(cmd->session, args->from.name, &from, err);
    if (rc == RC_OK) {
        rc = place_to_change(cmd->session, args->to.name, &to, err);
        rc = refuse_foreign(rc, err);
    }
    if (rc == RC_ELSEWHERE)
        return referral_refuse_rename(cmd->session, args->from.name, args->to.name, err);
    if (rc)
        return rc;
    if (from.account != to.account)
        return err_set(err, RC_INVALID, "A mailbox stays with its owner; move its messages",
                       "rename: to another account");
    rc = check_below(cmd->session, args, &from, err);
    if (rc)
        return rc;
    rc = txn_begin(from.account, &cmd->session->actor, &txn, err);
    if (rc)
        return rc;
    rc = txn_rename_mailbox(txn, from.name, to.name, err);
    if (rc)
        return rc;
    rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    mail_events_mailbox(cmd, "mailbox.rename", args->from.name, args->to.name);
    say_renamed(cmd);
    reply_ok(cmd->reply, "RENAME completed");
    return RC_OK;
}

/* A name is subscribed, not a mailbox: it need not exist, and deleting does not unsubscribe
 * (RFC 9051 6.3.7). */
static enum rc set_subscribed(struct cmd *cmd, bool on, struct err *err)
{
    struct slice name = cmd->args.mailbox.mailbox.name;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc;

    if (!session_allows(cmd->session, name))
        return err_set(err, RC_NOT_FOUND, "No such mailbox",
                       "subscribe: not among the credential's folders");
    rc = txn_begin(cmd->session->account, &cmd->session->actor, &txn, err);
    if (rc)
        return rc;
    rc = txn_subscribe(txn, name, on, err);
    if (rc)
        return rc;
    return session_commit(cmd->session, &txn, err);
}

enum rc cmd_subscribe(struct cmd *cmd, struct err *err)
{
    enum rc rc = set_subscribed(cmd, true, err);

    if (rc)
        return rc;
    reply_ok(cmd->reply, "SUBSCRIBE completed");
    return RC_OK;
}

enum rc cmd_unsubscribe(struct cmd *cmd, struct err *err)
{
    enum rc rc = set_subscribed(cmd, false, err);

    if (rc)
        return rc;
    reply_ok(cmd->reply, "UNSUBSCRIBE completed");
    return RC_OK;
}
