#include "commands/limit.h"

#include "search/plan.h"
#include "search/resolve.h"

void limit_uids(struct cmd *cmd, const struct mbox *mbox, uint32_t limit, struct uid_set *uids,
                uint32_t *out_lowest)
{
    struct uid_run above = {0, UINT32_MAX};
    const struct uid_set highest = {&above, 1};
    uint64_t left = limit;

    *out_lowest = 0;
    if (limit == 0 || mbox_count_uids(mbox, uids) <= limit)
        return;
    for (size_t i = uids->n; above.first == 0 && i > 0; i--) {
        uint32_t end = mbox_index_behind(mbox, uids->runs[i - 1].last);
        uint32_t n = end - mbox_lower_bound(mbox, uids->runs[i - 1].first);

        if (n >= left)
            above.first = mbox_uid(mbox, end - (uint32_t) left);
        left -= MIN(left, (uint64_t) n);
    }
    *uids = uid_set_common(uids, &highest, cmd->arena);
    *out_lowest = above.first;
}

/* Keys that must all be met, and name messages themselves. As deep as keys nest. */
static enum rc narrow(const struct search_scope *scope, const struct imap_search_key *key,
                      struct arena *arena, struct uid_set *uids, struct err *err)
{
    struct uid_set named;
    enum rc rc = RC_OK;

    if (key->kind == IMAP_KEY_UID || key->kind == IMAP_KEY_SEQ) {
        rc = plan_named_uids(scope, key, arena, &named, err);
        if (!rc)
            *uids = uid_set_common(uids, &named, arena);
    }
    for (size_t i = 0; !rc && key->kind == IMAP_KEY_AND && i < key->n_children; i++)
        rc = narrow(scope, key->children[i], arena, uids, err);
    return rc;
}

enum rc limit_search(struct cmd *cmd, const struct imap_search_key *key,
                     struct search_scope *scope, struct err *err)
{
    uint32_t limit = cmd->session->message_limit;
    const struct uid_run known = {1, view_last_uid(scope->view)};
    struct uid_set uids = {&known, 1};
    enum rc rc;

    if (limit == 0 || known.last == 0)
        return RC_OK;
    rc = narrow(scope, key, cmd->arena, &uids, err);
    if (rc)
        return rc;
    limit_uids(cmd, view_mbox(scope->view), limit, &uids, &scope->from_uid);
    return RC_OK;
}

static const char *code(struct cmd *cmd, uint32_t limit, uint32_t lowest)
{
    if (lowest == 0)
        return arena_printf(cmd->arena, "MESSAGELIMIT %u", limit);
    return arena_printf(cmd->arena, "MESSAGELIMIT %u %u", limit, lowest);
}

bool limit_code_is_taken(const struct cmd *cmd)
{
    return cmd->reply->code.len > 0 ||
           (cmd->tells_modseq && session_has_enabled(cmd->session, IMAP_CAP_CONDSTORE));
}

/* RFC 9738 3.1: beside another code it comes in an untagged NO. */
void limit_say(struct cmd *cmd, uint32_t limit, uint32_t lowest)
{
    if (lowest == 0)
        return;
    if (limit_code_is_taken(cmd))
        reply_untagged_no(cmd->reply, code(cmd, limit, lowest),
                          "Done for the last messages only");
    else
        reply_code(cmd->reply, code(cmd, limit, lowest));
}

enum rc limit_refuse(struct cmd *cmd, uint32_t limit, uint32_t lowest, struct err *err)
{
    reply_code(cmd->reply, code(cmd, limit, lowest));
    return err_set(err, RC_LIMIT, "Too many messages, try a smaller subset",
                   "limit: more than %u", limit);
}

uint32_t limit_of_saving(const struct session *session)
{
    return session->message_limit > 0 ? session->message_limit : session->save_limit;
}
