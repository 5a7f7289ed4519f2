/*
 * test_annotations.c - annotations in an account (account/annotations.h): the tree's leaves,
 * what is refused, deleted entries, COPY, what is kept of the expunged, what a change writes,
 * and pages of the version before there were any. The model walk of test_account.c has the
 * rest.
 */
// links: account
#include <stdio.h>

#include "account/annotations.h"
#include "account/kept.h"
#include "account/mbox.h"
#include "account/pages.h"
#include "base/map.h"
#include "lib/test.h"

#define ANN 77u

static enum rc try(struct acct_state *state, const struct record *record)
{
    struct record_group group = {.time_us = 1};
    struct err err;
    enum rc rc = acct_check(state, record, &err);

    if (rc == RC_OK)
        acct_apply(state, &group, record);
    return rc;
}

static void apply(struct acct_state *state, const struct record *record)
{
    assert_int_equal(try(state, record), RC_OK);
}

static void create(struct acct_state *state, uint32_t id, struct slice name)
{
    apply(state, &(struct record){
                     .type = RECORD_MAILBOX,
                     .mailbox = {.op = MAILBOX_CREATE,
                                 .mbox = id,
                                 .name = name,
                                 .mailboxid = {{(uint8_t) id}},
                                 .uidvalidity = 1,
                                 .uidnext = 1,
                                 .modseq = acct_modseq(state) + 1},
    });
}

static void append(struct acct_state *state, uint32_t id, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        apply(state, &(struct record){
                         .type = RECORD_APPEND,
                         .append = {.mbox = id,
                                    .uid = mbox_counts(acct_mailbox_by_id(state, id))->uidnext,
                                    .size = 100,
                                    .body_id = acct_next_body_id(state),
                                    .modseq = acct_modseq(state) + 1},
        });
}

static struct acct_state *start(uint32_t messages)
{
    struct acct_state *state = acct_state_new(1);

    apply(state, &(struct record){.type = RECORD_ACCOUNT, .account = {1}});
    create(state, 1, SLICE("INBOX"));
    create(state, 2, SLICE("other"));
    append(state, 1, messages);
    return state;
}

static const struct mbox *inbox(const struct acct_state *state)
{
    return acct_mailbox_by_id(state, 1);
}

/* One entry; value NULL: nil. */
static enum rc annotate(struct acct_state *state, uint32_t first, uint32_t last,
                        uint64_t reader, const char *name, const struct slice *value)
{
    const struct annotation entry = {.entry = slice_from_str(name),
                                     .is_nil = value == NULL,
                                     .value = value != NULL ? *value : SLICE("")};
    const struct uid_run run = {first, last};

    return try(state, &(struct record){
                          .type = RECORD_ANNOTATE,
                          .annotate = {.mbox = 1,
                                       .reader = reader,
                                       .entries = &entry,
                                       .n_entries = 1,
                                       .uids = {&run, 1},
                                       .modseq = acct_modseq(state) + 1},
    });
}

static void set(struct acct_state *state, uint32_t uid, uint64_t reader, const char *name,
                const char *value)
{
    struct slice text = slice_from_str(value);

    assert_int_equal(annotate(state, uid, uid, reader, name, &text), RC_OK);
}

static void expunge(struct acct_state *state, uint32_t first, uint32_t last)
{
    const struct uid_run run = {first, last};

    apply(state, &(struct record){
                     .type = RECORD_EXPUNGE,
                     .expunge = {1, {&run, 1}, acct_modseq(state) + 1},
    });
}

/* Leaves in order, within their bounds, and sums that are right. */
static void check_tree(const struct mbox *mbox)
{
    const struct annotations *tree = mbox->annotations;
    const struct annotation_row *last = NULL;
    uint64_t bytes = 0;

    for (size_t i = 0; tree != NULL && i < tree->n_leaves; i++) {
        const struct annotation_leaf *leaf = tree->leaves[i];
        uint64_t greatest = 0;
        uint32_t leaf_bytes = 0;

        assert_true(leaf->n >= 1 && leaf->n <= ANNOTATION_LEAF_ROWS);
        assert_true(leaf->n == 1 || leaf->bytes <= ANNOTATION_LEAF_BYTES);
        for (uint32_t row = 0; row < leaf->n; row++) {
            const struct annotation_row *at = leaf->rows[row];

            assert_true(last == NULL || at->uid > last->uid ||
                        (at->uid == last->uid && at->reader > last->reader));
            assert_ptr_equal(annotations_find(tree, at->uid, at->reader), at);
            greatest = MAX(greatest, at->modseq);
            leaf_bytes += at->bytes;
            last = at;
        }
        assert_true(leaf->modseq == greatest && leaf->bytes == leaf_bytes);
        bytes += leaf_bytes;
    }
    assert_true((tree != NULL ? tree->bytes : 0) == bytes);
    assert_true(mbox_counts(mbox)->annotation_bytes == bytes);
}

