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
    struct account *account;
    uint32_t mbox_id, uidvalidity;
    struct uid_set uids;
};

static enum rc append_all(struct cmd *cmd, const struct imap_append_args *args,
                          const struct place *place, struct mail_txn *txn, struct appended *out,
                          struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), place->name);
    struct uid_set_builder uids;
    struct reader reader;
    enum rc rc;

    if (mbox == NULL) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "append: unknown name");
    }
    account_reader(place->account, mbox_info(mbox), cmd->session->actor.account, &reader);
    rc = reader_needs(&reader, RIGHT_INSERT, err);
    if (rc == RC_NOT_FOUND)
        reply_code(cmd->reply, "TRYCREATE");
    if (rc)
        return rc;
    out->account = place->account;
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

        rc = txn_append(txn, out->mbox_id, &row, &uid, err);

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

/* Where the messages go. The stages are what the arguments say, and on the disk as far as that
 * takes long. */
static enum rc find_place(struct cmd *cmd, const struct imap_append_args *args,
                          struct place *out, struct err *err)
{
    enum rc rc = place_of(cmd->session, args->mailbox.name, out, err);

    if (rc == RC_NOT_FOUND)
        reply_code(cmd->reply, "TRYCREATE");
    if (rc)
        return rc;
    if (args->n != cmd->n_stages)
        return err_set(err, RC_SYNTAX, "Message literal expected", "append: %zu of %zu staged",
                       cmd->n_stages, args->n);
    return account_finish_stages(out->account, cmd->stages, cmd->n_stages, err);
}

/* Behind the commit: the stages are the engine's. */
static void note_appended(struct cmd *cmd, const struct imap_append_args *args,
                          const struct appended *appended)
{
    memset(cmd->stages, 0, cmd->n_stages * sizeof(struct body_stage *));
    cmd->session->counts.appended += args->n;
    mail_events_append(cmd, appended->account, appended->mbox_id, &appended->uids);
    list_line_say_normalized(cmd->session, &args->mailbox, cmd->reply->out);
}

enum rc cmd_append(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct appended appended;
    struct place place;
    enum rc rc = find_place(cmd, args, &place, err);

    if (!rc)
        rc = txn_begin(place.account, &cmd->session->actor, &txn, err);
    if (!rc)
        rc = append_all(cmd, args, &place, txn, &appended, err);
    if (!rc)
        rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    note_appended(cmd, args, &appended);
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

static enum rc replace_within(struct cmd *cmd, const struct place *place, struct appended *out,
                              struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = txn_begin(place->account, &cmd->session->actor, &txn, err);

    if (!rc)
        rc = expunge_old(cmd, txn, err);
    if (!rc)
        rc = append_all(cmd, args, place, txn, out, err);
    return rc ? rc : session_commit(cmd->session, &txn, err);
}

/* The new message goes to another account. */
static enum rc replace_across(struct cmd *cmd, const struct place *place, struct appended *out,
                              struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *from = NULL;
    AUTO(txn_abortp) struct mail_txn *to = NULL;
    enum rc rc = txn_begin_pair(view_account(session->view), place->account, &session->actor,
                                &from, &to, err);

    if (!rc)
        rc = expunge_old(cmd, from, err);
    if (!rc)
        rc = append_all(cmd, args, place, to, out, err);
    return rc ? rc : session_commit_pair(session, &from, &to, err);
}

enum rc cmd_replace(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    struct appended appended;
    struct place place;
    enum rc rc = find_place(cmd, args, &place, err);

    if (!rc)
        rc = place.account == view_account(cmd->session->view)
                 ? replace_within(cmd, &place, &appended, err)
                 : replace_across(cmd, &place, &appended, err);
    if (rc)
        return rc;
    note_appended(cmd, args, &appended);
    /* RFC 8508 4.3: before the EXPUNGE */
    buf_str(cmd->reply->out, "* OK ");
    buf_append(cmd->reply->out, appenduid_code(cmd, &appended));
    buf_str(cmd->reply->out, " Replacement is there\r\n");
    cmd->tells_modseq = true;
    reply_ok(cmd->reply, "REPLACE completed");
    return RC_OK;
}
