#include "lib/account_model.h"

#include <stdio.h>

struct model *model_new(void)
{
    struct model *model = xcalloc(1, sizeof(*model));

    model->next_body_id = 1;
    model->next_mailbox_id = 1;
    return model;
}

static void *copy_block(const void *from, size_t size)
{
    void *to = xmalloc(size + 1);

    if (size > 0)
        memcpy(to, from, size);
    return to;
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = copy_block(model, sizeof(*model));

    copy->mboxes = copy_block(model->mboxes, model->n_mboxes * sizeof(*copy->mboxes));
    for (size_t i = 0; i < copy->n_mboxes; i++) {
        struct model_mbox *mbox = &copy->mboxes[i];

        mbox->messages = copy_block(mbox->messages, mbox->n_messages * sizeof(*mbox->messages));
        mbox->cap = mbox->n_messages;
        mbox->expunges = copy_block(mbox->expunges, mbox->n_expunges * sizeof(*mbox->expunges));
        mbox->privates = copy_block(mbox->privates, mbox->n_privates * sizeof(*mbox->privates));
    }
    return copy;
}

static void mbox_done(struct model_mbox *mbox)
{
    free(mbox->messages);
    free(mbox->expunges);
    free(mbox->privates);
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->n_mboxes; i++)
        mbox_done(&model->mboxes[i]);
    free(model->mboxes);
    free(model);
}

struct model_mbox *model_mbox(struct model *model, uint32_t id)
{
    for (size_t i = 0; i < model->n_mboxes; i++) {
        if (model->mboxes[i].id == id)
            return &model->mboxes[i];
    }
    fail_msg("model has no mailbox %u", id);
    abort(); /* never reached: fail_msg() jumps, which no compiler is told */
}

static void raise(struct model *model, struct model_mbox *mbox, uint64_t modseq)
{
    model->modseq = MAX(model->modseq, modseq);
    if (mbox != NULL)
        mbox->highestmodseq = MAX(mbox->highestmodseq, modseq);
}

static void add_message(struct model_mbox *mbox, const struct model_message *message)
{
    if (mbox->n_messages == mbox->cap) {
        mbox->cap = mbox->cap * 2 + 1;
        mbox->messages = xrealloc(mbox->messages, mbox->cap * sizeof(*mbox->messages));
    }
    mbox->messages[mbox->n_messages++] = *message;
    mbox->uidnext = message->uid + 1;
}

static void set_keywords(const uint16_t *keywords, size_t n, uint64_t out[KEYWORD_WORDS])
{
    for (size_t i = 0; i < n; i++)
        out[keywords[i] / 64] |= (uint64_t) 1 << (keywords[i] % 64);
}

static void do_append(struct model *model, const struct record_append *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);
    struct model_message message = {.uid = r->uid, .flags = r->flags, .modseq = r->modseq};

    set_keywords(r->keywords, r->n_keywords, message.keywords);
    message.cold = (struct msg_cold){.size = r->size,
                                     .zone_min = r->internaldate.zone_min,
                                     .internaldate = r->internaldate.unix_sec,
                                     .savedate = r->savedate,
                                     .body_id = r->body_id,
                                     .emailid = r->emailid,
                                     .threadid = r->threadid};
    add_message(mbox, &message);
    model->next_body_id = r->body_id + 1;
    raise(model, mbox, r->modseq);
}

static void change(uint8_t *flags, uint64_t words[KEYWORD_WORDS], const struct record_flags *r)
{
    uint64_t set[KEYWORD_WORDS] = {0};

    set_keywords(r->keywords, r->n_keywords, set);
    if (r->op == FLAG_OP_ADD)
        *flags |= r->flags;
    else if (r->op == FLAG_OP_REMOVE)
        *flags &= (uint8_t) ~r->flags;
    else
        *flags = r->flags;
    for (size_t i = 0; i < KEYWORD_WORDS; i++) {
        if (r->op == FLAG_OP_ADD)
            words[i] |= set[i];
        else if (r->op == FLAG_OP_REMOVE)
            words[i] &= ~set[i];
        else
            words[i] = set[i];
    }
}

static struct model_private *private_row(struct model_mbox *mbox, uint64_t reader, uint32_t uid)
{
    for (size_t i = 0; i < mbox->n_privates; i++) {
        if (mbox->privates[i].reader == reader && mbox->privates[i].row.uid == uid)
            return &mbox->privates[i];
    }
    return NULL;
}

static void change_private(struct model_mbox *mbox, uint32_t uid, const struct record_flags *r)
{
    struct model_private *row = private_row(mbox, r->reader, uid);

    if (row == NULL) {
        mbox->privates =
            xrealloc(mbox->privates, (mbox->n_privates + 1) * sizeof(*mbox->privates));
        row = &mbox->privates[mbox->n_privates++];
        *row = (struct model_private){.reader = r->reader, .row.uid = uid};
    }
    change(&row->row.flags, row->row.keywords, r);
    row->row.modseq = r->modseq;
}

