/*
 * cmd_fetch.c - FETCH and UID FETCH: which messages, in what order, and their \Seen.
 *
 * Spec: RFC 9051 6.4.5 and 6.4.9; CHANGEDSINCE and VANISHED, RFC 7162 3.1.4.1 and 3.2.6; RFC
 * 2180 4.1 (messages that others expunged).
 *
 * \Seen is committed for a batch of messages before the first byte of them is written, so that
 * no client holds a message as read which a crash makes unread. The transaction runs again here
 * when it meets a conflict, since the answers before it may have left already. If it cannot be
 * made at all (no space), the mail is read nevertheless.
 */
#include "commands/fetch.h"
#include "commands/limit.h"
#include "commands/resync.h"
#include "commands/section_place.h"
#include "mailbox/txn.h"
#include "search/resolve.h"

#define SEEN_TRIES_MAX 16u

#define KIND(kind) (1u << (kind))

static const uint32_t flag_kinds =
    KIND(IMAP_FETCH_FLAGS) | KIND(IMAP_FETCH_UID) | KIND(IMAP_FETCH_MODSEQ);
const uint32_t fetch_column_kinds = KIND(IMAP_FETCH_FLAGS) | KIND(IMAP_FETCH_UID) |
                                    KIND(IMAP_FETCH_MODSEQ) | KIND(IMAP_FETCH_INTERNALDATE) |
                                    KIND(IMAP_FETCH_RFC822_SIZE) | KIND(IMAP_FETCH_EMAILID) |
                                    KIND(IMAP_FETCH_SAVEDATE) | KIND(IMAP_FETCH_ANNOTATION);

/* RFC 9051 6.4.5: BODY[], BINARY[], RFC822 and RFC822.TEXT set \Seen, their PEEK forms and
 * RFC822.HEADER do not. */
static bool item_sets_seen(const struct imap_fetch_item *item)
{
    switch (item->kind) {
    case IMAP_FETCH_BODY_SECTION:
    case IMAP_FETCH_BINARY:
        return !item->peek;
    case IMAP_FETCH_RFC822:
    case IMAP_FETCH_RFC822_TEXT:
        return true;
    case IMAP_FETCH_FLAGS:
    case IMAP_FETCH_UID:
    case IMAP_FETCH_INTERNALDATE:
    case IMAP_FETCH_RFC822_SIZE:
    case IMAP_FETCH_ENVELOPE:
    case IMAP_FETCH_BODY:
    case IMAP_FETCH_BODYSTRUCTURE:
    case IMAP_FETCH_BINARY_SIZE:
    case IMAP_FETCH_RFC822_HEADER:
    case IMAP_FETCH_MODSEQ:
    case IMAP_FETCH_EMAILID:
    case IMAP_FETCH_THREADID:
    case IMAP_FETCH_SAVEDATE:
    case IMAP_FETCH_PREVIEW:
    case IMAP_FETCH_ANNOTATION:
        return false;
    }
    return false;
}

static void run_done(void *cursor)
{
    struct fetch_run *run = cursor;

    flags_text_done(&run->flags);
    message_close(run->message);
    digest_batch_free(run->digests);
    buf_done(&run->bytes);
    buf_done(&run->downgraded);
}

/*
 * Messages named by number that another session expunged, which this one has not heard: what
 * they were is kept for undelete, and answered from there (RFC 2180 4.1.2). What is kept no
 * longer, or not in memory, is NO [EXPUNGEISSUED]. What came and went between two tellings lies
 * among them by its uid and has no number.
 */
static void find_kept(struct fetch_run *run)
{
    const struct mbox_view *view = run->cmd->session->view;
    const struct kept_message *const *found = NULL;
    uint64_t n_gone = run->set.n_seqs - mbox_count_uids(run->mbox, &run->set.uids);
    size_t n = mbox_kept_find(run->mbox, &run->set.uids, view_told_modseq(view),
                              run->cmd->arena, &found);

    run->kept = ARENA_ARRAY(run->cmd->arena, const struct kept_message *, n);
    for (size_t i = 0; i < n; i++) {
        if (view_is_withheld(view, found[i]->uid))
            run->kept[run->n_kept++] = found[i];
    }
    run->some_gone = run->n_kept < n_gone;
}

