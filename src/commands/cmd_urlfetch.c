/*
 * cmd_urlfetch.c - URLFETCH.
 *
 * Spec: RFC 4467 6 and 7, RFC 5524 (BINARY, BODY, BODYPARTSTRUCTURE).
 *
 * Each URL gets an answer of its own: its data, or NIL, whatever the reason; so a stranger
 * learns nothing from it. What is read is read with the rights of the user who made the URL, as
 * they are now. A long answer pauses inside a literal, as FETCH does.
 */
#include "base/clock.h"
#include "commands/part_structure.h"
#include "commands/url_part.h"
#include "commands/url_token.h"
#include "commands/urlauth.h"
#include "imap/print.h"
#include "mime/cte.h"

struct url_run {
    struct cmd *cmd;
    size_t at;         /* of the URL being answered */
    bool is_open;      /* as and part are */
    struct session as; /* the user whose URL it is */
    struct url_part part;
    size_t line_start;
    bool streaming, started, keeps_nul;
    const char *end;   /* of the line, behind the data */
    struct err failed; /* the first that is no property of an URL; rc RC_OK: none */
};

static void close_url(struct url_run *run)
{
    if (!run->is_open)
        return;
    url_part_done(&run->part);
    session_done(&run->as);
    run->is_open = false;
}

static void run_done(void *cursor)
{
    close_url(cursor);
}

/* ---- may it be read ---- */

static bool access_is_granted(const struct session *session, const struct imap_url *url)
{
    switch (url->access) {
    case IMAP_URL_NO_ACCESS:
        return false;
    case IMAP_URL_SUBMIT:
        return session->submits; /* which has checked for whom (RFC 4467 section 3) */
    case IMAP_URL_USER:
        return urlauth_is_user(session, url->access_user, session->actor.account);
    case IMAP_URL_AUTHUSER:
    case IMAP_URL_ANONYMOUS: /* nobody is anonymous here */
        return true;
    }
    return false;
}

/* A session of the user that the URL names. */
static enum rc become_user(struct url_run *run, const struct imap_url *url, struct err *err)
{
    const struct session *session = run->cmd->session;
    struct mail_store *store = account_store(session->account);
    AUTO(principals_unrefp) struct principals *people = mail_store_principals(store);
    const struct principal *who = principals_find_account(people, url->user);
    struct session_grant grant = {.rights = SESSION_READ_ONLY};
    enum rc rc;

    if (who == NULL)
        return err_set(err, RC_NOT_FOUND, "No such user", "urlfetch: user");
    grant.actor.account = who->id;
    rc = account_open(store, who->id, false, &grant.account, err);
    if (rc)
        return rc;
    session_init(&run->as, &grant);
    if (who->id == session->actor.account) /* what it wrote just now counts */
        run->as.own_position = session->own_position;
    run->is_open = true;
    return RC_OK;
}

static enum rc find_key(struct url_run *run, const struct imap_url *url, struct url_key *out,
                        struct err *err)
{
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    AUTO(acct_unrefp) struct acct_state *own = NULL;
    enum rc rc = become_user(run, url, err);

    if (!rc)
        rc = place_find(&run->as, url->mailbox.name, RIGHT_READ, &found, err);
    if (rc)
        return rc;
    own = session_read(&run->as);
    if (!url_key_find(own, &mbox_info(found.mbox)->mailboxid, out))
        return err_set(err, RC_NOT_FOUND, "No key", "urlfetch: no key");
    return RC_OK;
}

/* RFC 4467 section 6: a token is computed in any case. */
static enum rc authorize(struct url_run *run, const struct imap_url *url, struct err *err)
{
    struct url_key key;
    enum rc rc = find_key(run, url, &key, err);
    bool good;

    if (rc)
        url_key_random(&key);
    good = url_token_is_good(&key, url->rump, url->token);
    if (!rc && !good)
        rc = err_set(err, RC_DENIED, "Not authorized", "urlfetch: token");
    if (!rc && url->has_expire && clock_wall_sec() > url->expire_sec)
        rc = err_set(err, RC_DENIED, "Not authorized", "urlfetch: expired");
    if (!rc && !access_is_granted(run->cmd->session, url))
        rc = err_set(err, RC_DENIED, "Not authorized", "urlfetch: access");
    return rc;
}

