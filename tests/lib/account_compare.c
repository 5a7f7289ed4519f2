/* account_compare.c - what a version answers against what the model says. */
#include "lib/account_model.h"

static void compare_message(const struct model_mbox *want, const struct mbox *mbox,
                            uint32_t index)
{
    const struct model_message *message = &want->messages[index];
    uint16_t keywords[KEYWORDS_MAX];
    uint64_t words[KEYWORD_WORDS] = {0};
    uint32_t found = 0;
    size_t n = mbox_keywords(mbox, index, keywords);

    assert_int_equal(mbox_uid(mbox, index), message->uid);
    assert_int_equal(mbox_flags(mbox, index), message->flags);
    assert_true(mbox_modseq(mbox, index) == message->modseq);
    if (mbox_has_cold(mbox, index))
        assert_memory_equal(mbox_cold(mbox, index), &message->cold, sizeof(message->cold));
    model_set_keywords(keywords, n, words);
    assert_memory_equal(words, message->keywords, sizeof(words));
    for (size_t i = 0; i < n; i++)
        assert_true(mbox_has_keyword(mbox, index, keywords[i]) &&
                    (i == 0 || keywords[i] > keywords[i - 1]));
    assert_true(mbox_find(mbox, message->uid, &found));
    assert_int_equal(found, index);
    assert_int_equal(mbox_lower_bound(mbox, message->uid + 1), index + 1);
}

static void compare_chunks(const struct mbox *mbox)
{
    uint32_t index = 0;

    for (size_t i = 0; i < mbox_chunk_count(mbox); i++) {
        struct chunk_view view = mbox_chunk(mbox, i);
        uint64_t greatest = 0;

        assert_true(view.n >= 1 && view.n <= CHUNK_MESSAGES);
        assert_int_equal(mbox_chunk_start(mbox, i), index);
        for (uint32_t row = 0; row < view.n; row++, index++) {
            uint64_t modseq = mbox_modseq(mbox, index);

            greatest = MAX(greatest, modseq);
            assert_true(view.modseq_delta[row] == MODSEQ_ESCAPE ||
                        view.modseq_base + view.modseq_delta[row] == modseq);
            assert_int_equal(view.uid[row], mbox_uid(mbox, index));
            assert_int_equal(mbox_chunk_of(mbox, index), i);
        }
        assert_true(mbox_chunk_modseq(mbox, i) == greatest);
    }
    assert_int_equal(index, mbox_counts(mbox)->messages);
}

static void compare_expunged(const struct model_mbox *want, const struct mbox *mbox,
                             uint64_t since, uint32_t up_to)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct uid_set got = mbox_expunged_since(mbox, since, up_to, arena);
    uint64_t n = 0;

    for (size_t i = 0; i < want->n_expunges; i++) {
        const struct model_expunge *expunge = &want->expunges[i];

        if (expunge->modseq <= since || expunge->modseq <= want->expunged_below ||
            expunge->uid > up_to)
            continue;
        assert_true(uid_set_contains(&got, expunge->uid));
        n++;
    }
    assert_true(uid_set_span(&got) == n);
}

static void compare_private(const struct model_mbox *want, const struct mbox *mbox)
{
    size_t n = 0, rows;

    for (size_t i = 0; i < mbox_overlay_count(mbox); i++) {
        uint64_t reader = mbox_overlay_reader(mbox, i), greatest = 0;
        const struct overlay_row *row;
        uint32_t before = 0;
        size_t seen = 0;

        assert_true(i == 0 || reader > mbox_overlay_reader(mbox, i - 1));
        for (size_t at = 0; (row = mbox_overlay_piece(mbox, reader, at, &rows)) != NULL; at++) {
            for (size_t r = 0; r < rows; r++) {
                assert_true(row[r].uid > before);
                before = row[r].uid;
                seen += (row[r].flags & FLAG_SEEN) != 0;
                greatest = MAX(greatest, row[r].modseq);
            }
            n += rows;
        }
        assert_true(mbox_overlay_modseq(mbox, reader) >= greatest);
        assert_int_equal(mbox_overlay_seen(mbox, reader), seen);
    }
    assert_int_equal(n, want->n_privates);
    for (size_t i = 0; i < want->n_privates; i++) {
        const struct overlay_row *row =
            mbox_overlay_find(mbox, want->privates[i].reader, want->privates[i].row.uid);

        assert_non_null(row);
        assert_memory_equal(row->keywords, want->privates[i].row.keywords,
                            sizeof(row->keywords));
        assert_int_equal(row->flags, want->privates[i].row.flags);
        assert_true(row->modseq == want->privates[i].row.modseq);
    }
}

