/*
 * context_sync.c - contexts brought to the version that a sync tells, and what is said of it.
 */
#include "base/clock.h"
#include "commands/context.h"
#include "commands/fetch.h"
#include "commands/places.h"
#include "commands/sorted_places.h"
#include "imap/print.h"

#define LINE_NUMBERS 4096u /* in one ESEARCH */

/* ADDTO or REMOVEFROM of one context, to be said. */
struct context_line {
    struct context_line *next;
    const struct context *context;
    bool removes;
    const uint32_t *numbers;
    const uint32_t *positions; /* from 0; NULL: the mailbox's order */
    uint32_t n, said;
};

enum context_step { STEP_NEXT, STEP_SEARCH, STEP_PLACE, STEP_FETCH, STEP_SAY };

struct context_sync {
    struct context_line *first, **last;
    bool has_said;         /* what is expunged */
    struct uid_set recent; /* before, of an examined mailbox */
    size_t at;             /* the context that is looked at */
    enum context_step step;
    /* Of this context: */
    uint32_t known_uid; /* messages above it are new to it */
    uint64_t modseq;    /* changes above it are */
    struct uid_set candidates;
    struct search *search;
    uint32_t *added; /* uids, ascending */
    uint32_t n_added;
    struct sorted_places *places;
};

static struct context *current(const struct cmd *cmd)
{
    return cmd->session->contexts->all[cmd->contexts->at];
}

/* ---- what is said ---- */

