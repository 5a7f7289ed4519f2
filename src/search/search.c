#include "search/search.h"

#include <assert.h>

#include "search/candidates.h"
#include "search/resolve.h"

/* One slice: about half a millisecond of columns, one of text. Then others get their turn. The
 * first is short: most searches end in it, and it waits for no turn. */
#define SEARCH_FIRST_WORK ((uint64_t) 256 << 10)
#define SEARCH_SLICE_WORK ((uint64_t) 1 << 20)
#define FEW_MESSAGES      64u /* less to open than an index is to be asked */

struct search {
    struct search_scope scope;
    struct collator *collator; /* of the scope's comparator, if it is a language's */
    struct match match;
    struct plan_node *plan;
    struct pruner *pruner;
    struct candidates *candidates;
    bool is_prepared;
    uint64_t slice;     /* the work of the one at hand */
    uint32_t next, end; /* indexes of messages: of the next window; behind the last known */
    bool has_window;
    bool has_withheld; /* messages of the view: numbers do not follow the indexes */
    struct window window;
    size_t among_at; /* the first run that is not behind */
    struct bounds bounds;
    struct arena *arena;
    uint8_t
        *window_scores; /* of the window's messages; NULL: nobody asks, or no key is fuzzy */
    uint8_t *scores;    /* of the hits */
    uint32_t cap_scores;
    uint32_t at; /* in the window: those below are told */
    struct uid_set_builder uids, seqs;
    uint32_t count;
    bool asks_modseq; /* some key does: it is what the answer tells then */
    uint64_t modseq;
    uint32_t n_damaged;
};

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
static bool asks_modseq(const struct imap_search_key *key)
{
    for (size_t i = 0; i < key->n_children; i++)
        if (asks_modseq(key->children[i]))
            return true;
    return key->kind == IMAP_KEY_MODSEQ;
}

/* NULL: there is none, or it is not worth asking. */
static struct text_index *index_for(const struct search_scope *scope)
{
    if (scope->among != NULL && uid_set_span(scope->among) <= FEW_MESSAGES)
        return NULL;
    return mail_store_index(account_store(scope->account));
}

enum rc search_start(const struct search_scope *scope, const struct imap_search_key *key,
                     struct arena *arena, struct search **out, struct err *err)
{
    struct search *search = ARENA_NEW(arena, struct search);
    const struct mbox *mbox = view_mbox(scope->view);
    AUTO(collator_closep) struct collator *collator = NULL;
    struct comparison by = {.kind = comparator_kind(scope->comparator)};
    enum rc rc = RC_OK;

    if (by.kind == COMPARATOR_LANGUAGE)
        rc = collator_open(scope->comparator, &collator, err);
    by.collator = collator;
    if (!rc)
        rc = plan_make(scope, &by, key, arena, &search->plan, err);
    if (rc) {
        search_kept_free(scope->kept);
        return rc;
    }
    search->collator = TAKE(collator);
    search->scope = *scope;
    search->scope.kept = NULL;
    match_init(&search->match, scope);
    search->pruner = scope->kept;
    if (search->pruner != NULL)
        pruner_turn(search->pruner, &search->scope, search->plan, arena);
    else
        search->pruner = pruner_new(&search->scope, index_for(scope), search->plan, arena);
    search->candidates = candidates_new(&search->match, search->plan);
    search->arena = arena;
    if (search->plan->has_fuzzy && scope->wants_scores) {
        search->window_scores = ARENA_ARRAY(arena, uint8_t, CHUNK_MESSAGES);
        candidates_keep_scores(search->candidates, search->window_scores);
    }
    search->asks_modseq = asks_modseq(key);
    search->slice = SEARCH_FIRST_WORK;
    search->next = mbox_lower_bound(mbox, MAX(scope->from_uid, 1u));
    search->end = mbox_index_behind(mbox, view_last_uid(scope->view));
    uid_set_start(&search->uids, arena);
    uid_set_start(&search->seqs, arena);
    *out = search;
    return RC_OK;
}

/* ---- hits ---- */

static uint32_t seq_of(const struct search *search, uint32_t at)
{
    if (!search->has_withheld)
        return search->window.first + at + 1;
    return view_seq(search->scope.view, window_uid(&search->window, at));
}

