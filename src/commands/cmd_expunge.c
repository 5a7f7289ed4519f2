/*
 * cmd_expunge.c - EXPUNGE and UID EXPUNGE.
 *
 * Spec: RFC 9051 6.4.3 and 6.4.9; RFC 4315 2.1; RFC 7162 3.2.7 and 3.2.9 (HIGHESTMODSEQ). The
 * EXPUNGE answers are the sync's.
 */
#include "commands/mail_events.h"

enum rc cmd_expunge(struct cmd *cmd, struct err *err)
{
    static const struct uid_run everything = {1, UINT32_MAX};
    struct session *session = cmd->session;
    uint32_t mbox_id = view_mbox_id(session->view);
    AUTO(acct_unrefp) struct acct_state *before = NULL;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct message_set set = {
        .uids = {&everything, 1}
    };
    struct uid_set gone;
    enum rc rc;

    if (cmd->uid) {
        rc = session_resolve(session, &cmd->args.expunge.set, true, cmd->arena, &set, err);
        if (rc)
            return rc;
    }
    before = mail_events_before(session, view_account(session->view), mbox_id);
    rc = txn_begin(view_account(session->view), &session->actor, &txn, err);
    if (rc)
        return rc;
    rc = txn_expunge(txn, mbox_id, &set.uids, true, cmd->arena, &gone, err);
    if (rc)
        return rc;
    rc = session_commit(session, &txn, err);
    if (rc)
        return rc;
    session->counts.expunged += uid_set_span(&gone);
    mail_events_expunge(session, before, &gone);
    cmd->tells_modseq = gone.n > 0;
    reply_ok(cmd->reply, "EXPUNGE completed");
    return RC_OK;
}
