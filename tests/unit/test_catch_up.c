/*
 * test_catch_up.c - checkpoints that come while pages are read: between an account's root and
 * the pages that it lists, and below a version whose kept messages are looked at. A page that
 * is gone because a newer root has it elsewhere is no damage; one that the newest root lists
 * is.
 */
// links: mailbox store_memory store_local
// lib: mail_world
// labels: concurrency
#include <pthread.h>

#include "account/kept.h"
#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNT 7u

/* An engine between which and the store somebody stands. */
static struct between {
    struct engine_ops ops; /* with our own here and there */
    const struct engine_ops *real;
    struct engine_events events;
    bool checkpoints;    /* after the next load() a checkpoint comes before the pages */
    unsigned lost_reads; /* so many reads of pages find nothing; UINT32_MAX: all */
    unsigned loads;
    page_read_fn *read;
    void *read_ctx;
    pthread_mutex_t lock;
    pthread_cond_t written; /* with lock */
    unsigned writes;        /* lock */
} between = {.lock = PTHREAD_MUTEX_INITIALIZER, .written = PTHREAD_COND_INITIALIZER};

static void start(struct engine *engine, const struct engine_events *events)
{
    between.events = *events;
    between.real->start(engine, events);
}

static enum rc write_pages(struct engine *engine, uint64_t id, uint64_t position,
                           const struct page_batch *batch, struct err *err)
{
    enum rc rc = between.real->write_pages(engine, id, position, batch, err);

    (void) pthread_mutex_lock(&between.lock);
    between.writes++;
    (void) pthread_cond_broadcast(&between.written);
    (void) pthread_mutex_unlock(&between.lock);
    return rc;
}

static void wait_for_checkpoint(void)
{
    unsigned before;

    (void) pthread_mutex_lock(&between.lock);
    before = between.writes;
    between.events.checkpoint_wanted(between.events.ctx, ACCOUNT);
    while (between.writes == before)
        (void) pthread_cond_wait(&between.written, &between.lock);
    (void) pthread_mutex_unlock(&between.lock);
}

static enum rc load(struct engine *engine, uint64_t id, struct arena *arena,
                    struct account_image *out, struct err *err)
{
    enum rc rc = between.real->load(engine, id, arena, out, err);

    between.loads++;
    if (between.checkpoints) {
        between.checkpoints = false;
        wait_for_checkpoint();
    }
    return rc;
}

static enum rc read_page(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                         struct err *err)
{
    (void) ctx;
    if (between.lost_reads > 0) {
        between.lost_reads -= between.lost_reads != UINT32_MAX;
        return err_set(err, RC_NOT_FOUND, "No such page", "page %llu",
                       (unsigned long long) number);
    }
    return between.read(between.read_ctx, number, arena, out, err);
}

static page_read_fn *page_reader(struct engine *engine, uint64_t id, void **out_ctx)
{
    between.read = between.real->page_reader(engine, id, &between.read_ctx);
    *out_ctx = NULL;
    return read_page;
}

static struct account *open_between(struct mail_world *world,
                                    const struct memory_engine_options *options)
{
    struct memory_engine_options own = *options;
    struct engine *engine;

    if (world->disk == NULL)
        world->disk = memory_disk_new();
    own.disk = world->disk;
    engine = memory_engine_new(&own);
    between.real = engine->ops;
    between.ops = *engine->ops;
    between.ops.start = start;
    between.ops.write_pages = write_pages;
    between.ops.load = load;
    between.ops.page_reader = page_reader;
    engine->ops = &between.ops;
    world_adopt(world, engine);
    return world_account(world, ACCOUNT);
}

/* An account whose mailboxes lie in pages, opened again by an engine that says CONFLICT to its
 * third commit; two were made since. */
static struct account *open_conflicting(struct mail_world *world)
{
    static const struct memory_engine_options plain = {.no_conflict = true};
    static const struct memory_engine_options third = {.conflict_every = 3};
    struct account *account = open_between(world, &plain);

    (void) world_append(account, "INBOX", "one", NULL);
    account_close(account);
    world_close(world); /* checkpointed */
    account = open_between(world, &third);
    (void) world_append(account, "INBOX", "two", NULL);
    (void) world_append(account, "INBOX", "three", NULL);
    between.loads = 0;
    return account;
}

/* The third commit. */
static enum rc subscribe(struct account *account, struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = world_begin(account);
    uint64_t position;
    enum rc rc = txn_subscribe(txn, SLICE("elsewhere"), true, err);

    return rc ? rc : txn_commit(&txn, &position, err);
}

static void a_checkpoint_between_root_and_pages_is_no_damage(void **state)
{
    struct mail_world world = {0};
    struct account *account = open_conflicting(&world);
    struct err err;

    (void) state;
    between.checkpoints = true;
    assert_int_equal(subscribe(account, &err), RC_CONFLICT);
    assert_int_equal(between.loads, 2);
    assert_int_equal(subscribe(account, &err), RC_OK);
    account_close(account);
    world_done(&world);
}

static void a_page_that_the_newest_root_lists_is_missed(void **state)
{
    struct mail_world world = {0};
    struct account *account = open_conflicting(&world);
    struct err err;

    (void) state;
    between.lost_reads = UINT32_MAX;
    assert_int_equal(subscribe(account, &err), RC_UNAVAILABLE);
    assert_int_equal(between.loads, 2); /* it was looked at again, and was the same */
    between.lost_reads = 0;
    account_close(account);
    world_done(&world);
}

/* What a checkpoint dropped a newer version has elsewhere. */
static void kept_messages_are_looked_at_again(void **state)
{
    static const struct memory_engine_options plain = {.no_conflict = true};
    struct mail_world world = {0};
    struct account *account = open_between(&world, &plain);
    struct acct_state *kept;
    uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
    struct err err;

    (void) state;
    (void) world_append(account, "INBOX", "one", NULL);
    (void) world_expunge(account, inbox, 1, 1);
    account_close(account);
    world_close(&world);
    account = open_between(&world, &plain);
    between.lost_reads = 1;
    assert_int_equal(account_read_kept(account, &kept, &err), RC_OK);
    assert_int_equal(between.lost_reads, 0);
    assert_int_equal(mbox_kept(acct_mailbox_by_id(kept, inbox)).messages, 1);
    acct_unref(kept);
    between.lost_reads = UINT32_MAX;
    assert_int_equal(account_read_kept(account, &kept, &err), RC_CORRUPT);
    between.lost_reads = 0;
    account_close(account);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_between_root_and_pages_is_no_damage),
        cmocka_unit_test(a_page_that_the_newest_root_lists_is_missed),
        cmocka_unit_test(kept_messages_are_looked_at_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
