/* test_account_parts.c - what the model walk does not reach: what acct_check refuses, sets of
 * uids, the two-level order, memory per message, and readers beside a writer. */
// links: account
// labels: concurrency
#include <pthread.h>

#include "account/chunk.h"
#include "account/pages.h"
#include "account/sorted.h"
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

static void append(struct acct_state *state, uint32_t id, uint8_t flags)
{
    struct record record = {
        .type = RECORD_APPEND,
        .append = {.mbox = id,
                   .uid = mbox_counts(acct_mailbox_by_id(state, id))->uidnext,
                   .flags = flags,
                   .size = 100,
                   .body_id = acct_next_body_id(state),
                   .modseq = acct_modseq(state) + 1},
    };

    apply(state, &record);
}

/* Mailboxes 1 INBOX with uids 1..10 and keyword 0, 2 "b" empty; modseq 13, next body id 11. */
static struct acct_state *start(void)
{
    struct acct_state *state = acct_state_new(1);
    struct record first = {.type = RECORD_ACCOUNT, .account = {1}};
    struct record keyword = {
        .type = RECORD_KEYWORD, .keyword = {1, 0, SLICE("$A")}
    };

    apply(state, &first);
    create(state, 1, SLICE("INBOX"));
    create(state, 2, SLICE("b"));
    apply(state, &keyword);
    for (int i = 0; i < 10; i++)
        append(state, 1, 0);
    return state;
}

static const uint16_t keyword_0[] = {0}, keyword_1[] = {1}, keywords_back[] = {0, 0};
static const struct uid_run run_2_3[] =
    {
        {2, 3}
},
                            run_9_11[] = {{9, 11}}, run_0[] = {{0, 1}};
static const struct uid_run back[] =
    {
        {5, 6},
        {2, 3}
},
                            touching[] = {{2, 3}, {4, 5}};
static const struct uid_run first_1[] = {
    {1, 1}
};

#define APPEND(...)                                                                            \
    {                                                                                          \
        .type = RECORD_APPEND, .append = { __VA_ARGS__ }                                       \
    }
#define FLAGS(...)                                                                             \
    {                                                                                          \
        .type = RECORD_FLAGS, .flags = { __VA_ARGS__ }                                         \
    }
#define EXPUNGE(...)                                                                           \
    {                                                                                          \
        .type = RECORD_EXPUNGE, .expunge = { __VA_ARGS__ }                                     \
    }
#define COPY(...)                                                                              \
    {                                                                                          \
        .type = RECORD_COPY, .copy = { __VA_ARGS__ }                                           \
    }
#define MAILBOX(...)                                                                           \
    {                                                                                          \
        .type = RECORD_MAILBOX, .mailbox = { __VA_ARGS__ }                                     \
    }
#define TEXT(text)                                                                             \
    {                                                                                          \
        "" text, sizeof(text) - 1                                                              \
    } /* SLICE() is no constant */
#define NEW_IDS .mailboxid = {{9}}, .uidvalidity = 1, .uidnext = 1

