#include "search/candidates.h"

/* One of a step. */
struct candidate {
    uint64_t body_id;
    struct match_asked asked;
    uint32_t at; /* in the window */
    bool is_asked;
};

struct candidates {
    struct match *match;
    uint8_t *scores; /* NULL: nobody asks */
    const struct plan_node *plan;
    bool reads_keys; /* some key needs more of a digest than its text */
    size_t n;
    struct candidate list[CANDIDATES_MAX];
    uint64_t ids[CANDIDATES_MAX];
    /* Of the step. */
    struct bounds *bounds;
    bool is_cut;     /* the match left a message, which is asked next */
    uint32_t cut_at; /* in the window */
    uint32_t n_damaged;
    struct err failed; /* rc RC_OK: nothing failed */
};

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
static bool reads_keys(const struct plan_node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        if (reads_keys(node->children[i]))
            return true;
    return node->n_children == 0 && node->cost == COST_DIGEST;
}

struct candidates *candidates_new(struct match *match, const struct plan_node *plan)
{
    struct candidates *candidates = xcalloc(1, sizeof(*candidates));

    candidates->match = match;
    candidates->plan = plan;
    candidates->reads_keys = reads_keys(plan);
    return candidates;
}

void candidates_keep_scores(struct candidates *candidates, uint8_t *scores)
{
    candidates->scores = scores;
}

void candidates_free(struct candidates *candidates)
{
    free(candidates);
}

/* ---- choosing ---- */

static enum digest_wanted wanted_of(const struct candidates *candidates, bool is_covered)
{
    if (candidates->plan->cost < COST_TEXT)
        return DIGEST_GET_CORE;
    return is_covered && !candidates->reads_keys ? DIGEST_GET_TEXT : DIGEST_GET_WHOLE;
}

/* Without its row a message has neither body nor size: whoever opens it hears why. */
static void add(struct candidates *candidates, const struct window *window, uint32_t at,
                bool has_row, bool is_covered)
{
    struct candidate *candidate = &candidates->list[candidates->n++];

    *candidate = (struct candidate){
        .at = at,
        .asked = {.uid = window_uid(window, at),
                  .index = window->first + at,
                  .is_covered = is_covered,
                  .kind = wanted_of(candidates, is_covered)}
    };
    if (!has_row)
        return;
    candidate->body_id = window_cold(window, at)->body_id;
    candidate->asked.size = window_cold(window, at)->size;
}

/* Returns the end of what is decided when those are. */
static uint32_t choose(struct candidates *candidates, struct window *window,
                       const struct pruner *pruner, uint32_t from, uint64_t most)
{
    const struct bounds *bounds = candidates->bounds;
    bool has_row = window_need_cold(window);
    uint64_t bytes = 0;

    candidates->n = 0;
    for (uint32_t at = from; at < window->n;) {
        uint64_t open = (bounds->upper[at / 64] & ~bounds->lower[at / 64]) >> (at % 64);

        if (open == 0) {
            at += 64 - at % 64;
            continue;
        }
        at += (uint32_t) __builtin_ctzll(open);
        if (candidates->n == CANDIDATES_MAX || bytes >= most)
            return at;
        add(candidates, window, at, has_row, prune_is_covered(pruner, at));
        bytes += candidates->list[candidates->n - 1].asked.size;
        at++;
    }
    return window->n;
}

/* The one that was left. */
static void choose_cut(struct candidates *candidates, struct window *window,
                       const struct pruner *pruner)
{
    uint32_t at = candidates->cut_at;
    bool has_row = window_need_cold(window);

    candidates->n = 0;
    add(candidates, window, at, has_row, prune_is_covered(pruner, at));
}

/* Those of which the same is read, by their bodies: so they lie in the store. */
static int by_place(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->asked.kind != y->asked.kind)
        return x->asked.kind < y->asked.kind ? -1 : 1;
    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/* ---- asking ---- */