static void do_flags(struct model *model, const struct record_flags *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);

    for (size_t i = 0; i < mbox->n_messages; i++) {
        struct model_message *message = &mbox->messages[i];

        if (!uid_set_contains(&r->uids, message->uid))
            continue;
        if (r->reader != 0) {
            change_private(mbox, message->uid, r);
        } else {
            change(&message->flags, message->keywords, r);
            message->modseq = r->modseq;
        }
    }
    raise(model, r->reader == 0 ? mbox : NULL, r->modseq);
}

static void do_expunge(struct model *model, uint32_t id, const struct uid_set *uids,
                       uint64_t modseq)
{
    struct model_mbox *mbox = model_mbox(model, id);
    size_t n = 0, kept = 0;

    mbox->expunges = xrealloc(mbox->expunges, (mbox->n_expunges + mbox->n_messages + 1) *
                                                  sizeof(*mbox->expunges));
    for (size_t i = 0; i < mbox->n_messages; i++) {
        if (uid_set_contains(uids, mbox->messages[i].uid))
            mbox->expunges[mbox->n_expunges++] =
                (struct model_expunge){mbox->messages[i].uid, modseq};
        else
            mbox->messages[n++] = mbox->messages[i];
    }
    mbox->n_messages = n;
    for (size_t i = 0; i < mbox->n_privates; i++) {
        if (!uid_set_contains(uids, mbox->privates[i].row.uid))
            mbox->privates[kept++] = mbox->privates[i];
    }
    mbox->n_privates = kept;
    raise(model, mbox, modseq);
}

static void do_copy(struct model *model, const struct record_copy *r)
{
    struct model_mbox *src = model_mbox(model, r->src), *dst = model_mbox(model, r->dst);
    size_t n = src->n_messages;

    dst->uidnext = r->dst_first_uid;
    for (size_t i = 0; i < n; i++) {
        struct model_message copy = src->messages[i];

        if (!uid_set_contains(&r->uids, copy.uid))
            continue;
        memset(copy.keywords, 0, sizeof(copy.keywords));
        for (size_t k = 0; k < src->n_keywords; k++) {
            if ((src->messages[i].keywords[k / 64] >> (k % 64) & 1) == 0)
                continue;
            for (size_t to = 0; to < dst->n_keywords; to++) {
                if (strcmp(src->keywords[k], dst->keywords[to]) == 0)
                    copy.keywords[to / 64] |= (uint64_t) 1 << (to % 64);
            }
        }
        copy.uid = dst->uidnext;
        copy.modseq = r->modseq;
        copy.cold.savedate = r->savedate;
        add_message(dst, &copy);
    }
    raise(model, dst, r->modseq);
}

static void set_text(char *out, size_t size, struct slice text)
{
    (void) snprintf(out, size, "%.*s", SLICE_ARG(text));
}

static void do_create(struct model *model, const struct record_mailbox *r)
{
    struct model_mbox *mbox;

    model->mboxes = xrealloc(model->mboxes, (model->n_mboxes + 1) * sizeof(*model->mboxes));
    mbox = &model->mboxes[model->n_mboxes++];
    *mbox = (struct model_mbox){.id = r->mbox,
                                .mailboxid = r->mailboxid,
                                .uidvalidity = r->uidvalidity,
                                .uidnext = r->uidnext,
                                .first_recent = r->uidnext,
                                .special_use = r->special_use};
    set_text(mbox->name, sizeof(mbox->name), r->name);
    model->next_mailbox_id = r->mbox + 1;
}

static void do_mailbox(struct model *model, const struct record_mailbox *r)
{
    struct model_mbox *mbox = NULL;

    if (r->op == MAILBOX_CREATE)
        do_create(model, r);
    mbox = model_mbox(model, r->mbox);
    if (r->op == MAILBOX_DELETE) {
        mbox_done(mbox);
        *mbox = model->mboxes[--model->n_mboxes];
        mbox = NULL;
    } else if (r->op == MAILBOX_RENAME) {
        set_text(mbox->name, sizeof(mbox->name), r->name);
    } else if (r->op == MAILBOX_USE) {
        mbox->special_use = r->special_use;
    } else if (r->op == MAILBOX_RECENT) {
        mbox->first_recent = MAX(mbox->first_recent, r->first_recent);
    } else if (r->op == MAILBOX_UIDNEXT) {
        mbox->uidnext = MAX(mbox->uidnext, r->uidnext);
    }
    raise(model, mbox, r->modseq);
}

/* Entries are named with one letter and a number: "a3". */
static size_t entry_number(struct slice name)
{
    return (size_t) (name.ptr[1] - '0');
}

static void do_threadid(struct model *model, const struct record_threadid *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);

    for (size_t i = 0; i < mbox->n_messages; i++) {
        if (mbox->messages[i].uid == r->uid)
            mbox->messages[i].cold.threadid = r->threadid;
    }
}

