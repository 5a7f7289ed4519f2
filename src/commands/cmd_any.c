/*
 * cmd_any.c - CAPABILITY, NOOP, LOGOUT, ID, ENABLE, COMPRESS, UNAUTHENTICATE
 * and IDLE.
 *
 * Spec: RFC 9051 6.1.1-6.1.3, 6.3.1 and 6.3.13; RFC 2971 (ID); RFC 5161 (ENABLE); RFC
 * 4978 (COMPRESS); RFC 8437 (UNAUTHENTICATE).
 */
#include "commands/resync.h"
#include "imap/print.h"

enum rc cmd_capability(struct cmd *cmd, struct err *err)
{
    (void) err;
    buf_str(cmd->reply->out, "* ");
    session_print_capabilities(cmd->session, cmd->reply->out);
    buf_str(cmd->reply->out, "\r\n");
    reply_ok(cmd->reply, "CAPABILITY completed");
    return RC_OK;
}

/* NOOP and CHECK: the sync behind every command does what is wanted of them. */
enum rc cmd_noop(struct cmd *cmd, struct err *err)
{
    (void) err;
    reply_ok(cmd->reply, "Completed");
    return RC_OK;
}

enum rc cmd_logout(struct cmd *cmd, struct err *err)
{
    (void) err;
    buf_str(cmd->reply->out, "* BYE ");
    imap_print_text_line(cmd->reply->out, "Logging out", cmd->session->mode);
    reply_ok(cmd->reply, "LOGOUT completed");
    cmd->ends_session = true;
    return RC_OK;
}

/* "name=Thunderbird version=128.1", cut to CLIENT_ID_BYTES. */
static char *client_id_text(const struct imap_id_args *args)
{
    AUTO(buf_done) struct buf text = {0};
    char *kept;

    buf_init(&text, CLIENT_ID_BYTES);
    for (size_t i = 0; i < args->n; i++) {
        const struct imap_id_field *field = &args->fields[i];

        if (field->nil || text.len + field->key.len + field->value.len + 2 > CLIENT_ID_BYTES)
            continue;
        buf_str(&text, text.len > 0 ? " " : "");
        buf_append(&text, field->key);
        buf_byte(&text, '=');
        buf_append(&text, field->value);
    }
    kept = xmalloc(text.len + 1);
    if (text.len > 0)
        memcpy(kept, text.ptr, text.len);
    kept[text.len] = '\0';
    return kept;
}

/* What the client says of itself is for the log, and changes nothing (RFC 2971 section 1). We
 * say our name and no version, which would help nobody but an attacker. */
enum rc cmd_id(struct cmd *cmd, struct err *err)
{
    (void) err;
    free(cmd->session->client_id);
    cmd->session->client_id = client_id_text(&cmd->args.id);
    buf_str(cmd->reply->out, "* ID (\"name\" \"Roost\")\r\n");
    reply_ok(cmd->reply, "ID completed");
    return RC_OK;
}

/* What we do not know, do not announce or cannot enable is ignored, what is on already is not
 * listed again (RFC 5161 3.1). */
enum rc cmd_enable(struct cmd *cmd, struct err *err)
{
    const struct imap_enable_args *args = &cmd->args.enable;
    struct session *session = cmd->session;
    struct buf *out = cmd->reply->out;
    uint64_t listed = session->enabled;

    (void) err;
    buf_str(out, "* ENABLED");
    for (size_t i = 0; i < args->n; i++) {
        enum imap_cap cap = imap_cap_find(args->capabilities[i]);

        if (!imap_caps[cap].enables || (listed & IMAP_CAP_BIT(cap)) != 0)
            continue;
        listed |= IMAP_CAP_BIT(cap);
        buf_byte(out, ' ');
        buf_str(out, imap_caps[cap].name);
    }
    buf_str(out, "\r\n");
    /* RFC 7162 3.2.3: QRESYNC brings CONDSTORE */
    if ((listed & (IMAP_CAP_BIT(IMAP_CAP_CONDSTORE) | IMAP_CAP_BIT(IMAP_CAP_QRESYNC))) != 0)
        condstore_enable(cmd);
    session->enabled |= listed;
    session->mode.rev2 = session_has_enabled(session, IMAP_CAP_IMAP4REV2);
    session->mode.uidonly = session_has_enabled(session, IMAP_CAP_UIDONLY);
    session->mode.utf8_accept = session_has_enabled(session, IMAP_CAP_UTF8_ACCEPT);
    reply_ok(cmd->reply, "ENABLE completed");
    return RC_OK;
}

/* RFC 4978 3: from behind the tagged OK on, both ways. */
enum rc cmd_compress(struct cmd *cmd, struct err *err)
{
    if (cmd->session->compressed)
        return err_set(err, RC_SYNTAX, "COMPRESS is active already", "compress: again");
    cmd->session->compressed = true;
    cmd->starts_compress = true;
    reply_ok(cmd->reply, "DEFLATE active");
    return RC_OK;
}

/* RFC 8437 3: NO is no answer to it; no EXPUNGE is told. The server forgets everything but TLS
 * and ID by giving the connection back to where it was before login. */
enum rc cmd_unauthenticate(struct cmd *cmd, struct err *err)
{
    (void) err;
    cmd->leaves_login = true;
    reply_ok(cmd->reply, "UNAUTHENTICATE completed");
    return RC_OK;
}

/* The dispatcher answers "+" and keeps the tag; see session_idle_end. */
enum rc cmd_idle(struct cmd *cmd, struct err *err)
{
    (void) err;
    cmd->enters_idle = true;
    return RC_OK;
}
