/*
 * test_sharing.c - rights, lists, the register of shares, what readers of others' mailboxes see
 * and do, copies between accounts; readers in threads of their own beside the owner.
 */
// links: mailbox store_memory store_local
// lib: mail_world
// labels: concurrency
#include <pthread.h>

#include "auth/name.h"
#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/acl.h"
#include "mailbox/acl_text.h"
#include "mailbox/shares.h"

#define OWNER  7u
#define ANN    21u
#define BEN    22u
#define CY     23u
#define STAFF  31u
#define TURNS  200u
#define ROUNDS 16u /* tries of a change, with an engine that conflicts */

/* ---- the pure parts ---- */

static void reads_and_prints_rights(void **state)
{
    static const struct {
        const char *text, *plain, *compatible;
        bool good;
    } rows[] = {
        {"",             "",             "",               true },
        {"lrs",          "lrs",          "lrs",            true },
        {"srl",          "lrs",          "lrs",            true },
        {"llrr",         "lr",           "lr",             true },
        {"lrswipkxtea",  "lrswipkxtea",  "lrswipkxtecda",  true },
        {"nlrswipkxtea", "lrswipkxtean", "lrswipkxtencda", true },
        {"cd",           "kxte",         "kxtecd",         true },
        {"k",            "k",            "kc",             true },
        {"x",            "x",            "xc",             true },
        {"t",            "t",            "td",             true },
        {"ea",           "ea",           "eda",            true },
        {"lR",           NULL,           NULL,             false}, /* RFC 4314 2.1 */
        {"lq",           NULL,           NULL,             false},
        {"l0",           NULL,           NULL,             false},
        {"l r",          NULL,           NULL,             false},
    };
    char text[RIGHTS_TEXT_BYTES];

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t rights = 0;

        assert_int_equal(rights_parse(slice_from_str(rows[i].text), &rights), rows[i].good);
        if (!rows[i].good)
            continue;
        rights_print(rights, text);
        assert_string_equal(text, rows[i].plain);
        rights_print_compatible(rights, text);
        assert_string_equal(text, rows[i].compatible);
    }
    assert_false(rights_parse(SLICE("l\0r"), &(uint32_t){0}));
}

static void reads_and_prints_identifiers(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"anyone",             true },
        {"-anyone",            true },
        {"i0123456789abcdef",  true },
        {"-iffffffffffffffff", true },
        {"i0123456789ABCDEF",  false},
        {"i0123456789abcde",   false},
        {"i0123456789abcdef0", false},
        {"--anyone",           false},
        {"Anyone",             false},
        {"",                   false},
        {"-",                  false},
        {"fred",               false},
    };
    char text[ACL_ENTRY_NAME_BYTES];

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct acl_entry_name name;

        assert_int_equal(acl_entry_name_parse(slice_from_str(rows[i].text), &name),
                         rows[i].good);
        if (!rows[i].good)
            continue;
        acl_entry_name_print(&name, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void combines_the_entries_that_concern_somebody(void **state)
{
    static const uint64_t groups[] = {0x1f, 0x2f};
    static const struct {
        const char *acl[2][2]; /* identifier, rights */
        const char *rights;
    } rows[] = {
        {{{"i0000000000000015", "lr"}},                    "lr" },
        {{{"i0000000000000016", "lr"}},                    ""   },
        {{{"anyone", "l"}, {"i000000000000001f", "rs"}},   "lrs"},
        {{{"-i0000000000000015", "s"}, {"anyone", "lrs"}}, "lr" },
        {{{"-anyone", "w"}, {"i000000000000002f", "lrw"}}, "lr" },
        {{{"anyone", "rswipkxtea"}},                       "p"  }, /* no l */
        {{{"-anyone", "l"}, {"anyone", "lri"}},            ""   },
        {{{"fred", "lr"}, {"anyone", "lQ"}},               ""   },
    };
    const struct identity who = {ANN, groups, COUNT(groups)};
    char text[RIGHTS_TEXT_BYTES];

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text_pair acl[2] = {0};
        struct mbox_info info = {.acl = acl};

        for (; info.n_acl < 2 && rows[i].acl[info.n_acl][0] != NULL; info.n_acl++) {
            acl[info.n_acl].key = slice_from_str(rows[i].acl[info.n_acl][0]);
            acl[info.n_acl].value = slice_from_str(rows[i].acl[info.n_acl][1]);
        }
        rights_print(acl_rights(&info, &who), text);
        assert_string_equal(text, rows[i].rights);
    }
}

