#include <assert.h>

#include "base/clock.h"
#include "mailbox/open_txn.h"

struct mail_txn *txn_begin_locked(struct account *account, const struct actor *actor)
{
    struct mail_txn *txn = xcalloc(1, sizeof(*txn));

    txn->account = account;
    txn->keeps_lock = true;
    txn->fork = acct_fork(account->tip);
    txn->modseq = acct_modseq(account->tip) + 1;
    txn->group = (struct record_group){.actor = *actor, .time_us = clock_wall_us()};
    txn->arena = arena_new(TXN_ARENA_BYTES);
    buf_init(&txn->records, GROUP_RECORDS_MAX_BYTES);
    record_group_encode(&txn->records, &txn->group);
    return txn;
}

enum rc txn_begin(struct account *account, const struct actor *actor, struct mail_txn **out,
                  struct err *err)
{
    (void) pthread_mutex_lock(&account->lock);
    if (acct_modseq(account->tip) >= MODSEQ_MAX - 1) {
        (void) pthread_mutex_unlock(&account->lock);
        return err_set(err, RC_LIMIT, "The account is worn out", "modseq is at its end");
    }
    *out = txn_begin_locked(account, actor);
    (*out)->keeps_lock = false;
    return RC_OK;
}

/* Free what is left of it and unlock. */
static void end(struct mail_txn *txn)
{
    struct account *account = txn->account;
    bool unlock = !txn->keeps_lock;

    free(txn->body_sizes);
    free(txn->bodies); /* the stages in it are the caller's, or since the commit the engine's */
    acct_unref(txn->fork);
    buf_done(&txn->records);
    arena_free(txn->arena);
    free(txn);
    if (unlock)
        (void) pthread_mutex_unlock(&account->lock);
}

void txn_abortp(struct mail_txn **txn)
{
    if (*txn != NULL)
        end(*txn);
    *txn = NULL;
}

static void queue_digests(const struct mail_txn *txn)
{
    for (size_t i = 0; i < txn->n_bodies; i++)
        store_queue_digest(txn->account->store, txn->account->id, txn->bodies[i].body_id,
                           txn->body_sizes[i]);
}

static struct commit_group group_of(const struct mail_txn *txn)
{
    assert(!txn->records.overflow);
    return (struct commit_group){.account = txn->account->id,
                                 .base = acct_position(txn->account->tip),
                                 .records = buf_slice(&txn->records),
                                 .bodies = txn->bodies,
                                 .n_bodies = txn->n_bodies,
                                 .is_deferred = true};
}

static enum rc catch_up(struct mail_txn *txn, struct err *err)
{
    struct err ignored;

    if (account_catch_up(txn->account, &ignored))
        return err_set(err, RC_UNAVAILABLE, "The account cannot be read now",
                       "after conflict: %s", ignored.detail);
    return RC_CONFLICT;
}

static enum rc check_quota(const struct mail_txn *txn, struct err *err)
{
    return quota_check(txn->account->store, txn->account->tip, txn->fork, err);
}

static void link(struct mail_txn *txn, uint64_t position)
{
    quota_log_marks(txn->account->store, txn->account->tip, txn->fork);
    acct_set_position(txn->fork, position);
    chain_link(txn->account, acct_ref(txn->fork));
    queue_digests(txn);
}

enum rc txn_commit(struct mail_txn **txn_ptr, uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = TAKE(*txn_ptr);
    struct engine *engine = account_engine(txn->account);
    struct commit_group group = group_of(txn);
    uint64_t position;
    enum rc rc;

    if (txn->n_records == 0) {
        *out_position = acct_position(txn->account->tip);
        return RC_OK;
    }
    rc = check_quota(txn, err);
    if (rc)
        return rc;
    rc = engine->ops->commit(engine, &group, 1, &position, err);
    if (rc == RC_CONFLICT)
        rc = catch_up(txn, err);
    if (rc)
        return rc;
    link(txn, position);
    *out_position = position;
    return RC_OK;
}

/* ---- two accounts ---- */

enum rc txn_begin_pair(struct account *a, struct account *b, const struct actor *actor,
                       struct mail_txn **out_a, struct mail_txn **out_b, struct err *err)
{
    bool a_first = a->id < b->id;
    struct mail_txn *first, *second;
    enum rc rc;

    assert(a != b);
    rc = txn_begin(a_first ? a : b, actor, &first, err);
    if (rc)
        return rc;
    rc = txn_begin(a_first ? b : a, actor, &second, err);
    if (rc) {
        txn_abortp(&first);
        return rc;
    }
    *out_a = a_first ? first : second;
    *out_b = a_first ? second : first;
    return RC_OK;
}