/* Each is printed once, not once a message. */
static struct slice *names_of(const struct cmd *cmd, const struct imap_fetch_args *args)
{
    struct slice *names = ARENA_ARRAY(cmd->arena, struct slice, args->n);
    AUTO(buf_done) struct buf name = {0};

    buf_init(&name, REPLY_MAX_BYTES);
    for (size_t i = 0; i < args->n; i++) {
        buf_reset(&name);
        buf_byte(&name, ' ');
        imap_print_fetch_name(&name, &args->items[i], cmd->session->mode);
        buf_byte(&name, ' ');
        names[i] = arena_dup(cmd->arena, buf_slice(&name));
    }
    return names;
}

/* Of a section that does not choose fields nothing is asked. */
static struct digest_names *fields_of(const struct cmd *cmd, const struct imap_fetch_args *args)
{
    struct digest_names *fields = ARENA_ARRAY(cmd->arena, struct digest_names, args->n);

    for (size_t i = 0; i < args->n; i++) {
        const struct imap_section *section = &args->items[i].section;

        if (section_chooses_fields(section))
            digest_names_init(&fields[i], section->fields, section->n_fields);
    }
    return fields;
}

static bool *needs_of(const struct fetch_run *run, const struct imap_fetch_args *args)
{
    bool *needs = ARENA_ARRAY(run->cmd->arena, bool, args->n);

    for (size_t i = 0; i < args->n; i++)
        needs[i] = fetch_needs_body(run, &args->items[i]);
    return needs;
}

/* Patterns of annotations are compiled once. */
static void make_queries(struct fetch_run *run)
{
    const struct imap_fetch_args *args = run->args;
    struct annotation_query *queries;

    if ((args->kinds & KIND(IMAP_FETCH_ANNOTATION)) == 0)
        return;
    queries = ARENA_ARRAY(run->cmd->arena, struct annotation_query, args->n);
    for (size_t i = 0; i < args->n; i++) {
        if (args->items[i].kind == IMAP_FETCH_ANNOTATION)
            queries[i] = annotation_query_make(args->items[i].annotations, run->cmd->arena);
    }
    run->queries = queries;
}

struct fetch_run *fetch_begin(struct cmd *cmd, const struct imap_fetch_args *args,
                              const struct message_set *set)
{
    struct session *session = cmd->session;
    struct fetch_run *run = ARENA_NEW(cmd->arena, struct fetch_run);
    struct err gone;

    run->cmd = cmd;
    run->args = args;
    run->names = names_of(cmd, args);
    run->fields = fields_of(cmd, args);
    run->mbox = view_mbox(session->view);
    run->set = *set;
    run->some_gone = message_set_check(set, run->mbox, &gone) != RC_OK;
    if (run->some_gone && !args->has_changedsince)
        find_kept(run);
    run->fast = (args->kinds & ~flag_kinds) == 0 && (args->kinds & KIND(IMAP_FETCH_FLAGS)) != 0;
    run->downgrades = !session->mode.utf8_accept;
    run->needs_body = needs_of(run, args);
    run->needs_message = (args->kinds & ~fetch_column_kinds) != 0 ||
                         (run->downgrades && (args->kinds & KIND(IMAP_FETCH_RFC822_SIZE)) != 0);
    run->needs_rows = (args->kinds & ~(flag_kinds | KIND(IMAP_FETCH_ANNOTATION))) != 0;
    make_queries(run);
    for (size_t i = 0; i < args->n; i++) {
        run->sets_seen = run->sets_seen || item_sets_seen(&args->items[i]);
        if (run->digests == NULL && fetch_needs_digest(run, &args->items[i]))
            run->digests = digest_batch_new(view_account(session->view),
                                            (args->kinds & KIND(IMAP_FETCH_PREVIEW)) != 0);
    }
    run->sets_seen = run->sets_seen && !view_is_read_only(session->view) &&
                     (view_reader(session->view)->rights & RIGHT_SEEN) != 0;
    run->adds_uid = cmd->uid;                  /* RFC 9051 6.4.9 */
    run->adds_modseq = args->has_changedsince; /* RFC 7162 3.1.4.1 */
    flags_text_init(&run->flags, session->view, session->mode);
    buf_init(&run->bytes, REPLY_MAX_BYTES);
    buf_init(&run->downgraded, REPLY_MAX_BYTES);
    imap_runs_begin(&run->downgraded_runs, &run->downgraded);
    cmd->cursor = run;
    cmd->cursor_done = run_done;
    return run;
}