static void leaves_split_and_join(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(2000);
    struct slice text = SLICE("x");
    size_t most;

    (void) state;
    for (uint32_t i = 0; i < 2000;
         i++) { /* 1009 is prime to 2000: every message, in no order */
        uint32_t uid = 1 + (uint32_t) ((uint64_t) i * 1009 % 2000);

        set(account, uid, i % 3 == 0 ? ANN : 0, "/comment", "text");
    }
    check_tree(inbox(account));
    assert_int_equal(annotate(account, 1, 2000, 0, "/comment", &text), RC_OK);
    check_tree(inbox(account));
    most = inbox(account)->annotations->n_leaves;
    assert_true(most <= 2667 / (ANNOTATION_LEAF_ROWS / 2) + 1);
    for (uint32_t uid = 1; uid <= 1990; uid += 10)
        expunge(account, uid, uid + 8);
    check_tree(inbox(account));
    assert_true(inbox(account)->annotations->n_leaves < most);
    assert_non_null(mbox_annotation(inbox(account), 10, 0, SLICE("/comment")));
    assert_null(mbox_annotation(inbox(account), 11, 0, SLICE("/comment")));
}

static void rows_filled_in_order_fill_their_leaves(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(1280);
    struct slice text = SLICE("note");

    (void) state;
    assert_int_equal(annotate(account, 1, 1280, ANN, "/comment", &text), RC_OK);
    check_tree(inbox(account));
    assert_int_equal(inbox(account)->annotations->n_leaves, 10);
}

static void refuses_what_is_too_much(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(300);
    char name[16], *bytes = xcalloc(1, ANNOTATION_VALUE_MAX_BYTES + 1);
    struct slice most = slice_of(bytes, ANNOTATION_VALUE_MAX_BYTES);
    struct slice more = slice_of(bytes, ANNOTATION_VALUE_MAX_BYTES + 1), one = SLICE("1");

    (void) state;
    assert_int_equal(annotate(account, 1, 1, 0, "/comment", &more), RC_CORRUPT);
    assert_int_equal(annotate(account, 1, 1, 0, "comment", &one), RC_CORRUPT);
    assert_int_equal(annotate(account, 1, 1, 0, "/", &one), RC_CORRUPT);
    assert_int_equal(annotate(account, 1, 301, 0, "/comment", &one), RC_CORRUPT);
    for (unsigned i = 0; i < ANNOTATION_ENTRIES_MAX; i++) {
        (void) snprintf(name, sizeof(name), "/vendor/a/%u", i);
        assert_int_equal(annotate(account, 1, 1, 0, name, &one), RC_OK);
    }
    assert_int_equal(annotate(account, 1, 1, 0, "/comment", &one), RC_CORRUPT);
    assert_int_equal(annotate(account, 1, 1, ANN, "/comment", &one), RC_OK);
    assert_int_equal(annotate(account, 1, 1, 0, "/vendor/a/3", NULL), RC_OK);
    assert_int_equal(annotate(account, 1, 1, 0, "/comment", &one), RC_OK);
    /* Four values of 64 KiB are more than 256 KiB with their names. */
    for (unsigned i = 0; i < 3; i++) {
        (void) snprintf(name, sizeof(name), "/vendor/b/%u", i);
        assert_int_equal(annotate(account, 2, 300, 0, name, &most), RC_OK);
    }
    assert_int_equal(annotate(account, 2, 2, 0, "/comment", &most), RC_CORRUPT);
    check_tree(inbox(account));
    /* 299 messages have 56 MiB by now. */
    assert_int_equal(annotate(account, 2, 300, ANN, "/comment", &most), RC_CORRUPT);
    assert_int_equal(annotate(account, 2, 40, ANN, "/comment", &most), RC_OK);
    free(bytes);
}

