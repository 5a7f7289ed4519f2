/*
 * test_pages.c - what checkpoints write and what opening reads, counted in pages: the tail of a
 * mailbox, an append to one that is not loaded, one flag among many messages.
 */
// links: account
#include "account/chunk.h"
#include "account/pages.h"
#include "base/map.h"
#include "lib/test.h"

static void apply(struct acct_state *state, const struct record *record)
{
    struct record_group group = {.time_us = 1};
    struct err err;

    if (acct_check(state, record, &err) != RC_OK)
        fail_msg("%s", err.detail);
    acct_apply(state, &group, record);
}

static void create(struct acct_state *state, uint32_t id, struct slice name)
{
    struct record record = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE,
                    .mbox = id,
                    .name = name,
                    .mailboxid = {{1}},
                    .uidvalidity = 1,
                    .uidnext = 1,
                    .modseq = acct_modseq(state) + 1},
    };

    apply(state, &record);
}

static void append_at(struct acct_state *state, uint32_t id, uint8_t flags, uint64_t modseq)
{
    struct record record = {
        .type = RECORD_APPEND,
        .append = {.mbox = id,
                   .uid = mbox_counts(acct_mailbox_by_id(state, id))->uidnext,
                   .flags = flags,
                   .size = 100,
                   .body_id = acct_next_body_id(state),
                   .modseq = modseq},
    };

    apply(state, &record);
}

static void append(struct acct_state *state, uint32_t id, uint8_t flags)
{
    append_at(state, id, flags, acct_modseq(state) + 1);
}

/* An INBOX of ten messages. */
static struct acct_state *start(void)
{
    struct acct_state *state = acct_state_new(1);
    struct record first = {.type = RECORD_ACCOUNT, .account = {1}};

    apply(state, &first);
    create(state, 1, SLICE("INBOX"));
    for (int i = 0; i < 10; i++)
        append(state, 1, 0);
    return state;
}

/* Pages of an account, as a checkpoint after the other leaves them. */
struct shelf {
    struct arena *arena;
    struct map *pages; /* number -> struct page */
    struct slice root;
    size_t n_read, n_put, bytes_put;
};

static enum rc read_shelf(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                          struct err *err)
{
    struct shelf *shelf = ctx;
    const struct page *page = map_get(shelf->pages, MAP_KEY(number));

    shelf->n_read++;
    if (page == NULL)
        return err_set(err, RC_NOT_FOUND, "no page", "page %d", (int) number);
    *out = arena_dup(arena, page->bytes);
    return RC_OK;
}

static void put_shelf(struct shelf *shelf, struct acct_state *state, struct acct_state **stored)
{
    struct page_batch batch;

    acct_pages_make(state, *stored, shelf->arena, &batch);
    for (size_t i = 0; i < batch.n_puts; i++) {
        struct page *page = ARENA_NEW(shelf->arena, struct page);

        *page = batch.puts[i];
        (void) map_put(shelf->pages, MAP_KEY(page->number), page);
        shelf->bytes_put += page->bytes.len;
    }
    shelf->n_put += batch.n_puts;
    for (size_t i = 0; i < batch.n_drops; i++)
        assert_non_null(map_remove(shelf->pages, MAP_KEY(batch.drops[i])));
    shelf->root = batch.root;
    acct_pages_stored(state, &batch);
    acct_unref(*stored);
    *stored = acct_ref(state);
}

static struct acct_state *open_shelf(struct shelf *shelf)
{
    struct acct_state *opened = NULL;
    struct err err;

    assert_int_equal(acct_pages_open(1, shelf->root, 1, read_shelf, shelf, &opened, &err),
                     RC_OK);
    shelf->n_read = 0;
    return opened;
}

static void shelf_open(struct shelf *shelf)
{
    *shelf = (struct shelf){.arena = arena_new((size_t) 1 << 30), .pages = map_new()};
}

static void shelf_done(struct shelf *shelf)
{
    map_free(shelf->pages);
    arena_free(shelf->arena);
}

