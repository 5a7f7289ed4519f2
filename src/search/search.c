#include "search/search.h"

#include "search/match.h"

/* One slice: about a millisecond of columns, some of text. Then others get their turn. */
#define SEARCH_SLICE_WORK ((uint64_t) 4 << 20)

struct search {
    struct match match;
    struct plan_node *plan;
    struct view_walk walk;
    struct uid_set_builder uids, seqs;
    uint32_t count;
    uint64_t modseq;
    uint32_t n_damaged;
};

enum rc search_start(const struct search_scope *scope, const struct imap_search_key *key,
                     struct arena *arena, struct search **out, struct err *err)
{
    struct search *search = ARENA_NEW(arena, struct search);
    enum rc rc = plan_make(scope, key, arena, &search->plan, err);

    if (rc)
        return rc;
    match_init(&search->match, scope);
    view_walk_start(&search->walk, scope->view, MAX(scope->from_uid, 1u));
    uid_set_start(&search->uids, arena);
    uid_set_start(&search->seqs, arena);
    *out = search;
    return RC_OK;
}

static void add_hit(struct search *search)
{
    uint64_t modseq = view_modseq(search->walk.view, search->walk.index);

    uid_set_add(&search->uids, search->walk.uid);
    uid_set_add(&search->seqs, search->walk.seq);
    search->modseq = MAX(search->modseq, modseq);
    search->count++;
}

enum rc search_go(struct search *search, struct err *err)
{
    search->match.work = 0;
    while (search->match.work < SEARCH_SLICE_WORK) {
        enum rc rc;
        bool hit;

        if (!view_walk_next(&search->walk))
            return RC_OK;
        hit = match_message(&search->match, search->plan, search->walk.uid, search->walk.index);
        rc = search->match.failed.rc;
        if (rc == RC_CORRUPT)
            search->n_damaged++;
        else if (rc != RC_OK && rc != RC_NOT_FOUND) { /* NOT_FOUND: expunged by others since */
            *err = search->match.failed;
            return rc;
        }
        if (hit && rc == RC_OK)
            add_hit(search);
    }
    return RC_MORE;
}

uint32_t search_progress(const struct search *search)
{
    return search->walk.seq;
}

struct search_hits search_hits(const struct search *search)
{
    return (struct search_hits){
        .uids = uid_set_finish(&search->uids),
        .seqs = uid_set_finish(&search->seqs),
        .count = search->count,
        .modseq = search->modseq,
        .n_damaged = search->n_damaged,
    };
}

void search_done(struct search *search)
{
    match_done(&search->match);
}
