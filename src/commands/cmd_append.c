/*
 * cmd_append.c - APPEND, with one message or several.
 *
 * Spec: RFC 9051 6.3.12; RFC 3502 (MULTIAPPEND: all or nothing); RFC 4315 3 (APPENDUID); RFC
 * 6855 4 (UTF8).
 *
 * The messages are staged already (append_sink.h); this is their one transaction. Nothing of a
 * stage changes before the commit, so the command can run again.
 */
#include "base/clock.h"
#include "commands/cmd.h"
#include "commands/list_line.h"
#include "commands/mail_events.h"
#include "imap/print.h"
#include "mailbox/txn.h"

/* INTERNALDATE is the client's, or now (RFC 9051 6.3.12). */
static struct mail_date date_of(const struct imap_append_message *message)
{
    if (!message->has_date)
        return (struct mail_date){.unix_sec = clock_wall_sec(), .zone_min = 0};
    return (struct mail_date){.unix_sec = message->date.sec,
                              .zone_min = message->date.zone_minutes};
}

static enum rc append_all(struct cmd *cmd, struct mail_txn *txn, uint32_t mbox_id,
                          struct uid_set *out, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.append;
    struct uid_set_builder uids;

    uid_set_start(&uids, cmd->arena);
    for (size_t i = 0; i < args->n; i++) {
        const struct imap_append_message *message = &args->messages[i];
        const struct new_message row = {
            .stage = cmd->stages[i],
            .flags = (uint8_t) (message->flags.bits & FLAGS_ALL),
            .keywords = message->flags.keywords,
            .n_keywords = message->flags.n_keywords,
            .internaldate = date_of(message),
        };
        uint32_t uid;
        enum rc rc = txn_append(txn, mbox_id, &row, &uid, err);

        if (rc)
            return rc;
        uid_set_add(&uids, uid);
    }
    *out = uid_set_finish(&uids);
    return RC_OK;
}

static void say_appenduid(struct cmd *cmd, uint32_t uidvalidity, const struct uid_set *uids)
{
    AUTO(buf_done) struct buf text, code;
    struct imap_runs runs;

    buf_init(&text, REPLY_MAX_BYTES);
    buf_init(&code, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, &text);
    for (size_t i = 0; i < uids->n; i++)
        imap_runs_add_range(&runs, uids->runs[i].first, uids->runs[i].last);
    (void) imap_runs_end(&runs); /* at least one message was appended */
    imap_print_code_appenduid(&code, uidvalidity, buf_slice(&text));
    reply_code_text(cmd->reply, buf_slice(&code));
}

enum rc cmd_append(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct mbox *mbox;
    struct uid_set uids;
    uint32_t uidvalidity, mbox_id;
    enum rc rc;

    if (args->n != cmd->n_stages)
        return err_set(err, RC_SYNTAX, "Message literal expected", "append: %zu of %zu staged",
                       cmd->n_stages, args->n);
    rc = account_finish_stages(cmd->session->account, cmd->stages, cmd->n_stages, err);
    if (rc == RC_OK)
        rc = txn_begin(cmd->session->account, &cmd->session->actor, &txn, err);
    if (rc)
        return rc;
    mbox = acct_mailbox_by_name(txn_state(txn), args->mailbox.name);
    if (mbox == NULL) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "append: unknown name");
    }
    uidvalidity = mbox_info(mbox)->uidvalidity;
    mbox_id = mbox_info(mbox)->id;
    rc = append_all(cmd, txn, mbox_id, &uids, err);
    if (rc)
        return rc;
    rc = txn_commit(&txn, &cmd->session->own_position, err);
    if (rc)
        return rc;
    memset(cmd->stages, 0, cmd->n_stages * sizeof(struct body_stage *));
    cmd->session->counts.appended += args->n;
    mail_events_append(cmd, mbox_id, &uids);
    list_line_say_normalized(cmd->session, &args->mailbox, cmd->reply->out);
    say_appenduid(cmd, uidvalidity, &uids);
    reply_ok(cmd->reply, "APPEND completed");
    return RC_OK;
}
