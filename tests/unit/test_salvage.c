/*
 * test_salvage.c - a process that dies, and damage in the middle of the journal that was the
 * only copy of what it held: the store is refused, salvaged, and starts. What lay before the
 * damage is there as it was, an account that lost nothing is not touched, of others nothing is
 * served under a uid or a modseq that may have been another's, and what is lost is told.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/message.h"
#include "mailbox/salvage.h"
#include "store/local/journal_scan.h"

#define BEFORE        5u /* messages of each account before the damage */
#define ACCOUNTS      3u /* accounts */
#define SEGMENT_BYTES ((uint64_t) 1 << 20)
#define BATCHES_MAX   64u
#define LOSSES_MAX    8u
#define FROM_END      6u /* of account 1's first message behind those */
#define TEXT_BYTES    64u
#define BODY_BYTES    9000u

struct batch {
    uint64_t segment;
    uint64_t offset;
    struct batch_header header;
};

struct scene {
    struct mail_world world;
    struct batch batches[BATCHES_MAX];
    size_t n_batches;
    struct lost_groups losses[LOSSES_MAX];
    size_t n_losses;
    struct salvage_account told[ACCOUNTS + 1]; /* by account */
    unsigned n_told;
    uint32_t uidvalidity[ACCOUNTS + 1];
};

static struct local_options options_of(const struct scene *scene)
{
    return (struct local_options){.path = scene->world.path,
                                  .segment_bytes = SEGMENT_BYTES,
                                  .first_segment_bytes = SEGMENT_BYTES,
                                  .map_bytes = (uint64_t) 256 << 20,
                                  .no_packer = true};
}

/* Text of message i of an account, long enough to fill more than a block. */
static char *text_of(uint64_t account, unsigned i)
{
    char *text = xmalloc(BODY_BYTES + 1);
    int n =
        snprintf(text, TEXT_BYTES, "Subject: %llu.%u\r\n\r\n", (unsigned long long) account, i);

    memset(text + n, 'a' + (int) (i % 26), BODY_BYTES - (size_t) n);
    text[BODY_BYTES] = '\0';
    return text;
}

static void deliver(struct mail_world *world, uint64_t id, unsigned i)
{
    struct account *account = world_account(world, id);
    AUTO(freep) char *text = text_of(id, i);
    uint64_t position;

    (void) world_append(account, "INBOX", text, &position);
    account_wait_durable(account, position);
    account_close(account);
}

static void add_work(struct mail_world *world)
{
    struct account *account = world_account(world, 2);
    struct mail_txn *txn = world_begin(account);
    AUTO(freep) char *text = text_of(2, BEFORE + 1);
    uint64_t position;
    struct err err;

    assert_int_equal(txn_create_mailbox(txn, SLICE("Work"), 0, NULL, &err), RC_OK);
    account_wait_durable(account, world_commit(&txn));
    (void) world_append(account, "Work", text, &position);
    account_wait_durable(account, position);
    account_close(account);
}

/*
 * 1..3 begin and get their first messages. Then, a batch each: 1 gets one, 2 gets one, 1 gets
 * one more, 3 gets one, 2 gets a mailbox, and a message in it.
 */
static void live(struct scene *scene)
{
    struct local_options options = options_of(scene);

    world_open_local(&scene->world, &options);
    for (unsigned i = 0; i < BEFORE; i++) {
        for (uint64_t id = 1; id <= ACCOUNTS; id++)
            deliver(&scene->world, id, i);
    }
    deliver(&scene->world, 1, BEFORE);
    deliver(&scene->world, 2, BEFORE);
    deliver(&scene->world, 1, BEFORE + 1);
    deliver(&scene->world, 3, BEFORE);
    add_work(&scene->world);
    _exit(0); /* a crash: nothing is closed */
}

static struct super *read_super(const struct scene *scene)
{
    struct super *super = xcalloc(1, sizeof(*super));
    AUTO(closep) int root = open(scene->world.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_damaged;
    struct err err;

    if (super_read(root, super, &is_damaged, &err) != RC_OK)
        fail_msg("%s", err.detail);
    return super;
}

static int open_segment(const struct scene *scene, uint64_t number)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/log/%016llx.seg", scene->world.path,
                    (unsigned long long) number);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Every batch of the epoch, in order. */
