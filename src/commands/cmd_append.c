/*
 * cmd_append.c - APPEND, with one message or several; REPLACE.
 *
 * Spec: RFC 9051 6.3.12; RFC 3502 (MULTIAPPEND: all or nothing); RFC 4315 3 (APPENDUID); RFC
 * 4469 (CATENATE); RFC 5257 4.7 (ANNOTATION); RFC 6855 4 and RFC 9755 (UTF-8 headers); RFC 8508
 * (REPLACE: the new message comes and the old one goes as one change).
 *
 * What the client sent is staged already (append_sink.h), what it named by URL is composed here
 * (catenate.h); then comes their one transaction. Nothing of a stage changes before the commit,
 * so the command can run again.
 */
#include "base/ascii.h"
#include "base/clock.h"
#include "commands/annotation_text.h"
#include "commands/catenate.h"
#include "commands/limit.h"
#include "commands/list_line.h"
#include "commands/mail_events.h"
#include "imap/print.h"
#include "mailbox/txn.h"

#define HEADER_PIECE_BYTES ((size_t) 4 << 10) /* most headers in one */

/* INTERNALDATE is the client's, or now (RFC 9051 6.3.12). */
static struct mail_date date_of(const struct imap_append_message *message)
{
    if (!message->has_date)
        return (struct mail_date){.unix_sec = clock_wall_sec(), .zone_min = 0};
    return (struct mail_date){.unix_sec = message->date.sec,
                              .zone_min = message->date.zone_minutes};
}

/* What was appended where. */
struct appended {
    struct account *account;
    uint32_t mbox_id, uidvalidity;
    struct uid_set uids;
    bool may_read; /* else the uids are not told (RFC 9051 6.3.12) */
};

/* What stands before the transaction. */
struct prepared {
    struct place place;
    struct composition composition;
};

static enum rc annotate(struct cmd *cmd, struct mail_txn *txn, uint32_t mbox_id, uint32_t uid,
                        const struct imap_annotations *given, struct err *err)
{
    const struct uid_run run = {uid, uid};
    enum annotation_limit limit = ANNOTATION_FITS;
    struct annotation_change change;
    struct uid_set changed, refused;
    enum rc rc;

    annotation_change_make(given, cmd->arena, &change);
    rc = txn_annotate(txn, mbox_id, &(struct uid_set){&run, 1}, &change, UNCHANGEDSINCE_NONE,
                      cmd->arena, &changed, &refused, &limit, err);
    annotation_say_limit(cmd->reply, limit);
    return rc;
}

static enum rc append_all(struct cmd *cmd, const struct imap_append_args *args,
                          const struct prepared *prepared, struct mail_txn *txn,
                          struct appended *out, struct err *err)
{
    const struct place *place = &prepared->place;
    const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), place->name);
    struct uid_set_builder uids;
    struct reader reader;
    enum rc rc;

    if (mbox == NULL) {
        reply_code(cmd->reply, "TRYCREATE");
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "append: unknown name");
    }
    account_reader(place->account, mbox_info(mbox), cmd->session->actor.account, &reader);
    rc = reader_needs(&reader, RIGHT_INSERT, err);
    if (rc == RC_NOT_FOUND)
        reply_code(cmd->reply, "TRYCREATE");
    if (rc)
        return rc;
    out->account = place->account;
    out->mbox_id = mbox_info(mbox)->id;
    out->uidvalidity = mbox_info(mbox)->uidvalidity;
    out->may_read = (reader.rights & RIGHT_READ) != 0;
    uid_set_start(&uids, cmd->arena);
    for (size_t i = 0; i < args->n; i++) {
        const struct imap_append_message *message = &args->messages[i];
        const struct new_message row = {
            .stage = prepared->composition.stages[i],
            .flags = (uint8_t) (message->flags.bits & FLAGS_ALL),
            .keywords = message->flags.keywords,
            .n_keywords = message->flags.n_keywords,
            .internaldate = date_of(message),
        };
        uint32_t uid;

        rc = txn_append(txn, out->mbox_id, &row, &uid, err);
        if (!rc && message->annotations.n > 0)
            rc = annotate(cmd, txn, out->mbox_id, uid, &message->annotations, err);
        if (rc)
            return rc;
        uid_set_add(&uids, uid);
    }
    out->uids = uid_set_finish(&uids);
    return RC_OK;
}

