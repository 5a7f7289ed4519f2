/*
 * cmd_append.c - APPEND, with one message or several; REPLACE.
 *
 * Spec: RFC 9051 6.3.12; RFC 3502 (MULTIAPPEND: all or nothing); RFC 4315 3 (APPENDUID); RFC
 * 6855 4 (UTF8); RFC 8508 (REPLACE: the new message comes and the old one goes as one change).
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

/* What was appended where. */
struct appended {
    uint32_t mbox_id, uidvalidity;
    struct uid_set uids;
};

static enum rc append_all(struct cmd *cmd, const struct imap_append_args *args,
                          struct mail_txn *txn, struct appended *out, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), args->mailbox.name);
    struct uid_set_builder uids;

    if (mbox == NULL) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "append: unknown name");
    }
    out->mbox_id = mbox_info(mbox)->id;
    out->uidvalidity = mbox_info(mbox)->uidvalidity;
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
        enum rc rc = txn_append(txn, out->mbox_id, &row, &uid, err);

        if (rc)
            return rc;
        uid_set_add(&uids, uid);
    }
    out->uids = uid_set_finish(&uids);
    return RC_OK;
}

static struct slice appenduid_code(struct cmd *cmd, const struct appended *appended)
{
    AUTO(buf_done) struct buf text, code;
    struct imap_runs runs;

    buf_init(&text, REPLY_MAX_BYTES);
    buf_init(&code, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, &text);
    for (size_t i = 0; i < appended->uids.n; i++)
        imap_runs_add_range(&runs, appended->uids.runs[i].first, appended->uids.runs[i].last);
    (void) imap_runs_end(&runs); /* at least one message was appended */
    imap_print_code_appenduid(&code, appended->uidvalidity, buf_slice(&text));
    return arena_dup(cmd->arena, buf_slice(&code));
}

/* The stages are what the arguments say, and on the disk as far as that takes long. */
static enum rc begin(struct cmd *cmd, const struct imap_append_args *args,
                     struct mail_txn **out, struct err *err)
{
    enum rc rc;

    if (args->n != cmd->n_stages)
        return err_set(err, RC_SYNTAX, "Message literal expected", "append: %zu of %zu staged",
                       cmd->n_stages, args->n);
    rc = account_finish_stages(cmd->session->account, cmd->stages, cmd->n_stages, err);
    return rc ? rc : txn_begin(cmd->session->account, &cmd->session->actor, out, err);
}

static enum rc commit(struct cmd *cmd, const struct imap_append_args *args,
                      struct mail_txn **txn, const struct appended *appended, struct err *err)
{
    enum rc rc = session_commit(cmd->session, txn, err);

    if (rc)
        return rc;
    memset(cmd->stages, 0, cmd->n_stages * sizeof(struct body_stage *));
    cmd->session->counts.appended += args->n;
    mail_events_append(cmd, appended->mbox_id, &appended->uids);
    list_line_say_normalized(cmd->session, &args->mailbox, cmd->reply->out);
    return RC_OK;
}

enum rc cmd_append(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct appended appended;
    enum rc rc = begin(cmd, args, &txn, err);

    if (!rc)
        rc = append_all(cmd, args, txn, &appended, err);
    if (!rc)
        rc = commit(cmd, args, &txn, &appended, err);
    if (rc)
        return rc;
    reply_code_text(cmd->reply, appenduid_code(cmd, &appended));
    reply_ok(cmd->reply, "APPEND completed");
    return RC_OK;
}

/* ---- REPLACE ---- */

/* The message that goes: it must be there. */
static enum rc expunge_old(struct cmd *cmd, struct mail_txn *txn, struct err *err)
{
    struct session *session = cmd->session;
    uint32_t mbox_id = view_mbox_id(session->view);
    struct message_set set;
    struct uid_set gone;
    const struct mbox *mbox;
    enum rc rc =
        session_resolve(session, &cmd->args.replace.set, cmd->uid, cmd->arena, &set, err);

    if (!rc)
        rc = txn_mailbox(txn, mbox_id, &mbox, err);
    if (rc)
        return rc;
    rc = message_set_check(&set, mbox, err);
    if (rc) {
        reply_code(cmd->reply, "EXPUNGEISSUED");
        return rc;
    }
    rc = txn_expunge(txn, mbox_id, &set.uids, false, cmd->arena, &gone, err);
    if (!rc && gone.n == 0)
        return err_set(err, RC_NOT_FOUND, "No such message", "replace: unknown uid");
    session->counts.expunged += rc == RC_OK;
    return rc;
}

enum rc cmd_replace(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct appended appended;
    enum rc rc = begin(cmd, args, &txn, err);

    if (!rc)
        rc = expunge_old(cmd, txn, err);
    if (!rc)
        rc = append_all(cmd, args, txn, &appended, err);
    if (!rc)
        rc = commit(cmd, args, &txn, &appended, err);
    if (rc)
        return rc;
    /* RFC 8508 4.3: before the EXPUNGE */
    buf_str(cmd->reply->out, "* OK ");
    buf_append(cmd->reply->out, appenduid_code(cmd, &appended));
    buf_str(cmd->reply->out, " Replacement is there\r\n");
    cmd->tells_modseq = true;
    reply_ok(cmd->reply, "REPLACE completed");
    return RC_OK;
}
