/*
 * cmd_acl.c - SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS.
 *
 * Spec: RFC 4314 3; section 4 for the rights they need, section 6 for what a mailbox that is
 * not seen answers.
 *
 * A list names people by id, a client by name: mailbox/acl.h turns one into the other. The
 * owner has all rights, stands first in each list, and cannot be changed; an ownerless account
 * has nobody there. No rights are tied to each other.
 */
#include "commands/mail_events.h"
#include "commands/myrights_line.h"
#include "commands/places.h"
#include "imap/print.h"
#include "mailbox/acl.h"

/* ---- changing ---- */

static enum rc put(struct cmd *cmd, enum acl_op op, uint32_t rights, struct err *err)
{
    const struct imap_acl_args *args = &cmd->args.acl;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    AUTO(principals_unrefp) struct principals *people = NULL;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct acl_change change = {.op = op, .rights = rights};
    enum rc rc = place_find(cmd->session, args->mailbox.name, RIGHT_ADMIN, &found, err);

    if (rc == RC_OK)
        rc = place_check_change(cmd->session, args->mailbox.name, err);
    if (rc)
        return rc;
    people = mail_store_principals(account_store(found.account));
    rc = acl_word_read(people, args->identifier, &change.name, err);
    if (rc)
        return rc;
    rc =
        account_begin_acl(found.account, &cmd->session->actor, mbox_info(found.mbox)->name,
                          &change, session_position_in(cmd->session, found.account), &txn, err);
    if (!rc)
        rc = session_commit(cmd->session, &txn, err);
    if (!rc)
        mail_events_acl(cmd, found.account);
    return rc;
}

enum rc cmd_setacl(struct cmd *cmd, struct err *err)
{
    static const enum acl_op ops[] = {
        [IMAP_ACL_SET] = ACL_SET, [IMAP_ACL_ADD] = ACL_ADD, [IMAP_ACL_REMOVE] = ACL_REMOVE};
    uint32_t rights;
    enum rc rc;

    if (!rights_parse(cmd->args.acl.rights, &rights))
        return err_set(err, RC_SYNTAX, "No such right", "acl: a letter that is no right");
    rc = put(cmd, ops[cmd->args.acl.op], rights, err);
    if (!rc)
        reply_ok(cmd->reply, "SETACL completed");
    return rc;
}

enum rc cmd_deleteacl(struct cmd *cmd, struct err *err)
{
    enum rc rc = put(cmd, ACL_SET, 0, err);

    if (!rc)
        reply_ok(cmd->reply, "DELETEACL completed");
    return rc;
}

/* ---- showing ---- */

static void say_entry(struct reply *reply, struct slice word, uint32_t rights)
{
    char text[RIGHTS_TEXT_BYTES];

    rights_print_compatible(rights, text);
    buf_byte(reply->out, ' ');
    imap_print_astring(reply->out, word, reply->mode);
    buf_byte(reply->out, ' ');
    imap_print_astring(reply->out, slice_from_str(text), reply->mode);
}

static void say_owner(struct reply *reply, const struct principals *people, uint64_t account)
{
    const struct principal *owner = principals_by_id(people, account);

    if (owner != NULL && owner->kind == PRINCIPAL_USER)
        say_entry(reply, owner->name, RIGHTS_ALL);
}

enum rc cmd_getacl(struct cmd *cmd, struct err *err)
{
    struct slice name = cmd->args.mailbox.mailbox.name;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    AUTO(principals_unrefp) struct principals *people = NULL;
    const struct mbox_info *info;
    enum rc rc = place_find(cmd->session, name, RIGHT_ADMIN, &found, err);

    if (rc)
        return rc;
    people = mail_store_principals(account_store(found.account));
    info = mbox_info(found.mbox);
    buf_str(cmd->reply->out, "* ACL ");
    imap_print_mailbox(cmd->reply->out, name, cmd->reply->mode);
    say_owner(cmd->reply, people, account_id(found.account));
    for (size_t i = 0; i < info->n_acl; i++) {
        struct acl_entry_name entry;
        AUTO(buf_done) struct buf word = {.max = ACL_WORD_BYTES};
        uint32_t rights;

        if (acl_entry_name_parse(info->acl[i].key, &entry) &&
            rights_parse(info->acl[i].value, &rights) && acl_word_print(people, &entry, &word))
            say_entry(cmd->reply, buf_slice(&word), rights);
    }
    buf_str(cmd->reply->out, "\r\n");
    reply_ok(cmd->reply, "GETACL completed");
    return RC_OK;
}

/* RFC 4314 2.1.1: "c" and "d" stand for themselves where nothing is tied. The identifier is
 * said as it was asked for (3.4). */
enum rc cmd_listrights(struct cmd *cmd, struct err *err)
{
    const struct imap_acl_args *args = &cmd->args.acl;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    AUTO(principals_unrefp) struct principals *people = NULL;
    struct acl_entry_name name;
    struct buf *out = cmd->reply->out;
    enum rc rc = place_find(cmd->session, args->mailbox.name, RIGHT_ADMIN, &found, err);

    if (rc)
        return rc;
    people = mail_store_principals(account_store(found.account));
    rc = acl_word_read(people, args->identifier, &name, err);
    if (rc)
        return rc;
    buf_str(out, "* LISTRIGHTS ");
    imap_print_mailbox(out, args->mailbox.name, cmd->reply->mode);
    buf_byte(out, ' ');
    imap_print_astring(out, args->identifier, cmd->reply->mode);
    buf_str(out, acl_is_owner(found.account, &name) ? " lrswipkxtencda\r\n"
                                                    : " \"\" l r s w i p k x t e n c d a\r\n");
    reply_ok(cmd->reply, "LISTRIGHTS completed");
    return RC_OK;
}

void myrights_line_say(struct reply *reply, const struct session *session, struct slice name,
                       uint32_t rights)
{
    char text[RIGHTS_TEXT_BYTES];

    if (session->rights == SESSION_READ_ONLY)
        rights &= RIGHT_LOOKUP | RIGHT_READ;
    rights_print_compatible(rights, text);
    buf_str(reply->out, "* MYRIGHTS ");
    imap_print_mailbox(reply->out, name, reply->mode);
    buf_byte(reply->out, ' ');
    imap_print_astring(reply->out, slice_from_str(text), reply->mode);
    buf_str(reply->out, "\r\n");
}

enum rc cmd_myrights(struct cmd *cmd, struct err *err)
{
    struct slice name = cmd->args.mailbox.mailbox.name;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    enum rc rc = place_find(cmd->session, name, 0, &found, err);

    if (rc)
        return rc;
    myrights_line_say(cmd->reply, cmd->session, name, found.reader.rights);
    reply_ok(cmd->reply, "MYRIGHTS completed");
    return RC_OK;
}
