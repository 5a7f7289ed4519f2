/* prune.c - bounds of keys over a window of messages. */
#include "search/prune.h"

#include <assert.h>

#include "search/leaf.h"
#include "search/word_ask.h"

#define NO_SEGMENT UINT8_MAX
#define NODE_WORK  200u /* of one key over one window, in the unit of bytes looked at */

/* What the segments say of one key: bits of those that may meet it, in the order of the
 * segments; NULL: nothing. */
struct asked_leaf {
    struct leaf leaf;
    uint64_t **upper;
    uint64_t **done;  /* FIELD: which blocks of texts were searched */
    uint8_t **scores; /* of fuzzy keys, if they are wanted; WORD_SCORE_UNSURE: unknown */
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
    struct word_ask *asking; /* the question at hand, if it takes several slices */
    uint64_t *asking_bits;
    uint8_t *asking_scores;
    bool has_scores; /* they are wanted, and nodes have room for them */

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
        .upper = xcalloc(MAX(pruner->n_segments, (size_t) 1), sizeof(uint64_t *)),
        .done = xcalloc(MAX(pruner->n_segments, (size_t) 1), sizeof(uint64_t *)),
        .scores = xcalloc(MAX(pruner->n_segments, (size_t) 1), sizeof(uint8_t *))};
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

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
static uint32_t count_fuzzy(const struct plan_node *node)
{
    uint32_t n = node->has_fuzzy;

    for (size_t i = 0; i < node->n_children && n <= PRUNE_SCORED_MAX; i++)
        n += count_fuzzy(node->children[i]);
    return n;
}

static void make_scores(struct pruner *pruner, struct plan_node *node)
{
    if (!node->has_fuzzy)
        return;
    node->scores = ARENA_ARRAY(pruner->arena, uint8_t, CHUNK_MESSAGES);
    for (size_t i = 0; i < node->n_children; i++)
        make_scores(pruner, node->children[i]);
}

static void need_scores(struct pruner *pruner)
{
    pruner->has_scores =
        pruner->scope->wants_scores && count_fuzzy(pruner->plan) <= PRUNE_SCORED_MAX;
    if (pruner->has_scores)
        make_scores(pruner, pruner->plan);
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
    need_scores(pruner);
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
        for (size_t k = 0; k < pruner->n_segments; k++) {
            free(pruner->leaves[i].upper[k]);
            free(pruner->leaves[i].done[k]);
            free(pruner->leaves[i].scores[k]);
        }
        free(pruner->leaves[i].upper);
        free(pruner->leaves[i].done);
        free(pruner->leaves[i].scores);
    }
    word_ask_free(pruner->asking);
    free(pruner->asking_bits);
    free(pruner->asking_scores);
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
    if (pruner->row != NULL) {
        need_scores(pruner);
        turn_leaves(pruner, plan);
    }
    assert(pruner->n_turned == pruner->n_leaves);
}

/* ---- questions to the index ---- */

/* How much a question's answer takes for so many numbers. */
static size_t answer_bytes(const struct pruner *pruner, const struct leaf *leaf, uint32_t span)
{
    size_t bytes = BITS_WORDS(span) * sizeof(uint64_t);

    return leaf->kind == LEAF_WORDS && pruner->has_scores ? bytes + span : bytes;
}

/* The bits go to *bits; RC_MORE: ask again. */
static enum rc ask_words(struct pruner *pruner, const struct leaf *leaf,
                         const struct text_segment *segment, uint64_t slice, uint64_t *work,
                         struct err *err)
{
    enum rc rc;

    if (pruner->asking == NULL) {
        uint32_t span = text_segment_span(segment);

        pruner->asking_bits = xcalloc(BITS_WORDS(span), sizeof(uint64_t));
        if (pruner->has_scores)
            pruner->asking_scores = xcalloc(span, sizeof(uint8_t));
        pruner->asking = word_ask_new(segment, leaf->node->fuzzy, leaf->node->weights.in,
                                      pruner->asking_bits, pruner->asking_scores);
    }
    rc = word_ask_go(pruner->asking, slice, work, err);
    if (rc != RC_MORE) {
        word_ask_free(pruner->asking);
        pruner->asking = NULL;
    }
    return rc;
}

static enum rc ask_leaf(struct pruner *pruner, const struct leaf *leaf,
                        const struct text_segment *segment, uint64_t slice, uint64_t *work,
                        struct err *err)
{
    size_t words = BITS_WORDS(text_segment_span(segment));

