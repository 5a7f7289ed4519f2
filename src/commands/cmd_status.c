/*
 * cmd_status.c - STATUS.
 *
 * Spec: RFC 9051 6.3.11. All counts are kept with the mailbox; its messages are looked at only
 * where flags or annotations are the reader's own.
 */
#include "commands/resync.h"
#include "commands/status_values.h"

/* Messages no session was told of as \Recent: mostly none, or all of a mailbox that nobody has
 * selected yet. Else it may take the uids, and the mailbox is loaded. */
static enum rc count_recent(const struct session *session, struct found_mailbox *found,
                            uint64_t *out, struct err *err)
{
    struct uid_run recent = {account_recent(found->account, found->mbox, false),
                             mbox_counts(found->mbox)->uidnext - 1};
    uint32_t n = 0;
    enum rc rc;

    if (recent.first <= recent.last && !mbox_count_run(found->mbox, recent, &n)) {
        rc = place_load(session, found, err);
        if (rc)
            return rc;
        n = mbox_counts(found->mbox)->messages - mbox_lower_bound(found->mbox, recent.first);
    }
    *out = n;
    return RC_OK;
}

/* Of the selected mailbox, while expunges are withheld: below them (RFC 7162 3.2). */
static uint64_t told_modseq(const struct session *session, const struct found_mailbox *found)
{
    const struct mbox_view *view = session->view;

    if (view != NULL && view_account(view) == found->account &&
        view_mbox_id(view) == mbox_info(found->mbox)->id && view_has_withheld(view))
        return view_told_modseq(view);
    return reader_highestmodseq(&found->reader, found->mbox);
}

enum rc status_values(const struct session *session, struct found_mailbox *found,
                      uint32_t items, struct arena *arena, struct imap_status_values *out,
                      struct err *err)
{
    struct imap_status_values values = {.appendlimit = session->message_max_bytes};
    const struct mbox_counts *counts;
    enum rc rc = RC_OK;

    if (reader_needs_messages(&found->reader, found->mbox) &&
        (items & (IMAP_STATUS_UNSEEN | IMAP_STATUS_HIGHESTMODSEQ)) != 0)
        rc = place_load(session, found, err);
    if (rc == RC_OK && (items & IMAP_STATUS_RECENT) != 0)
        rc = count_recent(session, found, &values.recent, err);
    if (rc)
        return rc;
    counts = mbox_counts(found->mbox);
    values.messages = counts->messages;
    values.uidnext = counts->uidnext;
    values.uidvalidity = mbox_info(found->mbox)->uidvalidity;
    values.unseen = reader_unseen(&found->reader, found->mbox);
    values.deleted = counts->deleted;
    values.size = counts->bytes;
    values.deleted_storage = counts->bytes_deleted / 1024 + (counts->bytes_deleted % 1024 != 0);
    values.highestmodseq = told_modseq(session, found);
    if ((items & IMAP_STATUS_MAILBOXID) != 0) {
        char id[OBJECT_ID_TEXT_BYTES];

        object_id_print('M', &mbox_info(found->mbox)->mailboxid, id);
        values.mailboxid = arena_dup(arena, slice_from_str(id));
    }
    *out = values;
    return RC_OK;
}

enum rc cmd_status(struct cmd *cmd, struct err *err)
{
    const struct imap_status_args *args = &cmd->args.status;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct imap_status_values values;
    enum rc rc = place_find(cmd->session, args->mailbox.name, RIGHT_READ, &found, err);

    if (!rc)
        rc = status_values(cmd->session, &found, args->items, cmd->arena, &values, err);
    if (rc)
        return rc;
    if ((args->items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
        condstore_enable(cmd);
    imap_print_status_line(cmd->reply->out, args->mailbox.name, args->items, &values,
                           cmd->session->mode);
    reply_ok(cmd->reply, "STATUS completed");
    return RC_OK;
}
