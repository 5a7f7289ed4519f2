/*
 * test_txn.c - transactions: what each call gives and refuses, and that a commit is all or
 * nothing.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/open_txn.h"

#define ACCOUNT 7u

static const struct memory_engine_options plain = {.no_conflict = true};

struct desk {
    struct mail_world world;
    struct account *account;
    struct arena *arena;
    uint32_t inbox;
};

static void desk_open(struct desk *desk, const struct memory_engine_options *options)
{
    *desk = (struct desk){0};
    world_open_memory(&desk->world, options);
    desk->account = world_account(&desk->world, ACCOUNT);
    desk->arena = arena_new(ARENA_TEST_BYTES);
    desk->inbox = world_mailbox_id(desk->account, "INBOX", 0);
}

static void desk_close(struct desk *desk)
{
    arena_free(desk->arena);
    account_close(desk->account);
    world_done(&desk->world);
}

/* ---- names ---- */

enum verb { CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE };

static enum rc do_verb(struct mail_txn *txn, enum verb verb, const char *a, const char *b,
                       struct err *err)
{
    struct slice name = slice_from_str(a);

    switch (verb) {
    case CREATE:
        return txn_create_mailbox(txn, name, 0, NULL, err);
    case DELETE:
        return txn_delete_mailbox(txn, name, err);
    case RENAME:
        return txn_rename_mailbox(txn, name, slice_from_str(b), err);
    case SUBSCRIBE:
    case UNSUBSCRIBE:
        return txn_subscribe(txn, name, verb == SUBSCRIBE, err);
    }
    return RC_OK;
}

static void check_names(struct account *account, size_t row, const char *want)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    AUTO(buf_done) struct buf text;

    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(state, i));

        if (info->special_use != 0)
            continue;
        buf_printf(&text, "%s%.*s", text.len > 0 ? " " : "", SLICE_ARG(info->name));
    }
    if (!slice_eq(buf_slice(&text), slice_from_str(want)))
        fail_msg("row %zu: \"%.*s\", want \"%s\"", row, SLICE_ARG(buf_slice(&text)), want);
}