/* As one, where the engine can. */
static enum rc commit_as_one(struct mail_txn *a, struct mail_txn *b, uint64_t positions[2],
                             struct err *err)
{
    struct engine *engine = account_engine(a->account);
    const struct commit_group groups[] = {group_of(a), group_of(b)};
    enum rc rc = check_quota(a, err);

    if (rc == RC_OK)
        rc = check_quota(b, err);
    if (rc == RC_OK)
        rc = engine->ops->commit(engine, groups, COUNT(groups), positions, err);
    if (rc == RC_CONFLICT) {
        rc = catch_up(a, err);
        if (rc == RC_CONFLICT)
            rc = catch_up(b, err);
    }
    if (rc == RC_OK) {
        link(a, positions[0]);
        link(b, positions[1]);
    }
    return rc;
}

enum rc txn_commit_pair(struct mail_txn **from_ptr, struct mail_txn **to_ptr,
                        uint64_t *out_from, uint64_t *out_to, struct err *err)
{
    struct account *account = (*to_ptr)->account;
    uint64_t positions[2];
    enum rc rc;

    if ((*from_ptr)->n_records > 0 && (*to_ptr)->n_records > 0 &&
        (account_engine(account)->ops->capabilities & ENGINE_MULTI_ACCT) != 0) {
        AUTO(txn_abortp) struct mail_txn *from = TAKE(*from_ptr);
        AUTO(txn_abortp) struct mail_txn *to = TAKE(*to_ptr);

        rc = commit_as_one(from, to, positions, err);
    } else {
        AUTO(txn_abortp) struct mail_txn *from = TAKE(*from_ptr);

        rc = txn_commit(to_ptr, &positions[1], err);
        if (rc == RC_OK) {
            account_wait_durable(account, positions[1]); /* there before it leaves here */
            rc = txn_commit(&from, &positions[0], err);
        }
    }
    if (rc == RC_OK) {
        *out_from = positions[0];
        *out_to = positions[1];
    }
    return rc;
}

struct account *txn_account(const struct mail_txn *txn)
{
    return txn->account;
}

const struct acct_state *txn_base(const struct mail_txn *txn)
{
    return txn->account->tip;
}

const struct acct_state *txn_state(const struct mail_txn *txn)
{
    return txn->fork;
}

uint64_t txn_modseq(const struct mail_txn *txn)
{
    return txn->modseq;
}

enum rc txn_need(struct mail_txn *txn, const struct record *record, struct err *err)
{
    if (!acct_all_has_room(txn->fork, record))
        return err_set(err, RC_LIMIT, "Too many messages", "All has no room");
    return account_need(txn->account, txn->fork, record, err);
}

void txn_add(struct mail_txn *txn, const struct record *record)
{
    record_encode(&txn->records, record);
    acct_apply(txn->fork, &txn->group, record);
    txn->n_records++;
}

enum rc txn_has_room(const struct mail_txn *txn, size_t n, struct err *err)
{
    if (n > txn->records.max - txn->records.len)
        return err_set(err, RC_LIMIT, "Too many changes at once; do it in parts",
                       "group: %zu + %zu bytes", txn->records.len, n);
    return RC_OK;
}

enum rc txn_find(struct mail_txn *txn, uint32_t mbox_id, const struct mbox **out,
                 struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(txn->fork, mbox_id);

    if (mbox == NULL)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "mailbox %u is gone", mbox_id);
    *out = mbox;
    return RC_OK;
}

enum rc txn_access(struct mail_txn *txn, uint32_t mbox_id, uint32_t rights, struct reader *out,
                   struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = txn_find(txn, mbox_id, &mbox, err);

    if (rc)
        return rc;
    account_reader(txn->account, mbox_info(mbox), txn->group.actor.account, out);
    return reader_needs(out, rights, err);
}

enum rc txn_mailbox(struct mail_txn *txn, uint32_t mbox_id, const struct mbox **out,
                    struct err *err)
{
    struct engine *engine = account_engine(txn->account);
    const struct mbox *mbox;
    page_read_fn *read;
    void *ctx;
    enum rc rc = txn_find(txn, mbox_id, &mbox, err);

    if (rc)
        return rc;
    if (!mbox_is_loaded(mbox)) {
        read = engine->ops->page_reader(engine, txn->account->id, &ctx);
        rc = acct_mbox_load(txn->fork, mbox_id, read, ctx, err);
        if (rc)
            return rc;
        mbox = acct_mailbox_by_id(txn->fork, mbox_id);
    }
    *out = mbox;
    return RC_OK;
}
