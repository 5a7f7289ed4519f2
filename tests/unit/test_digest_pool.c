/* test_digest_pool.c - children that parse apart: they answer, they may die, nothing else does.
 */
// links: roles
// labels: concurrency
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/digest_client.h"
#include "lib/test.h"
#include "mime/charset.h"
#include "mime/digest.h"
#include "roles/digest_pool.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

#define MESSAGE_MAX ((uint64_t) 4 << 20)
#define N_CHILDREN  3u
#define N_THREADS   4u
#define N_REQUESTS  50u

/* Stands for digest_build(): what the message says decides what happens to the child. */
static void parse(struct slice msg, struct buf *out)
{
    if (slice_eq(msg, SLICE("abort")))
        abort();
    if (slice_eq(msg, SLICE("open")))
        (void) !fopen("/etc/passwd", "r");
    if (slice_eq(msg, SLICE("huge")))
        (void) buf_reserve(out, out->max + 1);
    if (slice_eq(msg, SLICE("pid")))
        buf_u64(out, (uint64_t) getpid());
    buf_append(out, msg);
}

/* A pool in a process of its own, as the digest role has it, and mail's side in this one. */
struct world {
    struct digest_client *client;
    pid_t pool;
    pthread_t pump; /* polls the client's channel, as mail's loop does */
    int stop[2];
};

_Noreturn static void run_pool(int fd, digest_parse_fn *parse_fn)
{
    struct digest_pool_options options = {.n = N_CHILDREN,
                                          .message_max_bytes = MESSAGE_MAX,
                                          .rules = {.kind = SANDBOX_DIGEST_CHILD},
                                          .parse = parse_fn};
    struct sandbox_rules rules = {.kind = SANDBOX_DIGEST};
    struct digest_pool *pool = digest_pool_new(&options);
    AUTO(buf_done) struct buf state = {0};
    struct err err;

    buf_init(&state, 256);
    if (sandbox_harden(&err) || sandbox_enter(&rules, &state, &err) ||
        digest_pool_attach(pool, fd, &err)) {
        (void) dprintf(STDERR_FILENO, "pool: %s\n", err.detail);
        _exit(1);
    }
    for (;;) {
        struct pollfd pfd = {.fd = digest_pool_fd(pool), .events = POLLIN};

        (void) poll(&pfd, 1, 5); /* the role has SIGCHLD; here a look every 5 ms will do */
        if (digest_pool_ready(pool, &err) || digest_pool_reap(pool, &err))
            _exit(0);
    }
}

static void *pump(void *arg)
{
    struct world *world = arg;
    struct pollfd pfds[] = {
        {.fd = digest_client_fd(world->client), .events = POLLIN},
        {.fd = world->stop[0],                  .events = POLLIN}
    };

    while (poll(pfds, COUNT(pfds), -1) > 0 && pfds[1].revents == 0) {
        if (digest_client_ready(world->client, NULL))
            break;
    }
    return NULL;
}

/* With all children at hand, which account gets which process is settled by the rules alone. */
static void wait_for_children(struct world *world)
{
    struct pollfd pfd = {.fd = digest_client_fd(world->client), .events = POLLIN};

    while (digest_client_idle(world->client) < N_CHILDREN) {
        assert_int_equal(poll(&pfd, 1, DIGEST_TIMEOUT_MS), 1);
        assert_int_equal(digest_client_ready(world->client, NULL), RC_OK);
    }
}

static int make_world_with(void **state, digest_parse_fn *parse_fn)
{
    struct world *world = xcalloc(1, sizeof(*world));
    int ends[2];

    assert_int_equal(channel_pair(ends, NULL), RC_OK);
    world->pool = fork();
    if (world->pool == 0) {
        (void) close(ends[1]);
        run_pool(ends[0], parse_fn);
    }
    (void) close(ends[0]);
    world->client = digest_client_new();
    digest_client_attach(world->client, ends[1]);
    wait_for_children(world);
    assert_int_equal(pipe(world->stop), 0);
    assert_int_equal(pthread_create(&world->pump, NULL, pump, world), 0);
    *state = world;
    return 0;
}

static int make_world(void **state)
{
    return make_world_with(state, parse);
}

static int make_real_world(void **state)
{
    mime_warm_up();
    return make_world_with(state, digest_build);
}

static int end_world(void **state)
{
    struct world *world = *state;

    (void) close(world->stop[1]);
    (void) pthread_join(world->pump, NULL);
    (void) close(world->stop[0]);
    (void) kill(world->pool, SIGKILL);
    (void) waitpid(world->pool, NULL, 0);
    digest_client_free(world->client);
    free(world);
    return 0;
}

