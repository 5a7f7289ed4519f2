/*
 * txn_kept.c - what was expunged and deleted comes back, or goes for good.
 */
#include "account/kept.h"
#include "base/log.h"
#include "mailbox/name.h"
#include "mailbox/open_txn.h"

#define RECORD_HEAD_BYTES  256u  /* of any record, without its runs and names */
#define RUN_BYTES          12u   /* at most, encoded */
#define RESTORED_NAMES_MAX 1000u /* "NAME (restored 1000)" is the last one tried */
#define FORGET_RECORDS_MAX 256u  /* of one transaction: others of the account wait for it */

/* ---- for good ---- */

void txn_forget_mailbox(struct mail_txn *txn, uint32_t mbox_id)
{
    txn_add(txn, &(struct record){
                     .type = RECORD_FORGET, .forget = {.op = FORGET_MAILBOX, .mbox = mbox_id}
    });
}

void txn_make_room_for_deleted(struct mail_txn *txn)
{
    if (acct_deleted_count(txn->fork) >= DELETED_MAILBOXES_MAX)
        txn_forget_mailbox(txn, mbox_info(acct_deleted_oldest(txn->fork))->id);
}

/* Load rows of what a mailbox keeps into the fork. */
static enum rc load_kept(struct mail_txn *txn, uint32_t mbox_id, uint32_t at, uint32_t n,
                         struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, txn->account->id, &ctx);

    return acct_kept_load(txn->fork, mbox_id, at, n, read, ctx, err);
}

/* The mailbox, deleted or not. */
static const struct mbox *find_any(const struct mail_txn *txn, uint32_t mbox_id)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);

    return mbox != NULL ? mbox : acct_deleted_by_id(txn->fork, mbox_id);
}

/* How many of a mailbox's oldest kept messages went before sec; the row behind them is loaded.
 */
static enum rc count_old(struct mail_txn *txn, uint32_t mbox_id, int64_t sec, uint32_t *out,
                         struct err *err)
{
    enum rc rc = RC_OK;

    if (mbox_kept(find_any(txn, mbox_id)).oldest_sec >= sec) {
        *out = 0;
        return RC_OK;
    }
    while (rc == RC_OK && !mbox_kept_before(find_any(txn, mbox_id), sec, out))
        rc = load_kept(txn, mbox_id, *out, 1, err);
    return rc ? rc : load_kept(txn, mbox_id, *out, 1, err);
}

static void forget_old(struct mail_txn *txn, const struct mbox *mbox, int64_t sec)
{
    struct record record = {
        .type = RECORD_FORGET, .forget = {.op = FORGET_MESSAGES, .mbox = mbox_info(mbox)->id}
    };
    struct err err;

    if (mbox_kept(mbox).messages == 0)
        return;
    if (count_old(txn, record.forget.mbox, sec, &record.forget.n, &err))
        log_event(LEVEL_ERROR, "undelete.damaged", LOG_ID("account", txn->account->id),
                  LOG_NUM("mailbox", record.forget.mbox), LOG_ERR(&err));
    else if (record.forget.n > 0)
        txn_add(txn, &record);
}

enum rc txn_forget_before(struct mail_txn *txn, int64_t sec, bool *out_more, struct err *err)
{
    enum rc rc = txn_has_room(txn, (FORGET_RECORDS_MAX + 1) * RECORD_HEAD_BYTES, err);
    size_t at = 0, before = txn->n_records;

    if (rc)
        return rc;
    while (at < acct_deleted_count(txn->fork) && txn->n_records - before < FORGET_RECORDS_MAX) {
        const struct mbox *mbox = acct_deleted_at(txn->fork, at);

        if (mbox_end(mbox)->deleted_sec < sec) {
            txn_forget_mailbox(txn, mbox_info(mbox)->id);
        } else {
            forget_old(txn, mbox, sec);
            at++;
        }
    }
    for (size_t i = 0;
         i < acct_mailbox_count(txn->fork) && txn->n_records - before < FORGET_RECORDS_MAX; i++)
        forget_old(txn, acct_mailbox_at(txn->fork, i), sec);
    *out_more = txn->n_records - before >= FORGET_RECORDS_MAX;
    return RC_OK;
}

/* ---- messages come back ---- */

/* Those of uids that the mailbox keeps, and which keywords they have. */
static struct uid_set kept_uids(const struct mbox *src, const struct uid_set *uids,
                                struct arena *arena, uint64_t used[KEYWORD_WORDS])
{
    const struct kept_message *const *found = NULL;
    size_t n = mbox_kept_find(src, uids, 0, arena, &found);
    struct uid_set_builder builder;

    uid_set_start(&builder, arena);
    for (size_t i = 0; i < n; i++) {
        uid_set_add(&builder, found[i]->uid);
        for (size_t word = 0; word < KEYWORD_WORDS; word++)
            used[word] |= found[i]->keywords[word];
    }
    return uid_set_finish(&builder);
}

/* The keywords enter the target's table. */
static enum rc carry_keywords(struct mail_txn *txn, const struct mbox *src,
                              const uint64_t used[KEYWORD_WORDS], uint32_t dst_mbox,
                              struct err *err)
{
    const struct mbox_info *info = mbox_info(src);
    struct slice names[KEYWORDS_MAX];
    uint16_t *indexes;
    size_t n = 0, n_indexes;

    for (size_t i = 0; i < info->n_keywords; i++) {
        if ((used[i / 64] >> (i % 64) & 1) != 0)
            names[n++] = arena_dup(txn->arena, info->keywords[i]);
    }
    return txn_keywords(txn, dst_mbox, names, n, &indexes, &n_indexes, err);
}

