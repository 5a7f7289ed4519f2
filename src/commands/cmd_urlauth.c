/*
 * cmd_urlauth.c - RESETKEY and GENURLAUTH; what a session is told when a key changes.
 *
 * Spec: RFC 4467 2.2, 5, 7 and 8 (URLMECH). The user in an URL must be the session's own: it
 * says whose table of keys is meant. The server in it is not looked at, for a server has many
 * names; the token covers it as it covers the rest.
 */
#include "commands/places.h"
#include "commands/url_token.h"
#include "commands/urlauth.h"
#include "imap/print.h"

#define URLMECH "URLMECH INTERNAL"

bool urlauth_is_user(const struct session *session, struct slice name, uint64_t account)
{
    AUTO(principals_unrefp)
    struct principals *people = mail_store_principals(account_store(session->account));
    const struct principal *who = principals_find_account(people, name);

    return who != NULL && who->id == account;
}

/* ---- what is told of keys ---- */

static uint64_t current_mark(const struct session *session)
{
    const struct object_id *id = &mbox_info(view_mbox(session->view))->mailboxid;
    AUTO(acct_unrefp) struct acct_state *own = NULL;

    if (view_account(session->view) == session->account)
        return url_key_mark(view_state(session->view), id);
    own = session_read(session);
    return url_key_mark(own, id);
}

void urlauth_selected(struct session *session, struct buf *out)
{
    session->url_key = current_mark(session);
    buf_str(out, "* OK [" URLMECH "] Mechanisms\r\n");
}

void urlauth_sync(struct session *session, struct buf *out)
{
    uint64_t before = session->url_key;

    session->url_key = current_mark(session);
    if (session->url_key != before)
        buf_str(out, "* OK [" URLMECH "] The key has changed\r\n");
}

/* ---- RESETKEY ---- */

static enum rc reset(struct cmd *cmd, struct mail_txn *txn, struct err *err)
{
    const struct imap_resetkey_args *args = &cmd->args.resetkey;
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    enum rc rc;

    if (!args->has_mailbox && !session_allows_all(cmd->session))
        return err_set(err, RC_DENIED, "You have no right to do this here",
                       "resetkey: a credential for some folders");
    if (!args->has_mailbox)
        return url_keys_remove(txn, cmd->arena, err);
    rc = place_find(cmd->session, args->mailbox.name, RIGHT_READ, &found, err);
    return rc ? rc : url_key_renew(txn, &mbox_info(found.mbox)->mailboxid, err);
}

enum rc cmd_resetkey(struct cmd *cmd, struct err *err)
{
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc;

    if (cmd->args.resetkey.unknown_mechanism)
        return err_set(err, RC_INVALID, "The only mechanism is INTERNAL",
                       "resetkey: mechanism");
    rc = txn_begin(session->account, &session->actor, &txn, err);
    if (!rc)
        rc = reset(cmd, txn, err);
    if (!rc)
        rc = session_commit(session, &txn, err);
    if (rc)
        return rc;
    if (cmd->args.resetkey.has_mailbox)
        reply_code(cmd->reply, URLMECH);
    reply_ok(cmd->reply,
             cmd->args.resetkey.has_mailbox ? "The key is another" : "All keys removed");
    return RC_OK;
}

/* ---- GENURLAUTH ---- */

/* RFC 4467 7, (1) to (3): what fails is BAD. */
static enum rc check_rump(struct cmd *cmd, const struct imap_url_rump *rump,
                          struct object_id *out, struct err *err)
{
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct session *session = cmd->session;
    struct imap_url url;
    enum rc rc = imap_parse_url(rump->url, cmd->arena, &url, err);

    if (!rc && url.access == IMAP_URL_NO_ACCESS)
        rc = err_set(err, RC_SYNTAX, "The URL has no access identifier", "genurlauth: access");
    if (!rc && url.mechanism.len > 0)
        rc = err_set(err, RC_SYNTAX, "The URL is authorized already", "genurlauth: token");
    if (!rc && !urlauth_is_user(session, url.user, session->actor.account))
        rc = err_set(err, RC_SYNTAX, "The URL's user is not you", "genurlauth: user");
    if (!rc && !slice_eq_nocase(rump->mechanism, SLICE("INTERNAL")))
        return err_set(err, RC_INVALID, "The only mechanism is INTERNAL",
                       "genurlauth: mechanism");
    if (!rc)
        rc = place_find(session, url.mailbox.name, RIGHT_READ, &found, err);
    if (rc == RC_NOT_FOUND || rc == RC_DENIED || rc == RC_INVALID || rc == RC_ELSEWHERE)
        rc = err_set(err, RC_SYNTAX, "The URL's mailbox cannot be read", "genurlauth: mailbox");
    if (!rc)
        *out = mbox_info(found.mbox)->mailboxid;
    return rc;
}

static enum rc say_urls(struct cmd *cmd, struct mail_txn *txn, const struct object_id *ids,
                        struct err *err)
{
    const struct imap_genurlauth_args *args = &cmd->args.genurlauth;
    struct buf *out = cmd->reply->out;
    AUTO(buf_done) struct buf url = {0};

    buf_init(&url, REPLY_MAX_BYTES);
    buf_str(out, "* GENURLAUTH");
    for (size_t i = 0; i < args->n; i++) {
        struct url_key key;

        if (!url_key_find(txn_state(txn), &ids[i], &key)) {
            enum rc rc = url_key_renew(txn, &ids[i], err);

            if (rc)
                return rc;
            if (!url_key_find(txn_state(txn), &ids[i], &key))
                return err_set(err, RC_CORRUPT, "The key is not there", "genurlauth: no key");
        }
        buf_reset(&url);
        buf_append(&url, args->rumps[i].url);
        buf_str(&url, ":internal:");
        url_token_print(&key, args->rumps[i].url, &url);
        buf_byte(out, ' ');
        imap_print_astring(out, buf_slice(&url), cmd->reply->mode);
    }
    buf_str(out, "\r\n");
    return RC_OK;
}

enum rc cmd_genurlauth(struct cmd *cmd, struct err *err)
{
    const struct imap_genurlauth_args *args = &cmd->args.genurlauth;
    struct object_id *ids = ARENA_ARRAY(cmd->arena, struct object_id, args->n);
    size_t said = cmd->reply->out->len;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < args->n; i++)
        rc = check_rump(cmd, &args->rumps[i], &ids[i], err);
    if (!rc)
        rc = txn_begin(cmd->session->account, &cmd->session->actor, &txn, err);
    if (!rc)
        rc = say_urls(cmd, txn, ids, err);
    if (!rc)
        rc = session_commit(cmd->session, &txn, err);
    if (rc) {
        buf_truncate(cmd->reply->out, said);
        return rc;
    }
    reply_ok(cmd->reply, "GENURLAUTH completed");
    return RC_OK;
}
