/* mail_control_export.c - the verb `export`: an account's mail as a stream, byte for byte. */
#include "base/log.h"
#include "roles/mail_frames.h"
#include "roles/mail_role.h"

static void send_data(void *ctx, struct slice bytes)
{
    control_data(ctx, bytes);
}

static void send_progress(void *ctx, uint64_t done, uint64_t total)
{
    control_progress(ctx, done, total);
}

/* A row names a message that cannot be read; the others go on. */
static void name_damaged(void *ctx, struct slice mailbox, uint32_t uid, const struct err *err)
{
    char text[16];

    (void) snprintf(text, sizeof(text), "%u", uid);

    const struct control_field fields[] = {
        CONTROL_TEXT("mailbox", mailbox),
        CONTROL_TEXT("uid", slice_from_str(text)),
        CONTROL_TEXT("error", slice_from_str(err->text)),
    };

    control_row(ctx, fields, COUNT(fields));
}

static bool is_gone(void *ctx)
{
    return control_conn_failed(ctx);
}

/* user -> data */
void mail_export(struct control_conn *conn, const struct control_fields *fields, void *ctx)
{
    const struct mail_taker taker = {send_data, send_progress, name_damaged, is_gone, conn};
    const struct mail_choice all = {.with_uids = true};
    AUTO(account_closep) struct account *account = NULL;
    uint64_t n_messages = 0;
    struct err err;
    enum rc rc = mail_open_user(ctx, fields, &account, &err);

    if (rc == RC_OK) {
        rc = mail_send_account(account, &all, &taker, &n_messages, &err);
        log_event(LEVEL_INFO, "account.exported", LOG_ID("account", account_id(account)),
                  LOG_NUM("messages", n_messages), LOG_STR("result", rc_name(rc)),
                  LOG_NUM("by_uid", control_conn_uid(conn)));
    }
    if (rc)
        control_end_err(conn, &err);
    else
        control_end(conn, RC_OK, "");
}
