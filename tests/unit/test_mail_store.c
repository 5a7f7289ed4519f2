/*
 * test_mail_store.c - open accounts: the chain of versions and who may see what of it, waiters
 * and watchers, loading, checkpoints, quarantine, and many threads at once.
 */
// links: mailbox store_memory store_local
// lib: mail_world
// labels: concurrency
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "base/pace.h"
#include "lib/mail_world.h"
#include "lib/plain_digester.h"
#include "lib/test.h"
#include "mailbox/message.h"

#define ACCOUNT 7u

#define CLOSES 50 /* of a store whose engine has still */
#define TOLD   50 /* commits to tell of */

static const struct memory_engine_options later = {.no_conflict = true, .later = true};
static const struct memory_engine_options plain = {.no_conflict = true};

static uint32_t messages_seen(struct account *account, uint64_t own_position, const char *name)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, own_position);

    return mbox_counts(acct_mailbox_by_name(state, slice_from_str(name)))->messages;
}

/* ---- digests ---- */

#define SUBJECT_MAIL "Subject: Lunch?\r\n\r\nAt one.\r\n"

static atomic_bool is_late; /* nobody comes to it in time */

static enum rc make_digests(struct digester *digester, uint64_t account,
                            const struct slice *messages, size_t n, struct arena *arena,
                            struct slice *tables, struct err *err)
{
    if (atomic_load(&is_late))
        return err_set(err, RC_UNAVAILABLE, "Internal error", "digest: not done in time");
    return plain_digest(digester, account, messages, n, arena, tables, err);
}

static uint32_t flags_of_digest(struct account *account)
{
    AUTO(message_closep)
    struct message *message = message_open(account, 1, strlen(SUBJECT_MAIL));
    const struct digest *digest;
    struct err err;

    assert_int_equal(message_digest(message, &digest, &err), RC_OK);
    return digest->flags;
}

static void a_digest_that_comes_too_late_is_made_again(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    atomic_store(&is_late, true);
    world_open_memory(&world, &plain);
    world.digester.make = make_digests;
    account = world_account(&world, ACCOUNT);
    (void) world_append(account, "INBOX", SUBJECT_MAIL, NULL);
    assert_true((flags_of_digest(account) & DIGEST_OPAQUE) != 0);
    atomic_store(&is_late, false);
    assert_true((flags_of_digest(account) & DIGEST_OPAQUE) == 0);
    account_close(account);
    world_done(&world);
}

#define N_GATHERED  40u
#define POISON_MAIL "Subject: no!\r\n\r\nx\r\n"

static struct {
    sem_t begun, go_on,
        over; /* the first call begins, and may go on; all mails are asked for */
    _Atomic size_t n_calls, most;
    _Atomic int nice; /* of the thread that asks */
} gathering;

/* Nobody makes a digest of the poisoned mail, nor of what is asked for beside it. */
static enum rc make_but_one(struct digester *digester, uint64_t account,
                            const struct slice *messages, size_t n, struct arena *arena,
                            struct slice *tables, struct err *err)
{
    enum rc rc = plain_digest(digester, account, messages, n, arena, tables, err);

    if (atomic_fetch_add(&gathering.n_calls, 1) == 0) {
        atomic_store(&gathering.nice, getpriority(PRIO_PROCESS, 0));
        (void) sem_post(&gathering.begun);
        (void) sem_wait(&gathering.go_on);
    }
    if (n > atomic_load(&gathering.most))
        atomic_store(&gathering.most, n);
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(messages[i], SLICE(POISON_MAIL)))
            rc = err_set(err, RC_CORRUPT, "Internal error", "digest: the worker died");
        if (slice_eq(messages[i], SLICE("Subject: last\r\n\r\n")))
            (void) sem_post(&gathering.over);
    }
    return rc;
}

static uint32_t flags_of(struct account *account, uint64_t body_id, const char *text)
{
    AUTO(message_closep)
    struct message *message = message_open(account, body_id, (uint32_t) strlen(text));
    const struct digest *digest;
    struct err err;

    assert_int_equal(message_digest(message, &digest, &err), RC_OK);
    return digest->flags;
}