static struct slice appenduid_code(struct cmd *cmd, const struct appended *appended)
{
    AUTO(buf_done) struct buf text = {0}, code = {0};
    struct imap_runs runs;

    buf_init(&text, REPLY_MAX_BYTES);
    buf_init(&code, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, &text);
    for (size_t i = 0; i < appended->uids.n; i++)
        imap_runs_add_range(&runs, appended->uids.runs[i].first, appended->uids.runs[i].last);
    (void) imap_runs_end(&runs); /* at least one message was appended */
    imap_print_code_appenduid(&code, appended->uidvalidity, buf_slice(&text));
    return arena_dup(cmd->arena, buf_slice(&code));
}

/* ---- UTF-8 headers ---- */

/* Looks at the bytes of a header as they come; says when it is over. */
static bool header_goes_on(struct slice piece, bool *line_empty, bool *has_8bit)
{
    for (size_t i = 0; i < piece.len; i++) {
        char c = piece.ptr[i];

        if (c == '\n' && *line_empty)
            return false;
        *has_8bit = *has_8bit || ascii_is_8bit(c);
        *line_empty = c == '\n' || (c == '\r' && *line_empty);
    }
    return true;
}

/* RFC 9755 (RFC 6855 4): an 8-bit header only from who can read it. */
static enum rc check_header(const struct composition *composition,
                            const struct body_stage *stage, struct err *err)
{
    uint64_t len = composition->ops->stage_length(stage);
    bool line_empty = true, has_8bit = false, goes_on = true;
    AUTO(buf_done) struct buf piece = {0};

    buf_init(&piece, HEADER_PIECE_BYTES);
    for (uint64_t at = 0; goes_on && !has_8bit && at < len; at += piece.len) {
        size_t n = (size_t) MIN(len - at, HEADER_PIECE_BYTES);
        enum rc rc;

        buf_reset(&piece);
        rc = composition->ops->stage_read(stage, at, buf_reserve(&piece, n), n, err);
        if (rc)
            return rc;
        piece.len = n;
        goes_on = header_goes_on(buf_slice(&piece), &line_empty, &has_8bit);
    }
    if (!has_8bit)
        return RC_OK;
    return err_set(err, RC_INVALID, "A header with 8-bit text needs ENABLE UTF8=ACCEPT",
                   "append: 8-bit header");
}

/* ---- APPEND ---- */

/*
 * Where the messages go, and the stages they are in: what the arguments say, and on the disk as
 * far as that takes long. Parts may come from accounts that make the session leave the
 * target's, so it is entered last.
 */
static enum rc prepare(struct cmd *cmd, const struct imap_append_args *args,
                       struct prepared *out, struct err *err)
{
    struct composition *composition = &out->composition;
    enum rc rc = place_to_change(cmd->session, args->mailbox.name, &out->place, err);

    if (rc == RC_NOT_FOUND)
        reply_code(cmd->reply, "TRYCREATE");
    if (!rc)
        rc = composition_make(cmd, args, account_id(out->place.account), composition, err);
    for (size_t i = 0; !rc && !cmd->session->mode.utf8_accept && i < composition->n; i++)
        rc = check_header(composition, composition->stages[i], err);
    for (size_t i = 0; !rc && i < composition->n; i++)
        rc = annotation_stage_check(out->place.account, composition->stages[i],
                                    &args->messages[i].annotations, err);
    if (!rc)
        rc = place_to_change(cmd->session, args->mailbox.name, &out->place, err);
    return rc ? rc
              : account_finish_stages(out->place.account, composition->stages, composition->n,
                                      err);
}

static void prepared_done(struct prepared *prepared)
{
    composition_done(&prepared->composition);
}

/* Behind the commit: the stages are the engine's. */
static void note_appended(struct cmd *cmd, const struct imap_append_args *args,
                          struct prepared *prepared, const struct appended *appended)
{
    composition_taken(cmd, &prepared->composition);
    cmd->session->counts.appended += args->n;
    mail_events_append(cmd, appended->account, appended->mbox_id, &appended->uids);
    list_line_say_normalized(cmd->session, &args->mailbox, cmd->reply->out);
}

