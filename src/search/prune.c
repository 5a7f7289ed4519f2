/* prune.c - bounds of keys over a window of messages. */
#include "search/prune.h"

#include <assert.h>

#include "search/leaf.h"

#define NO_SEGMENT UINT8_MAX
#define NODE_WORK  200u /* of one key over one window, in the unit of bytes looked at */

/* What the segments say of one key: bits of those that may meet it, in the order of the
 * segments; NULL: nothing. */
struct asked_leaf {
    struct leaf leaf;
    uint64_t **upper;
};

struct pruner {
    const struct search_scope *scope;
    struct text_index *index;
    struct plan_node *plan;
    struct arena *arena;
    struct index_row *row; /* NULL: no index */
    size_t n_segments;
    bool *is_bad; /* of each segment: damaged, not asked again */
    struct asked_leaf *leaves;
    size_t n_leaves, cap_leaves;
    size_t n_turned; /* pruner_turn(): leaves that the new plan has got back */
    size_t next;     /* of n_leaves * n_segments questions */
    size_t bits_bytes;

    struct window *window; /* the one at hand */
    int64_t now;
    uint64_t *work;
    bool has_bodies;  /* segment and number are those of the window */
    bool is_straight; /* numbers of one segment, one after the other */
    uint8_t segment[CHUNK_MESSAGES];
    uint32_t number[CHUNK_MESSAGES];
};

static void add_leaf(struct pruner *pruner, struct plan_node *node)
{
    struct leaf leaf = leaf_of(node, pruner->arena);

    if (leaf.kind == LEAF_NONE)
        return;
    if (pruner->n_leaves == pruner->cap_leaves) {
        pruner->cap_leaves = MAX(2 * pruner->cap_leaves, (size_t) 8);
        pruner->leaves = xrealloc(pruner->leaves, pruner->cap_leaves * sizeof(*pruner->leaves));
    }
    pruner->leaves[pruner->n_leaves++] = (struct asked_leaf){
        .leaf = leaf,
        .upper = xcalloc(MAX(pruner->n_segments, (size_t) 1), sizeof(uint64_t *))};
    node->leaf = (uint32_t) pruner->n_leaves;
}

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
static void find_leaves(struct pruner *pruner, struct plan_node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        find_leaves(pruner, node->children[i]);
    if (node->n_children == 0)
        add_leaf(pruner, node);
}

struct pruner *pruner_new(const struct search_scope *scope, struct text_index *index,
                          struct plan_node *plan, struct arena *arena)
{
    struct pruner *pruner = xcalloc(1, sizeof(*pruner));

    pruner->scope = scope;
    pruner->index = index;
    pruner->plan = plan;
    pruner->arena = arena;
    if (index != NULL && plan->cost >= COST_DIGEST)
        pruner->row = text_index_take(index, account_id(scope->account));
    if (pruner->row == NULL)
        return pruner;
    pruner->n_segments = MIN(pruner->row->n, (size_t) PRUNE_SEGMENTS_MAX);
    pruner->is_bad = xcalloc(MAX(pruner->n_segments, (size_t) 1), sizeof(bool));
    find_leaves(pruner, plan);
    return pruner;
}

void pruner_free(struct pruner *pruner)
{
    if (pruner == NULL)
        return;
    for (size_t i = 0; i < pruner->n_leaves; i++) {
        for (size_t k = 0; k < pruner->n_segments; k++)
            free(pruner->leaves[i].upper[k]);
        free(pruner->leaves[i].upper);
    }
    free(pruner->leaves);
    free(pruner->is_bad);
    index_row_unref(pruner->row);
    free(pruner);
}

/* Leaves come in the order in which they came at first: a plan of the same keys has the same
 * shape. As deep as keys nest: SEARCH_MAX_DEPTH. */
static void turn_leaves(struct pruner *pruner, struct plan_node *node)
{
    struct leaf leaf = {.kind = LEAF_NONE};

    for (size_t i = 0; i < node->n_children; i++)
        turn_leaves(pruner, node->children[i]);
    if (node->n_children == 0)
        leaf = leaf_of(node, pruner->arena);
    if (leaf.kind == LEAF_NONE)
        return;
    pruner->leaves[pruner->n_turned++].leaf = leaf;
    node->leaf = (uint32_t) pruner->n_turned;
}

void pruner_turn(struct pruner *pruner, const struct search_scope *scope,
                 struct plan_node *plan, struct arena *arena)
{
    pruner->scope = scope;
    pruner->plan = plan;
    pruner->arena = arena;
    pruner->n_turned = 0;
    if (pruner->row != NULL)
        turn_leaves(pruner, plan);
    assert(pruner->n_turned == pruner->n_leaves);
}

