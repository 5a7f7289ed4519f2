/*
 * view.c - numbering, as view.h says.
 *
 * Invariants, at all times:
 *  1. The messages the client knows are those of the current version with uid <= told_uid, and
 * `hidden`.
 *  2. hidden holds exactly the uids <= told_uid that were expunged in versions up to
 * seen_modseq and not told.
 *  3. A sequence number is the rank in the union of the two, which are disjoint.
 * view_refresh keeps 2 when the version moves; view_sync empties hidden (if it may) and then
 * raises told_uid.
 */
#include "mailbox/view.h"

#include <assert.h>

#include "mailbox/open_account.h"
#include "mailbox/open_view.h"

/* ---- runs of hidden uids ---- */

static uint32_t run_length(const struct hidden_run *run)
{
    return run->last - run->first + 1;
}

/* Index of the first run with last >= uid. */
static size_t hidden_at(const struct mbox_view *view, uint32_t uid)
{
    size_t low = 0, high = view->n_hidden;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (view->hidden[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Hidden uids < uid. */
static uint32_t hidden_below(const struct mbox_view *view, uint32_t uid)
{
    size_t at = hidden_at(view, uid);
    uint32_t n = 0;

    if (at < view->n_hidden && view->hidden[at].first < uid)
        return view->hidden[at].before + (uid - view->hidden[at].first);
    if (at > 0)
        n = view->hidden[at - 1].before + run_length(&view->hidden[at - 1]);
    return n;
}

/* Merge newly expunged uids into the hidden runs; both are sorted and disjoint. */
static void hide(struct mbox_view *view, const struct uid_set *gone)
{
    struct hidden_run *merged = xmalloc((view->n_hidden + gone->n) * sizeof(*merged));
    size_t n = 0, i = 0, j = 0;
    uint32_t before = 0;

    while (i < view->n_hidden || j < gone->n) {
        struct hidden_run run;

        if (j == gone->n || (i < view->n_hidden && view->hidden[i].first < gone->runs[j].first))
            run = view->hidden[i++];
        else
            run = (struct hidden_run){gone->runs[j].first, gone->runs[j].last, 0}, j++;
        if (n > 0 && merged[n - 1].last + 1 == run.first) {
            merged[n - 1].last = run.last;
        } else {
            run.before = before;
            merged[n++] = run;
        }
        before += run_length(&run);
    }
    free(view->hidden);
    view->hidden = merged;
    view->n_hidden = n;
    view->hidden_count = before;
}

/* ---- versions ---- */

static void take_version(struct mbox_view *view, struct acct_state *state)
{
    acct_unref(view->state);
    view->state = state;
    view->mbox = acct_mailbox_by_id(state, view->mbox_id);
}

void view_park(struct mbox_view *view)
{
    acct_unref(view->state);
    view->state = NULL;
    view->mbox = NULL;
}

/* The reader's rights on the version that was taken. */
static enum rc take_rights(struct mbox_view *view, uint64_t reader, struct err *err)
{
    account_reader(view->account, mbox_info(view->mbox), reader, &view->reader);
    return reader_needs(&view->reader, RIGHT_READ, err);
}

enum rc view_refresh(struct mbox_view *view, uint64_t own_position, struct err *err)
{
    AUTO(arena_freep) struct arena *scratch = NULL;
    struct acct_state *state;
    struct uid_set gone;
    uint64_t modseq;
    enum rc rc = account_read_mailbox(view->account, own_position, view->mbox_id, &state, err);

    if (rc)
        return rc;
    take_version(view, state);
    if (take_rights(view, view->reader.account, err) != RC_OK)
        return err_set(err, RC_NOT_FOUND, "You may no longer read this mailbox",
                       "view: the right to read was taken away");
    modseq = reader_highestmodseq(&view->reader, view->mbox);
    if (modseq == view->seen_modseq)
        return RC_OK;
    if (view->seen_modseq < mbox_counts(view->mbox)->expunged_below)
        return err_set(err, RC_NOT_FOUND,
                       "Too much was expunged meanwhile; select the mailbox again",
                       "view: expunges below %llu are forgotten",
                       (unsigned long long) mbox_counts(view->mbox)->expunged_below);
    scratch = arena_new(VIEW_ARENA_BYTES);
    gone = mbox_expunged_since(view->mbox, view->seen_modseq, view->told_uid, scratch);
    if (gone.n > 0) {
        if (view->n_hidden == 0)
            view->hidden_since_modseq = view->seen_modseq;
        hide(view, &gone);
    }
    view->seen_modseq = modseq;
    return RC_OK;
}

/* What is there now becomes what the client knows. */
static void tell_all(struct mbox_view *view)
{
    const struct mbox_counts *counts = mbox_counts(view->mbox);

    view->told_uid = counts->uidnext - 1;
    view->seen_modseq = view->told_modseq = reader_highestmodseq(&view->reader, view->mbox);
}

/* May all that is asked without messages be answered by the counts? Not for a guest, whose
 * flags may be the guest's own. */
static bool counts_suffice(const struct mbox_view *view)
{
    uint32_t n;

    if (mbox_is_loaded(view->mbox))
        return true;
    if (view->reader.is_guest || reader_needs_messages(&view->reader, view->mbox) ||
        !mbox_knows_first_unseen(view->mbox))
        return false;
    for (size_t i = 0; i < view->n_recent; i++) {
        if (!mbox_count_run(view->mbox, view->recent[i], &n))
            return false;
    }
    return true;
}

/* Are those counted that would be \Recent here? */
static bool counts_recent(const struct mbox_view *view)
{
    struct uid_run run = {account_recent(view->account, view->mbox, false),
                          mbox_counts(view->mbox)->uidnext - 1};
    uint32_t n;

    return run.first > run.last || mbox_count_run(view->mbox, run, &n);
}

/* account_read_counts() and its like. */
typedef enum rc read_fn(struct account *account, uint64_t own_position, uint32_t mbox_id,
                        struct acct_state **out, struct err *err);

static enum rc take_newest(struct mbox_view *view, uint64_t reader, uint64_t own_position,
                           read_fn *read, struct err *err)
{
    struct acct_state *state = NULL;
    enum rc rc = read(view->account, own_position, view->mbox_id, &state, err);

    if (rc)
        return rc;
    take_version(view, state);
    return take_rights(view, reader, err);
}

static enum rc open_view(struct mbox_view *view, uint64_t reader, uint64_t own_position,
                         read_fn *read, struct err *err)
{
    enum rc rc = take_newest(view, reader, own_position, read, err);

    if (rc == RC_OK && !counts_suffice(view))
        rc = take_newest(view, reader, own_position, account_read_mailbox, err);
    else if (rc == RC_OK && !counts_recent(view))
        rc = take_newest(view, reader, own_position, account_read_tail, err);
    if (rc)
        return rc;
    view->read_only = view->examined || reader_is_read_only(&view->reader);
    tell_all(view);
    view_claim_recent(view);
    /* those of older chunks, by now of a version that may be newer */
    return counts_suffice(view) ? RC_OK : view_refresh(view, own_position, err);
}

static enum rc open_as(struct account *account, uint64_t reader, uint64_t own_position,
                       uint32_t mbox_id, bool read_only, read_fn *read, struct mbox_view **out,
                       struct err *err)
{
    struct mbox_view *view = xcalloc(1, sizeof(*view));
    enum rc rc;

    view->account = account;
    view->mbox_id = mbox_id;
    view->examined = read_only;
    view->held = xcalloc(1, sizeof(*view->held));
    account_hold(account, view->held, mbox_id);
    rc = open_view(view, reader, own_position, read, err);
    if (rc) {
        view_close(view);
        return rc;
    }
    *out = view;
    return RC_OK;
}

enum rc view_open(struct account *account, uint64_t reader, uint64_t own_position,
                  uint32_t mbox_id, bool read_only, struct mbox_view **out, struct err *err)
{
    return open_as(account, reader, own_position, mbox_id, read_only, account_read_mailbox, out,
                   err);
}

enum rc view_open_counts(struct account *account, uint64_t reader, uint64_t own_position,
                         uint32_t mbox_id, bool read_only, struct mbox_view **out,
                         struct err *err)
{
    return open_as(account, reader, own_position, mbox_id, read_only, account_read_counts, out,
                   err);
}

/* Does the client know all that this version counts? */
static bool is_told(const struct mbox_view *view)
{
    const struct mbox_counts *counts = mbox_counts(view->mbox);

    return view->n_hidden == 0 && counts->uidnext - 1 == view->told_uid &&
           counts->highestmodseq == view->told_modseq &&
           counts->highestmodseq == view->seen_modseq;
}

enum rc view_refresh_counts(struct mbox_view *view, uint64_t own_position, struct err *err)
{
    struct err ignored;

    if (take_newest(view, view->reader.account, own_position, account_read_counts, &ignored) ==
            RC_OK &&
        !mbox_is_loaded(view->mbox) && counts_suffice(view) && is_told(view))
        return RC_OK;
    return view_refresh(view, own_position, err);
}

void view_close(struct mbox_view *view)
{
    if (view == NULL)
        return;
    view_park(view);
    account_release(view->account, view->held);
    free(view->held);
    view_forget_known(view);
    free(view->hidden);
    free(view->recent);
    free(view);
}

bool view_has_news(const struct mbox_view *view, uint64_t own_position, unsigned tell)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(view->account, own_position);
    const struct mbox *mbox = acct_mailbox_by_id(state, view->mbox_id);
    struct reader reader;
    uint64_t modseq;

    if (mbox == NULL)
        return true;
    account_reader(view->account, mbox_info(mbox), view->reader.account, &reader);
    modseq = reader_highestmodseq(&view->reader, mbox);
    if ((reader.rights & RIGHT_READ) == 0)
        return true;
    if ((tell & VIEW_TELL_EXPUNGES) != 0 && (view->n_hidden > 0 || modseq > view->seen_modseq))
        return true;
    if ((tell & VIEW_TELL_NEW) != 0 && mbox_counts(mbox)->uidnext - 1 > view->told_uid)
        return true;
    return (tell & VIEW_TELL_FLAGS) != 0 && modseq > view->told_modseq;
}

bool view_has_changed(const struct mbox_view *view, uint64_t own_position, uint64_t modseq)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(view->account, own_position);
    const struct mbox *mbox = acct_mailbox_by_id(state, view->mbox_id);
    struct reader reader;

    if (mbox == NULL)
        return true;
    account_reader(view->account, mbox_info(mbox), view->reader.account, &reader);
    return reader_highestmodseq(&reader, mbox) > modseq;
}

bool view_is_revoked(const struct mbox_view *view)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(view->account, 0);
    const struct mbox *mbox = acct_mailbox_by_id(state, view->mbox_id);
    struct reader reader;

    if (mbox == NULL)
        return false;
    account_reader(view->account, mbox_info(mbox), view->reader.account, &reader);
    return (reader.rights & RIGHT_READ) == 0;
}