enum rc cmd_append(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct appended appended;
    AUTO(prepared_done) struct prepared prepared = {0};
    uint32_t limit = limit_of_saving(cmd->session);
    enum rc rc = limit > 0 && args->n > limit ? limit_refuse(cmd, limit, 0, err)
                                              : prepare(cmd, args, &prepared, err);

    if (!rc)
        rc = txn_begin(prepared.place.account, &cmd->session->actor, &txn, err);
    if (!rc)
        rc = append_all(cmd, args, &prepared, txn, &appended, err);
    if (!rc)
        rc = session_commit(cmd->session, &txn, err);
    if (rc)
        return rc;
    note_appended(cmd, args, &prepared, &appended);
    if (appended.may_read)
        reply_code_text(cmd->reply, appenduid_code(cmd, &appended));
    reply_ok(cmd->reply, "APPEND completed");
    return RC_OK;
}

/* ---- REPLACE ---- */

/* The message that goes: it must be there. */
static enum rc expunge_old(struct cmd *cmd, struct mail_txn *txn, struct err *err)
{
    struct session *session = cmd->session;
    uint32_t mbox_id = view_mbox_id(session->view);
    struct message_set set;
    struct uid_set gone;
    const struct mbox *mbox;
    enum rc rc =
        session_resolve(session, &cmd->args.replace.set, cmd->uid, cmd->arena, &set, err);

    if (!rc)
        rc = txn_mailbox(txn, mbox_id, &mbox, err);
    if (rc)
        return rc;
    rc = message_set_check(&set, mbox, err);
    if (rc) {
        reply_code(cmd->reply, "EXPUNGEISSUED");
        return rc;
    }
    rc = txn_expunge(txn, mbox_id, &set.uids, false, cmd->arena, &gone, err);
    if (!rc && gone.n == 0)
        return err_set(err, RC_NOT_FOUND, "No such message", "replace: unknown uid");
    session->counts.expunged += rc == RC_OK;
    return rc;
}

static enum rc replace_within(struct cmd *cmd, const struct prepared *prepared,
                              struct appended *out, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    enum rc rc = txn_begin(prepared->place.account, &cmd->session->actor, &txn, err);

    if (!rc)
        rc = expunge_old(cmd, txn, err);
    if (!rc)
        rc = append_all(cmd, args, prepared, txn, out, err);
    return rc ? rc : session_commit(cmd->session, &txn, err);
}

/* The new message goes to another account. */
static enum rc replace_across(struct cmd *cmd, const struct prepared *prepared,
                              struct appended *out, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *from = NULL;
    AUTO(txn_abortp) struct mail_txn *to = NULL;
    enum rc rc = txn_begin_pair(view_account(session->view), prepared->place.account,
                                &session->actor, &from, &to, err);

    if (!rc)
        rc = expunge_old(cmd, from, err);
    if (!rc)
        rc = append_all(cmd, args, prepared, to, out, err);
    return rc ? rc : session_commit_pair(session, &from, &to, err);
}

/* RFC 8508 4.3: before the EXPUNGE */
static void say_replacement(struct cmd *cmd, const struct appended *appended)
{
    buf_str(cmd->reply->out, "* OK ");
    buf_append(cmd->reply->out, appenduid_code(cmd, appended));
    buf_byte(cmd->reply->out, ' ');
    imap_print_text_line(cmd->reply->out, "Replacement is there", cmd->session->mode);
}

enum rc cmd_replace(struct cmd *cmd, struct err *err)
{
    const struct imap_append_args *args = &cmd->args.replace.append;
    struct appended appended;
    AUTO(prepared_done) struct prepared prepared = {0};
    enum rc rc = prepare(cmd, args, &prepared, err);

    if (!rc)
        rc = prepared.place.account == view_account(cmd->session->view)
                 ? replace_within(cmd, &prepared, &appended, err)
                 : replace_across(cmd, &prepared, &appended, err);
    if (rc)
        return rc;
    note_appended(cmd, args, &prepared, &appended);
    if (appended.may_read)
        say_replacement(cmd, &appended);
    cmd->tells_modseq = true;
    reply_ok(cmd->reply, "REPLACE completed");
    return RC_OK;
}