    if (leaf->kind == LEAF_WORDS)
        return ask_words(pruner, leaf, segment, slice, work, err);
    pruner->asking_bits = xmalloc(words * sizeof(uint64_t));
    return leaf_ask(leaf, segment, pruner->asking_bits, work, err);
}

/* A segment that did not answer is not asked again. */
static void give_up(struct pruner *pruner, size_t at, enum rc rc)
{
    pruner->is_bad[at] = true;
    if (rc == RC_CORRUPT)
        text_index_damaged(pruner->index, account_id(pruner->scope->account),
                           text_segment_name(pruner->row->segments[at]));
}

/* RC_MORE: there is more to ask. */
static enum rc ask(struct pruner *pruner, struct asked_leaf *asked, size_t at, uint64_t slice,
                   uint64_t *work)
{
    const struct text_segment *segment = pruner->row->segments[at];
    uint32_t span = text_segment_span(segment);
    size_t bytes = answer_bytes(pruner, &asked->leaf, span);
    struct err err;
    enum rc rc;

    if (pruner->is_bad[at] || bytes > PRUNE_BITS_MAX_BYTES - pruner->bits_bytes)
        return RC_OK;
    rc = ask_leaf(pruner, &asked->leaf, segment, slice, work, &err);
    if (rc == RC_MORE)
        return RC_MORE;
    if (rc == RC_OK) {
        bits_or(pruner->asking_bits, leaf_uncovered(&asked->leaf, segment), BITS_WORDS(span));
        pruner->bits_bytes += bytes;
        asked->upper[at] = TAKE(pruner->asking_bits);
        asked->scores[at] = TAKE(pruner->asking_scores);
        if (asked->leaf.kind == LEAF_FIELD)
            asked->done[at] =
                xcalloc(BITS_WORDS(text_segment_blocks(segment, asked->leaf.field)) + 1,
                        sizeof(uint64_t));
        return RC_OK;
    }
    free(TAKE(pruner->asking_bits));
    free(TAKE(pruner->asking_scores));
    give_up(pruner, at, rc);
    return RC_OK;
}

enum rc prune_prepare(struct pruner *pruner, uint64_t slice, uint64_t *work)
{
    size_t n = pruner->n_leaves * pruner->n_segments;

