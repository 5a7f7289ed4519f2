/*
 * cmd_esearch.c - ESEARCH: one search in several mailboxes.
 *
 * Spec: RFC 7377; which mailboxes: RFC 5465 6; RFC 4731 and RFC 9394 (what is returned), RFC
 * 5182 (SAVE), RFC 7162 3.1.5 (MODSEQ), RFC 9738 (limits), RFC 9585 (INPROGRESS).
 *
 * Which mailboxes are meant is decided once, at the beginning, by the names and rights of that
 * moment, and kept as ids; those whose counts say that nothing can be found are left out. Then
 * they are searched one after the other, each by a view of its own, of which there is one at a
 * time. When its turn comes a mailbox is asked again whether it is there and may be read
 * (view_open); it is called by the name that it has then. So one that is renamed meanwhile is
 * answered once, and one that is deleted, or that the session may no longer read, not at all.
 *
 * The selected mailbox is searched by the session's view: of it the client sees what it has
 * been told. "$" are messages of that mailbox, and none of any other.
 *
 * As SELECT, ESEARCH needs "l" and "r" also of mailboxes that are named (places.h).
 */
#include "commands/context.h"
#include "commands/finding.h"
#include "commands/limit.h"
#include "commands/mail_events.h"
#include "commands/mailbox_filter.h"
#include "commands/resync.h"
#include "commands/visible.h"
#include "search/glance.h"

#define ESEARCH_SLICE_MAILBOXES 16u /* begun before others get their turn */

struct esearch_target {
    uint64_t account;
    uint32_t mailbox, messages;
};

struct esearch_run {
    const struct imap_esearch_args *args;
    bool only_selected;
    struct esearch_target *targets;
    size_t n, at;
    uint64_t done, goal; /* messages, for INPROGRESS */

    /* The target at hand. */
    struct account *account;      /* one reference; kept for the next of the same account */
    struct mbox_view *opened;     /* NULL: the selected mailbox, or none */
    const struct mbox_view *view; /* what is searched; NULL: not begun */
    struct finding finding;
    struct pruner
        *kept; /* what the index of an account said in the target before; NULL: none */
    uint64_t kept_of;
    struct arena_mark space; /* of the command's arena, before any target */

    bool has_updated; /* the selected mailbox was searched, with UPDATE */
    uint32_t limited; /* lowest uid looked at of the last mailbox that had too many; 0: none */
    uint32_t n_damaged;
};

/* ---- which mailboxes ---- */

/* All filters of one kind as one, so that their number costs nothing. */
static struct imap_mailbox_filter gather(const struct imap_esearch_args *args,
                                         enum imap_filter_kind kind, struct arena *arena,
                                         bool *out_any)
{
    struct imap_mailbox_filter all = {.kind = kind};
    struct slice *names;

    *out_any = false;
    for (size_t i = 0; i < args->n; i++)
        if (args->filters[i].kind == kind)
            all.n_names += args->filters[i].n_names;
    all.names = names = ARENA_ARRAY(arena, struct slice, all.n_names);
    for (size_t i = 0; i < args->n; i++) {
        const struct imap_mailbox_filter *filter = &args->filters[i];

        if (filter->kind != kind)
            continue;
        *out_any = true;
        if (filter->n_names > 0)
            memcpy(names, filter->names, filter->n_names * sizeof(*names));
        names += filter->n_names;
    }
    return mailbox_filter_keep(&all, arena);
}

struct esearch_scope {
    struct imap_mailbox_filter filters[IMAP_FILTER_KIND_COUNT];
    size_t n;
    bool selected; /* is meant by name of that */
    bool others;   /* mailboxes of others may be meant */
};

static void scope_of(const struct imap_esearch_args *args, struct arena *arena,
                     struct esearch_scope *out)
{
    *out = (struct esearch_scope){.selected = args->n == 0};
    for (enum imap_filter_kind kind = IMAP_FILTER_SELECTED; kind < IMAP_FILTER_KIND_COUNT;
         kind++) {
        bool any;
        struct imap_mailbox_filter filter = gather(args, kind, arena, &any);

        if (!any)
            continue;
        if (kind == IMAP_FILTER_SELECTED) {
            out->selected = true;
            continue;
        }
        out->filters[out->n++] = filter;
        out->others = out->others || mailbox_filter_means_others(&filter);
    }
}