uint32_t view_mbox_id(const struct mbox_view *view)
{
    return view->mbox_id;
}

struct account *view_account(const struct mbox_view *view)
{
    return view->account;
}

bool view_is_read_only(const struct mbox_view *view)
{
    return view->read_only;
}

bool view_is_examined(const struct mbox_view *view)
{
    return view->examined;
}

const struct acct_state *view_state(const struct mbox_view *view)
{
    return view->state;
}

const struct mbox *view_mbox(const struct mbox_view *view)
{
    return view->mbox;
}

const struct reader *view_reader(const struct mbox_view *view)
{
    return &view->reader;
}

uint8_t view_flags(const struct mbox_view *view, uint32_t index)
{
    return reader_flags(&view->reader, view->mbox, index);
}

uint64_t view_modseq(const struct mbox_view *view, uint32_t index)
{
    return reader_modseq(&view->reader, view->mbox, index);
}

/* ---- numbering ---- */

/* Messages of the version that the client knows. */
static uint32_t known_count(const struct mbox_view *view)
{
    if (mbox_counts(view->mbox)->uidnext - 1 <= view->told_uid)
        return mbox_counts(view->mbox)->messages;
    return mbox_lower_bound(view->mbox, view->told_uid + 1);
}

uint32_t view_count(const struct mbox_view *view)
{
    return known_count(view) + view->hidden_count;
}

