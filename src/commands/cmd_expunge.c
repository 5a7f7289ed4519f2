/*
 * cmd_expunge.c - EXPUNGE and UID EXPUNGE.
 *
 * Spec: RFC 9051 6.4.3 and 6.4.9; RFC 4315 2.1; RFC 7162 3.2.7 and 3.2.9 (HIGHESTMODSEQ). The
 * EXPUNGE answers are the sync's.
 */
#include "commands/limit.h"
#include "commands/mail_events.h"
#include "search/resolve.h"

/* RFC 9738 3.1: of UID EXPUNGE those with \Deleted count; EXPUNGE has no limit. */
static enum rc limit(struct cmd *cmd, struct mail_txn *txn, struct uid_set *uids,
                     uint32_t *out_lowest, struct err *err)
{
    struct uid_set_builder deleted;
    const struct mbox *mbox;
    enum rc rc;

    if (cmd->session->message_limit == 0)
        return RC_OK;
    rc = txn_mailbox(txn, view_mbox_id(cmd->session->view), &mbox, err);
    if (rc)
        return rc;
    uid_set_start(&deleted, cmd->arena);
    for (size_t i = 0; i < uids->n; i++) {
        uint32_t at = mbox_lower_bound(mbox, uids->runs[i].first);
        uint32_t end = mbox_index_behind(mbox, uids->runs[i].last);

        for (; at < end; at++)
            if ((mbox_flags(mbox, at) & FLAG_DELETED) != 0)
                uid_set_add(&deleted, mbox_uid(mbox, at));
    }
    *uids = uid_set_finish(&deleted);
    limit_uids(cmd, mbox, cmd->session->message_limit, uids, out_lowest);
    return RC_OK;
}

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
    uint32_t limited = 0;
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
    if (cmd->uid) {
        rc = limit(cmd, txn, &set.uids, &limited, err);
        if (rc)
            return rc;
    }
    rc = txn_expunge(txn, mbox_id, &set.uids, true, cmd->arena, &gone, err);
    if (rc)
        return rc;
    rc = session_commit(session, &txn, err);
    if (rc)
        return rc;
    session->counts.expunged += uid_set_span(&gone);
    mail_events_expunge(session, before, &gone);
    cmd->tells_modseq = gone.n > 0;
    limit_say(cmd, session->message_limit, limited);
    reply_ok(cmd->reply, "EXPUNGE completed");
    return RC_OK;
}
