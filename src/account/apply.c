/*
 * apply.c - record + state -> state.
 *
 * Nothing here decides or fails: a record holds results. What a record may demand is checked by
 * check.c for records from outside, and by the transaction that wrote them for our own; where a
 * rule is broken all the same an assertion ends the process before anything is published.
 */
#include <assert.h>

#include "account/all.h"

static void raise_modseq(struct acct_state *fork, uint64_t modseq)
{
    fork->modseq = MAX(fork->modseq, modseq);
}

/* Usage is the sum over mailboxes: take what a mailbox had, add what it has. */
static void usage_begin(struct acct_state *fork, const struct mbox *mbox)
{
    state_count_mbox(fork, mbox, false);
}

static void usage_end(struct acct_state *fork, const struct mbox *mbox)
{
    state_count_mbox(fork, mbox, true);
}

static void apply_append(struct acct_state *fork, const struct record_append *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);
    struct chunk_row row = {.uid = r->uid, .flags = r->flags, .modseq = r->modseq};
    struct msg_cold cold = {
        .size = r->size,
        .zone_min = r->internaldate.zone_min,
        .internaldate = r->internaldate.unix_sec,
        .savedate = r->savedate,
        .body_id = r->body_id,
        .emailid = r->emailid,
        .threadid = r->threadid,
    };

    assert(r->body_id >= fork->next_body_id);
    keywords_of(r->keywords, r->n_keywords, row.keywords);
    row.twin = all_next_twin(fork, mbox);
    usage_begin(fork, mbox);
    mbox_add(mbox, &row, &cold);
    usage_end(fork, mbox);
    all_add(fork, mbox, &row, &cold);
    fork->next_body_id = r->body_id + 1;
    raise_modseq(fork, r->modseq);
}

static void apply_flags(struct acct_state *fork, const struct record_flags *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);

    if (r->reader != 0) {
        mbox_change_overlay(mbox, r);
    } else {
        mbox_change_flags(mbox, r);
        if (acct_counts_in_all(fork, mbox))
            all_change_flags(fork, mbox, r);
    }
    raise_modseq(fork, r->modseq);
}

static void apply_annotate(struct acct_state *fork, const struct record_annotate *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);

    usage_begin(fork, mbox);
    mbox_annotate(mbox, r);
    usage_end(fork, mbox);
    if (r->reader == 0 && acct_counts_in_all(fork, mbox))
        all_change_flags(
            fork, mbox,
            &(struct record_flags){.op = FLAG_OP_ADD, .uids = r->uids, .modseq = r->modseq});
    raise_modseq(fork, r->modseq);
}

/* end: NULL if the messages are not to be kept. in_all: they go from All too. */
static void expunge_from(struct acct_state *fork, uint32_t id, const struct uid_set *uids,
                         uint64_t modseq, const struct expunge_end *end, bool in_all)
{
    struct mbox *mbox = state_own_mbox(fork, id);

    if (in_all && acct_counts_in_all(fork, mbox))
        all_expunge(fork, mbox, uids, modseq);

    usage_begin(fork, mbox);
    mbox_expunge(mbox, uids, modseq, end);
    usage_end(fork, mbox);
    raise_modseq(fork, modseq);
}

/* Those the target lacks are not used by any message that is copied or brought back. */
void map_keywords(const struct mbox *src, const struct mbox *dst, uint16_t map[KEYWORDS_MAX])
{
    const struct mbox_info *info = mbox_info(src);

    for (size_t i = 0; i < info->n_keywords; i++) {
        int at = mbox_keyword_index(dst, info->keywords[i]);

        map[i] = at >= 0 ? (uint16_t) at : UINT16_MAX;
    }
}

/* From a mailbox that does not change meanwhile. */
static void copy_annotations(const struct mbox *src, uint32_t uid, struct mbox *dst,
                             uint32_t dst_uid, const struct record_copy *r)
{
    const struct annotation_row *shared = NULL, *own = NULL;

    if (r->annotations)
        shared = annotations_find(src->annotations, uid, 0);
    if (r->reader != 0)
        own = annotations_find(src->annotations, uid, r->reader);
    if (shared != NULL)
        mbox_add_annotations(dst, annotation_row_for(shared, dst_uid, r->modseq));
    if (own != NULL)
        mbox_add_annotations(dst, annotation_row_for(own, dst_uid, r->modseq));
}

