/*
 * cmd_select.c - SELECT, EXAMINE, UNSELECT, CLOSE.
 *
 * Spec: RFC 9051 6.3.2, 6.3.3, 6.4.1, 6.4.2; RFC 3501 6.3.1 ([UNSEEN], RECENT); RFC
 * 7162 3.1.2.1 (HIGHESTMODSEQ), 3.1.8 and 3.2.5 (the parameters CONDSTORE and QRESYNC); RFC
 * 5257 4.1 and 4.2 (ANNOTATIONS, the parameter ANNOTATE).
 *
 * The mailbox that was selected is left before the new one is looked for, so that a failed
 * SELECT leaves none selected. What is said here of the new one stands in its counts, so that
 * its messages come into memory with the first command that asks for some; but for QRESYNC.
 */
#include "commands/fetch.h"
#include "commands/flags_offer.h"
#include "commands/list_line.h"
#include "commands/mail_events.h"
#include "commands/resync.h"
#include "commands/uidonly.h"
#include "commands/urlauth.h"
#include "imap/print.h"

static void say_number(struct reply *reply, const char *code, uint64_t number, const char *text)
{
    buf_str(reply->out, "* OK ");
    imap_print_code_number(reply->out, code, number);
    buf_byte(reply->out, ' ');
    imap_print_text_line(reply->out, text, reply->mode);
}

static void say_first_unseen(struct reply *reply, const struct mbox_view *view)
{
    uint32_t seq = view_first_unseen(view);

    if (seq != 0)
        say_number(reply, "UNSEEN", seq, "First unseen");
}

/* RFC 5257 4.1. Who may read may write annotations of their own (3.4), unless they came to
 * EXAMINE. */
static void say_annotations(struct reply *reply, const struct mbox_view *view)
{
    if (view_reader(view)->is_all)
        reply_untagged_ok(reply, "ANNOTATIONS NONE", "No annotations here");
    else if (view_is_examined(view))
        reply_untagged_ok(reply, "ANNOTATIONS READ-ONLY", "Annotations can be read");
    else
        say_number(reply, "ANNOTATIONS", ANNOTATION_VALUE_MAX_BYTES, "Octets of an annotation");
}

static void say_mailbox(struct cmd *cmd, const struct mbox_view *view)
{
    const struct imap_mailbox *asked = &cmd->args.select.mailbox;
    const struct mbox_info *info = mbox_info(view_mbox(view));
    const struct mbox_counts *counts = mbox_counts(view_mbox(view));
    struct buf *out = cmd->reply->out;
    bool rev2 = cmd->session->mode.rev2;
    char id[OBJECT_ID_TEXT_BYTES];

    flags_offer_say(cmd->session, out);
    buf_printf(out, "* %u EXISTS\r\n", view_count(view));
    if (!rev2)
        buf_printf(out, "* %u RECENT\r\n", view_recent_count(view));
    if (!rev2 && !cmd->session->mode.uidonly) /* it is a message number (RFC 9586 3.2) */
        say_first_unseen(cmd->reply, view);
    say_number(cmd->reply, "UIDVALIDITY", info->uidvalidity, "UIDs valid");
    say_number(cmd->reply, "UIDNEXT", counts->uidnext, "Next UID");
    say_number(cmd->reply, "HIGHESTMODSEQ", view_told_modseq(view), "Highest");
    object_id_print('M', &info->mailboxid, id);
    reply_untagged_ok(cmd->reply, arena_printf(cmd->arena, "MAILBOXID (%s)", id),
                      "Mailbox id"); /* RFC 8474 4.2 */
    say_annotations(cmd->reply, view);
    if (rev2)
        list_line_say(cmd->session, asked->name, asked->normalized ? asked->given : SLICE(""),
                      out);
}

/* RFC 9051 7.1: the boundary between the answers of the two mailboxes. */
static void leave_selected(struct cmd *cmd)
{
    if (cmd->session->state != SESSION_SELECTED)
        return;
    session_unselect(cmd->session);
    reply_untagged_ok(cmd->reply, "CLOSED", "Previous mailbox is closed");
}

static void say_selected(struct cmd *cmd)
{
    reply_code(cmd->reply, view_is_read_only(cmd->session->view) ? "READ-ONLY" : "READ-WRITE");
    reply_ok(cmd->reply, "Mailbox selected");
}

/* RFC 7162 3.2.5.1: what changed since is told as by UID FETCH known-uids (FLAGS) (CHANGEDSINCE
 * modseq VANISHED). Of another UIDVALIDITY nothing is. */
static enum rc begin_resync(struct cmd *cmd, struct err *err)
{
    const struct imap_qresync *asked = &cmd->args.select.qresync;
    const struct mbox_view *view = cmd->session->view;
    struct imap_fetch_args *fetch = ARENA_NEW(cmd->arena, struct imap_fetch_args);
    struct fetch_run *run;
    struct resync resync;