static void find_batches(struct scene *scene)
{
    AUTO(freep) struct super *super = read_super(scene);
    const struct epoch *epoch = &super->epochs[super->n_epochs - 1];
    uint64_t number = epoch->first.segment;
    AUTO(closep) int fd = open_segment(scene, number);
    char head[BATCH_HEADER_BYTES];

    for (uint64_t at = SEGMENT_HEADER_BYTES;
         pread(fd, head, sizeof(head), (off_t) at) == (ssize_t) sizeof(head);) {
        struct batch *batch = &scene->batches[scene->n_batches];

        if (!batch_header_read(slice_of(head, sizeof(head)), &epoch->key, &batch->header))
            break;
        batch->segment = number;
        batch->offset = at;
        at += batch->header.total_len;
        assert_true(++scene->n_batches < BATCHES_MAX);
    }
}

static void make_scene(struct scene *scene)
{
    int status;
    pid_t child;
    struct err err;

    (void) snprintf(scene->world.path, sizeof(scene->world.path), "/tmp/roost-salvage-XXXXXX");
    assert_non_null(mkdtemp(scene->world.path));
    assert_int_equal(local_store_create(scene->world.path, &err), RC_OK);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        live(scene);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    find_batches(scene);
    assert_true(scene->n_batches > 4);
}

/* One bit at the batch's start plus `at`. */
static void flip(const struct scene *scene, const struct batch *batch, uint64_t at)
{
    AUTO(closep) int fd = open_segment(scene, batch->segment);
    off_t place = (off_t) (batch->offset + at);
    unsigned char byte;

    assert_int_equal(pread(fd, &byte, 1, place), 1);
    byte ^= 16;
    assert_int_equal(pwrite(fd, &byte, 1, place), 1);
}

/* ---- the salvage ---- */

static void keep_loss(void *ctx, const struct lost_groups *lost)
{
    struct scene *scene = ctx;

    assert_true(scene->n_losses < LOSSES_MAX);
    scene->losses[scene->n_losses++] = *lost;
}

static void keep_told(void *ctx, const struct salvage_account *account)
{
    struct scene *scene = ctx;

    assert_true(account->account <= ACCOUNTS);
    scene->told[account->account] = *account;
    scene->n_told++;
}

static void assert_refused(const struct scene *scene)
{
    struct local_options options = options_of(scene);
    struct engine *engine = NULL;
    struct err err;

    assert_int_equal(local_engine_open(&options, &engine, &err), RC_CORRUPT);
    assert_non_null(strstr(err.detail, "not cut"));
}

static struct engine *open_leaving_out(struct scene *scene)
{
    struct local_options options = options_of(scene);
    struct engine *engine = NULL;
    struct err err;

    scene->n_losses = 0;
    options.lost = keep_loss;
    options.lost_ctx = scene;
    if (local_engine_open(&options, &engine, &err) != RC_OK)
        fail_msg("%s", err.detail);
    return engine;
}

static void salvage(struct scene *scene)
{
    struct engine *engine = open_leaving_out(scene);
    struct err err;

    if (salvage_store(engine, scene->losses, scene->n_losses,
                      &(struct salvage_watch){keep_told, scene}, &err) != RC_OK)
        fail_msg("%s", err.detail);
    engine->ops->close(engine);
}

static void start(struct scene *scene)
{
    struct local_options options = options_of(scene);

    world_open_local(&scene->world, &options);
}

/* ---- what is there ---- */

static bool says(struct account *account, const struct msg_cold *cold, uint64_t id, unsigned i)
{
    AUTO(message_closep)
    struct message *message = message_open(account, cold->body_id, cold->size);
    AUTO(freep) char *text = text_of(id, i);
    AUTO(buf_done) struct buf bytes = {.max = (size_t) 2 * BODY_BYTES};
    struct err err;

    return message_read(message, 0, cold->size, &bytes, &err) == RC_OK &&
           slice_eq(buf_slice(&bytes), slice_from_str(text));
}

/* The mailbox holds exactly these messages; its UIDVALIDITY. */
static uint32_t assert_mailbox(struct scene *scene, uint64_t id, const char *name,
                               const unsigned *messages, const uint32_t *uids, uint32_t n)
{
    struct account *account = world_account(&scene->world, id);
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    uint32_t mbox_id = world_mailbox_id(account, name, 0), uidvalidity;
    const struct mbox *mbox;
    struct err err;

    assert_int_equal(account_read_mailbox(account, 0, mbox_id, &state, &err), RC_OK);
    mbox = acct_mailbox_by_id(state, mbox_id);
    assert_int_equal(mbox_counts(mbox)->messages, n);
    if (n > 0)
        assert_int_equal(account_need_rows(account, state, mbox, 0, n - 1, &err), RC_OK);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(mbox_uid(mbox, i), uids[i]);
        assert_true(says(account, mbox_cold(mbox, i), id, messages[i]));
    }
    uidvalidity = mbox_info(mbox)->uidvalidity;
    account_close(account);
    return uidvalidity;
}

