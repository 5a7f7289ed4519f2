#include "commands/finding.h"

#include "commands/context.h"
#include "commands/filters.h"
#include "commands/limit.h"
#include "commands/resync.h"
#include "commands/uidonly.h"
#include "search/fuzzy.h"

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
static bool asks_modseq(const struct imap_search_key *key)
{
    for (size_t i = 0; i < key->n_children; i++)
        if (asks_modseq(key->children[i]))
            return true;
    return key->kind == IMAP_KEY_MODSEQ;
}

/* RFC 9051 6.4.4: NO; RFC 5466 3.1: BAD. */
static enum rc refuse_charset(struct cmd *cmd, bool bad_filter, struct err *err)
{
    AUTO(buf_done) struct buf code = {0};

    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_badcharset(&code);
    reply_code_text(cmd->reply, buf_slice(&code));
    return bad_filter ? err_set(err, RC_SYNTAX, "Filters are in UTF-8", "search: charset")
                      : err_set(err, RC_INVALID, "Unknown charset", "search: charset");
}

enum rc finding_check(struct cmd *cmd, const struct imap_search_args *args, struct err *err)
{
    enum rc rc;

    if (args->bad_charset || args->bad_filter)
        return refuse_charset(cmd, args->bad_filter, err);
    rc = filters_resolve(cmd, args->key, err);
    if (rc)
        return rc;
    if (cmd->session->mode.uidonly && uidonly_names_numbers(args->key))
        return uidonly_refuse(cmd, err);
    if ((args->returns & IMAP_SEARCH_UPDATE) != 0 && context_is_used(cmd->session, cmd->tag))
        return err_set(err, RC_SYNTAX, "Tag reuse", "search: the tag of another with UPDATE");
    return RC_OK;
}

bool finding_asks_modseq(const struct imap_search_args *args)
{
    return asks_modseq(args->key);
}

enum rc finding_open(struct cmd *cmd, const struct imap_search_args *args,
                     struct search_scope scope, struct arena *arena, struct finding *out,
                     struct err *err)
{
    struct search *search;
    enum rc rc = limit_search(cmd, args->key, &scope, err);

    if (rc) {
        search_kept_free(scope.kept);
        return rc;
    }
    scope.comparator = cmd->session->comparator.number;
    scope.wants_scores = scope.wants_scores || (args->returns & IMAP_SEARCH_RELEVANCY) != 0;
    rc = search_start(&scope, args->key, arena, &search, err);
    if (rc)
        return rc;
    *out = (struct finding){
        .search = search, .limited = scope.from_uid, .with_modseq = finding_asks_modseq(args)};
    if (out->with_modseq)
        condstore_enable(cmd);
    return RC_OK;
}

static struct search_scope scope_of(const struct session *session)
{
    return (struct search_scope){.account = view_account(session->view),
                                 .view = session->view,
                                 .saved = session_saved(session)};
}

enum rc finding_start(struct cmd *cmd, const struct imap_search_args *args, bool by_score,
                      struct finding *out, struct err *err)
{
    struct search_scope scope = scope_of(cmd->session);
    enum rc rc = finding_check(cmd, args, err);

    scope.wants_scores = by_score;
    return rc ? rc : finding_open(cmd, args, scope, cmd->arena, out, err);
}

void finding_will_update(struct cmd *cmd, const struct imap_search_args *args,
                         const struct sorting *sorting, struct finding *finding)
{
    struct search_scope scope = scope_of(cmd->session);

    if ((args->returns & IMAP_SEARCH_UPDATE) == 0)
        return;
    scope.from_uid = finding->limited;
    finding->updates = true;
    finding->is_unordered = sorting_by_score(sorting); /* scores are those of one search */
    if (finding->is_unordered)
        return;
    finding->context = context_new(cmd, args, sorting, &scope);
}

void finding_update(struct cmd *cmd, struct finding *finding, const uint32_t *ordered)
{
    if (finding->is_unordered)
        context_say_refused(cmd);
    else if (finding->updates)
        context_start(cmd, TAKE(finding->context), finding->search, ordered);
}

enum rc finding_go(struct cmd *cmd, struct finding *finding, struct err *err)
{
    enum rc rc = search_go(finding->search, err);

    if (rc == RC_MORE)
        return cmd_progress(cmd, search_progress(finding->search),
                            view_count(cmd->session->view));
    return rc;
}

void finding_done(struct finding *finding)
{
    context_free(TAKE(finding->context));
    search_done(finding->search);
}

static struct uid_set partial_of(struct cmd *cmd, const struct uid_set *numbers, uint32_t count)
{
    uint64_t from, to;

    if (!imap_partial_ranks(&cmd->args.search.partial, count, &from, &to))
        return (struct uid_set){NULL, 0};
    return uid_set_ranks(numbers, from, to, cmd->arena);
}

static bool print_numbers(struct buf *text, const struct uid_set *numbers)
{
    struct imap_runs runs;

    buf_init(text, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, text);
    for (size_t i = 0; i < numbers->n; i++)
        imap_runs_add_range(&runs, numbers->runs[i].first, numbers->runs[i].last);
    return imap_runs_end(&runs);
}

void finding_print_scores(struct buf *text, const uint8_t *scores, uint64_t from, uint64_t to)
{
    buf_init(text, REPLY_MAX_BYTES);
    for (uint64_t i = from; i < to; i++) {
        if (i > from)
            buf_byte(text, ' ');
        buf_u64(text, scores != NULL ? scores[i] : FUZZY_BEST);
    }
}

