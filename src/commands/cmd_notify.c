/*
 * cmd_notify.c - NOTIFY.
 *
 * Spec: RFC 5465 3.1. SET replaces what was asked for before, tells the STATUS of what is
 * watched if asked to, and what has gathered of the selected mailbox (the sync behind it tells
 * all of it, once more). NONE ends every telling.
 */
#include "commands/cmd.h"
#include "commands/notify.h"
#include "imap/print.h"

static enum rc refuse_event(struct cmd *cmd, struct err *err)
{
    AUTO(buf_done) struct buf code = {0};

    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_badevent(&code);
    reply_code_text(cmd->reply, arena_dup(cmd->arena, buf_slice(&code)));
    return err_set(err, RC_INVALID, "No such event", "notify: unknown event");
}

/* Progress: the next row whose STATUS is to be told, or whose events are refused. */
static enum rc tell_rows(struct cmd *cmd)
{
    struct notify_at *at = cmd->cursor;

    if (!notify_say_all(cmd->session, at, cmd->args.notify.status, cmd->reply->out))
        return cmd_progress(cmd, at->done, cmd->session->notify->n_rows);
    reply_ok(cmd->reply, "NOTIFY completed");
    return RC_OK;
}

enum rc cmd_notify(struct cmd *cmd, struct err *err)
{
    const struct imap_notify_args *args = &cmd->args.notify;
    enum rc rc;

    if (cmd->cursor != NULL)
        return tell_rows(cmd);
    if (args->unsupported)
        return refuse_event(cmd, err);
    rc = notify_start(cmd->session, args, err);
    if (rc == RC_LIMIT)
        reply_code(cmd->reply, "NOTIFICATIONOVERFLOW");
    if (rc)
        return rc;
    cmd->tells_all = args->set;
    cmd->cursor = ARENA_NEW(cmd->arena, struct notify_at);
    return tell_rows(cmd);
}