/* What All shows lives in the other mailboxes: who means all of one's own means it once. */
static bool means_all(const struct imap_mailbox_filter *filter)
{
    return filter->kind != IMAP_FILTER_PERSONAL && filter->kind != IMAP_FILTER_INBOXES;
}

static bool is_meant(const struct esearch_scope *scope, const struct mbox *mbox,
                     struct slice name, bool subscribed)
{
    bool is_all = mbox_info_is_all(mbox_info(mbox));

    for (size_t i = 0; i < scope->n; i++)
        if ((!is_all || means_all(&scope->filters[i])) &&
            mailbox_filter_means(&scope->filters[i], name, subscribed))
            return true;
    return false;
}

static bool is_selected(const struct session *session, const struct esearch_target *target)
{
    return session->view != NULL && view_mbox_id(session->view) == target->mailbox &&
           account_id(view_account(session->view)) == target->account;
}

static void add_target(struct esearch_run *run, struct esearch_target target)
{
    run->targets[run->n++] = target;
    run->goal += target.messages;
}

static void add_selected(struct esearch_run *run, const struct session *session)
{
    add_target(run, (struct esearch_target){
                        .account = account_id(view_account(session->view)),
                        .mailbox = view_mbox_id(session->view),
                        .messages = view_count(session->view),
                    });
}

/* RFC 7377 2.2: those without "l" or "r" are as if they were not there; each stands once. */
static void find_targets(struct esearch_run *run, const struct session *session,
                         const struct esearch_scope *scope, const struct visible *visible)
{
    for (size_t i = 0; i < visible_count(visible); i++) {
        const struct mbox *mbox = visible_mbox(visible, i);
        struct slice name = visible_name(visible, i);
        struct reader reader = visible_reader(visible, name);
        struct esearch_target target = {visible_owner(visible, i), mbox_info(mbox)->id,
                                        mbox_counts(mbox)->messages};

        if (!is_meant(scope, mbox, name, acct_is_subscribed(visible_own(visible), name)) ||
            reader_needs(&reader, RIGHT_LOOKUP | RIGHT_READ, NULL) != RC_OK)
            continue;
        if (is_selected(session, &target)) {
            if (!scope->selected) /* else it is there already */
                add_selected(run, session);
        } else if (search_may_hit(run->args->search.key, mbox, &reader)) {
            add_target(run, target);
        }
    }
}

static enum rc take_targets(struct cmd *cmd, struct esearch_run *run,
                            const struct esearch_scope *scope, struct err *err)
{
    struct visible *visible = NULL;
    size_t most = 1;
    enum rc rc = RC_OK;

    if (scope->n > 0) {
        visible = visible_begin(cmd->session, cmd->arena);
        if (scope->others)
            rc = visible_need_all(visible, err);
        most += visible_count(visible);
    }
    run->targets = ARENA_ARRAY(cmd->arena, struct esearch_target, most);
    if (rc == RC_OK && scope->selected)
        add_selected(run, cmd->session);
    if (visible != NULL) {
        if (rc == RC_OK)
            find_targets(run, cmd->session, scope, visible);
        visible_done(visible);
    }
    return rc;
}

/* ---- one mailbox ---- */

static void leave_target(struct esearch_run *run)
{
    if (run->view != NULL)
        finding_done(&run->finding);
    run->view = NULL;
    view_close(TAKE(run->opened));
}

static void run_done(void *cursor)
{
    struct esearch_run *run = cursor;

    leave_target(run);
    search_kept_free(run->kept);
    account_closep(&run->account);
}

/* The index is asked once for all mailboxes of an account that follow each other. */
static struct pruner *take_kept(struct esearch_run *run, uint64_t account)
{
    if (run->kept_of == account)
        return TAKE(run->kept);
    search_kept_free(TAKE(run->kept));
    return NULL;
}

static void keep(struct esearch_run *run)
{
    run->kept = search_keep(run->finding.search);
    run->kept_of = account_id(view_account(run->view));
}

