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

enum rc txn_commit(struct mail_txn **txn_ptr, uint64_t *out_position, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = TAKE(*txn_ptr);
    struct engine *engine = account_engine(txn->account);
    struct commit_group group = {.account = txn->account->id,
                                 .base = acct_position(txn->account->tip),
                                 .records = buf_slice(&txn->records),
                                 .bodies = txn->bodies,
                                 .n_bodies = txn->n_bodies,
                                 .is_deferred = true};
    uint64_t position;
    struct err ignored;
    enum rc rc;

    if (txn->n_records == 0) {
        *out_position = acct_position(txn->account->tip);
        return RC_OK;
    }
    assert(!txn->records.overflow);
    rc = engine->ops->commit(engine, &group, 1, &position, err);
    if (rc == RC_CONFLICT && account_catch_up(txn->account, &ignored))
        return err_set(err, RC_UNAVAILABLE, "The account cannot be read now",
                       "after conflict: %s", ignored.detail);
    if (rc)
        return rc;
    acct_set_position(txn->fork, position);
    chain_link(txn->account, acct_ref(txn->fork));
    queue_digests(txn);
    *out_position = position;
    return RC_OK;
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