/* Each row goes on from the one before; what is there in the end, but for the special ones. */
static void names_change_as_the_rfc_says(void **state)
{
    static const struct {
        enum verb verb;
        const char *a, *b;
        enum rc rc;
        const char *names;
    } rows[] = {
        {CREATE,    "a/b/c",   NULL,      RC_OK,        "INBOX a a/b a/b/c"            },
        {CREATE,    "a/b",     NULL,      RC_EXISTS,    "INBOX a a/b a/b/c"            },
        {CREATE,    "inbox",   NULL,      RC_EXISTS,    "INBOX a a/b a/b/c"            },
        {CREATE,    "",        NULL,      RC_INVALID,   "INBOX a a/b a/b/c"            },
        {CREATE,    "/x",      NULL,      RC_INVALID,   "INBOX a a/b a/b/c"            },
        {CREATE,    "x//y",    NULL,      RC_INVALID,   "INBOX a a/b a/b/c"            },
        {CREATE,    "x\x01",   NULL,      RC_INVALID,   "INBOX a a/b a/b/c"            },
        {CREATE,    "\xff",    NULL,      RC_INVALID,   "INBOX a a/b a/b/c"            },
        {CREATE,    "a-b",     NULL,      RC_OK,        "INBOX a a-b a/b a/b/c"        },
        {RENAME,    "a",       "a/b/d",   RC_INVALID,   "INBOX a a-b a/b a/b/c"        },
        {RENAME,    "a",       "a-b",     RC_EXISTS,    "INBOX a a-b a/b a/b/c"        },
        {RENAME,    "nothing", "x",       RC_NOT_FOUND, "INBOX a a-b a/b a/b/c"        },
        {RENAME,    "a",       "x/y",     RC_OK,        "INBOX a-b x x/y x/y/b x/y/b/c"},
        {DELETE,    "x/y/b",   NULL,      RC_OK,        "INBOX a-b x x/y x/y/b/c"      },
        {DELETE,    "x/y/b",   NULL,      RC_NOT_FOUND, "INBOX a-b x x/y x/y/b/c"      },
        {RENAME,    "x/y/b",   "q",       RC_OK,        "INBOX a-b q/c x x/y"          },
        {CREATE,    "r/c",     NULL,      RC_OK,        "INBOX a-b q/c r r/c x x/y"    },
        {DELETE,    "r",       NULL,      RC_OK,        "INBOX a-b q/c r/c x x/y"      },
        {RENAME,    "q",       "r",       RC_EXISTS,    "INBOX a-b q/c r/c x x/y"      },
        {RENAME,    "x/y",     "x",       RC_EXISTS,    "INBOX a-b q/c r/c x x/y"      },
        {DELETE,    "x",       NULL,      RC_OK,        "INBOX a-b q/c r/c x/y"        },
        {RENAME,    "x/y",     "x",       RC_OK,        "INBOX a-b q/c r/c x"          },
        {DELETE,    "INBOX",   NULL,      RC_INVALID,   "INBOX a-b q/c r/c x"          },
        {RENAME,    "Inbox",   "inbox/o", RC_OK,        "INBOX INBOX/o a-b q/c r/c x"  },
        {RENAME,    "inbox/o", "old",     RC_OK,        "INBOX a-b old q/c r/c x"      },
        {SUBSCRIBE, "no/such", NULL,      RC_OK,        "INBOX a-b old q/c r/c x"      },
        {SUBSCRIBE, "//",      NULL,      RC_INVALID,   "INBOX a-b old q/c r/c x"      },
    };
    struct desk desk;

    (void) state;
    desk_open(&desk, &plain);
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(txn_abortp) struct mail_txn *txn = world_begin(desk.account);
        struct err err;

        if (do_verb(txn, rows[i].verb, rows[i].a, rows[i].b, &err) != rows[i].rc)
            fail_msg("row %zu: %s", i, rc_name(err.rc));
        if (rows[i].rc == RC_OK)
            (void) world_commit(&txn);
        check_names(desk.account, i, rows[i].names);
    }
    desk_close(&desk);
}

static void names_have_limits(void **state)
{
    char deep[2 * MAILBOX_DEPTH_MAX + 2], longest[MAILBOX_NAME_BYTES_MAX + 2];
    struct desk desk;
    struct err err;

    (void) state;
    for (size_t i = 0; i < sizeof(deep) - 1; i++)
        deep[i] = i % 2 == 0 ? 'd' : '/';
    deep[2 * MAILBOX_DEPTH_MAX + 1] = '\0'; /* one level more than there may be */
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    desk_open(&desk, &plain);
    for (unsigned over = 0; over < 2; over++) {
        AUTO(txn_abortp) struct mail_txn *txn = world_begin(desk.account);

        assert_int_equal(
            txn_create_mailbox(txn, slice_from_str(longest + 1 - over), 0, NULL, &err),
            over != 0 ? RC_LIMIT : RC_OK);
        assert_int_equal(txn_create_mailbox(txn,
                                            slice_sub(slice_from_str(deep), 0,
                                                      2 * MAILBOX_DEPTH_MAX - 1 + 2 * over),
                                            0, NULL, &err),
                         over != 0 ? RC_LIMIT : RC_OK);
    }
    desk_close(&desk);
}

