#include "commands/filters.h"

#define FILTER_PREFIX SLICE("/private/filters/values/")

struct resolving {
    struct cmd *cmd;
    const struct acct_state *state;
    unsigned n_uses;
};

/* Entry names compare without case (RFC 5464 3.2). */
static bool find_filter(const struct acct_state *state, struct slice name, struct slice *out)
{
    for (size_t i = 0; i < acct_metadata_count(state); i++) {
        struct text_pair pair = acct_metadata_at(state, i);

        if (!slice_starts(pair.key, FILTER_PREFIX) ||
            !slice_eq_nocase(slice_from(pair.key, FILTER_PREFIX.len), name))
            continue;
        *out = pair.value;
        return true;
    }
    return false;
}

static enum rc undefined(struct cmd *cmd, struct slice name, struct err *err)
{
    reply_code(cmd->reply, arena_printf(cmd->arena, "UNDEFINED-FILTER %.*s", SLICE_ARG(name)));
    return err_set(err, RC_NOT_FOUND, "No such filter", "search: filter");
}

/* As deep as keys nest, SEARCH_MAX_DEPTH, in as many filters as there may be inside each other.
 */
static enum rc resolve(struct resolving *resolving, struct imap_search_key *key, unsigned depth,
                       struct err *err)
{
    struct cmd *cmd = resolving->cmd;
    struct imap_search_key **children;
    struct slice value;
    enum rc rc = RC_OK;

    if (key->filter.len == 0) {
        for (size_t i = 0; !rc && i < key->n_children; i++)
            rc = resolve(resolving, key->children[i], depth, err);
        return rc;
    }
    if (depth == FILTER_MAX_DEPTH || resolving->n_uses++ == FILTER_MAX_USES ||
        !find_filter(resolving->state, key->filter, &value))
        return undefined(cmd, key->filter, err);
    children = ARENA_ARRAY(cmd->arena, struct imap_search_key *, 1);
    if (imap_parse_filter(arena_dup(cmd->arena, value), cmd->arena, &children[0], err) != RC_OK)
        return undefined(cmd, key->filter, err);
    key->children = children;
    key->n_children = 1;
    return resolve(resolving, children[0], depth + 1, err);
}

enum rc filters_resolve(struct cmd *cmd, struct imap_search_key *key, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = session_read(cmd->session);
    struct resolving resolving = {.cmd = cmd, .state = state};

    return resolve(&resolving, key, 0, err);
}

enum rc filters_check(struct slice entry, struct slice value, struct arena *arena,
                      struct err *err)
{
    struct imap_search_key *key;
    struct err why;

    if (!slice_starts(entry, FILTER_PREFIX))
        return RC_OK;
    if (!imap_is_filter_name(slice_from(entry, FILTER_PREFIX.len)) ||
        imap_parse_filter(arena_dup(arena, value), arena, &key, &why) != RC_OK)
        return err_set(err, RC_INVALID, "That is no filter", "metadata: filter");
    return RC_OK;
}
