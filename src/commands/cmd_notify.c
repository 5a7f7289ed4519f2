/*
 * cmd_notify.c - NOTIFY.
 *
 * Spec: RFC 5465 3.1. SET replaces what was asked for before, tells the STATUS of what is
 * watched if asked to, and what has gathered of the selected mailbox (the sync behind it tells
 * all of it, once more). NONE ends every telling.
 */
#include "commands/cmd.h"
#include "commands/notify.h"
#include "commands/places.h"
#include "imap/print.h"

static enum rc refuse_event(struct cmd *cmd, struct err *err)
{
    AUTO(buf_done) struct buf code;

    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_badevent(&code);
    reply_code_text(cmd->reply, arena_dup(cmd->arena, buf_slice(&code)));
    return err_set(err, RC_INVALID, "No such event", "notify: unknown event");
}

/* RFC 5465 3.1: a mailbox that the session sees, and that is not watched. One that it does not
 * see is as one that is missing, which is ignored. */
static void say_no_access(struct cmd *cmd, struct slice name)
{
    const struct imap_list_line line = {
        .verb = "LIST", .name = name, .attrs = IMAP_ATTR_NOACCESS};
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct err err;

    if (place_find(cmd->session, name, RIGHT_LOOKUP, &found, &err) == RC_OK)
        imap_print_list_line(cmd->reply->out, &line, cmd->session->mode);
}

/* Of mailboxes in other accounts only the selected one is watched. */
static void say_unwatched(struct cmd *cmd)
{
    const struct imap_notify_args *args = &cmd->args.notify;

    for (size_t i = 0; i < args->n; i++) {
        const struct imap_notify_group *group = &args->groups[i];

        for (size_t k = 0; group->events != 0 && k < group->n_names; k++)
            if (!name_is_own(group->names[k]))
                say_no_access(cmd, group->names[k]);
    }
}

/* Progress: the next row whose STATUS is to be told. */
static enum rc tell_status(struct cmd *cmd)
{
    size_t *at = cmd->cursor;

    if (cmd->args.notify.status && !notify_say_all(cmd->session, at, cmd->reply->out))
        return RC_MORE;
    reply_ok(cmd->reply, "NOTIFY completed");
    return RC_OK;
}

enum rc cmd_notify(struct cmd *cmd, struct err *err)
{
    const struct imap_notify_args *args = &cmd->args.notify;
    enum rc rc;

    if (cmd->cursor != NULL)
        return tell_status(cmd);
    if (args->unsupported)
        return refuse_event(cmd, err);
    rc = notify_start(cmd->session, args, err);
    if (rc == RC_LIMIT)
        reply_code(cmd->reply, "NOTIFICATIONOVERFLOW");
    if (rc)
        return rc;
    cmd->tells_all = args->set;
    say_unwatched(cmd);
    cmd->cursor = ARENA_NEW(cmd->arena, size_t);
    return tell_status(cmd);
}
