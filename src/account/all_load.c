/* all_load.c - what a record needs of All in memory; mbox_load.c sees to the rest first. */
#include "account/all.h"
#include "account/mbox_load.h"

static enum rc load_all(struct page_loader *loader, struct acct_state *fork, struct err *err)
{
    return acct_mbox_load(fork, fork->all_id, loader->read, loader->ctx, err);
}

static enum rc load_tail(struct page_loader *loader, struct acct_state *fork, struct err *err)
{
    return mbox_load_tail(loader, fork, fork->all_id, err);
}

/* All's messages; with their cold rows: those of the twins of a mailbox's messages. Rows that
 * are not there are acct_check()'s matter. */
static enum rc load_twins(struct page_loader *loader, struct acct_state *fork, uint32_t home,
                          const struct uid_set *uids, bool cold, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, home);
    enum rc rc = load_all(loader, fork, err);

    for (size_t i = 0; cold && i < uids->n; i++) {
        uint32_t index = mbox_lower_bound(mbox, uids->runs[i].first), at;

        for (; rc == RC_OK && index < mbox->counts.messages &&
               mbox_uid(mbox, index) <= uids->runs[i].last;
             index++) {
            const struct mbox *all = acct_all(fork);

            if (mbox_find(all, mbox_all_uid(mbox, index), &at) && !mbox_has_cold(all, at))
                rc = mbox_load_cold_slots(loader, all, mbox_chunk_of(all, at),
                                          mbox_chunk_of(all, at) + 1, err);
        }
    }
    return rc;
}

/* All's messages, and the cold rows of the chunks in which some of a mailbox are. */
static enum rc load_rows_of(struct page_loader *loader, struct acct_state *fork, uint32_t home,
                            struct err *err)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct uid_set rows;
    size_t first, end;
    enum rc rc = load_all(loader, fork, err);

    if (rc)
        return rc;
    arena = arena_new(PAGE_ARENA_BYTES);
    rows = all_rows_of(acct_all(fork), home, arena);
    for (size_t i = 0; rc == RC_OK && i < rows.n; i++) {
        mbox_slots_of(acct_all(fork), rows.runs[i], &first, &end);
        rc = mbox_load_cold_slots(loader, acct_all(fork), first, end, err);
    }
    return rc;
}

/* A mailbox, a deleted one perhaps, with all its cold rows. */
static enum rc load_whole(struct page_loader *loader, struct acct_state *fork, uint32_t id,
                          struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = acct_mbox_load(fork, id, loader->read, loader->ctx, err);

    if (rc)
        return rc;
    mbox = acct_mailbox_by_id(fork, id);
    if (mbox == NULL)
        mbox = acct_deleted_by_id(fork, id);
    return mbox_load_cold_slots(loader, mbox, 0, mbox->n_slots, err);
}

static enum rc load_everything(struct page_loader *loader, struct acct_state *fork,
                               struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < fork->by_id->n; i++) {
        const struct mbox *mbox =
            (const struct mbox *) (const void *) sorted_at(fork->by_id, i);

        if (all_use_counts(mbox_info(mbox)->special_use))
            rc = load_whole(loader, fork, mbox_info(mbox)->id, err);
    }
    return rc;
}

/* Is there such a mailbox, and does it count? */
static bool is_about(const struct acct_state *fork, uint32_t mbox_id)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, mbox_id);

    return mbox != NULL && acct_counts_in_all(fork, mbox);
}

static enum rc load_for_mailbox(struct page_loader *loader, struct acct_state *fork,
                                const struct record_mailbox *r, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, r->mbox);
    enum rc rc;

    if (mbox == NULL)
        return RC_OK;
    if ((r->op == MAILBOX_DELETE && acct_counts_in_all(fork, mbox)) ||
        (r->op == MAILBOX_USE && all_is_left(fork, mbox, r->special_use)))
        return load_rows_of(loader, fork, r->mbox, err);
    if (r->op != MAILBOX_USE || !all_is_entered(fork, mbox, r->special_use))
        return RC_OK;
    rc = load_whole(loader, fork, r->mbox, err);
    return rc ? rc : load_tail(loader, fork, err);
}

static enum rc load_for_move(struct page_loader *loader, struct acct_state *fork,
                             const struct record_copy *r, struct err *err)
{
    bool in = is_about(fork, r->dst);

    if (is_about(fork, r->src))
        return load_twins(loader, fork, r->src, &r->uids, !in, err);
    return in ? load_tail(loader, fork, err) : RC_OK;
}

static enum rc load_for_restore(struct page_loader *loader, struct acct_state *fork,
                                const struct record_restore *r, struct err *err)
{
    enum rc rc = RC_OK;

    if (r->op == RESTORE_MESSAGES ? !is_about(fork, r->dst) : !all_use_counts(r->special_use))
        return RC_OK;
    if (r->op == RESTORE_MAILBOX && acct_deleted_by_id(fork, r->mbox) != NULL)
        rc = load_whole(loader, fork, r->mbox, err);
    return rc ? rc : load_tail(loader, fork, err);
}

enum rc all_load_for(struct page_loader *loader, struct acct_state *fork,
                     const struct record *record, struct err *err)
{
    struct uid_run run;

    if (record_makes_all(record))
        return load_everything(loader, fork, err);
    if (fork->all_id == 0)
        return RC_OK;
    switch (record->type) {
    case RECORD_APPEND:
        return is_about(fork, record->append.mbox) ? load_tail(loader, fork, err) : RC_OK;
    case RECORD_FLAGS:
        return record->flags.reader == 0 && is_about(fork, record->flags.mbox)
                   ? load_twins(loader, fork, record->flags.mbox, &record->flags.uids,
                                acct_flags_count_bytes(&record->flags), err)
                   : RC_OK;
    case RECORD_ANNOTATE:
        return record->annotate.reader == 0 && is_about(fork, record->annotate.mbox)
                   ? load_all(loader, fork, err)
                   : RC_OK;
    case RECORD_EXPUNGE:
        return is_about(fork, record->expunge.mbox)
                   ? load_twins(loader, fork, record->expunge.mbox, &record->expunge.uids, true,
                                err)
                   : RC_OK;
    case RECORD_COPY:
        return is_about(fork, record->copy.dst) ? load_tail(loader, fork, err) : RC_OK;
    case RECORD_MOVE:
        return load_for_move(loader, fork, &record->copy, err);
    case RECORD_THREADID:
        run = (struct uid_run){record->threadid.uid, record->threadid.uid};
        return is_about(fork, record->threadid.mbox)
                   ? load_twins(loader, fork, record->threadid.mbox, &(struct uid_set){&run, 1},
                                true, err)
                   : RC_OK;
    case RECORD_MAILBOX:
        return load_for_mailbox(loader, fork, &record->mailbox, err);
    case RECORD_RESTORE:
        return load_for_restore(loader, fork, &record->restore, err);
    case RECORD_SUBSCRIBE:
    case RECORD_ACL:
    case RECORD_METADATA:
    case RECORD_KEYWORD:
    case RECORD_QUOTA:
    case RECORD_PURGE:
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
    case RECORD_ACCOUNT:
    case RECORD_FORGET:
        break;
    }
    return RC_OK;
}
