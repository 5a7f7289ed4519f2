/*
 * cmd_sort.c - SORT, THREAD and their UID forms.
 *
 * Spec: RFC 5256; RFC 5957 (DISPLAYFROM, DISPLAYTO); RFC 5257 4.9 (ANNOTATION); RFC 5267 3
 * (ESORT) and 4 (UPDATE, CONTEXT) with RFC 4731's and RFC 9394's return options; RFC 5182
 * (SAVE); RFC 7162 3.1.9 and 3.1.10 (MODSEQ); draft-ietf-morg-inthread (REFS); RFC 5255 4.2
 * (the active comparator); RFC 6203 6 (RELEVANCY).
 *
 * The finding is SEARCH's; then the columns of what was found are made, where they are not
 * there (search/sort_keys.h), and put in order.
 */
#include "commands/dispatch.h"
#include "commands/finding.h"
#include "commands/sorting.h"
#include "imap/print.h"
#include "search/sort_items.h"
#include "search/threading.h"

_Static_assert(SORT_ROW_BYTES <= CMD_ARENA_BYTES / 4 * 3 / SORT_MESSAGES_MAX,
               "the arena has room for what is sorted, and for blocks that are not full");

struct sort_run {
    struct finding finding;
    struct search_hits hits;
    struct found found;
    struct keys_work work;
    bool is_found; /* the rest is there, but for the finding */
};

static void run_done(void *cursor)
{
    struct sort_run *run = cursor;

    finding_done(&run->finding);
    if (run->is_found)
        keys_work_done(&run->work);
}

static enum rc start(struct cmd *cmd, const struct imap_search_args *args,
                     const struct sorting *sorting, struct err *err)
{
    struct finding finding;
    struct sort_run *run;
    enum rc rc = finding_start(cmd, args, sorting_by_score(sorting), &finding, err);

    if (rc)
        return rc;
    run = ARENA_NEW(cmd->arena, struct sort_run);
    run->finding = finding;
    cmd->cursor = run;
    cmd->cursor_done = run_done;
    finding_will_update(cmd, args, sorting, &run->finding);
    return RC_OK;
}

static enum rc check_count(struct cmd *cmd, uint64_t n, struct err *err)
{
    if (n <= SORT_MESSAGES_MAX)
        return RC_OK;
    reply_code(cmd->reply, "LIMIT");
    return err_set(err, RC_LIMIT, "Too many messages to sort: narrow the search",
                   "sort: %llu messages", (unsigned long long) n);
}

/* Everything but the answer. texts: bits of enum key_text that it needs. */
static enum rc prepare(struct cmd *cmd, const struct imap_search_args *args,
                       const struct sorting *sorting, uint32_t texts, struct err *err)
{
    struct sort_run *run = cmd->cursor;
    enum rc rc = RC_OK;

    if (run == NULL) {
        rc = start(cmd, args, sorting, err);
        run = cmd->cursor;
    }
    if (rc)
        return rc;
    if (!run->is_found) {
        rc = finding_go(cmd, &run->finding, err);
        if (rc)
            return rc;
        run->hits = search_hits(run->finding.search);
        rc = check_count(cmd, run->hits.count, err);
        if (rc)
            return rc;
        run->found = finding_list(cmd, &run->hits);
        rc = keys_work_start(&run->work, cmd->session->view, run->found.uids, run->found.n,
                             cmd->session->comparator.number, texts, cmd->arena, err);
        if (rc)
            return rc;
        run->is_found = true;
    }
    rc = keys_work_go(&run->work, err);
    return rc == RC_MORE ? cmd_progress(cmd, run->work.done, run->work.n_wants) : rc;
}

/* ---- SORT ---- */

static struct sorting sorting_of(const struct cmd *cmd)
{
    return (struct sorting){.criteria = cmd->args.sort.criteria,
                            .n = cmd->args.sort.n,
                            .comparator = cmd->session->comparator};
}

/* What was found, in the order asked for. */
static struct found sorted(struct cmd *cmd, const struct sort_run *run)
{
    uint32_t n = run->found.n;
    uint32_t *order = ARENA_ARRAY(cmd->arena, uint32_t, n);
    uint32_t *uids = ARENA_ARRAY(cmd->arena, uint32_t, n);
    uint32_t *seqs = ARENA_ARRAY(cmd->arena, uint32_t, n);
    uint8_t *scores = NULL;
    struct sorting sorting = sorting_of(cmd);
    struct key_rows rows = keys_work_rows(&run->work);

