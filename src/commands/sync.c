#include "commands/sync.h"

#include "commands/context.h"
#include "commands/fetch.h"
#include "commands/flags_offer.h"
#include "commands/flags_text.h"
#include "commands/notify.h"
#include "commands/reply.h"
#include "commands/uidonly.h"
#include "commands/urlauth.h"

#define VANISHED_LINE_UIDS ((size_t) 16384) /* in one VANISHED answer */

static void write_number_line(struct buf *out, uint32_t number, const char *word)
{
    buf_str(out, "* ");
    buf_u64(out, number);
    buf_byte(out, ' ');
    buf_str(out, word);
    buf_str(out, "\r\n");
}

/* RFC 5257 4.2, RFC 5465 5.1 */
static bool tells_annotations(const struct session *session)
{
    return session->annotates ||
           (session->notify != NULL && session->notify->selected_annotations);
}

/* RFC 5257 4.4: names of entries that somebody has changed, at the end of the line. */
static void add_annotations(const struct session *session, const struct view_changes *changes,
                            uint32_t uid, struct buf *out)
{
    static const struct slice end = {")\r\n", 3};
    struct annotation_source source =
        annotation_source_of(view_reader(session->view), view_mbox(session->view), uid);

    buf_truncate(out, out->len - end.len);
    annotation_text_names(&source, changes->since, changes->own_modseq, session->mode, out);
    buf_append(out, end);
}

static void write_flags(const struct session *session, const struct view_changes *changes,
                        struct flags_text *text, struct view_walk *walk, uint32_t uid,
                        bool with_uid, struct buf *out)
{
    bool follows = session_has_enabled(session, IMAP_CAP_CONDSTORE);
    bool uidonly = session->mode.uidonly;
    struct imap_flags_line line;

    if (!view_walk_to(walk, uid))
        return;
    line = (struct imap_flags_line){
        .uidonly = uidonly,
        .seq = uidonly ? uid : walk->seq,
        /* RFC 9051 7.5.2, RFC 7162 3.2.4: what nobody asked for has the UID */
        .uid = !uidonly && (with_uid || session->mode.rev2 || follows) ? uid : 0,
        .bits = flags_text_bits(text, walk->index, uid),
        .keywords = flags_text_keywords(text, walk->index),
        .modseq = follows ? flags_text_modseq(text, walk->index) : 0,
    };
    imap_print_flags_line(out, &line);
    if (tells_annotations(session))
        add_annotations(session, changes, uid, out);
}

/* RFC 7162 3.2.10, RFC 9586 3.4: in the place of EXPUNGE once QRESYNC or UIDONLY is enabled.
 * One line, from *told on. */
static void write_vanished(const struct view_changes *changes, size_t *told, struct buf *out)
{
    size_t end = MIN(*told + VANISHED_LINE_UIDS, changes->n_expunged);
    struct imap_runs runs;

    buf_str(out, "* VANISHED ");
    imap_runs_begin(&runs, out);
    for (; *told < end; (*told)++)
        imap_runs_add(&runs, changes->expunged_uids[*told]);
    (void) imap_runs_end(&runs);
    buf_str(out, "\r\n");
}

bool sync_write(const struct session *session, const struct view_changes *changes, size_t *told,
                bool with_uid, bool may_pause, struct buf *out)
{
    size_t end = changes->n_expunged + 1 + changes->n_changed;
    bool vanish = session_has_enabled(session, IMAP_CAP_QRESYNC) || session->mode.uidonly;
    struct view_walk walk = {.view = session->view};
    struct flags_text text;

    while (vanish && *told < changes->n_expunged &&
           !(may_pause && out->len >= REPLY_PAUSE_BYTES))
        write_vanished(changes, told, out);
    if (vanish && *told < changes->n_expunged)
        return false;
    with_uid = with_uid || session->notify != NULL; /* RFC 5465 5.1 */
    flags_text_init(&text, session->view, session->mode);
    for (; *told < end && !(may_pause && out->len >= REPLY_PAUSE_BYTES); (*told)++) {
        if (*told < changes->n_expunged) {
            write_number_line(out, changes->expunged_seqs[*told], "EXPUNGE");
        } else if (*told == changes->n_expunged) {
            if (changes->exists_changed)
                write_number_line(out, changes->exists, "EXISTS");
            if (changes->exists_changed && !session->mode.rev2)
                write_number_line(out, changes->recent, "RECENT");
        } else {
            write_flags(session, changes, &text, &walk,
                        changes->changed_uids[*told - changes->n_expunged - 1], with_uid, out);
        }
    }
    flags_text_done(&text);
    return *told == end;
}