    if (asked->uidvalidity != mbox_info(view_mbox(view))->uidvalidity)
        return RC_OK;
    resync_begin(view, asked, cmd->arena, &resync);
    *fetch = (struct imap_fetch_args){
        .kinds = 1u << IMAP_FETCH_UID | 1u << IMAP_FETCH_FLAGS | 1u << IMAP_FETCH_MODSEQ,
        .has_changedsince = true,
        .changedsince = asked->modseq,
    };
    run = fetch_begin(cmd, fetch, &(struct message_set){.uids = resync.known});
    run->vanished = resync.vanished;
    return fetch_go(run, err);
}

static enum rc open_mailbox(struct cmd *cmd, bool read_only, struct err *err)
{
    const struct imap_select_args *args = &cmd->args.select;
    struct session *session = cmd->session;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct mbox_view *view = NULL;
    enum rc rc;

    leave_selected(cmd);
    rc = place_find(session, args->mailbox.name, RIGHT_READ, &found, err);
    if (rc)
        return rc;
    read_only = read_only || !session_may_change(session, args->mailbox.name);
    rc = (args->has_qresync ? view_open : view_open_counts)(
        found.account, session->actor.account, session_position_in(session, found.account),
        mbox_info(found.mbox)->id, read_only, &view, err);
    if (rc)
        return rc;
    session_select(session, view);
    mail_events_opened(cmd, view, view_is_read_only(view) ? "read" : "write");
    session->annotates = args->annotate;
    if (args->condstore) /* HIGHESTMODSEQ is told in any case */
        session->enabled |= IMAP_CAP_BIT(IMAP_CAP_CONDSTORE);
    urlauth_selected(session, cmd->reply->out);
    say_mailbox(cmd, view);
    return args->has_qresync ? begin_resync(cmd, err) : RC_OK;
}

static enum rc select_mailbox(struct cmd *cmd, bool read_only, struct err *err)
{
    enum rc rc;

    if (cmd->args.select.has_qresync && !session_has_enabled(cmd->session, IMAP_CAP_QRESYNC))
        return err_set(err, RC_SYNTAX, "QRESYNC needs ENABLE QRESYNC first", "select: qresync");
    if (cmd->args.select.qresync.match_seqs.n > 0 && cmd->session->mode.uidonly)
        return uidonly_refuse(cmd, err); /* RFC 9586 3.6 */
    rc = cmd->cursor == NULL ? open_mailbox(cmd, read_only, err) : fetch_go(cmd->cursor, err);
    if (rc == RC_OK)
        say_selected(cmd);
    return rc;
}

enum rc cmd_select(struct cmd *cmd, struct err *err)
{
    return select_mailbox(cmd, false, err);
}

enum rc cmd_examine(struct cmd *cmd, struct err *err)
{
    return select_mailbox(cmd, true, err);
}

enum rc cmd_unselect(struct cmd *cmd, struct err *err)
{
    (void) err;
    session_unselect(cmd->session);
    reply_ok(cmd->reply, "UNSELECT completed");
    return RC_OK;
}

/* CLOSE: what has \Deleted goes, without a word, unless the mailbox is read-only. */
static enum rc expunge_deleted(struct session *session, struct arena *arena, struct err *err)
{
    static const struct uid_run all = {1, UINT32_MAX};
    const struct uid_set uids = {&all, 1};
    uint32_t mbox_id = view_mbox_id(session->view);
    AUTO(acct_unrefp)
    struct acct_state *before =
        mail_events_before(session, view_account(session->view), mbox_id);
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set gone;
    enum rc rc;

    rc = txn_begin(view_account(session->view), &session->actor, &txn, err);
    if (rc)
        return rc;
    rc = txn_expunge(txn, mbox_id, &uids, true, arena, &gone, err);
    if (rc)
        return rc;
    rc = session_commit(session, &txn, err);
    if (rc)
        return rc;
    session->counts.expunged += uid_set_span(&gone);
    mail_events_expunge(session, before, &gone);
    return RC_OK;
}

enum rc cmd_close(struct cmd *cmd, struct err *err)
{
    struct session *session = cmd->session;

    /* RFC 4314 4: without the right to expunge, CLOSE only closes. */
    if (!view_is_read_only(session->view) &&
        (view_reader(session->view)->rights & RIGHT_EXPUNGE) != 0 &&
        mbox_counts(view_mbox(session->view))->deleted > 0) {
        enum rc rc = expunge_deleted(session, cmd->arena, err);

        if (rc)
            return rc;
    }
    session_unselect(session);
    reply_ok(cmd->reply, "CLOSE completed");
    return RC_OK;
}