void fetch_as_news(struct fetch_run *run)
{
    const struct session *session = run->cmd->session;
    bool follows = session_has_enabled(session, IMAP_CAP_CONDSTORE);

    run->sets_seen = false;
    run->is_news = true;
    run->adds_uid = session->mode.rev2 || follows;
    run->adds_modseq = follows;
}

/* RFC 7162 3.2.6: also what is expunged counts for "*". */
static struct uid_set vanished_of(struct cmd *cmd, const struct message_set *set)
{
    const struct imap_fetch_args *args = &cmd->args.fetch;
    const struct mbox_view *view = cmd->session->view;
    uint32_t last = mbox_counts(view_mbox(view))->uidnext - 1;
    struct uid_set asked = set->uids;

    if (!args->set.saved) {
        struct seqset resolved = imap_resolve_seqset(&args->set.set, last, cmd->arena);
        struct uid_set_builder uids;

        uid_set_start(&uids, cmd->arena);
        for (size_t i = 0; i < resolved.n; i++)
            uid_set_add_run(&uids, resolved.ranges[i].first, resolved.ranges[i].last);
        asked = uid_set_finish(&uids);
    }
    return resync_vanished(view, &asked, args->changedsince, 0, cmd->arena);
}

/* RFC 9394 3.3: those of the set that are there, counted from the first or the last. */
static struct uid_set partial_of(struct cmd *cmd, const struct uid_set *uids)
{
    const struct mbox *mbox = view_mbox(cmd->session->view);
    uint64_t low, high, before = 0;
    struct uid_set_builder part;

    uid_set_start(&part, cmd->arena);
    if (!imap_partial_ranks(&cmd->args.fetch.partial, mbox_count_uids(mbox, uids), &low, &high))
        return uid_set_finish(&part);
    for (size_t i = 0; i < uids->n && before < high; i++) {
        uint32_t at = mbox_lower_bound(mbox, uids->runs[i].first);
        uint64_t n = mbox_index_behind(mbox, uids->runs[i].last) - at;
        uint64_t from = low > before ? low - before : 1, to = MIN(high - before, n);

        if (from <= to)
            uid_set_add_run(&part, mbox_uid(mbox, (uint32_t) (at + from - 1)),
                            mbox_uid(mbox, (uint32_t) (at + to - 1)));
        before += n;
    }
    return uid_set_finish(&part);
}

/* RFC 9738 3.1; those that are gone are named still. */
static void limit(struct cmd *cmd, struct message_set *set, uint32_t *out_lowest)
{
    const struct mbox *mbox = view_mbox(cmd->session->view);
    uint64_t there = mbox_count_uids(mbox, &set->uids);

    limit_uids(cmd, mbox, cmd->session->message_limit, &set->uids, out_lowest);
    if (*out_lowest > 0 && set->n_seqs > 0)
        set->n_seqs = set->n_seqs - there + cmd->session->message_limit;
}

static enum rc start(struct cmd *cmd, struct err *err)
{
    const struct imap_fetch_args *args = &cmd->args.fetch;
    struct session *session = cmd->session;
    struct fetch_run *run;
    struct message_set set;
    uint32_t limited;
    enum rc rc;

