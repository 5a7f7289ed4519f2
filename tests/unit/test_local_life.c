/*
 * test_local_life.c - the life of bodies: random appends, expunges, sweeps, checkpoints,
 * readers that hold bodies open, removed accounts and restarts over packs of a few KB, so that
 * packer and compaction work all the time. A memory of what must be there is compared with what
 * is.
 *
 * The same under kill -9: the memory lies in shared pages, so that it outlives the child that
 * did the work and knows what that had been promised.
 */
// links: store_local
// labels: concurrency
// lib: local_store
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/local_store.h"
#include "lib/test.h"
#include "store/local/compact.h"

#define ACCOUNTS        3u
#define BODIES_MAX      4000u
#define HELD_MAX        4u
#define BODY_SMALL_MAX  3000u
#define BODY_LARGE_MAX  90000u
#define SMALL_PACK      ((uint64_t) 128 << 10)
#define STEPS           1500u
#define KILL_ROUNDS     10u
#define KILL_ROUNDS_ALL 300u
#define EVENTUALLY_SEC  60
#define SEED            0x9e3779b97f4a7c15u

/* COMMITTING and DYING: a crash may leave it either way. */
enum fate { NONE, COMMITTING, LIVE, DYING, DEAD };

struct one_body {
    uint32_t len;
    uint8_t fate;
};

struct one_account {
    uint64_t id;
    uint64_t next; /* body id */
    uint64_t position;
    struct one_body bodies[BODIES_MAX];
};

struct world {
    struct one_account accounts[ACCOUNTS];
    uint64_t next_account;
    uint64_t random;
    char failure[256];
};

struct held {
    struct body *body;
    uint64_t account, id;
    uint32_t len;
};

struct run {
    struct world *world;
    struct local_store *store;
    struct held held[HELD_MAX];
};

static uint32_t pick(struct world *world, uint32_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t) (world->random >> 11) % below;
}

static bool fails(struct run *run, const char *what, uint64_t account, uint64_t id)
{
    if (run->world->failure[0] == '\0')
        (void) snprintf(run->world->failure, sizeof(run->world->failure),
                        "%.180s: account %llu body %llu", what, (unsigned long long) account,
                        (unsigned long long) id);
    return false;
}

static const struct engine_ops *ops_of(const struct run *run)
{
    return run->store->engine->ops;
}

/* ---- the steps; false: something is wrong ---- */

static bool same_bytes(struct run *run, const struct held *held)
{
    AUTO(freep) char *want = local_store_body(held->account * BODIES_MAX + held->id, held->len);
    AUTO(freep) char *got = xmalloc((size_t) held->len + 1);
    struct err err;

    if (ops_of(run)->body_length(held->body) != held->len)
        return fails(run, "length", held->account, held->id);
    if (ops_of(run)->body_read(held->body, 0, got, held->len, &err) != RC_OK)
        return fails(run, err.detail, held->account, held->id);
    return memcmp(got, want, held->len) == 0 ||
           fails(run, "other bytes", held->account, held->id);
}

static enum rc open_body(struct run *run, uint64_t account, uint64_t id, uint32_t len,
                         struct held *out)
{
    *out = (struct held){.account = account, .id = id, .len = len};
    return ops_of(run)->body_open(run->store->engine, account, id, &out->body, NULL);
}

static bool check_body(struct run *run, const struct one_account *account, uint64_t id)
{
    struct held held;
    bool is_same;

    if (open_body(run, account->id, id, account->bodies[id].len, &held) != RC_OK)
        return fails(run, "missing", account->id, id);
    is_same = same_bytes(run, &held);
    ops_of(run)->body_close(held.body);
    return is_same;
}

static bool append(struct run *run, struct one_account *account)
{
    struct world *world = run->world;
    uint32_t len = pick(world, pick(world, 12) == 0 ? BODY_LARGE_MAX : BODY_SMALL_MAX);
    uint64_t id = account->next;
    AUTO(freep) char *bytes = local_store_body(account->id * BODIES_MAX + id, len);
    uint64_t position;

    if (id >= BODIES_MAX)
        return true;
    account->bodies[id] = (struct one_body){len, COMMITTING};
    account->next = id + 1;
    position = local_store_put_body(run->store, account->id, id, SLICE("append"),
                                    slice_of(bytes, len));
    local_store_wait(run->store, position);
    account->position = position;
    account->bodies[id].fate = LIVE;
    return true;
}

static bool expunge(struct run *run, struct one_account *account)
{
    uint64_t from = 1 + pick(run->world, (uint32_t) account->next);
    uint64_t n = pick(run->world, 60);

    for (uint64_t id = from; id < MIN(from + n, account->next); id++) {
        if (account->bodies[id].fate == LIVE)
            account->bodies[id].fate = DYING;
    }
    return true;
}