/* While the first is made the others come, and are asked for together: all but the one that
 * nobody survives get theirs. */
static void digests_are_made_together_and_one_alone_fails(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    assert_int_equal(sem_init(&gathering.begun, 0, 0), 0);
    assert_int_equal(sem_init(&gathering.go_on, 0, 0), 0);
    assert_int_equal(sem_init(&gathering.over, 0, 0), 0);
    world_open_memory(&world, &plain);
    world.digester.make = make_but_one;
    account = world_account(&world, ACCOUNT);
    (void) world_append(account, "INBOX", SUBJECT_MAIL, NULL);
    (void) sem_wait(&gathering.begun);
    (void) world_append(account, "INBOX", POISON_MAIL, NULL);
    for (size_t i = 0; i < N_GATHERED; i++)
        (void) world_append(account, "INBOX", SUBJECT_MAIL, NULL);
    (void) world_append(account, "INBOX", "Subject: last\r\n\r\n", NULL);
    (void) sem_post(&gathering.go_on);
    (void) sem_wait(&gathering.over);
    assert_int_equal(atomic_load(&gathering.most), DIGEST_GATHER_MAX);
    assert_int_equal(atomic_load(&gathering.nice),
                     MAX(getpriority(PRIO_PROCESS, 0), PACE_NICE)); /* commands go first */
    assert_true((flags_of(account, 2, POISON_MAIL) & DIGEST_OPAQUE) != 0);
    for (uint64_t body = 3; body < 3 + N_GATHERED; body++)
        assert_true((flags_of(account, body, SUBJECT_MAIL) & DIGEST_OPAQUE) == 0);
    account_close(account);
    world_done(&world);
}

/* What the next functions find on the stack is no place of ours. */
__attribute__((noinline)) static void soil_the_stack(void)
{
    volatile char room[16384];

    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = '\xa5';
}

static void what_is_made_already_is_passed_over(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DIGEST_ARENA_BYTES);
    struct mail_world world = {0};
    struct account *account;
    struct message *message;

    (void) state;
    atomic_store(&is_late, false);
    world_open_memory(&world, &plain);
    world.digester.make = make_digests;
    account = world_account(&world, ACCOUNT);
    (void) world_append(account, "INBOX", SUBJECT_MAIL, NULL);
    assert_true((flags_of_digest(account) & DIGEST_OPAQUE) == 0);
    message = message_open(account, 1, strlen(SUBJECT_MAIL));
    soil_the_stack();
    messages_make_digests(&message, 1, arena);
    assert_non_null(message_digest_if_made(message));
    message_close(message);
    account_close(account);
    world_done(&world);
}

/* ---- who sees what ---- */

static void only_the_writer_sees_what_is_not_durable(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    uint64_t position;

    (void) state;
    world_open_memory(&world, &later);
    account = world_account(&world, ACCOUNT);
    memory_engine_hold(world.engine, true);
    (void) world_append(account, "INBOX", "one", &position);
    assert_false(account_is_durable(account, position));
    assert_int_equal(messages_seen(account, 0, "INBOX"), 0); /* somebody who never wrote */
    assert_int_equal(messages_seen(account, position - 1, "INBOX"), 0); /* or long ago */
    assert_int_equal(messages_seen(account, position, "INBOX"), 1);
    memory_engine_hold(world.engine, false);
    account_wait_durable(account, position);
    assert_int_equal(messages_seen(account, 0, "INBOX"), 1);
    account_close(account);
    world_done(&world);
}

struct opener {
    pthread_t thread;
    struct account *account;
    uint32_t mbox_id;
    _Atomic bool done;
    uint32_t seen;
};

static void *open_view(void *ctx)
{
    struct opener *opener = ctx;
    struct acct_state *state;
    struct err err;

    assert_int_equal(account_read_mailbox(opener->account, 0, opener->mbox_id, &state, &err),
                     RC_OK);
    opener->seen = mbox_counts(acct_mailbox_by_id(state, opener->mbox_id))->messages;
    assert_true(account_is_durable(opener->account, acct_position(state)));
    acct_unref(state);
    atomic_store(&opener->done, true);
    return NULL;
}