    if (args->vanished && !session_has_enabled(session, IMAP_CAP_QRESYNC))
        return err_set(err, RC_SYNTAX, "VANISHED needs ENABLE QRESYNC first",
                       "fetch: vanished");
    rc = session_resolve(session, &args->set, cmd->uid, cmd->arena, &set, err);
    if (rc)
        return rc;
    if (args->has_changedsince || (args->kinds & KIND(IMAP_FETCH_MODSEQ)) != 0)
        condstore_enable(cmd);
    if (args->has_partial)
        set.uids = partial_of(cmd, &set.uids);
    limit(cmd, &set, &limited);
    if (limited > 0 && args->has_partial)
        return limit_refuse(cmd, session->message_limit, 0, err);
    run = fetch_begin(cmd, args, &set);
    run->limited = limited;
    if (args->vanished)
        run->vanished = vanished_of(cmd, &set);
    return RC_OK;
}

static bool is_wanted(struct fetch_run *run)
{
    return !run->args->has_changedsince ||
           flags_text_modseq(&run->flags, run->walk.index) > run->args->changedsince;
}

static bool step(struct fetch_run *run)
{
    if (run->args->has_changedsince)
        view_walk_skip_unchanged(&run->walk, run->args->changedsince);
    return view_walk_next(&run->walk);
}

/* The next message of the set that is there; run->walk stands on it. */
static bool next_message(struct fetch_run *run)
{
    const struct uid_set *uids = &run->set.uids;

    while (run->set_at < uids->n) {
        if (!run->walking)
            view_walk_start(&run->walk, run->cmd->session->view, uids->runs[run->set_at].first);
        run->walking = true;
        while (step(run) && run->walk.uid <= uids->runs[run->set_at].last)
            if (is_wanted(run))
                return true;
        run->walking = false;
        run->set_at++;
    }
    return false;
}

/* More of them that lie side by side. */
static bool next_stretch(struct fetch_run *run)
{
    const struct uid_set *uids = &run->set.uids;

    for (; run->set_at < uids->n; run->set_at++) {
        if (!run->walking)
            view_walk_start(&run->walk, run->cmd->session->view, uids->runs[run->set_at].first);
        if (run->args->has_changedsince)
            view_walk_skip_unchanged(&run->walk, run->args->changedsince);
        run->stretch_at = 0;
        run->walking =
            view_walk_stretch(&run->walk, uids->runs[run->set_at].last, &run->stretch_n);
        if (run->walking)
            return true;
    }
    run->stretch_n = 0;
    return false;
}

/* FLAGS of many messages: nothing but the columns is touched. */
static void print_stretch(struct fetch_run *run)
{
    struct buf *out = run->cmd->reply->out;
    const struct view_walk *walk = &run->walk;
    const uint32_t *uids = walk->chunk.uid + view_walk_row(walk);
    bool uidonly = run->cmd->session->mode.uidonly, selective = run->args->has_changedsince;
    bool with_uid =
        (run->adds_uid && !uidonly) || (run->args->kinds & KIND(IMAP_FETCH_UID)) != 0;
    bool with_modseq = run->adds_modseq || (run->args->kinds & KIND(IMAP_FETCH_MODSEQ)) != 0;

    for (; run->stretch_at < run->stretch_n && !reply_is_full(run->cmd->reply);
         run->stretch_at++) {
        uint32_t index = walk->index + run->stretch_at, uid = uids[run->stretch_at];
        struct imap_flags_line line;

        if (selective && flags_text_modseq(&run->flags, index) <= run->args->changedsince)
            continue;
        line = (struct imap_flags_line){
            .uidonly = uidonly,
            .seq = uidonly ? uid : walk->seq + run->stretch_at,
            .uid = with_uid ? uid : 0,
            .bits = flags_text_bits(&run->flags, index, uid),
            .keywords = flags_text_keywords(&run->flags, index),
            .modseq = with_modseq ? flags_text_modseq(&run->flags, index) : 0,
        };
        imap_print_flags_line(out, &line);
        run->n_told++;
    }
}