static void a_deleted_entry_is_remembered_for_a_while(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(1);
    const struct annotation *entries;
    char name[16];
    size_t n;

    (void) state;
    set(account, 1, 0, "/comment", "text");
    assert_int_equal(annotate(account, 1, 1, 0, "/comment", NULL), RC_OK);
    entries = mbox_annotations(inbox(account), 1, 0, &n);
    assert_true(n == 1 && entries[0].is_nil && entries[0].modseq == acct_modseq(account));
    for (unsigned i = 0; i < 3 * ANNOTATION_ROW_ENTRIES; i++) {
        (void) snprintf(name, sizeof(name), "/vendor/%u", i);
        set(account, 1, 0, name, "");
        assert_int_equal(annotate(account, 1, 1, 0, name, NULL), RC_OK);
        (void) mbox_annotations(inbox(account), 1, 0, &n);
        assert_true(n <= ANNOTATION_ROW_ENTRIES);
    }
    assert_true(mbox_annotation_modseq(inbox(account), 1, 0) == acct_modseq(account));
}

/* One record is about many messages, and some of them may have some of it already. */
static void what_a_record_leaves_as_it_was_keeps_its_modseq(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(1);
    const struct annotation *entries;
    uint64_t first;
    size_t n;

    (void) state;
    set(account, 1, 0, "/comment", "text");
    first = acct_modseq(account);
    set(account, 1, 0, "/comment", "text");
    entries = mbox_annotations(inbox(account), 1, 0, &n);
    assert_true(n == 1 && entries[0].modseq == first);
    assert_true(mbox_annotation_modseq(inbox(account), 1, 0) == acct_modseq(account));
    assert_int_equal(annotate(account, 1, 1, 0, "/altsubject", NULL), RC_OK);
    (void) mbox_annotations(inbox(account), 1, 0, &n);
    assert_int_equal(n, 1); /* no nil where nothing was */
}

static void own_entries_raise_no_modseq_of_others(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(3);
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t shared = mbox_counts(inbox(account))->highestmodseq;
    struct uid_set news;

    (void) state;
    set(account, 2, ANN, "/comment", "mine");
    assert_true(mbox_counts(inbox(account))->highestmodseq == shared);
    assert_true(mbox_annotations_modseq(inbox(account), ANN) == acct_modseq(account));
    assert_true(mbox_annotations_modseq(inbox(account), ANN + 1) == 0);
    news = mbox_annotated_since(inbox(account), ANN, shared, arena);
    assert_true(news.n == 1 && uid_set_contains(&news, 2));
    assert_int_equal(mbox_annotated_since(inbox(account), 0, shared, arena).n, 0);
    set(account, 3, 0, "/comment", "ours");
    assert_true(mbox_counts(inbox(account))->highestmodseq == acct_modseq(account));
    assert_true(mbox_modseq(inbox(account), 2) == acct_modseq(account));
}

static void a_copy_takes_along_what_it_says(void **state)
{
    const struct uid_run both = {1, 2};
    const struct {
        bool shared;
        uint64_t reader;
    } rows[] = {
        {false, 0  },
        {true,  0  },
        {false, ANN},
        {true,  ANN},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(acct_unrefp) struct acct_state *account = start(2);
        const struct mbox *dst;

        set(account, 1, 0, "/comment", "ours");
        set(account, 1, ANN, "/comment", "mine");
        set(account, 1, ANN + 1, "/comment", "another's");
        assert_true((mbox_annotations_to_copy(inbox(account), &(struct uid_set){&both, 1},
                                              rows[i].shared, rows[i].reader) > 0) ==
                    (rows[i].shared || rows[i].reader != 0));
        apply(account, &(struct record){
                           .type = RECORD_MOVE,
                           .copy = {.src = 1,
                                    .dst = 2,
                                    .uids = {&both, 1},
                                    .dst_first_uid = 10,
                                    .modseq = acct_modseq(account) + 1,
                                    .annotations = rows[i].shared,
                                    .reader = rows[i].reader},
        });
        dst = acct_mailbox_by_id(account, 2);
        check_tree(dst);
        assert_int_equal(mbox_annotation(dst, 10, 0, SLICE("/comment")) != NULL,
                         rows[i].shared);
        assert_int_equal(mbox_annotation(dst, 10, ANN, SLICE("/comment")) != NULL,
                         rows[i].reader == ANN);
        assert_null(mbox_annotation(dst, 10, ANN + 1, SLICE("/comment")));
        assert_null(inbox(account)->annotations);
    }
}