static enum rc check_room(const struct mail_txn *txn, const struct mbox *dst,
                          const struct uid_set *uids, struct err *err)
{
    uint64_t n = uid_set_span(uids);

    if (n > MESSAGES_MAX - MIN(mbox_counts(dst)->messages, MESSAGES_MAX) ||
        n > UID_MAX - MIN(mbox_counts(dst)->uidnext, UID_MAX))
        return err_set(err, RC_LIMIT, "Too many messages", "restore: %llu to %u there",
                       (unsigned long long) n, mbox_counts(dst)->messages);
    return txn_has_room(txn, 3 * RECORD_HEAD_BYTES + uids->n * RUN_BYTES, err);
}

enum rc txn_restore_messages(struct mail_txn *txn, uint32_t src_mbox,
                             const struct uid_set *uids, uint32_t dst_mbox, struct arena *arena,
                             struct copied *out, struct err *err)
{
    struct record record = {.type = RECORD_RESTORE};
    uint64_t used[KEYWORD_WORDS] = {0};
    struct uid_set_builder given;
    const struct mbox *src, *dst;
    uint32_t first;
    enum rc rc = txn_find(txn, src_mbox, &src, err);

    if (rc == RC_OK)
        rc = txn_find(txn, dst_mbox, &dst, err);
    if (rc == RC_OK)
        rc = load_kept(txn, src_mbox, 0, UINT32_MAX, err);
    if (rc)
        return rc;
    src = acct_mailbox_by_id(txn->fork, src_mbox);
    *out = (struct copied){.src = kept_uids(src, uids, arena, used),
                           .uidvalidity = mbox_info(dst)->uidvalidity};
    if (out->src.n == 0)
        return RC_OK;
    rc = carry_keywords(txn, src, used, dst_mbox, err);
    if (rc == RC_OK)
        rc = check_room(txn, acct_mailbox_by_id(txn->fork, dst_mbox), &out->src, err);
    if (rc)
        return rc;
    txn_note_recent(txn, dst_mbox);
    first = mbox_counts(acct_mailbox_by_id(txn->fork, dst_mbox))->uidnext;
    record.restore = (struct record_restore){.op = RESTORE_MESSAGES,
                                             .mbox = src_mbox,
                                             .dst = dst_mbox,
                                             .dst_first_uid = first,
                                             .uids = out->src,
                                             .savedate = txn->group.time_us / 1000000,
                                             .modseq = txn->modseq};
    rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    uid_set_start(&given, arena);
    uid_set_add_run(&given, first, first + (uint32_t) uid_set_span(&out->src) - 1);
    out->dst = uid_set_finish(&given);
    txn_add(txn, &record);
    return RC_OK;
}

/* ---- a mailbox comes back ---- */

/* A name for it that is free. */
static enum rc choose_name(struct mail_txn *txn, struct slice old, struct slice *out,
                           struct err *err)
{
    struct slice name = old;

    for (unsigned n = 1; acct_mailbox_by_name(txn->fork, name) != NULL; n++) {
        if (n > RESTORED_NAMES_MAX)
            return err_set(err, RC_EXISTS, "All names for the restored mailbox are taken",
                           "restore: %u tried", n);
        name = slice_from_str(
            n == 1 ? arena_printf(txn->arena, "%.*s (restored)", SLICE_ARG(old))
                   : arena_printf(txn->arena, "%.*s (restored %u)", SLICE_ARG(old), n));
    }
    *out = name;
    return mailbox_name_check(name, err);
}

static uint32_t free_uses(const struct mail_txn *txn, uint32_t special_use)
{
    for (size_t i = 0; special_use != 0 && i < acct_mailbox_count(txn->fork); i++)
        special_use &= ~mbox_info(acct_mailbox_at(txn->fork, i))->special_use;
    return special_use;
}

enum rc txn_restore_mailbox(struct mail_txn *txn, uint32_t mbox_id, uint32_t *out_id,
                            struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    const struct mbox *mbox = acct_deleted_by_id(txn->fork, mbox_id);
    struct record record = {.type = RECORD_RESTORE};
    struct record_restore *restore = &record.restore;
    struct slice old;
    enum rc rc;

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such deleted mailbox", "mailbox %u is not kept",
                       mbox_id);
    if (acct_mailbox_count(txn->fork) >= MAILBOXES_MAX)
        return err_set(err, RC_LIMIT, "Too many mailboxes", "restore: %u there", MAILBOXES_MAX);
    old = arena_dup(txn->arena, mbox_info(mbox)->name);
    *restore =
        (struct record_restore){.op = RESTORE_MAILBOX, .mbox = mbox_id, .modseq = txn->modseq};
    rc = choose_name(txn, old, &restore->name, err);
    if (rc == RC_OK)
        rc = txn_create_superiors(txn, restore->name, err);
    if (rc == RC_OK)
        rc = txn_has_room(txn, RECORD_HEAD_BYTES + restore->name.len, err);
    if (rc)
        return rc;
    mbox = acct_deleted_by_id(txn->fork, mbox_id);
    restore->special_use = free_uses(txn, mbox_info(mbox)->special_use);
    if (mbox_end(mbox)->name_given || !slice_eq(restore->name, old)) {
        restore->new_mbox = acct_next_mailbox_id(txn->fork);
        restore->mailboxid = object_id_new();
        rc = engine->ops->uidvalidity(engine, 1, &restore->uidvalidity, err);
    }
    if (rc)
        return rc;
    rc = txn_need(txn, &record, err);
    if (rc)
        return rc;
    *out_id = restore->new_mbox != 0 ? restore->new_mbox : mbox_id;
    txn_add(txn, &record);
    return RC_OK;
}
