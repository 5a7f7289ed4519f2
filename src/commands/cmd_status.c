/*
 * cmd_status.c - STATUS.
 *
 * Spec: RFC 9051 6.3.11. All counts are kept with the mailbox; its messages are not looked at.
 */
#include "commands/resync.h"
#include "commands/status_values.h"

/* Messages no session was told of as \Recent: mostly none, or all of a mailbox that nobody has
 * selected yet. Else it takes the uids, and the mailbox is loaded. */
static enum rc count_recent(const struct session *session, const struct mbox *mbox,
                            uint64_t *out, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    uint32_t first = account_recent(session->account, mbox, false);
    enum rc rc;

    if (first <= 1 || first >= mbox_counts(mbox)->uidnext) {
        *out = first <= 1 ? mbox_counts(mbox)->messages : 0;
        return RC_OK;
    }
    rc = account_read_mailbox(session->account, session->own_position, mbox_info(mbox)->id,
                              &state, err);
    if (rc)
        return rc;
    mbox = acct_mailbox_by_id(state, mbox_info(mbox)->id);
    *out = mbox_counts(mbox)->messages - mbox_lower_bound(mbox, first);
    return RC_OK;
}

/* Of the selected mailbox, while expunges are withheld: below them (RFC 7162 3.2). */
static uint64_t told_modseq(const struct session *session, const struct mbox *mbox)
{
    const struct mbox_view *view = session->view;

    if (view != NULL && view_mbox_id(view) == mbox_info(mbox)->id && view_has_withheld(view))
        return view_told_modseq(view);
    return mbox_counts(mbox)->highestmodseq;
}

enum rc status_values(const struct session *session, const struct mbox *mbox, uint32_t items,
                      struct arena *arena, struct imap_status_values *out, struct err *err)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    struct imap_status_values values = {
        .messages = counts->messages,
        .uidnext = counts->uidnext,
        .uidvalidity = mbox_info(mbox)->uidvalidity,
        .unseen = counts->unseen,
        .deleted = counts->deleted,
        .size = counts->bytes,
        .highestmodseq = told_modseq(session, mbox),
        .appendlimit = session->message_max_bytes,
    };

    if ((items & IMAP_STATUS_MAILBOXID) != 0) {
        char id[OBJECT_ID_TEXT_BYTES];

        object_id_print('M', &mbox_info(mbox)->mailboxid, id);
        values.mailboxid = arena_dup(arena, slice_from_str(id));
    }

    if ((items & IMAP_STATUS_RECENT) != 0) {
        enum rc rc = count_recent(session, mbox, &values.recent, err);

        if (rc)
            return rc;
    }
    *out = values;
    return RC_OK;
}

enum rc cmd_status(struct cmd *cmd, struct err *err)
{
    const struct imap_status_args *args = &cmd->args.status;
    AUTO(acct_unrefp) struct acct_state *state = session_read(cmd->session);
    const struct mbox *mbox = acct_mailbox_by_name(state, args->mailbox.name);
    struct imap_status_values values;
    enum rc rc;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "status: unknown name");
    rc = status_values(cmd->session, mbox, args->items, cmd->arena, &values, err);
    if (rc)
        return rc;
    if ((args->items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
        condstore_enable(cmd);
    imap_print_status_line(cmd->reply->out, args->mailbox.name, args->items, &values,
                           cmd->session->mode);
    reply_ok(cmd->reply, "STATUS completed");
    return RC_OK;
}