    sorting.scores = run->found.scores;
    sorting_order(&sorting, cmd->session->view, &rows, run->found.uids, order);
    if (run->found.scores != NULL)
        scores = ARENA_ARRAY(cmd->arena, uint8_t, n);
    for (uint32_t i = 0; i < n; i++) {
        if (scores != NULL)
            scores[i] = run->found.scores[order[i]];
        uids[i] = run->found.uids[order[i]];
        seqs[i] = run->found.seqs[order[i]];
    }
    return (struct found){uids, seqs, scores, n};
}

static void say_sort(struct cmd *cmd, const struct sort_run *run, const struct found *found)
{
    const uint32_t *numbers = cmd->uid ? found->uids : found->seqs;
    struct buf *out = cmd->reply->out;

    buf_str(out, "* SORT");
    for (uint32_t i = 0; i < found->n; i++) {
        buf_byte(out, ' ');
        buf_u64(out, numbers[i]);
    }
    if (run->finding.with_modseq && found->n > 0)
        buf_printf(out, " (MODSEQ %llu)", (unsigned long long) run->hits.modseq);
    buf_str(out, "\r\n");
}

static bool print_numbers(struct buf *text, const uint32_t *numbers, uint64_t from, uint64_t to)
{
    struct imap_runs runs;

    buf_init(text, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, text);
    for (uint64_t i = from; i < to; i++)
        imap_runs_add(&runs, numbers[i]);
    return imap_runs_end(&runs);
}

/* The ranks that PARTIAL asks for, from 0, the second one not included. */
static void partial_ranks(const struct imap_search_args *args, uint32_t n, uint64_t *from,
                          uint64_t *to)
{
    *from = *to = 0;
    if ((args->returns & IMAP_SEARCH_PARTIAL) != 0 &&
        imap_partial_ranks(&args->partial, n, from, to))
        *from -= 1;
}

/* What is returned, as of SEARCH: by MIN, MAX and PARTIAL some of it. In the order of the
 * mailbox, as any set. It is what is saved (RFC 5182 2.1). */
static struct uid_set returned(struct cmd *cmd, const struct sort_run *run,
                               const struct found *found)
{
    const struct imap_search_args *args = &cmd->args.sort.search;
    uint32_t some = args->returns & (IMAP_SEARCH_MIN | IMAP_SEARCH_MAX | IMAP_SEARCH_PARTIAL);
    struct sort_item *items, *room;
    struct uid_set_builder builder;
    uint64_t from, to;
    size_t n = 0;

    if (found->n == 0 || some == 0 ||
        (args->returns & (IMAP_SEARCH_ALL | IMAP_SEARCH_COUNT)) != 0)
        return run->hits.uids;
    partial_ranks(args, found->n, &from, &to);
    items = ARENA_ARRAY(cmd->arena, struct sort_item, to - from + 2);
    room = ARENA_ARRAY(cmd->arena, struct sort_item, to - from + 2);
    for (uint64_t i = from; i < to; i++)
        items[n++].key = found->uids[i];
    if ((some & IMAP_SEARCH_MIN) != 0)
        items[n++].key = found->uids[0];
    if ((some & IMAP_SEARCH_MAX) != 0)
        items[n++].key = found->uids[found->n - 1];
    sort_items(items, room, n);
    uid_set_start(&builder, cmd->arena);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || items[i].key != items[i - 1].key)
            uid_set_add(&builder, (uint32_t) items[i].key);
    return uid_set_finish(&builder);
}