#define ANNOTATION_READERS 4u /* 0: everybody's; 1.. own ones */

/* What the model says of one name; NULL: there never was one. */
static const struct model_annotation *
model_annotation(const struct model_mbox *want, uint32_t uid, uint64_t reader, uint8_t name)
{
    for (size_t i = 0; i < want->n_annotations; i++) {
        const struct model_annotation *entry = &want->annotations[i];

        if (entry->uid == uid && entry->reader == reader && entry->name == name)
            return entry;
    }
    return NULL;
}

static size_t compare_entries(const struct model_mbox *want, const struct mbox *mbox,
                              uint32_t uid, uint64_t reader)
{
    size_t n, at = 0;
    const struct annotation *got = mbox_annotations(mbox, uid, reader, &n);
    uint64_t greatest = 0;

    for (uint8_t name = 0; n > 0 && name < 8; name++) {
        const struct model_annotation *entry = model_annotation(want, uid, reader, name);
        const char text[] = {'/', 'n', (char) ('0' + name), '\0'};
        bool present = entry != NULL && !entry->is_nil;

        assert_int_equal(mbox_annotation(mbox, uid, reader, slice_from_str(text)) != NULL,
                         present);
        if (entry == NULL)
            continue;
        assert_true(at < n);
        assert_slice_equal(got[at].entry, slice_from_str(text));
        assert_slice_equal(got[at].value, slice_from_str(entry->value));
        assert_true(got[at].is_nil == entry->is_nil && got[at].modseq == entry->modseq);
        greatest = MAX(greatest, entry->modseq);
        at++;
    }
    assert_int_equal(at, n);
    assert_true(mbox_annotation_modseq(mbox, uid, reader) >= greatest);
    assert_true(reader == 0 || mbox_annotations_modseq(mbox, reader) >= greatest);
    return n;
}

static bool is_there(const struct model_mbox *want, uint32_t uid)
{
    for (size_t i = 0; i < want->n_messages; i++) {
        if (want->messages[i].uid == uid)
            return true;
    }
    return false;
}

/* What changed since a modseq, and the bytes, are those of the entries. */
static void compare_annotations(const struct model_mbox *want, const struct mbox *mbox,
                                uint64_t seed)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t since = seed % (want->highestmodseq + 1);
    struct uid_set news[ANNOTATION_READERS];
    size_t n = 0, there = 0, present = 0;

    for (uint64_t reader = 0; reader < ANNOTATION_READERS; reader++) {
        news[reader] = mbox_annotated_since(mbox, reader, since, arena);
        for (size_t i = 0; i < want->n_messages; i++)
            n += compare_entries(want, mbox, want->messages[i].uid, reader);
    }
    for (size_t i = 0; i < want->n_annotations; i++) {
        const struct model_annotation *entry = &want->annotations[i];

        if (!is_there(want, entry->uid))
            continue;
        there++;
        present += !entry->is_nil;
        assert_true(entry->modseq <= since ||
                    uid_set_contains(&news[entry->reader], entry->uid));
        assert_true(entry->modseq > since ||
                    mbox_annotation_modseq(mbox, entry->uid, entry->reader) > since ||
                    !uid_set_contains(&news[entry->reader], entry->uid));
    }
    assert_int_equal(n, there);
    /* a row may be left that says nothing but a modseq */
    assert_true(present == 0 || mbox_counts(mbox)->annotation_bytes > 0);
}

