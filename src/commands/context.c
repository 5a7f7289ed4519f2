#include "commands/context.h"

#include "base/clock.h"
#include "commands/fetch_keep.h"
#include "imap/print.h"

/* ---- start and end ---- */

static size_t index_of(const struct session *session, struct slice tag)
{
    const struct contexts *contexts = session->contexts;
    size_t at = 0;

    while (contexts != NULL && at < contexts->n && !slice_eq(contexts->all[at]->tag, tag))
        at++;
    return at;
}

bool context_is_used(const struct session *session, struct slice tag)
{
    return session->contexts != NULL && index_of(session, tag) < session->contexts->n;
}

void context_free(struct context *context)
{
    if (context == NULL)
        return;
    uid_marks_done(&context->found);
    uid_order_done(&context->order);
    arena_free(context->arena);
    free(context);
}

struct context *context_new(const struct cmd *cmd, const struct imap_search_args *args,
                            const struct sorting *sorting, const struct search_scope *scope)
{
    const struct contexts *contexts = cmd->session->contexts;
    uint64_t bytes = kept_key_bytes(scope, args->key);
    struct context *context;

    if ((contexts != NULL && contexts->n == CONTEXTS_MAX) || bytes > KEPT_KEY_MAX_BYTES)
        return NULL;
    context = xcalloc(1, sizeof(*context));
    context->arena = arena_new(CONTEXT_ARENA_BYTES + 4 * (size_t) bytes);
    context->tag = arena_dup(context->arena, cmd->tag);
    context->names_mailbox = cmd->row->run == cmd_esearch;
    context->uid = cmd->uid || context->names_mailbox;
    context->from_uid = scope->from_uid;
    context->sorting = sorting_keep(sorting, context->arena);
    context->fetch =
        fetch_keep(args->update.items, args->update.n, args->update.kinds, context->arena);
    context->key = kept_key_make(scope, args->key, context->arena);
    return context;
}

static void drop(struct session *session, size_t at)
{
    struct contexts *contexts = session->contexts;

    context_free(contexts->all[at]);
    contexts->n--;
    memmove(&contexts->all[at], &contexts->all[at + 1],
            (contexts->n - at) * sizeof(struct context *));
}

void context_cancel(struct session *session, struct slice tag)
{
    if (context_is_used(session, tag))
        drop(session, index_of(session, tag));
}

void contexts_end(struct session *session)
{
    while (session->contexts != NULL && session->contexts->n > 0)
        drop(session, session->contexts->n - 1);
    free(TAKE(session->contexts));
}

/* ---- limits ---- */

static size_t bytes_of(const struct context *context)
{
    return sizeof(*context) + arena_used(context->arena) + uid_marks_bytes(&context->found) +
           uid_order_bytes(&context->order);
}

bool contexts_are_too_large(const struct session *session)
{
    size_t bytes = 0;

    for (size_t i = 0; session->contexts != NULL && i < session->contexts->n; i++)
        bytes += bytes_of(session->contexts->all[i]);
    return bytes > CONTEXTS_MAX_BYTES;
}

static void say_noupdate(struct cmd *cmd, struct slice tag, const char *text)
{
    /* a tag has neither \" nor \\ */
    reply_untagged_no(cmd->reply, arena_printf(cmd->arena, "NOUPDATE \"%.*s\"", SLICE_ARG(tag)),
                      text);
}

void context_refuse(struct cmd *cmd, size_t at, const char *text)
{
    say_noupdate(cmd, cmd->session->contexts->all[at]->tag, text);
    drop(cmd->session, at);
}

void context_say_refused(struct cmd *cmd)
{
    say_noupdate(cmd, cmd->tag, "This cannot be updated");
}

/* ---- a result ---- */

static void fill(struct context *context, const struct search_hits *hits,
                 const uint32_t *ordered)
{
    if (context->sorting.n > 0) {
        uid_order_fill(&context->order, ordered, hits->count);
        return;
    }
    for (size_t i = 0; i < hits->uids.n; i++)
        for (uint64_t uid = hits->uids.runs[i].first; uid <= hits->uids.runs[i].last; uid++)
            uid_marks_add(&context->found, (uint32_t) uid);
}

static struct contexts *contexts_new(void)
{
    struct contexts *contexts = xcalloc(1, sizeof(*contexts));

    contexts->order_max = ORDER_UIDS_MAX;
    return contexts;
}

void context_start(struct cmd *cmd, struct context *context, const struct search *search,
                   const uint32_t *ordered)
{
    struct session *session = cmd->session;
    struct search_hits hits = search_hits(search);
    struct contexts *contexts;

    if (context == NULL || hits.count > ORDER_UIDS_MAX) {
        say_noupdate(cmd, cmd->tag, "Too many updating searches");
        context_free(context);
        return;
    }
    if (session->contexts == NULL)
        session->contexts = contexts_new();
    contexts = session->contexts;
    fill(context, &hits, ordered);
    context->modseq =
        reader_highestmodseq(view_reader(session->view), view_mbox(session->view));
    context->last_uid = view_last_uid(session->view);
    context->star = view_greatest_uid(session->view);
    context->now = search_now(search);
    context->turns = context->key.has_time ? context->now : INT64_MAX; /* found by the sync */
    contexts->all[contexts->n++] = context;
    if (contexts_are_too_large(session))
        context_refuse(cmd, contexts->n - 1, "The result is too large to be updated");
}

/* ---- between commands ---- */

bool contexts_have_news(const struct session *session)
{
    const struct contexts *contexts = session->contexts;
    const struct mbox_view *view = session->view;

    for (size_t i = 0; contexts != NULL && i < contexts->n; i++) {
        const struct context *context = contexts->all[i];

        if (context->turns <= clock_wall_sec() ||
            view_has_changed(view, session_position_in(session, view_account(view)),
                             context->modseq))
            return true;
    }
    return false;
}

/* RFC 5267 4.3.5. A tag that has no context any more, perhaps because it was ended here, is no
 * error: nothing more is told of it. */
enum rc cmd_cancelupdate(struct cmd *cmd, struct err *err)
{
    const struct imap_cancelupdate_args *args = &cmd->args.cancelupdate;

    (void) err;
    for (size_t i = 0; i < args->n; i++)
        context_cancel(cmd->session, args->tags[i]);
    reply_ok(cmd->reply, "No further updates");
    return RC_OK;
}
