/*
 * apply_kept.c - what is kept of the expunged and the deleted: how mailboxes come among it, and
 * how it goes again, back or for good. As apply.c: nothing here decides or fails.
 */
#include <assert.h>

#include "account/all.h"

void apply_delete(struct acct_state *fork, const struct record_group *group,
                  const struct record_mailbox *r)
{
    struct mbox *mbox = mbox_ref(state_own_mbox(fork, r->mbox));
    bool is_all = mbox_info_is_all(mbox_info(mbox)), found;
    size_t at = 0;

    if (acct_counts_in_all(fork, mbox))
        all_leave(fork, r->mbox, r->modseq);
    found = state_find_mbox(fork, r->mbox, &at);
    assert(found);
    state_count_mbox(fork, mbox, false);
    fork->usage.mailboxes--;
    remove_name(fork, mbox_info(mbox)->name);
    sorted_remove(&fork->by_id, at);
    if (is_all) { /* what was in it is elsewhere: there is nothing to keep */
        fork->all_id = 0;
        mbox_unref(mbox);
        return;
    }
    mbox->end = (struct mbox_end){.deleted_sec = group->time_us / 1000000,
                                  .deleted_by = group->actor.account};
    state_insert_deleted(fork, mbox);
}

void apply_name_given(struct acct_state *fork, struct slice name)
{
    for (size_t i = 0; i < acct_deleted_count(fork); i++) {
        const struct mbox *mbox = acct_deleted_at(fork, i);

        if (!mbox->end.name_given && slice_eq(mbox_info(mbox)->name, name))
            state_own_deleted(fork, mbox_info(mbox)->id)->end.name_given = true;
    }
}

void apply_forget(struct acct_state *fork, const struct record_forget *r)
{
    struct mbox *mbox;

    if (r->op == FORGET_MAILBOX) {
        mbox_unref(state_take_deleted(fork, r->mbox));
    } else if (acct_mailbox_by_id(fork, r->mbox) != NULL) {
        mbox = state_own_mbox(fork, r->mbox);
        state_count_mbox(fork, mbox, false);
        kept_forget(&mbox->kept, r->n);
        state_count_mbox(fork, mbox, true);
    } else {
        mbox = state_own_deleted(fork, r->mbox);
        state_count_deleted(fork, mbox, false);
        kept_forget(&mbox->kept, r->n);
        state_count_deleted(fork, mbox, true);
    }
}

/* ---- restore ---- */

static void restore_message(struct acct_state *fork, struct mbox *dst,
                            const struct kept_message *kept, const uint16_t map[KEYWORDS_MAX],
                            const struct record_restore *r)
{
    struct chunk_row row = {.uid = dst->counts.uidnext,
                            .flags = kept->flags & (uint8_t) ~FLAG_DELETED,
                            .modseq = r->modseq};
    struct msg_cold cold = kept->cold;

    cold.savedate = r->savedate;
    for (uint16_t i = 0; i < KEYWORDS_MAX; i++) {
        if ((kept->keywords[i / 64] >> (i % 64) & 1) == 0)
            continue;
        assert(map[i] != UINT16_MAX);
        row.keywords[map[i] / 64] |= (uint64_t) 1 << (map[i] % 64);
    }
    row.twin = all_next_twin(fork, dst);
    mbox_add(dst, &row, &cold);
    all_add(fork, dst, &row, &cold);
    for (size_t i = 0; kept->annotations != NULL && i < kept->annotations->n; i++)
        mbox_add_annotations(
            dst, annotation_row_for(kept->annotations->rows[i], row.uid, r->modseq));
}

static void restore_messages(struct acct_state *fork, const struct record_restore *r)
{
    /* More than the list can take: pointers to what is kept. */
    AUTO(arena_freep) struct arena *arena = arena_new(SIZE_MAX / 2);
    struct mbox *dst = state_own_mbox(fork, r->dst), *src = state_own_mbox(fork, r->mbox);
    const struct kept_message *const *found = NULL;
    size_t n = kept_collect(src->kept, &r->uids, 0, arena, &found);
    uint16_t map[KEYWORDS_MAX];

    assert(r->dst_first_uid >= dst->counts.uidnext);
    state_count_mbox(fork, dst, false);
    dst->counts.uidnext = r->dst_first_uid;
    memset(map, 0xff, sizeof(map));
    map_keywords(src, dst, map);
    for (size_t i = 0; i < n; i++)
        restore_message(fork, dst, found[i], map, r);
    state_count_mbox(fork, dst, true);
    state_count_mbox(fork, src, false);
    kept_take_out(&src->kept, &r->uids);
    state_count_mbox(fork, src, true);
}

static void restore_mailbox(struct acct_state *fork, const struct record_restore *r)
{
    struct mbox *mbox = state_take_deleted(fork, r->mbox);

    mbox->end = (struct mbox_end){0};
    if (r->new_mbox != 0) {
        info_set_identity(&mbox->info, r->new_mbox, &r->mailboxid, r->uidvalidity);
        fork->next_mailbox_id = r->new_mbox + 1;
    }
    /* A name of its own again: the index of names goes by it and by the id. */
    info_set_name(&mbox->info, r->name);
    info_set_special_use(&mbox->info, r->special_use);
    info_set_was_inbox(&mbox->info, false);
    mbox_raise_modseq(mbox, r->modseq);
    apply_name_given(fork, r->name);
    state_insert_mbox(fork, mbox);
    if (acct_counts_in_all(fork, mbox))
        all_enter(fork, mbox_info(mbox)->id, r->modseq);
}

void apply_restore(struct acct_state *fork, const struct record_restore *r)
{
    switch (r->op) {
    case RESTORE_MESSAGES:
        restore_messages(fork, r);
        break;
    case RESTORE_MAILBOX:
        restore_mailbox(fork, r);
        break;
    }
    fork->modseq = MAX(fork->modseq, r->modseq);
}