// clang-format off
static const struct {
    const char *why;
    bool ok;
    struct record record;
} rows[] = {
    {"next uid",             true,  APPEND(.mbox = 1, .uid = 11, .body_id = 11, .modseq = 14)},
    {"uid gap",              true,  APPEND(.mbox = 1, .uid = 99, .body_id = 11, .modseq = 14)},
    {"same modseq again",    true,  APPEND(.mbox = 1, .uid = 11, .body_id = 11, .modseq = 13)},
    {"uid exists",           false, APPEND(.mbox = 1, .uid = 10, .body_id = 11, .modseq = 14)},
    {"uid too great",        false, APPEND(.mbox = 1, .uid = UINT32_MAX, .body_id = 11, .modseq = 14)},
    {"body id used",         false, APPEND(.mbox = 1, .uid = 11, .body_id = 10, .modseq = 14)},
    {"modseq falls",         false, APPEND(.mbox = 1, .uid = 11, .body_id = 11, .modseq = 12)},
    {"modseq 2^63",          false, APPEND(.mbox = 1, .uid = 11, .body_id = 11, .modseq = MODSEQ_MAX + 1)},
    {"no such mailbox",      false, APPEND(.mbox = 3, .uid = 11, .body_id = 11, .modseq = 14)},
    {"flag not known",       false, APPEND(.mbox = 1, .uid = 11, .flags = 0x20, .body_id = 11, .modseq = 14)},
    {"keyword in table",     true,  APPEND(.mbox = 1, .uid = 11, .keywords = keyword_0, .n_keywords = 1, .body_id = 11, .modseq = 14)},
    {"keyword not in table", false, APPEND(.mbox = 1, .uid = 11, .keywords = keyword_1, .n_keywords = 1, .body_id = 11, .modseq = 14)},
    {"keywords not ascending", false, APPEND(.mbox = 1, .uid = 11, .keywords = keywords_back, .n_keywords = 2, .body_id = 11, .modseq = 14)},
    {"flags",                true,  FLAGS(.mbox = 1, .uids = {run_2_3, 1}, .modseq = 14)},
    {"private flags",        true,  FLAGS(.mbox = 1, .reader = 7, .uids = {run_2_3, 1}, .modseq = 14)},
    {"no uids",              false, FLAGS(.mbox = 1, .modseq = 14)},
    {"uid beyond",           false, FLAGS(.mbox = 1, .uids = {run_9_11, 1}, .modseq = 14)},
    {"uid 0",                false, FLAGS(.mbox = 1, .uids = {run_0, 1}, .modseq = 14)},
    {"runs not in order",    false, FLAGS(.mbox = 1, .uids = {back, 2}, .modseq = 14)},
    {"runs touch",           false, FLAGS(.mbox = 1, .uids = {touching, 2}, .modseq = 14)},
    {"flags of none",        false, FLAGS(.mbox = 2, .uids = {run_2_3, 1}, .modseq = 14)},
    {"expunge",              true,  EXPUNGE(1, {run_2_3, 1}, 14)},
    {"expunge beyond",       false, EXPUNGE(1, {run_9_11, 1}, 14)},
    {"copy",                 true,  COPY(.src = 1, .dst = 2, .uids = {run_2_3, 1}, .dst_first_uid = 1, .modseq = 14)},
    {"copy onto itself",     true,  COPY(.src = 1, .dst = 1, .uids = {run_2_3, 1}, .dst_first_uid = 11, .modseq = 14)},
    {"copy below uidnext",   false, COPY(.src = 1, .dst = 1, .uids = {run_2_3, 1}, .dst_first_uid = 10, .modseq = 14)},
    {"copy past the last uid", false, COPY(.src = 1, .dst = 2, .uids = {run_2_3, 1}, .dst_first_uid = UID_MAX, .modseq = 14)},
    {"copy to nowhere",      false, COPY(.src = 1, .dst = 3, .uids = {run_2_3, 1}, .dst_first_uid = 1, .modseq = 14)},
    {"create",               true,  MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("c"), .modseq = 14, NEW_IDS)},
    {"id used",              false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 2, .name = TEXT("c"), .modseq = 14, NEW_IDS)},
    {"name taken",           false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("b"), .modseq = 14, NEW_IDS)},
    {"inbox in small letters", false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("inbox"), .modseq = 14, NEW_IDS)},
    {"name is no UTF-8",     false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("\xff"), .modseq = 14, NEW_IDS)},
    {"no name",              false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .modseq = 14, NEW_IDS)},
    {"no MAILBOXID",         false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("c"), .modseq = 14, .uidvalidity = 1, .uidnext = 1)},
    {"highestmodseq 0",      false, MAILBOX(.op = MAILBOX_CREATE, .mbox = 3, .name = TEXT("c"), NEW_IDS)},
    {"rename",               true,  MAILBOX(.op = MAILBOX_RENAME, .mbox = 2, .name = TEXT("c"), .modseq = 14)},
    {"rename onto another",  false, MAILBOX(.op = MAILBOX_RENAME, .mbox = 1, .name = TEXT("b"), .modseq = 14)},
    {"delete",               true,  MAILBOX(.op = MAILBOX_DELETE, .mbox = 2)},
    {"delete of none",       false, MAILBOX(.op = MAILBOX_DELETE, .mbox = 3)},
    {"second beginning",     false, {.type = RECORD_ACCOUNT, .account = {50}}},
    {"next keyword",         true,  {.type = RECORD_KEYWORD, .keyword = {1, 1, TEXT("$B")}}},
    {"keyword skips one",    false, {.type = RECORD_KEYWORD, .keyword = {1, 2, TEXT("$B")}}},
    {"keyword again",        false, {.type = RECORD_KEYWORD, .keyword = {1, 1, TEXT("$a")}}},
    {"threadid",             true,  {.type = RECORD_THREADID, .threadid = {1, 1, {{1}}}}},
    {"threadid of none",     false, {.type = RECORD_THREADID, .threadid = {1, 11, {{1}}}}},
    {"threadid zero",        false, {.type = RECORD_THREADID, .threadid = {1, 1, {{0}}}}},
    {"purge",                true,  {.type = RECORD_PURGE, .purge = {1, 13}}},
    {"purge of the future",  false, {.type = RECORD_PURGE, .purge = {1, 14}}},
    {"transfer to oneself",  false, {.type = RECORD_XFER_OUT, .xfer = {1, 1, TEXT("")}}},
    {"metadata of nobody",   false, {.type = RECORD_METADATA, .metadata = {.entry = TEXT(""), .modseq = 14}}},
};
// clang-format on

