/*
 * txn_all.c - what is done to messages of All (account/all.h) is done where they live.
 *
 * Flags and \Seen change there; COPY takes them from there and MOVE moves them there. All of it
 * is one transaction, and so one modseq; what it does to All follows from it. Whether anything
 * else may be done to All is said in access.h, once.
 */
#include "mailbox/open_txn.h"
#include "mailbox/set_walk.h"

/* A message of All. */
struct all_message {
    uint32_t mbox, uid, all_uid;
};

struct all_messages {
    struct all_message *at;
    size_t n;
};

/* Those of uids that exist, in All's order. */
static struct all_messages list_messages(const struct mbox *all, const struct uid_set *uids,
                                         struct arena *arena)
{
    struct set_walk count = {.mbox = all, .uids = uids}, walk = count;
    struct all_messages list = {0};
    uint32_t index;
    size_t n = 0;

    while (set_walk_next(&count, &index))
        n++;
    list.at = ARENA_ARRAY(arena, struct all_message, n);
    while (set_walk_next(&walk, &index)) {
        struct message_home home = mbox_home(all, index);

        list.at[list.n++] = (struct all_message){home.mbox, home.uid, mbox_uid(all, index)};
    }
    return list;
}

static int by_home(const void *a, const void *b)
{
    const struct all_message *left = a, *right = b;

    if (left->mbox != right->mbox)
        return left->mbox < right->mbox ? -1 : 1;
    return (left->uid > right->uid) - (left->uid < right->uid);
}

static int by_all_uid(const void *a, const void *b)
{
    const struct all_message *left = a, *right = b;

    return (left->all_uid > right->all_uid) - (left->all_uid < right->all_uid);
}

/* One behind the messages that live in one mailbox in the order of their uids, from `from` on;
 * which: *out. */
static size_t take_stretch(const struct all_messages *list, size_t from, struct arena *arena,
                           struct uid_set *out)
{
    struct uid_set_builder uids;
    size_t at = from;

    uid_set_start(&uids, arena);
    do {
        uid_set_add(&uids, list->at[at].uid);
        at++;
    } while (at < list->n && list->at[at].mbox == list->at[from].mbox &&
             list->at[at].uid > list->at[at - 1].uid);
    *out = uid_set_finish(&uids);
    return at;
}

/* ---- flags ---- */

/* Messages that changed, and messages that were refused, in no order. */
struct outcome {
    struct all_messages changed, refused;
};

static void note(struct all_messages *list, const struct all_message *message)
{
    list->at[list->n++] = *message;
}

static struct uid_set all_uids(struct all_messages *list, struct arena *arena)
{
    struct uid_set_builder uids;

    if (list->n > 0)
        qsort(list->at, list->n, sizeof(*list->at), by_all_uid);
    uid_set_start(&uids, arena);
    for (size_t i = 0; i < list->n; i++)
        uid_set_add(&uids, list->at[i].all_uid);
    return uid_set_finish(&uids);
}

enum rc txn_change_flags_of_all(struct mail_txn *txn, const struct uid_set *uids,
                                const struct flag_change *change, uint64_t unchangedsince,
                                const struct reader *reader, struct arena *arena,
                                struct uid_set *out_changed, struct uid_set *out_refused,
                                struct err *err)
{
    struct all_messages list = list_messages(acct_all(txn->fork), uids, txn->arena);
    struct outcome outcome = {
        .changed.at = ARENA_ARRAY(txn->arena, struct all_message, list.n),
        .refused.at = ARENA_ARRAY(txn->arena, struct all_message, list.n),
    };
    enum rc rc = RC_OK;

    if (list.n > 0)
        qsort(list.at, list.n, sizeof(*list.at), by_home);
    for (size_t from = 0, end; rc == RC_OK && from < list.n; from = end) {
        struct uid_set there, changed = {0}, refused = {0};
        const struct mbox *home;

        end = take_stretch(&list, from, txn->arena, &there);
        rc = txn_mailbox(txn, list.at[from].mbox, &home, err);
        if (rc == RC_OK)
            rc = txn_change_flags_as(txn, list.at[from].mbox, &there, change, unchangedsince,
                                     reader, txn->arena, &changed, &refused, err);
        for (size_t i = from; i < end; i++) {
            if (uid_set_contains(&changed, list.at[i].uid))
                note(&outcome.changed, &list.at[i]);
            if (uid_set_contains(&refused, list.at[i].uid))
                note(&outcome.refused, &list.at[i]);
        }
    }
    if (rc)
        return rc;
    if (outcome.changed.n > 0)
        txn_note_recent(txn, mbox_info(acct_all(txn->fork))->id);
    *out_changed = all_uids(&outcome.changed, arena);
    *out_refused = all_uids(&outcome.refused, arena);
    return RC_OK;
}

/* ---- copy, move, expunge ---- */

enum rc txn_copy_of_all(struct mail_txn *txn, const struct uid_set *uids, uint32_t dst_mbox,
                        bool move, struct arena *arena, struct copied *out, struct err *err)
{
    struct all_messages list = list_messages(acct_all(txn->fork), uids, txn->arena);
    struct uid_set_builder there, given;
    const struct mbox *dst;
    struct reader reader;
    enum rc rc = txn_find(txn, dst_mbox, &dst, err);

    if (rc == RC_OK)
        rc = txn_access(txn, mbox_info(acct_all(txn->fork))->id, RIGHT_READ, &reader, err);
    if (rc == RC_OK)
        rc = txn_access(txn, dst_mbox, RIGHT_INSERT, &reader, err);
    if (rc)
        return rc;
    uid_set_start(&there, arena);
    uid_set_start(&given, arena);
    out->uidvalidity = mbox_info(dst)->uidvalidity;
    /* Not by mailbox: the new uids are in the order of All's. */
    for (size_t from = 0, end; rc == RC_OK && from < list.n; from = end) {
        struct copied part = {0};
        struct uid_set set;

        end = take_stretch(&list, from, txn->arena, &set);
        rc = txn_copy(txn, list.at[from].mbox, &set, dst_mbox, move, txn->arena, &part, err);
        for (size_t i = from; i < end; i++)
            uid_set_add(&there, list.at[i].all_uid);
        for (size_t i = 0; i < part.dst.n; i++)
            uid_set_add_run(&given, part.dst.runs[i].first, part.dst.runs[i].last);
    }
    out->src = uid_set_finish(&there);
    out->dst = uid_set_finish(&given);
    return rc;
}

enum rc txn_find_home(struct mail_txn *txn, const struct mbox *all, uint32_t index,
                      const struct mbox **out, uint32_t *out_index, struct err *err)
{
    struct message_home home = mbox_home(all, index);
    enum rc rc = txn_mailbox(txn, home.mbox, out, err);

    if (rc == RC_OK && !mbox_find(*out, home.uid, out_index))
        rc = err_set(err, RC_CORRUPT, "Damaged mail data", "All: mailbox %u has no uid %u",
                     home.mbox, home.uid);
    return rc;
}

enum rc txn_expunge_of_all(struct mail_txn *txn, const struct uid_set *uids,
                           struct arena *arena, struct err *err)
{
    struct all_messages list = list_messages(acct_all(txn->fork), uids, txn->arena);
    enum rc rc = RC_OK;

    if (list.n > 0)
        qsort(list.at, list.n, sizeof(*list.at), by_home);
    for (size_t from = 0, end; rc == RC_OK && from < list.n; from = end) {
        struct uid_set there, gone;

        end = take_stretch(&list, from, txn->arena, &there);
        rc = txn_expunge(txn, list.at[from].mbox, &there, false, arena, &gone, err);
    }
    return rc;
}