static bool sweep(struct run *run, struct one_account *account)
{
    AUTO(freep) uint64_t *ids = xcalloc(BODIES_MAX, sizeof(*ids));
    struct held held;
    uint64_t missing = 0;
    struct err err;
    size_t n = 0;
    enum rc rc;

    for (uint64_t id = 1; id < account->next; id++) {
        if (account->bodies[id].fate == LIVE)
            ids[n++] = id;
    }
    rc = ops_of(run)->keep_bodies(run->store->engine, account->id, ids, n, account->next,
                                  &missing, &err);
    if (rc == RC_NOT_FOUND && account->position == 0)
        return true;
    if (rc)
        return fails(run, err.detail, account->id, 0);
    if (missing > 0)
        return fails(run, "live bodies are nowhere", account->id, missing);
    for (uint64_t id = 1; id < account->next; id++) {
        if (account->bodies[id].fate != DYING)
            continue;
        account->bodies[id].fate = DEAD;
        if (open_body(run, account->id, id, 0, &held) != RC_NOT_FOUND)
            return fails(run, "a dead body has a place", account->id, id);
    }
    return true;
}

static bool write_checkpoint(struct run *run, struct one_account *account)
{
    struct page_batch batch = {.root = SLICE("root")};
    struct err err;

    return account->position == 0 ||
           ops_of(run)->write_pages(run->store->engine, account->id, account->position, &batch,
                                    &err) == RC_OK ||
           fails(run, err.detail, account->id, 0);
}

static bool let_go(struct run *run, struct held *held)
{
    bool is_same = held->body == NULL || same_bytes(run, held);

    ops_of(run)->body_close(held->body);
    held->body = NULL;
    return is_same;
}

static bool hold(struct run *run, struct one_account *account)
{
    struct held *held = &run->held[pick(run->world, HELD_MAX)];
    uint64_t id = 1 + pick(run->world, (uint32_t) account->next);

    if (!let_go(run, held))
        return false;
    if (id >= account->next || account->bodies[id].fate != LIVE)
        return true;
    return open_body(run, account->id, id, account->bodies[id].len, held) == RC_OK ||
           fails(run, "cannot be opened", account->id, id);
}

static bool remove_account(struct run *run, struct one_account *account)
{
    uint64_t id = account->id;
    struct held held;
    struct err err;

    memset(account, 0, sizeof(*account)); /* first: a crash may come before or after */
    account->id = run->world->next_account++;
    account->next = 1;
    if (ops_of(run)->remove(run->store->engine, id, &err) != RC_OK)
        return fails(run, err.detail, id, 0);
    return open_body(run, id, 1, 0, &held) == RC_NOT_FOUND ||
           fails(run, "removed, and has a body", id, 1);
}

static bool let_all_go(struct run *run)
{
    bool is_good = true;

    for (size_t i = 0; i < HELD_MAX; i++)
        is_good = let_go(run, &run->held[i]) && is_good;
    return is_good;
}

/* What the memory says against what is there; what a crash left open is settled. */
static bool check_all(struct run *run)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct one_account *account = &run->world->accounts[i];

        for (uint64_t id = 1; id < account->next; id++) {
            struct one_body *body = &account->bodies[id];
            struct held held;

            if (body->fate == COMMITTING) {
                body->fate = NONE;
                if (open_body(run, account->id, id, body->len, &held) == RC_OK) {
                    body->fate = LIVE;
                    ops_of(run)->body_close(held.body);
                }
            }
            if (body->fate == LIVE && !check_body(run, account, id))
                return false;
            if (body->fate == DEAD)
                body->fate = DYING; /* the journal may still have had it */
        }
    }
    return true;
}

static bool reopen(struct run *run)
{
    if (!let_all_go(run))
        return false;
    local_store_close(run->store);
    local_store_open(run->store);
    return check_all(run);
}

static bool step(struct run *run)
{
    struct one_account *account = &run->world->accounts[pick(run->world, ACCOUNTS)];
    uint32_t what = pick(run->world, 1000);
    uint64_t id = 1 + pick(run->world, (uint32_t) account->next);

    if (what < 550)
        return append(run, account);
    if (what < 700)
        return expunge(run, account);
    if (what < 760)
        return sweep(run, account);
    if (what < 820)
        return write_checkpoint(run, account);
    if (what < 900)
        return hold(run, account);
    if (what < 903)
        return remove_account(run, account);
    if (what < 908)
        return reopen(run);
    return id >= account->next || account->bodies[id].fate != LIVE ||
           check_body(run, account, id);
}

static struct world *new_world(uint64_t seed)
{
    struct world *world =
        mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(world != MAP_FAILED);
    world->random = seed;
    for (size_t i = 0; i < ACCOUNTS; i++)
        world->accounts[i] = (struct one_account){.id = i + 1, .next = 1};
    world->next_account = ACCOUNTS + 1;
    return world;
}