static void check_refuses_what_would_not_apply(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(acct_unrefp) struct acct_state *base = start();
        AUTO(acct_unrefp) struct acct_state *fork = acct_fork(base);
        struct record_group group = {.time_us = 1};
        struct err err;
        enum rc rc = acct_check(fork, &rows[i].record, &err);

        if (rc != (rows[i].ok ? RC_OK : RC_CORRUPT))
            fail_msg("%s: %s", rows[i].why, rc_name(rc));
        if (rc == RC_OK)
            acct_apply(fork, &group, &rows[i].record);
        assert_int_equal(mbox_counts(acct_mailbox_by_id(base, 1))->messages, 10);
    }
}

static void lists_stop_at_their_limits(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct record keyword = {.type = RECORD_KEYWORD, .keyword = {.mbox = 1}};
    struct record quota = {.type = RECORD_QUOTA};
    struct record acl = {
        .type = RECORD_ACL, .acl = {.mbox = 1, .rights = SLICE("l")}
    };
    struct err err;

    (void) state;
    for (uint16_t i = 1; i < KEYWORDS_MAX; i++) {
        keyword.keyword.index = i;
        keyword.keyword.name = slice_from_str(arena_printf(arena, "k%d", i));
        apply(account, &keyword);
    }
    keyword.keyword.index = KEYWORDS_MAX;
    keyword.keyword.name = SLICE("one more");
    assert_int_equal(acct_check(account, &keyword, &err), RC_CORRUPT);
    for (unsigned i = 0; i <= QUOTA_RESOURCES_MAX; i++) {
        quota.quota.resource = slice_from_str(arena_printf(arena, "r%u", i));
        assert_int_equal(acct_check(account, &quota, &err),
                         i < QUOTA_RESOURCES_MAX ? RC_OK : RC_CORRUPT);
        if (i < QUOTA_RESOURCES_MAX)
            apply(account, &quota);
    }
    for (unsigned i = 0; i <= ACL_ENTRIES_MAX; i++) {
        acl.acl.identifier = slice_from_str(arena_printf(arena, "u%u", i));
        acl.acl.modseq = acct_modseq(account);
        assert_int_equal(acct_check(account, &acl, &err),
                         i < ACL_ENTRIES_MAX ? RC_OK : RC_CORRUPT);
        if (i < ACL_ENTRIES_MAX)
            apply(account, &acl);
    }
}

static void a_record_cut_off_anywhere_is_corrupt(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf buf;
        struct record record;
        struct err err;
        size_t len;

        if (!rows[i].ok)
            continue;
        buf_init(&buf, 4096);
        record_encode(&buf, &rows[i].record);
        for (len = 1; len < buf.len; len++) {
            struct scan sc = scan_of(slice_of(buf.ptr, len));

            assert_int_equal(record_decode(&sc, arena, &record, &err), RC_CORRUPT);
            assert_int_equal(scan_offset(&sc), 0);
        }
    }
}