static void note_line(struct cmd *cmd, const struct context *context, bool removes,
                      const uint32_t *uids, const uint32_t *positions, uint32_t n)
{
    struct context_line *line = ARENA_NEW(cmd->arena, struct context_line);
    uint32_t *seqs;

    if (n == 0)
        return;
    *line = (struct context_line){.context = context,
                                  .removes = removes,
                                  .numbers = uids,
                                  .positions = positions,
                                  .n = n};
    *cmd->contexts->last = line;
    cmd->contexts->last = &line->next;
    if (context->uid)
        return;
    seqs = ARENA_ARRAY(cmd->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        seqs[i] = view_seq(cmd->session->view, uids[i]);
    line->numbers = seqs;
}

/* Does the pair go on? In an order, what is put in stands behind the one before, and what is
 * taken out stands where that stood. */
static bool continues(const struct context_line *line, uint32_t at)
{
    if (line->positions == NULL)
        return true;
    return line->positions[at] == line->positions[at - 1] + (line->removes ? 0 : 1);
}

/* position SP sequence-set, as far as they belong together */
static void say_pair(struct context_line *line, uint32_t end, struct buf *out)
{
    struct imap_runs runs;

    buf_u64(out, line->positions != NULL ? (uint64_t) line->positions[line->said] + 1 : 0);
    buf_byte(out, ' ');
    imap_runs_begin(&runs, out);
    do {
        imap_runs_add(&runs, line->numbers[line->said++]);
    } while (line->said < end && continues(line, line->said));
    (void) imap_runs_end(&runs);
}

static void say_head(struct cmd *cmd, const struct context *context)
{
    struct imap_esearch_line head = {
        .tag = context->tag, .mode = cmd->session->mode, .uid = context->uid};
    const struct mbox_view *view = cmd->session->view;

    if (context->names_mailbox) {
        head.mailbox = place_name(cmd->session, view_account(view),
                                  mbox_info(view_mbox(view))->name, cmd->arena);
        head.uidvalidity = mbox_info(view_mbox(view))->uidvalidity;
    }
    imap_print_esearch_head(cmd->reply->out, &head);
}

/* RFC 5267 4.3.2: the numbers of one answer, from where the line has come to. */
static void say_line(struct cmd *cmd, struct context_line *line)
{
    uint32_t end = MIN(line->n, line->said + LINE_NUMBERS);
    struct buf *out = cmd->reply->out;

    say_head(cmd, line->context);
    buf_str(out, line->removes ? " REMOVEFROM (" : " ADDTO (");
    say_pair(line, end, out);
    while (line->said < end) {
        buf_byte(out, ' ');
        say_pair(line, end, out);
    }
    buf_str(out, ")\r\n");
}

static void forget_lines(struct context_sync *sync)
{
    sync->first = NULL;
    sync->last = &sync->first;
}

/* False: the reply is full. */
static bool say_lines(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;

    while (sync->first != NULL) {
        if (reply_is_full(cmd->reply))
            return false;
        say_line(cmd, sync->first);
        if (sync->first->said == sync->first->n)
            sync->first = sync->first->next;
    }
    forget_lines(sync);
    return true;
}

/* Once: what is noted later waits for the FETCH before it, which may pause anywhere. */
bool context_say(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;

    if (sync == NULL || sync->has_said)
        return true;
    sync->has_said = say_lines(cmd);
    return sync->has_said;
}

/* ---- members ---- */

static bool has(const struct context *context, uint32_t uid)
{
    return context->sorting.n > 0 ? uid_order_has(&context->order, uid)
                                  : uid_marks_has(&context->found, uid);
}

static bool next_member(const struct context *context, uint32_t from, uint32_t *out)
{
    return context->sorting.n > 0 ? uid_order_next(&context->order, from, out)
                                  : uid_marks_next(&context->found, from, out);
}

static uint32_t count(const struct context *context)
{
    return context->sorting.n > 0 ? context->order.n : context->found.n;
}

/* These go, and it is to be said. */
static void take_out(struct cmd *cmd, struct context *context, const uint32_t *uids, uint32_t n)
{
    uint32_t *sorted, *positions;

    if (context->sorting.n == 0) {
        for (uint32_t i = 0; i < n; i++)
            uid_marks_remove(&context->found, uids[i]);
        note_line(cmd, context, true, uids, NULL, n);
        return;
    }
    sorted = ARENA_ARRAY(cmd->arena, uint32_t, n);
    positions = ARENA_ARRAY(cmd->arena, uint32_t, n);
    uid_order_remove(&context->order, uids, n, sorted, positions);
    note_line(cmd, context, true, sorted, positions, n);
}

typedef bool leaves_fn(const struct cmd *cmd, const struct context *context, uint32_t uid,
                       const struct uid_set *stay);

/* The members among these that leave; in arena. */
static uint32_t *leaving(struct cmd *cmd, const struct context *context,
                         const struct uid_set *among, const struct uid_set *stay,
                         leaves_fn *leaves, uint32_t *out_n)
{
    uint64_t room = MIN((uint64_t) count(context), uid_set_span(among));
    uint32_t *uids = ARENA_ARRAY(cmd->arena, uint32_t, room);
    uint32_t n = 0, uid;

    for (size_t i = 0; i < among->n; i++) {
        uint32_t from = among->runs[i].first;

        while (next_member(context, from, &uid) && uid <= among->runs[i].last) {
            if (leaves(cmd, context, uid, stay))
                uids[n++] = uid;
            from = uid + 1; /* below UINT32_MAX, which no message has */
        }
    }
    *out_n = n;
    return uids;
}

/* ---- before the view is told ---- */

static bool leaves_always(const struct cmd *cmd, const struct context *context, uint32_t uid,
                          const struct uid_set *stay)
{
    (void) cmd, (void) context, (void) uid, (void) stay;
    return true;
}

/* RFC 9586 3: no message numbers behind ENABLE UIDONLY. */
static void refuse_numbers(struct cmd *cmd)
{
    struct contexts *contexts = cmd->session->contexts;

    for (size_t i = contexts->n; cmd->session->mode.uidonly && i > 0; i--)
        if (!contexts->all[i - 1]->uid)
            context_refuse(cmd, i - 1, "Its message numbers cannot be told any more");
}

void context_sync_begin(struct cmd *cmd)
{
    const struct session *session = cmd->session;
    struct contexts *contexts = session->contexts;
    struct uid_set gone;

    if (contexts == NULL)
        return;
    refuse_numbers(cmd);
    cmd->contexts = ARENA_NEW(cmd->arena, struct context_sync);
    forget_lines(cmd->contexts);
    gone = view_withheld(session->view, cmd->arena);
    for (size_t i = 0; gone.n > 0 && i < contexts->n; i++) {
        uint32_t n;
        const uint32_t *uids = leaving(cmd, contexts->all[i], &gone, NULL, leaves_always, &n);

        take_out(cmd, contexts->all[i], uids, n);
    }
    if (view_is_read_only(session->view))
        cmd->contexts->recent = view_recent(session->view, cmd->arena);
}

/* ---- who may answer otherwise ---- */

/* INTERNALDATE at an index; false: the row cannot be had. */
static bool date_of(const struct cmd *cmd, uint32_t index, int64_t *out)
{
    const struct mbox_view *view = cmd->session->view;
    struct err err;

    if (account_need_rows(view_account(view), view_state(view), view_mbox(view), index, index,
                          &err) != RC_OK)
        return false;
    *out = mbox_cold(view_mbox(view), index)->internaldate;
    return true;
}

/* New to the context, or changed. */
static void gather_changed(const struct cmd *cmd, struct context *context,
                           struct uid_marks *out)
{
    const struct mbox_view *view = cmd->session->view;
    struct view_walk walk;
    int64_t date;

    view_walk_start(&walk, view, MAX(context->from_uid, 1u));
    for (;;) {
        view_walk_skip_unchanged(&walk, context->modseq);
        if (!view_walk_next(&walk) || walk.uid > context->last_uid)
            break;
        if (view_modseq(view, walk.index) > context->modseq)
            uid_marks_add(out, walk.uid);
    }
    view_walk_start(&walk, view, MAX(context->from_uid, context->last_uid + 1));
    while (view_walk_next(&walk)) {
        uid_marks_add(out, walk.uid);
        if (context->key.has_time && date_of(cmd, walk.index, &date))
            context->turns =
                MIN(context->turns, kept_key_turns(&context->key, date, context->now));
    }
}

/* For whom time has passed: OLDER and YOUNGER. */
static void gather_turned(const struct cmd *cmd, struct context *context, int64_t now,
                          struct uid_marks *out)
{
    struct view_walk walk;
    int64_t date;

    if (context->turns > now)
        return;
    context->turns = INT64_MAX;
    view_walk_start(&walk, cmd->session->view, MAX(context->from_uid, 1u));
    while (view_walk_next(&walk)) {
        if (!date_of(cmd, walk.index, &date))
            continue;
        if (kept_key_turns(&context->key, date, context->now) <= now)
            uid_marks_add(out, walk.uid);
        context->turns = MIN(context->turns, kept_key_turns(&context->key, date, now));
    }
}

static void gather_set(const struct uid_set *uids, struct uid_marks *out)
{
    for (size_t i = 0; i < uids->n; i++)
        for (uint64_t uid = uids->runs[i].first; uid <= uids->runs[i].last; uid++)
            uid_marks_add(out, (uint32_t) uid);
}

static void gather_last(struct cmd *cmd, struct context *context, struct uid_marks *out)
{
    uint32_t last = view_greatest_uid(cmd->session->view);

    if (!context->key.has_star || last == context->star)
        return;
    if (context->star > 0)
        uid_marks_add(out, context->star);
    if (last > 0)
        uid_marks_add(out, last);
    context->star = last;
}

/* The context then shows the version, but for what these say. */
static struct uid_set gather(struct cmd *cmd, struct context *context)
{
    const struct mbox_view *view = cmd->session->view;
    struct context_sync *sync = cmd->contexts;
    int64_t now = clock_wall_sec();
    struct uid_marks marks = {0};
    struct uid_set candidates;

    sync->modseq = context->modseq;
    sync->known_uid = context->last_uid;
    gather_turned(cmd, context, now, &marks);
    context->now = now;
    if (reader_highestmodseq(view_reader(view), view_mbox(view)) > context->modseq ||
        view_last_uid(view) > context->last_uid)
        gather_changed(cmd, context, &marks);
    gather_last(cmd, context, &marks);
    if (context->key.has_recent && cmd->changes.exists_changed)
        gather_set(&sync->recent, &marks);
    context->modseq = reader_highestmodseq(view_reader(view), view_mbox(view));
    context->last_uid = MAX(context->last_uid, view_last_uid(view));
    candidates = uid_marks_set(&marks, cmd->arena);
    uid_marks_done(&marks);
    return candidates;
}

/* ---- one context after the other ---- */

static void next_context(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;

    sync->step = STEP_NEXT;
    if (contexts_are_too_large(cmd->session))
        context_refuse(cmd, sync->at, "The result has grown too large to be updated");
    else
        sync->at++;
}

/* What cannot be found out is not guessed. */
static void give_up(struct cmd *cmd)
{
    forget_lines(cmd->contexts);
    context_refuse(cmd, cmd->contexts->at, "The result cannot be updated any more");
    cmd->contexts->step = STEP_NEXT;
}

static void ask(struct cmd *cmd)
{
    struct session *session = cmd->session;
    struct context_sync *sync = cmd->contexts;
    struct context *context = current(cmd);
    struct search_scope scope = {.account = view_account(session->view),
                                 .view = session->view,
                                 .from_uid = context->from_uid,
                                 .among = &sync->candidates,
                                 .comparator = context->sorting.comparator.number};
    struct err err;

    sync->candidates = gather(cmd, context);
    scope.now = context->now;
    if (sync->candidates.n == 0) {
        sync->at++;
        return;
    }
    if (search_start(&scope, context->key.key, cmd->arena, &sync->search, &err) != RC_OK)
        give_up(cmd);
    else
        sync->step = STEP_SEARCH;
}

/* Does it meet the keys no longer? Or has what it is sorted by become another? */
static bool leaves_now(const struct cmd *cmd, const struct context *context, uint32_t uid,
                       const struct uid_set *stay)
{
    const struct mbox_view *view = cmd->session->view;
    uint64_t reader = view_reader(view)->account, since = cmd->contexts->modseq;

    if (!uid_set_contains(stay, uid))
        return true;
    if (!sorting_moves(&context->sorting))
        return false;
    return mbox_annotation_modseq(view_mbox(view), uid, 0) > since ||
           mbox_annotation_modseq(view_mbox(view), uid, reader) > since;
}

static void note_added(struct cmd *cmd, const struct context *context,
                       const struct search_hits *hits)
{
    struct context_sync *sync = cmd->contexts;

    sync->added = ARENA_ARRAY(cmd->arena, uint32_t, hits->count);
    sync->n_added = 0;
    for (size_t i = 0; i < hits->uids.n; i++)
        for (uint64_t uid = hits->uids.runs[i].first; uid <= hits->uids.runs[i].last; uid++)
            if (!has(context, (uint32_t) uid))
                sync->added[sync->n_added++] = (uint32_t) uid;
}

/* Are there more than one order holds, with those that it has? */
static bool is_beyond_an_order(const struct cmd *cmd)
{
    uint32_t max = cmd->session->contexts->order_max, n = current(cmd)->order.n;

    return n > max || cmd->contexts->n_added > max - n;
}

/* The answers to the candidates: who goes, who comes. */
static void judge(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;
    struct context *context = current(cmd);
    struct search_hits hits = search_hits(sync->search);
    uint32_t n;
    const uint32_t *uids = leaving(cmd, context, &sync->candidates, &hits.uids, leaves_now, &n);

    take_out(cmd, context, uids, n);
    note_added(cmd, context, &hits);
    search_done(sync->search);
    sync->search = NULL;
    sync->step = STEP_FETCH;
    if (context->sorting.n == 0 || sync->n_added == 0)
        return;
    if (is_beyond_an_order(cmd)) {
        give_up(cmd);
        return;
    }
    sync->places = ARENA_NEW(cmd->arena, struct sorted_places);
    sorted_places_start(sync->places, cmd->session->view, &context->sorting, &context->order,
                        sync->added, sync->n_added, cmd->arena);
    sync->step = STEP_PLACE;
}

/* False: pause. */
static bool go_on_searching(struct cmd *cmd)
{
    struct err err;
    enum rc rc = search_go(cmd->contexts->search, &err);

    if (rc == RC_MORE)
        return false;
    if (rc == RC_OK) {
        judge(cmd);
        return true;
    }
    search_done(TAKE(cmd->contexts->search));
    give_up(cmd);
    return true;
}

static bool go_on_placing(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;
    struct err err;
    enum rc rc = sorted_places_go(sync->places, &err);

    if (rc == RC_MORE)
        return false;
    if (rc == RC_OK) {
        sync->step = STEP_FETCH;
        return true;
    }
    sorted_places_done(TAKE(sync->places));
    give_up(cmd);
    return true;
}

static void drop_cursor(struct cmd *cmd)
{
    if (cmd->cursor != NULL && cmd->cursor_done != NULL)
        cmd->cursor_done(cmd->cursor);
    cmd->cursor = NULL;
    cmd->cursor_done = NULL;
}

/* RFC 5465 7: of those that were added for being new. */
static bool fetches_some(struct cmd *cmd, struct uid_set *out)
{
    const struct context_sync *sync = cmd->contexts;
    struct uid_set_builder uids;

    uid_set_start(&uids, cmd->arena);
    for (uint32_t i = 0; i < sync->n_added; i++)
        if (sync->added[i] > sync->known_uid)
            uid_set_add(&uids, sync->added[i]);
    *out = uid_set_finish(&uids);
    return current(cmd)->fetch.n > 0 && out->n > 0;
}

/* What cannot be fetched is left out: there is no answer to say so. */
static bool go_on_fetching(struct cmd *cmd)
{
    struct context *context = current(cmd);
    struct message_set set = {0};
    struct err err;

    if (!cmd->is_fetching) {
        struct fetch_run *run;

        if (!fetches_some(cmd, &set.uids))
            return true;
        drop_cursor(cmd);
        run = fetch_begin(cmd, &context->fetch, &set);
        fetch_as_news(run);
        run->adds_uid = run->adds_uid || context->uid;
        cmd->is_fetching = true;
    }
    if (fetch_go(cmd->cursor, &err) == RC_MORE)
        return false;
    drop_cursor(cmd);
    cmd->is_fetching = false;
    return true;
}

static void put_in(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;
    struct context *context = current(cmd);
    uint32_t *uids, *positions;

    if (sync->places == NULL) {
        for (uint32_t i = 0; i < sync->n_added; i++)
            uid_marks_add(&context->found, sync->added[i]);
        note_line(cmd, context, false, sync->added, NULL, sync->n_added);
        return;
    }
    uids = ARENA_ARRAY(cmd->arena, uint32_t, sync->n_added);
    positions = ARENA_ARRAY(cmd->arena, uint32_t, sync->n_added);
    sorted_places_take(sync->places, uids, positions);
    sorted_places_done(TAKE(sync->places));
    uid_order_insert(&context->order, uids, positions, sync->n_added);
    note_line(cmd, context, false, uids, positions, sync->n_added);
}

bool context_sync_go(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;

    while (sync != NULL && sync->at < cmd->session->contexts->n) {
        switch (sync->step) {
        case STEP_NEXT:
            ask(cmd);
            break;
        case STEP_SEARCH:
            if (!go_on_searching(cmd))
                return false;
            break;
        case STEP_PLACE:
            if (!go_on_placing(cmd))
                return false;
            break;
        case STEP_FETCH:
            if (!go_on_fetching(cmd))
                return false;
            put_in(cmd);
            sync->step = STEP_SAY;
            break;
        case STEP_SAY:
            if (!say_lines(cmd))
                return false;
            next_context(cmd);
            break;
        }
    }
    return true;
}

void context_sync_done(struct cmd *cmd)
{
    struct context_sync *sync = cmd->contexts;

    if (sync == NULL)
        return;
    if (sync->search != NULL)
        search_done(TAKE(sync->search));
    if (sync->places != NULL)
        sorted_places_done(TAKE(sync->places));
    cmd->contexts = NULL;
}