/* A checkpoint after each message: rows are written again a few times, not once a message. */
static void a_tail_is_cheap_to_checkpoint(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *opened = NULL;
    struct shelf shelf;
    struct err err;
    const struct mbox *mbox;

    (void) state;
    shelf_open(&shelf);
    for (int i = 0; i < 2000; i++) {
        struct acct_state *next = acct_fork(account);

        append(next, 1, 0);
        acct_unref(account);
        account = next;
        put_shelf(&shelf, account, &stored);
    }
    /* Three pages each time: hot, a piece of cold rows, the directory. Written whole each time,
     * the rows alone would be 90 MB. */
    assert_true(shelf.n_put <= 2000 * 3 + 10);
    assert_true(shelf.bytes_put < (size_t) 20 << 20);
    opened = open_shelf(&shelf);
    assert_int_equal(acct_mbox_load(opened, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(shelf.n_read, 1);
    mbox = acct_mailbox_by_id(opened, 1);
    assert_false(mbox_has_cold(mbox, 0));
    assert_int_equal(acct_cold_load(opened, mbox, 0, 0, read_shelf, &shelf, &err), RC_OK);
    assert_true(shelf.n_read <= 1 + COLD_PIECES_MAX);
    for (uint32_t i = 0; i < mbox_counts(mbox)->messages; i++)
        assert_memory_equal(mbox_cold(mbox, i), mbox_cold(acct_mailbox_by_id(account, 1), i),
                            sizeof(struct msg_cold));
    shelf_done(&shelf);
}

/* To a mailbox that is not loaded: the last chunk is read and nothing else, and what was
 * appended is there when the mailbox is loaded, before a checkpoint and after one. */
static void an_append_reads_the_last_chunk_only(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *opened = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    struct record record = {.type = RECORD_APPEND};
    struct shelf shelf;
    struct err err;

    (void) state;
    shelf_open(&shelf);
    for (int i = 0; i < 3 * (int) CHUNK_MESSAGES; i++)
        append(account, 1, 0);
    put_shelf(&shelf, account, &stored);
    opened = open_shelf(&shelf);
    fork = acct_fork(opened);
    record.append.mbox = 1;
    assert_int_equal(acct_record_load(fork, &record, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(shelf.n_read, 2);
    append(fork, 1, 0);
    assert_false(mbox_is_loaded(acct_mailbox_by_id(fork, 1)));
    assert_int_equal(mbox_counts(acct_mailbox_by_id(fork, 1))->messages,
                     mbox_counts(acct_mailbox_by_id(account, 1))->messages + 1);
    put_shelf(&shelf, fork, &opened);
    assert_int_equal(acct_mbox_load(fork, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(mbox_chunk_count(acct_mailbox_by_id(fork, 1)), 4);
    acct_unref(fork);
    fork = open_shelf(&shelf);
    assert_int_equal(acct_mbox_load(fork, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(mbox_counts(acct_mailbox_by_id(fork, 1))->messages,
                     3 * CHUNK_MESSAGES + 11);
    shelf_done(&shelf);
}

/* Messages of one transaction differ in nothing that a hot page tells: it is shorter than their
 * number. */
static void messages_that_are_alike_come_back(void **state)
{
    (void) state;
    for (uint32_t n = 1; n <= 2 * CHUNK_MESSAGES; n = n * 3 + 1) {
        AUTO(acct_unrefp) struct acct_state *account = acct_state_new(1);
        AUTO(acct_unrefp) struct acct_state *stored = NULL;
        AUTO(acct_unrefp) struct acct_state *opened = NULL;
        struct record first = {.type = RECORD_ACCOUNT, .account = {1}};
        struct shelf shelf;
        struct err err;
        uint64_t modseq;

        apply(account, &first);
        create(account, 1, SLICE("INBOX"));
        modseq = acct_modseq(account) + 1;
        shelf_open(&shelf);
        for (uint32_t i = 0; i < n; i++)
            append_at(account, 1, FLAG_SEEN, modseq);
        put_shelf(&shelf, account, &stored);
        opened = open_shelf(&shelf);
        assert_int_equal(acct_mbox_load(opened, 1, read_shelf, &shelf, &err), RC_OK);
        assert_int_equal(mbox_counts(acct_mailbox_by_id(opened, 1))->messages, n);
        assert_int_equal(mbox_uid(acct_mailbox_by_id(opened, 1), n - 1), n);
        assert_int_equal(mbox_modseq(acct_mailbox_by_id(opened, 1), n - 1), modseq);
        assert_int_equal(mbox_flags(acct_mailbox_by_id(opened, 1), n - 1), FLAG_SEEN);
        shelf_done(&shelf);
    }
}

static const struct uid_run second[] = {
    {2, 3}
};

/* A flag in a mailbox of many chunks: the next checkpoint has one hot page of it. */
static void a_flag_costs_one_hot_page(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    struct record flags = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = 1, .flags = FLAG_FLAGGED, .op = FLAG_OP_ADD, .uids = {second, 1}}
    };
    struct shelf shelf;

    (void) state;
    shelf_open(&shelf);
    for (int i = 0; i < 5 * (int) CHUNK_MESSAGES; i++)
        append(account, 1, 0);
    put_shelf(&shelf, account, &stored);
    shelf.n_put = shelf.bytes_put = 0;
    fork = acct_fork(account);
    flags.flags.modseq = acct_modseq(account) + 1;
    apply(fork, &flags);
    put_shelf(&shelf, fork, &stored);
    assert_int_equal(shelf.n_put, 2); /* and the directory */
    assert_true(shelf.bytes_put < CHUNK_MESSAGES * CHUNK_HOT_BYTES);
    shelf_done(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_is_cheap_to_checkpoint),
        cmocka_unit_test(an_append_reads_the_last_chunk_only),
        cmocka_unit_test(messages_that_are_alike_come_back),
        cmocka_unit_test(a_flag_costs_one_hot_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
