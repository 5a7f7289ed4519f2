/*
 * repair_mailbox.c - a mailbox whose messages do not load, made anew in an account that is
 * served.
 *
 * Which messages it had stood in its pages. Its bodies are those of the account that nothing
 * else names: no other mailbox, nothing that is kept for undelete. They are staged once more
 * and come into an empty mailbox that takes its place; the old copies are swept as any dead
 * body is.
 */
#include "account/live_bodies.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mailbox/message.h"
#include "mailbox/open_txn.h"
#include "mailbox/repair.h"

#define REPAIR_BATCH     256u /* messages in one transaction */
#define REPAIR_TRIES_MAX 8u   /* a checkpoint may drop pages while they are read */

struct rescue {
    struct account *account;
    uint32_t mbox_id;
    struct map *named;        /* bodies that something else names */
    struct body_info *bodies; /* the others, in order of ids; heap */
    size_t n, cap;
    uint64_t below; /* ids from here on came in meanwhile */
};

static enum rc note_named(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    struct rescue *rescue = ctx;

    (void) err;
    for (size_t i = 0; i < n; i++)
        (void) map_put(rescue->named, MAP_KEY(ids[i]), rescue);
    return RC_OK;
}

/* What the account would name without the mailbox. */
static enum rc find_named(struct rescue *rescue, struct err *err)
{
    struct engine *engine = account_engine(rescue->account);
    AUTO(acct_unrefp) struct acct_state *state = account_read(rescue->account, 0);
    AUTO(acct_unrefp) struct acct_state *without = acct_fork(state);
    const struct record_group group = {.time_us = clock_wall_us()};
    struct record gone = {
        .type = RECORD_MAILBOX,
        .mailbox = {
                    .op = MAILBOX_DELETE, .mbox = rescue->mbox_id, .modseq = acct_modseq(state) + 1}
    };
    void *ctx;
    page_read_fn *read = engine->ops->page_reader(engine, account_id(rescue->account), &ctx);
    enum rc rc = account_need(rescue->account, without, &gone, err);

    if (rc == RC_OK)
        rc = acct_check(without, &gone, err);
    if (rc)
        return rc;
    acct_apply(without, &group, &gone);
    gone = (struct record){
        .type = RECORD_FORGET, .forget = {.op = FORGET_MAILBOX, .mbox = rescue->mbox_id}
    };
    acct_apply(without, &group, &gone);
    rescue->below = acct_next_body_id(state);
    return acct_each_live_body(without, read, ctx, note_named, rescue, err);
}

static bool note_body(void *ctx, const struct body_info *body)
{
    struct rescue *rescue = ctx;

    if (body->body_id >= rescue->below || body->length == 0 || body->length > UINT32_MAX ||
        map_get(rescue->named, MAP_KEY(body->body_id)) != NULL)
        return true;
    if (rescue->n == rescue->cap) {
        rescue->cap = MAX(2 * rescue->cap, (size_t) 256);
        rescue->bodies = xrealloc(rescue->bodies, rescue->cap * sizeof(*rescue->bodies));
    }
    rescue->bodies[rescue->n++] = *body;
    return true;
}