static void keeps_entries_of_guests_apart(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct reader ann = {.account = ANN, .rights = RIGHTS_ALL, .is_guest = true};
    const struct reader ben = {.account = BEN, .rights = RIGHTS_ALL, .is_guest = true};
    const struct reader owner = {.account = OWNER, .rights = RIGHTS_ALL};
    struct slice own = SLICE("/private/comment"), all = SLICE("/shared/comment");
    struct slice key = reader_entry_key(&ann, own, arena);

    (void) state;
    assert_slice_equal(key, SLICE("i0000000000000015/private/comment"));
    assert_slice_equal(reader_entry_of_key(&ann, key), own);
    assert_slice_equal(reader_entry_of_key(&ben, key), SLICE(""));
    assert_slice_equal(reader_entry_of_key(&owner, key), SLICE(""));
    assert_slice_equal(reader_entry_key(&owner, own, arena), own);
    assert_slice_equal(reader_entry_of_key(&owner, own), own);
    assert_slice_equal(reader_entry_of_key(&ann, own), SLICE(""));
    assert_slice_equal(reader_entry_key(&ann, all, arena), all);
    assert_slice_equal(reader_entry_of_key(&ben, all), all);
}

/* ---- a store with people ---- */

static void add(struct mail_world *world, uint64_t id, enum principal_kind kind,
                const char *name, const uint64_t *groups, size_t n)
{
    AUTO(principals_change_abortp)
    struct principals_change *change =
        principals_change_begin(mail_store_principal_registry(world->store), false);
    const struct principal who = {
        .id = id, .kind = kind, .name = slice_from_str(name), .key = slice_from_str(name)};

    principals_put(change, &who, groups, n);
    principals_publish(&change);
}

static void open_world(struct mail_world *world, uint32_t conflict_every)
{
    const struct memory_engine_options options = {.no_conflict = conflict_every == 0,
                                                  .conflict_every = conflict_every};
    static const uint64_t staff[] = {STAFF};
    struct err err;

    assert_int_equal(auth_names_init(&err), RC_OK);
    world_open_memory(world, &options);
    add(world, STAFF, PRINCIPAL_GROUP, "staff", NULL, 0);
    add(world, OWNER, PRINCIPAL_USER, "owner", NULL, 0);
    add(world, ANN, PRINCIPAL_USER, "ann", NULL, 0);
    add(world, BEN, PRINCIPAL_USER, "ben", staff, 1);
    add(world, CY, PRINCIPAL_USER, "cy", NULL, 0);
}

static enum rc put_acl(struct account *account, uint64_t actor, const char *mailbox,
                       const char *word, const char *rights, struct err *err)
{
    AUTO(principals_unrefp)
    struct principals *people = mail_store_principals(account_store(account));
    struct acl_change change = {.op = ACL_SET};
    uint64_t position = account_newest_position(account);
    enum rc rc = acl_word_read(people, slice_from_str(word), &change.name, err);

    if (rc)
        return rc;
    assert_true(rights_parse(slice_from_str(rights), &change.rights));
    for (unsigned i = 0; i < ROUNDS; i++) {
        rc = account_put_acl(account, &(struct actor){actor, 1}, slice_from_str(mailbox),
                             &change, &position, err);
        if (rc != RC_CONFLICT)
            break;
    }
    if (rc == RC_OK)
        account_wait_durable(account, position);
    return rc;
}

static size_t count_shares(struct mail_world *world, uint64_t reader)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t *owners;
    size_t n;
    struct err err;

    assert_int_equal(shares_of(world->store, reader, arena, &owners, &n, &err), RC_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(owners[i], OWNER);
    return n;
}