static void numbers_have_one_form(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool ok;
        uint64_t value;
    } forms[] = {
        {"\x00",                                     1,  true,  0         },
        {"\x7f",                                     1,  true,  127       },
        {"\x80\x01",                                 2,  true,  128       },
        {"\x80\x00",                                 2,  false, 0         }, /* not the shortest */
        {"\x80",                                     1,  false, 0         }, /* cut off */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true,  UINT64_MAX},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false, 0         }, /* above 2^64 */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct scan sc = scan_of(slice_of(forms[i].bytes, forms[i].len));
        AUTO(buf_done) struct buf buf;
        uint64_t value = 0;

        buf_init(&buf, 64);
        assert_int_equal(scan_varint(&sc, UINT64_MAX, &value), forms[i].ok);
        assert_true(value == forms[i].value);
        if (!forms[i].ok)
            continue;
        buf_varint(&buf, value);
        assert_true(slice_eq(buf_slice(&buf), slice_of(forms[i].bytes, forms[i].len)));
    }
}

static void uid_sets_join_what_touches(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct uid_set_builder builder;
    struct uid_set set;

    (void) state;
    uid_set_start(&builder, arena);
    for (uint32_t uid = 1; uid <= 100; uid++) {
        if (uid % 10 != 0)
            uid_set_add(&builder, uid);
    }
    set = uid_set_finish(&builder);
    assert_int_equal(set.n, 10);
    assert_int_equal(uid_set_span(&set), 90);
    for (uint32_t uid = 0; uid <= 110; uid++)
        assert_int_equal(uid_set_contains(&set, uid), uid > 0 && uid < 100 && uid % 10 != 0);
}

/* RFC 8474 section 7: 1 to 255 of ALPHA DIGIT _ -. */
static void object_ids_are_read_back_and_nothing_else_is(void **state)
{
    char text[OBJECT_ID_TEXT_BYTES];

    (void) state;
    for (unsigned i = 0; i < 1000; i++) {
        struct object_id id = object_id_new(), again;

        object_id_print('E', &id, text);
        assert_true(object_id_parse('E', slice_from_str(text), &again));
        assert_memory_equal(&id, &again, sizeof(id));
        assert_false(object_id_parse('T', slice_from_str(text), &again));
        assert_false(object_id_parse('E', slice_of(text, sizeof(text) - 2), &again));
        text[OBJECT_ID_TEXT_BYTES - 2] =
            'B'; /* 128 bits end two bits into the last character */
        assert_false(object_id_parse('E', slice_from_str(text), &again));
        text[1 + i % 21] = '+';
        assert_false(object_id_parse('E', slice_from_str(text), &again));
    }
}

static void object_ids_are_22_characters_behind_a_letter(void **state)
{
    struct object_id id = object_id_new(), zero = {{0}}, ones;
    char text[OBJECT_ID_TEXT_BYTES];

    (void) state;
    assert_false(object_id_is_zero(&id));
    object_id_print('M', &id, text);
    assert_int_equal(strlen(text), 23);
    object_id_print('E', &zero, text);
    assert_string_equal(text, "EAAAAAAAAAAAAAAAAAAAAAA");
    memset(ones.bytes, 0xff, sizeof(ones.bytes));
    object_id_print('T', &ones, text);
    assert_string_equal(text, "T_____________________w");
}

static void names_sort_with_inbox_first(void **state)
{
    static const char *const names[] = {"b/c", "A", "a", "\xc3\xa4", "B", "a/b", "a b"};
    static const char *const want[] = {"INBOX", "A", "B",   "a",       "a b",
                                       "a/b",   "b", "b/c", "\xc3\xa4"};
    AUTO(acct_unrefp) struct acct_state *account = start();

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++)
        create(account, acct_next_mailbox_id(account), slice_from_str(names[i]));
    for (size_t i = 0; i < COUNT(want); i++)
        assert_slice_equal(mbox_info(acct_mailbox_at(account, i))->name,
                           slice_from_str(want[i]));
    assert_ptr_equal(acct_mailbox_by_name(account, SLICE("iNbOx")),
                     acct_mailbox_by_id(account, 1));
    assert_null(acct_mailbox_by_name(account, SLICE("a/")));
    assert_int_equal(acct_mailbox_lower_bound(account, SLICE("a/")), 5);
}