/* What is durable only then goes to accounts that nobody uses any more. */
static void a_store_closes_while_its_engine_tells(void **state)
{
    (void) state;
    for (int i = 0; i < CLOSES; i++) {
        struct mail_world world = {0};
        struct account *account;

        world_open_memory(&world, &later);
        account = world_account(&world, ACCOUNT);
        memory_engine_hold(world.engine, true);
        for (int n = 0; n < TOLD; n++)
            (void) world_append(account, "INBOX", "one", NULL);
        account_close(account);
        memory_engine_hold(world.engine, false);
        world_done(&world);
    }
}

/* A mailbox that must first be read from pages is no way around the rule above. */
static void loading_a_mailbox_shows_nothing_that_is_not_durable(void **state)
{
    struct mail_world world = {0};
    struct opener opener = {0};
    uint64_t position;

    (void) state;
    world_open_memory(&world, &later);
    opener.account = world_account(&world, ACCOUNT);
    (void) world_append(opener.account, "INBOX", "one", &position);
    account_wait_durable(opener.account, position);
    account_close(opener.account);
    world_close(&world); /* checkpointed */

    world_open_memory(&world, &later);
    opener.account = world_account(&world, ACCOUNT);
    opener.mbox_id = world_mailbox_id(opener.account, "INBOX", 0);
    memory_engine_hold(world.engine, true);
    {
        struct mail_txn *txn = world_begin(opener.account);
        struct err err;

        assert_int_equal(txn_create_mailbox(txn, SLICE("new"), 0, NULL, &err), RC_OK);
        position = world_commit(&txn);
    }
    assert_int_equal(pthread_create(&opener.thread, NULL, open_view, &opener), 0);
    memory_engine_hold(world.engine, false);
    assert_int_equal(pthread_join(opener.thread, NULL), 0);
    assert_int_equal(opener.seen, 1);
    account_close(opener.account);
    world_done(&world);
}

/* ---- waiting and watching ---- */

struct counted {
    struct account_waiter waiter;
    struct mbox_watcher watcher;
    _Atomic unsigned n;
};

static void count_wait(struct account_waiter *waiter)
{
    atomic_fetch_add(&LINK_OWNER(waiter, struct counted, waiter)->n, 1);
}

static void count_change(struct mbox_watcher *watcher)
{
    atomic_fetch_add(&LINK_OWNER(watcher, struct counted, watcher)->n, 1);
}

static void a_waiter_is_woken_once(void **state)
{
    struct mail_world world = {0};
    struct counted first = {.waiter.wake = count_wait}, second = first, given_up = first;
    struct account *account;

    (void) state;
    world_open_memory(&world, &later);
    account = world_account(&world, ACCOUNT);
    memory_engine_hold(world.engine, true);
    (void) world_append(account, "INBOX", "one", &first.waiter.position);
    (void) world_append(account, "INBOX", "two", &second.waiter.position);
    given_up.waiter.position = second.waiter.position;
    account_wait(account, &second.waiter);
    account_wait(account, &first.waiter);
    account_wait(account, &given_up.waiter);
    account_unwait(account, &given_up.waiter);
    assert_int_equal(atomic_load(&first.n) + atomic_load(&second.n), 0);
    memory_engine_hold(world.engine, false);
    account_wait_durable(account, second.waiter.position);
    account_unwait(account, &first.waiter); /* a barrier: what was to be called has been */
    account_unwait(account, &second.waiter);
    assert_int_equal(atomic_load(&first.n), 1);
    assert_int_equal(atomic_load(&second.n), 1);
    assert_int_equal(atomic_load(&given_up.n), 0);
    account_wait(account, &first.waiter); /* durable already: from this call */
    assert_int_equal(atomic_load(&first.n), 2);
    account_close(account);
    world_done(&world);
}