static enum rc ask(struct world *world, uint64_t account, struct slice message,
                   struct arena *arena, struct slice *out)
{
    struct err err = {0};
    enum rc rc = digest_client_make(world->client, account, &message, 1, arena, out, &err);

    if (rc)
        print_message("%s: %s\n", rc_name(rc), err.detail);
    return rc;
}

static void a_table_comes_back(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct slice out;

    assert_int_equal(ask(*state, 1, SLICE("Subject: x\r\n\r\n"), arena, &out), RC_OK);
    assert_slice_equal(out, SLICE("Subject: x\r\n\r\n"));
    assert_int_equal(ask(*state, 1, SLICE(""), arena, &out), RC_OK);
    assert_slice_equal(out, SLICE(""));
}

static void a_death_fails_one_request_only(void **state)
{
    static const char *const deadly[] = {"abort", "open"};
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct slice out;

    for (size_t i = 0; i < 4 * N_CHILDREN; i++) {
#ifdef ROOST_WIDE_SANDBOX
        const char *text = deadly[0]; /* opening fails by Landlock there, and nobody dies */
#else
        const char *text = deadly[i % COUNT(deadly)];
#endif
        assert_int_equal(ask(*state, i, slice_from_str(text), arena, &out), RC_CORRUPT);
        assert_int_equal(ask(*state, i, SLICE("mail"), arena, &out), RC_OK);
        assert_slice_equal(out, SLICE("mail"));
    }
}

static void too_long_is_said_and_the_worker_lives(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(freep) char *big = xcalloc(1, MESSAGE_MAX + 1);
    struct slice out;

    assert_int_equal(ask(*state, 7, slice_of(big, MESSAGE_MAX + 1), arena, &out), RC_LIMIT);
    assert_int_equal(ask(*state, 7, slice_of(big, MESSAGE_MAX), arena, &out), RC_OK);
    assert_int_equal(out.len, MESSAGE_MAX);
    assert_int_equal(ask(*state, 7, SLICE("huge"), arena, &out), RC_CORRUPT);
    assert_int_equal(ask(*state, 7, SLICE("mail"), arena, &out), RC_OK);
}

static uint64_t pid_for(struct world *world, uint64_t account, struct arena *arena)
{
    struct slice out;
    uint64_t pid = 0;

    assert_int_equal(ask(world, account, SLICE("pid"), arena, &out), RC_OK);
    assert_true(slice_ends(out, SLICE("pid")));
    assert_true(slice_to_u64(slice_sub(out, 0, out.len - 3), &pid));
    return pid;
}

static void an_account_keeps_its_process_and_another_gets_a_fresh_one(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t first = pid_for(*state, 11, arena);

    assert_int_equal(pid_for(*state, 11, arena), first);
    assert_int_not_equal(pid_for(*state, 12, arena), first);
}

static void a_process_ends_after_its_mails(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint64_t first = pid_for(*state, 21, arena);

    for (unsigned i = 1; i < DIGEST_WORKER_MAILS; i++)
        assert_int_equal(pid_for(*state, 21, arena), first);
    assert_int_not_equal(pid_for(*state, 21, arena), first);
}

static void many_come_back_in_their_order(void **state)
{
    enum { N = 3 * MSG_DIGESTS_MAX + 1 };
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct world *world = *state;
    struct slice messages[N], tables[N];
    struct err err;

    for (int i = 0; i < N; i++)
        messages[i] =
            i % 7 == 0 ? SLICE("") : slice_from_str(arena_printf(arena, "%0*d", i * i, i));
    assert_int_equal(digest_client_make(world->client, 51, messages, N, arena, tables, &err),
                     RC_OK);
    for (int i = 0; i < N; i++)
        assert_slice_equal(tables[i], messages[i]);
}

/* More together than the shared memory holds. */
static void large_ones_go_alone(void **state)
{
    enum { N = 6 };
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(freep) char *big = xcalloc(1, MESSAGE_MAX);
    const struct world *world = *state;
    struct slice messages[N], tables[N];
    struct err err;

    for (size_t i = 0; i < N; i++)
        messages[i] = slice_of(big, MESSAGE_MAX - i);
    assert_int_equal(digest_client_make(world->client, 52, messages, N, arena, tables, &err),
                     RC_OK);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(tables[i].len, messages[i].len);
}

