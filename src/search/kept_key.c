#include "search/kept_key.h"

#include "imap/flags.h"
#include "search/resolve.h"

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
uint64_t kept_key_bytes(const struct search_scope *scope, const struct imap_search_key *key)
{
    uint64_t bytes = sizeof(*key) + key->text.len + key->field.len + key->filter.len;
    size_t runs = key->set.saved ? scope->saved.n : key->set.set.n;

    bytes += (runs + 1) * sizeof(struct seq_range);
    for (size_t i = 0; i < key->n_children; i++)
        bytes += sizeof(key) + kept_key_bytes(scope, key->children[i]);
    return bytes;
}

static struct slice keep_text(struct slice text, struct arena *arena)
{
    return text.len > 0 ? arena_dup(arena, text) : SLICE("");
}

/* As a set of uids that stays what it is. No message has the greatest uid there is, so that is
 * how an empty one is written. */
static struct seqset frozen(const struct uid_set *uids, struct arena *arena)
{
    struct seq_range *ranges = ARENA_ARRAY(arena, struct seq_range, MAX(uids->n, (size_t) 1));

    ranges[0] = (struct seq_range){UINT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < uids->n; i++)
        ranges[i] = (struct seq_range){uids->runs[i].first, uids->runs[i].last};
    return (struct seqset){ranges, MAX(uids->n, (size_t) 1)};
}

static struct seqset copied(const struct seqset *set, struct arena *arena, bool *has_star)
{
    struct seq_range *ranges = ARENA_ARRAY(arena, struct seq_range, set->n);

    for (size_t i = 0; i < set->n; i++) {
        ranges[i] = set->ranges[i];
        *has_star = *has_star || ranges[i].first == SEQ_STAR || ranges[i].last == SEQ_STAR;
    }
    return (struct seqset){ranges, set->n};
}

static void keep_set(const struct search_scope *scope, struct imap_search_key *key,
                     struct arena *arena, struct kept_key *out)
{
    struct uid_set uids = scope->saved;

    if (!key->set.saved && key->kind == IMAP_KEY_UID) {
        key->set.set = copied(&key->set.set, arena, &out->has_star);
        return;
    }
    if (!key->set.saved)
        uids = resolve_known_seqs(scope->view, &key->set.set, arena);
    key->kind = IMAP_KEY_UID;
    key->set = (struct imap_set){.set = frozen(&uids, arena)};
}

/* The parser keeps nesting within SEARCH_MAX_DEPTH, so the recursion is counted. */
static struct imap_search_key *keep(const struct search_scope *scope,
                                    const struct imap_search_key *key, struct arena *arena,
                                    struct kept_key *out)
{
    struct imap_search_key *mine = ARENA_NEW(arena, struct imap_search_key);
    struct imap_search_key **children =
        ARENA_ARRAY(arena, struct imap_search_key *, key->n_children);

    *mine = *key;
    mine->text = keep_text(key->text, arena);
    mine->field = keep_text(key->field, arena);
    mine->filter = keep_text(key->filter, arena);
    out->has_recent =
        out->has_recent || (key->kind == IMAP_KEY_FLAG && key->flag == IMAP_RECENT);
    out->has_time =
        out->has_time || key->kind == IMAP_KEY_OLDER || key->kind == IMAP_KEY_YOUNGER;
    if (key->kind == IMAP_KEY_SEQ || key->kind == IMAP_KEY_UID)
        keep_set(scope, mine, arena, out);
    for (size_t i = 0; i < key->n_children; i++)
        children[i] = keep(scope, key->children[i], arena, out);
    mine->children = children;
    return mine;
}

struct kept_key kept_key_make(const struct search_scope *scope,
                              const struct imap_search_key *key, struct arena *arena)
{
    struct kept_key kept = {0};

    kept.key = keep(scope, key, arena, &kept);
    return kept;
}

static int64_t turns(const struct imap_search_key *key, int64_t internaldate, int64_t now)
{
    int64_t first = INT64_MAX, turn = INT64_MAX;

    for (size_t i = 0; i < key->n_children; i++)
        first = MIN(first, turns(key->children[i], internaldate, now));
    if (key->kind == IMAP_KEY_OLDER) /* INTERNALDATE <= now - n from then on */
        turn = internaldate + (int64_t) key->number;
    else if (key->kind == IMAP_KEY_YOUNGER) /* INTERNALDATE >= now - n until then */
        turn = internaldate + (int64_t) key->number + 1;
    return turn > now ? MIN(first, turn) : first;
}

int64_t kept_key_turns(const struct kept_key *kept, int64_t internaldate, int64_t now)
{
    return turns(kept->key, internaldate, now);
}