bool prune_has_index(const struct pruner *pruner)
{
    return pruner->row != NULL;
}

/* ---- questions to the index ---- */

static void ask(struct pruner *pruner, struct asked_leaf *asked, size_t at, uint64_t *work)
{
    const struct text_segment *segment = pruner->row->segments[at];
    size_t words = BITS_WORDS(text_segment_span(segment));
    AUTO(freep) uint64_t *bits = NULL;
    struct err err;
    enum rc rc;

    if (pruner->is_bad[at] || words * sizeof(*bits) > PRUNE_BITS_MAX_BYTES - pruner->bits_bytes)
        return;
    bits = xmalloc(words * sizeof(*bits));
    rc = leaf_ask(&asked->leaf, segment, bits, work, &err);
    if (rc) {
        pruner->is_bad[at] = true;
        if (rc == RC_CORRUPT)
            text_index_damaged(pruner->index, account_id(pruner->scope->account),
                               text_segment_name(segment));
        return;
    }
    bits_or(bits, text_segment_uncovered(segment), words);
    pruner->bits_bytes += words * sizeof(*bits);
    asked->upper[at] = TAKE(bits);
}

enum rc prune_prepare(struct pruner *pruner, uint64_t slice, uint64_t *work)
{
    size_t n = pruner->n_leaves * pruner->n_segments;

    for (; pruner->next < n; pruner->next++) {
        if (*work > slice)
            return RC_MORE;
        *work += NODE_WORK;
        ask(pruner, &pruner->leaves[pruner->next / pruner->n_segments],
            pruner->next % pruner->n_segments, work);
    }
    return RC_OK;
}

/* ---- bodies of a window ---- */

static uint8_t segment_of(const struct pruner *pruner, uint64_t body_id)
{
    size_t low = 0, high = pruner->n_segments;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (text_segment_name(pruner->row->segments[middle])->to <= body_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == pruner->n_segments ||
        text_segment_name(pruner->row->segments[low])->from > body_id)
        return NO_SEGMENT;
    return (uint8_t) low;
}

static void find_bodies(struct pruner *pruner)
{
    const struct window *window = pruner->window;
    const struct derived_name *name = NULL;
    uint8_t segment = NO_SEGMENT;

    pruner->is_straight = true;
    for (uint32_t at = 0; at < window->n; at++) {
        uint64_t body_id = window_cold(window, at)->body_id;

        if (name == NULL || body_id < name->from || body_id >= name->to) {
            segment = segment_of(pruner, body_id);
            name = segment != NO_SEGMENT ? text_segment_name(pruner->row->segments[segment])
                                         : NULL;
        }
        pruner->segment[at] = segment;
        pruner->number[at] = name != NULL ? (uint32_t) (body_id - name->from) : 0;
        if (segment != pruner->segment[0] || pruner->number[at] != pruner->number[0] + at)
            pruner->is_straight = false;
    }
    *pruner->work += window->n;
}

static bool need_bodies(struct pruner *pruner)
{
    if (pruner->row == NULL || !window_need_cold(pruner->window))
        return false;
    if (!pruner->has_bodies)
        find_bodies(pruner);
    pruner->has_bodies = true;
    return true;
}

bool prune_is_covered(const struct pruner *pruner, uint32_t at)
{
    uint8_t segment;

    if (!pruner->has_bodies)
        return false;
    segment = pruner->segment[at];
    return segment != NO_SEGMENT &&
           !bit_is_set(text_segment_uncovered(pruner->row->segments[segment]),
                       pruner->number[at]);
}

/* ---- bounds ---- */

/* The window's messages whose numbers are in bits; what a segment has not answered may be. */
static void pick(const struct pruner *pruner, uint64_t *const *bits, uint64_t *out)
{
    const struct window *window = pruner->window;

    for (uint32_t at = 0; at < window->n; at++) {
        uint8_t segment = pruner->segment[at];
        bool is = segment == NO_SEGMENT || bits[segment] == NULL ||
                  bit_is_set(bits[segment], pruner->number[at]);

        out[at / 64] |= (uint64_t) is << (at % 64);
    }
}

