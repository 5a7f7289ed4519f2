/*
 * mail_control_export.c - an account's mail as a stream, byte for byte
 * (docs/formats/mail-stream.md).
 *
 * Each mailbox is sent as it stood when its turn came: the version is held until its last
 * message has gone out.
 */
#include "base/log.h"
#include "ipc/mail_stream.h"
#include "mailbox/message.h"
#include "roles/mail_role.h"

#define EXPORT_PART_BYTES ((size_t) 256 << 10)
#define PROGRESS_EVERY    256u /* messages */

struct export
{
    struct control_conn *conn;
    struct account *account;
    struct buf out; /* a head, then parts of a body */
    uint32_t n_mailboxes;
    uint64_t done, total;
};

static void send_out(struct export *export)
{
    control_data(export->conn, buf_slice(&export->out));
    buf_reset(&export->out);
}

/* After it a head and one part of a body fit. */
static void make_room(struct export *export)
{
    if (export->out.len > EXPORT_PART_BYTES)
        send_out(export);
}

/* A row names a message that cannot be read; the others go on. */
static void name_damaged(struct export *export, const struct mbox *mbox, uint32_t index,
                         const struct err *err)
{
    char uid[16];
    const struct control_field fields[] = {
        CONTROL_TEXT("mailbox", mbox_info(mbox)->name),
        CONTROL_TEXT("uid", slice_from_str(uid)),
        CONTROL_TEXT("error", slice_from_str(err->text)),
    };

    (void) snprintf(uid, sizeof(uid), "%u", mbox_uid(mbox, index));
    control_row(export->conn, fields, COUNT(fields));
}

static enum rc send_rest(struct export *export, struct message *message, struct err *err)
{
    uint64_t size = message_size(message);
    enum rc rc = RC_OK;

    for (uint64_t at = EXPORT_PART_BYTES; rc == RC_OK && at < size; at += EXPORT_PART_BYTES) {
        make_room(export);
        rc = message_read(message, at, MIN(EXPORT_PART_BYTES, (size_t) (size - at)),
                          &export->out, err);
    }
    return rc;
}

static void put_head(struct export *export, const struct mbox *mbox, uint32_t index)
{
    const struct mbox_info *info = mbox_info(mbox);
    const struct msg_cold *cold = mbox_cold(mbox, index);
    struct mail_frame frame = {.kind = MAIL_MESSAGE,
                               .mailbox = export->n_mailboxes - 1,
                               .uid = mbox_uid(mbox, index),
                               .flags = mbox_flags(mbox, index),
                               .date = cold->internaldate,
                               .zone_min = cold->zone_min,
                               .size = cold->size};
    uint16_t keywords[KEYWORDS_MAX];

    memcpy(frame.key, cold->emailid.bytes, sizeof(frame.key));
    frame.n_keywords = mbox_keywords(mbox, index, keywords);
    for (size_t i = 0; i < frame.n_keywords; i++)
        frame.keywords[i] = info->keywords[keywords[i]];
    mail_frame_encode(&export->out, &frame);
}

/* The first part is read before the head may leave, so most damage is found in time. */
static enum rc send_message(struct export *export, const struct mbox *mbox, uint32_t index,
                            struct err *err)
{
    const struct msg_cold *cold = mbox_cold(mbox, index);
    AUTO(message_closep)
    struct message *message = message_open(export->account, cold->body_id, cold->size);
    size_t mark;
    enum rc rc;

    make_room(export);
    mark = export->out.len;
    put_head(export, mbox, index);
    rc = message_read(message, 0, MIN(EXPORT_PART_BYTES, (size_t) cold->size), &export->out,
                      err);
    if (rc) {
        buf_truncate(&export->out, mark);
        name_damaged(export, mbox, index, err);
        return RC_OK;
    }
    if (++export->done % PROGRESS_EVERY == 0)
        control_progress(export->conn, export->done, export->total);
    return send_rest(export, message, err);
}

static enum rc send_held(struct export *export, uint32_t mbox_id, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    struct mail_frame frame = {.kind = MAIL_MAILBOX};
    enum rc rc = account_read_mailbox(export->account, 0, mbox_id, &state, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK; /* deleted meanwhile */
    if (rc)
        return rc;
    mbox = acct_mailbox_by_id(state, mbox_id);
    frame.name = mbox_info(mbox)->name;
    frame.uidvalidity = mbox_info(mbox)->uidvalidity;
    frame.uidnext = mbox_counts(mbox)->uidnext;
    make_room(export);
    mail_frame_encode(&export->out, &frame);
    export->n_mailboxes++;
    for (uint32_t i = 0; rc == RC_OK && i < mbox_counts(mbox)->messages; i++) {
        if (control_conn_failed(export->conn))
            return err_set(err, RC_UNAVAILABLE, "The connection broke", "export: no reader");
        rc = account_need_rows(export->account, state, mbox, i, i, err);
        if (rc == RC_OK)
            rc = send_message(export, mbox, i, err);
    }
    return rc;
}

static enum rc send_mailbox(struct export *export, uint32_t mbox_id, struct err *err)
{
    struct held_mailbox held = {0};
    enum rc rc;

    account_hold(export->account, &held, mbox_id);
    rc = send_held(export, mbox_id, err);
    account_release(export->account, &held);
    return rc;
}

static enum rc send_all(struct export *export, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(export->account, 0);
    enum rc rc = RC_OK;

    export->total = acct_usage(state).messages;
    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(state); i++)
        rc = send_mailbox(export, mbox_info(acct_mailbox_at(state, i))->id, err);
    for (size_t i = 0; rc == RC_OK && i < acct_subscription_count(state); i++) {
        struct mail_frame frame = {.kind = MAIL_SUBSCRIBED,
                                   .name = acct_subscription_at(state, i)};

        make_room(export);
        mail_frame_encode(&export->out, &frame);
    }
    send_out(export);
    return rc;
}

/* user -> data */
void mail_export(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    AUTO(account_closep) struct account *account = NULL;
    struct export export = {.conn = conn};
    struct err err;
    enum rc rc = mail_open_user(ctx, fields, &account, &err);

    if (rc == RC_OK) {
        buf_init(&export.out, 2 * EXPORT_PART_BYTES + MAIL_HEAD_MAX_BYTES);
        export.account = account;
        rc = send_all(&export, &err);
        buf_done(&export.out);
        log_event(LEVEL_INFO, "account.exported", LOG_ID("account", account_id(account)),
                  LOG_NUM("messages", export.done), LOG_STR("result", rc_name(rc)),
                  LOG_NUM("by_uid", control_conn_uid(conn)));
    }
    if (rc)
        control_end_err(conn, &err);
    else
        control_end(conn, RC_OK, "");
}
