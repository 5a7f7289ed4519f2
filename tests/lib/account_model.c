#include "lib/account_model.h"

#include <stdio.h>

struct model *model_new(void)
{
    struct model *model = xcalloc(1, sizeof(*model));

    model->next_body_id = 1;
    model->next_mailbox_id = 1;
    return model;
}

/* What an array of n has room for at least: it is moved when n reaches that, so growing by one
 * costs the same however long it is, also where every move copies (ASan). */
static size_t room_of(size_t n)
{
    size_t room = 1;

    while (room < n)
        room *= 2;
    return room;
}

/* The array with room for one more. */
static void *grown(void *array, size_t n, size_t size)
{
    if (n > 0 && n < room_of(n))
        return array;
    return xrealloc(array, room_of(n + 1) * size);
}

static void *copy_array(const void *from, size_t n, size_t size)
{
    void *to = xmalloc(room_of(n) * size);

    if (n > 0)
        memcpy(to, from, n * size);
    return to;
}

static struct model_mbox *copy_mboxes(const struct model_mbox *from, size_t n)
{
    struct model_mbox *to = copy_array(from, n, sizeof(*to));

    for (size_t i = 0; i < n; i++) {
        struct model_mbox *mbox = &to[i];

        mbox->messages = copy_array(mbox->messages, mbox->n_messages, sizeof(*mbox->messages));
        mbox->expunges = copy_array(mbox->expunges, mbox->n_expunges, sizeof(*mbox->expunges));
        mbox->privates = copy_array(mbox->privates, mbox->n_privates, sizeof(*mbox->privates));
        mbox->annotations =
            copy_array(mbox->annotations, mbox->n_annotations, sizeof(*mbox->annotations));
        mbox->kept = copy_array(mbox->kept, mbox->n_kept, sizeof(*mbox->kept));
    }
    return to;
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = copy_array(model, 1, sizeof(*model));

    copy->mboxes = copy_mboxes(model->mboxes, model->n_mboxes);
    copy->deleted = copy_mboxes(model->deleted, model->n_deleted);
    copy->twins = copy_array(model->twins, model->n_twins, sizeof(*model->twins));
    return copy;
}

static void mbox_done(struct model_mbox *mbox)
{
    free(mbox->messages);
    free(mbox->expunges);
    free(mbox->privates);
    free(mbox->annotations);
    free(mbox->kept);
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->n_mboxes; i++)
        mbox_done(&model->mboxes[i]);
    for (size_t i = 0; i < model->n_deleted; i++)
        mbox_done(&model->deleted[i]);
    free(model->mboxes);
    free(model->deleted);
    free(model->twins);
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
    mbox->messages = grown(mbox->messages, mbox->n_messages, sizeof(*mbox->messages));
    mbox->messages[mbox->n_messages++] = *message;
    mbox->uidnext = message->uid + 1;
}

void model_set_keywords(const uint16_t *keywords, size_t n, uint64_t out[KEYWORD_WORDS])
{
    for (size_t i = 0; i < n; i++)
        out[keywords[i] / 64] |= (uint64_t) 1 << (keywords[i] % 64);
}

static void do_append(struct model *model, const struct record_append *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);
    struct model_message message = {.uid = r->uid, .flags = r->flags, .modseq = r->modseq};

    model_set_keywords(r->keywords, r->n_keywords, message.keywords);
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

    model_set_keywords(r->keywords, r->n_keywords, set);
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
        mbox->privates = grown(mbox->privates, mbox->n_privates, sizeof(*mbox->privates));
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

/* What is already so keeps its modseq. */
static void put_annotation(struct model_mbox *mbox, const struct model_annotation *entry)
{
    struct model_annotation *at = NULL;

    for (size_t i = 0; i < mbox->n_annotations && at == NULL; i++) {
        if (mbox->annotations[i].uid == entry->uid &&
            mbox->annotations[i].reader == entry->reader &&
            mbox->annotations[i].name == entry->name)
            at = &mbox->annotations[i];
    }
    if (at == NULL ? entry->is_nil
                   : at->is_nil == entry->is_nil &&
                         (at->is_nil || strcmp(at->value, entry->value) == 0))
        return;
    if (at == NULL) {
        mbox->annotations =
            grown(mbox->annotations, mbox->n_annotations, sizeof(*mbox->annotations));
        at = &mbox->annotations[mbox->n_annotations++];
    }
    *at = *entry;
}

