// links: mailbox store_memory store_local
// lib: mail_world
/*
 * test_digest_batch.c - digests that are kept and read many at once: those of another version,
 * and the previews of a batch.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include "lib/mail_world.h"
#include "lib/plain_digester.h"
#include "lib/test.h"
#include "mailbox/message.h"

#define ACCOUNT ((uint64_t) 7)

#define LUNCH_MAIL "Subject: Lunch?\r\n\r\nAt one.\r\n"

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
    struct message *message = message_open(account, 1, strlen(LUNCH_MAIL));
    const struct digest *digest;
    struct err err;

    assert_int_equal(message_digest(message, &digest, &err), RC_OK);
    return digest->flags;
}

/* The store gives what it was given: here of a program whose digests were laid out otherwise.
 */
static void a_digest_of_another_version_is_made_anew(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DIGEST_ARENA_BYTES);
    const struct digest_bytes old = {DIGEST_VERSION - 1, SLICE("of old"), SLICE("its text")};
    const struct engine_ops *ops;
    struct mail_world world = {0};
    struct account *account;
    struct slice got;

    (void) state;
    atomic_store(&is_late, true); /* nobody makes it meanwhile */
    world_open_local(&world, &(struct local_options){0});
    world.digester.make = make_digests;
    account = world_account(&world, ACCOUNT);
    ops = world.engine->ops;
    (void) world_append(account, "INBOX", LUNCH_MAIL, NULL);
    ops->digest_put(world.engine, ACCOUNT, 1, &old, NULL, 0);
    assert_int_equal(
        ops->digest_get(world.engine, ACCOUNT, 1, old.version, DIGEST_GET_WHOLE, arena, &got),
        RC_OK);
    assert_slice_equal(got, SLICE("of oldits text"));
    atomic_store(&is_late, false);
    assert_true((flags_of_digest(account) & DIGEST_OPAQUE) == 0);
    assert_int_equal(
        ops->digest_get(world.engine, ACCOUNT, 1, old.version, DIGEST_GET_WHOLE, arena, &got),
        RC_NOT_FOUND);
    assert_int_equal(
        ops->digest_get(world.engine, ACCOUNT, 1, DIGEST_VERSION, DIGEST_GET_CORE, arena, &got),
        RC_OK);
    account_close(account);
    world_done(&world);
}

#define N_RECOVERED 40u

static sem_t made; /* posted for each */

static enum rc make_and_tell(struct digester *digester, uint64_t account,
                             const struct slice *messages, size_t n, struct arena *arena,
                             struct slice *tables, struct err *err)
{
    enum rc rc = plain_digest(digester, account, messages, n, arena, tables, err);

    for (size_t i = 0; i < n; i++)
        (void) sem_post(&made);
    return rc;
}

/* They were in the memory of the process before; nobody lists the messages here. */
static void a_start_makes_the_digests_that_were_in_no_pack(void **state)
{
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    assert_int_equal(sem_init(&made, 0, 0), 0);
    world_open_local(&world, &(struct local_options){0});
    world.digester.make = make_and_tell;
    account = world_account(&world, ACCOUNT);
    for (size_t i = 0; i < N_RECOVERED; i++)
        (void) world_append(account, "INBOX", LUNCH_MAIL, NULL);
    for (size_t i = 0; i < N_RECOVERED; i++)
        (void) sem_wait(&made);
    account_close(account);
    world_close(&world);
    assert_int_equal(sem_destroy(&made), 0);
    assert_int_equal(sem_init(&made, 0, 0), 0);
    world_open_local(&world, &(struct local_options){0});
    world.digester.make = make_and_tell;
    account = world_account(&world, ACCOUNT);
    for (size_t i = 0; i < N_RECOVERED; i++)
        (void) sem_wait(&made);
    account_close(account);
    world_done(&world);
}

/* The digest of body 1, as the digest process makes it. */
static void put_digest(struct mail_world *world, struct arena *arena)
{
    const struct slice mail = SLICE(LUNCH_MAIL);
    struct slice table;
    struct digest digest;
    struct digest_bytes bytes = {.version = DIGEST_VERSION};
    size_t core_len;
    struct err err;

    assert_int_equal(plain_digest(&world->digester, ACCOUNT, &mail, 1, arena, &table, &err),
                     RC_OK);
    assert_int_equal(digest_open(table, &digest, &err), RC_OK);
    core_len = digest_core_len(&digest);
    bytes.core = slice_sub(table, 0, core_len);
    bytes.text = slice_from(table, core_len);
    world->engine->ops->digest_put(world->engine, ACCOUNT, 1, &bytes, NULL, 0);
}

/* Who fills a batch with previews does not look for each of them later: it is there though the
 * store has none any more. */
static void previews_come_with_a_batch(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DIGEST_ARENA_BYTES);
    const struct digest_bytes old = {DIGEST_VERSION - 1, SLICE("of old"), SLICE("its text")};
    const uint64_t id = 1;
    struct mail_world world = {0};
    struct account *account;

    (void) state;
    atomic_store(&is_late, true);
    world_open_memory(&world, &(struct memory_engine_options){0});
    world.digester.make = make_digests;
    account = world_account(&world, ACCOUNT);
    (void) world_append(account, "INBOX", LUNCH_MAIL, NULL);
    for (int with_previews = 0; with_previews < 2; with_previews++) {
        struct digest_batch *batch = digest_batch_new(account, with_previews);
        struct message *message;
        struct slice preview;

        put_digest(&world, arena);
        digest_batch_fill(batch, 3, &id, 1);
        message = message_open_from(batch, 3, 1, strlen(LUNCH_MAIL));
        assert_true(message_preview(message, &preview));
        assert_slice_equal(preview, SLICE("At one."));
        world.engine->ops->digest_put(world.engine, ACCOUNT, 1, &old, NULL, 0);
        assert_int_equal(message_preview(message, &preview), with_previews);
        message_close(message);
        digest_batch_clear(batch);
        message = message_open_from(batch, 3, 1, strlen(LUNCH_MAIL));
        assert_false(message_preview(message, &preview));
        message_close(message);
        digest_batch_free(batch);
    }
    account_close(account);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_of_another_version_is_made_anew),
        cmocka_unit_test(a_start_makes_the_digests_that_were_in_no_pack),
        cmocka_unit_test(previews_come_with_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
