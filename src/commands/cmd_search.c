/*
 * cmd_search.c - SEARCH and UID SEARCH.
 *
 * Spec: RFC 9051 6.4.4 (ESEARCH always in IMAP4rev2), 6.4.4.1 to 6.4.4.4 (the saved result),
 * 7.3.4; RFC 3501 7.2.5 (SEARCH); RFC 7162 3.1.5 (MODSEQ); RFC
 * 9394 (PARTIAL).
 *
 * The finding is search/'s; here is what is said of it and what is kept.
 */
#include "commands/finding.h"
#include "imap/print.h"

static void run_done(void *cursor)
{
    finding_done(cursor);
}

static void say_search(struct cmd *cmd, const struct search_hits *hits, bool with_modseq)
{
    const struct uid_set *numbers = cmd->uid ? &hits->uids : &hits->seqs;
    struct buf *out = cmd->reply->out;

    buf_str(out, "* SEARCH");
    for (size_t i = 0; i < numbers->n; i++) {
        for (uint64_t n = numbers->runs[i].first; n <= numbers->runs[i].last; n++) {
            buf_byte(out, ' ');
            buf_u64(out, n);
        }
    }
    if (with_modseq && hits->count > 0)
        buf_printf(out, " (MODSEQ %llu)", (unsigned long long) hits->modseq);
    buf_str(out, "\r\n");
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

static void say_esearch(struct cmd *cmd, const struct search_hits *hits, uint32_t returns,
                        bool with_modseq)
{
    const struct uid_set *numbers = cmd->uid ? &hits->uids : &hits->seqs;
    struct imap_esearch_line line = {
        .tag = cmd->tag,
        .uid = cmd->uid,
        .returns = returns,
        .count = hits->count,
        .modseq = with_modseq ? hits->modseq : 0,
    };
    AUTO(buf_done) struct buf all = {0}, part = {0};

    if (numbers->n > 0) {
        line.min = numbers->runs[0].first;
        line.max = numbers->runs[numbers->n - 1].last;
    }
    if ((returns & IMAP_SEARCH_ALL) != 0 && print_numbers(&all, numbers))
        line.all = buf_slice(&all);
    if ((returns & IMAP_SEARCH_PARTIAL) != 0) {
        struct uid_set some = partial_of(cmd, numbers, hits->count);

        line.partial = cmd->args.search.partial;
        if (print_numbers(&part, &some))
            line.part = buf_slice(&part);
    }
    imap_print_esearch_line(cmd->reply->out, &line);
}

/*
 * RFC 9051 6.4.4.4, RFC 9394 3.2: MIN, MAX and PARTIAL save what they return; with ALL or COUNT
 * beside them, or nothing, all that was found is saved.
 */
static struct uid_set to_save(struct cmd *cmd, const struct search_hits *hits)
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

static bool save(struct cmd *cmd, const struct search_hits *hits)
{
    struct uid_set uids = to_save(cmd, hits);

    return session_save(cmd->session, &uids);
}

static enum rc finish(struct cmd *cmd, struct err *err)
{
    const struct imap_search_args *args = &cmd->args.search;
    const struct finding *finding = cmd->cursor;
    struct search_hits hits = search_hits(finding->search);
    uint32_t returns = args->has_return ? args->returns : IMAP_SEARCH_ALL;
    uint32_t shown = returns & ~(uint32_t) IMAP_SEARCH_SAVE;

    if ((returns & IMAP_SEARCH_SAVE) != 0 && !save(cmd, &hits)) {
        reply_code(cmd->reply, "NOTSAVED");
        return err_set(err, RC_LIMIT, "The result is too scattered to be saved",
                       "search: %zu runs", hits.uids.n);
    }
    if (!args->has_return && !cmd->session->mode.rev2)
        say_search(cmd, &hits, finding->with_modseq);
    else if (shown != 0) /* SAVE alone says nothing (RFC 5182 2.1) */
        say_esearch(cmd, &hits, shown, finding->with_modseq);
    finding_reply(cmd, finding, &hits, "SEARCH completed");
    return RC_OK;
}

static enum rc start(struct cmd *cmd, struct err *err)
{
    struct finding finding;
    enum rc rc = finding_start(cmd, &cmd->args.search, &finding, err);

    if (rc)
        return rc;
    cmd->cursor = ARENA_NEW(cmd->arena, struct finding);
    memcpy(cmd->cursor, &finding, sizeof(finding));
    cmd->cursor_done = run_done;
    return RC_OK;
}

static enum rc search(struct cmd *cmd, struct err *err)
{
    enum rc rc = RC_OK;

    if (cmd->cursor == NULL)
        rc = start(cmd, err);
    if (rc == RC_OK)
        rc = finding_go(cmd, cmd->cursor, err);
    return rc == RC_OK ? finish(cmd, err) : rc;
}

enum rc cmd_search(struct cmd *cmd, struct err *err)
{
    const struct uid_set none = {NULL, 0};
    enum rc rc = search(cmd, err);

    /* RFC 9051 6.4.4.1: a NO empties the saved result, a BAD leaves it. */
    if (rc != RC_OK && rc != RC_MORE && rc != RC_SYNTAX &&
        (cmd->args.search.returns & IMAP_SEARCH_SAVE) != 0)
        (void) session_save(cmd->session, &none); /* nothing always fits */
    return rc;
}