static enum rc enter_account(struct cmd *cmd, struct esearch_run *run, uint64_t id,
                             struct err *err)
{
    if (run->account != NULL && account_id(run->account) == id)
        return RC_OK;
    account_closep(&run->account);
    return account_open(account_store(cmd->session->account), id, false, &run->account, err);
}

/* RC_NOT_FOUND, RC_DENIED: not there any more, or not for this session. */
static enum rc open_target(struct cmd *cmd, struct esearch_run *run,
                           const struct esearch_target *target, struct err *err)
{
    const struct session *session = cmd->session;
    struct search_scope scope = {.seqs_may_miss = true};
    const struct sorting none = {.comparator = session->comparator};
    enum rc rc;

    if (is_selected(session, target)) {
        scope.view = session->view;
        scope.account = view_account(session->view);
        scope.saved = session_saved(session);
    } else {
        rc = enter_account(cmd, run, target->account, err);
        if (!rc) /* as EXAMINE: \Recent is left to others */
            rc = view_open(run->account, session->actor.account,
                           session_position_in(session, run->account), target->mailbox, true,
                           &run->opened, err);
        if (rc)
            return rc;
        scope.view = run->opened;
        scope.account = run->account;
    }
    scope.kept = take_kept(run, target->account);
    rc = finding_open(cmd, &run->args->search, scope, cmd->arena, &run->finding, err);
    if (rc == RC_OK)
        run->view = scope.view;
    else
        view_close(TAKE(run->opened));
    if (rc == RC_OK && run->opened == NULL) /* UPDATE is of the selected one: RFC 7377 2.2 */
        finding_will_update(cmd, &run->args->search, &none, &run->finding);
    else if (rc == RC_OK)
        mail_events_opened(cmd, run->opened, "search");
    return rc;
}

/* The name under which the session knows the mailbox that was searched. Empty: it is none of
 * its mailboxes any more. */
static struct slice name_of(struct cmd *cmd, const struct esearch_run *run)
{
    const struct session *session = cmd->session;
    struct slice name = place_name(session, view_account(run->view),
                                   mbox_info(view_mbox(run->view))->name, cmd->arena);

    if (run->opened != NULL && (view_is_revoked(run->opened) || !session_allows(session, name)))
        return SLICE("");
    return name;
}

/* RFC 7377 2.1: nothing of a mailbox in which nothing was found, whatever is asked for. */
static enum rc say_target(struct cmd *cmd, struct esearch_run *run, struct err *err)
{
    const struct imap_search_args *args = &run->args->search;
    uint32_t returns = args->has_return ? args->returns : IMAP_SEARCH_ALL;
    struct search_hits hits = search_hits(run->finding.search);
    struct imap_esearch_line line = {.tag = cmd->tag, .mode = cmd->session->mode, .uid = true};

    run->n_damaged += hits.n_damaged;
    if (run->finding.limited > 0)
        run->limited = run->finding.limited;
    if ((returns & IMAP_SEARCH_SAVE) != 0) {
        enum rc rc = finding_save(cmd, &hits, err);

        if (rc)
            return rc;
    }
    returns &= ~IMAP_SEARCH_SILENT;
    line.mailbox = name_of(cmd, run);
    line.uidvalidity = mbox_info(view_mbox(run->view))->uidvalidity;
    if (hits.count > 0 && returns != 0 && line.mailbox.len > 0)
        finding_say(cmd, &run->finding, &hits, returns, line);
    run->has_updated = run->has_updated || run->finding.updates;
    finding_update(cmd, &run->finding, NULL);
    return RC_OK;
}

/* RC_MORE: not done yet. */
static enum rc search_target(struct cmd *cmd, struct esearch_run *run, struct err *err)
{
    const struct esearch_target *target = &run->targets[run->at];
    enum rc rc = RC_OK;

    if (run->view == NULL)
        rc = open_target(cmd, run, target, err);
    if (rc == RC_NOT_FOUND || rc == RC_DENIED)
        return RC_OK;
    if (rc == RC_CORRUPT) {
        run->n_damaged++;
        return RC_OK;
    }
    if (!rc)
        rc = search_go(run->finding.search, err);
    if (rc)
        return rc;
    keep(run);
    return say_target(cmd, run, err);
}

