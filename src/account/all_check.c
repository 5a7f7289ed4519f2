/*
 * all_check.c - would a record apply with all that it does to All? What acct_check() refuses of
 * the record itself is refused before; here it is known to be in order.
 */
#include "account/all.h"

static enum rc refuse(struct err *err, const char *why)
{
    return err_set(err, RC_CORRUPT, "Damaged mail data", "record does not apply: %s", why);
}

static enum rc not_loaded(struct err *err, const char *what)
{
    return err_set(err, RC_UNAVAILABLE, "Mailbox is not open", "All: %s not in memory", what);
}

/* ---- room ---- */

static uint64_t count_everything(const struct acct_state *state)
{
    uint64_t n = 0;

    for (size_t i = 0; i < state->by_id->n; i++) {
        const struct mbox *mbox =
            (const struct mbox *) (const void *) sorted_at(state->by_id, i);

        if (all_use_counts(mbox_info(mbox)->special_use))
            n += mbox->counts.messages;
    }
    return n;
}

static uint64_t messages_of(const struct mbox *mbox)
{
    return mbox != NULL ? mbox->counts.messages : 0;
}

static bool counts(const struct acct_state *state, uint32_t mbox_id)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, mbox_id);

    return mbox != NULL && acct_counts_in_all(state, mbox);
}

/* How many messages the record brings into All. */
static uint64_t brought_by(const struct acct_state *state, const struct record *record)
{
    const struct record_mailbox *mailbox = &record->mailbox;
    const struct mbox *mbox;

    switch (record->type) {
    case RECORD_APPEND:
        return counts(state, record->append.mbox);
    case RECORD_COPY:
        return counts(state, record->copy.dst) ? uid_set_span(&record->copy.uids) : 0;
    case RECORD_MOVE:
        return counts(state, record->copy.dst) && !counts(state, record->copy.src)
                   ? uid_set_span(&record->copy.uids)
                   : 0;
    case RECORD_RESTORE:
        if (record->restore.op == RESTORE_MESSAGES)
            return counts(state, record->restore.dst) ? uid_set_span(&record->restore.uids) : 0;
        return all_use_counts(record->restore.special_use)
                   ? messages_of(acct_deleted_by_id(state, record->restore.mbox))
                   : 0;
    case RECORD_MAILBOX:
        mbox = acct_mailbox_by_id(state, mailbox->mbox);
        return mailbox->op == MAILBOX_USE && mbox != NULL &&
                       all_is_entered(state, mbox, mailbox->special_use)
                   ? messages_of(mbox)
                   : 0;
    default:
        return 0;
    }
}

bool acct_all_has_room(const struct acct_state *state, const struct record *record)
{
    const struct mbox *all = acct_all(state);
    uint64_t n;

    if (record_makes_all(record))
        return count_everything(state) <= MESSAGES_MAX;
    if (all == NULL)
        return true;
    n = brought_by(state, record);
    return n <= MESSAGES_MAX - MIN(all->counts.messages, MESSAGES_MAX) &&
           n <= UID_MAX - MIN(all->counts.uidnext, UID_MAX);
}

/* ---- records that name All ---- */

/* Does the record name All where its messages or rights would change but for the others'? */
static bool is_for_others(const struct acct_state *state, const struct record *record)
{
    uint32_t all = state->all_id;

    switch (record->type) {
    case RECORD_APPEND:
        return record->append.mbox == all;
    case RECORD_FLAGS:
        return record->flags.mbox == all;
    case RECORD_EXPUNGE:
        return record->expunge.mbox == all;
    case RECORD_COPY:
    case RECORD_MOVE:
        return record->copy.src == all || record->copy.dst == all;
    case RECORD_MAILBOX:
        return record->mailbox.mbox == all &&
               (record->mailbox.op == MAILBOX_USE || record->mailbox.op == MAILBOX_UIDNEXT);
    case RECORD_ACL:
        return record->acl.mbox == all;
    case RECORD_KEYWORD:
        return record->keyword.mbox == all;
    case RECORD_THREADID:
        return record->threadid.mbox == all;
    case RECORD_RESTORE:
        return record->restore.op == RESTORE_MESSAGES &&
               (record->restore.mbox == all || record->restore.dst == all);
    case RECORD_ANNOTATE:
        return record->annotate.mbox == all;
    default:
        return false;
    }
}

/* ---- what is in memory, and fits together ---- */

static enum rc check_tail(const struct acct_state *state, struct err *err)
{
    return mbox_can_append(acct_all(state)) ? RC_OK : not_loaded(err, "last chunk is");
}

static enum rc check_loaded(const struct acct_state *state, struct err *err)
{
    return mbox_is_loaded(acct_all(state)) ? RC_OK : not_loaded(err, "messages are");
}

/* Messages that exist have their twins. cold: those have their cold rows. */
static enum rc check_twins(const struct acct_state *state, uint32_t home,
                           const struct uid_set *uids, bool cold, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, home), *all = acct_all(state);
    enum rc rc = check_loaded(state, err);

    for (size_t i = 0; rc == RC_OK && i < uids->n; i++) {
        uint32_t index = mbox_lower_bound(mbox, uids->runs[i].first), at;

        for (uint32_t uid = uids->runs[i].first; uid <= uids->runs[i].last; uid++, index++) {
            struct message_home lives;

            if (!mbox_find(all, mbox_all_uid(mbox, index), &at))
                return refuse(err, "message is not in All");
            lives = mbox_home(all, at);
            if (lives.mbox != home || lives.uid != uid)
                return refuse(err, "All has the message elsewhere");
            if (cold && !mbox_has_cold(all, at))
                return not_loaded(err, "rows are");
        }
    }
    return rc;
}

