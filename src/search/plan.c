#include "search/plan.h"

#include "search/resolve.h"

static enum plan_cost cost_of(enum imap_key kind)
{
    switch (kind) {
    case IMAP_KEY_ALL:
    case IMAP_KEY_AND:
    case IMAP_KEY_OR:
    case IMAP_KEY_NOT:
    case IMAP_KEY_SEQ:
    case IMAP_KEY_UID:
    case IMAP_KEY_FLAG:
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_MODSEQ:
    case IMAP_KEY_ANNOTATION:
        return COST_COLUMN;
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER:
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
        return COST_COLD;
    case IMAP_KEY_THREADID:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
        return COST_DIGEST;
    case IMAP_KEY_BCC:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TO:
    case IMAP_KEY_HEADER:
    case IMAP_KEY_BODY:
    case IMAP_KEY_TEXT:
        return COST_TEXT;
    }
    return COST_TEXT;
}

enum rc plan_named_uids(const struct search_scope *scope, const struct imap_search_key *key,
                        struct arena *arena, struct uid_set *out, struct err *err)
{
    uint64_t ignored;

    if (key->set.saved)
        *out = scope->saved;
    else if (key->kind == IMAP_KEY_UID)
        *out = resolve_uids(scope->view, &key->set.set, arena);
    else if (scope->seqs_may_miss)
        *out = resolve_known_seqs(scope->view, &key->set.set, arena);
    else
        return resolve_seqs(scope->view, &key->set.set, arena, out, &ignored, err);
    return RC_OK;
}

static struct fuzzy_weights weights_of(const struct imap_search_key *key)
{
    static const struct fuzzy_weights everywhere = {
        .in = {[WORD_IN_FROM] = FUZZY_IN_ADDRESSES,
               [WORD_IN_TO] = FUZZY_IN_ADDRESSES,
               [WORD_IN_CC] = FUZZY_IN_ADDRESSES,
               [WORD_IN_BCC] = FUZZY_IN_ADDRESSES,
               [WORD_IN_SUBJECT] = FUZZY_IN_SUBJECT,
               [WORD_IN_OTHER] = FUZZY_IN_OTHER_FIELD,
               [WORD_IN_PART] = FUZZY_IN_PART}
    };
    static const enum word_place places[] = {[IMAP_KEY_BCC] = WORD_IN_BCC,
                                             [IMAP_KEY_CC] = WORD_IN_CC,
                                             [IMAP_KEY_FROM] = WORD_IN_FROM,
                                             [IMAP_KEY_SUBJECT] = WORD_IN_SUBJECT,
                                             [IMAP_KEY_TO] = WORD_IN_TO};
    struct fuzzy_weights weights = {.is_one_field = false};
    enum word_place place;

    if (key->kind == IMAP_KEY_TEXT)
        return everywhere;
    if (key->kind == IMAP_KEY_BODY) {
        weights.in[WORD_IN_PART] = FUZZY_IN_PART;
        return weights;
    }
    place = key->kind == IMAP_KEY_HEADER ? word_place_of_field(key->field) : places[key->kind];
    weights.in[place] = FUZZY_BEST;
    weights.is_one_field = place == WORD_IN_OTHER;
    return weights;
}

static enum rc fill_leaf(const struct search_scope *scope, const struct comparison *by,
                         struct plan_node *node, struct arena *arena, struct err *err)
{
    const struct imap_search_key *key = node->key;

    if (key->kind == IMAP_KEY_SEQ || key->kind == IMAP_KEY_UID)
        return plan_named_uids(scope, key, arena, &node->uids, err);
    if (key->kind == IMAP_KEY_KEYWORD)
        node->keyword = mbox_keyword_index(view_mbox(scope->view), key->text);
    else if (key->kind == IMAP_KEY_EMAILID)
        node->has_id = object_id_parse('E', key->text, &node->id);
    else if (key->kind == IMAP_KEY_THREADID)
        node->has_id = object_id_parse('T', key->text, &node->id);
    else if (key->kind == IMAP_KEY_ANNOTATION)
        list_pattern_init(&node->entries, SLICE(""), key->field, arena);
    if (node->cost == COST_TEXT)
        needle_init_by(&node->needle, key->text, by, arena);
    if (node->cost == COST_TEXT && key->fuzzy)
        node->fuzzy = fuzzy_new(key->text, arena);
    if (node->fuzzy != NULL)
        node->weights = weights_of(key);
    if (key->kind == IMAP_KEY_ANNOTATION)
        needle_init(&node->needle, key->text, arena);
    return RC_OK;
}

/* Children in the order of their cost, those of one cost as they were written. */
static void sort_by_cost(struct plan_node *node, struct arena *arena)
{
    struct plan_node **sorted = ARENA_ARRAY(arena, struct plan_node *, node->n_children);
    size_t n = 0;

    for (enum plan_cost cost = COST_COLUMN; cost < PLAN_COST_COUNT; cost++)
        for (size_t i = 0; i < node->n_children; i++)
            if (node->children[i]->cost == cost)
                sorted[n++] = node->children[i];
    node->children = sorted;
}

/* The parser keeps nesting within SEARCH_MAX_DEPTH, so the recursion is counted. */
enum rc plan_make(const struct search_scope *scope, const struct comparison *by,
                  const struct imap_search_key *key, struct arena *arena,
                  struct plan_node **out, struct err *err)
{
    struct plan_node *node = ARENA_NEW(arena, struct plan_node);

    node->key = key;
    node->cost = cost_of(key->kind);
    if (key->n_children == 0) {
        enum rc rc = fill_leaf(scope, by, node, arena, err);

        if (rc)
            return rc;
    }
    node->has_fuzzy = node->fuzzy != NULL;
    node->n_children = key->n_children;
    node->children = ARENA_ARRAY(arena, struct plan_node *, key->n_children);
    for (size_t i = 0; i < key->n_children; i++) {
        enum rc rc = plan_make(scope, by, key->children[i], arena, &node->children[i], err);

        if (rc)
            return rc;
        node->cost = MAX(node->cost, node->children[i]->cost);
        node->has_fuzzy = node->has_fuzzy || node->children[i]->has_fuzzy;
    }
    sort_by_cost(node, arena);
    *out = node;
    return RC_OK;
}