static enum rc open_url(struct url_run *run, const struct imap_url_fetch *fetch,
                        struct imap_url *url, struct err *err)
{
    bool with_digest = (fetch->params & (IMAP_URL_STRUCTURE | IMAP_URL_BINARY)) != 0;
    enum rc rc = imap_parse_url(fetch->url, run->cmd->arena, url, err);

    if (!rc && (!url->absolute || !slice_eq_nocase(url->mechanism, SLICE("INTERNAL"))))
        rc = err_set(err, RC_DENIED, "Not authorized", "urlfetch: no token");
    if (!rc)
        rc = authorize(run, url, err);
    return rc ? rc : url_part_open(&run->as, url, with_digest, &run->part, err);
}

/* ---- answers ---- */

static void say_nil(struct url_run *run)
{
    struct buf *out = run->cmd->reply->out;

    buf_truncate(out, run->line_start);
    buf_str(out, "* URLFETCH ");
    imap_print_astring(out, run->cmd->args.urlfetch.urls[run->at].url, run->cmd->reply->mode);
    buf_str(out, " NIL\r\n");
    run->streaming = false;
}

static void note_failure(struct url_run *run, const struct err *err)
{
    bool temporary = err->rc == RC_UNAVAILABLE || err->rc == RC_IO || err->rc == RC_CORRUPT;

    if (temporary && run->failed.rc == RC_OK)
        run->failed = *err;
}

/* The part without its transfer encoding; RC_INVALID: it cannot be decoded. */
static enum rc decode(struct url_run *run, const struct imap_url *url, uint64_t *out_lines,
                      struct err *err)
{
    struct url_part *part = &run->part;
    const struct imap_section *section = &url->section;
    struct digest_part info;
    uint32_t index;
    enum rc rc;

    *out_lines = 0;
    if (section->text != IMAP_SECTION_ALL || section->n_parts == 0 ||
        digest_find_part(part->digest, section->parts, section->n_parts, &index) != RC_OK)
        return RC_OK;
    info = digest_part(part->digest, index);
    if (info.encoding == DIGEST_CTE_IDENTITY)
        return RC_OK;
    rc = url_part_decode(part, url, &info, err);
    if (rc == RC_OK) /* as the digest counts: a last line without end is one */
        *out_lines =
            slice_count(buf_slice(&part->memory), '\n') +
            (part->memory.len > 0 && !slice_ends(buf_slice(&part->memory), SLICE("\n")));
    return rc;
}

/* What may be said of the structure: of parts, and of TEXT, which is a message's body. */
static enum rc say_structure(struct url_run *run, const struct imap_url *url, bool decoded,
                             uint64_t lines, struct err *err)
{
    struct buf *out = run->cmd->reply->out;
    const struct imap_section *section = &url->section;
    struct slice part;
    enum rc rc;

    if (section->text != IMAP_SECTION_ALL &&
        (section->text != IMAP_SECTION_TEXT || section->n_parts > 0))
        return err_set(err, RC_NOT_FOUND, "No part", "urlfetch: structure of a header");
    rc = part_structure_find(digest_wire(run->part.digest, DIGEST_BODYSTRUCTURE,
                                         section_form(run->cmd->reply->mode)),
                             section->parts, section->n_parts, &part, err);
    if (rc)
        return rc;
    buf_str(out, " (BODYPARTSTRUCTURE ");
    if (decoded)
        part_structure_print_decoded(part, run->part.memory.len, lines, out);
    else
        buf_append(out, part);
    buf_byte(out, ')');
    return RC_OK;
}

static void begin_stream(struct url_run *run, const char *name, bool keeps_nul, const char *end)
{
    struct buf *out = run->cmd->reply->out;

    buf_str(out, name);
    if (keeps_nul)
        imap_print_literal8_header(out, run->part.place.len);
    else
        imap_print_literal_header(out, run->part.place.len);
    run->streaming = true;
    run->started = false;
    run->keeps_nul = keeps_nul;
    run->end = end;
}