/* A flag change in an account with 50,000 mailboxes must not copy 50,000 of anything. */
static void many_mailboxes_share_all_but_a_leaf(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *fork = NULL;
    size_t shared = 0;
    char name[16];

    (void) state;
    for (uint32_t i = 0; i < 5000; i++) {
        (void) snprintf(name, sizeof(name), "m%05u", i * 7919u % 5000u);
        create(account, acct_next_mailbox_id(account), slice_from_str(name));
    }
    fork = acct_fork(account);
    append(fork, 1, 0);
    for (size_t i = 0; i < acct_mailbox_count(account); i++)
        shared += acct_mailbox_at(account, i) == acct_mailbox_at(fork, i);
    assert_int_equal(shared, acct_mailbox_count(account) - 1);
    assert_int_equal(acct_mailbox_count(account), 5002);
}

static void chunks_do_not_turn_to_dust(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    const struct mbox *mbox;

    (void) state;
    /* A queue: one comes, the oldest goes. */
    for (uint32_t i = 0; i < 20000; i++) {
        struct uid_run run = {i + 1, i + 1};
        struct record expunge = {
            .type = RECORD_EXPUNGE, .expunge = {1, {&run, 1}, 0}
        };
        struct record purge = {
            .type = RECORD_PURGE, .purge = {1, 0}
        };

        append(account, 1, 0);
        expunge.expunge.modseq = acct_modseq(account);
        apply(account, &expunge);
        mbox = acct_mailbox_by_id(account, 1);
        purge.purge.expunged_below_modseq = mbox_purge_due(mbox);
        if (purge.purge.expunged_below_modseq != 0)
            apply(account, &purge);
    }
    mbox = acct_mailbox_by_id(account, 1);
    assert_int_equal(mbox_counts(mbox)->messages, 10);
    assert_int_equal(mbox_chunk_count(mbox), 1);
    assert_int_equal(mbox_expunged_runs(mbox), 20000);
}

static void a_purge_is_due_above_the_limit(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    uint32_t n = EXPUNGED_RUNS_MAX + 1;
    struct record purge = {
        .type = RECORD_PURGE, .purge = {1, 0}
    };
    const struct mbox *mbox;

    (void) state;
    /* Odd uids go one by one, so each is a run of its own. */
    for (uint32_t i = 0; i < 2 * n; i++)
        append(account, 1, 0);
    for (uint32_t i = 0; i < n; i++) {
        struct uid_run run = {2 * i + 1, 2 * i + 1};
        struct record expunge = {
            .type = RECORD_EXPUNGE, .expunge = {1, {&run, 1}, acct_modseq(account) + 1}
        };

        assert_true(mbox_purge_due(acct_mailbox_by_id(account, 1)) == 0);
        apply(account, &expunge);
    }
    mbox = acct_mailbox_by_id(account, 1);
    purge.purge.expunged_below_modseq = mbox_purge_due(mbox);
    assert_true(purge.purge.expunged_below_modseq != 0);
    apply(account, &purge);
    mbox = acct_mailbox_by_id(account, 1);
    assert_true(mbox_expunged_runs(mbox) <= n / 2 + 1);
    assert_true(mbox_counts(mbox)->expunged_below == purge.purge.expunged_below_modseq);
    assert_true(mbox_purge_due(mbox) == 0);
}

/* The design's figures: 9 bytes a message hot, at most 72 cold, a flag change copies <= 37 KB.
 */
static void a_message_costs_what_the_design_says(void **state)
{
    (void) state;
    assert_int_equal(CHUNK_HOT_BYTES, 9);
    assert_true(CHUNK_COLD_BYTES <= 72);
    assert_true(CHUNK_MESSAGES * CHUNK_HOT_BYTES <= 37 * 1024);
    assert_int_equal(chunk_fit(1), 16);
    assert_int_equal(chunk_fit(17), 64);
    assert_int_equal(chunk_fit(1025), CHUNK_MESSAGES);
}