/* RFC 6154 3: one mailbox at a time. */
static void a_special_use_is_given_once(void **state)
{
    struct mail_txn *txn;
    struct desk desk;
    struct err err;
    uint32_t id;

    (void) state;
    desk_open(&desk, &plain);
    txn = world_begin(desk.account);
    assert_int_equal(txn_create_mailbox(txn, SLICE("x"), USE_SENT, NULL, &err), RC_EXISTS);
    assert_int_equal(txn_create_mailbox(txn, SLICE("x"), USE_ALL | USE_FLAGGED, NULL, &err),
                     RC_INVALID);
    assert_int_equal(txn_delete_mailbox(txn, SLICE("Sent"), &err), RC_OK);
    assert_int_equal(txn_create_mailbox(txn, SLICE("x"), USE_SENT, &id, &err), RC_OK);
    assert_int_equal(txn_set_special_use(txn, id, USE_JUNK, &err), RC_EXISTS);
    assert_int_equal(txn_set_special_use(txn, id + 1000, 0, &err), RC_NOT_FOUND);
    assert_int_equal(txn_set_special_use(txn, id, USE_SENT | USE_IMPORTANT, &err), RC_OK);
    assert_int_equal(mbox_info(acct_mailbox_by_id(txn_state(txn), id))->special_use,
                     USE_SENT | USE_IMPORTANT);
    txn_abortp(&txn);
    assert_int_equal(world_mailbox_id(desk.account, "x", 0), 0);
    desk_close(&desk);
}

static void an_imported_mailbox_keeps_its_numbers(void **state)
{
    struct mail_txn *txn;
    struct desk desk;
    struct err err;
    uint32_t id, uid;

    (void) state;
    desk_open(&desk, &plain);
    txn = world_begin(desk.account);
    assert_int_equal(txn_create_mailbox_as(txn, SLICE("x"), 0, 1, &id, &err), RC_INVALID);
    assert_int_equal(txn_create_mailbox_as(txn, SLICE("x"), 12, 0, &id, &err), RC_INVALID);
    assert_int_equal(txn_create_mailbox_as(txn, SLICE("x"), 12, 100, &id, &err), RC_OK);
    {
        struct new_message message = {.stage = world_stage(desk.account, "a"), .uid = 120};

        assert_int_equal(txn_append(txn, id, &message, &uid, &err), RC_OK);
        assert_int_equal(uid, 120);
        message.stage = world_stage(desk.account, "b");
        assert_int_equal(txn_append(txn, id, &message, &uid, &err), RC_LIMIT); /* taken */
        message.uid = 0;
        assert_int_equal(txn_append(txn, id, &message, &uid, &err), RC_OK);
        assert_int_equal(uid, 121);
    }
    assert_int_equal(txn_set_uidnext(txn, id, 500, &err), RC_OK);
    assert_int_equal(txn_set_uidnext(txn, id, 400, &err), RC_OK); /* never back */
    (void) world_commit(&txn);
    {
        AUTO(acct_unrefp) struct acct_state *read = account_read(desk.account, 0);
        const struct mbox *mbox = acct_mailbox_by_id(read, id);

        assert_int_equal(mbox_info(mbox)->uidvalidity, 12);
        assert_int_equal(mbox_counts(mbox)->uidnext, 500);
        assert_int_equal(mbox_counts(mbox)->messages, 2);
    }
    desk_close(&desk);
}

/* ---- messages ---- */

static void fill(struct desk *desk, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        (void) world_append(desk->account, "INBOX", "text", NULL);
}

static enum rc change(struct desk *desk, struct mail_txn *txn, uint32_t first, uint32_t last,
                      enum flag_op op, uint8_t flags, const char *keyword, uint64_t since,
                      struct uid_set *changed, struct uid_set *refused)
{
    const struct uid_run run = {first, last};
    const struct slice name = slice_from_str(keyword);
    const struct flag_change flag_change = {op, flags, &name, name.len > 0};
    struct err err;

    return txn_change_flags(txn, desk->inbox, &(struct uid_set){&run, 1}, &flag_change, since,
                            desk->arena, changed, refused, &err);
}

