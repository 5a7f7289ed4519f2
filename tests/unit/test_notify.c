/*
 * test_notify.c - what a session with NOTIFY hears when much happens at once, and the limits:
 * real sessions on the memory engine.
 */
// links: commands store_memory
// lib: session_rig
#include "commands/notify.h"
#include "lib/session_rig.h"
#include "lib/test.h"
#include "mailbox/txn.h"
#include "store/memory/memory_engine.h"

#define BIG_BODY_BYTES ((size_t) 1 << 20)
#define TEXT_BYTES     ((size_t) 64 << 20)

struct scene {
    struct rig *rig;
    struct rig_session *a, *b; /* a listens, b does things */
};

static struct scene begin(const char *first)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct scene scene = {.rig = rig_new(memory_engine_new(&options))};

    scene.a = rig_login(scene.rig, SESSION_FULL);
    scene.b = rig_login(scene.rig, SESSION_FULL);
    if (first != NULL)
        rig_send(scene.a, slice_from_str(first));
    return scene;
}

static void say(struct rig_session *rs, const char *text)
{
    rig_take(rs, 0, rig_output(rs).len);
    rig_send(rs, slice_from_str(text));
}

static struct slice hears(struct rig_session *rs)
{
    rig_take(rs, 0, rig_output(rs).len);
    rig_poll(rs);
    return rig_output(rs);
}

static size_t count(struct slice text, const char *what)
{
    size_t n = 0, at;
    struct slice part = slice_from_str(what);

    for (; (at = slice_search(text, part)) < text.len; text = slice_from(text, at + part.len))
        n++;
    return n;
}

static void begin_change(const struct scene *scene, struct mail_txn **txn)
{
    const struct actor actor = {.account = RIG_ACCOUNT, .device = 2};
    struct err err;

    assert_int_equal(txn_begin(rig_session_of(scene->b)->account, &actor, txn, &err), RC_OK);
}

static void commit(const struct scene *scene, struct mail_txn **txn)
{
    struct session *session = rig_session_of(scene->b);
    uint64_t position;
    struct err err;

    assert_int_equal(txn_commit(txn, &position, &err), RC_OK);
    account_wait_durable(session->account, position);
}

/* prefix0, prefix1, ...: all in one transaction */
static void create_many(const struct scene *scene, const char *prefix, unsigned n)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;

    begin_change(scene, &txn);
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        struct err err;

        (void) snprintf(name, sizeof(name), "%s%u", prefix, i);
        assert_int_equal(txn_create_mailbox(txn, slice_from_str(name), 0, NULL, &err), RC_OK);
    }
    commit(scene, &txn);
}

