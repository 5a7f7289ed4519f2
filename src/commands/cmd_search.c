/*
 * cmd_search.c - SEARCH and UID SEARCH.
 *
 * Spec: RFC 9051 6.4.4 (ESEARCH always in IMAP4rev2), 6.4.4.1 to 6.4.4.4 (the saved result),
 * 7.3.4; RFC 3501 7.2.5 (SEARCH); RFC 7162 3.1.5 (MODSEQ); RFC
 * 9394 (PARTIAL); RFC 5267 4 (UPDATE, CONTEXT).
 *
 * The finding is search/'s; here is what is said of it and what is kept.
 */
#include "commands/finding.h"

#define NUMBER_BYTES ((size_t) 7) /* of most mailboxes, with its space */
#define NUMBERS_MAX  (1u << 20)   /* that room is made for at once */

static void run_done(void *cursor)
{
    finding_done(cursor);
}

static void say_search(struct cmd *cmd, const struct search_hits *hits, bool with_modseq)
{
    const struct uid_set *numbers = cmd->uid ? &hits->uids : &hits->seqs;
    struct buf *out = cmd->reply->out;

    (void) buf_reserve(out, NUMBER_BYTES * MIN(hits->count, NUMBERS_MAX)); /* or it grows */
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

static enum rc finish(struct cmd *cmd, struct err *err)
{
    const struct imap_search_args *args = &cmd->args.search;
    struct finding *finding = cmd->cursor;
    struct search_hits hits = search_hits(finding->search);
    uint32_t returns = args->has_return ? args->returns : IMAP_SEARCH_ALL;
    uint32_t shown = returns & ~IMAP_SEARCH_SILENT;

    if ((returns & IMAP_SEARCH_SAVE) != 0) {
        enum rc rc = finding_save(cmd, &hits, err);

        if (rc)
            return rc;
    }
    if (!args->has_return && !cmd->session->mode.rev2)
        say_search(cmd, &hits, finding->with_modseq);
    else if (shown != 0) /* SAVE alone says nothing (RFC 5182 2.1), nor does UPDATE */
        finding_say(cmd, finding, &hits, shown,
                    (struct imap_esearch_line){.tag = cmd->tag, .uid = cmd->uid});
    finding_update(cmd, finding, NULL);
    finding_reply(cmd, finding, &hits, "SEARCH completed");
    return RC_OK;
}

static enum rc start(struct cmd *cmd, struct err *err)
{
    const struct sorting none = {.comparator = cmd->session->comparator};
    struct finding finding;
    enum rc rc = finding_start(cmd, &cmd->args.search, false, &finding, err);

    if (rc)
        return rc;
    cmd->cursor = ARENA_NEW(cmd->arena, struct finding);
    memcpy(cmd->cursor, &finding, sizeof(finding));
    cmd->cursor_done = run_done;
    finding_will_update(cmd, &cmd->args.search, &none, cmd->cursor);
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