static void a_watcher_hears_of_its_mailbox_when_it_is_durable(void **state)
{
    struct mail_world world = {0};
    struct counted inbox = {.watcher.wake = count_change}, drafts = inbox, any = inbox;
    struct account *account;
    uint64_t position;

    (void) state;
    world_open_memory(&world, &later);
    account = world_account(&world, ACCOUNT);
    inbox.watcher.mbox_id = world_mailbox_id(account, "INBOX", 0);
    drafts.watcher.mbox_id = world_mailbox_id(account, "Drafts", 0);
    account_watch(account, &inbox.watcher);
    account_watch(account, &drafts.watcher);
    account_watch(account, &any.watcher);
    memory_engine_hold(world.engine, true);
    (void) world_append(account, "INBOX", "one", &position);
    assert_int_equal(atomic_load(&inbox.n), 0);
    memory_engine_hold(world.engine, false);
    account_wait_durable(account, position);
    account_unwatch(account, &inbox.watcher);
    assert_int_equal(atomic_load(&inbox.n), 1);
    assert_int_equal(atomic_load(&drafts.n), 0);
    assert_int_equal(atomic_load(&any.n), 1);
    (void) world_append(account, "INBOX", "two", &position);
    account_wait_durable(account, position);
    assert_int_equal(atomic_load(&inbox.n), 1);
    {
        struct mail_txn *txn = world_begin(account);
        struct err err;

        assert_int_equal(txn_delete_mailbox(txn, SLICE("Drafts"), &err), RC_OK);
        position = world_commit(&txn);
    }
    account_wait_durable(account, position);
    account_unwatch(account, &drafts.watcher);
    account_unwatch(account, &any.watcher);
    assert_int_equal(atomic_load(&drafts.n), 1); /* its end is a change too */
    assert_int_equal(atomic_load(&any.n), 3);
    account_close(account);
    world_done(&world);
}

static void count_news(void *ctx)
{
    atomic_fetch_add(&((struct counted *) ctx)->n, 1);
}

static void a_follower_hears_which_mailboxes_changed(void **state)
{
    struct mail_world world = {0};
    struct account_follower follower = {0};
    struct account_changes changes;
    struct counted counted = {0};
    struct account *account;
    struct mail_txn *txn;
    uint64_t position;
    uint32_t inbox;
    struct err err;

    (void) state;
    world_open_memory(&world, &later);
    account = world_account(&world, ACCOUNT);
    inbox = world_mailbox_id(account, "INBOX", 0);
    account_follow(account, &follower);
    account_wake_by(account, &follower, count_news, &counted);
    assert_false(account_has_changes(account, &follower));
    (void) world_append(account, "INBOX", "one", &position);
    account_wait_durable(account, position);
    (void) world_append(account, "INBOX", "two", &position);
    account_wait_durable(account, position);
    assert_true(account_has_changes(account, &follower));
    assert_int_equal(atomic_load(&counted.n), 2);
    account_take_changes(account, &follower, &changes);
    assert_int_equal(changes.n, 1); /* once, however often it changed */
    assert_int_equal(changes.ids[0], inbox);
    assert_false(changes.lost || changes.lists);
    assert_false(account_has_changes(account, &follower));

    txn = world_begin(account);
    assert_int_equal(txn_subscribe(txn, SLICE("INBOX/x"), true, &err), RC_OK);
    account_wait_durable(account, world_commit(&txn));
    account_take_changes(account, &follower, &changes);
    assert_true(changes.n == 0 && changes.lists && !changes.lost);

    txn = world_begin(account);
    for (unsigned i = 0; i <= ACCOUNT_CHANGES_MAX; i++) {
        char name[16];

        (void) snprintf(name, sizeof(name), "m%u", i);
        assert_int_equal(txn_create_mailbox(txn, slice_from_str(name), 0, NULL, &err), RC_OK);
    }
    account_wait_durable(account, world_commit(&txn));
    account_take_changes(account, &follower, &changes);
    assert_true(changes.lost);

    txn = world_begin(account);
    assert_int_equal(txn_delete_mailbox(txn, SLICE("m0"), &err), RC_OK);
    assert_int_equal(txn_rename_mailbox(txn, SLICE("m1"), SLICE("z"), &err), RC_OK);
    account_wait_durable(account, world_commit(&txn));
    account_unfollow(account, &follower);
    assert_true(follower.changes.n == 2 && !follower.changes.lost);
    (void) world_append(account, "INBOX", "three", &position);
    account_wait_durable(account, position);
    assert_int_equal(atomic_load(&counted.n), 5);
    account_close(account);
    world_done(&world);
}