static void note_modseq(struct search *search, uint32_t at)
{
    const struct chunk_view *chunk = &search->window.chunk;
    uint32_t delta = chunk->modseq_delta[search->window.row + at];
    const struct mbox_view *view = search->scope.view;
    bool is_plain =
        delta != MODSEQ_ESCAPE && reader_own_modseq(view_reader(view), view_mbox(view)) == 0;
    uint64_t modseq =
        is_plain ? chunk->modseq_base + delta : view_modseq(view, search->window.first + at);

    search->modseq = MAX(search->modseq, modseq);
}

/* Of messages from..to - 1 of the window. */
static void keep_scores(struct search *search, uint32_t from, uint32_t to)
{
    uint32_t n = search->count;

    if (search->cap_scores - n < to - from) {
        uint32_t cap = 2 * search->cap_scores + CHUNK_MESSAGES;
        uint8_t *more = ARENA_ARRAY(search->arena, uint8_t, cap);

        if (n > 0)
            memcpy(more, search->scores, n);
        search->scores = more;
        search->cap_scores = cap;
    }
    memcpy(search->scores + n, search->window_scores + from, to - from);
}

/* Messages from..to - 1 of the window, all of them hits. */
static void add_hits(struct search *search, uint32_t from, uint32_t to)
{
    const struct window *window = &search->window;

    if (search->window_scores != NULL)
        keep_scores(search, from, to);
    search->count += to - from;
    for (uint32_t at = from; search->asks_modseq && at < to; at++)
        note_modseq(search, at);
    while (from < to) {
        uint32_t uid = window_uid(window, from), seq = seq_of(search, from), n = 1;

        if (window_uid(window, to - 1) - uid == to - 1 - from && /* no uid between is missing */
            seq_of(search, to - 1) - seq == to - 1 - from)
            n = to - from;
        uid_set_add_run(&search->uids, uid, uid + n - 1);
        uid_set_add_run(&search->seqs, seq, seq + n - 1);
        from += n;
    }
}

/* ---- windows ---- */

/* The first of at..n - 1 that is not set. */
static uint32_t end_of_run(const uint64_t *words, uint32_t at, uint32_t n)
{
    while (at < n) {
        uint64_t left = ~words[at / 64] >> (at % 64);

        if (left != 0)
            return MIN(n, at + (uint32_t) __builtin_ctzll(left));
        at += 64 - at % 64;
    }
    return n;
}

static uint32_t next_set(const uint64_t *words, uint32_t at, uint32_t n)
{
    while (at < n) {
        uint64_t left = words[at / 64] >> (at % 64);

        if (left != 0)
            return MIN(n, at + (uint32_t) __builtin_ctzll(left));
        at += 64 - at % 64;
    }
    return n;
}

/* The hits from `at` on, up to `end`: all of them are decided. */
static void tell_decided(struct search *search, uint32_t end)
{
    const uint64_t *hits = search->bounds.lower;

    while ((search->at = next_set(hits, search->at, end)) < end) {
        uint32_t behind = end_of_run(hits, search->at, end);

        add_hits(search, search->at, behind);
        search->at = behind;
    }
}

/* RC_MORE: the slice is done. */
static enum rc decide_window(struct search *search, struct err *err)
{
    while (search->at < search->window.n) {
        uint32_t end;
        enum rc rc = candidates_decide(search->candidates, &search->window, search->pruner,
                                       &search->bounds, search->at, search->slice, &end,
                                       &search->n_damaged, err);

        if (rc)
            return rc;
        tell_decided(search, end);
        if (search->match.work >= search->slice && search->at < search->window.n)
            return RC_MORE;
    }
    return RC_OK;
}

/* Pass over what is not among those to be looked at. */
static void skip_others(struct search *search)
{
    const struct uid_set *among = search->scope.among;
    const struct mbox *mbox = view_mbox(search->scope.view);
    uint32_t uid;

    if (among == NULL || search->next >= search->end)
        return;
    uid = mbox_uid(mbox, search->next);
    while (search->among_at < among->n && among->runs[search->among_at].last < uid)
        search->among_at++;
    if (search->among_at == among->n)
        search->next = search->end;
    else if (among->runs[search->among_at].first > uid)
        search->next = mbox_lower_bound(mbox, among->runs[search->among_at].first);
}

