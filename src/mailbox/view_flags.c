/*
 * view_flags.c - which flags a session must hear of, \Recent, and going back after a conflict.
 */
#include <assert.h>

#include "mailbox/open_account.h"
#include "mailbox/open_view.h"
#include "mailbox/set_walk.h"

#define KNOWN_MAX                                                                              \
    64u /* silent changes remembered between two syncs; older ones are told after all */

static bool runs_contain(const struct uid_run *runs, size_t n, uint32_t uid)
{
    return uid_set_contains(&(struct uid_set){runs, n}, uid);
}

static struct uid_run *copy_runs(const struct uid_run *runs, size_t n)
{
    return n > 0 ? memcpy(xmalloc(n * sizeof(*runs)), runs, n * sizeof(*runs)) : NULL;
}

/* ---- known and to report ---- */

void view_forget_known(struct mbox_view *view)
{
    for (size_t i = 0; i < view->n_known; i++)
        free(view->known[i].runs);
    free(view->known);
    free(view->report.runs);
    view->known = NULL;
    view->n_known = 0;
    view->report = (struct known_flags){0};
    view->annotated_modseq = 0;
}

static void add_known(struct mbox_view *view, const struct uid_set *uids, uint64_t lowest,
                      uint64_t highest)
{
    if (uids->n == 0 || view->n_known == KNOWN_MAX)
        return;
    view->known = xrealloc(view->known, (view->n_known + 1) * sizeof(*view->known));
    view->known[view->n_known++] =
        (struct known_flags){lowest, highest, copy_runs(uids->runs, uids->n), uids->n};
}

void view_mark_known(struct mbox_view *view, const struct uid_set *uids, uint64_t modseq)
{
    add_known(view, uids, modseq, modseq);
}

void view_mark_annotated(struct mbox_view *view, uint64_t modseq)
{
    view->annotated_modseq = modseq;
}

void view_mark_told(struct mbox_view *view, const struct uid_set *uids)
{
    uint64_t highest = reader_highestmodseq(&view->reader, view->mbox);

    if (highest > view->told_modseq)
        add_known(view, uids, 0, highest);
}

void view_report(struct mbox_view *view, const struct uid_set *uids)
{
    free(view->report.runs);
    view->report = (struct known_flags){0, 0, copy_runs(uids->runs, uids->n), uids->n};
}

static bool is_known(const struct mbox_view *view, uint32_t uid, uint64_t modseq)
{
    for (size_t i = 0; i < view->n_known; i++) {
        if (view->known[i].lowest <= modseq && modseq <= view->known[i].highest &&
            runs_contain(view->known[i].runs, view->known[i].n, uid))
            return true;
    }
    return false;
}

/* What lies side by side in a chunk, and was all told. */
static void add_stretch(const struct chunk_view *chunk, uint32_t row, uint32_t n,
                        struct uid_set_builder *told)
{
    if (chunk->uid[row + n - 1] - chunk->uid[row] == n - 1) {
        uid_set_add_run(told, chunk->uid[row], chunk->uid[row + n - 1]);
        return;
    }
    for (uint32_t i = row; i < row + n; i++)
        uid_set_add(told, chunk->uid[i]);
}

struct uid_set view_flags_told(const struct mbox_view *view, const struct mbox *mbox,
                               const struct uid_set *uids, struct arena *arena)
{
    bool by_reader = reader_own_modseq(&view->reader, mbox) > view->told_modseq;
    struct set_walk walk = {.mbox = mbox, .uids = uids};
    struct uid_set_builder told;
    uint32_t row, n;

    uid_set_start(&told, arena);
    while ((n = set_walk_stretch(&walk, &row)) > 0) {
        if (!by_reader && mbox_chunk_modseq(mbox, walk.chunk_at) <= view->told_modseq) {
            add_stretch(&walk.chunk, row, n, &told);
            continue;
        }
        for (uint32_t i = row; i < row + n; i++) {
            uint64_t modseq = reader_modseq(&view->reader, mbox, walk.chunk_start + i);

            if (modseq <= view->told_modseq || is_known(view, walk.chunk.uid[i], modseq))
                uid_set_add(&told, walk.chunk.uid[i]);
        }
    }
    return uid_set_finish(&told);
}

/* ---- what changed ---- */

struct flag_collector {
    struct mbox_view *view;
    uint32_t known_uid;
    bool all, left_out;
    bool by_reader;           /* MODSEQs are not those of the columns */
    size_t report_at;         /* runs of the report that lie before the walk */
    struct uid_set annotated; /* whose own annotations have changed */
    struct uid_set shared;    /* whose everybody's, if that is to be told */
    bool annotations;         /* are to be told */
    struct arena *arena;
    uint32_t *uids;
    size_t n, cap;
};