static bool has_mailbox(struct scene *scene, uint64_t id, const char *name)
{
    struct account *account = world_account(&scene->world, id);
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    bool has = acct_mailbox_by_name(state, slice_from_str(name)) != NULL;

    account_close(account);
    return has;
}

static unsigned files_in_salvage(const struct scene *scene)
{
    char path[128];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/salvage", scene->world.path);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        n += strstr(entry->d_name, ".seg") != NULL;
    if (dir != NULL)
        (void) closedir(dir);
    return n;
}

static const unsigned numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
static const uint32_t in_order[] = {1, 2, 3, 4, 5, 6, 7, 8};

/* The head of a batch is hit, so all of it is lost: a message of account 1. */
static void a_lost_batch_takes_nothing_else(void **state)
{
    static const unsigned left[] = {0, 1, 2, 3, 4, 6};
    static const uint32_t left_uids[] = {1, 2, 3, 4, 5, 7};
    struct scene *scene = xcalloc(1, sizeof(*scene));
    const struct batch *batch;

    (void) state;
    make_scene(scene);
    batch = &scene->batches[scene->n_batches - FROM_END];
    flip(scene, batch, 60);
    assert_refused(scene);
    salvage(scene);
    assert_int_equal(scene->n_losses, 1);
    assert_int_equal(scene->losses[0].first, batch->header.first_lsn);
    assert_int_equal(scene->losses[0].last,
                     batch->header.first_lsn + batch->header.n_groups - 1);
    assert_int_equal(scene->losses[0].offset, batch->offset);
    assert_int_equal(scene->losses[0].bytes, batch->header.total_len);
    assert_int_equal(scene->losses[0].before_us, batch[1].header.clock_us);
    /* 2 and 3 have a group behind it that follows the one before it. */
    assert_int_equal(scene->n_told, 1);
    assert_true(scene->told[1].has_known_loss);
    assert_int_equal(scene->told[1].applied, 1);
    assert_int_equal(scene->told[1].refused, 0);
    assert_int_equal(files_in_salvage(scene), 1);

    start(scene);
    scene->uidvalidity[1] = assert_mailbox(scene, 1, "INBOX", left, left_uids, 6);
    scene->uidvalidity[2] = assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 1);
    (void) assert_mailbox(scene, 3, "INBOX", numbers, in_order, BEFORE + 1);
    assert_true(scene->uidvalidity[1] > scene->uidvalidity[2]);
    /* It goes on: what comes now is there after the next start. */
    deliver(&scene->world, 1, 7);
    world_close(&scene->world);
    start(scene);
    {
        static const unsigned then[] = {0, 1, 2, 3, 4, 6, 7};
        static const uint32_t then_uids[] = {1, 2, 3, 4, 5, 7, 8};

        assert_int_equal(assert_mailbox(scene, 1, "INBOX", then, then_uids, 7),
                         scene->uidvalidity[1]);
    }
    world_done(&scene->world);
    free(scene);
}

/* Where an account began is lost: it begins anew with the mailboxes of a new one, and what
 * follows fits them. */
static void an_account_whose_beginning_is_lost_begins_again(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    struct account *account;
    AUTO(acct_unrefp) struct acct_state *now = NULL;

    (void) state;
    make_scene(scene);
    flip(scene, &scene->batches[0], 60);
    assert_refused(scene);
    salvage(scene);
    assert_int_equal(scene->n_losses, 1);
    assert_int_equal(scene->losses[0].first, 1);
    assert_true(scene->told[1].has_known_loss);
    assert_int_equal(scene->n_told, 1);
    start(scene);
    (void) assert_mailbox(scene, 1, "INBOX", numbers, in_order, BEFORE + 2);
    (void) assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 1);
    account = world_account(&scene->world, 1);
    now = account_read(account, 0);
    assert_non_null(acct_mailbox_by_name(now, SLICE("Trash")));
    assert_true(acct_is_subscribed(now, SLICE("Sent")));
    account_close(account);
    world_done(&scene->world);
    free(scene);
}

