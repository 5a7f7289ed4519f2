/*
 * cmd_copy.c - COPY, MOVE and their UID forms.
 *
 * Spec: RFC 9051 6.4.7, 6.4.8 and 6.4.9; RFC 4315 3 (COPYUID); RFC 6851 4.3 (for MOVE it comes
 * in an untagged OK, before the EXPUNGEs, which the sync writes).
 *
 * All messages are copied or none; a MOVE is one change, also into another account.
 */
#include "commands/limit.h"
#include "commands/mail_events.h"
#include "commands/places.h"
#include "imap/print.h"
#include "mailbox/txn.h"

#define CROSS_TRIES_MAX 16u /* commits that meet a conflict */

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
    AUTO(buf_done) struct buf from = {0}, to = {0}, code = {0};

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
    buf_byte(cmd->reply->out, ' ');
    imap_print_text_line(cmd->reply->out, "Moved", cmd->session->mode);
}

/* What one COPY or MOVE is about. */
struct copy {
    struct message_set set;
    struct place to;
    bool move;
    /* results */
    uint32_t dst_id;
    bool may_read; /* the target; else its uids are not told (RFC 9051 6.4.7) */
    struct copied copied;
    uint32_t limited;          /* MOVE: the lowest uid moved (RFC 9738); 0: all were */
    struct crossing *crossing; /* into another account */
};

static enum rc find_source(struct cmd *cmd, struct mail_txn *txn, const struct copy *copy,
                           struct err *err)
{
    const struct mbox *src;
    enum rc rc = txn_mailbox(txn, view_mbox_id(cmd->session->view), &src, err);

    if (rc)
        return rc;
    rc = message_set_check(&copy->set, src, err);
    if (rc)
        reply_code(cmd->reply, "EXPUNGEISSUED");
    return rc;
}

static enum rc find_target(struct cmd *cmd, const struct mail_txn *txn, struct copy *copy,
                           struct err *err)
{
    const struct mbox *dst = acct_mailbox_by_name(txn_state(txn), copy->to.name);
    struct reader reader;
    enum rc rc = RC_NOT_FOUND;

    if (dst != NULL) {
        copy->dst_id = mbox_info(dst)->id;
        account_reader(copy->to.account, mbox_info(dst), cmd->session->actor.account, &reader);
        copy->may_read = (reader.rights & RIGHT_READ) != 0;
        rc = reader_needs(&reader, RIGHT_INSERT, err);
    }
    if (rc == RC_NOT_FOUND) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "copy: unknown name");
    }
    return rc;
}

static enum rc copy_within(struct cmd *cmd, struct copy *copy, struct err *err)
{
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = txn_begin(copy->to.account, &session->actor, &txn, err);

    if (!rc)
        rc = find_source(cmd, txn, copy, err);
    if (!rc)
        rc = find_target(cmd, txn, copy, err);
    if (!rc)
        rc = txn_copy(txn, view_mbox_id(session->view), &copy->set.uids, copy->dst_id,
                      copy->move, cmd->arena, &copy->copied, err);
    return rc ? rc : session_commit(session, &txn, err);
}

static enum rc cross(struct cmd *cmd, struct copy *copy, struct err *err)
{
    struct session *session = cmd->session;
    const struct mbox_view *view = session->view;
    AUTO(txn_abortp) struct mail_txn *from = NULL;
    AUTO(txn_abortp) struct mail_txn *to = NULL;
    enum rc rc =
        txn_begin_pair(view_account(view), copy->to.account, &session->actor, &from, &to, err);

    if (!rc)
        rc = find_source(cmd, from, copy, err);
    if (!rc)
        rc = find_target(cmd, to, copy, err);
    if (!rc)
        rc = txn_cross(from, view_mbox_id(view), copy->crossing, to, copy->dst_id, copy->move,
                       cmd->arena, &copy->copied, err);
    return rc ? rc : session_commit_pair(session, &from, &to, err);
}

static void copy_done(void *cursor)
{
    struct copy *copy = cursor;

    crossing_freep(&copy->crossing);
}

/* Into another account: the messages are staged there before anything is locked, which may take
 * long. So it pauses, and when the commit meets a conflict it is that which runs again. */
static enum rc copy_across(struct cmd *cmd, struct copy *copy, struct err *err)
{
    const struct mbox_view *view = cmd->session->view;
    size_t n, total;
    enum rc rc = RC_OK;

