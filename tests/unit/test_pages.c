/*
 * test_pages.c - what checkpoints write and what opening reads, counted in pages: the tail of a
 * mailbox, an append to one that is not loaded, one flag among many messages.
 */
// links: account
#include "account/chunk.h"
#include "account/page_frame.h"
#include "account/pages.h"
#include "base/map.h"
#include "base/varint.h"
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

/* The offset of what a MAILBOXES page of one mailbox says of the first unseen message. */
static size_t first_unseen_at(struct slice page)
{
    enum { PAGE_HEAD = 24, MAILBOX_NUMBERS = 3, COUNT_NUMBERS = 10 };
    struct scan sc = scan_of(slice_from(page, PAGE_HEAD));
    struct slice bytes;
    uint64_t number;

    assert_true(scan_varint(&sc, 1, &number) && scan_varint(&sc, UINT64_MAX, &number));
    assert_true(scan_take(&sc, sizeof(struct object_id), &bytes));
    assert_true(scan_varint_bytes(&sc, MAILBOX_NAME_BYTES_MAX, &bytes));
    for (int i = 0; i < MAILBOX_NUMBERS + COUNT_NUMBERS; i++)
        assert_true(scan_varint(&sc, UINT64_MAX, &number));
    return page.len - scan_left(&sc);
}

/* The MAILBOXES page as a program wrote it that did not know of the first unseen message. */
static void make_older(struct shelf *shelf)
{
    struct slice key;
    void *value;

    for (size_t at = 0; map_next(shelf->pages, &at, &key, &value);) {
        struct page *page = value;
        struct page_id id = {.kind = PAGE_MAILBOXES,
                             .account = 1,
                             .number = page->number,
                             .version = PAGE_VERSION};
        AUTO(buf_done) struct buf buf;
        size_t cut;

        buf_init(&buf, SIZE_MAX / 2);
        if (page->bytes.ptr[4] != PAGE_MAILBOXES)
            continue;
        assert_int_equal(page->bytes.ptr[5], PAGE_VERSION_UNSEEN);
        cut = first_unseen_at(page->bytes);
        assert_true((unsigned char) page->bytes.ptr[cut] < 0x80); /* of one byte */
        page_begin(&buf, &id);
        buf_append(&buf, slice_sub(page->bytes, 24, cut - 24));
        buf_append(&buf, slice_sub(page->bytes, cut + 1, page->bytes.len - cut - 1 - 8));
        page_end(&buf);
        page->bytes = arena_dup(shelf->arena, buf_slice(&buf));
    }
}

static const struct mbox *inbox_of(const struct acct_state *state)
{
    return acct_mailbox_by_id(state, 1);
}

/* Of pages that do not say it, it is known once the mailbox is loaded, and after the next
 * checkpoint for good. */