/* What a COPY or MOVE does. */
struct copying {
    struct acct_state *fork;
    const struct record_copy *record;
    const struct mbox *src; /* of a version that does not change: it may be the target */
    struct mbox *dst;
    uint16_t map[KEYWORDS_MAX];
    struct all_move *moves; /* of a MOVE that keeps the messages in All; else NULL */
    size_t n_moves;
};

static void copy_message(struct copying *copying, uint32_t index)
{
    const struct mbox *src = copying->src;
    const struct record_copy *r = copying->record;
    struct mbox *dst = copying->dst;
    struct chunk_row row = {.uid = dst->counts.uidnext, .modseq = r->modseq};
    struct msg_cold cold = *mbox_cold(src, index);
    uint16_t keywords[KEYWORDS_MAX];
    size_t n = mbox_keywords(src, index, keywords);

    for (size_t i = 0; i < n; i++) {
        keywords[i] = copying->map[keywords[i]];
        assert(keywords[i] != UINT16_MAX);
    }
    keywords_of(keywords, n, row.keywords);
    row.flags = mbox_flags(src, index);
    cold.savedate = r->savedate;
    row.twin =
        copying->moves != NULL ? mbox_all_uid(src, index) : all_next_twin(copying->fork, dst);
    mbox_add(dst, &row, &cold);
    copy_annotations(src, mbox_uid(src, index), dst, row.uid, r);
    if (copying->moves != NULL)
        copying->moves[copying->n_moves++] =
            (struct all_move){mbox_all_uid(src, index), row.uid};
    else
        all_add(copying->fork, dst, &row, &cold);
}

/* stays: the messages stay in All as what they are there. */
static void apply_copy(struct acct_state *fork, const struct record_copy *r, bool stays)
{
    struct copying copying = {.fork = fork, .record = r};
    struct mbox *dst = state_own_mbox(fork, r->dst);
    AUTO(mbox_unrefp) struct mbox *src = mbox_ref(acct_mailbox_by_id(fork, r->src));
    AUTO(freep) struct all_move *moves = NULL;

    if (r->src == r->dst)
        dst = state_own_mbox(fork, r->dst);
    if (stays)
        copying.moves = moves = xmalloc(uid_set_span(&r->uids) * sizeof(*moves));
    copying.src = src;
    copying.dst = dst;
    usage_begin(fork, dst);
    assert(r->dst_first_uid >= dst->counts.uidnext);
    dst->counts.uidnext = r->dst_first_uid;
    map_keywords(src, dst, copying.map);
    for (size_t i = 0; i < r->uids.n; i++) {
        const struct uid_run *run = &r->uids.runs[i];
        uint32_t index = mbox_lower_bound(src, run->first);

        for (uint32_t n = run->last - run->first + 1; n > 0; n--)
            copy_message(&copying, index++);
    }
    usage_end(fork, dst);
    if (stays)
        all_rehome(fork, r->dst, moves, copying.n_moves, r->modseq);
    raise_modseq(fork, r->modseq);
}

static void apply_move(struct acct_state *fork, const struct record_copy *r)
{
    bool stays = acct_counts_in_all(fork, acct_mailbox_by_id(fork, r->src)) &&
                 acct_counts_in_all(fork, acct_mailbox_by_id(fork, r->dst));

    apply_copy(fork, r, stays);
    expunge_from(fork, r->src, &r->uids, r->modseq, NULL, !stays);
}

static void apply_create(struct acct_state *fork, const struct record_mailbox *r)
{
    struct mbox *mbox = mbox_new(
        info_object_new(r->mbox, &r->mailboxid, r->name, r->uidvalidity, r->special_use));

    mbox->counts.uidnext = r->uidnext;
    mbox->counts.first_recent = r->uidnext;
    mbox->counts.highestmodseq = r->modseq;
    /* There was nothing before it: every expunge is remembered. */
    mbox->counts.expunged_below = 0;
    apply_name_given(fork, r->name);
    state_insert_mbox(fork, mbox);
    fork->next_mailbox_id = r->mbox + 1;
    if (mbox_info_is_all(mbox_info(mbox)))
        all_begin(fork, r->mbox);
}

void remove_name(struct acct_state *fork, struct slice name)
{
    size_t at = 0;
    const struct counted *item = sorted_find(fork->by_name, compare_mailbox_name, &name, &at);

    assert(item != NULL);
    sorted_remove(&fork->by_name, at);
}

