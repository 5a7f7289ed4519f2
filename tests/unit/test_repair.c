// links: mailbox store_memory store_local
// lib: mail_world
/*
 * test_repair.c - a mailbox whose messages do not load, in an account that is served: it is
 * told, made anew from what nothing else names, and the rest of the account is left alone. And
 * the register of shares, completed from the lists.
 *
 * Damage: the reader of pages answers RC_CORRUPT for those that only the one mailbox needs.
 */
#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/message.h"
#include "mailbox/repair.h"
#include "mailbox/shares.h"

#define ACCOUNT   ((uint64_t) 7)
#define PAGES_MAX 64u

struct page_list {
    uint64_t numbers[PAGES_MAX];
    size_t n;
};

struct fault {
    struct engine_ops ops;
    const struct engine_ops *real;
    page_read_fn *read;
    void *read_ctx;
    struct page_list *records; /* NULL: nothing is recorded */
    struct page_list damaged;
};

static struct fault fault;

static bool holds(const struct page_list *list, uint64_t number)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->numbers[i] == number)
            return true;
    }
    return false;
}

static enum rc read_page(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                         struct err *err)
{
    (void) ctx;
    if (fault.records != NULL && fault.records->n < PAGES_MAX)
        fault.records->numbers[fault.records->n++] = number;
    if (holds(&fault.damaged, number))
        return err_set(err, RC_CORRUPT, "Damaged", "page %llu", (unsigned long long) number);
    return fault.read(fault.read_ctx, number, arena, out, err);
}

static page_read_fn *page_reader(struct engine *engine, uint64_t account, void **out_ctx)
{
    fault.read = fault.real->page_reader(engine, account, &fault.read_ctx);
    *out_ctx = &fault;
    return read_page;
}

/* The store once more, read through the fault. */
static void reopen(struct mail_world *world)
{
    struct local_options options = {.path = world->path};
    struct engine *engine;
    struct err err;

    world_close(world);
    assert_int_equal(local_engine_open(&options, &engine, &err), RC_OK);
    fault.real = engine->ops;
    fault.ops = *engine->ops;
    fault.ops.page_reader = page_reader;
    engine->ops = &fault.ops;
    world_adopt(world, engine);
}

static void load(struct account *account, const char *name, struct page_list *list)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct err err;

    fault.records = list;
    assert_int_equal(
        account_read_mailbox(account, 0, world_mailbox_id(account, name, 0), &state, &err),
        RC_OK);
    fault.records = NULL;
}

/* The pages that this mailbox needs and Archive does not. */
static void damage(struct mail_world *world, const char *name)
{
    struct page_list pages = {.n = 0}, archive = {.n = 0};
    struct account *account;

    fault.damaged.n = 0;
    reopen(world);
    account = world_account(world, ACCOUNT);
    load(account, name, &pages);
    load(account, "Archive", &archive);
    account_close(account);
    reopen(world);
    for (size_t i = 0; i < pages.n; i++) {
        if (!holds(&archive, pages.numbers[i]))
            fault.damaged.numbers[fault.damaged.n++] = pages.numbers[i];
    }
    assert_true(fault.damaged.n > 0);
}

struct told {
    unsigned mailboxes, others;
    uint64_t messages;
};

static void note_loss(void *ctx, const struct check_loss *loss)
{
    struct told *told = ctx;

    if (loss->kind != CHECK_MAILBOX) {
        told->others++;
        return;
    }
    told->mailboxes++;
    told->messages += loss->messages;
    assert_slice_equal(loss->mailbox, SLICE("INBOX"));
}

static bool goes_on(void *ctx)
{
    (void) ctx;
    return true;
}