static void the_register_knows_who_shares_with_whom(struct mail_world *world)
{
    AUTO(account_closep) struct account *account = world_account(world, OWNER);
    struct err err;

    assert_int_equal(count_shares(world, ANN), 0);
    assert_int_equal(put_acl(account, OWNER, "INBOX", "ann", "lr", &err), RC_OK);
    assert_int_equal(put_acl(account, OWNER, "INBOX", "group:staff", "lr", &err), RC_OK);
    assert_int_equal(put_acl(account, OWNER, "INBOX", "-cy", "lr", &err), RC_OK);
    assert_int_equal(count_shares(world, ANN), 1);
    assert_int_equal(count_shares(world, BEN), 1);
    assert_int_equal(count_shares(world, CY), 0);
    assert_int_equal(count_shares(world, OWNER), 0); /* nobody's own */
    assert_int_equal(put_acl(account, OWNER, "INBOX", "ann", "", &err), RC_OK);
    assert_int_equal(count_shares(world, ANN), 1); /* it may name too much */
}

static void shares_are_registered(void **state)
{
    struct mail_world world = {0};
    struct err err;

    (void) state;
    open_world(&world, 0);
    the_register_knows_who_shares_with_whom(&world);
    assert_int_equal(shares_forget(world.store, OWNER, &err), RC_OK);
    assert_int_equal(count_shares(&world, BEN), 0);
    assert_int_equal(shares_forget(world.store, OWNER, &err), RC_OK); /* once is enough */
    world_done(&world);
    open_world(&world, 3);
    the_register_knows_who_shares_with_whom(&world);
    world_done(&world);
}

static void lists_are_changed_by_those_who_may(void **state)
{
    static const struct {
        uint64_t actor;
        const char *word;
        enum rc rc;
    } rows[] = {
        {ANN,   "cy",                RC_NOT_FOUND}, /* no l */
        {BEN,   "cy",                RC_DENIED   }, /* l, no a */
        {OWNER, "owner",             RC_INVALID  },
        {OWNER, "nobody",            RC_INVALID  },
        {OWNER, "i0000000000000017", RC_INVALID  }, /* ids are not for mail programs */
        {OWNER, "cy",                RC_OK       },
        {0,     "ann",               RC_OK       }, /* the administrator */
    };
    struct mail_world world = {0};
    struct err err;

    (void) state;
    open_world(&world, 0);
    {
        AUTO(account_closep) struct account *account = world_account(&world, OWNER);

        assert_int_equal(put_acl(account, OWNER, "INBOX", "ben", "lr", &err), RC_OK);
        for (size_t i = 0; i < COUNT(rows); i++)
            assert_int_equal(
                put_acl(account, rows[i].actor, "INBOX", rows[i].word, "lra", &err),
                rows[i].rc);
        assert_int_equal(put_acl(account, CY, "INBOX", "ben", "", &err), RC_OK); /* has a */
        assert_int_equal(count_shares(&world, ANN), 1);
        assert_int_equal(put_acl(account, OWNER, "none", "ann", "l", &err), RC_NOT_FOUND);
    }
    world_done(&world);
}

static void a_view_ends_with_the_right_to_read(void **state)
{
    struct mail_world world = {0};
    struct mbox_view *view = NULL;
    struct err err;

    (void) state;
    open_world(&world, 0);
    {
        AUTO(account_closep) struct account *account = world_account(&world, OWNER);
        uint32_t inbox = world_mailbox_id(account, "INBOX", 0);

        assert_int_equal(view_open(account, ANN, 0, inbox, false, &view, &err), RC_NOT_FOUND);
        assert_int_equal(put_acl(account, OWNER, "INBOX", "ann", "l", &err), RC_OK);
        assert_int_equal(view_open(account, ANN, 0, inbox, false, &view, &err), RC_DENIED);
        assert_int_equal(put_acl(account, OWNER, "INBOX", "ann", "lr", &err), RC_OK);
        assert_int_equal(view_open(account, ANN, 0, inbox, false, &view, &err), RC_OK);
        assert_true(view_is_read_only(view));
        view_park(view);
        assert_false(view_is_revoked(view));
        assert_int_equal(put_acl(account, OWNER, "INBOX", "ann", "l", &err), RC_OK);
        assert_true(view_is_revoked(view));
        assert_true(view_has_news(view, 0, VIEW_TELL_ALL));
        assert_int_equal(view_refresh(view, 0, &err), RC_NOT_FOUND);
        view_close(view);
    }
    world_done(&world);
}