    for (; pruner->next < n; pruner->next++) {
        if (*work > slice)
            return RC_MORE;
        *work += NODE_WORK;
        if (ask(pruner, &pruner->leaves[pruner->next / pruner->n_segments],
                pruner->next % pruner->n_segments, slice, work) == RC_MORE)
            return RC_MORE;
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

/* Does the index's "yes" hold, and is all known that is asked? Then the score is kept too. */
static bool is_certain(const struct pruner *pruner, const struct plan_node *node,
                       const struct asked_leaf *asked, uint32_t at)
{
    uint8_t segment = pruner->segment[at], score;
    uint32_t number = pruner->number[at];

    if (segment == NO_SEGMENT || asked->upper[segment] == NULL ||
        bit_is_set(leaf_uncovered(&asked->leaf, pruner->row->segments[segment]), number))
        return false;
    if (asked->leaf.kind != LEAF_WORDS || !pruner->scope->wants_scores)
        return true;
    if (asked->scores[segment] == NULL)
        return false;
    score = asked->scores[segment][number];
    node->scores[at] = score;
    return score != WORD_SCORE_UNSURE;
}

/* Messages from..to - 1 of the window, whose numbers follow each other in one segment. */
static void search_run(struct pruner *pruner, struct asked_leaf *asked, uint32_t from,
                       uint32_t to)
{
    uint8_t at = pruner->segment[from];
    struct err err;
    enum rc rc;

    if (at == NO_SEGMENT || asked->upper[at] == NULL ||
        !bits_any_in(asked->upper[at], pruner->number[from], to - from))
        return;
    rc = leaf_ask_field(&asked->leaf, pruner->row->segments[at], pruner->number[from],
                        to - from, asked->done[at], asked->upper[at], pruner->work, &err);
    if (rc == RC_OK)
        return;
    free(TAKE(asked->upper[at]));
    give_up(pruner, at, rc);
}

/* The fields' texts of the window's messages, where they may decide. */
static void search_texts(struct pruner *pruner, struct asked_leaf *asked)
{
    uint32_t from = 0, n = pruner->window->n;

    while (from < n) {
        uint32_t to = pruner->is_straight ? n : from + 1;

        while (to < n && pruner->segment[to] == pruner->segment[from] &&
               pruner->number[to] == pruner->number[from] + (to - from))
            to++;
        search_run(pruner, asked, from, to);
        from = to;
    }
}

static void bounds_of_leaf(struct pruner *pruner, const struct plan_node *node,
                           struct bounds *out)
{
    struct asked_leaf *asked = &pruner->leaves[node->leaf - 1];
    uint8_t segment;

    unknown(pruner, out);
    if (!need_bodies(pruner))
        return;
    if (asked->leaf.kind == LEAF_FIELD)
        search_texts(pruner, asked);
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
        if (bit_is_set(out->upper, at) && is_certain(pruner, node, asked, at))
            bit_set(out->lower, at);
    }
}

/* ---- scores: RFC 6203 4, as match.c has them ---- */

/* NOT says nothing of how much. */
static bool has_scores(const struct plan_node *node)
{
    return node->scores != NULL && node->key->kind != IMAP_KEY_NOT;
}

/* All are met: the mean of those that say something. */
static uint8_t mean_score(const struct plan_node *node, uint32_t at)
{
    unsigned sum = 0, n = 0;

    for (size_t i = 0; i < node->n_children; i++) {
        const struct plan_node *child = node->children[i];
        unsigned score = has_scores(child) ? child->scores[at] : FUZZY_NO_SCORE;

        sum += score != FUZZY_NO_SCORE ? score : 0;
        n += score != FUZZY_NO_SCORE;
    }
    return (uint8_t) (n > 0 ? sum / n : FUZZY_NO_SCORE);
}

static void score_and(const struct plan_node *node, const struct window *window,
                      const struct bounds *bounds)
{
    for (uint32_t at = 0; has_scores(node) && at < window->n; at++)
        if (bit_is_set(bounds->lower, at))
            node->scores[at] = mean_score(node, at);
}

/* One more of a choice: the best counts. */
static void score_or(const struct plan_node *node, const struct plan_node *child,
                     const struct window *window, const struct bounds *bounds)
{
    for (uint32_t at = 0; at < window->n; at++) {
        uint8_t score = has_scores(child) ? child->scores[at] : (uint8_t) FUZZY_NO_SCORE;

        if (bit_is_set(bounds->lower, at))
            node->scores[at] = (uint8_t) MAX(node->scores[at], score);
    }
}

/* Who may meet another of the choice as well may have a better score by it. */
static void leave_unsure(const struct plan_node *node, const struct window *window,
                         const uint64_t *unsure, uint64_t *lower)
{
    for (uint32_t at = 0; at < window->n; at++)
        if (bit_is_set(unsure, at) && node->scores[at] != FUZZY_NO_SCORE)
            lower[at / 64] &= ~((uint64_t) 1 << (at % 64));
}

/* ---- keys of keys ---- */

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
    score_and(node, pruner->window, out);
}

static void bounds_of_or(struct pruner *pruner, const struct plan_node *node,
                         struct bounds *out)
{
    uint64_t unsure[WINDOW_WORDS] = {0};
    struct bounds child;

    bits_clear(out->lower, WINDOW_WORDS);
    bits_clear(out->upper, WINDOW_WORDS);
    if (node->scores != NULL)
        memset(node->scores, 0, CHUNK_MESSAGES);
    for (size_t i = 0; i < node->n_children; i++) {
        bounds_of(pruner, node->children[i], &child);
        bits_or(out->lower, child.lower, WINDOW_WORDS);
        bits_or(out->upper, child.upper, WINDOW_WORDS);
        if (node->scores != NULL)
            score_or(node, node->children[i], pruner->window, &child);
        for (size_t k = 0; k < WINDOW_WORDS; k++)
            unsure[k] |= child.upper[k] & ~child.lower[k];
    }
    if (node->scores != NULL)
        leave_unsure(node, pruner->window, unsure, out->lower);
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
        bounds_of_leaf(pruner, node, out);
    } else if (window_ask(pruner->window, node, pruner->now, out->upper)) {
        memcpy(out->lower, out->upper, sizeof(out->lower));
    } else {
        unknown(pruner, out);
    }
}

const uint8_t *prune_scores(const struct pruner *pruner)
{
    return has_scores(pruner->plan) ? pruner->plan->scores : NULL;
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