/* ---- behind a command ---- */

bool sync_has_changes(const struct view_changes *changes)
{
    return changes->n_expunged > 0 || changes->n_changed > 0 || changes->exists_changed;
}

/* NULL: the command searches nothing. */
static const struct imap_search_key *key_of(const struct cmd *cmd)
{
    if (cmd->row->run == cmd_search)
        return cmd->args.search.key;
    if (cmd->row->run == cmd_sort)
        return cmd->args.sort.search.key;
    return cmd->row->run == cmd_thread ? cmd->args.thread.search.key : NULL;
}

/*
 * EXPUNGE is never told by FETCH, STORE and SEARCH, their UID forms excepted, nor while a
 * command waits that was written with the old numbers (RFC 9051 7.5.1). A UID SEARCH with
 * message numbers among its keys is a SEARCH here (RFC 7162 3.2.10.2).
 */
static bool may_tell_expunges(const struct cmd *cmd)
{
    const struct imap_search_key *key = key_of(cmd);
    bool allows = (cmd->row->flags & CMD_EXPUNGES) != 0 ||
                  (cmd->uid && (key == NULL || !uidonly_names_numbers(key)));

    return allows && !cmd->seq_command_waits;
}

/* A command that expunges answers what it did, watched or not. */
static bool expunges(const struct command *row)
{
    return (row->flags & CMD_CHANGES) != 0 && (row->flags & CMD_EXPUNGES) != 0;
}

static unsigned what_to_tell(const struct cmd *cmd)
{
    const struct session *session = cmd->session;
    unsigned tell = notify_tells(session, !cmd->is_news || session->idle_tag != NULL);

    if (cmd->tells_all)
        tell = VIEW_TELL_ALL;
    if (expunges(cmd->row))
        tell |= VIEW_TELL_EXPUNGES;
    if (tells_annotations(session))
        tell |= VIEW_TELL_ANNOTATIONS;
    return may_tell_expunges(cmd) ? tell : tell & ~(unsigned) VIEW_TELL_EXPUNGES;
}

enum rc sync_refresh(const struct cmd *cmd, struct err *err)
{
    const struct session *session = cmd->session;
    uint64_t position = session_position_in(session, view_account(session->view));

    return (cmd->row->flags & CMD_COUNTS) != 0 && session->contexts == NULL
               ? view_refresh_counts(session->view, position, err)
               : view_refresh(session->view, position, err);
}

bool sync_begin(struct cmd *cmd)
{
    struct session *session = cmd->session;
    struct err err;
    enum rc rc;

    cmd->phase = CMD_SYNCS;
    if (session->state != SESSION_SELECTED || (cmd->row->flags & CMD_UNSELECTS) != 0)
        return true;
    rc = sync_refresh(cmd, &err);
    if (rc == RC_NOT_FOUND)
        return false;
    if (rc) /* a command is told its own result; of news there is nothing else */
        return !cmd->is_news;
    context_sync_begin(cmd);
    view_sync(session->view, what_to_tell(cmd), cmd->arena, &cmd->changes);
    urlauth_sync(session, cmd->reply->out);
    flags_offer_sync(session, cmd->reply->out);
    if (!cmd->tells_all) /* what has gathered before is no event of the new command */
        cmd->fetches = notify_fetches(session, &cmd->changes, cmd->arena);
    notify_selected_told(session);
    return true;
}

/* RFC 5465 5.2. What cannot be fetched is left out: there is no answer to say so. */
static bool go_on_fetching(struct cmd *cmd)
{
    struct err err;

    if (!cmd->is_fetching) {
        const struct message_set set = {.uids = cmd->fetches};

        if (cmd->cursor != NULL && cmd->cursor_done != NULL)
            cmd->cursor_done(cmd->cursor);
        fetch_as_news(fetch_begin(cmd, &cmd->session->notify->fetch, &set));
        cmd->is_fetching = true;
    }
    return fetch_go(cmd->cursor, &err) != RC_MORE;
}

bool sync_go(struct cmd *cmd)
{
    if (!context_say(cmd))
        return false;
    if (sync_has_changes(&cmd->changes) &&
        !sync_write(cmd->session, &cmd->changes, &cmd->told, cmd->uid, true, cmd->reply->out))
        return false;
    if (!context_sync_go(cmd)) /* before what NOTIFY fetches: RFC 5465 5.2 */
        return false;
    return cmd->fetches.n == 0 || go_on_fetching(cmd);
}