static void compare_pairs(char want[8][8], char letter, const struct text_pair *pairs, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < 8; i++) {
        char name[3] = {letter, (char) ('0' + i), '\0'};

        if (want[i][0] == '\0')
            continue;
        assert_true(at < n);
        assert_slice_equal(pairs[at].key, slice_from_str(name));
        assert_slice_equal(pairs[at].value, slice_from_str(want[i]));
        at++;
    }
    assert_int_equal(at, n);
}

static void compare_counts(const struct model_mbox *want, const struct mbox *mbox)
{
    const struct mbox_counts *got = mbox_counts(mbox);
    struct mbox_counts counts = {.messages = (uint32_t) want->n_messages};

    for (size_t i = 0; i < want->n_messages; i++) {
        const struct model_message *message = &want->messages[i];

        counts.unseen += (message->flags & FLAG_SEEN) == 0;
        counts.deleted += (message->flags & FLAG_DELETED) != 0;
        counts.bytes += message->cold.size;
        if ((message->flags & FLAG_DELETED) != 0)
            counts.bytes_deleted += message->cold.size;
    }
    assert_int_equal(got->messages, counts.messages);
    assert_int_equal(got->unseen, counts.unseen);
    assert_int_equal(got->deleted, counts.deleted);
    assert_true(got->bytes == counts.bytes && got->bytes_deleted == counts.bytes_deleted);
    assert_int_equal(got->uidnext, want->uidnext);
    assert_int_equal(got->first_recent, want->first_recent);
    assert_true(got->highestmodseq == want->highestmodseq);
    assert_true(got->expunged_below == want->expunged_below);
}

static void compare_info(struct model_mbox *want, const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);

    assert_int_equal(info->id, want->id);
    assert_slice_equal(info->name, slice_from_str(want->name));
    assert_memory_equal(&info->mailboxid, &want->mailboxid, sizeof(want->mailboxid));
    assert_int_equal(info->uidvalidity, want->uidvalidity);
    assert_int_equal(info->special_use, want->special_use);
    assert_int_equal(info->n_keywords, want->n_keywords);
    for (size_t i = 0; i < info->n_keywords; i++) {
        assert_slice_equal(info->keywords[i], slice_from_str(want->keywords[i]));
        assert_int_equal(mbox_keyword_index(mbox, info->keywords[i]), (int) i);
    }
    compare_pairs(want->acl, 'a', info->acl, info->n_acl);
    compare_pairs(want->metadata, 'm', info->metadata, info->n_metadata);
}

static void compare_kept_row(const struct kept_message *want, const struct kept_message *got)
{
    assert_int_equal(got->uid, want->uid);
    assert_int_equal(got->flags, want->flags);
    assert_true(got->modseq == want->modseq && got->expunged_by == want->expunged_by);
    assert_true(got->expunged_sec == want->expunged_sec);
    assert_memory_equal(got->keywords, want->keywords, sizeof(want->keywords));
    assert_memory_equal(&got->cold, &want->cold, sizeof(want->cold));
}

/* Some of what is kept, as FETCH asks for it. */
static void compare_kept_find(const struct model_mbox *want, const struct mbox *mbox,
                              uint64_t seed)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct kept_message *const *found = NULL;
    uint64_t since = seed % (want->highestmodseq + 1);
    struct uid_run run = {1, 1 + (uint32_t) (seed >> 8) % want->uidnext};
    size_t n = mbox_kept_find(mbox, &(struct uid_set){&run, 1}, since, arena, &found);

    for (size_t i = 0; i < n; i++)
        assert_true(i == 0 || found[i]->uid > found[i - 1]->uid);
    for (size_t i = 0; i < want->n_kept; i++) {
        if (want->kept[i].uid > run.last || want->kept[i].modseq <= since)
            continue;
        assert_true(n > 0);
        n--;
    }
    assert_int_equal(n, 0);
}