static enum rc fetch_flags(struct fetch_run *run)
{
    while (!reply_is_full(run->cmd->reply)) {
        if (run->stretch_at == run->stretch_n && !next_stretch(run))
            return RC_OK;
        print_stretch(run);
    }
    return RC_MORE;
}

/* ---- \Seen ---- */

/* Rows whose FLAGS, told as this run's version has them with \Seen added, will be the truth.
 * The others were changed by somebody since, and are told once more. */
static enum rc rows_unchanged(struct fetch_run *run, struct mail_txn *txn, struct uid_set *out,
                              struct err *err)
{
    struct uid_set_builder same;
    const struct mbox *mbox;
    enum rc rc = txn_mailbox(txn, view_mbox_id(run->cmd->session->view), &mbox, err);

    if (rc)
        return rc;
    uid_set_start(&same, run->cmd->arena);
    for (size_t i = 0; i < run->n_rows; i++) {
        const struct fetch_row *row = &run->rows[i];
        uint32_t index;

        if (mbox_find(mbox, row->uid, &index) &&
            reader_modseq(view_reader(run->cmd->session->view), mbox, index) ==
                view_modseq(run->cmd->session->view, row->index))
            uid_set_add(&same, row->uid);
    }
    *out = uid_set_finish(&same);
    return RC_OK;
}

static enum rc change_seen(struct fetch_run *run, const struct uid_set *uids,
                           struct uid_set *out_changed, struct err *err)
{
    const struct flag_change change = {.op = FLAG_OP_ADD, .flags = FLAG_SEEN};
    struct session *session = run->cmd->session;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set refused, known;
    enum rc rc = txn_begin(view_account(session->view), &session->actor, &txn, err);

    if (rc)
        return rc;
    rc = rows_unchanged(run, txn, &known, err);
    if (rc)
        return rc;
    rc = txn_change_flags(txn, view_mbox_id(session->view), uids, &change, UNCHANGEDSINCE_NONE,
                          run->cmd->arena, out_changed, &refused, err);
    if (rc)
        return rc;
    run->seen_modseq = txn_modseq(txn);
    rc = session_commit(session, &txn, err);
    if (rc == RC_OK)
        view_mark_known(session->view, &known, run->seen_modseq);
    return rc;
}

static void set_seen(struct fetch_run *run)
{
    struct uid_set changed = {NULL, 0}, uids;
    struct uid_set_builder builder;
    enum rc rc = RC_CONFLICT;
    struct err err;

    uid_set_start(&builder, run->cmd->arena);
    for (size_t i = 0; i < run->n_rows; i++)
        if ((view_flags(run->cmd->session->view, run->rows[i].index) & FLAG_SEEN) == 0)
            uid_set_add(&builder, run->rows[i].uid);
    uids = uid_set_finish(&builder);
    if (uids.n == 0)
        return;
    for (unsigned tries = 0; rc == RC_CONFLICT && tries < SEEN_TRIES_MAX; tries++)
        rc = change_seen(run, &uids, &changed, &err);
    for (size_t i = 0; rc == RC_OK && i < run->n_rows; i++)
        run->rows[i].seen_now = uid_set_contains(&changed, run->rows[i].uid);
}

/* ---- batches ---- */

/* What of the message is not in its flags can be read; else the tagged answer says why not. */
static bool has_row(struct fetch_run *run)
{
    struct session *session = run->cmd->session;
    struct err err;
    enum rc rc;

    if (!run->needs_rows)
        return true;
    rc = account_need_rows(view_account(session->view), view_state(session->view), run->mbox,
                           run->walk.index, run->walk.index, &err);
    if (rc)
        fetch_failed(run, &err, NULL);
    return rc == RC_OK;
}