/* Of the window only those that are to be looked at. */
static void leave_out_others(struct search *search)
{
    struct uid_set left = {search->scope.among->runs + search->among_at,
                           search->scope.among->n - search->among_at};
    uint64_t words[WINDOW_WORDS] = {0};

    window_ask_uids(&search->window, &left, words);
    for (size_t i = 0; i < WINDOW_WORDS; i++) {
        search->bounds.lower[i] &= words[i];
        search->bounds.upper[i] &= words[i];
    }
}

/* Of those that are hits for certain; who must be asked gets its own then. */
static void take_scores(struct search *search)
{
    const uint8_t *scores = prune_scores(search->pruner);

    memset(search->window_scores, FUZZY_BEST, CHUNK_MESSAGES);
    for (uint32_t at = 0; scores != NULL && at < search->window.n; at++)
        if (bit_is_set(search->bounds.lower, at))
            search->window_scores[at] = (uint8_t) MIN(scores[at], FUZZY_BEST);
}

static void open_window(struct search *search)
{
    window_open(&search->scope, search->next, search->end, &search->window);
    prune_window(search->pruner, &search->window, search->match.now, &search->bounds,
                 &search->match.work);
    if (search->scope.among != NULL)
        leave_out_others(search);
    if (search->window_scores != NULL)
        take_scores(search);
    search->at = 0;
    search->has_window = true;
    search->has_withheld = view_has_withheld(search->scope.view);
}

/* The store's index is told where it is missed. */
static void tell_slow(const struct search *search)
{
    struct text_index *index = mail_store_index(account_store(search->scope.account));

    if (index != NULL && search->match.n_opened > INDEX_SLOW_BODIES)
        text_index_want(index, account_id(search->scope.account));
}

static enum rc run_slice(struct search *search, struct err *err)
{
    search->match.work = 0;
    if (!search->is_prepared) {
        if (prune_prepare(search->pruner, search->slice, &search->match.work) == RC_MORE)
            return RC_MORE;
        search->is_prepared = true;
    }
    for (;;) {
        enum rc rc;

        if (!search->has_window)
            skip_others(search);
        if (!search->has_window && search->next >= search->end)
            break;
        if (!search->has_window)
            open_window(search);
        rc = decide_window(search, err);
        if (rc)
            return rc;
        search->has_window = false;
        search->next = search->window.first + search->window.n;
        if (search->match.work >= search->slice && search->next < search->end)
            return RC_MORE;
    }
    tell_slow(search);
    return RC_OK;
}

enum rc search_go(struct search *search, struct err *err)
{
    enum rc rc = run_slice(search, err);

    search->slice = SEARCH_SLICE_WORK;
    return rc;
}

int64_t search_now(const struct search *search)
{
    return search->match.now;
}

uint32_t search_progress(const struct search *search)
{
    uint32_t n = search->next + (search->has_window ? search->at : 0);

    return MIN(n, search->end);
}

struct search_hits search_hits(const struct search *search)
{
    return (struct search_hits){
        .uids = uid_set_finish(&search->uids),
        .seqs = uid_set_finish(&search->seqs),
        .count = search->count,
        .modseq = search->modseq,
        .scores = search->scores,
        .n_damaged = search->n_damaged,
    };
}

uint64_t search_modseq(const struct search *search, const struct uid_set *uids)
{
    const struct mbox_view *view = search->scope.view;
    uint64_t modseq = 0;

    for (size_t i = 0; i < uids->n; i++) {
        struct view_walk walk;

        view_walk_start(&walk, view, uids->runs[i].first);
        while (view_walk_next(&walk) && walk.uid <= uids->runs[i].last)
            modseq = MAX(modseq, view_modseq(view, walk.index));
    }
    return modseq;
}

struct pruner *search_keep(struct search *search)
{
    assert(search->is_prepared);
    return TAKE(search->pruner);
}

void search_kept_free(struct pruner *kept)
{
    pruner_free(kept);
}

void search_done(struct search *search)
{
    candidates_free(TAKE(search->candidates));
    pruner_free(TAKE(search->pruner));
    match_done(&search->match);
    collator_close(TAKE(search->collator));
}