static void apply_rename(struct acct_state *fork, const struct record_mailbox *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);

    remove_name(fork, mbox_info(mbox)->name);
    info_set_name(&mbox->info, r->name);
    apply_name_given(fork, r->name);
    counted_take(&mbox->info->name->counted);
    sorted_insert(&fork->by_name,
                  sorted_lower_bound(fork->by_name, compare_mailbox_name, &r->name),
                  &mbox->info->name->counted);
}

static void apply_use(struct acct_state *fork, const struct record_mailbox *r)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, r->mbox);
    bool enters = all_is_entered(fork, mbox, r->special_use);

    if (all_is_left(fork, mbox, r->special_use))
        all_leave(fork, r->mbox, r->modseq);
    info_set_special_use(&state_own_mbox(fork, r->mbox)->info, r->special_use);
    if (enters)
        all_enter(fork, r->mbox, r->modseq);
}

static void apply_mailbox(struct acct_state *fork, const struct record_group *group,
                          const struct record_mailbox *r)
{
    struct mbox *mbox;

    switch (r->op) {
    case MAILBOX_CREATE:
        apply_create(fork, r);
        break;
    case MAILBOX_DELETE:
        apply_delete(fork, group, r);
        break;
    case MAILBOX_RENAME:
        apply_rename(fork, r);
        break;
    case MAILBOX_USE:
        apply_use(fork, r);
        break;
    case MAILBOX_RECENT:
        mbox = state_own_mbox(fork, r->mbox);
        mbox->counts.first_recent = MAX(mbox->counts.first_recent, r->first_recent);
        break;
    case MAILBOX_UIDNEXT:
        mbox = state_own_mbox(fork, r->mbox);
        mbox->counts.uidnext = MAX(mbox->counts.uidnext, r->uidnext);
        break;
    case MAILBOX_UIDVALIDITY:
        info_set_uidvalidity(&state_own_mbox(fork, r->mbox)->info, r->uidvalidity);
        break;
    }
    if (r->op != MAILBOX_DELETE)
        mbox_raise_modseq(state_own_mbox(fork, r->mbox), r->modseq);
    raise_modseq(fork, r->modseq);
}

void acct_note_was_inbox(struct acct_state *fork, uint32_t mbox_id)
{
    info_set_was_inbox(&state_own_mbox(fork, mbox_id)->info, true);
}

static void apply_subscribe(struct acct_state *fork, const struct record_subscribe *r)
{
    struct slice name = mailbox_name_key(r->name);
    size_t at = sorted_lower_bound(fork->subscriptions, compare_subscription, &name);
    bool is_on = acct_is_subscribed(fork, name);

    if (r->on && !is_on)
        sorted_insert(&fork->subscriptions, at, &name_item_new(0, name)->counted);
    else if (!r->on && is_on)
        sorted_remove(&fork->subscriptions, at);
}

static void apply_threadid(struct acct_state *fork, const struct record_threadid *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);

    mbox_set_threadid(mbox, r->uid, &r->threadid);
    if (acct_counts_in_all(fork, mbox))
        all_set_threadid(fork, mbox, r->uid, &r->threadid);
}

static struct acct_rest *own_rest(struct acct_state *fork)
{
    struct acct_rest *old = fork->rest, *copy;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return old;
    }
    copy = rest_new();
    copy->metadata = pairs_copy(old->metadata, old->n_metadata);
    copy->n_metadata = old->n_metadata;
    if (old->n_quotas > 0)
        copy->quotas = xmalloc(old->n_quotas * sizeof(*copy->quotas));
    for (; copy->n_quotas < old->n_quotas; copy->n_quotas++) {
        copy->quotas[copy->n_quotas] = old->quotas[copy->n_quotas];
        copy->quotas[copy->n_quotas].resource = text_dup(old->quotas[copy->n_quotas].resource);
    }
    if (old->n_xfers > 0)
        copy->xfers = xmalloc(old->n_xfers * sizeof(*copy->xfers));
    for (; copy->n_xfers < old->n_xfers; copy->n_xfers++) {
        copy->xfers[copy->n_xfers] = old->xfers[copy->n_xfers];
        copy->xfers[copy->n_xfers].payload = text_dup(old->xfers[copy->n_xfers].payload);
    }
    rest_unref(old);
    fork->rest = copy;
    return copy;
}

static void apply_metadata(struct acct_state *fork, const struct record_metadata *r)
{
    const struct slice *value = r->is_nil ? NULL : &r->value;

    if (r->mbox == 0) {
        struct acct_rest *rest = own_rest(fork);

        rest->metadata = pairs_set(rest->metadata, &rest->n_metadata, r->entry, value);
    } else {
        struct mbox *mbox = state_own_mbox(fork, r->mbox);

        info_set_metadata(&mbox->info, r->entry, value);
        mbox_raise_modseq(mbox, r->modseq);
    }
    raise_modseq(fork, r->modseq);
}