/* All texts of a mailbox, each followed by "|". */
static void texts(struct account *account, const char *name, struct buf *out)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    uint32_t id = world_mailbox_id(account, name, 0);
    const struct mbox *mbox;
    struct err err;

    assert_int_equal(account_read_mailbox(account, 0, id, &state, &err), RC_OK);
    mbox = acct_mailbox_by_id(state, id);
    for (uint32_t i = 0; i < mbox_counts(mbox)->messages; i++) {
        AUTO(message_closep) struct message *message = NULL;
        const struct msg_cold *cold;

        assert_int_equal(account_need_rows(account, state, mbox, i, i, &err), RC_OK);
        cold = mbox_cold(mbox, i);
        message = message_open(account, cold->body_id, cold->size);
        assert_int_equal(message_read(message, 0, cold->size, out, &err), RC_OK);
        buf_byte(out, '|');
    }
}

static void make_account(struct mail_world *world)
{
    static const struct uid_run third = {3, 3};
    struct account *account = world_account(world, ACCOUNT);
    struct mail_txn *txn;
    struct copied copied;
    AUTO(arena_freep) struct arena *arena = arena_new(1 << 20);
    uint64_t position;
    struct err err;

    (void) world_append(account, "INBOX", "one", &position);
    (void) world_append(account, "INBOX", "two", &position);
    (void) world_append(account, "INBOX", "three", &position);
    (void) world_append(account, "Archive", "four", &position);
    txn = world_begin(account);
    assert_int_equal(txn_copy(txn, world_mailbox_id(account, "INBOX", position),
                              &(struct uid_set){&third, 1},
                              world_mailbox_id(account, "Archive", position), true, arena,
                              &copied, &err),
                     RC_OK);
    assert_int_equal(txn_put_acl(txn, world_mailbox_id(account, "INBOX", position),
                                 SLICE("anyone"), SLICE("lp"), &err),
                     RC_OK);
    position = world_commit(&txn);
    account_wait_durable(account, position);
    account_close(account);
}

static uint32_t uidvalidity_of(struct account *account, const char *name)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);

    return mbox_info(acct_mailbox_by_name(state, slice_from_str(name)))->uidvalidity;
}

static void a_mailbox_that_does_not_load_is_made_anew(void **state)
{
    struct mail_world world = {0};
    struct told told = {0};
    const struct check_watch watch = {note_loss, goes_on, &told};
    struct check_sum sum = {0};
    AUTO(buf_done) struct buf inbox, archive;
    AUTO(acct_unrefp) struct acct_state *after = NULL;
    const struct mbox_info *info;
    struct account *account;
    uint32_t before;
    struct err err;

    (void) state;
    buf_init(&inbox, 4096);
    buf_init(&archive, 4096);
    world_open_local(&world, &(struct local_options){0});
    make_account(&world);
    damage(&world, "INBOX");
    assert_int_equal(check_store(world.store, &watch, &sum, &err), RC_OK);
    assert_int_equal(told.mailboxes, 1);
    assert_int_equal(told.messages, 2);
    assert_int_equal(told.others, 0);

    account = world_account(&world, ACCOUNT);
    before = uidvalidity_of(account, "INBOX");
    sum = (struct check_sum){0};
    assert_int_equal(repair_store(world.store, ACCOUNT, &watch, &sum, &err), RC_OK);
    assert_int_equal(sum.repaired, 1);
    texts(account, "INBOX", &inbox);
    texts(account, "Archive", &archive);
    assert_slice_equal(buf_slice(&inbox), SLICE("one|two|"));
    assert_slice_equal(buf_slice(&archive), SLICE("four|three|"));
    assert_true(uidvalidity_of(account, "INBOX") > before);
    after = account_read(account, 0);
    info = mbox_info(acct_mailbox_by_name(after, SLICE("INBOX")));
    assert_int_equal(info->n_acl, 1);
    assert_slice_equal(info->acl[0].value, SLICE("lp"));

    sum = (struct check_sum){0};
    told = (struct told){0};
    assert_int_equal(check_store(world.store, &watch, &sum, &err), RC_OK);
    assert_int_equal(told.mailboxes + told.others, 0);
    assert_int_equal(
        repair_mailbox(world.store, ACCOUNT, world_mailbox_id(account, "INBOX", 0), &sum, &err),
        RC_EXISTS);
    account_close(account);
    world_done(&world);
}