static void compare_kept(const struct model_mbox *want, const struct mbox *mbox,
                         bool all_loaded, uint64_t seed)
{
    struct kept_counts got = mbox_kept(mbox);
    uint64_t bytes = 0;
    uint32_t before = 0;
    bool loaded = mbox_kept_is_loaded(mbox, 0, UINT32_MAX);

    assert_int_equal(got.messages, want->n_kept);
    assert_true(loaded || !all_loaded);
    for (uint32_t i = 0; i < want->n_kept; i++) {
        bytes += want->kept[i].cold.size;
        if (mbox_kept_is_loaded(mbox, i, 1))
            compare_kept_row(&want->kept[i], mbox_kept_at(mbox, i));
    }
    assert_true(got.bytes == bytes);
    if (want->n_kept == 0)
        return;
    assert_true(got.oldest_sec == want->kept[0].expunged_sec);
    if (mbox_kept_before(mbox, want->kept[seed % want->n_kept].expunged_sec, &before) ||
        loaded) {
        assert_true(before == 0 || want->kept[before - 1].expunged_sec <
                                       want->kept[seed % want->n_kept].expunged_sec);
        assert_true(before < want->n_kept && want->kept[before].expunged_sec >=
                                                 want->kept[seed % want->n_kept].expunged_sec);
    }
    if (loaded)
        compare_kept_find(want, mbox, seed);
}

/* What the counts settle is right, loaded or not; loaded, everything is settled. */
static void compare_run(struct model_mbox *want, const struct mbox *mbox, uint64_t seed)
{
    struct uid_run run;
    uint32_t got, n = 0;
    bool is_settled;

    if (want->uidnext == 1)
        return;
    run.first = 1 + (uint32_t) (seed % (want->uidnext - 1));
    run.last = seed % 3 == 0 ? run.first : want->uidnext - 1;
    run.first = seed % 5 == 0 ? (uint32_t) seed % 2 : run.first;
    for (uint32_t i = 0; i < want->n_messages; i++)
        n += want->messages[i].uid >= run.first && want->messages[i].uid <= run.last;
    is_settled = mbox_count_run(mbox, run, &got);
    assert_true(is_settled || !mbox_is_loaded(mbox));
    if (is_settled)
        assert_int_equal(got, n);
    else
        assert_true(want->n_messages < want->uidnext - 1 &&
                    (run.first > 1 || run.last < want->uidnext - 1));
}

static void compare_mbox(struct model_mbox *want, const struct mbox *mbox, bool all_loaded,
                         uint64_t seed)
{
    uint32_t unseen = 0;

    compare_counts(want, mbox);
    compare_info(want, mbox);
    compare_kept(want, mbox, all_loaded, seed);
    while (unseen < want->n_messages && (want->messages[unseen].flags & FLAG_SEEN) != 0)
        unseen++;
    assert_int_equal(mbox_first_unseen(mbox), unseen); /* loaded or not */
    compare_run(want, mbox, seed);
    assert_true(mbox_is_loaded(mbox) || !all_loaded);
    if (!mbox_is_loaded(mbox))
        return;
    for (uint32_t i = 0; i < want->n_messages; i++)
        compare_message(want, mbox, i);
    compare_chunks(mbox);
    compare_expunged(want, mbox, 0, UID_MAX);
    compare_expunged(want, mbox, seed % (want->highestmodseq + 1),
                     (uint32_t) (seed % want->uidnext));
    compare_private(want, mbox);
    compare_annotations(want, mbox, seed);
}

static void compare_rest(struct model *want, const struct acct_state *state)
{
    struct text_pair pairs[8];
    size_t subscribed = 0, quotas = 0;

    for (size_t i = 0; i < MIN(acct_metadata_count(state), COUNT(pairs)); i++)
        pairs[i] = acct_metadata_at(state, i);
    compare_pairs(want->metadata, 'm', pairs, acct_metadata_count(state));
    for (size_t i = 0; i < 8; i++) {
        char name[3] = {'s', (char) ('0' + i), '\0'};

        assert_int_equal(acct_is_subscribed(state, slice_from_str(name)), want->subscribed[i]);
        if (want->subscribed[i])
            assert_slice_equal(acct_subscription_at(state, subscribed++), slice_from_str(name));
        if (want->quota[i] != 0)
            assert_true(acct_quota_at(state, quotas++).limit == want->quota[i]);
    }
    assert_int_equal(acct_subscription_count(state), subscribed);
    assert_int_equal(acct_quota_count(state), quotas);
    assert_int_equal(acct_xfer_count(state), want->n_xfers);
}

