#include "commands/dispatch.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands/context.h"
#include "commands/flags_offer.h"
#include "commands/notify.h"
#include "commands/referral.h"
#include "commands/resync.h"
#include "commands/sync.h"
#include "commands/uidonly.h"
#include "commands/urlauth.h"
#include "imap/print.h"

void session_greet(const struct session *session, struct slice tag, struct buf *out)
{
    assert(session->state == SESSION_AUTH);
    if (session->home != NULL) { /* RFC 2221 4: the code is taken */
        buf_str(out, "* ");
        session_print_capabilities(session, out);
        buf_str(out, "\r\n");
    }
    buf_append(out, tag);
    buf_str(out, " OK ");
    if (session->home != NULL) {
        referral_print_home(session, out);
        buf_byte(out, ' ');
        imap_print_text_line(out, "Your own mailboxes are on another server", session->mode);
        return;
    }
    buf_byte(out, '[');
    session_print_capabilities(session, out);
    buf_str(out, "] ");
    imap_print_text_line(out, "Logged in", session->mode);
}

/* Of the last own write in the account of the selected mailbox. */
static uint64_t view_position(const struct session *session)
{
    return session_position_in(session, view_account(session->view));
}

static enum command_outcome say_mailbox_is_gone(struct session *session, struct buf *out)
{
    buf_str(out, "* BYE ");
    imap_print_text_line(out, "Selected mailbox is gone", session->mode);
    session_close(session);
    return COMMAND_CLOSE;
}

/* Ten wrong commands in a row come from no mail program. */
static enum command_outcome count_answer(struct session *session, bool bad, struct buf *out)
{
    session->counts.commands++;
    if (!bad) {
        session->bad_in_row = 0;
        return COMMAND_DONE;
    }
    session->counts.bad++;
    if (++session->bad_in_row < BAD_COMMANDS_MAX)
        return COMMAND_DONE;
    buf_str(out, "* BYE ");
    imap_print_text_line(out, "Too many bad commands", session->mode);
    session_close(session);
    return COMMAND_CLOSE;
}

enum command_outcome command_refused(struct session *session, struct slice tag, bool too_big,
                                     const struct err *err, struct buf *out)
{
    bool bad = err->rc == RC_SYNTAX || (err->rc == RC_LIMIT && !too_big);
    AUTO(arena_freep) struct arena *arena = arena_new(CMD_ARENA_BYTES);
    struct reply reply = {.out = out, .arena = arena, .mode = session->mode};

    if (too_big)
        reply_code(&reply, "TOOBIG");
    else if (err->rc == RC_NOT_FOUND) /* from the sink: APPEND to a name without a mailbox */
        reply_code(&reply, "TRYCREATE");
    else if (err->rc == RC_ELSEWHERE)
        referral_code(session, &reply);
    reply_error(&reply, err);
    if (bad)
        reply.status = REPLY_BAD;
    reply_tagged(&reply, tag.len > 0 ? tag : SLICE("*"));
    return count_answer(session, bad, out);
}

static void cmd_free(struct cmd *cmd)
{
    context_sync_done(cmd);
    if (cmd->cursor != NULL && cmd->cursor_done != NULL)
        cmd->cursor_done(cmd->cursor);
    if (cmd->session->view != NULL)
        view_park(cmd->session->view);
    arena_free(cmd->arena);
}

/* ---- the end of a command ---- */

static void write_tagged(struct cmd *cmd)
{
    if (cmd->enters_idle) {
        struct slice tag = cmd->tag;
        char *kept = xmalloc(tag.len + 1);

        memcpy(kept, tag.ptr, tag.len);
        kept[tag.len] = '\0';
        cmd->session->idle_tag = kept;
        buf_str(cmd->reply->out, "+ idling\r\n");
        return;
    }
    if (cmd->tells_modseq && cmd->reply->status == REPLY_OK)
        resync_tagged_modseq(cmd);
    reply_tagged(cmd->reply, cmd->tag);
}