static void older_pages_do_not_know_the_first_unseen(void **unused)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *opened = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    struct record tail = {.type = RECORD_APPEND, .append = {.mbox = 1}};
    struct shelf shelf;
    struct err err;

    (void) unused;
    shelf_open(&shelf);
    put_shelf(&shelf, account, &stored);
    opened = open_shelf(&shelf);
    assert_true(mbox_knows_first_unseen(inbox_of(opened)));
    assert_int_equal(mbox_first_unseen(inbox_of(opened)), 0);
    acct_unref(opened);
    make_older(&shelf);
    opened = open_shelf(&shelf);
    assert_false(mbox_knows_first_unseen(inbox_of(opened)));
    fork = acct_fork(opened);
    assert_int_equal(acct_record_load(fork, &tail, read_shelf, &shelf, &err), RC_OK);
    append(fork, 1, 0); /* makes a page of what is not known */
    assert_false(mbox_knows_first_unseen(inbox_of(fork)));
    put_shelf(&shelf, fork, &opened);
    assert_int_equal(acct_mbox_load(fork, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(mbox_first_unseen(inbox_of(fork)), 0);
    shelf_done(&shelf);
}

/* What comes to a mailbox in which all was seen, while its messages lie in pages. */
static void the_first_unseen_is_among_what_came(void **unused)
{
    AUTO(acct_unrefp) struct acct_state *account = acct_state_new(1);
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *opened = NULL;
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    struct record first = {.type = RECORD_ACCOUNT, .account = {1}};
    struct record tail = {.type = RECORD_APPEND, .append = {.mbox = 1}};
    struct shelf shelf;
    struct err err;

    (void) unused;
    apply(account, &first);
    create(account, 1, SLICE("INBOX"));
    for (int i = 0; i < 10; i++)
        append(account, 1, FLAG_SEEN);
    shelf_open(&shelf);
    put_shelf(&shelf, account, &stored);
    opened = open_shelf(&shelf);
    assert_int_equal(mbox_first_unseen(inbox_of(opened)), 10);
    fork = acct_fork(opened);
    assert_int_equal(acct_record_load(fork, &tail, read_shelf, &shelf, &err), RC_OK);
    append(fork, 1, FLAG_SEEN);
    assert_int_equal(mbox_first_unseen(inbox_of(fork)), 11);
    append(fork, 1, 0);
    append(fork, 1, 0);
    assert_int_equal(mbox_first_unseen(inbox_of(fork)), 11);
    assert_false(mbox_is_loaded(inbox_of(fork)));
    put_shelf(&shelf, fork, &opened);
    acct_unref(opened);
    opened = open_shelf(&shelf);
    assert_int_equal(mbox_first_unseen(inbox_of(opened)), 11);
    assert_int_equal(acct_mbox_load(fork, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(mbox_first_unseen(inbox_of(fork)), 11);
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

/* ---- All (account/all.h) ---- */

#define VERSION_AT 5u /* of a page: its version */

static uint8_t version_of(struct slice page)
{
    return (uint8_t) page.ptr[VERSION_AT];
}

/* How many pages have this version. */
static size_t count_version(const struct shelf *shelf, uint8_t version)
{
    struct slice key;
    void *value;
    size_t n = 0;

    for (size_t at = 0; map_next(shelf->pages, &at, &key, &value);)
        n += version_of(((const struct page *) value)->bytes) == version;
    return n;
}

static struct record making_all(const struct acct_state *state, uint32_t use)
{
    return (struct record){
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE,
                    .mbox = acct_next_mailbox_id(state),
                    .name = SLICE("All"),
                    .mailboxid = {{7}},
                    .uidvalidity = 5,
                    .uidnext = 1,
                    .special_use = use,
                    .modseq = acct_modseq(state) + 1},
    };
}

/* With everything it needs from the shelf. */
static void load_and_apply(struct shelf *shelf, struct acct_state *state,
                           const struct record *record)
{
    struct err err;

    assert_int_equal(acct_record_load(state, record, read_shelf, shelf, &err), RC_OK);
    apply(state, record);
}

/* What was written before there could be an All is what is written now; All comes to it, with
 * what lies there, and comes back from its own pages. */
static void all_comes_to_an_account_of_before(void **unused)
{
    struct acct_state *state = start(), *stored = NULL, *opened;
    struct shelf shelf;
    struct record record;
    struct err err;
    uint32_t index;

    (void) unused;
    shelf_open(&shelf);
    create(state, 2, SLICE("Work"));
    append(state, 2, FLAG_SEEN);
    put_shelf(&shelf, state, &stored);
    assert_int_equal(version_of(shelf.root), 4);
    assert_int_equal(count_version(&shelf, 6), 1); /* the mailboxes */
    assert_int_equal(count_version(&shelf, 4), map_count(shelf.pages) - 1);
    acct_unref(stored);
    acct_unref(state);

    opened = open_shelf(&shelf);
    state = acct_fork(opened);
    record = making_all(state, USE_ALL);
    assert_int_equal(acct_check(state, &record, &err), RC_UNAVAILABLE);
    load_and_apply(&shelf, state, &record);
    assert_int_equal(mbox_counts(acct_all(state))->messages, 11);
    assert_int_equal(acct_usage(state).messages, 11);
    put_shelf(&shelf, state, &opened);
    assert_int_equal(version_of(shelf.root), 5);
    assert_int_equal(count_version(&shelf, 5), 3); /* hot pages, of three mailboxes */
    acct_unref(opened);
    acct_unref(state);

    opened = open_shelf(&shelf);
    state = acct_fork(opened);
    assert_int_equal(mbox_info(acct_all(state))->id, 3);
    assert_int_equal(acct_mbox_load(state, 3, read_shelf, &shelf, &err), RC_OK);
    assert_true(mbox_find(acct_all(state), 11, &index));
    assert_int_equal(mbox_home(acct_all(state), index).mbox, 2);
    assert_int_equal(mbox_home(acct_all(state), index).uid, 1);
    assert_int_equal(mbox_flags(acct_all(state), index), FLAG_SEEN);
    acct_unref(opened);
    acct_unref(state);
    shelf_done(&shelf);
}

/* An APPEND to a mailbox that is not loaded brings in two tails, and no more. */
static void an_append_with_all_reads_two_tails(void **unused)
{
    struct acct_state *state = start(), *stored = NULL, *opened;
    struct record record = making_all(state, USE_ALL);
    struct shelf shelf;

    (void) unused;
    shelf_open(&shelf);
    apply(state, &record);
    put_shelf(&shelf, state, &stored);
    acct_unref(stored);
    acct_unref(state);
    opened = open_shelf(&shelf);
    state = acct_fork(opened);
    record = (struct record){
        .type = RECORD_APPEND,
        .append = {.mbox = 1,
                   .uid = 11,
                   .size = 100,
                   .body_id = acct_next_body_id(state),
                   .modseq = acct_modseq(state) + 1},
    };
    load_and_apply(&shelf, state, &record);
    assert_int_equal(shelf.n_read, 4); /* hot and cold, of both */
    assert_int_equal(mbox_counts(acct_all(state))->uidnext, 12);
    acct_unref(opened);
    acct_unref(state);
    shelf_done(&shelf);
}

static void refused(const struct acct_state *state, struct record record)
{
    struct err err;

    assert_int_equal(acct_check(state, &record, &err), RC_CORRUPT);
}

/* There is one All, it is nothing else, and no record changes its messages but the others'. */
static void all_is_changed_by_the_others_only(void **unused)
{
    static const struct uid_run one = {1, 1};
    const struct uid_set uids = {&one, 1};
    struct acct_state *state = start();
    struct record record = making_all(state, USE_ALL | USE_SENT);
    uint64_t modseq = acct_modseq(state) + 2;

    (void) unused;
    refused(state, record);
    record.mailbox.special_use = USE_ALL;
    record.mailbox.uidnext = 2;
    refused(state, record);
    refused(state, (struct record){
                       .type = RECORD_MAILBOX,
                       .mailbox = {.op = MAILBOX_USE, .mbox = 1, .special_use = USE_ALL}
    });
    record.mailbox.uidnext = 1;
    apply(state, &record);
    refused(state, making_all(state, USE_ALL));
    refused(state, (struct record){
                       .type = RECORD_APPEND,
                       .append = {.mbox = 2, .uid = 11, .body_id = 99, .modseq = modseq}
    });
    refused(state, (struct record){
                       .type = RECORD_FLAGS,
                       .flags = {.mbox = 2, .flags = 1, .uids = uids, .modseq = modseq}
    });
    refused(state, (struct record){
                       .type = RECORD_EXPUNGE, .expunge = {2, uids, modseq}
    });
    refused(
        state,
        (struct record){
            .type = RECORD_COPY,
            .copy = {.src = 1, .dst = 2, .uids = uids, .dst_first_uid = 11, .modseq = modseq}
    });
    refused(
        state,
        (struct record){
            .type = RECORD_MOVE,
            .copy = {.src = 2, .dst = 1, .uids = uids, .dst_first_uid = 11, .modseq = modseq}
    });
    refused(state, (struct record){
                       .type = RECORD_MAILBOX,
                       .mailbox = {.op = MAILBOX_USE, .mbox = 2, .modseq = modseq}
    });
    refused(state, (struct record){
                       .type = RECORD_ACL, .acl = {2, SLICE("anyone"), SLICE("lr"), modseq}
    });
    acct_unref(state);
}

/* All's table takes keywords while there is room; what is beyond stays where it is. */
static void all_has_as_many_keywords_as_a_mailbox(void **unused)
{
    struct acct_state *state = start();
    struct record record = making_all(state, USE_ALL);
    uint16_t has[KEYWORDS_MAX];
    uint32_t last;

    (void) unused;
    apply(state, &record);
    create(state, 3, SLICE("Work"));
    for (uint32_t mbox = 1; mbox <= 3; mbox += 2) {
        for (uint16_t i = 0; i < 200; i++) {
            char name[16];

            (void) snprintf(name, sizeof(name), "k%u-%u", mbox, i);
            record = (struct record){
                .type = RECORD_KEYWORD, .keyword = {mbox, i, slice_from_str(name)}
            };
            apply(state, &record);
            record = (struct record){
                .type = RECORD_APPEND,
                .append = {.mbox = mbox,
                           .uid = mbox_counts(acct_mailbox_by_id(state, mbox))->uidnext,
                           .keywords = &i,
                           .n_keywords = 1,
                           .size = 1,
                           .body_id = acct_next_body_id(state),
                           .modseq = acct_modseq(state) + 1},
            };
            apply(state, &record);
        }
    }
    last = mbox_counts(acct_all(state))->messages - 1;
    assert_int_equal(mbox_info(acct_all(state))->n_keywords, KEYWORDS_MAX);
    assert_int_equal(mbox_keywords(acct_all(state), last, has), 0);
    assert_int_equal(mbox_keywords(acct_all(state), last - 144, has), 1);
    assert_slice_equal(mbox_info(acct_all(state))->keywords[has[0]], SLICE("k3-55"));
    acct_unref(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_is_cheap_to_checkpoint),
        cmocka_unit_test(an_append_reads_the_last_chunk_only),
        cmocka_unit_test(older_pages_do_not_know_the_first_unseen),
        cmocka_unit_test(the_first_unseen_is_among_what_came),
        cmocka_unit_test(messages_that_are_alike_come_back),
        cmocka_unit_test(a_flag_costs_one_hot_page),
        cmocka_unit_test(all_comes_to_an_account_of_before),
        cmocka_unit_test(an_append_with_all_reads_two_tails),
        cmocka_unit_test(all_is_changed_by_the_others_only),
        cmocka_unit_test(all_has_as_many_keywords_as_a_mailbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