/* RFC 6203 4: of what is returned, in its order. */
static void print_scores(struct cmd *cmd, const struct search_hits *hits, uint32_t returns,
                         struct buf *text)
{
    uint64_t from = 1, to = hits->count;

    if ((returns & IMAP_SEARCH_PARTIAL) != 0 &&
        !imap_partial_ranks(&cmd->args.search.partial, hits->count, &from, &to))
        from = to = 0;
    finding_print_scores(text, hits->scores, from > 0 ? from - 1 : 0, to);
}

/*
 * What is returned: by MIN, MAX and PARTIAL some of it; with ALL or COUNT beside them, or
 * nothing, all that was found. That is what is saved (RFC 9051 6.4.4.4, RFC 9394 3.2), and of
 * whose MODSEQs the greatest is told (RFC 4731 3.2).
 */
static struct uid_set returned(struct cmd *cmd, const struct search_hits *hits)
{
    uint32_t returns = cmd->args.search.returns;
    uint32_t some = returns & (IMAP_SEARCH_MIN | IMAP_SEARCH_MAX | IMAP_SEARCH_PARTIAL);
    struct uid_set part = {NULL, 0};
    struct uid_set_builder builder;
    uint32_t min, max;

    if (hits->count == 0 || some == 0 || (returns & (IMAP_SEARCH_ALL | IMAP_SEARCH_COUNT)) != 0)
        return hits->uids;
    if ((some & IMAP_SEARCH_PARTIAL) != 0)
        part = partial_of(cmd, &hits->uids, hits->count);
    min = hits->uids.runs[0].first;
    max = hits->uids.runs[hits->uids.n - 1].last;
    uid_set_start(&builder, cmd->arena);
    if ((some & IMAP_SEARCH_MIN) != 0 && !uid_set_contains(&part, min))
        uid_set_add(&builder, min);
    for (size_t i = 0; i < part.n; i++)
        uid_set_add_run(&builder, part.runs[i].first, part.runs[i].last);
    if ((some & IMAP_SEARCH_MAX) != 0 && !uid_set_contains(&part, max) &&
        (max > min || (some & IMAP_SEARCH_MIN) == 0))
        uid_set_add(&builder, max);
    return uid_set_finish(&builder);
}

uint64_t finding_modseq(const struct finding *finding, const struct search_hits *hits,
                        const struct uid_set *uids)
{
    if (!finding->with_modseq || uids->runs == hits->uids.runs)
        return finding->with_modseq ? hits->modseq : 0;
    return search_modseq(finding->search, uids);
}

void finding_say(struct cmd *cmd, const struct finding *finding, const struct search_hits *hits,
                 uint32_t returns, struct imap_esearch_line to)
{
    const struct uid_set *numbers = to.uid ? &hits->uids : &hits->seqs;
    AUTO(buf_done) struct buf all = {0}, part = {0}, scores = {0};
    struct uid_set uids = returned(cmd, hits);

    to.returns = returns;
    to.count = hits->count;
    to.modseq = finding_modseq(finding, hits, &uids);
    if (numbers->n > 0) {
        to.min = numbers->runs[0].first;
        to.max = numbers->runs[numbers->n - 1].last;
    }
    if ((returns & IMAP_SEARCH_ALL) != 0 && print_numbers(&all, numbers))
        to.all = buf_slice(&all);
    if ((returns & IMAP_SEARCH_PARTIAL) != 0) {
        struct uid_set some = partial_of(cmd, numbers, hits->count);

        to.partial = cmd->args.search.partial;
        if (print_numbers(&part, &some))
            to.part = buf_slice(&part);
    }
    if ((returns & IMAP_SEARCH_RELEVANCY) != 0) {
        print_scores(cmd, hits, returns, &scores);
        to.relevancy = buf_slice(&scores);
    }
    imap_print_esearch_line(cmd->reply->out, &to);
}

enum rc finding_save(struct cmd *cmd, const struct search_hits *hits, struct err *err)
{
    struct uid_set uids = returned(cmd, hits);

    if (session_save(cmd->session, &uids))
        return RC_OK;
    reply_code(cmd->reply, "NOTSAVED");
    return err_set(err, RC_LIMIT, "The result is too scattered to be saved", "search: %zu runs",
                   uids.n);
}

static const uint32_t *list_of(const struct uid_set *set, uint32_t n, struct arena *arena)
{
    uint32_t *list = ARENA_ARRAY(arena, uint32_t, n);
    uint32_t at = 0;

    for (size_t i = 0; i < set->n; i++)
        for (uint64_t number = set->runs[i].first; number <= set->runs[i].last; number++)
            list[at++] = (uint32_t) number;
    return list;
}

struct found finding_list(struct cmd *cmd, const struct search_hits *hits)
{
    return (struct found){.uids = list_of(&hits->uids, hits->count, cmd->arena),
                          .seqs = list_of(&hits->seqs, hits->count, cmd->arena),
                          .scores = hits->scores,
                          .n = hits->count};
}

void finding_reply(struct cmd *cmd, const struct finding *finding,
                   const struct search_hits *hits, const char *text)
{
    if (hits->n_damaged > 0)
        reply_code(cmd->reply, "CORRUPTION");
    reply_ok(cmd->reply, hits->n_damaged > 0 ? "Some messages could not be read" : text);
    limit_say(cmd, cmd->session->message_limit, finding->limited);
}