static void flags_change_where_they_change(void **state)
{
    struct uid_set changed, refused;
    struct mail_txn *txn;
    struct desk desk;
    uint64_t position, modseq;

    (void) state;
    desk_open(&desk, &plain);
    fill(&desk, 5);
    txn = world_begin(desk.account);
    assert_int_equal(change(&desk, txn, 2, 9, FLAG_OP_ADD, FLAG_SEEN, "K", UNCHANGEDSINCE_NONE,
                            &changed, &refused),
                     RC_OK);
    assert_int_equal(uid_set_span(&changed), 4);
    assert_int_equal(refused.n, 0);
    modseq = txn_modseq(txn);
    position = world_commit(&txn);

    txn = world_begin(desk.account);
    assert_int_equal(change(&desk, txn, 2, 5, FLAG_OP_ADD, FLAG_SEEN, "k", UNCHANGEDSINCE_NONE,
                            &changed, &refused),
                     RC_OK); /* keywords have no case */
    assert_int_equal(changed.n, 0);
    assert_int_equal(change(&desk, txn, 1, 5, FLAG_OP_REMOVE, 0, "never", UNCHANGEDSINCE_NONE,
                            &changed, &refused),
                     RC_OK);
    assert_int_equal(changed.n, 0);
    assert_int_equal(world_commit(&txn), position); /* nothing was committed */

    txn = world_begin(desk.account);
    assert_int_equal(change(&desk, txn, 1, 3, FLAG_OP_REPLACE, FLAG_DRAFT, "", modseq - 1,
                            &changed, &refused),
                     RC_OK);
    assert_int_equal(uid_set_span(&changed), 1); /* the others are newer */
    assert_int_equal(uid_set_span(&refused), 2);
    assert_true(uid_set_contains(&refused, 2) && uid_set_contains(&refused, 3));
    (void) world_commit(&txn);
    desk_close(&desk);
}

static void a_mailbox_has_so_many_keywords(void **state)
{
    struct uid_set changed, refused;
    struct mail_txn *txn;
    struct desk desk;
    char name[16], huge[KEYWORD_BYTES_MAX + 2];

    (void) state;
    memset(huge, 'h', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    desk_open(&desk, &plain);
    fill(&desk, 1);
    txn = world_begin(desk.account);
    assert_int_equal(
        change(&desk, txn, 1, 1, FLAG_OP_ADD, 0, huge, UNCHANGEDSINCE_NONE, &changed, &refused),
        RC_LIMIT);
    txn_abortp(&txn);
    txn = world_begin(desk.account);
    for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "k%u", i);
        assert_int_equal(change(&desk, txn, 1, 1, FLAG_OP_ADD, 0, name, UNCHANGEDSINCE_NONE,
                                &changed, &refused),
                         RC_OK);
    }
    assert_int_equal(change(&desk, txn, 1, 1, FLAG_OP_ADD, 0, "more", UNCHANGEDSINCE_NONE,
                            &changed, &refused),
                     RC_LIMIT);
    txn_abortp(&txn);
    desk_close(&desk);
}