static void apply_acl(struct acct_state *fork, const struct record_acl *r)
{
    struct mbox *mbox = state_own_mbox(fork, r->mbox);

    info_set_acl(&mbox->info, r->identifier, r->rights);
    mbox_raise_modseq(mbox, r->modseq);
    raise_modseq(fork, r->modseq);
}

static void apply_quota(struct acct_state *fork, const struct record_quota *r)
{
    struct acct_rest *rest = own_rest(fork);
    size_t at = 0;
    bool found;

    while (at < rest->n_quotas && slice_cmp(rest->quotas[at].resource, r->resource) < 0)
        at++;
    found = at < rest->n_quotas && slice_eq(rest->quotas[at].resource, r->resource);
    if (!r->unlimited && found) {
        rest->quotas[at].limit = r->limit;
    } else if (!r->unlimited) {
        rest->quotas = xrealloc(rest->quotas, (rest->n_quotas + 1) * sizeof(*rest->quotas));
        memmove(rest->quotas + at + 1, rest->quotas + at,
                (rest->n_quotas - at) * sizeof(*rest->quotas));
        rest->quotas[at] = (struct quota_limit){text_dup(r->resource), r->limit};
        rest->n_quotas++;
    } else if (found) {
        text_free(rest->quotas[at].resource);
        memmove(rest->quotas + at, rest->quotas + at + 1,
                (rest->n_quotas - at - 1) * sizeof(*rest->quotas));
        rest->n_quotas--;
    }
}

static void apply_xfer(struct acct_state *fork, enum record_type type,
                       const struct record_xfer *r)
{
    struct acct_rest *rest = own_rest(fork);

    rest->xfers = xrealloc(rest->xfers, (rest->n_xfers + 1) * sizeof(*rest->xfers));
    rest->xfers[rest->n_xfers++] = (struct xfer_entry){
        .type = type,
        .peer_account = r->peer_account,
        .transfer_id = r->transfer_id,
        .payload = text_dup(r->payload),
    };
}

void acct_apply(struct acct_state *fork, const struct record_group *group,
                const struct record *record)
{
    const struct expunge_end end = {.sec = group->time_us / 1000000,
                                    .by = group->actor.account};

    switch (record->type) {
    case RECORD_APPEND:
        apply_append(fork, &record->append);
        break;
    case RECORD_FLAGS:
        apply_flags(fork, &record->flags);
        break;
    case RECORD_EXPUNGE:
        expunge_from(fork, record->expunge.mbox, &record->expunge.uids, record->expunge.modseq,
                     &end, true);
        break;
    case RECORD_COPY:
        apply_copy(fork, &record->copy, false);
        break;
    case RECORD_MOVE:
        apply_move(fork, &record->copy);
        break;
    case RECORD_MAILBOX:
        apply_mailbox(fork, group, &record->mailbox);
        break;
    case RECORD_SUBSCRIBE:
        apply_subscribe(fork, &record->subscribe);
        break;
    case RECORD_ACL:
        apply_acl(fork, &record->acl);
        break;
    case RECORD_METADATA:
        apply_metadata(fork, &record->metadata);
        break;
    case RECORD_KEYWORD:
        info_add_keyword(&state_own_mbox(fork, record->keyword.mbox)->info,
                         record->keyword.name);
        break;
    case RECORD_QUOTA:
        apply_quota(fork, &record->quota);
        break;
    case RECORD_THREADID:
        apply_threadid(fork, &record->threadid);
        break;
    case RECORD_PURGE:
        mbox_purge(state_own_mbox(fork, record->purge.mbox),
                   record->purge.expunged_below_modseq);
        break;
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
        apply_xfer(fork, record->type, &record->xfer);
        break;
    case RECORD_ACCOUNT:
        fork->modseq = record->account.first_modseq;
        break;
    case RECORD_FORGET:
        apply_forget(fork, &record->forget);
        break;
    case RECORD_RESTORE:
        apply_restore(fork, &record->restore);
        break;
    case RECORD_ANNOTATE:
        apply_annotate(fork, &record->annotate);
        break;
    }
}

bool acct_flags_count_bytes(const struct record_flags *record)
{
    return record->reader == 0 &&
           (record->op == FLAG_OP_REPLACE || (record->flags & FLAG_DELETED) != 0);
}
