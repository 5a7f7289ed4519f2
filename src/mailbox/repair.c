/*
 * repair.c - a version of the account made from what its bodies tell, and written as its pages.
 *
 * The version is made by records like any other: ACCOUNT, a MAILBOX for each number that a body
 * names, an APPEND for each body, in the order of body ids, as the rule is that a body id is
 * never below one given before. It takes the position of the newest group there is, so that
 * what the journal still holds of the old account is covered by it.
 */
#include "mailbox/repair.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "mailbox/open_account.h"
#include "mailbox/shares.h"

#define REPAIR_ARENA_BYTES                                                                     \
    ((size_t) 4 << 30) /* pages of the account; bounded by its messages */
#define NAME_BYTES          64u
#define REPAIR_MODSEQ_SHIFT 20u /* an account does not change so often in a second */

struct inventory {
    struct body_info *list;
    size_t n, cap;
};

struct repair {
    struct mail_store *store;
    struct acct_state *fork;
    struct record_group group;
    uint64_t account, modseq;
    uint32_t uidvalidity, n_mailboxes; /* numbers 1..n_mailboxes are made */
};

static bool keep_body(void *ctx, const struct body_info *body)
{
    struct inventory *inventory = ctx;

    if (inventory->n == inventory->cap) {
        inventory->cap = MAX(2 * inventory->cap, (size_t) 256);
        inventory->list = xrealloc(inventory->list, inventory->cap * sizeof(*inventory->list));
    }
    inventory->list[inventory->n++] = *body;
    return true;
}

static int by_body_id(const void *a, const void *b)
{
    const struct body_info *x = a, *y = b;

    return (x->body_id > y->body_id) - (x->body_id < y->body_id);
}

static enum rc apply(struct repair *repair, const struct record *record, struct err *err)
{
    enum rc rc = acct_check(repair->fork, record, err);

    if (!rc)
        acct_apply(repair->fork, &repair->group, record);
    return rc;
}

static enum rc add_mailbox(struct repair *repair, struct err *err)
{
    uint32_t number = ++repair->n_mailboxes;
    bool is_first = number <= FIRST_MAILBOXES;
    char name[NAME_BYTES];

    (void) snprintf(name, sizeof(name), "Recovered/%u", number);
    return apply(repair,
                 &(struct record){
                     .type = RECORD_MAILBOX,
                     .mailbox = {.op = MAILBOX_CREATE,
                                 .mbox = number,
                                 .name = slice_from_str(
                                     is_first ? first_mailboxes[number - 1].name : name),
                                 .mailboxid = object_id_new(),
                                 .uidvalidity = repair->uidvalidity,
                                 .uidnext = 1,
                                 .special_use = is_first ? first_mailboxes[number - 1].use : 0,
                                 .modseq = ++repair->modseq}
    },
                 err);
}

static enum rc add_subscription(struct repair *repair, const char *name, struct err *err)
{
    return apply(
        repair,
        &(struct record){
            .type = RECORD_SUBSCRIBE, .subscribe = {.name = slice_from_str(name), .on = true}
    },
        err);
}

static enum rc add_message(struct repair *repair, const struct body_info *body, struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(repair->fork, body->mbox);
    struct record_append append = {.mbox = body->mbox,
                                   .flags = body->flags,
                                   .size = (uint32_t) body->length,
                                   .internaldate = {.unix_sec = body->internaldate},
                                   .savedate = clock_wall_sec(),
                                   .emailid = object_id_new(),
                                   .body_id = body->body_id,
                                   .modseq = ++repair->modseq};

    append.uid = mbox_counts(mbox)->uidnext;
    return apply(repair, &(struct record){.type = RECORD_APPEND, .append = append}, err);
}

/* The account as a new one begins. */
static enum rc begin(struct repair *repair, struct err *err)
{
    enum rc rc = apply(
        repair,
        &(struct record){.type = RECORD_ACCOUNT, .account = {.first_modseq = repair->modseq}},
        err);

    while (!rc && repair->n_mailboxes < FIRST_MAILBOXES)
        rc = add_mailbox(repair, err);
    for (size_t i = 0; i < FIRST_MAILBOXES && !rc; i++)
        rc = add_subscription(repair, first_mailboxes[i].name, err);
    return rc;
}

enum rc repair_begin(struct acct_state *fork, uint32_t uidvalidity, uint64_t modseq,
                     struct err *err)
{
    struct repair repair = {.fork = fork,
                            .group = {.time_us = clock_wall_us()},
                            .modseq = modseq,
                            .uidvalidity = uidvalidity};

    return begin(&repair, err);
}

static enum rc build(struct repair *repair, const struct inventory *inventory, struct err *err)
{
    uint32_t most = FIRST_MAILBOXES;
    enum rc rc = begin(repair, err);

