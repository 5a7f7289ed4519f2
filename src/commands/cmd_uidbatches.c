/*
 * cmd_uidbatches.c - UIDBATCHES: the mailbox cut into ranges of uids with equally many
 * messages, from the highest uid on.
 *
 * Spec: RFC 10022 3. Range ends need not be uids of messages: a range ends right above the next
 * one, and the last at 1. "$" is left alone.
 */
#include "commands/cmd.h"
#include "imap/print.h"

#define BATCH_MIN_MESSAGES   500u    /* RFC 10022 3: what a server must support */
#define BATCHES_MAX_MESSAGES 100000u /* of a range of batches; the same place */
#define BATCHES_MAX          65536u  /* ranges in one answer */

static enum rc refuse(struct cmd *cmd, const char *code, enum rc rc, const char *text,
                      struct err *err)
{
    reply_code(cmd->reply, code);
    return err_set(err, rc, text, "uidbatches: %u", cmd->args.uidbatches.size);
}

/* RFC 10022 3: what was answered may be asked again when more than half a batch has come or has
 * gone. Another size is a repetition too: from many sizes a client could learn the numbers. */
static bool is_repeated(const struct session *session, const struct imap_uidbatches_args *args)
{
    const struct mbox_counts *counts = mbox_counts(view_mbox(session->view));
    const struct session_batches *before = &session->batches;
    uint64_t came = counts->uidnext - before->uidnext;
    uint64_t gone = before->messages + came - counts->messages;

    if (before->size == 0 || came > before->size / 2 || gone > before->size / 2)
        return false;
    return args->size != before->size || !args->has_range || args->first <= before->upto;
}

static enum rc check(struct cmd *cmd, struct err *err)
{
    const struct imap_uidbatches_args *args = &cmd->args.uidbatches;
    uint32_t messages = mbox_counts(view_mbox(cmd->session->view))->messages;
    uint64_t n = args->has_range ? (uint64_t) args->last - args->first + 1 : 0;

    if (args->has_range && args->first > args->last)
        return refuse(cmd, "CLIENTBUG", RC_SYNTAX, "The lower batch comes first", err);
    if (args->size < BATCH_MIN_MESSAGES)
        return refuse(cmd, "TOOFEW", RC_LIMIT, "Too few messages in a batch", err);
    if (n * args->size > BATCHES_MAX_MESSAGES ||
        (n == 0 && messages / args->size >= BATCHES_MAX))
        return refuse(cmd, "TOOMANY", RC_LIMIT, "Too many messages at once", err);
    if (is_repeated(cmd->session, args))
        return refuse(cmd, "LIMIT", RC_LIMIT, "That was answered already", err);
    return RC_OK;
}

/* Batch number k, from 1: high:low. */
static void say_batch(const struct mbox *mbox, uint32_t size, uint32_t k, struct buf *out)
{
    uint32_t n = mbox_counts(mbox)->messages, above = (k - 1) * size;
    uint32_t high = k == 1 ? mbox_uid(mbox, n - 1) : mbox_uid(mbox, n - above) - 1;
    uint32_t low = n - above > size ? mbox_uid(mbox, n - above - size) : 1;

    buf_u64(out, high);
    buf_byte(out, ':');
    buf_u64(out, low);
}

enum rc cmd_uidbatches(struct cmd *cmd, struct err *err)
{
    const struct imap_uidbatches_args *args = &cmd->args.uidbatches;
    struct session *session = cmd->session;
    const struct mbox *mbox = view_mbox(session->view);
    const struct mbox_counts *counts = mbox_counts(mbox);
    struct buf *out = cmd->reply->out;
    uint32_t there, first = 1;
    enum rc rc = check(cmd, err);

    if (rc)
        return rc;
    there = counts->messages / args->size + (counts->messages % args->size != 0);
    buf_str(out, "* UIDBATCHES (TAG ");
    imap_print_string(out, cmd->tag, (struct imap_mode){0});
    buf_byte(out, ')');
    if (args->has_range) {
        first = args->first;
        there = MIN(there, args->last);
    }
    for (uint32_t k = first; k <= there; k++) {
        buf_byte(out, k == first ? ' ' : ',');
        say_batch(mbox, args->size, k, out);
    }
    buf_str(out, "\r\n");
    session->batches = (struct session_batches){.size = args->size,
                                                .upto = there,
                                                .messages = counts->messages,
                                                .uidnext = counts->uidnext};
    reply_ok(cmd->reply, "UIDBATCHES completed");
    return RC_OK;
}