/* The mailbox of a message is lost: the message is not. */
static void what_does_not_apply_is_saved(void **state)
{
    static const unsigned saved[] = {BEFORE + 1};
    struct scene *scene = xcalloc(1, sizeof(*scene));

    (void) state;
    make_scene(scene);
    flip(scene, &scene->batches[scene->n_batches - 2], 60);
    assert_refused(scene);
    salvage(scene);
    assert_int_equal(scene->told[2].refused, 1);
    assert_int_equal(scene->told[2].saved, 1);
    start(scene);
    assert_false(has_mailbox(scene, 2, "Work"));
    (void) assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 1);
    (void) assert_mailbox(scene, 2, "Recovered/Journal", saved, in_order, 1);
    /* Accounts that have nothing behind the damage may have lost something, too. */
    assert_int_equal(scene->n_told, 3);
    assert_false(scene->told[1].has_known_loss);
    deliver(&scene->world, 2, BEFORE + 1);
    (void) assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 2);
    world_done(&scene->world);
    free(scene);
}

/* Only a message's bytes are hit: no change is lost, and the message is told as damaged. */
static void bytes_of_a_message_cost_that_message(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    const struct batch *batch;

    (void) state;
    make_scene(scene);
    batch = &scene->batches[scene->n_batches - FROM_END];
    flip(scene, batch, batch->header.payload_len - 1000);
    assert_refused(scene);
    salvage(scene);
    assert_int_equal(scene->n_losses, 1);
    assert_true(scene->losses[0].last < scene->losses[0].first);
    assert_int_equal(scene->n_told, 0);
    start(scene);
    (void) assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 1);
    (void) assert_mailbox(scene, 3, "INBOX", numbers, in_order, BEFORE + 1);
    assert_false(has_mailbox(scene, 1, "Recovered/Journal"));
    {
        struct account *account = world_account(&scene->world, 1);
        AUTO(acct_unrefp) struct acct_state *now = account_read(account, 0);

        assert_int_equal(acct_usage(now).messages, BEFORE + 2);
        account_close(account);
    }
    world_done(&scene->world);
    free(scene);
}

/* The salvage itself is cut after its start: the store is still refused, and the next one does
 * it whole. */
static void a_salvage_that_was_cut_is_done_again(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    struct engine *engine;

    (void) state;
    make_scene(scene);
    flip(scene, &scene->batches[scene->n_batches - FROM_END], 60);
    engine = open_leaving_out(scene);
    assert_int_equal(scene->n_losses, 1);
    engine->ops->close(engine);
    assert_refused(scene);
    salvage(scene);
    assert_int_equal(scene->n_told, 1);
    assert_int_equal(files_in_salvage(scene), 2);
    start(scene);
    (void) assert_mailbox(scene, 2, "INBOX", numbers, in_order, BEFORE + 1);
    world_done(&scene->world);
    free(scene);
}

/* Every batch but the last, wherever it is hit: it starts again, no account serves a message
 * as another, and none is there twice under one uid. */
static void any_batch_may_be_hit(void **state)
{
    (void) state;
    for (size_t which = 0;; which++) {
        struct scene *scene = xcalloc(1, sizeof(*scene));
        bool is_last;

        make_scene(scene);
        is_last = which + 1 >= scene->n_batches - 1;
        flip(scene, &scene->batches[which], which % 2 == 0 ? 40 : 200);
        assert_refused(scene);
        salvage(scene);
        start(scene);
        for (uint64_t id = 1; id <= ACCOUNTS; id++) {
            struct account *account = world_account(&scene->world, id);
            AUTO(acct_unrefp) struct acct_state *now = NULL;
            uint32_t inbox = world_mailbox_id(account, "INBOX", 0), n;
            const struct mbox *mbox;
            struct err err;

            assert_int_equal(account_read_mailbox(account, 0, inbox, &now, &err), RC_OK);
            mbox = acct_mailbox_by_id(now, inbox);
            n = mbox_counts(mbox)->messages;
            if (n > 0)
                assert_int_equal(account_need_rows(account, now, mbox, 0, n - 1, &err), RC_OK);
            for (uint32_t i = 0; i < n; i++) /* the uid of a message is its number + 1 */
                assert_true(says(account, mbox_cold(mbox, i), id, mbox_uid(mbox, i) - 1));
            account_close(account);
        }
        world_done(&scene->world);
        free(scene);
        if (is_last)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_batch_takes_nothing_else),
        cmocka_unit_test(an_account_whose_beginning_is_lost_begins_again),
        cmocka_unit_test(what_does_not_apply_is_saved),
        cmocka_unit_test(bytes_of_a_message_cost_that_message),
        cmocka_unit_test(a_salvage_that_was_cut_is_done_again),
        cmocka_unit_test(any_batch_may_be_hit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