static bool next_kept(struct fetch_run *run)
{
    const struct mbox_view *view = run->cmd->session->view;

    for (; run->n_rows < FETCH_BATCH_MESSAGES && run->kept_at < run->n_kept; run->kept_at++) {
        const struct kept_message *kept = run->kept[run->kept_at];

        run->rows[run->n_rows++] = (struct fetch_row){.seq = view_seq(view, kept->uid),
                                                      .uid = kept->uid,
                                                      .cold = &kept->cold,
                                                      .kept = kept};
    }
    return run->n_rows > 0;
}

static bool next_batch(struct fetch_run *run)
{
    uint64_t bytes = 0;

    run->n_rows = run->row_at = 0;
    while (run->n_rows < FETCH_BATCH_MESSAGES && bytes < FETCH_BATCH_BYTES &&
           next_message(run)) {
        if (!has_row(run))
            continue;
        run->rows[run->n_rows] = (struct fetch_row){
            .seq = run->walk.seq, .uid = run->walk.uid, .index = run->walk.index};
        if (run->needs_rows)
            run->rows[run->n_rows].cold = mbox_cold(run->mbox, run->walk.index);
        if (run->needs_message)
            bytes += run->rows[run->n_rows].cold->size;
        run->n_rows++;
    }
    if (run->n_rows == 0)
        return next_kept(run);
    if (run->sets_seen)
        set_seen(run);
    return true;
}

/* As many of the rows to come as the reply has room for, going by those that were answered:
 * what is read and not answered is given back when the reply is full. */
static size_t rows_with_room(const struct fetch_run *run)
{
    size_t rows = run->n_rows - run->row_at,
           room = REPLY_PAUSE_BYTES - run->cmd->reply->out->len;

    return run->line_bytes > 0 ? MIN(rows, room / run->line_bytes + 1) : rows;
}

/* The digests of the rows to come. */
static void fill_digests(struct fetch_run *run)
{
    uint64_t ids[FETCH_BATCH_MESSAGES];
    size_t n;

    if (run->digests == NULL || run->row_at < run->digests_until)
        return;
    n = rows_with_room(run);
    for (size_t i = 0; i < n; i++)
        ids[i] = run->rows[run->row_at + i].cold->body_id;
    digest_batch_fill(run->digests, run->row_at, ids, n);
    run->digests_until = run->row_at + n;
}

/* Whoever waits for a client keeps as little as may be. */
static void empty_digests(struct fetch_run *run)
{
    if (run->digests != NULL)
        digest_batch_clear(run->digests);
    run->digests_until = 0;
}

/* A row that was answered without a pause. */
static void note_line(struct fetch_run *run, size_t bytes)
{
    run->line_bytes = run->line_bytes > 0 ? (7 * run->line_bytes + bytes) / 8 + 1 : bytes;
}

static enum rc fetch_rows(struct fetch_run *run, struct err *err)
{
    const struct buf *out = run->cmd->reply->out;

    for (; run->row_at < run->n_rows; run->row_at++) {
        size_t before = out->len;
        enum rc rc;

        if (reply_is_full(run->cmd->reply))
            return RC_MORE;
        fill_digests(run);
        rc = fetch_message(run, err);
        if (rc)
            return rc;
        note_line(run, out->len - before);
        run->n_told++;
    }
    return RC_OK;
}

static enum rc fetch_batches(struct fetch_run *run, struct err *err)
{
    while (run->row_at < run->n_rows || next_batch(run)) {
        enum rc rc = fetch_rows(run, err);

        run->digests_until = 0;
        if (rc == RC_MORE)
            empty_digests(run);
        if (rc)
            return rc;
    }
    return RC_OK;
}

const char *fetch_code_of(enum rc rc)
{
    return rc == RC_NOT_FOUND ? "EXPUNGEISSUED" : NULL;
}

void fetch_failed(struct fetch_run *run, const struct err *err, const char *code)
{
    if (run->failed.rc != RC_OK)
        return;
    run->failed = *err;
    run->failed_code = code;
}