/* However they are asked for: the mails of a process are counted one by one. */
static void a_process_that_gets_many_ends_after_its_mails(void **state)
{
    enum { N = 2 * DIGEST_WORKER_MAILS };
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct world *world = *state;
    struct slice messages[N], tables[N];
    struct err err;

    for (size_t i = 0; i < N; i++)
        messages[i] = SLICE("pid");
    assert_int_equal(digest_client_make(world->client, 53, messages, 20, arena, tables, &err),
                     RC_OK);
    assert_int_equal(
        digest_client_make(world->client, 53, messages + 20, N - 20, arena, tables + 20, &err),
        RC_OK);
    for (size_t i = 1; i < N; i++)
        assert_true(slice_eq(tables[i], tables[i - 1]) == (i != DIGEST_WORKER_MAILS));
}

static void a_death_fails_those_it_was_with(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct slice messages[] = {SLICE("one"), SLICE("abort"), SLICE("two")};
    const struct world *world = *state;
    struct slice tables[COUNT(messages)];
    struct err err;

    assert_int_equal(
        digest_client_make(world->client, 54, messages, COUNT(messages), arena, tables, &err),
        RC_CORRUPT);
    for (size_t i = 0; i < COUNT(messages); i++)
        assert_int_equal(ask(*state, 54, messages[i], arena, &tables[i]),
                         i == 1 ? RC_CORRUPT : RC_OK);
}

struct asker {
    struct world *world;
    uint64_t account;
    unsigned wrong;
};

static void *ask_many(void *arg)
{
    struct asker *asker = arg;
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);

    for (unsigned i = 0; i < N_REQUESTS; i++) {
        char text[64];
        struct slice message, out;

        (void) snprintf(text, sizeof(text), "mail %u of %u", i, (unsigned) asker->account);
        message = slice_from_str(text);
        if (digest_client_make(asker->world->client, asker->account, &message, 1, arena, &out,
                               NULL) ||
            !slice_eq(out, message))
            asker->wrong++;
        arena_reset(arena);
    }
    return NULL;
}

static void several_threads_ask_at_once(void **state)
{
    pthread_t threads[N_THREADS];
    struct asker askers[N_THREADS];

    for (size_t i = 0; i < N_THREADS; i++) {
        askers[i] = (struct asker){.world = *state, .account = 31 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &askers[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
}

/* Rows that make digest_build() ask ICU and the allocator for what they have: nothing of it may
 * need a call that the child lacks. */
static const char *const messages[] = {
    "",
    "Subject: =?utf-8?B?w6TDtsO8?= =?iso-2022-jp?B?GyRCJCIbKEI=?=\r\nFrom: a@b\r\n\r\nx\r\n",
    "Content-Type: text/plain; charset=windows-1251\r\n\r\n\xcf\xf0\xe8\xe2\xe5\xf2\r\n",
    "Content-Type: text/plain; charset=gb18030\r\n\r\n\xc4\xe3\xba\xc3\r\n",
    "Content-Type: text/plain; charset=utf-7\r\n\r\n+AOQ-\r\n",
    "Content-Type: text/plain; charset=x-nobody-knows\r\n\r\n\xe4\r\n",
    "Content-Type: text/html; charset=shift_jis\r\n\r\n<p>\x82\xa0&auml;</p>\r\n",
    ("Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nContent-Type: multipart/mixed; "
     "boundary=b\r\n\r\n"
     "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n"),
};

static void real_mail_is_parsed_within_the_childs_calls(void **state)
{
    for (size_t i = 0; i < COUNT(messages); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct slice message = slice_from_str(messages[i]), out;
        struct digest digest;

        if (ask(*state, 1, message, arena, &out))
            fail_msg("message %zu", i);
        assert_int_equal(digest_open(out, &digest, NULL), RC_OK);
        assert_int_equal(digest_verify(&digest, message, NULL), RC_OK);
    }
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_table_comes_back),
        WITH_WORLD(a_death_fails_one_request_only),
        WITH_WORLD(too_long_is_said_and_the_worker_lives),
        WITH_WORLD(an_account_keeps_its_process_and_another_gets_a_fresh_one),
        WITH_WORLD(a_process_ends_after_its_mails),
        WITH_WORLD(many_come_back_in_their_order),
        WITH_WORLD(large_ones_go_alone),
        WITH_WORLD(a_process_that_gets_many_ends_after_its_mails),
        WITH_WORLD(a_death_fails_those_it_was_with),
        WITH_WORLD(several_threads_ask_at_once),
        cmocka_unit_test_setup_teardown(real_mail_is_parsed_within_the_childs_calls,
                                        make_real_world, end_world),
    };

    if (landlock_abi() == 0 || !seccomp_available()) {
        printf("skipped: this kernel lacks Landlock or seccomp\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