static enum rc append_to_inbox(struct mail_world *world, struct account *account,
                               struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = world_begin(account);
    struct body_stage *stage = world_stage(account, "five");
    struct new_message message = {.stage = stage};
    uint64_t position;
    uint32_t uid;
    enum rc rc = txn_append(txn, world_mailbox_id(account, "INBOX", 0), &message, &uid, err);

    if (rc == RC_OK)
        rc = txn_commit(&txn, &position, err);
    if (rc == RC_OK)
        account_wait_durable(account, position);
    else
        world->engine->ops->stage_free(stage);
    return rc;
}

/* What goes with All: what it does not know it cannot follow. */
static void an_all_that_does_not_load_is_made_anew(void **state)
{
    struct mail_world world = {0};
    const struct check_watch watch = {NULL, goes_on, NULL};
    struct check_sum sum = {0};
    AUTO(buf_done) struct buf inbox, all;
    struct account *account;
    struct mail_txn *txn;
    uint32_t before;
    struct err err;

    (void) state;
    buf_init(&inbox, 4096);
    buf_init(&all, 4096);
    world_open_local(&world, &(struct local_options){0});
    make_account(&world);
    account = world_account(&world, ACCOUNT);
    txn = world_begin(account);
    assert_int_equal(txn_create_mailbox(txn, SLICE("All"), USE_ALL, NULL, &err), RC_OK);
    account_wait_durable(account, world_commit(&txn));
    account_close(account);
    damage(&world, "All");

    account = world_account(&world, ACCOUNT);
    before = uidvalidity_of(account, "All");
    assert_int_equal(append_to_inbox(&world, account, &err), RC_CORRUPT);
    texts(account, "INBOX", &inbox); /* is read all the same, and is as it was */
    assert_slice_equal(buf_slice(&inbox), SLICE("one|two|"));
    assert_int_equal(repair_store(world.store, ACCOUNT, &watch, &sum, &err), RC_OK);
    assert_int_equal(sum.repaired, 1);
    assert_true(uidvalidity_of(account, "All") > before);
    assert_int_equal(append_to_inbox(&world, account, &err), RC_OK);
    buf_reset(&inbox);
    texts(account, "INBOX", &inbox);
    texts(account, "All", &all);
    assert_slice_equal(buf_slice(&inbox), SLICE("one|two|five|"));
    assert_int_equal(all.len, strlen("one|two|three|four|five|"));
    account_close(account);
    world_done(&world);
}

/* A list of which the register says nothing. */
static void the_register_of_shares_is_completed(void **state)
{
    struct mail_world world = {0};
    struct told told = {0};
    const struct check_watch watch = {note_loss, goes_on, &told};
    struct check_sum sum = {0};
    AUTO(arena_freep) struct arena *arena = arena_new(1 << 20);
    uint64_t *owners;
    size_t n;
    struct err err;

    (void) state;
    fault.damaged.n = 0;
    world_open_local(&world, &(struct local_options){0});
    make_account(&world);
    assert_int_equal(shares_of(world.store, ACCOUNT + 1, arena, &owners, &n, &err), RC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(repair_store(world.store, 0, &watch, &sum, &err), RC_OK);
    assert_int_equal(sum.repaired, 0);
    assert_int_equal(shares_of(world.store, ACCOUNT + 1, arena, &owners, &n, &err), RC_OK);
    assert_int_equal(n, 1);
    assert_true(owners[0] == ACCOUNT);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_register_of_shares_is_completed),
        cmocka_unit_test(a_mailbox_that_does_not_load_is_made_anew),
        cmocka_unit_test(an_all_that_does_not_load_is_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
