/*
 * cmd_expunge.c - EXPUNGE and UID EXPUNGE.
 *
 * Spec: RFC 9051 6.4.3 and 6.4.9; RFC 4315 2.1. The EXPUNGE answers are the sync's.
 */
#include "commands/cmd.h"
#include "mailbox/txn.h"

enum rc cmd_expunge(struct cmd *cmd, struct err *err)
{
    static const struct uid_run everything = {1, UINT32_MAX};
    struct session *session = cmd->session;
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
    rc = txn_begin(session->account, &session->actor, &txn, err);
    if (rc)
        return rc;
    rc = txn_expunge(txn, view_mbox_id(session->view), &set.uids, true, cmd->arena, &gone, err);
    if (rc)
        return rc;
    rc = txn_commit(&txn, &session->own_position, err);
    if (rc)
        return rc;
    session->counts.expunged += uid_set_span(&gone);
    reply_ok(cmd->reply, "EXPUNGE completed");
    return RC_OK;
}