static bool oldest_agrees(const struct model *model, const struct acct_state *state)
{
    const struct mbox *oldest = acct_deleted_oldest(state);

    if (model->n_deleted == 0)
        return oldest == NULL;
    for (size_t i = 0; i < model->n_deleted; i++) {
        if (model->deleted[i].end.deleted_sec < mbox_end(oldest)->deleted_sec)
            return false;
    }
    return true;
}

/* What is kept: deleted mailboxes, and the figure over everything. */
static void compare_all_kept(struct model *model, const struct acct_state *state,
                             bool all_loaded, uint64_t seed)
{
    struct acct_kept got = acct_kept(state);
    uint64_t bytes = 0, messages = 0;

    for (size_t i = 0; i < model->n_mboxes; i++) {
        messages += model->mboxes[i].n_kept;
        bytes += mbox_kept(acct_mailbox_by_id(state, model->mboxes[i].id)).bytes;
    }
    for (size_t i = 0; i < model->n_deleted; i++) {
        struct model_mbox *want = &model->deleted[i];
        const struct mbox *mbox = acct_deleted_by_id(state, want->id);

        assert_non_null(mbox);
        compare_mbox(want, mbox, all_loaded, seed);
        assert_true(mbox_end(mbox)->deleted_sec == want->end.deleted_sec &&
                    mbox_end(mbox)->deleted_by == want->end.deleted_by &&
                    mbox_end(mbox)->name_given == want->end.name_given);
        messages += want->n_messages + want->n_kept;
        bytes += mbox_counts(mbox)->bytes + mbox_kept(mbox).bytes;
    }
    assert_int_equal(acct_deleted_count(state), model->n_deleted);
    assert_true(oldest_agrees(model, state));
    assert_true(got.messages == messages && got.bytes == bytes &&
                got.mailboxes == model->n_deleted);
}

void model_compare(struct model *model, const struct acct_state *state, bool all_loaded,
                   uint64_t seed)
{
    struct acct_usage usage = acct_usage(state);
    uint64_t bytes = 0, messages = 0, annotation_bytes = 0;

    assert_true(acct_modseq(state) == model->modseq);
    assert_true(acct_next_body_id(state) == model->next_body_id);
    assert_int_equal(acct_next_mailbox_id(state), model->next_mailbox_id);
    assert_int_equal(acct_mailbox_count(state), model->n_mboxes);
    for (size_t i = 0; i < model->n_mboxes; i++) {
        struct model_mbox *want = &model->mboxes[i];
        const struct mbox *mbox = acct_mailbox_by_id(state, want->id);

        assert_non_null(mbox);
        compare_mbox(want, mbox, all_loaded, seed);
        assert_ptr_equal(acct_mailbox_by_name(state, slice_from_str(want->name)), mbox);
        assert_ptr_equal(acct_mailbox_by_mailboxid(state, &want->mailboxid), mbox);
        if (want->id == model->all_id)
            continue;
        messages += want->n_messages;
        bytes += mbox_counts(mbox)->bytes;
        annotation_bytes += mbox_counts(mbox)->annotation_bytes;
    }
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        struct slice name = mbox_info(acct_mailbox_at(state, i))->name, before;

        assert_int_equal(acct_mailbox_lower_bound(state, name), i);
        if (i == 0)
            continue;
        before = mbox_info(acct_mailbox_at(state, i - 1))->name;
        assert_true(slice_eq(before, SLICE("INBOX")) || slice_cmp(before, name) < 0);
    }
    model_compare_twins(model, state);
    compare_rest(model, state);
    compare_all_kept(model, state, all_loaded, seed);
    assert_true(usage.messages == messages && usage.bytes == bytes);
    assert_true(usage.annotation_bytes == annotation_bytes);
    assert_true(usage.mailboxes == model->n_mboxes);
}