static void copies_and_moves_carry_everything(void **state)
{
    const struct uid_run run = {2, 9};
    struct uid_set changed, refused;
    struct copied copied;
    struct mail_txn *txn;
    struct desk desk;
    struct err err;
    uint32_t junk;

    (void) state;
    desk_open(&desk, &plain);
    fill(&desk, 4);
    junk = world_mailbox_id(desk.account, "Junk", 0);
    txn = world_begin(desk.account);
    assert_int_equal(change(&desk, txn, 3, 3, FLAG_OP_ADD, FLAG_FLAGGED, "kept",
                            UNCHANGEDSINCE_NONE, &changed, &refused),
                     RC_OK);
    for (unsigned move = 0; move < 2; move++) {
        assert_int_equal(txn_copy(txn, desk.inbox, &(struct uid_set){&run, 1}, junk, move != 0,
                                  desk.arena, &copied, &err),
                         RC_OK);
        assert_int_equal(uid_set_span(&copied.src), 3);
        assert_int_equal(copied.src.runs[0].first, 2);
        assert_int_equal(copied.dst.runs[0].first, 1 + 3 * move);
        assert_int_equal(copied.dst.runs[0].last, 3 + 3 * move);
    }
    assert_int_equal(txn_copy(txn, desk.inbox, &(struct uid_set){&run, 1}, junk, true,
                              desk.arena, &copied, &err),
                     RC_OK);
    assert_int_equal(copied.src.n, 0); /* they are gone */
    assert_int_equal(txn_copy(txn, desk.inbox, &(struct uid_set){&run, 1}, 4000, true,
                              desk.arena, &copied, &err),
                     RC_NOT_FOUND);
    txn_abortp(&txn);
    {
        AUTO(acct_unrefp) struct acct_state *read = account_read(desk.account, 0);

        assert_int_equal(mbox_counts(acct_mailbox_by_id(read, desk.inbox))->messages, 4);
        assert_int_equal(mbox_counts(acct_mailbox_by_id(read, junk))->messages, 0);
    }
    txn = world_begin(desk.account);
    assert_int_equal(txn_copy(txn, desk.inbox, &(struct uid_set){&run, 1}, desk.inbox, true,
                              desk.arena, &copied, &err),
                     RC_OK); /* into itself: new uids */
    assert_int_equal(copied.dst.runs[0].first, 5);
    (void) world_commit(&txn);
    {
        AUTO(acct_unrefp) struct acct_state *read = account_read(desk.account, 0);
        const struct mbox *mbox = acct_mailbox_by_id(read, desk.inbox);

        assert_int_equal(mbox_counts(mbox)->messages, 4);
        assert_int_equal(mbox_uid(mbox, 1), 5);
    }
    desk_close(&desk);
}

static void inbox_is_renamed_by_moving_its_mail(void **state)
{
    struct mail_txn *txn;
    struct desk desk;
    struct err err;

    (void) state;
    desk_open(&desk, &plain);
    fill(&desk, 3);
    txn = world_begin(desk.account);
    assert_int_equal(txn_create_mailbox(txn, SLICE("INBOX/below"), 0, NULL, &err), RC_OK);
    assert_int_equal(txn_rename_mailbox(txn, SLICE("inbox"), SLICE("old"), &err), RC_OK);
    (void) world_commit(&txn);
    {
        AUTO(acct_unrefp) struct acct_state *read = account_read(desk.account, 0);
        const struct mbox *inbox = acct_mailbox_by_name(read, SLICE("INBOX"));
        const struct mbox *old = acct_mailbox_by_name(read, SLICE("old"));

        assert_int_equal(mbox_info(inbox)->id, desk.inbox);
        assert_int_equal(mbox_counts(inbox)->messages, 0);
        assert_int_equal(mbox_counts(inbox)->uidnext, 4);
        assert_int_equal(mbox_counts(old)->messages, 3);
        assert_true(mbox_info(old)->uidvalidity > mbox_info(inbox)->uidvalidity);
        assert_non_null(acct_mailbox_by_name(read, SLICE("INBOX/below"))); /* stays */
    }
    desk_close(&desk);
}

static void expunge_takes_what_is_marked(void **state)
{
    const struct uid_run all = {1, UINT32_MAX};
    struct uid_set changed, refused, gone;
    struct mail_txn *txn;
    struct desk desk;
    struct err err;

    (void) state;
    desk_open(&desk, &plain);
    fill(&desk, 4);
    txn = world_begin(desk.account);
    assert_int_equal(change(&desk, txn, 2, 3, FLAG_OP_ADD, FLAG_DELETED, "",
                            UNCHANGEDSINCE_NONE, &changed, &refused),
                     RC_OK);
    assert_int_equal(
        txn_expunge(txn, desk.inbox, &(struct uid_set){&all, 1}, true, desk.arena, &gone, &err),
        RC_OK);
    assert_int_equal(uid_set_span(&gone), 2);
    assert_int_equal(
        txn_expunge(txn, desk.inbox, &(struct uid_set){&all, 1}, true, desk.arena, &gone, &err),
        RC_OK);
    assert_int_equal(gone.n, 0);
    (void) world_commit(&txn);
    assert_int_equal(world_append(desk.account, "INBOX", "text", NULL), 5); /* uids go on */
    desk_close(&desk);
}