/* ---- loading ---- */

static void an_account_is_founded_with_its_mailboxes(void **state)
{
    static const char *const names[] = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"};
    static const struct memory_engine_options conflicts = {.conflict_every = 2};
    struct mail_world world = {0};
    struct account *account;
    struct err err;

    (void) state;
    world_open_memory(&world, &conflicts); /* the second account's founding meets a conflict */
    assert_int_equal(account_open(world.store, ACCOUNT, false, &account, &err), RC_NOT_FOUND);
    for (uint64_t id = 1; id <= 4; id++) {
        AUTO(acct_unrefp) struct acct_state *read = NULL;

        account = world_account(&world, id);
        read = account_read(account, 0);
        assert_int_equal(acct_mailbox_count(read), COUNT(names));
        for (size_t i = 0; i < COUNT(names); i++) {
            assert_slice_equal(mbox_info(acct_mailbox_at(read, i))->name,
                               slice_from_str(names[i]));
            assert_true(acct_is_subscribed(read, slice_from_str(names[i])));
            assert_true(mbox_counts(acct_mailbox_at(read, i))->highestmodseq > 0);
        }
        account_close(account);
    }
    world_done(&world);
}

static void fill(struct account *account, uint32_t n)
{
    uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
    uint64_t position = 0;

    for (uint32_t i = 1; i <= n; i++)
        (void) world_append(account, i % 3 == 0 ? "Sent" : "INBOX", "text", &position);
    (void) world_flag(account, inbox, 1, FLAG_OP_ADD, FLAG_SEEN | FLAG_FLAGGED);
    position = world_expunge(account, inbox, 2, 3);
    account_wait_durable(account, position);
}

static void check_filled(struct account *account, uint32_t n)
{
    uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
    AUTO(acct_unrefp) struct acct_state *read = NULL;
    const struct mbox *mbox;
    struct err err;

    assert_int_equal(account_read_mailbox(account, 0, inbox, &read, &err), RC_OK);
    mbox = acct_mailbox_by_id(read, inbox);
    assert_int_equal(mbox_counts(mbox)->messages, n - n / 3 - 2);
    assert_int_equal(mbox_uid(mbox, 0), 1);
    assert_int_equal(mbox_flags(mbox, 0), FLAG_SEEN | FLAG_FLAGGED);
    assert_int_equal(mbox_uid(mbox, 1), 4);
    assert_int_equal(mbox_counts(acct_mailbox_by_name(read, SLICE("Sent")))->messages, n / 3);
}

/* What was acknowledged is there again, from pages (a clean close) and from pages and tail. */
static void an_account_comes_back(void **state)
{
    static const struct local_options local = {0};
    enum { N = 60 };

    (void) state;
    for (unsigned on_disk = 0; on_disk < 2; on_disk++) {
        struct mail_world world = {0};
        struct account *account;

        for (unsigned round = 0; round < 3; round++) {
            uint64_t position;

            if (on_disk != 0)
                world_open_local(&world, &local);
            else
                world_open_memory(&world, &later);
            account = world_account(&world, ACCOUNT);
            if (round == 0)
                fill(account, N);
            check_filled(account, N);
            (void) world_append(account, "Junk", "more", &position);
            account_wait_durable(account, position);
            assert_int_equal(messages_seen(account, 0, "Junk"), round + 1);
            account_close(account);
            world_close(&world);
        }
        world_done(&world);
    }
}