static void groups_say_which_events_are_watched(void **state)
{
    static const struct {
        const char *groups, *name;
        bool subscribed;
        uint32_t events;
    } rows[] = {
        {"(PERSONAL (MailboxName))",                                    "x",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(INBOXES (MailboxName))",                                     "x",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(SUBSCRIBED (MailboxName))",                                  "x",     false, 0                       },
        {"(SUBSCRIBED (MailboxName))",                                  "x",     true,  IMAP_NOTIFY_MAILBOX_NAME},
        {"(MAILBOXES x (MailboxName))",                                 "x",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(MAILBOXES x (MailboxName))",                                 "x/y",   false, 0                       },
        {"(MAILBOXES (z y x) (MailboxName))",                           "y",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(MAILBOXES inbox (MailboxName))",                             "INBOX", false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(SUBTREE x (MailboxName))",                                   "x",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(SUBTREE x (MailboxName))",                                   "x/y/z", false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(SUBTREE x (MailboxName))",                                   "xy",    false, 0                       },
        {"(SUBTREE x/y (MailboxName))",                                 "x",     false, 0                       },
        {"(SELECTED (MessageNew MessageExpunge))",                      "x",     true,  0                       },
        {"(PERSONAL NONE)",                                             "x",     true,  0                       },
 /* events add up */
        {"(MAILBOXES x (MailboxName)) (PERSONAL (SubscriptionChange))", "x",     false,
         IMAP_NOTIFY_MAILBOX_NAME | IMAP_NOTIFY_SUBSCRIPTION_CHANGE                                             },
        {"(MAILBOXES x (MailboxName)) (PERSONAL (SubscriptionChange))", "y",     false,
         IMAP_NOTIFY_SUBSCRIPTION_CHANGE                                                                        },
 /* NONE: nothing of these, whatever stands behind it */
        {"(MAILBOXES x NONE) (PERSONAL (MailboxName))",                 "x",     false, 0                       },
        {"(MAILBOXES x NONE) (PERSONAL (MailboxName))",                 "y",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(PERSONAL (MailboxName)) (MAILBOXES x NONE)",                 "x",     false, IMAP_NOTIFY_MAILBOX_NAME},
        {"(SUBTREE x NONE) (SUBSCRIBED (MailboxName))",                 "x/y",   true,  0                       },
    };
    struct scene scene = begin(NULL);

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char command[256];
        uint32_t events;

        (void) snprintf(command, sizeof(command), "a NOTIFY SET %s\r\n", rows[i].groups);
        say(scene.a, command);
        assert_int_equal(count(rig_output(scene.a), "a OK"), 1);
        events = notify_events_of(rig_session_of(scene.a)->notify, slice_from_str(rows[i].name),
                                  rows[i].subscribed);
        if (events != rows[i].events)
            fail_msg("%s of %s: %x", rows[i].groups, rows[i].name, events);
    }
    rig_free(scene.rig);
}

static void many_mailboxes_change_at_once(void **state)
{
    struct scene scene = begin(NULL);
    char command[64];
    struct slice told;

    (void) state;
    create_many(&scene, "m", 2000);
    say(scene.a, "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange))\r\n");
    for (unsigned i = 0; i < 2 * ACCOUNT_CHANGES_MAX; i++) {
        (void) snprintf(command, sizeof(command), "b APPEND m%u {2+}\r\nhi\r\n", i * 7);
        say(scene.b, command);
    }
    told = hears(scene.a);
    assert_int_equal(count(told, "* STATUS m"), 2 * ACCOUNT_CHANGES_MAX);
    assert_int_equal(count(told, "MESSAGES 1 UIDNEXT 2"), 2 * ACCOUNT_CHANGES_MAX);
    assert_int_equal(hears(scene.a).len, 0);
    /* one mailbox more or less is found among 2,000 */
    say(scene.b, "b APPEND m1999 {2+}\r\nhi\r\nc APPEND m0 {2+}\r\nhi\r\n");
    told = hears(scene.a);
    assert_int_equal(count(told, "* STATUS"), 2);
    rig_free(scene.rig);
}

/* A client that does not read hears less, and what is true. */
static void many_changes_of_one_mailbox_are_told_once(void **state)
{
    struct scene scene =
        begin("a NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))\r\n");
    struct slice told;

    (void) state;
    for (unsigned i = 0; i < 100; i++)
        say(scene.b, "b APPEND Drafts {2+}\r\nhi\r\n");
    told = hears(scene.a);
    assert_int_equal(count(told, "* STATUS"), 1);
    assert_int_equal(count(told, "* STATUS Drafts (MESSAGES 100 UIDNEXT 101"), 1);
    /* made and gone again: nothing is left to tell */
    say(scene.b, "b CREATE x\r\nc DELETE x\r\n");
    assert_int_equal(hears(scene.a).len, 0);
    /* by steps, told as one */
    say(scene.b, "b CREATE x/y\r\n");
    (void) hears(scene.a);
    say(scene.b, "b RENAME x z\r\nc RENAME z w\r\n");
    told = hears(scene.a);
    assert_int_equal(count(told, "* LIST"), 1);
    assert_int_equal(count(told, "* LIST (\\HasChildren) \"/\" w (\"OLDNAME\" (x))"), 1);
    /* two mailboxes change names */
    say(scene.b, "b CREATE p\r\nc CREATE q\r\n");
    (void) hears(scene.a);
    say(scene.b, "b RENAME p t\r\nc RENAME q p\r\nd RENAME t q\r\n");
    told = hears(scene.a);
    assert_int_equal(count(told, "\"/\" q (\"OLDNAME\" (p))"), 1);
    assert_int_equal(count(told, "\"/\" p (\"OLDNAME\" (q))"), 1);
    assert_int_equal(count(told, "* LIST"), 2);
    rig_free(scene.rig);
}

/* Below a superior that is no mailbox each one has a new name of its own. */
static void mailboxes_below_no_mailbox_are_told_one_by_one(void **state)
{
    struct scene scene = begin(NULL);
    struct slice told;

    (void) state;
    say(scene.b, "b CREATE n/a/1\r\nc CREATE n/b\r\nd DELETE n\r\n");
    say(scene.a, "a NOTIFY SET (PERSONAL (MailboxName))\r\n");
    say(scene.b, "b RENAME n N\r\n");
    told = hears(scene.a);
    assert_int_equal(count(told, "* LIST"), 2);
    assert_int_equal(count(told, "\"/\" N/a (\"OLDNAME\" (n/a))"), 1);
    assert_int_equal(count(told, "\"/\" N/b (\"OLDNAME\" (n/b))"), 1);
    rig_free(scene.rig);
}

static void another_uidvalidity_is_told(void **state)
{
    struct scene scene = begin("a NOTIFY SET (PERSONAL (MessageNew MessageExpunge))\r\n");
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct mbox *drafts;
    struct err err;
    char line[64];

    (void) state;
    begin_change(&scene, &txn);
    drafts = acct_mailbox_by_name(txn_state(txn), SLICE("Drafts"));
    assert_int_equal(txn_renew_uidvalidity(txn, mbox_info(drafts)->id, &err), RC_OK);
    drafts = acct_mailbox_by_name(txn_state(txn), SLICE("Drafts"));
    (void) snprintf(line, sizeof(line), "* STATUS Drafts (MESSAGES 0 UIDNEXT 1 UIDVALIDITY %u)",
                    mbox_info(drafts)->uidvalidity);
    commit(&scene, &txn);
    assert_int_equal(count(hears(scene.a), line), 1);
    rig_free(scene.rig);
}

static void too_many_names_at_once_overflow(void **state)
{
    struct scene scene = begin("a NOTIFY SET (PERSONAL (MailboxName))\r\n");
    struct slice told;

    (void) state;
    create_many(&scene, "m", NOTIFY_LINES_MAX);
    told = hears(scene.a);
    assert_int_equal(count(told, "* LIST"), NOTIFY_LINES_MAX);
    create_many(&scene, "n", NOTIFY_LINES_MAX + 1);
    told = hears(scene.a);
    assert_int_equal(count(told, "* LIST"), 0);
    assert_int_equal(count(told, "* OK [NOTIFICATIONOVERFLOW] "), 1);
    /* as after NOTIFY NONE */
    say(scene.b, "b CREATE another\r\n");
    assert_int_equal(hears(scene.a).len, 0);
    say(scene.a, "a SELECT INBOX\r\n");
    say(scene.b, "b APPEND INBOX {2+}\r\nhi\r\n");
    say(scene.a, "a NOOP\r\n");
    assert_int_equal(count(rig_output(scene.a), "EXISTS"), 0);
    rig_free(scene.rig);
}

static void watches_so_many_mailboxes(void **state)
{
    struct scene scene = begin(NULL);
    unsigned n = 0;

    (void) state;
    for (; n + 6 < NOTIFY_ROWS_MAX; n += 2046) {
        char prefix[16];

        (void) snprintf(prefix, sizeof(prefix), "m%u-", n);
        create_many(&scene, prefix, MIN(2046u, NOTIFY_ROWS_MAX - 6 - n));
    }
    say(scene.a, "a NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "* STATUS"), NOTIFY_ROWS_MAX);
    assert_int_equal(count(rig_output(scene.a), "a OK"), 1);
    assert_true(rig_pauses(scene.a) > 0);
    /* one more is one too many, also for who watches already */
    say(scene.b, "b CREATE more\r\n");
    assert_int_equal(count(hears(scene.a), "* OK [NOTIFICATIONOVERFLOW] "), 1);
    say(scene.a, "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "a NO [NOTIFICATIONOVERFLOW] "), 1);
    say(scene.a, "a NOTIFY SET (MAILBOXES more (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "a OK"), 1);
    rig_free(scene.rig);
}

/* Shares INBOX with everybody. */
static void one_more_shares(struct rig *rig, unsigned number)
{
    struct rig_session *owner;
    char name[16];

    (void) snprintf(name, sizeof(name), "u%u", number);
    owner =
        rig_login_as(rig, rig_person(rig, PRINCIPAL_USER, slice_from_str(name)), SESSION_FULL);
    say(owner, "a SETACL INBOX anyone lri\r\n");
    assert_int_equal(count(rig_output(owner), "a OK"), 1);
    rig_logout(owner);
}

static void watches_so_many_users(void **state)
{
    struct scene scene = begin(NULL);

    (void) state;
    for (unsigned i = 0; i < NOTIFY_OTHERS_MAX; i++)
        one_more_shares(scene.rig, i);
    say(scene.a,
        "a NOTIFY SET STATUS (SUBTREE \"Other Users\" (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "* STATUS"), NOTIFY_OTHERS_MAX);
    say(scene.b, "b APPEND \"Other Users/u7\" {2+}\r\nhi\r\n");
    assert_int_equal(count(hears(scene.a), "* STATUS \"Other Users/u7\" (MESSAGES 1"), 1);
    /* one more is one too many, also for who watches already; some of them are not */
    one_more_shares(scene.rig, NOTIFY_OTHERS_MAX);
    assert_int_equal(count(hears(scene.a), "* OK [NOTIFICATIONOVERFLOW] "), 1);
    say(scene.a, "a NOTIFY SET (SUBTREE \"Other Users\" (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "a NO [NOTIFICATIONOVERFLOW] "), 1);
    say(scene.a, "a NOTIFY SET (MAILBOXES \"Other Users/u7\" (MessageNew MessageExpunge))\r\n");
    assert_int_equal(count(rig_output(scene.a), "a OK"), 1);
    assert_int_equal(rig_session_of(scene.a)->notify->n_places, 2);
    rig_free(scene.rig);
}

/* What is fetched of new messages comes whole, in pieces, and is not read by it. */
static void new_messages_are_fetched_whole(void **state)
{
    struct scene scene = begin("a SELECT INBOX\r\n");
    AUTO(buf_done) struct buf text;
    struct slice told;

    (void) state;
    buf_init(&text, TEXT_BYTES);
    buf_printf(&text, "b APPEND INBOX {%zu+}\r\n", BIG_BODY_BYTES);
    for (size_t i = 0; i < BIG_BODY_BYTES; i++)
        buf_byte(&text, 'x');
    buf_str(&text, "\r\n");
    say(scene.a, "a NOTIFY SET (SELECTED (MessageNew (BODY[] UID) MessageExpunge))\r\n");
    rig_send(scene.b, buf_slice(&text));
    rig_send(scene.b, buf_slice(&text));
    told = hears(scene.a);
    assert_int_equal(count(told, "* 2 EXISTS\r\n"), 1);
    assert_int_equal(count(told, " FETCH (BODY[] {1048576}\r\n"), 2);
    assert_true(told.len > 2 * BIG_BODY_BYTES);
    assert_true(rig_pauses(scene.a) > 0);
    assert_int_equal(count(told, "\\Seen"), 0);
    say(scene.b, "b STATUS INBOX (UNSEEN)\r\n");
    assert_int_equal(count(rig_output(scene.b), "UNSEEN 2"), 1);
    /* behind a command of its own, too; own messages are not fetched */
    rig_send(scene.b, buf_slice(&text));
    rig_take(scene.a, 0, rig_output(scene.a).len);
    rig_send(scene.a, buf_slice(&text));
    told = rig_output(scene.a);
    assert_int_equal(count(told, "* 4 EXISTS\r\n"), 1);
    assert_int_equal(count(told, "* 3 FETCH (BODY[] {1048576}\r\n"), 1);
    assert_int_equal(count(told, "* 4 FETCH"), 0);
    rig_free(scene.rig);
}

static void a_deleted_mailbox_ends_a_session_that_listens(void **state)
{
    struct scene scene = begin("a SELECT Drafts\r\nb NOTIFY SET (SELECTED (MessageNew "
                               "MessageExpunge))\r\n");

    (void) state;
    say(scene.b, "b DELETE Drafts\r\n");
    assert_int_equal(count(hears(scene.a), "* BYE "), 1);
    assert_true(rig_is_closed(scene.a));
    rig_free(scene.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_say_which_events_are_watched),
        cmocka_unit_test(many_mailboxes_change_at_once),
        cmocka_unit_test(many_changes_of_one_mailbox_are_told_once),
        cmocka_unit_test(mailboxes_below_no_mailbox_are_told_one_by_one),
        cmocka_unit_test(another_uidvalidity_is_told),
        cmocka_unit_test(too_many_names_at_once_overflow),
        cmocka_unit_test(watches_so_many_mailboxes),
        cmocka_unit_test(watches_so_many_users),
        cmocka_unit_test(new_messages_are_fetched_whole),
        cmocka_unit_test(a_deleted_mailbox_ends_a_session_that_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