static enum command_outcome end_command(struct cmd *cmd, bool gone)
{
    struct session *session = cmd->session;
    struct buf *out = cmd->reply->out;
    enum command_outcome outcome;

    write_tagged(cmd);
    outcome = count_answer(session, cmd->reply->status == REPLY_BAD, out);
    if (gone)
        outcome = say_mailbox_is_gone(session, out);
    else if (outcome == COMMAND_DONE && cmd->enters_idle)
        outcome = COMMAND_IDLE;
    else if (outcome == COMMAND_DONE && cmd->starts_compress)
        outcome = COMMAND_COMPRESS;
    else if (outcome == COMMAND_DONE && cmd->leaves_login) {
        session_close(session);
        outcome = COMMAND_UNAUTHENTICATE;
    } else if (cmd->ends_session) {
        session_close(session);
        outcome = COMMAND_CLOSE;
    }
    cmd_free(cmd);
    return outcome;
}

/* An answer broke off inside a literal: nothing can follow it. */
static enum command_outcome close_now(struct cmd *cmd)
{
    session_close(cmd->session);
    cmd_free(cmd);
    return COMMAND_CLOSE;
}

/* The selected mailbox's are told; those of others follow, as many as there is room for. */
static enum command_outcome end_news(struct cmd *cmd)
{
    notify_say(cmd->session, cmd->reply->out);
    cmd_free(cmd);
    return COMMAND_TOLD;
}

static enum command_outcome go_on_with_sync(struct cmd *cmd, struct cmd **running)
{
    if (!sync_go(cmd)) {
        *running = cmd;
        return COMMAND_MORE;
    }
    if (cmd->close_now)
        return close_now(cmd);
    return cmd->is_news ? end_news(cmd) : end_command(cmd, false);
}

/* What the client cannot help and the administrator may. */
static void log_failure(const struct cmd *cmd, const struct err *err)
{
    if (err->rc == RC_CORRUPT || err->rc == RC_IO || err->rc == RC_UNAVAILABLE ||
        err->rc == RC_FULL || err->rc == RC_CONFLICT)
        log_event(LEVEL_WARNING, "command.failed", LOG_STR("command", cmd->row->name),
                  LOG_ID("account", account_id(cmd->session->account)), LOG_ERR(err));
}

static enum command_outcome after_run(struct cmd *cmd, enum rc rc, const struct err *err,
                                      struct cmd **running)
{
    if (rc == RC_MORE) {
        *running = cmd;
        return COMMAND_MORE;
    }
    if (rc != RC_OK)
        log_failure(cmd, err);
    if (cmd->close_now)
        return close_now(cmd);
    if (rc == RC_ELSEWHERE)
        referral_code(cmd->session, cmd->reply);
    if (rc != RC_OK)
        reply_error(cmd->reply, err);
    if (!sync_begin(cmd))
        return end_command(cmd, true);
    return go_on_with_sync(cmd, running);
}

/* ---- the beginning ---- */

/* Commands of the time before login have no row here; they deserve a better word than unknown.
 */
static bool is_for_login(struct slice name)
{
    return slice_eq_nocase(name, SLICE("LOGIN")) ||
           slice_eq_nocase(name, SLICE("AUTHENTICATE")) ||
           slice_eq_nocase(name, SLICE("STARTTLS"));
}

static enum rc check_row(const struct session *session, const struct imap_cmd *in,
                         const struct command *row, struct err *err)
{
    if (row == NULL && is_for_login(in->name))
        return err_set(err, RC_SYNTAX, "Already logged in", "command: of before login");
    if (row == NULL)
        return err_set(err, RC_SYNTAX, "Unknown command", "command: unknown");
    if (in->uid && (row->flags & CMD_UID) == 0)
        return err_set(err, RC_SYNTAX, "That command has no UID form", "command: UID %s",
                       row->name);
    if ((row->states & (1u << session->state)) == 0)
        return err_set(err, RC_SYNTAX, "No mailbox is selected", "command: %s in state %d",
                       row->name, (int) session->state);
    return RC_OK;
}