static void a_flag_change_shares_the_cold_rows(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(acct_unrefp) struct acct_state *fork = acct_fork(account);
    struct record flags = {
        .type = RECORD_FLAGS, .flags = {.mbox = 1, .flags = FLAG_SEEN, .uids = {first_1, 1}}
    };
    const struct mbox *before, *after;

    (void) state;
    flags.flags.modseq = acct_modseq(account) + 1;
    apply(fork, &flags);
    before = acct_mailbox_by_id(account, 1);
    after = acct_mailbox_by_id(fork, 1);
    assert_ptr_equal(mbox_cold(before, 0), mbox_cold(after, 0));
    assert_ptr_not_equal(mbox_chunk(before, 0).flags, mbox_chunk(after, 0).flags);
    /* An append behind it copies neither. */
    append(fork, 1, 0);
    assert_ptr_equal(mbox_chunk(after, 0).flags,
                     mbox_chunk(acct_mailbox_by_id(fork, 1), 0).flags);
    assert_ptr_equal(mbox_cold(before, 0), mbox_cold(acct_mailbox_by_id(fork, 1), 0));
}

/* ---- readers beside a writer ---- */

#define READERS      3
#define WRITER_STEPS 3000

struct shared {
    pthread_mutex_t lock;
    struct acct_state *tip; /* under lock: the reference; what it reaches needs none */
    bool done;              /* under lock */
};

static struct acct_state *take_tip(struct shared *shared, bool *done)
{
    struct acct_state *state;

    (void) pthread_mutex_lock(&shared->lock);
    state = acct_ref(shared->tip);
    *done = shared->done;
    (void) pthread_mutex_unlock(&shared->lock);
    return state;
}

static void *read_versions(void *arg)
{
    uint64_t wrong = 0;
    bool done = false;

    while (!done) {
        AUTO(acct_unrefp) struct acct_state *state = take_tip(arg, &done);
        const struct mbox *mbox = acct_mailbox_by_id(state, 1);
        const struct mbox_counts *counts = mbox_counts(mbox);
        uint32_t unseen = 0;
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < counts->messages; i++) {
            unseen += (mbox_flags(mbox, i) & FLAG_SEEN) == 0;
            bytes += mbox_cold(mbox, i)->size;
            wrong += mbox_modseq(mbox, i) > counts->highestmodseq;
        }
        wrong += unseen != counts->unseen || bytes != counts->bytes;
    }
    return (void *) (uintptr_t) wrong;
}

static void publish(struct shared *shared, struct acct_state *fork, bool done)
{
    struct acct_state *old;

    (void) pthread_mutex_lock(&shared->lock);
    old = shared->tip;
    shared->tip = fork;
    shared->done = done;
    (void) pthread_mutex_unlock(&shared->lock);
    acct_unref(old);
}

static void write_step(struct acct_state *fork, uint32_t step)
{
    const struct mbox *mbox = acct_mailbox_by_id(fork, 1);
    uint32_t uid = mbox_uid(mbox, step * 7919u % mbox_counts(mbox)->messages);
    struct uid_run run = {uid, uid};
    uint64_t modseq = acct_modseq(fork) + 1;
    struct record flags = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = 1,
                  .op = step % 3 == 0 ? FLAG_OP_REMOVE : FLAG_OP_ADD,
                  .flags = FLAG_SEEN,
                  .uids = {&run, 1},
                  .modseq = modseq}
    };
    struct record expunge = {
        .type = RECORD_EXPUNGE, .expunge = {1, {&run, 1}, modseq}
    };

    if (step % 5 == 0)
        apply(fork, &expunge);
    else if (step % 2 == 0)
        apply(fork, &flags);
    else
        append(fork, 1, 0);
    append(fork, 1, FLAG_SEEN);
}

static void readers_see_whole_versions_beside_a_writer(void **state)
{
    struct shared shared = {.tip = start()};
    pthread_t readers[READERS];

    (void) state;
    (void) pthread_mutex_init(&shared.lock, NULL);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_versions, &shared), 0);
    for (uint32_t step = 1; step <= WRITER_STEPS; step++) {
        struct acct_state *fork = acct_fork(shared.tip);

        write_step(fork, step);
        if (step % 10 == 0) { /* given up; the next one starts from the same version */
            acct_unref(fork);
            continue;
        }
        publish(&shared, fork, false);
    }
    publish(&shared, acct_fork(shared.tip), true);
    for (size_t i = 0; i < READERS; i++) {
        void *wrong = NULL;

        (void) pthread_join(readers[i], &wrong);
        assert_null(wrong);
    }
    acct_unref(shared.tip);
    (void) pthread_mutex_destroy(&shared.lock);
}