/* ---- pages ---- */

struct shelf {
    struct arena *arena;
    struct map *pages; /* number -> struct page */
    struct slice root;
    size_t n_put, bytes_put;
};

static enum rc read_shelf(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                          struct err *err)
{
    struct shelf *shelf = ctx;
    const struct page *page = map_get(shelf->pages, MAP_KEY(number));

    if (page == NULL)
        return err_set(err, RC_NOT_FOUND, "no page", "page %d", (int) number);
    *out = arena_dup(arena, page->bytes);
    return RC_OK;
}

static void put_page(struct shelf *shelf, uint64_t number, struct slice bytes)
{
    struct page *page = ARENA_NEW(shelf->arena, struct page);

    *page = (struct page){number, arena_dup(shelf->arena, bytes)};
    (void) map_put(shelf->pages, MAP_KEY(page->number), page);
}

static void checkpoint(struct shelf *shelf, struct acct_state *account,
                       struct acct_state **stored)
{
    struct page_batch batch;

    acct_pages_make(account, *stored, shelf->arena, &batch);
    shelf->n_put = batch.n_puts;
    shelf->bytes_put = 0;
    for (size_t i = 0; i < batch.n_puts; i++) {
        put_page(shelf, batch.puts[i].number, batch.puts[i].bytes);
        shelf->bytes_put += batch.puts[i].bytes.len;
    }
    for (size_t i = 0; i < batch.n_drops; i++)
        assert_non_null(map_remove(shelf->pages, MAP_KEY(batch.drops[i])));
    shelf->root = batch.root;
    acct_pages_stored(account, &batch);
    acct_unref(*stored);
    *stored = acct_ref(account);
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

static struct acct_state *open_shelf(struct shelf *shelf)
{
    struct acct_state *opened = NULL;
    struct err err;