static void do_annotate(struct model *model, const struct record_annotate *r)
{
    struct model_mbox *mbox = model_mbox(model, r->mbox);

    for (size_t i = 0; i < mbox->n_messages; i++) {
        uint32_t uid = mbox->messages[i].uid;

        if (!uid_set_contains(&r->uids, uid))
            continue;
        for (size_t e = 0; e < r->n_entries; e++) {
            struct model_annotation entry = {.uid = uid,
                                             .reader = r->reader,
                                             .name =
                                                 (uint8_t) (r->entries[e].entry.ptr[2] - '0'),
                                             .is_nil = r->entries[e].is_nil,
                                             .modseq = r->modseq};

            (void) snprintf(entry.value, sizeof(entry.value), "%.*s",
                            SLICE_ARG(r->entries[e].value));
            put_annotation(mbox, &entry);
        }
        if (r->reader == 0)
            mbox->messages[i].modseq = r->modseq;
    }
    raise(model, r->reader == 0 ? mbox : NULL, r->modseq);
}

/* What one message's present entries are beside another; of one reader, or of all. */
static void copy_annotations(const struct model_mbox *src, uint32_t uid, struct model_mbox *dst,
                             uint32_t dst_uid, bool all, bool shared, uint64_t reader,
                             uint64_t modseq)
{
    size_t n = src->n_annotations;

    for (size_t i = 0; i < n; i++) {
        struct model_annotation entry = src->annotations[i];
        bool goes = all || (entry.reader == 0 ? shared : entry.reader == reader);

        if (entry.uid != uid || entry.is_nil || !goes)
            continue;
        entry.uid = dst_uid;
        entry.modseq = modseq;
        put_annotation(dst, &entry);
    }
}

/* Those of messages that are neither there nor kept go. */
static void drop_annotations(struct model_mbox *mbox)
{
    size_t n = 0;

    for (size_t i = 0; i < mbox->n_annotations; i++) {
        uint32_t uid = mbox->annotations[i].uid;
        bool lives = false;

        for (size_t k = 0; !lives && k < mbox->n_messages; k++)
            lives = mbox->messages[k].uid == uid;
        for (size_t k = 0; !lives && k < mbox->n_kept; k++)
            lives = mbox->kept[k].uid == uid;
        if (lives)
            mbox->annotations[n++] = mbox->annotations[i];
    }
    mbox->n_annotations = n;
}

static void keep(struct model_mbox *mbox, const struct model_message *message, uint64_t modseq,
                 const struct record_group *group)
{
    struct kept_message *kept;
    int64_t sec = group->time_us / 1000000;

    if (mbox->n_kept > 0)
        sec = MAX(sec, mbox->kept[mbox->n_kept - 1].expunged_sec);
    mbox->kept = grown(mbox->kept, mbox->n_kept, sizeof(*mbox->kept));
    kept = &mbox->kept[mbox->n_kept++];
    memset(kept, 0, sizeof(*kept));
    kept->uid = message->uid;
    kept->flags = message->flags;
    kept->modseq = modseq;
    kept->expunged_sec = sec;
    kept->expunged_by = group->actor.account;
    kept->cold = message->cold;
    memcpy(kept->keywords, message->keywords, sizeof(kept->keywords));
}

void model_add_expunge(struct model_mbox *mbox, uint32_t uid, uint64_t modseq)
{
    mbox->expunges = grown(mbox->expunges, mbox->n_expunges, sizeof(*mbox->expunges));
    mbox->expunges[mbox->n_expunges++] = (struct model_expunge){uid, modseq};
}

/* group: NULL if nothing is to be kept. */
static void do_expunge(struct model *model, uint32_t id, const struct uid_set *uids,
                       uint64_t modseq, const struct record_group *group)
{
    struct model_mbox *mbox = model_mbox(model, id);
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < mbox->n_messages; i++) {
        bool goes = uid_set_contains(uids, mbox->messages[i].uid);

        if (goes && group != NULL)
            keep(mbox, &mbox->messages[i], modseq, group);
        if (goes)
            model_add_expunge(mbox, mbox->messages[i].uid, modseq);
        else
            mbox->messages[n++] = mbox->messages[i];
    }
    mbox->n_messages = n;
    for (size_t i = 0; i < mbox->n_privates; i++) {
        if (!uid_set_contains(uids, mbox->privates[i].row.uid))
            mbox->privates[kept++] = mbox->privates[i];
    }
    mbox->n_privates = kept;
    drop_annotations(mbox);
    raise(model, mbox, modseq);
}