/* RFC 9586 3.1: in place of numbers there are uids. */
static enum rc check_numbers(struct cmd *cmd, struct err *err)
{
    if (!cmd->session->mode.uidonly || cmd->uid || (cmd->row->flags & CMD_SEQ) == 0)
        return RC_OK;
    return uidonly_refuse(cmd, err);
}

/* RFC 5257 3.4: who may read may have annotations of their own, unless they came to EXAMINE. */
static bool only_annotates(const struct cmd *cmd)
{
    return cmd->row->run == cmd_store && cmd->args.store.annotations.n > 0 &&
           !view_is_examined(cmd->session->view);
}

static enum rc check_rights(const struct cmd *cmd, struct err *err)
{
    const struct session *session = cmd->session;
    const struct command *row = cmd->row;

    if ((row->flags & CMD_WRITES) != 0 && session->rights == SESSION_READ_ONLY)
        return err_set(err, RC_DENIED, "This login may only read", "command: %s", row->name);
    if ((row->flags & CMD_CHANGES) != 0 && view_is_read_only(session->view) &&
        !only_annotates(cmd))
        return err_set(err, RC_DENIED, "The mailbox is selected read-only", "command: %s",
                       row->name);
    return RC_OK;
}

/* The typed arguments; what was wrong is in err, and the tag in cmd as far as it is known. */
static enum rc parse(struct cmd *cmd, const struct imap_text *text, struct err *err)
{
    struct imap_cmd in;
    enum rc rc;

    cmd->tag = imap_command_tag(text->text);
    if (cmd->tag.len == 0)
        cmd->tag = SLICE("*");
    rc = imap_parse_head(text, cmd->session->mode, cmd->arena, &in, err);
    if (rc)
        return rc;
    cmd->row = command_find(in.name);
    cmd->uid = in.uid;
    rc = check_row(cmd->session, &in, cmd->row, err);
    if (!rc)
        rc = check_numbers(cmd, err);
    if (rc)
        return rc;
    rc = imap_parse_args(&in, cmd->row->parse, err);
    if (rc)
        return rc;
    cmd->args = in.args;
    return check_rights(cmd, err);
}

/* "It exists already" may rest on what another session wrote and a crash would take back: a
 * refusal waits for what it saw, as a success does. */
static void wait_if_refused(const struct cmd *cmd, enum rc rc)
{
    if (rc != RC_OK && rc != RC_MORE && (cmd->row->flags & CMD_WRITES) != 0)
        session_wait_for_newest(cmd->session);
}

/*
 * Run from the parsed arguments; after a conflict rewind everything a handler may have changed
 * and run again. *gone: the selected mailbox was deleted.
 */
static enum rc run(struct cmd *cmd, bool *gone, struct err *err)
{
    struct session *session = cmd->session;
    const struct reply clean = *cmd->reply;
    size_t out_len = cmd->reply->out->len;
    struct session_mark mark;
    struct arena_mark space;
    enum rc rc = RC_CONFLICT;

    session_mark(session, cmd->arena, &mark);
    space = arena_mark(cmd->arena);
    for (unsigned tries = 0; rc == RC_CONFLICT && tries < COMMAND_TRIES_MAX; tries++) {
        if (tries > 0) {
            session_rewind(session, &mark);
            buf_truncate(cmd->reply->out, out_len);
            arena_rewind(cmd->arena, space);
            *cmd->reply = clean;
        }
        rc = session->state == SESSION_SELECTED ? sync_refresh(cmd, err) : RC_OK;
        *gone = rc == RC_NOT_FOUND;
        if (rc == RC_OK)
            rc = cmd->row->run(cmd, err);
        assert(rc != RC_CONFLICT || cmd->cursor == NULL);
    }
    wait_if_refused(cmd, rc);
    return rc;
}