static void an_account_in_quarantine_is_not_opened(void **state)
{
    struct mail_world world = {0};
    struct account *account, *other;
    struct err err;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    mail_store_quarantine(world.store, ACCOUNT, true);
    assert_int_equal(account_open(world.store, ACCOUNT, true, &other, &err), RC_UNAVAILABLE);
    other = world_account(&world, ACCOUNT + 1);
    account_close(other);
    (void) world_append(account, "INBOX", "who is in stays in", NULL);
    mail_store_quarantine(world.store, ACCOUNT, false);
    other = world_account(&world, ACCOUNT);
    assert_ptr_equal(other, account);
    account_close(other);
    account_close(account);
    world_done(&world);
}

static void a_removed_account_is_gone(void **state)
{
    struct mail_world world = {0};
    struct account *account;
    struct err err;

    (void) state;
    world_open_memory(&world, &plain);
    account = world_account(&world, ACCOUNT);
    assert_int_equal(mail_store_remove(world.store, ACCOUNT, &err), RC_UNAVAILABLE);
    account_close(account);
    while (mail_store_remove(world.store, ACCOUNT, &err) == RC_UNAVAILABLE)
        continue; /* a checkpoint may have it open */
    assert_int_equal(account_open(world.store, ACCOUNT, false, &account, &err), RC_NOT_FOUND);
    world_done(&world);
}

/* An engine in whose remove() somebody comes. */
static struct mail_world *removal;
static const struct engine_ops *plain_ops;

static enum rc remove_beside_others(struct engine *engine, uint64_t id, struct err *err)
{
    struct account *account = NULL;

    assert_int_equal(account_open(removal->store, id, true, &account, err), RC_UNAVAILABLE);
    assert_null(account);
    account_close(world_account(removal, id + 1)); /* others go on */
    return plain_ops->remove(engine, id, err);
}

static void nobody_opens_an_account_that_is_being_removed(void **state)
{
    struct mail_world world = {0};
    struct engine_ops ops;
    struct account *account;
    struct err err;

    (void) state;
    world_open_memory(&world, &plain);
    account_close(world_account(&world, ACCOUNT));
    removal = &world;
    plain_ops = world.engine->ops;
    ops = *plain_ops;
    ops.remove = remove_beside_others;
    world.engine->ops = &ops;
    while (mail_store_remove(world.store, ACCOUNT, &err) == RC_UNAVAILABLE)
        continue; /* a checkpoint may have it open */
    world.engine->ops = plain_ops;
    assert_int_equal(account_open(world.store, ACCOUNT, false, &account, &err), RC_NOT_FOUND);
    world_done(&world);
}

/* ---- pressure ---- */

/* A writer that waits inside commit() until the journal is checkpointed holds its lock; the
 * checkpoint of the same account must go around it. */
static void back_pressure_ends(void **state)
{
    static const struct local_options tight = {.uncheckpointed_max_bytes = 512 << 10,
                                               .segment_bytes = 64 << 10,
                                               .first_segment_bytes = 64 << 10};
    struct mail_world world = {0};
    struct account *account;
    uint32_t inbox;
    uint64_t position = 0;

    (void) state;
    world_open_local(&world, &tight);
    account = world_account(&world, ACCOUNT);
    inbox = world_mailbox_id(account, "INBOX", 0);
    (void) world_append(account, "INBOX", "text", NULL);
    for (unsigned i = 0; i < 200; i++) {
        position =
            world_flag(account, inbox, 1, i % 2 == 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE, FLAG_SEEN);
        account_wait_durable(account, position); /* one block of the journal each */
    }
    account_close(account);
    world_done(&world);
}

/* ---- many threads ---- */

#define THREADS  8u
#define OPS      60u
#define ACCOUNTS 3u

struct worker {
    pthread_t thread;
    struct mail_world *world;
    unsigned number;
    uint32_t appended[ACCOUNTS], expunged[ACCOUNTS];
};

/* Sees only grow: a view's mailbox never loses a uid that was not expunged, modseqs never fall.
 */
