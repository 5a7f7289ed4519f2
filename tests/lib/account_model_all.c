/*
 * account_model_all.c - All in the model: what is in it is found by looking at all mailboxes
 * after each record, and not by knowing what the record did; but for MOVE, which keeps UIDs.
 */
#include "lib/account_model.h"

#define NOT_COUNTED ((unsigned) USE_ALL | USE_TRASH | USE_JUNK)

bool model_counts(const struct model *model, const struct model_mbox *mbox)
{
    return model->all_id != 0 && mbox != NULL && (mbox->special_use & NOT_COUNTED) == 0;
}

static int by_home(const void *a, const void *b)
{
    const struct model_twin *x = a, *y = b;

    if (x->mbox != y->mbox)
        return x->mbox < y->mbox ? -1 : 1;
    return (x->uid > y->uid) - (x->uid < y->uid);
}

static int by_arrival(const void *a, const void *b)
{
    const struct model_twin *x = a, *y = b;

    if (x->savedate != y->savedate)
        return x->savedate < y->savedate ? -1 : 1;
    return by_home(a, b);
}

static int by_message(const void *a, const void *b)
{
    const struct model_message *x = a, *y = b;

    return (x->uid > y->uid) - (x->uid < y->uid);
}

const struct model_twin *model_twin(const struct model *model, uint32_t mbox, uint32_t uid)
{
    const struct model_twin key = {.mbox = mbox, .uid = uid};

    return model->n_twins > 0
               ? bsearch(&key, model->twins, model->n_twins, sizeof(key), by_home)
               : NULL;
}

static struct model_mbox *find_mbox(struct model *model, uint32_t id)
{
    for (size_t i = 0; i < model->n_mboxes; i++) {
        if (model->mboxes[i].id == id)
            return &model->mboxes[i];
    }
    return NULL;
}

static struct model_message *find_message(struct model_mbox *mbox, uint32_t uid)
{
    const struct model_message key = {.uid = uid};

    return mbox->n_messages > 0
               ? bsearch(&key, mbox->messages, mbox->n_messages, sizeof(key), by_message)
               : NULL;
}

/* The row that an entry is of; NULL: nothing counts there any more. */
static struct model_message *find_home(struct model *model, const struct model_twin *twin)
{
    struct model_mbox *mbox = find_mbox(model, twin->mbox);

    return model_counts(model, mbox) ? find_message(mbox, twin->uid) : NULL;
}

static void take_keyword(struct model_mbox *all, const char *name)
{
    for (size_t i = 0; i < all->n_keywords; i++) {
        if (strcmp(all->keywords[i], name) == 0)
            return;
    }
    if (all->n_keywords < KEYWORDS_MAX)
        memcpy(all->keywords[all->n_keywords++], name, sizeof(all->keywords[0]));
}

/* The messages of a MOVE between mailboxes that count live elsewhere now. */
static void follow_move(struct model *model, struct model_mbox *all,
                        const struct record_copy *r)
{
    uint32_t uid = r->dst_first_uid;

    if (!model_counts(model, find_mbox(model, r->src)) ||
        !model_counts(model, find_mbox(model, r->dst)))
        return;
    for (size_t i = 0, n = model->n_twins; i < n; i++) {
        struct model_twin *twin = &model->twins[i]; /* by home: in the order of uids */

        if (twin->mbox != r->src || !uid_set_contains(&r->uids, twin->uid))
            continue;
        twin->mbox = r->dst;
        twin->uid = uid++;
        all->highestmodseq = MAX(all->highestmodseq, r->modseq);
    }
    qsort(model->twins, model->n_twins, sizeof(*model->twins), by_home);
}