    if (acct_pages_open(1, shelf->root, 1, read_shelf, shelf, &opened, &err) != RC_OK)
        fail_msg("%s", err.detail);
    return opened;
}

static void load(struct shelf *shelf, struct acct_state *account, const struct record *record)
{
    struct err err;

    if (acct_record_load(account, record, read_shelf, shelf, &err) != RC_OK)
        fail_msg("%s", err.detail);
}

static void a_change_writes_its_own_page(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(4000);
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *again = NULL;
    struct slice text = SLICE("a comment of some length beside each message");
    struct acct_state *fork;
    struct shelf shelf;
    struct err err;

    (void) state;
    shelf_open(&shelf);
    assert_int_equal(annotate(account, 1, 4000, ANN, "/comment", &text), RC_OK);
    checkpoint(&shelf, account, &stored);
    fork = acct_fork(account);
    acct_unref(account);
    account = fork;
    set(account, 2000, ANN, "/comment", "changed");
    checkpoint(&shelf, account, &stored);
    /* Its leaf, and the page of mailboxes: no hot page. */
    assert_int_equal(shelf.n_put, 2);
    assert_true(shelf.bytes_put < 16384);
    again = open_shelf(&shelf);
    assert_true(mbox_counts(inbox(again))->annotation_bytes ==
                mbox_counts(inbox(account))->annotation_bytes);
    assert_int_equal(acct_mbox_load(again, 1, read_shelf, &shelf, &err), RC_OK);
    check_tree(inbox(again));
    assert_slice_equal(mbox_annotation(inbox(again), 2000, ANN, SLICE("/comment"))->value,
                       SLICE("changed"));
    assert_slice_equal(mbox_annotation(inbox(again), 3999, ANN, SLICE("/comment"))->value,
                       text);
    shelf_done(&shelf);
}

/* Expunged, stored, opened again and brought back: with what every reader had written. */
static void what_is_kept_keeps_its_annotations(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start(10);
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *again = NULL;
    const struct uid_run run = {3, 3};
    struct record back = {.type = RECORD_RESTORE};
    struct shelf shelf;

    (void) state;
    shelf_open(&shelf);
    set(account, 3, 0, "/comment", "ours");
    set(account, 3, ANN, "/altsubject", "mine");
    set(account, 3, ANN, "/comment", "mine");
    assert_int_equal(annotate(account, 3, 3, ANN, "/comment", NULL), RC_OK);
    expunge(account, 2, 4);
    assert_null(inbox(account)->annotations);
    checkpoint(&shelf, account, &stored);
    again = open_shelf(&shelf);
    back.restore = (struct record_restore){
        .op = RESTORE_MESSAGES,
        .mbox = 1,
        .dst = 2,
        .uids = {&run, 1},
        .dst_first_uid = 5,
        .modseq = acct_modseq(again) + 1
    };
    load(&shelf, again, &back);
    apply(again, &back);
    check_tree(acct_mailbox_by_id(again, 2));
    assert_slice_equal(
        mbox_annotation(acct_mailbox_by_id(again, 2), 5, 0, SLICE("/comment"))->value,
        SLICE("ours"));
    assert_slice_equal(
        mbox_annotation(acct_mailbox_by_id(again, 2), 5, ANN, SLICE("/altsubject"))->value,
        SLICE("mine"));
    assert_null(mbox_annotation(acct_mailbox_by_id(again, 2), 5, ANN, SLICE("/comment")));
    shelf_done(&shelf);
}

/* The seed holds pages as they were: for each a byte, a length in two, and the page. */
static void read_old_pages(struct shelf *shelf)
{
    FILE *file = fopen(ROOST_TEST_DATA "/../fuzz/seeds/pages/version_3", "rb");
    char bytes[8192];
    struct slice page;
    struct scan sc;
    uint16_t len;
    uint8_t kind;

    assert_non_null(file);
    sc = scan_of(slice_of(bytes, fread(bytes, 1, sizeof(bytes), file)));
    assert_int_equal(fclose(file), 0);
    for (uint64_t number = 0; !scan_done(&sc); number++) {
        assert_true(scan_le8(&sc, &kind) && scan_le16(&sc, &len) && scan_take(&sc, len, &page));
        assert_int_equal(page.ptr[5], 3);
        if (number == 0)
            shelf->root = arena_dup(shelf->arena, page);
        else
            put_page(shelf, number, page);
    }
}

static void pages_of_version_3_open_and_go_on(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = NULL;
    AUTO(acct_unrefp) struct acct_state *stored = NULL;
    AUTO(acct_unrefp) struct acct_state *again = NULL;
    const struct uid_run run = {2, 2};
    struct record back = {.type = RECORD_RESTORE};
    struct shelf shelf;
    struct err err;

    (void) state;
    shelf_open(&shelf);
    read_old_pages(&shelf);
    account = open_shelf(&shelf);
    stored = acct_ref(account);
    again = acct_fork(account);
    assert_int_equal(acct_mbox_load(again, 1, read_shelf, &shelf, &err), RC_OK);
    assert_int_equal(mbox_counts(inbox(again))->messages, 3);
    assert_int_equal(mbox_kept(inbox(again)).messages, 2);
    assert_int_equal(acct_deleted_count(again), 1);
    assert_true(mbox_overlay_find(inbox(again), 9, 1)->flags == FLAG_SEEN);
    set(again, 4, 0, "/comment", "new");
    checkpoint(&shelf, again, &stored);
    acct_unref(account);
    account = open_shelf(&shelf);
    assert_int_equal(acct_mbox_load(account, 1, read_shelf, &shelf, &err), RC_OK);
    assert_slice_equal(mbox_annotation(inbox(account), 4, 0, SLICE("/comment"))->value,
                       SLICE("new"));
    back.restore = (struct record_restore){
        .op = RESTORE_MESSAGES,
        .mbox = 1,
        .dst = 1,
        .uids = {&run, 1},
        .dst_first_uid = 6,
        .modseq = acct_modseq(account) + 1
    };
    load(&shelf, account, &back);
    apply(account, &back);
    assert_int_equal(mbox_counts(inbox(account))->messages, 4);
    shelf_done(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_split_and_join),
        cmocka_unit_test(rows_filled_in_order_fill_their_leaves),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(a_deleted_entry_is_remembered_for_a_while),
        cmocka_unit_test(what_a_record_leaves_as_it_was_keeps_its_modseq),
        cmocka_unit_test(own_entries_raise_no_modseq_of_others),
        cmocka_unit_test(a_copy_takes_along_what_it_says),
        cmocka_unit_test(a_change_writes_its_own_page),
        cmocka_unit_test(what_is_kept_keeps_its_annotations),
        cmocka_unit_test(pages_of_version_3_open_and_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