static void bind_reply(struct cmd *cmd, struct buf *out)
{
    cmd->reply_space =
        (struct reply){.out = out, .arena = cmd->arena, .mode = cmd->session->mode};
    cmd->reply = &cmd->reply_space;
}

enum command_outcome command_start(struct session *session, const struct command_input *input,
                                   struct buf *out, struct cmd **running)
{
    struct arena *arena = arena_new(CMD_ARENA_BYTES);
    struct cmd *cmd = ARENA_NEW(arena, struct cmd);
    struct err err = {.rc = RC_OK};
    bool gone = false;
    enum rc rc;

    *cmd = (struct cmd){
        .session = session,
        .arena = arena,
        .stages = input->stages,
        .n_stages = input->n_stages,
        .progress_us = clock_mono_us() + INPROGRESS_US,
        .seq_command_waits = input->seq_command_waits,
    };
    bind_reply(cmd, out);
    rc = parse(cmd, &input->text, &err);
    if (rc) {
        reply_error(cmd->reply, &err);
        return end_command(cmd, false);
    }
    rc = run(cmd, &gone, &err);
    if (gone) {
        cmd_free(cmd);
        return say_mailbox_is_gone(session, out);
    }
    return after_run(cmd, rc, &err, running);
}

/* RFC 9585 3: every 10 to 15 seconds a client hears that its command lasts, and how far it is.
 * A goal that is reached is no goal any more: the rest is not counted. */
static void tell_progress(struct cmd *cmd)
{
    bool tells = cmd->tells_progress && (cmd->goal == 0 || cmd->progress < cmd->goal);
    struct buf *out = cmd->reply->out;
    int64_t now = clock_mono_us();

    cmd->tells_progress = false;
    if (!tells || now < cmd->progress_us)
        return;
    cmd->progress_us = now + INPROGRESS_US;
    buf_str(out, "* OK [INPROGRESS (");
    if (slice_find(cmd->tag, ']') < cmd->tag.len)
        buf_str(out, "NIL");
    else
        buf_printf(out, "\"%.*s\"", SLICE_ARG(cmd->tag)); /* a tag has neither \" nor \\ */
    buf_printf(out, " %u ", cmd->progress);
    if (cmd->goal == 0)
        buf_str(out, "NIL)] ");
    else
        buf_printf(out, "%u)] ", cmd->goal);
    imap_print_text_line(out, "Still working", cmd->reply->mode);
}

/* A long answer holds a version, in which the reader still had the right to read. */
static bool is_revoked(const struct session *session)
{
    return session_is_guest(session) && view_is_revoked(session->view);
}

enum command_outcome command_resume(struct cmd **running, struct buf *out,
                                    bool seq_command_waits)
{
    struct cmd *cmd = TAKE(*running);
    struct err err = {.rc = RC_OK};
    enum rc rc;

    cmd->reply->out = out;
    cmd->seq_command_waits = seq_command_waits;
    if (is_revoked(cmd->session)) { /* inside an answer there is no room for a line */
        session_close(cmd->session);
        cmd_free(cmd);
        return COMMAND_CLOSE;
    }
    switch (cmd->phase) {
    case CMD_RUNS:
        tell_progress(cmd);
        rc = cmd->row->run(cmd, &err);
        wait_if_refused(cmd, rc);
        return after_run(cmd, rc, &err, running);
    case CMD_SYNCS:
        return go_on_with_sync(cmd, running);
    }
    return COMMAND_CLOSE;
}

bool command_computes(const struct cmd *running)
{
    return running->phase == CMD_RUNS && (running->row->flags & CMD_COMPUTES) != 0;
}

void command_abort(struct cmd **running)
{
    struct cmd *cmd = TAKE(*running);

    if (cmd != NULL)
        cmd_free(cmd);
}

/* Only the head is read: names, not arguments. */
static bool names_seqs(struct slice line)
{
    const struct imap_text command = {.text = line};
    const struct command *row;
    struct imap_cmd in;

    if (imap_parse_head(&command, (struct imap_mode){0}, NULL, &in, NULL) != RC_OK)
        return false;
    row = command_find(in.name);
    if (row == NULL)
        return false;
    return (row->flags & (in.uid ? CMD_SEQ_KEYS : CMD_SEQ | CMD_SEQ_KEYS)) != 0;
}

