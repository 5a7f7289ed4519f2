/*
 * salvage.c - accounts one after the other: groups tried on a fork, what is left over saved as
 * mails, the result written as pages.
 *
 * Body ids never fall (account/check.c), so messages that are saved come in between the groups:
 * what has an id below those of a group comes before it.
 */
#include "mailbox/salvage.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "mailbox/accounts.h"
#include "mailbox/repair.h"

#define SALVAGE_ARENA_BYTES                                                                    \
    ((size_t) 4 << 30) /* pages and tail; bounded by what was stored                           \
                        */
#define RECORD_ARENA_BYTES ((size_t) 64 << 20)
#define SALVAGE_MAILBOX    "Recovered/Journal"

struct body_list {
    struct body_info *list;
    size_t n, cap;
};

struct salvage {
    struct engine *engine;
    uint64_t last_lost; /* the greatest position that is lost; 0: none */
    const struct salvage_watch *watch;
};

/* One account on its way. */
struct rescue {
    struct salvage *salvage;
    struct salvage_account told;
    struct acct_state *fork;
    page_read_fn *read;
    void *read_ctx;
    struct body_list bodies; /* that no group tells of, or whose group was refused; by id */
    size_t next_body;
    uint64_t seen; /* position of the last group, applied or not */
    bool is_broken;
};

/* What does not apply, or rests on a page that is damaged. Else nothing can be said now. */
static bool is_refusal(enum rc rc)
{
    return rc == RC_CORRUPT || rc == RC_NOT_FOUND;
}

static enum rc apply(struct rescue *rescue, struct acct_state *fork,
                     const struct record_group *group, const struct record *record,
                     struct err *err)
{
    enum rc rc = acct_record_load(fork, record, rescue->read, rescue->read_ctx, err);

    if (!rc)
        rc = acct_check(fork, record, err);
    if (!rc)
        acct_apply(fork, group, record);
    return rc;
}

static enum rc apply_own(struct rescue *rescue, const struct record *record, struct err *err)
{
    const struct record_group group = {.time_us = clock_wall_us()};

    return apply(rescue, rescue->fork, &group, record, err);
}

/* ---- groups ---- */

/* All of its records, or RC_CORRUPT and the fork is of no use. */
static enum rc apply_records(struct rescue *rescue, struct acct_state *fork,
                             struct slice records, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RECORD_ARENA_BYTES);
    struct scan sc = scan_of(records);
    struct record_group group;
    struct record record;
    enum rc rc = record_group_decode(&sc, &group, err);

    if (rc)
        return rc;
    while ((rc = record_decode(&sc, arena, &record, err)) == RC_OK) {
        rc = apply(rescue, fork, &group, &record, err);
        if (rc)
            return rc;
        arena_reset(arena);
    }
    return rc == RC_MORE ? RC_OK : rc;
}

static enum rc try_group(struct rescue *rescue, const struct tail_group *tail, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *trial = acct_fork(rescue->fork);
    enum rc rc = apply_records(rescue, trial, tail->records, err);

    if (rc)
        return rc;
    acct_set_position(trial, tail->position);
    acct_unref(rescue->fork);
    rescue->fork = TAKE(trial);
    return RC_OK;
}

/* The least body id that the group brings; UINT64_MAX: it brings none. */
static uint64_t first_body(struct slice records)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RECORD_ARENA_BYTES);
    struct scan sc = scan_of(records);
    struct record_group group;
    struct record record;
    uint64_t least = UINT64_MAX;

    if (record_group_decode(&sc, &group, NULL) != RC_OK)
        return least;
    while (record_decode(&sc, arena, &record, NULL) == RC_OK) {
        if (record.type == RECORD_APPEND)
            least = MIN(least, record.append.body_id);
        arena_reset(arena);
    }
    return least;
}

/* ---- messages without a group ---- */

static bool keep_body(void *ctx, const struct body_info *body)
{
    struct body_list *bodies = ctx;

    if (bodies->n == bodies->cap) {
        bodies->cap = MAX(2 * bodies->cap, (size_t) 64);
        bodies->list = xrealloc(bodies->list, bodies->cap * sizeof(*bodies->list));
    }
    bodies->list[bodies->n++] = *body;
    return true;
}