void model_translate(const struct model_mbox *src, const struct model_mbox *dst,
                     const uint64_t from[KEYWORD_WORDS], uint64_t to[KEYWORD_WORDS])
{
    memset(to, 0, KEYWORD_WORDS * sizeof(*to));
    for (size_t k = 0; k < src->n_keywords; k++) {
        if ((from[k / 64] >> (k % 64) & 1) == 0)
            continue;
        for (size_t at = 0; at < dst->n_keywords; at++) {
            if (strcmp(src->keywords[k], dst->keywords[at]) == 0)
                to[at / 64] |= (uint64_t) 1 << (at % 64);
        }
    }
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
        model_translate(src, dst, src->messages[i].keywords, copy.keywords);
        copy.uid = dst->uidnext;
        copy.modseq = r->modseq;
        copy.cold.savedate = r->savedate;
        add_message(dst, &copy);
        copy_annotations(src, src->messages[i].uid, dst, copy.uid, false, r->annotations,
                         r->reader, r->modseq);
    }
    raise(model, dst, r->modseq);
}

static void set_text(char *out, size_t size, struct slice text)
{
    (void) snprintf(out, size, "%.*s", SLICE_ARG(text));
}

/* Deleted mailboxes that had the name come back as others. */
static void give_name(struct model *model, const char *name)
{
    for (size_t i = 0; i < model->n_deleted; i++)
        model->deleted[i].end.name_given |= strcmp(model->deleted[i].name, name) == 0;
}

static void do_create(struct model *model, const struct record_mailbox *r)
{
    struct model_mbox *mbox;

    model->mboxes = grown(model->mboxes, model->n_mboxes, sizeof(*model->mboxes));
    mbox = &model->mboxes[model->n_mboxes++];
    *mbox = (struct model_mbox){.id = r->mbox,
                                .mailboxid = r->mailboxid,
                                .uidvalidity = r->uidvalidity,
                                .uidnext = r->uidnext,
                                .first_recent = r->uidnext,
                                .special_use = r->special_use};
    set_text(mbox->name, sizeof(mbox->name), r->name);
    give_name(model, mbox->name);
    model->next_mailbox_id = r->mbox + 1;
}

static void do_delete(struct model *model, struct model_mbox *mbox,
                      const struct record_group *group)
{
    if (mbox->id == model->all_id) { /* nothing of it is kept */
        mbox_done(mbox);
        *mbox = model->mboxes[--model->n_mboxes];
        return;
    }
    mbox->end = (struct mbox_end){.deleted_sec = group->time_us / 1000000,
                                  .deleted_by = group->actor.account};
    model->deleted = grown(model->deleted, model->n_deleted, sizeof(*model->deleted));
    model->deleted[model->n_deleted++] = *mbox;
    *mbox = model->mboxes[--model->n_mboxes];
}