static int by_body_id(const void *a, const void *b)
{
    const struct body_info *x = a, *y = b;

    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/* A body on its way from one place to another may have been told twice. */
static void sort_bodies(struct rescue *rescue)
{
    size_t kept = 0;

    if (rescue->n > 0)
        qsort(rescue->bodies, rescue->n, sizeof(*rescue->bodies), by_body_id);
    for (size_t i = 0; i < rescue->n; i++) {
        if (kept == 0 || rescue->bodies[kept - 1].body_id != rescue->bodies[i].body_id)
            rescue->bodies[kept++] = rescue->bodies[i];
    }
    rescue->n = kept;
}

static enum rc find_bodies(struct rescue *rescue, struct err *err)
{
    struct engine *engine = account_engine(rescue->account);
    enum rc rc = RC_CORRUPT;

    if (engine->ops->bodies == NULL)
        return err_set(err, RC_UNAVAILABLE, "Not here", "repair: the engine cannot");
    for (unsigned tries = 0; rc == RC_CORRUPT && tries < REPAIR_TRIES_MAX; tries++) {
        map_free(rescue->named);
        rescue->named = map_new();
        rc = find_named(rescue, err);
    }
    if (rc == RC_OK)
        rc =
            engine->ops->bodies(engine, account_id(rescue->account), 0, note_body, rescue, err);
    if (rc == RC_OK)
        sort_bodies(rescue);
    return rc;
}

/* One body staged again. RC_CORRUPT, RC_NOT_FOUND: it is damaged too, or dead and gone. */
static enum rc append_body(struct rescue *rescue, struct mail_txn *txn, uint32_t mbox_id,
                           const struct body_info *body, struct body_stage **out,
                           struct err *err)
{
    struct new_message message = {.flags = body->flags,
                                  .internaldate = {.unix_sec = body->internaldate}};
    uint32_t uid;
    enum rc rc = account_stage_copy(rescue->account, body->body_id, (uint32_t) body->length,
                                    rescue->account, out, err);

    if (rc)
        return rc;
    message.stage = *out;
    return txn_append(txn, mbox_id, &message, &uid, err);
}

/* Bodies [*at, ...) come into the mailbox, as many as one transaction takes. */
static enum rc append_some(struct rescue *rescue, struct mail_txn *txn, uint32_t mbox_id,
                           size_t *at, struct body_stage **stages, size_t *n_stages,
                           struct err *err)
{
    for (; *at < rescue->n && *n_stages < REPAIR_BATCH; (*at)++) {
        enum rc rc =
            append_body(rescue, txn, mbox_id, &rescue->bodies[*at], &stages[*n_stages], err);

        if (rc == RC_OK)
            (*n_stages)++;
        else if (rc != RC_CORRUPT && rc != RC_NOT_FOUND)
            return rc;
    }
    return RC_OK;
}

static enum rc one_batch(struct rescue *rescue, uint32_t *mbox_id, bool replace, size_t *at,
                         uint64_t *position, struct err *err)
{
    const struct engine_ops *ops = account_engine(rescue->account)->ops;
    struct body_stage *stages[REPAIR_BATCH] = {NULL};
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    size_t n_stages = 0;
    enum rc rc = txn_begin(rescue->account, &(struct actor){0}, &txn, err);

    if (rc == RC_OK && replace)
        rc = txn_replace_mailbox(txn, *mbox_id, mbox_id, err);
    if (rc == RC_OK)
        rc = append_some(rescue, txn, *mbox_id, at, stages, &n_stages, err);
    if (rc == RC_OK)
        rc = txn_commit(&txn, position, err);
    for (size_t i = 0; rc != RC_OK && i < REPAIR_BATCH; i++)
        ops->stage_free(stages[i]);
    return rc;
}

static enum rc bring_back(struct rescue *rescue, struct err *err)
{
    uint32_t mbox_id = rescue->mbox_id;
    uint64_t position = 0;
    size_t at = 0;
    bool replace = true;
    enum rc rc;

    do {
        size_t began = at;

        rc = one_batch(rescue, &mbox_id, replace, &at, &position, err);
        if (rc == RC_CONFLICT)
            at = began;
        else
            replace = false;
    } while (rc == RC_CONFLICT || (rc == RC_OK && at < rescue->n));
    if (rc == RC_OK)
        account_wait_durable(rescue->account, position);
    return rc;
}

enum rc repair_mailbox(struct mail_store *store, uint64_t id, uint32_t mbox_id,
                       struct check_sum *sum, struct err *err)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    AUTO(acct_unrefp) struct acct_state *known = NULL;
    struct rescue rescue = {.mbox_id = mbox_id};
    enum rc rc = account_open(store, id, false, &account, err);

    if (rc)
        return rc;
    known = account_read(account, 0);
    rc = account_read_mailbox(account, 0, mbox_id, &state, err);
    if (rc == RC_OK)
        return err_set(err, RC_EXISTS, "The mailbox is sound", "mailbox %u loads", mbox_id);
    if (rc != RC_CORRUPT)
        return rc;
    rescue.account = account;
    /* All has no bodies of its own: a new one numbers what there is. */
    rc = acct_all(known) == acct_mailbox_by_id(known, mbox_id) ? RC_OK
                                                               : find_bodies(&rescue, err);
    if (rc == RC_OK)
        rc = bring_back(&rescue, err);
    if (rc == RC_OK) {
        sum->repaired++;
        log_event(LEVEL_WARNING, "store.mailbox_repaired", LOG_ID("account", id),
                  LOG_NUM("mailbox", mbox_id), LOG_NUM("messages", rescue.n));
    }
    map_free(rescue.named);
    free(rescue.bodies);
    return rc;
}