static bool data_has_nul(const struct url_run *run)
{
    const struct url_part *part = &run->part;

    return part->place.from_memory
               ? slice_find(buf_slice(&part->memory), '\0') < part->memory.len
               : (part->digest->flags & DIGEST_HAS_NUL) != 0;
}

static enum rc begin_extended(struct url_run *run, const struct imap_url_fetch *fetch,
                              const struct imap_url *url, struct err *err)
{
    bool binary = (fetch->params & IMAP_URL_BINARY) != 0, undecodable = false;
    uint64_t lines = 0;
    enum rc rc = binary ? decode(run, url, &lines, err) : RC_OK;

    undecodable = rc == RC_INVALID;
    if (undecodable)
        rc = RC_OK;
    if (!rc && (fetch->params & IMAP_URL_STRUCTURE) != 0)
        rc = say_structure(run, url, run->part.is_decoded, lines, err);
    if (rc)
        return rc;
    if (undecodable)
        buf_str(run->cmd->reply->out, " (BINARY NIL)\r\n");
    else if (binary)
        begin_stream(run, " (BINARY ", data_has_nul(run), ")\r\n");
    else if ((fetch->params & IMAP_URL_BODY) != 0)
        begin_stream(run, " (BODY ", false, ")\r\n");
    else
        buf_str(run->cmd->reply->out, "\r\n");
    return RC_OK;
}

static void begin_url(struct url_run *run)
{
    const struct imap_url_fetch *fetch = &run->cmd->args.urlfetch.urls[run->at];
    struct buf *out = run->cmd->reply->out;
    struct imap_url url;
    struct err err;
    enum rc rc;

    run->line_start = out->len;
    rc = open_url(run, fetch, &url, &err);
    buf_str(out, "* URLFETCH ");
    imap_print_astring(out, fetch->url, run->cmd->reply->mode);
    if (!rc && fetch->params == 0)
        begin_stream(run, " ", false, "\r\n");
    else if (!rc)
        rc = begin_extended(run, fetch, &url, &err);
    if (rc) {
        note_failure(run, &err);
        say_nil(run);
    }
}

/* ---- data ---- */

static void hide_nuls(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\0')
            bytes[i] = (char) 0x80;
}

/* RC_MORE: the reply is full. An error only when the connection must end. */
static enum rc go_on(struct url_run *run, struct err *err)
{
    struct buf *out = run->cmd->reply->out;

    while (run->part.place.len > 0) {
        size_t at = out->len;
        enum rc rc = url_part_read(&run->part, URL_READ_BYTES, out, err);

        if (rc && !run->started) {
            note_failure(run, err);
            say_nil(run);
            return RC_OK;
        }
        if (rc) {
            run->cmd->close_now = true;
            return rc;
        }
        if (!run->keeps_nul)
            hide_nuls(out->ptr + at, out->len - at);
        run->started = true;
        if (run->part.place.len > 0 && reply_is_full(run->cmd->reply)) {
            url_part_rest(&run->part);
            return RC_MORE;
        }
    }
    buf_str(out, run->end);
    run->streaming = false;
    return RC_OK;
}

static enum rc finish(struct url_run *run, struct err *err)
{
    if (run->failed.rc != RC_OK) {
        *err = run->failed;
        return err->rc;
    }
    reply_ok(run->cmd->reply, "URLFETCH completed");
    return RC_OK;
}

enum rc cmd_urlfetch(struct cmd *cmd, struct err *err)
{
    struct url_run *run = cmd->cursor;

    if (run == NULL) {
        run = ARENA_NEW(cmd->arena, struct url_run);
        run->cmd = cmd;
        cmd->cursor = run;
        cmd->cursor_done = run_done;
    }
    for (; run->at < cmd->args.urlfetch.n; run->at++) {
        if (!run->streaming) {
            if (reply_is_full(cmd->reply))
                return cmd_progress(cmd, run->at, cmd->args.urlfetch.n);
            begin_url(run);
        }
        if (run->streaming) {
            enum rc rc = go_on(run, err);

            if (rc)
                return rc;
        }
        close_url(run);
    }
    return finish(run, err);
}
