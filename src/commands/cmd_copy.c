/*
 * cmd_copy.c - COPY, MOVE and their UID forms.
 *
 * Spec: RFC 9051 6.4.7, 6.4.8 and 6.4.9; RFC 4315 3 (COPYUID); RFC 6851 4.3 (for MOVE it comes
 * in an untagged OK, before the EXPUNGEs, which the sync writes).
 *
 * All messages are copied or none; a MOVE is one transaction.
 */
#include "commands/mail_events.h"
#include "imap/print.h"
#include "mailbox/txn.h"

static void print_uids(struct buf *text, const struct uid_set *uids)
{
    struct imap_runs runs;

    imap_runs_begin(&runs, text);
    for (size_t i = 0; i < uids->n; i++)
        imap_runs_add_range(&runs, uids->runs[i].first, uids->runs[i].last);
    (void) imap_runs_end(&runs); /* never empty here */
}

static void say_copyuid(struct cmd *cmd, const struct copied *copied, bool move)
{
    AUTO(buf_done) struct buf from, to, code;

    buf_init(&from, REPLY_MAX_BYTES);
    buf_init(&to, REPLY_MAX_BYTES);
    buf_init(&code, REPLY_MAX_BYTES);
    if (copied->src.n == 0)
        return;
    print_uids(&from, &copied->src);
    print_uids(&to, &copied->dst);
    imap_print_code_copyuid(&code, copied->uidvalidity, buf_slice(&from), buf_slice(&to));
    if (!move) {
        reply_code_text(cmd->reply, buf_slice(&code));
        return;
    }
    buf_str(cmd->reply->out, "* OK ");
    buf_append(cmd->reply->out, buf_slice(&code));
    buf_str(cmd->reply->out, " Moved\r\n");
}

static enum rc copy_in(struct cmd *cmd, struct mail_txn *txn, const struct message_set *set,
                       bool move, uint32_t *out_dst_id, struct copied *out, struct err *err)
{
    uint32_t src_id = view_mbox_id(cmd->session->view);
    const struct mbox *src, *dst;
    enum rc rc;

    rc = txn_mailbox(txn, src_id, &src, err);
    if (rc)
        return rc;
    rc = message_set_check(set, src, err);
    if (rc) {
        reply_code(cmd->reply, "EXPUNGEISSUED");
        return rc;
    }
    dst = acct_mailbox_by_name(txn_state(txn), cmd->args.copy.mailbox.name);
    if (dst == NULL) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "copy: unknown name");
    }
    *out_dst_id = mbox_info(dst)->id;
    return txn_copy(txn, src_id, &set->uids, mbox_info(dst)->id, move, cmd->arena, out, err);
}

static enum rc copy(struct cmd *cmd, bool move, struct err *err)
{
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct message_set set;
    struct copied copied;
    uint32_t dst_id;
    enum rc rc;

    rc = session_resolve(session, &cmd->args.copy.set, cmd->uid, cmd->arena, &set, err);
    if (rc)
        return rc;
    rc = txn_begin(session->account, &session->actor, &txn, err);
    if (rc)
        return rc;
    rc = copy_in(cmd, txn, &set, move, &dst_id, &copied, err);
    if (rc)
        return rc;
    rc = session_commit(session, &txn, err);
    if (rc)
        return rc;
    if (move)
        session->counts.moved += uid_set_span(&copied.src);
    else
        session->counts.copied += uid_set_span(&copied.src);
    mail_events_copy(cmd, view_mbox_id(session->view), dst_id, &copied, move);
    say_copyuid(cmd, &copied, move);
    cmd->tells_modseq = move && copied.src.n > 0; /* RFC 6851 4.4 */
    reply_ok(cmd->reply, move ? "MOVE completed" : "COPY completed");
    return RC_OK;
}

enum rc cmd_copy(struct cmd *cmd, struct err *err)
{
    return copy(cmd, false, err);
}

enum rc cmd_move(struct cmd *cmd, struct err *err)
{
    return copy(cmd, true, err);
}