static void say_esearch(struct cmd *cmd, const struct sort_run *run, const struct found *found)
{
    const struct imap_search_args *args = &cmd->args.sort.search;
    const uint32_t *numbers = cmd->uid ? found->uids : found->seqs;
    struct imap_esearch_line line = {
        .tag = cmd->tag,
        .uid = cmd->uid,
        .returns = args->returns & ~IMAP_SEARCH_SILENT,
        .count = found->n,
        .partial = args->partial,
    };
    AUTO(buf_done) struct buf all = {0}, part = {0}, scores = {0};
    struct uid_set uids;
    uint64_t from, to;

    if (line.returns == 0) /* SAVE alone says nothing (RFC 5182 2.1), nor does UPDATE */
        return;
    uids = returned(cmd, run, found);
    line.modseq = finding_modseq(&run->finding, &run->hits, &uids);
    if (found->n > 0) {
        line.min = numbers[0];
        line.max = numbers[found->n - 1];
    }
    if ((line.returns & IMAP_SEARCH_ALL) != 0 && print_numbers(&all, numbers, 0, found->n))
        line.all = buf_slice(&all);
    partial_ranks(args, found->n, &from, &to);
    if (print_numbers(&part, numbers, from, to))
        line.part = buf_slice(&part);
    if ((line.returns & IMAP_SEARCH_RELEVANCY) != 0) { /* of what is returned (RFC 6203 6) */
        bool is_part = (line.returns & IMAP_SEARCH_PARTIAL) != 0;

        finding_print_scores(&scores, found->scores, is_part ? from : 0,
                             is_part ? to : found->n);
        line.relevancy = buf_slice(&scores);
    }
    imap_print_esearch_line(cmd->reply->out, &line);
}

static enum rc finish_sort(struct cmd *cmd, struct err *err)
{
    const struct imap_search_args *args = &cmd->args.sort.search;
    struct sort_run *run = cmd->cursor;
    struct found found = sorted(cmd, run);

    if ((args->returns & IMAP_SEARCH_SAVE) != 0) {
        struct uid_set uids = returned(cmd, run, &found);

        if (!session_save(cmd->session, &uids)) {
            reply_code(cmd->reply, "NOTSAVED");
            return err_set(err, RC_LIMIT, "The result is too scattered to be saved",
                           "sort: %zu runs", uids.n);
        }
    }
    if (args->has_return)
        say_esearch(cmd, run, &found);
    else
        say_sort(cmd, run, &found);
    finding_update(cmd, &run->finding, found.uids);
    finding_reply(cmd, &run->finding, &run->hits, "SORT completed");
    return RC_OK;
}

enum rc cmd_sort(struct cmd *cmd, struct err *err)
{
    const struct uid_set none = {NULL, 0};
    const struct sorting sorting = sorting_of(cmd);
    enum rc rc = prepare(cmd, &cmd->args.sort.search, &sorting, sorting_texts(&sorting), err);

    if (rc == RC_OK)
        rc = finish_sort(cmd, err);
    /* RFC 5182 2.1: a NO empties the saved result, a BAD leaves it. */
    if (rc != RC_OK && rc != RC_MORE && rc != RC_SYNTAX &&
        (cmd->args.sort.search.returns & IMAP_SEARCH_SAVE) != 0)
        (void) session_save(cmd->session, &none); /* nothing always fits */
    return rc;
}

/* ---- THREAD ---- */

static const enum threading threadings[] = {
    [IMAP_THREAD_ORDEREDSUBJECT] = THREADING_ORDEREDSUBJECT,
    [IMAP_THREAD_REFERENCES] = THREADING_REFERENCES,
    [IMAP_THREAD_REFS] = THREADING_REFS,
};

enum rc cmd_thread(struct cmd *cmd, struct err *err)
{
    const struct sorting none = {0};
    enum rc rc =
        prepare(cmd, &cmd->args.thread.search, &none, (uint32_t) 1 << KEY_TEXT_SUBJECT, err);
    const struct sort_run *run = cmd->cursor;
    struct buf *out = cmd->reply->out;
    struct thread_tree tree;
    struct key_rows rows;

    if (rc)
        return rc;
    rows = keys_work_rows(&run->work);
    thread_make(threadings[cmd->args.thread.algorithm], &rows, &tree);
    buf_str(out, run->found.n > 0 ? "* THREAD " : "* THREAD");
    thread_print(&tree, cmd->uid ? run->found.uids : run->found.seqs, out);
    buf_str(out, "\r\n");
    thread_tree_done(&tree);
    finding_reply(cmd, &run->finding, &run->hits, "THREAD completed");
    return RC_OK;
}