static int by_body_id(const void *a, const void *b)
{
    const struct body_info *x = a, *y = b;

    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

/* Bodies from the break on. Those of groups that apply are passed over later: their ids are
 * below the next one then. */
static enum rc list_bodies(struct rescue *rescue, struct err *err)
{
    struct engine *engine = rescue->salvage->engine;
    enum rc rc;

    if (engine->ops->bodies == NULL)
        return RC_OK;
    rc = engine->ops->bodies(engine, rescue->told.account, acct_next_body_id(rescue->fork),
                             keep_body, &rescue->bodies, err);
    if (rescue->bodies.n > 0)
        qsort(rescue->bodies.list, rescue->bodies.n, sizeof(*rescue->bodies.list), by_body_id);
    return rc;
}

/* Where they go; INBOX if the account may have no more mailboxes. */
static enum rc find_mailbox(struct rescue *rescue, uint32_t *out, struct err *err)
{
    struct slice name = SLICE(SALVAGE_MAILBOX);
    const struct mbox *mbox = acct_mailbox_by_name(rescue->fork, name);
    struct engine *engine = rescue->salvage->engine;
    uint32_t uidvalidity;
    enum rc rc = RC_OK;

    if (mbox == NULL)
        rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
    if (!rc && mbox == NULL)
        rc = apply_own(rescue,
                       &(struct record){
                           .type = RECORD_MAILBOX,
                           .mailbox = {.op = MAILBOX_CREATE,
                                       .mbox = acct_next_mailbox_id(rescue->fork),
                                       .name = name,
                                       .mailboxid = object_id_new(),
                                       .uidvalidity = uidvalidity,
                                       .uidnext = 1,
                                       .modseq = acct_modseq(rescue->fork) + 1}
        },
                       err);
    if (rc && !is_refusal(rc))
        return rc;
    if (mbox == NULL)
        mbox = acct_mailbox_by_name(rescue->fork, rc ? SLICE("INBOX") : name);
    if (mbox == NULL)
        return err->rc;
    *out = mbox_info(mbox)->id;
    return RC_OK;
}

static enum rc save_body(struct rescue *rescue, const struct body_info *body, struct err *err)
{
    struct record_append append = {.flags = body->flags & FLAGS_ALL,
                                   .size = (uint32_t) body->length,
                                   .internaldate = {.unix_sec = body->internaldate},
                                   .savedate = clock_wall_sec(),
                                   .emailid = object_id_new(),
                                   .body_id = body->body_id};
    enum rc rc = find_mailbox(rescue, &append.mbox, err);

    if (rc)
        return rc;
    append.uid = mbox_counts(acct_mailbox_by_id(rescue->fork, append.mbox))->uidnext;
    append.modseq = acct_modseq(rescue->fork) + 1;
    rc = apply_own(rescue, &(struct record){.type = RECORD_APPEND, .append = append}, err);
    if (!rc)
        rescue->told.saved++;
    return rc;
}

/* Those below an id that nothing in the account names. */
static enum rc save_bodies(struct rescue *rescue, uint64_t below, struct err *err)
{
    enum rc rc = RC_OK;

    for (; !rc && rescue->next_body < rescue->bodies.n; rescue->next_body++) {
        const struct body_info *body = &rescue->bodies.list[rescue->next_body];

        if (body->body_id >= below)
            return RC_OK;
        if (body->body_id < acct_next_body_id(rescue->fork) || body->mbox == 0 ||
            body->length > UINT32_MAX)
            continue;
        rc = save_body(rescue, body, err);
        if (is_refusal(rc)) { /* it stays where it is; the others are not concerned */
            log_event(LEVEL_WARNING, "store.not_saved", LOG_ID("account", rescue->told.account),
                      LOG_NUM("body", body->body_id), LOG_ERR(err));
            rc = RC_OK;
        }
    }
    return rc;
}

/* ---- an account ---- */

/* From here on it is not known what the account was. */
static enum rc note_break(struct rescue *rescue, struct err *err)
{
    struct engine *engine = rescue->salvage->engine;
    uint32_t uidvalidity;
    enum rc rc;

    if (rescue->is_broken)
        return RC_OK;
    rescue->is_broken = true;
    rc = list_bodies(rescue, err);
    if (rc || acct_modseq(rescue->fork) != 0)
        return rc;
    /* It began in what is lost. Its groups' modseqs are greater than 1 and what follows. */
    rc = engine->ops->uidvalidity(engine, 1, &uidvalidity, err);
    return rc ? rc : repair_begin(rescue->fork, uidvalidity, 1, err);
}

static enum rc take_group(struct rescue *rescue, const struct tail_group *tail, struct err *err)
{
    enum rc rc = RC_OK;

    if (tail->base != rescue->seen) {
        rescue->told.has_known_loss = true;
        rc = note_break(rescue, err);
    }
    rescue->seen = tail->position;
    if (!rc && rescue->is_broken)
        rc = save_bodies(rescue, first_body(tail->records), err);
    if (rc)
        return rc;
    rc = try_group(rescue, tail, err);
    if (rc && !is_refusal(rc))
        return rc;
    if (rc) {
        log_event(LEVEL_WARNING, "store.group_refused", LOG_ID("account", rescue->told.account),
                  LOG_NUM("lsn", tail->position), LOG_ERR(err));
        rescue->told.refused++;
        rescue->told.has_known_loss = true;
        return note_break(rescue, err);
    }
    rescue->told.applied += rescue->is_broken;
    return RC_OK;
}

/* Uids, and modseqs that mail programs remember, may stand for what is lost. */
static enum rc renew_mailboxes(struct rescue *rescue, struct err *err)
{
    struct engine *engine = rescue->salvage->engine;
    uint32_t n = (uint32_t) acct_mailbox_count(rescue->fork), first = 0;
    enum rc rc = n > 0 ? engine->ops->uidvalidity(engine, n, &first, err) : RC_OK;

    for (uint32_t i = 0; i < n && !rc; i++) {
        const struct mbox *mbox = acct_mailbox_at(rescue->fork, i);

        rc = apply_own(rescue,
                       &(struct record){
                           .type = RECORD_MAILBOX,
                           .mailbox = {.op = MAILBOX_UIDVALIDITY,
                                       .mbox = mbox_info(mbox)->id,
                                       .uidvalidity = first + i,
                                       .modseq = acct_modseq(rescue->fork) + 1}
        },
                       err);
    }
    rescue->told.mailboxes = n;
    return rc;
}

static enum rc write_version(struct rescue *rescue, const struct acct_state *stored,
                             struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SALVAGE_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *version = acct_fork(rescue->fork);
    struct engine *engine = rescue->salvage->engine;
    struct page_batch batch;

    acct_set_position(version, engine->ops->newest(engine));
    acct_pages_make(version, stored, arena, &batch);
    return engine->ops->write_pages(engine, rescue->told.account, acct_position(version),
                                    &batch, err);
}

static enum rc run(struct rescue *rescue, const struct account_image *image,
                   const struct acct_state *stored, struct err *err)
{
    enum rc rc = RC_OK;

    rescue->seen = image->root_position;
    for (size_t i = 0; i < image->n_tail && !rc; i++)
        rc = take_group(rescue, &image->tail[i], err);
    if (!rc && rescue->seen < rescue->salvage->last_lost)
        rc = note_break(rescue, err);
    if (rc || (image->n_tail == 0 && !rescue->is_broken))
        return rc;
    if (rescue->is_broken)
        rc = save_bodies(rescue, UINT64_MAX, err);
    if (!rc && rescue->is_broken)
        rc = renew_mailboxes(rescue, err);
    if (!rc)
        rc = write_version(rescue, image->root.len > 0 ? stored : NULL, err);
    if (!rc && rescue->is_broken) {
        log_event(
            LEVEL_WARNING, "store.account_salvaged", LOG_ID("account", rescue->told.account),
            LOG_NUM("applied", rescue->told.applied), LOG_NUM("refused", rescue->told.refused),
            LOG_NUM("saved", rescue->told.saved));
        rescue->salvage->watch->account(rescue->salvage->watch->ctx, &rescue->told);
    }
    return rc;
}

static enum rc salvage_account(struct salvage *salvage, uint64_t account, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SALVAGE_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    struct rescue rescue = {.salvage = salvage, .told = {.account = account}};
    struct engine *engine = salvage->engine;
    struct account_image image;
    enum rc rc = engine->ops->load(engine, account, arena, &image, err);

    if (rc)
        return is_refusal(rc) ? RC_OK : rc; /* its root is lost: repair.h */
    rescue.read = engine->ops->page_reader(engine, account, &rescue.read_ctx);
    if (image.root.len == 0)
        stored = acct_state_new(account);
    else
        rc = acct_pages_open(account, image.root, image.root_position, rescue.read,
                             rescue.read_ctx, &stored, err);
    if (rc)
        return is_refusal(rc) ? RC_OK : rc;
    rescue.fork = acct_fork(stored);
    rc = run(&rescue, &image, stored, err);
    acct_unref(rescue.fork);
    free(rescue.bodies.list);
    return rc;
}

/* ---- all of them ---- */

enum rc salvage_store(struct engine *engine, const struct lost_groups *lost, size_t n_lost,
                      const struct salvage_watch *watch, struct err *err)
{
    struct salvage salvage = {.engine = engine, .watch = watch};
    uint64_t *ids = NULL;
    size_t n = 0;
    enum rc rc = engine_accounts(engine, &ids, &n, err);

    for (size_t i = 0; i < n_lost; i++) {
        if (lost[i].last >= lost[i].first)
            salvage.last_lost = MAX(salvage.last_lost, lost[i].last);
    }
    for (size_t i = 0; i < n && !rc; i++)
        rc = salvage_account(&salvage, ids[i], err);
    free(ids);
    return rc;
}