static void collect(struct flag_collector *all, uint32_t uid)
{
    if (all->n == all->cap) {
        uint32_t *grown;

        all->cap = MAX(all->cap * 2, (size_t) 64);
        grown = ARENA_ARRAY(all->arena, uint32_t, all->cap);
        if (all->n > 0)
            memcpy(grown, all->uids, all->n * sizeof(*grown));
        all->uids = grown;
    }
    all->uids[all->n++] = uid;
}

/* Do some of the set lie in the chunk? */
static bool chunk_meets(const struct mbox *mbox, size_t chunk, const struct uid_set *uids)
{
    struct chunk_view columns = mbox_chunk(mbox, chunk);
    size_t at = uid_set_run_at(uids, columns.uid[0]);

    return at < uids->n && uids->runs[at].first <= columns.uid[columns.n - 1];
}

static bool has_changes(const struct flag_collector *all, size_t chunk)
{
    const struct mbox_view *view = all->view;

    return mbox_chunk_modseq(view->mbox, chunk) > view->told_modseq ||
           reader_own_flags_modseq(&view->reader, view->mbox) > view->told_modseq ||
           chunk_meets(view->mbox, chunk, &all->annotated);
}

/* Of a reader's annotations, or everybody's: have others changed any that was not told? */
static bool has_news_beside(const struct mbox_view *view, uint32_t uid, uint64_t reader)
{
    size_t n;
    const struct annotation *entries = mbox_annotations(view->mbox, uid, reader, &n);

    for (size_t i = 0; i < n; i++) {
        if (entries[i].modseq > view->told_modseq &&
            entries[i].modseq != view->annotated_modseq)
            return true;
    }
    return false;
}

/* Who knows the flags may not know of the annotations. */
static bool has_annotation_news(const struct flag_collector *all, uint32_t uid)
{
    const struct mbox_view *view = all->view;

    return all->annotations &&
           ((uid_set_contains(&all->shared, uid) && has_news_beside(view, uid, 0)) ||
            (uid_set_contains(&all->annotated, uid) &&
             has_news_beside(view, uid, view->reader.account)));
}

/* One of these at least? Firsts ascend from call to call. */
static bool must_report(struct flag_collector *all, uint32_t first, uint32_t last)
{
    const struct known_flags *report = &all->view->report;

    while (all->report_at < report->n && report->runs[all->report_at].last < first)
        all->report_at++;
    return all->report_at < report->n && report->runs[all->report_at].first <= last;
}

static uint64_t modseq_of(const struct flag_collector *all, const struct chunk_view *columns,
                          uint32_t row, uint32_t index)
{
    uint32_t delta = columns->modseq_delta[row];

    return all->by_reader || delta == MODSEQ_ESCAPE ? view_modseq(all->view, index)
                                                    : columns->modseq_base + delta;
}

/* Were all changes in the chunk made by this session, in the same breath? */
static bool chunk_is_known(const struct flag_collector *all, size_t chunk)
{
    const struct mbox_view *view = all->view;
    struct chunk_view columns = mbox_chunk(view->mbox, chunk);

    if (all->by_reader || all->annotations || view->report.n > 0)
        return false;
    for (size_t i = 0; i < view->n_known; i++) {
        const struct known_flags *known = &view->known[i];

        if (known->lowest <= view->told_modseq + 1 &&
            mbox_chunk_modseq(view->mbox, chunk) <= known->highest &&
            uid_set_contains_run(&(struct uid_set){known->runs, known->n},
                                 (struct uid_run){columns.uid[0], columns.uid[columns.n - 1]}))
            return true;
    }
    return false;
}

static bool concerns_us(struct flag_collector *all, size_t chunk)
{
    struct chunk_view columns;

    if (has_changes(all, chunk))
        return !chunk_is_known(all, chunk);
    if (all->view->report.n == 0)
        return false;
    columns = mbox_chunk(all->view->mbox, chunk);
    return must_report(all, columns.uid[0], columns.uid[columns.n - 1]);
}

static void collect_chunk(struct flag_collector *all, size_t chunk)
{
    const struct mbox_view *view = all->view;
    struct chunk_view columns = mbox_chunk(view->mbox, chunk);
    uint32_t start = mbox_chunk_start(view->mbox, chunk);
    bool changed = has_changes(all, chunk);

    for (uint32_t i = 0; i < columns.n && columns.uid[i] <= all->known_uid; i++) {
        uint64_t modseq = changed ? modseq_of(all, &columns, i, start + i) : 0;
        bool news = modseq > view->told_modseq && (!is_known(view, columns.uid[i], modseq) ||
                                                   has_annotation_news(all, columns.uid[i]));

        if ((news && all->all) || must_report(all, columns.uid[i], columns.uid[i]))
            collect(all, columns.uid[i]);
        else
            all->left_out = all->left_out || news;
    }
}