/* ---- damage ---- */

struct one_batch {
    const struct page_batch *batch;
    uint64_t damaged; /* this page has one bit wrong */
};

static enum rc read_damaged(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                            struct err *err)
{
    const struct one_batch *pages = ctx;

    for (size_t i = 0; i < pages->batch->n_puts; i++) {
        struct slice bytes = pages->batch->puts[i].bytes;
        char *copy;

        if (pages->batch->puts[i].number != number)
            continue;
        copy = arena_cstr(arena, bytes);
        if (number == pages->damaged)
            copy[bytes.len / 2] ^= 1;
        *out = slice_of(copy, bytes.len);
        return RC_OK;
    }
    return err_set(err, RC_NOT_FOUND, "no page", "page %d", (int) number);
}

static void every_damaged_page_is_found(void **state)
{
    AUTO(acct_unrefp) struct acct_state *account = start();
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct record expunge = {
        .type = RECORD_EXPUNGE, .expunge = {1, {first_1, 1}, 20}
    };
    struct record private = {
        .type = RECORD_FLAGS,
        .flags = {.mbox = 1, .reader = 5, .uids = {run_2_3, 1}, .modseq = 21}
    };
    struct record subscribe = {
        .type = RECORD_SUBSCRIBE, .subscribe = {SLICE("b"), true}
    };
    struct record quota = {.type = RECORD_QUOTA, .quota = {.resource = SLICE("STORAGE")}};
    struct page_batch batch;

    (void) state;
    apply(account, &expunge);
    apply(account, &private);
    apply(account, &subscribe);
    apply(account, &quota);
    acct_pages_make(account, NULL, arena, &batch);
    assert_int_equal(batch.n_puts, 9);
    for (uint64_t damaged = 0; damaged <= batch.n_puts; damaged++) {
        struct one_batch pages = {&batch, damaged};
        struct acct_state *opened = NULL;
        struct err err;
        enum rc rc = acct_pages_open(1, batch.root, 1, read_damaged, &pages, &opened, &err);

        if (rc == RC_OK)
            rc = acct_mbox_load(opened, 1, read_damaged, &pages, &err);
        assert_true(rc == RC_OK || opened == NULL ||
                    !mbox_is_loaded(acct_mailbox_by_id(opened, 1)));
        if (rc == RC_OK) {
            const struct mbox *mbox = acct_mailbox_by_id(opened, 1);

            rc = acct_cold_load(opened, mbox, 0, 0, read_damaged, &pages, &err);
            assert_true(mbox_has_cold(mbox, 0) == (rc == RC_OK));
        }
        if (rc == RC_OK) /* what is kept takes no mailbox with it */
            rc = acct_kept_load(opened, 1, 0, UINT32_MAX, read_damaged, &pages, &err);
        assert_int_equal(rc, damaged == 0 ? RC_OK : RC_CORRUPT);
        acct_unref(opened);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_refuses_what_would_not_apply),
        cmocka_unit_test(lists_stop_at_their_limits),
        cmocka_unit_test(a_record_cut_off_anywhere_is_corrupt),
        cmocka_unit_test(numbers_have_one_form),
        cmocka_unit_test(uid_sets_join_what_touches),
        cmocka_unit_test(object_ids_are_read_back_and_nothing_else_is),
        cmocka_unit_test(object_ids_are_22_characters_behind_a_letter),
        cmocka_unit_test(names_sort_with_inbox_first),
        cmocka_unit_test(many_mailboxes_share_all_but_a_leaf),
        cmocka_unit_test(chunks_do_not_turn_to_dust),
        cmocka_unit_test(a_purge_is_due_above_the_limit),
        cmocka_unit_test(a_message_costs_what_the_design_says),
        cmocka_unit_test(a_flag_change_shares_the_cold_rows),
        cmocka_unit_test(readers_see_whole_versions_beside_a_writer),
        cmocka_unit_test(every_damaged_page_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