/* The same where the window's numbers follow each other: words are moved. */
static void pick_straight(const struct pruner *pruner, const uint64_t *bits, uint64_t *out)
{
    uint32_t n = pruner->window->n, first = pruner->number[0];
    size_t word = first / 64, last = (first + n - 1) / 64;
    unsigned shift = first % 64;

    for (size_t i = 0; i < BITS_WORDS(n); i++, word++) {
        out[i] = bits[word] >> shift;
        if (shift > 0 && word < last)
            out[i] |= bits[word + 1] << (64 - shift);
    }
}

static void unknown(const struct pruner *pruner, struct bounds *out)
{
    bits_clear(out->lower, WINDOW_WORDS);
    window_all(pruner->window, out->upper);
}

static void bounds_of_leaf(struct pruner *pruner, const struct asked_leaf *asked,
                           struct bounds *out)
{
    uint8_t segment;

    unknown(pruner, out);
    if (!need_bodies(pruner))
        return;
    segment = pruner->segment[0];
    if (pruner->is_straight && segment != NO_SEGMENT && asked->upper[segment] != NULL) {
        uint64_t all[WINDOW_WORDS];

        window_all(pruner->window, all);
        bits_clear(out->upper, WINDOW_WORDS);
        pick_straight(pruner, asked->upper[segment], out->upper);
        bits_and(out->upper, all, WINDOW_WORDS);
    } else {
        bits_clear(out->upper, WINDOW_WORDS);
        pick(pruner, asked->upper, out->upper);
    }
    if (!asked->leaf.is_exact)
        return;
    for (uint32_t at = 0; at < pruner->window->n; at++) {
        if (out->upper[at / 64] == 0) {
            at |= 63;
            continue;
        }
        if (bit_is_set(out->upper, at) && prune_is_covered(pruner, at) &&
            asked->upper[pruner->segment[at]] != NULL)
            bit_set(out->lower, at);
    }
}

static void bounds_of(struct pruner *pruner, const struct plan_node *node, struct bounds *out);

static void bounds_of_and(struct pruner *pruner, const struct plan_node *node,
                          struct bounds *out)
{
    struct bounds child;

    window_all(pruner->window, out->lower);
    window_all(pruner->window, out->upper);
    for (size_t i = 0; i < node->n_children && bits_any(out->upper, WINDOW_WORDS); i++) {
        bounds_of(pruner, node->children[i], &child);
        bits_and(out->lower, child.lower, WINDOW_WORDS);
        bits_and(out->upper, child.upper, WINDOW_WORDS);
    }
    bits_and(out->lower, out->upper, WINDOW_WORDS);
}

static void bounds_of_or(struct pruner *pruner, const struct plan_node *node,
                         struct bounds *out)
{
    struct bounds child;

    bits_clear(out->lower, WINDOW_WORDS);
    bits_clear(out->upper, WINDOW_WORDS);
    for (size_t i = 0; i < node->n_children; i++) {
        bounds_of(pruner, node->children[i], &child);
        bits_or(out->lower, child.lower, WINDOW_WORDS);
        bits_or(out->upper, child.upper, WINDOW_WORDS);
    }
}

static void bounds_of_not(struct pruner *pruner, const struct plan_node *node,
                          struct bounds *out)
{
    struct bounds child;

    bounds_of(pruner, node->children[0], &child);
    window_all(pruner->window, out->lower);
    window_all(pruner->window, out->upper);
    for (size_t i = 0; i < WINDOW_WORDS; i++) {
        out->lower[i] &= ~child.upper[i];
        out->upper[i] &= ~child.lower[i];
    }
}

/* Recursion as deep as the keys nest: SEARCH_MAX_DEPTH. */
static void bounds_of(struct pruner *pruner, const struct plan_node *node, struct bounds *out)
{
    *pruner->work += NODE_WORK;
    if (node->key->kind == IMAP_KEY_AND) {
        bounds_of_and(pruner, node, out);
    } else if (node->key->kind == IMAP_KEY_OR) {
        bounds_of_or(pruner, node, out);
    } else if (node->key->kind == IMAP_KEY_NOT) {
        bounds_of_not(pruner, node, out);
    } else if (node->leaf > 0) {
        bounds_of_leaf(pruner, &pruner->leaves[node->leaf - 1], out);
    } else if (window_ask(pruner->window, node, pruner->now, out->upper)) {
        memcpy(out->lower, out->upper, sizeof(out->lower));
    } else {
        unknown(pruner, out);
    }
}

void prune_window(struct pruner *pruner, struct window *window, int64_t now, struct bounds *out,
                  uint64_t *work)
{
    pruner->window = window;
    pruner->now = now;
    pruner->work = work;
    pruner->has_bodies = false;
    *work += window->n / 64;
    bounds_of(pruner, pruner->plan, out);
}