static enum rc check_rows_of(const struct acct_state *state, uint32_t home, uint64_t modseq,
                             struct err *err)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct uid_set rows;
    enum rc rc = check_loaded(state, err);

    if (rc)
        return rc;
    if (modseq == 0)
        return refuse(err, "messages leave All without modseq");
    arena = arena_new(PAGE_ARENA_BYTES);
    rows = all_rows_of(acct_all(state), home, arena);
    return mbox_cold_is_loaded(acct_all(state), &rows) ? RC_OK : not_loaded(err, "rows are");
}

static enum rc check_whole(const struct mbox *mbox, struct err *err)
{
    if (!mbox_is_loaded(mbox))
        return not_loaded(err, "what is to come are");
    for (size_t i = 0; i < mbox->n_slots; i++) {
        if (!chunk_cold_is_loaded(mbox->slots[i].chunk))
            return not_loaded(err, "rows to come are");
    }
    return RC_OK;
}

static enum rc check_made(const struct acct_state *state, const struct record_mailbox *r,
                          struct err *err)
{
    enum rc rc = RC_OK;

    if (state->all_id != 0 || r->special_use != USE_ALL || r->uidnext != 1)
        return refuse(err, "a second All, or one that is more");
    for (size_t i = 0; rc == RC_OK && i < state->by_id->n; i++) {
        const struct mbox *mbox =
            (const struct mbox *) (const void *) sorted_at(state->by_id, i);

        if (all_use_counts(mbox_info(mbox)->special_use))
            rc = check_whole(mbox, err);
    }
    return rc;
}

static enum rc check_mailbox(const struct acct_state *state, const struct record_mailbox *r,
                             struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, r->mbox);
    enum rc rc;

    if (mbox == NULL)
        return RC_OK;
    if ((r->op == MAILBOX_DELETE && acct_counts_in_all(state, mbox)) ||
        (r->op == MAILBOX_USE && all_is_left(state, mbox, r->special_use)))
        return check_rows_of(state, r->mbox, r->modseq, err);
    if (r->op != MAILBOX_USE || !all_is_entered(state, mbox, r->special_use))
        return RC_OK;
    if (r->modseq == 0)
        return refuse(err, "messages come into All without modseq");
    rc = check_whole(mbox, err);
    return rc ? rc : check_tail(state, err);
}

static enum rc check_restore(const struct acct_state *state, const struct record_restore *r,
                             struct err *err)
{
    enum rc rc = RC_OK;

    if (r->op == RESTORE_MESSAGES ? !counts(state, r->dst) : !all_use_counts(r->special_use))
        return RC_OK;
    if (r->op == RESTORE_MAILBOX)
        rc = check_whole(acct_deleted_by_id(state, r->mbox), err);
    return rc ? rc : check_tail(state, err);
}

static enum rc check_copy(const struct acct_state *state, const struct record *record,
                          struct err *err)
{
    const struct record_copy *r = &record->copy;
    bool in = counts(state, r->dst);

    if (record->type == RECORD_MOVE && counts(state, r->src))
        return check_twins(state, r->src, &r->uids, !in, err);
    return in ? check_tail(state, err) : RC_OK;
}

static enum rc check_with_all(const struct acct_state *state, const struct record *record,
                              struct err *err)
{
    const struct record_flags *flags = &record->flags;
    struct uid_run run;

    switch (record->type) {
    case RECORD_APPEND:
        return counts(state, record->append.mbox) ? check_tail(state, err) : RC_OK;
    case RECORD_FLAGS:
        return flags->reader == 0 && counts(state, flags->mbox)
                   ? check_twins(state, flags->mbox, &flags->uids,
                                 acct_flags_count_bytes(flags), err)
                   : RC_OK;
    case RECORD_ANNOTATE:
        return record->annotate.reader == 0 && counts(state, record->annotate.mbox)
                   ? check_twins(state, record->annotate.mbox, &record->annotate.uids, false,
                                 err)
                   : RC_OK;
    case RECORD_EXPUNGE:
        return counts(state, record->expunge.mbox)
                   ? check_twins(state, record->expunge.mbox, &record->expunge.uids, true, err)
                   : RC_OK;
    case RECORD_COPY:
    case RECORD_MOVE:
        return check_copy(state, record, err);
    case RECORD_THREADID:
        run = (struct uid_run){record->threadid.uid, record->threadid.uid};
        return counts(state, record->threadid.mbox)
                   ? check_twins(state, record->threadid.mbox, &(struct uid_set){&run, 1}, true,
                                 err)
                   : RC_OK;
    case RECORD_MAILBOX:
        return check_mailbox(state, &record->mailbox, err);
    case RECORD_RESTORE:
        return check_restore(state, &record->restore, err);
    default:
        return RC_OK;
    }
}

enum rc all_check(const struct acct_state *state, const struct record *record, struct err *err)
{
    if (!acct_all_has_room(state, record))
        return refuse(err, "All is full");
    if (record_makes_all(record))
        return check_made(state, &record->mailbox, err);
    if ((record->type == RECORD_MAILBOX && record->mailbox.op == MAILBOX_USE &&
         (record->mailbox.special_use & USE_ALL) != 0) ||
        (record->type == RECORD_RESTORE && record->restore.op == RESTORE_MAILBOX &&
         (record->restore.special_use & USE_ALL) != 0))
        return refuse(err, "a mailbox cannot become All");
    if (state->all_id == 0)
        return RC_OK;
    if (is_for_others(state, record))
        return refuse(err, "All is not changed by itself");
    return check_with_all(state, record, err);
}