    if (copy->crossing == NULL)
        rc = crossing_new(view_account(view), view_state(view), view_mbox(view),
                          &copy->set.uids, copy->to.account, &copy->crossing, err);
    if (rc)
        return rc;
    cmd->cursor = copy;
    cmd->cursor_done = copy_done;
    rc = crossing_stage(copy->crossing, err);
    n = crossing_staged(copy->crossing, &total);
    if (rc == RC_MORE)
        return cmd_progress(cmd, n, total);
    if (rc)
        return rc;
    rc = RC_CONFLICT;
    for (unsigned tries = 0; rc == RC_CONFLICT && tries < CROSS_TRIES_MAX; tries++)
        rc = cross(cmd, copy, err);
    if (rc == RC_CONFLICT)
        return err_set(err, RC_UNAVAILABLE, "Too much changes there at the moment",
                       "cross: %u conflicts", CROSS_TRIES_MAX);
    if (rc == RC_OK)
        crossing_landed(copy->crossing);
    return rc;
}

/* RFC 9738 3.1: a COPY is all or nothing, and then nothing; a MOVE takes what it may. Of those
 * that are there, whatever numbers the set has. */
static enum rc limit(struct cmd *cmd, struct copy *copy, struct err *err)
{
    const struct mbox *src = view_mbox(cmd->session->view);
    uint32_t max = copy->move ? cmd->session->message_limit : limit_of_saving(cmd->session);
    struct uid_set uids = copy->set.uids;
    uint32_t lowest;
    enum rc rc;

    limit_uids(cmd, src, max, &uids, &lowest);
    if (lowest == 0)
        return RC_OK;
    rc = message_set_check(&copy->set, src, err);
    if (rc)
        reply_code(cmd->reply, "EXPUNGEISSUED");
    else if (!copy->move)
        rc = limit_refuse(cmd, max, lowest, err);
    if (rc)
        return rc;
    if (copy->set.n_seqs > 0)
        copy->set.n_seqs = max;
    copy->set.uids = uids;
    copy->limited = lowest;
    return RC_OK;
}

static enum rc start(struct cmd *cmd, struct copy *copy, struct err *err)
{
    struct session *session = cmd->session;
    enum rc rc =
        session_resolve(session, &cmd->args.copy.set, cmd->uid, cmd->arena, &copy->set, err);

    if (!rc)
        rc = limit(cmd, copy, err);
    if (rc)
        return rc;
    rc = place_to_change(session, cmd->args.copy.mailbox.name, &copy->to, err);
    if (rc == RC_NOT_FOUND)
        reply_code(cmd->reply, "TRYCREATE");
    return rc;
}

static void finish(struct cmd *cmd, const struct copy *copy)
{
    struct session *session = cmd->session;
    const struct mbox_info *from = mbox_info(view_mbox(session->view));

    if (copy->move)
        session->counts.moved += uid_set_span(&copy->copied.src);
    else
        session->counts.copied += uid_set_span(&copy->copied.src);
    mail_events_copy(cmd, from->name, copy->to.account, copy->dst_id, &copy->copied,
                     copy->move);
    if (copy->may_read)
        say_copyuid(cmd, &copy->copied, copy->move);
    cmd->tells_modseq = copy->move && copy->copied.src.n > 0; /* RFC 6851 4.4 */
    limit_say(cmd, session->message_limit, copy->limited);
    reply_ok(cmd->reply, copy->move ? "MOVE completed" : "COPY completed");
}

static enum rc copy(struct cmd *cmd, bool move, struct err *err)
{
    struct copy *copy = cmd->cursor;
    enum rc rc = RC_OK;

    if (copy == NULL) {
        copy = ARENA_NEW(cmd->arena, struct copy);
        copy->move = move;
        rc = start(cmd, copy, err);
    }
    if (!rc)
        rc = copy->to.account == view_account(cmd->session->view) ? copy_within(cmd, copy, err)
                                                                  : copy_across(cmd, copy, err);
    if (!rc)
        finish(cmd, copy);
    return rc;
}

enum rc cmd_copy(struct cmd *cmd, struct err *err)
{
    return copy(cmd, false, err);
}

enum rc cmd_move(struct cmd *cmd, struct err *err)
{
    return copy(cmd, true, err);
}