static void do_metadata(struct model *model, const struct record_metadata *r)
{
    struct model_mbox *mbox = r->mbox != 0 ? model_mbox(model, r->mbox) : NULL;
    char(*list)[8] = mbox != NULL ? mbox->metadata : model->metadata;

    set_text(list[entry_number(r->entry)], 8, r->is_nil ? SLICE("") : r->value);
    raise(model, mbox, r->modseq);
}

static void do_acl(struct model *model, const struct record_acl *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);

    set_text(mbox->acl[entry_number(r->identifier)], 8, r->rights);
    raise(model, mbox, r->modseq);
}

void model_apply(struct model *model, const struct record *record)
{
    struct model_mbox *mbox;

    switch (record->type) {
    case RECORD_APPEND:
        do_append(model, &record->append);
        break;
    case RECORD_FLAGS:
        do_flags(model, &record->flags);
        break;
    case RECORD_EXPUNGE:
        do_expunge(model, record->expunge.mbox, &record->expunge.uids, record->expunge.modseq);
        break;
    case RECORD_COPY:
        do_copy(model, &record->copy);
        break;
    case RECORD_MOVE:
        do_copy(model, &record->copy);
        do_expunge(model, record->copy.src, &record->copy.uids, record->copy.modseq);
        break;
    case RECORD_MAILBOX:
        do_mailbox(model, &record->mailbox);
        break;
    case RECORD_SUBSCRIBE:
        model->subscribed[entry_number(record->subscribe.name)] = record->subscribe.on;
        break;
    case RECORD_ACL:
        do_acl(model, &record->acl);
        break;
    case RECORD_METADATA:
        do_metadata(model, &record->metadata);
        break;
    case RECORD_KEYWORD:
        mbox = model_mbox(model, record->keyword.mbox);
        set_text(mbox->keywords[mbox->n_keywords++], 8, record->keyword.name);
        break;
    case RECORD_QUOTA:
        model->quota[entry_number(record->quota.resource)] =
            record->quota.unlimited ? 0 : record->quota.limit;
        break;
    case RECORD_THREADID:
        do_threadid(model, &record->threadid);
        break;
    case RECORD_PURGE:
        mbox = model_mbox(model, record->purge.mbox);
        mbox->expunged_below = MAX(mbox->expunged_below, record->purge.expunged_below_modseq);
        break;
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
        model->n_xfers++;
        break;
    case RECORD_ACCOUNT:
        model->modseq = record->account.first_modseq;
        break;
    }
}

/* ---- comparison ---- */

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
    set_keywords(keywords, n, words);
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
        const struct overlay_row *row = mbox_overlay_rows(mbox, reader, &rows);

        assert_true(i == 0 || reader > mbox_overlay_reader(mbox, i - 1));
        for (size_t r = 0; r < rows; r++) {
            assert_true(r == 0 || row[r].uid > row[r - 1].uid);
            greatest = MAX(greatest, row[r].modseq);
        }
        assert_true(mbox_overlay_modseq(mbox, reader) >= greatest);
        n += rows;
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

static void compare_mbox(struct model_mbox *want, const struct mbox *mbox, bool all_loaded,
                         uint64_t seed)
{
    uint32_t unseen = 0;

    compare_counts(want, mbox);
    compare_info(want, mbox);
    assert_true(mbox_is_loaded(mbox) || !all_loaded);
    if (!mbox_is_loaded(mbox))
        return;
    for (uint32_t i = 0; i < want->n_messages; i++)
        compare_message(want, mbox, i);
    while (unseen < want->n_messages && (want->messages[unseen].flags & FLAG_SEEN) != 0)
        unseen++;
    assert_int_equal(mbox_first_unseen(mbox), unseen);
    compare_chunks(mbox);
    compare_expunged(want, mbox, 0, UID_MAX);
    compare_expunged(want, mbox, seed % (want->highestmodseq + 1),
                     (uint32_t) (seed % want->uidnext));
    compare_private(want, mbox);
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

void model_compare(struct model *model, const struct acct_state *state, bool all_loaded,
                   uint64_t seed)
{
    struct acct_usage usage = acct_usage(state);
    uint64_t bytes = 0, messages = 0;

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
        messages += want->n_messages;
        bytes += mbox_counts(mbox)->bytes;
    }
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        struct slice name = mbox_info(acct_mailbox_at(state, i))->name, before;

        assert_int_equal(acct_mailbox_lower_bound(state, name), i);
        if (i == 0)
            continue;
        before = mbox_info(acct_mailbox_at(state, i - 1))->name;
        assert_true(slice_eq(before, SLICE("INBOX")) || slice_cmp(before, name) < 0);
    }
    compare_rest(model, state);
    assert_true(usage.messages == messages && usage.bytes == bytes);
    assert_true(usage.mailboxes == model->n_mboxes);
}
