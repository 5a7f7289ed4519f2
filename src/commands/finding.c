#include "commands/finding.h"

#include "commands/filters.h"
#include "commands/limit.h"
#include "commands/resync.h"
#include "commands/uidonly.h"
#include "imap/print.h"

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
    AUTO(buf_done) struct buf code;

    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_badcharset(&code);
    reply_code_text(cmd->reply, buf_slice(&code));
    return bad_filter ? err_set(err, RC_SYNTAX, "Filters are in UTF-8", "search: charset")
                      : err_set(err, RC_INVALID, "Unknown charset", "search: charset");
}

enum rc finding_start(struct cmd *cmd, const struct imap_search_args *args, struct finding *out,
                      struct err *err)
{
    struct session *session = cmd->session;
    struct search_scope scope = {.account = view_account(session->view),
                                 .view = session->view,
                                 .saved = session_saved(session)};
    struct search *search;
    enum rc rc;

    if (args->bad_charset || args->bad_filter)
        return refuse_charset(cmd, args->bad_filter, err);
    rc = filters_resolve(cmd, args->key, err);
    if (rc)
        return rc;
    if (session->mode.uidonly && uidonly_names_numbers(args->key))
        return uidonly_refuse(cmd, err);
    rc = limit_search(cmd, args->key, &scope.from_uid, err);
    if (!rc)
        rc = search_start(&scope, args->key, cmd->arena, &search, err);
    if (rc)
        return rc;
    *out = (struct finding){search, scope.from_uid, asks_modseq(args->key)};
    if (out->with_modseq)
        condstore_enable(cmd);
    return RC_OK;
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
    search_done(finding->search);
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