static void look(struct account *account, struct mbox_view **view, uint64_t *modseq)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct view_changes changes;
    struct err err;

    if (*view == NULL)
        assert_int_equal(
            view_open(account, 0, 0, world_mailbox_id(account, "INBOX", 0), false, view, &err),
            RC_OK);
    else
        assert_int_equal(view_refresh(*view, 0, &err), RC_OK);
    view_sync(*view, VIEW_TELL_ALL, arena, &changes);
    assert_true(view_told_modseq(*view) >= *modseq);
    *modseq = view_told_modseq(*view);
    assert_int_equal(view_count(*view), mbox_counts(view_mbox(*view))->messages);
    view_park(*view);
}

static void work_on(struct worker *worker, unsigned op, uint64_t id)
{
    struct account *account = world_account(worker->world, id + 1);
    uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
    uint64_t position;
    uint32_t uid = world_append(account, "INBOX", "text", &position);

    worker->appended[id]++;
    if (op % 3 == 0)
        position = world_flag(account, inbox, uid, FLAG_OP_ADD, FLAG_DELETED);
    if (op % 5 == 0) {
        position = world_expunge(account, inbox, uid, uid);
        worker->expunged[id]++;
    }
    if (op % 4 == 0)
        account_wait_durable(account, position);
    account_close(account);
}

static void *work(void *ctx)
{
    struct worker *worker = ctx;
    uint64_t watched = worker->number % ACCOUNTS + 1, modseq = 0;
    struct account *account = world_account(worker->world, watched);
    struct counted counted = {.watcher.wake = count_change};
    struct mbox_view *view = NULL;

    counted.watcher.mbox_id = world_mailbox_id(account, "INBOX", 0);
    account_watch(account, &counted.watcher);
    for (unsigned op = 0; op < OPS; op++) {
        work_on(worker, op, (worker->number + op) % ACCOUNTS);
        look(account, &view, &modseq);
    }
    account_unwatch(account, &counted.watcher);
    view_close(view);
    account_close(account);
    return NULL;
}

static void run_threads(struct mail_world *world)
{
    struct worker workers[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].world = world;
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (uint64_t id = 0; id < ACCOUNTS; id++) {
        struct account *account = world_account(world, id + 1);
        struct mail_txn *txn = world_begin(account);
        uint32_t want = 0;

        for (unsigned i = 0; i < THREADS; i++)
            want += workers[i].appended[id] - workers[i].expunged[id];
        account_wait_durable(account, world_commit(&txn));
        assert_int_equal(messages_seen(account, 0, "INBOX"), want);
        account_close(account);
    }
}

static void many_threads_on_one_and_several_accounts(void **state)
{
    static const struct local_options local = {0};
    struct mail_world world = {0};

    (void) state;
    world_open_memory(&world, &later);
    run_threads(&world);
    world_done(&world);
    world_open_local(&world, &local);
    run_threads(&world);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_that_comes_too_late_is_made_again),
        cmocka_unit_test(digests_are_made_together_and_one_alone_fails),
        cmocka_unit_test(what_is_made_already_is_passed_over),
        cmocka_unit_test(only_the_writer_sees_what_is_not_durable),
        cmocka_unit_test(loading_a_mailbox_shows_nothing_that_is_not_durable),
        cmocka_unit_test(a_store_closes_while_its_engine_tells),
        cmocka_unit_test(a_waiter_is_woken_once),
        cmocka_unit_test(a_watcher_hears_of_its_mailbox_when_it_is_durable),
        cmocka_unit_test(a_follower_hears_which_mailboxes_changed),
        cmocka_unit_test(an_account_is_founded_with_its_mailboxes),
        cmocka_unit_test(an_account_comes_back),
        cmocka_unit_test(an_account_in_quarantine_is_not_opened),
        cmocka_unit_test(a_removed_account_is_gone),
        cmocka_unit_test(nobody_opens_an_account_that_is_being_removed),
        cmocka_unit_test(back_pressure_ends),
        cmocka_unit_test(many_threads_on_one_and_several_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