/* ---- commits ---- */

/* A transaction begins; the message's stage says text, and is for the caller to free. */
static struct mail_txn *begin_with(struct desk *desk, const char *text, struct new_message *out)
{
    desk_open(desk, &plain);
    *out = (struct new_message){.stage = world_stage(desk->account, text)};
    return world_begin(desk->account);
}

static void abort_with(struct desk *desk, struct mail_txn *txn, struct new_message *message)
{
    txn_abortp(&txn);
    mail_store_engine(desk->world.store)->ops->stage_free(message->stage);
    desk_close(desk);
}

static void an_empty_message_is_refused(void **state)
{
    struct new_message message;
    struct desk desk;
    struct mail_txn *txn = begin_with(&desk, "", &message);
    struct err err;
    uint32_t uid;

    (void) state;
    assert_int_equal(txn_append(txn, desk.inbox, &message, &uid, &err), RC_LIMIT);
    abort_with(&desk, txn, &message);
}

static void a_transaction_has_so_many_messages(void **state)
{
    struct new_message message;
    struct desk desk;
    struct mail_txn *txn = begin_with(&desk, "x", &message);
    struct err err;
    uint32_t uid;

    (void) state;
    for (unsigned i = 0; i < TXN_BODIES_MAX; i++)
        assert_int_equal(txn_append(txn, desk.inbox, &message, &uid, &err), RC_OK);
    assert_int_equal(txn_append(txn, desk.inbox, &message, &uid, &err), RC_LIMIT);
    assert_string_equal(err.text, "Too many messages");
    abort_with(&desk, txn, &message);
}

/* A commit that is refused leaves nothing behind, and the same stage can be appended again. */
static void a_refused_commit_changes_nothing(void **state)
{
    static const struct memory_engine_options rows[] = {
        {.conflict_every = 2},
        { .no_conflict = true,    .fail_every = 2}
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct new_message message = {0};
        struct mail_txn *txn;
        struct desk desk;
        struct err err;
        uint64_t position;
        uint32_t uid;

        desk_open(&desk, &rows[i]); /* its founding is the first commit */
        message.stage = world_stage(desk.account, "text");
        for (unsigned try = 0; try < 2; try++) {
            txn = world_begin(desk.account);
            assert_int_equal(txn_append(txn, desk.inbox, &message, &uid, &err), RC_OK);
            assert_int_equal(uid, 1);
            assert_int_equal(txn_commit(&txn, &position, &err), try == 1 ? RC_OK
                                                                : i == 0 ? RC_CONFLICT
                                                                         : RC_FULL);
            assert_null(txn);
            {
                AUTO(acct_unrefp) struct acct_state *read = account_read(desk.account, 0);

                assert_int_equal(mbox_counts(acct_mailbox_by_id(read, desk.inbox))->messages,
                                 try);
            }
        }
        desk_close(&desk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_change_as_the_rfc_says),
        cmocka_unit_test(names_have_limits),
        cmocka_unit_test(a_special_use_is_given_once),
        cmocka_unit_test(an_imported_mailbox_keeps_its_numbers),
        cmocka_unit_test(flags_change_where_they_change),
        cmocka_unit_test(a_mailbox_has_so_many_keywords),
        cmocka_unit_test(copies_and_moves_carry_everything),
        cmocka_unit_test(inbox_is_renamed_by_moving_its_mail),
        cmocka_unit_test(expunge_takes_what_is_marked),
        cmocka_unit_test(an_empty_message_is_refused),
        cmocka_unit_test(a_transaction_has_so_many_messages),
        cmocka_unit_test(a_refused_commit_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