uint32_t view_first_unseen(const struct mbox_view *view)
{
    uint32_t index = reader_first_unseen(&view->reader, view->mbox);

    if (index == mbox_counts(view->mbox)->messages)
        return 0;
    /* without its messages there is nothing that the client was not told */
    return mbox_is_loaded(view->mbox) ? view_seq(view, mbox_uid(view->mbox, index)) : index + 1;
}

uint32_t view_greatest_uid(const struct mbox_view *view)
{
    uint32_t n = known_count(view);

    return n > 0 ? mbox_uid(view->mbox, n - 1) : 0;
}

uint32_t view_last_uid(const struct mbox_view *view)
{
    uint32_t n = known_count(view), last = n > 0 ? mbox_uid(view->mbox, n - 1) : 0;

    return view->n_hidden > 0 ? MAX(last, view->hidden[view->n_hidden - 1].last) : last;
}

/* Rank, from 1, of a hidden uid. */
static uint32_t hidden_rank(const struct mbox_view *view, const struct hidden_run *run)
{
    return mbox_lower_bound(view->mbox, run->first) + run->before + 1;
}

uint32_t view_uid(const struct mbox_view *view, uint32_t seq)
{
    size_t low = 0, high = view->n_hidden;

    assert(seq >= 1 && seq <= view_count(view));
    while (low < high) { /* the last hidden run that begins at or before seq is low - 1 */
        size_t middle = low + (high - low) / 2;

        if (hidden_rank(view, &view->hidden[middle]) <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0) {
        const struct hidden_run *run = &view->hidden[low - 1];
        uint32_t rank = hidden_rank(view, run);

        /* No current message lies inside a run: its uids are consecutive and all hidden. */
        if (seq - rank < run_length(run))
            return run->first + (seq - rank);
        return mbox_uid(view->mbox, seq - 1 - run->before - run_length(run));
    }
    return mbox_uid(view->mbox, seq - 1);
}

bool view_is_withheld(const struct mbox_view *view, uint32_t uid)
{
    size_t at = hidden_at(view, uid);

    return at < view->n_hidden && view->hidden[at].first <= uid;
}

bool view_has_withheld(const struct mbox_view *view)
{
    return view->n_hidden > 0;
}

struct uid_set view_withheld(const struct mbox_view *view, struct arena *arena)
{
    struct uid_set_builder uids;

    uid_set_start(&uids, arena);
    for (size_t i = 0; i < view->n_hidden; i++)
        uid_set_add_run(&uids, view->hidden[i].first, view->hidden[i].last);
    return uid_set_finish(&uids);
}

uint32_t view_seq(const struct mbox_view *view, uint32_t uid)
{
    uint32_t index;

    if (uid > view->told_uid)
        return 0;
    if (mbox_find(view->mbox, uid, &index) || view_is_withheld(view, uid))
        return mbox_lower_bound(view->mbox, uid) + hidden_below(view, uid) + 1;
    return 0;
}

void view_seqs_to_uids(const struct mbox_view *view, uint32_t first, uint32_t last,
                       struct uid_set_builder *builder)
{
    uint32_t count = view_count(view);

    last = MIN(last, count);
    /* What the client knows between two uids is what lies between their numbers: one run says
     * it. */
    if (first >= 1 && first <= last)
        uid_set_add_run(builder, view_uid(view, first), view_uid(view, last));
}

void view_walk_start(struct view_walk *walk, const struct mbox_view *view, uint32_t from_uid)
{
    *walk = (struct view_walk){.view = view,
                               .next_index = mbox_lower_bound(view->mbox, from_uid),
                               .hidden_at = hidden_at(view, from_uid),
                               .hidden_seen = hidden_below(view, from_uid)};
}

bool view_walk_next(struct view_walk *walk)
{
    const struct mbox_view *view = walk->view;

    if (walk->next_index >= mbox_counts(view->mbox)->messages)
        return false;
    walk->index = walk->next_index;
    if (walk->index - walk->chunk_start >= walk->chunk.n) {
        size_t chunk = mbox_chunk_of(view->mbox, walk->index);

        walk->chunk = mbox_chunk(view->mbox, chunk);
        walk->chunk_start = mbox_chunk_start(view->mbox, chunk);
    }
    walk->uid = walk->chunk.uid[walk->index - walk->chunk_start];
    if (walk->uid > view->told_uid)
        return false;
    while (walk->hidden_at < view->n_hidden && view->hidden[walk->hidden_at].last < walk->uid) {
        const struct hidden_run *run = &view->hidden[walk->hidden_at++];

        walk->hidden_seen = run->before + run_length(run);
    }
    walk->seq = walk->index + walk->hidden_seen + 1;
    walk->next_index++;
    return true;
}

bool view_walk_stretch(struct view_walk *walk, uint32_t last_uid, uint32_t *out_n)
{
    const struct mbox_view *view = walk->view;
    uint32_t last = MIN(last_uid, view->told_uid), row;

    if (!view_walk_next(walk) || walk->uid > last)
        return false;
    if (walk->hidden_at < view->n_hidden)
        last = MIN(last, view->hidden[walk->hidden_at].first - 1);
    row = view_walk_row(walk);
    *out_n = chunk_rows_up_to(&walk->chunk, row, last);
    walk->next_index = walk->index + *out_n;
    return true;
}

bool view_walk_to(struct view_walk *walk, uint32_t uid)
{
    uint32_t row = walk->next_index - walk->chunk_start;

    if (row >= walk->chunk.n || walk->chunk.uid[row] != uid)
        view_walk_start(walk, walk->view, uid);
    return view_walk_next(walk) && walk->uid == uid;
}

void view_walk_skip_unchanged(struct view_walk *walk, uint64_t modseq)
{
    const struct mbox *mbox = walk->view->mbox;

    if (walk->next_index - walk->chunk_start < walk->chunk.n)
        return; /* in the middle of a chunk that was not passed over */
    if (reader_own_modseq(&walk->view->reader, mbox) > modseq)
        return;
    while (walk->next_index < mbox_counts(mbox)->messages) {
        size_t chunk = mbox_chunk_of(mbox, walk->next_index);

        if (mbox_chunk_modseq(mbox, chunk) > modseq)
            return;
        walk->next_index = mbox_chunk_start(mbox, chunk) + mbox_chunk(mbox, chunk).n;
    }
}

/* ---- telling ---- */

uint64_t view_told_modseq(const struct mbox_view *view)
{
    return view->n_hidden > 0 ? MIN(view->told_modseq, view->hidden_since_modseq)
                              : view->told_modseq;
}

static void tell_expunges(struct mbox_view *view, struct arena *arena, struct view_changes *out)
{
    uint32_t *seqs = ARENA_ARRAY(arena, uint32_t, view->hidden_count);
    uint32_t *uids = ARENA_ARRAY(arena, uint32_t, view->hidden_count);
    size_t n = 0;

    for (size_t i = 0; i < view->n_hidden; i++) {
        /* Those before it are told already, so its number is its place among the current ones.
         */
        uint32_t seq = mbox_lower_bound(view->mbox, view->hidden[i].first) + 1;

        for (uint32_t k = 0; k < run_length(&view->hidden[i]); k++) {
            seqs[n] = seq;
            uids[n++] = view->hidden[i].first + k;
        }
    }
    out->expunged_seqs = seqs;
    out->expunged_uids = uids;
    out->n_expunged = n;
    free(view->hidden);
    view->hidden = NULL;
    view->n_hidden = 0;
    view->hidden_count = 0;
}

bool view_is_counted(const struct mbox_view *view)
{
    return view->n_hidden == 0 && view->told_uid == mbox_counts(view->mbox)->uidnext - 1;
}

void view_sync(struct mbox_view *view, unsigned tell, struct arena *arena,
               struct view_changes *out)
{
    const struct mbox_counts *counts = mbox_counts(view->mbox);
    uint32_t known_uid = view->told_uid;
    bool is_whole;

    *out = (struct view_changes){.first_new_uid = known_uid + 1, .since = view->told_modseq};
    if ((tell & VIEW_TELL_EXPUNGES) != 0 && view->n_hidden > 0)
        tell_expunges(view, arena, out);
    is_whole = view_collect_flags(view, known_uid, tell, arena, out);
    if ((tell & VIEW_TELL_NEW) != 0) {
        out->exists_changed = known_count(view) < counts->messages;
        view->told_uid = counts->uidnext - 1;
    }
    if (is_whole && view->told_uid == counts->uidnext - 1)
        view->told_modseq = reader_highestmodseq(&view->reader, view->mbox);
    if (out->exists_changed)
        view_claim_recent(view);
    out->exists = view_count(view);
    out->recent = view_recent_count(view);
}