/* ---- RFC 6858 3: DOWNGRADED ---- */

void fetch_note_downgraded(struct fetch_run *run)
{
    const struct fetch_row *row = &run->rows[run->row_at];
    uint32_t uid = row->uid;

    if (uid == run->last_downgraded || row->kept != NULL)
        return; /* said already; expunged ones come in no order, and need not be said */
    run->last_downgraded = uid;
    imap_runs_add(&run->downgraded_runs, uid);
}

/* Beside another code, and where nothing was asked, it comes in an untagged OK. */
static void say_downgraded(struct fetch_run *run)
{
    struct cmd *cmd = run->cmd;
    const char *code;

    if (!imap_runs_end(&run->downgraded_runs))
        return;
    code = arena_printf(cmd->arena, "DOWNGRADED %.*s", SLICE_ARG(buf_slice(&run->downgraded)));
    if (run->is_news || limit_code_is_taken(cmd))
        reply_untagged_ok(cmd->reply, code, "Shown without their UTF-8 headers");
    else
        reply_code(cmd->reply, code);
}

/* The sync behind tells no flags that were just answered. Who follows MODSEQs has heard of a
 * change only with its own. */
static void mark_told(const struct fetch_run *run)
{
    const struct session *session = run->cmd->session;
    bool with_modseq = run->adds_modseq || (run->args->kinds & KIND(IMAP_FETCH_MODSEQ)) != 0;

    if ((run->args->kinds & KIND(IMAP_FETCH_FLAGS)) != 0 &&
        (with_modseq || !session_has_enabled(session, IMAP_CAP_CONDSTORE)))
        view_mark_told(session->view, &run->set.uids);
}

/* What could be answered has been; what not, the tagged line says. */
static enum rc finish(struct fetch_run *run, struct err *err)
{
    struct reply *reply = run->cmd->reply;
    uint32_t max = run->cmd->session->message_limit;

    if (run->failed.rc != RC_OK) {
        if (run->failed_code != NULL)
            reply_code(reply, run->failed_code);
        limit_say(run->cmd, max, run->limited);
        say_downgraded(run);
        *err = run->failed;
        return err->rc;
    }
    mark_told(run);
    if (run->some_gone) {
        reply_code(reply, "EXPUNGEISSUED");
        limit_say(run->cmd, max, run->limited);
        say_downgraded(run);
        return err_set(err, RC_NOT_FOUND, "Some of these messages were expunged",
                       "fetch: withheld");
    }
    limit_say(run->cmd, max, run->limited);
    say_downgraded(run);
    reply_ok(reply, "FETCH completed");
    return RC_OK;
}

enum rc fetch_go(struct fetch_run *run, struct err *err)
{
    enum rc rc;

    if (!resync_write_earlier(&run->vanished, &run->vanished_told, run->cmd->reply))
        return RC_MORE;
    if (run->fast && fetch_flags(run) != RC_OK)
        return RC_MORE;
    rc = fetch_batches(run, err);
    if (rc == RC_OK && run->is_news)
        say_downgraded(run);
    return rc;
}

/* Inside an answer there is no room for a line. How many CHANGEDSINCE leaves is not known
 * before they are looked at. */
static enum rc pause_fetch(struct cmd *cmd)
{
    const struct fetch_run *run = cmd->cursor;
    uint64_t goal = 0;

    if (run->line_open)
        return RC_MORE;
    if (!run->args->has_changedsince)
        goal = mbox_count_uids(run->mbox, &run->set.uids) + run->n_kept;
    return cmd_progress(cmd, run->n_told, goal);
}

enum rc cmd_fetch(struct cmd *cmd, struct err *err)
{
    enum rc rc;

    if (cmd->cursor == NULL) {
        rc = start(cmd, err);
        if (rc)
            return rc;
    }
    rc = fetch_go(cmd->cursor, err);
    if (rc == RC_MORE)
        return pause_fetch(cmd);
    return rc == RC_OK ? finish(cmd->cursor, err) : rc;
}