/* A line of a message among them may look like a command: then an EXPUNGE is told later. */
bool command_seqs_wait(struct slice input)
{
    for (unsigned i = 0; i < COMMAND_LOOKAHEAD_LINES; i++) {
        size_t end = slice_find(input, '\n');

        if (end == input.len)
            return false;
        if (names_seqs(slice_sub(input, 0, end + 1)))
            return true;
        input = slice_from(input, end + 1);
    }
    return false;
}

/* ---- IDLE ---- */

bool session_has_news(const struct session *session)
{
    unsigned tell = notify_tells(session, session_is_idling(session));

    if (notify_has_news(session) || contexts_have_news(session))
        return true;
    return session->state == SESSION_SELECTED && tell != 0 &&
           view_has_news(session->view, view_position(session), tell);
}

enum command_outcome session_idle_sync(struct session *session, struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct view_changes changes;
    struct err err;
    size_t told = 0;
    enum rc rc;

    if (session->state != SESSION_SELECTED)
        return COMMAND_IDLE;
    rc = view_refresh_counts(session->view, view_position(session), &err);
    if (rc == RC_NOT_FOUND)
        return say_mailbox_is_gone(session, out);
    if (rc == RC_OK) {
        arena = arena_new(CMD_ARENA_BYTES);
        view_sync(session->view, VIEW_TELL_ALL, arena, &changes);
        urlauth_sync(session, out);
        flags_offer_sync(session, out);
        if (sync_has_changes(&changes))
            (void) sync_write(session, &changes, &told, false, false, out); /* never pauses */
    }
    view_park(session->view);
    return COMMAND_IDLE;
}

enum command_outcome session_idle_end(struct session *session, struct slice line,
                                      struct buf *out)
{
    bool done = slice_eq_nocase(line, SLICE("DONE"));
    enum command_outcome outcome = COMMAND_IDLE;
    char *tag;

    if (session->notify == NULL &&
        session->contexts == NULL) /* else news are told by themselves */
        outcome = session_idle_sync(session, out);
    tag = TAKE(session->idle_tag);

    if (outcome == COMMAND_IDLE) {
        buf_str(out, tag);
        buf_str(out, done ? " OK " : " BAD ");
        imap_print_text_line(out, done ? "IDLE completed" : "Expected DONE", session->mode);
        outcome = count_answer(session, !done, out);
    }
    free(tag);
    return outcome;
}

/* ---- NOTIFY ---- */

bool session_listens(const struct session *session)
{
    return session->notify != NULL && session->notify->n_places > 0;
}

bool session_hears(const struct session *session)
{
    return session_listens(session) ||
           (session_is_idling(session) && session->contexts != NULL);
}

bool session_follows_people(const struct session *session)
{
    return session_is_guest(session) || notify_follows_people(session);
}

void session_wake_by(struct session *session, void (*wake)(void *ctx), void *ctx)
{
    struct notify *notify = session->notify;

    if (notify != NULL)
        notify_wake_by(notify, wake, ctx);
}

/* Told as behind a command, of which there is none. */
static const struct command news = {.name = "news", .flags = CMD_EXPUNGES};

enum command_outcome session_tell_news(struct session *session, struct buf *out,
                                       struct cmd **running)
{
    struct arena *arena = arena_new(CMD_ARENA_BYTES);
    struct cmd *cmd = ARENA_NEW(arena, struct cmd);

    assert(session_hears(session));
    *cmd = (struct cmd){.session = session, .row = &news, .arena = arena, .is_news = true};
    bind_reply(cmd, out);
    if (!sync_begin(cmd)) {
        cmd_free(cmd);
        return say_mailbox_is_gone(session, out);
    }
    return go_on_with_sync(cmd, running);
}