static void do_mailbox(struct model *model, const struct record_group *group,
                       const struct record_mailbox *r)
{
    struct model_mbox *mbox = NULL;

    if (r->op == MAILBOX_CREATE)
        do_create(model, r);
    mbox = model_mbox(model, r->mbox);
    if (r->op == MAILBOX_DELETE) {
        do_delete(model, mbox, group);
        mbox = NULL;
    } else if (r->op == MAILBOX_RENAME) {
        set_text(mbox->name, sizeof(mbox->name), r->name);
        give_name(model, mbox->name);
    } else if (r->op == MAILBOX_USE) {
        mbox->special_use = r->special_use;
    } else if (r->op == MAILBOX_RECENT) {
        mbox->first_recent = MAX(mbox->first_recent, r->first_recent);
    } else if (r->op == MAILBOX_UIDNEXT) {
        mbox->uidnext = MAX(mbox->uidnext, r->uidnext);
    } else if (r->op == MAILBOX_UIDVALIDITY) {
        mbox->uidvalidity = r->uidvalidity;
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

/* A deleted mailbox, or NULL. */
static struct model_mbox *find_deleted(struct model *model, uint32_t id)
{
    for (size_t i = 0; i < model->n_deleted; i++) {
        if (model->deleted[i].id == id)
            return &model->deleted[i];
    }
    return NULL;
}

static struct model_mbox take_deleted(struct model *model, uint32_t id)
{
    struct model_mbox *at = find_deleted(model, id), mbox;
    size_t behind;

    if (at == NULL) {
        fail_msg("model has no deleted mailbox %u", id);
        abort(); /* never reached */
    }
    mbox = *at;
    behind = (size_t) (model->deleted + model->n_deleted - at) - 1;

    memmove(at, at + 1, behind * sizeof(*at));
    model->n_deleted--;
    return mbox;
}

static void do_forget(struct model *model, const struct record_forget *r)
{
    struct model_mbox *mbox = find_deleted(model, r->mbox);

    if (r->op == FORGET_MAILBOX) {
        struct model_mbox gone = take_deleted(model, r->mbox);

        mbox_done(&gone);
        return;
    }
    if (mbox == NULL)
        mbox = model_mbox(model, r->mbox);
    mbox->n_kept -= r->n;
    memmove(mbox->kept, mbox->kept + r->n, mbox->n_kept * sizeof(*mbox->kept));
    drop_annotations(mbox);
}

static void restore_messages(struct model *model, const struct record_restore *r)
{
    struct model_mbox *src = model_mbox(model, r->mbox), *dst = model_mbox(model, r->dst);
    size_t left = 0;

    dst->uidnext = r->dst_first_uid;
    for (uint32_t uid = 1; uid <= r->uids.runs[r->uids.n - 1].last; uid++) {
        for (size_t i = 0; uid_set_contains(&r->uids, uid) && i < src->n_kept; i++) {
            const struct kept_message *kept = &src->kept[i];
            struct model_message message = {.uid = dst->uidnext, .modseq = r->modseq};

            if (kept->uid != uid)
                continue;
            message.flags = kept->flags & (uint8_t) ~FLAG_DELETED;
            message.cold = kept->cold;
            message.cold.savedate = r->savedate;
            model_translate(src, dst, kept->keywords, message.keywords);
            add_message(dst, &message);
            copy_annotations(src, uid, dst, message.uid, true, false, 0, r->modseq);
        }
    }
    for (size_t i = 0; i < src->n_kept; i++) {
        if (!uid_set_contains(&r->uids, src->kept[i].uid))
            src->kept[left++] = src->kept[i];
    }
    src->n_kept = left;
    drop_annotations(src);
    raise(model, dst, r->modseq);
}

static void do_restore(struct model *model, const struct record_restore *r)
{
    struct model_mbox *mbox;

    if (r->op == RESTORE_MESSAGES) {
        restore_messages(model, r);
        return;
    }
    model->mboxes = grown(model->mboxes, model->n_mboxes, sizeof(*model->mboxes));
    mbox = &model->mboxes[model->n_mboxes++];
    *mbox = take_deleted(model, r->mbox);
    set_text(mbox->name, sizeof(mbox->name), r->name);
    mbox->special_use = r->special_use;
    if (r->new_mbox != 0) {
        mbox->id = r->new_mbox;
        mbox->mailboxid = r->mailboxid;
        mbox->uidvalidity = r->uidvalidity;
        model->next_mailbox_id = r->new_mbox + 1;
    }
    give_name(model, mbox->name);
    raise(model, mbox, r->modseq);
}

static void apply(struct model *model, const struct record_group *group,
                  const struct record *record)
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
        do_expunge(model, record->expunge.mbox, &record->expunge.uids, record->expunge.modseq,
                   group);
        break;
    case RECORD_COPY:
        do_copy(model, &record->copy);
        break;
    case RECORD_MOVE:
        do_copy(model, &record->copy);
        do_expunge(model, record->copy.src, &record->copy.uids, record->copy.modseq, NULL);
        break;
    case RECORD_MAILBOX:
        do_mailbox(model, group, &record->mailbox);
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
    case RECORD_FORGET:
        do_forget(model, &record->forget);
        break;
    case RECORD_RESTORE:
        do_restore(model, &record->restore);
        break;
    case RECORD_ANNOTATE:
        do_annotate(model, &record->annotate);
        break;
    }
}

void model_apply(struct model *model, const struct record_group *group,
                 const struct record *record)
{
    apply(model, group, record);
    model_follow_all(model, record);
}