    for (size_t i = 0; i < inventory->n; i++)
        most = MAX(most, inventory->list[i].mbox);
    if (!rc && most > MAILBOXES_MAX)
        rc = err_set(err, RC_LIMIT, "Too many mailboxes", "repair: mailbox %u", most);
    while (!rc && repair->n_mailboxes < most)
        rc = add_mailbox(repair, err);
    for (size_t i = 0; i < inventory->n && !rc; i++) {
        const struct body_info *body = &inventory->list[i];

        if (body->mbox > 0 && body->length <= UINT32_MAX &&
            (i == 0 || body->body_id != body[-1].body_id))
            rc = add_message(repair, body, err);
    }
    return rc;
}

static enum rc write_version(struct repair *repair, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(REPAIR_ARENA_BYTES);
    struct engine *engine = mail_store_engine(repair->store);
    struct page_batch batch;

    acct_set_position(repair->fork, engine->ops->newest(engine));
    acct_pages_make(repair->fork, NULL, arena, &batch);
    return engine->ops->write_pages(engine, repair->account, acct_position(repair->fork),
                                    &batch, err);
}

static enum rc run(struct repair *repair, struct inventory *inventory, struct err *err)
{
    struct engine *engine = mail_store_engine(repair->store);
    enum rc rc = engine->ops->bodies(engine, repair->account, 0, keep_body, inventory, err);

    if (!rc)
        rc = engine->ops->uidvalidity(engine, 1, &repair->uidvalidity, err);
    if (rc)
        return rc;
    if (inventory->n > 0)
        qsort(inventory->list, inventory->n, sizeof(*inventory->list), by_body_id);
    /* The old account's modseqs began at a UIDVALIDITY of its time, and grew by one a change.
     */
    repair->modseq = (uint64_t) repair->uidvalidity << REPAIR_MODSEQ_SHIFT;
    rc = build(repair, inventory, err);
    return rc ? rc : write_version(repair, err);
}

enum rc repair_account(struct mail_store *store, uint64_t id, struct check_sum *sum,
                       struct err *err)
{
    AUTO(account_closep) struct account *account = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = acct_state_new(id);
    struct repair repair = {
        .store = store, .account = id, .fork = fork, .group = {.time_us = clock_wall_us()}};
    struct inventory inventory = {0};
    struct engine *engine = mail_store_engine(store);
    enum rc rc = account_open(store, id, false, &account, err);

    if (rc == RC_OK)
        return err_set(err, RC_EXISTS, "The account is sound", "account %016llx opens",
                       (unsigned long long) id);
    if (rc != RC_CORRUPT)
        return rc;
    if (engine->ops->bodies == NULL)
        return err_set(err, RC_UNAVAILABLE, "Not here", "repair: the engine cannot");
    rc = run(&repair, &inventory, err);
    if (!rc) {
        sum->repaired++;
        log_event(LEVEL_WARNING, "store.account_repaired", LOG_ID("account", id),
                  LOG_NUM("messages", inventory.n));
    }
    free(inventory.list);
    return rc;
}

/* ---- all of them ---- */

struct damaged {
    uint64_t account;
    uint32_t mbox_id; /* 0: the whole account */
};

struct damaged_list {
    const struct check_watch *watch;
    struct damaged *items;
    size_t n;
};

static void note_damaged(void *ctx, const struct check_loss *loss)
{
    struct damaged_list *list = ctx;

    if (loss->kind != CHECK_MESSAGE) {
        list->items = xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
        list->items[list->n++] = (struct damaged){loss->account, loss->mbox_id};
    }
    if (list->watch->lost != NULL)
        list->watch->lost(list->watch->ctx, loss);
}

static bool goes_on(void *ctx)
{
    const struct damaged_list *list = ctx;

    return list->watch->goes_on(list->watch->ctx);
}

enum rc repair_store(struct mail_store *store, uint64_t id, const struct check_watch *watch,
                     struct check_sum *sum, struct err *err)
{
    struct damaged_list list = {.watch = watch};
    const struct check_watch own = {note_damaged, goes_on, &list};
    enum rc rc =
        id != 0 ? check_account(store, id, &own, sum, err) : check_store(store, &own, sum, err);

    for (size_t i = 0; i < list.n && !rc; i++) {
        const struct damaged *damaged = &list.items[i];

        rc = damaged->mbox_id == 0
                 ? repair_account(store, damaged->account, sum, err)
                 : repair_mailbox(store, damaged->account, damaged->mbox_id, sum, err);
    }
    free(list.items);
    return !rc && id == 0 ? shares_rebuild(store, err) : rc;
}