/* ---- all of them ---- */

static enum rc pause(struct cmd *cmd, const struct esearch_run *run)
{
    uint64_t at = run->view != NULL ? search_progress(run->finding.search) : 0;

    return cmd_progress(cmd, run->done + at, run->goal);
}

static void reply_done(struct cmd *cmd, const struct esearch_run *run)
{
    const struct search_hits damaged = {.n_damaged = run->n_damaged};
    const struct finding finding = {.limited = run->only_selected ? run->limited : 0};

    if ((run->args->search.returns & IMAP_SEARCH_UPDATE) != 0 && !run->has_updated)
        context_say_refused(cmd);
    finding_reply(cmd, &finding, &damaged, "ESEARCH completed");
    if (run->only_selected || run->limited == 0)
        return;
    /* RFC 7377 2.4; the uid of [MESSAGELIMIT] would be of no certain mailbox. */
    if (limit_code_is_taken(cmd))
        reply_untagged_no(cmd->reply, "LIMIT", "Done for the last messages only");
    else
        reply_code(cmd->reply, "LIMIT");
}

static enum rc go_on(struct cmd *cmd, struct err *err)
{
    struct esearch_run *run = cmd->cursor;

    for (unsigned begun = 0; run->at < run->n; begun++) {
        enum rc rc;

        if (reply_is_full(cmd->reply) || begun == ESEARCH_SLICE_MAILBOXES)
            return pause(cmd, run);
        rc = search_target(cmd, run, err);
        if (rc)
            return rc == RC_MORE ? pause(cmd, run) : rc;
        leave_target(run);
        arena_rewind(cmd->arena, run->space);
        run->done += run->targets[run->at++].messages;
    }
    reply_done(cmd, run);
    return RC_OK;
}

/* RFC 7377 2.2: SELECTED and UPDATE need a mailbox, and SAVE that it is the only source. */
static enum rc check_state(const struct cmd *cmd, const struct esearch_scope *scope,
                           struct err *err)
{
    bool updates = (cmd->args.esearch.search.returns & IMAP_SEARCH_UPDATE) != 0;

    if ((scope->selected || updates) && cmd->session->view == NULL)
        return err_set(err, RC_SYNTAX, "No mailbox is selected", "esearch: in state %d",
                       (int) cmd->session->state);
    if (scope->n > 0 && (cmd->args.esearch.search.returns & IMAP_SEARCH_SAVE) != 0)
        return err_set(err, RC_SYNTAX, "SAVE is for a search in the selected mailbox alone",
                       "esearch: save");
    return RC_OK;
}

static enum rc start(struct cmd *cmd, struct err *err)
{
    const struct imap_esearch_args *args = &cmd->args.esearch;
    struct esearch_run *run = ARENA_NEW(cmd->arena, struct esearch_run);
    struct esearch_scope scope;
    enum rc rc;

    scope_of(args, cmd->arena, &scope);
    rc = check_state(cmd, &scope, err);
    if (!rc)
        rc = finding_check(cmd, &args->search, err);
    *run = (struct esearch_run){.args = args, .only_selected = scope.n == 0};
    if (!rc)
        rc = take_targets(cmd, run, &scope, err);
    if (rc)
        return rc;
    if (finding_asks_modseq(&args->search))
        condstore_enable(cmd);
    run->space = arena_mark(cmd->arena);
    cmd->cursor = run;
    cmd->cursor_done = run_done;
    return RC_OK;
}

enum rc cmd_esearch(struct cmd *cmd, struct err *err)
{
    const struct uid_set none = {NULL, 0};
    enum rc rc = RC_OK;

    if (cmd->cursor == NULL)
        rc = start(cmd, err);
    if (!rc)
        rc = go_on(cmd, err);
    /* RFC 9051 6.4.4.1: a NO empties the saved result, a BAD leaves it. */
    if (rc != RC_OK && rc != RC_MORE && rc != RC_SYNTAX &&
        (cmd->args.esearch.search.returns & IMAP_SEARCH_SAVE) != 0)
        (void) session_save(cmd->session, &none); /* nothing always fits */
    return rc;
}