static int by_all_uid(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Entries whose row is gone, or no longer counts. */
static void drop_gone(struct model *model, struct model_mbox *all, uint64_t modseq)
{
    uint32_t *gone = xmalloc((model->n_twins + 1) * sizeof(*gone));
    size_t kept = 0, n = 0;

    for (size_t i = 0; i < model->n_twins; i++) {
        if (find_home(model, &model->twins[i]) != NULL)
            model->twins[kept++] = model->twins[i];
        else
            gone[n++] = model->twins[i].all_uid;
    }
    model->n_twins = kept;
    qsort(gone, n, sizeof(*gone), by_all_uid);
    for (size_t i = 0; i < n; i++)
        model_add_expunge(all, gone[i], modseq);
    if (n > 0)
        all->highestmodseq = MAX(all->highestmodseq, modseq);
    free(gone);
}

static void take_in(struct model *model, struct model_mbox *all, const struct model_twin *twin)
{
    const struct model_mbox *home = find_mbox(model, twin->mbox);
    const struct model_message *message = find_home(model, twin);

    if (home == NULL || message == NULL) {
        fail_msg("model: %u has no message %u", twin->mbox, twin->uid);
        abort(); /* never reached */
    }
    for (size_t i = 0; i < home->n_keywords; i++) {
        if ((message->keywords[i / 64] >> (i % 64) & 1) != 0)
            take_keyword(all, home->keywords[i]);
    }
    all->highestmodseq = MAX(all->highestmodseq, message->modseq);
}

/* Rows that count and are not yet there. What comes with its mailbox has a new modseq. */
static void add_new(struct model *model, struct model_mbox *all, bool is_new_all,
                    uint64_t entered_modseq)
{
    struct model_twin *fresh = NULL;
    size_t n = 0;

    for (size_t i = 0; i < model->n_mboxes; i++) {
        struct model_mbox *mbox = &model->mboxes[i];

        for (size_t k = 0; model_counts(model, mbox) && k < mbox->n_messages; k++) {
            struct model_message *message = &mbox->messages[k];

            if (model_twin(model, mbox->id, message->uid) != NULL)
                continue;
            if (entered_modseq != 0)
                message->modseq = entered_modseq;
            fresh = xrealloc(fresh, (n + 1) * sizeof(*fresh));
            fresh[n++] = (struct model_twin){
                .mbox = mbox->id, .uid = message->uid, .savedate = message->cold.savedate};
        }
    }
    if (n == 0)
        return;
    qsort(fresh, n, sizeof(*fresh), is_new_all ? by_arrival : by_home);
    model->twins = xrealloc(model->twins, (model->n_twins + n) * sizeof(*fresh));
    for (size_t i = 0; i < n; i++) {
        fresh[i].all_uid = all->uidnext++;
        take_in(model, all, &fresh[i]);
        model->twins[model->n_twins++] = fresh[i];
    }
    qsort(model->twins, model->n_twins, sizeof(*fresh), by_home);
    free(fresh);
}

static void follow_flags(struct model *model, struct model_mbox *all,
                         const struct record_flags *r)
{
    const struct model_mbox *home = find_mbox(model, r->mbox);

    if (r->reader != 0 || !model_counts(model, home))
        return;
    for (size_t i = 0; home != NULL && r->op != FLAG_OP_REMOVE && i < r->n_keywords; i++)
        take_keyword(all, home->keywords[r->keywords[i]]);
    all->highestmodseq = MAX(all->highestmodseq, r->modseq);
}

/* All's messages are those of their homes, but for the uid and the savedate. */
static void show(struct model *model, struct model_mbox *all)
{
    free(all->messages);
    all->messages = xmalloc((model->n_twins + 1) * sizeof(*all->messages));
    all->n_messages = 0;
    for (size_t i = 0; i < model->n_twins; i++) {
        const struct model_twin *twin = &model->twins[i];
        const struct model_message *message = find_home(model, twin);
        struct model_message *row = &all->messages[all->n_messages];

        if (message == NULL)
            continue; /* never: drop_gone() */
        all->n_messages++;
        *row = *message;
        row->uid = twin->all_uid;
        row->cold.savedate = twin->savedate;
        model_translate(find_mbox(model, twin->mbox), all, message->keywords, row->keywords);
    }
    qsort(all->messages, all->n_messages, sizeof(*all->messages), by_message);
}

/* One message more, at the end of its mailbox and of All: what looking at everything would
 * find, for there are walks in which thousands come one by one. */
static void follow_append(struct model *model, struct model_mbox *all,
                          const struct record_append *r)
{
    struct model_twin twin = {.mbox = r->mbox, .uid = r->uid, .savedate = r->savedate};
    struct model_mbox *home = find_mbox(model, r->mbox);
    struct model_message row = {0};
    size_t at = 0;

    if (home == NULL || !model_counts(model, home))
        return;
    row = home->messages[home->n_messages - 1];
    while (at < model->n_twins && by_home(&model->twins[at], &twin) < 0)
        at++;
    twin.all_uid = row.uid = all->uidnext++;
    model->twins = xrealloc(model->twins, (model->n_twins + 1) * sizeof(twin));
    memmove(model->twins + at + 1, model->twins + at, (model->n_twins - at) * sizeof(twin));
    model->twins[at] = twin;
    model->n_twins++;
    take_in(model, all, &twin);
    model_translate(home, all, home->messages[home->n_messages - 1].keywords, row.keywords);
    all->messages = xrealloc(all->messages, (all->n_messages + 1) * sizeof(row));
    all->messages[all->n_messages++] = row;
}

static void follow_threadid(struct model *model, struct model_mbox *all,
                            const struct record_threadid *r)
{
    const struct model_twin *twin = model_twin(model, r->mbox, r->uid);
    struct model_message *row = twin != NULL ? find_message(all, twin->all_uid) : NULL;

    if (row != NULL)
        row->cold.threadid = r->threadid;
}

static uint64_t modseq_of(const struct record *record)
{
    switch (record->type) {
    case RECORD_EXPUNGE:
        return record->expunge.modseq;
    case RECORD_MOVE:
        return record->copy.modseq;
    case RECORD_MAILBOX:
        return record->mailbox.modseq;
    default:
        return 0;
    }
}

void model_follow_all(struct model *model, const struct record *record)
{
    bool is_new_all = record_makes_all(record);
    uint64_t entered = 0;
    struct model_mbox *all;

    if (is_new_all)
        model->all_id = record->mailbox.mbox;
    all = find_mbox(model, model->all_id);
    if (all == NULL) {
        free(model->twins);
        model->twins = NULL;
        model->n_twins = model->all_id = 0;
        return;
    }
    if (record->type == RECORD_APPEND) {
        follow_append(model, all, &record->append);
        return;
    }
    if (record->type == RECORD_THREADID) {
        follow_threadid(model, all, &record->threadid);
        return;
    }
    if (record->type != RECORD_EXPUNGE && record->type != RECORD_COPY &&
        record->type != RECORD_MOVE && record->type != RECORD_MAILBOX &&
        record->type != RECORD_RESTORE && record->type != RECORD_FLAGS &&
        record->type != RECORD_ANNOTATE)
        return;
    if (record->type == RECORD_MOVE)
        follow_move(model, all, &record->copy);
    if (record->type == RECORD_FLAGS)
        follow_flags(model, all, &record->flags);
    if (record->type == RECORD_ANNOTATE && record->annotate.reader == 0 &&
        model_counts(model, find_mbox(model, record->annotate.mbox)))
        all->highestmodseq = MAX(all->highestmodseq, record->annotate.modseq);
    if (record->type == RECORD_MAILBOX && record->mailbox.op == MAILBOX_USE)
        entered = record->mailbox.modseq;
    if (record->type == RECORD_RESTORE && record->restore.op == RESTORE_MAILBOX)
        entered = record->restore.modseq;
    drop_gone(model, all, modseq_of(record));
    add_new(model, all, is_new_all, entered);
    show(model, all);
}

/* Each row knows the other. */
void model_compare_twins(const struct model *model, const struct acct_state *state)
{
    const struct mbox *all = acct_all(state);
    uint32_t index;

    assert_int_equal(all != NULL ? mbox_info(all)->id : 0, model->all_id);
    for (size_t i = 0; i < model->n_twins; i++) {
        const struct model_twin *twin = &model->twins[i];
        const struct mbox *home = acct_mailbox_by_id(state, twin->mbox);

        if (mbox_is_loaded(all)) {
            struct message_home lives;

            assert_true(mbox_find(all, twin->all_uid, &index));
            lives = mbox_home(all, index);
            assert_true(lives.mbox == twin->mbox && lives.uid == twin->uid);
        }
        if (mbox_is_loaded(home)) {
            assert_true(mbox_find(home, twin->uid, &index));
            assert_int_equal(mbox_all_uid(home, index), twin->all_uid);
        }
    }
}