/* ---- two accounts ---- */

static enum rc cross(struct account *src, struct account *dst, uint64_t actor, bool move,
                     struct copied *out, struct arena *arena, struct err *err)
{
    const struct uid_run all = {1, UID_MAX};
    const struct uid_set uids = {&all, 1};
    AUTO(crossing_freep) struct crossing *crossing = NULL;
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    AUTO(txn_abortp) struct mail_txn *from = NULL, *to = NULL;
    uint32_t src_box = world_mailbox_id(src, "INBOX", 0),
             dst_box = world_mailbox_id(dst, "INBOX", 0);
    uint64_t from_at, to_at;
    enum rc rc = account_read_mailbox(src, 0, src_box, &state, err);

    if (!rc)
        rc = crossing_new(src, state, acct_mailbox_by_id(state, src_box), &uids, dst, &crossing,
                          err);
    if (!rc)
        rc = crossing_stage(crossing, err);
    if (!rc)
        rc = txn_begin_pair(src, dst, &(struct actor){actor, 1}, &from, &to, err);
    if (!rc)
        rc = txn_cross(from, src_box, crossing, to, dst_box, move, arena, out, err);
    if (!rc)
        rc = txn_commit_pair(&from, &to, &from_at, &to_at, err);
    if (rc)
        return rc;
    crossing_landed(crossing);
    account_wait_durable(src, from_at);
    account_wait_durable(dst, to_at);
    return RC_OK;
}

static uint32_t count_messages(struct account *account)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);

    return mbox_counts(acct_mailbox_by_name(state, SLICE("INBOX")))->messages;
}

static void messages_cross_as_far_as_rights_go(void **state)
{
    static const struct {
        const char *rights; /* of ann in the owner's INBOX */
        bool to_owner, move;
        enum rc rc;
    } rows[] = {
        {"lr",   false, false, RC_OK       },
        {"lr",   false, true,  RC_DENIED   },
        {"lrt",  false, true,  RC_DENIED   },
        {"lre",  false, true,  RC_DENIED   },
        {"lrw",  true,  false, RC_DENIED   },
        {"li",   true,  false, RC_OK       },
        {"li",   true,  true,  RC_OK       },
        {"ri",   true,  false, RC_NOT_FOUND},
        {"",     false, false, RC_NOT_FOUND},
        {"lrte", false, true,  RC_OK       },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct mail_world world = {0};
        struct copied copied;
        struct err err;

        open_world(&world, 0);
        {
            AUTO(account_closep) struct account *owner = world_account(&world, OWNER);
            AUTO(account_closep) struct account *ann = world_account(&world, ANN);
            struct account *src = rows[i].to_owner ? ann : owner,
                           *dst = rows[i].to_owner ? owner : ann;
            uint64_t position;
            bool done = rows[i].rc == RC_OK;

            (void) world_append(src, "INBOX", "Subject: a\r\n\r\na\r\n", NULL);
            (void) world_append(src, "INBOX", "Subject: b\r\n\r\nb\r\n", &position);
            account_wait_durable(src, position);
            assert_int_equal(put_acl(owner, OWNER, "INBOX", "ann", rows[i].rights, &err),
                             RC_OK);
            assert_int_equal(cross(src, dst, ANN, rows[i].move, &copied, arena, &err),
                             rows[i].rc);
            assert_int_equal(count_messages(dst), done ? 2 : 0);
            assert_int_equal(count_messages(src), done && rows[i].move ? 0 : 2);
        }
        world_done(&world);
    }
}