static void ask(struct candidates *candidates, struct candidate *candidate, struct slice bytes)
{
    struct match *match = candidates->match;
    uint64_t bit = (uint64_t) 1 << (candidate->at % 64);
    bool hit;

    if (candidate->is_asked || candidates->is_cut || candidates->failed.rc != RC_OK)
        return;
    candidate->asked.bytes = bytes;
    hit = match_message(match, candidates->plan, &candidate->asked);
    if (match->is_cut) {
        candidates->is_cut = true;
        candidates->cut_at = candidate->at;
        return;
    }
    candidate->is_asked = true;
    if (match->failed.rc == RC_CORRUPT)
        candidates->n_damaged++;
    else if (match->failed.rc != RC_OK && match->failed.rc != RC_NOT_FOUND)
        candidates->failed = match->failed;
    if (hit && candidates->scores != NULL)
        candidates->scores[candidate->at] = (uint8_t) match->score;
    if (hit && match->failed.rc == RC_OK)
        candidates->bounds->lower[candidate->at / 64] |= bit;
    else
        candidates->bounds->upper[candidate->at / 64] &= ~bit;
}

/* The candidates from `first` on, of which the same is read. */
struct reading {
    struct candidates *candidates;
    size_t first;
};

static void see_bytes(void *ctx, size_t at, struct slice bytes)
{
    const struct reading *reading = ctx;

    ask(reading->candidates, &reading->candidates->list[reading->first + at], bytes);
}

/* n candidates from first on, of one kind. */
static void read_some(struct candidates *candidates, size_t first, size_t n)
{
    struct account *account = candidates->match->account;
    struct engine *engine = mail_store_engine(account_store(account));
    struct reading reading = {candidates, first};
    const struct digest_scan scan = {.account = account_id(account),
                                     .version = DIGEST_VERSION,
                                     .wanted = candidates->list[first].asked.kind,
                                     .ids = candidates->ids + first,
                                     .n = n,
                                     .seen = see_bytes,
                                     .ctx = &reading};

    engine->ops->digest_scan(engine, &scan);
}

static void read_all(struct candidates *candidates)
{
    size_t n = candidates->n, end;

    qsort(candidates->list, n, sizeof(*candidates->list), by_place);
    for (size_t i = 0; i < n; i++)
        candidates->ids[i] = candidates->list[i].body_id;
    for (size_t first = 0; first < n; first = end) {
        end = first + 1;
        while (end < n &&
               candidates->list[end].asked.kind == candidates->list[first].asked.kind)
            end++;
        read_some(candidates, first, end - first);
    }
}

/* Those that were not read, until it is enough. Returns the place of the first that is left. */
static uint32_t open_others(struct candidates *candidates, uint32_t end)
{
    size_t n_opened = 0, most = candidates->n;

    if (candidates->plan->cost >= COST_DIGEST)
        most = CANDIDATES_OPENED_MAX;
    for (size_t i = 0; i < candidates->n; i++) {
        struct candidate *candidate = &candidates->list[i];

        if (!candidate->is_asked && n_opened++ < most)
            ask(candidates, candidate, SLICE(""));
        if (!candidate->is_asked)
            end = MIN(end, candidate->at);
    }
    return end;
}

enum rc candidates_decide(struct candidates *candidates, struct window *window,
                          const struct pruner *pruner, struct bounds *bounds, uint32_t from,
                          uint64_t bytes, uint32_t *out_end, uint32_t *n_damaged,
                          struct err *err)
{
    uint32_t end = from;

    candidates->bounds = bounds;
    candidates->n_damaged = 0;
    candidates->failed.rc = RC_OK;
    if (candidates->is_cut)
        choose_cut(candidates, window, pruner);
    else
        end = choose(candidates, window, pruner, from, bytes);
    candidates->is_cut = false;
    if (candidates->plan->cost >= COST_DIGEST)
        read_all(candidates);
    end = open_others(candidates, end);
    if (candidates->failed.rc != RC_OK) {
        *err = candidates->failed;
        return candidates->failed.rc;
    }
    *n_damaged += candidates->n_damaged;
    *out_end = end;
    return RC_OK;
}