static void make_small_store(struct local_store *store)
{
    local_store_make(store);
    store->options.segment_bytes = (uint64_t) 256 << 10;
    store->options.first_segment_bytes = (uint64_t) 64 << 10;
    store->options.pack_bytes = SMALL_PACK;
    store->options.pack_after_ms = 20;
}

static void nap_ms(long ms)
{
    (void) nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static uint64_t live_bytes(const struct world *world)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < ACCOUNTS; i++) {
        for (size_t id = 0; id < BODIES_MAX; id++) {
            if (world->accounts[i].bodies[id].fate == LIVE)
                bytes += world->accounts[i].bodies[id].len;
        }
    }
    return bytes;
}

/* Everything is packed, and packs are no larger than what lives allows: 40 % dead, and the
 * heads of entries. */
static bool becomes_small(struct local_store *store, uint64_t live)
{
    struct engine_status status = {0};

    for (int i = 0; i < EVENTUALLY_SEC * 20; i++) {
        store->engine->ops->status(store->engine, &status);
        if (status.unpacked_bytes == 0 && status.pack_bytes <= live * 2 + SMALL_PACK)
            return true;
        nap_ms(50);
    }
    print_error("unpacked %llu packs %llu live %llu\n",
                (unsigned long long) status.unpacked_bytes,
                (unsigned long long) status.pack_bytes, (unsigned long long) live);
    return false;
}

static void random_lives_are_as_remembered(void **state)
{
    struct local_store store;
    struct run run = {.world = new_world(SEED), .store = &store};

    (void) state;
    make_small_store(&store);
    local_store_open(&store);
    for (unsigned i = 0; i < STEPS; i++) {
        if (!step(&run))
            fail_msg("step %u: %s", i, run.world->failure);
    }
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (!sweep(&run, &run.world->accounts[i]))
            fail_msg("last sweep: %s", run.world->failure);
    }
    assert_true(becomes_small(&store, live_bytes(run.world)));
    if (!let_all_go(&run) || !reopen(&run))
        fail_msg("%s", run.world->failure);
    local_store_remove(&store);
    (void) munmap(run.world, sizeof(*run.world));
}

_Noreturn static void live_until_killed(struct run *run)
{
    local_store_open(run->store);
    if (!check_all(run))
        _exit(1);
    while (step(run))
        ;
    _exit(2);
}

static void a_kill_loses_nothing_that_lives(void **state)
{
    struct local_store store;
    struct run run = {.world = new_world(SEED + 1), .store = &store};
    unsigned rounds = getenv("ROOST_LARGE") != NULL ? KILL_ROUNDS_ALL : KILL_ROUNDS;

    (void) state;
    make_small_store(&store);
    for (unsigned i = 0; i < rounds; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            live_until_killed(&run);
        nap_ms(60 + (long) (i * 37 % 400));
        (void) kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            fail_msg("round %u: status %d: %s", i, status, run.world->failure);
        if (i % 20 == 19) { /* room for more */
            for (size_t a = 0; a < ACCOUNTS; a++)
                run.world->accounts[a] =
                    (struct one_account){.id = run.world->next_account++, .next = 1};
        }
    }
    local_store_open(&store);
    if (!check_all(&run))
        fail_msg("%s", run.world->failure);
    local_store_remove(&store);
    (void) munmap(run.world, sizeof(*run.world));
}

/* ---- one reader, and packs that go from under it ---- */

struct names {
    char list[64][32];
    size_t n;
};

static void list_packs(const struct local_store *store, struct names *out)
{
    char path[128];
    DIR *dir;
    const struct dirent *entry;

    (void) snprintf(path, sizeof(path), "%s/packs", store->path);
    dir = opendir(path);
    assert_non_null(dir);
    out->n = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".pack") != NULL && out->n < COUNT(out->list))
            (void) snprintf(out->list[out->n++], sizeof(out->list[0]), "%.31s", entry->d_name);
    }
    (void) closedir(dir);
}