/* ---- readers in threads ---- */

struct reading {
    struct account *account;
    uint64_t who;
    uint32_t inbox;
    unsigned seen; /* in the end */
};

static void set_seen(const struct reading *reading, uint32_t uid, enum flag_op op)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct flag_change change = {.op = op, .flags = FLAG_SEEN};
    const struct uid_run run = {uid, uid};
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set changed, refused;
    uint64_t position;
    struct err err;

    assert_int_equal(txn_begin(reading->account, &(struct actor){reading->who, 1}, &txn, &err),
                     RC_OK);
    assert_int_equal(txn_change_flags(txn, reading->inbox, &(struct uid_set){&run, 1}, &change,
                                      UNCHANGEDSINCE_NONE, arena, &changed, &refused, &err),
                     RC_OK);
    assert_int_equal(txn_commit(&txn, &position, &err), RC_OK);
    account_wait_durable(reading->account, position);
}

/* Marks every uid that this reader's number divides; looks through an own view meanwhile. */
static void *read_on(void *ctx)
{
    struct reading *reading = ctx;
    struct mbox_view *view;
    struct err err;

    assert_int_equal(
        view_open(reading->account, reading->who, 0, reading->inbox, false, &view, &err),
        RC_OK);
    for (uint32_t uid = 1; uid <= TURNS; uid++) {
        if (uid % (reading->who - ANN + 2) == 0)
            set_seen(reading, uid, FLAG_OP_ADD);
        assert_int_equal(view_refresh(view, 0, &err), RC_OK);
        assert_true(reader_unseen(view_reader(view), view_mbox(view)) <=
                    mbox_counts(view_mbox(view))->messages);
        view_park(view);
    }
    assert_int_equal(view_refresh(view, 0, &err), RC_OK);
    for (uint32_t index = 0; index < TURNS; index++) {
        bool seen = (view_flags(view, index) & FLAG_SEEN) != 0;

        assert_int_equal(seen, (index + 1) % (reading->who - ANN + 2) == 0);
        reading->seen += seen;
    }
    view_close(view);
    return NULL;
}

static void three_readers_and_the_owner_at_once(void **state)
{
    static const uint64_t who[] = {ANN, BEN, CY};
    struct mail_world world = {0};
    pthread_t threads[COUNT(who)];
    struct reading readings[COUNT(who)];
    uint64_t position;
    struct err err;

    (void) state;
    open_world(&world, 0);
    {
        AUTO(account_closep) struct account *account = world_account(&world, OWNER);
        uint32_t inbox = world_mailbox_id(account, "INBOX", 0);

        for (uint32_t i = 0; i < TURNS; i++)
            (void) world_append(account, "INBOX", "Subject: x\r\n\r\nx\r\n", &position);
        account_wait_durable(account, position);
        assert_int_equal(put_acl(account, OWNER, "INBOX", "anyone", "lrs", &err), RC_OK);
        for (size_t i = 0; i < COUNT(who); i++) {
            readings[i] = (struct reading){account, who[i], inbox, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readings[i]), 0);
        }
        for (uint32_t uid = 1; uid <= TURNS; uid++)
            (void) world_flag(account, inbox, uid, uid % 2 != 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE,
                              FLAG_SEEN);
        for (size_t i = 0; i < COUNT(who); i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(readings[i].seen, TURNS / (i + 2));
        }
    }
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_prints_rights),
        cmocka_unit_test(reads_and_prints_identifiers),
        cmocka_unit_test(combines_the_entries_that_concern_somebody),
        cmocka_unit_test(keeps_entries_of_guests_apart),
        cmocka_unit_test(shares_are_registered),
        cmocka_unit_test(lists_are_changed_by_those_who_may),
        cmocka_unit_test(a_view_ends_with_the_right_to_read),
        cmocka_unit_test(messages_cross_as_far_as_rights_go),
        cmocka_unit_test(three_readers_and_the_owner_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