bool view_collect_flags(struct mbox_view *view, uint32_t known_uid, unsigned tell,
                        struct arena *arena, struct view_changes *out)
{
    struct flag_collector all = {.view = view,
                                 .known_uid = known_uid,
                                 .all = (tell & VIEW_TELL_FLAGS) != 0,
                                 .by_reader = reader_own_modseq(&view->reader, view->mbox) != 0,
                                 .annotations = (tell & VIEW_TELL_ANNOTATIONS) != 0,
                                 .arena = arena};
    bool any = view->report.n > 0 ||
               reader_highestmodseq(&view->reader, view->mbox) > view->told_modseq;

    if (view->reader.account != 0)
        all.annotated =
            mbox_annotated_since(view->mbox, view->reader.account, view->told_modseq, arena);
    if (all.annotations && view->n_known > 0)
        all.shared = mbox_annotated_since(view->mbox, 0, view->told_modseq, arena);
    for (size_t chunk = 0; any && chunk < mbox_chunk_count(view->mbox); chunk++) {
        if (concerns_us(&all, chunk))
            collect_chunk(&all, chunk);
    }
    out->own_modseq = view->annotated_modseq;
    view_forget_known(view);
    out->changed_uids = all.uids;
    out->n_changed = all.n;
    return !all.left_out;
}

/* ---- \Recent ---- */

void view_claim_recent(struct mbox_view *view)
{
    uint32_t first = account_recent(view->account, view->mbox, !view->read_only);
    uint32_t last = mbox_counts(view->mbox)->uidnext - 1;

    if (view->read_only) { /* EXAMINE shows it, and leaves it to others */
        free(view->recent);
        view->recent = NULL;
        view->n_recent = 0;
    }
    if (first > last)
        return;
    if (view->n_recent > 0 && view->recent[view->n_recent - 1].last + 1 >= first) {
        view->recent[view->n_recent - 1].last = last;
        return;
    }
    view->recent = xrealloc(view->recent, (view->n_recent + 1) * sizeof(*view->recent));
    view->recent[view->n_recent++] = (struct uid_run){first, last};
}

bool view_is_recent(const struct mbox_view *view, uint32_t uid)
{
    return runs_contain(view->recent, view->n_recent, uid);
}

struct uid_set view_recent(const struct mbox_view *view, struct arena *arena)
{
    struct uid_set_builder uids;

    uid_set_start(&uids, arena);
    for (size_t i = 0; i < view->n_recent; i++)
        uid_set_add_run(&uids, view->recent[i].first, view->recent[i].last);
    return uid_set_finish(&uids);
}

struct uid_run view_recent_from(const struct mbox_view *view, uint32_t uid)
{
    for (size_t i = 0; i < view->n_recent; i++)
        if (view->recent[i].last >= uid)
            return view->recent[i];
    return (struct uid_run){UINT32_MAX, UINT32_MAX};
}

uint32_t view_recent_count(const struct mbox_view *view)
{
    uint32_t all = 0, n = 0;

    for (size_t i = 0; i < view->n_recent; i++) {
        bool is_known = mbox_count_run(view->mbox, view->recent[i], &n);

        assert(is_known);
        all += n;
    }
    return all;
}

/* ---- going back ---- */

struct view_mark {
    struct mbox_view copy; /* with arrays of its own in the arena */
};

static void *keep(struct arena *arena, const void *from, size_t bytes)
{
    return bytes > 0 ? memcpy(arena_alloc(arena, bytes), from, bytes) : NULL;
}

struct view_mark *view_mark(const struct mbox_view *view, struct arena *arena)
{
    struct view_mark *mark = ARENA_NEW(arena, struct view_mark);

    mark->copy = *view;
    mark->copy.hidden = keep(arena, view->hidden, view->n_hidden * sizeof(*view->hidden));
    mark->copy.recent = keep(arena, view->recent, view->n_recent * sizeof(*view->recent));
    return mark;
}

/* A command that is run again has marked nothing known that was told: those lists just start
 * empty. */
void view_rewind(struct mbox_view *view, const struct view_mark *mark)
{
    struct hidden_run *hidden = view->hidden;
    struct uid_run *recent = view->recent;
    struct acct_state *state = view->state;
    const struct mbox *mbox = view->mbox;

    view_forget_known(view);
    *view = mark->copy;
    view->known = NULL;
    view->n_known = 0;
    view->report = (struct known_flags){0};
    view->state = state;
    view->mbox = mbox;
    view->hidden = hidden;
    view->recent = recent;
    if (mark->copy.n_hidden > 0) {
        view->hidden = xrealloc(hidden, mark->copy.n_hidden * sizeof(*hidden));
        memcpy(view->hidden, mark->copy.hidden, mark->copy.n_hidden * sizeof(*hidden));
    }
    if (mark->copy.n_recent > 0) {
        view->recent = xrealloc(recent, mark->copy.n_recent * sizeof(*recent));
        memcpy(view->recent, mark->copy.recent, mark->copy.n_recent * sizeof(*recent));
    }
}