static bool any_left(const struct local_store *store, const struct names *names)
{
    char path[160];

    for (size_t i = 0; i < names->n; i++) {
        (void) snprintf(path, sizeof(path), "%s/packs/%s", store->path, names->list[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static void an_open_body_outlives_its_pack(void **state)
{
    struct local_store store;
    struct run run = {.world = new_world(SEED + 2), .store = &store};
    struct one_account *account = &run.world->accounts[0];
    struct engine_status status;
    struct names names;

    (void) state;
    make_small_store(&store);
    local_store_open(&store);
    for (int i = 0; i < 40; i++)
        assert_true(append(&run, account));
    do {
        nap_ms(20);
        store.engine->ops->status(store.engine, &status);
    } while (status.unpacked_bytes > 0);
    list_packs(&store, &names);
    assert_true(names.n > 0);
    assert_int_equal(open_body(&run, account->id, 5, account->bodies[5].len, &run.held[0]),
                     RC_OK);
    assert_int_equal(open_body(&run, account->id, 30, account->bodies[30].len, &run.held[1]),
                     RC_OK);
    for (uint64_t id = 1; id < account->next; id++)
        account->bodies[id].fate = id % 10 == 5 ? LIVE : DYING; /* 5 lives on, 30 dies */
    assert_true(sweep(&run, account));
    for (int i = 0; i < EVENTUALLY_SEC * 20 && any_left(&store, &names); i++)
        nap_ms(50);
    assert_false(any_left(&store, &names));
    if (!let_all_go(&run) || !check_body(&run, account, 5) || !check_body(&run, account, 35))
        fail_msg("%s", run.world->failure);
    local_store_remove(&store);
    (void) munmap(run.world, sizeof(*run.world));
}

/* ---- which packs ---- */

#define PACK64 ((uint64_t) 64 << 20)

static struct pack_info pack_of(uint64_t number, uint64_t account, uint64_t mb)
{
    return (struct pack_info){.number = number,
                              .account = account,
                              .bodies = 100,
                              .stored_bytes = mb << 20,
                              .file_bytes = mb << 20};
}

static void the_deadest_pack_goes_first(void **state)
{
    struct pack_info packs[3] = {pack_of(1, 0, 50), pack_of(2, 7, 50), pack_of(3, 0, 50)};
    uint64_t chosen[COMPACT_MERGE_PACKS];

    (void) state;
    assert_int_equal(compact_choose(packs, 3, PACK64, chosen), 0);
    packs[0].dead_stored = (uint64_t) 19 << 20; /* 38 % */
    assert_int_equal(compact_choose(packs, 3, PACK64, chosen), 0);
    packs[0].dead_stored = (uint64_t) 22 << 20;
    packs[1].dead_stored = (uint64_t) 40 << 20;
    assert_int_equal(compact_choose(packs, 3, PACK64, chosen), 1);
    assert_int_equal(chosen[0], 2);
    packs[2].dead_bodies = 100; /* also if its bytes are not counted */
    assert_int_equal(compact_choose(packs, 3, PACK64, chosen), 1);
    assert_int_equal(chosen[0], 3);
}

static void packs_of_a_kind_are_merged(void **state)
{
    struct pack_info packs[16];
    uint64_t chosen[COMPACT_MERGE_PACKS];

    (void) state;
    for (size_t i = 0; i < 7; i++)
        packs[i] = pack_of(i + 1, 0, 5);
    for (size_t i = 7; i < 14; i++)
        packs[i] = pack_of(i + 1, 9, 5);
    assert_int_equal(compact_choose(packs, 14, PACK64, chosen), 0);
    packs[14] = pack_of(40, 0, 20); /* another size */
    assert_int_equal(compact_choose(packs, 15, PACK64, chosen), 0);
    packs[14] = pack_of(40, 9, 6);
    assert_int_equal(compact_choose(packs, 15, PACK64, chosen), COMPACT_MERGE_PACKS);
    assert_int_equal(chosen[0], 8);
    assert_int_equal(chosen[7], 40);
}

static void full_packs_are_merged_a_few_times(void **state)
{
    struct pack_info packs[8];
    uint64_t chosen[COMPACT_MERGE_PACKS];

    (void) state;
    for (size_t i = 0; i < 8; i++)
        packs[i] = pack_of(i + 1, 0, 60);
    for (unsigned merges = 0; merges < COMPACT_MERGES_MAX; merges++) {
        assert_int_equal(compact_choose(packs, 8, PACK64, chosen), 8);
        for (size_t i = 0; i < 8; i++)
            assert_int_equal(compact_merges(packs, 8, PACK64), merges + 1);
        for (size_t i = 0; i < 8; i++)
            packs[i].merges = (uint8_t) (merges + 1);
    }
    assert_int_equal(compact_choose(packs, 8, PACK64, chosen), 0);
    for (size_t i = 0; i < 8; i++)
        packs[i] = pack_of(i + 1, 5, 60); /* an account's own: never again */
    assert_int_equal(compact_choose(packs, 8, PACK64, chosen), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deadest_pack_goes_first),
        cmocka_unit_test(packs_of_a_kind_are_merged),
        cmocka_unit_test(full_packs_are_merged_a_few_times),
        cmocka_unit_test(an_open_body_outlives_its_pack),
        cmocka_unit_test(a_kill_loses_nothing_that_lives),
        cmocka_unit_test(random_lives_are_as_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
